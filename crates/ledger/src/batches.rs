//! Batches in hand, and the order in which they take effect.
//!
//! Jobs on the same record take effect in the order in which they were accepted, however many workers there are. Claims are
//! made one after the other, in that order, and what is claimed together gets a turn: a number above those of all batches in hand.
//! Before a batch changes anything, it waits for those with an earlier turn that change the same customers, and for those of which
//! nobody knows yet what they change: their workers say so once they have read the rows. Chunks of one job go beside each
//! other.
//!
//! A batch whose worker has died stays in the way, and is taken up before anything else under its old turn. If that worker lives after all
//! and was only slow, it has lost the batch: it carries out no chunk of it any more. A worker that carries out one
//! job, and can take up nothing else, waits for it no longer than two leases. A chunk that failed and is tried later has
//! lost its turn, and so has one whose job is paused.
//!
//! On PostgreSQL, a batch that takes effect holds an advisory lock until it commits. The one after it asks behind that lock, and
//! has its answer as soon as its turn has come. One that has not begun yet is asked after again and again.

use serde::Serialize;

use super::Ledger;
use super::job::json;
use tenantry_foundation::db::{DbError, Dialect, Row, Tx, Value};

/// When a chunk takes effect: after those with a lower one, where they change the same customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchTurn {
    /// Of its batch.
    pub number: i64,
    /// Which chunk of a batch whose worker died it is; those are carried out one by one.
    pub of_dead: Option<usize>,
}

impl BatchTurn {
    /// The number, of a batch that is its worker's own.
    pub fn own(self) -> Option<i64> {
        self.of_dead.is_none().then_some(self.number)
    }
}

/// What a batch changes: customers by their numbers, as places in a set of a fixed size. Two that share none change nothing
/// in common; two that do may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet([u64; WORDS]);

/// Enough that batches of few customers seldom meet.
const CUSTOMERS: i64 = 1024;
/// One word more, for names.
const WORDS: usize = CUSTOMERS as usize / 64 + 1;

impl ChangeSet {
    /// Of these customers. `names` stands for whatever comes to be, or is looked for and not there yet.
    pub fn of(customers: &[i64], names: bool) -> Self {
        let mut places = Self::none();
        for customer in customers {
            let place = customer.rem_euclid(CUSTOMERS) as usize;
            places.0[place / 64] |= 1 << (place % 64);
        }
        places.0[WORDS - 1] = names.into();
        places
    }

    /// Of nothing.
    pub const fn none() -> Self {
        Self([0; WORDS])
    }

    /// Of everything there is.
    pub const fn all() -> Self {
        Self([u64::MAX; WORDS])
    }

    /// What either changes.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one |= other);
        both
    }

    /// Whether there is something that both may change.
    pub fn meet(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(one, other)| one & other != 0)
    }

    /// Whether there is nothing that the other one changes and this does not.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| other & !one == 0)
    }

    fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// `None` for what another version wrote: that may be anything.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks() else { return None };
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        words.try_into().ok().map(Self)
    }
}

/// A batch that waits for its turn.
#[derive(Debug, Clone)]
pub struct WaitingBatch {
    /// Its turn.
    pub turn: BatchTurn,
    /// Its job, if it is of one.
    pub job: Option<i64>,
    /// What others may not be about to change.
    pub places: ChangeSet,
    /// Whose it is.
    pub owner: String,
    /// Batches of that owner which it has waited for as far as it has to.
    pub known: Vec<i64>,
    /// Whether it takes nothing up that others left, and so waits for that no longer than two leases.
    pub is_of_one_job: bool,
}

/// What a batch has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTheWay {
    /// Nothing: its turn has come.
    Nothing,
    /// The batch of this turn is at work.
    One(i64),
    /// So many are at work.
    Several(usize),
    /// Somebody died, and nobody has taken up what they left.
    Left,
}

/// A batch in hand.
pub(super) struct HeldBatch {
    pub(super) turn: i64,
    owner: String,
    job: Option<i64>,
    lease_until: i64,
    lease_length: i64,
    /// What it changes, if that is known.
    places: Option<ChangeSet>,
    /// Workers that died over several of its chunks.
    pub(super) deaths: i64,
}

/// Owns a batch whose chunks are carried out one by one.
const NOBODY: &str = "";

