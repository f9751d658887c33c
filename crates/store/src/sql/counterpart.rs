//! Answers of the other partner to a transfer. A database has only us, so a person records what the other side of a transfer did; the rows
//! that wait for it go on from there, and rows that answer a request find it.

use tenantry_jobs::{CustomerRef, Flow};
use uuid::Uuid;

use super::lookup::Directory;
use super::transfer::status;
use tenantry_foundation::db::{DbError, Row, Tx};
use tenantry_foundation::moment::day;
use tenantry_jobs::rules::TRANSFER_OPEN_FOR_MILLIS;
use tenantry_ledger::audit::{self, Action, AuditEntry};
use tenantry_ledger::ids::job_of;
use tenantry_ledger::{Actor, JobId, Ledger, job};

/// What the other partner did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Agreed to our request.
    Accepted,
    /// Declined our request.
    Declined,
    /// Asks us for a subscription of one of our customers.
    Requested(TheirRequest),
    /// Withdrew that request.
    Withdrawn,
}

/// Another partner's request for a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TheirRequest {
    /// The customer: tenant GUID, domain or external id.
    pub customer: String,
    /// How it is to move.
    pub flow: Flow,
    /// The other partner's tenant.
    pub partner_tenant_id: Uuid,
    /// Its name; empty where it is not known.
    pub partner_name: String,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// GUID of the transfer.
    pub transfer: String,
    /// Where the transfer stands now.
    pub status: &'static str,
    /// The job whose row waits for this; `None` for a request of theirs.
    pub job: Option<JobId>,
}

/// What was recorded, or why it cannot be, for who asked.
pub type OrRefused<T> = Result<T, String>;

/// Records what the other partner said of a subscription, for `by`; or says why that cannot be.
pub async fn record(
    ledger: &Ledger,
    subscription: Uuid,
    said: Said,
    by: &Actor,
) -> Result<OrRefused<Recorded>, DbError> {
    let (by, installation, now) = (by.clone(), ledger.installation(), ledger.clock().now_millis());
    ledger
        .db()
        .write(move |tx| {
            let guid = subscription.to_string();
            let noted = match &said {
                Said::Requested(theirs) => request(tx, &guid, theirs, now)?,
                Said::Accepted => answer(
                    tx,
                    &guid,
                    CounterpartAnswer::of_theirs(status::IN_PROGRESS, "accepted"),
                    now,
                )?,
                Said::Declined => answer(
                    tx,
                    &guid,
                    CounterpartAnswer::of_theirs(status::DECLINED, "declined"),
                    now,
                )?,
                Said::Withdrawn => answer(tx, &guid, CounterpartAnswer::WITHDRAWN, now)?,
            };
            let noted = match noted {
                Ok(noted) => noted,
                Err(why) => return Ok(Err(why)),
            };
            let waiting = job_of(noted.id);
            let mut recorded = Recorded {
                transfer: installation.guid(noted.id).to_string(),
                status: noted.status,
                job: None,
            };
            let mut kind = None;
            if waiting > 0 {
                recorded.job = job::shown_id(tx, waiting)?.parse().ok();
                kind = Some("switch-subscription".to_owned());
                // The row that waits for it is looked at next.
                tx.exec(
                    "UPDATE chunks SET not_before = $2 WHERE job = $1 AND state = 'waiting' AND not_before > $2",
                    &[waiting.into(), now.into()],
                )?;
            }
            let entry = AuditEntry {
                via: Some(by.way()),
                actor: by.name,
                action: Action::Recorded,
                job: recorded.job,
                kind,
                plan_hash: None,
                counts: None,
                digest: None,
                note: Some(noted.note),
            };
            audit::append(tx, now, &entry)?;
            Ok(Ok(recorded))
        })
        .await
}

struct Noted {
    id: i64,
    status: &'static str,
    note: String,
}

/// What happens to a request that is pending.
#[derive(Clone, Copy)]
struct CounterpartAnswer {
    status: &'static str,
    word: &'static str,
    /// Whether it is our request that is answered, or theirs that ends.
    is_ours: bool,
}

impl CounterpartAnswer {
    const WITHDRAWN: Self = Self {
        status: status::CANCELLED,
        word: "withdrew its request",
        is_ours: false,
    };

    fn of_theirs(status: &'static str, word: &'static str) -> Self {
        let is_ours = true;
        Self { status, word, is_ours }
    }
}

/// A transfer, as far as it matters here.
struct Open {
    id: i64,
    version: i64,
    customer: i64,
    status: String,
    expires_at: i64,
    partner: String,
    direction: String,
}

const OF_SUBSCRIPTION: &str = "SELECT id, version, customer, status, expires_at, COALESCE(partner_name, ''),
    COALESCE(partner_tenant_id, ''), direction FROM transfers WHERE subscription_id = $1 ORDER BY created_at DESC, id DESC";

