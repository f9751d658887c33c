//! Checking one block: cells to requests, requests to previews.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantry_jobs::header::{self, Mapping};
use tenantry_jobs::{Faulty, JobKind, Problem, Subject, code};

use super::line::{Misstated, PlannedLine};
use super::slice::Slice;
use super::{PlanError, RowFault, RowSource, mark};
use crate::db::Tx;
use crate::input::duplicates::{self, KeyHasher, RowKey};
use crate::input::{self, Block, RowView};
use crate::ledger::RowOutcome;
use crate::store::sql::sync::SyncRequest;
use crate::store::sql::{self, BlockPreview, Context, Customers, Prepared};
use crate::store::{self, Expected, Names, Preview, RowRequest, SeatNeed, State, Verdict};

/// Stands in a plan for a row that it rejects, whatever for.
pub(super) const REJECTED: State = [0xff; 16];

/// The last row that is taken for a template's example.
const LAST_EXAMPLE: u64 = 3;

/// What checking every block of a file has in common.
pub(super) struct BlockChecks {
    pub(super) file: String,
    /// The sheet, where the file is a workbook.
    pub(super) sheet: Option<String>,
    pub(super) job: &'static dyn JobKind,
    pub(super) mapping: Mapping,
    /// Line of the header.
    pub(super) header_line: u64,
    /// Columns that the store has no place for.
    pub(super) unkept: &'static [&'static str],
    pub(super) customer: Option<String>,
    pub(super) header: Vec<String>,
    pub(super) hasher: KeyHasher,
    /// What is being read, to be read again where a value is missing.
    pub(super) source: RowSource,
    /// What the store is told of a plan, which is no job yet.
    pub(super) context: Context,
}

impl BlockChecks {
    /// Where the file has a native column.
    pub(super) fn column(&self, native: &str) -> Option<usize> {
        let native = self.job.columns().iter().position(|column| column.name == native)?;
        self.mapping.columns.get(native).copied().flatten()
    }

    /// Adds to a problem where it stands.
    pub(super) fn fault(&self, row: u64, line: u64, problem: Problem) -> RowFault {
        let column = self.column(&problem.column);
        let is_of_column = problem.code == code::NOT_KEPT && self.unkept.contains(&problem.column.as_str());
        RowFault {
            of_column: is_of_column.then_some(self.header_line),
            file: self.file.clone(),
            sheet: self.sheet.clone(),
            row,
            line,
            column_letter: column.filter(|_| self.sheet.is_some()).map(input::column_letters),
            column_number: column.map(|column| column as u64 + 1),
            header: column
                .and_then(|column| self.header.get(column))
                .cloned()
                .unwrap_or_default(),
            subject: None,
            problem,
        }
    }

    /// Whom or what a row is about.
    pub(super) fn subject(&self, row: &RowView<'_>, names: &dyn Names) -> Option<Subject> {
        let customer = self.customer.as_deref();
        subject(self.job, &self.mapping, customer, row, names)
    }
}

impl BlockChecks {
    /// The row that a template gives as an example, left in by the user who filled it in. Further down such a row is meant.
    fn is_example(&self, row: &RowView<'_>) -> bool {
        const MARKS: [&str; 6] = [
            "example:",
            "beispiel:",
            "exemple:",
            "ejemplo:",
            "esempio:",
            "voorbeeld:",
        ];
        let is_marked = |cell: &str| {
            let start = cell.trim_start().split_inclusive(':').next().unwrap_or_default();
            let start: String = start
                .chars()
                .filter(|c| !c.is_whitespace())
                .flat_map(char::to_lowercase)
                .collect();
            MARKS.contains(&start.as_str())
        };
        // A list of ours has none.
        row.number <= LAST_EXAMPLE
            && !self.mapping.is_list
            && self
                .mapping
                .columns
                .iter()
                .flatten()
                .any(|at| row.cell(*at).is_some_and(is_marked))
    }

    /// A phone under a header that reads like a phone's and stands for the office.
    fn phone_for_office(&self, row: &RowView<'_>) -> Option<Problem> {
        let at = self.mapping.like_a_phone?;
        let value = row.cell(at).filter(|value| header::reads_as_phone(value))?;
        let sentence = format!(
            "the admin centre takes `{}` for the number of the office, and this is a phone; put it under `office_phone`, or name the \
             column `office` if it is no phone",
            self.header.get(at).map_or("", |name| name.trim())
        );
        Some(Problem::stated(code::INVALID, "office", value.trim(), sentence))
    }

