//! The command line: what was typed becomes a call into the library, and what comes back is printed.
//!
//! Exit codes: 0, every row applied or unchanged; 1, some rows rejected or failed; 2, the job did not run to
//! its end, or the command was invalid. Results go to standard output, everything else to standard error.

mod apply;
mod approvers;
mod audit;
mod backup;
mod customers;
mod decide;
mod destination;
mod doctor;
mod eyes;
mod folders;
mod generate;
mod help;
mod init;
mod input;
mod inspect;
mod jobs;
mod keygen;
mod kinds;
mod migrate;
mod outcome;
mod output;
mod passwords;
mod plan;
mod policy;
mod progress;
mod report;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schedules;
mod several;
mod signing;
mod submit;
mod text_table;
mod text_width;
mod transfer;
mod undo;
mod wait;
mod when;
mod worker;
mod workers;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tenantry_jobs::{JobKind, did_you_mean};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Config;
use crate::delivery::MayHold;
use crate::ledger::person::{self, NotAName};
use crate::ledger::{Actor, Parameters, Via};
use crate::plan::PIPED;
use crate::tasks;
use input::InputArgs;
use passwords::PasswordArgs;

/// Batch worker for the customer accounts of cloud resellers.
#[derive(Debug, Parser)]
#[command(name = "tenantry", version, about, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 all rows applied or unchanged; 1 some rows rejected or failed; 2 the job did \
                        not run to its end, or invalid usage."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Configuration file (TOML); every key has a default
    #[arg(long, global = true, env = "TENANTRY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ledger and store: sqlite:PATH or postgres://…
    #[arg(long, global = true, value_name = "URL")]
    ledger: Option<String>,
    /// Queue: embedded, redis://… or rediss://…
    #[arg(long, global = true, value_name = "URL")]
    queue: Option<String>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Show times in UTC instead of the local time zone; --json always does
    #[arg(long, global = true)]
    utc: bool,
    /// Log level for standard error: error, warn, info, debug, trace, or a filter
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
}

impl Global {
    /// The options that the next command has to be given again. A url that may hold a password is not repeated.
    fn to_repeat(&self) -> Vec<(&'static str, String)> {
        let from_environment = std::env::var_os("TENANTRY_CONFIG").map(PathBuf::from);
        let config = self
            .config
            .as_ref()
            .filter(|path| Some(*path) != from_environment.as_ref());
        let config = config.map(|path| ("--config", path.display().to_string()));
        let without_secret = |url: &&String| !url.contains('@') && !url.contains("password");
        let ledger = self.ledger.as_ref().filter(without_secret);
        let queue = self.queue.as_ref().filter(without_secret);
        let urls = [("--ledger", ledger), ("--queue", queue)];
        let urls = urls
            .into_iter()
            .filter_map(|(option, url)| Some((option, url?.clone())));
        config.into_iter().chain(urls).collect()
    }
}

