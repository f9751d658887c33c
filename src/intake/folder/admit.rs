//! Steps 4 to 5' of the protocol: files that were taken are judged, handed in together in their order, and refused with every
//! reason where they do not do.
//!
//! A file that does not look as it did when it had settled, or whose content says that it is not whole, is not refused: it settles
//! in its own directory first. What is wrong with the surroundings refuses nothing either; the file stays taken, and is handed in
//! again later.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;

use super::complete::{FileContent, Incomplete, content, is_incomplete, look_into};
use super::corrects;
use super::layout::file_at;
use super::layout::{self, is_same};
use super::planned::{self, PlannedFile};
use super::publish::{self, Leaving, Shelf};
use super::reasons;
use super::scan::open;
use super::sidecar::FileRequest;
use super::waiting::BesideFile;
use super::{Desk, FolderError, FolderRules, blocking, last_of, stem_and};
use crate::failpoint;
use crate::input::{InputOptions, code};
use crate::intake::reasons::RefusedFile;
use crate::ledger::audit::{Action, AuditEntry};
use crate::ledger::drops::{DropChange, DropState, DroppedFile};
use crate::ledger::{Actor, Origin, OriginIntake, Via};
use crate::plan::{FaultLog, PlanError, RowFault, RowSource};
use crate::service::{ServiceError, SubmitRequest};
use crate::submit::{Hand, RecordTurn, SubmitError, Submitted};

/// A text of so many bytes at most is read once, and all that is asked of its content is asked of what was read.
const SMALL: u64 = 32 << 10;
/// What packed files begin with.
const GZIP: &[u8] = b"\x1f\x8b";
const ZIP: &[u8] = b"PK";

/// The outcome of handing files in.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    /// Files that are not whole, with why, to settle where they lie.
    pub(super) unsettled: Vec<(DroppedFile, String)>,
    /// Files that could not be handed in now.
    pub(super) later: Vec<DroppedFile>,
    /// What kept them from being handed in.
    pub(super) trouble: Option<String>,
}

impl Admitted {
    /// Adds a file that has not become a job, or not yet.
    fn take_note(&mut self, judged: Judged, drop: DroppedFile, refused: &mut Vec<(DroppedFile, RefusedFile)>) {
        match judged {
            Judged::Refused(why) => refused.push((drop, why)),
            Judged::Unsettled(why) => self.unsettled.push((drop, why)),
            Judged::Later(why) => {
                self.trouble.get_or_insert(why);
                self.later.push(drop);
            }
            Judged::Fit(..) | Judged::Gone => {}
        }
    }
}

/// What a file that was taken comes to by itself.
enum Judged {
    Fit(Box<SubmitRequest>, Actor),
    Unsettled(String),
    Refused(RefusedFile),
    Gone,
    Later(String),
}

/// Hands taken files in, in their order; a worker's `hand` carries small ones out at once.
pub(super) async fn admit(
    desk: &Desk,
    taken: Vec<DroppedFile>,
    hand: Option<&dyn Hand>,
) -> Result<Admitted, FolderError> {
    let mut admitted = Admitted::default();
    let (mut drops, mut requests) = (Vec::new(), Vec::new());
    let (mut refused, mut planned) = (Vec::new(), Vec::new());
    let rules = desk.rules.clone();
    let examined = blocking(move || {
        let examined = taken.into_iter().map(|drop| {
            let examined = examine(&rules, &drop);
            (drop, examined)
        });
        examined.collect::<Vec<_>>()
    });
    for (drop, examined) in examined.await? {
        // One that waits keeps those behind it waiting, for they are carried out in order.
        if admitted.trouble.is_some() {
            admitted.later.push(drop);
            continue;
        }
        match judge(desk, &drop, examined).await? {
            Judged::Fit(request, _) if desk.rules.config.only_plan => {
                let judged = match planned::plan_file(desk, &drop, *request).await? {
                    Ok(PlannedFile::Sound(leaving)) => {
                        planned.push(*leaving);
                        continue;
                    }
                    Ok(PlannedFile::Refused(why)) => Judged::Refused(why),
                    Err(error) => of_error(ServiceError::Submit(SubmitError::Plan(error)), &drop)?,
                };
                admitted.take_note(judged, drop, &mut refused);
            }
            Judged::Fit(request, actor) => {
                requests.push((actor, *request));
                drops.push(drop);
            }
            Judged::Gone => {
                let change = DropChange {
                    reason: Some("removed before it was read".to_owned()),
                    ..DropChange::to(drop.seq, DropState::Gone)
                };
                desk.service
                    .ledger
                    .change_drops(&desk.hold, vec![change], Vec::new())
                    .await?;
            }
            judged => admitted.take_note(judged, drop, &mut refused),
        }
    }
    if !planned.is_empty() {
        publish::sync(desk, &planned).await?;
        failpoint::hit("drop-planned");
        publish::send_off(desk, planned, Vec::new()).await?;
    }
    // Boxed, as it is large and would be carried in every future around it.
    let submitted = Box::pin(desk.service.submit_all(requests, hand, RecordTurn::NOW)).await;
    failpoint::hit("drop-submitted");
    for (drop, submitted) in drops.into_iter().zip(submitted) {
        match submitted {
            Ok(Submitted::Queued(_) | Submitted::AwaitingApproval(_) | Submitted::Same(_)) => {}
            Ok(Submitted::Refused(refusal)) => refused.push((drop, RefusedFile::Faults(Box::new(refusal.faults)))),
            Err(error) => {
                let judged = of_error(error, &drop)?;
                admitted.take_note(judged, drop, &mut refused);
            }
        }
    }
    admitted.later.sort_by_key(|drop| drop.seq);
    refuse(desk, refused).await?;
    Ok(admitted)
}

