//! Output for people and programs.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::iter;
use std::sync::OnceLock;

use anstyle::AnsiColor;
use serde_json::json;
use tenantry_jobs::Subject;

pub(super) use super::eyes::printable;
use super::eyes::{self, ForEyes};
use super::when;
use crate::ledger::{BroughtBy, Counts, Job, JobState, Parameters};
use crate::plan::{FaultLog, PlanError, RowFault};
use crate::service::ServiceError;
use crate::store::Verdict;
use crate::submit::SubmitError;
use crate::summary::JobSummary;

/// Faults shown unless all are asked for.
pub(super) const SHOWN: u64 = 20;

/// Standard output, in larger pieces.
pub(super) type Out = io::BufWriter<ForEyes<io::Stdout>>;

/// Writes lines to standard output.
pub(super) fn out() -> Out {
    let stdout = io::stdout();
    let is_seen = stdout.is_terminal();
    io::BufWriter::with_capacity(64 * 1024, ForEyes::new(stdout, is_seen))
}

/// How wide the terminal is that standard output goes to; `None` if it goes elsewhere.
pub(super) fn width() -> Option<usize> {
    size().map(|(width, _)| width)
}

/// Columns and lines of that terminal.
pub(super) fn size() -> Option<(usize, usize)> {
    let stdout = io::stdout();
    let size = rustix::termios::tcgetwinsize(&stdout)
        .ok()
        .filter(|_| stdout.is_terminal())?;
    // A terminal that does not say is taken for the usual one.
    let or = |told: u16, usual: usize| if told == 0 { usual } else { told.into() };
    Some((or(size.ws_col, 80), or(size.ws_row, 24)))
}

/// Says one line on standard error.
pub(super) fn say(line: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{}", eyes::shown(&as_typed(line)));
}

/// Says what somebody may do next.
pub(super) fn hint(line: &str) {
    labelled("hint", AnsiColor::Cyan, line);
}

/// Says that something is not as it should be, though the command goes on.
pub(super) fn warn(line: &str) {
    labelled("warning", AnsiColor::Yellow, line);
}

/// The global options that say what a command works on, as they were given to this one, each with its value.
static GIVEN: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();

/// Commands that are told of from now on are given these options with their values, too.
pub(super) fn tell_with(options: Vec<(&'static str, String)>) {
    // The first ones stay; there is one command in a process.
    let _ = GIVEN.set(options);
}

/// A line with its commands as they have to be typed here.
pub(super) fn as_typed(line: &str) -> Cow<'_, str> {
    match GIVEN.get().map_or(&[][..], Vec::as_slice) {
        [] => line.into(),
        options => with_options(line, options).into(),
    }
}

/// Commands begin a line, or stand in backticks.
fn with_options(line: &str, options: &[(&str, String)]) -> String {
    let with = |text: &str| match text.strip_prefix("tenantry ") {
        // That one makes a configuration, and goes by none.
        Some(rest) if rest != "init" => {
            // One that repeats what was typed has them.
            let missing = options.iter().filter(|(option, _)| !text.contains(option));
            let missing = missing.flat_map(|(option, value)| [(*option).to_owned(), quoted(value)]);
            let words = iter::once("tenantry".to_owned()).chain(missing);
            words.chain([rest.to_owned()]).collect::<Vec<_>>().join(" ")
        }
        _ => text.to_owned(),
    };
    if line.starts_with("tenantry ") {
        return with(line);
    }
    let pieces = line.split('`').enumerate();
    let pieces = pieces.map(|(at, piece)| if at % 2 == 1 { with(piece) } else { piece.to_owned() });
    pieces.collect::<Vec<_>>().join("`")
}

/// A line of a kind that is told by its first word; in colour where a terminal shows it and `NO_COLOR` is not set.
fn labelled(label: &str, colour: AnsiColor, line: &str) {
    let style = colour.on_default().bold();
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(
        anstream::stderr().lock(),
        "{style}{label}:{style:#} {}",
        eyes::shown(&as_typed(line))
    );
}

/// An error, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Hinted {
    what: String,
    hint: String,
}

/// An error with a line of its own for what to do about it.
pub(super) fn hinted(what: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    let (what, hint) = (what.into(), hint.into());
    Hinted { what, hint }.into()
}

