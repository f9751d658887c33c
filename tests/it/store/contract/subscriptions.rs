//! Subscriptions that are suspended and reactivated, and what is recorded of them.

use super::case::{But, Case, PLAIN, SAME, check_all};
use super::{Store, on_every_store};

pub(super) const CASES: &[Case] = &[
    Case {
        what: "suspended",
        kind: "suspend-subscription",
        rows: "\
customer,subscription_id,action
{a},{legacy},
{a},{nobody},
nobody.example,{nce},
{a},{nce},reactivate
{a},{legacy},reactivate
",
        ends: &[
            "applied",
            "unknown-subscription subscription_id: `{nobody}`",
            "unknown-customer customer: `nobody.example`",
            "unchanged",
            "duplicate-in-file subscription_id: `{legacy}`",
        ],
        changes: &[
            "- subscription {legacy}: {a}, 5, active",
            "+ subscription {legacy}: {a}, 5, suspended",
        ],
        ..PLAIN
    },
    Case {
        what: "reactivated",
        kind: "suspend-subscription",
        given: &[("suspend-subscription", "customer,subscription_id\n{a},{legacy}\n")],
        rows: "customer,subscription_id,action\n{a},{legacy},reactivate\n",
        ends: &["applied"],
        changes: &[
            "- subscription {legacy}: {a}, 5, suspended",
            "+ subscription {legacy}: {a}, 5, active",
        ],
        ..PLAIN
    },
    Case {
        what: "another customer's",
        kind: "suspend-subscription",
        rows: "customer,subscription_id\n{b},{legacy}\n",
        ends: &["foreign-subscription subscription_id: `{legacy}`"],
        but: &[But {
            ends: Some(&["unknown-subscription subscription_id: `{legacy}`"]),
            ..SAME
        }],
        ..PLAIN
    },
    Case {
        what: "recorded",
        kind: "set-subscriptions",
        rows: "\
customer,subscription_id,product,product_type,quantity,status
{a},{legacy},Exchange Online,legacy-license,7,active
{b},{legacy-b},Exchange Online,legacy-license,5,active
{b},7a7a7a7a-0000-4000-8000-000000000009,Visio,legacy-license,2,suspended
{b},{nce},Visio,legacy-license,2,active
nobody.example,{nobody},Visio,legacy-license,2,active
",
        ends: &[
            "applied",
            "unchanged",
            "applied",
            "foreign-subscription subscription_id: `{nce}`",
            "unknown-customer customer: `nobody.example`",
        ],
        changes: &[
            "- subscription {legacy}: {a}, 5, active",
            "+ subscription 7a7a7a7a-0000-4000-8000-000000000009: {b}, 2, suspended",
            "+ subscription {legacy}: {a}, 7, active",
        ],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);
