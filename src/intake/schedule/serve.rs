//! The worker's round over schedules: what has become due is recorded, what may begin is submitted, what has ended is closed.
//!
//! The ledger is asked about once a second, whatever the schedules say, so that an edit, a night's sleep of the machine or a clock
//! that is set is noticed soon; nothing relies on a timer having been right. While something comes of it, it is asked again sooner,
//! so that times made up for in turn follow each other as fast as their jobs end. What has come is decided by comparing times, never
//! by having waited. All workers do the same beside each other, and the ledger lets one of them succeed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::due::{self, FireAhead, FireTurn};
use super::fires::{FireStart, Starter};
use super::known::KnownSchedule;
use super::{refused, rows, sync};
use crate::db::DbError;
use crate::ledger::fires::{DueLook, Fire, FireCause, FireEnd, FireOutcome, FireState, OpenFire};
use crate::ledger::schedules::{Schedule, ScheduleSync};
use crate::ledger::{JobState, Ledger};
use crate::service::Service;

/// How often the ledger is asked where there are schedules, and where there are none.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_FOR_SCHEDULES_EVERY: Duration = Duration::from_secs(5);
/// How soon it is asked again after something has come of it; twice as long each time that nothing has.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often the rules of time zones are read anew, which countries change and systems get as updates.
const READ_ZONES_EVERY: Duration = Duration::from_secs(3_600);
/// When it is told that no round goes well.
const STUCK: Duration = Duration::from_secs(60);
/// Files that are read at once at most.
const AT_ONCE: usize = 8;

/// How the rounds of a worker go. Clones are of the same.
#[derive(Clone)]
pub(crate) struct Rounds(Arc<RoundsSeen>);

struct RoundsSeen {
    began: Instant,
    /// Milliseconds from then to the end of the last round that did not fail.
    went_well: AtomicU64,
    is_quiet: AtomicBool,
}

impl Rounds {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(RoundsSeen {
            began: Instant::now(),
            went_well: AtomicU64::new(0),
            is_quiet: AtomicBool::new(false),
        }))
    }

    /// Whether the last round left nothing to do; what is due in the future, or waits for people or files, does not count.
    pub(crate) fn are_quiet(&self) -> bool {
        self.0.is_quiet.load(Ordering::SeqCst)
    }

    /// Whether none has gone well for long.
    pub(crate) fn are_stuck(&self) -> bool {
        let well = Duration::from_millis(self.0.went_well.load(Ordering::SeqCst));
        self.0.began.elapsed() > well + STUCK
    }

    fn went(&self, is_quiet: Option<bool>) {
        self.0.is_quiet.store(is_quiet.unwrap_or(false), Ordering::SeqCst);
        if is_quiet.is_some() {
            let now = self.0.began.elapsed().as_millis() as u64;
            self.0.went_well.store(now, Ordering::SeqCst);
        }
    }
}

/// Brings the ledger in line with the configuration, and serves its schedules until `stop` is cancelled; then what is being
/// submitted ends.
pub(crate) async fn serve(service: Service, sync: ScheduleSync, rounds: Rounds, stop: CancellationToken) {
    while let Some(Err(error)) = stop.run_until_cancelled(sync::bring(&service, sync.clone())).await {
        tracing::warn!(%error, "the schedules of the configuration cannot be recorded now; trying again");
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
    }
    let mut round = Round::new(service, stop.clone());
    while !stop.is_cancelled() {
        let pause = match round.go().await {
            Ok(pause) => {
                rounds.went(Some(round.is_quiet));
                pause
            }
            Err(error) => {
                rounds.went(None);
                tracing::warn!(%error, "schedules cannot be looked at now; trying again");
                LOOK_EVERY
            }
        };
        let wait = round.wait(pause);
        if stop.run_until_cancelled(wait).await.is_none() {
            break;
        }
    }
    while round.starting.join_next().await.is_some() {}
}

