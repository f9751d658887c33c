//! Pacing: how many calls are on their way at once, for all customers together and for each of them.
//!
//! Partner Center publishes few of its limits and changes them, so they are felt for: every answer that comes back
//! well lets a little more on its way, every "too many" halves it and makes that key wait as long as was asked. A
//! customer that is throttled holds up nobody else, unless the partner's own limit was met.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long to wait where a throttling answer does not say.
const PAUSE: Duration = Duration::from_secs(2);
/// Calls for one customer on their way at first.
const BEGIN: f64 = 4.0;

/// Lets calls go on their way.
pub(super) struct Pacer {
    most: f64,
    keys: Mutex<HashMap<String, Key>>,
    changed: Notify,
}

struct Key {
    limit: f64,
    on_their_way: usize,
    not_before: Instant,
}

impl Key {
    fn is_free(&self, now: Instant) -> bool {
        now >= self.not_before && (self.on_their_way as f64) < self.limit.floor().max(1.0)
    }
}

/// A call on its way; tell how it went.
pub(super) struct Pass<'p> {
    pacer: &'p Pacer,
    customer: String,
}

impl Pacer {
    /// At most this many calls at once, whatever the answers.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1) as f64,
            keys: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Waits for a turn; `customer` is empty for calls that are about none.
    pub(super) async fn enter(&self, customer: &str) -> Pass<'_> {
        loop {
            // Before the look, so that no change is missed in between.
            let changed = self.changed.notified();
            let wait = {
                let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let both = ["", customer];
                let names = if customer.is_empty() { &both[..1] } else { &both[..] };
                for name in names {
                    let begin = if name.is_empty() {
                        self.most
                    } else {
                        BEGIN.min(self.most)
                    };
                    keys.entry((*name).to_owned()).or_insert_with(|| Key {
                        limit: begin,
                        on_their_way: 0,
                        not_before: now,
                    });
                }
                if names
                    .iter()
                    .all(|name| keys.get(*name).is_some_and(|key| key.is_free(now)))
                {
                    for name in names {
                        if let Some(key) = keys.get_mut(*name) {
                            key.on_their_way += 1;
                        }
                    }
                    return Pass {
                        pacer: self,
                        customer: customer.to_owned(),
                    };
                }
                names
                    .iter()
                    .filter_map(|name| keys.get(*name))
                    .map(|key| key.not_before.saturating_duration_since(now))
                    .max()
                    .unwrap_or_default()
            };
            if wait.is_zero() {
                changed.await;
            } else {
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }

    fn leave(&self, customer: &str, change: impl Fn(&mut Key, f64)) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let names = if customer.is_empty() {
            vec![""]
        } else {
            vec!["", customer]
        };
        for name in names {
            if let Some(key) = keys.get_mut(name) {
                change(key, self.most);
            }
        }
    }
}

impl Pass<'_> {
    /// An answer came that was no "too many".
    pub(super) fn went_well(&self) {
        self.pacer.leave(&self.customer, |key, most| {
            key.limit = (key.limit + 1.0 / key.limit.max(1.0)).min(most);
        });
    }

    /// "Too many": the customer's key waits, or the partner's if the call was about no customer.
    pub(super) fn was_throttled(&self, wait: Option<Duration>) {
        let until = Instant::now() + wait.unwrap_or(PAUSE);
        let mut keys = self.pacer.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get_mut(&self.customer) {
            key.limit = (key.limit / 2.0).max(1.0);
            key.not_before = key.not_before.max(until);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.pacer.leave(&self.customer, |key, _| {
            key.on_their_way = key.on_their_way.saturating_sub(1);
        });
        self.pacer.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_throttled_customer_waits_and_the_others_go_on() {
        let pacer = Pacer::new(8);
        pacer.enter("a").await.was_throttled(Some(Duration::from_secs(30)));
        let began = Instant::now();
        drop(pacer.enter("b").await);
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(pacer.enter("a").await);
        assert_eq!(began.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_on_their_way_than_may_be() {
        let pacer = Pacer::new(2);
        let (first, _second) = (pacer.enter("a").await, pacer.enter("b").await);
        let third = tokio::time::timeout(Duration::from_secs(1), pacer.enter("c")).await;
        assert!(third.is_err());
        drop(first);
        pacer.enter("c").await.went_well();
    }
}
