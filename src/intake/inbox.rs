//! stub
use crate::queue::*;
pub async fn reply(_q: &Queue, _r: &str, _o: &str) -> Result<(), QueueError> {
    todo!()
}
pub async fn waiting(_q: &RedisQueue) -> Result<bool, QueueError> {
    todo!()
}
pub async fn serve(_q: RedisQueue, _d: super::LedgerDoor, _s: tokio_util::sync::CancellationToken) {}