fn hint_of(error: &anyhow::Error) -> Option<&str> {
    let mut hints = error.chain().filter_map(|cause| cause.downcast_ref::<Hinted>());
    hints.next().map(|hinted| hinted.hint.as_str())
}

/// Tells of an error: what happened, then why, then what to do.
pub(super) fn complain(error: &anyhow::Error) {
    labelled("error", AnsiColor::Red, &format!("{error:#}"));
    if let Some(todo) = hint_of(error) {
        hint(todo);
    }
    if let Some(PlanError::Header { .. }) = plan_error(error) {
        for fault in file_faults(error) {
            say(&fault.to_string());
        }
    }
}

/// The same for programs, on standard output.
pub(super) fn complain_json(error: &anyhow::Error) {
    let _ = writeln!(io::stdout().lock(), "{}", error_document(error));
}

/// An error as programs read it.
pub(super) fn error_document(error: &anyhow::Error) -> serde_json::Value {
    let mut told = json!({ "error": format!("{error:#}"), "errors": file_faults(error) });
    if let Some(hint) = hint_of(error) {
        told["hint"] = json!(as_typed(hint));
    }
    told
}

/// What is wrong with a file as a whole.
fn file_faults(error: &anyhow::Error) -> Vec<RowFault> {
    match plan_error(error) {
        Some(PlanError::Header {
            file,
            sheet,
            line,
            problems,
            ..
        }) => {
            let faults = problems.iter().cloned();
            faults
                .map(|problem| RowFault::of_header(file, sheet.as_deref(), *line, problem))
                .collect()
        }
        Some(PlanError::Input(error)) => vec![RowFault::of_file(error)],
        _ => Vec::new(),
    }
}

/// What was wrong with the file, or with planning it, if that was it.
pub(super) fn plan_error(error: &anyhow::Error) -> Option<&PlanError> {
    error
        .downcast_ref::<PlanError>()
        .or_else(|| match error.downcast_ref::<ServiceError>() {
            Some(ServiceError::Submit(SubmitError::Plan(plan))) => Some(plan),
            _ => None,
        })
}

/// Whether the error is that nobody reads standard output any more.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Prints faults as text: the first ones, or all, and how many there are of each code.
pub(super) fn faults(out: &mut dyn Write, faults: &mut FaultLog, all: bool) -> io::Result<()> {
    let limit = if all { u64::MAX } else { SHOWN };
    faults.each(limit, &mut |fault| writeln!(out, "{fault}"))?;
    if faults.len() > limit {
        writeln!(out, "… and {} more; --all shows them", faults.len() - limit)?;
    }
    let codes: Vec<String> = faults
        .by_code()
        .iter()
        .map(|(code, count)| format!("{code} {count}"))
        .collect();
    writeln!(out, "{}: {}", counted(faults.len(), "fault"), codes.join(", "))
}

/// What a plan does to whom: `delete ben@nord.example`, `create Nord AB (nord.example, SE)`.
pub(super) fn planned_action(kind: &str, verdict: &Verdict, subject: Option<&Subject>) -> String {
    let action = match verdict {
        Verdict::Create | Verdict::Change(_) => tenantry_jobs::verb(kind),
        Verdict::Unchanged | Verdict::Reject(_) => None,
    };
    let action = action.unwrap_or(verdict.action());
    subject.map_or(action.to_owned(), |subject| format!("{action} {subject}"))
}

/// A hash cut to what tells it apart; `--json` has it whole.
pub(super) fn short_hash(hash: &str) -> String {
    let short: String = hash.chars().take(12).collect();
    format!("{short}…")
}

