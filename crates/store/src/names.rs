//! Names that a store has for the subjects of rows, shown to people. Nothing is decided by it.

use uuid::Uuid;

/// What a store calls whom rows name, as far as it is known without asking.
pub trait Names: Send + Sync {
    /// Of the customer that rows name so, and of its subscription of that id. `None` where the customer is not known.
    fn called(&self, customer: &str, subscription: Option<Uuid>) -> Option<Called>;
}

/// A customer, and a subscription of it, as a store calls them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    /// The customer's primary domain.
    pub domain: String,
    /// The customer's name.
    pub name: String,
    /// The product of the subscription; empty where it is not known as one of the customer's.
    pub product: String,
}
