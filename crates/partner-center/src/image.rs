//! Images of a step, what it found and what it left: kept with its intent, so that an undo knows what to bring back and can tell
//! whether somebody has changed it since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PartnerCenterError;
use super::records::Customer;
use tenantry_foundation::db::DbError;
use tenantry_store::remote::Steps;

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Object {
    /// A customer that is made.
    Customer,
    /// Fields of a billing profile.
    Profile,
    /// A user that is made.
    User,
    /// A user that is deleted or restored.
    UserState,
    /// Names of a user, and where it is.
    UserProfile,
    /// A user's password.
    Password,
    /// Where a user is, on which licences depend.
    UsageLocation,
    /// Licences of a user.
    Licenses,
    /// A role a user is given.
    Role,
    /// Where a subscription stands.
    Subscription,
    /// The relationship with a customer.
    Relationship,
    /// A request for a transfer.
    Transfer,
    /// An answer to a request for a transfer.
    TransferAnswer,
}

pub(super) type Fields = BTreeMap<String, String>;

/// What a step found and what it leaves, by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) object: Object,
    /// Id of the customer.
    pub(super) customer: String,
    /// Its primary domain.
    pub(super) domain: String,
    /// Id of what it is about; empty where that is known only when it is done, and then is the step's result.
    pub(super) id: String,
    pub(super) before: Fields,
    pub(super) after: Fields,
}

impl Image {
    pub(super) fn new(object: Object, customer: &Customer, id: &str) -> Self {
        Self {
            object,
            customer: customer.id.clone(),
            domain: customer.domain.clone(),
            id: id.to_owned(),
            before: Fields::new(),
            after: Fields::new(),
        }
    }

    /// With a field as it was and as it is to be.
    pub(super) fn field(mut self, name: &str, before: impl Into<String>, after: impl Into<String>) -> Self {
        self.before.insert(name.to_owned(), before.into());
        self.after.insert(name.to_owned(), after.into());
        self
    }

    /// A field as it was; empty for none.
    pub(super) fn before(&self, name: &str) -> &str {
        self.before.get(name).map_or("", String::as_str)
    }

    /// A field as it was left; empty for none.
    pub(super) fn after(&self, name: &str) -> &str {
        self.after.get(name).map_or("", String::as_str)
    }

    /// A field that is a list of ids, as it was.
    pub(super) fn ids(&self, name: &str) -> Vec<String> {
        ids(self.before(name))
    }

    /// A field that is a list of ids, as it was left.
    pub(super) fn ids_after(&self, name: &str) -> Vec<String> {
        ids(self.after(name))
    }

    /// Whether it is of a user who had no usage location before.
    pub(super) fn is_first_location(&self) -> bool {
        let is_of_location = matches!(self.object, Object::UsageLocation | Object::UserProfile);
        let before = self.before.get("usage_location");
        is_of_location && before.is_some_and(String::is_empty)
    }

    /// Whether it is of a user that was restored.
    pub(super) fn is_restored(&self) -> bool {
        self.object == Object::UserState && self.after("state") == "active"
    }

    /// Whether it is about a user.
    pub(super) fn is_of_user(&self) -> bool {
        use Object as O;
        matches!(
            self.object,
            O::User | O::UserState | O::UserProfile | O::Password | O::UsageLocation | O::Licenses | O::Role
        )
    }

    /// Whether it is about a transfer.
    pub(super) fn is_of_transfer(&self) -> bool {
        matches!(self.object, Object::Transfer | Object::TransferAnswer)
    }

    /// The customer it is about.
    pub(super) fn customer(&self) -> Customer {
        Customer {
            id: self.customer.clone(),
            domain: self.domain.clone(),
            domains: Vec::new(),
            listed_name: String::new(),
        }
    }

    pub(super) fn encode(&self) -> Result<String, PartnerCenterError> {
        serde_json::to_string(self).map_err(|error| damaged(&error))
    }

    /// What a step of a row found, if the row got that far.
    pub(super) fn of_step(steps: Steps<'_>, step: &str) -> Result<Option<Self>, PartnerCenterError> {
        steps.image(step).map(|image| Self::decode(&image)).transpose()
    }

    pub(super) fn decode(text: &str) -> Result<Self, PartnerCenterError> {
        serde_json::from_str(text).map_err(|error| damaged(&error))
    }
}

fn ids(list: &str) -> Vec<String> {
    list.split(';').filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn damaged(error: &serde_json::Error) -> PartnerCenterError {
    PartnerCenterError::Db(DbError::Broken(format!(
        "an image of what a step found is damaged: {error}"
    )))
}