/// What [`HeldBatch::read`] reads of `batches`.
const IN_HAND: &str = "owner, job, turn, lease_until, lease_length, places, deaths";

impl HeldBatch {
    fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            owner: row.text(0)?.to_owned(),
            job: row.opt_int(1)?,
            turn: row.int(2)?,
            lease_until: row.int(3)?,
            lease_length: row.int(4)?,
            places: row.opt_blob(5)?.and_then(ChangeSet::decode),
            deaths: row.int(6)?,
        })
    }

    /// Whether it is something else than chunks of that job that its worker does not have in hand.
    pub(super) fn is_of_others(&self, owner: &str, job: Option<i64>, now: i64) -> bool {
        (self.owner != owner || self.is_left(now)) && !self.is_of(job)
    }

    fn is_of(&self, job: Option<i64>) -> bool {
        job.is_some() && self.job == job
    }

    /// Whether it is known what it changes.
    pub(super) fn is_known(&self) -> bool {
        self.places.is_some()
    }

    /// Whether it is known to wait for the other one, which comes before it, as far as others `are_told` what batches change.
    pub(super) fn waits_for(&self, before: &Self, are_told: bool) -> bool {
        let is_known = self.is_known() && before.is_known();
        (is_known || !are_told) && self.waited_for(before)
    }

    /// Whether it cannot have begun as long as the other one, which comes before it, is in hand.
    pub(super) fn waited_for(&self, before: &Self) -> bool {
        let meet = match (&self.places, &before.places) {
            (Some(one), Some(other)) => one.meet(other),
            _ => true,
        };
        meet && !before.is_of(self.job)
    }

    /// Whether it began with several chunks.
    pub(super) fn is_of_several(&self) -> bool {
        self.job.is_none()
    }

    /// Whether its worker has died, or was given its lease by a clock that has been put back since.
    pub(super) fn is_left(&self, now: i64) -> bool {
        has_run_out(self.lease_until, self.lease_length, now)
    }

    /// Whether it was left so long ago that nobody is at it, or is going to take it up soon.
    pub(super) fn is_abandoned(&self, now: i64) -> bool {
        self.is_left(now) && !(self.lease_until..=self.lease_until + 2 * self.lease_length).contains(&now)
    }
}

/// Whether a lease has run out, or was given by a clock that has been put back since.
fn has_run_out(until: i64, length: i64, now: i64) -> bool {
    until < now || until > now + 2 * length + 10_000
}

/// A batch of chunks, each with its job, is in hand from now on, by a lease until then and for so long. `places` if it is known what
/// it changes.
pub(super) fn begin(
    tx: &mut dyn Tx,
    owner: &str,
    chunks: &[(i64, i64)],
    (until, lease_millis): (i64, i64),
    places: Option<ChangeSet>,
) -> Result<BatchTurn, DbError> {
    let turn = tx.fresh_keys("batches", "turn", 1)?;
    let turn = turn
        .first()
        .copied()
        .ok_or_else(|| DbError::Broken("there is no turn".to_owned()))?;
    let job = match chunks {
        [(job, _)] => Some(*job),
        _ => None,
    };
    tx.send(
        "INSERT INTO batches (turn, owner, lease_until, lease_length, job, chunks, places)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            turn.into(),
            owner.into(),
            until.into(),
            lease_millis.into(),
            job.into(),
            encode(chunks)?.into(),
            places.map(|places| places.encode()).into(),
        ],
    )?;
    Ok(BatchTurn {
        number: turn,
        of_dead: None,
    })
}

/// The batch of that turn is over.
pub(super) fn end(tx: &mut dyn Tx, turn: BatchTurn, owner: &str) -> Result<(), DbError> {
    match turn.of_dead {
        // It is over when nothing of it is left, which those who claim find.
        Some(_) => Ok(()),
        None => tx.send(
            "DELETE FROM batches WHERE turn = $1 AND owner = $2",
            &[turn.number.into(), owner.into()],
        ),
    }
}

/// Nobody has the batch of that turn in hand.
pub(super) fn leave(tx: &mut dyn Tx, turn: BatchTurn, owner: &str, now: i64) -> Result<(), DbError> {
    match turn.of_dead {
        Some(_) => Ok(()),
        None => tx.send(
            "UPDATE batches SET lease_until = $3 WHERE turn = $1 AND owner = $2",
            &[turn.number.into(), owner.into(), (now - 1).into()],
        ),
    }
}

