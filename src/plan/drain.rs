//! A file planned to its end: one loop for every caller that plans, with all that it finds handed on.

use std::future::Future;

use super::{CheckedBlock, Impact, PlanError, PlanHash, Planned, Planning, Repeated, RowFault, Totals};
use crate::input::Digest;

/// Takes what a planning finds, in file order.
pub(crate) trait Sink: Send {
    /// Why it can take no more.
    type Error: From<PlanError> + Send;

    /// A checked block, after which `rows` rows have been checked.
    fn block(&mut self, checked: CheckedBlock, rows: u64) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// A row that turned out to repeat another, once all rows have been read.
    fn repeated(&mut self, repeated: Repeated) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Why the file cannot be read any further; nothing follows.
    fn broken(&mut self, fault: RowFault) -> Result<(), Self::Error>;
}

/// What a file came to.
#[derive(Default)]
pub(crate) struct Drained {
    /// What happens to the rows.
    pub totals: Totals,
    /// The plan's hash so far: of everything that is not the same for all rows.
    pub hash: PlanHash,
    /// What is known of a file that could be read to its end.
    pub whole: Option<Whole>,
}

/// A file that was read to its end.
pub(crate) struct Whole {
    /// Its hash, length and rows.
    pub digest: Digest,
    /// What the plan means for whom.
    pub impact: Impact,
}

impl Planning {
    /// Checks the whole file.
    pub(crate) async fn drain<S: Sink>(mut self, sink: &mut S) -> Result<Drained, S::Error> {
        let mut drained = Drained::default();
        loop {
            let checked = match self.next().await {
                Ok(Some(checked)) => checked,
                Ok(None) => break,
                Err(PlanError::Input(error)) => {
                    sink.broken(RowFault::of_file(&error))?;
                    return Ok(drained);
                }
                Err(error) => return Err(error.into()),
            };
            drained.totals.add(&checked);
            drained.hash.block(&checked);
            sink.block(checked, drained.totals.rows).await?;
        }
        let Planned {
            digest,
            mut repeated,
            mut impact,
            mut touched,
        } = self.finish().await?;
        while let Some(repeated) = repeated.next().await? {
            drained.totals.repeat(&repeated);
            if let Some(touched) = touched.of(repeated.fault.row).map_err(PlanError::from)? {
                impact.take_back(touched);
            }
            drained.hash.repeated(&repeated);
            sink.repeated(repeated).await?;
        }
        drained.whole = Some(Whole { digest, impact });
        Ok(drained)
    }
}
