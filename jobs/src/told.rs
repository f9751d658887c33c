//! What a kind tells of a row, for the tests of kinds.

use crate::{Job, Row};

/// `code column > suggestion` of every problem of the row whose cells these are, in column order.
pub(crate) fn told(job: &dyn Job, cells: &[&str]) -> Vec<String> {
    let row: Vec<Option<&str>> = cells.iter().copied().map(Some).collect();
    let problems = job.change(&Row::new(&row)).err().unwrap_or_default();
    let told = problems.iter().map(|problem| {
        let near = problem
            .suggestion
            .as_ref()
            .map_or(String::new(), |near| format!(" > {near}"));
        format!("{} {}{near}", problem.code, problem.column)
            .trim_end()
            .to_owned()
    });
    told.collect()
}
