//! Passwords on the command line: whom a job's are sealed to, and `tenantry reveal`.
//!
//! Where they are wanted in the clear, they are sealed all the same, to a key of the job's own that lies beside the
//! file they go to; so a run that is killed loses none.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use tenantry_jobs::{Job as Kind, Passwords};

use super::End;
use super::output;
use crate::app::App;
use crate::ledger::{Actor, Job, Via};
use crate::passwords::{Identities, PasswordRows, open, write_key_pair};
use crate::service::PasswordWish;

/// What is to become of passwords.
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
    /// What is to become of the passwords of a job of this kind.
    pub(super) fn wish(&self, app: &App, kind: &dyn Kind) -> anyhow::Result<PasswordWish> {
        match &self.plaintext_passwords {
            Some(_) if kind.policy().passwords == Passwords::No => {
                bail!("--plaintext-passwords: `{}` hands out no passwords", kind.kind())
            }
            Some(file) => Ok(PasswordWish::To(own_key(app, file)?)),
            None if self.no_passwords => Ok(PasswordWish::None),
            None => Ok(PasswordWish::Configured),
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
            output::say("no password was handed out");
            return Ok(());
        }
        let by = Actor::new(&job.submitted_by, Via::Cli);
        let count = reveal_to(app, job, &key, Some(file), &by).await?;
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
pub(super) struct Reveal {
    /// Job id, or enough of its beginning or end to tell it apart
    job: String,
    /// File with your secret key, as `tenantry keygen` writes it
    #[arg(long, value_name = "FILE", default_value = "tenantry-key.txt")]
    identity: PathBuf,
    /// Write them to this new file, readable by you alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Who asks
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn reveal(args: &Reveal, app: &App) -> anyhow::Result<End> {
    let job = app.service.find(&args.job).await?;
    let count = reveal_to(app, &job, &args.identity, args.out.as_deref(), &args.by).await?;
    if let Some(file) = &args.out {
        output::say(&format!("{} in {}", output::counted(count, "password"), file.display()));
    }
    Ok(End::Fine)
}

/// Writes the passwords of a job; how many there were.
async fn reveal_to(app: &App, job: &Job, identity: &Path, out: Option<&Path>, by: &Actor) -> anyhow::Result<u64> {
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
    let identities = Identities::from_file(identity)?;
    if let Some(first) = app.service.ledger.sealed_passwords(job, parts[0]).await? {
        // Before a file is made for them.
        open(&identities, &first.data)?;
    }
    // First, so that nobody sees them without it being known.
    let to = out.map_or("standard output".to_owned(), |file| file.display().to_string());
    app.service
        .ledger
        .revealed(job, by, format!("passwords, to {to}"))
        .await?;
    let mut rows = PasswordRows::new(writer(out)?)?;
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
