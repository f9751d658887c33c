//! Limits with a memory: what jobs that nobody had to approve have taken from a limit today, so that many small jobs meet it as one large job does.
//!
//! A counter is of a day, of what is limited and of whose the limit is: the touched users of a customer, the destructive rows of a submitter. Days
//! are civil days in UTC. A transaction that records jobs locks their counters before anything else, in one order, and adds to them.
//! So of two that record at once, one sees what the other took. The cost is that of the counters in a batch of jobs; jobs that take
//! from no limit cost nothing. A job that is cancelled or fails gives nothing back, and an approved job takes nothing.
//!
//! What a job takes stands in the record of its submission as well, so that counters that were set back are found out (`deep`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Ledger;
use tenantry_foundation::db::{DbError, Tx, Value};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Days for which counters are kept after theirs, for people to look at.
const KEPT_DAYS: i64 = 7;

/// What a limit is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    /// Existing users of a customer that are changed or deleted.
    TouchedUsers,
    /// Destructive rows of a submitter.
    DestructiveRows,
}

impl Limited {
    fn as_str(self) -> &'static str {
        match self {
            Self::TouchedUsers => "touched-users",
            Self::DestructiveRows => "destructive-rows",
        }
    }
}

/// Something that is counted through a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter {
    /// What the limit is of.
    pub what: Limited,
    /// Whose it is: a customer, or who submits.
    pub whose: String,
}

/// What a job takes from a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowanceTaking {
    /// What is counted.
    pub counter: Counter,
    /// How much of it the job is.
    pub amount: u64,
    /// How much there may be in a day, that included.
    pub most: u64,
}

/// What was taken today, where anything was.
pub type TakenToday = BTreeMap<Counter, u64>;

/// Counters of today, locked until the transaction ends.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    day: i64,
    taken: TakenToday,
    changed: BTreeSet<Counter>,
}

impl Allowances {
    /// Locks what these take from. Before anything else in the transaction.
    pub(super) fn lock<'t>(
        tx: &mut dyn Tx,
        now: i64,
        takings: impl Iterator<Item = &'t AllowanceTaking>,
    ) -> Result<Self, DbError> {
        let day = day(now);
        let counters: BTreeSet<&Counter> = takings.map(|taking| &taking.counter).collect();
        if counters.is_empty() {
            return Ok(Self::default());
        }
        let keys: Vec<Vec<Value>> = counters.iter().map(|counter| key(day, counter)).collect();
        tx.exec_each(
            "INSERT INTO allowances (day, what, whose, used) VALUES ($1, $2, $3, 0)
             ON CONFLICT (day, what, whose) DO UPDATE SET used = allowances.used",
            &keys,
        )?;
        let taken = read(tx, counters.into_iter().cloned().collect(), day)?;
        Ok(Self {
            day,
            taken,
            changed: BTreeSet::new(),
        })
    }

    /// Takes for one job.
    ///
    /// # Errors
    /// What was taken before, if that leaves too little of anything. Nothing is taken then.
    pub(super) fn take(&mut self, takings: &[AllowanceTaking]) -> Result<(), TakenToday> {
        let before = |counter: &Counter| self.taken.get(counter).copied().unwrap_or_default();
        let fits = |taking: &AllowanceTaking| before(&taking.counter).saturating_add(taking.amount) <= taking.most;
        if !takings.iter().all(fits) {
            let counters = takings.iter().map(|taking| &taking.counter);
            return Err(counters.map(|counter| (counter.clone(), before(counter))).collect());
        }
        for AllowanceTaking { counter, amount, .. } in takings {
            *self.taken.entry(counter.clone()).or_default() += amount;
            self.changed.insert(counter.clone());
        }
        Ok(())
    }

    /// Records what was taken.
    pub(super) fn write(self, tx: &mut dyn Tx) -> Result<(), DbError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let with_amount = |counter: &Counter| {
            let mut values = key(self.day, counter);
            values.push(self.taken.get(counter).copied().unwrap_or_default().into());
            values
        };
        tx.send_all(
            "UPDATE allowances SET used = $4 WHERE day = $1 AND what = $2 AND whose = $3",
            self.changed.iter().map(with_amount).collect(),
        )
    }
}

