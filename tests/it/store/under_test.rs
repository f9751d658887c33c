//! A store under test, with a ledger of its own: two customers, users, seats and subscriptions, and what a topic of the
//! contract needs to be done with them. What a store holds is read behind its back, as text that is the same for all.

mod memory;
mod partner_center;
mod sql;
mod state;

use std::sync::Arc;
use std::time::Duration;

use tenantry::testing::plan::{Limits, RowSource};
use tenantry::testing::queue::Queue;
use tenantry::testing::submit::{Rules, Submission, SubmitError, Submitted, Submitter};
use tenantry::testing::undo::{UndoError, UndoRequest};
use tenantry_ledger::{Job, Ledger, Outcome, Parameters};
use tenantry_store::{Sources, Stores};

use super::memory::MemoryStore;
use crate::partner_center::Office;
use crate::place::{On, PLAIN_CUSTOMERS, Place, Work, by};

/// Every store that has to keep the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
    PartnerCenter,
    Memory,
}

/// A kind and its rows.
pub(crate) type Rows = (&'static str, &'static str);

/// The first customer has the SKU `SPB` three times, by a new-commerce subscription, and two legacy ones, of which one is Azure; the second has a
/// legacy one. These are the users of the first one; the last is deleted again.
const USERS: &str = "\
customer,user_principal_name,first_name,last_name,usage_location,licenses,roles
{a},one@{a},One,Uno,GB,SPB,User Administrator
{a},two@{a},Two,Due,,,
{a},gone@{a},Gone,Via,GB,,
";
const LEAVERS: &str = "customer,user_principal_name\n{a},gone@{a}\n";
/// The partner at the other end of every transfer.
pub(crate) const OTHER_PARTNER: &str = crate::sandbox::OTHER_PARTNER;

const NO_TRANSFERS: &str = "there are no partners in memory";

/// What holds the customers.
enum Held {
    /// The ledger's own database.
    Sql(Box<Place>),
    PartnerCenter(Box<Office>),
    Memory(MemoryStore),
}

/// A store, its ledger, and the names that rows have for what it holds: `{a}` and `{b}` are the customers' domains,
/// `{nce}`, `{legacy}`, `{azure}` and `{legacy-b}` subscriptions, `{theirs}` one that the other partner has, `{other}` that partner,
/// and `{nobody}` is nobody's id.
pub(crate) struct StoreUnderTest {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) stores: Stores,
    held: Held,
    names: Vec<(&'static str, String)>,
    /// Where the ledger lies, if not with what is held.
    place: Option<Box<Place>>,
    /// What this is a copy of.
    original: Option<Box<StoreUnderTest>>,
}

impl StoreUnderTest {
    pub(crate) async fn new(store: Store) -> Self {
        let mut env = match store {
            Store::Sqlite => Self::sql(store, Place::new(On::Sqlite).await).await,
            Store::Postgres => Self::sql(store, Place::new(On::Postgres).await).await,
            Store::PartnerCenter => Self::partner_center(Office::new().await),
            Store::Memory => Self::in_memory(Place::new(On::Sqlite).await).await,
        };
        env.names.extend([
            ("{a}", "alpha.onmicrosoft.com".to_owned()),
            ("{b}", "beta.onmicrosoft.com".to_owned()),
            ("{other}", OTHER_PARTNER.to_owned()),
            ("{nobody}", "6f6f6f6f-0000-4000-8000-000000000000".to_owned()),
        ]);
        env.applies("add-customer", PLAIN_CUSTOMERS).await;
        env.sell().await;
        env.applies("bulk-add-users", USERS).await;
        env.applies("delete-users", LEAVERS).await;
        env
    }

    async fn sql(store: Store, place: Place) -> Self {
        Self {
            store,
            ledger: place.ledger().await,
            stores: Stores::default(),
            held: Held::Sql(Box::new(place)),
            names: Vec::new(),
            place: None,
            original: None,
        }
    }

    fn partner_center(office: Office) -> Self {
        Self {
            store: Store::PartnerCenter,
            ledger: office.ledger.clone(),
            stores: office.stores.clone(),
            held: Held::PartnerCenter(Box::new(office)),
            names: Vec::new(),
            place: None,
            original: None,
        }
    }

    /// An empty store in a database, in which `{from}` is the name of this one.
    pub(crate) async fn copied(self) -> Self {
        let (name, sources) = match (&self.held, &self.stores.remote) {
            (Held::Sql(place), _) => ("mirror", Sources::new([("mirror".to_owned(), place.url.clone())])),
            (_, remote) => {
                let name = remote.as_ref().map_or("", |store| store.name());
                (name, Sources::default().and_remote(remote.clone()))
            }
        };
        let mut copy = Self::sql(self.store, Place::new(On::Sqlite).await).await;
        copy.stores.sources = sources;
        copy.names.clone_from(&self.names);
        copy.names.push(("{from}", name.to_owned()));
        copy.original = Some(Box::new(self));
        copy
    }

