//! Removing what brought jobs that are removed: records of dropped files and of due times of schedules.
//!
//! A record that has ended goes once its job has gone, or as long after its end as a job would, if it never had one. Some stay, for
//! what comes is held against them:
//!
//! - of a file that stays where it was dropped the newest, or it would be taken once more;
//! - of a schedule the newest run, and the newest that read a file: the next file is compared with that one;
//! - a due time whose results lie somewhere still: `keep_out` removes them by it.
//!
//! Their ways in know nothing of the others that were removed: content that was refused as repeated is taken again, as it is
//! once the job is gone, and a backfill does times before that again.

use super::super::audit::{self, Action, AuditEntry};
use super::{LOT, LookedThrough};
use crate::Ledger;
use tenantry_foundation::db::{DbError, Tx};
use tenantry_foundation::moment;

/// What one way in keeps of what it has brought.
struct BroughtRecords {
    table: &'static str,
    /// What the audit record calls one of them, and several.
    called: [&'static str; 2],
    /// Number, name, time and whether it is to go of those that come next.
    next: &'static str,
}

const DROPS: BroughtRecords = BroughtRecords {
    table: "drops",
    called: ["record of a dropped file", "records of dropped files"],
    next: "SELECT d.seq, d.id, d.seen_at,
         CASE WHEN d.ended_at < $2 AND d.job IS NULL AND (d.stays IS NULL OR d.state = 'gone' OR EXISTS (
           SELECT 1 FROM drops o WHERE o.folder = d.folder AND o.file = d.file AND o.stays IS NOT NULL AND o.state <> 'gone'
             AND o.seq > d.seq)) THEN 1 ELSE 0 END
       FROM drops d WHERE d.seq > $1 ORDER BY d.seq LIMIT $3",
};

const FIRES: BroughtRecords = BroughtRecords {
    table: "fires",
    called: ["due time of a schedule", "due times of schedules"],
    next: "SELECT f.seq, f.schedule || ' ' || f.nominal, f.made_at,
         CASE WHEN f.ended_at < $2 AND f.job IS NULL AND f.out_path IS NULL
           AND (f.state NOT IN ('ended', 'failed') OR EXISTS (
             SELECT 1 FROM fires o WHERE o.schedule = f.schedule AND o.seq > f.seq AND o.state IN ('ended', 'failed', 'submitted')))
           AND (f.sha256 IS NULL OR EXISTS (
             SELECT 1 FROM fires o WHERE o.schedule = f.schedule AND o.seq > f.seq AND o.sha256 IS NOT NULL))
           THEN 1 ELSE 0 END
       FROM fires f WHERE f.seq > $1 ORDER BY f.seq LIMIT $3",
};

impl Ledger {
    /// Removes some of the records of what brought jobs, those that ended more than `keep_millis` ago; `false` if there are no more
    /// of them. After the jobs.
    pub async fn remove_brought(&self, keep_millis: i64, through: &mut LookedThrough) -> Result<bool, DbError> {
        let (before, now) = (self.past() - keep_millis, self.clock.now_millis());
        let mut is_more = false;
        for (records, from) in [(&DROPS, &mut through.drop), (&FIRES, &mut through.fire)] {
            let Some(after) = *from else { continue };
            *from = match self
                .db
                .write(move |tx| remove_some(tx, records, [after, before], now))
                .await
            {
                // Another worker is removing the same ones, and goes on with the next.
                Err(DbError::Contended(_)) => None,
                other => other?,
            };
            is_more |= from.is_some();
        }
        Ok(is_more)
    }
}

/// Looks at the records after `from` and removes those that are to go; the number of the last one looked at, if there may be more
/// behind it.
fn remove_some(
    tx: &mut dyn Tx,
    records: &BroughtRecords,
    [from, before]: [i64; 2],
    now: i64,
) -> Result<Option<i64>, DbError> {
    let looked_at = tx.query(records.next, &[from.into(), before.into(), LOT.into()])?;
    let (mut last, mut is_more) = (from, looked_at.len() as u64 == LOT);
    let (mut names, mut seqs) = (Vec::new(), Vec::new());
    for row in &looked_at {
        last = row.int(0)?;
        if row.int(2)? >= before {
            is_more = false;
            break;
        }
        if row.int(3)? == 1 {
            names.push(row.text(1)?);
            seqs.push(vec![last.into()]);
        }
    }
    if let (Some(first), Some(newest)) = (names.first(), names.last()) {
        let [one, several] = records.called;
        let note = format!(
            "{} {} that ended before {}, {first} to {newest}",
            names.len(),
            if names.len() == 1 { one } else { several },
            moment::second(before),
        );
        let taken = || DbError::Contended("others are removing the same records".to_owned());
        tx.send_each(&format!("DELETE FROM {} WHERE seq = $1", records.table), seqs, taken)?;
        audit::append(tx, now, &AuditEntry::own(Action::Pruned, note))?;
    }
    Ok(is_more.then_some(last))
}
