//! `remove-relationship`: ends the reseller relationship, once nothing stands in its way.
//!
//! What stands in the way is told all at once and by name. Suspending what can be suspended is a step of the row, and
//! only where the row says so: a subscription is never suspended in silence.

use tenantry_jobs::{CustomerRef, Problem, ProductType, Removal, code};

use super::lifecycle::day;
use super::lookup::{Customer, Directory};
use super::record::{Key, Object, Record};
use super::session::{Decision, Session, Step, Task};
use crate::db::DbError;
use crate::store::{FieldChange, Touch, Verdict};

/// The relationship of a customer who is one of ours, and of one who is no more.
pub(super) const RESELLER: &str = "reseller";
pub(super) const ENDED: &str = "none";

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

    fn subscriptions(&self, session: &mut Session<'_>) -> Result<Vec<(i64, Record)>, DbError> {
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

/// How a subscription stands to the end of the relationship.
enum Standing {
    /// It is no obstacle.
    Over,
    /// It can be suspended, after which it is none.
    Suspendable,
    /// It has to go some other way first.
    Obstacle(&'static str, String),
}

fn standing(subscription: &Record, now: i64) -> Standing {
    let status = subscription.get("status");
    let is_over = matches!(status, "expired" | "disabled" | "cancelled" | "deleted");
    let Some(product_type) = ProductType::parse(subscription.get("product_type")).filter(|_| !is_over) else {
        return Standing::Over;
    };
    match product_type {
        legacy if legacy.may_be_suspended_for_removal() => {
            if status == "suspended" {
                Standing::Over
            } else {
                Standing::Suspendable
            }
        }
        ProductType::Reservation | ProductType::SavingsPlan => {
            let how = "has to be cancelled with support".to_owned();
            Standing::Obstacle(code::ACTIVE_RESERVATIONS, how)
        }
        // Suspending is not enough: a suspended new-commerce subscription goes on being billed.
        ProductType::NewCommerceLicense => Standing::Obstacle(code::NOT_CANCELLABLE, cancellable(subscription, now)),
        _ => Standing::Obstacle(code::ACTIVE_SOFTWARE, cancellable(subscription, now)),
    }
}

/// Until when it can be cancelled, or from when on it is over by itself.
fn cancellable(subscription: &Record, now: i64) -> String {
    let (until, ends) = (subscription.int("cancellable_until"), subscription.int("term_ends"));
    if until >= now {
        format!("can be cancelled until {}", day(until))
    } else if ends > 0 {
        let renew = if subscription.get("auto_renew") == "no" {
            ""
        } else {
            ", with automatic renewal off"
        };
        format!("can no longer be cancelled; possible from {}{renew}", day(ends + 1))
    } else {
        "can no longer be cancelled before its term ends".to_owned()
    }
}

impl Task for Remove {
    fn row(&self) -> u64 {
        self.row
    }

    fn needs(&self, _session: &mut Session<'_>) -> Result<Vec<Key>, DbError> {
        Ok(vec![Key::of(Object::Customer, self.customer.id)])
    }

    fn decide(&self, session: &mut Session<'_>) -> Result<Decision, DbError> {
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
            if let Some(open) = super::transfers::open(session, guid)? {
                obstacles.push((
                    code::TRANSFER_OPEN,
                    format!("{named} is part of the open transfer {}", open.guid(session)),
                ));
                continue;
            }
            match standing(&subscription, session.now) {
                Standing::Over => {}
                Standing::Suspendable if self.suspend => {
                    changes.push(FieldChange::new(
                        "subscription",
                        format!("{guid} {status}"),
                        format!("{guid} suspended"),
                    ));
                    steps.push(Step::Edit {
                        key: Key::of(Object::Subscription, id),
                        changes: subscription.changes(&[
                            ("status", "suspended".to_owned()),
                            ("suspension_reason", self.reason.clone()),
                        ]),
                    });
                }
                Standing::Suspendable => obstacles.push((
                    code::ACTIVE_SUBSCRIPTIONS,
                    format!("{named} is {status}: suspend it, or say `suspend_subscriptions` = `yes`"),
                )),
                Standing::Obstacle(code, how) => obstacles.push((code, format!("{named} is {status} and {how}"))),
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
        steps.push(Step::Edit {
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
