//! Claimed chunks take effect in the order of its [turns](crate::ledger::batches), where it changes the same customers.
//!
//! Batches of this worker know of each other here, so that one waits for the other without asking the database. What other workers have in
//! hand is asked of the ledger, just before a batch takes effect, and again and again while something is in the way. What was
//! read of the store before a batch had to wait may be out of date then, and is read anew. Others are not asked about once more
//! after that, unless more is to be changed than before: what is claimed later has a later turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::db::DbError;
use crate::ledger::{BatchTurn, ChangeSet, Claim, InTheWay, Scope, WaitingBatch};
use crate::lock::lock;

/// How often others are asked whether they are done, while two are. A batch with more before it asks less often, by as much: they
/// end one after the other, and what many ask takes time from the one that is at work.
const ASK: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(20));
/// A batch that waits for one other asks again after this part of the time it has waited for it, so
/// that it loses no more than that.
const PART: u32 = 8;
/// How often a batch finds in its way what others left, before it is given back so that its worker can take that up.
const LEFT_ASKS: u64 = 6;

/// The batches in hand here that have a turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    batches: Mutex<BTreeMap<BatchTurn, BatchHere>>,
    changed: Notify,
    next: AtomicU64,
    doubts: AtomicU64,
    /// One batch at a time waits behind another worker's lock, so that connections are left for the others.
    behind_lock: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct BatchHere {
    /// Tells it from another one of the same turn, which follows it at once.
    number: u64,
    /// Chunks of it.
    chunks: usize,
    /// Its job, if it is of one.
    job: Option<i64>,
    /// What it changes, once that is known.
    places: Option<ChangeSet>,
    /// Whether others may have something before it in hand.
    asks: bool,
}

/// A batch has its turn here until this is dropped.
#[derive(Debug)]
pub(super) struct InTurn {
    turns: Arc<Turns>,
    batch: Option<(BatchTurn, u64)>,
}

impl Drop for InTurn {
    fn drop(&mut self) {
        if let Some((turn, number)) = self.batch {
            let mut batches = lock(&self.turns.batches);
            if batches.get(&turn).is_some_and(|batch| batch.number == number) {
                batches.remove(&turn);
            }
            drop(batches);
            self.turns.changed.notify_waiters();
        }
    }
}

/// How a batch came to its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// At once.
    AtOnce,
    /// Others have changed something meanwhile.
    Later,
    /// It does not come as long as this worker holds it.
    Never,
}

impl Turns {
    /// How often there was [doubt](Self::doubt).
    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::SeqCst)
    }

    /// What was claimed together is in hand. `doubts` is how often there had been doubt before it was claimed.
    pub(super) fn hold(self: &Arc<Self>, claims: &[Claim], doubts: u64) -> InTurn {
        let turn = claims.first().and_then(|claim| claim.turn);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(turn) = turn {
            let mut batches = lock(&self.batches);
            let batch = BatchHere {
                number,
                chunks: claims.len(),
                job: job_of(claims),
                places: claims.iter().any(|claim| claim.apart).then(ChangeSet::none),
                asks: claims.iter().any(|claim| claim.has_others) || self.doubts() != doubts,
            };
            batches.insert(turn, batch);
        }
        InTurn {
            turns: self.clone(),
            batch: turn.map(|turn| (turn, number)),
        }
    }

    /// Something came of a batch that may leave it, or a part of it, in other hands.
    pub(super) fn doubt(&self) {
        let mut batches = lock(&self.batches);
        self.doubts.fetch_add(1, Ordering::SeqCst);
        for batch in batches.values_mut() {
            batch.asks = true;
        }
    }

    /// Remembers what a batch, or a part of it, changes. Whether that is news to others.
    fn add(&self, turn: BatchTurn, chunks: usize, places: &ChangeSet) -> bool {
        let mut batches = lock(&self.batches);
        let Some(batch) = batches.get_mut(&turn) else {
            return false;
        };
        let known = match &batch.places {
            Some(known) => known.with(places),
            // What the rest of it changes is unknown.
            None if chunks < batch.chunks => return false,
            None => places.clone(),
        };
        let is_news = batch.places.as_ref() != Some(&known);
        batch.places = Some(known);
        drop(batches);
        if is_news {
            self.changed.notify_waiters();
        }
        is_news
    }

    /// What a batch changes as far as others have to know.
    fn known(&self, turn: BatchTurn) -> Option<ChangeSet> {
        lock(&self.batches).get(&turn).and_then(|batch| batch.places.clone())
    }

    /// Waits until no batch in hand here is before this one that may change the same. Whether it had to, and those before it now,
    /// unless others have nothing that may be.
    async fn comes(&self, turn: BatchTurn, job: Option<i64>, places: &ChangeSet) -> (bool, Option<Vec<i64>>) {
        let mut waited = false;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let batches = lock(&self.batches);
                let is_in_the_way = batches.range(..turn).any(|(_, before)| {
                    let is_same_job = job.is_some() && before.job == job;
                    !is_same_job && before.places.as_ref().is_none_or(|before| before.meet(places))
                });
                if !is_in_the_way {
                    let asks = batches.get(&turn).is_none_or(|batch| batch.asks);
                    let before = batches.range(..turn).filter_map(|(before, _)| before.own());
                    return (waited, asks.then(|| before.collect()));
                }
            }
            waited = true;
            changed.await;
        }
    }
}

