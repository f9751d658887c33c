//! Changes of subscriptions and seats.

use uuid::Uuid;

use super::CustomerRef;

/// How many seats of one SKU a customer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats<'a> {
    /// The customer who holds them.
    pub customer: CustomerRef<'a>,
    /// The SKU's part number, upper case, e.g. `SPB`.
    pub part_number: &'a str,
    /// The SKU's GUID.
    pub sku_id: Uuid,
    /// Seats in all, assigned ones included.
    pub seats: u32,
}

/// What is known of a subscription a customer holds. One that is new needs a product and its sort; what is not said of one that
/// is there already stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState<'a> {
    /// The customer who holds it.
    pub customer: CustomerRef<'a>,
    /// The subscription.
    pub subscription_id: Uuid,
    /// Display name of the product; empty when not given.
    pub product: &'a str,
    /// What sort of product, on which depends what may be done with it.
    pub product_type: Option<ProductType>,
    /// Licences bought, or units of what else it is; at least 1, which a new one has unless it is said.
    pub quantity: Option<u32>,
    /// Where it stands; a new one is active unless it is said.
    pub status: Option<SubscriptionStatus>,
    /// Whether it renews itself at the end of the term, where that is known.
    pub auto_renew: Option<bool>,
    /// When the term ends, in milliseconds since the Unix epoch, UTC.
    pub term_ends: Option<i64>,
    /// Until when it can be cancelled, in milliseconds since the Unix epoch, UTC.
    pub cancellable_until: Option<i64>,
    /// The partner of record, a GUID or a partner number; empty when not given.
    pub partner_id_on_record: &'a str,
}

choices! {
    /// What sort of product a subscription is for.
    ProductType {
        /// Licences under the legacy offers. Suspended, they cost nothing.
        LegacyLicense = "legacy-license",
        /// Licences for a term. Suspended, they are still billed.
        NewCommerceLicense = "new-commerce-license",
        /// Azure under the offer MS-AZR-0145P.
        AzureLegacy = "azure-legacy",
        /// Azure under an Azure plan.
        AzurePlan = "azure-plan",
        /// A reservation of Azure resources.
        Reservation = "reservation",
        /// An Azure savings plan.
        SavingsPlan = "savings-plan",
        /// Software bought for good.
        SoftwarePerpetual = "software-perpetual",
        /// Software for a term.
        SoftwareSubscription = "software-subscription",
        /// A publisher's product from the marketplace.
        Marketplace = "marketplace",
    }
}

impl ProductType {
    /// Whether it is sold under new commerce and not under the legacy offers.
    pub const fn is_new_commerce(self) -> bool {
        !matches!(self, Self::LegacyLicense | Self::AzureLegacy)
    }

    /// Whether suspending ends its bill, so that a customer who holds one can be let go. All else has to be
    /// cancelled. An Azure plan has no term, and is suspended once no Azure subscription in it is active.
    pub const fn may_be_suspended_for_removal(self) -> bool {
        matches!(self, Self::LegacyLicense | Self::AzureLegacy | Self::AzurePlan)
    }
}

choices! {
    /// Where a subscription stands.
    SubscriptionStatus {
        /// In use.
        Active = "active",
        /// Switched off, and can be reactivated.
        Suspended = "suspended",
        /// Past its term; users still have access for a while.
        Expired = "expired",
        /// Past its grace time; only administrators have access.
        Disabled = "disabled",
        /// Not yet in use.
        Pending = "pending",
        /// Ended within the time in which that is possible.
        Cancelled = "cancelled",
        /// Gone.
        Deleted = "deleted",
    }
}

/// A subscription that should be suspended, or active again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension<'a> {
    /// The customer who holds it.
    pub customer: CustomerRef<'a>,
    /// The subscription.
    pub subscription_id: Uuid,
    /// How it should stand: suspended or active. In any other state it can be found and not be put; `None` leaves it as it is.
    pub to: Option<SubscriptionStatus>,
    /// Noted in the record; empty when not given.
    pub reason: &'a str,
}

/// A step in moving a subscription to or from another partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch<'a> {
    /// The customer who holds it.
    pub customer: CustomerRef<'a>,
    /// The subscription.
    pub subscription_id: Uuid,
    /// Whether it comes to us or leaves us.
    pub direction: Direction,
    /// The other partner's tenant ("Microsoft ID"); given in every request.
    pub partner_tenant_id: Option<Uuid>,
    /// The other partner's name; empty when not given.
    pub partner_name: &'a str,
    /// E-mail address of the customer; empty when not given.
    pub customer_email: &'a str,
    /// Which of the four ways.
    pub flow: Flow,
    /// Which step.
    pub action: TransferAction,
}

choices! {
    /// Which way a subscription moves.
    Direction {
        /// From the other partner to us.
        In = "in",
        /// From us to the other partner.
        Out = "out",
    }
}

choices! {
    /// The ways in which subscriptions move between partners. They have little in common but the name.
    Flow {
        /// Azure plans: the partner who is to have it asks, the one who has it accepts.
        AzurePlan = "azure-plan",
        /// New-commerce licences: as with Azure plans.
        NewCommerce = "new-commerce",
        /// Legacy offers, from a direct partner to an indirect provider: the one who has it asks, the
        /// provider accepts.
        DirectToIndirect = "direct-to-indirect",
        /// Azure under MS-AZR-0145P: a signed form, handled by Microsoft's support.
        LegacyAzure = "legacy-azure",
    }
}

impl Flow {
    /// Whether a product of that sort can move in this way.
    pub const fn covers(self, product_type: ProductType) -> bool {
        use ProductType as P;
        match self {
            Self::AzurePlan => matches!(product_type, P::AzurePlan | P::Reservation | P::SavingsPlan),
            Self::NewCommerce => matches!(product_type, P::NewCommerceLicense),
            Self::DirectToIndirect => matches!(product_type, P::LegacyLicense | P::AzureLegacy),
            Self::LegacyAzure => matches!(product_type, P::AzureLegacy),
        }
    }
}

choices! {
    /// A step of a transfer.
    TransferAction {
        /// Ask for the transfer.
        Request = "request",
        /// Agree to the other partner's request.
        Accept = "accept",
        /// Decline the other partner's request.
        Reject = "reject",
        /// Withdraw a request of our own.
        Cancel = "cancel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_that_a_product_allows_depend_on_its_sort() {
        use Flow as F;
        use ProductType as P;
        for (product_type, is_new, may_be_suspended, flows) in [
            (P::LegacyLicense, false, true, &[F::DirectToIndirect][..]),
            (P::NewCommerceLicense, true, false, &[F::NewCommerce]),
            (P::AzureLegacy, false, true, &[F::DirectToIndirect, F::LegacyAzure]),
            (P::AzurePlan, true, true, &[F::AzurePlan]),
            (P::Reservation, true, false, &[F::AzurePlan]),
            (P::SavingsPlan, true, false, &[F::AzurePlan]),
            (P::SoftwarePerpetual, true, false, &[]),
            (P::SoftwareSubscription, true, false, &[]),
            (P::Marketplace, true, false, &[]),
        ] {
            assert_eq!(product_type.is_new_commerce(), is_new, "{product_type:?}");
            assert_eq!(
                product_type.may_be_suspended_for_removal(),
                may_be_suspended,
                "{product_type:?}"
            );
            let covering: Vec<Flow> = Flow::ALL
                .iter()
                .copied()
                .filter(|flow| flow.covers(product_type))
                .collect();
            assert_eq!(covering, flows, "{product_type:?}");
        }
    }
}