/// In the groups of [`help`], which is the order of `--help`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Check files, apply them here and write their results
    Run(run::RunArgs),
    /// Show row by row what a file or a waiting job would do
    Plan(plan::PlanArgs),
    /// Apply a plan that `plan --out` wrote, or continue a job
    Apply(apply::ApplyArgs),
    /// Check files and queue them for the workers
    Submit(submit::SubmitArgs),
    /// Wait until jobs have ended or need a decision
    Wait(wait::WaitArgs),
    /// Work on queued jobs until stopped
    Worker(worker::WorkerArgs),
    /// List jobs, newest first
    Jobs(jobs::JobsArgs),
    /// Show one job
    Show(inspect::OneJobArgs),
    /// Summarize a job and its errors, as text or an HTML page
    Report(report::ReportArgs),
    /// List the rows of a job and their outcomes
    Rows(inspect::RowsArgs),
    /// Print the rows of a job with their outcomes as CSV
    Results(inspect::ResultsArgs),
    /// Print the rejected and failed rows of a job as CSV, to fix
    Rejects(inspect::RejectsArgs),
    /// Decrypt the passwords that a job handed out
    Reveal(passwords::RevealArgs),
    /// Approve a job that awaits approval
    Approve(decide::ApproveArgs),
    /// Reject a job that awaits approval
    Reject(decide::RejectArgs),
    /// Pause a job; chunks in progress finish
    Pause(decide::DecideArgs),
    /// Resume a paused job
    Resume(decide::DecideArgs),
    /// Cancel a job; finished rows stay finished
    Cancel(inspect::AskedArgs),
    /// Queue the failed and cancelled rows of a job again
    Retry(inspect::AskedArgs),
    /// Revert a job row by row, as far as that is possible
    Undo(undo::UndoArgs),
    /// Record what the other partner of a transfer did (SQL stores)
    Transfer(transfer::TransferArgs),
    /// List customers
    Customers(customers::CustomersArgs),
    /// List users of customers
    Users(customers::UsersArgs),
    /// List subscriptions of customers
    Subscriptions(customers::SubscriptionsArgs),
    /// List schedules, show when they are due, and change them
    Schedules(schedules::SchedulesArgs),
    /// List drop folders and their files, and release held folders
    Folders(folders::FoldersArgs),
    /// List workers, and those that were lost
    Workers,
    /// Show what needs approval and the limits, or change them
    Policy(policy::PolicyArgs),
    /// List the keys whose signatures approve; add or revoke them
    Approvers(approvers::ApproversArgs),
    /// Show, verify or export the audit record: who did what
    Audit(audit::AuditArgs),
    /// Make a configuration, a ledger and a key pair to begin with
    Init(init::InitArgs),
    /// Check configuration and connections, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Create the ledger, or bring its schema up to date
    Migrate,
    /// Copy an SQLite ledger consistently, while workers go on
    Backup(backup::BackupArgs),
    /// Make a key pair for sealed passwords
    Keygen(keygen::KeygenArgs),
    #[cfg(feature = "sandbox")]
    /// Serve a local stand-in for Partner Center
    #[cfg(feature = "sandbox")]
    Sandbox(Box<sandbox::SandboxArgs>),
    /// List the kinds of jobs
    Kinds,
    /// Print a CSV file of a kind to start from
    Template(kinds::TemplateArgs),
    /// Print a shell completion script
    Completions(generate::CompletionsArgs),
    /// Print the manual page, or write one per command
    Man(generate::ManArgs),
}

/// What a submission has besides its file.
#[derive(Debug, Args)]
struct SubmissionArgs {
    /// The customer of all rows, for a file without a `customer` column
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// Apply the valid rows of a file; invalid ones are recorded as rejected
    #[arg(long)]
    skip_invalid: bool,
    /// Leave out columns that the store does not keep, such as job titles at Partner Center [default: as configured]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ignore_not_kept: Option<bool>,
    /// A key of your own: submitting with the same key again is the same job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = user(), value_parser = actor)]
    by: Actor,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    passwords: PasswordArgs,
}

impl SubmissionArgs {
    fn parameters(&self) -> Parameters {
        Parameters {
            store: None,
            customer: self.customer.clone(),
            skip_invalid: self.skip_invalid,
            ignore_not_kept: self.ignore_not_kept.unwrap_or(false),
            seal_to: Vec::new(),
            in_the_clear: false,
            reply_rows: false,
            checks_customer: false,
        }
    }

    /// Whose results may be where those of its job are to go. With a key it may be a job that there is already.
    fn may_hold(&self) -> MayHold {
        match self.idempotency_key {
            Some(_) => MayHold::Any,
            None => MayHold::Nothing,
        }
    }
}

/// How a command ended, short of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CommandEnd {
    Fine,
    SomeRowsNot,
    Unfinished,
}

