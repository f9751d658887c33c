//! Jobs that were carried out as they came in, many in one record: each with its id, kind, plan, counts and note.
//!
//! The record's actor and way in are those of all of them, its counts their sum. What is hashed is the text, a JSON array; what is
//! kept is that text, compressed. A job among them is found by the time of the record: that is when the job ended, and after it got its id.

use std::borrow::Cow;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

use super::{Action, AuditEntry, AuditRecord};
use crate::job::to_json;
use crate::{Counts, JobId};

/// Jobs of one record at most, and bytes of its text beyond which no more are added.
const MOST_JOBS: usize = 1_000;
const MOST_TEXT: usize = 384 << 10;
/// The lowest level that gives hashes in hexadecimal the room they take: the one below takes half as much again.
const LEVEL: Compression = Compression::new(2);
/// No record comes near this. A damaged one is not read further.
const LONGEST_TEXT: u64 = 8 << 20;

/// A job among others, as it is written. The fields are in the order of the alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobAmong {
    #[serde(default, skip_serializing_if = "JobCounts::is_none")]
    counts: JobCounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    job: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan_hash: Option<String>,
}

/// Counts without those that are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JobCounts {
    #[serde(skip_serializing_if = "is_zero")]
    applied: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cancelled: u64,
    #[serde(skip_serializing_if = "is_zero")]
    failed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    rejected: u64,
    #[serde(skip_serializing_if = "is_zero")]
    total: u64,
    #[serde(skip_serializing_if = "is_zero")]
    unchanged: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl JobCounts {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Counts> for JobCounts {
    fn from(counts: Counts) -> Self {
        let Counts {
            applied,
            unchanged,
            rejected,
            failed,
            cancelled,
            total,
        } = counts;
        Self {
            applied,
            cancelled,
            failed,
            rejected,
            total,
            unchanged,
        }
    }
}

impl From<JobCounts> for Counts {
    fn from(counts: JobCounts) -> Self {
        let JobCounts {
            applied,
            cancelled,
            failed,
            rejected,
            total,
            unchanged,
        } = counts;
        Self {
            applied,
            unchanged,
            rejected,
            failed,
            cancelled,
            total,
        }
    }
}

/// What a record says of several jobs.
pub(super) struct JobsText {
    /// The text.
    pub(super) text: String,
    /// The text as it is kept.
    pub(super) kept: Vec<u8>,
}

/// Entries as they are recorded: jobs that one actor had carried out become one, with the text of all of them.
pub(super) fn together(entries: &[AuditEntry]) -> Vec<(Cow<'_, AuditEntry>, Option<JobsText>)> {
    let mut recorded = Vec::new();
    let mut rest = entries;
    while let Some((first, after)) = rest.split_first() {
        let mut text = String::from("[");
        let mut all = AuditEntry {
            job: None,
            plan_hash: None,
            note: None,
            digest: None,
            ..first.clone()
        };
        let mut sum = Counts::default();
        let alike = rest.iter().take(MOST_JOBS);
        let alike = alike.take_while(|one| {
            let is_alike = first.action == Action::CarriedOut && one.is_alike(first) && text.len() < MOST_TEXT;
            if let (true, Some(job)) = (is_alike, one.job) {
                let counts = one.counts.unwrap_or_default();
                sum.add(&counts);
                if text.len() > 1 {
                    text.push(',');
                }
                text.push_str(&to_json(&JobAmong {
                    counts: counts.into(),
                    digest: one.digest.clone(),
                    job,
                    kind: one.kind.clone(),
                    note: one.note.clone(),
                    plan_hash: one.plan_hash.clone(),
                }));
                all.kind = all.kind.take().filter(|kind| one.kind.as_ref() == Some(kind));
                return true;
            }
            false
        });
        let alike = alike.count();
        if alike > 1 {
            text.push(']');
            all.counts = Some(sum);
            let kept = compressed(&text);
            recorded.push((Cow::Owned(all), Some(JobsText { text, kept })));
            rest = &rest[alike..];
        } else {
            recorded.push((Cow::Borrowed(first), None));
            rest = after;
        }
    }
    recorded
}

impl AuditEntry {
    fn is_alike(&self, other: &Self) -> bool {
        (self.action, &self.actor, &self.via) == (other.action, &other.actor, &other.via) && self.job.is_some()
    }
}

/// The jobs of a text, if it is just as it was written.
pub(super) fn jobs_of(text: &str) -> Option<Vec<JobAmong>> {
    let jobs: Vec<JobAmong> = serde_json::from_str(text).ok()?;
    (to_json(&jobs) == text).then_some(jobs)
}

impl AuditRecord {
    /// The record as each of its jobs sees it; the record itself if it is not of several jobs.
    pub fn of_each_job(self) -> Vec<Self> {
        let Some(jobs) = self.jobs.as_deref().and_then(jobs_of) else {
            return vec![self];
        };
        let of_one = |among: JobAmong| Self {
            job: Some(among.job.to_string()),
            kind: among.kind,
            plan_hash: among.plan_hash,
            counts: Some(super::canonical(&among.counts.into())),
            note: among.note,
            digest: among.digest,
            jobs: None,
            ..self.clone()
        };
        jobs.into_iter().map(of_one).collect()
    }

    /// The record as that job sees it, if it is among those of the record.
    pub(super) fn of_job_among(&self, job: JobId) -> Option<Self> {
        let id = job.to_string();
        // Most records have it not, and that is seen without reading them.
        if !self.jobs.as_ref()?.contains(&id) {
            return None;
        }
        let seen = self.clone().of_each_job().into_iter();
        seen.into_iter().find(|record| record.job.as_ref() == Some(&id))
    }

    /// How many jobs the record is of, if of several.
    pub fn job_count(&self) -> Option<usize> {
        jobs_of(self.jobs.as_deref()?).map(|jobs| jobs.len())
    }
}

/// A text as it is kept.
fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len() / 3), LEVEL);
    // Into memory, which takes everything.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

