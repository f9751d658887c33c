//! The texts that a change has as they are written, and what stores call them.

use super::{Change, CustomerField, UserField, UserRef};
use crate::{CustomerRef, ValueDoubt};

impl Change<'_> {
    /// What stores call the value of a native column, where the change has it as it is written, so that a store can say whether
    /// it is so already; [`ValueDoubt::NAME`] for what the record is found by.
    pub(crate) fn field_of(&self, column: &str, written: &str) -> Option<&'static str> {
        let mut found = None;
        if !written.is_empty() {
            self.each_text(&mut |native, field, text| {
                if native == column && text == written {
                    found = Some(field);
                }
            });
        }
        found
    }

    /// Calls `told` with the column, the field and the text of each. Of lists these are the entries, and the whole.
    fn each_text(&self, told: &mut dyn FnMut(&'static str, &'static str, &str)) {
        if let Some(customer) = self.customer() {
            of_customer(customer, told);
        }
        match self {
            Change::UpdateCustomer(patch) => {
                for (field, value) in &patch.fields {
                    of_profile(*field, value, told);
                }
                if let Some(id) = patch.external_id {
                    told("external_id", "external_id", id);
                }
            }
            Change::CreateCustomer(new) => {
                told("domain", ValueDoubt::NAME, &new.domain);
                for field in CustomerField::ALL {
                    of_profile(field, &new.profile[field as usize], told);
                }
                for (name, value) in [
                    ("external_id", new.external_id),
                    ("registration_number", new.registration_number),
                    ("associated_partner_id", new.associated_partner_id),
                ] {
                    told(name, name, value);
                }
            }
            Change::UpdateUser(patch) => {
                of_user(&patch.user, told);
                for (field, text) in patch.texts() {
                    let column = match field {
                        "user_principal_name" => "new_user_principal_name",
                        other => other,
                    };
                    told(column, field, text);
                }
            }
            Change::CreateUser(user) => {
                told("user_principal_name", ValueDoubt::NAME, user.user_principal_name);
                for field in UserField::ALL {
                    told(field.name(), field.name(), user.profile[field as usize]);
                }
                for (name, value) in [
                    ("display_name", &user.display_name),
                    ("usage_location", &user.usage_location),
                    ("country", &user.country),
                ] {
                    told(name, name, value);
                }
                for (name, list) in [("licenses", &user.licenses), ("roles", &user.roles)] {
                    for entry in list {
                        told(name, name, entry);
                    }
                    told(name, name, &list.join(";"));
                }
            }
            Change::SetSubscription(state) => {
                told("product", "product", state.product);
                told(
                    "partner_id_on_record",
                    "partner_id_on_record",
                    state.partner_id_on_record,
                );
            }
            Change::DeleteUser(user) | Change::RestoreUser(user) => of_user(user, told),
            Change::ResetPassword(reset) => of_user(&reset.user, told),
            Change::AssignLicenses(change) => {
                of_user(&change.user, told);
                told("usage_location", "usage_location", &change.usage_location);
            }
            Change::RemoveRelationship(_)
            | Change::SetSeats(_)
            | Change::SuspendSubscription(_)
            | Change::SwitchSubscription(_) => {}
        }
    }
}

fn of_customer(customer: CustomerRef<'_>, told: &mut dyn FnMut(&'static str, &'static str, &str)) {
    told("customer", ValueDoubt::NAME, customer.as_written());
}

fn of_user(user: &UserRef<'_>, told: &mut dyn FnMut(&'static str, &'static str, &str)) {
    told("user_principal_name", ValueDoubt::NAME, user.user_principal_name);
}

fn of_profile(field: CustomerField, value: &str, told: &mut dyn FnMut(&'static str, &'static str, &str)) {
    told(field.name(), field.name(), value);
    if field == CustomerField::Tags {
        value.split(';').for_each(|tag| told(field.name(), field.name(), tag));
    }
}
