//! This worker's part in keeping limits together with others.
//!
//! Only a customer's first call waits for the board, so that no limit is felt for that others know. A few times a second,
//! and at once when a limit was met or a customer is new here, a worker puts up what it knows of the keys it calls and reads
//! what all know. From that it takes its share by itself: what the satisfied ones leave is divided evenly among those with
//! calls that wait. Without the board it goes on with the share it last had; should that be too little, its rate grows, and
//! should it be too much, the limit is met and the rate falls.
//!
//! Names of keys are hashes, so a board is told of no customer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::board::{BoardError, KeyReport, KeyState, LimitBoard};
use super::key::{LimitEstimate, PacedKey};
use super::{PacerState, Shared};
use tenantry_foundation::tasks;

/// How often the board is looked at while there are calls.
const EVERY: Duration = Duration::from_millis(200);
/// A key that was not called for so long is no business of this worker's.
const ACTIVE: Duration = Duration::from_secs(2);
/// Keys on the board at once; further customers are paced by this worker alone.
const MOST: usize = 64;

/// The sharing of limits.
pub(super) struct Sharing {
    exchange: Exchange,
    /// Goes on for as long as the pacer lives.
    exchanging: OnceLock<AbortOnDropHandle<()>>,
}

/// Exchanges with the board what is known of an account's limits.
#[derive(Clone)]
struct Exchange {
    board: Arc<dyn LimitBoard>,
    account: Arc<str>,
}

impl Sharing {
    pub(super) fn new(board: Arc<dyn LimitBoard>, account: &str) -> Self {
        Self {
            exchange: Exchange {
                board,
                account: account.into(),
            },
            exchanging: OnceLock::new(),
        }
    }

    /// Begins to exchange, unless that has begun.
    pub(super) fn join(&self, shared: &Arc<Shared>) {
        self.exchanging.get_or_init(|| {
            shared.state().await_board();
            let exchanging = self.exchange.clone().serve(shared.clone());
            AbortOnDropHandle::new(tasks::spawn("the pacer", exchanging))
        });
    }
}

impl Exchange {
    async fn serve(self, shared: Arc<Shared>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shared.met.notified() => {}
            }
            if let Err(error) = self.once(&shared).await {
                shared.state().go_on_without_board();
                shared.timed.notify_one();
                self.board.wait_out(&error).await;
            }
        }
    }

    async fn once(&self, shared: &Shared) -> Result<(), BoardError> {
        let (customers, mut reports) = shared.state().report(Instant::now());
        if reports.is_empty() {
            return Ok(());
        }
        for (customer, report) in customers.iter().zip(&mut reports) {
            report.name = self.name(customer.as_deref());
        }
        let told = self.board.exchange(&reports).await?;
        let now = Instant::now();
        let mut state = shared.state();
        for (customer, told) in customers.iter().zip(told) {
            let key = match customer {
                None => Some(&mut state.keys.account),
                Some(customer) => state.keys.customers.get_mut(customer),
            };
            if let Some(key) = key {
                take(key, &told, now);
            }
        }
        state.is_shared = true;
        if customers.len() == MOST {
            state.stop_waiting();
        }
        drop(state);
        // Somebody's turn may have come nearer.
        shared.timed.notify_one();
        Ok(())
    }

    fn name(&self, customer: Option<&str>) -> String {
        let whose = Sha256::digest(format!("{}\n{}", self.account, customer.unwrap_or_default()));
        let mut short = [0; 16];
        short.copy_from_slice(&whose[..16]);
        format!("{:032x}", u128::from_be_bytes(short))
    }
}

fn take(key: &mut PacedKey, told: &KeyState, now: Instant) {
    key.others = told.others;
    key.awaits_board = false;
    key.adopt(LimitEstimate::from_shared(told.estimate), told.blocked_for, now);
}

/// What there is to put up of a key, but for its name.
fn report(key: &PacedKey, now: Instant, waits: bool) -> KeyReport {
    KeyReport {
        name: String::new(),
        estimate: key.estimate.shared(),
        blocked_for: key.blocked_until.saturating_duration_since(now),
        calls: key.recent.rate(now),
        is_backlogged: waits && key.is_bound(),
    }
}

impl PacerState {
    /// From now on a key is looked up before it is called for the first time.
    fn await_board(&mut self) {
        self.is_shared = true;
        self.keys.account.awaits_board = true;
    }

    fn go_on_without_board(&mut self) {
        self.is_shared = false;
        self.stop_waiting();
    }

    fn stop_waiting(&mut self) {
        self.keys.account.awaits_board = false;
        self.keys
            .customers
            .values_mut()
            .for_each(|key| key.awaits_board = false);
    }

    /// The keys in use, the account's (which is no customer's) first, and what there is to put up of them.
    fn report(&self, now: Instant) -> (Vec<Option<String>>, Vec<KeyReport>) {
        let account = &self.keys.account;
        let is_active = |key: &PacedKey| {
            key.awaits_board || now.saturating_duration_since(key.called_at) < ACTIVE || now < key.blocked_until
        };
        if self.waiting.is_empty() && !is_active(account) {
            return (Vec::new(), Vec::new());
        }
        let mut names = vec![None];
        let mut reports = vec![report(account, now, !self.waiting.is_empty())];
        for (customer, key) in &self.keys.customers {
            let waits = self.waiting.contains_key(customer);
            if names.len() < MOST && !customer.is_empty() && (waits || is_active(key)) {
                names.push(Some(customer.clone()));
                reports.push(report(key, now, waits));
            }
        }
        (names, reports)
    }
}
