//! `bulk-add-users`: many users at once, with their licences' seats.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tenantry_jobs::{NewUser, Problem, UserField, administrators_roles, code, is_as_read, is_same_country, key};

use super::Context;
use super::lookup::{Customer, Directory, USER_BY_KEY, sku};
use super::record::{MUST_SET_PASSWORD, SIGN_IN_BLOCKED};
use super::session::no_free_seats;
use crate::administrators::{becomes_administrator, unapproved};
use crate::sign_in_name::{foreign_domain, is_restorable, was_deleted};
use crate::{Account, Applied, Preview, SeatNeed, SeatsOf, Verdict, drifted, rejected, unchanged};
use tenantry_foundation::db::{Batch, Cell, DbError, Tx, Value};
use tenantry_ledger::ids::record_id;
use tenantry_ledger::{Installation, Outcome, RowOutcome};

/// The columns written, in the order of a batch's cells.
const COLUMNS: [&str; 24] = [
    "id",
    "customer",
    "user_principal_name",
    "display_name",
    "first_name",
    "last_name",
    "job_title",
    "department",
    "office",
    "office_phone",
    "mobile_phone",
    "fax",
    "alternate_email",
    "street_address",
    "city",
    "state",
    "postal_code",
    "country",
    "usage_location",
    "licenses",
    "roles",
    "flags",
    "name_key",
    "password_set_at",
];
const NAME: usize = 2;
const LICENSES: usize = 19;
const ROLES: usize = 20;
const FLAGS: usize = 21;
const NAME_KEY: usize = 22;

/// Users to insert, laid out for bulk insertion.
pub(super) struct NewUsers {
    batch: Batch,
    rows: Vec<RowOf>,
    /// (position in the batch, index into `skus`), ascending: one seat each.
    seats: Vec<(u32, u32)>,
    skus: Vec<Arc<SeatsOf>>,
    /// The roles of those that become administrators, by position: of rows that are previewed, and of those nobody has approved.
    administrators: BTreeMap<usize, String>,
    /// Primary domains of the customers, for who hands out passwords.
    domains: BTreeMap<i64, String>,
    /// When they are given passwords, in milliseconds since the epoch; `None` where nobody is told any.
    passwords_at: Option<i64>,
    /// Whether they are looked up only: of a row that no user can stand in the way of there is nothing to look up.
    is_preview: bool,
}

#[derive(Clone, Copy)]
struct RowOf {
    row: u64,
    /// Where the batch has it; only what is previewed may be in no place of it.
    laid: u32,
    customer: i64,
    /// Whether the customer had users, so that this one may exist.
    may_exist: bool,
    /// Whether the customer had deleted users, of which one may have had the name.
    may_be_deleted: bool,
}

/// Things of rows, with the rows' positions.
type ByPosition<T> = Vec<(usize, T)>;

/// The outcome of the rows, by position: outcomes of those of which there is something to say, and accounts that were made.
struct Inserted {
    outcomes: ByPosition<RowOutcome>,
    accounts: ByPosition<Account>,
}

/// What the rows of a file would do.
#[derive(Default)]
pub(super) struct PreviewedUsers {
    pub(super) previews: Vec<Preview>,
    pub(super) needs: Vec<SeatNeed>,
}

impl NewUsers {
    pub(super) fn new(rows: usize, passwords_at: Option<i64>) -> Self {
        Self {
            batch: Batch::new(COLUMNS.len(), rows),
            rows: Vec::with_capacity(rows),
            seats: Vec::new(),
            skus: Vec::new(),
            administrators: BTreeMap::new(),
            domains: BTreeMap::new(),
            passwords_at,
            is_preview: false,
        }
    }

    /// Users that are only [previewed](Self::preview_all).
    pub(super) fn to_preview(rows: usize) -> Self {
        Self {
            batch: Batch::new(COLUMNS.len(), 0),
            rows: Vec::with_capacity(rows),
            is_preview: true,
            ..Self::new(0, None)
        }
    }

