//! Directory roles of new users.

use super::case::{Case, PLAIN, check_all};
use super::{Store, on_every_store};

pub(super) const CASES: &[Case] = &[
    Case {
        what: "by their names of today and of before",
        kind: "bulk-add-users",
        rows: "\
customer,user_principal_name,first_name,last_name,usage_location,licenses,roles
{a},three@{a},Three,Tre,GB,,Company Administrator;global reader
{a},four@{a},Four,Quattro,GB,,Globl Reader
{a},one@{a},One,Uno,GB,SPB,User Administrator
{a},five@{a},Five,Cinque,GB,,
",
        ends: &["applied", "unknown-role roles: `Globl Reader`", "unchanged", "applied"],
        changes: &[
            "+ user five@{a}: Five Cinque, Five Cinque, GB, , ",
            "+ user three@{a}: Three Tre, Three Tre, GB, , Global Administrator;Global Reader",
        ],
        remains: &["+ deleted five@{a}: Five Cinque", "+ deleted three@{a}: Three Tre"],
        ..PLAIN
    },
    Case {
        what: "a user who is there with other roles",
        kind: "bulk-add-users",
        rows: "\
customer,user_principal_name,first_name,last_name,usage_location,licenses,roles
{a},one@{a},One,Uno,GB,SPB,Global Reader
",
        ends: &["user-exists user_principal_name: `one@{a}`"],
        ..PLAIN
    },
    Case {
        what: "a user who is there with more roles and licences",
        kind: "bulk-add-users",
        rows: "customer,user_principal_name,first_name,last_name,usage_location\n{a},one@{a},One,Uno,GB\n",
        ends: &["unchanged"],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);
