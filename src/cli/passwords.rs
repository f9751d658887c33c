//! Passwords on the command line: whom a job's are sealed to, and `tenantry reveal`.
//!
//! Where they are wanted in the clear, they are sealed all the same, to a key of the job's own that lies beside the
//! file they go to; so a run that is killed loses none.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tenantry_jobs::JobKind;

use super::CommandEnd;
use super::output;
use crate::app::App;
use crate::ledger::{Actor, Job, Via};
use crate::passwords::{Identities, IdentityError, PasswordRows, open, write_key_pair};
use crate::service::PasswordWish;

/// How passwords are delivered.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PasswordArgs {
    /// Write the passwords handed out to this file, unencrypted and readable by you alone
    #[arg(long, value_name = "FILE", conflicts_with = "no_passwords")]
    plaintext_passwords: Option<PathBuf>,
    /// Hand out no passwords; new users have to get one some other way
    #[arg(long)]
    no_passwords: bool,
}

impl PasswordArgs {
    /// How to deliver the passwords of a job of this kind.
    pub(super) fn wish(&self, app: &App, kind: &dyn JobKind) -> anyhow::Result<PasswordWish> {
        match &self.plaintext_passwords {
            Some(_) if !app.service.stores.makes_passwords(kind) => {
                bail!("--plaintext-passwords: `{}` hands out no passwords", kind.kind())
            }
            Some(file) => Ok(PasswordWish::To(own_key(app, file)?)),
            None => Ok(self.of_many()),
        }
    }

    /// How to deliver the passwords of many jobs, for which there is no one file.
    pub(super) fn of_many(&self) -> PasswordWish {
        if self.no_passwords {
            PasswordWish::None
        } else {
            PasswordWish::Configured
        }
    }

    /// Writes the passwords of a job that has ended in the clear, if that is wanted.
    pub(super) async fn write(&self, app: &App, job: &Job) -> anyhow::Result<()> {
        let Some(file) = &self.plaintext_passwords else {
            return Ok(());
        };
        let key = key_of(file);
        if !job.state.is_final() {
            output::say(&format!(
                "passwords: once the job has ended, tenantry reveal {} --identity {} --out {}",
                job.id,
                key.display(),
                file.display()
            ));
            return Ok(());
        }
        if app.service.ledger.sealed_parts(job).await?.is_empty() {
            self.forget();
            output::say(&format!(
                "no password was handed out; `tenantry rows {}` lists the outcome of each row",
                job.id
            ));
            return Ok(());
        }
        let own = Identities::from_file(&key)?;
        let is_ours = own
            .recipients()
            .any(|own| job.parameters.seal_to.contains(&own.to_string()));
        if !is_ours {
            bail!(
                "{} was not written: job {id} was submitted before, and its passwords are sealed to other keys; `tenantry reveal \
                 {id} --identity KEY --out {0}` writes them with one of those ({} is not among them)",
                file.display(),
                key.display(),
                id = job.id,
            );
        }
        let by = Actor::new(&job.submitted_by, Via::Cli);
        let count = reveal_to(app, job, &key, Some(file), &by).await.with_context(|| {
            format!(
                "the passwords of job {} are not written; they are kept, sealed: `tenantry reveal {0} --identity {} --out FILE` \
                 writes them",
                job.id,
                key.display()
            )
        })?;
        // Nothing else was sealed to it.
        std::fs::remove_file(&key).with_context(|| format!("{} cannot be removed", key.display()))?;
        output::say(&format!(
            "{} in {}, unencrypted: hand them out and delete it",
            output::counted(count, "password"),
            file.display()
        ));
        Ok(())
    }

    /// Whether they are wanted in the clear.
    pub(super) fn is_plain(&self) -> bool {
        self.plaintext_passwords.is_some()
    }

    /// Lets go of a key that no job was sealed to.
    pub(super) fn forget(&self) {
        if let Some(file) = &self.plaintext_passwords {
            let _ = std::fs::remove_file(key_of(file));
        }
    }
}

