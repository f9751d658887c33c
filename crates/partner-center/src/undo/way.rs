//! The way to revert a step, if there still is one, and what it would change.

use tenantry_jobs::{CustomerField, key};

use super::{Back, profile_fields, role_of};
use crate::image::{Image, Object};
use crate::lifecycle::RESTORED;
use crate::{PartnerCenterError, customers, skus, subscriptions, transfers, update_user};
use tenantry_foundation::moment::day;
use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;
use tenantry_store::FieldChange;
use tenantry_store::transfers::stands;

/// What is to be done about one image.
pub(super) enum Way {
    /// It can be brought back: what would change.
    Back(Vec<FieldChange>),
    /// It is so already.
    Done,
    /// Somebody has changed it since.
    Kept,
    /// There is no way back, and why.
    Never(String),
}

impl Back<'_> {
    /// How an image would be brought back, as things are.
    pub(super) async fn way(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        match image.object {
            Object::Customer => Ok(never(
                "a tenant cannot be deleted; `remove-relationship` ends the relationship",
            )),
            Object::Relationship => Ok(never(
                "a relationship is renewed only by a request that the customer's administrator accepts",
            )),
            Object::Password => Ok(never(
                "a password that was handed out cannot be taken back; reset it again",
            )),
            Object::TransferAnswer => Ok(never("what the other partner was told cannot be taken back")),
            Object::Role => self.role(image).await,
            Object::User => self.made_user(image).await,
            Object::UserState if image.after("state") == "deleted" => self.deleted_user(image).await,
            Object::UserState => self.restored_user(image).await,
            Object::Profile => self.profile(image).await,
            Object::UserProfile => self.user_profile(image).await,
            Object::UsageLocation => {
                if image.is_first_location() {
                    return Ok(Way::Done);
                }
                let user = self.session.user_of_id(&image.customer, &image.id).await?;
                Ok(compared(
                    image,
                    "usage_location",
                    user.as_ref().map(|user| user.usage_location.as_str()),
                ))
            }
            Object::Licenses => self.licenses(image).await,
            Object::Subscription => {
                let now = subscriptions::now(self.session, &image.customer, &image.id).await?;
                Ok(compared(image, "status", now.map(|now| now.status()).as_deref()))
            }
            Object::Transfer => {
                let now = transfers::standing_of(self.session, &image.customer(), &image.id).await?;
                Ok(match now {
                    None => Way::Done,
                    Some((status, true)) => Way::Back(vec![FieldChange::new("transfer", status, "cancelled")]),
                    Some((status, false)) if matches!(status.as_str(), "cancelled" | "expired") => Way::Done,
                    Some((status, false)) => Way::Never(stands(&status)),
                })
            }
        }
    }

    async fn made_user(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        let Some(user) = self.session.user_of_id(&image.customer, &image.id).await? else {
            return Ok(Way::Done);
        };
        let has = self.session.licenses_now(&image.customer, &user.id).await?;
        let held = self.session.skus(&image.customer).await?;
        let was_given = |id: &String| {
            let part_number = held
                .iter()
                .find(|sku| sku.id == *id)
                .map(|sku| sku.part_number.as_str());
            let mut given = image.after("licenses").split(';');
            given.any(|given| {
                let is_it = |name: &str| key::same(given, name);
                is_it(id) || part_number.is_some_and(is_it)
            })
        };
        // Names come back in another case than they were sent in.
        let is_same = |name: &str, now: &str| match name {
            "userPrincipalName" => key::same_user_name(now, image.after(name)),
            "usageLocation" => now.eq_ignore_ascii_case(image.after(name)),
            _ => now == image.after(name),
        };
        let is_as_made = user.wire().all(|(name, now)| is_same(name, now)) && has.iter().all(was_given);
        if !is_as_made {
            return Ok(Way::Kept);
        }
        let mut changes = vec![FieldChange::new("status", "active", "deleted")];
        if !has.is_empty() {
            let shown = skus::shown(self.session, &image.customer, &has).await?;
            changes.push(FieldChange::new("licenses", shown, ""));
        }
        Ok(Way::Back(changes))
    }

    async fn deleted_user(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        if self.session.user_of_id(&image.customer, &image.id).await?.is_some() {
            return Ok(Way::Done);
        }
        let deleted = self.session.deleted_users(&image.customer).await?;
        let Some(user) = deleted.get(&image.id.to_lowercase()) else {
            return Ok(never("the user is gone for good"));
        };
        let until = user.deleted_at.map(|at| at + RESTORE_WITHIN_MILLIS);
        if let Some(until) = until.filter(|until| self.session.now() > *until) {
            return Ok(Way::Never(format!("the user could be restored until {}", day(until))));
        }
        if self.is_anothers(&image.customer, &user.sign_in_name, &user.id).await? {
            return Ok(Way::Kept);
        }
        let mut changes = vec![FieldChange::new("status", "deleted", "active")];
        let had = image.ids("licenses");
        if !had.is_empty() {
            let shown = skus::shown(self.session, &image.customer, &had).await?;
            changes.push(FieldChange::new("licenses", "", shown));
        }
        Ok(Way::Back(changes))
    }

    /// Whether another user than this one has the name now.
    async fn is_anothers(&self, customer: &str, name: &str, id: &str) -> Result<bool, PartnerCenterError> {
        let users = self.session.users(customer).await?;
        let other = users.get(key::user_name(name).as_ref());
        Ok(other.is_some_and(|other| other.id != id))
    }

    async fn restored_user(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        let Some(user) = self.session.user_of_id(&image.customer, &image.id).await? else {
            return Ok(Way::Done);
        };
        // Earlier versions noted nothing of how it came back.
        let is_as_restored = |name: &&str| match image.after.get(*name) {
            None => true,
            Some(left) => update_user::is_same(name, user.field(name), left),
        };
        if !RESTORED.iter().all(is_as_restored) {
            return Ok(Way::Kept);
        }
        // With other licences than it came back with, somebody works with it.
        let (has, given) = (
            self.session.licenses_now(&image.customer, &user.id).await?,
            image.ids_after("licenses"),
        );
        Ok(if has.iter().all(|id| given.contains(id)) {
            Way::Back(vec![FieldChange::new("status", "active", "deleted")])
        } else {
            Way::Kept
        })
    }

    async fn profile(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        let fields = profile_fields(image);
        let of: Vec<CustomerField> = fields.iter().map(|(field, _)| *field).collect();
        let now = customers::fields_now(self.session, &image.customer, &of).await?;
        let mut changes = Vec::new();
        for ((field, before), now) in fields.into_iter().zip(now) {
            if customers::is_same(field, &now, &before) {
                continue;
            }
            if !customers::is_same(field, &now, image.after(field.name())) {
                return Ok(Way::Kept);
            }
            if before.is_empty() && field.is_required() {
                return Ok(Way::Never(format!(
                    "{} was empty before, and Partner Center takes no billing profile without one",
                    field.name()
                )));
            }
            changes.push(FieldChange::new(field.name(), now, before));
        }
        Ok(if changes.is_empty() {
            Way::Done
        } else {
            Way::Back(changes)
        })
    }

    async fn user_profile(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        let Some(user) = self.session.user_of_id(&image.customer, &image.id).await? else {
            return Ok(Way::Kept);
        };
        let mut changes = Vec::new();
        for (field, before) in update_user::fields_before(image) {
            let now = user.field(field);
            if update_user::is_same(field, now, before) {
                continue;
            }
            if !update_user::is_same(field, now, image.after(field)) {
                return Ok(Way::Kept);
            }
            if before.is_empty() {
                return Ok(Way::Never(format!(
                    "{field} was empty before, and {}",
                    update_user::NO_WAY_TO_ERASE
                )));
            }
            if field == "user_principal_name" && self.is_anothers(&image.customer, before, &user.id).await? {
                return Ok(Way::Kept);
            }
            changes.push(FieldChange::new(field, now, before));
        }
        Ok(if changes.is_empty() {
            Way::Done
        } else {
            Way::Back(changes)
        })
    }

    /// Whether a user has a usage location, and had none before.
    pub(super) async fn keeps_location(&self, image: &Image) -> Result<bool, PartnerCenterError> {
        if !image.is_first_location() {
            return Ok(false);
        }
        let user = self.session.user_of_id(&image.customer, &image.id).await?;
        Ok(user.is_some_and(|user| !user.usage_location.is_empty()))
    }

    async fn licenses(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        if self.session.user_of_id(&image.customer, &image.id).await?.is_none() {
            return Ok(Way::Kept);
        }
        let sorted = |mut ids: Vec<String>| {
            ids.sort_unstable();
            ids
        };
        let now = sorted(self.session.licenses_now(&image.customer, &image.id).await?);
        let (before, after) = (sorted(image.ids("licenses")), sorted(image.ids_after("licenses")));
        if now == before {
            return Ok(Way::Done);
        }
        if now != after {
            return Ok(Way::Kept);
        }
        let held = self.session.skus(&image.customer).await?;
        for id in before.iter().filter(|id| !now.contains(id)) {
            if !held.iter().any(|sku| sku.id == *id && sku.available > 0) {
                let shown = skus::shown(self.session, &image.customer, std::slice::from_ref(id)).await?;
                return Ok(Way::Never(format!("no seat of {shown} is free any more")));
            }
        }
        let now = skus::shown(self.session, &image.customer, &now).await?;
        let before = skus::shown(self.session, &image.customer, &before).await?;
        Ok(Way::Back(vec![FieldChange::new("licenses", now, before)]))
    }

    /// A role that was given, or taken by an undo. That of a user who was made with it goes with the user.
    async fn role(&self, image: &Image) -> Result<Way, PartnerCenterError> {
        if self.session.user_of_id(&image.customer, &image.id).await?.is_none() {
            return Ok(Way::Done);
        }
        let (role, was_member) = role_of(image);
        let has = self.session.roles_now(&image.customer, &image.id).await?;
        if has.contains(&role.id.to_lowercase()) == was_member {
            return Ok(Way::Done);
        }
        let (before, after) = (image.before("name"), image.after("name"));
        Ok(Way::Back(vec![FieldChange::new("roles", after, before)]))
    }
}

fn never(why: &str) -> Way {
    Way::Never(why.to_owned())
}

/// A field that is one value: changed back unless it is so already, or something else by now.
fn compared(image: &Image, field: &'static str, now: Option<&str>) -> Way {
    let (before, after) = (image.before(field), image.after(field));
    match now {
        Some(now) if now == before => Way::Done,
        Some(now) if now == after => Way::Back(vec![FieldChange::new(field, now, before)]),
        _ => Way::Kept,
    }
}
