//! A kit for stores that are reached over HTTP, whichever service it is.
//!
//! Nothing here knows a service. What is particular to one (its addresses, the fields of its requests, what its errors
//! mean, the names of its configuration keys) is handed in by the store.
//!
//! - `address`: which addresses may be called.
//! - `http`: the HTTP client and its limits.
//! - `oauth`: access tokens and refresh tokens.
//! - `pace`: who may call when, and how often, so that limits are kept that nobody tells.
//! - `paging`: lists, page after page, as long as they lead somewhere.
//! - `retry`: reads that are made again.
//! - `sorter`: sorts more records than memory holds.

pub mod address;
pub mod http;
pub mod oauth;
pub mod pace;
pub mod paging;
pub mod retry;
pub mod sorter;
