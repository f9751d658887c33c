//! The change that most rows ask for: the desired state of one thing, with every value checked and normalised.
//!
//! Changes borrow from the row they were read from. An absent value is the empty string.

mod customer;
mod fields;
mod subscription;
mod user;

pub use customer::{CustomerField, CustomerPatch, CustomerRef, NewCustomer, Removal};
pub use subscription::{
    Direction, Flow, ProductType, Seats, SubscriptionState, SubscriptionStatus, Suspension, Switch, TransferAction,
};
pub use user::{LicenseChange, NewUser, PasswordReset, UserField, UserPatch, UserRef};

/// The desired state of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// A customer that should exist.
    CreateCustomer(NewCustomer<'a>),
    /// Fields of a customer that should have these values.
    UpdateCustomer(CustomerPatch<'a>),
    /// A customer who should be one no longer.
    RemoveRelationship(Removal<'a>),
    /// A user that should exist.
    CreateUser(NewUser<'a>),
    /// Fields of a user that should have these values.
    UpdateUser(UserPatch<'a>),
    /// A user that should be deleted, restorable for 30 days.
    DeleteUser(UserRef<'a>),
    /// A deleted user that should exist again.
    RestoreUser(UserRef<'a>),
    /// A user who should get a new password.
    ResetPassword(PasswordReset<'a>),
    /// Licences a user should have, and should have no longer.
    AssignLicenses(LicenseChange<'a>),
    /// How many seats of a SKU a customer should hold.
    SetSeats(Seats<'a>),
    /// A subscription a customer should hold.
    SetSubscription(SubscriptionState<'a>),
    /// A subscription that should be suspended, or active again.
    SuspendSubscription(Suspension<'a>),
    /// A step in moving a subscription to or from another partner.
    SwitchSubscription(Switch<'a>),
}

impl Change<'_> {
    /// Calls `key` with each (native column, value) that may stand only once in a file. Values
    /// compare by their [key](crate::key); empty ones are not passed. `name` gives a customer one name however
    /// the row names it; who cannot tell gives what is written.
    pub fn each_key(&self, name: &dyn Fn(CustomerRef<'_>) -> String, key: &mut dyn FnMut(&'static str, &[&str])) {
        let mut of_user =
            |user: &UserRef<'_>| key("user_principal_name", &[&name(user.customer), user.user_principal_name]);
        match self {
            Change::DeleteUser(user) | Change::RestoreUser(user) => of_user(user),
            Change::ResetPassword(reset) => of_user(&reset.user),
            Change::AssignLicenses(licenses) => of_user(&licenses.user),
            Change::UpdateUser(patch) => {
                of_user(&patch.user);
                if let Some(name) = patch.new_name {
                    key("new_user_principal_name", &[name]);
                }
            }
            Change::CreateCustomer(c) => {
                key("domain", &[&c.domain]);
                if !c.external_id.is_empty() {
                    key("external_id", &[c.external_id]);
                }
            }
            Change::UpdateCustomer(c) => {
                key("customer", &[&name(c.customer)]);
                // Of two customers who are to get one id, each could have it alone, so the store tells neither.
                if let Some(id) = c.external_id.filter(|id| !id.is_empty()) {
                    key("external_id", &[id]);
                }
            }
            Change::RemoveRelationship(r) => key("customer", &[&name(r.customer)]),
            Change::CreateUser(u) => key("user_principal_name", &[u.user_principal_name]),
            Change::SetSeats(s) => key("sku", &[&name(s.customer), &s.sku_id.to_string()]),
            Change::SetSubscription(s) => key("subscription_id", &[&s.subscription_id.to_string()]),
            Change::SuspendSubscription(s) => key("subscription_id", &[&s.subscription_id.to_string()]),
            Change::SwitchSubscription(s) => key("subscription_id", &[&s.subscription_id.to_string()]),
        }
    }

    /// The customer the row names, if it names an existing one.
    pub fn customer(&self) -> Option<CustomerRef<'_>> {
        match self {
            Change::CreateCustomer(_) => None,
            Change::UpdateCustomer(c) => Some(c.customer),
            Change::RemoveRelationship(r) => Some(r.customer),
            Change::CreateUser(u) => Some(u.customer),
            Change::DeleteUser(user) | Change::RestoreUser(user) => Some(user.customer),
            Change::ResetPassword(reset) => Some(reset.user.customer),
            Change::AssignLicenses(licenses) => Some(licenses.user.customer),
            Change::UpdateUser(patch) => Some(patch.user.customer),
            Change::SetSeats(s) => Some(s.customer),
            Change::SetSubscription(s) => Some(s.customer),
            Change::SuspendSubscription(s) => Some(s.customer),
            Change::SwitchSubscription(s) => Some(s.customer),
        }
    }
}
