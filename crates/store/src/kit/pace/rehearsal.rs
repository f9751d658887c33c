//! The pacer against services that keep limits of both sorts, in windows and in buckets, on a clock that runs by itself.

mod together;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::Pacer;

/// How a service counts.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// So many calls in so many seconds, from the first one on.
    Window(u32, u64),
    /// So many calls a second, and so many at once.
    Bucket(f64, f64),
}

/// What a service has counted of a key.
#[derive(Debug, Clone, Copy)]
struct Count {
    since: Duration,
    calls: f64,
}

impl Limit {
    /// Lets a call in, or says for how many seconds it is to wait.
    fn take(self, count: &mut Option<Count>, now: Duration) -> Result<(), u64> {
        match self {
            Limit::Window(most, seconds) => {
                let length = Duration::from_secs(seconds);
                let kept = count.filter(|count| now < count.since + length);
                let count = count.insert(kept.unwrap_or(Count { since: now, calls: 0.0 }));
                count.calls += 1.0;
                if count.calls <= f64::from(most) {
                    return Ok(());
                }
                Err((count.since + length).saturating_sub(now).as_secs_f64().ceil().max(1.0) as u64)
            }
            Limit::Bucket(rate, depth) => {
                let full = Count {
                    since: now,
                    calls: depth,
                };
                let count = count.get_or_insert(full);
                count.calls = (count.calls + now.saturating_sub(count.since).as_secs_f64() * rate).min(depth);
                count.since = now;
                if count.calls >= 1.0 {
                    count.calls -= 1.0;
                    return Ok(());
                }
                Err(((1.0 - count.calls) / rate).ceil().max(1.0) as u64)
            }
        }
    }

    /// Calls a second, in the long run.
    fn rate(self) -> f64 {
        match self {
            Limit::Window(most, seconds) => f64::from(most) / seconds as f64,
            Limit::Bucket(rate, _) => rate,
        }
    }
}

/// A service, and the outcome of the calls.
#[derive(Default)]
struct RehearsedService {
    customer: Option<Limit>,
    account: Option<Limit>,
    state: Mutex<CallCounts>,
}

#[derive(Default)]
struct CallCounts {
    keys: HashMap<String, Option<Count>>,
    answered: HashMap<String, u32>,
    refused: u32,
    last_at: Duration,
    /// For latencies that differ, the same ones in each run.
    dice: u64,
}

impl RehearsedService {
    fn new(customer: Option<Limit>, account: Option<Limit>) -> Self {
        Self {
            customer,
            account,
            ..Self::default()
        }
    }

    /// Up to twenty milliseconds.
    fn jitter(&self) -> Duration {
        let mut state = self.state.lock().expect("a lock");
        state.dice = state
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((state.dice >> 33) % 20)
    }

    async fn call(&self, pacer: &Pacer, customer: &str, began: Instant) -> bool {
        let pass = pacer.enter(customer).await;
        tokio::time::sleep(Duration::from_millis(5) + self.jitter() / 4).await;
        let taken = {
            let mut state = self.state.lock().expect("a lock");
            let now = began.elapsed();
            let own = self.customer.map_or(Ok(()), |limit| {
                limit.take(state.keys.entry(customer.to_owned()).or_default(), now)
            });
            own.and_then(|()| {
                let all = state.keys.entry(String::new()).or_default();
                self.account.map_or(Ok(()), |limit| limit.take(all, now))
            })
        };
        tokio::time::sleep(Duration::from_millis(75) + self.jitter()).await;
        let mut state = self.state.lock().expect("a lock");
        match taken {
            Ok(()) => {
                state.last_at = began.elapsed();
                *state.answered.entry(customer.to_owned()).or_default() += 1;
                pass.went_well();
            }
            Err(wait) => {
                state.refused += 1;
                pass.was_throttled(Some(Duration::from_secs(wait)));
            }
        }
        taken.is_ok()
    }

    /// Calls about a customer, from one second to another, without end.
    async fn load(&self, pacer: &Pacer, customer: &str, began: Instant, seconds: Range<u64>) {
        tokio::time::sleep(Duration::from_secs(seconds.start)).await;
        let caller = async || {
            while began.elapsed() < Duration::from_secs(seconds.end) {
                self.call(pacer, customer, began).await;
            }
        };
        futures::future::join_all((0..16).map(|_| caller())).await;
    }

    /// How much of a limit was used, and the share of calls that were refused.
    fn shares(&self, limit: f64) -> (f64, f64) {
        let state = self.state.lock().expect("a lock");
        let answered: u32 = state.answered.values().sum();
        let used = f64::from(answered) / (limit * state.last_at.as_secs_f64());
        (used, f64::from(state.refused) / f64::from(answered + state.refused))
    }
}

/// Customers that are called without end.
async fn flood(service: &RehearsedService, customers: usize, seconds: u64) -> Pacer {
    let pacer = Pacer::new(16);
    let began = Instant::now();
    let names: Vec<String> = (0..customers).map(|n| format!("c{n}")).collect();
    let loads = names.iter().map(|name| service.load(&pacer, name, began, 0..seconds));
    let all = futures::future::join_all(loads);
    let patience = Duration::from_secs(seconds * 2 + 120);
    assert!(
        tokio::time::timeout(patience, all).await.is_ok(),
        "somebody was never let go"
    );
    pacer
}

/// Customer's limit, account's, how many customers, what they can have a second, and the share that may be refused.
type Case = (Option<Limit>, Option<Limit>, usize, f64, f64);

