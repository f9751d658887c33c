//! Undo: takes back what a row did, step by step in reverse, from the images its steps left.
//!
//! A row is taken back whole or not at all. It is kept where somebody has changed the same things since, and it is
//! irreversible where Partner Center offers no way back; either way it says why. What an undo does it does in steps that
//! leave images of their own, so it can itself be undone.

use tenantry_jobs::{CustomerField, Problem, code};

use super::end::{End, Previewed};
use super::image::{Image, Object};
use super::licenses::{self, Update};
use super::session::{Customer, Session, User};
use super::steps::{Journal, Stopped};
use super::{Halt, RESTORE_WITHIN_MILLIS, customers, lifecycle, subscriptions, transfers};
use crate::ledger::intents::DoneStep;
use crate::moment::day;
use crate::store::{FieldChange, Verdict};

/// What an earlier row did.
pub(super) struct Back<'b> {
    session: &'b Session,
    /// The last first; those that another one covers are left out.
    images: Vec<Image>,
}

/// What is to be done about one image.
enum Way {
    /// It can be brought back: what would change.
    Back(Vec<FieldChange>),
    /// It is so already.
    Done,
    /// Somebody has changed it since.
    Kept,
    /// There is no way back, and why.
    Never(String),
}

/// What came of bringing one image back.
enum Brought {
    /// It is back; what there is to say about it.
    Back(Option<String>),
    /// It was accepted, and comes into effect later.
    Soon(String),
    Stopped(Stopped),
}

impl<'b> Back<'b> {
    pub(super) fn new(session: &'b Session, steps: &[DoneStep]) -> Result<Self, Halt> {
        let mut images = Vec::with_capacity(steps.len());
        for step in steps.iter().rev() {
            let mut image = Image::decode(&step.image)?;
            if image.id.is_empty() {
                step.result.clone_into(&mut image.id);
            }
            images.push(image);
        }
        as_one_change_of_licences(&mut images);
        // Of a user that was made, everything goes with it; and of one that was restored.
        if images.iter().any(|image| image.object == Object::User) {
            images.retain(|image| image.object == Object::User);
        }
        let given: Vec<String> = images.iter().flat_map(|image| image.ids_after("licenses")).collect();
        if let Some(at) = images.iter().position(Image::is_restored) {
            images[at].after.insert("licenses".to_owned(), given.join(";"));
            images.retain(|image| !image.is_of_user() || image.is_restored());
        }
        Ok(Self { session, images })
    }

    /// The customer's domain, or id, as rows take turns by.
    pub(super) fn customer(steps: &[DoneStep]) -> String {
        let first = steps.first().and_then(|step| Image::decode(&step.image).ok());
        first.map_or(String::new(), |image| image.customer)
    }

    fn target(&self) -> String {
        self.images.last().map_or(String::new(), |image| image.id.clone())
    }

    /// What taking the row back would do.
    pub(super) async fn preview(&self) -> Result<Previewed, Halt> {
        let mut changes = Vec::new();
        for image in &self.images {
            match self.way(image).await? {
                Way::Back(more) => changes.extend(more),
                Way::Done => {}
                Way::Kept => {
                    let expected = "kept, because somebody else has changed it since";
                    return Ok(Previewed::reject(Problem::new(code::EDITED_SINCE, "", "", expected)));
                }
                Way::Never(why) => return Ok(Previewed::reject(Problem::new(code::IRREVERSIBLE, "", "", why))),
            }
        }
        if changes.is_empty() {
            return Ok(Verdict::Unchanged.into());
        }
        let deletes = changes.iter().any(|change| change.new == "deleted");
        let mut previewed = Previewed::from(Verdict::Change(changes));
        if let Some(image) = self.images.iter().find(|image| image.is_of_user()) {
            let customer = image.whose();
            let of = self.session.users(&customer.id).await?.len() as u64;
            previewed = previewed.touching(&customer, 1, of);
        }
        Ok(if deletes { previewed.destructive() } else { previewed })
    }

