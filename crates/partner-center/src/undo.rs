//! Undo: takes back what a row did, step by step in reverse, from the images its steps left.
//!
//! A row is taken back whole or not at all. It is kept where somebody has changed the same things since, and it is
//! irreversible where Partner Center offers no way back; either way it says why. What an undo does it does in steps that
//! leave images of their own, so it can itself be undone.

mod way;

use tenantry_jobs::{CustomerField, Problem, code};

use self::way::Way;
use super::end::End;
use super::image::{Image, Object};
use super::licenses::{self, Update};
use super::named::namesake;
use super::records::UserPath;
use super::roles::Role;
use super::session::Session;
use super::steps::Stopped;
use super::{PartnerCenterError, customers, lifecycle, roles, skus, subscriptions, transfers, update_user};
use tenantry_ledger::intents::DoneStep;
use tenantry_store::Verdict;
use tenantry_store::remote::{RowPreview, Steps};

/// What an earlier row did.
pub(super) struct Back<'b> {
    session: &'b Session,
    /// The last first; those that another one covers are left out.
    images: Vec<Image>,
}

/// Said where a user had no usage location before.
const LOCATION_STAYS: &str = "the usage location stays, since it can be changed but not taken away";

/// The outcome of bringing one image back.
enum Brought {
    /// It is back; what there is to say about it.
    Back(Option<String>),
    /// It was accepted, and comes into effect later.
    Soon(String),
    Stopped(Stopped),
}