/// A batch is nobody's from now on, as its chunks are carried out one by one. Its worker, if it lives, prolongs no lease of it.
pub(super) fn disown(tx: &mut dyn Tx, batch: &HeldBatch) -> Result<(), DbError> {
    if batch.owner == NOBODY {
        return Ok(());
    }
    tx.send(
        "UPDATE batches SET owner = $2 WHERE turn = $1",
        &[batch.turn.into(), NOBODY.into()],
    )
}

/// A batch whose worker died is another one's.
pub(super) fn take_over(
    tx: &mut dyn Tx,
    turn: i64,
    owner: &str,
    (until, lease_millis): (i64, i64),
    deaths: i64,
) -> Result<BatchTurn, DbError> {
    tx.send(
        "UPDATE batches SET owner = $2, lease_until = $3, lease_length = $4, deaths = $5 WHERE turn = $1",
        &[
            turn.into(),
            owner.into(),
            until.into(),
            lease_millis.into(),
            deaths.into(),
        ],
    )?;
    Ok(BatchTurn {
        number: turn,
        of_dead: None,
    })
}

/// Prolongs the leases of batches.
pub(super) fn renew(tx: &mut dyn Tx, owner: &str, turns: &[i64], until: i64, lease_millis: i64) -> Result<(), DbError> {
    let renewed = turns
        .iter()
        .map(|turn| vec![(*turn).into(), owner.into(), until.into(), lease_millis.into()]);
    // One that is being ended is not waited for.
    let sql = format!(
        "UPDATE batches SET lease_until = $3, lease_length = $4 WHERE turn IN
           (SELECT turn FROM batches WHERE turn = $1 AND owner = $2{})",
        tx.dialect().for_update_skip_locked()
    );
    tx.send_all(&sql, renewed.collect())
}

/// The batches in hand, in the order of their turns.
pub(super) fn in_hand(tx: &mut dyn Tx) -> Result<Vec<HeldBatch>, DbError> {
    let rows = tx.query(&format!("SELECT {IN_HAND} FROM batches ORDER BY turn"), &[])?;
    rows.iter().map(HeldBatch::read).collect()
}

/// A chunk of a batch that its worker has in hand no more, if it ever had.
pub(super) struct LeftChunk {
    /// Its place in the batch.
    pub(super) place: usize,
    pub(super) job: i64,
    pub(super) chunk: i64,
    /// Whether nobody else has it in hand.
    pub(super) is_left: bool,
    /// Whether a worker had it in hand to the end.
    pub(super) is_running: bool,
}

/// What is left of a batch. If that is nothing, the batch is over. Chunks of jobs that are paused or being cancelled are no more of it.
pub(super) fn left_of(tx: &mut dyn Tx, batch: &HeldBatch, now: i64) -> Result<Vec<LeftChunk>, DbError> {
    let turn = batch.turn;
    let Some(row) = tx.query_first("SELECT chunks FROM batches WHERE turn = $1", &[turn.into()])? else {
        return Ok(Vec::new());
    };
    let chunks: Vec<[i64; 2]> = json(row.text(0)?)?;
    let params = chunks
        .iter()
        .map(|[job, chunk]| vec![(*job).into(), (*chunk).into(), turn.into()]);
    let params: Vec<Vec<Value>> = params.collect();
    // What was given back is queued, and still of the batch.
    let found = tx.query_each(
        "SELECT COALESCE(c.lease_until, 0), COALESCE(c.lease_length, 0), CASE WHEN c.state = 'running' THEN 1 ELSE 0 END,
           CASE WHEN j.state IN ('queued', 'running', 'retryable') AND j.cancel_requested = 0 THEN 1 ELSE 0 END
         FROM chunks c JOIN jobs j ON j.seq = c.job
         WHERE c.job = $1 AND c.chunk = $2 AND c.state IN ('queued', 'running') AND c.turn = $3",
        &params,
    )?;
    let (mut left, mut dropped) = (Vec::new(), Vec::new());
    for ((place, [job, chunk]), rows) in chunks.iter().copied().enumerate().zip(found) {
        let Some(row) = rows.first() else { continue };
        let one = LeftChunk {
            place,
            job,
            chunk,
            is_left: has_run_out(row.int(0)?, row.int(1)?, now),
            is_running: row.int(2)? != 0,
        };
        if one.is_left && row.int(3)? == 0 {
            dropped.push(one);
        } else {
            left.push(one);
        }
    }
    excuse(tx, &dropped)?;
    tx.send_all(
        "UPDATE chunks SET turn = NULL WHERE job = $1 AND chunk = $2 AND state = 'queued'",
        dropped
            .iter()
            .map(|one| vec![one.job.into(), one.chunk.into()])
            .collect(),
    )?;
    if left.is_empty() {
        tx.send("DELETE FROM batches WHERE turn = $1", &[turn.into()])?;
    } else if left.len() * 2 < chunks.len() {
        let chunks: Vec<[i64; 2]> = left.iter().map(|one| [one.job, one.chunk]).collect();
        tx.send(
            "UPDATE batches SET chunks = $2 WHERE turn = $1",
            &[turn.into(), encode(&chunks)?.into()],
        )?;
    }
    Ok(left)
}

