//! `remove-relationship`: ends the reseller relationship, once nothing stands in its way.
//!
//! What stands in the way is told all at once and by name. Suspending what can be suspended is a step of the row, and
//! only where the row says so: a subscription is never suspended in silence.

use std::sync::Arc;

use tenantry_jobs::{CustomerRef, Problem, ProductType, Removal, code};

use super::lookup::{Customer, Directory};
use super::record::{ENDED, Key, Object, RESELLER, Record};
use super::session::{ChangeStep, Decision, Task, UnitOfWork};
use crate::removal::{HeldSubscription, RemovalStanding};
use crate::{FieldChange, Touch, Verdict};
use tenantry_foundation::db::DbError;

/// A relationship to end.
pub(super) struct Remove {
    row: u64,
    customer: Customer,
    suspend: bool,
    reason: String,
}

impl Remove {
    pub(super) fn new(row: u64, removal: &Removal<'_>, directory: &Directory) -> Result<Self, Problem> {
        let customer: CustomerRef<'_> = removal.customer;
        Ok(Self {
            row,
            customer: directory.find_any(customer)?.clone(),
            suspend: removal.suspend_subscriptions,
            reason: removal.reason.to_owned(),
        })
    }

    fn subscriptions(&self, session: &mut UnitOfWork<'_>) -> Result<Vec<(i64, Arc<Record>)>, DbError> {
        let rows = session.tx.query(
            "SELECT id FROM subscriptions WHERE customer = $1 ORDER BY subscription_id",
            &[self.customer.id.into()],
        )?;
        let keys: Vec<Key> = rows
            .iter()
            .map(|row| row.int(0).map(|id| Key::of(Object::Subscription, id)))
            .collect::<Result<_, _>>()?;
        session.load(keys.clone())?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.extend(session.record(&key)?.map(|record| (key.id, record)));
        }
        Ok(found)
    }
}

fn standing(subscription: &Record, now: i64) -> RemovalStanding {
    let Some(product_type) = ProductType::parse(subscription.get("product_type")) else {
        return RemovalStanding::Over;
    };
    let held = HeldSubscription {
        product_type,
        status: subscription.get("status"),
        cancellable_until: subscription.int("cancellable_until"),
        term_ends: subscription.int("term_ends"),
        renews: subscription.get("auto_renew") != "no",
    };
    held.standing(now)
}

impl Task for Remove {
    fn row(&self) -> u64 {
        self.row
    }

    fn customer(&self) -> Option<i64> {
        Some(self.customer.id)
    }

    fn needs(&self, _session: &mut UnitOfWork<'_>) -> Result<Vec<Key>, DbError> {
        Ok(vec![Key::of(Object::Customer, self.customer.id)])
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let key = Key::of(Object::Customer, self.customer.id);
        let target = self.customer.tenant_id.clone();
        if session.customer(self.customer.id)?.get("relationship") == ENDED {
            return Ok(Decision::unchanged(target));
        }
        let mut obstacles: Vec<(&'static str, String)> = Vec::new();
        let (mut steps, mut changes) = (Vec::new(), Vec::new());
        for (id, subscription) in self.subscriptions(session)? {
            let guid = subscription.get("subscription_id");
            let named = format!("{} {guid}", subscription.get("product"));
            let status = subscription.get("status");
            if let Some(open) = super::transfer::open(session, guid)? {
                obstacles.push((
                    code::TRANSFER_OPEN,
                    format!("{named} is part of the open transfer {}", open.guid(session)),
                ));
                continue;
            }
            match standing(&subscription, session.now) {
                RemovalStanding::Over => {}
                RemovalStanding::Suspendable if self.suspend => {
                    changes.push(FieldChange::new(
                        "subscription",
                        format!("{guid} {status}"),
                        format!("{guid} suspended"),
                    ));
                    steps.push(ChangeStep::Edit {
                        key: Key::of(Object::Subscription, id),
                        changes: subscription.changes(&[
                            ("status", "suspended".to_owned()),
                            ("suspension_reason", self.reason.clone()),
                        ]),
                    });
                }
                RemovalStanding::Suspendable => obstacles.push((
                    code::ACTIVE_SUBSCRIPTIONS,
                    format!("{named} is {status}: suspend it, or say `suspend_subscriptions` = `yes`"),
                )),
                RemovalStanding::Obstacle(code, how) => {
                    obstacles.push((code, format!("{named} is {status} and {how}")));
                }
            }
        }
        if let Some((code, _)) = obstacles.first() {
            let all: Vec<&str> = obstacles.iter().map(|(_, text)| text.as_str()).collect();
            let problem = Problem::new(
                code,
                "customer",
                &self.customer.domain,
                format!("a customer with nothing active; {}", all.join("; ")),
            );
            return Ok(Decision::reject(problem));
        }
        let message = match steps.len() {
            0 => String::new(),
            1 => "1 subscription was suspended".to_owned(),
            many => format!("{many} subscriptions were suspended"),
        };
        let end = FieldChange::new("relationship", RESELLER, ENDED);
        changes.push(end.clone());
        steps.push(ChangeStep::Edit {
            key,
            changes: vec![end],
        });
        let users = self.customer.users as u64;
        Ok(Decision {
            verdict: Verdict::Change(changes),
            target,
            message,
            steps,
            touch: Some(Touch {
                customer: self.customer.id,
                domain: self.customer.domain.clone(),
                users,
                of: users,
            }),
            destructive: true,
            ..Decision::default()
        })
    }
}
