//! `switch-subscription`: subscriptions that change partners.
//!
//! Four flows share the word transfer, and they differ in who asks and who answers. Under an Azure plan and the new
//! commerce the partner who gets the subscription asks and the one who has it answers; from direct to indirect the
//! one who has it asks; a legacy Azure subscription goes by a form on paper.

use crate::faults::Faults;
use crate::model::{email, text};
use crate::{Change, Column, CustomerRef, Direction, Flow, Job, Problem, Row, Switch, TransferAction, code, position};

/// The kind.
pub(crate) struct SwitchSubscription;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("subscription_id", "GUID of the subscription"),
    Column::required("direction", "`in`: to us; `out`: to another partner"),
    Column::optional("partner_tenant_id", "GUID of the other partner; a request needs it"),
    Column::optional(
        "partner_name",
        "name of the other partner; a request of some flows needs it",
    ),
    Column::optional(
        "customer_email",
        "whom to tell at the customer's; a request of some flows needs it",
    ),
    Column::required(
        "flow",
        "`azure-plan`, `new-commerce`, `direct-to-indirect` or `legacy-azure`",
    ),
    Column::optional("action", "`request` (the default), `accept`, `reject` or `cancel`"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const SUBSCRIPTION_ID: usize = position(COLUMNS, "subscription_id");
const DIRECTION: usize = position(COLUMNS, "direction");
const PARTNER_TENANT_ID: usize = position(COLUMNS, "partner_tenant_id");
const PARTNER_NAME: usize = position(COLUMNS, "partner_name");
const CUSTOMER_EMAIL: usize = position(COLUMNS, "customer_email");
const FLOW: usize = position(COLUMNS, "flow");
const ACTION: usize = position(COLUMNS, "action");

impl Job for SwitchSubscription {
    fn kind(&self) -> &'static str {
        "switch-subscription"
    }

    fn summary(&self) -> &'static str {
        "Transfer subscriptions to or from another partner"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("switch_subscription.csv")
    }

    fn is_destructive(&self) -> bool {
        true
    }

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let customer = faults.required_line(row, CUSTOMER, 256);
        let subscription_id = faults.guid(row, SUBSCRIPTION_ID, true);
        let directions: Vec<_> = Direction::ALL.iter().map(|one| (one.as_str(), *one)).collect();
        let direction = faults.choice(row, DIRECTION, None, &directions);
        let partner_tenant_id = faults.guid(row, PARTNER_TENANT_ID, false);
        let partner_name = faults.line(row, PARTNER_NAME, 256);
        let customer_email = faults.line(row, CUSTOMER_EMAIL, email::MAX);
        let flows: Vec<_> = Flow::ALL.iter().map(|one| (one.as_str(), *one)).collect();
        let flow = faults.choice(row, FLOW, None, &flows);
        let actions: Vec<_> = TransferAction::ALL.iter().map(|one| (one.as_str(), *one)).collect();
        let action = faults.choice(row, ACTION, Some(TransferAction::Request), &actions);
        if !customer_email.is_empty() && !text::has_control(customer_email) && email::domain(customer_email).is_none() {
            faults.add(CUSTOMER_EMAIL, code::INVALID, customer_email, "an e-mail address");
        }
        if let (Some(direction), Some(flow), Some(action)) = (direction, flow, action) {
            allowed(&mut faults, row, direction, flow, action);
            if action == TransferAction::Request {
                needed(&mut faults, row, flow);
            }
        }
        faults.finish(Change::SwitchSubscription(Switch {
            customer: CustomerRef::parse(customer),
            subscription_id: subscription_id.unwrap_or_default(),
            direction: direction.unwrap_or(Direction::In),
            partner_tenant_id,
            partner_name,
            customer_email,
            flow: flow.unwrap_or(Flow::AzurePlan),
            action: action.unwrap_or(TransferAction::Request),
        }))
    }
}

/// Who may do what: the asker asks and withdraws, the other one answers.
fn allowed(faults: &mut Faults, row: &Row<'_>, direction: Direction, flow: Flow, action: TransferAction) {
    let asker = match flow {
        Flow::AzurePlan | Flow::NewCommerce => Direction::In,
        Flow::DirectToIndirect => Direction::Out,
        Flow::LegacyAzure => {
            if action != TransferAction::Request {
                let expected = "`request`: a legacy Azure transfer is a form on paper, the rest goes through support";
                faults.add(ACTION, code::TRANSFER_NOT_ALLOWED, row.text(ACTION), expected);
            }
            return;
        }
    };
    let we_ask = direction == asker;
    let ours = match action {
        TransferAction::Request | TransferAction::Cancel => we_ask,
        TransferAction::Accept | TransferAction::Reject => !we_ask,
    };
    if !ours {
        let who = match asker {
            Direction::In => "the partner who gets the subscription asks and withdraws, the one who has it answers",
            Direction::Out => "the partner who has the subscription asks and withdraws, the one who gets it answers",
        };
        faults.add(
            ACTION,
            code::TRANSFER_NOT_ALLOWED,
            row.text(ACTION),
            format!("another action; {who}"),
        );
    }
}

/// What a request of a flow cannot do without (Partner Center, create a transfer; the paper form's fields).
fn needed(faults: &mut Faults, row: &Row<'_>, flow: Flow) {
    let columns: &[usize] = match flow {
        Flow::DirectToIndirect => &[PARTNER_TENANT_ID],
        Flow::AzurePlan | Flow::NewCommerce => &[PARTNER_TENANT_ID, PARTNER_NAME, CUSTOMER_EMAIL],
        Flow::LegacyAzure => &[PARTNER_TENANT_ID, PARTNER_NAME],
    };
    for column in columns {
        if row.text(*column).is_empty() {
            let expected = format!("a value; a request of the flow `{}` needs it", flow.as_str());
            faults.add(*column, code::REQUIRED, "", expected);
        }
    }
}

#[cfg(test)]
mod tests;