    /// Cells of a row that a spreadsheet shows an error in, where they matter.
    fn valueless(&self, block: &Block, row: &RowView<'_>) -> Vec<Problem> {
        let native = |at: usize| {
            let native = self.mapping.columns.iter().position(|column| *column == Some(at))?;
            let cell = format!("{}{}", input::column_letters(at), row.line);
            let expected = format!(
                "cell {cell} holds an error instead of a value, or a formula that was never calculated; fix it, or type the value"
            );
            let value = row.cell(at).unwrap_or_default();
            Some(Problem::stated(
                code::ERROR_CELL,
                self.job.columns()[native].name,
                value,
                expected,
            ))
        };
        block.errors(row.number).filter_map(native).collect()
    }
}

/// What is said of a template's example.
fn example() -> Problem {
    let sentence = "this row is the example of a template; delete it";
    Problem::stated(code::EXAMPLE_ROW, "", "", sentence)
}

/// Whom or what a row of that kind is about, with its customer and its product as the store knows them.
pub(crate) fn subject(
    job: &dyn JobKind,
    mapping: &Mapping,
    customer: Option<&str>,
    row: &RowView<'_>,
    names: &dyn Names,
) -> Option<Subject> {
    let cell = |native: &str| match customer {
        Some(customer) if native == "customer" => Some(customer),
        _ => {
            let at = job.columns().iter().position(|column| column.name == native)?;
            row.cell(mapping.columns.get(at).copied().flatten()?)
        }
    };
    Subject::of(job, cell).map(|subject| called_by(names, subject))
}

/// With its customer and its product as they are called there.
pub(super) fn called_by(names: &dyn Names, subject: Subject) -> Subject {
    match names.called(&subject.customer, subject.subscription()) {
        Some(called) => subject
            .of_customer(&called.domain, &called.name)
            .of_product(&called.product),
        None => subject,
    }
}

/// What the rows of a block name their customers with, as far as it can be told without reading them.
pub(crate) fn customers_named<'b>(
    job: &dyn JobKind,
    mapping: &'b Mapping,
    fixed: Option<&'b str>,
    block: &'b Block,
) -> impl Iterator<Item = &'b str> {
    let written = written_under("customer", job, mapping, block).filter(move |_| fixed.is_none());
    fixed.into_iter().chain(written).filter(|name| !name.is_empty())
}

/// The subscriptions that the rows of a block name.
fn subscriptions_named<'b>(job: &dyn JobKind, mapping: &'b Mapping, block: &'b Block) -> impl Iterator<Item = &'b str> {
    written_under("subscription_id", job, mapping, block)
}

/// What the rows of a block have under a native column.
fn written_under<'b>(
    native: &str,
    job: &dyn JobKind,
    mapping: &'b Mapping,
    block: &'b Block,
) -> impl Iterator<Item = &'b str> + use<'b> {
    let native = job.columns().iter().position(|column| column.name == native);
    let column = native.and_then(|native| mapping.columns.get(native).copied().flatten());
    let written = column
        .into_iter()
        .flat_map(|at| block.rows().filter_map(move |row| row.cell(at)));
    written.map(str::trim)
}

/// One block after checking.
pub struct CheckedBlock {
    /// The rows.
    pub block: Block,
    /// The block as it goes into the spool; empty unless asked for.
    pub encoded: Vec<u8>,
    /// Rows that can be applied, in order, with what that would do. Without a store every one is `Create`.
    pub previews: Vec<Preview>,
    /// Rows that cannot, with everything that is wrong with each.
    pub rejects: BTreeMap<u64, Vec<RowFault>>,
    /// Rows that are still to be previewed, since they ask another store.
    pub(super) syncs: Vec<SyncRequest>,
    pub(super) needs: Vec<SeatNeed>,
    pub(super) keys: Vec<RowKey>,
    pub(super) shared: Arc<BlockChecks>,
    pub(super) names: Arc<dyn Names>,
}

impl CheckedBlock {
    /// The line a row of the block begins on.
    pub fn line(&self, row: u64) -> u64 {
        self.block
            .row((row - self.block.first_row()) as usize)
            .map_or(0, |row| row.line)
    }

