//! Opening of a file to plan: which sheet of a workbook, which columns, and whether it is to be read at all.

use tenantry_jobs::header::{self, Mapping};
use tenantry_jobs::{JobKind, KINDS, Problem, code};

use super::{Against, CustomerColumn, PlanError, RowSource, check};
use crate::clock::Clock;
use crate::input::duplicates::Keys;
use crate::input::{self, Input, InputError, InputOptions};
use crate::ledger::Parameters;
use crate::store::sql::Context;

/// Memory for duplicate keys before they spill to a temporary file.
const KEY_MEMORY: usize = 4 * 1024 * 1024;

/// Lines that may stand above the header.
const MOST_TITLES: usize = 4;

/// What is to be planned.
pub(crate) struct PlanInput<'p> {
    /// Where rows come from.
    pub source: RowSource,
    /// The kind of job.
    pub kind: &'static dyn JobKind,
    /// What they are checked with.
    pub parameters: &'p Parameters,
    /// The store that rows are previewed against, if they are.
    pub against: Option<Against>,
    /// Rows of a block.
    pub chunk_rows: usize,
    /// Whether each checked block comes with its spool form.
    pub keep_blocks: bool,
}

/// What a store has no place for.
#[derive(Clone, Copy)]
pub(super) struct Unkept {
    /// Columns of the kind.
    pub(super) columns: &'static [&'static str],
    /// Whether they are left out.
    pub(super) leave_out: bool,
    /// What people call the store.
    pub(super) title: &'static str,
}

/// Opens what is to be planned and reads its header.
pub(super) fn open(
    mut source: RowSource,
    job: &'static dyn JobKind,
    (customer, column): (Option<String>, CustomerColumn),
    context: Context,
    keeping: Unkept,
) -> Result<(Input, Keys, check::BlockChecks, Vec<String>), PlanError> {
    let opened = OpenedSource::new(read(&source, job)?, &source, job, column)?;
    let OpenedSource {
        mut input,
        title,
        header_below,
    } = fitting_sheet(opened, &mut source, job, column)?;
    let mut notes: Vec<String> = title.into_iter().collect();
    if input.header().is_empty() {
        // The sheet is blank, and this is what says so.
        input.read_block(1)?;
    }
    let header: Vec<String> = input.header().to_vec();
    let mut mapping = match column.recognise(job, &borrowed(&header)) {
        Err(_) if document(&header).is_some() => {
            let message = document(&header).unwrap_or_default();
            return Err(InputError::new(input.name(), input::code::NOT_A_TABLE, message).into());
        }
        recognised => recognised,
    }
    .map_err(|mut problems| {
        problems.extend(in_one_cell(&header, job, column));
        problems.extend(of_other_kinds(&header, job, column));
        problems.extend(header_below.map(|line| {
            let lines = if input.sheet().is_some() { "row" } else { "line" };
            let sentence = format!("{lines} {line} looks like the header; delete what stands above it");
            Problem::stated(code::UNKNOWN_COLUMN, "", "", sentence)
        }));
        PlanError::Header {
            file: input.name().to_owned(),
            sheet: input.sheet().map(str::to_owned),
            kind: job.kind(),
            line: input.header_line(),
            problems,
        }
    })?;
    refuse_hidden(&input, &source, job, &mapping)?;
    input.redact(&mapping.secret);
    let needed = job.columns().iter().zip(&mapping.columns);
    let last_needed = needed
        .filter(|(column, _)| column.required)
        .filter_map(|(_, at)| *at)
        .max();
    input.complete_short(
        last_needed.map_or(1, |last| last + 1),
        header.len() - mapping.unnamed.len(),
    );
    let left_out = if keeping.leave_out {
        mapping.leave_out(job, keeping.columns)
    } else {
        Vec::new()
    };
    if !left_out.is_empty() {
        let left_out = left_out.join(", ");
        notes.push(format!("left out, as {} does not keep it: {left_out}", keeping.title));
    }
    if !mapping.read_past.is_empty() {
        let titles: Vec<String> = mapping
            .read_past
            .iter()
            .map(|at| format!("`{}`", header[*at].trim()))
            .collect();
        let titles = titles.join(", ");
        notes.push(format!("not read, as `{}` has no use for it: {titles}", job.kind()));
    }
    let entropy = Clock::system().entropy();
    let keys = Keys::new(None, KEY_MEMORY, entropy).map_err(|error| PlanError::Broken(error.to_string()))?;
    let shared = check::BlockChecks {
        file: input.name().to_owned(),
        sheet: input.sheet().map(str::to_owned),
        job,
        mapping,
        header_line: input.header_line(),
        unkept: keeping.columns,
        customer,
        header,
        hasher: keys.hasher(),
        source,
        context,
    };
    Ok((input, keys, shared, notes))
}

