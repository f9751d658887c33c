//! The samples, applied one after the other to an empty store that keeps the rules.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use super::each_sample_request;
use crate::{
    Change, CustomerRef, Direction, Flow, JobKind, KINDS, LicenseChange, NewUser, ProductType, Request,
    SubscriptionState, SubscriptionStatus, Suspension, Switch, TransferAction, Undo, UserPatch,
};

#[derive(Default)]
struct Customer {
    domain: String,
    /// Seats by SKU, assigned ones included.
    seats: BTreeMap<String, u32>,
    users: BTreeMap<String, User>,
    is_gone: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct User {
    licenses: BTreeSet<String>,
    usage_location: String,
    /// What was changed since it was made, by field.
    profile: BTreeMap<&'static str, String>,
    is_deleted: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Subscription {
    owner: usize,
    product_type: ProductType,
    status: SubscriptionStatus,
}

#[derive(Default)]
struct Store {
    customers: Vec<Customer>,
    /// Domains and external ids.
    names: BTreeMap<String, usize>,
    subscriptions: BTreeMap<Uuid, Subscription>,
    transfers: HashSet<Uuid>,
    reset: HashSet<String>,
    /// What the rows of the sample at hand did; `false`: nothing, since all was so already.
    changed: Vec<bool>,
}

impl Store {
    fn find(&self, customer: CustomerRef<'_>) -> usize {
        match customer.looked_up_by() {
            CustomerRef::Name(name) => *self.names.get(name).unwrap_or_else(|| panic!("no customer {name}")),
            CustomerRef::Id(id, _) => panic!("a sample cannot know {id}"),
            CustomerRef::Confirmed { text, .. } => panic!("a sample names {text} once"),
        }
    }

    fn apply(&mut self, change: Change<'_>) {
        let named = change.customer().map(|customer| self.find(customer));
        let owner = named.unwrap_or(usize::MAX);
        let changed = match change {
            Change::RemoveRelationship(removal) => self.remove(owner, removal.suspend_subscriptions),
            _ if named.is_some_and(|named| self.customers[named].is_gone) => panic!("{named:?} is gone"),
            Change::CreateCustomer(new) => self.create_customer(&new.domain, new.external_id),
            Change::UpdateCustomer(patch) => {
                assert!(!patch.fields.is_empty());
                if let Some(external_id) = patch.external_id {
                    self.names.insert(external_id.to_owned(), owner);
                }
                true
            }
            Change::SetSeats(seats) => {
                let before = self.customers[owner]
                    .seats
                    .insert(seats.part_number.to_owned(), seats.seats);
                before != Some(seats.seats)
            }
            Change::CreateUser(user) => self.create_user(owner, &user),
            Change::SetSubscription(state) => self.set_subscription(owner, &state),
            Change::AssignLicenses(change) => self.assign(owner, &change),
            Change::UpdateUser(patch) => self.update_user(owner, &patch),
            Change::ResetPassword(reset) => {
                assert!(!reset.again, "a second run would hand out a second password");
                assert!(!self.user(owner, reset.user.user_principal_name).is_deleted);
                self.reset.insert(reset.user.user_principal_name.to_owned())
            }
            Change::DeleteUser(user) => {
                !std::mem::replace(&mut self.user(owner, user.user_principal_name).is_deleted, true)
            }
            Change::RestoreUser(user) => {
                std::mem::replace(&mut self.user(owner, user.user_principal_name).is_deleted, false)
            }
            Change::SuspendSubscription(suspension) => self.suspend(owner, &suspension),
            Change::SwitchSubscription(switch) => self.switch(owner, &switch),
        };
        self.changed.push(changed);
    }

    fn create_customer(&mut self, domain: &str, external_id: &str) -> bool {
        if self.names.contains_key(domain) {
            return false;
        }
        let at = self.customers.len();
        self.customers.push(Customer {
            domain: domain.to_owned(),
            ..Customer::default()
        });
        self.names.insert(domain.to_owned(), at);
        assert_eq!(self.names.insert(external_id.to_owned(), at), None);
        true
    }

    fn create_user(&mut self, owner: usize, new: &NewUser<'_>) -> bool {
        let customer = &mut self.customers[owner];
        let (_, domain) = new.user_principal_name.split_once('@').unwrap();
        assert_eq!(domain, customer.domain);
        let user = User {
            licenses: new.licenses.iter().map(|sku| part_number(sku)).collect(),
            usage_location: new.usage_location.to_string(),
            ..User::default()
        };
        let name = new.user_principal_name.to_owned();
        let before = customer.users.insert(name, user.clone());
        customer.check_seats();
        before != Some(user)
    }

    fn user(&mut self, owner: usize, name: &str) -> &mut User {
        let users = &mut self.customers[owner].users;
        users.get_mut(name).unwrap_or_else(|| panic!("no user {name}"))
    }

    fn assign(&mut self, owner: usize, change: &LicenseChange<'_>) -> bool {
        let user = self.user(owner, change.user.user_principal_name);
        let before = user.clone();
        assert!(!user.is_deleted);
        let assign: Vec<String> = change.assign.iter().map(|sku| part_number(sku)).collect();
        let remove: Vec<String> = change.remove.iter().map(|sku| part_number(sku)).collect();
        user.licenses
            .retain(|sku| !(change.remove_all || remove.contains(sku)) || assign.contains(sku));
        user.licenses.extend(assign);
        if !change.usage_location.is_empty() {
            user.usage_location = change.usage_location.to_string();
        }
        assert!(user.licenses.is_empty() || !user.usage_location.is_empty());
        let changed = *user != before;
        self.customers[owner].check_seats();
        changed
    }

    fn update_user(&mut self, owner: usize, patch: &UserPatch<'_>) -> bool {
        let customer = &mut self.customers[owner];
        let (old, new) = (patch.user.user_principal_name, patch.new_name);
        // Who has the new name already is the same user, renamed before.
        let name = match new {
            Some(new) if !customer.users.contains_key(old) => new,
            _ => old,
        };
        let before = customer.users.remove(name).unwrap_or_else(|| panic!("no user {name}"));
        let mut user = before.clone();
        user.profile
            .extend(patch.texts().map(|(field, text)| (field, text.to_owned())));
        if let Some(blocked) = patch.block_sign_in {
            user.profile.insert("block_sign_in", blocked.to_string());
        }
        let name = new.unwrap_or(name);
        assert!(name.ends_with(&customer.domain), "{name}");
        let changed = user != before;
        let other = customer.users.insert(name.to_owned(), user);
        assert_eq!(other, None, "{name} is taken");
        changed
    }

    fn set_subscription(&mut self, owner: usize, state: &SubscriptionState<'_>) -> bool {
        let subscription = Subscription {
            owner,
            product_type: state.product_type.unwrap(),
            status: state.status.unwrap_or(SubscriptionStatus::Active),
        };
        let before = self.subscriptions.insert(state.subscription_id, subscription.clone());
        before != Some(subscription)
    }

    fn suspend(&mut self, owner: usize, suspension: &Suspension<'_>) -> bool {
        let subscription = self.subscriptions.get_mut(&suspension.subscription_id).unwrap();
        assert_eq!(subscription.owner, owner);
        let states = [SubscriptionStatus::Active, SubscriptionStatus::Suspended];
        assert!(states.contains(&subscription.status));
        let wanted = suspension.to.unwrap();
        std::mem::replace(&mut subscription.status, wanted) != wanted
    }

    fn switch(&mut self, owner: usize, switch: &Switch<'_>) -> bool {
        assert_eq!(
            switch.action,
            TransferAction::Request,
            "nobody has asked us for anything"
        );
        match (switch.direction, self.subscriptions.get(&switch.subscription_id)) {
            (Direction::Out, Some(ours)) => {
                assert_eq!((ours.owner, ours.status), (owner, SubscriptionStatus::Active));
                assert!(switch.flow.covers(ours.product_type));
            }
            // Azure goes where there is an Azure plan to take it.
            (Direction::In, None) => assert!(
                switch.flow == Flow::NewCommerce
                    || self
                        .subscriptions
                        .values()
                        .any(|subscription| subscription.owner == owner
                            && subscription.product_type == ProductType::AzurePlan
                            && subscription.status == SubscriptionStatus::Active)
            ),
            other => panic!("{other:?}"),
        }
        self.transfers.insert(switch.subscription_id)
    }

    fn remove(&mut self, owner: usize, suspend: bool) -> bool {
        if std::mem::replace(&mut self.customers[owner].is_gone, true) {
            return false;
        }
        for (id, subscription) in &mut self.subscriptions {
            if subscription.owner == owner {
                assert!(!self.transfers.contains(id), "{id} is on the move");
                if suspend && subscription.product_type.may_be_suspended_for_removal() {
                    subscription.status = SubscriptionStatus::Suspended;
                }
                assert_ne!(subscription.status, SubscriptionStatus::Active, "{id}");
            }
        }
        true
    }
}

impl Customer {
    fn check_seats(&self) {
        for (sku, seats) in &self.seats {
            let used = self.users.values().filter(|user| user.licenses.contains(sku)).count();
            assert!(used <= *seats as usize, "{sku} of {}", self.domain);
        }
        let held = |user: &User| user.licenses.iter().all(|sku| self.seats.contains_key(sku));
        assert!(self.users.values().all(held), "{:?}", self.users);
    }
}

/// Samples name some SKUs by their ids.
fn part_number(sku: &str) -> String {
    let by_id = Uuid::try_parse(sku).ok().and_then(crate::model::skus::by_id);
    by_id.unwrap_or(sku).to_owned()
}

#[test]
fn samples_work_together_and_a_second_run_changes_nothing() {
    let mut store = Store::default();
    let mut run = |job: &dyn JobKind| {
        store.changed.clear();
        each_sample_request(job, |request| match request {
            Request::Change(change) => store.apply(change),
            Request::Export(_) => store.changed.push(false),
            Request::Sync(sync) => {
                assert_eq!(sync.from, "mirror");
                store.changed.push(false);
            }
        });
        std::mem::take(&mut store.changed)
    };
    for job in KINDS {
        let first = run(*job);
        let outside = job.policy().undo == Undo::Nothing;
        assert!(
            outside || first.iter().all(|changed| *changed),
            "{} {first:?}",
            job.kind()
        );
        // This store does not keep a profile to compare.
        if job.kind() != "update-account" {
            assert!(run(*job).iter().all(|changed| !changed), "{}", job.kind());
        }
    }
    assert!(
        store
            .customers
            .iter()
            .all(|customer| customer.users.values().all(|user| !user.is_deleted))
    );
    assert_eq!(store.customers.iter().filter(|customer| customer.is_gone).count(), 3);
    assert!(!store.transfers.is_empty());
}
