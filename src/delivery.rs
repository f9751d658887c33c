//! Delivery: a job's results, from ledger and spool to files or a stream.
//!
//! Results are derived, so they can be written any number of times; the files appear under their names only when
//! they are whole. `run` writes them chunk by chunk while the job still works; should it die before the end,
//! a worker on the same machine writes them anew, because the ledger knows where they were to lie, and as what.

mod beside;
mod not_applied;
mod roots;
mod small;
mod told;
mod trial;

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tenantry_jobs::printable;
use thiserror::Error;

use crate::db::{DbError, patiently};
use crate::input::RowView;
use crate::ledger::{ChunkRows, Job, JobFile, JobId, Ledger, Outcome, RowRecord};
use crate::receipt::{
    Download, Durable, FileMade, Form, InputFiles, Line, RECEIPT, Receipt, ReceiptError, RejectRows, RejectsWriter,
    ResultRows, ResultsWriter, TableFormat, Written, passwords_name, rejects_name, results_name, write_json,
    write_private,
};

use told::{ChunkTold, RowDetails};

pub(crate) use beside::{Beside, write_beside};
pub(crate) use not_applied::{NotApplied, not_applied};
pub(crate) use roots::NotBelow;
pub use roots::Roots;
pub(crate) use small::SmallResults;
pub(crate) use trial::{MayHold, try_dir};

/// How often an unfinished chunk, or a directory somebody writes to, is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a worker tries to reach the ledger for a delivery. Results stay there, and the next sweep comes for them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why results could not be delivered.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// The ledger.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A file of results.
    #[error(transparent)]
    File(#[from] ReceiptError),
    /// The directory for them.
    #[error("{path}: {error}", path = printable(&path.display().to_string()))]
    Directory {
        /// What was to be made.
        path: PathBuf,
        /// Why it was not.
        error: std::io::Error,
    },
    /// Nothing is written there by itself.
    #[error(transparent)]
    NotBelow(#[from] NotBelow),
    /// The results of another job lie there.
    #[error("{path} holds the results of {by}", path = path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
        /// Whose they are.
        by: String,
    },
    /// The stream.
    #[error("the rows cannot be printed")]
    Stream(#[from] std::io::Error),
    /// There is nothing to write from.
    #[error("the rows of job {0} are no longer kept (`spool.retention`)")]
    RowsGone(JobId),
    /// The job disappeared from the ledger.
    #[error("job {0} is gone from the ledger")]
    JobGone(JobId),
}

/// Where the results of a job are wanted, and as what; what is left open is decided as for the job before, else as usual.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Destination<'d> {
    /// The directory.
    pub(crate) dir: Option<&'d Path>,
    /// CSV or workbooks.
    pub(crate) format: Option<TableFormat>,
}

/// Decides where the results of a job lie, and as what, and records it so that they are written even if we die:
/// as `wanted`, else as an earlier command put them if that is below one of `roots`, else in `base`/JOB and as `form` says.
pub(crate) async fn claim(
    ledger: &Ledger,
    job: &Job,
    wanted: Destination<'_>,
    (base, roots): (&Path, &Roots),
    form: Form,
) -> Result<(PathBuf, Form), DeliveryError> {
    let form = match wanted.format {
        Some(format) => Form { format, ..form },
        None => form_of(job, form),
    };
    let dir = match (wanted.dir, &job.out_dir) {
        (Some(wanted), _) => wanted.to_owned(),
        (None, Some(recorded)) => {
            roots.check(Path::new(recorded))?;
            PathBuf::from(recorded)
        }
        (None, None) => base.join(job.id.to_string()),
    };
    if wanted.dir.is_some() {
        MayHold::Of(job.id).check(&dir)?;
    }
    let made = || {
        std::fs::create_dir_all(&dir)?;
        std::fs::canonicalize(&dir)
    };
    let dir = made().map_err(|error| DeliveryError::Directory {
        path: dir.clone(),
        error,
    })?;
    let (path, host) = (dir.display().to_string(), crate::machine::host_name());
    ledger.deliver_to(job.seq, &path, form.format.as_str(), &host).await?;
    Ok((dir, form))
}