    /// What this is a copy of.
    pub(crate) fn original(&self) -> &Self {
        self.original.as_deref().expect("an original")
    }

    /// The place is that of the ledger.
    async fn in_memory(place: Place) -> Self {
        let store = MemoryStore::default();
        let mut env = Self::sql(Store::Memory, place).await;
        env.stores.remote = Some(Arc::new(store.clone()));
        if let Held::Sql(place) = std::mem::replace(&mut env.held, Held::Memory(store)) {
            env.place = Some(place);
        }
        env
    }

    /// The store in memory.
    pub(crate) fn memory(&self) -> &MemoryStore {
        match &self.held {
            Held::Memory(store) => store,
            _ => panic!("the store is not in memory"),
        }
    }

    async fn sell(&mut self) {
        let sold = match &self.held {
            Held::Sql(_) => sql::sell(self).await,
            Held::PartnerCenter(office) => partner_center::sell(office).await,
            Held::Memory(store) => memory::sell(store),
        };
        self.names.extend(sold);
    }

    /// Whether rows of this kind are carried out here.
    pub(crate) fn takes(&self, kind: &str) -> bool {
        let job = tenantry_jobs::find(kind).expect("a kind");
        self.stores.of(job).is_none_or(|store| store.capabilities().takes(job))
    }

    /// Text with every name in braces as the store has it.
    pub(crate) fn fill(&self, text: &str) -> String {
        let named = |text: String, (name, value): &(&str, String)| text.replace(name, value);
        self.names.iter().fold(text.to_owned(), named)
    }

    /// What the store says with the names of tests.
    pub(crate) fn shorten(&self, text: &str) -> String {
        let named = |text: String, (name, value): &(&str, String)| text.replace(value, name);
        self.names.iter().fold(text.to_owned(), named)
    }

    /// Hands a file in under these limits, its good rows even if it has bad ones.
    pub(crate) async fn submit(&self, kind: &str, rows: &str, limits: Limits) -> Result<Submitted, SubmitError> {
        let parameters = Parameters {
            skip_invalid: true,
            ..Parameters::default()
        };
        self.submit_to(limits, self.submission(kind, rows, parameters)).await
    }

    /// As [`submit`](Self::submit), without limits and with these parameters.
    pub(crate) async fn submit_with(
        &self,
        kind: &str,
        rows: &str,
        parameters: Parameters,
        idempotency_key: Option<&str>,
    ) -> Result<Submitted, SubmitError> {
        let mut submission = self.submission(kind, rows, parameters);
        submission.idempotency_key = idempotency_key.map(str::to_owned);
        self.submit_to(Limits::NONE, submission).await
    }

    fn submission(&self, kind: &str, rows: &str, parameters: Parameters) -> Submission {
        Submission {
            kind: tenantry_jobs::find(kind).expect("a kind"),
            parameters,
            source: RowSource::Bytes {
                name: format!("{kind}.csv"),
                data: self.fill(rows).into_bytes().into(),
                multiline_cells: true,
            },
            idempotency_key: None,
            submitted_by: by("tester"),
            origin: None,
            not_before: None,
            approval: None,
            reply_to: None,
            out_dir: None,
            plan: None,
        }
    }

    async fn submit_to(&self, limits: Limits, submission: Submission) -> Result<Submitted, SubmitError> {
        let rules = Rules {
            chunk_rows: 100,
            limits,
        };
        let submitter = Submitter {
            ledger: &self.ledger,
            stores: &self.stores,
            queue: &Queue::embedded(),
            rules,
            hand: None,
        };
        Box::pin(submitter.submit(submission, &|_| ())).await
    }

    /// A job of these rows that nobody has begun.
    pub(crate) async fn queued(&self, kind: &str, rows: &str) -> Job {
        let submitted = self.submit(kind, rows, Limits::NONE).await.expect("submitted");
        let (Submitted::Queued(id) | Submitted::Same(id)) = submitted else {
            panic!("{kind} was not queued")
        };
        self.ledger.job(id).await.expect("asked").expect("there")
    }

    /// A job that goes by its plan, which an approver has approved.
    pub(crate) async fn approved(&self, kind: &str, rows: &str) -> Job {
        let limits = Limits {
            approval: true,
            rows: 0,
            approval_expires_after: Duration::from_secs(60),
            ..Limits::NONE
        };
        let submitted = self.submit(kind, rows, limits).await.expect("submitted");
        let Submitted::AwaitingApproval(id) = submitted else {
            panic!("nobody has to approve {kind}")
        };
        let job = self.ledger.job(id).await.expect("asked").expect("there");
        let hash = job.hash_to_approve().to_owned();
        let decided = self.ledger.approve(&job, &hash, &by("boss")).await;
        decided.expect("asked").done().expect("approved");
        job
    }

    /// Goes on with a job until there is nothing left to do for now.
    pub(crate) async fn until_idle(&self, job: &Job) -> Job {
        Work::on(&self.ledger, job).stores(&self.stores).until_idle().await
    }