/// A file or sheet with its header read.
struct OpenedSource {
    input: Input,
    /// What is said of lines above the header that were passed over.
    title: Option<String>,
    /// The line below that looks like the header, where what stands above it may be something else than a title.
    header_below: Option<u64>,
}

impl OpenedSource {
    /// Takes what is read from its first row on. Where that is no header, one below is looked for.
    fn new(input: Input, source: &RowSource, job: &dyn JobKind, column: CustomerColumn) -> Result<Self, InputError> {
        if fits(&input, job, column) || input.header().is_empty() {
            return Ok(Self::from(input));
        }
        let (mut input, first) = match below_title(input, job, column) {
            Below::Header(found) => return Ok(*found),
            Below::Doubt(input, line) => (input, Some(line)),
            Below::Nothing(input) => (input, None),
        };
        // What is said of the header is said of the first row.
        match input.sheet().map(str::to_owned) {
            Some(sheet) => turn_to(&mut input, &sheet, job)?,
            None => input = read(source, job)?,
        }
        Ok(Self {
            header_below: first,
            ..Self::from(input)
        })
    }
}

impl From<Input> for OpenedSource {
    fn from(input: Input) -> Self {
        Self {
            input,
            title: None,
            header_below: None,
        }
    }
}

/// What stands below a line that is no header, and what was read to find that out.
enum Below {
    Header(Box<OpenedSource>),
    Doubt(Input, u64),
    Nothing(Input),
}

/// Looks for the header below the first line. A title is one cell in a line, of which a header of several has none that is only
/// a title; anything else that stands above a header may be rows that were sorted with it.
fn below_title(mut input: Input, job: &dyn JobKind, column: CustomerColumn) -> Below {
    let first = input.header_line();
    let mut is_title = true;
    for _ in 0..MOST_TITLES {
        let cells = input.header().iter().filter(|cell| !cell.trim().is_empty()).count();
        is_title &= cells == 1;
        let last = input.header_line();
        // What is wrong further down is told when it is read.
        if input.skip_preamble(|_| true).is_err() {
            return Below::Nothing(input);
        }
        if fits(&input, job, column) {
            let cells = input.header().iter().filter(|cell| !cell.trim().is_empty()).count();
            if !is_title || cells < 2 {
                let line = input.header_line();
                return Below::Doubt(input, line);
            }
            let lines = if input.sheet().is_some() { "row" } else { "line" };
            let title = if first == last {
                format!("{lines} {first} stands above the header and was passed over")
            } else {
                format!("{lines}s {first} to {last} stand above the header and were passed over")
            };
            return Below::Header(Box::new(OpenedSource {
                title: Some(title),
                ..OpenedSource::from(input)
            }));
        }
    }
    Below::Nothing(input)
}

fn fits(input: &Input, job: &dyn JobKind, column: CustomerColumn) -> bool {
    column.recognise(job, &borrowed(input.header())).is_ok()
}