fn of_error(error: ServiceError, drop: &DroppedFile) -> Result<Judged, FolderError> {
    let one = |fault: RowFault| {
        let mut faults = FaultLog::default();
        faults
            .push(fault)
            .map(|()| Judged::Refused(RefusedFile::Faults(Box::new(faults))))
    };
    let judged = match error {
        ServiceError::Submit(SubmitError::OriginLost) => return Err(FolderError::Lost),
        ServiceError::Submit(SubmitError::Plan(PlanError::Header {
            file,
            sheet,
            line,
            problems,
            ..
        })) => {
            let mut faults = FaultLog::default();
            let pushed = problems
                .into_iter()
                .try_for_each(|problem| faults.push(RowFault::of_header(&file, sheet.as_deref(), line, problem)));
            pushed.map(|()| Judged::Refused(RefusedFile::Faults(Box::new(faults))))
        }
        ServiceError::Submit(SubmitError::Plan(PlanError::Input(error))) if is_incomplete(&error) => {
            Ok(Judged::Unsettled(error.message))
        }
        ServiceError::Submit(SubmitError::Plan(PlanError::Input(error))) if error.code == code::UNREADABLE => {
            Ok(Judged::Later(error.to_string()))
        }
        ServiceError::Submit(SubmitError::Plan(PlanError::Input(error))) => one(RowFault::of_file(&error)),
        ServiceError::NoRecipient(why) => Ok(Judged::Refused(RefusedFile::because("no-recipient", why.to_string()))),
        error => Ok(Judged::Later(error.to_string())),
    };
    judged.map_err(|error| FolderError::Trouble(format!("the faults of {} cannot be kept: {error}", drop.name)))
}

/// What a look at a file comes to, before the ledger is asked.
enum Examined {
    Judged(Judged),
    Asks(Box<FileAsks>),
}

/// What a file asks for, and what it says of itself.
struct FileAsks {
    request: FileRequest,
    /// All that it holds, if that is little.
    data: Option<Bytes>,
    /// The hash of its content, where one of the same is refused.
    sha256: Option<String>,
    /// The job whose rejected rows it brings back, as it says.
    corrects: Option<String>,
}

/// Looks at a file that was taken.
fn examine(rules: &FolderRules, drop: &DroppedFile) -> Examined {
    examined(rules, drop).unwrap_or_else(Examined::Judged)
}

