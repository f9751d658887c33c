//! A fire whose rows were refused: the record has the first faults, and all of them lie where its results would.

use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::folder::complete::is_incomplete;
use super::due::Span;
use super::known::KnownSchedule;
use crate::intake::reasons::{REASONS_TABLE, REASONS_TEXT, RefusedFile, WrittenReasons};
use crate::ledger::fires::{Fire, FireReason};
use crate::moment::rfc3339;
use crate::plan::{FaultLog, PlanError, RowFault};
use crate::service::ServiceError;
use crate::submit::{FileRefusal, SubmitError};

/// Faults that are kept with the fire.
const MOST_KEPT: u64 = 20;

/// Rows that will never do as they are.
pub(super) struct RefusedFire {
    pub(super) reason: FireReason,
    why: RefusedFile,
}

/// What all is said about.
pub(super) struct RefusedRows {
    pub(super) known: Arc<KnownSchedule>,
    pub(super) fire: Fire,
    /// The file they are from, if it is one.
    pub(super) file: Option<PathBuf>,
    /// Where the results would lie.
    pub(super) out: Option<PathBuf>,
    /// Whether tables begin with a byte order mark.
    pub(super) bom: bool,
}

impl RefusedFire {
    pub(super) fn of_rows(refusal: FileRefusal) -> Self {
        Self {
            reason: FireReason::Refused,
            why: RefusedFile::Faults(Box::new(refusal.faults)),
        }
    }

    /// A submission that was refused as a whole; otherwise the error, which is no fault of the rows.
    pub(super) fn of_error(error: ServiceError) -> Result<Self, ServiceError> {
        let mut faults = FaultLog::default();
        let (reason, kept) = match error {
            ServiceError::NoRecipient(error) => {
                return Ok(Self {
                    reason: FireReason::Refused,
                    why: RefusedFile::because("no-recipient", error.to_string()),
                });
            }
            ServiceError::Submit(SubmitError::Plan(PlanError::Header {
                file,
                sheet,
                line,
                problems,
                ..
            })) => {
                let mut of_header = problems
                    .into_iter()
                    .map(|problem| RowFault::of_header(&file, sheet.as_deref(), line, problem));
                (FireReason::Refused, of_header.try_for_each(|fault| faults.push(fault)))
            }
            // Somebody writes to it; it is read again.
            ServiceError::Submit(SubmitError::Plan(PlanError::Input(ref input))) if is_incomplete(input) => {
                return Err(error);
            }
            ServiceError::Submit(SubmitError::Plan(PlanError::Input(error))) => {
                (FireReason::Unreadable, faults.push(RowFault::of_file(&error)))
            }
            error => return Err(error),
        };
        kept.map_err(|error| ServiceError::Submit(SubmitError::Plan(PlanError::Temporary(error))))?;
        Ok(Self {
            reason,
            why: RefusedFile::Faults(Box::new(faults)),
        })
    }

    /// Writes all there is to say where the results would lie; what the record says, with where the rest is. It blocks.
    pub(super) fn tell(mut self, of: &RefusedRows) -> String {
        let all = match of.out.as_deref().map(|out| self.write(of, out)) {
            Some(Ok(place)) => format!("all of it is in {place}"),
            Some(Err(error)) => {
                tracing::warn!(
                    "schedule {}: the reasons cannot be written: {error}",
                    of.known.schedule.name
                );
                of.again()
            }
            None => of.again(),
        };
        let count = self.why.count();
        let mut lines = match &self.why {
            RefusedFile::Faults(_) if count == 1 => vec!["1 fault".to_owned()],
            RefusedFile::Faults(_) => vec![format!("{count} faults")],
            RefusedFile::Because(reasons) => reasons.iter().map(|reason| reason.expected.clone()).collect(),
        };
        if let RefusedFile::Faults(faults) = &mut self.why {
            let told = faults.each(MOST_KEPT, &mut |fault| {
                lines.push(fault.to_string());
                Ok(())
            });
            if let Err(error) = told {
                lines.push(format!("the faults cannot be read back: {error}"));
            }
        }
        if count > MOST_KEPT {
            lines.push(format!("and {} more; {all}", count - MOST_KEPT));
        } else if of.out.is_some() {
            lines.push(all);
        }
        lines.join("\n")
    }

    fn write(&mut self, of: &RefusedRows, out: &Path) -> io::Result<String> {
        std::fs::create_dir_all(out)?;
        let file = of
            .file
            .as_deref()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy();
        let rows = if file.is_empty() { "its row" } else { &*file };
        let again = match of.due() {
            Some(due) => format!("tenantry schedules run {} --due {due}", of.known.schedule.name),
            None => format!("tenantry schedules run {}", of.known.schedule.name),
        };
        let (csv, text) = (out.join(REASONS_TABLE), out.join(REASONS_TEXT));
        self.why.write(&WrittenReasons {
            csv: &csv,
            text: &text,
            file: &file,
            before: &format!(
                "{}{}: {rows} was refused: {}\nNothing of it was carried out. Fix it; `{again}` reads it again.\n",
                begin(&of.known.schedule.name),
                of.fire.nominal,
                self.why.summary()
            ),
            after: "",
            bom: of.bom,
        })?;
        // For the readers of the results, which are as open as their directory.
        let open = out.metadata()?.permissions().mode() & 0o666;
        for path in [&csv, &text] {
            std::fs::set_permissions(path, Permissions::from_mode(open))?;
        }
        Ok(csv.display().to_string())
    }
}

impl RefusedRows {
    /// The instant, if it is a due one and not a moment at which somebody asked.
    fn due(&self) -> Option<String> {
        let at = self.fire.due;
        let span = Span {
            times: &self.known.timing,
            from: at - 1,
            to: at,
        };
        span.newest(1).pop().map(|time| rfc3339(time.at))
    }

    /// How all of it is seen without a file.
    fn again(&self) -> String {
        match (self.due(), &self.file) {
            (Some(due), _) => format!(
                "`tenantry schedules plan {} --due {due} --all` tells all",
                self.known.schedule.name
            ),
            (None, Some(file)) => format!(
                "`tenantry plan {} {} --all` tells all",
                self.known.config.kind,
                file.display()
            ),
            (None, None) => "with `out` all of it would be in a file".to_owned(),
        }
    }
}

/// How a text of ours about a schedule begins.
fn begin(schedule: &str) -> String {
    format!("schedule {schedule}, ")
}

/// Removes the reasons that were written to `out` of a fire of that schedule, if there are any. Whether there are none any more.
pub(super) fn remove(out: &Path, schedule: &str) -> bool {
    let text = out.join(REASONS_TEXT);
    let mut first = String::new();
    let read = File::open(&text).and_then(|file| BufReader::new(file).read_line(&mut first));
    match read {
        Ok(_) if first.starts_with(&begin(schedule)) => {}
        // Nothing of ours.
        Ok(_) => return true,
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    }
    // The text last: it says whose the table is.
    let is_gone = [out.join(REASONS_TABLE), text]
        .iter()
        .all(|path| std::fs::remove_file(path).map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true));
    // With anything else in it, it stays.
    let _ = std::fs::remove_dir(out);
    is_gone
}
