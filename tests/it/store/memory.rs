//! A store that is no database and no service either: it holds everything in memory. It shows that the seam to remote
//! stores is one, keeps the contract of all stores, and can be told to answer badly.
//!
//! Each row is one call, which the store answers once: who calls again under the same request id gets the same answer
//! and changes nothing.

mod decide;
mod errors;
mod reader;
mod take_back;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tenantry_foundation::passwords::PasswordRow;
use tenantry_jobs::{Change, CustomerRef, Holdings, JobKind, Naming};
use tenantry_ledger::intents::DoneStep;
use tenantry_ledger::{Installation, Outcome, RowOutcome};
use tenantry_store::reader::RecordReader;
use tenantry_store::remote::{
    ApplyError, Capabilities, Finding, PasswordSource, RemoteSession, RemoteStore, RowEnd, RowPreview, RowStatus,
    Steps, StoreEnv, StoreError,
};
use tenantry_store::{Called, Expected, Names, RowRequest, Verdict, drifted, unchanged};
use uuid::Uuid;

use decide::{Decision, decide};
use reader::Reader;
use take_back::take_back;
use world::{Image, Record};
pub(crate) use world::{Sort, World};

const KINDS: &[&str] = &[
    "add-customer",
    "assign-licenses",
    "bulk-add-users",
    "delete-users",
    "export-customers",
    "reset-passwords",
    "restore-users",
    "suspend-subscription",
    "update-account",
    "update-users",
];
/// The one step of a row.
const STEP: &str = "change";

/// How the next call goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is answered so, and nothing is done.
    Before(StoreError),
    /// It is done, and answered so.
    After(StoreError),
}

/// The store; clones hold the same.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    world: Mutex<World>,
    /// Rows are decided on and carried out one at a time.
    turn: tokio::sync::Mutex<()>,
    /// Sessions that were opened with rows to come, which is once for each attempt at a chunk.
    attempts: AtomicU64,
}

impl MemoryStore {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call, or the one after those that go wrong already, goes wrong.
    pub(crate) fn fail(&self, fault: Fault) {
        self.world().faults.push_back(fault);
    }

    /// Attempts at chunks so far.
    pub(crate) fn attempts(&self) -> u64 {
        self.shared.attempts.load(Ordering::Relaxed)
    }

    /// The call of a step that has begun, or what it was answered before.
    async fn call(&self, steps: Steps<'_>, image: &Image) -> Result<String, ApplyError> {
        let id = steps.request_id(STEP, 0);
        let answered = self.world().call(id, image);
        let target = answered?;
        steps.settle(STEP, &target, None).await?;
        Ok(target)
    }
}

