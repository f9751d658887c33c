//! A folder's configuration in the terms of the protocol.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tenantry_jobs::JobKind;

use super::layout::{DONE, FAILED, FolderLayout};
use super::sidecar::{self, DocumentBeside, FileRequest};
use super::{Desk, FolderError};
use crate::config::{AfterTaken, Approve, Complete, FolderConfig, FolderSubmitter, OnFailed, Repeated, SidecarUse};
use crate::intake::Reason;
use crate::intake::reasons::RefusedFile;
use crate::ledger::JobLookup;
use crate::ledger::drops::{DroppedFile, JobOrigin};

/// What a folder is held to.
pub(crate) struct FolderRules {
    /// The folder's name.
    pub(crate) name: String,
    /// Where things lie.
    pub(crate) layout: FolderLayout,
    /// Whether nothing more is taken after a failure until somebody says so.
    pub(super) holds: bool,
    /// Whether files stay where they are.
    pub(crate) leaves: bool,
    /// Whether tables begin with a byte order mark.
    pub(super) bom: bool,
    pub(super) config: Arc<FolderConfig>,
}

impl FolderRules {
    /// What that configuration asks. `bom` says whether tables begin with a byte order mark.
    pub(crate) fn new(config: FolderConfig, bom: bool) -> Self {
        let root = config.path.root().to_owned();
        Self {
            name: config.name.clone(),
            layout: FolderLayout {
                done: config.done.clone().unwrap_or_else(|| root.join(DONE)),
                failed: config.failed.clone().unwrap_or_else(|| root.join(FAILED)),
                root,
                mode: config.mode,
            },
            holds: config.on_failed == OnFailed::Hold,
            leaves: config.after == AfterTaken::Leave,
            bom,
            config: Arc::new(config),
        }
    }

    /// How long a file has to stay as it is.
    pub(super) fn settles_in(&self) -> Duration {
        match self.config.complete {
            Complete::Whole => Duration::ZERO,
            Complete::Settled | Complete::Marker | Complete::Sidecar => self.config.settle,
        }
    }

    /// Why every job has to be approved, if it has.
    pub(super) fn approval(&self) -> Option<String> {
        let always = self.config.approve == Approve::Always;
        always.then(|| format!("folder {} asks for approval of every file", self.name))
    }

    /// Who submits the file of that owner.
    pub(super) fn submitter(&self, owner: Option<&str>) -> String {
        match (&self.config.submitted_by, owner) {
            (FolderSubmitter::Owner, Some(owner)) => owner.to_owned(),
            (FolderSubmitter::Named(name), _) => name.clone(),
            (FolderSubmitter::Folder | FolderSubmitter::Owner, _) => format!("drop:{}", self.name),
        }
    }

    /// What a receipt says of where a job came from.
    pub(super) fn origin(&self, drop: &DroppedFile) -> JobOrigin {
        JobOrigin {
            folder: self.name.clone(),
            file: drop.name.clone(),
            drop: drop.id.clone(),
            owner: drop.owner.clone(),
            corrects: drop.corrects.clone(),
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

impl FolderRules {
    /// What a file asks for that was dropped as `file`, below `in`, and lies at `path` now, or why it is refused.
    ///
    /// # Errors
    /// What lies beside it cannot be read.
    pub(super) fn asked(
        &self,
        file: &Path,
        path: &Path,
        owner: Option<&str>,
    ) -> io::Result<Result<FileRequest, Vec<Reason>>> {
        let config = &self.config;
        let beside = path.with_file_name(sidecar::name_of(path.file_name().unwrap_or_default()));
        let document = match config.sidecar {
            SidecarUse::No => None,
            SidecarUse::Optional | SidecarUse::Required => match sidecar::read(&beside)? {
                DocumentBeside::Text(document) => Some(document),
                DocumentBeside::Nothing => None,
                DocumentBeside::NoFile => {
                    let expected = "expected its job document to be a file, and it is a link, a pipe or a directory";
                    return Ok(Err(vec![Reason::new("", "no-document", "", expected)]));
                }
            },
        };
        let needs = config.sidecar == SidecarUse::Required || config.complete == Complete::Sidecar;
        if needs && document.is_none() {
            let expected = "expected its job document beside it, which is not there any more";
            return Ok(Err(vec![Reason::new("", "no-document", "", expected)]));
        }
        Ok(sidecar::asked(
            config,
            file,
            document.as_deref(),
            &self.submitter(owner),
        ))
    }
}

impl Desk {
    /// The job whose rejected rows a file brings back, `None` where the ledger knows none of that id. One of another kind is told
    /// with the folder that its rows belong into.
    pub(super) async fn corrected(
        &self,
        id: &str,
        kind: &dyn JobKind,
    ) -> Result<Result<Option<String>, RefusedFile>, FolderError> {
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
        Ok(Err(RefusedFile::because("wrong-folder", what)))
    }
}