impl From<CommandEnd> for ExitCode {
    fn from(end: CommandEnd) -> Self {
        ExitCode::from(match end {
            CommandEnd::Fine => 0,
            CommandEnd::SomeRowsNot => 1,
            CommandEnd::Unfinished => 2,
        })
    }
}

/// How long the process waits for threads that are still at work when the command has ended.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// The definition of the command line.
pub(crate) fn definition() -> clap::Command {
    help::completed(Cli::command())
}

/// What was typed. Help and what is wrong with it end the process.
fn parsed() -> Cli {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let mut definition = help::with_columns(definition(), &typed);
    let matches = definition.clone().try_get_matches_from(typed);
    matches
        .and_then(|matches| Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut definition)))
        .unwrap_or_else(|error| eyes::printable_error(help::with_tip(error)).exit())
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    crate::modes::keep_to_owner();
    crate::modes::leave_no_core();
    let cli = parsed();
    let json = cli.global.json;
    when::show_in_utc(cli.global.utc);
    // What it makes may be just what a faulty configuration lacks.
    if let Command::Keygen(args) = &cli.command {
        return ended(keygen::keygen(args, json), json);
    }
    // What only the definition of the command line is needed for.
    match &cli.command {
        Command::Completions(args) => return ended(generate::completions(args), json),
        Command::Man(args) => return ended(generate::man(args), json),
        _ => {}
    }
    // So may what is asked about a line that is to go into one.
    if let Command::Schedules(args) = &cli.command
        && let Some(end) = args.explained(json)
    {
        return ended(end, json);
    }
    output::tell_with(cli.global.to_repeat());
    let config = match cli.command {
        // It makes a configuration of its own, whatever there is.
        Command::Init(_) => Config::from_layers(None, std::iter::empty(), Vec::new()).map_err(Into::into),
        _ => load_config(&cli),
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            output::complain(&error);
            return ExitCode::from(2);
        }
    };
    crate::modes::allow(config.results.mode);
    let usual = if matches!(cli.command, Command::Worker(_)) {
        "info"
    } else {
        "warn"
    };
    crate::telemetry::init(&config.log, usual);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&anyhow::Error::from(error).context("no threads can be started"));
            return ExitCode::from(2);
        }
    };
    let end = runtime.block_on(dispatch(cli, config));
    // Nobody waits any more for what is still read somewhere, so neither does the process.
    runtime.shutdown_timeout(LAST_PATIENCE);
    ended(end, json)
}

/// Tells of an error, and gives the exit code.
fn ended(end: anyhow::Result<CommandEnd>, json: bool) -> ExitCode {
    match end {
        Ok(end) => end.into(),
        // A reader that has seen enough, such as `head`, is no failure of ours.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if json {
                output::complain_json(&error);
            }
            output::complain(&error);
            ExitCode::from(2)
        }
    }
}