    /// Takes the row back.
    pub(super) async fn apply(&self, journal: &Journal, row: u64) -> Result<End, Halt> {
        let target = self.target();
        if !journal.has_begun(row) {
            match self.preview().await?.verdict {
                Verdict::Unchanged => return Ok(End::Unchanged(target)),
                Verdict::Reject(problem) => return Ok(End::Rejected(problem)),
                Verdict::Create | Verdict::Change(_) => {}
            }
        }
        let mut messages = Vec::new();
        if self.images.iter().any(Image::is_first_location) {
            messages.push("the usage location stays, since it can be changed but not taken away".to_owned());
        }
        for (number, image) in self.images.iter().enumerate() {
            let name = format!("undo {number}");
            let is_begun = journal.has_begun_part(row, &name);
            if !is_begun && !matches!(self.way(image).await?, Way::Back(_)) {
                continue;
            }
            match self.bring_back(journal, row, &name, image).await? {
                Brought::Back(message) => messages.extend(message),
                Brought::Soon(message) => return Ok(End::Waits { message, target }),
                Brought::Stopped(stopped) => {
                    let done = match journal.count(row, "") {
                        0 => String::new(),
                        1 => "1 step was taken back".to_owned(),
                        some => format!("{some} steps were taken back"),
                    };
                    return Ok(End::Stopped { stopped, done, target });
                }
            }
        }
        let message = messages.join("; ");
        Ok(End::Applied { target, message })
    }

