//! Pacing: who may call when, and how often.
//!
//! Partner Center publishes few of its limits and changes them, so they are felt for. A key (the partner, and each of its
//! customers) has no rate until its first "too many". Then it gets the one it had until the limit's window was full,
//! and from there looks for the limit: quickly far from where it last was met, slowly near it. So a limit is met seldom,
//! and hardly anything of it is left unused.
//!
//! Customers take turns. One that is throttled holds up nobody else, unless it is the partner's own limit that was
//! met: long waits are taken for that where other customers are being called, too, since a customer's window is short.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long to wait where a throttling answer does not say.
const PAUSE: Duration = Duration::from_secs(2);
/// Longer waits are of the partner's limit.
const LONG: Duration = Duration::from_secs(5);
/// A customer that was called within this time is being called.
const RECENT: Duration = Duration::from_secs(10);
/// No key is slower than this, in calls per second.
const SLOWEST: f64 = 0.2;
/// A first rate is a guess; the limit may be this much higher.
const GUESS: f64 = 1.6;

/// Lets calls go on their way.
pub(super) struct Pacer {
    shared: Arc<Shared>,
}

struct Shared {
    most: usize,
    state: Mutex<State>,
    /// Told when somebody's turn has become a matter of time.
    timed: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State {
    partner: Key,
    customers: HashMap<String, Key>,
    /// Customers with calls that wait, in the order of their turns.
    turns: VecDeque<String>,
    waiting: HashMap<String, VecDeque<oneshot::Sender<Pass>>>,
    on_their_way: usize,
}

/// A limit that is felt for.
struct Key {
    /// Calls per second, once a limit is known.
    rate: Option<f64>,
    /// Where the limit was met last.
    ceiling: f64,
    next_at: Instant,
    blocked_until: Instant,
    /// Since when calls are counted, and how many there were.
    since: Instant,
    answered: u64,
    grown_at: Instant,
    called_at: Instant,
}

impl Key {
    fn new(now: Instant) -> Self {
        Self {
            rate: None,
            ceiling: 0.0,
            next_at: now,
            blocked_until: now,
            since: now,
            answered: 0,
            grown_at: now,
            called_at: now,
        }
    }

    fn ready_at(&self) -> Instant {
        self.next_at.max(self.blocked_until)
    }

    fn depart(&mut self, now: Instant) {
        self.called_at = now;
        if let Some(rate) = self.rate {
            let interval = Duration::from_secs_f64(1.0 / rate);
            // A call that comes a little late does not make all that follow late.
            let due = self.next_at.max(now.checked_sub(interval * 2).unwrap_or(now));
            self.next_at = due + interval;
        }
    }

    fn went_well(&mut self, now: Instant, is_wanted: bool) {
        self.answered += 1;
        let Some(rate) = self.rate.filter(|_| is_wanted) else {
            return;
        };
        let (growth, every) = if rate < self.ceiling * 0.9 {
            (1.10, Duration::from_secs(1))
        } else if rate < self.ceiling * 0.98 {
            (1.02, Duration::from_secs(1))
        } else {
            (1.005, Duration::from_secs(15))
        };
        if now.saturating_duration_since(self.grown_at) >= every {
            self.rate = Some(rate * growth);
            self.grown_at = now;
        }
    }

