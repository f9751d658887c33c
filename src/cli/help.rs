//! Help besides options: commands in groups, examples, and the columns of a kind.

mod examples;

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Command;
use clap::builder::{StyledStr, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use tenantry_jobs::{JobKind, clip};

use super::output;
use super::text_table::wrapped;

/// Commands by what they are for. Every command is in one of the groups.
const GROUPS: &[(&str, &[&str])] = &[
    ("Run jobs", &["run", "plan", "apply", "submit", "wait", "worker"]),
    (
        "Look at jobs",
        &["jobs", "show", "report", "rows", "results", "rejects", "reveal"],
    ),
    (
        "Decide about jobs",
        &[
            "approve", "reject", "pause", "resume", "cancel", "retry", "undo", "transfer",
        ],
    ),
    ("Look at customers", &["customers", "users", "subscriptions"]),
    ("Automation", &["schedules", "folders", "workers"]),
    ("Control", &["policy", "approvers", "audit"]),
    (
        "Set up and maintain",
        &["init", "doctor", "migrate", "backup", "keygen", "sandbox"],
    ),
    ("Reference", &["kinds", "template", "completions", "man", "help"]),
];

/// Commands whose first argument is a kind.
const OF_A_KIND: [&str; 3] = ["run", "plan", "submit"];

/// How wide help is where no terminal says.
const USUAL_WIDTH: usize = 100;

/// The definition with groups and examples.
pub(super) fn completed(definition: Command) -> Command {
    let groups = grouped(&definition);
    let definition = definition.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n{}\n{{options}}{{after-help}}",
        heading("Global options")
    ));
    with_examples(definition, "")
}

fn heading(text: &str) -> String {
    let style = Styles::default();
    let header = style.get_header();
    format!("{header}{text}:{header:#}")
}

/// The groups with a line for each command.
fn grouped(definition: &Command) -> String {
    let mut text = String::new();
    let styles = Styles::default();
    let literal = styles.get_literal();
    for (title, commands) in GROUPS {
        let _ = write!(text, "\n{}\n", heading(title));
        for name in *commands {
            let about = match definition.find_subcommand(name) {
                Some(command) => command.get_about().map(ToString::to_string).unwrap_or_default(),
                None if *name == "help" => "Print this help, or that of a command".to_owned(),
                // A build may leave a command out.
                None => continue,
            };
            let _ = writeln!(text, "  {literal}{name:<13}{literal:#}  {about}");
        }
    }
    text
}

/// The command with its examples, and so with all commands below it.
fn with_examples(command: Command, path: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|inner| inner.get_name().to_owned())
        .collect();
    let mut command = command;
    for name in names {
        let path = format!("{path} {name}").trim_start().to_owned();
        command = command.mut_subcommand(&name, |inner| with_examples(inner, &path));
    }
    let Some(examples) = examples::of(path) else {
        return command;
    };
    let mut text = String::new();
    let _ = write!(text, "{}", heading("Examples"));
    for line in examples.lines() {
        let _ = write!(text, "\n  {line}");
    }
    if OF_A_KIND.contains(&path) {
        let _ = write!(text, "\n\n`tenantry {path} KIND --help` lists the columns of a kind.");
    }
    if let Some(before) = command.get_after_help() {
        let _ = write!(text, "\n\n{}", before.ansi());
    }
    command.after_help(StyledStr::from(text))
}

/// A fault of the command line, with the tip that helps: not to take an unknown option for a file, and that one row needs no file.
pub(super) fn with_tip(mut error: clap::Error) -> clap::Error {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, _) => drop(error.remove(ContextKind::Suggested)),
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing)))
            if missing.iter().any(|missing| missing == "<FILE>...") =>
        {
            let tip = match typed_as_kind() {
                Some(file) => format!(
                    "`{}` was taken for the kind, which comes before the file; `tenantry kinds` lists them",
                    clip(&file)
                ),
                None => "a job of one row needs no file: give its cells with --set COLUMN=VALUE".to_owned(),
            };
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        }
        _ => {}
    }
    error
}

/// The file that was typed where a kind belongs, if the last word is one.
fn typed_as_kind() -> Option<String> {
    let last = std::env::args_os().next_back()?;
    let is_kind = last.to_str().is_some_and(|word| tenantry_jobs::find(word).is_ok());
    (!is_kind && std::path::Path::new(&last).is_file()).then(|| last.to_string_lossy().into_owned())
}

/// With the columns of a kind, where the help of a command is asked for that works on one and a kind is named.
pub(super) fn with_columns(definition: Command, typed: &[OsString]) -> Command {
    let typed: Vec<&str> = typed.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let is_asked = typed.iter().any(|word| matches!(*word, "--help" | "-h"));
    let place = typed.iter().position(|word| OF_A_KIND.contains(word));
    let Some(at) = place.filter(|_| is_asked) else {
        return definition;
    };
    let named = typed[at + 1..].iter().find_map(|word| tenantry_jobs::find(word).ok());
    match named {
        Some(kind) => definition.mut_subcommand(typed[at], |command| {
            let after = command.get_after_help().map(|after| after.ansi().to_string());
            let columns = columns(kind, output::width().unwrap_or(USUAL_WIDTH).min(USUAL_WIDTH));
            command.after_help(StyledStr::from(format!("{columns}\n{}", after.unwrap_or_default())))
        }),
        None => definition,
    }
}

/// The columns of a kind, with what belongs into each.
fn columns(kind: &dyn JobKind, width: usize) -> String {
    let mut text = format!("{} (* is required)\n", heading(&format!("Columns of {}", kind.kind())));
    let longest = kind.columns().iter().map(|column| column.name.len()).max().unwrap_or(0);
    let room = width.saturating_sub(longest + 6).max(20);
    for column in kind.columns() {
        let mark = if column.required { '*' } else { ' ' };
        let mut name = column.name;
        for line in wrapped(column.about, room) {
            let _ = writeln!(
                text,
                "  {name:<longest$} {} {line}",
                if name.is_empty() { ' ' } else { mark }
            );
            name = "";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command, by the words that name it.
    fn all(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
            all(inner, &path, found);
            found.push((path, inner.clone()));
        }
    }

    #[test]
    fn every_command_is_in_one_group_in_that_order() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, commands)| *commands).copied().collect();
        let definition = super::super::definition();
        let commands = definition.get_subcommands().map(Command::get_name);
        let commands: Vec<&str> = commands.chain(["help"]).collect();
        assert_eq!(commands, grouped);
    }

    #[test]
    fn a_line_about_a_command_fits_a_terminal() {
        let help = super::super::definition().render_help().to_string();
        for line in help
            .lines()
            .filter(|line| line.starts_with("  ") && !line.contains("--"))
        {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn every_command_has_examples() {
        let mut found = Vec::new();
        let definition = super::super::definition();
        all(&definition, "", &mut found);
        assert!(found.len() > 50);
        for (path, command) in found {
            let is_group = command.get_subcommands().next().is_some() && command.is_subcommand_required_set();
            if is_group {
                continue;
            }
            let examples = examples::of(&path).unwrap_or_else(|| panic!("`{path}` has no examples"));
            let lines: Vec<&str> = examples.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(!lines.is_empty(), "{path}");
            for line in examples.lines() {
                assert!(line.chars().count() <= 78, "{line}");
            }
            let own = format!("tenantry {path}");
            assert!(
                lines.iter().any(|line| line.contains(&own)),
                "`{path}` is in none of its examples"
            );
        }
    }
}