/// In ten minutes, with all that it takes to learn the limits.
async fn used_up(cases: impl IntoIterator<Item = Case>) {
    for (customer, account, customers, limit, most) in cases {
        let service = RehearsedService::new(customer, account);
        flood(&service, customers, 600).await;
        let (used, refused) = service.shares(limit);
        let what = format!("{customer:?}, {account:?}, {customers} customers: {used:.3} used, {refused:.4} refused");
        assert!(used > 0.93 && refused < most, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_used_up_and_seldom_met() {
    let each = |limit: Limit, customers, most| (Some(limit), None, customers, limit.rate() * customers as f64, most);
    used_up([
        each(Limit::Window(5, 1), 1, 0.01),
        each(Limit::Window(20, 1), 1, 0.01),
        each(Limit::Window(60, 1), 1, 0.01),
        each(Limit::Window(500, 60), 1, 0.01),
        each(Limit::Bucket(20.0, 20.0), 1, 0.01),
        each(Limit::Bucket(8.0, 100.0), 1, 0.015),
        each(Limit::Window(20, 1), 2, 0.01),
        each(Limit::Window(20, 1), 4, 0.01),
        each(Limit::Bucket(20.0, 20.0), 2, 0.01),
        // What is refused while it is learned is more of so little.
        each(Limit::Window(100, 60), 3, 0.02),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn so_is_a_limit_of_the_account_and_one_above_the_other() {
    let all = |limit: Limit, customers, most| (None, Some(limit), customers, limit.rate(), most);
    let both = |own: Limit, limit: Limit, customers| (Some(own), Some(limit), customers, limit.rate(), 0.01);
    used_up([
        all(Limit::Window(500, 60), 1, 0.01),
        all(Limit::Window(500, 60), 2, 0.01),
        all(Limit::Window(500, 60), 30, 0.01),
        all(Limit::Window(30, 1), 5, 0.01),
        // A bucket lets one customer through while it refuses another, as limits of customers do.
        all(Limit::Bucket(8.0, 20.0), 2, 0.02),
        all(Limit::Bucket(8.0, 20.0), 10, 0.03),
        both(Limit::Window(20, 1), Limit::Window(500, 60), 1),
        both(Limit::Window(20, 1), Limit::Window(500, 60), 2),
        both(Limit::Window(20, 1), Limit::Window(500, 60), 10),
        both(Limit::Bucket(20.0, 20.0), Limit::Bucket(50.0, 50.0), 5),
    ])
    .await;
}

/// Whose limits were felt: the account's, and of how many customers.
fn felt(pacer: &Pacer) -> (bool, usize) {
    let state = pacer.shared.state();
    let limited = state.keys.customers.values().filter(|key| key.estimate.rate.is_some());
    (state.keys.account.estimate.rate.is_some(), limited.count())
}

#[tokio::test(start_paused = true)]
async fn limits_of_customers_and_of_the_account_are_told_apart() {
    let (second, minute) = (Limit::Window(20, 1), Limit::Window(500, 60));
    for (customer, account, customers, expected) in [
        (Some(second), None, 2, (false, 2)),
        (Some(minute), None, 2, (false, 2)),
        (None, Some(minute), 5, (true, 0)),
        (None, Some(minute), 30, (true, 0)),
        (Some(second), Some(minute), 30, (true, 0)),
    ] {
        let service = RehearsedService::new(customer, account);
        let pacer = flood(&service, customers, 120).await;
        assert_eq!(
            felt(&pacer),
            expected,
            "{customer:?}, {account:?}, {customers} customers"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_tells_the_accounts_limit_from_a_customers() {
    for (customer, account, expected) in [
        (None, Some(Limit::Window(500, 60)), true),
        (Some(Limit::Window(20, 1)), Some(Limit::Window(500, 60)), true),
        (Some(Limit::Window(500, 60)), None, false),
    ] {
        let service = RehearsedService::new(customer, account);
        let (pacer, began) = (Pacer::new(16), Instant::now());
        // The large one is blocked when the small one comes.
        let small = async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            service.call(&pacer, "small", began).await
        };
        let (went, ()) = futures::join!(small, service.load(&pacer, "large", began, 0..45));
        assert_eq!(felt(&pacer).0, expected, "{customer:?}, {account:?}");
        assert!(went || expected, "a customer's limit stopped another one");
    }
}

/// How long ten rows of a customer take, with a look beforehand.
async fn small_job(service: &RehearsedService, pacer: &Pacer, began: Instant) -> Duration {
    let submitted = Instant::now();
    let call = async || while !service.call(pacer, "small", began).await {};
    call().await;
    call().await;
    futures::future::join_all((0..10).map(|_| call())).await;
    submitted.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_small_job_is_not_kept_waiting_by_a_large_one() {
    let (second, minute) = (Limit::Window(20, 1), Limit::Window(500, 60));
    for (customer, account) in [(Some(second), None), (None, Some(minute)), (Some(second), Some(minute))] {
        let service = RehearsedService::new(customer, account);
        let alone = small_job(&service, &Pacer::new(16), Instant::now()).await;
        let service = RehearsedService::new(customer, account);
        let (pacer, began) = (Pacer::new(16), Instant::now());
        let small = async {
            // One in between, from which the limits are known.
            tokio::time::sleep(Duration::from_secs(100)).await;
            small_job(&service, &pacer, began).await;
            tokio::time::sleep(Duration::from_secs(100)).await;
            small_job(&service, &pacer, began).await
        };
        let (beside, ()) = futures::join!(small, service.load(&pacer, "large", began, 0..260));
        assert!(
            beside < alone * 2,
            "{customer:?}, {account:?}: {beside:?} beside, {alone:?} alone"
        );
    }
}