    async fn way(&self, image: &Image) -> Result<Way, Halt> {
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
            // A role goes with the user who was made with it.
            Object::Role => Ok(Way::Done),
            Object::User => self.made_user(image).await,
            Object::UserState if image.after("state") == "deleted" => self.deleted_user(image).await,
            Object::UserState => self.restored_user(image).await,
            Object::Profile => self.profile(image).await,
            Object::UsageLocation => {
                let user = self.session.user_of_id(&image.customer, &image.id).await?;
                if image.is_first_location() {
                    return Ok(Way::Done);
                }
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
                let now = transfers::standing_of(self.session, &image.whose(), &image.id).await?;
                Ok(match now {
                    None => Way::Done,
                    Some((status, true)) => Way::Back(vec![FieldChange::new("transfer", status, "cancelled")]),
                    Some((status, false)) if matches!(status.as_str(), "cancelled" | "expired") => Way::Done,
                    Some((status, false)) => Way::Never(format!(
                        "the transfer is {status}; only the other partner can transfer it back"
                    )),
                })
            }
        }
    }

    async fn made_user(&self, image: &Image) -> Result<Way, Halt> {
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
                let is_it = |name: &str| given.eq_ignore_ascii_case(name);
                is_it(id) || part_number.is_some_and(is_it)
            })
        };
        // Names come back in another case than they were sent in.
        let is_same = |name: &str, now: &str| match name {
            "userPrincipalName" | "usageLocation" => now.eq_ignore_ascii_case(image.after(name)),
            _ => now == image.after(name),
        };
        let is_as_made = user.wire().all(|(name, now)| is_same(name, now)) && has.iter().all(was_given);
        if !is_as_made {
            return Ok(Way::Kept);
        }
        let mut changes = vec![FieldChange::new("status", "active", "deleted")];
        if !has.is_empty() {
            let shown = licenses::shown(self.session, &image.customer, &has).await?;
            changes.push(FieldChange::new("licenses", shown, ""));
        }
        Ok(Way::Back(changes))
    }

    async fn deleted_user(&self, image: &Image) -> Result<Way, Halt> {
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
        if self.is_named_anew(&image.customer, user).await? {
            return Ok(Way::Kept);
        }
        let mut changes = vec![FieldChange::new("status", "deleted", "active")];
        let had = image.ids("licenses");
        if !had.is_empty() {
            let shown = licenses::shown(self.session, &image.customer, &had).await?;
            changes.push(FieldChange::new("licenses", "", shown));
        }
        Ok(Way::Back(changes))
    }

    /// Whether another user has the name now.
    async fn is_named_anew(&self, customer: &str, user: &User) -> Result<bool, Halt> {
        let users = self.session.users(customer).await?;
        let other = users.get(&user.sign_in_name.to_lowercase());
        Ok(other.is_some_and(|other| other.id != user.id))
    }

    async fn restored_user(&self, image: &Image) -> Result<Way, Halt> {
        let Some(user) = self.session.user_of_id(&image.customer, &image.id).await? else {
            return Ok(Way::Done);
        };
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

    async fn profile(&self, image: &Image) -> Result<Way, Halt> {
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
            changes.push(FieldChange::new(field.name(), now, before));
        }
        Ok(if changes.is_empty() {
            Way::Done
        } else {
            Way::Back(changes)
        })
    }

    async fn licenses(&self, image: &Image) -> Result<Way, Halt> {
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
                let shown = licenses::shown(self.session, &image.customer, std::slice::from_ref(id)).await?;
                return Ok(Way::Never(format!("no seat of {shown} is free any more")));
            }
        }
        let now = licenses::shown(self.session, &image.customer, &now).await?;
        let before = licenses::shown(self.session, &image.customer, &before).await?;
        Ok(Way::Back(vec![FieldChange::new("licenses", now, before)]))
    }

    /// Does what brings one image back.
    async fn bring_back(&self, journal: &Journal, row: u64, name: &str, image: &Image) -> Result<Brought, Halt> {
        let (session, customer, id) = (self.session, image.whose(), image.id.as_str());
        let step = session.step(journal, row, name);
        let done = match image.object {
            Object::UserState if image.after("state") == "deleted" => {
                match lifecycle::restore_step(session, &step, &customer, id).await? {
                    Ok(_) => {
                        let had = image.ids("licenses");
                        return self.give_back(journal, row, name, &customer, id, had).await;
                    }
                    stopped => stopped,
                }
            }
            Object::User | Object::UserState => lifecycle::delete_step(session, &step, &customer, id).await?,
            Object::Profile => {
                let fields = profile_fields(image);
                let wanted: Vec<(CustomerField, &str)> =
                    fields.iter().map(|(field, value)| (*field, value.as_str())).collect();
                customers::profile_step(session, &step, &customer, &wanted).await?
            }
            Object::UsageLocation => {
                let way = (image.after("usage_location"), image.before("usage_location"));
                licenses::usage_location_step(session, &step, &customer, id, way).await?
            }
            Object::Licenses => {
                let (before, after) = (image.ids("licenses"), image.ids_after("licenses"));
                let held = session.skus(&customer.id).await?;
                let update = Update {
                    customer: &customer,
                    user: id,
                    held: &held,
                    has: &after,
                    assign: before.iter().filter(|one| !after.contains(one)).cloned().collect(),
                    remove: after.iter().filter(|one| !before.contains(one)).cloned().collect(),
                };
                let stopped = update.done(session, journal, row, name).await?;
                return Ok(stopped.map_or(Brought::Back(None), Brought::Stopped));
            }
            Object::Subscription => {
                let (from, to) = (image.after("status"), image.before("status"));
                let done = subscriptions::status_step(session, &step, &customer, id, (from, to)).await?;
                if done.is_ok() && !subscriptions::has_become(session, &customer.id, id, to).await? {
                    return Ok(Brought::Soon(subscriptions::not_yet(to)));
                }
                done
            }
            Object::Transfer => transfers::withdraw_step(session, &step, &customer, id).await?,
            Object::Customer | Object::Password | Object::Role | Object::Relationship | Object::TransferAnswer => {
                return Ok(Brought::Back(None));
            }
        };
        Ok(done.map_or_else(Brought::Stopped, |_| Brought::Back(None)))
    }

    /// Gives a user that is back those licences again that are still to be had.
    async fn give_back(
        &self,
        journal: &Journal,
        row: u64,
        name: &str,
        customer: &Customer,
        user: &str,
        had: Vec<String>,
    ) -> Result<Brought, Halt> {
        let held = self.session.skus(&customer.id).await?;
        let has = self.session.licenses_now(&customer.id, user).await?;
        let (to_be_had, lost): (Vec<String>, Vec<String>) = had.into_iter().partition(|id| {
            let is_free = held.iter().any(|sku| sku.id == *id && sku.available > 0);
            is_free || has.contains(id)
        });
        let update = Update {
            customer,
            user,
            held: &held,
            has: &has,
            assign: to_be_had,
            remove: Vec::new(),
        };
        let name = format!("{name} licenses");
        if let Some(stopped) = update.done(self.session, journal, row, &name).await? {
            return Ok(Brought::Stopped(stopped));
        }
        if lost.is_empty() {
            return Ok(Brought::Back(None));
        }
        let lost = licenses::shown(self.session, &customer.id, &lost).await?;
        Ok(Brought::Back(Some(format!(
            "without these licences, of which no seat is free: {lost}"
        ))))
    }
}

fn never(why: &str) -> Way {
    Way::Never(why.to_owned())
}

/// Licences are changed group by group, each time from what the group before left: of the last one first, one change.
fn as_one_change_of_licences(images: &mut Vec<Image>) {
    let is_one = |image: &Image| image.object == Object::Licenses;
    let Some(first) = images.iter().rfind(|image| is_one(image)) else {
        return;
    };
    let before = first.before("licenses").to_owned();
    let mut is_first = true;
    images.retain_mut(|image| {
        if !is_one(image) {
            return true;
        }
        image.before.insert("licenses".to_owned(), before.clone());
        std::mem::take(&mut is_first)
    });
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

/// The fields of a profile that a row changed, with the values they had.
fn profile_fields(image: &Image) -> Vec<(CustomerField, String)> {
    let of = |field: &CustomerField| Some((*field, image.before.get(field.name())?.clone()));
    CustomerField::ALL.iter().filter_map(of).collect()
}
