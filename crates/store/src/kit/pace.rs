//! Pacing: who may call when, and how often.
//!
//! Services publish few of their limits and change them, so they are felt for. Two sorts of keys have limits, our account
//! and each of its customers, and a call waits until both of its keys let it go. Customers take turns, so one that is
//! throttled, or has much to do, holds up nobody else. What counts against which customer, and what is a "too many", is
//! for the store to say.
//!
//! - `key`: one limit, how it is felt for, and how calls are spread.
//! - `keys`: all of them, and whose limit it was.
//! - `recent`: how many calls a key was answered lately.
//! - `board`: where workers tell each other what they felt, and what.
//! - `sharing`: this worker's part in that, so that all keep a limit together.

mod board;
mod key;
mod keys;
mod recent;
#[cfg(test)]
mod rehearsal;
mod sharing;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub use board::{BoardError, KeyReport, KeyState, LimitBoard, Others, SharedEstimate};

use self::keys::{PacedKeys, Turn};
use self::sharing::Sharing;
use tenantry_foundation::lock::lock;

/// How long to wait where a throttling answer does not say.
const PAUSE: Duration = Duration::from_secs(2);

/// Whose limit a call went beyond, as it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitScope {
    /// The account's.
    Account,
    /// One customer's.
    Customer,
}

/// How close calls come to what is known of limits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PaceStanding {
    /// The share of the account's limit that is used, where one has been met.
    pub used: Option<f64>,
    /// Customers that are left alone for now.
    pub customers_blocked: u64,
}

/// Lets calls go on their way. By itself it keeps the limits of this process; [`share`](Self::share) makes it keep them
/// together with others.
pub struct Pacer {
    shared: Arc<Shared>,
    /// With whom limits are shared.
    sharing: OnceLock<Sharing>,
}

struct Shared {
    most: usize,
    state: Mutex<PacerState>,
    /// Tells one of those who wait to look, since somebody's turn has come nearer or become a matter of time.
    timed: Notify,
    /// Told when a limit was met, or a customer for the first time.
    met: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, PacerState> {
        lock(&self.state)
    }
}

struct PacerState {
    keys: PacedKeys,
    /// Customers with calls that wait, in the order of their turns.
    turns: VecDeque<String>,
    waiting: HashMap<String, VecDeque<oneshot::Sender<Pass>>>,
    on_their_way: usize,
    /// When one of the waiting callers wakes up and lets go every call that may go.
    alarm: Option<Instant>,
    /// Whether limits are kept together with others just now.
    is_shared: bool,
}

impl PacerState {
    /// Lets go every call that may go; when the next one may, if that is a matter of time.
    fn pump(&mut self, shared: &Arc<Shared>, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            if self.on_their_way >= shared.most {
                // A call that comes back lets the next one go.
                return None;
            }
            let Some(customer) = self.turns.pop_front() else { break };
            let turn = self.keys.turn(&customer, now);
            if turn != Turn::Now {
                if let Turn::At(ready_at) = turn {
                    next = Some(next.map_or(ready_at, |earlier| earlier.min(ready_at)));
                }
                self.turns.push_back(customer);
                passed_over += 1;
                continue;
            }
            let Some(queue) = self.waiting.get_mut(&customer) else {
                continue;
            };
            // Who has stopped waiting is passed over.
            let waiter = std::iter::from_fn(|| queue.pop_front()).find(|waiter| !waiter.is_closed());
            if queue.is_empty() {
                self.waiting.remove(&customer);
            } else {
                self.turns.push_back(customer.clone());
            }
            let Some(waiter) = waiter else { continue };
            passed_over = 0;
            let is_probe = self.keys.on_send(&customer, now);
            match waiter.send(Pass::new(shared, &customer, now, is_probe)) {
                Ok(()) => self.on_their_way += 1,
                Err(pass) => {
                    pass.tear_up();
                    self.keys.on_response(&customer, is_probe);
                }
            }
        }
        next
    }

    /// Whether nobody wakes up by then.
    fn lacks_alarm(&self, next: Option<Instant>) -> bool {
        next.is_some_and(|next| self.alarm.is_none_or(|alarm| next < alarm))
    }
}

/// A caller that waits, and perhaps has promised to wake up then; the promise is passed on when that caller leaves.
struct Waker {
    shared: Arc<Shared>,
    at: Option<Instant>,
}

