//! Pacers that keep limits together over a board, here one in memory that can be out of reach.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::super::{BoardError, KeyReport, KeyState, LimitBoard, Others, Pacer, SharedEstimate};
use super::{Limit, RehearsedService};

#[derive(Default)]
struct Board {
    keys: Mutex<HashMap<String, BoardEntry>>,
    is_away: AtomicBool,
}

struct BoardEntry {
    estimate: SharedEstimate,
    until: Instant,
    /// What each worker does with it, and when it said so.
    workers: HashMap<usize, (Instant, f64, bool)>,
}

/// A worker's place at the board.
struct BoardPlace {
    board: Arc<Board>,
    worker: usize,
}

impl BoardPlace {
    fn one(&self, report: &KeyReport) -> KeyState {
        let now = Instant::now();
        let (estimate, until) = (report.estimate, now + report.blocked_for);
        let mut keys = self.board.keys.lock().expect("a lock");
        let kept = keys.entry(report.name.clone()).or_insert_with(|| BoardEntry {
            estimate,
            until,
            workers: HashMap::new(),
        });
        if estimate.version > kept.estimate.version {
            (kept.estimate, kept.until) = (estimate, until);
        } else if estimate.version == kept.estimate.version {
            if estimate.rate > kept.estimate.rate {
                kept.estimate = estimate;
            }
            kept.until = kept.until.max(until);
        }
        kept.workers
            .insert(self.worker, (now, report.calls, report.is_backlogged));
        kept.workers
            .retain(|_, (said, ..)| now.saturating_duration_since(*said) < Duration::from_secs(2));
        let mut others = Others::default();
        for (_, (_, calls, is_backlogged)) in kept.workers.iter().filter(|(worker, _)| **worker != self.worker) {
            if *is_backlogged {
                others.backlogged += calls;
                others.backlogged_workers += 1;
            } else {
                others.satisfied += calls;
            }
        }
        KeyState {
            estimate: kept.estimate,
            blocked_for: kept.until.saturating_duration_since(now),
            others,
        }
    }
}

impl LimitBoard for BoardPlace {
    fn exchange<'a>(&'a self, reports: &'a [KeyReport]) -> BoxFuture<'a, Result<Vec<KeyState>, BoardError>> {
        async move {
            if self.board.is_away.load(Ordering::Relaxed) {
                return Err(BoardError("it is away".to_owned()));
            }
            Ok(reports.iter().map(|report| self.one(report)).collect())
        }
        .boxed()
    }

    fn wait_out<'a>(&'a self, _: &'a BoardError) -> BoxFuture<'a, ()> {
        tokio::time::sleep(Duration::from_secs(1)).boxed()
    }
}

/// A pacer of a worker at that board.
fn pacer(board: &Arc<Board>, worker: usize) -> Pacer {
    let pacer = Pacer::new(16);
    let board = board.clone();
    pacer.share(Arc::new(BoardPlace { board, worker }), "an account");
    pacer
}

/// Three workers, the last of which comes when the others know the limit; the share of the limit that was used, and of
/// the calls that were refused.
async fn three(board: &Arc<Board>) -> (f64, f64) {
    let limit = Limit::Window(60, 1);
    let service = RehearsedService::new(Some(limit), None);
    let pacers = [1, 2, 3].map(|worker| pacer(board, worker));
    let began = Instant::now();
    let from = [0, 0, 100];
    let loads = pacers.iter().zip(from);
    let loads = loads.map(|(pacer, from)| service.load(pacer, "a", began, from..300));
    let all = futures::future::join_all(loads);
    let all = tokio::time::timeout(Duration::from_secs(600), all).await;
    assert!(all.is_ok(), "somebody was never let go");
    service.shares(limit.rate())
}

#[tokio::test(start_paused = true)]
async fn workers_keep_a_limit_together() {
    let board = Arc::new(Board::default());
    let (used, refused) = three(&board).await;
    assert!(used > 0.9 && refused < 0.02, "{used:.3} used, {refused:.4} refused");
    let keys = board.keys.lock().expect("a lock");
    assert_eq!(keys.len(), 2, "the account's and the customer's");
    let is_name = |name: &String| name.len() == 32 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    assert!(keys.keys().all(is_name), "{:?}", keys.keys());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_reach_the_board_goes_on_alone() {
    let board = Arc::new(Board::default());
    board.is_away.store(true, Ordering::Relaxed);
    let (used, _) = three(&board).await;
    assert!(used > 0.7, "{used:.3} used");
    assert!(board.keys.lock().expect("a lock").is_empty());
}
