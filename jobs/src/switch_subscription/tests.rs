//! Rows of `switch-subscription`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const PARTNER: &str = "9d1e6c52-0b7f-4a86-8f3d-2c5b7e904a11";

const GOOD: [(&str, &str); 7] = [
    ("customer", "CRM-7"),
    ("subscription_id", "5b3c1f0a-7d52-4e0b-9c38-1f2a6d4e8b17"),
    ("direction", "in"),
    ("partner_tenant_id", PARTNER),
    ("partner_name", "Matterhorn Cloud GmbH"),
    ("customer_email", "ola@fjordbakeri.example"),
    ("flow", "azure-plan"),
];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&SwitchSubscription, &GOOD, cells, expected);
}

#[test]
fn a_good_row() {
    let row = testing::row_of(&SwitchSubscription, &GOOD, &[]);
    let Change::SwitchSubscription(switch) = testing::change(&SwitchSubscription, &row).unwrap() else {
        panic!("another change");
    };
    assert_eq!((switch.direction, switch.flow), (Direction::In, Flow::AzurePlan));
    assert_eq!(switch.action, TransferAction::Request);
    assert_eq!(switch.partner_tenant_id.unwrap().to_string(), PARTNER);
    assert_eq!(switch.partner_name, "Matterhorn Cloud GmbH");
    assert_eq!(switch.customer_email, "ola@fjordbakeri.example");
    assert!(SwitchSubscription.policy().destructive);
}

#[test]
fn each_step_belongs_to_one_of_the_two() {
    for (flow, asks, answers) in [
        ("azure-plan", "in", "out"),
        ("new-commerce", "in", "out"),
        ("direct-to-indirect", "out", "in"),
    ] {
        for (action, whose) in [
            ("request", asks),
            ("cancel", asks),
            ("accept", answers),
            ("reject", answers),
        ] {
            for direction in [asks, answers] {
                let cells = [("flow", flow), ("direction", direction), ("action", action)];
                let fault = format!("conflicting action {action}");
                let expected = if direction == whose { vec![] } else { vec![&*fault] };
                check(&cells, &expected);
            }
        }
    }
}

#[test]
fn the_legacy_form_is_handed_in_by_the_current_partner() {
    check(&[("flow", "legacy-azure"), ("direction", "out")], &[]);
    check(&[("flow", "legacy-azure")], &["conflicting direction in > out"]);
    for action in ["accept", "reject", "cancel"] {
        let fault = format!("conflicting action {action}");
        check(
            &[("flow", "legacy-azure"), ("direction", "out"), ("action", action)],
            &[&fault],
        );
        check(
            &[("flow", "legacy-azure"), ("action", action)],
            &["conflicting direction in > out", &fault],
        );
    }
}

#[test]
fn a_request_says_all_that_its_flow_wants() {
    let bare = [("partner_tenant_id", ""), ("partner_name", ""), ("customer_email", "")];
    for (flow, direction, expected) in [
        (
            "azure-plan",
            "in",
            &["partner_tenant_id", "partner_name", "customer_email"][..],
        ),
        (
            "new-commerce",
            "in",
            &["partner_tenant_id", "partner_name", "customer_email"],
        ),
        ("direct-to-indirect", "out", &["partner_tenant_id"]),
        ("legacy-azure", "out", &["partner_tenant_id", "partner_name"]),
    ] {
        let expected: Vec<String> = expected.iter().map(|column| format!("required {column} ")).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(
            &[&bare[..], &[("flow", flow), ("direction", direction)]].concat(),
            &expected,
        );
    }
    // An answer refers to a request that has said it.
    check(
        &[&bare[..], &[("direction", "out"), ("action", "accept")]].concat(),
        &[],
    );
    check(&[&bare[..], &[("action", "cancel")]].concat(), &[]);
}

#[test]
fn every_problem_of_a_row_in_column_order() {
    check(
        &[
            ("customer", ""),
            ("subscription_id", ""),
            ("direction", "inn"),
            ("partner_tenant_id", "0123456789abcdef"),
            ("partner_name", "a\0b"),
            ("customer_email", "ola"),
            ("flow", "azureplan"),
            ("action", "acept"),
        ],
        &[
            "required customer ",
            "required subscription_id ",
            "unknown-choice direction inn > in",
            "invalid partner_tenant_id 0123456789abcdef",
            "bad-character partner_name a\0b",
            "invalid customer_email ola",
            "unknown-choice flow azureplan > azure-plan",
            "unknown-choice action acept > accept",
        ],
    );
    check(
        &[("direction", ""), ("flow", "")],
        &["required direction ", "required flow "],
    );
    check(
        &[("customer", PARTNER)],
        &[&format!("conflicting partner_tenant_id {PARTNER}")],
    );
}

#[test]
fn faults_name_the_actions_of_each_partner() {
    let row = testing::row_of(&SwitchSubscription, &GOOD, &[("action", "accept")]);
    let problems = testing::change(&SwitchSubscription, &row).unwrap_err();
    assert_eq!(
        problems[0].expected,
        "`request` or `cancel`, which flow `azure-plan` has in direction `in`: the partner who is to have the subscription \
         requests and cancels, the one who has it accepts or rejects"
    );
    let row = testing::row_of(&SwitchSubscription, &GOOD, &[("subscription_id", "1234567890123456")]);
    let problems = testing::change(&SwitchSubscription, &row).unwrap_err();
    assert!(problems[0].expected.contains("16 digits"));
}