/// `1 row`, `2 rows`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// One job for people.
pub(super) fn summary(out: &mut dyn Write, job: &JobSummary) -> io::Result<()> {
    writeln!(out, "job       {}", job.job)?;
    writeln!(out, "kind      {}", job.kind)?;
    writeln!(out, "state     {}", job.state.as_str())?;
    let waiting = match job.waiting {
        0 => String::new(),
        waiting => format!(", {waiting} waiting"),
    };
    writeln!(out, "rows      {}{waiting}", counts(&job.counts))?;
    if let Some(what) = &job.waits_for {
        let others = match job.waiting {
            0 | 1 => String::new(),
            waiting => format!(" (and {} more)", counted(waiting - 1, "row")),
        };
        writeln!(out, "waits     {}{others}", printable(what))?;
    }
    if let Some(at) = job.next_look.as_ref().filter(|_| job.waiting == 0) {
        writeln!(out, "begins    at {}", when::second_of(at))?;
    } else if let Some(at) = &job.next_look {
        let apply = format!("`tenantry apply {}`", job.job);
        writeln!(
            out,
            "look      from {} on, by a worker or with {}",
            when::second_of(at),
            as_typed(&apply)
        )?;
    }
    if let Some(undone) = &job.undo_of {
        writeln!(out, "undoes    {undone}")?;
    }
    writeln!(
        out,
        "input     {} ({}, sha256 {})",
        printable(&job.input.name),
        counted(job.input.rows, "row"),
        short_hash(&job.input.sha256)
    )?;
    for note in &job.input.notes {
        writeln!(out, "note      {}", printable(note))?;
    }
    let via = match job.submitted_via.as_deref() {
        Some("inbox") => ", as a document of the inbox says".to_owned(),
        Some(way) => format!(" via {}", printable(way)),
        None => String::new(),
    };
    writeln!(
        out,
        "submitted {} by {}{via}",
        when::second_of(&job.created_at),
        printable(&job.submitted_by)
    )?;
    match &job.origin {
        Some(BroughtBy::Drop(origin)) => {
            let (folder, file) = (&origin.folder, printable(&origin.file));
            writeln!(out, "from      folder {folder}, {file} ({})", origin.drop)?;
            if let Some(corrects) = &origin.corrects {
                writeln!(out, "corrects  job {corrects}")?;
            }
        }
        Some(BroughtBy::Fire(origin)) => {
            let by = origin
                .asked_by
                .as_ref()
                .map_or_else(String::new, |by| format!(" by {}", printable(by)));
            let (schedule, due) = (&origin.schedule, &origin.due);
            writeln!(out, "from      schedule {schedule}, due {due} ({}{by})", origin.cause)?;
        }
        None => {}
    }
    if let Some(started) = &job.started_at {
        writeln!(out, "started   {}", when::second_of(started))?;
    }
    if let Some(finished) = &job.finished_at {
        writeln!(out, "finished  {}", when::second_of(finished))?;
    }
    if let Some(message) = &job.message {
        writeln!(out, "message   {}", printable(message))?;
    }
    if let Some(approval) = &job.approval {
        for reason in &approval.reasons {
            writeln!(out, "approval  {}", printable(reason))?;
        }
        match &approval.decided_by {
            Some(who) => writeln!(out, "decided   by {}", printable(who))?,
            None if job.state == JobState::AwaitingApproval => {
                for term in terms(&job.parameters) {
                    writeln!(out, "terms     {term}")?;
                }
                writeln!(out, "plan      {}", approval.hash)?;
                if let Some(until) = &approval.until {
                    writeln!(out, "until     {}", when::second_of(until))?;
                }
            }
            None => {}
        }
    }
    if let Some(undo) = &job.undo {
        writeln!(out, "undo      {}", printable(undo))?;
    }
    for (name, path) in [
        ("results", &job.results),
        ("rejects", &job.rejects),
        ("receipt", &job.receipt),
    ] {
        if let Some(path) = path {
            writeln!(out, "{name:<9} {}", printable(path))?;
        }
    }
    for file in &job.files {
        writeln!(out, "file      {file}")?;
    }
    Ok(())
}

/// What is the same for every row of a job and concerns the approver, a phrase each.
pub(super) fn terms(parameters: &Parameters) -> Vec<String> {
    let mut terms = Vec::new();
    if let Some(customer) = &parameters.customer {
        terms.push(format!("customer of all rows: {}", printable(customer)));
    }
    if let Some(store) = &parameters.store {
        terms.push(format!("carried out in the store {}", printable(store)));
    }
    if parameters.skip_invalid {
        terms.push("rows with faults are left out".to_owned());
    }
    if parameters.ignore_not_kept {
        terms.push("columns that the store does not keep are left out".to_owned());
    }
    for recipient in &parameters.seal_to {
        let recipient = printable(recipient);
        terms.push(if parameters.in_the_clear {
            format!("passwords go to the command of the submitter, which writes them in the clear ({recipient})")
        } else {
            format!("passwords are sealed to {recipient}")
        });
    }
    if parameters.reply_rows {
        terms.push("its sender is told every row that was not applied".to_owned());
    }
    terms
}

