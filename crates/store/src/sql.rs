//! The SQL store. Works on batches inside a transaction its caller opened, so that effects and outcomes
//! commit together; the caller has checked the lease's fence and closes the chunk afterwards.
//!
//! `prepare` does on a reader what needs no write lock: resolve customers, check domains and SKUs, lay
//! the rows out. `apply` then only writes. Customers, domains and SKUs are never deleted, so what was resolved stays
//! true in between; everything else is decided in `apply`.
//!
//! Transactions lock in one order: names, customers, the chunk, the job, the audit record. So none waits for one that waits
//! for it, whatever the order of rows.
//!
//! Rows that create records by the million (`users`, `create_customer`) are laid out for bulk insertion. All others
//! are tasks of a session: decided record by record, written together, and with an image of what was before, so
//! that an undo can take them back.

pub mod cancelling;
pub mod counterpart;
mod create_customer;
pub mod derived;
mod halves;
mod holdings;
pub mod invariants;
mod licenses;
mod lifecycle;
mod lookup;
mod named;
pub mod reader;
mod record;
mod relationship;
mod seats;
mod session;
mod subscriptions;
pub mod sync;
mod tasks;
mod together;
mod transfer;
mod transfers;
mod undo;
mod update_customer;
mod update_user;
mod users;

pub use lifecycle::purge_deleted_users;
pub use session::no_free_seats;
pub use together::{OnRefusal, apply_all, lock_all, places_of};

use tenantry_jobs::{Change, CustomerRef, NewUser, Problem, Request, ValueDoubt, administrators_roles};

use super::doubts::Doubts;
use super::listing::ListRequest;
use super::{Applied, Called, Expected, Names, Preview, RowRequest, SeatNeed, Verdict};
use lookup::CustomerDetails;
use session::{Task, UnitOfWork};
use tenantry_foundation::db::{DbError, Tx};
use tenantry_ledger::{Installation, RowOutcome};
use uuid::Uuid;

/// What the store has to know of a chunk besides its rows.
#[derive(Debug, Clone)]
pub struct Context {
    /// The job's sequence number.
    pub job: i64,
    /// The job's kind.
    pub kind: String,
    /// Milliseconds since the epoch.
    pub now: i64,
    /// Turns record ids into GUIDs.
    pub installation: Installation,
    /// What the plan expects of the rows; `None` when the job goes by no plan.
    pub expected: Option<Expected>,
    /// Whether users that are made are handed out a password.
    pub hands_out_passwords: bool,
    /// Whether the images that rows leave are written with what they change; otherwise the caller that closes the chunk writes them.
    pub writes_images: bool,
    /// How many rows may do what is destructive. Further ones are refused, as nobody has approved them.
    pub may_destroy: u64,
}

impl Context {
    fn session<'t>(&self, tx: &'t mut dyn Tx) -> UnitOfWork<'t> {
        UnitOfWork::new(tx, self.job, self.now, self.installation)
    }
}

/// The customers that rows name, and the products of subscriptions.
#[derive(Default)]
pub struct Customers(lookup::Directory);

impl Customers {
    /// Looks up customers by what rows name them with.
    pub fn resolve_named<'a>(&mut self, tx: &mut dyn Tx, named: impl Iterator<Item = &'a str>) -> Result<(), DbError> {
        self.0.resolve(tx, named.map(CustomerRef::parse))
    }

    /// Looks up the products of subscriptions, as rows write their ids.
    pub fn resolve_products<'a>(
        &mut self,
        tx: &mut dyn Tx,
        subscriptions: impl Iterator<Item = &'a str>,
    ) -> Result<(), DbError> {
        self.0.resolve_products(tx, subscriptions)
    }
}

impl Names for Customers {
    fn called(&self, customer: &str, subscription: Option<Uuid>) -> Option<Called> {
        let known = self.0.find_any(CustomerRef::Name(customer)).ok()?;
        Some(Called {
            domain: known.domain.clone(),
            name: known.company_name.clone(),
            product: subscription.map_or("", |id| self.0.product(known.id, id)).to_owned(),
        })
    }
}

