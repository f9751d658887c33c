//! Counts of a key's answered calls, second by second.

use tokio::time::Instant;

/// Seconds that are kept, the one that is not over included.
const KEPT: usize = 61;

/// Counts of the last minute.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    began: Instant,
    /// Which second since `began` is the last one counted in.
    last: u64,
    counts: [u16; KEPT],
}

impl Recent {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            last: 0,
            counts: [0; KEPT],
        }
    }

    pub(super) fn add(&mut self, now: Instant) {
        let second = self.second(now);
        for passed in (self.last + 1..=second).rev().take(KEPT) {
            self.counts[place(passed)] = 0;
        }
        self.last = self.last.max(second);
        let count = &mut self.counts[place(second)];
        *count = count.saturating_add(1);
    }

    /// Calls of the last two seconds or less, but of the last one at least.
    pub(super) fn second_or_two(&self, now: Instant) -> u32 {
        self.of(now, 0, 2)
    }

    /// Calls of the last so many seconds.
    pub(super) fn seconds(&self, now: Instant, seconds: usize) -> u32 {
        self.of(now, 0, seconds.min(KEPT))
    }

    /// Calls of the last minute.
    pub(super) fn minute(&self, now: Instant) -> u32 {
        self.of(now, 0, KEPT)
    }

    /// Calls a second, over the last four that are over.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        f64::from(self.of(now, 1, 4)) / 4.0
    }

    fn of(&self, now: Instant, skip: u64, seconds: usize) -> u32 {
        let second = self.second(now);
        (0..seconds as u64)
            .filter_map(|back| second.checked_sub(skip + back))
            .filter(|at| *at <= self.last && self.last - at < KEPT as u64)
            .map(|at| u32::from(self.counts[place(at)]))
            .sum()
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs().max(self.last)
    }
}

fn place(second: u64) -> usize {
    (second % KEPT as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn older_calls_are_forgotten() {
        let began = Instant::now();
        let mut recent = Recent::new(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        for second in 0..200 {
            recent.add(at(second));
            recent.add(at(second));
        }
        assert_eq!(recent.second_or_two(at(199)), 4);
        assert_eq!(recent.minute(at(199)), 122);
        assert!((recent.rate(at(199)) - 2.0).abs() < 0.01);
        assert_eq!(recent.second_or_two(at(201)), 0);
        assert_eq!(recent.minute(at(230)), 60);
        assert_eq!(recent.minute(at(900)), 0);
        recent.add(at(900));
        assert_eq!(recent.minute(at(900)), 1);
    }
}
