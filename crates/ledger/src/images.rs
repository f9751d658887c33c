//! Before-images: what a record held before a row changed it, and what it holds since. An undo goes by them, and the record of a job's end
//! stands for them.
//!
//! A job of one row that is carried out as it comes in keeps its image with itself; all others lie in a table.

use std::borrow::Cow;

use super::audit::hash_of;
use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// What a step of a row changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowImage {
    /// The row.
    pub row: i64,
    /// The step of the row.
    pub step: i64,
    /// The sort of record.
    pub object: Cow<'static, str>,
    /// The record.
    pub target: i64,
    /// Which of the records of that number, where there are several.
    pub part: String,
    /// The fields that were changed as they were, as JSON; `None` if there was no record.
    pub before: Option<String>,
    /// The same fields since then; `None` if the record was removed.
    pub after: Option<String>,
}

/// The columns that [`RowImage::read`] reads.
pub(super) const COLUMNS: &str = "row, step, object, target, part, before, after";

impl RowImage {
    pub(super) fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            row: row.int(0)?,
            step: row.int(1)?,
            object: row.text(2)?.to_owned().into(),
            target: row.int(3)?,
            part: row.text_or_empty(4)?.to_owned(),
            before: row.opt_text(5)?.map(str::to_owned),
            after: row.opt_text(6)?.map(str::to_owned),
        })
    }

    pub(super) fn hash(&self) -> String {
        let (at, target) = (format!("{}:{}", self.row, self.step), self.target.to_string());
        let part = Some(self.part.as_str()).filter(|part| !part.is_empty());
        hash_of(
            "tenantry-image-1",
            &[
                Some(&at),
                Some(&self.object),
                Some(&target),
                part,
                self.before.as_deref(),
                self.after.as_deref(),
            ],
        )
    }
}

/// Writes what rows of jobs have left, each with its job.
pub fn insert<'i>(tx: &mut dyn Tx, images: impl Iterator<Item = (i64, &'i RowImage)>) -> Result<(), DbError> {
    let values = |(job, image): (i64, &RowImage)| -> Vec<Value> {
        vec![
            job.into(),
            image.row.into(),
            image.step.into(),
            image.object.as_ref().into(),
            image.target.into(),
            image.part.as_str().into(),
            image.before.clone().into(),
            image.after.clone().into(),
        ]
    };
    tx.send_all(
        "INSERT INTO before_images (job, row, step, object, target, part, before, after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        images.map(values).collect(),
    )
}