/// What one worker knows from round to round.
struct Round {
    starter: Starter,
    known: BTreeMap<String, Arc<KnownSchedule>>,
    /// What could not be read, told once.
    told: HashSet<(String, i64)>,
    /// What may begin and nobody had in hand.
    ready: VecDeque<ReadyFire>,
    starting: JoinSet<i64>,
    in_hand: HashSet<i64>,
    is_quiet: bool,
    /// Whether something came of this round.
    has_progress: bool,
    look_again: Duration,
    zones_read: Instant,
}

/// A fire that may begin.
struct ReadyFire {
    known: Arc<KnownSchedule>,
    fire: Fire,
    turn: FireTurn,
}

impl Round {
    fn new(service: Service, stop: CancellationToken) -> Self {
        Self {
            starter: Starter::new(service, stop),
            known: BTreeMap::new(),
            told: HashSet::new(),
            ready: VecDeque::new(),
            starting: JoinSet::new(),
            in_hand: HashSet::new(),
            is_quiet: false,
            has_progress: false,
            look_again: LOOK_AGAIN,
            zones_read: Instant::now(),
        }
    }

    fn ledger(&self) -> &Ledger {
        &self.starter.service.ledger
    }

    /// Waits for so long, or until all that was being submitted has been. Whenever one of them has, the next one begins.
    async fn wait(&mut self, pause: Duration) {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        while let Some(ended) = tokio::select! {
            Some(ended) = self.starting.join_next() => Some(ended),
            () = &mut over => None,
        } {
            self.forget(ended);
            if let Err(error) = self.fill().await {
                tracing::debug!(%error, "a fire could not be taken in hand; the next look does");
                self.ready.clear();
            }
            if self.starting.is_empty() {
                return;
            }
        }
    }

    fn forget(&mut self, ended: Result<i64, tokio::task::JoinError>) {
        self.has_progress = true;
        match ended {
            Ok(seq) => {
                self.in_hand.remove(&seq);
            }
            Err(error) => {
                // Its lease runs out, and it is begun again.
                tracing::error!(%error, "a fire of a schedule broke off");
                self.in_hand.clear();
            }
        }
    }

    /// One round; how long until the next one.
    async fn go(&mut self) -> Result<Duration, DbError> {
        while let Some(ended) = self.starting.try_join_next() {
            self.forget(ended);
        }
        let schedules = self.ledger().schedules().await?;
        self.update(schedules);
        if self.zones_read.elapsed() >= READ_ZONES_EVERY {
            self.read_zones();
        }
        let next = self.record_due().await?;
        let ended = self.ledger().fires_to_end().await?;
        self.has_progress |= !ended.is_empty();
        for one in ended {
            self.end(one).await?;
        }
        let open = self.ledger().open_fires().await?;
        self.is_quiet = self.begin(open).await?;
        let now = self.ledger().clock().now_millis();
        let longest = if self.known.is_empty() {
            LOOK_FOR_SCHEDULES_EVERY
        } else if self.is_quiet {
            LOOK_EVERY
        } else {
            self.look_again.min(LOOK_EVERY)
        };
        self.look_again = if std::mem::take(&mut self.has_progress) {
            LOOK_AGAIN
        } else {
            longest.saturating_mul(2)
        };
        let until = next.map_or(longest, |next| Duration::from_millis((next - now).max(1) as u64));
        Ok(until.min(longest))
    }

    /// Reads what has changed of the schedules.
    fn update(&mut self, schedules: Vec<Schedule>) {
        let mut before = std::mem::take(&mut self.known);
        for schedule in schedules {
            let name = schedule.name.clone();
            let known = match before.remove(&name) {
                Some(known) if known.schedule == schedule => Ok(known),
                before => KnownSchedule::read(schedule.clone(), before.as_deref()).map(Arc::new),
            };
            match known {
                Ok(known) => {
                    self.known.insert(name, known);
                }
                Err(faults) => {
                    if self.told.insert((name.clone(), schedule.defined_at)) {
                        tracing::error!(
                            "schedule {name} is left alone, for it cannot be read here: {}",
                            faults.join("; ")
                        );
                    }
                }
            }
        }
    }

