//! What a folder's configuration asks, in the terms of the protocol.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use tenantry_jobs::JobKind;

use super::layout::{DONE, FAILED, Layout};
use super::reasons::Refused;
use super::{Desk, FolderError};
use crate::config::{Approve, Complete, FolderConfig, OnFailed, Placeholder, Repeated, Submitter};
use crate::intake::Reason;
use crate::ledger::drops::DroppedFile;
use crate::ledger::{JobLookup, Parameters};

/// What a folder is held to.
pub(crate) struct Rules {
    /// The folder's name.
    pub(crate) name: String,
    /// Where things lie.
    pub(crate) layout: Layout,
    /// Whether nothing more is taken after a failure until somebody says so.
    pub(super) holds: bool,
    /// The mode of what is written.
    pub(super) mode: u32,
    /// Whether tables begin with a byte order mark.
    pub(super) bom: bool,
    pub(super) config: FolderConfig,
}

/// What a file asks for.
pub(super) struct Request {
    pub(super) kind: &'static dyn JobKind,
    pub(super) parameters: Parameters,
}

impl Rules {
    /// What that configuration asks. `bom` says whether tables begin with a byte order mark.
    pub(crate) fn new(config: FolderConfig, bom: bool) -> Self {
        let root = config.path.root().to_owned();
        Self {
            name: config.name.clone(),
            layout: Layout {
                done: config.done.clone().unwrap_or_else(|| root.join(DONE)),
                failed: config.failed.clone().unwrap_or_else(|| root.join(FAILED)),
                root,
            },
            holds: config.on_failed == OnFailed::Hold,
            mode: config.mode,
            bom,
            config,
        }
    }

    /// How long a file has to stay as it is.
    pub(super) fn settles_in(&self) -> Duration {
        match self.config.complete {
            Complete::Whole => Duration::ZERO,
            Complete::Settled | Complete::Marker | Complete::Sidecar => self.config.settle,
        }
    }

    /// How often the folder is looked into.
    pub(super) fn rescans_in(&self) -> Duration {
        // Nobody tells of changes, so that no file waits longer than where the system cannot.
        self.config.rescan.min(Duration::from_secs(2))
    }

    /// Why every job has to be approved, if it has.
    pub(super) fn approval(&self) -> Option<String> {
        let always = self.config.approve == Approve::Always;
        always.then(|| format!("folder {} asks for approval of every file", self.name))
    }

    /// Who submits the file of that owner.
    pub(super) fn submitter(&self, owner: Option<&str>) -> String {
        match (&self.config.submitted_by, owner) {
            (Submitter::Owner, Some(owner)) => owner.to_owned(),
            (Submitter::Named(name), _) => name.clone(),
            (Submitter::Folder | Submitter::Owner, _) => format!("drop:{}", self.name),
        }
    }

    /// Whether a file of this kind is refused whose content was dropped before.
    pub(super) fn refuses_repeated(&self, kind: &dyn JobKind) -> bool {
        match self.config.repeated {
            Repeated::Refuse => true,
            Repeated::Run => false,
            Repeated::ByKind => kind.policy().passwords == tenantry_jobs::Passwords::Only,
        }
    }
}

impl Desk {
    /// What a file asks for, by where it was dropped.
    pub(super) fn request(&self, drop: &DroppedFile) -> Result<Request, Refused> {
        let config = &self.rules.config;
        let mut kind = config.kind.clone();
        let mut customer = Some(config.customer.clone()).filter(|customer| !customer.is_empty());
        let path = Path::new(OsStr::from_bytes(&drop.file));
        for (placeholder, part) in config.path.below().iter().zip(path.iter()) {
            let said = part.to_string_lossy().into_owned();
            match placeholder {
                Placeholder::Customer => customer = Some(said),
                Placeholder::Kind => kind = said,
            }
        }
        let allowed: Vec<&str> = config.all_kinds().collect();
        let found = tenantry_jobs::find(&kind)
            .ok()
            .filter(|kind| allowed.contains(&kind.kind()));
        let Some(kind) = found else {
            let expected = format!("expected a kind that the folder takes: {}", allowed.join(", "));
            let reason = Reason::new("kind", "unknown-kind", &kind, expected);
            return Err(Refused::Because(vec![
                reason.suggest(tenantry_jobs::nearest(&kind, allowed)),
            ]));
        };
        Ok(Request {
            kind,
            parameters: Parameters {
                customer,
                skip_invalid: config.skip_invalid,
                ..Parameters::default()
            },
        })
    }

    /// The job whose rejected rows a file brings back, `None` where the ledger knows none of that id. One of another kind is told
    /// with the folder that its rows belong into.
    pub(super) async fn corrected(
        &self,
        id: &str,
        kind: &dyn JobKind,
    ) -> Result<Result<Option<String>, Refused>, FolderError> {
        let ledger = &self.service.ledger;
        let JobLookup::Found(job) = ledger.find_job(id).await? else {
            return Ok(Ok(None));
        };
        if job.kind == kind.kind() {
            return Ok(Ok(Some(job.id.to_string())));
        }
        let right = match ledger.origin_of(job.seq).await? {
            Some(origin) => format!("the folder `{}`", origin.folder),
            None => format!("a folder for `{}`", job.kind),
        };
        let what = format!(
            "these are rows that job {} has rejected, which is a `{}`, and this folder takes `{}`; drop them into {right}",
            job.id,
            job.kind,
            kind.kind()
        );
        Ok(Err(Refused::because("wrong-folder", what)))
    }
}
