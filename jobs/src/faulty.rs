//! A row with something wrong in it, and what of that only the store can tell.
//!
//! A store may hold what is refused in a file today: values of an older version, of other programs, or of the service itself. Who
//! hands in what it holds asks for nothing, so a value is at fault only where it would change something. A kind
//! cannot know that. It notes the fault, and the request has the value as it is written; such a fault is a [`ValueDoubt`], which is
//! settled once it is known what the row would do. A fault whose value is not in the request (a number that is none, a word that
//! stands for nothing, a cell that is empty) is one whatever the store holds.

use crate::{Problem, Request, ValueDoubt};

/// A row that cannot be carried out, or not as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faulty<'a> {
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What it asks for as far as it was read, to be looked up and, but for doubts that are settled, never to be carried out. Where
    /// the row was read without the cells at fault ([`RowCells::without`](crate::RowCells::without)), nothing in it follows from
    /// them.
    pub rest: Box<Request<'a>>,
    /// What stores call the value of each problem, where it is in the request.
    fields: Vec<Option<&'static str>>,
}

impl<'a> Faulty<'a> {
    /// The row that asks for this, with its faults and the value that each is with.
    pub(crate) fn new(asked: Request<'a>, found: impl Iterator<Item = (String, Problem)>) -> Self {
        let mut fields = Vec::new();
        let problems = found
            .map(|(value, problem)| {
                fields.push(asked.field_of(&problem.column, &value));
                problem
            })
            .collect();
        Self {
            problems,
            rest: Box::new(asked),
            fields,
        }
    }

    /// The faults that are none if the store holds these values.
    pub fn doubts(&self) -> Vec<ValueDoubt> {
        let problems = self.problems.iter().zip(&self.fields);
        problems
            .filter_map(|(problem, field)| {
                Some(ValueDoubt {
                    field: (*field)?,
                    problem: problem.clone(),
                })
            })
            .collect()
    }

    /// What the row asks for, with the doubts to be settled before that is carried out.
    ///
    /// # Errors
    /// The first fault, where some are more than doubts.
    pub fn doubted(self) -> Result<(Request<'a>, Vec<ValueDoubt>), Option<Problem>> {
        if self.fields.contains(&None) {
            return Err(self.problems.into_iter().next());
        }
        let doubts = self.doubts();
        Ok((*self.rest, doubts))
    }
}
