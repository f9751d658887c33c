//! A case of a topic: rows, how each of them ends, and what they change. Whatever the case, the same rows are unchanged
//! when they come again, and what was done is taken back, and done again, as the kind's policy says.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt, stream};
use tenantry::testing::plan::Limits;
use tenantry_jobs::{RunsIn, Undo};
use tenantry_ledger::Job;

use super::super::under_test::{Rows, Store, StoreUnderTest};

/// Cases in hand at once.
const AT_ONCE: usize = 3;

/// Rows of a kind, and their outcome.
#[derive(Debug)]
pub(super) struct Case {
    /// What it shows.
    pub(super) what: &'static str,
    pub(super) kind: &'static str,
    /// Done first; every row of it changes something.
    pub(super) given: &'static [Rows],
    pub(super) rows: &'static str,
    /// How each row ends: `applied`, `unchanged`, or the code and how the message begins, which is with the column and
    /// its value.
    pub(super) ends: &'static [&'static str],
    /// Lines of the store's state that go (`-`) and come (`+`), in order.
    pub(super) changes: &'static [&'static str],
    /// What happens to rows that changed something when they come again.
    pub(super) again: Again,
    /// How its rows end when they are taken back, if that is not as the policy says.
    pub(super) back: Option<&'static str>,
    /// What is otherwise than before when it was taken back.
    pub(super) remains: &'static [&'static str],
    /// Stores in which it ends otherwise.
    pub(super) but: &'static [But],
}

/// What happens to rows that come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Unchanged,
    /// As the first time: they read.
    Same,
    /// They end so.
    Ends(&'static [&'static str]),
}

/// What is otherwise in some store.
#[derive(Debug)]
pub(super) struct But {
    pub(super) on: Store,
    pub(super) ends: Option<&'static [&'static str]>,
    pub(super) changes: Option<&'static [&'static str]>,
    pub(super) again: Option<Again>,
    pub(super) back: Option<&'static str>,
    pub(super) remains: Option<&'static [&'static str]>,
}

/// What most cases have.
pub(super) const PLAIN: Case = Case {
    what: "",
    kind: "",
    given: &[],
    rows: "",
    ends: &[],
    changes: &[],
    again: Again::Unchanged,
    back: None,
    remains: &[],
    but: &[],
};

/// Nothing is otherwise.
pub(super) const SAME: But = But {
    on: Store::PartnerCenter,
    ends: None,
    changes: None,
    again: None,
    back: None,
    remains: None,
};

/// Every case in a store of its own; told are all that do not end as they should.
pub(super) async fn check_all(store: Store, cases: &'static [Case]) {
    let checked = stream::iter(cases).map(|case| async move {
        // One that panics leaves the others alone.
        let checked = AssertUnwindSafe(Box::pin(check(store, case))).catch_unwind().await;
        let what = format!("{}: {}", case.kind, case.what);
        match checked {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(format!("{what}: {why}")),
            Err(panicked) => Some(format!("{what}: {}", said(&*panicked))),
        }
    });
    let wrong: Vec<Option<String>> = checked.buffered(AT_ONCE).collect().await;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "on {store:?}:\n{}", wrong.join("\n"));
}

/// The message of a panic.
fn said(panicked: &(dyn Any + Send)) -> &str {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panicked.downcast_ref::<&str>().copied())
        .unwrap_or("it panics")
}

async fn check(store: Store, case: &'static Case) -> Result<(), String> {
    let mut env = StoreUnderTest::new(store).await;
    if tenantry_jobs::find(case.kind).expect("a kind").policy().runs_in == RunsIn::Ledger {
        env = env.copied().await;
    }
    if !env.takes(case.kind) {
        return refuses_the_kind(&env, case.kind, case.rows).await;
    }
    let but = case.but.iter().find(|but| but.on == env.store).unwrap_or(&SAME);
    for (kind, rows) in case.given {
        env.applies(kind, rows).await;
    }
    let before = env.state().await;
    let job = env.apply(case.kind, case.rows).await;
    let ends = but.ends.unwrap_or(case.ends);
    check_ends("", &env.ends(&job).await, ends)?;
    let after = env.state().await;
    check_same(
        "it changes",
        &changes(&before, &after),
        but.changes.unwrap_or(case.changes),
    )?;
    let again = env.apply(case.kind, case.rows).await;
    let as_before = ends.iter().copied();
    let expected: Vec<&str> = match but.again.unwrap_or(case.again) {
        Again::Unchanged => as_before
            .map(|end| if end == "applied" { "unchanged" } else { end })
            .collect(),
        Again::Same => as_before.collect(),
        Again::Ends(ends) => ends.to_vec(),
    };
    check_ends("again, ", &env.ends(&again).await, &expected)?;
    check_same("again it changes", &changes(&after, &env.state().await), &[])?;
    let policy = tenantry_jobs::find(case.kind).expect("a kind").policy();
    let by_policy = match policy.undo {
        Undo::Never(_) => "irreversible",
        _ => "applied",
    };
    let end = but.back.or(case.back).unwrap_or(by_policy);
    let remains = but.remains.unwrap_or(case.remains);
    check_undo(&env, &job, end, remains, (&before, &after)).await
}

