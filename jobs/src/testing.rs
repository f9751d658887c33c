//! Helpers of the kinds' tests.

use crate::{Change, JobKind, Problem, Request, RowCells, position};

/// A row of the kind with these cells; later ones replace earlier ones, and all others are empty.
pub(crate) fn row_of<'a>(
    job: &dyn JobKind,
    good: &[(&str, &'a str)],
    cells: &[(&str, &'a str)],
) -> Vec<Option<&'a str>> {
    let mut row = vec![Some(""); job.columns().len()];
    for (name, value) in good.iter().chain(cells) {
        row[position(job.columns(), name)] = Some(*value);
    }
    row
}

/// The change that such a row of a kind asks for.
pub(crate) fn change<'a>(job: &dyn JobKind, cells: &'a [Option<&'a str>]) -> Result<Change<'a>, Vec<Problem>> {
    match job.request(&RowCells::new(cells)).map_err(|faulty| faulty.problems)? {
        Request::Change(change) => Ok(change),
        other => panic!("{other:?}"),
    }
}

/// Expects these problems of such a row: `code column value`, and `> suggestion` where there is one.
#[track_caller]
pub(crate) fn check(job: &dyn JobKind, good: &[(&str, &str)], cells: &[(&str, &str)], expected: &[&str]) {
    let row = row_of(job, good, cells);
    let problems = job
        .request(&RowCells::new(&row))
        .err()
        .map_or_else(Vec::new, |faulty| faulty.problems);
    let told: Vec<String> = problems
        .iter()
        .map(|problem| match &problem.suggestion {
            Some(near) => format!("{} {} {} > {near}", problem.code, problem.column, problem.value),
            None => format!("{} {} {}", problem.code, problem.column, problem.value),
        })
        .collect();
    assert_eq!(told, expected, "{cells:?}");
}
