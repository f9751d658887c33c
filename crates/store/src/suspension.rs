//! Subscriptions switched off and on again: which ones can be.

use tenantry_jobs::{Problem, SubscriptionStatus, code};

/// Why a subscription of that status cannot be given the other one, which it does not have; `None` if it can.
pub fn switching(id: &str, status: &str, to: SubscriptionStatus) -> Option<Problem> {
    let from = match to {
        SubscriptionStatus::Suspended => SubscriptionStatus::Active,
        SubscriptionStatus::Active => SubscriptionStatus::Suspended,
        other => {
            let expected = format!(
                "a subscription can be suspended and reactivated here, but not made {}; this one is {status}",
                other.as_str()
            );
            return Some(Problem::stated(code::CONFLICTING, "action", other.as_str(), expected));
        }
    };
    let (from, to) = (from.as_str(), to.as_str());
    (status != from).then(|| {
        let expected = format!("only a subscription that is {from} can become {to}; this one is {status}");
        Problem::stated(code::SUBSCRIPTION_INACTIVE, "subscription_id", id, expected)
    })
}
