//! Deleted users that come back.

use super::case::{But, Case, PLAIN, SAME, check_all};
use super::{Store, on_every_store};

pub(super) const CASES: &[Case] = &[
    Case {
        what: "users",
        kind: "restore-users",
        rows: "\
customer,user_principal_name
{a},gone@{a}
{a},one@{a}
{a},nobody@{a}
nobody.example,x@{a}
{a},GONE@{a}
",
        ends: &[
            "applied",
            "unchanged",
            "unknown-user user_principal_name: `nobody@{a}`",
            "unknown-customer customer: `nobody.example`",
            "duplicate-in-file user_principal_name: `GONE@{a}`",
        ],
        changes: &[
            "- deleted gone@{a}: Gone Via",
            "+ user gone@{a}: Gone Via, Gone Via, GB, , ",
        ],
        ..PLAIN
    },
    Case {
        what: "a user with licences and roles",
        kind: "restore-users",
        given: &[("delete-users", "customer,user_principal_name\n{a},one@{a}\n")],
        rows: "customer,user_principal_name\n{a},one@{a}\n",
        ends: &["applied"],
        changes: &[
            "- deleted one@{a}: One Uno",
            "- seats {a}: SPB 0 of 3",
            "+ seats {a}: SPB 1 of 3",
            "+ user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
        ],
        // Licences do not come back with it.
        but: &[But {
            changes: Some(&[
                "- deleted one@{a}: One Uno",
                "+ user one@{a}: One Uno, One Uno, GB, , User Administrator",
            ]),
            ..SAME
        }],
        ..PLAIN
    },
    Case {
        what: "a user whose name has passed to another one",
        kind: "restore-users",
        given: &[(
            "bulk-add-users",
            "customer,user_principal_name,first_name\n{a},gone@{a},New\n",
        )],
        rows: "customer,user_principal_name\n{a},gone@{a}\n",
        ends: &["user-exists user_principal_name: `gone@{a}`"],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);
