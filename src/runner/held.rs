//! The leases in hand. Only these are renewed, so a chunk whose work ended in a panic is let go of.
//!
//! A chunk that a slow store carries out is in hand for minutes, and a few of a large job would keep a small one waiting
//! for as long. So there are places beyond the usual number, for jobs that have no chunk in hand yet.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::MutexGuard as Turn;
use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::ledger::{Claim, JobId};
use crate::lock::lock;

/// (job, chunk, attempt)
type ChunkKey = (i64, i64, i64);

/// Every chunk being worked on here.
#[derive(Debug, Default)]
pub(super) struct HeldChunks {
    chunks: Mutex<HashMap<ChunkKey, JobId>>,
    /// Who claims has seen what the others claimed before.
    claiming: tokio::sync::Mutex<()>,
}

/// What may be claimed.
pub(super) struct Room<'h> {
    /// Chunks of these jobs may not.
    pub(super) besides: Vec<i64>,
    _turn: Turn<'h, ()>,
}

impl HeldChunks {
    fn chunks(&self) -> MutexGuard<'_, HashMap<ChunkKey, JobId>> {
        lock(&self.chunks)
    }

    /// Room for one more chunk among `usual` ones, or beyond them among `spare` ones.
    pub(super) async fn room(&self, usual: usize, spare: usize) -> Option<Room<'_>> {
        let turn = self.claiming.lock().await;
        let chunks = self.chunks();
        let jobs: BTreeSet<i64> = chunks.keys().map(|(job, _, _)| *job).collect();
        let besides = match chunks.len() {
            count if count < usual => Vec::new(),
            count if count < usual + spare => jobs.into_iter().collect(),
            _ => return None,
        };
        drop(chunks);
        Some(Room { besides, _turn: turn })
    }

    /// Whether a chunk of this job is in hand.
    pub(super) fn has(&self, job: JobId) -> bool {
        self.chunks().values().any(|held| *held == job)
    }

    /// Holds a claim until the guard is dropped.
    pub(super) fn hold(self: &Arc<Self>, claim: &Claim) -> Hold {
        let key = (claim.job, claim.chunk, claim.attempt);
        self.chunks().insert(key, claim.job_id);
        Hold {
            held: self.clone(),
            key,
        }
    }

    /// How many chunks are in hand.
    pub(super) fn len(&self) -> u64 {
        self.chunks().len() as u64
    }

    fn all(&self) -> Vec<ChunkKey> {
        self.chunks().keys().copied().collect()
    }
}

pub(super) struct Hold {
    held: Arc<HeldChunks>,
    key: ChunkKey,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.chunks().remove(&self.key);
    }
}

impl Runner {
    /// Renews the leases in hand until `finished`.
    pub(super) async fn heartbeat(self, finished: CancellationToken) {
        let beating = async {
            loop {
                tokio::time::sleep(self.settings.heartbeat).await;
                let held = self.held.all();
                if held.is_empty() {
                    continue;
                }
                let lease = self.settings.lease.as_millis() as i64;
                if let Err(error) = self.ledger.renew(&self.owner, &held, lease).await {
                    self.look_at(&error, &finished);
                    tracing::warn!(%error, "leases could not be renewed; the fence keeps their chunks safe");
                }
            }
        };
        finished.run_until_cancelled(beating).await;
    }
}
