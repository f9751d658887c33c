//! The table of operations. Paths are compared without regard to case; `{}` stands for anything. The first that fits
//! counts, so that fixed words come before open places.

use axum::http::Method;

use super::call::Call;
use super::reply::ReplyResult;
use super::{
    address, agreements, audit, billing, countries, create_customer, customers, devices, licenses, orders, roles,
    subscriptions, transfers, users,
};

/// An operation.
pub(super) struct Operation {
    /// What scripts and counters call it.
    pub(super) name: &'static str,
    method: Method,
    /// After `/v1/`.
    pub(super) path: &'static str,
    /// Whether a person has to stand behind the token.
    pub(super) needs_user: bool,
    /// Resource and operation of the audit record it leaves. Operations that leave none change nothing.
    pub(super) leaves: Option<(&'static str, &'static str)>,
    pub(super) run: fn(&mut Call<'_>) -> ReplyResult,
}

type Run = fn(&mut Call<'_>) -> ReplyResult;

const fn read(name: &'static str, path: &'static str, run: Run) -> Operation {
    ask(name, Method::GET, path, run)
}

const fn ask(name: &'static str, method: Method, path: &'static str, run: Run) -> Operation {
    Operation {
        name,
        method,
        path,
        needs_user: false,
        leaves: None,
        run,
    }
}

const fn write(
    name: &'static str,
    method: Method,
    path: &'static str,
    leaves: (&'static str, &'static str),
    run: Run,
) -> Operation {
    Operation {
        name,
        method,
        path,
        needs_user: false,
        leaves: Some(leaves),
        run,
    }
}

impl Operation {
    const fn by_user(mut self) -> Self {
        self.needs_user = true;
        self
    }
}

const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;
const HEAD: Method = Method::HEAD;

#[rustfmt::skip]
static OPERATIONS: &[Operation] = &[
    ask("check-domain-availability", HEAD, "domains/{}", customers::domain),
    ask("validate-address", POST, "validations/address", address::validate),
    read("country-validation-rules", "countryvalidationrules/{}", countries::rules),
    read("agreement-metadata", "agreements", agreements::templates).by_user(),
    read("audit-records", "auditrecords", audit::list),
    read("list-customers", "customers", customers::list),
    write("create-customer", POST, "customers", ("customer", "add_customer"), create_customer::create),
    read("relationship-request-url", "customers/relationshiprequests", customers::relationship_request).by_user(),
    read("get-customer", "customers/{}", customers::get),
    write("update-customer", PATCH, "customers/{}", ("customer", "remove_partner_customer_relationship"), customers::patch).by_user(),
    write("delete-customer", DELETE, "customers/{}", ("customer", "delete_tip_customer"), customers::delete),
    read("get-company-profile", "customers/{}/profiles/company", customers::company_profile).by_user(),
    read("get-billing-profile", "customers/{}/profiles/billing", billing::get),
    write("update-billing-profile", PUT, "customers/{}/profiles/billing", ("customer_billing_profile", "update_customer_billing_profile"), billing::put),
    read("get-organization", "customers/{}/organization", customers::organization),
    read("get-custom-domains", "customers/{}/customdomains", customers::custom_domains),
    write("add-verified-domain", POST, "customers/{}/verifieddomain", ("customer", "add_verified_domain"), customers::add_domain),
    read("account-validation-status", "customers/{}/validationstatus", customers::validation_status).by_user(),
    read("get-qualifications", "customers/{}/qualifications", agreements::qualifications),
    write("update-qualifications", POST, "customers/{}/qualifications", ("customer_qualification", "update_customer_qualification"), agreements::qualify).by_user(),
    read("list-agreements", "customers/{}/agreements", agreements::list).by_user(),
    write("create-agreement", POST, "customers/{}/agreements", ("agreement", "create_agreement"), agreements::create).by_user(),
    read("agreement-direct-sign-status", "customers/{}/directsignedmicrosoftcustomeragreementstatus", agreements::direct_sign).by_user(),
    read("list-users", "customers/{}/users", users::list).by_user(),
    write("create-user", POST, "customers/{}/users", ("customer_user", "create_customer_user"), users::create).by_user(),
    read("get-user", "customers/{}/users/{}", users::get).by_user(),
    write("update-user", PATCH, "customers/{}/users/{}", ("customer_user", "update_customer_user"), users::patch).by_user(),
    write("delete-user", DELETE, "customers/{}/users/{}", ("customer_user", "delete_customer_user"), users::delete).by_user(),
    write("reset-user-password", PATCH, "customers/{}/users/{}/resetpassword", ("customer_user", "reset_customer_user_password"), users::reset_password).by_user(),
    write("update-licenses", POST, "customers/{}/users/{}/licenseupdates", ("license", "update_customer_user_licenses"), licenses::update).by_user(),
    read("get-user-licenses", "customers/{}/users/{}/licenses", licenses::of_user).by_user(),
    read("list-user-roles", "customers/{}/users/{}/directoryroles", roles::of_user).by_user(),
    read("subscribed-skus", "customers/{}/subscribedskus", licenses::subscribed).by_user(),
    read("list-roles", "customers/{}/directoryroles", roles::list).by_user(),
    read("list-role-members", "customers/{}/directoryroles/{}/usermembers", roles::members).by_user(),
    write("add-user-to-role", POST, "customers/{}/directoryroles/{}/usermembers", ("customer_directory_role", "add_user_member"), roles::add).by_user(),
    write("remove-user-from-role", DELETE, "customers/{}/directoryroles/{}/usermembers/{}", ("customer_directory_role", "remove_user_member"), roles::remove).by_user(),
    read("list-subscriptions", "customers/{}/subscriptions", subscriptions::list),
    read("get-subscription", "customers/{}/subscriptions/{}", subscriptions::get),
    write("update-subscription", PATCH, "customers/{}/subscriptions/{}", ("subscription", "update_subscription"), subscriptions::patch),
    read("subscription-provisioning-status", "customers/{}/subscriptions/{}/provisioningstatus", subscriptions::provisioning_status).by_user(),
    read("list-orders", "customers/{}/orders", orders::list),
    write("create-order", POST, "customers/{}/orders", ("order", "create_order"), orders::create),
    read("get-order", "customers/{}/orders/{}", orders::get),
    read("order-provisioning-status", "customers/{}/orders/{}/provisioningstatus", orders::provisioning_status).by_user(),
    write("create-cart", POST, "customers/{}/carts", ("cart", "create_cart"), orders::create_cart),
    write("checkout-cart", POST, "customers/{}/carts/{}/checkout", ("order", "create_order"), orders::checkout),
    read("transfer-eligibility", "customers/{}/transferseligibility", transfers::eligibility),
    read("list-transfers", "customers/{}/transfers", transfers::list),
    write("create-transfer", POST, "customers/{}/transfers", ("transfer", "create_transfer"), transfers::create),
    read("get-transfer", "customers/{}/transfers/{}", transfers::get),
    write("accept-transfer", POST, "customers/{}/transfers/{}/accept", ("transfer", "update_transfer"), transfers::accept),
    write("update-transfer", PATCH, "customers/{}/transfers/{}", ("transfer", "update_transfer"), transfers::patch),
    write("withdraw-transfer", DELETE, "customers/{}/transfers/{}", ("transfer", "update_transfer"), transfers::withdraw),
    write("create-device-batch", POST, "customers/{}/devicebatches", ("device_batch", "create_device_batch"), devices::create).by_user(),
    read("batch-job-status", "customers/{}/batchjobstatus/{}", devices::status),
];

/// Which operation a request asks for.
pub(super) enum RouteMatch {
    Token,
    /// And what stands at its open places.
    Operation(&'static Operation, Vec<String>),
    WrongMethod,
    Nothing,
}

pub(super) fn find(method: &Method, segments: &[String]) -> RouteMatch {
    let Some((version, rest)) = segments.split_first() else {
        return RouteMatch::Nothing;
    };
    if !version.eq_ignore_ascii_case("v1") {
        return RouteMatch::Nothing;
    }
    let mut there = false;
    for operation in OPERATIONS {
        if let Some(places) = places(operation.path, rest) {
            if operation.method == *method {
                return RouteMatch::Operation(operation, places);
            }
            there = true;
        }
    }
    if there {
        RouteMatch::WrongMethod
    } else {
        RouteMatch::Nothing
    }
}

/// Names of all operations.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|operation| operation.name).chain(["token"])
}

fn places(path: &str, segments: &[String]) -> Option<Vec<String>> {
    let words: Vec<&str> = path.split('/').collect();
    if words.len() != segments.len() {
        return None;
    }
    let mut places = Vec::new();
    for (word, segment) in words.into_iter().zip(segments) {
        match word {
            "{}" if segment.is_empty() => return None,
            "{}" => places.push(segment.clone()),
            _ if word.eq_ignore_ascii_case(segment) => {}
            _ => return None,
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: &Method, path: &str) -> &'static str {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        match find(method, &segments) {
            RouteMatch::Operation(operation, _) => operation.name,
            RouteMatch::WrongMethod => "wrong method",
            _ => "nothing",
        }
    }

    #[test]
    fn paths_find_their_operations() {
        assert_eq!(name(&Method::GET, "V1/Customers"), "list-customers");
        assert_eq!(
            name(&Method::GET, "v1/customers/relationshipRequests"),
            "relationship-request-url"
        );
        assert_eq!(name(&Method::GET, "v1/customers/x"), "get-customer");
        assert_eq!(name(&DELETE, "v1/customers"), "wrong method");
        assert_eq!(name(&Method::GET, "v1//customers"), "nothing");
        assert_eq!(name(&Method::GET, "customers"), "nothing");
    }

    #[test]
    fn names_are_unique() {
        let mut all: Vec<&str> = names().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
