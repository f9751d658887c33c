//! Partner Center's error codes and their meanings, for each operation that can meet them.
//!
//! A code alone means different things: 3000 is a value that is not accepted or a relationship that has ended, 900101 is
//! another transfer where one is created and our own acceptance, made before, where one is accepted. So entries are found
//! by status, code and operation; those of codes that mean one thing only name no operations. What is not listed goes by
//! its status: listed is what differs from that rule, and what people are to be told more about than Partner Center says.

use super::FailureClass;

/// An error that is known.
pub(super) struct KnownFailure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    /// The operations it is about; none: any.
    pub(super) operations: &'static [&'static str],
    pub(super) class: FailureClass,
    /// What to do, where Partner Center does not say it; empty where it does.
    pub(super) advice: &'static str,
    /// The public page it is from.
    #[cfg_attr(not(test), expect(dead_code, reason = "for those who check the table"))]
    pub(super) source: &'static str,
}

/// The entry of an error.
pub(super) fn find(status: u16, code: &str, operation: &str) -> Option<&'static KnownFailure> {
    let is_it = |entry: &&KnownFailure| entry.status == status && entry.code == code;
    let known = || CATALOGUE.iter().filter(is_it);
    known()
        .find(|entry| entry.operations.contains(&operation))
        .or_else(|| known().find(|entry| entry.operations.is_empty()))
}

const CODES: &str = "Partner Center REST error codes";
const AUTHENTICATION: &str = "Partner Center authentication";
const CREATE_CUSTOMER: &str = "Create a customer";
const LICENSES: &str = "Assign licenses to a user";
const TRANSFERS: &str = "Transfer resources";
const HEADERS: &str = "Partner Center REST headers";
const SANDBOX: &str = "Test and debug";
const CONFIRM: &str = "Verify the Microsoft Partner Agreement";
const POWERSHELL: &str = "issue threads of the Partner Center PowerShell module";
const SAMPLES: &str = "issue threads of the Partner Center samples";

/// What is asked about a customer's directory, where what we may is up to that customer.
const DIRECTORY: &[&str] = &[
    "list-users",
    "get-user",
    "create-user",
    "update-user",
    "delete-user",
    "reset-user-password",
    "get-user-licenses",
    "update-licenses",
    "subscribed-skus",
    "list-roles",
    "list-user-roles",
    "list-role-members",
    "add-user-to-role",
    "remove-user-from-role",
];
const PROFILES: &[&str] = &["create-customer", "update-billing-profile", "validate-address"];
const RELATIONSHIP: &[&str] = &["update-customer"];
const SUBSCRIPTION: &[&str] = &["update-subscription"];
const NEW_TRANSFER: &[&str] = &["create-transfer"];

const fn entry(
    (status, code): (u16, &'static str),
    operations: &'static [&'static str],
    class: FailureClass,
    advice: &'static str,
    source: &'static str,
) -> KnownFailure {
    KnownFailure {
        status,
        code,
        operations,
        class,
        advice,
        source,
    }
}

use FailureClass::{Busy, Forbidden, Refused, Stale};

