//! Jobs that are carried out in the very transaction that records them, by the worker that takes them in: one commit, after which
//! they have ended. A crash before it leaves nothing, and the submitter brings them again.
//!
//! Only jobs with nothing before them go that way. While any chunk of this database's own is due or at work, new jobs are queued
//! behind it. So jobs on the same record take effect in the order in which they were accepted. That holds beside a large job about other
//! records too: only a worker that reads all its blocks knows whose records its rows are. A worker that dies over such jobs leaves no
//! trace of it. So the worker that takes them in again records them first, and deaths are counted from then on
//! ([`Trial`](super::Trial)).

use super::closing::{Closing, EndedJobs, tally_of};
use super::job::json;
use super::replies::{Reply, ReplyTo, TakenReplies};
use super::whole::WholeJob;
use super::{Claim, Counts, EndedJob, Job, JobState, Parameters};
use tenantry_foundation::db::{DbError, Row, Tx};

/// Open jobs that are looked through for one that comes before. If there are as many of another store, there may be one behind them.
const LOOKED_THROUGH: usize = 64;

/// A worker that carries out what is being recorded.
pub trait AtOnce: Send + Sync {
    /// Its name, as in leases.
    fn owner(&self) -> &str;

    /// Carries out chunks that were never queued, each with its block as it is spooled, in the transaction that records them; how each
    /// ended, in their order, with the images that are to be written. Whatever fails here fails them all, and they are queued instead.
    fn carry_out(&self, tx: &mut dyn Tx, claims: &[Claim], blocks: &[&[u8]]) -> Result<Vec<Closing>, DbError>;
}

/// Jobs that have ended as they were recorded.
#[derive(Debug, Default)]
pub struct DoneAtOnce {
    /// What would have been claimed of them.
    pub claims: Vec<Claim>,
    /// How that ended.
    pub closings: Vec<Closing>,
    /// How they ended.
    pub ended: EndedJobs,
    /// Who is to be told of them; the worker has taken that on.
    pub replies: TakenReplies,
    /// The job of each reply.
    pub jobs: Vec<Job>,
}

impl DoneAtOnce {
    /// How the job with that number ended, if it is one of them.
    pub(super) fn end_of(&self, seq: i64) -> Option<&EndedJob> {
        let at = self.ended.binary_search_by_key(&seq, |(ended, _)| *ended).ok()?;
        self.ended.get(at).map(|(_, how)| how)
    }
}

/// Carries out jobs that are about to be recorded, each with its number. Nothing that comes of their rows is recorded by it.
pub(super) fn carry_out(
    tx: &mut dyn Tx,
    worker: &dyn AtOnce,
    jobs: &[(&WholeJob, i64)],
    now: i64,
) -> Result<DoneAtOnce, DbError> {
    let claims = jobs
        .iter()
        .filter_map(|(job, seq)| job.claim(*seq, worker.owner(), now));
    let claims: Vec<Claim> = claims.collect();
    let blocks = jobs.iter().filter_map(|(job, _)| job.chunk.as_ref()?.block.as_deref());
    let blocks: Vec<&[u8]> = blocks.collect();
    let closings = worker.carry_out(tx, &claims, &blocks)?;
    if closings.iter().any(|closing| !closing.waits.is_empty()) {
        return Err(DbError::Contended("a row waits for a partner or a service".to_owned()));
    }
    let ended = jobs
        .iter()
        .zip(&claims)
        .zip(&closings)
        .map(|(((job, _), claim), closing)| {
            let tally = tally_of(claim, closing);
            let state = match tally.failed {
                0 => JobState::Completed,
                _ => JobState::Failed,
            };
            let counts = Counts {
                applied: tally.applied,
                unchanged: tally.unchanged,
                rejected: tally.rejected + job.rejects.len() as u64,
                failed: tally.failed,
                cancelled: 0,
                total: claim.rows,
            };
            let state = state.as_str().to_owned();
            (claim.job, EndedJob { state, counts })
        });
    Ok(DoneAtOnce {
        ended: ended.collect(),
        replies: TakenReplies::default(),
        jobs: Vec::new(),
        claims,
        closings,
    })
}

/// Open jobs of which something is due or at work at the time `$1`, as many as are [looked through](LOOKED_THROUGH).
pub(super) const BEFORE: &str = "SELECT j.parameters FROM jobs j
     WHERE j.state IN ('queued', 'running', 'retryable') AND j.cancel_requested = 0
     AND COALESCE((SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting')
       AND (c.state <> 'waiting' OR c.not_before <= $1) LIMIT 1), 0) = 1
     ORDER BY j.priority DESC, j.claimed_at, j.seq LIMIT 64";

/// Whether nothing is due or at work in this database that what comes in now would overtake, going by [`BEFORE`].
pub(super) fn is_nothing_before(open: &[Row]) -> Result<bool, DbError> {
    for row in open {
        let parameters: Parameters = json(row.text(0)?)?;
        // What is carried out elsewhere has nothing to do with it.
        if parameters.store.is_none() {
            return Ok(false);
        }
    }
    Ok(open.len() < LOOKED_THROUGH)
}

impl DoneAtOnce {
    /// Takes on, until then, to reply to the senders that ask for the jobs: each job has their documents beside it.
    pub(super) fn take_replies(&mut self, jobs: &[(&WholeJob, Vec<&ReplyTo>)], until: i64) {
        let ended = self.claims.iter().zip(&self.ended).zip(jobs);
        for ((claim, (seq, how)), (job, asked)) in ended.filter(|(_, (_, asked))| !asked.is_empty()) {
            self.replies.jobs.push(*seq);
            for to in asked {
                self.jobs.push(job.ended(claim, how));
                self.replies.replies.push(Reply {
                    job: job.id,
                    seq: *seq,
                    to: (*to).clone(),
                });
            }
        }
        self.replies.until = until;
    }
}