/// `form`, in the format that is recorded for the job, if one is.
fn form_of(job: &Job, form: Form) -> Form {
    Form {
        format: recorded_format(job).unwrap_or(form.format),
        ..form
    }
}

/// What the results of a job are written as, or were.
pub(crate) fn recorded_format(job: &Job) -> Option<TableFormat> {
    job.out_format.as_deref().and_then(TableFormat::named)
}

/// Writes the results of a job into the directory its ledger entry names, if that is below one of `roots`, unless somebody else is
/// at it.
pub(crate) async fn deliver(ledger: &Ledger, id: JobId, form: Form, roots: &Roots) -> Result<(), DeliveryError> {
    let job = load(ledger, id, PATIENCE).await?;
    let Some(dir) = job.out_dir.as_ref().map(PathBuf::from) else {
        return Ok(());
    };
    roots.check(&dir)?;
    match lock(&dir)? {
        Some(_lock) => write(ledger, &job, &dir, form_of(&job, form), PATIENCE).await,
        None => Ok(()),
    }
}

/// Writes results, rejects and receipt of a job into `dir`, waiting for chunks that are not done yet. Where somebody
/// else is writing there, waits for that; it may be what was asked for.
pub(crate) async fn deliver_to(
    ledger: &Ledger,
    id: JobId,
    dir: &Path,
    form: Form,
    patience: Duration,
) -> Result<(), DeliveryError> {
    let mut told = false;
    let _lock = loop {
        if let Some(lock) = lock(dir)? {
            break lock;
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(job.id = %id, "job {id}: somebody else writes to {}, waiting for them", dir.display());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let job = load(ledger, id, patience).await?;
    // Somebody else may have asked for them elsewhere, or otherwise, in the meantime.
    let is_ours =
        job.out_dir.as_deref() == Some(&*dir.display().to_string()) && recorded_format(&job) == Some(form.format);
    if is_ours && job.delivered_at.is_some() {
        return Ok(());
    }
    write(ledger, &job, dir, form, patience).await
}

/// Makes the directory and takes it for writing, or `None` while another process, or another job of this one, has
/// it. The lock goes with the file, so with a killed process too.
fn lock(dir: &Path) -> Result<Option<File>, DeliveryError> {
    let opened = std::fs::create_dir_all(dir).and_then(|()| File::open(dir));
    let locked = opened.and_then(|file| match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    });
    locked.map_err(|error| DeliveryError::Directory {
        path: dir.to_owned(),
        error,
    })
}

/// Where the files of a job are to be written, as what, and how they are to be called.
struct Files<'f> {
    dir: &'f Path,
    form: Form,
    results: String,
    rejects: String,
    receipt: String,
    /// What stands before the names of all others.
    prefix: String,
    durable: Durable,
}

impl<'f> Files<'f> {
    fn usual(dir: &'f Path, form: Form) -> Self {
        Self {
            dir,
            form,
            results: results_name(form.format).to_owned(),
            rejects: rejects_name(form.format).to_owned(),
            receipt: RECEIPT.to_owned(),
            prefix: String::new(),
            durable: Durable::Now,
        }
    }
}

async fn write(ledger: &Ledger, job: &Job, dir: &Path, form: Form, patience: Duration) -> Result<(), DeliveryError> {
    let (job, mut receipt) = write_rows(ledger, job, &Files::usual(dir, form), patience).await?;
    receipt.origin = patiently(patience, || ledger.brought_by(job.seq)).await?;
    receipt.write(dir)?;
    crate::failpoint::hit("before-delivered");
    let (path, format) = (dir.display().to_string(), form.format.as_str());
    patiently(patience, || ledger.delivered(job.seq, &path, format)).await?;
    Ok(())
}

