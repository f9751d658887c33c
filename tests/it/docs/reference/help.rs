//! Commands and options, from the definition of the command line.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

/// One section per command, in the order of `--help`.
pub(super) fn commands() -> String {
    let mut text = String::new();
    let mut definition = tenantry::testing::cli::definition();
    definition.build();
    text.push_str("## Options of every command\n\n");
    let global: Vec<&Arg> = definition.get_arguments().filter(|arg| arg.is_global_set()).collect();
    options(&mut text, &global);
    for command in definition.get_subcommands().filter(|command| !is_help(command)) {
        section(&mut text, command, "tenantry", 2);
    }
    text
}

fn is_help(command: &Command) -> bool {
    command.get_name() == "help" || command.is_hide_set()
}

fn section(text: &mut String, command: &Command, parent: &str, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(text, "{} {name}\n\n{about}.\n\n", "#".repeat(level));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().replace("\n       ", "\n");
    let _ = write!(text, "```text\n{usage}\n```\n\n");
    let is_own =
        |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let own: Vec<&Arg> = command.get_arguments().filter(is_own).collect();
    options(text, &own);
    if let Some(after) = command.get_after_help() {
        after_help(text, &after.to_string());
    }
    for inner in command.get_subcommands().filter(|command| !is_help(command)) {
        section(text, inner, &name, level + 1);
    }
}

/// Examples as a block of their own, whose commands are tested like those of every page; then what else there is to say.
fn after_help(text: &mut String, after: &str) {
    let (examples, more) = match after.trim().strip_prefix("Examples:\n") {
        Some(after) => after.split_once("\n\n").unwrap_or((after, "")),
        None => ("", after),
    };
    if !examples.is_empty() {
        text.push_str("```sh\n");
        for line in examples.lines() {
            let _ = writeln!(text, "{}", line.trim_start_matches("  "));
        }
        text.push_str("```\n\n");
    }
    for paragraph in more.trim().split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        let _ = write!(text, "{}\n\n", paragraph.trim());
    }
}

fn options(text: &mut String, args: &[&Arg]) {
    if args.is_empty() {
        return;
    }
    text.push_str("| option | meaning |\n|---|---|\n");
    for arg in args {
        let _ = writeln!(text, "| `{}` | {} |", written(arg).replace('|', "\\|"), meaning(arg));
    }
    text.push('\n');
}

/// The option with its value, as it is typed.
fn written(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value: String = names.iter().map(|name| format!(" <{name}>")).collect();
    match (arg.get_long(), arg.get_short()) {
        (Some(long), _) if takes_value => format!("--{long}{value}"),
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}{value}"),
        (None, None) => value.trim().to_owned(),
    }
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut meaning = super::cell(&help);
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    let default = defaults.join(" ");
    let is_shown = !arg.is_hide_default_value_set() && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    match default.as_str() {
        "" => {}
        _ if !is_shown => {}
        // The account's name, which differs from machine to machine.
        _ if arg.get_id() == "by" => meaning.push_str("; your account's name by default"),
        default => {
            let _ = write!(meaning, "; `{default}` by default");
        }
    }
    if let Some(name) = arg.get_env() {
        let _ = write!(meaning, "; or the environment variable `{}`", name.to_string_lossy());
    }
    if arg.is_hide_possible_values_set() {
        return meaning;
    }
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !choices.is_empty() && !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse) {
        let _ = write!(meaning, "; one of {}", choices.join(", "));
    }
    meaning
}
