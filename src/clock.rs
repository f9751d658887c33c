//! The one place where time and randomness enter, so that tests can hold them still.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use uuid::Uuid;

/// Tells the time. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    held: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `millis` since the epoch until [`advance`](Self::advance)d; for tests.
    pub fn held(millis: i64) -> Self {
        Self {
            held: Some(Arc::new(AtomicI64::new(millis))),
        }
    }

    /// Milliseconds since the Unix epoch, UTC.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn now_millis(&self) -> i64 {
        match &self.held {
            Some(held) => held.load(Ordering::SeqCst),
            None => Timestamp::now().as_millisecond(),
        }
    }

    /// Moves a held clock on; the machine's clock takes no notice.
    pub fn advance(&self, millis: i64) {
        if let Some(held) = &self.held {
            held.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// A fresh random id that sorts by time (UUID version 7).
    pub fn fresh_id(&self) -> Uuid {
        let millis = self.now_millis().max(0) as u64;
        let since_epoch = uuid::Timestamp::from_unix_time(millis / 1000, (millis % 1000) as u32 * 1_000_000, 0, 0);
        Uuid::new_v7(since_epoch)
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
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { seed: Some((seed, 0)) }
    }
}
