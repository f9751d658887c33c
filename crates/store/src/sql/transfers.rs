//! `switch-subscription`: transfers of subscriptions between partners, which take days.
//!
//! A row that asks for a transfer makes a request and then waits; each later look finds what the other side has
//! done. Statuses are those of Partner Center's transfers (billing model and samples); one we do not know is
//! kept and waited on. The four flows stay apart: who asks and who answers differs.

use tenantry_jobs::{Direction, Flow, Problem, ProductType, Switch, TransferAction, code};

use super::lookup::{Customer, Directory};
use super::record::{Key, Object};
use super::session::{ChangeStep, Decision, Task, UnitOfWork};
use super::subscriptions::{foreign, unknown};
use super::transfer::{Transfer, all, partner, status};
use crate::{FieldChange, Verdict, form};
use tenantry_foundation::db::DbError;
use tenantry_foundation::moment::day;
use tenantry_jobs::rules::TRANSFER_OPEN_FOR_MILLIS;
use tenantry_ledger::Artifact;

/// A row's part in a transfer.
pub(super) struct SwitchSubscriptionTask {
    row: u64,
    customer: Customer,
    guid: String,
    direction: Direction,
    flow: Flow,
    action: TransferAction,
    partner_tenant_id: String,
    partner_name: String,
    customer_email: String,
}

impl SwitchSubscriptionTask {
    pub(super) fn new(row: u64, switch: &Switch<'_>, directory: &Directory) -> Result<Self, Problem> {
        Ok(Self {
            row,
            customer: directory.find(switch.customer)?.clone(),
            guid: switch.subscription_id.to_string(),
            direction: switch.direction,
            flow: switch.flow,
            action: switch.action,
            partner_tenant_id: switch.partner_tenant_id.map(|id| id.to_string()).unwrap_or_default(),
            partner_name: switch.partner_name.to_owned(),
            customer_email: switch.customer_email.to_owned(),
        })
    }

    fn reject(&self, code: &str, expected: impl Into<String>) -> Decision {
        Decision::reject(Problem::stated(code, "subscription_id", &self.guid, expected))
    }

    /// The same transfer as the row's: direction, flow and, where it names one, partner.
    fn is_same(&self, transfer: &Transfer) -> bool {
        let partner = transfer.record.get("partner_tenant_id");
        transfer.record.get("direction") == self.direction.as_str()
            && transfer.record.get("flow") == self.flow.as_str()
            && (self.partner_tenant_id.is_empty() || self.partner_tenant_id == partner)
    }

    fn request(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let transfers = all(session, &self.guid)?;
        let own = session.made(Object::Transfer, self.row).id;
        if let Some(begun) = transfers.iter().find(|transfer| transfer.id == own) {
            return self.look(session, begun);
        }
        if let Some(open) = transfers.iter().find(|transfer| transfer.is_open(session.now)) {
            return Ok(if self.is_same(open) {
                Decision::unchanged(open.guid(session))
            } else {
                Decision::reject(open.in_the_way(session, &self.guid))
            });
        }
        if let Some(done) = transfers.iter().find(|transfer| {
            self.is_same(transfer) && matches!(transfer.record.get("status"), status::COMPLETED | status::ON_PAPER)
        }) {
            return Ok(Decision::unchanged(done.guid(session)));
        }
        if let Some(refused) = self.cannot_be_asked_for(session)? {
            return Ok(refused);
        }
        let key = session.made(Object::Transfer, self.row);
        let on_paper = self.flow == Flow::LegacyAzure;
        let expires = session.now + TRANSFER_OPEN_FOR_MILLIS;
        let values = vec![
            ("customer", self.customer.id.to_string()),
            ("subscription_id", self.guid.clone()),
            ("direction", self.direction.as_str().to_owned()),
            ("flow", self.flow.as_str().to_owned()),
            ("partner_tenant_id", self.partner_tenant_id.clone()),
            ("partner_name", self.partner_name.clone()),
            ("customer_email", self.customer_email.clone()),
            (
                "status",
                if on_paper { status::ON_PAPER } else { status::PENDING }.to_owned(),
            ),
            ("created_at", session.now.to_string()),
            ("updated_at", session.now.to_string()),
            ("expires_at", expires.to_string()),
        ];
        let artifact = on_paper.then(|| Artifact {
            row: self.row,
            name: format!("transfer-request-{}.txt", self.row),
            data: form::filled(&form::FormRequest {
                domain: &self.customer.domain,
                tenant_id: &self.customer.tenant_id,
                subscription_id: &self.guid,
                outwards: self.direction == Direction::Out,
                partner_tenant_id: &self.partner_tenant_id,
                partner_name: &self.partner_name,
                customer_email: &self.customer_email,
            })
            .into_bytes(),
        });
        let until = day(expires);
        Ok(Decision {
            verdict: Verdict::Create,
            target: session.guid(key.id),
            message: if on_paper {
                "the request form is filled in; it goes to support with three signatures".to_owned()
            } else {
                String::new()
            },
            steps: vec![ChangeStep::Insert { key, values }],
            waits: (!on_paper).then(|| format!("pending: the other partner can answer until {until}")),
            destructive: true,
            artifact,
            ..Decision::default()
        })
    }

