//! When a chunk that came to nothing is tried again. Pure: the same facts give the same answer.

use std::time::Duration;

/// How often, and how soon.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Failures after which a chunk is given up.
    pub attempts: u32,
    /// Delay after the first failure; doubles with each further one.
    pub first_delay: Duration,
    /// The delay never grows beyond this.
    pub longest_delay: Duration,
}

/// What to do with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this long.
    RetryIn(Duration),
    /// Give it up: its rows fail.
    GiveUp,
}

impl RetryPolicy {
    /// After `failures` failures, this one included.
    pub fn decide(&self, failures: u32) -> Decision {
        if failures >= self.attempts {
            return Decision::GiveUp;
        }
        let doublings = failures.saturating_sub(1).min(20);
        Decision::RetryIn((self.first_delay * (1 << doublings)).min(self.longest_delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy {
            attempts: 6,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(3),
        };
        let decisions: Vec<_> = (1..=6).map(|failures| policy.decide(failures)).collect();
        let retry = |millis| Decision::RetryIn(Duration::from_millis(millis));
        assert_eq!(
            decisions,
            [
                retry(500),
                retry(1000),
                retry(2000),
                retry(3000),
                retry(3000),
                Decision::GiveUp
            ]
        );
    }
}
