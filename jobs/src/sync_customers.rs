//! `sync-customers`: customers copied from another store, so that they can be looked at and searched here.

use crate::choice::Choice as _;
use crate::faults::Faults;
use crate::model::{cell, list};
use crate::{
    Column, ExportOf, Faulty, JobKind, Passwords, Policy, Request, RowCells, RunsIn, Sync, Undo, code, position,
};

/// The kind.
pub(crate) struct SyncCustomers;

const COLUMNS: &[Column] = &[
    Column::required(
        "from",
        "name of the store to copy from, as the configuration has it, or `partner-center`",
    ),
    Column::optional(
        "customer",
        "tenant GUID, domain or external id of the only customer to copy",
    ),
    Column::optional(
        "what",
        "`users`, `subscriptions` or both with `;` (the default), besides `customers`",
    ),
    Column::optional("full", "`yes`: everything again; `no` (the default): what has changed"),
];

const FROM: usize = position(COLUMNS, "from");
const CUSTOMER: usize = position(COLUMNS, "customer");
const WHAT: usize = position(COLUMNS, "what");
const FULL: usize = position(COLUMNS, "full");

impl JobKind for SyncCustomers {
    fn kind(&self) -> &'static str {
        "sync-customers"
    }

    fn summary(&self) -> &'static str {
        "Copy customers, their users and subscriptions from another store"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("sync_customers.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::Nothing,
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Ledger,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let from = from(&mut faults, row);
        let customer = cell::optional_customer(&mut faults, row, CUSTOMER);
        let wanted = list::distinct(row.text(WHAT));
        let what: Vec<ExportOf> = wanted
            .iter()
            .filter_map(|word| cell::word(&mut faults, WHAT, word, ExportOf::WORDS))
            .collect();
        let sync = Sync {
            from,
            customer,
            users: wanted.is_empty() || what.contains(&ExportOf::Users),
            subscriptions: wanted.is_empty() || what.contains(&ExportOf::Subscriptions),
            full: cell::yes_or_no(&mut faults, row, FULL).unwrap_or(false),
        };
        faults.finish(sync)
    }
}

fn from<'a>(faults: &mut Faults, row: &RowCells<'a>) -> &'a str {
    let before = faults.count();
    let from = faults.required_line(row, FROM, 64);
    let allowed = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    if faults.count() == before && !allowed(from) {
        let lower = from.to_ascii_lowercase();
        let near = allowed(&lower).then_some(lower.as_str());
        let expected = "a store's name: lower-case letters, digits, `-` and `_`";
        faults.add_near(FROM, code::INVALID, from, (expected, near));
    }
    from
}

#[cfg(test)]
mod tests;