/// Writes all files of a job but the receipt, waiting for chunks that are not done yet. The job as it has ended, and the receipt.
async fn write_rows(
    ledger: &Ledger,
    job: &Job,
    names: &Files<'_>,
    patience: Duration,
) -> Result<(Job, Receipt), DeliveryError> {
    let (id, dir, form, durable) = (job.id, names.dir, names.form, names.durable);
    let mut results = ResultsWriter::create_as(dir, &names.results, &job.header, form, durable)?;
    let mut rejects = RejectsWriter::create(dir, &names.rejects, &job.header, form).durable(durable);
    let told = patiently(patience, || RowDetails::of(ledger, job)).await?;
    let mut done = 0;
    loop {
        let states = patiently(patience, || ledger.chunk_states(job.seq)).await?;
        let ready = states[done..].iter().take_while(|(_, ended)| *ended).count();
        for (chunk, _) in &states[done..done + ready] {
            let rows = patiently(patience, || ledger.chunk_rows(job, *chunk)).await?;
            let rows = rows.ok_or(DeliveryError::RowsGone(id))?;
            let told = patiently(patience, || told.of_chunk(&rows)).await?;
            (results, rejects) = blocking(move || write_chunk(&rows, &told, results, rejects)).await?;
        }
        crate::failpoint::hit("while-writing-results");
        done += ready;
        if done == states.len() {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // The last chunk's transaction ended the job as well.
    let job = load(ledger, id, patience).await?;
    // A workbook is put together at its end, which takes a while for a large one.
    let (results, rejects) = blocking(move || Ok((results.finish()?, rejects.finish()?))).await?;
    let mut files = Vec::new();
    for made in patiently(patience, || ledger.artifacts(&job)).await? {
        let name = format!("{}{}", names.prefix, delivered_name(&made.name));
        let file = Download::create(dir, &name, durable)?;
        files.push(download(ledger, &job, &made, (name, file), patience).await?);
    }
    // Whose submitter writes them in the clear needs no file that only the submitter's own key opens.
    let sealed = if job.parameters.in_the_clear {
        Vec::new()
    } else {
        patiently(patience, || ledger.sealed_parts(&job)).await?
    };
    for (nth, part) in (1..).zip(&sealed) {
        if let Some(passwords) = patiently(patience, || ledger.sealed_passwords(&job, *part)).await? {
            let name = format!("{}{}", names.prefix, passwords_name(nth, sealed.len()));
            let written = write_private(dir, &name, &passwords.data, passwords.accounts)?;
            files.push(FileMade {
                name,
                bytes: written.bytes,
                sha256: written.sha256,
            });
        }
    }
    let receipt = receipt(&job, &results, rejects.as_ref(), files);
    Ok((job, receipt))
}

/// Writes a file that a row made.
async fn download(
    ledger: &Ledger,
    job: &Job,
    made: &JobFile,
    (name, mut file): (String, Download),
    patience: Duration,
) -> Result<FileMade, DeliveryError> {
    let mut block = 0;
    while let Some(bytes) = patiently(patience, || ledger.artifact_block(job, made, block)).await? {
        file.write(&bytes)?;
        block += 1;
    }
    let written = file.finish()?;
    Ok(FileMade {
        name,
        bytes: written.bytes,
        sha256: written.sha256,
    })
}

/// Our own files keep their names; one that a row made gives way.
pub(crate) fn delivered_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let is_ours = [TableFormat::Csv, TableFormat::Xlsx]
        .into_iter()
        .flat_map(|format| [results_name(format), rejects_name(format)])
        .chain([RECEIPT])
        .any(|ours| ours == lower);
    if is_ours || lower.starts_with("passwords") {
        format!("export-{name}")
    } else {
        name.to_owned()
    }
}

/// Streams a file that a row made; `false` if the job has none of that name.
pub(crate) async fn write_file(
    ledger: &Ledger,
    job: &Job,
    name: &str,
    out: &mut (impl Write + Send),
) -> Result<bool, DeliveryError> {
    let all = ledger.artifacts(job).await?;
    let Some(made) = all
        .iter()
        .find(|made| made.name == name || delivered_name(&made.name) == name)
    else {
        return Ok(false);
    };
    let mut block = 0;
    while let Some(bytes) = ledger.artifact_block(job, made, block).await? {
        out.write_all(&bytes)?;
        block += 1;
    }
    out.flush()?;
    Ok(true)
}

fn receipt(job: &Job, results: &Written, rejects: Option<&Written>, files: Vec<FileMade>) -> Receipt {
    let time = |millis: Option<i64>| millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    Receipt {
        job: job.id,
        kind: job.kind.clone(),
        state: job.state,
        parameters: job.parameters.clone(),
        counts: job.counts,
        input: InputFiles {
            files: vec![job.input_name.clone()],
            sha256: job.input_sha256.clone(),
            bytes: job.input_bytes,
            rows: job.input_rows,
            notes: job.input_notes.clone(),
        },
        submitted_by: job.submitted_by.clone(),
        origin: None,
        started_at: time(job.started_at),
        finished_at: time(job.finished_at),
        results: results.name(),
        results_sha256: results.sha256.clone(),
        files,
        rejects: rejects.map(Written::name),
        rejects_sha256: rejects.map(|written| written.sha256.clone()),
    }
}

fn write_chunk(
    rows: &ChunkRows,
    told: &ChunkTold,
    mut results: ResultsWriter,
    mut rejects: RejectsWriter,
) -> Result<(ResultsWriter, RejectsWriter), DeliveryError> {
    each_row(rows, told, |row, record, line| {
        results.write(row, line)?;
        if is_reject(record) {
            rejects.write(row, line)?;
        }
        Ok(())
    })?;
    Ok((results, rejects))
}

fn each_row(
    rows: &ChunkRows,
    told: &ChunkTold,
    mut each: impl FnMut(&RowView<'_>, &RowRecord, &Line<'_>) -> Result<(), DeliveryError>,
) -> Result<(), DeliveryError> {
    let (mut place, mut subject) = (String::new(), String::new());
    let job = told.job().to_string();
    let mut told = told.lines();
    for row in rows.block().rows().filter(|row| rows.is_selected(row.number)) {
        let record = rows.record(row.number, row.line);
        told.write(&row, &record, &mut place, &mut subject);
        let line = Line {
            place: &place,
            outcome: outcome(&record),
            code: &record.code,
            subject: &subject,
            message: &record.message,
            id: &record.id,
            job: &job,
        };
        each(&row, &record, &line)?;
    }
    Ok(())
}

fn outcome(record: &RowRecord) -> &'static str {
    record.outcome.map_or("pending", Outcome::as_str)
}

