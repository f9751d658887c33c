//! Chunks that dead workers left, or that were given back, claimed again.
//!
//! It comes before all else, since all else may wait for it. One death is an accident: the batch is taken up as a whole. After the second,
//! its chunks are claimed one by one, each when the one before it has ended, and only from then on do they answer for deaths. A batch
//! that was still waiting for its turn behind another one has not begun, and answers for nothing.

use super::super::batches::{self, BatchTurn, HeldBatch, LeftChunk};
use super::{CANDIDATE, Candidate, Claimant, Found, Scope, Together, next_chunk};
use tenantry_foundation::db::{DbError, Dialect, Tx, Value};

/// Deaths over a batch after which its chunks are claimed one by one.
const DEATHS_TOGETHER: i64 = 2;

/// A chunk that a worker has in hand no more.
const LEFT: &str = "(c.state = 'queued' OR c.lease_until < $1 OR c.lease_until > $1 + 2 * c.lease_length + 10000)";

/// What there is.
pub(super) enum Left {
    /// Nothing that is in the way of others for sure.
    Nothing,
    /// Others are at it, and nobody knows what it changes.
    Elsewhere,
    /// Chunks, under the turn they had.
    Here(Vec<Found>, BatchTurn),
}

/// The first there is to claim of batches whose workers have them in hand no more.
pub(super) fn of_dead(
    tx: &mut dyn Tx,
    claimant: &Claimant,
    together: Option<&Together>,
    in_hand: &[HeldBatch],
    now: i64,
) -> Result<Left, DbError> {
    let mut found = Left::Nothing;
    let are_told = tx.dialect() == Dialect::Postgres;
    let mut before: Vec<&HeldBatch> = Vec::new();
    for (at, batch) in in_hand.iter().enumerate() {
        let is_held_up = before.iter().any(|before| batch.waits_for(before, are_told));
        before.push(batch);
        if !batch.is_left(now) {
            continue;
        }
        // Who took it up would only wait.
        if is_held_up && claimant.scope == Scope::All {
            if !batch.is_known() {
                found = Left::Elsewhere;
            }
            continue;
        }
        let left = batches::left_of(tx, batch, now)?;
        let Some(first) = left.first() else {
            before.pop();
            continue;
        };
        if let Scope::Job(wanted) = claimant.scope {
            // Nobody else may be there to take up the rest.
            let own = left.iter().position(|one| one.is_left && one.job == wanted);
            let locked = own.map_or(Ok(Vec::new()), |own| lock(tx, &left[own..=own], now))?;
            if let Some((place, mut one)) = locked.into_iter().next() {
                one.judge(claimant.deaths);
                return one_of(tx, batch, (place, one));
            }
            continue;
        }
        let is_for_others = batch.is_of_several() && together.is_none();
        if !first.is_left || is_for_others || claimant.besides.contains(&first.job) {
            if !batch.is_known() {
                found = Left::Elsewhere;
            }
            continue;
        }
        let later = in_hand.iter().skip(at + 1).filter(|later| later.is_left(now));
        for later in later.filter(|later| later.waited_for(batch)) {
            let later = batches::left_of(tx, later, now)?;
            batches::excuse(tx, &later)?;
        }
        if batch.is_of_several() {
            return of_several(tx, claimant, together, (batch, &left), now);
        }
        let locked = lock(tx, &left, now)?;
        return taken_over(tx, claimant, batch, (locked, 0), now);
    }
    Ok(found)
}

fn of_several(
    tx: &mut dyn Tx,
    claimant: &Claimant,
    together: Option<&Together>,
    (batch, left): (&HeldBatch, &[LeftChunk]),
    now: i64,
) -> Result<Left, DbError> {
    let has_died = left.iter().any(|one| one.is_running) && claimant.deaths.is_some();
    let mut deaths = batch.deaths;
    if deaths < DEATHS_TOGETHER {
        deaths += i64::from(has_died);
        batches::excuse(tx, left)?;
        if deaths < DEATHS_TOGETHER {
            let locked = lock(tx, left, now)?;
            // Its worker is at the others after all, and prolongs their leases or ends them.
            let free = left.iter().filter(|one| one.is_left).count();
            if locked.len() < free && !batch.is_abandoned(now) {
                return Ok(Left::Elsewhere);
            }
            let fits = |one: &Found| together.is_some_and(|together| one.job.fits(together)) && one.is_sound();
            if locked.len() == left.len()
                && locked
                    .iter()
                    .all(|(_, one)| fits(one) && !claimant.besides.contains(&one.job.seq))
            {
                return taken_over(tx, claimant, batch, (locked, deaths), now);
            }
            deaths = DEATHS_TOGETHER;
        }
        batches::count_deaths(tx, batch.turn, deaths)?;
    }
    let Some((place, mut first)) = lock(tx, &left[..1], now)?.pop() else {
        return Ok(Left::Elsewhere);
    };
    first.judge(claimant.deaths);
    one_of(tx, batch, (place, first))
}

/// One chunk of a batch that nobody has as a whole any more.
fn one_of(tx: &mut dyn Tx, batch: &HeldBatch, (place, chunk): (usize, Found)) -> Result<Left, DbError> {
    batches::disown(tx, batch)?;
    let turn = BatchTurn {
        number: batch.turn,
        of_dead: Some(place),
    };
    Ok(Left::Here(vec![chunk], turn))
}

/// A batch is this worker's from now on.
fn taken_over(
    tx: &mut dyn Tx,
    claimant: &Claimant,
    batch: &HeldBatch,
    (locked, deaths): (Vec<(usize, Found)>, i64),
    now: i64,
) -> Result<Left, DbError> {
    if locked.is_empty() {
        return Ok(Left::Elsewhere);
    }
    let mut found: Vec<Found> = locked.into_iter().map(|(_, one)| one).collect();
    if let [one] = found.as_mut_slice() {
        one.judge(claimant.deaths);
    }
    let lease = (now + claimant.lease_millis, claimant.lease_millis);
    let turn = batches::take_over(tx, batch.turn, &claimant.owner, lease, deaths)?;
    Ok(Left::Here(found, turn))
}

/// Locks chunks, each with its place in its batch, as far as nobody is at them.
fn lock(tx: &mut dyn Tx, left: &[LeftChunk], now: i64) -> Result<Vec<(usize, Found)>, DbError> {
    let sql = format!("SELECT {CANDIDATE}, 0 FROM jobs j WHERE j.seq = $1");
    let jobs: Vec<Vec<Value>> = left.iter().map(|one| vec![one.job.into()]).collect();
    let jobs = tx.query_each(&sql, &jobs)?;
    let sql = next_chunk(tx, LEFT, "AND c.chunk = $3");
    let chunks = left
        .iter()
        .map(|one| vec![now.into(), one.job.into(), one.chunk.into()]);
    let chunks: Vec<Vec<Value>> = chunks.collect();
    let chunks = tx.query_each(&sql, &chunks)?;
    let mut locked = Vec::with_capacity(left.len());
    for ((one, job), chunk) in left.iter().zip(jobs).zip(chunks) {
        if let (Some(job), Some(chunk)) = (job.first(), chunk.first()) {
            locked.push((one.place, Found::read(Candidate::read(job)?, chunk)?));
        }
    }
    Ok(locked)
}