/// What is done to a kind that the store does not take.
pub(super) async fn refuses_the_kind(env: &StoreUnderTest, kind: &str, rows: &str) -> Result<(), String> {
    let before = env.state().await;
    let said = match env.submit(kind, rows, Limits::NONE).await {
        Ok(_) => return Err("the store does not take it, and took it".to_owned()),
        Err(error) => error.to_string(),
    };
    let (start, taken) = said.split_once("; what can is ").unwrap_or((&said, ""));
    let taken: Vec<&str> = taken.split(", ").collect();
    let is_named = start.starts_with(&format!("`{kind}` cannot be run against "));
    if !is_named || taken.iter().any(|kind| !env.takes(kind)) {
        return Err(format!("it is refused with `{said}`"));
    }
    check_same("refused, it changes", &changes(&before, &env.state().await), &[])
}

/// Taken back, and that taken back again.
async fn check_undo(
    env: &StoreUnderTest,
    job: &Job,
    end: &str,
    remains: &[&str],
    (before, after): (&[String], &[String]),
) -> Result<(), String> {
    let policy = tenantry_jobs::find(&job.kind).expect("a kind").policy();
    let undone = match env.undo(job).await {
        Err(error) => {
            let said = error.to_string();
            let is_right = match policy.undo {
                Undo::Nothing => said == format!("`{}` leaves nothing of its own to undo", job.kind),
                _ => job.counts.applied == 0 && said.ends_with("applied no row, so there is nothing to undo"),
            };
            return if is_right {
                Ok(())
            } else {
                Err(format!("its undo: {said}"))
            };
        }
        Ok(undone) => undone,
    };
    let ends = env.ends(&undone).await;
    let state = if end == "applied" { before } else { after };
    check_ends("undone, ", &ends, &vec![end; job.counts.applied as usize])?;
    check_same("undone, there remains", &changes(state, &env.state().await), remains)?;
    if end != "applied" {
        return Ok(());
    }
    let redone = env.undo(&undone).await.map_err(|error| format!("its redo: {error}"))?;
    let ends = env.ends(&redone).await;
    check_ends("done again, ", &ends, &vec!["applied"; job.counts.applied as usize])?;
    check_same("done again, there remains", &changes(after, &env.state().await), &[])
}

fn check_ends(when: &str, ends: &[String], expected: &[&str]) -> Result<(), String> {
    let is_as_expected = |(end, expected): (&String, &&str)| {
        let rest = end.strip_prefix(expected);
        // Of a code, all of it.
        rest.is_some_and(|rest| rest.is_empty() || expected.contains(' ') || rest.starts_with(' '))
    };
    let is_same = ends.len() == expected.len() && ends.iter().zip(expected).all(is_as_expected);
    if is_same {
        return Ok(());
    }
    Err(format!(
        "{when}rows end\n    {}\n  and not\n    {}",
        ends.join("\n    "),
        expected.join("\n    ")
    ))
}

fn check_same(what: &str, lines: &[String], expected: &[&str]) -> Result<(), String> {
    if lines == expected {
        return Ok(());
    }
    Err(format!(
        "{what}\n    {}\n  and not\n    {}",
        lines.join("\n    "),
        expected.join("\n    ")
    ))
}

/// Lines that went and lines that came.
pub(super) fn changes(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line));
    let come = after.iter().filter(|line| !before.contains(line));
    gone.map(|line| format!("- {line}"))
        .chain(come.map(|line| format!("+ {line}")))
        .collect()
}
