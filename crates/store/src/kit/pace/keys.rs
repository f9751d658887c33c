//! All keys together, and whose limit a "too many" was about: no answer says it.
//!
//! It is held to be the customer's, who waits in any case. What speaks for the account instead: a call about no customer
//! was refused; or one of a customer who was called far less than others were without being refused; or calls wait for a limit
//! of the account's that is known, while none of that customer's is; or three customers were refused shortly after each
//! other. Then what the customers' keys had learned is taken back.
//!
//! What speaks for the customer is another customer's call that was sent later and answered, where the wait is a long
//! one: a bucket that fills soon lets a call through now and then. Until somebody has spoken, other customers are called
//! one at a time; so a customer's limit never stops the others, and the account's costs no more than three refusals.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::key::{LimitEstimate, PacedKey};

/// Longer waits are no matter of a bucket that fills soon.
const LONG: Duration = Duration::from_secs(2);
/// Refusals belong together for so long at least.
const TOGETHER: Duration = Duration::from_secs(10);
/// So many customers are not refused together each for itself.
const MANY: usize = 3;
/// How long a customer counts as having been excused.
const EXCUSED: Duration = Duration::from_secs(60);

/// When a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    At(Instant),
    /// When another call is back.
    Later,
}

/// A limit was met, and whose it was may still turn out.
#[derive(Debug)]
struct Doubt {
    /// About when the first call was refused.
    refused_at: Instant,
    until: Instant,
    ends_at: Instant,
    is_long: bool,
    refused: Vec<RefusedCall>,
    /// What was thought of the account, if it was the account's.
    account_before: Option<LimitEstimate>,
    /// A customer that was hardly called was refused, too.
    is_proven: bool,
    /// Somebody else's call is on its way to find out.
    is_probing: bool,
    next_probe_at: Instant,
    pause: Duration,
}

#[derive(Debug)]
struct RefusedCall {
    customer: String,
    before: LimitEstimate,
    after: LimitEstimate,
}

/// The account's key and its customers'.
#[derive(Debug)]
pub(super) struct PacedKeys {
    pub(super) account: PacedKey,
    pub(super) customers: HashMap<String, PacedKey>,
    doubt: Option<Doubt>,
}

