//! Licences of users: `assign-licenses`, and those of users that are made.
//!
//! What a row asks for is a state, so whatever an earlier attempt got done, the rest is found by reading what a user has.

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_jobs::{LicenseChange, Problem, code};

use super::PartnerCenterError;
use super::auth::TokenKind;
use super::client::{Call, Operation};
use super::end::End;
use super::image::{Image, Object};
use super::named::{Named, named};
use super::records::{Customer, Sku, User};
use super::session::Session;
use super::skus::{names, seats, sku};
use super::steps::{Done, Step, Stopped};
use super::text::segment;
use tenantry_store::remote::{RowPreview, Steps};
use tenantry_store::{FieldChange, Verdict};

const UPDATE_LICENSES: Operation = Operation::new("update-licenses", "POST", TokenKind::AppAndUser);
pub(super) const UPDATE_USER: Operation = Operation::new("update-user", "PATCH", TokenKind::AppAndUser);

/// The step that says where a user is.
const LOCATION: &str = "usage location";
/// What the steps that change licences are called, before the group of each.
pub(super) const LICENSES: &str = "licenses";

/// A row, resolved.
struct Resolved {
    named: Named,
    user: User,
    assign: Vec<Sku>,
    remove: Vec<String>,
    has: Vec<String>,
    held: Arc<Vec<Sku>>,
    /// Empty if it stays.
    usage_location: String,
}

impl Resolved {
    fn changes(&self) -> Vec<FieldChange> {
        let mut changes = Vec::new();
        let mut after: Vec<String> = self
            .has
            .iter()
            .filter(|id| !self.remove.contains(id))
            .cloned()
            .collect();
        after.extend(self.missing().map(|sku| sku.id.clone()));
        let (before, after) = (names(&self.held, &self.has), names(&self.held, &after));
        if before != after {
            changes.push(FieldChange::new("licenses", before, after));
        }
        if !self.usage_location.is_empty() {
            let before = &self.user.usage_location;
            changes.push(FieldChange::new("usage_location", before, &self.usage_location));
        }
        changes
    }

    fn missing(&self) -> impl Iterator<Item = &Sku> {
        self.assign.iter().filter(|sku| !self.has.contains(&sku.id))
    }
}

async fn resolve(session: &Session, change: &LicenseChange<'_>) -> Result<Resolved, PartnerCenterError> {
    let named = named(session, change.user).await?;
    let held = session.skus(&named.customer.id).await?;
    let resolve = |column: &'static str, names: &[&str]| {
        let found = names.iter().map(|name| sku(column, name, &held).cloned());
        found.collect::<Result<Vec<Sku>, Problem>>()
    };
    let (assign, remove) = (resolve("assign", &change.assign)?, resolve("remove", &change.remove)?);
    let Some(user) = named.user.clone() else {
        return Err(named.missing(change.user.user_principal_name).into());
    };
    if change.usage_location.is_empty() && user.usage_location.is_empty() && !assign.is_empty() {
        let expected = "a country code of two letters, which licences depend on; the user has none yet";
        return Err(Problem::new(code::USAGE_LOCATION_REQUIRED, "usage_location", "", expected).into());
    }
    let has = session.licenses_now(&named.customer.id, &user.id).await?;
    let remove = if change.remove_all {
        let kept = |id: &String| assign.iter().any(|sku| sku.id == *id);
        has.iter().filter(|id| !kept(id)).cloned().collect()
    } else {
        remove.into_iter().map(|sku| sku.id).collect()
    };
    let usage_location = if change.usage_location == user.usage_location.as_str() {
        String::new()
    } else {
        change.usage_location.clone().into_owned()
    };
    Ok(Resolved {
        named,
        user,
        assign,
        remove,
        has,
        held,
        usage_location,
    })
}

/// What a row would do.
pub(super) async fn preview(
    session: &Session,
    row: u64,
    change: &LicenseChange<'_>,
) -> Result<RowPreview, PartnerCenterError> {
    let wanted = resolve(session, change).await?;
    let changes = wanted.changes();
    if changes.is_empty() {
        return Ok(Verdict::Unchanged.into());
    }
    let customer = &wanted.named.customer;
    let mut previewed = RowPreview::from(Verdict::Change(changes)).touching(customer.touch(1, wanted.named.of));
    previewed.needs = seats(row, "assign", customer, wanted.missing());
    Ok(previewed)
}

