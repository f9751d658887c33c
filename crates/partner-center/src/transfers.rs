//! `switch-subscription`: transfers of subscriptions between partners, which take days.
//!
//! A row that asks for a transfer makes a request and then waits; each later look finds what the other side has done. In
//! the newer generation (see `transfer`) a transfer is between two partners and says nothing of subscriptions until it is
//! answered, so rows that ask the same partner for several subscriptions of a customer share one, and rows that accept
//! are answered together, by whichever of them comes first. In the older generation each row makes a transfer of its own.
//!
//! Whatever belongs to one customer's transfers is done one row after the other. Azure of the oldest sort goes on paper.

mod answer;
mod request;

use std::sync::Arc;

use tenantry_jobs::{Flow, Problem, SubscriptionStatus, Switch, TransferAction, code};

pub(super) use answer::{standing_of, withdraw_step};

use super::PartnerCenterError;
use super::end::End;
use super::records::Customer;
use super::session::Session;
use super::subscriptions;
use super::transfer::{Status, Transfer, all_now, now};
use tenantry_foundation::moment::day;
use tenantry_ledger::Artifact;
use tenantry_store::remote::{RowPreview, Steps};
use tenantry_store::{FieldChange, Verdict};

/// Transfers under new commerce; the documentation names two numbers and recommends this one.
const NEW_COMMERCE: u8 = 5;
/// Steps of a row.
const REQUEST: &str = "transfer";
const ANSWER: &str = "answer";

/// How a row stands before it has done anything.
enum TransferStanding {
    /// It can be asked for.
    Free,
    /// On paper alone.
    OnPaper,
    /// This one can be answered.
    Answerable(Transfer),
    /// It is so already: id of what shows it.
    Same(String),
    Refused(Problem),
}

/// A row, with its customer.
struct TransferRow<'r> {
    session: &'r Session,
    switch: &'r Switch<'r>,
    customer: Arc<Customer>,
    subscription: String,
}

impl TransferRow<'_> {
    fn problem(&self, code: &'static str, expected: impl Into<String>) -> Problem {
        Problem::stated(code, "subscription_id", &self.subscription, expected)
    }

    fn partner(&self) -> String {
        match (self.switch.partner_name, self.switch.partner_tenant_id) {
            ("", Some(id)) => id.to_string(),
            ("", None) => "the other partner".to_owned(),
            (name, _) => name.to_owned(),
        }
    }

    async fn standing(&self) -> Result<TransferStanding, PartnerCenterError> {
        if self.switch.flow == Flow::LegacyAzure {
            let refused = self.cannot_leave().await?;
            return Ok(refused.map_or(TransferStanding::OnPaper, TransferStanding::Refused));
        }
        let all = all_now(self.session.client(), &self.customer.id).await?;
        let same: Vec<&Transfer> = all.iter().filter(|transfer| transfer.is_of(self.switch)).collect();
        match self.switch.action {
            TransferAction::Request => self.requestable(&all, &same).await,
            action => Ok(self.answerable(action, &same)),
        }
    }

    /// Whether a transfer of the same sort would move the row's subscription. Those of the newer generation do not say.
    fn covers(&self, transfer: &Transfer) -> bool {
        transfer.is_newer() && !transfer.shows_lines() || transfer.line(&self.subscription).is_some()
    }

    /// Why the subscription is not one that can leave us so.
    async fn cannot_leave(&self) -> Result<Option<Problem>, PartnerCenterError> {
        let found = subscriptions::now(self.session, &self.customer.id, &self.subscription).await?;
        let Some(held) = found else {
            return subscriptions::unknown(self.session, &self.customer, &self.subscription)
                .await
                .map(Some);
        };
        let status = held.status();
        if status != SubscriptionStatus::Active.as_str() {
            let expected = format!("only active subscriptions can be transferred; this one is {status}");
            return Ok(Some(self.problem(code::SUBSCRIPTION_INACTIVE, expected)));
        }
        let sort = held.product_type();
        Ok((!self.switch.flow.covers(sort)).then(|| {
            let flow = self.switch.flow.as_str();
            let expected = format!(
                "the flow `{flow}` does not cover this subscription, which is {}",
                sort.as_str()
            );
            self.problem(code::NOT_ELIGIBLE, expected)
        }))
    }

    /// What the row's transfer has come to.
    fn look(&self, transfer: Option<&Transfer>, target: String) -> End {
        let closed = |expected: String| End::Rejected(self.problem(code::TRANSFER_CLOSED, expected));
        let who = self.partner();
        let Some(transfer) = transfer else {
            return closed("the request was withdrawn".to_owned());
        };
        match transfer.status() {
            Status::Pending => End::Waits {
                message: match transfer.answer_until() {
                    Some(until) => format!("pending: {who} can answer until {}", day(until)),
                    None => format!("pending: {who} can answer"),
                },
                target,
            },
            Status::Complete | Status::PartlyComplete => match transfer.line(&self.subscription) {
                Some(line) if line.status == Status::Failed => closed(format!("the transfer failed: {}", line.error)),
                None if transfer.shows_lines() => closed(format!("{who} left it out of the transfer")),
                _ => End::Applied {
                    target,
                    message: Status::Complete.as_str().to_owned(),
                },
            },
            Status::Declined => closed(format!("{who} has declined")),
            Status::Cancelled => closed("the request was withdrawn".to_owned()),
            Status::Expired => closed(format!("{who} has not answered within 30 days")),
            Status::Failed => closed("the transfer failed".to_owned()),
            under_way => End::Waits {
                message: format!("{}: {who}", under_way.as_str()),
                target,
            },
        }
    }

    async fn look_at(&self, id: &str) -> Result<End, PartnerCenterError> {
        let transfer = now(self.session.client(), &self.customer.id, id).await?;
        Ok(self.look(transfer.as_ref(), id.to_owned()))
    }
}