    fn was_throttled(&mut self, now: Instant, wait: Duration) {
        let until = now + wait;
        // Calls that were on their way together meet one limit together.
        if now < self.blocked_until {
            self.blocked_until = self.blocked_until.max(until);
            return;
        }
        if let Some(rate) = self.rate {
            self.ceiling = rate * 0.985;
            self.rate = Some((rate * 0.95).max(SLOWEST));
        } else {
            let whole = until.saturating_duration_since(self.since).as_secs_f64().max(0.1);
            let rate = (self.answered as f64 / whole).max(SLOWEST);
            self.ceiling = rate * GUESS;
            self.rate = Some(rate);
        }
        self.blocked_until = until;
        self.next_at = until;
        self.since = until;
        self.grown_at = until;
        self.answered = 0;
    }
}

impl State {
    /// Lets go whoever may; when somebody may next, if that is a matter of time.
    fn pump(&mut self, shared: &Arc<Shared>, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            if self.on_their_way >= shared.most {
                // Whoever comes back lets the next one go.
                return None;
            }
            let Some(customer) = self.turns.pop_front() else { break };
            let mut ready_at = self.partner.ready_at();
            if let Some(key) = self.customers.get(&customer) {
                ready_at = ready_at.max(key.ready_at());
            }
            if ready_at > now {
                next = Some(next.map_or(ready_at, |earlier| earlier.min(ready_at)));
                self.turns.push_back(customer);
                passed_over += 1;
                continue;
            }
            let Some(queue) = self.waiting.get_mut(&customer) else {
                continue;
            };
            // Who has stopped waiting is passed over.
            let went = std::iter::from_fn(|| queue.pop_front()).any(|waiter| {
                let sent = waiter.send(Pass::new(shared, &customer));
                sent.map_err(Pass::tear_up).is_ok()
            });
            if queue.is_empty() {
                self.waiting.remove(&customer);
            } else {
                self.turns.push_back(customer.clone());
            }
            if went {
                passed_over = 0;
                self.on_their_way += 1;
                self.partner.depart(now);
                if let Some(key) = self.customers.get_mut(&customer) {
                    key.depart(now);
                }
            }
        }
        next
    }
}

/// A call on its way; tell how it went.
pub(super) struct Pass {
    shared: Arc<Shared>,
    customer: String,
    is_good: bool,
}

impl Pacer {
    /// At most this many calls at once, whatever the answers.
    pub(super) fn new(most: usize) -> Self {
        let shared = Shared {
            most: most.max(1),
            state: Mutex::new(State {
                partner: Key::new(Instant::now()),
                customers: HashMap::new(),
                turns: VecDeque::new(),
                waiting: HashMap::new(),
                on_their_way: 0,
            }),
            timed: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Waits for a turn; `customer` is empty for calls that are about none.
    pub(super) async fn enter(&self, customer: &str) -> Pass {
        let (waiter, mut turn) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if !customer.is_empty() && !state.customers.contains_key(customer) {
                state.customers.insert(customer.to_owned(), Key::new(Instant::now()));
            }
            let queue = state.waiting.entry(customer.to_owned()).or_default();
            let is_first = queue.is_empty();
            queue.push_back(waiter);
            if is_first {
                state.turns.push_back(customer.to_owned());
            }
        }
        loop {
            // Before the look, so that nothing is missed in between.
            let timed = self.shared.timed.notified();
            let next = self.shared.state().pump(&self.shared, Instant::now());
            let wake = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                pass = &mut turn => if let Ok(pass) = pass {
                    return pass;
                },
                () = wake => {}
                () = timed => {}
            }
        }
    }
}

impl Pass {
    fn new(shared: &Arc<Shared>, customer: &str) -> Self {
        Self {
            shared: shared.clone(),
            customer: customer.to_owned(),
            is_good: true,
        }
    }

    /// Nobody took it, so nobody is on the way with it.
    fn tear_up(mut self) {
        self.is_good = false;
    }

    /// An answer came that was no "too many".
    pub(super) fn went_well(&self) {
        let mut state = self.shared.state();
        let now = Instant::now();
        let is_wanted = state.waiting.contains_key(&self.customer);
        let anybody = !state.waiting.is_empty();
        state.partner.went_well(now, anybody);
        if let Some(key) = state.customers.get_mut(&self.customer) {
            key.went_well(now, is_wanted);
        }
    }

