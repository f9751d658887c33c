//! A key: the account, or one of its customers. It has a limit that nobody tells, so it is felt for.
//!
//! A key has no rate until its first "too many"; until then, ever more of its calls may be on their way. Then it gets
//! the rate it had until the limit's window was full, and looks for the limit from there: quickly where it may be far,
//! slowly near to where it was met, and ever more rarely the more often it was met in the same place. Calls are spread
//! evenly, which suits windows as well as token buckets; only a customer that was hardly called lately may go a few calls
//! ahead of the time, which those that come after it make up for.
//!
//! A rate is of all workers together. What others need is told by `board`, and left to them.

use std::time::Duration;

use tokio::time::Instant;

use super::board::{Others, SharedEstimate};
use super::recent::Recent;

/// No key is slower than this, in calls per second.
const SLOWEST: f64 = 0.2;
/// Calls of a key without a rate that may be on their way at first.
const AT_FIRST: f64 = 4.0;
/// Waiting times are told in whole seconds.
const ROUNDING: f64 = 1.0;
/// A first rate may be this much too low at most.
const GUESS: f64 = 1.6;
/// How much slower after the limit was met where it was expected.
const STEP_BACK: f64 = 0.97;
/// A rate near to the limit grows this rarely at first, and this rarely at last.
const HOLD: Duration = Duration::from_secs(8);
const LONGEST_HOLD: Duration = Duration::from_secs(240);
/// As long as it is a guess where the limit is, there is no reason to be slow.
const UNSURE: Duration = Duration::ZERO;
/// Calls that may go ahead of their time, and how far.
const AHEAD: u32 = 12;
const FARTHEST: Duration = Duration::from_secs(2);
/// Waits that are told in a second or two are hardly longer than what they are rounded to.
const SHORT: Duration = Duration::from_secs(2);
/// Seconds after which a limit that is met again was met for another reason.
const AT_ONCE: f64 = 5.0;
/// The longest window that is reckoned with, in seconds.
const MINUTE: f64 = 60.0;
/// A customer is far from its limit at a third of the calls that others were answered.
const FAR_LESS: u32 = 3;
/// How long the most that was answered means something.
const LASTING: Duration = Duration::from_secs(600);
/// A key that was not called for so long is counted anew.
const IDLE: Duration = Duration::from_secs(10);

/// What is thought of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LimitEstimate {
    /// Calls per second of all workers, once a limit is known.
    pub(super) rate: Option<f64>,
    /// Where the limit is thought to be.
    ceiling: f64,
    /// How long a rate near to it stays as it is.
    hold: Duration,
    /// How often it has been changed by events: the higher one holds where two workers differ.
    version: u64,
}

impl LimitEstimate {
    pub(super) const NONE: Self = Self {
        rate: None,
        ceiling: 0.0,
        hold: HOLD,
        version: 0,
    };

    pub(super) fn from_shared(estimate: SharedEstimate) -> Self {
        let SharedEstimate { rate, ceiling, version } = estimate;
        Self {
            rate,
            ceiling,
            version,
            ..Self::NONE
        }
    }

    /// What of it is told to others.
    pub(super) fn shared(&self) -> SharedEstimate {
        SharedEstimate {
            rate: self.rate,
            ceiling: self.ceiling,
            version: self.version,
        }
    }
}

/// The most calls that were answered together.
#[derive(Debug)]
struct Peak {
    since: Instant,
    second: u32,
    minute: u32,
}

/// A limit that is felt for.
#[derive(Debug)]
pub(super) struct PacedKey {
    pub(super) estimate: LimitEstimate,
    pub(super) others: Others,
    /// What others know of it is still to be read.
    pub(super) awaits_board: bool,
    pub(super) blocked_until: Instant,
    next_at: Instant,
    /// The wait that was told last: a window is no shorter.
    window: Duration,
    /// Whether the last call went when this key let it, and no later.
    is_bound: bool,
    /// Since when calls are counted, and how many there were.
    since: Instant,
    answered: u64,
    grown_at: Instant,
    pub(super) called_at: Instant,
    on_their_way: u32,
    /// How often in a row the limit was met again at once.
    hits: u32,
    /// How many calls may be on their way as long as there is no rate.
    open: f64,
    pub(super) recent: Recent,
    peak: Peak,
    /// When a refusal of it was last put down to the account for want of calls.
    pub(super) attributed_to_account_at: Option<Instant>,
}

