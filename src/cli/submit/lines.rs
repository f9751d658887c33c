//! `tenantry submit --jobs`: many jobs by one command, a JSON document a line, for scripts that keep it open.
//!
//! Whatever has been written by now is taken in together, in the order of the lines; a lone line waits for no other. Each line
//! has its answer, a JSON object a line in the same order, once its job is recorded, or with `--wait` once it has ended. A
//! document is what the inbox takes. Who submits is who runs the command, whatever a document says.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::{CommandEnd, output};
use super::SubmitArgs;
use crate::app::App;
use crate::intake::{Accepted, Door, Handing, JobDocument, LedgerDoor, Reason, Refusal};
use crate::ledger::{Job, JobId, JobState};
use crate::plan::PIPED;
use crate::summary::JobSummary;

/// Lines read ahead, and taken in together at most.
const TOGETHER: usize = 512;
/// Jobs that are waited for at once; no more lines are read meanwhile.
const MOST_WAITING: usize = 10_000;
/// How often it is looked whether jobs have ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest line that is read.
const LONGEST: usize = 64 << 20;

/// A line as it was read.
enum JobLine {
    Text(Vec<u8>),
    TooLong,
    /// Nothing can be read any more.
    Broken(io::Error),
}

/// What is printed of a line.
#[derive(Serialize)]
struct LineAnswer<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(flatten)]
    told: AnswerTold<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnswerTold<'a> {
    Recorded {
        job: JobId,
        state: JobState,
        new: bool,
    },
    Refused {
        job: Option<JobId>,
        state: &'a str,
        reasons: &'a [Reason],
    },
    Ended(Box<JobSummary>),
}

/// A line that is dealt with, and what is to be printed of it.
struct Dealt {
    line: u64,
    key: Option<String>,
    status: LineStatus,
}

enum LineStatus {
    Refused(Vec<Reason>),
    Recorded(Accepted),
    /// With `--wait`, until it has ended.
    Waiting(JobId),
    Ended(Box<Job>),
}

/// Takes in every line of a file, or of standard input for `-`.
pub(super) async fn submit(
    file: &Path,
    args: &SubmitArgs,
    app: &App,
    stop: &CancellationToken,
) -> anyhow::Result<CommandEnd> {
    let mut lines = read(file)?;
    let mut lines_of = Lines {
        app,
        door: LedgerDoor::of_command(
            &app.service,
            args.submission.by.clone(),
            args.submission.passwords.of_many(),
        ),
        waits: args.wait,
        next: 1,
        dealt: VecDeque::new(),
        end: CommandEnd::Fine,
    };
    let mut batch = Vec::with_capacity(TOGETHER);
    loop {
        let waiting = lines_of.dealt.len();
        let mut looking = tokio::time::interval(LOOK_EVERY);
        looking.tick().await;
        let read = tokio::select! {
            read = lines.recv_many(&mut batch, TOGETHER), if waiting < MOST_WAITING => Some(read),
            _ = looking.tick(), if waiting > 0 => None,
            () = stop.cancelled() => break,
        };
        match read {
            Some(0) => break,
            Some(_) => lines_of.take_in(std::mem::take(&mut batch)).await?,
            None => {}
        }
        lines_of.tell().await?;
    }
    while lines_of.is_waiting() && stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        lines_of.tell().await?;
    }
    if stop.is_cancelled() {
        let next = lines_of.dealt.front().map_or(lines_of.next, |dealt| dealt.line);
        output::say(&format!("stopped; the first line without an answer is line {next}"));
        return Ok(CommandEnd::Unfinished);
    }
    Ok(lines_of.end)
}

struct Lines<'a> {
    app: &'a App,
    door: LedgerDoor,
    waits: bool,
    /// The number of the next line.
    next: u64,
    /// Lines that are dealt with and not told of, in their order.
    dealt: VecDeque<Dealt>,
    end: CommandEnd,
}