    /// Whom or what a row of the block is about. Made when it is asked for: most rows of a large file are never shown.
    pub fn subject(&self, row: u64) -> Option<Subject> {
        let view = self.block.row((row - self.block.first_row()) as usize)?;
        self.shared.subject(&view, self.names.as_ref())
    }

    /// Has those whom rows are about called by these names from now on.
    pub(super) fn call_by(&mut self, names: Arc<dyn Names>) {
        self.names = names;
        self.tell_subjects();
    }

    /// Says of every fault whom its row is about.
    fn tell_subjects(&mut self) {
        let rows = self.rejects.keys();
        let about: Vec<_> = rows.map(|row| self.subject(*row).map(Box::new)).collect();
        for (faults, about) in self.rejects.values_mut().zip(about) {
            for fault in faults {
                fault.subject.clone_from(&about);
            }
        }
    }

    /// Turns the previews of some rows into rejections.
    pub(super) fn reject(&mut self, problems: BTreeMap<u64, Problem>, shared: &BlockChecks) {
        if !problems.is_empty() {
            self.previews.retain(|preview| !problems.contains_key(&preview.row));
        }
        for (row, problem) in problems {
            let fault = RowFault {
                subject: self.subject(row).map(Box::new),
                ..shared.fault(row, self.line(row), problem)
            };
            self.rejects.entry(row).or_default().push(fault);
        }
    }

    /// Adds a preview that came later than the others.
    pub(super) fn add(&mut self, preview: Preview, shared: &BlockChecks) {
        if let Verdict::Reject(problem) = preview.verdict {
            self.reject(BTreeMap::from([(preview.row, problem)]), shared);
            return;
        }
        let at = self.previews.partition_point(|other| other.row < preview.row);
        self.previews.insert(at, preview);
    }

    /// Adds what else is wrong with a row that is rejected already.
    pub(super) fn reject_also(&mut self, row: u64, problem: Problem, shared: &BlockChecks) {
        let (line, subject) = (self.line(row), self.subject(row).map(Box::new));
        let faults = self.rejects.entry(row).or_default();
        if faults.iter().all(|fault| fault.problem != problem) {
            faults.push(RowFault {
                subject,
                ..shared.fault(row, line, problem)
            });
            faults.sort_by_key(|fault| fault.column_number.unwrap_or(u64::MAX));
        }
    }

    /// Adds seats that rejected rows would need.
    pub(super) fn need(&mut self, needs: Vec<SeatNeed>) {
        if !needs.is_empty() {
            self.needs.extend(needs);
            self.needs.sort_by_key(|need| need.row);
        }
    }

    /// What a plan made now expects of the rows it does not reject.
    pub fn expected(&self) -> Vec<u8> {
        let mut expected = Vec::new();
        for preview in &self.previews {
            if let Some(state) = store::state(&preview.verdict) {
                Expected::encode(preview.row, state, &mut expected);
            }
        }
        expected
    }

    /// A row that is to be carried out, of which a plan says something that is not so. What has drifted is not carried out.
    pub(crate) fn misstated(&self, planned: &BTreeMap<u64, PlannedLine>) -> Option<Misstated> {
        self.previews.iter().find_map(|preview| {
            let row = preview.row;
            let what = match planned.get(&row) {
                None => (preview.destructive && preview.verdict == Verdict::Create).then_some("`destructive`"),
                Some(said) if said.repeats || said.state != store::state(&preview.verdict) => None,
                Some(said) => said.misstates(self.line(row), self.subject(row).as_ref(), preview.destructive),
            };
            what.map(|what| Misstated { row, what })
        })
    }