/// Asks of others whether they are done.
#[derive(Debug, Default)]
struct Asks {
    /// Since there is just one in the way, or several.
    asked: u64,
    slept: Duration,
    is_next: bool,
}

impl Asks {
    /// How long to wait before the next one, where so many are in the way.
    fn pause(&mut self, others: usize, clock: &Clock) -> Duration {
        let is_next = others == 1;
        if is_next != self.is_next {
            *self = Self {
                is_next,
                ..Self::default()
            };
        }
        self.asked += 1;
        let pause = if is_next {
            (self.slept / PART).clamp(ASK.first, ASK.longest)
        } else {
            let longest = ASK.longest * (others.max(2) - 1) as u32;
            Backoff::new(ASK.first, longest).jittered(self.asked, clock)
        };
        self.slept += pause;
        pause
    }
}

fn job_of(claims: &[Claim]) -> Option<i64> {
    match claims {
        [one] => Some(one.job),
        _ => None,
    }
}

impl Runner {
    /// Waits for the turn of what was claimed together, or of a part of it, that changes this; `None` if that is not known before
    /// its turn has come. Others have nothing before it that may change what is `clear`, and then neither this.
    pub(super) async fn turn_comes(
        &self,
        claims: &[Claim],
        places: Option<ChangeSet>,
        clear: &mut Option<ChangeSet>,
        leaving: &CancellationToken,
    ) -> Result<Came, DbError> {
        let Some((turn, owner)) = claims
            .first()
            .and_then(|claim| Some((claim.turn?, claim.owner.clone())))
        else {
            return Ok(Came::AtOnce);
        };
        let job = job_of(claims);
        let places = places.filter(|_| !claims.iter().any(|claim| claim.apart));
        let is_news = places
            .as_ref()
            .is_some_and(|places| self.turns.add(turn, claims.len(), places));
        let places = places.unwrap_or(ChangeSet::all());
        let mut changes = is_news.then(|| self.turns.known(turn)).flatten();
        let is_clear = changes.is_none() && clear.as_ref().is_some_and(|clear| clear.covers(&places));
        let mut came = Came::AtOnce;
        let (mut asks, mut left) = (Asks::default(), 0);
        let mut next_after = None;
        loop {
            let (waited, known) = self.turns.comes(turn, job, &places).await;
            if waited {
                came = Came::Later;
            }
            // Workers that claim later wait for every batch in hand.
            let Some(known) = known.filter(|_| !is_clear) else {
                return Ok(came);
            };
            // What this worker takes up of another one meanwhile is not among those known.
            let waiting = WaitingBatch {
                turn,
                job,
                places: places.clone(),
                owner: owner.clone(),
                known,
                is_of_one_job: self.scope != Scope::All,
            };
            let others;
            (others, next_after) = match self.ask_others(&waiting, changes.take(), next_after).await? {
                InTheWay::Nothing => {
                    *clear = Some(places);
                    return Ok(came);
                }
                InTheWay::One(other) => (1, Some(other)),
                InTheWay::Several(others) => (others, None),
                InTheWay::Left => {
                    left += 1;
                    (0, None)
                }
            };
            // A worker for one job cannot take up what is of others.
            if self.scope == Scope::All && (left > LEFT_ASKS || leaving.is_cancelled()) {
                return Ok(Came::Never);
            }
            came = Came::Later;
            tokio::time::sleep(asks.pause(others, self.ledger.clock())).await;
        }
    }