#[rustfmt::skip]
pub(super) const CATALOGUE: &[KnownFailure] = &[
    // Who we are.
    entry((401, "900420"), &[], Forbidden, "the token is for an address of which Partner Center takes no tokens any more; check `partner_center.cloud`", CODES),
    entry((403, "1002"), &[], Forbidden, "give the application, and the user behind the refresh token, the role of an admin agent in Partner Center", POWERSHELL),
    entry((403, "900150"), &[], Forbidden, "give the user behind the refresh token the role of an admin agent in Partner Center", CODES),
    entry((403, "900308"), &[], Forbidden, "give the user behind the refresh token the role of an admin agent in Partner Center", CODES),
    entry((403, "900308"), DIRECTORY, Refused, "the user behind the refresh token needs a delegated role (GDAP) of this customer, such as User Administrator", CODES),
    entry((403, "900309"), &[], Forbidden, "a Conditional Access policy of the partner tenant forbids it", CODES),
    entry((403, "900309"), DIRECTORY, Refused, "a Conditional Access policy, perhaps this customer's, forbids it", CODES),
    entry((403, "900329"), &[], Forbidden, "set `partner_center.refresh_token_file`: this is asked by application and user only", AUTHENTICATION),
    entry((400, "900316"), &[], Forbidden, "set `partner_center.refresh_token_file`: licences are asked for by application and user only", CODES),
    entry((403, "90000"), DIRECTORY, Refused, "check that the delegated relationship (GDAP) with this customer is still active", CODES),
    entry((403, "900124"), &[], Forbidden, "a global administrator of the partner tenant has to accept the Microsoft Partner Agreement", CODES),
    entry((403, "900149"), &[], Forbidden, "the partner's program status is not active; see Partner Center's account settings", CODES),
    entry((403, "800039"), &[], Forbidden, "the partner's reseller status is not active; see Partner Center's account settings", CODES),
    // Whom it is about.
    entry((403, "20002"), &[], Refused, "there is no reseller relationship with this customer; ask for one with a relationship request", CODES),
    entry((403, "800073"), &[], Busy, "Microsoft reviews the customer, which takes a few days", CODES),
    entry((403, "800074"), &[], Busy, "Microsoft reviews the customer, which takes a few days", CODES),
    entry((403, "800075"), &[], Refused, "Microsoft has not approved the customer; correct its account, or ask Microsoft's support", CODES),
    entry((403, "900416"), &[], Refused, "Microsoft has locked the customer's account for transactions; ask its support", CODES),
    // Versions.
    entry((400, "2055"), &[], Stale, "", CODES),
    entry((417, "800036"), &[], Stale, "", HEADERS),
    // Customers.
    entry((400, "3000"), PROFILES, Refused, "a cell has a value that Partner Center does not accept in this country", CODES),
    entry((400, "600002"), &[], Refused, "leave `registration_number` empty: Partner Center takes none in this country", CREATE_CUSTOMER),
    entry((400, "600049"), &[], Refused, "fill in `registration_number`", CREATE_CUSTOMER),
    entry((400, "600050"), &[], Refused, "correct `registration_number`", CREATE_CUSTOMER),
    entry((400, "600051"), &[], Refused, "fill in `phone`", CREATE_CUSTOMER),
    entry((403, "600006"), &[], Refused, "Partner Center gives no reason; creating the customer in its portal may show one", SAMPLES),
    entry((400, "800018"), &[], Refused, "an integration sandbox holds 75 customers with 5 subscriptions of 25 seats each; delete some", SANDBOX),
    entry((404, "3000"), RELATIONSHIP, Refused, "the relationship has ended already", POWERSHELL),
    entry((400, "unknown"), RELATIONSHIP, Refused, "cancel in Partner Center what it names, and hand the row in again", POWERSHELL),
    // Users.
    entry((400, "60012"), &[], Refused, "buy seats, or free some with `assign-licenses`", LICENSES),
    // Subscriptions.
    entry((400, "2001"), SUBSCRIPTION, Refused, "activate the subscription first", CODES),
    entry((400, "800091"), &[], Refused, "activate the subscription first", CODES),
    entry((400, "800081"), &[], Refused, "activate the subscription first", CODES),
    entry((400, "800090"), &[], Refused, "seats of a new-commerce subscription are reduced within 7 days of buying them, or when it is renewed", CODES),
    entry((400, "900214"), &[], Refused, "seats can be reduced again when it is renewed", CODES),
    entry((400, "900257"), &[], Refused, "seats can be reduced again when it is renewed", CODES),
    entry((400, "900117"), &[], Refused, "it can be cancelled again when it is renewed; turn its renewal off instead", CODES),
    entry((400, "900213"), &[], Refused, "it can be cancelled again when it is renewed; turn its renewal off instead", CODES),
    entry((403, "900115"), &[], Refused, "suspend the Azure subscriptions under the plan first", CODES),
    entry((409, "27009"), &[], Refused, "activate its parent subscription first", CODES),
    entry((400, "2054"), &[], Refused, "the billing cycle is changed with the order, in Partner Center", CODES),
    entry((409, "800082"), &[], Busy, "", CODES),
    entry((409, "900278"), &[], Busy, "an earlier change of the subscription is not done yet; that may take a day", CODES),
    entry((400, "900280"), &[], Refused, "hand the row in again later", CODES),
    entry((400, "900311"), &[], Refused, "Microsoft's partner support can let it be changed again", CODES),
    // Purchases.
    entry((403, "13605"), &[], Refused, "confirm in Partner Center that the customer has accepted the Microsoft Customer Agreement", CODES),
    entry((404, "20000"), &[], Busy, "an order can be seen some minutes after it was made", CODES),
    entry((404, "400019"), &[], Stale, "", CODES),
    entry((409, "800014"), &[], Busy, "", CODES),
    entry((409, "800060"), &[], Busy, "", CODES),
    entry((409, "800064"), &[], Busy, "", CODES),
    entry((409, "900112"), &[], Busy, "", CODES),
    entry((409, "900113"), &[], Busy, "", CODES),
    entry((409, "900114"), &[], Refused, "", CODES),
    entry((403, "900123"), &[], Refused, "the indirect reseller has to accept the Microsoft Partner Agreement", CONFIRM),
    entry((403, "800069"), &[], Refused, "Microsoft's risk check stopped it; ask its partner support", CODES),
    // Asking again would not make these any better, whatever their status says.
    entry((500, "800031"), &[], Refused, "", CODES),
    entry((500, "800083"), &[], Refused, "", CODES),
    entry((500, "800084"), &[], Refused, "", CODES),
    entry((500, "800087"), &[], Refused, "", CODES),
    // Transfers.
    entry((409, "900101"), NEW_TRANSFER, Refused, "the subscription is part of a transfer that is open; wait for its end, or have it withdrawn", CODES),
    entry((400, "900102"), &[], Refused, "the transfer is over already", CODES),
    entry((409, "900104"), &[], Busy, "", CODES),
    entry((400, "900131"), &[], Refused, "legacy Azure subscriptions change partners through Microsoft's support only", CODES),
    entry((403, "900130"), &[], Refused, "hand the row in again in a few days", CODES),
    entry((400, "900145"), &[], Refused, "cancel the Azure reservations first", CODES),
    entry((400, "900146"), &[], Refused, "leave the products of other publishers out", CODES),
    entry((400, "900400"), &[], Refused, "Partner Center gives no reason; creating the transfer in its portal may show one", TRANSFERS),
];