    /// Rejects rows that are not as a plan says: (row, what is said of it).
    pub(crate) fn drift(&mut self, planned: &BTreeMap<u64, PlannedLine>) -> Vec<RowOutcome> {
        let planned: BTreeMap<u64, State> = planned
            .iter()
            .filter_map(|(row, line)| Some((*row, line.state?)))
            .collect();
        let creating = Verdict::Create;
        let mut outcomes = Vec::new();
        self.previews.retain(|preview| {
            let is_so = planned.get(&preview.row).copied() == store::state(&preview.verdict);
            if !is_so {
                outcomes.push(store::drifted(preview.row, &preview.verdict));
            }
            is_so
        });
        // What was to be rejected is rejected now too, whatever for.
        let refused = |state: Option<&State>| state.is_some_and(|state| *state == REJECTED);
        let surprising: Vec<u64> = self
            .rejects
            .keys()
            .copied()
            .filter(|row| !refused(planned.get(row)))
            .collect();
        for row in surprising {
            let faults = self.rejects.remove(&row).unwrap_or_default();
            let verdict = faults
                .into_iter()
                .next()
                .map_or(creating.clone(), |fault| Verdict::Reject(fault.problem));
            outcomes.push(store::drifted(row, &verdict));
        }
        outcomes.sort_unstable_by_key(|outcome| outcome.row);
        outcomes
    }

    /// The keys of the rows, marked with what happens to them: what a rejected row has, another may have.
    pub(super) fn take_keys(&mut self) -> impl Iterator<Item = RowKey> {
        let mut previews = self.previews.iter().peekable();
        std::mem::take(&mut self.keys).into_iter().map(move |key| {
            while previews.next_if(|preview| preview.row < key.row()).is_some() {}
            let preview = previews.peek().filter(|preview| preview.row == key.row());
            key.marked(preview.map_or(duplicates::REJECTED, |preview| mark::of(&preview.verdict)))
        })
    }
}

/// A block whose rows have been read, and not yet looked up.
struct LaidOut {
    shared: Arc<BlockChecks>,
    block: Block,
    rejects: BTreeMap<u64, Vec<RowFault>>,
    keys: Vec<RowKey>,
    /// Previews of rows that are looked up nowhere.
    previews: Vec<Preview>,
    prepared: Prepared,
}

/// Checks a block by itself, without a store.
pub(super) fn check(shared: &Arc<BlockChecks>, block: Block, encode: bool) -> Result<CheckedBlock, PlanError> {
    let mut laid = lay_out(shared, block, None, Customers::default())?;
    let customers = Arc::new(laid.prepared.take_customers());
    let (previews, syncs) = (std::mem::take(&mut laid.previews), laid.prepared.syncs().to_vec());
    Ok(checked(
        laid,
        syncs,
        customers,
        BlockPreview {
            previews,
            needs: Vec::new(),
        },
        encode,
    ))
}

/// Checks blocks of several files against the store as it is, as if each were alone. What they look up is looked up together.
pub(super) fn check_all(
    blocks: Vec<(Arc<BlockChecks>, Block)>,
    tx: &mut dyn Tx,
    encode: bool,
) -> Result<Vec<CheckedBlock>, PlanError> {
    let mut customers = Customers::default();
    if blocks.len() > 1 {
        let named = blocks.iter().flat_map(|(shared, block)| {
            customers_named(shared.job, &shared.mapping, shared.customer.as_deref(), block)
        });
        customers.resolve_named(tx, named)?;
    }
    let besides = blocks.iter().flat_map(|(shared, block)| {
        let fixed = shared
            .customer
            .as_deref()
            .filter(|_| shared.column("customer").is_some());
        let named = block.rows().filter_map(|row| shared.named_besides(&row));
        fixed
            .into_iter()
            .flat_map(|fixed| std::iter::once(fixed.trim()))
            .chain(named)
    });
    customers.resolve_named(tx, besides)?;
    let subscriptions = blocks
        .iter()
        .flat_map(|(shared, block)| subscriptions_named(shared.job, &shared.mapping, block));
    customers.resolve_products(tx, subscriptions)?;
    let mut laid = Vec::with_capacity(blocks.len());
    for (shared, block) in blocks {
        let mut one = lay_out(&shared, block, Some(&mut *tx), customers)?;
        customers = one.prepared.take_customers();
        // Who is named by rejected rows alone was not looked up for them, and is called by name all the same.
        if !one.rejects.is_empty() {
            let fixed = shared.customer.as_deref();
            let named = customers_named(shared.job, &shared.mapping, fixed, &one.block);
            customers.resolve_named(tx, named)?;
        }
        laid.push(one);
    }
    let customers = Arc::new(customers);
    let mut prepared = Vec::with_capacity(laid.len());
    let mut syncs = Vec::with_capacity(laid.len());
    for one in &mut laid {
        syncs.push(one.prepared.syncs().to_vec());
        let none = Prepared::new(one.shared.context.clone(), 0);
        prepared.push(std::mem::replace(&mut one.prepared, none));
    }
    let previewed = sql::preview_all(tx, &prepared)?;
    let all = laid.into_iter().zip(syncs).zip(previewed);
    let checked = all.map(|((laid, syncs), previewed)| checked(laid, syncs, customers.clone(), previewed, encode));
    Ok(checked.collect())
}

