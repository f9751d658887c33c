//! A file planned without anything being written, for one or several views of the plan.

use tenantry_jobs::JobKind;

use crate::ledger::Parameters;
use crate::plan::document::{Head, Tail, View};
use crate::plan::{
    Against, CheckedBlock, DailyUsage, Drained, FaultLog, Limits, PlanError, PlanInput, Planning, Repeated, RowFault,
    RowSource, Sink, Whole,
};
use crate::summary::how_to_undo;

/// What is to be planned.
pub(crate) struct PlanRequest<'r> {
    /// The kind.
    pub kind: &'static dyn JobKind,
    /// What is the same for every row.
    pub parameters: &'r Parameters,
    /// The rows.
    pub source: RowSource,
    /// The store to preview against; without one, the file alone is checked.
    pub against: Option<Against>,
    /// Rows in a chunk.
    pub chunk_rows: usize,
    /// What needs approval.
    pub limits: Limits,
    /// By which way in it would be submitted.
    pub way: String,
}

/// How planning ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlanEnd {
    /// Every row is sound.
    Sound,
    /// Some rows are to be rejected.
    SomeRejected,
    /// Some rows are to be rejected now, and none later.
    SomeTooEarly,
    /// No row is sound.
    NoneSound,
    /// The file could not be read to its end.
    Broken,
}

/// Plans a file. Each of `views` is given the whole plan; `progress` is told how many rows have been checked.
pub(crate) async fn plan(
    request: PlanRequest<'_>,
    views: &mut [&mut dyn View],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<PlanEnd, PlanError> {
    let PlanRequest {
        kind,
        parameters,
        source,
        against,
        chunk_rows,
        limits,
        way,
    } = request;
    let offline = against.is_none();
    let ledger = against.as_ref().map(|against| against.ledger.clone());
    let file = source.place();
    let planning = Planning::open(PlanInput {
        source,
        kind,
        parameters,
        against,
        chunk_rows,
        keep_blocks: false,
    })
    .await?;
    let header = planning.header().to_vec();
    let head = Head {
        kind: kind.kind(),
        file,
        header: &header,
        sheet: planning.sheet().map(str::to_owned),
        encoding: planning.encoding().map(str::to_owned),
        multiline_cells: planning.multiline_cells(),
        hidden_rows: planning.hidden_rows(),
        template: planning.template(),
        parameters,
        offline,
    };
    for view in views.iter_mut() {
        view.open(&head).map_err(PlanError::Output)?;
    }
    let part = planning.part();
    let mut showing = Showing {
        views,
        faults: FaultLog::default(),
        progress,
    };
    let Drained { totals, hash, whole } = planning.drain(&mut showing).await?;
    let Showing { views, mut faults, .. } = showing;
    let mut tail = Tail {
        totals,
        ..Tail::default()
    };
    let is_whole = whole.is_some();
    if let Some(Whole { digest, impact }) = whole {
        let sha256 = digest.sha256.to_string();
        tail.hash = (!offline).then(|| hash.finish(kind.kind(), parameters, part.as_deref(), &sha256));
        tail.sha256 = Some(sha256);
        tail.notes = digest.notes;
        let mut usage = DailyUsage::of(way, parameters.store.clone());
        if let Some(ledger) = ledger {
            let takings = limits.takings((&tail.totals, &impact), &usage);
            usage.taken = ledger
                .taken_today(takings.into_iter().map(|taking| taking.counter).collect())
                .await?;
        }
        tail.approval = limits.gate(Some(kind), (&tail.totals, &impact), &usage);
        if !offline {
            tail.undo = how_to_undo(kind.policy().undo, parameters.store.is_some());
        }
        tail.impact = impact;
    }
    for view in views.iter_mut() {
        view.close(&tail, &mut faults).map_err(PlanError::Output)?;
    }
    Ok(match (is_whole, faults.is_empty()) {
        (false, _) => PlanEnd::Broken,
        (true, true) => PlanEnd::Sound,
        (true, false) if faults.are_for_now() => PlanEnd::SomeTooEarly,
        (true, false) if totals.reject == totals.rows => PlanEnd::NoneSound,
        (true, false) => PlanEnd::SomeRejected,
    })
}

/// Hands what is found on to the views.
struct Showing<'s, 'v> {
    views: &'s mut [&'v mut dyn View],
    faults: FaultLog,
    progress: &'s (dyn Fn(u64) + Sync),
}

impl Sink for Showing<'_, '_> {
    type Error = PlanError;

    async fn block(&mut self, checked: CheckedBlock, rows: u64) -> Result<(), PlanError> {
        (self.progress)(rows);
        for view in self.views.iter_mut() {
            view.rows(&checked).map_err(PlanError::Output)?;
        }
        for fault in checked.rejects.into_values().flatten() {
            self.faults.push(fault)?;
        }
        Ok(())
    }

    async fn repeated(&mut self, repeated: Repeated) -> Result<(), PlanError> {
        if repeated.first_of_row {
            for view in self.views.iter_mut() {
                view.repeated(&repeated).map_err(PlanError::Output)?;
            }
        }
        Ok(self.faults.push(repeated.fault)?)
    }

    fn broken(&mut self, fault: RowFault) -> Result<(), PlanError> {
        Ok(self.faults.push(fault)?)
    }
}