fn is_reject(record: &RowRecord) -> bool {
    matches!(record.outcome, Some(Outcome::Rejected | Outcome::Failed))
}

/// Streams a job's results as they are now; what they were written to.
pub(crate) async fn write_results<W: Write + Send + 'static>(
    ledger: &Ledger,
    job: &Job,
    form: Form,
    out: W,
) -> Result<W, DeliveryError> {
    let mut writer = ResultRows::new(out, &job.header, form)?;
    each_chunk(ledger, job, |rows, told| {
        each_row(rows, told, |row, _, line| Ok(writer.write(row, line)?))
    })
    .await?;
    let mut out = writer.finish()?;
    out.flush()?;
    Ok(out)
}

/// Streams the rows of a job that are to be fixed; what they were written to.
pub(crate) async fn write_rejects<W: Write + Send + 'static>(
    ledger: &Ledger,
    job: &Job,
    form: Form,
    out: W,
) -> Result<W, DeliveryError> {
    let mut writer = RejectRows::new(out, &job.header, form)?;
    each_chunk(ledger, job, |rows, told| {
        each_row(rows, told, |row, record, line| {
            if is_reject(record) {
                writer.write(row, line)?;
            }
            Ok(())
        })
    })
    .await?;
    let mut out = writer.finish()?;
    out.flush()?;
    Ok(out)
}

async fn each_chunk(
    ledger: &Ledger,
    job: &Job,
    mut each: impl FnMut(&ChunkRows, &ChunkTold) -> Result<(), DeliveryError>,
) -> Result<(), DeliveryError> {
    let told = RowDetails::of(ledger, job).await?;
    for (chunk, _) in ledger.chunk_states(job.seq).await? {
        let rows = ledger.chunk_rows(job, chunk).await?;
        let rows = rows.ok_or(DeliveryError::RowsGone(job.id))?;
        each(&rows, &told.of_chunk(&rows).await?)?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeliveryError> + Send + 'static,
) -> Result<T, DeliveryError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| DeliveryError::Db(DbError::Broken(error.to_string())))?
}

async fn load(ledger: &Ledger, id: JobId, patience: Duration) -> Result<Job, DeliveryError> {
    patiently(patience, || ledger.job(id))
        .await?
        .ok_or(DeliveryError::JobGone(id))
}
