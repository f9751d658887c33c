//! When a chunk that came to nothing is tried again. Pure: the same facts give the same answer.

use std::time::Duration;

/// How often, and how soon.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Failures in a row that put a chunk, or one row, to the test.
    pub attempts: u32,
    /// Deaths of its worker in a row that do.
    pub deaths: u32,
    /// Delay after the first failure; doubles with each further one.
    pub first_delay: Duration,
    /// The delay never grows beyond this.
    pub longest_delay: Duration,
}

impl RetryPolicy {
    /// How long to wait after this many failures in a row, or as many times that something was away.
    pub fn delay(&self, times: u64) -> Duration {
        let doublings = times.saturating_sub(1).min(20) as u32;
        (self.first_delay * (1 << doublings)).min(self.longest_delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = RetryPolicy {
            attempts: 6,
            deaths: 3,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(3),
        };
        let delays: Vec<_> = (1..=5).map(|times| policy.delay(times).as_millis()).collect();
        assert_eq!(delays, [500, 1000, 2000, 3000, 3000]);
        assert_eq!(policy.delay(1_000), policy.longest_delay);
    }
}