impl RemoteStore for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn title(&self) -> &'static str {
        "Memory"
    }

    fn section(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kinds: KINDS,
            makes_administrators: false,
            unkept_columns: |kind| {
                if kind == "update-account" {
                    &["external_id"]
                } else {
                    &[]
                }
            },
        }
    }

    fn lacks(&self, _job: &dyn JobKind) -> Option<String> {
        None
    }

    fn installation(&self) -> Installation {
        Installation::of("memory")
    }

    fn concurrency(&self) -> usize {
        4
    }

    fn customer_of(&self, steps: &[DoneStep]) -> String {
        let image = steps.first().and_then(|step| Image::read(&step.image));
        image.map_or_else(String::new, |image| image.customer)
    }

    fn open(&self, env: StoreEnv, rows: &[RowRequest<'_>]) -> Box<dyn RemoteSession> {
        self.shared
            .attempts
            .fetch_add(u64::from(!rows.is_empty()), Ordering::Relaxed);
        let store = self.clone();
        Box::new(Session { store, env })
    }

    fn reader(&self) -> Option<Arc<dyn RecordReader>> {
        Some(Arc::new(Reader { store: self.clone() }))
    }

    fn health(&self) -> BoxFuture<'_, Vec<Finding>> {
        let finding = Finding {
            what: "memory",
            fine: true,
            says: "is there".to_owned(),
        };
        ready(vec![finding]).boxed()
    }

    fn tick(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

struct Session {
    store: MemoryStore,
    env: StoreEnv,
}

impl Session {
    /// What a row would do, as things are.
    async fn decide(&self, change: &Change<'_>) -> Result<Decision, ApplyError> {
        let decided = decide(&self.store.world(), change);
        let mut decision = decided.map_err(StoreError::Rejected)?;
        if let Change::ResetPassword(reset) = change {
            let last = self.env.password_set_at(&decision.image.id).await?;
            decision.set_password(last.is_none() || reset.again, last);
        }
        Ok(decision)
    }

    /// What a row that has begun was to do, if it has.
    fn begun(steps: Steps<'_>) -> Option<Image> {
        Image::read(&steps.image(STEP)?)
    }

    /// Begins with what was decided if that is as expected; else how the row ends.
    async fn begin(
        steps: Steps<'_>,
        expected: Option<&Expected>,
        decided: Result<Decision, ApplyError>,
    ) -> Result<Result<Image, RowEnd>, ApplyError> {
        let row = steps.row();
        let verdict = match &decided {
            Ok(decision) => Some(decision.verdict()),
            Err(ApplyError::Store(StoreError::Rejected(problem))) => Some(Verdict::Reject(problem.clone())),
            Err(_) => None,
        };
        if let (Some(expected), Some(now)) = (expected, &verdict)
            && !expected.meets(row, now)
        {
            return Ok(Err(RowEnd::over(drifted(row, now))));
        }
        let decision = decided?;
        if decision.is_nothing() {
            return Ok(Err(RowEnd::over(unchanged(row, decision.image.id))));
        }
        steps.intend(STEP, 0, decision.image.write()).await?;
        Ok(Ok(decision.image))
    }

    async fn carry_out(
        &self,
        steps: Steps<'_>,
        change: &Change<'_>,
        expected: Option<&Expected>,
        draw: PasswordSource<'_>,
    ) -> Result<RowEnd, ApplyError> {
        let _turn = self.store.shared.turn.lock().await;
        let image = if let Some(image) = Self::begun(steps) {
            image
        } else {
            match Self::begin(steps, expected, self.decide(change).await).await? {
                Ok(image) => image,
                Err(ended) => return Ok(ended),
            }
        };
        let target = match steps.result(STEP) {
            Some(target) => target,
            None => self.store.call(steps, &image).await?,
        };
        if image.sets("password").is_some() || (image.sets_password() && steps.hands_out()) {
            steps.note_password(&target).await?;
        }
        let password = if image.sets_password() && !steps.has_handed_out() {
            Some(PasswordRow {
                customer: image.domain.clone(),
                user_principal_name: image.name.clone(),
                password: draw()?,
            })
        } else {
            None
        };
        Ok(RowEnd {
            password,
            ..applied(steps.row(), "", target)
        })
    }

    async fn undo_one(
        &self,
        steps: Steps<'_>,
        done: &[DoneStep],
        expected: Option<&Expected>,
    ) -> Result<RowEnd, ApplyError> {
        let _turn = self.store.shared.turn.lock().await;
        let image = if let Some(image) = Self::begun(steps) {
            image
        } else {
            let decided = take_back(&self.store.world(), done);
            let decided = decided.map_err(|problem| StoreError::Rejected(problem).into());
            match Self::begin(steps, expected, decided).await? {
                Ok(image) => image,
                Err(ended) => return Ok(ended),
            }
        };
        let target = match steps.result(STEP) {
            Some(target) => target,
            None => self.store.call(steps, &image).await?,
        };
        Ok(applied(steps.row(), "undone", target))
    }
}

fn applied(row: u64, code: &str, target: String) -> RowEnd {
    RowStatus::Over(RowOutcome {
        row,
        outcome: Outcome::Applied,
        code: code.to_owned(),
        message: String::new(),
        target,
        columns: Vec::new(),
    })
    .into()
}

/// What somebody decided, as plans have it.
fn previewed(decided: Result<Decision, ApplyError>) -> Result<RowPreview, ApplyError> {
    match decided {
        Ok(decision) => Ok(decision.preview()),
        Err(ApplyError::Store(StoreError::Rejected(problem))) => Ok(RowPreview::reject(problem)),
        Err(error) => Err(error),
    }
}

impl Names for Session {
    fn called(&self, customer: &str, subscription: Option<Uuid>) -> Option<Called> {
        let world = self.store.world();
        let customer = world.customer(CustomerRef::parse(customer)).ok()?;
        let id = subscription.map(|id| id.to_string()).unwrap_or_default();
        let of_id = |one: &&Record| one.id == id && one.customer == customer.id;
        let held = world.of(Sort::Subscription).find(of_id);
        Some(Called {
            domain: customer.get("domain").to_owned(),
            name: customer.get("company_name").to_owned(),
            product: held.map_or("", |one| one.get("product")).to_owned(),
        })
    }
}

impl RemoteSession for Session {
    fn preview<'a>(&'a self, row: u64, change: &'a Change<'a>) -> BoxFuture<'a, Result<RowPreview, ApplyError>> {
        async move {
            let mut preview = previewed(self.decide(change).await)?;
            preview.needs.iter_mut().for_each(|need| need.row = row);
            Ok(preview)
        }
        .boxed()
    }

    fn holdings<'a>(
        &'a self,
        customer: CustomerRef<'a>,
        naming: Naming,
    ) -> BoxFuture<'a, Result<Option<Holdings>, ApplyError>> {
        let held = self.store.world().holdings(customer, naming);
        ready(Ok(held)).boxed()
    }

    fn apply<'a>(
        &'a self,
        steps: Steps<'a>,
        change: &'a Change<'a>,
        expected: Option<&'a Expected>,
        draw: PasswordSource<'a>,
    ) -> BoxFuture<'a, Result<RowEnd, ApplyError>> {
        self.carry_out(steps, change, expected, draw).boxed()
    }

    fn preview_undo<'a>(&'a self, done: &'a [DoneStep]) -> BoxFuture<'a, Result<RowPreview, ApplyError>> {
        async move {
            let decided = take_back(&self.store.world(), done);
            previewed(decided.map_err(|problem| StoreError::Rejected(problem).into()))
        }
        .boxed()
    }

    fn undo<'a>(
        &'a self,
        steps: Steps<'a>,
        done: &'a [DoneStep],
        expected: Option<&'a Expected>,
    ) -> BoxFuture<'a, Result<RowEnd, ApplyError>> {
        self.undo_one(steps, done, expected).boxed()
    }
}
