//! Follows a chain of records, wherever they come from, in constant memory, and names what is wrong with it.

use serde::Serialize;
use thiserror::Error;

use super::AuditRecord;
use crate::signing::{JobApproval, SignatureCheck};

/// Faults that are kept in a report; the others are counted.
const KEPT: usize = 100;
/// How far from its place a record that was moved is looked for, and for how many records.
const REACH: i64 = 5_000;
const SEARCHES: u32 = 50;

/// A hash noted earlier and elsewhere, to be found in the chain again. Number 0 is the start of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The record's number.
    pub seq: i64,
    /// The hash it had.
    pub hash: String,
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// Anchors to be found in a chain, as little as can be kept of each.
#[derive(Debug, Default)]
struct NotedAnchors(Vec<OneAnchor>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OneAnchor {
    seq: i64,
    hash: [u8; 32],
    is_held: bool,
}

impl NotedAnchors {
    fn new(anchors: impl IntoIterator<Item = Anchor>) -> Self {
        let one = |anchor: Anchor| OneAnchor {
            seq: anchor.seq,
            hash: bytes_of(&anchor.hash),
            is_held: false,
        };
        let mut all: Vec<OneAnchor> = anchors.into_iter().map(one).collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// The chain has this record with that hash.
    fn hold(&mut self, seq: i64, hash: &str) {
        let first = self.0.partition_point(|anchor| anchor.seq < seq);
        let of_seq = self.0[first..].iter_mut().take_while(|anchor| anchor.seq == seq);
        let mut of_seq = of_seq.peekable();
        if of_seq.peek().is_some() {
            let hash = bytes_of(hash);
            of_seq.for_each(|anchor| anchor.is_held |= anchor.hash == hash);
        }
    }
}

/// 64 digits as they are kept. What is no digit makes another hash of it, which is then found nowhere.
fn bytes_of(hash: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = hash
            .get(at..at + 2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .unwrap_or_default();
    }
    bytes
}

impl std::str::FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.trim().split_once(':').and_then(|(seq, hash)| {
            let seq = seq.parse().ok().filter(|seq| *seq >= 0)?;
            let whole = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            whole.then(|| Self {
                seq,
                hash: hash.to_ascii_lowercase(),
            })
        });
        parsed.ok_or_else(|| "an anchor is the number of a record, a colon and its 64 digits of hash".to_owned())
    }
}

/// Something wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ChainFault {
    #[error("record {seq} was altered: it does not fit its hash")]
    Altered { seq: i64 },
    #[error("record {seq} is out of its place: it was record {was}")]
    Moved { seq: i64, was: i64 },
    #[error("{} missing: removed, or moved elsewhere", span(*from, *to, "is", "are"))]
    Missing { from: i64, to: i64 },
    #[error("record {seq} comes after record {after}: it was inserted or moved here")]
    OutOfPlace { seq: i64, after: i64 },
    #[error("record {seq} does not follow on the record before it: one of the two was replaced")]
    Unlinked { seq: i64 },
    #[error("record {seq} does not begin the chain of this installation: it was replaced, or the chain is another's")]
    WrongStart { seq: i64 },
    #[error("{place} cannot be read as a record: {why}")]
    Unreadable { place: String, why: String },
    #[error("{} missing at the end: the chain was cut off", span(*from, *to, "is", "are"))]
    Truncated { from: i64, to: i64 },
    #[error("{} past the end the head knows: inserted, or the head was set back", span(*from, *to, "lies", "lie"))]
    PastHead { from: i64, to: i64 },
    #[error("the head does not have the hash of the last record {seq}: one of the two was replaced")]
    WrongHead { seq: i64 },
    #[error("the head of the chain is gone, so its end cannot be told")]
    NoHead,
    #[error("record {seq} says that something was approved, and is not signed as it has to be: {why}")]
    NotSigned { seq: i64, why: String },
    #[error("the chain no longer holds record {seq} with the hash of the anchor: it was rewritten or cut off")]
    AnchorLost { seq: i64 },
}

