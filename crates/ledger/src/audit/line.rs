//! A record as one line of JSON, and back. Reading it back gives exactly what was hashed, whatever order or
//! spacing other tools have given the line in between.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AuditRecord;
use super::together::{JobAmong, jobs_of};
use crate::job::to_json;
use tenantry_foundation::moment::rfc3339;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditLine {
    seq: i64,
    time: String,
    actor: String,
    action: String,
    job: Option<String>,
    kind: Option<String>,
    plan_hash: Option<String>,
    counts: Option<CountsField>,
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jobs: Option<JobsField>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    prev: String,
    hash: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum JobsField {
    Jobs(Vec<JobAmong>),
    /// Damaged ones, see [`CountsField::Damaged`].
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CountsField {
    Counts(BTreeMap<String, u64>),
    /// Damaged ones, which are exported as they are, so that they can be found in the file too.
    Damaged(String),
}

impl AuditRecord {
    /// RFC 3339, UTC.
    pub fn time(&self) -> String {
        rfc3339(self.at)
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        let counts = self.counts.as_ref().map(|text| match serde_json::from_str(text) {
            Ok(counts) if to_json(&counts) == *text => CountsField::Counts(counts),
            _ => CountsField::Damaged(text.clone()),
        });
        let jobs = self.jobs.as_deref();
        let jobs = jobs.map(|text| jobs_of(text).map_or_else(|| JobsField::Damaged(text.to_owned()), JobsField::Jobs));
        let own = self.clone();
        to_json(&AuditLine {
            seq: own.seq,
            time: self.time(),
            actor: own.actor,
            action: own.action,
            job: own.job,
            kind: own.kind,
            plan_hash: own.plan_hash,
            counts,
            note: own.note,
            via: own.via,
            jobs,
            digest: own.digest,
            prev: own.prev,
            hash: own.hash,
        })
    }

    /// From a line of JSON, or why it is no record.
    pub fn from_json(line: &str) -> Result<Self, String> {
        let line: AuditLine = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let at = millis(&line.time).ok_or_else(|| format!("`{}` is no time of a record", line.time))?;
        Ok(Self {
            seq: line.seq,
            at,
            actor: line.actor,
            action: line.action,
            job: line.job,
            kind: line.kind,
            plan_hash: line.plan_hash,
            counts: line.counts.map(|counts| match counts {
                CountsField::Counts(counts) => to_json(&counts),
                CountsField::Damaged(text) => text,
            }),
            note: line.note,
            via: line.via,
            jobs: line.jobs.map(|jobs| match jobs {
                JobsField::Jobs(jobs) => to_json(&jobs),
                JobsField::Damaged(text) => text,
            }),
            digest: line.digest,
            prev: line.prev,
            hash: line.hash,
        })
    }
}

/// Milliseconds are what is hashed, so a time written in any other way than ours may say more than they do.
fn millis(text: &str) -> Option<i64> {
    // A damaged record may have a time no calendar has; it is written as a number.
    if let Ok(number) = text.parse::<i64>() {
        return (rfc3339(number) == text).then_some(number);
    }
    let stamp: Timestamp = text.parse().ok()?;
    let millis = stamp.as_millisecond();
    (rfc3339(millis) == text).then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_line_is_read_back(
            seq: i64, at: i64, text in ".*", other in proptest::option::of(".*"),
            counts in proptest::option::of(prop_oneof![
                Just("{\"applied\":1,\"total\":2}".to_owned()), Just("{ \"total\": 2}".to_owned()), ".*"
            ]),
        ) {
            let record = AuditRecord {
                seq, at, actor: text.clone(), action: text.clone(), job: other.clone(), kind: other.clone(),
                plan_hash: other.clone(), counts, note: other.clone(), via: other.clone(), jobs: other.clone(), digest: other, prev: text.clone(), hash: text,
            };
            prop_assert_eq!(AuditRecord::from_json(&record.to_json()), Ok(record));
        }
    }
}