    /// The rows of several, one after the other, with the position at which each begins.
    pub(super) fn joined<'u>(parts: impl Iterator<Item = &'u Self>) -> (Self, Vec<usize>) {
        let (mut all, mut starts) = (Self::new(0, None), Vec::new());
        for part in parts {
            let (position, sku) = (all.rows.len() as u32, all.skus.len() as u32);
            starts.push(all.rows.len());
            let laid = all.batch.len() as u32;
            all.batch.append(&part.batch);
            all.rows.extend(part.rows.iter().map(|row| RowOf {
                laid: row.laid + laid,
                ..*row
            }));
            let seats = part.seats.iter();
            all.seats.extend(seats.map(|(at, of)| (at + position, of + sku)));
            all.skus.extend(part.skus.iter().cloned());
            let administrators = part.administrators.iter();
            all.administrators
                .extend(administrators.map(|(at, roles)| (at + position as usize, roles.clone())));
            let domains = part.domains.iter();
            all.domains.extend(domains.map(|(id, domain)| (*id, domain.clone())));
            all.passwords_at = all.passwords_at.or(part.passwords_at);
        }
        (all, starts)
    }

    /// What users of the rows' names are found by.
    pub(super) fn names(&self) -> impl Iterator<Item = (i64, String)> + '_ {
        let rows = self.rows.iter().enumerate();
        rows.map(|(at, row)| (row.customer, self.text(at, NAME_KEY).to_owned()))
    }

    /// The customers of the rows, with repetitions.
    pub(super) fn customers(&self) -> impl Iterator<Item = i64> + '_ {
        self.rows.iter().map(|row| row.customer)
    }

    /// Adds a row, or says why the store cannot take it. `unapproved` are roles that nobody has approved.
    pub(super) fn add(
        &mut self,
        (job, row): (i64, u64),
        user: &NewUser<'_>,
        directory: &Directory,
        unapproved: Option<String>,
    ) -> Result<(), Problem> {
        let customer = directory.find(user.customer)?;
        if let Some(problem) = foreign_domain("user_principal_name", user.user_principal_name, customer.domains()) {
            return Err(problem);
        }
        let licenses = self.licenses(user, customer)?;
        let position = self.rows.len() as u32;
        self.rows.push(RowOf {
            row,
            laid: self.batch.len() as u32,
            customer: customer.id,
            may_exist: customer.users > 0,
            may_be_deleted: customer.has_deleted_users,
        });
        self.seats.extend(licenses.iter().map(|sku| (position, *sku)));
        let previewed = || {
            self.is_preview
                .then(|| administrators_roles(user.roles.iter().copied()))
        };
        if let Some(roles) = unapproved.or_else(|| previewed().flatten()) {
            self.administrators.insert(position as usize, roles);
        }
        if self.is_preview && customer.users == 0 && !customer.has_deleted_users {
            return Ok(());
        }
        self.domains
            .entry(customer.id)
            .or_insert_with(|| customer.domain.clone());
        self.batch.int(record_id(job, row));
        self.batch.int(customer.id);
        self.batch.text(user.user_principal_name);
        self.batch.text(&user.display_name);
        for field in UserField::ALL {
            self.batch.text(user.profile[field as usize]);
        }
        self.batch.text(&user.country);
        self.batch.text(&user.usage_location);
        let ids = licenses.iter().map(|sku| self.skus[*sku as usize].sku_id.as_str());
        self.batch.texts(ids, ";");
        self.batch.texts(user.roles.iter().copied(), ";");
        self.batch
            .int(MUST_SET_PASSWORD | if user.block_sign_in { SIGN_IN_BLOCKED } else { 0 });
        self.batch.text(&key::user_name(user.user_principal_name));
        match self.passwords_at {
            Some(at) => self.batch.int(at),
            None => self.batch.text(""),
        }
        Ok(())
    }

    /// Indices into `skus` of the licences a row asks for.
    fn licenses(&mut self, user: &NewUser<'_>, customer: &Customer) -> Result<Vec<u32>, Problem> {
        let mut found = Vec::with_capacity(user.licenses.len());
        for wanted in &user.licenses {
            let sku = sku("licenses", wanted, customer.skus())?;
            let known = self
                .skus
                .iter()
                .position(|known| known.customer == customer.id && known.sku_id == sku.id)
                .unwrap_or_else(|| {
                    self.skus.push(Arc::new(SeatsOf {
                        customer: customer.id,
                        domain: customer.domain.clone(),
                        sku_id: sku.id.clone(),
                        part_number: sku.part_number.clone(),
                        free: sku.seats - sku.assigned,
                    }));
                    self.skus.len() - 1
                }) as u32;
            if !found.contains(&known) {
                found.push(known);
            }
        }
        Ok(found)
    }

    /// Inserts the users, takes their seats and counts them. Where a plan is gone by, a row that was expected to
    /// create a user and cannot is told apart from one that is as it should be.
    pub(super) fn apply(&self, tx: &mut dyn Tx, context: &Context, applied: &mut Applied) -> Result<(), DbError> {
        let done = self.insert(tx, context, context.expected.is_some())?;
        applied
            .outcomes
            .extend(done.outcomes.into_iter().map(|(_, outcome)| outcome));
        applied
            .accounts
            .extend(done.accounts.into_iter().map(|(_, account)| account));
        Ok(())
    }

    /// As [`apply`](Self::apply) for the rows of several jobs, no two of which are about the same user and none of which goes by a plan.
    pub(super) fn apply_together(tx: &mut dyn Tx, jobs: &[(&Context, Option<&Self>)]) -> Result<Vec<Applied>, DbError> {
        let mut applied: Vec<Applied> = jobs.iter().map(|_| Applied::default()).collect();
        let (all, starts) = Self::joined(jobs.iter().filter_map(|(_, users)| *users));
        let whose: Vec<usize> = (0..jobs.len()).filter(|at| jobs[*at].1.is_some()).collect();
        let Some((context, _)) = jobs.first().filter(|_| !all.rows.is_empty()) else {
            return Ok(applied);
        };
        let job_of = |position: usize| whose[starts.partition_point(|start| *start <= position) - 1];
        let done = all.insert(tx, context, false)?;
        for (position, outcome) in done.outcomes {
            applied[job_of(position)].outcomes.push(outcome);
        }
        for (position, account) in done.accounts {
            applied[job_of(position)].accounts.push(account);
        }
        Ok(applied)
    }

    fn insert(&self, tx: &mut dyn Tx, context: &Context, checks_drift: bool) -> Result<Inserted, DbError> {
        let (installation, now) = (context.installation, context.now);
        let conflicts = tx.insert_new("users", &COLUMNS, &self.batch)?;
        let existing = self.existing(tx, &conflicts)?;
        let mut outcomes = Vec::with_capacity(conflicts.len());
        for (position, found) in conflicts.iter().zip(&existing) {
            let outcome = match found {
                Some(found) => self.outcome(*position, found, installation, checks_drift),
                // Its customer is locked, so nobody has come and gone since.
                None => crate::refused(self.rows[*position].row, self.not_found(*position), checks_drift),
            };
            outcomes.push((*position, outcome));
        }
        let mut left_out = conflicts;
        let seatless = self.take_seats(tx, &left_out)?;
        if !seatless.is_empty() {
            let ids: Vec<Vec<Value>> = seatless.keys().map(|at| vec![self.batch.id(*at).into()]).collect();
            tx.exec_all("DELETE FROM users WHERE id = $1", &ids)?;
            for (position, problem) in &seatless {
                let row = self.rows[*position].row;
                outcomes.push((*position, crate::refused(row, problem.clone(), checks_drift)));
            }
            left_out.extend(seatless.into_keys());
            left_out.sort_unstable();
        }
        self.count(tx, &left_out)?;
        let made: Vec<usize> = (0..self.rows.len())
            .filter(|position| left_out.binary_search(position).is_err())
            .collect();
        let perhaps_deleted = self.perhaps_deleted(tx, &made)?;
        for (position, note) in self.notes(tx, now, &perhaps_deleted)? {
            let outcome = RowOutcome {
                row: self.rows[position].row,
                outcome: Outcome::Applied,
                code: String::new(),
                message: note,
                target: installation.guid(self.batch.id(position)).to_string(),
                columns: Vec::new(),
            };
            outcomes.push((position, outcome));
        }
        let made = made.into_iter().filter(|_| self.passwords_at.is_some());
        let accounts = made.map(|position| {
            let domain = self.domains.get(&self.rows[position].customer);
            let account = Account {
                customer: domain.cloned().unwrap_or_default(),
                user_principal_name: self.text(position, NAME).to_owned(),
            };
            (position, account)
        });
        Ok(Inserted {
            outcomes,
            accounts: accounts.collect(),
        })
    }

    /// Rows that a plan found to be there already, or that nobody has approved: they are not made if they are not there.
    pub(super) fn check(
        &self,
        tx: &mut dyn Tx,
        installation: Installation,
        applied: &mut Applied,
    ) -> Result<(), DbError> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let existing = self.existing(tx, &all)?;
        for (position, found) in all.into_iter().zip(&existing) {
            let row = self.rows[position].row;
            applied.outcomes.push(match found {
                Some(found) => match self.difference(position, found) {
                    Ok(()) => unchanged(row, installation.guid(found.id).to_string()),
                    Err(problem) => drifted(row, &Verdict::Reject(problem)),
                },
                None => match self.administrators.get(&position) {
                    Some(roles) => rejected(row, &unapproved(&becomes_administrator(roles))),
                    None => drifted(row, &Verdict::Create),
                },
            });
        }
        Ok(())
    }

    fn outcome(&self, position: usize, found: &Existing, installation: Installation, checks_drift: bool) -> RowOutcome {
        let row = self.rows[position].row;
        match (self.difference(position, found), checks_drift) {
            (Ok(()), false) => unchanged(row, installation.guid(found.id).to_string()),
            (Ok(()), true) => drifted(row, &Verdict::Unchanged),
            (Err(problem), false) => rejected(row, &problem),
            (Err(problem), true) => drifted(row, &Verdict::Reject(problem)),
        }
    }

    /// What each row of several files would do to the store as it is, and the seats they need.
    pub(super) fn preview_all(tx: &mut dyn Tx, now: i64, files: &[&Self]) -> Result<Vec<PreviewedUsers>, DbError> {
        if let [one] = files {
            let (previews, needs) = one.preview(tx, now)?;
            return Ok(vec![PreviewedUsers {
                previews: previews.into_iter().map(|(_, preview)| preview).collect(),
                needs: needs.into_iter().map(|(_, need)| need).collect(),
            }]);
        }
        let mut all: Vec<PreviewedUsers> = files.iter().map(|_| PreviewedUsers::default()).collect();
        let (joined, starts) = Self::joined(files.iter().copied());
        let file_of = |position: usize| starts.partition_point(|start| *start <= position) - 1;
        let (previews, needs) = joined.preview(tx, now)?;
        for (position, preview) in previews {
            all[file_of(position)].previews.push(preview);
        }
        for (position, need) in needs {
            all[file_of(position)].needs.push(need);
        }
        Ok(all)
    }

    /// What each row would do to the store as it is, and the seats it needs, by position.
    fn preview(&self, tx: &mut dyn Tx, now: i64) -> Result<(ByPosition<Preview>, ByPosition<SeatNeed>), DbError> {
        let mut previews = Vec::with_capacity(self.rows.len());
        let may_exist: Vec<usize> = (0..self.rows.len()).filter(|at| self.rows[*at].may_exist).collect();
        let existing = self.existing(tx, &may_exist)?;
        let mut met = vec![false; self.rows.len()];
        for (position, found) in may_exist.iter().zip(&existing) {
            let Some(found) = found else { continue };
            met[*position] = true;
            let verdict = match self.difference(*position, found) {
                Ok(()) => Verdict::Unchanged,
                Err(problem) => Verdict::Reject(problem),
            };
            previews.push((*position, Preview::new(self.rows[*position].row, verdict)));
        }
        let new: Vec<usize> = (0..self.rows.len()).filter(|position| !met[*position]).collect();
        let perhaps_deleted: Vec<usize> = new.iter().copied().filter(|at| self.rows[*at].may_be_deleted).collect();
        let mut notes = self.notes(tx, now, &perhaps_deleted)?;
        for position in new {
            let roles = self.administrators.get(&position);
            let notes = [roles.map(|roles| becomes_administrator(roles)), notes.remove(&position)];
            let note = notes.into_iter().flatten().collect::<Vec<_>>().join("; ");
            let preview = Preview {
                destructive: roles.is_some(),
                ..Preview::new(self.rows[position].row, Verdict::Create).noting(note)
            };
            previews.push((position, preview));
        }
        let needs = self.seats.iter().filter(|(position, _)| !met[*position as usize]);
        let needs = needs.map(|(position, sku)| {
            let need = SeatNeed {
                row: self.rows[*position as usize].row,
                column: "licenses",
                of: self.skus[*sku as usize].clone(),
            };
            (*position as usize, need)
        });
        Ok((previews, needs.collect()))
    }

    /// Takes one seat per licence of every row not `left_out`. Rows there is no seat for, by position.
    fn take_seats(&self, tx: &mut dyn Tx, left_out: &[usize]) -> Result<BTreeMap<usize, Problem>, DbError> {
        let mut seatless = BTreeMap::new();
        let mut wanted: BTreeMap<(i64, &str), Vec<(usize, usize)>> = BTreeMap::new();
        for (position, sku) in &self.seats {
            if left_out.binary_search(&(*position as usize)).is_err() {
                let of = &self.skus[*sku as usize];
                wanted
                    .entry((of.customer, &of.sku_id))
                    .or_default()
                    .push((*position as usize, *sku as usize));
            }
        }
        let sql = "SELECT seats - assigned FROM subscribed_skus WHERE customer = $1 AND sku_id = $2";
        let of: Vec<Vec<Value>> = wanted
            .keys()
            .map(|(customer, sku_id)| vec![(*customer).into(), (*sku_id).into()])
            .collect();
        for (takers, free) in wanted.values().zip(tx.query_each(sql, &of)?) {
            let free = free.first().map_or(Ok(0), |row| row.int(0))?.max(0) as usize;
            for (position, sku) in takers.iter().skip(free) {
                let part_number = &self.skus[*sku].part_number;
                seatless
                    .entry(*position)
                    .or_insert_with(|| no_free_seats("licenses", part_number));
            }
        }
        let mut taken = Vec::new();
        for (mut of, takers) in of.into_iter().zip(wanted.values()) {
            let takers = takers.iter().filter(|(position, _)| !seatless.contains_key(position));
            let count = takers.count() as u64;
            if count > 0 {
                of.push(count.into());
                taken.push(of);
            }
        }
        let sql = "UPDATE subscribed_skus SET assigned = assigned + $3
             WHERE customer = $1 AND sku_id = $2 AND assigned + $3 <= seats";
        tx.send_each(sql, taken, || {
            DbError::Contended("another job is taking the same seats".to_owned())
        })?;
        Ok(seatless)
    }

    fn count(&self, tx: &mut dyn Tx, left_out: &[usize]) -> Result<(), DbError> {
        let mut per_customer: BTreeMap<i64, i64> = BTreeMap::new();
        for (position, row) in self.rows.iter().enumerate() {
            if left_out.is_empty() || left_out.binary_search(&position).is_err() {
                *per_customer.entry(row.customer).or_default() += 1;
            }
        }
        let params: Vec<Vec<Value>> = per_customer
            .into_iter()
            .map(|(id, added)| vec![id.into(), added.into()])
            .collect();
        let sql = "UPDATE customers SET user_count = user_count + $2 WHERE id = $1";
        tx.send_each(sql, params, || {
            DbError::Contended("a customer of these users is gone".to_owned())
        })
    }

    /// The rows among `positions` whose customers have deleted users by now.
    fn perhaps_deleted(&self, tx: &mut dyn Tx, positions: &[usize]) -> Result<Vec<usize>, DbError> {
        let customers: BTreeSet<i64> = positions.iter().map(|at| self.rows[*at].customer).collect();
        let ids: Vec<Vec<Value>> = customers.iter().map(|id| vec![(*id).into()]).collect();
        let found = tx.query_each("SELECT 1 FROM deleted_users WHERE customer = $1 LIMIT 1", &ids)?;
        let with_deleted = customers.into_iter().zip(found).filter(|(_, rows)| !rows.is_empty());
        let with_deleted: BTreeSet<i64> = with_deleted.map(|(id, _)| id).collect();
        let all = positions.iter().copied();
        Ok(all
            .filter(|at| with_deleted.contains(&self.rows[*at].customer))
            .collect())
    }

    /// What is to be known of those of the rows at `positions` whose names deleted users have.
    fn notes(&self, tx: &mut dyn Tx, now: i64, positions: &[usize]) -> Result<BTreeMap<usize, String>, DbError> {
        if positions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!("SELECT deleted_at FROM deleted_users WHERE {USER_BY_KEY} ORDER BY deleted_at DESC LIMIT 1");
        let found = tx.query_each(&sql, &self.keys(positions))?;
        let mut notes = BTreeMap::new();
        for (position, rows) in positions.iter().copied().zip(found) {
            let deleted_at = rows.first().map(|row| row.int(0)).transpose()?;
            if deleted_at.is_some() && is_restorable(deleted_at, now) {
                notes.insert(position, was_deleted(deleted_at));
            }
        }
        Ok(notes)
    }

    /// What users of the names of the rows at `positions` are found by.
    fn keys(&self, positions: &[usize]) -> Vec<Vec<Value>> {
        let key = |at: &usize| vec![self.rows[*at].customer.into(), self.text(*at, NAME_KEY).into()];
        positions.iter().map(key).collect()
    }

    /// The users that stand in the way of the rows at `positions`.
    fn existing(&self, tx: &mut dyn Tx, positions: &[usize]) -> Result<Vec<Option<Existing>>, DbError> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {} FROM users WHERE {USER_BY_KEY}", COLUMNS.join(", "));
        let read = |row: &tenantry_foundation::db::Row| {
            Ok(Existing {
                id: row.int(0)?,
                texts: (2..FLAGS)
                    .map(|at| row.text_or_empty(at).map(str::to_owned))
                    .collect::<Result<_, _>>()?,
                flags: row.int(FLAGS)?,
            })
        };
        let found = tx.query_each(&sql, &self.keys(positions))?;
        found.iter().map(|rows| rows.first().map(read).transpose()).collect()
    }

    /// Whether the existing user is what the row asks for; what the file leaves open is not compared.
    fn difference(&self, position: usize, found: &Existing) -> Result<(), Problem> {
        let mut fields = Vec::new();
        for (at, column) in COLUMNS.into_iter().enumerate().take(FLAGS).skip(NAME + 1) {
            let (wanted, has) = (self.text(position, at), found.texts[at - NAME].as_str());
            let met = match at {
                _ if wanted.is_empty() => true,
                LICENSES | ROLES => wanted.split(';').all(|one| has.split(';').any(|own| own == one)),
                _ if column == "country" => is_same_country(has, wanted),
                _ => is_as_read(has, wanted),
            };
            if !met {
                fields.push(column);
            }
        }
        let wanted_flags = self.batch.row(self.rows[position].laid as usize).nth(FLAGS);
        if matches!(wanted_flags, Some(Cell::Int(flags)) if (flags ^ found.flags) & SIGN_IN_BLOCKED != 0) {
            fields.push("block_sign_in");
        }
        if fields.is_empty() {
            return Ok(());
        }
        Err(Problem::stated(
            code::USER_EXISTS,
            "user_principal_name",
            self.text(position, NAME),
            format!("a user of this name exists and differs in {}", fields.join(", ")),
        ))
    }

    /// The store has a record of a key of the row's that no look at it shows.
    fn not_found(&self, position: usize) -> Problem {
        let expected = "the store refuses it, since something there has the same key already";
        Problem::stated(
            code::USER_EXISTS,
            "user_principal_name",
            self.text(position, NAME),
            expected,
        )
    }

    fn text(&self, position: usize, column: usize) -> &str {
        match self.batch.row(self.rows[position].laid as usize).nth(column) {
            Some(Cell::Text(text)) => text,
            _ => "",
        }
    }
}

/// A user in the store.
struct Existing {
    id: i64,
    /// The text columns, from the user name on.
    texts: Vec<String>,
    flags: i64,
}
