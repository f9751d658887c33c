//! Files of a folder that only plans: each is planned as if it were submitted, and its plan lies beside it in `done/`. One that would
//! be refused lies in `failed/`, with its plan and every reason. Nothing is submitted, so partners can try files in such a folder.
//!
//! A copy without secrets is written while the file is planned, and takes the file's place when the directory is moved to `done/`
//! ([`redacted`]): there is no job from whose rows it could be made later.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::layout::file_at;
use super::publish::{Leaving, Shelf};
use super::waiting::{self, BesideFile, PLAN_HEAD};
use super::{Desk, FolderError, last_of, publish, redacted, stem_and};
use crate::file::WholeFile;
use crate::intake::reasons::RefusedFile;
use crate::ledger::drops::DroppedFile;
use crate::ledger::{Parameters, Via};
use crate::plan::document::{Document, Head, Tail, View};
use crate::plan::held::HeldRows;
use crate::plan::{Against, CheckedBlock, CustomerColumn, FaultLog, PlanError, Repeated};
use crate::receipt::{Durable, write_json};
use crate::service::{PlanEnd, PlanRequest, SubmitRequest, ignores_not_kept, plan};
use crate::store::Verdict;
use crate::table::{Form, Table};

/// Why a file lies in `done/` without a job.
const REASON: &str = "planned, and not submitted, as the folder only plans";

/// The outcome of planning a file.
pub(super) enum PlannedFile {
    /// Its plan lies beside it.
    Sound(Box<Leaving>),
    /// It would be refused.
    Refused(RefusedFile),
}

/// Plans a file that was taken, and writes its plan beside it.
pub(super) async fn plan_file(
    desk: &Desk,
    drop: &DroppedFile,
    request: SubmitRequest,
) -> Result<Result<PlannedFile, PlanError>, FolderError> {
    let service = &desk.service;
    let dir = desk.layout.path(&drop.place);
    let fault = |error: io::Error| FolderError::io(&dir, error);
    let kind = request.kind;
    let configured = service.settings.ignore_not_kept;
    let parameters = Parameters {
        store: service.stores.name_of(kind),
        ignore_not_kept: ignores_not_kept(&service.stores, kind, request.ignore_not_kept, configured),
        ..request.parameters
    };
    let end = last_of(&drop.id);
    let stem = stem_and(&drop.name, &end);
    let beside = BesideFile {
        dir: &dir,
        stem: &stem,
        file: &drop.name,
        bom: desk.rules.bom,
    };
    let names = PlanNames::beside(&beside);
    let path = file_at(&desk.layout, drop);
    let mut writing = Writing::new(&beside, &names, &path).map_err(fault)?;
    let asked = PlanRequest {
        kind,
        parameters: &parameters,
        source: request.source,
        against: Some(Against {
            ledger: service.ledger.clone(),
            stores: service.stores.clone(),
            reads_all: true,
        }),
        chunk_rows: service.settings.rules.chunk_rows,
        limits: service.rules().limits,
        way: Via::Folder.as_str().to_owned(),
    };
    // Boxed, as it is large and would be carried in every future around it.
    let is_broken = match Box::pin(plan(asked, &mut [&mut writing], &|_| ())).await {
        Ok(end) => end == PlanEnd::Broken,
        Err(PlanError::Output(error)) => return Err(fault(error)),
        Err(error) => return Ok(Err(error)),
    };
    let faults = std::mem::take(&mut writing.faults);
    let is_refused = is_broken || (!parameters.skip_invalid && !faults.is_empty());
    let told = writing
        .finish(&desk.rules.name, kind.kind(), !is_refused)
        .map_err(fault)?;
    if is_refused {
        return Ok(Ok(PlannedFile::Refused(RefusedFile::Faults(Box::new(faults)))));
    }
    let mut receipt = told;
    receipt["origin"] = json!(desk.rules.origin(drop));
    write_json(&dir, &names.receipt, &receipt, Durable::Now).map_err(|error| fault(error.error))?;
    publish::set_modes(desk, drop).await?;
    Ok(Ok(PlannedFile::Sound(Box::new(Leaving {
        drop: drop.clone(),
        to: Shelf::Done,
        reason: Some(REASON.to_owned()),
        end,
    }))))
}