fn span(from: i64, to: i64, one: &str, several: &str) -> String {
    if from == to {
        format!("record {from} {one}")
    } else {
        format!("records {from} to {to} {several}")
    }
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChainReport {
    /// Records read.
    pub records: u64,
    /// Number of the first one.
    pub first: Option<i64>,
    /// Number of the last one.
    pub last: Option<i64>,
    /// Hash of the last one; with its number it makes an anchor.
    pub hash: Option<String>,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<ChainFault>,
    /// The records begin after the anchor, or after all of them, so that says nothing about them.
    pub anchor_before: bool,
    /// Anchors that were looked for in the chain.
    pub anchors: u64,
    /// Those of them that it does not hold; the first is among the faults.
    pub anchors_lost: u64,
}

/// Takes a chain record by record.
#[derive(Debug)]
pub struct Checker {
    report: ChainReport,
    /// Number and previous hash the next record should have; the hash only while it can be relied on.
    next: Option<(i64, Option<String>)>,
    anchors: NotedAnchors,
    searches: u32,
    /// Where the chain is there from its first record on, so that it is known who was enrolled.
    signatures: Option<SignatureCheck>,
}

impl Checker {
    /// For a chain from its first record on; `start` is where it has to begin.
    pub fn whole(start: String, anchors: impl IntoIterator<Item = Anchor>) -> Self {
        let mut checker = Self::part(anchors);
        checker.next = Some((1, Some(start)));
        checker
    }

    /// For records from anywhere in a chain to anywhere.
    pub fn part(anchors: impl IntoIterator<Item = Anchor>) -> Self {
        Self {
            report: ChainReport::default(),
            next: None,
            anchors: NotedAnchors::new(anchors),
            searches: SEARCHES,
            signatures: Some(SignatureCheck::default()),
        }
    }

    /// The next record.
    pub fn take(&mut self, record: &AuditRecord) {
        let seq = record.seq;
        self.report.records += 1;
        let sound = record.computed() == record.hash;
        let (expected, prev) = self.next.clone().unwrap_or_else(|| (seq, Some(record.prev.clone())));
        if !sound {
            let was = self.former_place(record);
            self.fault(was.map_or(ChainFault::Altered { seq }, |was| ChainFault::Moved { seq, was }));
            if was.is_some() && seq != expected {
                // A stranger here; the chain goes on without it.
                return;
            }
        }
        if seq < expected {
            let after = expected - 1;
            return self.fault(ChainFault::OutOfPlace { seq, after });
        }
        if seq > expected {
            self.fault(ChainFault::Missing {
                from: expected,
                to: seq - 1,
            });
        } else if sound && prev.is_some_and(|prev| prev != record.prev) {
            let first = self.report.first.is_none();
            self.fault(if first {
                ChainFault::WrongStart { seq }
            } else {
                ChainFault::Unlinked { seq }
            });
        }
        if sound {
            self.anchors.hold(seq, &record.hash);
            self.anchors.hold(seq.saturating_sub(1), &record.prev);
        }
        if self.report.first.is_none() && seq != 1 {
            self.signatures = None;
        }
        let of = JobApproval {
            job: record.job.as_deref().unwrap_or_default(),
            kind: record.kind.as_deref().unwrap_or_default(),
            hash: record.plan_hash.as_deref().unwrap_or_default(),
            submitted: ("", None),
            note: record.note.as_deref().unwrap_or_default(),
        };
        let signatures = self.signatures.as_mut();
        if let Some(why) = signatures.and_then(|check| check.take(&record.action, record.at, &of)) {
            self.fault(ChainFault::NotSigned { seq, why });
        }
        self.report.first.get_or_insert(seq);
        self.report.last = Some(seq);
        self.report.hash = Some(record.hash.clone());
        self.next = Some((seq.saturating_add(1), sound.then(|| record.hash.clone())));
    }

    /// Something stands where a record should.
    pub fn unreadable(&mut self, place: String, seq: Option<i64>, why: String) {
        self.report.records += 1;
        self.fault(ChainFault::Unreadable { place, why });
        self.next = match (seq, self.next.take()) {
            // Something unreadable takes the place of the record that was expected.
            (None, Some((expected, _))) => Some((expected.saturating_add(1), None)),
            (None, None) => None,
            (Some(seq), next) => {
                self.report.first.get_or_insert(seq);
                self.report.last = Some(seq.max(self.report.last.unwrap_or(seq)));
                let expected = next.map_or(seq, |(expected, _)| expected);
                if seq > expected {
                    self.fault(ChainFault::Missing {
                        from: expected,
                        to: seq - 1,
                    });
                }
                Some((expected.max(seq.saturating_add(1)), None))
            }
        };
    }

    /// Faults found so far.
    pub fn fault_count(&self) -> u64 {
        self.report.fault_count
    }

    /// The end; `head` is what the database says the last record is: none when its head is gone.
    pub fn end_at(mut self, head: Option<(i64, String)>) -> ChainReport {
        let last = self.next.as_ref().map_or(0, |(next, _)| next - 1);
        let sound = self.next.take().and_then(|(_, hash)| hash);
        match head {
            None => self.fault(ChainFault::NoHead),
            Some((seq, _)) if seq > last => self.fault(ChainFault::Truncated {
                from: last + 1,
                to: seq,
            }),
            Some((seq, _)) if seq < last => self.fault(ChainFault::PastHead {
                from: seq + 1,
                to: last,
            }),
            Some((seq, hash)) if seq > 0 && sound.is_some_and(|sound| sound != hash) => {
                self.fault(ChainFault::WrongHead { seq });
            }
            Some(_) => {}
        }
        self.end()
    }

    /// The end, where nothing says what the last record should be.
    pub fn end(mut self) -> ChainReport {
        let anchors = std::mem::take(&mut self.anchors).0;
        let first = self.report.first;
        let is_before = |anchor: &&OneAnchor| first.is_some_and(|first| anchor.seq < first - 1);
        self.report.anchors = anchors.len() as u64;
        self.report.anchor_before = !anchors.is_empty() && anchors.iter().all(|anchor| is_before(&anchor));
        let lost = || anchors.iter().filter(|anchor| !anchor.is_held && !is_before(anchor));
        self.report.anchors_lost = lost().count() as u64;
        if let Some(OneAnchor { seq, .. }) = lost().next() {
            self.fault(ChainFault::AnchorLost { seq: *seq });
        }
        self.report
    }

    fn fault(&mut self, fault: ChainFault) {
        self.report.fault_count += 1;
        if self.report.faults.len() < KEPT {
            self.report.faults.push(fault);
        }
    }

    /// The number under which the record fits its hash, if there is one near by.
    fn former_place(&mut self, record: &AuditRecord) -> Option<i64> {
        self.searches = self.searches.checked_sub(1)?;
        let (near, last) = (record.seq, self.report.last.unwrap_or(0));
        let places = |around: i64| around.saturating_sub(REACH)..around.saturating_add(REACH);
        places(near)
            .chain(places(last))
            .find(|place| *place > 0 && *place != near && record.computed_as(*place) == record.hash)
    }
}
