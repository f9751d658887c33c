//! Customers and users that exist, changed field by field.

use super::case::{Again, But, Case, PLAIN, SAME, check_all};
use super::{Store, on_every_store};

pub(super) const CASES: &[Case] = &[
    Case {
        what: "some fields of a customer",
        kind: "update-account",
        rows: "\
customer,city,phone
{a},Leeds,+44 20 7946 0000
{b},Berlin,
nobody.example,Leeds,
{a},York,
",
        ends: &[
            "applied",
            "unchanged",
            "unknown-customer customer: `nobody.example`",
            "duplicate-in-file customer: `{a}`",
        ],
        changes: &[
            "- customer {a}: Alpha Ltd, Ada Lovelace, ada@alpha.example, , 1 High Street, , N1 9GU London GB, reseller",
            "+ customer {a}: Alpha Ltd, Ada Lovelace, ada@alpha.example, +44 20 7946 0000, 1 High Street, , N1 9GU Leeds GB, reseller",
        ],
        ..PLAIN
    },
    Case {
        what: "every field of a customer that every store keeps",
        kind: "update-account",
        given: &[("update-account", "customer,address_line2\n{b},2. Stock\n")],
        rows: "\
customer,company_name,first_name,last_name,email,phone,address_line1,address_line2,city,postal_code,country
{a},Alpha AG,Ann,Long,ann@alpha.example,+41 33 555 01 10,Seestrasse 41,Stock 2,Interlaken,3800,CH
{b},,,,,,,<clear>,,,
",
        ends: &["applied", "applied"],
        changes: &[
            "- customer {a}: Alpha Ltd, Ada Lovelace, ada@alpha.example, , 1 High Street, , N1 9GU London GB, reseller",
            "- customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, 2. Stock, 10115 Berlin DE, reseller",
            "+ customer {a}: Alpha AG, Ann Long, ann@alpha.example, +41 33 555 01 10, Seestrasse 41, Stock 2, 3800 Interlaken CH, reseller",
            "+ customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, , 10115 Berlin DE, reseller",
        ],
        // The name in lists is the tenant's, which is nobody else's to change.
        but: &[But {
            changes: Some(&[
                "- customer {a}: Alpha Ltd, Ada Lovelace, ada@alpha.example, , 1 High Street, , N1 9GU London GB, reseller",
                "- customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, 2. Stock, 10115 Berlin DE, reseller",
                "+ customer {a}: Alpha Ltd, Ann Long, ann@alpha.example, +41 33 555 01 10, Seestrasse 41, Stock 2, 3800 Interlaken CH, reseller",
                "+ customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, , 10115 Berlin DE, reseller",
            ]),
            ..SAME
        }],
        ..PLAIN
    },
    Case {
        what: "a postal code that the customer's country does not have",
        kind: "update-account",
        rows: "customer,postal_code\n{b},1067\n{a},N1 9GU\n",
        ends: &["invalid postal_code: `1067`", "unchanged"],
        but: &[
            But {
                ends: Some(&[
                    "address-not-verified address_line1: `Ring 2` is not an address that exists; Partner Center's validation says: Invalid property: address.postalCode is no postal code of the country",
                    "unchanged",
                ]),
                ..SAME
            },
            // It knows nothing of countries.
            But {
                on: Store::Memory,
                ends: Some(&["applied", "unchanged"]),
                changes: Some(&[
                    "- customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, , 10115 Berlin DE, reseller",
                    "+ customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, , 1067 Berlin DE, reseller",
                ]),
                ..SAME
            },
        ],
        ..PLAIN
    },
    Case {
        what: "what only some stores keep of a customer",
        kind: "update-account",
        rows: "customer,tags\n{a},vip\n",
        ends: &["applied"],
        but: &[But {
            ends: Some(&["not-kept tags: `vip`"]),
            ..SAME
        }],
        ..PLAIN
    },
    Case {
        what: "nothing to change, and what has to stay",
        kind: "update-account",
        rows: "customer,company_name,phone\n{a},<clear>,\n{b},,\n",
        ends: &["cannot-clear company_name: ", "nothing-to-change "],
        ..PLAIN
    },
    Case {
        what: "users",
        kind: "update-users",
        given: &[(
            "bulk-add-users",
            "customer,user_principal_name,first_name\n{a},three@{a},Three\n{a},four@{a},Four\n",
        )],
        rows: "\
customer,user_principal_name,display_name,last_name,usage_location,new_user_principal_name
{a},one@{a},First,Prima,FR,
{a},nobody@{a},Nobody,,,
{a},three@{a},,,,two@{a}
{a},four@{a},,,,four@{b}
{a},ONE@{a},One,,,
{a},two@{a},Two Due,Due,,
nobody.example,x@{a},X,,,
",
        ends: &[
            "applied",
            "unknown-user user_principal_name: `nobody@{a}`",
            "user-exists new_user_principal_name: `two@{a}`",
            "foreign-domain new_user_principal_name: `four@{b}`",
            "duplicate-in-file user_principal_name: `ONE@{a}`",
            "unchanged",
            "unknown-customer customer: `nobody.example`",
        ],
        changes: &[
            "- user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
            "+ user one@{a}: First, One Prima, FR, SPB, User Administrator",
        ],
        ..PLAIN
    },
    Case {
        what: "a user's name, by which it is known from then on",
        kind: "update-users",
        rows: "customer,user_principal_name,new_user_principal_name\n{a},one@{a},uno@{a}\n",
        ends: &["applied"],
        changes: &[
            "- user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
            "+ user uno@{a}: One Uno, One Uno, GB, SPB, User Administrator",
        ],
        ..PLAIN
    },
    Case {
        what: "a deleted user",
        kind: "update-users",
        rows: "customer,user_principal_name,display_name\n{a},gone@{a},Gone\n",
        ends: &["user-deleted user_principal_name: `gone@{a}`"],
        ..PLAIN
    },
    Case {
        what: "the name of a deleted user",
        kind: "update-users",
        rows: "customer,user_principal_name,new_user_principal_name\n{a},two@{a},gone@{a}\n",
        ends: &["applied"],
        changes: &[
            "- user two@{a}: Two Due, Two Due, , , ",
            "+ user gone@{a}: Two Due, Two Due, , , ",
        ],
        ..PLAIN
    },
    Case {
        what: "names that two users want",
        kind: "update-users",
        rows: "\
customer,user_principal_name,new_user_principal_name
{a},one@{a},new@{a}
{a},two@{a},NEW@{a}
",
        ends: &["applied", "duplicate-in-file new_user_principal_name: `NEW@{a}`"],
        changes: &[
            "- user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
            "+ user new@{a}: One Uno, One Uno, GB, SPB, User Administrator",
        ],
        again: Again::Ends(&["unchanged", "user-exists new_user_principal_name: `NEW@{a}`"]),
        ..PLAIN
    },
    Case {
        what: "what only some stores keep of a user",
        kind: "update-users",
        rows: "customer,user_principal_name,job_title\n{a},one@{a},Baker\n",
        ends: &["applied"],
        but: &[But {
            ends: Some(&["not-kept job_title: `Baker`"]),
            ..SAME
        }],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);