impl Waker {
    /// Lets go every call that may go, and promises to wake up when the next one may, unless another caller does.
    fn look(&mut self) {
        let mut state = self.shared.state();
        if self.at.is_some() && state.alarm == self.at {
            state.alarm = None;
        }
        let next = state.pump(&self.shared, Instant::now());
        self.at = next.filter(|_| state.lacks_alarm(next));
        if self.at.is_some() {
            state.alarm = self.at;
        }
    }

    async fn wake(&self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if self.at.is_some() && state.alarm == self.at {
            state.alarm = None;
            self.shared.timed.notify_one();
        }
    }
}

/// A call on its way until it is dropped; tell how it went.
pub struct Pass {
    shared: Arc<Shared>,
    customer: String,
    sent: Instant,
    is_probe: bool,
    is_good: bool,
}

impl Pacer {
    /// At most this many calls at once, whatever the answers.
    pub fn new(most: usize) -> Self {
        let shared = Shared {
            most: most.max(1),
            state: Mutex::new(PacerState {
                keys: PacedKeys::new(Instant::now()),
                turns: VecDeque::new(),
                waiting: HashMap::new(),
                on_their_way: 0,
                alarm: None,
                is_shared: false,
            }),
            timed: Notify::new(),
            met: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
            sharing: OnceLock::new(),
        }
    }

    /// Keeps limits together with the other workers of this board, from the next call on; `account` says whose limits they
    /// are, in every worker by the same text. Only the first board counts.
    pub fn share(&self, board: Arc<dyn LimitBoard>, account: &str) {
        let _ = self.sharing.set(Sharing::new(board, account));
    }

    /// How close calls come to what is known of limits.
    pub fn standing(&self) -> PaceStanding {
        let now = Instant::now();
        let state = self.shared.state();
        let (account, customers) = (&state.keys.account, &state.keys.customers);
        let is_blocked = |key: &&key::PacedKey| key.blocked_until > now;
        PaceStanding {
            used: account
                .estimate
                .rate
                .map(|rate| account.recent.rate(now) / rate.max(f64::MIN_POSITIVE)),
            customers_blocked: customers.values().filter(is_blocked).count() as u64,
        }
    }

    /// Waits for a turn; `customer` is empty for calls that are about none.
    pub async fn enter(&self, customer: &str) -> Pass {
        if let Some(sharing) = self.sharing.get() {
            sharing.join(&self.shared);
        }
        let (waiter, mut turn) = oneshot::channel();
        {
            let mut state = self.shared.state();
            let is_shared = state.is_shared;
            if state.keys.meet(customer, is_shared, Instant::now()) && is_shared {
                self.shared.met.notify_one();
            }
            let queue = state.waiting.entry(customer.to_owned()).or_default();
            let is_first = queue.is_empty();
            queue.push_back(waiter);
            if is_first {
                state.turns.push_back(customer.to_owned());
            }
        }
        let mut waker = Waker {
            shared: self.shared.clone(),
            at: None,
        };
        loop {
            // Before the look, so that nothing is missed in between.
            let timed = self.shared.timed.notified();
            waker.look();
            tokio::select! {
                biased;
                pass = &mut turn => if let Ok(pass) = pass {
                    return pass;
                },
                () = waker.wake() => {}
                () = timed => {}
            }
        }
    }
}

impl Pass {
    fn new(shared: &Arc<Shared>, customer: &str, sent: Instant, is_probe: bool) -> Self {
        Self {
            shared: shared.clone(),
            customer: customer.to_owned(),
            sent,
            is_probe,
            is_good: true,
        }
    }

    /// Nobody took it, so nobody is on the way with it.
    fn tear_up(mut self) {
        self.is_good = false;
    }

    /// An answer came that was no "too many".
    pub fn went_well(&self) {
        let mut state = self.shared.state();
        state.keys.went_well(&self.customer, self.sent, Instant::now());
    }

    /// "Too many"; `wait` is how long it asks to wait, if it says. Whose limit that seems to be.
    pub fn was_throttled(&self, wait: Option<Duration>) -> LimitScope {
        let (wait, now) = (wait.unwrap_or(PAUSE), Instant::now());
        let mut state = self.shared.state();
        state.keys.was_throttled(&self.customer, self.sent, now, wait);
        self.shared.met.notify_one();
        if state.keys.account.blocked_until > now {
            LimitScope::Account
        } else {
            LimitScope::Customer
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
        state.keys.on_response(&self.customer, self.is_probe);
        // Who waited for this place may have to wait for the time now, and has set no alarm for it.
        let next = state.pump(&self.shared, Instant::now());
        if state.lacks_alarm(next) {
            self.shared.timed.notify_one();
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

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_a_place_and_then_for_the_time_is_let_go() {
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