    /// Why the subscription is not one that can be transferred so.
    fn cannot_be_asked_for(&self, session: &mut UnitOfWork<'_>) -> Result<Option<Decision>, DbError> {
        let found = session.subscription(&self.guid)?;
        if self.direction == Direction::In {
            // It is the other partner's, so it is rarely known here; if it is, it may be ours already.
            return Ok(found
                .filter(|(_, held)| held.int("customer") == self.customer.id && held.get("status") == "active")
                .map(|_| Decision::unchanged(self.guid.clone())));
        }
        let Some((_, subscription)) = found else {
            return Ok(Some(Decision::reject(unknown(session, &self.guid, self.customer.id)?)));
        };
        if let Some(problem) = foreign(session, &self.guid, self.customer.id, &subscription)? {
            return Ok(Some(Decision::reject(problem)));
        }
        let status = subscription.get("status");
        if status != "active" {
            return Ok(Some(self.reject(
                code::SUBSCRIPTION_INACTIVE,
                format!("only active subscriptions can be transferred; this one is {status}"),
            )));
        }
        let held = subscription.get("product_type");
        let covered = ProductType::parse(held).is_some_and(|product_type| self.flow.covers(product_type));
        Ok((!covered).then(|| {
            let expected = format!(
                "the flow `{}` does not cover this subscription, which is {held}",
                self.flow.as_str()
            );
            self.reject(code::NOT_ELIGIBLE, expected)
        }))
    }

    /// What has become of the row's own request.
    fn look(&self, session: &mut UnitOfWork<'_>, transfer: &Transfer) -> Result<Decision, DbError> {
        let target = transfer.guid(session);
        let (status, now) = (transfer.record.get("status"), session.now);
        let first_step = next_step(session, self.row)?;
        let begun = Decision {
            target: target.clone(),
            begins: false,
            first_step,
            ..Decision::default()
        };
        let over = |code: &str, expected: String| Decision {
            verdict: Verdict::Reject(Problem::stated(code, "subscription_id", &self.guid, expected)),
            target: target.clone(),
            begins: false,
            first_step,
            ..Decision::default()
        };
        let who = partner(&transfer.record);
        Ok(match status {
            status::PENDING if now > transfer.record.int("expires_at") => Decision {
                steps: vec![transfer.step(&[("status", status::EXPIRED.to_owned()), ("updated_at", now.to_string())])],
                ..over(
                    code::TRANSFER_CLOSED,
                    format!("{who} has not answered within 30 days; the request has expired, make a new one"),
                )
            },
            status::PENDING => Decision {
                waits: Some(format!(
                    "pending: {who} can answer until {}",
                    day(transfer.record.int("expires_at"))
                )),
                ..begun
            },
            // Accepted: the subscriptions change hands now.
            status::IN_PROGRESS => Decision {
                verdict: Verdict::Change(vec![FieldChange::new("transfer", status, status::COMPLETED)]),
                steps: hand_over(session, transfer, self.row)?,
                message: status::COMPLETED.to_owned(),
                ..begun
            },
            status::COMPLETED | status::COMPLETED_WITH_ERRORS | status::PARTIALLY_COMPLETE => {
                let note = transfer.record.get("message");
                Decision {
                    verdict: Verdict::Change(vec![FieldChange::new("transfer", status::PENDING, status)]),
                    message: [status, note].join(": ").trim_end_matches(": ").to_owned(),
                    ..begun
                }
            }
            status::DECLINED => over(code::TRANSFER_CLOSED, format!("{who} has declined")),
            status::CANCELLED => over(code::TRANSFER_CLOSED, "the request was withdrawn".to_owned()),
            status::EXPIRED => over(code::TRANSFER_CLOSED, format!("{who} has not answered within 30 days")),
            status::FAILED => over(
                code::TRANSFER_CLOSED,
                format!("the transfer failed: {}", transfer.record.get("message")),
            ),
            unknown => Decision {
                waits: Some(format!("{unknown}: {who}")),
                ..begun
            },
        })
    }

