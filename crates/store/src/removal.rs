//! Blockers of the end of a relationship: the rules for subscriptions, whatever the store.

use tenantry_jobs::{ProductType, code};

use tenantry_foundation::moment::day;

/// What the rules ask of a subscription.
pub struct HeldSubscription<'a> {
    /// Which rules it falls under.
    pub product_type: ProductType,
    /// As the store has it.
    pub status: &'a str,
    /// Milliseconds since the epoch; 0 where there is none.
    pub cancellable_until: i64,
    /// Milliseconds since the epoch; 0 where there is none.
    pub term_ends: i64,
    /// Whether it renews by itself at the end of its term.
    pub renews: bool,
}

/// How a subscription stands to the end of the relationship.
pub enum RemovalStanding {
    /// It is no obstacle.
    Over,
    /// It can be suspended, after which it is none.
    Suspendable,
    /// It has to go some other way first.
    Obstacle(&'static str, String),
}

impl HeldSubscription<'_> {
    /// What it means for the end of the relationship, at a time in milliseconds.
    pub fn standing(&self, now: i64) -> RemovalStanding {
        if matches!(self.status, "expired" | "disabled" | "cancelled" | "deleted") {
            return RemovalStanding::Over;
        }
        match self.product_type {
            legacy if legacy.may_be_suspended_for_removal() => {
                if self.status == "suspended" {
                    RemovalStanding::Over
                } else {
                    RemovalStanding::Suspendable
                }
            }
            ProductType::Reservation | ProductType::SavingsPlan => {
                let how = "has to be cancelled with support".to_owned();
                RemovalStanding::Obstacle(code::ACTIVE_RESERVATIONS, how)
            }
            // Suspending is not enough: a suspended new-commerce subscription goes on being billed.
            ProductType::NewCommerceLicense => RemovalStanding::Obstacle(code::NOT_CANCELLABLE, self.cancellable(now)),
            _ => RemovalStanding::Obstacle(code::ACTIVE_SOFTWARE, self.cancellable(now)),
        }
    }

    /// Until when it can be cancelled, or from when on it is over by itself.
    fn cancellable(&self, now: i64) -> String {
        if self.cancellable_until >= now {
            format!("can be cancelled until {}", day(self.cancellable_until))
        } else if self.term_ends > 0 {
            let renew = if self.renews {
                ", with automatic renewal off"
            } else {
                ""
            };
            format!(
                "can no longer be cancelled; possible from {}{renew}",
                day(self.term_ends + 1)
            )
        } else {
            "can no longer be cancelled before its term ends".to_owned()
        }
    }
}
