//! Previews of rows that copy from another store: the same pages as later, settled without writing.

use tenantry_jobs::{Problem, code};

use super::Against;
use crate::ledger::Ledger;
use crate::store::remote::ApplyError;
use crate::store::sql::sync::{Originals, Settling, SyncProgress, SyncRequest};
use crate::store::{FieldChange, Sources, Verdict};

/// The store a row copies from. That there is nothing to copy is [`StoreError::Rejected`](crate::store::remote::StoreError::Rejected).
pub(crate) async fn sync_source(
    ledger: &Ledger,
    sources: &Sources,
    request: &SyncRequest,
) -> Result<Originals, ApplyError> {
    let source = sources.find(&request.from).await?;
    if source.installation == ledger.installation() {
        let expected = "another store; this one is the ledger's own";
        return Err(Problem::new(code::UNKNOWN_STORE, "from", &request.from, expected).into());
    }
    let owner = request.customer_in(&source).await?;
    Ok(Originals::of(source, owner))
}

/// What a row would do. Where finding out takes as many calls as doing it, that is told only to those who ask for it.
pub(super) async fn preview(against: &Against, request: &SyncRequest) -> Result<Verdict, ApplyError> {
    let (ledger, sources) = (&against.ledger, &against.stores.sources);
    if against.reads_all {
        return preview_sync(ledger, sources, request).await;
    }
    match sync_source(ledger, sources, request).await {
        Ok(originals) if originals.are_far() => {
            let from = FieldChange::new("from", "", &request.from);
            Ok(Verdict::Change(vec![from]))
        }
        Ok(_) => preview_sync(ledger, sources, request).await,
        Err(error) => Ok(Verdict::Reject(error.rejection()?)),
    }
}

/// What a row would copy.
pub(crate) async fn preview_sync(
    ledger: &Ledger,
    sources: &Sources,
    request: &SyncRequest,
) -> Result<Verdict, ApplyError> {
    let mut originals = match sync_source(ledger, sources, request).await {
        Ok(found) => found,
        Err(error) => return Ok(Verdict::Reject(error.rejection()?)),
    };
    let mut progress = SyncProgress::begin();
    let mut settling = Settling::planning(originals.origin());
    while let Some(page) = originals.next(ledger.db(), request, &progress).await? {
        let request = request.clone();
        (settling, progress) = ledger
            .db()
            .read(move |tx| {
                settling.settle(tx, &page, &request, &mut progress)?;
                Ok((settling, progress))
            })
            .await?;
    }
    Ok(progress.verdict(request))
}
