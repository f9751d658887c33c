//! The operations, one a line.

use axum::http::Method;

use super::{Operation, ask, quiet, read, write};
use crate::{
    address, agreements, audit, billing, carts, countries, create_customer, customers, devices, licenses, orders,
    roles, subscriptions, transfers, usage, users,
};

const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;
const HEAD: Method = Method::HEAD;

#[rustfmt::skip]
pub(super) static OPERATIONS: &[Operation] = &[
    ask("check-domain-availability", HEAD, "domains/{}", customers::domain),
    ask("validate-address", POST, "validations/address", address::validate),
    read("country-validation-rules", "countryvalidationrules/{}", countries::rules),
    read("agreement-metadata", "agreements", agreements::templates).by_user(),
    read("audit-records", "auditrecords", audit::list),
    read("list-customers", "customers", customers::list),
    write("create-customer", POST, "customers", ("customer", "add_customer"), create_customer::create),
    read("relationship-request-url", "customers/relationshiprequests", customers::relationship_request).by_user(),
    read("customer-usage-records", "customers/usagerecords", usage::of_customers).by_user(),
    read("get-customer", "customers/{}", customers::get),
    write("update-customer", PATCH, "customers/{}", ("customer", "remove_partner_customer_relationship"), customers::patch).by_user(),
    write("delete-customer", DELETE, "customers/{}", ("customer", "delete_tip_customer"), customers::delete),
    read("get-company-profile", "customers/{}/profiles/company", customers::company_profile).by_user(),
    read("get-billing-profile", "customers/{}/profiles/billing", billing::get),
    write("update-billing-profile", PUT, "customers/{}/profiles/billing", ("customer", "update_customer_billing_profile"), billing::put),
    read("get-organization", "customers/{}/organization", customers::organization),
    read("get-custom-domains", "customers/{}/customdomains", customers::custom_domains),
    quiet("add-verified-domain", POST, "customers/{}/verifieddomain", customers::add_domain),
    read("account-validation-status", "customers/{}/validationstatus", customers::validation_status).by_user(),
    read("get-qualifications", "customers/{}/qualifications", agreements::qualifications),
    write("update-qualifications", POST, "customers/{}/qualifications", ("customer", "update_customer_qualification"), agreements::qualify).by_user(),
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
    read("subscription-usage-records", "customers/{}/subscriptions/usagerecords", usage::of_subscriptions).by_user(),
    read("get-subscription", "customers/{}/subscriptions/{}", subscriptions::get),
    write("update-subscription", PATCH, "customers/{}/subscriptions/{}", ("subscription", "update_subscription"), subscriptions::patch),
    read("subscription-provisioning-status", "customers/{}/subscriptions/{}/provisioningstatus", subscriptions::provisioning_status).by_user(),
    read("list-orders", "customers/{}/orders", orders::list),
    write("create-order", POST, "customers/{}/orders", ("order", "create_order"), orders::create),
    read("get-order", "customers/{}/orders/{}", orders::get),
    write("update-order", PATCH, "customers/{}/orders/{}", ("order", "update_order"), orders::patch),
    read("order-provisioning-status", "customers/{}/orders/{}/provisioningstatus", orders::provisioning_status).by_user(),
    quiet("create-cart", POST, "customers/{}/carts", carts::create),
    read("get-cart", "customers/{}/carts/{}", carts::get),
    quiet("update-cart", PUT, "customers/{}/carts/{}", carts::put),
    write("checkout-cart", POST, "customers/{}/carts/{}/checkout", ("order", "create_order"), carts::checkout),
    read("transfer-eligibility", "customers/{}/transferseligibility", transfers::eligibility),
    read("list-transfers", "customers/{}/transfers", transfers::list),
    write("create-transfer", POST, "customers/{}/transfers", ("transfer", "create_transfer"), transfers::create),
    read("get-transfer", "customers/{}/transfers/{}", transfers::get),
    write("accept-transfer", POST, "customers/{}/transfers/{}/accept", ("transfer", "update_transfer"), transfers::accept),
    write("update-transfer", PATCH, "customers/{}/transfers/{}", ("transfer", "update_transfer"), transfers::patch),
    write("withdraw-transfer", DELETE, "customers/{}/transfers/{}", ("transfer", "update_transfer"), transfers::withdraw),
    write("create-device-batch", POST, "customers/{}/devicebatches", ("device", "devices_upload_to_new_batch_attempted"), devices::create).by_user(),
    read("batch-job-status", "customers/{}/batchjobstatus/{}", devices::status),
];
