//! Anchors: number and hash of the newest audit record, put where the owner of the ledger's database does not reach, so that a
//! record which was rewritten since shows (`tenantry audit verify --anchors`).
//!
//! They go to a file, to syslog or to a program, when jobs have ended and once a day, at most once a second however many jobs end. Work
//! never waits for one. What fails is said once, tried again, and said once more when it works again.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;
use crate::ledger::audit::Anchor;
use crate::moment::rfc3339;

/// Two anchors are at least so far apart.
const PAUSE: Duration = Duration::from_secs(1);
/// After a failure it is tried again so much later.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Without any job that ends, an anchor is put so often.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);
/// A program, a socket or a disk is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// At the end of a process there is less time.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(3);
/// Where syslog listens.
const SYSLOG: &str = "/dev/log";
/// Facility `authpriv`, severity `notice`.
const PRIORITY: u8 = 10 * 8 + 5;

/// Where anchors are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnchorPlace {
    /// Each as a line at the end of a file.
    File(PathBuf),
    /// Sent to the system's log by this socket.
    Syslog(PathBuf),
    /// Given to a program, on its standard input; the program and its arguments.
    Command(Vec<String>),
}

impl std::fmt::Display for AnchorPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Syslog(socket) if socket == Path::new(SYSLOG) => f.write_str("syslog"),
            Self::Syslog(socket) => write!(f, "syslog at {}", socket.display()),
            // Arguments may hold a secret.
            Self::Command(words) => write!(f, "the program {}", words.first().map_or("", String::as_str)),
        }
    }
}

impl AnchorPlace {
    /// What `audit.anchor` names: `file:PATH`, `syslog` or `syslog:SOCKET`; nothing if it is empty.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let path = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
        let place = match text.split_once(':') {
            None if text.is_empty() => return Ok(None),
            None if text == "syslog" => Some(Self::Syslog(PathBuf::from(SYSLOG))),
            Some(("file", file)) => path(file).map(Self::File),
            Some(("syslog", socket)) => path(socket).map(Self::Syslog),
            _ => None,
        };
        place
            .map(Some)
            .ok_or_else(|| "expected `file:PATH` or `syslog`".to_owned())
    }

    /// Puts a line there; why not, if it cannot be.
    async fn put(&self, line: AnchorLine) -> Result<(), String> {
        let put = async {
            match self.clone() {
                Self::Command(words) => run(&words, line.text).await,
                place => match tokio::task::spawn_blocking(move || place.write(&line)).await {
                    Ok(written) => written,
                    Err(error) => Err(std::io::Error::other(error)),
                },
            }
        };
        match tokio::time::timeout(PATIENCE, put).await {
            Ok(put) => put.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it took longer than {} s", PATIENCE.as_secs())),
        }
    }

    fn write(&self, AnchorLine { time, text }: &AnchorLine) -> std::io::Result<()> {
        match self {
            Self::File(path) => {
                let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
                // In one piece, so that lines of several workers do not mix.
                file.write_all(format!("{time} {text}\n").as_bytes())?;
                file.sync_data()
            }
            Self::Syslog(socket) => {
                let log = UnixDatagram::unbound()?;
                log.set_write_timeout(Some(PATIENCE))?;
                let message = format!("<{PRIORITY}>tenantry[{}]: {text}", std::process::id());
                log.send_to(message.as_bytes(), socket).map(drop)
            }
            Self::Command(_) => Ok(()),
        }
    }
}

async fn run(words: &[String], text: String) -> std::io::Result<()> {
    let (program, args) = words
        .split_first()
        .ok_or_else(|| std::io::Error::other("no program is named"))?;
    let mut child = tokio::process::Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // One that does not read it may still be content.
        let _ = input.write_all(format!("{text}\n").as_bytes()).await;
    }
    let status = child.wait().await?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(status.to_string()))
    }
}

/// The anchors of one process.
#[derive(Debug)]
pub struct Anchors {
    place: AnchorPlace,
    /// Whether something has ended since the last one.
    is_due: AtomicBool,
    wake: Notify,
    /// The record that was anchored last.
    last: AtomicI64,
    has_failed: AtomicBool,
}

