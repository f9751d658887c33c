//! Rows of `switch-subscription`, good and bad.

use super::*;
use crate::told::told;

const ID: &str = "4f1c62c2-6e59-4d6a-9f0e-2a6d5b7c1101";
const PARTNER: &str = "7d0c1c0e-4f0b-4f63-8f0a-0a5a4d2e9001";

fn check(direction: &str, flow: &str, action: &str, expected: &[&str]) {
    let cells = ["A-1", ID, direction, PARTNER, "Wisła", "a@alpha.example", flow, action];
    assert_eq!(told(&SwitchSubscription, &cells), expected, "{cells:?}");
}

#[test]
fn who_asks_and_who_answers_is_a_matter_of_the_flow() {
    let refused: &[&str] = &["transfer-not-allowed action"];
    for flow in ["azure-plan", "new-commerce"] {
        check("in", flow, "", &[]);
        check("in", flow, "cancel", &[]);
        check("in", flow, "accept", refused);
        check("out", flow, "accept", &[]);
        check("out", flow, "reject", &[]);
        check("out", flow, "request", refused);
    }
    check("out", "direct-to-indirect", "request", &[]);
    check("in", "direct-to-indirect", "accept", &[]);
    check("in", "direct-to-indirect", "request", refused);
    check("out", "legacy-azure", "request", &[]);
    check("out", "legacy-azure", "accept", refused);
}

#[test]
fn a_request_says_with_whom() {
    let told = |partner: &str, name: &str, email: &str, flow: &str| {
        told(&SwitchSubscription, &["A-1", ID, "in", partner, name, email, flow, ""])
    };
    assert_eq!(
        told("", "", "", "azure-plan"),
        [
            "required partner_tenant_id",
            "required partner_name",
            "required customer_email"
        ]
    );
    assert_eq!(told(PARTNER, "", "", "legacy-azure"), ["required partner_name"]);
    assert_eq!(
        told("1234567890123456", "W", "nobody", "azure-plan"),
        ["invalid partner_tenant_id", "invalid customer_email"]
    );
    assert_eq!(told(PARTNER, "W", "a@b.example", "azure"), ["unknown-choice flow"]);
}