async fn dispatch(cli: Cli, config: Config) -> anyhow::Result<CommandEnd> {
    let json = cli.global.json;
    let flags = flags(&cli);
    match cli.command {
        Command::Init(args) => init::init(&args, cli.global.ledger.as_deref(), flags, json).await,
        Command::Keygen(args) => keygen::keygen(&args, json),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
        Command::Wait(args) => on_ledger(config, async |app| wait::wait(&args, app, json).await).await,
        Command::Customers(args) => on_ledger(config, async |app| customers::customers(&args, app, json).await).await,
        Command::Users(args) => on_ledger(config, async |app| customers::users(&args, app, json).await).await,
        Command::Subscriptions(args) => {
            on_ledger(config, async |app| customers::subscriptions(&args, app, json).await).await
        }
        Command::Kinds => kinds::kinds(json),
        Command::Migrate => migrate::migrate(&config, json).await,
        Command::Backup(args) => backup::backup(&args, &config, json).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::sandbox(*args, json).await,
        Command::Template(args) => kinds::template(&args, &config),
        Command::Doctor(args) => doctor::doctor(&args, &config, json).await,
        Command::Plan(args) if args.is_job() => {
            on_ledger(config, async |app| plan::of_job(&args, app, json).await).await
        }
        Command::Plan(args) => plan::plan(&args, &config, json).await,
        Command::Run(args) => {
            until_stopped(config, CommandEnd::Unfinished, async |app| {
                run::run(&args, app, json).await
            })
            .await
        }
        Command::Apply(args) => {
            until_stopped(config, CommandEnd::Unfinished, async |app| {
                apply::apply(&args, app, json).await
            })
            .await
        }
        Command::Undo(args) => {
            until_stopped(config, CommandEnd::Unfinished, async |app| {
                Box::pin(undo::undo(&args, app, json)).await
            })
            .await
        }
        Command::Reveal(args) => on_ledger(config, async |app| passwords::reveal(&args, app).await).await,
        Command::Approve(args) => on_ledger(config, async |app| decide::approve(&args, app, json).await).await,
        Command::Reject(args) => on_ledger(config, async |app| decide::reject(&args, app, json).await).await,
        Command::Pause(args) => on_ledger(config, async |app| decide::pause(&args, app, json).await).await,
        Command::Resume(args) => on_ledger(config, async |app| decide::resume(&args, app, json).await).await,
        Command::Submit(args) => {
            until_stopped(config, CommandEnd::Unfinished, async |app| {
                submit::submit(&args, app, json).await
            })
            .await
        }
        Command::Worker(args) => {
            until_stopped(config, CommandEnd::Fine, async |app| worker::worker(&args, app).await).await
        }
        Command::Schedules(args) => {
            on_new_ledger(config, async |app| schedules::schedules(args, app, json).await).await
        }
        Command::Folders(args) => {
            until_stopped(config, CommandEnd::Unfinished, async |app| {
                folders::folders(&args, app, json).await
            })
            .await
        }
        Command::Workers => on_ledger(config, async |app| workers::workers(app, json).await).await,
        Command::Jobs(args) => on_ledger(config, async |app| jobs::jobs(args, app, json).await).await,
        Command::Show(args) => on_ledger(config, async |app| inspect::show(&args, app, json).await).await,
        Command::Report(args) => on_ledger(config, async |app| report::report(&args, app, json).await).await,
        Command::Rows(args) => on_ledger(config, async |app| inspect::rows(&args, app, json).await).await,
        Command::Results(args) => on_ledger(config, async |app| inspect::results(&args, app, json).await).await,
        Command::Rejects(args) => on_ledger(config, async |app| inspect::rejects(&args, app).await).await,
        Command::Cancel(args) => on_ledger(config, async |app| inspect::cancel(&args, app, json).await).await,
        Command::Approvers(args) if args.decides() => {
            on_new_ledger(config, async |app| approvers::approvers(&args, app, json).await).await
        }
        Command::Approvers(args) => on_ledger(config, async |app| approvers::approvers(&args, app, json).await).await,
        Command::Policy(args) if args.decides() => {
            on_new_ledger(config, async |app| policy::policy(&args, app, json).await).await
        }
        Command::Policy(args) => on_ledger(config, async |app| policy::policy(&args, app, json).await).await,
        Command::Audit(args) => audit::audit(args, config, json).await,
        Command::Transfer(args) => on_ledger(config, async |app| transfer::transfer(args, app, json).await).await,
        Command::Retry(args) => on_ledger(config, async |app| inspect::retry(&args, app, json).await).await,
    }
}

/// Runs a command on a ledger that is there, and closes it whatever comes of that: between commands an SQLite ledger is one
/// file with everything in it.
async fn on_ledger(
    config: Config,
    command: impl AsyncFnOnce(&App) -> anyhow::Result<CommandEnd>,
) -> anyhow::Result<CommandEnd> {
    over(App::open_existing(config).await?, command).await
}

