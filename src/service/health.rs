//! Health checks: each part of the configuration is tried, and each finding says what to do.

mod counts;
mod deep;
mod transfers;
mod trust;
mod workers;

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::db::{ConnectOptions, Db, DbError, Rights, SCHEMA_VERSION};
use crate::delivery::try_dir;
use crate::input::StreamHasher;
use crate::ledger::Actor;
use crate::queue::{Queue, QueueError};
pub(crate) use crate::store::remote::Finding;
use crate::store::{Sources, Stores};

/// The key under which something is written to the ledger, to see whether that works, and how much.
const TRIAL: &str = "doctor";
const TRIAL_BYTES: usize = 64 << 10;

/// What is asked of an examination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Examination<'a> {
    /// Who has it fixed what can be: counts that do not add up, requests that nobody waits for.
    pub(crate) repair: Option<&'a Actor>,
    /// Whether records are looked at one by one.
    pub(crate) is_deep: bool,
}

/// Looks at everything. `stores` are those of the configuration, or why they cannot be used.
pub(crate) async fn examine(
    config: &Config,
    stores: Result<Stores, String>,
    Examination { repair, is_deep }: Examination<'_>,
) -> Vec<Finding> {
    let mut findings = vec![configuration(config), ledger(config).await];
    findings.extend(workers::workers(config).await);
    findings.extend(counts::counts(config, repair).await);
    findings.extend(transfers::transfers(config, repair).await);
    findings.extend(trust::trust(config).await);
    if is_deep {
        findings.extend(deep::deep(config).await);
    }
    findings.extend([queue(config).await, results(config), passwords(config)]);
    match stores {
        Ok(Stores { remote, sources }) => {
            if let Some(store) = remote {
                findings.extend(store.health().await);
            }
            for name in sources.names() {
                findings.push(source(&sources, name).await);
            }
            sources.close().await;
        }
        Err(says) => findings.push(Finding {
            what: "partner center",
            fine: false,
            says,
        }),
    }
    findings
}

/// A configuration with a fault does not get this far.
fn configuration(config: &Config) -> Finding {
    Finding {
        what: "configuration",
        fine: true,
        says: format!(
            "ledger {}, queue {}; {}",
            config.ledger.url,
            config.queue.url,
            config.read_from()
        ),
    }
}

async fn ledger(config: &Config) -> Finding {
    let url = config.ledger.url.reveal();
    let (fine, says) = match Db::inspect(url).await {
        Ok(0) => match place_of(url).map_or(Ok(()), |dir| try_dir(&dir)) {
            Ok(()) => (true, "empty; the first command that writes sets it up".to_owned()),
            Err(error) => (
                false,
                format!("it is not there and cannot be made: {error}; make room there, or set `ledger.url`"),
            ),
        },
        Ok(version) if version <= SCHEMA_VERSION => match tried(url).await {
            Ok(rights)
                if rights
                    .as_ref()
                    .is_some_and(|rights| rights.is_standby || !rights.writes) =>
            {
                (false, reads_only(version, rights.as_ref()))
            }
            Ok(Some(rights)) if version < SCHEMA_VERSION && !rights.owns => (
                false,
                format!(
                    "schema version {version}, and this program works with {SCHEMA_VERSION}; the role `{}` may not change that: \
                     run `tenantry migrate` as the role that owns the tables",
                    rights.role
                ),
            ),
            Ok(_) if version < SCHEMA_VERSION => (
                true,
                format!(
                    "schema version {version}, can be written; the first command that writes brings it to {SCHEMA_VERSION}"
                ),
            ),
            Ok(Some(Rights { role, owns: true, .. })) => (
                true,
                format!(
                    "schema version {version}, up to date, can be written; the role `{role}` owns the tables, and could switch off \
                     what guards the audit record: docs/guides/postgresql.md has one that cannot"
                ),
            ),
            Ok(Some(Rights { role, .. })) => (
                true,
                format!("schema version {version}, up to date, can be written; the role `{role}` cannot change tables"),
            ),
            Ok(None) => (true, format!("schema version {version}, up to date, can be written")),
            Err(error) => (
                false,
                format!(
                    "it can be read and not be written: {error}; make room where it lies, and check that its file or \
                     database is not read-only and that the user of `ledger.url` may write there"
                ),
            ),
        },
        Ok(version) => (
            false,
            format!("schema version {version} is newer than this program's {SCHEMA_VERSION}; use a newer tenantry"),
        ),
        Err(error) => (
            false,
            format!("{error}; check `ledger.url`, that the server runs, or that the path is writable and has room"),
        ),
    };
    Finding {
        what: "ledger",
        fine,
        says,
    }
}