/// Chunks that a worker left had not begun, or do not answer for its death.
pub(super) fn excuse(tx: &mut dyn Tx, left: &[LeftChunk]) -> Result<(), DbError> {
    let excused = left.iter().filter(|one| one.is_left && one.is_running);
    let excused: Vec<Vec<Value>> = excused.map(|one| vec![one.job.into(), one.chunk.into()]).collect();
    if excused.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE chunks SET state = 'queued', lease_owner = NULL, lease_until = NULL, not_before = 0 WHERE job = $1 AND chunk IN
           (SELECT chunk FROM chunks WHERE job = $1 AND chunk = $2 AND state = 'running'{})",
        tx.dialect().for_update_skip_locked()
    );
    tx.send_all(&sql, excused)
}

/// So many workers have died over several chunks of a batch.
pub(super) fn count_deaths(tx: &mut dyn Tx, turn: i64, deaths: i64) -> Result<(), DbError> {
    tx.send(
        "UPDATE batches SET deaths = $2 WHERE turn = $1",
        &[turn.into(), deaths.into()],
    )
}

/// How long the answer waits for a batch that takes effect: its worker may have stopped, and the worker that asks has to leave in time.
const BEHIND_LOCK_FOR: &str = "SET LOCAL lock_timeout = '250ms'";

fn encode<T: Serialize>(chunks: &[T]) -> Result<String, DbError> {
    serde_json::to_string(chunks).map_err(|error| DbError::Broken(error.to_string()))
}

fn in_the_way(tx: &mut dyn Tx, waiting: &WaitingBatch, now: i64) -> Result<InTheWay, DbError> {
    let sql = format!("SELECT {IN_HAND} FROM batches WHERE turn < $1 ORDER BY turn");
    let rows = tx.query(&sql, &[waiting.turn.number.into()])?;
    let (mut at_work, mut is_left) = (Vec::new(), false);
    for row in rows {
        let batch = HeldBatch::read(&row)?;
        let meets = batch.places.as_ref().is_none_or(|places| places.meet(&waiting.places));
        let is_known = batch.owner == waiting.owner && waiting.known.contains(&batch.turn);
        if !meets || is_known || batch.is_of(waiting.job) || (waiting.is_of_one_job && batch.is_abandoned(now)) {
            continue;
        }
        if batch.is_left(now) {
            is_left = true;
        } else {
            at_work.push(batch.turn);
        }
    }
    Ok(match at_work.as_slice() {
        [turn] => InTheWay::One(*turn),
        [_, _, ..] => InTheWay::Several(at_work.len()),
        [] if is_left => InTheWay::Left,
        [] => InTheWay::Nothing,
    })
}

/// Advisory locks of batches that take effect, each by its turn.
fn lock_number(turn: i64) -> Value {
    (turn & i64::from(i32::MAX)).into()
}

/// The batch of that turn takes effect with this transaction.
pub fn takes_effect(tx: &mut dyn Tx, turn: BatchTurn) -> Result<(), DbError> {
    match tx.dialect() {
        Dialect::Postgres => tx.send(
            "SELECT pg_advisory_xact_lock(8026016, CAST($1 AS INT8)::int4)",
            &[lock_number(turn.number)],
        ),
        Dialect::Sqlite => Ok(()),
    }
}

