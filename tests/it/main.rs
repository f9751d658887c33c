//! The one integration binary: a file per module of `src/`, against real servers and never against mocks.

mod servers;
