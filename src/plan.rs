//! Planning: a file read against a kind, and optionally against the store, without writing anything.
//!
//! Reading, checking and previewing overlap: one thread reads blocks ahead, and two blocks are checked at a
//! time. What comes out is in file order. Every row is checked whatever the rows before it were like, so that
//! all faults come at once; only a file that cannot be read to its end stops it.
//!
//! Rows that came with a request and are few are read where they are, and the first blocks of several such requests are
//! [checked together](check_first), so that each costs what its rows cost.

mod advice;
mod check;
mod customer;
pub(crate) mod document;
mod doubted;
mod drain;

mod faults;
pub(crate) mod file;
mod hash;
pub(crate) mod held;
mod impact;
mod kept;
mod kept_rows;
mod line;
mod mark;
mod open;
mod place;
mod ragged;
mod reader;
mod remote;
mod repeated;
mod rest;
mod scratch;
mod slice;
mod subjects;
mod sync;
mod together;
mod touched;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tenantry_jobs::{Problem, printable};
use thiserror::Error;
use tokio::task::JoinHandle;

pub(crate) use check::CheckedBlock;
pub(crate) use check::customers_named;
pub(crate) use customer::CustomerColumn;
pub(crate) use drain::{Drained, Sink, Whole};
pub use faults::RowFault;
pub(crate) use faults::{FaultLog, SET};
pub(crate) use hash::PlanHash;
pub use impact::Limits;
pub(crate) use impact::{DailyUsage, Impact};
pub(crate) use kept::{KeepError, Keeping, KeptHead, KeptPlan, KeptRow};
pub(crate) use kept_rows::{KeptRowsError, ToldRow, each_kept_row};
pub(crate) use open::PlanInput;
use open::{Unkept, open};
pub(crate) use place::Place;
use reader::Reader;
pub(crate) use remote::settled;
pub(crate) use repeated::Repeated;
use repeated::{NamedBy, RepeatedRows};
pub(crate) use slice::Slice;
pub(crate) use subjects::{About, ChunkSubjects, SubjectLines, Subjects, names_told};
pub(crate) use sync::{preview_sync, sync_source};
pub(crate) use together::check_first;
use touched::{TouchedRows, Touching};

use crate::db::DbError;
use crate::input::duplicates::Keys;
use crate::input::{Block, Digest, HiddenRows, InputError, InputOptions, SpooledInput};
use crate::ledger::{Installation, Ledger};
use crate::store::remote::{RemoteSession, RemoteStore, StoreEnv};
use crate::store::sql::Context;
use crate::store::{Preview, Stores};
use crate::tasks;

/// Stands for the job of rows that have none yet; no record is made by it.
pub(crate) const NO_JOB: i64 = -1;
/// Blocks being checked at the same time.
const IN_FLIGHT: usize = 2;

/// Where rows come from.
#[derive(Debug, Clone)]
pub enum RowSource {
    /// A file, opened once.
    Path {
        /// Where it lies.
        path: PathBuf,
        /// What of it to read.
        options: InputOptions,
    },
    /// A file that others have put where it lies: no link is followed, and it is called by the name they gave it.
    Dropped {
        /// Where it lies.
        path: PathBuf,
        /// What messages and the job call it.
        name: String,
        /// What of it to read.
        options: InputOptions,
        /// All that it holds, where that is little and was read already.
        data: Option<Bytes>,
    },
    /// What was read from standard input or another pipe.
    Spooled {
        /// All of it.
        rows: SpooledInput,
        /// What of it to read.
        options: InputOptions,
    },
    /// Rows that came with a request.
    Bytes {
        /// What to call them in messages.
        name: String,
        /// The CSV text.
        data: Bytes,
        /// Whether its cells may hold lines like its own.
        multiline_cells: bool,
    },
}

impl RowSource {
    /// Whether it is read in less time than it takes to have another thread do so.
    pub(crate) fn is_small(&self) -> bool {
        match self {
            Self::Bytes { data, .. } | Self::Dropped { data: Some(data), .. } => data.len() <= SMALL,
            Self::Path { .. } | Self::Dropped { .. } | Self::Spooled { .. } => false,
        }
    }

    /// What of it to read, where there is a choice.
    fn options(&self) -> Option<&InputOptions> {
        match self {
            Self::Path { options, .. } | Self::Dropped { options, .. } | Self::Spooled { options, .. } => Some(options),
            Self::Bytes { .. } => None,
        }
    }

    /// Reads this sheet of it.
    fn choose(&mut self, sheet: &str) {
        match self {
            Self::Path { options, .. } | Self::Dropped { options, .. } | Self::Spooled { options, .. } => {
                options.sheet = Some(sheet.to_owned());
            }
            Self::Bytes { .. } => {}
        }
    }