    /// Has all schedules go by the rules of their zones as they are now.
    fn read_zones(&mut self) {
        self.zones_read = Instant::now();
        let now = self.ledger().clock().now_millis();
        for (name, known) in &mut self.known {
            match known.anew(now) {
                Ok((anew, moved)) => {
                    if let Some(moved) = moved {
                        tracing::warn!("schedule {name}: {moved}");
                    }
                    *known = Arc::new(anew);
                }
                Err(faults) => tracing::warn!(
                    "schedule {name} goes by what was read of it before, for it cannot be read any more: {}",
                    faults.join("; ")
                ),
            }
        }
    }

    /// Records what has become due. When the next time is.
    async fn record_due(&mut self) -> Result<Option<i64>, DbError> {
        let now = self.ledger().clock().now_millis();
        let (mut looks, mut next) = (Vec::new(), None::<i64>);
        for known in self.known.values() {
            let looked = due::look(&known.schedule, &known.timing, &known.rules, now);
            if let Some(ahead) = looked.was_ahead {
                tracing::warn!(
                    "schedule {}: the clock was put back by at least {} s; it goes on from now, and nothing that fired fires again",
                    known.schedule.name,
                    ahead / 1000
                );
            }
            looks.extend(looked.record);
            next = [next, looked.next].into_iter().flatten().min();
        }
        if !looks.is_empty() {
            for fire in looks.iter().flat_map(|look| &look.fires) {
                if let Some(skipped) = &fire.skipped {
                    tracing::info!(
                        "{} due times, {} to {}, are passed over: {}",
                        skipped.times,
                        fire.nominal,
                        skipped.last_nominal,
                        skipped.reason.as_str()
                    );
                }
            }
            let skipped = |look: &DueLook| -> Vec<(&'static str, u64)> {
                let skipped = look.fires.iter().filter_map(|fire| fire.skipped.as_ref());
                skipped
                    .map(|skipped| (skipped.reason.as_str(), skipped.times))
                    .collect()
            };
            let skipped: Vec<_> = looks.iter().map(skipped).collect();
            crate::failpoint::hit("before-fire");
            let recorded = self.ledger().record_due(looks).await?;
            crate::failpoint::hit("after-fire");
            let mine = recorded.iter().zip(skipped).filter(|(recorded, _)| **recorded);
            for (reason, times) in mine.flat_map(|(_, skipped)| skipped) {
                self.starter.service.metrics.schedule_ran(reason, times);
            }
            self.has_progress |= recorded.contains(&true);
        }
        Ok(next)
    }

    /// Closes a fire whose job has ended.
    async fn end(&self, fire: Fire) -> Result<(), DbError> {
        let (schedule, job_state) = (fire.schedule.clone(), fire.job_state);
        let outcome = match job_state {
            Some(JobState::Completed) => FireOutcome::Good,
            Some(JobState::Failed) => FireOutcome::Bad,
            _ => FireOutcome::Neither,
        };
        let known = self.known.get(&schedule);
        crate::failpoint::hit("before-fire-ends");
        let end = FireEnd {
            schedule: schedule.clone(),
            seq: fire.seq,
            fence: None,
            state: FireState::Ended,
            reason: None,
            detail: None,
            outcome,
            pause_after: known.map_or(0, |known| known.config.pause_after.into()),
        };
        let (is_ended, is_paused) = self.ledger().end_fire(end).await?;
        if is_ended && let Some(job) = fire.job {
            let state = job_state.map_or("gone", JobState::as_str);
            self.starter.service.metrics.schedule_ran(state, 1);
            tracing::info!(job.id = %job, "schedule {schedule}: its job {job} is {state}");
        }
        if is_paused {
            tracing::warn!("schedule {schedule} is paused: too many of its fires in a row failed");
        }
        if let (true, Some(known)) = (is_ended, known) {
            let starter = &self.starter;
            rows::put_away(known, &fire, &starter.reach).await;
            let out = fire.out_path.as_deref().map(Path::new);
            if let Some(out) = out.filter(|out| starter.service.settings.runner.roots.check(out).is_ok()) {
                // Of an earlier time, whose directory this is, too.
                refused::remove(out, &schedule);
            }
            self.starter.tidy(known).await?;
        }
        Ok(())
    }