impl Lines<'_> {
    /// Takes in some lines, all that belong together in one go.
    async fn take_in(&mut self, lines: Vec<JobLine>) -> anyhow::Result<()> {
        let mut broken = None;
        let (mut dealt, mut documents) = (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
        for line in lines {
            let number = self.next;
            self.next += 1;
            let read = match line {
                JobLine::Text(text) if text.iter().all(u8::is_ascii_whitespace) => continue,
                JobLine::Text(text) => self.document(&text),
                JobLine::TooLong => {
                    let expected = format!("expected a line of at most {} MiB", LONGEST >> 20);
                    Err(vec![Reason::new("$", "too-long", "", expected)])
                }
                JobLine::Broken(error) => {
                    broken = Some(anyhow::Error::from(error).context(format!("line {number} cannot be read")));
                    break;
                }
            };
            match read {
                Ok(document) => {
                    dealt.push((number, document.idempotency_key.clone(), None));
                    documents.push((document, format!("line {number}")));
                }
                Err(reasons) => dealt.push((number, None, Some(reasons))),
            }
        }
        let mut submitted = self.door.submit_all(documents, Handing::FIRST).await.into_iter();
        for (line, key, refused) in dealt {
            let status = match refused {
                Some(reasons) => LineStatus::Refused(reasons),
                None => match submitted.next() {
                    Some(Ok(accepted)) if self.waits => LineStatus::Waiting(accepted.job),
                    Some(Ok(accepted)) => LineStatus::Recorded(accepted),
                    Some(Err(Refusal::Invalid(reasons))) => LineStatus::Refused(reasons),
                    Some(Err(Refusal::Unavailable(why) | Refusal::Failed(why))) => {
                        self.tell().await?;
                        bail!("line {line} and those after it are not recorded: {why}");
                    }
                    None => bail!("line {line} has no answer"),
                },
            };
            self.dealt.push_back(Dealt { line, key, status });
        }
        match broken {
            Some(error) => {
                self.tell().await?;
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn document(&self, text: &[u8]) -> Result<JobDocument, Vec<Reason>> {
        let prefix = &self.app.config.queue.prefix;
        let document = JobDocument::parse(text, prefix).map_err(|malformed| malformed.reasons)?;
        match self.door.refuses(&document) {
            Some(reason) => Err(vec![reason]),
            None => Ok(document),
        }
    }

    fn is_waiting(&self) -> bool {
        !self.dealt.is_empty()
    }

    /// Prints the answers that are due, as far as no line before them is waited for.
    async fn tell(&mut self) -> anyhow::Result<()> {
        self.look().await?;
        let mut out = output::out();
        while let Some(dealt) = self.dealt.pop_front() {
            let (told, end) = match &dealt.status {
                LineStatus::Waiting(_) => {
                    self.dealt.push_front(dealt);
                    break;
                }
                LineStatus::Refused(reasons) => {
                    let told = AnswerTold::Refused {
                        job: None,
                        state: "rejected",
                        reasons,
                    };
                    (told, CommandEnd::SomeRowsNot)
                }
                LineStatus::Recorded(accepted) => {
                    let told = AnswerTold::Recorded {
                        job: accepted.job,
                        state: accepted.state,
                        new: accepted.is_new,
                    };
                    (told, CommandEnd::Fine)
                }
                LineStatus::Ended(job) => (
                    AnswerTold::Ended(Box::new(JobSummary::of(job))),
                    output::end_of(job.state, &job.counts),
                ),
            };
            self.end = self.end.max(end);
            let answer = LineAnswer {
                line: dealt.line,
                idempotency_key: dealt.key.as_deref(),
                told,
            };
            serde_json::to_writer(&mut out, &answer).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Looks which of the jobs that are waited for have ended, or rest until somebody does something.
    async fn look(&mut self) -> anyhow::Result<()> {
        let waiting = |dealt: &Dealt| match dealt.status {
            LineStatus::Waiting(job) => Some(job),
            _ => None,
        };
        let ids: Vec<JobId> = self.dealt.iter().filter_map(waiting).take(TOGETHER).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut jobs = self.app.service.jobs_of(ids).await?.into_iter();
        for dealt in self
            .dealt
            .iter_mut()
            .filter(|dealt| matches!(dealt.status, LineStatus::Waiting(_)))
        {
            let Some(job) = jobs.next() else { break };
            if let Some(job) = job.filter(Job::is_idle) {
                dealt.status = LineStatus::Ended(Box::new(job));
            }
        }
        Ok(())
    }
}

/// Reads lines on a thread of its own, since the writer may take its time.
fn read(file: &Path) -> anyhow::Result<mpsc::Receiver<JobLine>> {
    let mut from: Box<dyn BufRead + Send> = if file == Path::new(PIPED) {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let opened = std::fs::File::open(file).with_context(|| file.display().to_string())?;
        Box::new(BufReader::new(opened))
    };
    let (sender, lines) = mpsc::channel(TOGETHER);
    std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
        while let Some(line) = next(&mut *from) {
            let is_last = matches!(line, JobLine::Broken(_));
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(lines)
}

fn next(from: &mut dyn BufRead) -> Option<JobLine> {
    let mut text = Vec::new();
    let mut is_too_long = false;
    loop {
        let some = match from.fill_buf() {
            Ok(some) => some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Some(JobLine::Broken(error)),
        };
        if some.is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', some);
        let part = &some[..end.unwrap_or(some.len())];
        is_too_long |= text.len() + part.len() > LONGEST;
        if !is_too_long {
            text.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Some(if is_too_long {
                JobLine::TooLong
            } else {
                JobLine::Text(text)
            });
        }
    }
    match (text.is_empty(), is_too_long) {
        (_, true) => Some(JobLine::TooLong),
        (true, false) => None,
        (false, false) => Some(JobLine::Text(text)),
    }
}