fn lay_out(
    shared: &Arc<BlockChecks>,
    block: Block,
    mut tx: Option<&mut dyn Tx>,
    customers: Customers,
) -> Result<LaidOut, PlanError> {
    let mut rejects: BTreeMap<u64, Vec<RowFault>> = BTreeMap::new();
    let mut keys = Vec::with_capacity(block.len());
    let mut hasher = shared.hasher.clone();
    let mut prepared = Prepared::knowing(customers, shared.context.clone(), block.len()).to_preview();
    let mut previews = Vec::new();
    let mut rows = block.rows();
    while let Some(slice) = Slice::next(&mut rows, shared.job, &shared.mapping, shared.customer.as_deref()) {
        let mut requests = Vec::with_capacity(slice.len());
        let mut lines = Vec::with_capacity(slice.len());
        for (view, cells) in slice.rows() {
            let mut valueless = shared.valueless(&block, view);
            valueless.extend(shared.phone_for_office(view));
            valueless.extend(shared.other_customer(view, &|customer| prepared.name(customer)));
            let unread = shared
                .ragged(&block, view)
                .or_else(|| shared.is_example(view).then(example));
            let refused = match unread {
                Some(problem) => vec![problem],
                None => match shared.job.request(&cells) {
                    Ok(_) if !valueless.is_empty() => valueless,
                    Ok(request) => {
                        lines.push(view.line);
                        requests.push(RowRequest {
                            row: view.number,
                            request,
                        });
                        continue;
                    }
                    // What a cell that has no value lacks beyond that need not be told.
                    Err(Faulty { problems, .. }) => {
                        let more = |problem: &Problem| valueless.iter().all(|other| other.column != problem.column);
                        let more: Vec<Problem> = problems.into_iter().filter(more).collect();
                        [valueless, more].concat()
                    }
                },
            };
            let faults = refused
                .into_iter()
                .map(|problem| shared.fault(view.number, view.line, problem));
            rejects.insert(view.number, faults.collect());
        }
        if let Some(tx) = tx.as_deref_mut() {
            prepared.resolve(tx, &requests)?;
        }
        for (RowRequest { row, request }, line) in requests.iter().zip(lines) {
            request.each_key(&|customer| prepared.name(customer), &mut |column, parts| {
                keys.push(hasher.key(column, parts, *row, line));
            });
        }
        match tx {
            Some(_) => prepared.add(&requests),
            None => previews.extend(requests.iter().map(|one| Preview::new(one.row, Verdict::Create))),
        }
    }
    Ok(LaidOut {
        shared: shared.clone(),
        block,
        rejects,
        keys,
        previews,
        prepared,
    })
}

/// A block once it is known what its rows would do.
fn checked(
    laid: LaidOut,
    syncs: Vec<SyncRequest>,
    names: Arc<dyn Names>,
    BlockPreview { previews, needs }: BlockPreview,
    encode: bool,
) -> CheckedBlock {
    let LaidOut {
        shared,
        block,
        rejects,
        keys,
        ..
    } = laid;
    let mut checked = CheckedBlock {
        encoded: if encode { block.encode() } else { Vec::new() },
        block,
        previews: Vec::new(),
        rejects,
        syncs,
        needs,
        keys,
        shared: shared.clone(),
        names,
    };
    let (fine, refused) = if previews
        .iter()
        .any(|preview| matches!(preview.verdict, Verdict::Reject(_)))
    {
        let is_fine = |preview: &Preview| !matches!(preview.verdict, Verdict::Reject(_));
        previews.into_iter().partition(is_fine)
    } else {
        (previews, Vec::new())
    };
    checked.previews = fine;
    for preview in refused {
        if let Verdict::Reject(problem) = preview.verdict {
            let line = checked.line(preview.row);
            let fault = shared.fault(preview.row, line, problem);
            checked.rejects.entry(preview.row).or_default().push(fault);
        }
    }
    checked.tell_subjects();
    checked
}