/// Gives and takes licences.
pub(super) async fn apply(
    session: &Session,
    steps: Steps<'_>,
    change: &LicenseChange<'_>,
) -> Result<End, PartnerCenterError> {
    let wanted = resolve(session, change).await?;
    let (customer, id) = (&wanted.named.customer, &wanted.user.id);
    if wanted.changes().is_empty() && !steps.has_begun() {
        return Ok(End::Unchanged(id.clone()));
    }
    let mut done = Vec::new();
    let is_begun = steps.has_begun_step(LOCATION);
    if !wanted.usage_location.is_empty() || is_begun && !change.usage_location.is_empty() {
        let (from, to) = (&wanted.user.usage_location, change.usage_location.as_ref());
        let step = session.step(steps, LOCATION);
        if let Err(stopped) = usage_location_step(session, &step, customer, id, (from, to)).await? {
            return Ok(End::stopped(stopped, id));
        }
        done.push("the usage location was set");
    }
    let update = Update {
        customer,
        user: id,
        held: &wanted.held,
        has: &wanted.has,
        assign: wanted.assign.iter().map(|sku| sku.id.clone()).collect(),
        remove: wanted.remove.clone(),
    };
    let target = id.clone();
    let Some(stopped) = update.done(session, steps, LICENSES).await? else {
        return Ok(End::applied(target));
    };
    if steps.count(LICENSES) > 0 {
        done.push("some of the licences were changed");
    }
    let done = done.join("; ");
    Ok(End::Stopped { stopped, done, target })
}

/// Licences to give a user and to take, by SKU id.
pub(super) struct Update<'u> {
    pub(super) customer: &'u Customer,
    pub(super) user: &'u str,
    /// What the customer holds.
    pub(super) held: &'u [Sku],
    /// What the user has.
    pub(super) has: &'u [String],
    pub(super) assign: Vec<String>,
    pub(super) remove: Vec<String>,
}

impl Update<'_> {
    /// Has it done, a step for each group of SKUs; why it stopped, if it did.
    pub(super) async fn done(
        &self,
        session: &Session,
        steps: Steps<'_>,
        name: &str,
    ) -> Result<Option<Stopped>, PartnerCenterError> {
        let group = |id: &String| {
            let sku = self.held.iter().find(|sku| sku.id == *id);
            sku.map_or("", |sku| sku.group.as_str())
        };
        let all = self
            .held
            .iter()
            .map(|sku| &sku.id)
            .chain(&self.assign)
            .chain(&self.remove);
        let mut groups: Vec<&str> = all.map(group).collect();
        groups.sort_unstable();
        groups.dedup();
        // Each group finds what the one before left.
        let mut has = self.has.to_vec();
        for of in groups {
            let within = |ids: &[String]| -> Vec<String> { ids.iter().filter(|id| group(id) == of).cloned().collect() };
            let (assign, remove) = (within(&self.assign), within(&self.remove));
            let name = format!("{name} {of}");
            let name = name.trim_end();
            let after = changed(&has, &assign, &remove);
            let has = std::mem::replace(&mut has, after);
            if is_so(&has, &assign, &remove) && !steps.has_begun_step(name) {
                continue;
            }
            let step = session.step(steps, name);
            if let Err(stopped) = self.group_step(session, &step, &has, (&assign, &remove)).await? {
                return Ok(Some(stopped));
            }
        }
        Ok(None)
    }

    async fn group_step(
        &self,
        session: &Session,
        step: &Step<'_>,
        has: &[String],
        (assign, remove): (&[String], &[String]),
    ) -> Result<Done, PartnerCenterError> {
        let (customer, user) = (self.customer, self.user);
        let path = format!(
            "/customers/{}/users/{}/licenseupdates",
            segment(&customer.id),
            segment(user)
        );
        let given: Vec<Value> = assign.iter().map(|id| json!({ "skuId": id })).collect();
        let taken: Vec<&String> = remove.iter().filter(|id| has.contains(id)).collect();
        let mut body = json!({ "attributes": { "objectType": "LicenseUpdate" } });
        if !given.is_empty() {
            body["licensesToAssign"] = json!(given);
        }
        if !taken.is_empty() {
            body["licensesToRemove"] = json!(taken);
        }
        let after = changed(has, assign, remove);
        let image = Image::new(Object::Licenses, customer, user).field("licenses", has.join(";"), after.join(";"));
        let call = Call::new(UPDATE_LICENSES, path).of(&customer.id).body(body);
        step.fixed(call, image, || async {
            let now = session.licenses_now(&customer.id, user).await?;
            Ok(is_so(&now, assign, remove))
        })
        .await
    }
}

fn changed(has: &[String], assign: &[String], remove: &[String]) -> Vec<String> {
    let kept = has.iter().filter(|id| !remove.contains(id));
    kept.chain(assign.iter().filter(|id| !has.contains(id)))
        .cloned()
        .collect()
}

fn is_so(has: &[String], assign: &[String], remove: &[String]) -> bool {
    assign.iter().all(|id| has.contains(id)) && !remove.iter().any(|id| has.contains(id))
}

/// Has a user's usage location changed.
pub(super) async fn usage_location_step(
    session: &Session,
    step: &Step<'_>,
    customer: &Customer,
    user: &str,
    (from, to): (&str, &str),
) -> Result<Done, PartnerCenterError> {
    let path = format!("/customers/{}/users/{}", segment(&customer.id), segment(user));
    let body = json!({ "usageLocation": to, "attributes": { "objectType": "CustomerUser" } });
    let call = Call::new(UPDATE_USER, path).of(&customer.id).body(body);
    let image = Image::new(Object::UsageLocation, customer, user).field("usage_location", from, to);
    step.fixed(call, image, || async {
        let now = session.user_of_id(&customer.id, user).await?;
        Ok(now.is_some_and(|now| now.usage_location == to))
    })
    .await
}