/// The text that is kept as that; `None` if it is damaged.
pub(super) fn text_of(kept: &[u8]) -> Option<String> {
    let mut text = String::new();
    let read = DeflateDecoder::new(kept).take(LONGEST_TEXT).read_to_string(&mut text);
    read.ok().map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Via;
    use uuid::Uuid;

    fn entry(job: u128, actor: &str, kind: &str) -> AuditEntry {
        AuditEntry {
            actor: actor.to_owned(),
            via: Some(Via::Inbox.as_str().to_owned()),
            action: Action::CarriedOut,
            job: Some(JobId(Uuid::from_u128(job))),
            kind: Some(kind.to_owned()),
            plan_hash: Some(format!("{job:064x}")),
            counts: Some(Counts {
                applied: 1,
                total: 1,
                ..Counts::default()
            }),
            note: Some(format!("note {job}")),
            digest: job.is_multiple_of(3).then(|| format!("{job:032x}")),
        }
    }

    fn recorded(entries: &[AuditEntry]) -> Vec<AuditRecord> {
        let mut prev = super::super::start(7);
        let mut records = Vec::new();
        for (entry, jobs) in together(entries) {
            let record = entry.following(records.len() as i64, prev, 5, jobs.map(|jobs| jobs.text));
            prev = record.hash.clone();
            records.push(record);
        }
        records
    }

    #[test]
    fn only_jobs_of_one_actor_that_follow_each_other_are_in_one_record() {
        let other = AuditEntry {
            action: Action::Submitted,
            ..entry(5, "a", "x")
        };
        let entries = [
            entry(1, "a", "x"),
            entry(2, "a", "y"),
            entry(3, "b", "x"),
            entry(4, "a", "x"),
            other.clone(),
            other,
        ];
        let records = recorded(&entries);
        let seen: Vec<_> = records
            .iter()
            .map(|one| (one.job_count(), one.job.is_some(), one.kind.as_deref()))
            .collect();
        let alone = (None, true, Some("x"));
        assert_eq!(seen, [(Some(2), false, None), alone, alone, alone, alone]);
        let counts = r#"{"applied":2,"cancelled":0,"failed":0,"rejected":0,"total":2,"unchanged":0}"#;
        assert_eq!(records[0].counts.as_deref(), Some(counts));
    }

    #[test]
    fn each_job_sees_its_own_part_of_the_record() {
        let entries: Vec<AuditEntry> = (0..2_500).map(|job| entry(job, "a", "x")).collect();
        let records = recorded(&entries);
        assert_eq!(records.len(), 3);
        let each: Vec<AuditRecord> = records.iter().cloned().flat_map(AuditRecord::of_each_job).collect();
        assert_eq!(each.len(), entries.len());
        for (seen, entry) in each.iter().zip(&entries) {
            let alone = entry.following(0, String::new(), 5, None);
            let own = |one: &AuditRecord| {
                let one = one.clone();
                (
                    one.actor,
                    one.action,
                    one.job,
                    one.kind,
                    one.plan_hash,
                    one.counts,
                    one.note,
                    one.via,
                )
            };
            assert_eq!(own(seen), own(&alone));
        }
        let job = JobId(Uuid::from_u128(1_200));
        assert!(records[0].of_job_among(job).is_none());
        assert_eq!(records[1].of_job_among(job).as_ref(), Some(&each[1_200]));
    }

    #[test]
    fn every_field_of_a_job_is_part_of_the_hash() {
        let records = recorded(&[entry(1, "a", "x"), entry(2, "a", "x")]);
        let [record] = records.as_slice() else {
            panic!("{records:?}")
        };
        let text = record.jobs.clone().unwrap_or_default();
        assert_eq!(record.computed(), record.hash);
        for (from, to) in [
            ("note 2", "note 3"),
            ("\"applied\":1", "\"applied\":0"),
            ("\"x\"", "\"y\""),
        ] {
            let altered = AuditRecord {
                jobs: Some(text.replacen(from, to, 1)),
                ..record.clone()
            };
            assert_ne!(altered.jobs, record.jobs);
            assert_ne!(altered.computed(), record.hash, "{to}");
        }
        let without = AuditRecord {
            jobs: None,
            ..record.clone()
        };
        assert_ne!(without.computed(), record.hash);
        assert_eq!(AuditRecord::from_json(&record.to_json()), Ok(record.clone()));
        // What was altered is exported as it is, so that it is found in the file too.
        let altered = AuditRecord {
            jobs: Some(text.replacen('{', "{ ", 1)),
            ..record.clone()
        };
        assert_eq!(AuditRecord::from_json(&altered.to_json()), Ok(altered));
    }

    #[test]
    fn a_text_is_kept_small_and_read_back() {
        let entries: Vec<AuditEntry> = (0..500).map(|job| entry(job, "a", "x")).collect();
        let record = recorded(&entries).remove(0);
        let text = record.jobs.unwrap_or_default();
        let kept = compressed(&text);
        assert!(kept.len() * 4 < text.len(), "{} of {}", kept.len(), text.len());
        assert_eq!(text_of(&kept), Some(text));
        assert_eq!(text_of(&kept[..kept.len() / 2]), None);
    }
}