impl Ledger {
    /// What keeps a batch from taking effect, of what other workers have in hand. They are told what all of it `changes`, where
    /// that is worth it: SQLite carries out one batch after the other as it is.
    pub async fn in_the_way(&self, waiting: &WaitingBatch, changes: Option<ChangeSet>) -> Result<InTheWay, DbError> {
        let (now, waiting) = (self.clock.now_millis(), waiting.clone());
        let changes = changes.filter(|_| waiting.turn.of_dead.is_none() && self.db.dialect() == Dialect::Postgres);
        let Some(changes) = changes else {
            return self.db.read(move |tx| in_the_way(tx, &waiting, now)).await;
        };
        self.db
            .write(move |tx| {
                tx.commit_soon()?;
                tx.send(
                    "UPDATE batches SET places = $3 WHERE turn = $1 AND owner = $2",
                    &[
                        waiting.turn.number.into(),
                        waiting.owner.as_str().into(),
                        changes.encode().into(),
                    ],
                )?;
                in_the_way(tx, &waiting, now)
            })
            .await
    }

    /// As [`in_the_way`](Self::in_the_way), once the batch of turn `other` is not taking effect, or has been for a while.
    pub async fn in_the_way_after(&self, waiting: &WaitingBatch, other: i64) -> Result<InTheWay, DbError> {
        if self.db.dialect() == Dialect::Sqlite {
            return self.in_the_way(waiting, None).await;
        }
        let (clock, waiting) = (self.clock.clone(), waiting.clone());
        let asked = self.db.write(move |tx| {
            tx.send(BEHIND_LOCK_FOR, &[])?;
            tx.send(
                "SELECT pg_advisory_xact_lock_shared(8026016, CAST($1 AS INT8)::int4)",
                &[lock_number(other)],
            )?;
            in_the_way(tx, &waiting, clock.now_millis())
        });
        match asked.await {
            // It is at work still.
            Err(DbError::Contended(_)) => Ok(InTheWay::One(other)),
            asked => asked,
        }
    }

    /// Its worker has the batch of that turn in hand no more, whatever became of it.
    pub async fn leave_batch(&self, turn: BatchTurn, owner: &str) -> Result<(), DbError> {
        let (now, owner) = (self.clock.now_millis(), owner.to_owned());
        self.db
            .write(move |tx| {
                tx.commit_soon()?;
                leave(tx, turn, &owner, now)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn change_sets_that_share_a_customer_meet(one: Vec<i64>, other: Vec<i64>, both: i64, names: [bool; 2]) {
            let [here, there] = names;
            let apart = ChangeSet::of(&one, here).meet(&ChangeSet::of(&other, there));
            let shared = |of: &[i64]| [of, &[both]].concat();
            prop_assert!(ChangeSet::of(&shared(&one), here).meet(&ChangeSet::of(&shared(&other), there)));
            if here && there {
                prop_assert!(apart);
            }
            let places = ChangeSet::of(&one, here);
            let more = places.with(&ChangeSet::of(&other, there));
            prop_assert!(more.covers(&places) && ChangeSet::all().covers(&more));
            prop_assert_eq!(places.covers(&more), places == more);
            prop_assert_eq!(ChangeSet::decode(&places.encode()), Some(places));
        }
    }

    #[test]
    fn change_sets_that_share_nothing_do_not_meet() {
        let places = ChangeSet::of(&[1, 2, 1023], false);
        assert!(!places.meet(&ChangeSet::of(&[3, 4, 1022, 64], true)));
        assert!(places.meet(&ChangeSet::of(&[2 + CUSTOMERS], false)));
        assert_eq!(ChangeSet::decode(b"short"), None);
    }

    #[test]
    fn a_left_batch_is_abandoned_after_a_while() {
        let batch = HeldBatch {
            turn: 1,
            owner: "one".to_owned(),
            job: Some(7),
            lease_until: 10_000,
            lease_length: 3_000,
            places: None,
            deaths: 0,
        };
        let at = |now| (batch.is_left(now), batch.is_abandoned(now));
        assert_eq!(at(9_000), (false, false));
        assert_eq!(at(10_001), (true, false));
        assert_eq!(at(16_000), (true, false));
        assert_eq!(at(16_001), (true, true));
        let others = |owner, job| batch.is_of_others(owner, job, 10_000);
        assert_eq!([others("one", None), others("other", None)], [false, true]);
        assert!(batch.is_of_others("one", None, 10_001), "it has lost it");
        assert_eq!([others("other", Some(7)), others("other", Some(8))], [false, true]);
    }
}
