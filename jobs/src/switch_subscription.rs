//! `switch-subscription`: subscriptions moved to another partner, or taken over from one.
//!
//! There are four ways, and who takes which step differs. What can be told from the row alone is told here,
//! so that nobody waits days for the refusal of a step that was never theirs.

mod rules;

use uuid::Uuid;

use crate::faults::Faults;
use crate::model::{cell, email};
use crate::{
    Change, Column, CustomerRef, Direction, Faulty, Flow, JobKind, Passwords, Policy, Request, RowCells, RunsIn,
    Switch, TransferAction, Undo, code, position,
};

/// The kind.
pub(crate) struct SwitchSubscription;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("subscription_id", "GUID of the subscription"),
    Column::required(
        "direction",
        "`in`: from the other partner to us; `out`: from us to them",
    ),
    Column::optional(
        "partner_tenant_id",
        "GUID of the other partner's tenant; a request needs it",
    ),
    Column::optional(
        "partner_name",
        "the other partner's name; requests need it, but not `direct-to-indirect`",
    ),
    Column::optional(
        "customer_email",
        "customer's address; requests of `azure-plan` and `new-commerce` need it",
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

impl JobKind for SwitchSubscription {
    fn kind(&self) -> &'static str {
        "switch-subscription"
    }

    fn summary(&self) -> &'static str {
        "Switch subscriptions to a different partner, or take them over from one"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("switch_subscription.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: true,
            undo: Undo::WhileUnanswered,
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let customer = cell::customer(&mut faults, row, CUSTOMER);
        let subscription_id = cell::required_guid(&mut faults, row, SUBSCRIPTION_ID);
        let direction = cell::required_choice(&mut faults, row, DIRECTION);
        let partner_tenant_id = cell::guid(&mut faults, row, PARTNER_TENANT_ID);
        check_partner(&mut faults, row, customer, partner_tenant_id);
        let partner_name = faults.line(row, PARTNER_NAME, 256);
        let customer_email = customer_email(&mut faults, row);
        let flow = cell::required_choice(&mut faults, row, FLOW);
        let action = match cell::choice(&mut faults, row, ACTION) {
            None if row.text(ACTION).is_empty() => Some(TransferAction::Request),
            written => written,
        };
        if let (Some(direction), Some(flow), Some(action)) = (direction, flow, action) {
            check_step(&mut faults, row, direction, flow, action);
        }
        if let (Some(flow), Some(TransferAction::Request)) = (flow, action) {
            check_request(&mut faults, row, flow);
        }
        faults.finish(Change::SwitchSubscription(Switch {
            customer,
            subscription_id,
            direction: direction.unwrap_or(Direction::Out),
            partner_tenant_id,
            partner_name,
            customer_email,
            flow: flow.unwrap_or(Flow::AzurePlan),
            action: action.unwrap_or(TransferAction::Request),
        }))
    }
}

/// The customer and the partner are easily swapped: both are tenants.
fn check_partner(faults: &mut Faults, row: &RowCells<'_>, customer: CustomerRef<'_>, partner: Option<Uuid>) {
    if let (CustomerRef::Id(customer, _), Some(partner)) = (customer.looked_up_by(), partner)
        && customer == partner
    {
        let expected = "this is the customer's tenant; the other partner's belongs here";
        faults.tell(
            PARTNER_TENANT_ID,
            code::CONFLICTING,
            row.text(PARTNER_TENANT_ID),
            expected,
        );
    }
}

fn customer_email<'a>(faults: &mut Faults, row: &RowCells<'a>) -> &'a str {
    let before = faults.count();
    let address = faults.line(row, CUSTOMER_EMAIL, email::MAX);
    if faults.count() == before && !address.is_empty() && email::domain(address).is_none() {
        faults.add(CUSTOMER_EMAIL, code::INVALID, address, "an e-mail address");
    }
    address
}

/// Whether the step is ours to take.
fn check_step(faults: &mut Faults, row: &RowCells<'_>, direction: Direction, flow: Flow, action: TransferAction) {
    let roles = rules::roles(flow);
    let mut ours = rules::steps(flow, direction);
    if ours.is_empty() {
        // No step would do in this direction.
        let expected = format!("`out`, the only direction of flow `{}`: {roles}", flow.as_str());
        let near = Some(Direction::Out.as_str());
        faults.add_near(DIRECTION, code::CONFLICTING, row.text(DIRECTION), (expected, near));
        ours = rules::steps(flow, Direction::Out);
    }
    if !ours.contains(&action) {
        let quoted: Vec<String> = ours.iter().map(|step| format!("`{}`", step.as_str())).collect();
        let expected = format!(
            "{}, which flow `{}` has in direction `{}`: {roles}",
            quoted.join(" or "),
            flow.as_str(),
            direction.as_str()
        );
        faults.add(ACTION, code::CONFLICTING, row.text(ACTION), expected);
    }
}

/// Whether the row has what a request says.
fn check_request(faults: &mut Faults, row: &RowCells<'_>, flow: Flow) {
    let needed = [
        (PARTNER_TENANT_ID, true, "the GUID of the other partner's tenant"),
        (PARTNER_NAME, rules::names_partner(flow), "the other partner's name"),
        (
            CUSTOMER_EMAIL,
            rules::names_customer_email(flow),
            "an e-mail address of the customer",
        ),
    ];
    for (column, is_needed, what) in needed {
        if is_needed && row.text(column).is_empty() {
            let expected = format!("{what}, which a request of flow `{}` needs", flow.as_str());
            faults.add(column, code::REQUIRED, "", expected);
        }
    }
}

#[cfg(test)]
mod tests;