/// What is recorded of what a job takes: a line for each counter.
pub(super) fn takes_note(takings: &[AllowanceTaking]) -> String {
    let mut note = String::new();
    for AllowanceTaking { counter, amount, .. } in takings {
        let _ = write!(note, "\n{TAKES}{amount} {} of {}", counter.what.as_str(), counter.whose);
    }
    note
}

const TAKES: &str = "takes ";

/// By day, what is limited, and whose the limit is.
pub(super) type CountersByDay = BTreeMap<(i64, String, String), u64>;

/// Adds what the note of a submission at that time says of what it takes, if that is of a day after `after`.
pub(super) fn add_taken(counters: &mut CountersByDay, after: i64, at: i64, note: &str) {
    if day(at) <= after {
        return;
    }
    for line in note.lines().filter_map(|line| line.strip_prefix(TAKES)) {
        // How a job ended may stand behind it.
        let line = line.split("; ").next().unwrap_or_default();
        let Some((taken, whose)) = line.split_once(" of ") else {
            continue;
        };
        if let Some((amount, what)) = taken.split_once(' ')
            && let Ok(amount) = amount.parse::<u64>()
        {
            let counter = (day(at), what.to_owned(), whose.to_owned());
            let sum = counters.entry(counter).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
}

/// The counters that are kept for certain.
pub(super) fn kept(tx: &mut dyn Tx, now: i64) -> Result<CountersByDay, DbError> {
    let sql = "SELECT day, what, whose, used FROM allowances WHERE day > $1";
    let read = |row: &tenantry_foundation::db::Row| {
        let counter = (row.int(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned());
        Ok((counter, row.int(3)?.max(0) as u64))
    };
    tx.query(sql, &[kept_after(now).into()])?.iter().map(read).collect()
}

/// The last day of which counters may have been let go of, as clocks differ.
pub(super) fn kept_after(now: i64) -> i64 {
    day(now) - KEPT_DAYS + 1
}

impl Ledger {
    /// What was taken from these today.
    pub async fn taken_today(&self, counters: Vec<Counter>) -> Result<TakenToday, DbError> {
        if counters.is_empty() {
            return Ok(TakenToday::new());
        }
        let day = day(self.clock.now_millis());
        self.db.read(move |tx| read(tx, counters, day)).await
    }

    /// Lets go of the counters of days that are over.
    pub async fn forget_allowances(&self) -> Result<u64, DbError> {
        let before = day(self.past()) - KEPT_DAYS;
        let forget = move |tx: &mut dyn Tx| tx.exec("DELETE FROM allowances WHERE day < $1", &[before.into()]);
        self.db.write(forget).await
    }
}

fn read(tx: &mut dyn Tx, counters: Vec<Counter>, day: i64) -> Result<TakenToday, DbError> {
    let keys: Vec<Vec<Value>> = counters.iter().map(|counter| key(day, counter)).collect();
    let found = tx.query_each(
        "SELECT used FROM allowances WHERE day = $1 AND what = $2 AND whose = $3",
        &keys,
    )?;
    let mut taken = TakenToday::new();
    for (counter, found) in counters.into_iter().zip(found) {
        if let Some(row) = found.first() {
            taken.insert(counter, row.int(0)?.max(0) as u64);
        }
    }
    Ok(taken)
}

fn day(millis: i64) -> i64 {
    millis.div_euclid(DAY_MILLIS)
}

fn key(day: i64, counter: &Counter) -> Vec<Value> {
    vec![day.into(), counter.what.as_str().into(), counter.whose.as_str().into()]
}
