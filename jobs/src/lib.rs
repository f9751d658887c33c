//! The catalogue of job kinds.
//!
//! One file per kind, its sample CSV beside it, one line in [`KINDS`]. Command-line help, templates,
//! the README's table and the contract tests follow from that list.

#[macro_use]
mod choice;
mod change;
mod column;
mod directory;
mod doubt;
mod faults;
mod faulty;
pub mod header;
mod holdings;
mod job;
pub mod key;
mod lists;
mod model;
mod policy;
pub mod problem;
mod request;
pub mod rules;
mod subject;
mod text;

mod add_customer;
mod assign_licenses;
mod bulk_add_users;
mod delete_users;
mod export_customers;
mod remove_relationship;
mod reset_passwords;
mod restore_users;
mod set_seats;
mod set_subscriptions;
mod suspend_subscription;
mod switch_subscription;
mod sync_customers;
mod update_account;
mod update_users;

pub use change::{
    Change, CustomerField, CustomerPatch, CustomerRef, Direction, Flow, LicenseChange, NewCustomer, NewUser,
    PasswordReset, ProductType, Removal, Seats, SubscriptionState, SubscriptionStatus, Suspension, Switch,
    TransferAction, UserField, UserPatch, UserRef,
};
pub use column::{Column, position};
pub use doubt::ValueDoubt;
pub use export_customers::{ExportColumn, default_export_columns, export_columns};
pub use faulty::Faulty;
pub use header::{Mapping, looks_secret};
pub use holdings::{Holdings, Naming, OwnSubscription, advise_subscription, impossible_skus};
pub use job::{JobKind, RowCells, Template};
pub use model::person::is_same_country;
pub use model::postal::fault as postal_code_fault;
pub use model::products::{Held, held_sku};
pub use policy::{Creates, Passwords, Policy, RunsIn, Undo};
pub use problem::{Problem, clip, code, did_you_mean, nearest, printable};
pub use request::{Export, ExportFormat, ExportOf, Matching, Request, SearchField, Sync};
pub use subject::{Subject, SubjectCells, SubjectColumns, verb};
pub use text::{as_read, is_as_read, is_invisible};

/// Every job kind there is, in the order in which their samples build on each other.
pub static KINDS: &[&dyn JobKind] = &[
    &add_customer::AddCustomer,
    &set_seats::SetSeats,
    &bulk_add_users::BulkAddUsers,
    &update_account::UpdateAccount,
    &set_subscriptions::SetSubscriptions,
    &assign_licenses::AssignLicenses,
    &update_users::UpdateUsers,
    &reset_passwords::ResetPasswords,
    &delete_users::DeleteUsers,
    &restore_users::RestoreUsers,
    &suspend_subscription::SuspendSubscription,
    &switch_subscription::SwitchSubscription,
    &export_customers::ExportCustomers,
    &sync_customers::SyncCustomers,
    &remove_relationship::RemoveRelationship,
];

/// The kind of that name.
///
/// # Errors
/// The nearest name there is, if any is near.
pub fn find(kind: &str) -> Result<&'static dyn JobKind, Option<&'static str>> {
    KINDS
        .iter()
        .find(|job| job.kind() == kind)
        .copied()
        .ok_or_else(|| nearest(kind, KINDS.iter().map(|job| job.kind())))
}

/// The directory role of that name, spelt as files that were read have it. Stores may still go by a former name.
pub fn role(name: &str) -> Option<&'static str> {
    model::roles::find(name)
}

/// Which of these directory roles make somebody an administrator, with commas between them; nothing if none does.
pub fn administrators_roles<'r>(roles: impl IntoIterator<Item = &'r str>) -> Option<String> {
    let grave: Vec<&str> = roles
        .into_iter()
        .filter(|role| model::roles::is_administrators(role))
        .collect();
    (!grave.is_empty()).then(|| grave.join(", "))
}

#[cfg(test)]
mod catalogue_test;
#[cfg(test)]
mod testing;
