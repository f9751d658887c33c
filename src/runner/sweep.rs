//! Periodic maintenance: waking what nobody was told of, clearing up after the dead, and
//! letting go of old rows. Each goes round by itself, so that none holds up another, whatever the database does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Runner;
use crate::db::{DbError, Dialect};
use crate::ledger::{LookedThrough, Scope, Seen};
use crate::policy::LedgerPolicy;
use crate::queue::Queue;
use crate::store::sql::purge_deleted_users;

/// How often another process' write to an SQLite ledger is looked for.
const WATCH_EVERY: Duration = Duration::from_millis(25);
/// What nobody waits for comes once in this many sweeps.
const SELDOM: u32 = 4;
/// Old rows are looked for once in this many sweeps.
const PRUNE_EVERY: u32 = 120;
/// At the start, each waits this long for the ones before it, so that they do with one connection between them.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

/// What goes round beside the work of a runner.
#[derive(Clone)]
struct SweepRounds {
    runner: Runner,
    /// Held by the one that goes round for the first time.
    first: Arc<Semaphore>,
    stop: CancellationToken,
}

impl SweepRounds {
    /// Does something again and again until the worker stops.
    async fn go(self, what: &'static str, every: Duration, mut turn: impl AsyncFnMut(&Runner) -> Result<(), DbError>) {
        let going_round = async {
            let mut was_out = false;
            let mut first = tokio::time::timeout(FIRST_WITHIN, self.first.acquire()).await.ok();
            loop {
                let done = turn(&self.runner).await;
                drop(first.take());
                self.runner.tell_of(what, done, &mut was_out, &self.stop);
                tokio::time::sleep(every).await;
            }
        };
        self.stop.run_until_cancelled(going_round).await;
    }
}

impl Runner {
    /// Sweeps until `stop`. What fails is tried again at the next turn.
    pub(super) fn sweep(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let every = self.settings.sweep_interval;
        let rounds = SweepRounds {
            runner: self.clone(),
            first: Arc::new(Semaphore::new(1)),
            stop: stop.clone(),
        };
        tasks.spawn(
            rounds
                .clone()
                .go("work that is due", every, async |runner| runner.wake_claimable().await),
        );
        if self.ledger.db().dialect() == Dialect::Postgres {
            tasks.spawn(
                rounds
                    .clone()
                    .go("programs that have stopped", every * 2, async |runner| {
                        runner.end_stopped().await
                    }),
            );
        }
        tasks.spawn(rounds.clone().go("the time", self.settings.heartbeat, {
            let mut was_off = false;
            async move |runner| runner.look_at_clocks(&mut was_off).await
        }));
        tasks.spawn(rounds.clone().go("jobs of the dead", every * SELDOM, {
            let mut seen = Seen::default();
            async move |runner| {
                runner.ledger.clear_up_cancelled().await?;
                runner.ledger.discard_stale_plans(&mut seen).await
            }
        }));
        if let Some(anchors) = &self.settings.anchors {
            let daily = self.scope == Scope::All;
            tasks.spawn(anchors.clone().serve(self.ledger.clone(), daily, stop.clone()));
        }
        if self.scope != Scope::All {
            return;
        }
        if let Queue::Redis(_) = &self.queue {
            tasks.spawn(self.clone().replies(stop.clone()));
        }
        tasks.spawn(
            rounds
                .clone()
                .go("approvals that ran out", every * SELDOM, async |runner| {
                    runner.ledger.refresh_policy().await?;
                    runner.ledger.expire_approvals().await.map(drop)
                }),
        );
        tasks.spawn(
            rounds
                .clone()
                .go("what is kept long enough", every * PRUNE_EVERY, async |runner| {
                    purge_deleted_users(&runner.ledger).await?;
                    runner.ledger.forget_lost_workers().await?;
                    let keep = runner.settings.spool_keep.as_millis() as i64;
                    runner.ledger.forget_names(keep).await?;
                    runner.ledger.forget_allowances().await?;
                    while runner.ledger.prune_spool(keep).await?.is_more {}
                    Ok(())
                }),
        );
        if let Some(configured) = self.settings.keep_jobs {
            tasks.spawn(
                rounds
                    .clone()
                    .go("jobs that ended long ago", every * PRUNE_EVERY, async move |runner| {
                        let policy = LedgerPolicy::of(&runner.ledger.refresh_policy().await?);
                        let keep = policy.keep_jobs(Some(configured)).unwrap_or(configured).as_millis() as i64;
                        let mut through = LookedThrough::default();
                        while runner.ledger.remove_jobs(keep, &mut through).await? {}
                        while runner.ledger.remove_brought(keep, &mut through).await? {}
                        while runner.ledger.clear_removed().await? {}
                        while runner.ledger.give_room_back().await? {}
                        Ok(())
                    }),
            );
        }
    }