/// The only sheet of a workbook whose header fits the kind, where none is named; the first one where none fits.
fn fitting_sheet(
    opened: OpenedSource,
    source: &mut RowSource,
    job: &dyn JobKind,
    column: CustomerColumn,
) -> Result<OpenedSource, InputError> {
    let is_named = source.options().is_none_or(|options| options.sheet.is_some());
    let others = opened.input.other_sheets().to_vec();
    let Some(first) = opened
        .input
        .sheet()
        .map(str::to_owned)
        .filter(|_| !is_named && !others.is_empty())
    else {
        return Ok(opened);
    };
    let mut fitting = Vec::new();
    fitting.extend(fits(&opened.input, job, column).then(|| first.clone()));
    let mut input = opened.input;
    for other in others {
        // An empty one fits nothing, nor does one that cannot be read.
        if turn_to(&mut input, &other, job).is_err() {
            continue;
        }
        let opened = OpenedSource::new(input, source, job, column)?;
        fitting.extend(fits(&opened.input, job, column).then_some(other));
        input = opened.input;
    }
    if fitting.len() > 1 {
        let names: Vec<String> = fitting.iter().map(|name| format!("`{name}`")).collect();
        let message = format!(
            "the sheets {} all fit `{}`; say which one is meant with --sheet (`sheet` of a folder or schedule)",
            names.join(", "),
            job.kind()
        );
        return Err(InputError::new(input.name(), input::code::SEVERAL_SHEETS, message));
    }
    let found = fitting.pop();
    if let Some(name) = &found {
        source.choose(name);
    }
    turn_to(&mut input, &found.unwrap_or(first), job)?;
    OpenedSource::new(input, source, job, column)
}

/// Reads another sheet, or the same one again, as [`read`] does.
fn turn_to(input: &mut Input, sheet: &str, job: &dyn JobKind) -> Result<(), InputError> {
    input.turn_to(sheet)?;
    skip_preamble(input, job)
}

/// What is said of a file that is no table, whatever its name says; told by what its first line begins with.
fn document(header: &[String]) -> Option<&'static str> {
    let start: String = header.first()?.trim_start().chars().take(9).collect();
    let start = start.to_ascii_lowercase();
    let is = |marks: &[&str]| marks.iter().any(|mark| start.starts_with(mark));
    if is(&["<!doctype", "<html", "<table", "<head", "<meta", "<?xml", "<workbook"]) {
        Some("this is a page of the web or an XML document; open it in a spreadsheet and save it as .xlsx or as CSV")
    } else if is(&["{\"", "{ \"", "[{", "[ {"]) || start == "{" || start == "[" {
        Some("this is JSON; rows come as CSV or as an .xlsx workbook, and job documents with `tenantry submit --jobs`")
    } else {
        None
    }
}

/// What is said where every line stands in one cell: a file that was opened with another delimiter and saved again.
fn in_one_cell(header: &[String], job: &dyn JobKind, column: CustomerColumn) -> Option<Problem> {
    let mut cells = header.iter().filter(|cell| !cell.trim().is_empty());
    let (Some(only), None) = (cells.next(), cells.next()) else {
        return None;
    };
    let fits = |delimiter: &char| {
        // A file whose cells stand in quotes keeps those when it is saved so.
        let cells: Vec<&str> = only.split(*delimiter).map(|cell| cell.trim_matches('"')).collect();
        cells.len() > 1 && column.recognise(job, &cells).is_ok()
    };
    let delimiter = [',', ';', '\t', '|'].into_iter().find(fits)?;
    let sentence = format!(
        "every line stands in one cell as a whole, `{}` and all; a spreadsheet took the file for one of a single column, so open the \
         original with that delimiter and save it again",
        delimiter.escape_debug()
    );
    Some(Problem::stated(code::UNKNOWN_COLUMN, "", "", sentence))
}