impl Anchors {
    /// Anchors that are put there.
    pub(crate) fn new(place: AnchorPlace) -> Arc<Self> {
        Arc::new(Self {
            place,
            is_due: AtomicBool::new(false),
            wake: Notify::new(),
            last: AtomicI64::new(0),
            has_failed: AtomicBool::new(false),
        })
    }

    /// A job has ended.
    pub(crate) fn job_ended(&self) {
        if !self.is_due.swap(true, Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// Puts anchors until `stop`; `daily` also without any job that ends.
    pub(crate) async fn serve(self: Arc<Self>, ledger: Ledger, daily: bool, stop: CancellationToken) {
        let going_on = async {
            loop {
                if daily {
                    let _ = tokio::time::timeout(DAILY, self.wake.notified()).await;
                } else {
                    self.wake.notified().await;
                }
                while !self.put(&ledger).await {
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        stop.run_until_cancelled(going_on).await;
    }

    /// Puts the last one, if one is due.
    pub(crate) async fn end(&self, ledger: &Ledger) {
        if self.is_due.load(Ordering::Relaxed)
            && tokio::time::timeout(PATIENCE_AT_THE_END, self.put(ledger))
                .await
                .is_err()
        {
            tracing::warn!(
                "there was no time left to put an anchor of the audit record to {}",
                self.place
            );
        }
    }

    /// Puts an anchor, if there is anything new to be anchored. Whether it is done.
    async fn put(&self, ledger: &Ledger) -> bool {
        self.is_due.store(false, Ordering::Relaxed);
        let put = match ledger.audit_anchor().await {
            Ok(None) => Ok(()),
            Ok(Some(anchor)) if anchor.seq == self.last.load(Ordering::Relaxed) => Ok(()),
            Ok(Some(anchor)) => {
                let put = self.place.put(AnchorLine::of(ledger, &anchor)).await;
                if put.is_ok() {
                    self.last.store(anchor.seq, Ordering::Relaxed);
                }
                put
            }
            Err(error) => Err(error.to_string()),
        };
        match put {
            Ok(()) => {
                if self.has_failed.swap(false, Ordering::Relaxed) {
                    tracing::info!("anchors of the audit record reach {} again", self.place);
                }
                true
            }
            Err(why) => {
                self.is_due.store(true, Ordering::Relaxed);
                if !self.has_failed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "an anchor of the audit record could not be put to {}: {why}; work goes on, and it is tried again",
                        self.place
                    );
                }
                false
            }
        }
    }
}

/// Puts the anchor of the newest record there, to see whether that works. The anchor, or nothing if nothing is recorded.
pub(crate) async fn try_place(place: &AnchorPlace, ledger: &Ledger) -> Result<Option<String>, String> {
    let anchor = ledger.audit_anchor().await.map_err(|error| error.to_string())?;
    let Some(anchor) = anchor else { return Ok(None) };
    place.put(AnchorLine::of(ledger, &anchor)).await?;
    Ok(Some(anchor.to_string()))
}

/// An anchor as it is put somewhere.
#[derive(Debug, Clone)]
struct AnchorLine {
    /// When, for what keeps no times of its own.
    time: String,
    text: String,
}

impl AnchorLine {
    fn of(ledger: &Ledger, anchor: &Anchor) -> Self {
        Self {
            time: rfc3339(ledger.clock().now_millis()),
            text: format!("tenantry anchor {} {anchor}", ledger.installation().number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = |text| AnchorPlace::parse(text);
        assert_eq!(place(""), Ok(None));
        assert_eq!(place("file:a:b"), Ok(Some(AnchorPlace::File("a:b".into()))));
        assert_eq!(place("syslog"), Ok(Some(AnchorPlace::Syslog(SYSLOG.into()))));
        assert_eq!(place("syslog:/run/s"), Ok(Some(AnchorPlace::Syslog("/run/s".into()))));
        for wrong in ["file:", "file", "Syslog", "http://x", "syslog:"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