impl PacedKeys {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            account: PacedKey::new(LimitEstimate::NONE, now),
            customers: HashMap::new(),
            doubt: None,
        }
    }

    /// A customer that is new here is thought to have the limit others have; whether it is.
    pub(super) fn meet(&mut self, customer: &str, is_shared: bool, now: Instant) -> bool {
        if self.customers.contains_key(customer) {
            return false;
        }
        let by_rate = |one: &&PacedKey, other: &&PacedKey| {
            let order = one.estimate.rate.partial_cmp(&other.estimate.rate);
            order.unwrap_or(std::cmp::Ordering::Equal)
        };
        let mut key = match self.customers.values().max_by(by_rate) {
            Some(fastest) if !customer.is_empty() => PacedKey::like(fastest, now),
            _ => PacedKey::new(LimitEstimate::NONE, now),
        };
        // What is about no customer has no limit but the account's.
        key.awaits_board = is_shared && !customer.is_empty();
        self.customers.insert(customer.to_owned(), key);
        true
    }

    /// When a call of a customer may go.
    pub(super) fn turn(&self, customer: &str, now: Instant) -> Turn {
        let Some(key) = self.customers.get(customer) else {
            return Turn::Later;
        };
        let is_fresh = key.is_fresh(now);
        let doubt = self.doubt.as_ref().filter(|doubt| now < doubt.until);
        let mut ready_at = self.account.ready_at(is_fresh);
        if let Some(doubt) = doubt
            && doubt.account_before.is_some()
            && !doubt.is_proven
            && self.is_light(customer, now)
            && !doubt.names(customer)
        {
            ready_at = doubt.next_probe_at;
        }
        let ready_at = ready_at.max(key.ready_at(is_fresh));
        if ready_at > now {
            return Turn::At(ready_at);
        }
        let waits_for_probe = doubt.is_some_and(|doubt| doubt.is_long && doubt.is_probing);
        if waits_for_probe || !self.account.has_room() || !key.has_room() {
            return Turn::Later;
        }
        Turn::Now
    }

    /// A call goes on its way; whether it is to find something out.
    pub(super) fn on_send(&mut self, customer: &str, now: Instant) -> bool {
        self.account.on_send(now);
        if let Some(key) = self.customers.get_mut(customer) {
            key.on_send(now);
        }
        match &mut self.doubt {
            Some(doubt) if doubt.is_long && now < doubt.until => {
                doubt.is_probing = true;
                doubt.next_probe_at = now + doubt.pause;
                doubt.pause *= 2;
                true
            }
            _ => false,
        }
    }

    /// A call is back, or was lost.
    pub(super) fn on_response(&mut self, customer: &str, was_probe: bool) {
        self.account.on_response();
        if let Some(key) = self.customers.get_mut(customer) {
            key.on_response();
        }
        if let Some(doubt) = self.doubt.as_mut().filter(|_| was_probe) {
            doubt.is_probing = false;
        }
    }

    /// A call was not refused for being one too many.
    pub(super) fn went_well(&mut self, customer: &str, sent: Instant, now: Instant) {
        self.account.went_well(now);
        if let Some(key) = self.customers.get_mut(customer) {
            key.went_well(now);
        }
        self.doubt = self.doubt.take().filter(|doubt| now < doubt.ends_at);
        let speaks = |doubt: &Doubt| doubt.is_long && sent >= doubt.refused_at && !doubt.names(customer);
        if self.doubt.as_ref().is_some_and(speaks) {
            self.clear_account(now);
        }
    }

    /// "Too many".
    pub(super) fn was_throttled(&mut self, customer: &str, sent: Instant, now: Instant, wait: Duration) {
        let until = now + wait;
        self.doubt = self.doubt.take().filter(|doubt| now < doubt.ends_at);
        let is_light = self.is_light(customer, now);
        let is_blamed = now < self.account.blocked_until;
        let Some(key) = self
            .customers
            .get_mut(customer)
            .filter(|_| !customer.is_empty() && !is_blamed)
        else {
            self.account.was_throttled(now, until);
            if let Some(doubt) = &mut self.doubt {
                doubt.is_proven |= is_light || customer.is_empty();
            }
            return;
        };
        let Some(before) = key.was_throttled(now, until) else {
            return;
        };
        let is_excused = key
            .attributed_to_account_at
            .is_some_and(|at| now.saturating_duration_since(at) < EXCUSED);
        let speaks_for_account = is_light && !is_excused;
        // The limit that is known, and that calls wait for, is likelier than one that nobody has met.
        let is_accounts = before.rate.is_none() && self.account.estimate.rate.is_some() && self.account.is_bound();
        let refused = RefusedCall {
            customer: customer.to_owned(),
            before,
            after: key.estimate,
        };
        let doubt = self.doubt.get_or_insert_with(|| Doubt {
            refused_at: sent + now.saturating_duration_since(sent) / 2,
            until,
            ends_at: until.max(now + TOGETHER),
            is_long: wait > LONG,
            refused: Vec::new(),
            account_before: None,
            is_proven: false,
            is_probing: false,
            next_probe_at: now,
            pause: Duration::from_secs(1),
        });
        doubt.until = doubt.until.max(until);
        doubt.ends_at = doubt.ends_at.max(until);
        match doubt.refused.iter_mut().find(|known| known.customer == customer) {
            Some(known) => known.after = refused.after,
            None => doubt.refused.push(refused),
        }
        if speaks_for_account {
            key.attributed_to_account_at = Some(now);
        }
        if speaks_for_account || is_accounts || doubt.refused.len() >= MANY {
            doubt.is_proven = speaks_for_account;
            doubt.account_before = self.account.was_throttled(now, doubt.until);
            for refused in &doubt.refused {
                if let Some(key) = self.customers.get_mut(&refused.customer) {
                    key.rethink(refused.before);
                }
            }
            if !doubt.is_long {
                self.doubt = None;
            }
        }
    }

    /// It was the customers' own limits after all.
    fn clear_account(&mut self, now: Instant) {
        let Some(doubt) = self.doubt.take() else { return };
        let Some(before) = doubt.account_before else { return };
        self.account.unblock(before, now);
        for refused in doubt.refused {
            if let Some(key) = self.customers.get_mut(&refused.customer) {
                key.rethink(refused.after);
            }
        }
    }

    /// Whether others were called far more without being refused.
    fn is_light(&self, customer: &str, now: Instant) -> bool {
        let Some(key) = self.customers.get(customer) else {
            return false;
        };
        let mut others = self.customers.iter().filter(|(name, _)| *name != customer);
        others.any(|(_, other)| key.is_far_below(other, now))
    }
}

impl Doubt {
    fn names(&self, customer: &str) -> bool {
        self.refused.iter().any(|refused| refused.customer == customer)
    }
}
