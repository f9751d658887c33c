#![doc = include_str!("../README.md")]
//!
//! # The code, room by room
//!
//! What stands lower knows nothing of what stands above it.
//!
//! ```text
//! installation what sets one database's records apart from others'
//! signature    of texts, as OpenSSH makes them
//! passwords    made for new users, and sealed to those who hand them out
//! input        from the bytes of a file to blocks of rows
//! db           SQLite and PostgreSQL behind one kind of transaction
//! backoff      pauses between tries
//! clock        time and randomness
//! recycled     large buffers that are used again
//! secret       values that are never shown
//! moment       times as people and documents have them
//! tls          whom to trust on the other side of a connection
//! host         which hosts are this machine
//! machine      the machine's name
//! lock         locks that outlive a panic
//! tasks        tasks beside the caller's own
//! file         files that appear under their names when they are whole
//! small_file   keys, tokens and settings that somebody names, read within bounds
//! program      what a program prints, within bounds
//! failpoint    places where tests end the process
//! ```

pub mod backoff;
pub mod clock;
pub mod db;
pub mod failpoint;
pub mod file;
pub mod host;
pub mod input;
pub mod installation;
pub mod lock;
pub mod machine;
pub mod moment;
pub mod passwords;
pub mod program;
mod recycled;
pub mod secret;
pub mod signature;
pub mod small_file;
pub mod tasks;
pub mod tls;