/// As [`on_ledger`] for a command that may come before all others: where there is no ledger, one is set up.
async fn on_new_ledger(
    config: Config,
    command: impl AsyncFnOnce(&App) -> anyhow::Result<CommandEnd>,
) -> anyhow::Result<CommandEnd> {
    over(App::open(config).await?, command).await
}

async fn over(app: App, command: impl AsyncFnOnce(&App) -> anyhow::Result<CommandEnd>) -> anyhow::Result<CommandEnd> {
    let end = Box::pin(command(&app)).await;
    app.service.close().await;
    end
}

/// As [`on_new_ledger`] for a command that can be asked to stop, which it can be from the beginning: a ledger that is away is
/// waited for. `end` is how it ends then.
async fn until_stopped(
    config: Config,
    end: CommandEnd,
    command: impl AsyncFnOnce(&App) -> anyhow::Result<CommandEnd>,
) -> anyhow::Result<CommandEnd> {
    let stop = stop_signal()?;
    let Some(app) = stop.run_until_cancelled(App::open(config)).await else {
        output::say("stopped before the ledger was open");
        return Ok(end);
    };
    over(app?, command).await
}

fn load_config(cli: &Cli) -> anyhow::Result<Config> {
    Ok(Config::load(cli.global.config.as_deref(), flags(cli))?)
}

/// The keys that flags set.
fn flags(cli: &Cli) -> Vec<(String, String)> {
    let mut flags = Vec::new();
    let listen = match &cli.command {
        Command::Worker(args) => &args.listen,
        _ => &None,
    };
    let given = [
        ("listen.address", listen),
        ("ledger.url", &cli.global.ledger),
        ("queue.url", &cli.global.queue),
        ("log.level", &cli.global.log),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            flags.push((key.to_owned(), value.clone()));
        }
    }
    flags
}

/// The kind of that name, or an error that lists what there is.
fn kind(name: &str) -> anyhow::Result<&'static dyn JobKind> {
    tenantry_jobs::find(name).map_err(|nearest| {
        let all: Vec<&str> = tenantry_jobs::KINDS.iter().map(|job| job.kind()).collect();
        let near = did_you_mean(nearest);
        output::hinted(
            format!("there is no kind `{}`{near}", eyes::typed(name)),
            format!("kinds are {}", all.join(", ")),
        )
    })
}

/// Cancelled at the first SIGINT or SIGTERM; the second one ends the process at once, and nothing is lost.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    static STOP: OnceLock<CancellationToken> = OnceLock::new();
    if let Some(stop) = STOP.get() {
        return Ok(stop.clone());
    }
    let stop = STOP.get_or_init(CancellationToken::new).clone();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopping = stop.clone();
    tasks::spawn("the process", async move {
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if stopping.is_cancelled() {
                #[expect(clippy::exit, reason = "asked for twice")]
                std::process::exit(130);
            }
            tracing::info!("stopping after what is in hand; once more stops at once");
            stopping.cancel();
        }
    });
    Ok(stop)
}

/// Who runs this process, as their environment calls them. Schedulers often set neither variable.
#[expect(clippy::disallowed_methods, reason = "who one is, is nothing to configure")]
fn user() -> Actor {
    let mut named = ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    let name = named.find_map(|name| person::named(&name).ok());
    Actor::new(name.unwrap_or_else(account_name), Via::Cli).from_account(account())
}

/// Somebody who is named on the command line.
fn actor(name: &str) -> Result<Actor, NotAName> {
    Ok(Actor::new(person::named(name)?, Via::Cli).from_account(account()))
}

/// The account of this process and its machine, whatever its environment says.
fn account() -> String {
    format!("{}@{}", account_name(), crate::machine::host_name())
}

fn account_name() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of_uid = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    users.lines().find_map(of_uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// A directory for results, which are several files.
fn directory(path: &str) -> Result<PathBuf, String> {
    match path {
        PIPED => Err("a directory is expected; `tenantry results JOB` prints results".to_owned()),
        path => Ok(path.into()),
    }
}