/// The key of an earlier attempt, or a new one.
fn own_key(app: &App, file: &Path) -> anyhow::Result<Vec<String>> {
    if file.exists() {
        bail!(
            "{} is there already; passwords are never written over others",
            file.display()
        );
    }
    let key = key_of(file);
    if key.exists() {
        return Ok(Identities::from_file(&key)?
            .recipients()
            .map(|one| one.to_string())
            .collect());
    }
    let public = write_key_pair(&key, app.service.ledger.clock())
        .with_context(|| format!("{} cannot be written", key.display()))?;
    Ok(vec![public.to_string()])
}

fn key_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

#[derive(Debug, Args)]
pub(super) struct RevealArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// File with your secret key, as `tenantry keygen` writes it; nobody else may read it
    #[arg(long, value_name = "FILE", default_value = "tenantry-key.txt")]
    identity: PathBuf,
    /// Write them to this new file, readable by you alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn reveal(args: &RevealArgs, app: &App) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    let count = reveal_to(app, &job, &args.identity, args.out.as_deref(), &args.by).await?;
    if let Some(file) = &args.out {
        output::say(&format!("{} in {}", output::counted(count, "password"), file.display()));
    }
    Ok(CommandEnd::Fine)
}

/// Writes the passwords of a job, and records it, or that it failed; how many there were.
async fn reveal_to(app: &App, job: &Job, identity: &Path, out: Option<&Path>, by: &Actor) -> anyhow::Result<u64> {
    let revealed = try_to_reveal(app, job, identity, out, by).await;
    if let Err(error) = &revealed {
        let note = format!("passwords, to {}: {error:#}", shown(out));
        let noted = app.service.ledger.revealed(job, by, false, note).await;
        // What went wrong first is the one to tell.
        if let Err(unrecorded) = noted {
            output::warn(&format!("this is not in the audit record: {unrecorded}"));
        }
    }
    revealed
}

fn shown(out: Option<&Path>) -> String {
    out.map_or("standard output".to_owned(), |file| file.display().to_string())
}

async fn try_to_reveal(app: &App, job: &Job, identity: &Path, out: Option<&Path>, by: &Actor) -> anyhow::Result<u64> {
    let parts = app.service.ledger.sealed_parts(job).await?;
    if parts.is_empty() {
        if job.parameters.seal_to.is_empty() {
            bail!("job {} handed out no passwords", job.id);
        }
        bail!(
            "job {} has no passwords (any more): it made no account, or they are no longer kept",
            job.id
        );
    }
    let identities = Identities::from_file(identity).map_err(|error| without_key(job, error))?;
    // All of them, before a file is made for them.
    for part in &parts {
        if let Some(sealed) = app.service.ledger.sealed_passwords(job, *part).await? {
            open(&identities, &sealed.data)?;
        }
    }
    let writer = writer(out)?;
    // Once nothing but the writing can fail, and before anybody sees them.
    let note = format!("passwords, to {}", shown(out));
    app.service.ledger.revealed(job, by, true, note).await?;
    let mut rows = PasswordRows::new(writer)?;
    let mut count = 0;
    for part in parts {
        let Some(sealed) = app.service.ledger.sealed_passwords(job, part).await? else {
            continue;
        };
        for row in open(&identities, &sealed.data)? {
            rows.write(&row)?;
            count += 1;
        }
    }
    rows.finish().flush()?;
    Ok(count)
}

/// What is said where there is no key to open them with.
fn without_key(job: &Job, error: IdentityError) -> anyhow::Error {
    match error {
        IdentityError::Io { .. } if job.parameters.in_the_clear => anyhow!(
            "{error}; the passwords of job {} were for `--plaintext-passwords FILE` of the command that submitted it: they are \
             in that file, and if it is not there yet, the key is beside it (`--identity FILE.key`)",
            job.id
        ),
        IdentityError::Io { .. } => anyhow!(
            "{error}; name the file of your secret key with --identity, as `tenantry keygen` wrote it (a key made now opens \
             nothing that was sealed before)"
        ),
        other => other.into(),
    }
}

fn writer(out: Option<&Path>) -> anyhow::Result<Box<dyn Write + Send>> {
    let Some(path) = out else {
        return Ok(Box::new(output::out()));
    };
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Box::new(std::io::BufWriter::new(file)))
}