    /// Says when the ledger cannot be asked for something, and when it can again.
    pub(super) fn tell_of(&self, what: &str, done: Result<(), DbError>, was_out: &mut bool, stop: &CancellationToken) {
        let error = match done {
            Ok(()) if !*was_out => return,
            Ok(()) => {
                tracing::info!("the ledger can be asked for {what} again");
                *was_out = false;
                return;
            }
            Err(error) => error,
        };
        self.look_at(&error, stop);
        if !*was_out {
            tracing::warn!(%error, "the ledger cannot be asked for {what}; trying again");
        }
        *was_out = true;
    }

    /// Says when this machine's clock is off, and when it is right again.
    async fn look_at_clocks(&self, was_off: &mut bool) -> Result<(), DbError> {
        match self.ledger.look_at_clocks().await? {
            Some(ahead) if !*was_off => {
                let (seconds, side) = (ahead.abs() / 1000, if ahead > 0 { "ahead" } else { "behind" });
                tracing::warn!(
                    "this machine's clock is {seconds} s {side} of the ledger's time; leases go by the ledger's, and nothing is \
                     let go of by this clock"
                );
                *was_off = true;
            }
            None if *was_off => {
                tracing::info!("this machine's clock agrees with the ledger's time again");
                *was_off = false;
            }
            _ => {}
        }
        Ok(())
    }

    async fn end_stopped(&self) -> Result<(), DbError> {
        let ended = self.ledger.db().end_stopped().await?;
        if ended > 0 {
            tracing::warn!(
                "{ended} programs had stopped in the middle of inserting rows; their transactions were ended"
            );
        }
        Ok(())
    }

    async fn wake_claimable(&self) -> Result<(), DbError> {
        let (usual, held) = (self.settings.concurrency as u64, self.held.len());
        let mut free = usual.saturating_sub(held);
        let mut spare = (usual + self.spare() as u64).saturating_sub(held.max(usual));
        if free + spare == 0 {
            return Ok(());
        }
        for (job, chunks) in self.ledger.claimable(self.scope, usual + spare).await? {
            let mut tickets = chunks.min(free);
            free -= tickets;
            if tickets == 0 && spare > 0 && !self.held.has(job) {
                (tickets, spare) = (1, spare - 1);
            }
            if tickets == 0 {
                continue;
            }
            // The worker that finds the job takes it on, so a queue that is full, slow or gone stops nothing.
            self.queue.wake_here(job, tickets as usize);
        }
        Ok(())
    }

    /// Rings at once when another process has written to an SQLite ledger, which is how a job that was
    /// submitted elsewhere reaches a worker with the embedded queue.
    pub(super) async fn watch(self, stop: CancellationToken) {
        let mut seen = self.ledger.db().change_mark().unwrap_or_default();
        if seen.is_none() {
            return;
        }
        while stop
            .run_until_cancelled(tokio::time::sleep(WATCH_EVERY))
            .await
            .is_some()
        {
            let mark = match self.ledger.db().change_mark() {
                Ok(mark) => mark,
                Err(error) => {
                    self.look_at(&error, &stop);
                    continue;
                }
            };
            if mark != seen {
                seen = mark;
                if let Err(error) = self.wake_claimable().await {
                    tracing::debug!(%error, "the ledger could not be asked for work");
                }
            }
        }
    }
}
