//! Pauses between tries: each twice as long as the one before, up to a longest one. Pure, but for the jitter.

use std::time::Duration;

use crate::clock::Clock;

/// How long to wait before trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Backoff {
    /// From these two.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after so many failures in a row, at least one.
    pub fn after(self, times: u64) -> Duration {
        let doublings = times.saturating_sub(1).min(20) as u32;
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// Between half of that and all of it, by chance, so that those who failed together do not try again together.
    pub fn jittered(self, times: u64, clock: &Clock) -> Duration {
        let pause = self.after(times);
        let chance = (clock.fresh_id().as_u128() & 0xffff) as u32;
        pause / 2 + pause / 2 * chance / 0x1_0000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(3));

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = (0..=5).map(|times| BACKOFF.after(times).as_millis()).collect();
        assert_eq!(pauses, [500, 500, 1000, 2000, 3000, 3000]);
        assert_eq!(BACKOFF.after(u64::MAX), BACKOFF.longest);
    }

    #[test]
    fn jitter_stays_within_half() {
        let clock = Clock::system();
        for times in 1..50 {
            let pause = BACKOFF.jittered(times, &clock);
            assert!(
                pause <= BACKOFF.after(times) && pause * 2 >= BACKOFF.after(times),
                "{pause:?}"
            );
        }
    }
}