    /// What messages and the job call it. A sheet that was asked for is part of what is read.
    pub fn name(&self) -> String {
        let name = match self {
            Self::Path { path, .. } => path.display().to_string(),
            Self::Dropped { name, .. } | Self::Bytes { name, .. } => name.clone(),
            Self::Spooled { rows, .. } => rows.name().to_owned(),
        };
        let sheet = self.options().and_then(|options| options.sheet.as_deref());
        format!("{name}{}", sheet_suffix(sheet))
    }

    /// What a plan calls it, by which it is found again: [`PIPED`] where only the user who applies the plan can hand it in.
    pub(crate) fn place(&self) -> PathBuf {
        match self {
            Self::Path { path, .. } | Self::Dropped { path, .. } => path.clone(),
            Self::Spooled { .. } => PIPED.into(),
            Self::Bytes { name, .. } => name.into(),
        }
    }
}

/// Bytes of rows that are read where they are.
const SMALL: usize = 32 << 10;

/// A file of this name is standard input.
pub(crate) const PIPED: &str = "-";

/// Why a file cannot be planned at all.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It cannot be read, or not to its end.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Its header does not fit the kind.
    #[error("{}: the header does not fit `{kind}`", printable(&format!("{file}{}", sheet_suffix(sheet.as_deref()))))]
    Header {
        /// The file.
        file: String,
        /// The sheet, where the file is a workbook.
        sheet: Option<String>,
        /// The kind.
        kind: &'static str,
        /// Line of the header.
        line: u64,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// The store cannot be asked.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Keys or faults cannot be kept.
    #[error("a temporary file cannot be written: {0}")]
    Temporary(#[from] std::io::Error),
    /// The store that rows are to be carried out by cannot be asked.
    #[error("{0}")]
    Store(String),
    /// The plan cannot be shown, or kept in its file.
    #[error("the plan cannot be written")]
    Output(#[source] std::io::Error),
    /// Something of ours broke.
    #[error("{0}")]
    Broken(String),
}

/// The store that rows are previewed against, and those they may copy from.
#[derive(Clone)]
pub(crate) struct Against {
    /// The store.
    pub ledger: Ledger,
    /// The stores besides it.
    pub stores: Stores,
    /// Whether rows are previewed that take reading all of a service over the network, as carrying them out does again.
    pub reads_all: bool,
}

/// A file being planned, to be [drained](Self::drain).
pub(crate) struct Planning {
    shared: Arc<check::BlockChecks>,
    store: Option<Against>,
    /// What is known of a store that is no database.
    session: Option<Arc<dyn RemoteSession>>,
    reader: Option<Reader>,
    /// Why the rest of the file cannot be read.
    broken: Option<PlanError>,
    keys: Keys,
    in_flight: VecDeque<Checking>,
    impact: Impact,
    touching: Touching,
    /// First row of each block, so that a row's block can be found.
    first_rows: Vec<u64>,
    keep_blocks: bool,
    /// Whether rows that are rejected do not keep the others from being carried out.
    skips_rejected: bool,
    /// What of the file is not read, a sentence each.
    notes: Vec<String>,
}

/// A block that is being checked, or has been.
enum Checking {
    Beside(JoinHandle<Result<CheckedBlock, PlanError>>),
    Done(Box<CheckedBlock>),
}

/// What is known when the whole file has been read.
struct Planned {
    digest: Digest,
    /// Rows whose key stands in an earlier row, in row order.
    repeated: RepeatedRows,
    impact: Impact,
    /// What single rows add to it.
    touched: TouchedRows,
}

impl Planning {
    /// Opens the source and recognises its header.
    pub(crate) async fn open(input: PlanInput<'_>) -> Result<Self, PlanError> {
        let PlanInput {
            source,
            kind: job,
            parameters,
            against: store,
            chunk_rows,
            keep_blocks,
        } = input;
        let customer = (parameters.customer.clone(), CustomerColumn::of(parameters));
        let context = Context {
            job: NO_JOB,
            kind: job.kind().to_owned(),
            now: store.as_ref().map_or(0, |store| store.ledger.clock().now_millis()),
            installation: store
                .as_ref()
                .map_or(Installation::NONE, |store| store.ledger.installation()),
            expected: None,
            hands_out_passwords: false,
            writes_images: true,
            may_destroy: u64::MAX,
        };
        let remote = store.as_ref().and_then(|store| store.stores.of(job));
        if let Some(remote) = remote
            && !remote.capabilities().takes(job)
        {
            return Err(PlanError::Store(format!(
                "`{}` cannot be run against {}; what can is {}",
                job.kind(),
                remote.title(),
                remote.capabilities().kinds.join(", ")
            )));
        }
        if let Some(what) = remote.and_then(|remote| remote.lacks(job)) {
            return Err(PlanError::Store(what));
        }
        let session = store
            .as_ref()
            .zip(remote)
            .map(|(against, remote)| Arc::from(remote.open(StoreEnv::new(&against.ledger), &[])));
        let unkept = remote.map_or(&[][..], |remote| (remote.capabilities().unkept_columns)(job.kind()));
        let keeping = Unkept {
            columns: unkept,
            leave_out: parameters.ignore_not_kept,
            title: remote.map_or("", |remote| remote.title()),
        };
        let is_small = source.is_small();
        let open = move || open(source, job, customer, context, keeping);
        let (input, keys, shared, notes) = if is_small {
            open()?
        } else {
            let opened = tokio::task::spawn_blocking(open).await;
            opened.map_err(|error| PlanError::Broken(error.to_string()))??
        };
        Ok(Self {
            shared: Arc::new(shared),
            store,
            session,
            reader: Some(if is_small {
                Reader::here(input, chunk_rows)
            } else {
                Reader::ahead(input, chunk_rows)
            }),
            broken: None,
            keys,
            in_flight: VecDeque::new(),
            impact: Impact::default(),
            touching: Touching::default(),
            first_rows: Vec::new(),
            keep_blocks,
            skips_rejected: parameters.skip_invalid,
            notes,
        })
    }

    /// The file's header, cell by cell.
    pub(crate) fn header(&self) -> &[String] {
        &self.shared.header
    }

    /// The sheet that is read, where the file is a workbook.
    pub(crate) fn sheet(&self) -> Option<&str> {
        self.shared.sheet.as_deref()
    }

    /// The encoding that the text is said to have.
    pub(crate) fn encoding(&self) -> Option<&str> {
        self.shared.source.options()?.encoding.as_deref()
    }

    /// Whether cells may hold lines like those of the file.
    pub(crate) fn multiline_cells(&self) -> bool {
        self.shared
            .source
            .options()
            .is_some_and(|options| options.multiline_cells)
    }

    /// How hidden rows are handled, if somebody has said it.
    pub(crate) fn hidden_rows(&self) -> Option<HiddenRows> {
        self.shared.source.options()?.hidden_rows
    }

    /// What is read of the file's bytes, where they alone do not say it.
    pub(crate) fn part(&self) -> Option<String> {
        part(self.sheet(), self.encoding(), self.hidden_rows())
    }

    /// The other program's template the header was recognised as, if it was.
    pub(crate) fn template(&self) -> Option<&'static str> {
        self.shared.mapping.template
    }

    /// The next block, checked, in file order.
    async fn next(&mut self) -> Result<Option<CheckedBlock>, PlanError> {
        while self.in_flight.len() < IN_FLIGHT && self.broken.is_none() {
            let block = match self.read().await {
                Ok(Some(block)) => block,
                Ok(None) => break,
                // Told once the blocks before it are.
                Err(error) => {
                    self.broken = Some(error);
                    break;
                }
            };
            self.first_rows.push(block.first_row());
            self.in_flight.push_back(Checking::Beside(self.check(block)));
        }
        let mut checked = match self.in_flight.pop_front() {
            None => return self.broken.take().map_or(Ok(None), Err),
            Some(Checking::Done(checked)) => *checked,
            Some(Checking::Beside(checking)) => {
                checking.await.map_err(|error| PlanError::Broken(error.to_string()))??
            }
        };
        let needs = std::mem::take(&mut checked.needs);
        let is_rejected = |row| checked.rejects.contains_key(&row);
        let seatless = self.impact.take_seats(&needs, &is_rejected, self.skips_rejected);
        checked.reject(seatless, &self.shared);
        self.impact.add(&checked.previews);
        self.touching.add(&checked.previews)?;
        for key in checked.take_keys() {
            self.keys.add(key)?;
        }
        Ok(Some(checked))
    }

    /// Ends the reading, once there is no next block.
    async fn finish(self) -> Result<Planned, PlanError> {
        let Self {
            reader,
            keys,
            shared,
            first_rows,
            impact,
            notes,
            touching,
            store,
            session,
            ..
        } = self;
        let named_by = match (store, session) {
            (_, Some(session)) => NamedBy::Service(session),
            (Some(against), None) => NamedBy::Database(against.ledger),
            (None, None) => NamedBy::Nobody,
        };
        let reader = reader.ok_or_else(|| PlanError::Broken("reading had failed before".to_owned()))?;
        let is_here = reader.is_here();
        let finish = move || {
            let mut digest = reader.finish()?;
            digest.notes.extend(notes);
            let repeated = RepeatedRows::new(keys.finish()?, shared, first_rows, named_by);
            Ok(Planned {
                digest,
                repeated,
                impact,
                touched: touching.finish()?,
            })
        };
        if is_here {
            return finish();
        }
        let finished = tokio::task::spawn_blocking(finish).await;
        finished.map_err(|error| PlanError::Broken(error.to_string()))?
    }

    async fn read(&mut self) -> Result<Option<Block>, PlanError> {
        let Some(mut reader) = self.reader.take() else {
            return Ok(None);
        };
        let (block, reader) = if reader.is_here() {
            (reader.next(), reader)
        } else {
            let read = tokio::task::spawn_blocking(move || (reader.next(), reader)).await;
            read.map_err(|error| PlanError::Broken(error.to_string()))?
        };
        self.reader = Some(reader);
        block.transpose().map_err(PlanError::from)
    }

    fn check(&self, block: Block) -> JoinHandle<Result<CheckedBlock, PlanError>> {
        let (shared, keep) = (self.shared.clone(), self.keep_blocks);
        if let (Some(store), Some(session)) = (self.remote(), self.session.clone()) {
            return tasks::spawn("the plan", async move {
                let sharing = shared.clone();
                let checked = tokio::task::spawn_blocking(move || rest::check(&sharing, block, keep));
                let mut checked = checked.await.map_err(|error| PlanError::Broken(error.to_string()))??;
                remote::preview(store.as_ref(), session.as_ref(), &shared, &mut checked).await?;
                advice::of_service(session.as_ref(), &shared, &mut checked).await?;
                checked.call_by(session);
                Ok(checked)
            });
        }
        match self.store.clone() {
            None => tokio::task::spawn_blocking(move || rest::check(&shared, block, keep)),
            Some(against) => tasks::spawn("the plan", async move {
                let checked = advice::check_all(&against.ledger, vec![(shared.clone(), block)], keep).await?;
                let mut checked = checked
                    .into_iter()
                    .next()
                    .ok_or(PlanError::Broken("a block is lost".to_owned()))?;
                preview_syncs(&against, &shared, &mut checked).await?;
                Ok(checked)
            }),
        }
    }

    /// The store that is no database and carries the rows out.
    fn remote(&self) -> Option<Arc<dyn RemoteStore>> {
        let store = self.store.as_ref()?;
        store.stores.of(self.shared.job).cloned()
    }
}

/// Previews rows that ask another store.
async fn preview_syncs(
    against: &Against,
    shared: &check::BlockChecks,
    checked: &mut CheckedBlock,
) -> Result<(), PlanError> {
    for request in std::mem::take(&mut checked.syncs) {
        let verdict = sync::preview(against, &request).await.map_err(remote::unasked)?;
        checked.add(Preview::new(request.row, verdict), shared);
    }
    Ok(())
}

/// What is read of a file's bytes, where they alone do not say it: two sheets of one workbook are not the same work, and
/// neither is one text in two encodings.
pub(crate) fn part(sheet: Option<&str>, encoding: Option<&str>, hidden_rows: Option<HiddenRows>) -> Option<String> {
    match (encoding, sheet, hidden_rows) {
        (Some(encoding), ..) => Some(format!("encoding {}", encoding.to_ascii_lowercase())),
        (None, Some(sheet), Some(HiddenRows::Skip)) => Some(format!("{sheet} without hidden rows")),
        (None, sheet, _) => sheet.map(str::to_owned),
    }
}

/// ` sheet "Users"`, as it follows a file's name, or nothing.
pub(crate) fn sheet_suffix(sheet: Option<&str>) -> String {
    sheet.map_or(String::new(), |sheet| format!(" sheet \"{sheet}\""))
}

/// How many rows would end in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    pub create: u64,
    pub change: u64,
    pub unchanged: u64,
    pub reject: u64,
    pub rows: u64,
}

impl Totals {
    /// Adds a block.
    pub fn add(&mut self, block: &CheckedBlock) {
        self.rows += block.block.len() as u64;
        self.reject += block.rejects.len() as u64;
        for preview in &block.previews {
            if let Some(count) = self.of(mark::of(&preview.verdict)) {
                *count += 1;
            }
        }
    }

    /// Moves a row that was counted before it was known to repeat another.
    pub fn repeat(&mut self, repeated: &Repeated) {
        if let (true, Some(count)) = (repeated.first_of_row, self.of(repeated.mark)) {
            *count -= 1;
            self.reject += 1;
        }
    }

    fn of(&mut self, mark: u8) -> Option<&mut u64> {
        match mark {
            mark::CREATE => Some(&mut self.create),
            mark::CHANGE => Some(&mut self.change),
            mark::UNCHANGED => Some(&mut self.unchanged),
            _ => None,
        }
    }
}