/// What an approval takes besides, as not every hint knows whether there are keys.
pub(super) const WITH_KEY: &str = "with --key FILE where approvers' keys are enrolled";

/// What somebody has to do now that a job is as it is; `None` where nobody has.
pub(super) fn next(job: &Job, summary: &JobSummary) -> Option<String> {
    let id = job.id;
    if let Some(approval) = summary
        .approval
        .as_ref()
        .filter(|_| job.state == JobState::AwaitingApproval)
    {
        return Some(format!(
            "review it with `tenantry plan {id}`, then have another person than {} run `tenantry approve {id} --hash {} --by NAME` ({WITH_KEY})",
            printable(&job.submitted_by),
            approval.hash
        ));
    }
    if matches!(job.state, JobState::Queued | JobState::Retryable) {
        return Some(format!("a worker does it, or `tenantry apply {id}` here"));
    }
    if job.state == JobState::Paused {
        return Some(format!("tenantry resume {id}"));
    }
    if job.waiting > 0 && !job.state.is_final() {
        let rows = counted(job.waiting, "row");
        let (wait, them) = if job.waiting == 1 {
            ("waits", "it")
        } else {
            ("wait", "them")
        };
        // A database hears of the other partner only from its operator.
        let told = match job.parameters.store {
            None if job.kind == "switch-subscription" => {
                ", once what the other partner did is recorded with `tenantry transfer accepted SUBSCRIPTION` or `declined SUBSCRIPTION`"
            }
            _ => "",
        };
        return Some(format!(
            "{rows} {wait} for a partner or a service; a worker looks at {them} again, or `tenantry apply {id}`{told}"
        ));
    }
    let mut next = Vec::new();
    if job.counts.rejected > 0 && job.undo_of.is_none() && job.state.is_final() {
        let file = match &summary.rejects {
            Some(rejects) => quoted(rejects),
            None => format!("what `tenantry rejects {id}` prints"),
        };
        next.push(format!("fix the rows in {file}, then run `{}` on that file", job.kind));
    }
    if job.counts.failed > 0 && job.state.is_final() {
        next.push(format!("`tenantry retry {id}` tries the rows that failed again"));
    }
    (!next.is_empty()).then(|| next.join("; "))
}

/// An argument as a shell takes it.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:@,+".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// `950 applied, 50 rejected of 1000`.
pub(super) fn counts(counts: &Counts) -> String {
    let named = [
        (counts.applied, "applied"),
        (counts.unchanged, "unchanged"),
        (counts.rejected, "rejected"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ];
    let said: Vec<String> = named
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    let said = if said.is_empty() {
        "none done".to_owned()
    } else {
        said.join(", ")
    };
    format!("{said} of {}", counts.total)
}

/// The end a job's counts and state stand for.
pub(super) fn end_of(state: JobState, counts: &Counts) -> super::CommandEnd {
    match state {
        JobState::Completed | JobState::Failed if counts.rejected + counts.failed > 0 => super::CommandEnd::SomeRowsNot,
        JobState::Completed => super::CommandEnd::Fine,
        _ => super::CommandEnd::Unfinished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_with_the_options_that_were_given() {
        let options = [
            ("--config", "my own.toml".to_owned()),
            ("--ledger", "sqlite:x.db".to_owned()),
        ];
        let with = |line| with_options(line, &options);
        let typed = "tenantry --config 'my own.toml' --ledger sqlite:x.db";
        assert_eq!(
            with("name it with --ledger; `tenantry wait 1`, then `tenantry show 1`"),
            format!("name it with --ledger; `{typed} wait 1`, then `{typed} show 1`")
        );
        assert_eq!(with("tenantry undo 1"), format!("{typed} undo 1"));
        let given = "tenantry --ledger=sqlite:x.db run `x` --config 'my own.toml'";
        assert_eq!(with(given), given);
        assert_eq!(
            with("tenantry run x --config=y"),
            "tenantry --ledger sqlite:x.db run x --config=y"
        );
        for same in [
            "see `tenantry.toml`",
            "`tenantry init`",
            "a tenantry x",
            "an odd ` tenantry x",
        ] {
            assert_eq!(with(same), same);
        }
    }
}
