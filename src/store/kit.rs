//! What a store that is reached over HTTP needs, whichever service it is.
//!
//! Nothing here knows a service. What is particular to one (its addresses, the fields of its requests, what its errors
//! mean, the names of its configuration keys) is handed in by the store.
//!
//! - `sorter`: sorts more records than memory holds.

pub mod sorter;