    /// Goes on with a job until it has ended, whatever answer it waits for.
    pub(crate) async fn finish(&self, job: &Job) -> Job {
        for _ in 0..200 {
            let job = self.until_idle(job).await;
            if job.state.is_final() {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the job does not end")
    }

    /// Hands a file in and works it off.
    pub(crate) async fn apply(&self, kind: &str, rows: &str) -> Job {
        let job = self.queued(kind, rows).await;
        self.until_idle(&job).await
    }

    /// As [`apply`](Self::apply), for rows that all change something.
    pub(crate) async fn applies(&self, kind: &str, rows: &str) -> Job {
        let job = self.apply(kind, rows).await;
        let all = vec!["applied".to_owned(); job.counts.total as usize];
        assert_eq!(self.ends(&job).await, all, "{kind}\n{rows}");
        job
    }

    /// Has a job taken back.
    pub(crate) async fn undo(&self, job: &Job) -> Result<Job, UndoError> {
        let queue = Queue::embedded();
        let undoing = UndoRequest {
            ledger: &self.ledger,
            stores: &self.stores,
            limits: &Limits::NONE,
            job,
        }
        .submit(&queue, &by("tester"))
        .await?;
        let undo = self.ledger.job(undoing.job).await.expect("asked").expect("there");
        Ok(self.until_idle(&undo).await)
    }

    /// How each row has ended: `applied`, `unchanged`, `waiting`, `cancelled`, or the code and what was said.
    pub(crate) async fn ends(&self, job: &Job) -> Vec<String> {
        let rows = self.ledger.chunk_rows(job, 0).await.expect("asked").expect("kept");
        let numbers = rows.block().rows().map(|row| row.number);
        let numbers = numbers.filter(|number| rows.is_selected(*number));
        let end = |number| {
            let record = rows.record(number, number + 1);
            match record.outcome {
                Some(Outcome::Rejected) => format!("{} {}", record.code, record.message),
                Some(Outcome::Failed) => format!("failed: {} {}", record.code, record.message),
                Some(outcome) => outcome.as_str().to_owned(),
                None => record.code,
            }
        };
        numbers.map(|number| self.shorten(&end(number))).collect()
    }

    /// What a row says of itself.
    pub(crate) async fn message(&self, job: &Job, row: u64) -> String {
        let rows = self.ledger.chunk_rows(job, 0).await.expect("asked").expect("kept");
        self.shorten(&rows.record(row, row + 1).message)
    }

    /// The columns that are at fault in a row.
    pub(crate) async fn at_fault(&self, job: &Job, row: u64) -> Vec<String> {
        let rows = self.ledger.chunk_rows(job, 0).await.expect("asked").expect("kept");
        rows.record(row, row + 1).columns
    }

    /// Everything that is held, a line for each record, in order.
    pub(crate) async fn state(&self) -> Vec<String> {
        let lines = match &self.held {
            Held::Sql(_) => state::of(&self.ledger).await,
            Held::PartnerCenter(office) => state::of(&partner_center::database(office).await).await,
            Held::Memory(store) => memory::state(store),
        };
        let mut lines: Vec<String> = lines.iter().map(|line| self.shorten(line)).collect();
        lines.sort_unstable();
        lines
    }

    /// When each user was last given a password by an administrator.
    pub(crate) async fn passwords(&self) -> Vec<String> {
        match &self.held {
            Held::Sql(_) => state::passwords(&self.ledger).await,
            Held::PartnerCenter(office) => state::passwords(&partner_center::database(office).await).await,
            Held::Memory(store) => memory::passwords(store),
        }
    }

    /// From now on, the other partner has a subscription of the first customer.
    pub(crate) async fn they_sell(&mut self) {
        let id = match &mut self.held {
            Held::Sql(_) => sql::THEIRS.to_owned(),
            Held::PartnerCenter(office) => partner_center::they_sell(office).await,
            Held::Memory(_) => panic!("{NO_TRANSFERS}"),
        };
        self.names.push(("{theirs}", id));
    }

    /// The other partner asks us for a subscription of the first customer.
    pub(crate) async fn they_ask_for(&mut self, name: &str) {
        let id = self.fill(name);
        match &mut self.held {
            Held::Sql(_) => sql::they_ask_for(&self.ledger, id).await,
            Held::PartnerCenter(office) => partner_center::they_ask_for(office).await,
            Held::Memory(_) => panic!("{NO_TRANSFERS}"),
        }
    }

    /// The other partner agrees to what we asked for a subscription, or does not.
    pub(crate) async fn they_answer(&mut self, name: &str, accept: bool) {
        let id = self.fill(name);
        match &mut self.held {
            Held::Sql(_) => sql::they_answer(&self.ledger, id, accept).await,
            Held::PartnerCenter(office) => partner_center::they_answer(office, &id, accept).await,
            Held::Memory(_) => panic!("{NO_TRANSFERS}"),
        }
    }
}
