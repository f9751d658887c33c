//! The one place where time and randomness enter, so that tests can hold them still.
//!
//! Workers of one ledger must agree on the time, for leases and due times compare it. So where the ledger's database has a
//! clock of its own, the ledger's follows that one, and a machine whose clock is off does no harm.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use uuid::Uuid;

/// The database's time, and when it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct TimeTold {
    /// Milliseconds since the Unix epoch, UTC.
    pub millis: i64,
    /// Just before the question was sent.
    pub asked: Instant,
    /// Just after the answer had come.
    pub answered: Instant,
}

/// Tells the time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(TimeSource);

#[derive(Debug, Clone)]
enum TimeSource {
    /// The machine's clock, and when this one was made.
    Machine(Instant),
    /// Stands still, and where it stood first.
    Held(Arc<AtomicI64>, i64),
    Followed(Arc<Followed>),
}

/// Another machine's clock, as far as it has been asked. In between, time passes as it does for everybody: this machine's
/// clock may be set, and it makes no difference.
#[derive(Debug)]
struct Followed {
    since: Instant,
    /// What to add to the milliseconds since then.
    offset: AtomicI64,
}

/// A clock that is this far off says so.
const OFF_BY_MILLIS: i64 = 3_000;
/// An answer that took part of this long is no better than what is known.
const SLACK_MILLIS: i64 = 5;

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(TimeSource::Machine(Instant::now()))
    }

    /// A clock that stands still at `millis` since the epoch until [`advance`](Self::advance)d; for tests.
    pub fn held(millis: i64) -> Self {
        Self(TimeSource::Held(Arc::new(AtomicI64::new(millis)), millis))
    }

    /// A clock that goes by the time a database tells, from here on. A held one stays as it is.
    #[must_use]
    pub fn following(self, told: TimeTold) -> Self {
        let TimeSource::Machine(since) = self.0 else {
            return self;
        };
        let clock = Self(TimeSource::Followed(Arc::new(Followed {
            since,
            offset: AtomicI64::new(i64::MIN / 2),
        })));
        clock.follow(told);
        clock
    }

    /// Goes by what the database has told just now, if this clock follows it.
    pub fn follow(&self, told: TimeTold) {
        let TimeSource::Followed(followed) = &self.0 else {
            return;
        };
        let millis = |at: Instant| at.saturating_duration_since(followed.since).as_millis() as i64;
        let (asked, answered) = (millis(told.asked), millis(told.answered));
        // It was this time somewhere between question and answer.
        let (most, least) = (told.millis - asked, told.millis - answered);
        let known = followed.offset.load(Ordering::SeqCst);
        if known > most + SLACK_MILLIS || known < least - SLACK_MILLIS {
            followed.offset.store(i64::midpoint(most, least), Ordering::SeqCst);
        }
    }

    /// How far this machine's clock is ahead of the followed one, in milliseconds, if that is more than a little.
    pub fn is_off_by(&self) -> Option<i64> {
        let TimeSource::Followed(_) = &self.0 else { return None };
        let ahead = machine_millis() + set_by_test() - self.now_millis();
        (ahead.abs() > OFF_BY_MILLIS).then_some(ahead)
    }

    /// Milliseconds since the Unix epoch, UTC.
    pub fn now_millis(&self) -> i64 {
        match &self.0 {
            TimeSource::Machine(_) => machine_millis() + set_by_test(),
            TimeSource::Held(held, _) => held.load(Ordering::SeqCst),
            TimeSource::Followed(followed) => {
                followed.since.elapsed().as_millis() as i64 + followed.offset.load(Ordering::SeqCst) + set_by_test()
            }
        }
    }

    /// Milliseconds that have passed since this clock was made, however it or the machine's clock was set in between.
    pub fn elapsed_millis(&self) -> i64 {
        match &self.0 {
            TimeSource::Machine(since) => since.elapsed().as_millis() as i64 * pace_of_test(),
            TimeSource::Held(held, first) => held.load(Ordering::SeqCst) - first,
            TimeSource::Followed(followed) => followed.since.elapsed().as_millis() as i64 * pace_of_test(),
        }
    }

    /// Moves a held clock on; others take no notice.
    pub fn advance(&self, millis: i64) {
        if let TimeSource::Held(held, _) = &self.0 {
            held.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// A fresh random id that sorts by time (UUID version 7). Those of one millisecond sort as they were made, so that an index
    /// of them grows at its end.
    pub fn fresh_id(&self) -> Uuid {
        let millis = self.now_millis().max(0) as u64;
        let (seconds, nanos) = (millis / 1000, (millis % 1000) as u32 * 1_000_000);
        let counter = counted(millis).into();
        Uuid::new_v7(uuid::Timestamp::from_unix_time(seconds, nanos, counter, COUNTER_BITS))
    }

    /// Random bytes fit for secrets, from the operating system. A held clock's are no less random: what can be
    /// foretold must not become a password because a test's clock got into the wrong hands.
    pub fn entropy(&self) -> Entropy {
        Entropy {
            #[cfg(test)]
            seed: None,
        }
    }
}

/// Bits of an id that count those of one millisecond. They begin at random, with the first of them 0.
const COUNTER_BITS: u8 = 42;

/// One more than the last time of that millisecond.
fn counted(millis: u64) -> u64 {
    static LAST: Mutex<(u64, u64)> = Mutex::new((0, 0));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let next = if last.0 == millis {
        last.1 + 1
    } else {
        let random = Uuid::new_v7(uuid::Timestamp::from_unix_time(0, 0, 0, 0));
        random.as_u64_pair().1 & ((1 << (COUNTER_BITS - 1)) - 1)
    };
    *last = (millis, next);
    next
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn machine_millis() -> i64 {
    Timestamp::now().as_millisecond()
}

/// How far a test has set the clock of this process: `TENANTRY_CLOCK` names a file with the milliseconds, which it can change
/// meanwhile. Only debug builds know of it.
#[cfg(debug_assertions)]
fn set_by_test() -> i64 {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("TENANTRY_CLOCK").map(PathBuf::from));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// How many times as fast time passes for a test that would have to wait: `TENANTRY_CLOCK_PACE`. Debug builds alone know of it.
#[cfg(debug_assertions)]
fn pace_of_test() -> i64 {
    use std::sync::OnceLock;

    static PACE: OnceLock<i64> = OnceLock::new();
    let read = || std::env::var_os("TENANTRY_CLOCK_PACE")?.to_str()?.parse().ok();
    *PACE.get_or_init(|| read().unwrap_or(1))
}

/// Release builds go by their machine.
#[cfg(not(debug_assertions))]
fn set_by_test() -> i64 {
    0
}

/// Release builds go by their machine.
#[cfg(not(debug_assertions))]
fn pace_of_test() -> i64 {
    1
}

/// Where random bytes come from; [`Clock::entropy`] makes one.
pub struct Entropy {
    /// Seed and how many blocks were drawn of it. Only unit tests can set it.
    #[cfg(test)]
    seed: Option<(u64, u64)>,
}

impl Entropy {
    /// Fills `bytes` with random ones.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Some((seed, drawn)) = &mut self.seed {
            use sha2::{Digest, Sha256};
            for block in bytes.chunks_mut(32) {
                *drawn += 1;
                let hash = Sha256::digest(format!("{seed} {drawn}"));
                block.copy_from_slice(&hash[..block.len()]);
            }
            return Ok(());
        }
        getrandom::fill(bytes).map_err(io::Error::from)
    }

    /// The same bytes for the same seed.
    #[cfg(test)]
    pub fn seeded(seed: u64) -> Self {
        Self { seed: Some((seed, 0)) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(millis: i64, asked: Instant, took: u64) -> TimeTold {
        TimeTold {
            millis,
            asked,
            answered: asked + Duration::from_millis(took),
        }
    }

    #[test]
    fn a_following_clock_keeps_to_its_source() {
        let began = Instant::now();
        // An hour ahead of this machine.
        let theirs = machine_millis() + 3_600_000;
        let clock = Clock::system().following(told(theirs, began, 2));
        let off = clock.now_millis() - theirs;
        assert!((-10..2_000).contains(&off), "{off}");
        assert!(clock.is_off_by().is_some_and(|ahead| ahead < -3_500_000));
        // A slow answer that fits changes nothing, one that does not is believed.
        let before = clock.now_millis();
        clock.follow(told(theirs + 100, began, 5_000));
        assert!(clock.now_millis() - before < 1_000);
        clock.follow(told(theirs + 60_000, began, 2));
        assert!(clock.now_millis() - before > 50_000);
    }

    #[test]
    fn ids_sort_as_they_were_made() {
        let clock = Clock::held(1_700_000_000_000);
        let ids: Vec<Uuid> = (0..1_000).map(|_| clock.fresh_id()).collect();
        assert!(ids.is_sorted());
        clock.advance(1);
        let later = clock.fresh_id();
        assert!(ids.iter().all(|id| *id < later));
        assert_eq!(later.get_version_num(), 7);
        let of_other = Clock::held(1_700_000_000_000).fresh_id();
        assert!(!ids.contains(&of_other));
    }

    #[test]
    fn a_held_clock_follows_no_other() {
        let clock = Clock::held(5).following(told(1_000, Instant::now(), 1));
        assert_eq!(
            (clock.now_millis(), clock.elapsed_millis(), clock.is_off_by()),
            (5, 0, None)
        );
        clock.advance(3);
        assert_eq!((clock.now_millis(), clock.elapsed_millis()), (8, 3));
    }
}