    /// Begins what may begin. Whether nothing is left that goes on by itself.
    async fn begin(&mut self, open: Vec<OpenFire>) -> Result<bool, DbError> {
        let now = self.ledger().clock().now_millis();
        let mut by_schedule: HashMap<String, Vec<OpenFire>> = HashMap::new();
        for one in open {
            by_schedule.entry(one.fire.schedule.clone()).or_default().push(one);
        }
        let mut is_quiet = true;
        self.ready.clear();
        // A map's order is another one in each worker, so that they seldom reach for the same fire.
        for (name, open) in by_schedule {
            let known = self.known.get(&name).cloned();
            let mut ahead = Vec::new();
            for OpenFire { fire, lease_until } in open {
                let job = fire.job.zip(fire.job_state);
                let place = FireAhead { seq: fire.seq, job };
                // Further files of one time are no overlap: they always go in turn.
                let cause = if fire.part > 0 { FireCause::CatchUp } else { fire.cause };
                let turn = known.as_ref().map(|known| due::turn(known.overlap(), cause, &ahead));
                let blocked_by_people = ahead.iter().any(|one: &FireAhead| {
                    one.job
                        .is_some_and(|(_, state)| matches!(state, JobState::AwaitingApproval | JobState::Paused))
                });
                ahead.push(place);
                if fire.state == FireState::Submitted {
                    let rests = matches!(fire.job_state, Some(JobState::AwaitingApproval | JobState::Paused));
                    is_quiet &= rests;
                    continue;
                }
                let (Some(known), Some(turn)) = (&known, turn) else {
                    continue;
                };
                // A pause holds what has not begun, but for what somebody asked for.
                let is_asked_for = matches!(fire.cause, FireCause::Manual | FireCause::Backfill);
                if fire.look_at > now || (!is_asked_for && known.schedule.pause_at(now).is_some()) {
                    continue;
                }
                is_quiet &= turn == FireTurn::Wait && blocked_by_people;
                let is_free =
                    lease_until.is_none_or(|until| until <= now || until > now + self.starter.longest_lease());
                if self.in_hand.contains(&fire.seq) || !is_free {
                    continue;
                }
                if turn == FireTurn::Wait && fire.state == FireState::Waiting {
                    continue;
                }
                let known = known.clone();
                self.ready.push_back(ReadyFire { known, fire, turn });
            }
        }
        self.fill().await?;
        Ok(is_quiet && self.in_hand.is_empty())
    }

    /// Takes as many in hand as go at once.
    async fn fill(&mut self) -> Result<(), DbError> {
        while self.starting.len() < AT_ONCE {
            let Some(ReadyFire { known, fire, turn }) = self.ready.pop_front() else {
                break;
            };
            let Some(held) = self.starter.lease(fire.seq).await? else {
                continue;
            };
            crate::failpoint::hit("after-fire-lease");
            self.in_hand.insert(fire.seq);
            let start = FireStart {
                known,
                fire,
                held,
                turn,
            };
            let starter = self.starter.clone();
            self.starting.spawn(async move {
                let seq = start.held.seq;
                starter.start(start).await;
                seq
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rounds_that_fail_for_long_are_stuck_until_one_goes_well() {
        let rounds = Rounds::new();
        tokio::time::advance(STUCK).await;
        assert!(!rounds.are_stuck(), "it has just begun");
        rounds.went(None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(rounds.are_stuck());
        rounds.went(Some(true));
        assert!(!rounds.are_stuck() && rounds.are_quiet());
        tokio::time::advance(STUCK + Duration::from_secs(1)).await;
        assert!(rounds.are_stuck());
    }
}
