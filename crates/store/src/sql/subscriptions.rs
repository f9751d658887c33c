//! `set-subscriptions` and `suspend-subscription`: what customers have bought.

use tenantry_jobs::{Problem, SubscriptionState, SubscriptionStatus, Suspension, advise_subscription, code};

use super::holdings;
use super::lookup::Directory;
use super::record::{Key, Object, Record};
use super::session::{ChangeStep, Decision, Task, UnitOfWork};
use crate::Verdict;
use crate::suspension::switching;
use tenantry_foundation::db::DbError;

/// A subscription that a customer should hold.
pub(super) struct Set {
    row: u64,
    guid: String,
    customer: i64,
    given: Vec<(&'static str, String)>,
}

impl Set {
    pub(super) fn new(row: u64, state: &SubscriptionState<'_>, directory: &Directory) -> Result<Self, Problem> {
        let customer = directory.find(state.customer)?.id;
        let guid = state.subscription_id.to_string();
        let mut given = vec![("customer", customer.to_string()), ("subscription_id", guid.clone())];
        let renew = state
            .auto_renew
            .map(|renew| if renew { "yes" } else { "no" }.to_owned());
        let written = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let on_record = written(state.partner_id_on_record);
        let optional = [
            ("product", written(state.product)),
            ("product_type", state.product_type.map(|one| one.as_str().to_owned())),
            ("quantity", state.quantity.map(|quantity| quantity.to_string())),
            ("status", state.status.map(|status| status.as_str().to_owned())),
            ("auto_renew", renew),
            ("term_ends", state.term_ends.map(|millis| millis.to_string())),
            (
                "cancellable_until",
                state.cancellable_until.map(|millis| millis.to_string()),
            ),
            ("partner_id_on_record", on_record),
        ];
        given.extend(optional.into_iter().filter_map(|(field, value)| Some((field, value?))));
        Ok(Self {
            row,
            guid,
            customer,
            given,
        })
    }

    fn says(&self, field: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == field)
    }
}

impl Task for Set {
    fn row(&self) -> u64 {
        self.row
    }

    fn subscription(&self) -> Option<&str> {
        Some(&self.guid)
    }

    fn customer(&self) -> Option<i64> {
        Some(self.customer)
    }

    fn names(&self) -> bool {
        true
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let Some((id, subscription)) = session.subscription(&self.guid)? else {
            for needed in ["product", "product_type"] {
                if !self.says(needed) {
                    let expected = "this subscription is not there yet, and a new one needs a value here";
                    return Ok(Decision::reject(Problem::stated(code::REQUIRED, needed, "", expected)));
                }
            }
            let mut values = self.given.clone();
            for (field, default) in [("quantity", "1"), ("status", SubscriptionStatus::Active.as_str())] {
                if !self.says(field) {
                    values.push((field, default.to_owned()));
                }
            }
            let key = session.made(Object::Subscription, self.row);
            return Ok(Decision {
                verdict: Verdict::Create,
                target: self.guid.clone(),
                steps: vec![ChangeStep::Insert { key, values }],
                ..Decision::default()
            });
        };
        if let Some(problem) = foreign(session, &self.guid, self.customer, &subscription)? {
            return Ok(Decision::reject(problem));
        }
        let changes = subscription.changes_read(&self.given, &[]);
        Ok(Decision::edit(
            self.guid.clone(),
            Key::of(Object::Subscription, id),
            changes,
        ))
    }
}

/// Why a subscription is not the customer's to change.
pub(super) fn foreign(
    session: &mut UnitOfWork<'_>,
    guid: &str,
    customer: i64,
    subscription: &Record,
) -> Result<Option<Problem>, DbError> {
    let holder = subscription.int("customer");
    if holder == customer {
        return Ok(None);
    }
    let domain = super::lookup::domain_of(session.tx, holder)?;
    let sentence = format!("this subscription is held by {domain}");
    let problem = Problem::stated(code::FOREIGN_SUBSCRIPTION, "subscription_id", guid, sentence);
    let own = holdings::subscriptions(session.tx, customer)?;
    Ok(Some(advise_subscription(problem, subscription.get("product"), &own)))
}

/// No subscription of that GUID; what of the customer's was meant.
pub(super) fn unknown(session: &mut UnitOfWork<'_>, guid: &str, customer: i64) -> Result<Problem, DbError> {
    let sentence = "no subscription has this id";
    let problem = Problem::stated(code::UNKNOWN_SUBSCRIPTION, "subscription_id", guid, sentence);
    let own = holdings::subscriptions(session.tx, customer)?;
    Ok(advise_subscription(problem, guid, &own))
}

/// A subscription to suspend, or to take up again.
pub(super) struct Suspend {
    row: u64,
    guid: String,
    customer: i64,
    to: Option<SubscriptionStatus>,
    reason: String,
}

impl Suspend {
    pub(super) fn new(row: u64, suspension: &Suspension<'_>, directory: &Directory) -> Result<Self, Problem> {
        Ok(Self {
            row,
            guid: suspension.subscription_id.to_string(),
            customer: directory.find(suspension.customer)?.id,
            to: suspension.to,
            reason: suspension.reason.to_owned(),
        })
    }
}

impl Task for Suspend {
    fn row(&self) -> u64 {
        self.row
    }

    fn subscription(&self) -> Option<&str> {
        Some(&self.guid)
    }

    fn customer(&self) -> Option<i64> {
        Some(self.customer)
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let Some((id, subscription)) = session.subscription(&self.guid)? else {
            return Ok(Decision::reject(unknown(session, &self.guid, self.customer)?));
        };
        if let Some(problem) = foreign(session, &self.guid, self.customer, &subscription)? {
            return Ok(Decision::reject(problem));
        }
        let status = subscription.get("status");
        let Some(to) = self.to.filter(|to| status != to.as_str()) else {
            return Ok(Decision::unchanged(self.guid.clone()));
        };
        if let Some(problem) = switching(&self.guid, status, to) {
            return Ok(Decision::reject(problem));
        }
        if let Some(open) = super::transfer::open(session, &self.guid)? {
            return Ok(Decision::reject(open.in_the_way(session, &self.guid)));
        }
        let reason = if to == SubscriptionStatus::Suspended {
            self.reason.clone()
        } else {
            String::new()
        };
        let changes = subscription.changes(&[("status", to.as_str().to_owned()), ("suspension_reason", reason)]);
        Ok(Decision::edit(
            self.guid.clone(),
            Key::of(Object::Subscription, id),
            changes,
        ))
    }
}