/// What the files are called.
struct PlanNames {
    text: String,
    table: String,
    document: String,
    receipt: String,
}

impl PlanNames {
    fn beside(beside: &BesideFile<'_>) -> Self {
        let [text, table, document, receipt] =
            beside.names([waiting::TEXT, waiting::TABLE, "plan.json", "receipt.json"]);
        Self {
            text,
            table,
            document,
            receipt,
        }
    }
}

/// Writes a plan in all its forms, and the copy of its file without secrets.
struct Writing<'w> {
    file: &'w str,
    dir: &'w Path,
    path: PathBuf,
    names: &'w PlanNames,
    document: Document<BufWriter<WholeFile>>,
    table: Table<WholeFile>,
    /// Rows of the table, and what is wrong with those that turn out to repeat others.
    held: HeldRows,
    repeats: HeldRows,
    /// What of the file has no secrets, if it has any.
    copy: Option<Table<WholeFile>>,
    faults: FaultLog,
    /// What the receipt and the text say of the plan.
    told: serde_json::Value,
    text: String,
}

impl<'w> Writing<'w> {
    fn new(beside: &BesideFile<'w>, names: &'w PlanNames, path: &Path) -> io::Result<Self> {
        let form = Form {
            bom: beside.bom,
            ..Form::default()
        };
        match fs::remove_file(redacted::written(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let table = WholeFile::create(&beside.dir.join(&names.table))?;
        let document = WholeFile::create(&beside.dir.join(&names.document))?;
        Ok(Self {
            file: beside.file,
            dir: beside.dir,
            path: path.to_owned(),
            names,
            document: Document::new(BufWriter::new(document)),
            table: Table::new(table, PLAN_HEAD, form)?,
            held: HeldRows::default(),
            repeats: HeldRows::default(),
            copy: None,
            faults: FaultLog::default(),
            told: serde_json::Value::Null,
            text: String::new(),
        })
    }

    /// Gives the files their names. What the receipt says of the plan.
    fn finish(self, folder: &str, kind: &str, is_sound: bool) -> io::Result<serde_json::Value> {
        self.document
            .into_inner()
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .finish()?;
        self.table.finish()?.0.finish()?;
        if let Some(copy) = self.copy.filter(|_| is_sound) {
            copy.finish()?.0.finish()?;
        }
        let mut text = WholeFile::create(&self.dir.join(&self.names.text))?;
        writeln!(text, "{} was planned, kind {kind}", self.file)?;
        writeln!(
            text,
            "Nothing of it has been carried out: folder {folder} only plans.\n"
        )?;
        text.write_all(self.text.as_bytes())?;
        text.finish()?;
        Ok(self.told)
    }

    /// Writes the rows of the table, of which those that repeat others are rejected.
    fn write_table(&mut self) -> io::Result<()> {
        let mut rows = std::mem::take(&mut self.held).release()?;
        let mut repeated = std::mem::take(&mut self.repeats).release()?;
        let mut next = repeated.up_to(u64::MAX)?;
        while let Some(held) = rows.up_to(u64::MAX)? {
            let mut cells: [String; PLAN_HEAD.len()] = serde_json::from_str(&held.text).map_err(io::Error::from)?;
            if let Some(repeats) = next.take_if(|next| next.row == held.row) {
                reject(&mut cells, &repeats.text);
                next = repeated.up_to(u64::MAX)?;
            }
            for cell in &cells {
                self.table.cell(cell);
            }
            self.table.end_row()?;
        }
        Ok(())
    }
}

/// Says of a row of the table that it would be rejected.
fn reject(cells: &mut [String; PLAN_HEAD.len()], why: &str) {
    "reject".clone_into(&mut cells[2]);
    cells[4].clear();
    cells[5].clear();
    why.clone_into(&mut cells[6]);
}

impl View for Writing<'_> {
    fn open(&mut self, head: &Head<'_>) -> io::Result<()> {
        // Where the file lies now is nobody's business, and not where it will lie.
        let head = Head {
            file: self.file.into(),
            ..head.clone()
        };
        let cells: Vec<&str> = head.header.iter().map(String::as_str).collect();
        let read =
            tenantry_jobs::find(head.kind).map(|kind| CustomerColumn::of(head.parameters).recognise(kind, &cells));
        if let Ok(Ok(mapping)) = read
            && !mapping.secret.is_empty()
        {
            let copy = WholeFile::create(&redacted::written(&self.path))?;
            self.copy = Some(Table::new(copy, cells, Form::default())?);
        }
        self.document.open(&head)
    }

    fn rows(&mut self, checked: &CheckedBlock) -> io::Result<()> {
        self.document.rows(checked)?;
        if let Some(copy) = &mut self.copy {
            for row in checked.block.rows() {
                row.cells().for_each(|cell| copy.cell(cell));
                copy.end_row()?;
            }
        }
        let mut previews = checked.previews.iter().peekable();
        for row in checked.block.rows() {
            let about = checked.subject(row.number).map(|subject| subject.to_string());
            let mut cells = waiting::cells(row.number, Some(row.line), about);
            if let Some(preview) = previews.next_if(|preview| preview.row == row.number) {
                let changes = match &preview.verdict {
                    Verdict::Change(changes) => changes.as_slice(),
                    _ => &[],
                };
                let changes = changes.iter().map(|one| (one.field, &*one.old, &*one.new));
                preview.verdict.action().clone_into(&mut cells[2]);
                cells[4] = waiting::yes(preview.destructive);
                cells[5] = waiting::changes(changes);
                cells[6].clone_from(&preview.note);
            } else {
                let faults = checked.rejects.get(&row.number).into_iter().flatten();
                let why: Vec<String> = faults.map(|fault| fault.problem.to_string()).collect();
                reject(&mut cells, &why.join("; "));
            }
            let text = serde_json::to_string(&cells).map_err(io::Error::from)?;
            self.held.push(row.number, 0, &text)?;
        }
        Ok(())
    }

    fn repeated(&mut self, repeated: &Repeated) -> io::Result<()> {
        self.document.repeated(repeated)?;
        let fault = &repeated.fault;
        self.repeats.push(fault.row, 0, &fault.problem.to_string())
    }

    fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> io::Result<()> {
        self.document.close(tail, faults)?;
        self.write_table()?;
        let totals = &tail.totals;
        let destructive = tail.impact.destructive();
        let mut text = format!(
            "rows      {} to create, {} to change, {} unchanged, {} to reject\n          {destructive} of them destructive; row by \
             row in {}, for programs in {}\n",
            totals.create, totals.change, totals.unchanged, totals.reject, self.names.table, self.names.document
        );
        let reasons = tail.approval.iter().flat_map(|gate| &gate.reasons);
        let reasons: Vec<&str> = reasons.map(String::as_str).collect();
        let lines = [
            ("approval", reasons.join("; ")),
            ("note", tail.notes.join("; ")),
            ("plan", tail.hash.clone().unwrap_or_default()),
        ];
        for (title, line) in lines.iter().filter(|(_, line)| !line.is_empty()) {
            let _ = writeln!(text, "{title:<9} {line}");
        }
        self.text = text;
        self.told = json!({ "job": null, "state": "planned", "sha256": tail.sha256, "counts": tail.totals,
            "destructive": destructive, "approval": reasons, "faults": faults.len(), "error_codes": faults.by_code(),
            "plan": self.names.document, "hash": tail.hash });
        self.faults = std::mem::take(faults);
        Ok(())
    }
}