fn open(row: &Row) -> Result<Open, DbError> {
    let name = row.text_or_empty(5)?;
    let tenant = row.text_or_empty(6)?;
    Ok(Open {
        id: row.int(0)?,
        version: row.int(1)?,
        customer: row.int(2)?,
        status: row.text(3)?.to_owned(),
        expires_at: row.int(4)?,
        partner: if name.is_empty() { tenant } else { name }.to_owned(),
        direction: row.text(7)?.to_owned(),
    })
}

fn transfers(tx: &mut dyn Tx, guid: &str) -> Result<Vec<Open>, DbError> {
    tx.query(OF_SUBSCRIPTION, &[guid.into()])?.iter().map(open).collect()
}

fn answer(tx: &mut dyn Tx, guid: &str, answer: CounterpartAnswer, now: i64) -> Result<OrRefused<Noted>, DbError> {
    let mut customers: Vec<i64> = transfers(tx, guid)?.iter().map(|one| one.customer).collect();
    customers.sort_unstable();
    customers.dedup();
    if !customers.is_empty() {
        tx.lock("customers", &customers)?;
    }
    // As it is now that nobody else changes it.
    let all = transfers(tx, guid)?;
    let whose = if answer.is_ours {
        "of ours"
    } else {
        "of another partner"
    };
    let mut fitting = all.iter().filter(|one| (job_of(one.id) > 0) == answer.is_ours);
    let Some(last) = fitting.next() else {
        return Ok(Err(format!("the subscription {guid} has no transfer request {whose}")));
    };
    if last.status != status::PENDING {
        return Ok(Err(format!(
            "the last transfer request {whose} for the subscription {guid} is {}; only one that is pending can be answered",
            last.status
        )));
    }
    if now > last.expires_at {
        return Ok(Err(format!(
            "the transfer request for the subscription {guid} could be answered until {}",
            day(last.expires_at)
        )));
    }
    let changed = tx.exec(
        "UPDATE transfers SET status = $3, updated_at = $4, version = version + 1 WHERE id = $1 AND version = $2",
        &[last.id.into(), last.version.into(), answer.status.into(), now.into()],
    )?;
    if changed == 0 {
        return Err(DbError::Contended(
            "another job is changing the same transfer".to_owned(),
        ));
    }
    Ok(Ok(Noted {
        id: last.id,
        status: answer.status,
        note: format!(
            "{} {}: transfer {} of subscription {guid}",
            last.partner, answer.word, last.direction
        ),
    }))
}

fn request(tx: &mut dyn Tx, guid: &str, theirs: &TheirRequest, now: i64) -> Result<OrRefused<Noted>, DbError> {
    if !matches!(theirs.flow, Flow::AzurePlan | Flow::NewCommerce) {
        return Ok(Err(format!(
            "another partner asks only in the flows `{}` and `{}`; `{}` is asked for by who gives the subscription away",
            Flow::AzurePlan.as_str(),
            Flow::NewCommerce.as_str(),
            theirs.flow.as_str()
        )));
    }
    let mut directory = Directory::default();
    let reference = CustomerRef::parse(&theirs.customer);
    directory.resolve(tx, std::iter::once(reference))?;
    let customer = match directory.find(reference) {
        Ok(customer) => customer.id,
        Err(problem) => return Ok(Err(problem.to_string())),
    };
    tx.lock("customers", &[customer])?;
    let held = tx.query_first(
        "SELECT customer FROM subscriptions WHERE subscription_id = $1",
        &[guid.into()],
    )?;
    if held.map(|row| row.int(0)).transpose()? != Some(customer) {
        return Ok(Err(format!("the customer has no subscription {guid}")));
    }
    let is_open = |one: &Open| {
        matches!(one.status.as_str(), status::IN_PROGRESS) || one.status == status::PENDING && now <= one.expires_at
    };
    if let Some(open) = transfers(tx, guid)?.into_iter().find(is_open) {
        return Ok(Err(format!(
            "the subscription {guid} is part of a transfer with {} that is {}",
            open.partner, open.status
        )));
    }
    // Job 0 is nobody's, so these ids meet no others.
    let last = tx.query_first(
        "SELECT COALESCE(MAX(id), 0) FROM transfers WHERE id < $1",
        &[(1_i64 << 32).into()],
    )?;
    let id = last.map_or(Ok(0), |row| row.int(0))? + 1;
    tx.exec(
        "INSERT INTO transfers (id, customer, subscription_id, direction, flow, partner_tenant_id, partner_name, status,
           created_at, updated_at, expires_at)
         VALUES ($1, $2, $3, 'out', $4, $5, $6, $7, $8, $8, $9)",
        &[
            id.into(),
            customer.into(),
            guid.into(),
            theirs.flow.as_str().into(),
            theirs.partner_tenant_id.to_string().into(),
            theirs.partner_name.as_str().into(),
            status::PENDING.into(),
            now.into(),
            (now + TRANSFER_OPEN_FOR_MILLIS).into(),
        ],
    )?;
    let who = match theirs.partner_name.as_str() {
        "" => theirs.partner_tenant_id.to_string(),
        name => name.to_owned(),
    };
    Ok(Ok(Noted {
        id,
        status: status::PENDING,
        note: format!("{who} asks for the transfer of subscription {guid}"),
    }))
}