/// The rows of one chunk, resolved and laid out. Built up from slices of rows, so that the requests themselves,
/// which are large, never pile up.
pub struct Prepared {
    context: Context,
    room: usize,
    directory: lookup::Directory,
    users: Option<users::NewUsers>,
    /// Users that the plan found to be there, or who are not made since something of them is doubtful.
    known_users: Option<users::NewUsers>,
    new_customers: Vec<create_customer::CreateCustomer>,
    tasks: Vec<Box<dyn Task>>,
    /// Lists to write, each with the number of its row.
    exports: Vec<(u64, ListRequest)>,
    syncs: Vec<sync::SyncRequest>,
    refused: Vec<(u64, Problem)>,
    doubts: Doubts,
    takes_back: bool,
    is_preview: bool,
}

impl Prepared {
    /// Nothing yet; about `room` rows are to come.
    pub fn new(context: Context, room: usize) -> Self {
        Self::knowing(Customers::default(), context, room)
    }

    /// As [`new`](Self::new), with customers that were looked up before in the same transaction.
    pub fn knowing(customers: Customers, context: Context, room: usize) -> Self {
        Self {
            context,
            room,
            directory: customers.0,
            users: None,
            known_users: None,
            new_customers: Vec::new(),
            tasks: Vec::new(),
            exports: Vec::new(),
            syncs: Vec::new(),
            refused: Vec::new(),
            doubts: Doubts::default(),
            takes_back: false,
            is_preview: false,
        }
    }

    /// The same, for rows that are only [previewed](preview_all) and never applied.
    #[must_use]
    pub fn to_preview(self) -> Self {
        Self {
            is_preview: true,
            ..self
        }
    }

