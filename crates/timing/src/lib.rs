#![doc = include_str!("../README.md")]
//!
//! What stands lower knows nothing of what stands above it.
//!
//! ```text
//! words        a timing said in a sentence
//! nights       what happens to it where clocks change
//! path         file names with the date of the run
//! timing       one of the three sorts, its zone and its bounds; its due times after an instant
//! walk         from civil times to instants, over the changes of a zone's clocks
//! due          due times and their names
//! zone         zones by name, and where their data is from
//! cron         five fields, read and matched against civil times
//! ```
//!
//! Nothing here asks what time it is.

mod cron;
mod due;
mod nights;
mod path;
mod timing;
mod walk;
mod words;
mod zone;

pub use cron::Cron;
pub use due::Due;
pub use nights::{ClockChange, clock_changes};
pub use path::{FilePlace, PathTemplate};
pub use timing::{DueTimes, Timing, TimingText};
pub use words::{in_words, warnings};
pub use zone::{Zone, ZoneData, zone_data};