async fn of<'r>(session: &'r Session, switch: &'r Switch<'r>) -> Result<TransferRow<'r>, PartnerCenterError> {
    Ok(TransferRow {
        session,
        switch,
        customer: session.customer(switch.customer).await?,
        subscription: switch.subscription_id.to_string(),
    })
}

/// What a row would do.
pub(super) async fn preview(session: &Session, switch: &Switch<'_>) -> Result<RowPreview, PartnerCenterError> {
    let row = of(session, switch).await?;
    Ok(match row.standing().await? {
        TransferStanding::Free | TransferStanding::OnPaper => RowPreview::from(Verdict::Create).destructive(),
        TransferStanding::Same(_) => Verdict::Unchanged.into(),
        TransferStanding::Refused(problem) => RowPreview::reject(problem),
        TransferStanding::Answerable(open) => {
            let to = match switch.action {
                TransferAction::Accept => Status::Complete,
                TransferAction::Reject => Status::Declined,
                _ => Status::Cancelled,
            };
            let (from, to) = (open.status(), to);
            let change = FieldChange::new("transfer", from.as_str(), to.as_str());
            let previewed = RowPreview::from(Verdict::Change(vec![change]));
            if switch.action == TransferAction::Accept {
                previewed.destructive()
            } else {
                previewed
            }
        }
    })
}

/// Takes the row's part in a transfer.
pub(super) async fn switch(
    session: &Session,
    steps: Steps<'_>,
    switch: &Switch<'_>,
) -> Result<(End, Option<Artifact>), PartnerCenterError> {
    let of = of(session, switch).await?;
    if switch.flow == Flow::LegacyAzure {
        return of.on_paper(steps.row()).await;
    }
    let end = match switch.action {
        TransferAction::Request => of.request(steps).await?,
        _ => of.answer(steps).await?,
    };
    Ok((end, None))
}

/// What a row holds while it takes its part: rows of one customer come one after the other.
pub(super) async fn turn(
    session: &Session,
    switch: &Switch<'_>,
) -> Result<Arc<tokio::sync::Mutex<()>>, PartnerCenterError> {
    Ok(match session.customer(switch.customer).await {
        Err(PartnerCenterError::Rejected(_)) => session.turn(switch.customer.as_written()),
        found => session.turn(&found?.id),
    })
}

/// Whether another row of the job has done the row's part.
pub(super) async fn has_begun(
    session: &Session,
    steps: Steps<'_>,
    switch: &Switch<'_>,
) -> Result<bool, PartnerCenterError> {
    let customer = match session.customer(switch.customer).await {
        Err(PartnerCenterError::Rejected(_)) => return Ok(false),
        found => found?,
    };
    let step = match switch.action {
        TransferAction::Request => REQUEST,
        _ => ANSWER,
    };
    for transfer in all_now(session.client(), &customer.id)
        .await?
        .iter()
        .filter(|one| one.is_of(switch))
    {
        if (step == ANSWER || transfer.is_newer()) && steps.is_ours(step, transfer.id()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