impl PacedKey {
    pub(super) fn new(estimate: LimitEstimate, now: Instant) -> Self {
        Self {
            estimate,
            others: Others::default(),
            awaits_board: false,
            blocked_until: now,
            next_at: now,
            window: Duration::from_secs(1),
            is_bound: false,
            since: now,
            answered: 0,
            grown_at: now,
            called_at: now,
            on_their_way: 0,
            hits: 0,
            open: AT_FIRST,
            recent: Recent::new(now),
            peak: Peak {
                since: now,
                second: 0,
                minute: 0,
            },
            attributed_to_account_at: None,
        }
    }

    /// A key that is thought to have the limit of another one.
    pub(super) fn like(other: &Self, now: Instant) -> Self {
        let estimate = LimitEstimate::from_shared(SharedEstimate {
            version: 0,
            ..other.estimate.shared()
        });
        Self {
            window: other.window,
            ..Self::new(estimate, now)
        }
    }

    /// Whether it was hardly called lately.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.recent.minute(now) + self.on_their_way < AHEAD
    }

    /// Whether another was called far more than this one is now, and answered.
    pub(super) fn is_far_below(&self, other: &Self, now: Instant) -> bool {
        other.peak.second >= FAR_LESS
            && self.recent.second_or_two(now) * FAR_LESS <= other.peak.second
            && self.recent.minute(now) * FAR_LESS <= other.peak.minute
    }

    /// Calls a second that are left to this worker.
    fn rate(&self) -> Option<f64> {
        let rate = self.estimate.rate?;
        let left = (rate - self.others.satisfied).max(rate * 0.1);
        Some((left / f64::from(self.others.backlogged_workers + 1)).max(SLOWEST / 2.0))
    }

    /// Whether a call may go, as far as that is not a matter of time.
    pub(super) fn has_room(&self) -> bool {
        !self.awaits_board && (self.estimate.rate.is_some() || f64::from(self.on_their_way) < self.open)
    }

    /// When the next call may go; who was called less than others may go ahead of the time.
    pub(super) fn ready_at(&self, is_light: bool) -> Instant {
        let ahead = match self.rate() {
            Some(rate) if is_light => (interval(rate) * AHEAD).min(self.window.mul_f64(0.6)).min(FARTHEST),
            _ => Duration::ZERO,
        };
        let due = self.next_at.checked_sub(ahead).unwrap_or(self.next_at);
        due.max(self.blocked_until)
    }

    pub(super) fn on_send(&mut self, now: Instant) {
        if now.saturating_duration_since(self.called_at) > IDLE && now > self.blocked_until {
            (self.since, self.answered) = (now, 0);
        }
        self.called_at = now;
        self.on_their_way += 1;
        if let Some(rate) = self.rate() {
            let interval = interval(rate);
            // A call that comes a little late does not make all that follow late.
            let late = now.checked_sub(interval).unwrap_or(now);
            self.is_bound = self.next_at >= late;
            self.next_at = self.next_at.max(late) + interval;
        }
    }

    /// A call is back, or was lost.
    pub(super) fn on_response(&mut self) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
    }

    /// Whether it is this key that calls wait for.
    pub(super) fn is_bound(&self) -> bool {
        self.is_bound
    }

    pub(super) fn went_well(&mut self, now: Instant) {
        self.answered += 1;
        self.recent.add(now);
        if now.saturating_duration_since(self.peak.since) > LASTING {
            self.peak = Peak {
                since: now,
                second: self.peak.second / 2,
                minute: self.peak.minute / 2,
            };
        }
        self.peak.second = self.peak.second.max(self.recent.second_or_two(now));
        self.peak.minute = self.peak.minute.max(self.recent.minute(now));
        let Some(rate) = self.estimate.rate else {
            self.open += 1.0 / self.open;
            return;
        };
        if !self.is_bound || now < self.blocked_until {
            return;
        }
        let ceiling = self.estimate.ceiling;
        // A window tells nothing before it is full.
        let soon = Duration::from_secs(1).max(self.window / 8);
        let (growth, every) = if rate < ceiling * 0.9 {
            (1.10, soon)
        } else if rate < ceiling * 0.98 || rate > ceiling * 1.05 || self.estimate.hold == UNSURE {
            (1.02, soon)
        } else {
            (1.005, self.estimate.hold.max(soon))
        };
        if now.saturating_duration_since(self.grown_at) >= every {
            self.estimate.rate = Some(rate * growth);
            self.grown_at = now;
        }
    }

    /// "Too many"; what was thought before is returned. Calls that were on their way together meet one limit together.
    pub(super) fn was_throttled(&mut self, now: Instant, until: Instant) -> Option<LimitEstimate> {
        if now < self.blocked_until {
            // Told in whole seconds, the shorter of two waits for the same thing is nearer to the truth.
            let nearer = self.blocked_until.min(until);
            let is_same = self.blocked_until.max(until) - nearer < Duration::from_secs_f64(ROUNDING);
            self.block(if is_same { nearer } else { self.blocked_until.max(until) });
            return None;
        }
        let before = self.estimate;
        let wait = until.saturating_duration_since(now);
        let whole = until.saturating_duration_since(self.since).as_secs_f64().max(0.1);
        let measured = self.measured(now, wait, whole);
        let unsure = (whole / (whole - ROUNDING).max(0.1)).clamp(1.02, GUESS);
        let (rate, ceiling, hold) = match before.rate {
            None => {
                let hold = if wait > SHORT { HOLD } else { UNSURE };
                (measured, measured * unsure, hold)
            }
            // Far too fast: the window was full long before its end, or a bucket empty as soon as it was not.
            Some(rate) if measured < rate * 0.85 && wait > SHORT => {
                let rate = measured.max(rate * 0.2);
                (rate, rate * 1.02, HOLD)
            }
            // Met again at once, it is the farther below the more often that happens.
            Some(rate) if whole < AT_ONCE => {
                self.hits = (self.hits + 1).min(4);
                (
                    rate * (1.0 - (1.0 - STEP_BACK) * f64::from(1 << self.hits)),
                    rate * STEP_BACK,
                    HOLD,
                )
            }
            // Where it was expected: it is hardly below.
            Some(rate) => {
                self.hits = 0;
                let is_confirmed = (rate / before.ceiling - 1.0).abs() < 0.04;
                let hold = if is_confirmed {
                    (before.hold * 2).clamp(HOLD, LONGEST_HOLD)
                } else {
                    HOLD
                };
                (rate * STEP_BACK, rate * 0.985, hold)
            }
        };
        self.estimate = LimitEstimate {
            rate: Some(rate.max(SLOWEST)),
            ceiling,
            hold,
            version: before.version + 1,
        };
        self.window = wait.max(self.window.mul_f64(0.8));
        self.block(until);
        Some(before)
    }

    /// Calls a second that all workers were answered, the wait included: a window's limit, if this is one.
    fn measured(&self, now: Instant, wait: Duration, whole: f64) -> f64 {
        let own = if whole <= MINUTE + ROUNDING {
            self.answered as f64 / whole
        } else {
            let before = (MINUTE + ROUNDING - wait.as_secs_f64()).max(2.0);
            f64::from(self.recent.seconds(now, before as usize)) / MINUTE
        };
        let others = self
            .others
            .backlogged
            .max(own * f64::from(self.others.backlogged_workers));
        (own + self.others.satisfied + others).max(SLOWEST)
    }

    fn block(&mut self, until: Instant) {
        self.blocked_until = until;
        self.next_at = until;
        self.since = until;
        self.grown_at = until;
        self.answered = 0;
    }

    /// Thinks something else from now on.
    pub(super) fn rethink(&mut self, estimate: LimitEstimate) {
        let version = self.estimate.version.max(estimate.version) + 1;
        self.estimate = LimitEstimate { version, ..estimate };
    }

    /// It was not this key after all.
    pub(super) fn unblock(&mut self, estimate: LimitEstimate, now: Instant) {
        self.rethink(estimate);
        self.block(now);
    }

    /// What all workers together think; `block` is how long nobody may call from now on.
    pub(super) fn adopt(&mut self, told: LimitEstimate, block: Duration, now: Instant) {
        let until = now + block;
        if told.version > self.estimate.version {
            self.estimate = LimitEstimate {
                hold: self.estimate.hold,
                ..told
            };
            if until > now || self.blocked_until > now {
                self.block(until);
            }
        } else if told.version == self.estimate.version {
            if told.rate > self.estimate.rate {
                (self.estimate.rate, self.grown_at) = (told.rate, now);
            }
            // What comes back of one's own is a little late.
            if until > self.blocked_until + Duration::from_millis(100) && !block.is_zero() {
                self.block(until);
            }
        }
    }
}

fn interval(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate.max(SLOWEST / 2.0))
}
