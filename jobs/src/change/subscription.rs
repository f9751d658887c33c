//! What rows ask of subscriptions and of the relationship they are bought under.

use uuid::Uuid;

use crate::CustomerRef;

/// Declares an enum whose variants have a word each, in files and in the store.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The one a word stands for, whatever its case.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str().eq_ignore_ascii_case(word))
            }
        }
    };
}

words! {
    /// What was bought, as far as it decides what can be done with it.
    ProductType {
        /// Licences under the legacy commerce.
        LegacyLicense = "legacy-license",
        /// Licences under the new commerce.
        NewCommerceLicense = "new-commerce-license",
        /// An Azure subscription of offer MS-AZR-0145P.
        AzureLegacy = "azure-legacy",
        /// An Azure plan.
        AzurePlan = "azure-plan",
        /// Reserved instances.
        Reservation = "reservation",
        /// A savings plan for compute.
        SavingsPlan = "savings-plan",
        /// Software bought once.
        SoftwarePerpetual = "software-perpetual",
        /// Software for a term.
        SoftwareSubscription = "software-subscription",
        /// From the commercial marketplace.
        Marketplace = "marketplace",
    }
}

impl ProductType {
    /// Whether it falls under the new commerce's cancellation rules.
    pub const fn is_new_commerce(self) -> bool {
        matches!(self, Self::NewCommerceLicense)
    }
}

words! {
    /// Where a subscription stands (Partner Center, subscription resources).
    SubscriptionStatus {
        /// In use.
        Active = "active",
        /// Stopped by the partner.
        Suspended = "suspended",
        /// Its term ended; users still have access.
        Expired = "expired",
        /// Only administrators have access.
        Disabled = "disabled",
        /// Ordered, and not there yet.
        Pending = "pending",
        /// Cancelled within its window.
        Cancelled = "cancelled",
        /// Gone.
        Deleted = "deleted",
    }
}

/// A subscription that a customer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState<'a> {
    /// Who holds it.
    pub customer: CustomerRef<'a>,
    /// Its GUID.
    pub subscription_id: Uuid,
    /// Display name of what was bought.
    pub product: &'a str,
    /// What sort of thing that is.
    pub product_type: ProductType,
    /// Licences or units.
    pub quantity: u32,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// Whether it renews itself; `None` when not given.
    pub auto_renew: Option<bool>,
    /// When its term ends, in milliseconds since the epoch, UTC.
    pub term_ends: Option<i64>,
    /// Until when it can be cancelled, in milliseconds since the epoch, UTC.
    pub cancellable_until: Option<i64>,
    /// The indirect reseller on record; empty when there is none.
    pub partner_id_on_record: &'a str,
}

/// A subscription to suspend or to reactivate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension<'a> {
    /// Who holds it.
    pub customer: CustomerRef<'a>,
    /// Its GUID.
    pub subscription_id: Uuid,
    /// Suspend; `false` reactivates.
    pub suspend: bool,
    /// Why; may be empty.
    pub reason: &'a str,
}

/// A relationship to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal<'a> {
    /// With whom.
    pub customer: CustomerRef<'a>,
    /// Suspend first what can be suspended.
    pub suspend_subscriptions: bool,
    /// Why; may be empty.
    pub reason: &'a str,
}

words! {
    /// Which way a subscription goes.
    Direction {
        /// To us.
        In = "in",
        /// To another partner.
        Out = "out",
    }
}

words! {
    /// The four flows that share the word transfer.
    Flow {
        /// Azure subscriptions under an Azure plan: the target asks, the source accepts.
        AzurePlan = "azure-plan",
        /// New-commerce licences: the target asks, the source accepts.
        NewCommerce = "new-commerce",
        /// Legacy licences from a direct partner to an indirect provider: the source asks.
        DirectToIndirect = "direct-to-indirect",
        /// Azure subscriptions of offer MS-AZR-0145P: a form on paper.
        LegacyAzure = "legacy-azure",
    }
}

words! {
    /// What is to be done about a transfer.
    TransferAction {
        /// Ask for it.
        Request = "request",
        /// Say yes to the other partner's request.
        Accept = "accept",
        /// Say no to it.
        Reject = "reject",
        /// Withdraw one's own.
        Cancel = "cancel",
    }
}

/// A subscription that changes partners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch<'a> {
    /// Who holds it.
    pub customer: CustomerRef<'a>,
    /// Its GUID.
    pub subscription_id: Uuid,
    /// To us or away from us.
    pub direction: Direction,
    /// The other partner's GUID.
    pub partner_tenant_id: Option<Uuid>,
    /// The other partner's name; may be empty.
    pub partner_name: &'a str,
    /// Whom to tell at the customer's; may be empty.
    pub customer_email: &'a str,
    /// By which rules.
    pub flow: Flow,
    /// What to do.
    pub action: TransferAction,
}