fn examined(rules: &FolderRules, drop: &DroppedFile) -> Result<Examined, Judged> {
    let path = file_at(&rules.layout, drop);
    let later = |error: io::Error| Judged::Later(format!("{}: {error}", path.display()));
    let (metadata, data) = match look_at(&path) {
        Ok(looked) => looked?,
        // One that stays where it is may be none that was copied.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(not_copied(rules, drop).map_or(Judged::Gone, Judged::Refused));
        }
        Err(error) => return Err(later(error)),
    };
    if !is_same(&layout::seen(&metadata), &drop.seen) {
        return Err(Judged::Unsettled("changed after it had settled".to_owned()));
    }
    if let Some(refused) = no_input(rules, &path) {
        return Err(Judged::Refused(refused));
    }
    let asked = rules.asked(Path::new(OsStr::from_bytes(&drop.file)), &path, drop.owner.as_deref());
    let beside = |error: io::Error| Judged::Later(format!("what lies beside {}: {error}", path.display()));
    let request = asked
        .map_err(beside)?
        .map_err(|reasons| Judged::Refused(RefusedFile::Because(reasons)))?;
    let is_hashed = rules.refuses_repeated(request.kind);
    let sha256 = is_hashed.then(|| corrects::sha256(&path)).transpose().map_err(later)?;
    Ok(Examined::Asks(Box::new(FileAsks {
        request,
        corrects: corrects::job_of(&path, &drop.name, data.as_deref()),
        data,
        sha256,
    })))
}

/// Holds what a file says of itself against the ledger.
async fn judge(desk: &Desk, drop: &DroppedFile, examined: Examined) -> Result<Judged, FolderError> {
    let asks = match examined {
        Examined::Judged(judged) => return Ok(judged),
        Examined::Asks(asks) => *asks,
    };
    let FileRequest {
        kind,
        parameters,
        ignore_not_kept,
        multiline_cells,
        idempotency_key,
    } = asks.request;
    let path = file_at(&desk.layout, drop);
    if let Some(sha256) = asks.sha256
        && let Some(first) = desk
            .service
            .ledger
            .same_content(&desk.hold.folder, &sha256, drop.seq)
            .await?
        && let Some(job) = first.job
    {
        let what = format!(
            "the same content was dropped before, as {}, and is job {job}; `{}` is not done twice",
            first.name,
            kind.kind()
        );
        return Ok(Judged::Refused(RefusedFile::because("repeated", what)));
    }
    if let Some(job) = asks.corrects {
        match desk.corrected(&job, kind).await? {
            Ok(Some(job)) => desk.service.ledger.drop_corrects(&desk.hold, drop.seq, job).await?,
            Ok(None) => {}
            Err(refused) => return Ok(Judged::Refused(refused)),
        }
    }
    let request = SubmitRequest {
        kind,
        parameters,
        ignore_not_kept,
        passwords: crate::service::PasswordWish::ConfiguredOrNone,
        source: RowSource::Dropped {
            path,
            name: drop.name.clone(),
            options: InputOptions {
                multiline_cells,
                ..desk.rules.config.input_options()
            },
            data: asks.data,
        },
        idempotency_key,
        origin: Some(Origin {
            intake: OriginIntake::Drop,
            seq: drop.seq,
            fence: desk.hold.fence,
        }),
        approval: desk.rules.approval(),
        not_before: None,
        out_dir: None,
        reply_to: None,
        plan: None,
        is_for_workers: true,
    };
    Ok(Judged::Fit(
        Box::new(request),
        Actor::new(desk.rules.submitter(drop.owner.as_deref()), Via::Folder),
    ))
}

/// Why a file is refused whose name is none of those that are taken.
fn no_input(rules: &FolderRules, path: &Path) -> Option<RefusedFile> {
    let files = &rules.config.files;
    let is_input = files.fitting(path.file_name().unwrap_or_default()).is_some();
    let expected = || format!("expected a file called as one of {}", files.written().join(", "));
    (!is_input).then(|| RefusedFile::because("not-an-input", expected()))
}

/// Why what stays where it is was not copied, where it is something that is not.
fn not_copied(rules: &FolderRules, drop: &DroppedFile) -> Option<RefusedFile> {
    if !rules.leaves {
        return None;
    }
    let path = rules.layout.inbox().join(OsStr::from_bytes(&drop.file));
    let metadata = fs::symlink_metadata(&path).ok()?;
    if metadata.is_file() {
        no_input(rules, &path)
    } else {
        Some(no_file())
    }
}

fn no_file() -> RefusedFile {
    let what = "expected a file; this is a link, a directory, a pipe or a device, and what it leads to was not touched";
    RefusedFile::because(code::NOT_A_FILE, what)
}

