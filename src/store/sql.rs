//! The SQL store. Works on batches inside a transaction its caller opened, so that effects and outcomes
//! commit together; the caller has checked the lease's fence and closes the chunk afterwards.
//!
//! `prepare` does on a reader what needs no write lock: resolve customers, check domains and SKUs, lay
//! the rows out for bulk insertion. `apply` then only writes. Customers, domains and SKUs are never
//! deleted, so what was resolved stays true in between; seats and existing users are decided in `apply`.

mod create_customer;
mod lookup;
mod seats;
mod update_customer;
mod users;

pub(crate) use users::no_free_seats;

use tenantry_jobs::{Change, CustomerRef, Problem};

use super::{Preview, RowChange, SeatNeed, Verdict};
use crate::db::{DbError, Tx};
use crate::ledger::{Installation, RowOutcome};

/// The rows of one chunk, resolved and laid out. Built up from slices of rows, so that the changes themselves,
/// which are large, never pile up.
pub struct Prepared {
    job: i64,
    room: usize,
    directory: lookup::Directory,
    users: Option<users::NewUsers>,
    new_customers: Vec<create_customer::Wanted>,
    patches: Vec<update_customer::Wanted>,
    seats: Vec<seats::Wanted>,
    refused: Vec<(u64, Problem)>,
}

impl Prepared {
    /// Nothing yet, of job number `job`; about `room` rows are to come.
    pub fn new(job: i64, room: usize) -> Self {
        Self {
            job,
            room,
            directory: lookup::Directory::default(),
            users: None,
            new_customers: Vec::new(),
            patches: Vec::new(),
            seats: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Looks up the customers of some rows.
    pub fn learn(&mut self, tx: &mut dyn Tx, rows: &[RowChange<'_>]) -> Result<(), DbError> {
        self.directory
            .learn(tx, rows.iter().filter_map(|row| row.change.customer()))
    }

    /// One name for a customer however rows name it; what is written for one that is not known.
    pub fn name(&self, customer: CustomerRef<'_>) -> String {
        match self.directory.find(customer) {
            Ok(known) => known.id.to_string(),
            Err(_) => customer.as_written().to_owned(),
        }
    }

    /// Lays out rows whose customers have been looked up.
    pub fn add(&mut self, rows: Vec<RowChange<'_>>) {
        let (job, room, directory) = (self.job, self.room, &self.directory);
        for RowChange { row, change } in rows {
            let refused = match change {
                Change::CreateUser(user) => {
                    let users = self.users.get_or_insert_with(|| users::NewUsers::new(room));
                    users.add(job, row, &user, directory)
                }
                Change::CreateCustomer(new) => {
                    self.new_customers.push(create_customer::Wanted::new(row, &new));
                    Ok(())
                }
                Change::UpdateCustomer(patch) => {
                    update_customer::Wanted::new(row, &patch, directory).map(|wanted| self.patches.push(wanted))
                }
                Change::SetSeats(seats) => {
                    seats::Wanted::new(row, &seats, directory).map(|wanted| self.seats.push(wanted))
                }
            };
            if let Err(problem) = refused {
                self.refused.push((row, problem));
            }
        }
    }
}

/// Writes the rows and returns the outcome of every row that was not applied.
pub fn apply(tx: &mut dyn Tx, installation: Installation, prepared: &Prepared) -> Result<Vec<RowOutcome>, DbError> {
    let job = prepared.job;
    let mut outcomes: Vec<RowOutcome> = prepared
        .refused
        .iter()
        .map(|(row, problem)| super::rejected(*row, problem))
        .collect();
    if let Some(users) = &prepared.users {
        outcomes.extend(users.apply(tx, installation)?);
    }
    outcomes.extend(create_customer::apply(tx, job, installation, &prepared.new_customers)?);
    outcomes.extend(update_customer::apply(tx, job, &prepared.patches)?);
    outcomes.extend(seats::apply(tx, job, &prepared.seats)?);
    outcomes.sort_unstable_by_key(|one| one.row);
    Ok(outcomes)
}

/// What the rows would do to the store as it is, in row order, and the seats they would take.
pub fn preview(tx: &mut dyn Tx, prepared: Prepared) -> Result<(Vec<Preview>, Vec<SeatNeed>), DbError> {
    let refuse = |(row, problem)| Preview {
        row,
        verdict: Verdict::Reject(problem),
    };
    let mut previews: Vec<Preview> = prepared.refused.into_iter().map(refuse).collect();
    let mut needs = Vec::new();
    if let Some(users) = &prepared.users {
        needs = users.preview(tx, &mut previews)?;
    }
    create_customer::preview(tx, &prepared.new_customers, &mut previews)?;
    update_customer::preview(tx, &prepared.patches, &mut previews)?;
    seats::preview(tx, &prepared.seats, &mut previews)?;
    previews.sort_unstable_by_key(|preview| preview.row);
    Ok((previews, needs))
}
