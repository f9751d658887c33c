//! Kinds of jobs and their columns, from the catalogue.

use std::fmt::Write as _;

use tenantry_jobs::{Creates, KINDS, Passwords, RunsIn, Undo};

use super::cell;

fn undo(undo: Undo) -> String {
    match undo {
        Undo::Within30Days => "within 30 days".to_owned(),
        Undo::WhileUntouched => "while the same fields were not edited since".to_owned(),
        Undo::WhileUnanswered => "until the other partner has answered".to_owned(),
        Undo::Never(reason) => format!("not possible: {reason}"),
        Undo::Nothing => "not needed: the job changes nothing".to_owned(),
    }
}

fn passwords(passwords: Passwords) -> &'static str {
    match passwords {
        Passwords::No => "",
        Passwords::ForNewUsers => "one for each new user",
        Passwords::ForNewCustomers => "one for the administrator that Partner Center creates with a customer",
        Passwords::Only => "one for each user of the file",
    }
}

/// One section per kind.
pub(super) fn kinds() -> String {
    let mut text = String::new();
    for kind in KINDS {
        let policy = kind.policy();
        let _ = write!(text, "## {}\n\n{}.\n\n", kind.kind(), kind.summary());
        let _ = writeln!(
            text,
            "- Approval: {}",
            if policy.destructive { "always" } else { "over a limit" }
        );
        let _ = writeln!(text, "- Undo: {}", undo(policy.undo));
        if !passwords(policy.passwords).is_empty() {
            let _ = writeln!(text, "- Passwords: {}", passwords(policy.passwords));
        }
        let creates = match policy.creates {
            Some(Creates::Customer) => "- Creates: customers\n",
            Some(Creates::User) => "- Creates: users\n",
            None => "",
        };
        text.push_str(creates);
        if policy.runs_in == RunsIn::Ledger {
            text.push_str("- Runs in: the ledger's database, whatever the store\n");
        }
        for template in kind.templates() {
            let _ = writeln!(text, "- Recognised layout: {}", template.name);
        }
        text.push_str("\n| column | | content |\n|---|---|---|\n");
        let one_of = kind.one_of();
        for column in kind.columns() {
            let need = match column {
                column if column.required => "required",
                column if one_of.contains(column) => "one of these",
                column if column.secret => "secret",
                _ => "",
            };
            let _ = writeln!(text, "| `{}` | {need} | {} |", column.name, cell(column.about));
        }
        text.push('\n');
    }
    text
}