    /// Accept, reject or cancel what is open.
    fn answer(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let transfers = all(session, &self.guid)?;
        let mut same = transfers.iter().filter(|transfer| self.is_same(transfer));
        let to = match self.action {
            TransferAction::Accept => status::IN_PROGRESS,
            TransferAction::Reject => status::DECLINED,
            _ => status::CANCELLED,
        };
        let Some(open) = same.clone().find(|transfer| transfer.is_open(session.now)) else {
            return Ok(match same.next() {
                Some(last) if is_answered(last.status(session.now), to) => Decision::unchanged(last.guid(session)),
                Some(last) => self.reject(
                    code::TRANSFER_CLOSED,
                    format!("no transfer is open; the last one is {}", last.status(session.now)),
                ),
                None => self.reject(code::NO_TRANSFER, "the subscription has no transfer request; what another partner asks for is recorded with `tenantry transfer requested`"),
            });
        };
        let now = open.record.get("status");
        if now != status::PENDING {
            return Ok(if is_answered(now, to) {
                Decision::unchanged(open.guid(session))
            } else {
                self.reject(code::TRANSFER_CLOSED, format!("the transfer is not pending but {now}"))
            });
        }
        let steps = match self.action {
            TransferAction::Accept => hand_over(session, open, self.row)?,
            _ => vec![open.step(&[("status", to.to_owned()), ("updated_at", session.now.to_string())])],
        };
        let done = if self.action == TransferAction::Accept {
            status::COMPLETED
        } else {
            to
        };
        Ok(Decision {
            verdict: Verdict::Change(vec![FieldChange::new("transfer", now, done)]),
            target: open.guid(session),
            steps,
            destructive: self.action == TransferAction::Accept,
            ..Decision::default()
        })
    }
}

fn is_answered(now: &str, wanted: &str) -> bool {
    now == wanted || (wanted == status::IN_PROGRESS && matches!(now, status::COMPLETED | status::COMPLETED_WITH_ERRORS))
}

/// The subscription changes hands, and the transfer is done.
fn hand_over(session: &mut UnitOfWork<'_>, transfer: &Transfer, row: u64) -> Result<Vec<ChangeStep>, DbError> {
    let guid = transfer.record.get("subscription_id");
    let mut steps = vec![transfer.step(&[
        ("status", status::COMPLETED.to_owned()),
        ("updated_at", session.now.to_string()),
    ])];
    let held = session.subscription(guid)?;
    let outwards = transfer.record.get("direction") == Direction::Out.as_str();
    // Licences that leave by the old flow stay behind suspended (Partner Center, transition from direct to indirect).
    let to = match (outwards, transfer.record.get("flow")) {
        (false, _) => "active",
        (true, "direct-to-indirect") => "suspended",
        (true, _) => "deleted",
    };
    match held {
        Some((id, record)) => steps.push(ChangeStep::Edit {
            key: Key::of(Object::Subscription, id),
            changes: record.changes(&[
                ("status", to.to_owned()),
                ("customer", transfer.record.get("customer").to_owned()),
            ]),
        }),
        None if !outwards => steps.push(ChangeStep::Insert {
            key: session.made(Object::Subscription, row),
            values: vec![
                ("customer", transfer.record.get("customer").to_owned()),
                ("subscription_id", guid.to_owned()),
                ("product", "Transferred subscription".to_owned()),
                (
                    "product_type",
                    match transfer.record.get("flow") {
                        "new-commerce" => "new-commerce-license",
                        "direct-to-indirect" => "legacy-license",
                        _ => "azure-plan",
                    }
                    .to_owned(),
                ),
                ("quantity", "1".to_owned()),
                ("status", "active".to_owned()),
            ],
        }),
        None => {}
    }
    Ok(steps)
}

/// The number of the next step of a row that has done some.
fn next_step(session: &mut UnitOfWork<'_>, row: u64) -> Result<i64, DbError> {
    let found = session.tx.query_first(
        "SELECT COALESCE(MAX(step) + 1, 0) FROM before_images WHERE job = $1 AND row = $2",
        &[session.job.into(), row.into()],
    )?;
    found.map_or(Ok(0), |row| row.int(0))
}

impl Task for SwitchSubscriptionTask {
    fn row(&self) -> u64 {
        self.row
    }

    fn subscription(&self) -> Option<&str> {
        Some(&self.guid)
    }

    fn customer(&self) -> Option<i64> {
        Some(self.customer.id)
    }

    fn names(&self) -> bool {
        true
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        match self.action {
            TransferAction::Request => self.request(session),
            TransferAction::Accept | TransferAction::Reject | TransferAction::Cancel => self.answer(session),
        }
    }
}
