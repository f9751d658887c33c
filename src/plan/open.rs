//! What is to be planned, opened: which sheet of a workbook, which columns, and whether it is to be read at all.

use tenantry_jobs::{JobKind, header};

use super::{PlanError, Source, Unkept, check};
use crate::clock::Clock;
use crate::input::duplicates::Keys;
use crate::input::{self, Input, InputError, InputOptions};
use crate::store::sql::Context;

/// Memory for duplicate keys before they spill to a temporary file.
const KEY_MEMORY: usize = 4 * 1024 * 1024;

/// Opens what is to be planned and reads its header.
pub(super) fn open(
    mut source: Source,
    job: &'static dyn JobKind,
    customer: Option<String>,
    context: Context,
    keeping: Unkept,
) -> Result<(Input, Keys, check::Shared, Vec<String>), PlanError> {
    let mut input = read(&source, job)?;
    let fixed: &[&str] = if customer.is_some() { &["customer"] } else { &[] };
    if let Some(fitting) = fitting_sheet(&input, &mut source, job, fixed)? {
        input = fitting;
    }
    let header: Vec<String> = input.header().to_vec();
    let cells = borrowed(&header);
    let mut mapping = header::recognise(job, &cells, fixed).map_err(|problems| PlanError::Header {
        file: input.name().to_owned(),
        sheet: input.sheet().map(str::to_owned),
        kind: job.kind(),
        line: input.header_line(),
        problems,
    })?;
    refuse_hidden(&input, &source, job)?;
    input.redact(&mapping.secret);
    let left_out = if keeping.leave_out {
        mapping.leave_out(job, keeping.columns)
    } else {
        Vec::new()
    };
    let mut notes = Vec::new();
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
    let shared = check::Shared {
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

/// The only sheet of a workbook whose header fits the kind, where none is named and it is not the first one.
fn fitting_sheet(
    first: &Input,
    source: &mut Source,
    job: &dyn JobKind,
    fixed: &[&str],
) -> Result<Option<Input>, InputError> {
    let Some(options) = source.options() else {
        return Ok(None);
    };
    let Some(name) = first
        .sheet()
        .filter(|_| options.sheet.is_none() && !first.other_sheets().is_empty())
    else {
        return Ok(None);
    };
    let fits = |input: &Input| header::recognise(job, &borrowed(input.header()), fixed).is_ok();
    let mut fitting = Vec::new();
    if fits(first) {
        fitting.push((name.to_owned(), None));
    }
    for other in first.other_sheets() {
        let mut source = source.clone();
        source.choose(other);
        // An empty one fits nothing, nor does one that cannot be read.
        if let Ok(input) = read(&source, job)
            && fits(&input)
        {
            fitting.push((other.clone(), Some(input)));
        }
    }
    if fitting.len() > 1 {
        let names: Vec<String> = fitting.iter().map(|(name, _)| format!("`{name}`")).collect();
        let message = format!(
            "the sheets {} all fit `{}`; say which one is meant with --sheet",
            names.join(", "),
            job.kind()
        );
        return Err(InputError::new(first.name(), input::code::SEVERAL_SHEETS, message));
    }
    Ok(fitting.pop().and_then(|(name, input)| {
        source.choose(&name);
        input
    }))
}

/// Whoever filters a list of leavers does not expect the others to be deleted as well.
fn refuse_hidden(input: &Input, source: &Source, job: &dyn JobKind) -> Result<(), InputError> {
    let is_told = source.options().is_some_and(|options| options.hidden_rows.is_some());
    let (rows, _) = input.hidden();
    if rows == 0 || is_told || !job.policy().destructive {
        return Ok(());
    }
    let rows = match rows {
        1 => "1 row of the sheet is hidden".to_owned(),
        many => format!("{many} rows of the sheet are hidden"),
    };
    let message = format!(
        "{rows}, and `{}` would carry out what nobody sees; say --hidden-rows skip or --hidden-rows include",
        job.kind()
    );
    Err(InputError::new(input.name(), input::code::HIDDEN_ROWS, message).of_sheet(input.sheet()))
}

/// The source from its header on.
pub(super) fn read(source: &Source, job: &dyn JobKind) -> Result<Input, InputError> {
    let mut input = match source {
        Source::Path { path, options } => Input::open_with(path, input::InputLimits::default(), options)?,
        Source::Spooled { rows, options } => Input::of_spooled(rows, input::InputLimits::default(), options)?,
        // A program wrote these, and quotes what it has to.
        Source::Bytes { name, data } => Input::from_reader_with(
            name,
            Box::new(std::io::Cursor::new(data.clone())),
            input::InputLimits::default(),
            &InputOptions {
                multiline_cells: true,
                ..InputOptions::default()
            },
        )?,
    };
    input.skip_preamble(|cells| header::preamble(job, &borrowed(cells)))?;
    Ok(input)
}

fn borrowed(cells: &[String]) -> Vec<&str> {
    cells.iter().map(String::as_str).collect()
}