/// Looks whether a file is one, and whole as far as its end says. What it holds comes along where that is little; its metadata is
/// then that of after it was read.
fn look_at(path: &Path) -> io::Result<Result<(fs::Metadata, Option<Bytes>), Judged>> {
    let mut metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Ok(Err(Judged::Refused(no_file())));
    }
    let name = path.file_name().unwrap_or_default();
    let is_text = name.as_bytes().to_ascii_lowercase().ends_with(b".csv");
    let mut file = open(path)?;
    let (found, data) = if is_text && (1..=SMALL).contains(&metadata.len()) {
        let mut data = Vec::with_capacity(metadata.len() as usize + 1);
        file.by_ref().take(SMALL + 1).read_to_end(&mut data)?;
        metadata = file.metadata()?;
        if data.len() as u64 != metadata.len() {
            return Ok(Err(Judged::Unsettled("changed while it was read".to_owned())));
        }
        let found = content(&mut io::Cursor::new(&data), data.len() as u64, name)?;
        // What is packed may be much more than that, whatever its name says.
        let is_packed = data.starts_with(GZIP) || data.starts_with(ZIP);
        (found, (!is_packed).then(|| Bytes::from(data)))
    } else {
        (look_into(&mut file, name)?, None)
    };
    Ok(match found {
        // One that stays empty is refused.
        FileContent::Not(why) if why != Incomplete::Empty => Err(Judged::Unsettled(why.to_string())),
        _ => Ok((metadata, data)),
    })
}

/// Refuses files: the reasons are written beside them, then it is recorded, and they go to `failed/`.
async fn refuse(desk: &Desk, refused: Vec<(DroppedFile, RefusedFile)>) -> Result<(), FolderError> {
    let (mut changes, mut entries, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
    for (drop, mut why) in refused {
        let summary = why.summary();
        tracing::info!("folder {}: {} was refused: {summary}", desk.rules.name, drop.name);
        let note = format!("folder {}, {}: {summary}", desk.rules.name, drop.name);
        let submitter = Actor::new(desk.rules.submitter(drop.owner.as_deref()), Via::Folder);
        entries.push(AuditEntry::own(Action::Refused, note).by(&submitter));
        changes.push(DropChange {
            reason: Some(summary.clone()),
            ..DropChange::to(drop.seq, DropState::Refused)
        });
        let end = last_of(&drop.id);
        let (dir, origin, bom) = (desk.layout.path(&drop.place), desk.rules.origin(&drop), desk.rules.bom);
        let stem = stem_and(&drop.name, &end);
        let told = drop.clone();
        blocking(move || {
            let written = BesideFile {
                dir: &dir,
                stem: &stem,
                file: &told.name,
                bom,
            };
            reasons::write(&written, &told, &origin, &mut why).map_err(|error| FolderError::io(&dir, error))
        })
        .await??;
        leaving.push(Leaving {
            drop,
            to: Shelf::Failed,
            reason: None,
            end,
        });
    }
    if leaving.is_empty() {
        return Ok(());
    }
    failpoint::hit("drop-reasons");
    desk.service.ledger.change_drops(&desk.hold, changes, entries).await?;
    failpoint::hit("drop-refused");
    send_refused(desk, leaving).await
}

/// Sends refused files to `failed/`; a folder that is to hold at a failure does.
async fn send_refused(desk: &Desk, leaving: Vec<Leaving>) -> Result<(), FolderError> {
    if desk.rules.holds
        && let Some(first) = leaving.first()
    {
        let why = format!("{} was refused", first.drop.name);
        desk.service.ledger.hold_back(&desk.hold, why).await?;
    }
    for one in &leaving {
        publish::set_modes(desk, &one.drop).await?;
    }
    publish::send_off(desk, leaving, Vec::new()).await
}

/// Sends files to `failed/` that were refused by a worker that died before it did.
pub(super) async fn resume_refused(desk: &Desk, refused: Vec<DroppedFile>) -> Result<(), FolderError> {
    let leaving = refused.into_iter().map(|drop| Leaving {
        end: last_of(&drop.id),
        to: Shelf::Failed,
        reason: None,
        drop,
    });
    let leaving: Vec<Leaving> = leaving.collect();
    if leaving.is_empty() {
        return Ok(());
    }
    send_refused(desk, leaving).await
}