    /// What others have in hand before a batch, which comes next after the one of that turn.
    async fn ask_others(
        &self,
        waiting: &WaitingBatch,
        changes: Option<ChangeSet>,
        next_after: Option<i64>,
    ) -> Result<InTheWay, DbError> {
        match (next_after, self.turns.behind_lock.try_lock()) {
            (Some(other), Ok(_alone)) => self.ledger.in_the_way_after(waiting, other).await,
            _ => self.ledger.in_the_way(waiting, changes).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn turn(number: i64) -> BatchTurn {
        BatchTurn { number, of_dead: None }
    }

    fn hold(turns: &Arc<Turns>, number: i64, job: Option<i64>) -> InTurn {
        let batch = BatchHere {
            number: turns.next.fetch_add(1, Ordering::Relaxed),
            chunks: 1,
            job,
            places: None,
            asks: false,
        };
        let in_turn = InTurn {
            turns: turns.clone(),
            batch: Some((turn(number), batch.number)),
        };
        lock(&turns.batches).insert(turn(number), batch);
        in_turn
    }

    fn comes(turns: &Turns, number: i64, job: Option<i64>, customers: &[i64]) -> Option<bool> {
        let places = ChangeSet::of(customers, false);
        turns.add(turn(number), 1, &places);
        let come = turns.comes(turn(number), job, &places).now_or_never();
        come.map(|(waited, _)| waited)
    }

    #[tokio::test]
    async fn a_batch_waits_only_for_earlier_ones_that_share_a_customer() {
        let turns = Arc::<Turns>::default();
        let [first, second, third] = [1, 2, 3].map(|number| hold(&turns, number, None));
        assert_eq!(
            comes(&turns, 2, None, &[5]),
            None,
            "nobody knows what the first one changes"
        );
        assert_eq!(comes(&turns, 1, None, &[4, 7]), Some(false));
        assert_eq!(comes(&turns, 2, None, &[5]), Some(false));
        assert_eq!(comes(&turns, 3, None, &[7]), None);
        drop(second);
        assert_eq!(comes(&turns, 3, None, &[7]), None);
        drop(first);
        assert_eq!(comes(&turns, 3, None, &[7]), Some(false));
        drop(third);
        assert!(lock(&turns.batches).is_empty());
    }

    #[tokio::test]
    async fn a_waiting_batch_is_woken() {
        let turns = Arc::<Turns>::default();
        let first = hold(&turns, 1, Some(7));
        let _second = hold(&turns, 2, Some(8));
        let places = ChangeSet::of(&[3], false);
        let waiting = turns.comes(turn(2), Some(8), &places);
        let ((waited, _), ()) = tokio::join!(waiting, async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(waited);
        let same_job = hold(&turns, 3, Some(8));
        assert_eq!(comes(&turns, 3, Some(8), &[3]), Some(false));
        drop(same_job);
    }

    #[test]
    fn the_next_one_asks_often_and_those_behind_it_seldom() {
        let (clock, mut asks) = (Clock::system(), Asks::default());
        let mut last_of = |others: usize, times: usize| {
            let pauses = (0..times).map(|_| asks.pause(others, &clock));
            pauses.last().unwrap_or_default()
        };
        assert!(last_of(9, 20) >= ASK.longest * 4, "there are many before it");
        let behind = last_of(2, 20);
        assert!(
            behind >= ASK.longest / 2 && behind <= ASK.longest,
            "there are two before it"
        );
        assert_eq!(last_of(1, 8), ASK.first, "it has become the next");
        assert!(last_of(1, 12) < ASK.longest / 4);
        assert_eq!(last_of(1, 1_000), ASK.longest, "that one takes its time");
    }

    #[test]
    fn doubt_reaches_held_batches_and_is_counted() {
        let turns = Arc::<Turns>::default();
        let asks = |number: i64| lock(&turns.batches)[&turn(number)].asks;
        let _held = hold(&turns, 1, None);
        let doubts = turns.doubts();
        assert!(!asks(1));
        turns.doubt();
        assert!(asks(1));
        assert_ne!(turns.doubts(), doubts);
    }

    #[tokio::test]
    async fn one_that_follows_under_the_same_turn_stays() {
        let turns = Arc::<Turns>::default();
        let first = hold(&turns, 1, None);
        let again = hold(&turns, 1, None);
        drop(first);
        let _second = hold(&turns, 2, None);
        assert_eq!(comes(&turns, 2, None, &[1]), None);
        drop(again);
        assert_eq!(comes(&turns, 2, None, &[1]), Some(false));
    }

    #[tokio::test]
    async fn the_changes_of_a_batch_are_unknown_until_all_its_chunks_are_added() {
        let turns = Arc::<Turns>::default();
        let _first = hold(&turns, 1, None);
        lock(&turns.batches).get_mut(&turn(1)).expect("held").chunks = 2;
        assert!(!turns.add(turn(1), 1, &ChangeSet::of(&[1], false)));
        assert_eq!(turns.known(turn(1)), None);
        assert!(turns.add(turn(1), 2, &ChangeSet::of(&[1, 2], false)));
        assert!(!turns.add(turn(1), 1, &ChangeSet::of(&[1], false)), "that is no news");
        assert_eq!(turns.known(turn(1)), Some(ChangeSet::of(&[1, 2], false)));
    }
}