    /// "Too many".
    pub(super) fn was_throttled(&self, wait: Option<Duration>) {
        let (now, wait) = (Instant::now(), wait.unwrap_or(PAUSE));
        let mut state = self.shared.state();
        let others = state
            .customers
            .iter()
            .any(|(customer, key)| *customer != self.customer && now.saturating_duration_since(key.called_at) < RECENT);
        match state.customers.get_mut(&self.customer) {
            Some(key) if wait <= LONG || !others => key.was_throttled(now, wait),
            _ => state.partner.was_throttled(now, wait),
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_good {
            return;
        }
        let mut state = self.shared.state();
        state.on_their_way -= 1;
        // Who waited for this place may have to wait for the time now, and has set no alarm for it.
        if state.pump(&self.shared, Instant::now()).is_some() {
            self.shared.timed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_throttled_customer_waits_and_the_others_go_on() {
        let pacer = Pacer::new(8);
        pacer.enter("a").await.was_throttled(Some(Duration::from_secs(3)));
        let began = Instant::now();
        drop(pacer.enter("b").await);
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(pacer.enter("a").await);
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_on_their_way_than_may_be_and_customers_take_turns() {
        let pacer = Pacer::new(2);
        let (first, _second) = (pacer.enter("a").await, pacer.enter("a").await);
        let third = tokio::time::timeout(Duration::from_secs(1), pacer.enter("b")).await;
        assert!(third.is_err());
        let order = Mutex::new(Vec::new());
        let call = async |customer: &'static str| {
            let pass = pacer.enter(customer).await;
            order.lock().expect("a lock").push(customer);
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(pass);
        };
        drop(first);
        futures::join!(call("a"), call("a"), call("a"), call("b"), call("b"));
        assert_eq!(*order.lock().expect("a lock"), ["a", "a", "b", "a", "b"]);
    }

    /// A limit of so many calls in each window of a second, as it is met: how many were answered, how many refused.
    async fn against(limit: u64, seconds: u64) -> (u64, u64) {
        let pacer = Pacer::new(16);
        let windows: Mutex<HashMap<u64, u64>> = Mutex::default();
        let counts = Mutex::new((0, 0));
        let began = Instant::now();
        let worker = async || {
            while began.elapsed() < Duration::from_secs(seconds) {
                let pass = pacer.enter("a").await;
                tokio::time::sleep(Duration::from_millis(40)).await;
                let now = began.elapsed();
                let is_within = {
                    let mut windows = windows.lock().expect("a lock");
                    let taken = windows.entry(now.as_secs()).or_default();
                    *taken += 1;
                    *taken <= limit
                };
                tokio::time::sleep(Duration::from_millis(40)).await;
                let mut counts = counts.lock().expect("a lock");
                if is_within {
                    counts.0 += 1;
                    pass.went_well();
                } else {
                    counts.1 += 1;
                    pass.was_throttled(Some(Duration::from_secs(1)));
                }
            }
        };
        let all = futures::future::join_all((0..16).map(|_| worker()));
        let patience = Duration::from_secs(seconds * 2);
        assert!(
            tokio::time::timeout(patience, all).await.is_ok(),
            "somebody was never let go"
        );
        *counts.lock().expect("a lock")
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_used_up_and_seldom_met() {
        for limit in [5, 20, 60] {
            let (answered, refused) = against(limit, 300).await;
            let share = answered as f64 / (limit * 300) as f64;
            assert!(share > 0.93, "{limit}/s: {answered} answered, {refused} refused");
            assert!(
                (refused as f64) < 0.015 * answered as f64,
                "{limit}/s: {answered} answered, {refused} refused"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_place_and_then_for_the_time_is_let_go() {
        let pacer = Pacer::new(1);
        let first = pacer.enter("a").await;
        let began = Instant::now();
        let second = async {
            let pass = pacer.enter("a").await;
            drop(pass);
            began.elapsed()
        };
        let first = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            first.was_throttled(Some(Duration::from_secs(3)));
            drop(first);
        };
        let both = async { futures::join!(second, first).0 };
        let waited = tokio::time::timeout(Duration::from_secs(60), both).await;
        assert_eq!(waited.ok(), Some(Duration::from_secs(4)));
    }
}
