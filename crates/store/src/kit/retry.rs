//! Reads are made again when they fail for a reason that may pass. Calls that change something are not: whether they took
//! effect has to be found out first.

use std::time::Duration;

use tenantry_foundation::backoff::Backoff;

/// A read is tried this often before it counts as failed.
const TRIES: u64 = 5;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));

/// Whether a read that failed is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail in the same way.
    Never,
    /// As soon as the pacer lets it go. That it had to wait is nobody's fault, and costs no try.
    InTurn,
    /// After a while, longer each time, and a few times at most.
    Later,
}

/// Reads until there is an answer, or an error that is the last one.
pub async fn read<T, E, F>(read: impl Fn() -> F, again: impl Fn(&E) -> Retry) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut tries = 0;
    loop {
        let error = match read().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match again(&error) {
            Retry::Never => return Err(error),
            Retry::InTurn => continue,
            Retry::Later => tries += 1,
        }
        if tries == TRIES {
            return Err(error);
        }
        tokio::time::sleep(BACKOFF.after(tries)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How many reads there are if all fail in this way, but the last of ten.
    async fn reads(again: Retry) -> (u32, Result<(), ()>) {
        let made = Cell::new(0);
        let one = async || {
            made.set(made.get() + 1);
            if made.get() == 10 { Ok(()) } else { Err(()) }
        };
        let end = read(&one, |()| again).await;
        (made.get(), end)
    }

    #[tokio::test(start_paused = true)]
    async fn only_transient_faults_are_retried_and_only_failures_count() {
        assert_eq!(reads(Retry::Never).await, (1, Err(())));
        assert_eq!(reads(Retry::Later).await, (5, Err(())));
        assert_eq!(reads(Retry::InTurn).await, (10, Ok(())));
    }
}