/// What is said where nothing can be written, and is not to be.
fn reads_only(version: i64, rights: Option<&Rights>) -> String {
    let who = match rights {
        Some(Rights { is_standby: true, .. }) => "the server is a standby, which only reads".to_owned(),
        Some(Rights { role, .. }) => format!("the role `{role}` only reads"),
        None => "it is only read".to_owned(),
    };
    format!(
        "schema version {version}; {who}: `audit verify`, `jobs`, `show`, `customers` and the like work, and whatever submits, approves or \
         carries out needs a role and a server that write"
    )
}

/// The directory in which the file of an SQLite ledger lies, or is to lie.
fn place_of(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = Path::new(path.strip_prefix("//").unwrap_or(path));
    Some(path.parent().unwrap_or(Path::new("")).to_owned())
}

/// What the role at hand can do, and whether that is so.
async fn tried(url: &str) -> Result<Option<Rights>, DbError> {
    let db = Db::open_as_it_is(url, ConnectOptions::with_connections(1))?;
    let rights = db.rights().await;
    db.close().await;
    let rights = rights?;
    if rights.as_ref().is_none_or(|rights| rights.writes && !rights.is_standby) {
        write_and_remove(url).await?;
    }
    Ok(rights)
}

/// Writes something to the ledger that takes room, commits it, and takes it away again. The table has been the same in every
/// version of the schema, which stays as it is.
async fn write_and_remove(url: &str) -> Result<(), DbError> {
    let db = Db::open_as_it_is(url, ConnectOptions::with_connections(1))?;
    db.write(|tx| {
        tx.exec(
            "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &[TRIAL.into(), incompressible(TRIAL_BYTES).into()],
        )
        .map(drop)
    })
    .await?;
    db.write(|tx| tx.exec("DELETE FROM meta WHERE key = $1", &[TRIAL.into()]).map(drop))
        .await
}

/// A text that a database does not make smaller.
fn incompressible(bytes: usize) -> String {
    let mut digits = String::with_capacity(bytes + 64);
    for block in 0..bytes.div_ceil(64) {
        let mut meter = StreamHasher::default();
        meter.pass(&block.to_le_bytes());
        digits.push_str(meter.sha256().as_str());
    }
    digits
}

async fn source(sources: &Sources, name: &str) -> Finding {
    let (fine, says) = match sources.check(name).await {
        Ok(()) => (true, format!("`{name}` can be copied from")),
        Err(error) => (false, format!("{error}; check `{}`", sources.section(name))),
    };
    Finding {
        what: "store",
        fine,
        says,
    }
}

async fn queue(config: &Config) -> Finding {
    let (fine, says) = match Queue::connect(&config.queue.url, config.queue.options()) {
        Err(error) => (
            false,
            format!(
                "{error}; set `queue.url` to `embedded`, or to `redis://HOST:PORT` or `rediss://HOST:PORT` of a Redis"
            ),
        ),
        Ok(queue) => match queue.ping().await {
            Ok(info) => (true, info),
            Err(error) if cannot_be_written(&error) => (
                false,
                format!(
                    "it answers and cannot be written: {error}; give it more memory (`maxmemory`), check that it is no \
                     read-only replica and that the user of `queue.url` may write there, or set it to `embedded`"
                ),
            ),
            Err(error @ QueueError::Untrusted(_)) => (false, error.to_string()),
            Err(error) => (
                false,
                format!("{error}; check `queue.url` and that Redis runs, or set it to `embedded`"),
            ),
        },
    };
    Finding {
        what: "queue",
        fine,
        says,
    }
}

/// Whether Redis is there and takes nothing.
fn cannot_be_written(error: &QueueError) -> bool {
    match error {
        QueueError::Full(_) | QueueError::Refused(_) => true,
        // Of use while another server takes over, elsewhere; here it is what a replica says for good.
        QueueError::Unavailable(why) => why.to_uppercase().contains("READONLY"),
        _ => false,
    }
}

fn results(config: &Config) -> Finding {
    let dir = &config.results.dir;
    let (fine, says) = match try_dir(dir) {
        Ok(()) => (true, format!("{} can be written", dir.display())),
        Err(error) => (
            false,
            format!(
                "{} cannot be written: {error}; make room there, or set `results.dir`",
                dir.display()
            ),
        ),
    };
    Finding {
        what: "results",
        fine,
        says,
    }
}

fn passwords(config: &Config) -> Finding {
    let (fine, says) = match config.passwords.sealer() {
        Err(error) => (false, error.to_string()),
        Ok(None) => (
            true,
            "no recipient configured: new users' passwords can only be written with --plaintext-passwords".to_owned(),
        ),
        Ok(Some(sealer)) => match sealer.recipients().len() {
            1 => (true, "1 recipient".to_owned()),
            many => (true, format!("{many} recipients")),
        },
    };
    Finding {
        what: "passwords",
        fine,
        says,
    }
}
