//! Suggestions from a customer's holdings for cells that name none of them.
//!
//! People write a product's name, `tenant:SKU` or somebody else's id where an id belongs. What is suggested is the customer's
//! own; where it cannot be told which, what there is is listed.

use crate::model::{products, skus};
use crate::{Change, Direction, Problem, SubscriptionStatus, code, held_sku};

/// A subscription that a customer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSubscription {
    /// Its GUID.
    pub id: String,
    /// The name of its product.
    pub product: String,
    /// Where it stands, in the words of [`SubscriptionStatus`].
    pub status: String,
}

/// What a cell has to name of what the row's customer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A subscription, by its id.
    Subscription,
    /// A SKU, by its part number. One that is not held yet may be named too.
    Sku,
}

/// What a customer holds of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holdings {
    /// Subscriptions.
    Subscriptions(Vec<OwnSubscription>),
    /// Part numbers and ids of SKUs.
    Skus(Vec<(String, String)>),
}

impl Naming {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Subscription, Self::Sku];

    /// What a row names of what its customer has to hold. What comes from another partner is not held yet.
    pub fn of(change: &Change<'_>) -> Option<Self> {
        match change {
            Change::SetSeats(_) => Some(Self::Sku),
            Change::SetSubscription(_) | Change::SuspendSubscription(_) => Some(Self::Subscription),
            Change::SwitchSubscription(switch) => (switch.direction == Direction::Out).then_some(Self::Subscription),
            _ => None,
        }
    }

    /// The column of the cell.
    fn column(self) -> &'static str {
        match self {
            Self::Subscription => "subscription_id",
            Self::Sku => "sku",
        }
    }

    /// Whether what is wrong with the cell is that it names nothing that could be held, whatever the customer holds.
    pub fn is_at_fault(self, problem: &Problem) -> bool {
        problem.column == self.column()
            && !problem.value.is_empty()
            && match self {
                Self::Subscription => problem.code == code::INVALID,
                Self::Sku => matches!(problem.code.as_str(), code::INVALID | code::UNKNOWN_SKU),
            }
    }
}

impl Holdings {
    /// Adds what was probably meant to a problem with a cell, as it is written.
    #[must_use]
    pub fn advise(&self, problem: Problem) -> Problem {
        let written = problem.value.clone();
        match self {
            Self::Subscriptions(own) => advise_subscription(problem, &written, own),
            Self::Skus(held) => advise_sku(problem, &written, held),
        }
    }
}

/// What is wrong with the licences that a row names for any customer, where the customer cannot be told: what a customer holds
/// can be said only of one that is known.
pub fn impossible_skus(change: &Change<'_>) -> Vec<Problem> {
    let named = match change {
        Change::CreateUser(user) => vec![("licenses", &user.licenses)],
        Change::AssignLicenses(change) => vec![("assign", &change.assign), ("remove", &change.remove)],
        _ => Vec::new(),
    };
    let all = named
        .into_iter()
        .flat_map(|(column, names)| names.iter().map(move |name| (column, name)));
    all.filter_map(|(column, name)| products::impossible_sku(column, name))
        .collect()
}

/// Adds to a problem with the id of a subscription which of the customer's own was meant: the one of the product that
/// `written` names, or the only one where it names none. Otherwise they are listed.
#[must_use]
pub fn advise_subscription(mut problem: Problem, written: &str, own: &[OwnSubscription]) -> Problem {
    let mut meant: Vec<&OwnSubscription> = own
        .iter()
        .filter(|one| products::is_called(&one.product, written))
        .collect();
    if meant.is_empty() && products::names_none(written) {
        meant = own.iter().collect();
    }
    if meant.iter().any(|one| one.is_live()) {
        meant.retain(|one| one.is_live());
    }
    match meant.as_slice() {
        [one] => return problem.suggest(Some(one.id.as_str())),
        [] => problem.expected.push_str(&listed(own.iter())),
        several => problem.expected.push_str(&listed(several.iter().copied())),
    }
    problem
}

fn listed<'o>(own: impl ExactSizeIterator<Item = &'o OwnSubscription>) -> String {
    const TOLD: usize = 3;
    let more = own.len().saturating_sub(TOLD);
    let mut told: Vec<String> = own
        .take(TOLD)
        .map(|one| format!("`{}` ({}, {})", one.id, one.product, one.status))
        .collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    match told.split_last() {
        None => "; the customer holds no subscription".to_owned(),
        Some((last, [])) => format!("; the customer holds {last}"),
        Some((last, others)) => format!("; the customer holds {} and {last}", others.join(", ")),
    }
}

/// What the customer holds is meant rather than what others may hold, and nobody guesses at what it does not hold; what has
/// a name that we know may be new to it.
fn advise_sku(mut problem: Problem, written: &str, held: &[(String, String)]) -> Problem {
    let pairs: Vec<(&str, &str)> = held.iter().map(|(part, id)| (part.as_str(), id.as_str())).collect();
    let own = held_sku(written, &pairs).filter(|own| !own.contains(';') && own != written);
    if own.is_some() {
        return problem.suggest(own);
    }
    let is_guess = problem
        .suggestion
        .as_deref()
        .is_some_and(|near| skus::find(near).is_some())
        && !products::is_exact(written);
    if is_guess && !held.is_empty() {
        problem.suggestion = None;
    }
    problem
}

impl OwnSubscription {
    /// Whether there is anything left to do with it.
    fn is_live(&self) -> bool {
        use SubscriptionStatus as S;
        !matches!(
            SubscriptionStatus::parse(&self.status),
            Some(S::Expired | S::Disabled | S::Cancelled | S::Deleted)
        )
    }
}

#[cfg(test)]
mod tests;