/// What is said where the header is that of other kinds.
fn of_other_kinds(header: &[String], job: &dyn JobKind, column: CustomerColumn) -> Option<Problem> {
    /// A header with fewer columns fits many.
    const LEAST: usize = 3;
    let columns = header.iter().filter(|cell| !cell.trim().is_empty()).count();
    let fits = |kind: &&&dyn JobKind| kind.kind() != job.kind() && column.recognise(**kind, &borrowed(header)).is_ok();
    let fitting: Vec<String> = KINDS
        .iter()
        .filter(fits)
        .map(|kind| format!("`{}`", kind.kind()))
        .collect();
    let is_theirs = columns >= LEAST && !fitting.is_empty();
    is_theirs.then(|| {
        let sentence = format!(
            "the header is one of {}, and not of `{}`",
            fitting.join(", "),
            job.kind()
        );
        Problem::stated(code::UNKNOWN_COLUMN, "", "", sentence)
    })
}

/// A user who filters a list of leavers does not expect the others to be deleted as well. A user who hides the column that says
/// whom looks at other names than those that are acted on.
fn refuse_hidden(input: &Input, source: &RowSource, job: &dyn JobKind, mapping: &Mapping) -> Result<(), InputError> {
    let is_told = source.options().is_some_and(|options| options.hidden_rows.is_some());
    if is_told || !job.policy().destructive {
        return Ok(());
    }
    let (rows, _) = input.hidden();
    let refusal = |what: String, remedy: &str| {
        let message = format!(
            "{what}, and `{}` would carry out what nobody sees; {remedy}",
            job.kind()
        );
        Err(InputError::new(input.name(), input::code::HIDDEN_ROWS, message).in_sheet(input.sheet()))
    };
    match rows {
        0 => {}
        1 => return refusal("1 row of the sheet is hidden".to_owned(), ROWS_REMEDY),
        many => return refusal(format!("{many} rows of the sheet are hidden"), ROWS_REMEDY),
    }
    let hidden = job.columns().iter().zip(&mapping.columns);
    let mut hidden =
        hidden.filter_map(|(column, at)| at.filter(|at| input.is_column_hidden(*at)).map(|at| (column.name, at)));
    match hidden.next() {
        Some((name, at)) => refusal(
            format!("column {} of the sheet (`{name}`) is hidden", input::column_letters(at)),
            "show the column, or say --hidden-rows include (`hidden_rows` of a folder or schedule)",
        ),
        None => Ok(()),
    }
}

const ROWS_REMEDY: &str = "say --hidden-rows skip or --hidden-rows include (`hidden_rows` of a folder or schedule)";

/// The source from the header on that stands on that line.
pub(super) fn read_from(source: &RowSource, job: &dyn JobKind, header_line: u64) -> Result<Input, InputError> {
    let mut input = read(source, job)?;
    while input.header_line() < header_line {
        input.skip_preamble(|_| true)?;
    }
    Ok(input)
}

/// The source from its header on.
fn read(source: &RowSource, job: &dyn JobKind) -> Result<Input, InputError> {
    let mut input = match source {
        RowSource::Path { path, options } => Input::open_with(path, input::InputLimits::default(), options)?,
        RowSource::Dropped {
            name,
            options,
            data: Some(data),
            ..
        } => Input::from_reader_with(
            name,
            Box::new(std::io::Cursor::new(data.clone())),
            input::InputLimits::default(),
            options,
        )?,
        RowSource::Dropped {
            path, name, options, ..
        } => Input::open_no_link(path, name, input::InputLimits::default(), options)?,
        RowSource::Spooled { rows, options } => Input::of_spooled(rows, input::InputLimits::default(), options)?,
        RowSource::Bytes {
            name,
            data,
            multiline_cells,
        } => Input::from_reader_with(
            name,
            Box::new(std::io::Cursor::new(data.clone())),
            input::InputLimits::default(),
            &InputOptions {
                multiline_cells: *multiline_cells,
                whole: true,
                ..InputOptions::default()
            },
        )?,
    };
    skip_preamble(&mut input, job)?;
    Ok(input)
}

/// Passes over the line that a template has before its header.
fn skip_preamble(input: &mut Input, job: &dyn JobKind) -> Result<(), InputError> {
    input
        .skip_preamble(|cells| header::preamble(job, &borrowed(cells)))
        .map(drop)
}

fn borrowed(cells: &[String]) -> Vec<&str> {
    cells.iter().map(String::as_str).collect()
}
