//! Previews of rows that copy from another store: the same pages as later, settled without writing.

use tenantry_jobs::{Problem, code};

use crate::db::DbError;
use crate::ledger::Ledger;
use crate::store::sql::sync::{self, Progress, Request, Settling};
use crate::store::{Source, Sources, Verdict};

/// The store a row copies from, and the only customer's id there; or why there is nothing to copy.
pub(crate) async fn sync_source(
    ledger: &Ledger,
    sources: &Sources,
    request: &Request,
) -> Result<Result<(Source, Option<i64>), Problem>, DbError> {
    let source = match sources.find(&request.from).await? {
        Ok(source) => source,
        Err(problem) => return Ok(Err(problem)),
    };
    if source.installation == ledger.installation() {
        let expected = "another store; this one is the ledger's own";
        return Ok(Err(Problem::new(code::UNKNOWN_STORE, "from", &request.from, expected)));
    }
    Ok(request.customer_in(&source).await?.map(|owner| (source, owner)))
}

/// What a row would copy.
pub(crate) async fn preview_sync(ledger: &Ledger, sources: &Sources, request: &Request) -> Result<Verdict, DbError> {
    let (source, owner) = match sync_source(ledger, sources, request).await? {
        Ok(found) => found,
        Err(problem) => return Ok(Verdict::Reject(problem)),
    };
    let mut progress = Progress::begin();
    let mut settling = Settling::planning(source.installation);
    while let Some(page) = sync::read(&source, ledger.db(), request, owner, &progress).await? {
        let request = request.clone();
        (settling, progress) = ledger
            .db()
            .read(move |tx| {
                settling.settle(tx, &page, &request, &mut progress)?;
                Ok((settling, progress))
            })
            .await?;
    }
    Ok(progress.verdict())
}
