//! The other partner. A transfer needs two, and the SQL store has only us, so tests play the other side.

use tenantry_foundation::db::{DbError, Tx};
use tenantry_jobs::rules::TRANSFER_OPEN_FOR_MILLIS;
use tenantry_ledger::ids::record_id;

/// What the other partner can do with our request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept,
    Decline,
}

/// Answers the pending transfers of a subscription while they can be; how many there were.
pub(crate) fn answer(tx: &mut dyn Tx, subscription_id: &str, answer: Answer, now: i64) -> Result<u64, DbError> {
    let to = match answer {
        Answer::Accept => "in-progress",
        Answer::Decline => "declined",
    };
    tx.exec(
        "UPDATE transfers SET status = $2, updated_at = $3, version = version + 1
         WHERE subscription_id = $1 AND status = 'pending' AND expires_at >= $3",
        &[subscription_id.into(), to.into(), now.into()],
    )
}

/// The other partner asks for one of a customer's subscriptions: a request that is ours to answer.
#[derive(Debug, Clone)]
pub(crate) struct TheirRequest<'a> {
    /// The customer's primary domain.
    pub(crate) customer: &'a str,
    /// The subscription's GUID.
    pub(crate) subscription_id: &'a str,
    /// `azure-plan` or `new-commerce`.
    pub(crate) flow: &'a str,
    /// The other partner's GUID.
    pub(crate) partner_tenant_id: &'a str,
    /// And name.
    pub(crate) partner_name: &'a str,
}

/// Makes their request, number `number` of those made here.
pub(crate) fn request(tx: &mut dyn Tx, theirs: &TheirRequest<'_>, number: u64, now: i64) -> Result<u64, DbError> {
    // Job 0 is nobody's, so these ids meet no others.
    tx.exec(
        "INSERT INTO transfers (id, customer, subscription_id, direction, flow, partner_tenant_id, partner_name, status,
           created_at, updated_at, expires_at)
         SELECT $1, id, $3, 'out', $4, $5, $6, 'pending', $7, $7, $8 FROM customers WHERE domain = $2",
        &[
            record_id(0, number).into(),
            theirs.customer.into(),
            theirs.subscription_id.into(),
            theirs.flow.into(),
            theirs.partner_tenant_id.into(),
            theirs.partner_name.into(),
            now.into(),
            (now + TRANSFER_OPEN_FOR_MILLIS).into(),
        ],
    )
}