impl<'b> Back<'b> {
    pub(super) fn new(session: &'b Session, steps: &[DoneStep]) -> Result<Self, PartnerCenterError> {
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
    pub(super) async fn preview(&self) -> Result<RowPreview, PartnerCenterError> {
        let (mut changes, mut notes, mut location_stays) = (Vec::new(), Vec::new(), false);
        for image in &self.images {
            location_stays |= self.keeps_location(image).await?;
            match self.way(image).await? {
                Way::Back(more) => {
                    changes.extend(more);
                    notes.extend(self.namesake(image).await?);
                }
                Way::Done => {}
                Way::Kept => {
                    let expected = "kept, because somebody else has changed it since";
                    return Ok(RowPreview::reject(Problem::stated(
                        code::EDITED_SINCE,
                        "",
                        "",
                        expected,
                    )));
                }
                Way::Never(why) => return Ok(RowPreview::reject(Problem::stated(code::IRREVERSIBLE, "", "", why))),
            }
        }
        if changes.is_empty() && location_stays {
            let problem = Problem::stated(code::IRREVERSIBLE, "", "", LOCATION_STAYS);
            return Ok(RowPreview::reject(problem));
        }
        if changes.is_empty() {
            return Ok(Verdict::Unchanged.into());
        }
        let deletes = changes.iter().any(|change| change.new == "deleted");
        if location_stays {
            notes.push(LOCATION_STAYS.to_owned());
        }
        let mut previewed = RowPreview::from(Verdict::Change(changes)).noting(notes.join("; "));
        if let Some(image) = self.images.iter().find(|image| image.is_of_user()) {
            let customer = image.customer();
            let of = self.session.users(&customer.id).await?.len() as u64;
            previewed = previewed.touching(customer.touch(1, of));
        }
        Ok(if deletes { previewed.destructive() } else { previewed })
    }

    /// Takes the row back.
    pub(super) async fn apply(&self, steps: Steps<'_>) -> Result<End, PartnerCenterError> {
        let target = self.target();
        if !steps.has_begun() {
            match self.preview().await?.verdict {
                Verdict::Unchanged => return Ok(End::Unchanged(target)),
                Verdict::Reject(problem) => return Ok(End::Rejected(problem)),
                Verdict::Create | Verdict::Change(_) => {}
            }
        }
        let mut messages = Vec::new();
        if self.images.iter().any(Image::is_first_location) {
            messages.push(LOCATION_STAYS.to_owned());
        }
        for (number, image) in self.images.iter().enumerate() {
            let name = format!("undo {number}");
            let is_begun = steps.has_begun_part(&name);
            if !is_begun && !matches!(self.way(image).await?, Way::Back(_)) {
                continue;
            }
            match self.bring_back(steps, &name, image).await? {
                Brought::Back(message) => {
                    messages.extend(message);
                    messages.extend(self.namesake(image).await?);
                }
                Brought::Soon(message) => return Ok(End::Waits { message, target }),
                Brought::Stopped(stopped) => {
                    let done = match steps.count("") {
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

    /// What is to be known of the user to whom bringing this image back gives a name.
    async fn namesake(&self, image: &Image) -> Result<Option<String>, PartnerCenterError> {
        let (customer, id) = (image.customer.as_str(), image.id.as_str());
        let name = match image.object {
            Object::UserProfile => image.before(update_user::NAME).to_owned(),
            Object::UserState if image.after("state") == "deleted" => {
                let deleted = self.session.deleted_users(customer).await?;
                let user = match deleted.get(&id.to_lowercase()) {
                    Some(user) => Some(user.clone()),
                    // It was brought back by an attempt before this one.
                    None => self.session.user_of_id(customer, id).await?,
                };
                user.map_or_else(String::new, |user| user.sign_in_name)
            }
            _ => String::new(),
        };
        if name.is_empty() {
            return Ok(None);
        }
        namesake(self.session, customer, &name, id).await
    }

    /// Does what brings one image back.
    async fn bring_back(&self, steps: Steps<'_>, name: &str, image: &Image) -> Result<Brought, PartnerCenterError> {
        let (session, customer, id) = (self.session, image.customer(), image.id.as_str());
        let step = session.step(steps, name);
        let done = match image.object {
            Object::UserState if image.after("state") == "deleted" => {
                match lifecycle::restore_step(session, &step, &customer, id).await? {
                    Ok(_) => return self.give_back(steps, name, image).await,
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
            Object::UserProfile => {
                let wanted = update_user::fields_before(image);
                update_user::profile_step(session, &step, &customer, id, &wanted).await?
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
                let stopped = update.done(session, steps, name).await?;
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
            Object::Role => {
                let (role, was_member) = role_of(image);
                let customer = &customer;
                roles::membership_step(session, &step, UserPath { customer, id }, &role, was_member).await?
            }
            Object::Transfer => transfers::withdraw_step(session, &step, &customer, id).await?,
            Object::Customer | Object::Password | Object::Relationship | Object::TransferAnswer => {
                return Ok(Brought::Back(None));
            }
        };
        Ok(done.map_or_else(Brought::Stopped, |_| Brought::Back(None)))
    }

    /// Gives a user that is back those licences again that are still to be had.
    async fn give_back(&self, steps: Steps<'_>, name: &str, image: &Image) -> Result<Brought, PartnerCenterError> {
        let (customer, user, had) = (image.customer(), image.id.as_str(), image.ids("licenses"));
        let held = self.session.skus(&customer.id).await?;
        let has = self.session.licenses_now(&customer.id, user).await?;
        let (to_be_had, lost): (Vec<String>, Vec<String>) = had.into_iter().partition(|id| {
            let is_free = held.iter().any(|sku| sku.id == *id && sku.available > 0);
            is_free || has.contains(id)
        });
        let update = Update {
            customer: &customer,
            user,
            held: &held,
            has: &has,
            assign: to_be_had,
            remove: Vec::new(),
        };
        let name = format!("{name} licenses");
        if let Some(stopped) = update.done(self.session, steps, &name).await? {
            return Ok(Brought::Stopped(stopped));
        }
        if lost.is_empty() {
            return Ok(Brought::Back(None));
        }
        let lost = skus::shown(self.session, &customer.id, &lost).await?;
        Ok(Brought::Back(Some(format!(
            "without these licences, of which no seat is free: {lost}"
        ))))
    }
}

/// A role, and whether the user had it before.
fn role_of(image: &Image) -> (Role, bool) {
    let was_member = image.after("role").is_empty();
    let of = |name: &str| {
        let value = if was_member {
            image.before(name)
        } else {
            image.after(name)
        };
        value.to_owned()
    };
    let (id, name) = (of("role"), of("name"));
    (Role { id, name }, was_member)
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

/// The fields of a profile that a row changed, with the values they had.
fn profile_fields(image: &Image) -> Vec<(CustomerField, String)> {
    let of = |field: &CustomerField| Some((*field, image.before.get(field.name())?.clone()));
    CustomerField::ALL.iter().filter_map(of).collect()
}
