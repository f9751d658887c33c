//! Users that are deleted, and relationships that end.

use super::case::{Again, But, Case, PLAIN, SAME, check_all};
use super::{Store, on_every_store};

pub(super) const CASES: &[Case] = &[
    Case {
        what: "users",
        kind: "delete-users",
        rows: "\
customer,user_principal_name
{a},ONE@{a}
{a},two@{a}
{a},gone@{a}
{a},nobody@{a}
{b},one@{a}
nobody.example,x@{a}
{a},two@{a}
",
        ends: &[
            "applied",
            "applied",
            "unchanged",
            "unknown-user user_principal_name: `nobody@{a}`",
            "unknown-user user_principal_name: `one@{a}`",
            "unknown-customer customer: `nobody.example`",
            "duplicate-in-file user_principal_name: `two@{a}`",
        ],
        changes: &[
            "- seats {a}: SPB 1 of 3",
            "- user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
            "- user two@{a}: Two Due, Two Due, , , ",
            "+ deleted one@{a}: One Uno",
            "+ deleted two@{a}: Two Due",
            "+ seats {a}: SPB 0 of 3",
        ],
        ..PLAIN
    },
    Case {
        what: "a relationship with a customer who has nothing",
        kind: "remove-relationship",
        given: &[(
            "add-customer",
            "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country\n\
            gamma,Gamma GmbH,Gil,Gast,gil@gamma.example,Ring 3,Berlin,10115,DE\n",
        )],
        rows: "customer\ngamma.onmicrosoft.com\n{b}\nnobody.example\n",
        ends: &[
            "applied",
            "active-subscriptions customer: `{b}`",
            "unknown-customer customer: `nobody.example`",
        ],
        changes: &[
            "- customer gamma.onmicrosoft.com: Gamma GmbH, Gil Gast, gil@gamma.example, , Ring 3, , 10115 Berlin DE, reseller",
            "+ customer gamma.onmicrosoft.com: Gamma GmbH, Gil Gast, gil@gamma.example, , Ring 3, , 10115 Berlin DE, none",
        ],
        // Who has ended a relationship no longer sees the customer.
        but: &[But {
            again: Some(Again::Ends(&[
                "unknown-customer",
                "active-subscriptions",
                "unknown-customer",
            ])),
            ..SAME
        }],
        ..PLAIN
    },
    Case {
        what: "a relationship with subscriptions that are to be suspended",
        kind: "remove-relationship",
        rows: "customer,suspend_subscriptions\n{b},yes\n{a},yes\n",
        ends: &["applied", "not-cancellable customer: `{a}`"],
        changes: &[
            "- customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, , 10115 Berlin DE, reseller",
            "- subscription {legacy-b}: {b}, 5, active",
            "+ customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, , 10115 Berlin DE, none",
            "+ subscription {legacy-b}: {b}, 5, suspended",
        ],
        but: &[But {
            again: Some(Again::Ends(&["unknown-customer", "not-cancellable"])),
            ..SAME
        }],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);
