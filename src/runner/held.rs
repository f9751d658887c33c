//! The leases in hand. Only these are renewed, so a chunk whose work ended in a panic is let go of.
//!
//! Chunks that were claimed together are carried out together, and take one place. A chunk that a slow store carries out is in hand for minutes, and a few of a large job would keep a small one waiting
//! for as long. So there are places beyond the usual number, for jobs that have no chunk in hand yet.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::MutexGuard as Claiming;
use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::ledger::{BatchTurn, Claim, JobId};
use crate::lock::lock;

/// (job, chunk, attempt)
type ChunkKey = (i64, i64, i64);

/// What was claimed together.
#[derive(Debug)]
struct HeldTogether {
    chunks: Vec<(ChunkKey, JobId)>,
    /// The turn of the batch, if it has one of its own.
    turn: Option<i64>,
    /// Nothing else is to be in hand meanwhile.
    alone: bool,
}

/// Every chunk being worked on here.
#[derive(Debug, Default)]
pub(super) struct HeldChunks {
    /// By number.
    places: Mutex<HashMap<u64, HeldTogether>>,
    /// Numbers places.
    next: AtomicU64,
    /// A task that claims has seen the earlier claims of the others.
    claiming: tokio::sync::Mutex<()>,
}

/// What may be claimed.
pub(super) struct Room<'h> {
    /// Chunks of these jobs may not.
    pub(super) besides: Vec<i64>,
    /// Whether there is something in hand.
    pub(super) busy: bool,
    _turn: Claiming<'h, ()>,
}

impl HeldChunks {
    fn places(&self) -> MutexGuard<'_, HashMap<u64, HeldTogether>> {
        lock(&self.places)
    }

    /// Room for one more claim among `usual` ones, or beyond them among `spare` ones.
    pub(super) async fn room(&self, usual: usize, spare: usize) -> Option<Room<'_>> {
        let turn = self.claiming.lock().await;
        let places = self.places();
        if places.values().any(|held| held.alone) {
            return None;
        }
        let busy = !places.is_empty();
        let chunks = places.values().flat_map(|held| &held.chunks);
        let jobs: BTreeSet<i64> = chunks.map(|((job, _, _), _)| *job).collect();
        let besides = match taken(&places) {
            count if count < usual => Vec::new(),
            count if count < usual + spare => jobs.into_iter().collect(),
            _ => return None,
        };
        drop(places);
        Some(Room {
            besides,
            busy,
            _turn: turn,
        })
    }

    /// Whether a chunk of this job is in hand.
    pub(super) fn has(&self, job: JobId) -> bool {
        let places = self.places();
        let mut chunks = places.values().flat_map(|held| &held.chunks);
        chunks.any(|(_, held)| *held == job)
    }

    /// Holds claims, which take one place, until the guard is dropped.
    pub(super) fn hold(self: &Arc<Self>, claims: &[Claim]) -> Hold {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        let keys = claims
            .iter()
            .map(|claim| ((claim.job, claim.chunk, claim.attempt), claim.job_id));
        let held = HeldTogether {
            chunks: keys.collect(),
            turn: claims.first().and_then(|claim| claim.turn).and_then(BatchTurn::own),
            alone: claims.iter().any(|claim| claim.alone),
        };
        self.places().insert(place, held);
        Hold {
            held: self.clone(),
            place,
        }
    }

    /// Is something in hand, beside the places there are, until the guard is dropped; `None` while something is to be in hand alone.
    pub(super) async fn hold_beside(self: &Arc<Self>) -> Option<Hold> {
        // A task that claims has seen this hold, or this hold sees its claims.
        let _turn = self.claiming.lock().await;
        if self.places().values().any(|held| held.alone) {
            return None;
        }
        Some(self.hold(&[]))
    }

    /// Whether nothing is in hand, nor beside it.
    pub(super) fn holds_nothing(&self) -> bool {
        self.places().is_empty()
    }

    /// How many places are taken.
    pub(super) fn len(&self) -> u64 {
        taken(&self.places()) as u64
    }

    /// The chunks in hand, and the turns of their batches.
    pub(super) fn all(&self) -> (Vec<ChunkKey>, Vec<i64>) {
        let places = self.places();
        let chunks = places.values().flat_map(|held| &held.chunks);
        let turns = places.values().filter_map(|held| held.turn);
        (chunks.map(|(key, _)| *key).collect(), turns.collect())
    }
}

/// How many places are taken. What is done beside them has no chunk.
fn taken(places: &HashMap<u64, HeldTogether>) -> usize {
    places.values().filter(|held| !held.chunks.is_empty()).count()
}

pub(super) struct Hold {
    held: Arc<HeldChunks>,
    place: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.places().remove(&self.place);
    }
}

impl Runner {
    /// Renews the leases in hand until `finished`, and gives signs of life.
    pub(super) async fn heartbeat(self, finished: CancellationToken) {
        let mut signs = self.signs();
        let beating = async {
            loop {
                if let Err(error) = self.beat(&mut signs).await {
                    self.look_at(&error, &finished);
                    if self.held.len() > 0 {
                        tracing::warn!(%error, "leases could not be renewed; the fence keeps their chunks safe");
                    }
                }
                tokio::time::sleep(self.settings.heartbeat).await;
            }
        };
        finished.run_until_cancelled(beating).await;
    }
}