    /// Looks up the customers of some rows.
    pub fn resolve(&mut self, tx: &mut dyn Tx, rows: &[RowRequest<'_>]) -> Result<(), DbError> {
        self.directory
            .resolve(tx, rows.iter().filter_map(|row| row.request.customer()))?;
        let details = rows.iter().map(|row| CustomerDetails::of(&row.request));
        self.directory
            .know(tx, details.fold(CustomerDetails::default(), CustomerDetails::with))
    }

    /// The customers that were looked up, once no row is to be laid out any more.
    pub fn take_customers(&mut self) -> Customers {
        Customers(std::mem::take(&mut self.directory))
    }

    /// One name for a customer however rows name it; what is written for one that is not known.
    pub fn name(&self, customer: CustomerRef<'_>) -> String {
        match self.directory.find_any(customer) {
            Ok(known) => known.id.to_string(),
            Err(_) => customer.as_written().to_owned(),
        }
    }

    /// Has a row that is still to be laid out carried out only if none of its doubts is a fault.
    pub fn doubt(&mut self, row: u64, doubts: Vec<ValueDoubt>) {
        self.doubts.add(row, doubts);
    }

    /// Lays out rows whose customers have been looked up.
    pub fn add(&mut self, rows: &[RowRequest<'_>]) {
        for RowRequest { row, request } in rows {
            if let Err(problem) = self.add_one(*row, request) {
                self.refused.push((*row, problem));
            }
        }
    }

    fn add_one(&mut self, row: u64, request: &Request<'_>) -> Result<(), Problem> {
        match request {
            Request::Change(change) => self.add_change(row, change)?,
            Request::Export(export) => {
                let customer = export
                    .customer
                    .map(|named| self.directory.find_any(named))
                    .transpose()?;
                let customer = customer.map(|customer| reader::digits(customer.id));
                self.exports.push((row, ListRequest::new(export, customer)));
            }
            Request::Sync(sync) => self.syncs.push(sync::SyncRequest::new(row, sync)),
        }
        Ok(())
    }

    fn add_change(&mut self, row: u64, change: &Change<'_>) -> Result<(), Problem> {
        let (job, room, directory) = (self.context.job, self.room, &self.directory);
        let task: Box<dyn Task> = match change {
            Change::CreateUser(user) => {
                let creates = self
                    .context
                    .expected
                    .as_ref()
                    .is_none_or(|expected| expected.creates(row));
                let unapproved = unapproved_roles(user, &mut self.context.may_destroy);
                let users = if creates && unapproved.is_none() && !self.doubts.are_of(row) {
                    &mut self.users
                } else {
                    &mut self.known_users
                };
                let passwords_at = self.context.hands_out_passwords.then_some(self.context.now);
                let is_preview = self.is_preview;
                let users = users.get_or_insert_with(|| {
                    if is_preview {
                        users::NewUsers::to_preview(room)
                    } else {
                        users::NewUsers::new(room, passwords_at)
                    }
                });
                return users.add((job, row), user, directory, unapproved);
            }
            Change::CreateCustomer(new) => {
                self.new_customers.push(create_customer::CreateCustomer::new(row, new));
                return Ok(());
            }
            Change::UpdateCustomer(patch) => Box::new(update_customer::UpdateCustomer::new(row, patch, directory)?),
            Change::SetSeats(seats) => Box::new(seats::SetSeatsTask::new(row, seats, directory)?),
            Change::DeleteUser(user) => Box::new(lifecycle::Delete(named::Named::new(row, *user, directory)?)),
            Change::RestoreUser(user) => Box::new(lifecycle::Restore(named::Named::new(row, *user, directory)?)),
            Change::ResetPassword(reset) => Box::new(lifecycle::Reset::new(row, reset, directory)?),
            Change::AssignLicenses(change) => Box::new(licenses::AssignLicensesTask::new(row, change, directory)?),
            Change::UpdateUser(patch) => Box::new(update_user::UpdateUser::new(row, patch, directory)?),
            Change::SetSubscription(state) => Box::new(subscriptions::Set::new(row, state, directory)?),
            Change::SuspendSubscription(one) => Box::new(subscriptions::Suspend::new(row, one, directory)?),
            Change::RemoveRelationship(removal) => Box::new(relationship::Remove::new(row, removal, directory)?),
            Change::SwitchSubscription(switch) => {
                Box::new(transfers::SwitchSubscriptionTask::new(row, switch, directory)?)
            }
        };
        self.tasks.push(task);
        Ok(())
    }

    /// Lays out rows of an undo: the rows of an earlier job, with its sequence number and kind.
    pub fn take_back(&mut self, tx: &mut dyn Tx, job: i64, kind: &str, rows: &[u64]) -> Result<(), DbError> {
        self.takes_back = true;
        let wanted = undo::wanted(tx, job, kind, rows)?;
        self.tasks
            .extend(wanted.into_iter().map(|one| Box::new(one) as Box<dyn Task>));
        Ok(())
    }
}

impl Prepared {
    /// Files that rows ask for. They are written beside the rows' transaction, since they may be large.
    pub fn exports(&self) -> &[(u64, ListRequest)] {
        &self.exports
    }

    /// What rows copy from other stores. It is asked and written beside the rows' transaction, since other stores are
    /// other databases.
    pub fn syncs(&self) -> &[sync::SyncRequest] {
        &self.syncs
    }
}

impl Prepared {
    /// Whether rows may give a record a name that is unique over all customers.
    fn names(&self) -> bool {
        !self.new_customers.is_empty() || self.tasks.iter().any(|task| task.names())
    }

    /// The customers that the rows change, in ascending order.
    fn customers(&self) -> Vec<i64> {
        let users = self.users.iter().chain(&self.known_users);
        let mut customers: Vec<i64> = users.flat_map(users::NewUsers::customers).collect();
        customers.extend(self.tasks.iter().filter_map(|task| task.customer()));
        customers.sort_unstable();
        customers.dedup();
        customers
    }
}

/// Writes the rows, which [are locked](lock_all). A row of which nothing is said was applied.
pub fn apply(tx: &mut dyn Tx, prepared: &Prepared) -> Result<Applied, DbError> {
    let Context {
        job,
        installation,
        ref expected,
        hands_out_passwords,
        ..
    } = prepared.context;
    let doubts = &prepared.doubts;
    let mut applied = Applied::default();
    applied.outcomes.extend(refused(prepared));
    if let Some(users) = &prepared.users {
        users.apply(tx, &prepared.context, &mut applied)?;
    }
    if let Some(users) = &prepared.known_users {
        users.check(tx, installation, &mut applied)?;
    }
    let made = create_customer::apply(
        tx,
        job,
        installation,
        &prepared.new_customers,
        (expected.as_ref(), doubts),
    )?;
    applied.outcomes.extend(made);
    if !prepared.tasks.is_empty() {
        tasks::apply(tx, (&prepared.context, doubts), &prepared.tasks, &mut applied)?;
    }
    applied.outcomes.sort_unstable_by_key(|one| one.row);
    if !hands_out_passwords {
        applied.accounts.clear();
    }
    Ok(applied)
}

/// The roles that make somebody an administrator of whom nobody has approved any more.
fn unapproved_roles(user: &NewUser<'_>, may_destroy: &mut u64) -> Option<String> {
    let roles = administrators_roles(user.roles.iter().copied())?;
    let left = may_destroy.checked_sub(1);
    *may_destroy = left.unwrap_or_default();
    left.is_none().then_some(roles)
}

/// The outcomes of rows that were refused when they were laid out.
fn refused(prepared: &Prepared) -> impl Iterator<Item = RowOutcome> + '_ {
    let checks_drift = prepared.context.expected.is_some();
    let refused = prepared.refused.iter();
    refused.map(move |(row, problem)| super::refused(*row, problem.clone(), checks_drift))
}

/// What the rows of a block would do.
#[derive(Debug, Default)]
pub struct BlockPreview {
    /// In row order.
    pub previews: Vec<Preview>,
    /// The seats they would take.
    pub needs: Vec<SeatNeed>,
}

/// What the rows would do to the store as it is.
pub fn preview(tx: &mut dyn Tx, prepared: &Prepared) -> Result<BlockPreview, DbError> {
    Ok(preview_all(tx, std::slice::from_ref(prepared))?
        .pop()
        .unwrap_or_default())
}

/// As [`preview`] for several blocks, none of which sees another.
pub fn preview_all(tx: &mut dyn Tx, blocks: &[Prepared]) -> Result<Vec<BlockPreview>, DbError> {
    let Some(first) = blocks.first() else {
        return Ok(Vec::new());
    };
    let mut session = first.context.session(&mut *tx);
    let mut previewed = tasks::preview(&mut session, blocks.iter().map(|block| block.tasks.as_slice()))?;
    let users: Vec<&users::NewUsers> = blocks.iter().filter_map(|block| block.users.as_ref()).collect();
    let mut users = users::NewUsers::preview_all(tx, first.context.now, &users)?.into_iter();
    for (prepared, BlockPreview { previews, needs }) in blocks.iter().zip(&mut previewed) {
        let refuse = |(row, problem): &(u64, Problem)| Preview::new(*row, Verdict::Reject(problem.clone()));
        previews.extend(prepared.refused.iter().map(refuse));
        if let Some(users) = prepared.users.as_ref().and_then(|_| users.next()) {
            previews.extend(users.previews);
            needs.extend(users.needs);
        }
        create_customer::preview(tx, &prepared.new_customers, previews)?;
        let files = prepared.exports.iter();
        previews.extend(files.map(|(row, _)| Preview::new(*row, Verdict::Create)));
        previews.sort_unstable_by_key(|preview| preview.row);
    }
    Ok(previewed)
}
