//! Chunks of one worker that change the same customers take turns before their transactions begin.
//!
//! Every transaction locks its customers, so one chunk would wait for the other in any case. If it waits in PostgreSQL, it
//! holds a connection that others could use, and every transaction that waits costs the server time. SQLite takes one
//! transaction after the other as it is, and commits those together that wait.
//!
//! A customer's place is its number modulo [`PLACES`]. Places are taken in ascending order, all of them before anything is
//! locked in the database, so nobody waits in a circle.

use tokio::sync::{Mutex, MutexGuard};

/// Enough that chunks of different customers seldom meet.
const PLACES: i64 = 1024;

#[derive(Debug)]
pub(super) struct Turns(Box<[Mutex<()>]>);

impl Turns {
    /// Waits until no other chunk changes one of the customers. It is over when what is returned is dropped.
    pub(super) async fn take(&self, customers: &[i64]) -> Vec<MutexGuard<'_, ()>> {
        let mut places: Vec<usize> = customers.iter().map(|id| id.rem_euclid(PLACES) as usize).collect();
        places.sort_unstable();
        places.dedup();
        let mut taken = Vec::with_capacity(places.len());
        for place in places {
            taken.push(self.0[place].lock().await);
        }
        taken
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_shares_a_customer_waits_and_nobody_else() {
        let turns = Turns::default();
        let first = turns.take(&[7, 3, 7, 3 + PLACES]).await;
        assert!(turns.take(&[4, 7]).now_or_never().is_none());
        assert!(turns.take(&[4, 3]).now_or_never().is_none());
        let second = turns.take(&[4, 5]).now_or_never();
        assert!(second.is_some());
        drop(first);
        assert!(turns.take(&[4, 7]).now_or_never().is_none(), "4 is still taken");
        drop(second);
        assert!(turns.take(&[4, 7]).now_or_never().is_some());
    }

    #[tokio::test]
    async fn any_two_orders_end() {
        let turns = Turns::default();
        let work = (0..64_i64).map(|n| {
            let turns = &turns;
            async move {
                let taken = turns.take(&[n % 5, (n * 3) % 7, (n * 11) % 13]).await;
                tokio::task::yield_now().await;
                drop(taken);
            }
        });
        let all = futures::future::join_all(work);
        assert!(tokio::time::timeout(Duration::from_secs(60), all).await.is_ok());
    }
}
