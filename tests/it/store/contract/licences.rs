//! Licences of users, and the seats there are.

use super::case::{But, Case, PLAIN, SAME, check_all};
use super::{Store, on_every_store};

pub(super) const CASES: &[Case] = &[
    Case {
        what: "given",
        kind: "assign-licenses",
        given: &[(
            "bulk-add-users",
            "customer,user_principal_name\n{a},three@{a}\n{a},four@{a}\n",
        )],
        rows: "\
customer,user_principal_name,assign,remove,usage_location
{a},two@{a},SPB,,GB
{a},one@{a},SPB,,
{a},three@{a},SPB,,
{a},four@{a},NO_SUCH,,GB
{a},nobody@{a},SPB,,GB
{a},gone@{a},SPB,,
{a},TWO@{a},SPB,,GB
",
        ends: &[
            "applied",
            "unchanged",
            "usage-location-required usage_location: ",
            "unknown-sku assign: `NO_SUCH`",
            "unknown-user user_principal_name: `nobody@{a}`",
            "user-deleted user_principal_name: `gone@{a}`",
            "duplicate-in-file user_principal_name: `TWO@{a}`",
        ],
        changes: &[
            "- seats {a}: SPB 1 of 3",
            "- user two@{a}: Two Due, Two Due, , , ",
            "+ seats {a}: SPB 2 of 3",
            "+ user two@{a}: Two Due, Two Due, GB, SPB, ",
        ],
        // There is no way back to a user without a location.
        but: &[But {
            remains: Some(&[
                "- user two@{a}: Two Due, Two Due, , , ",
                "+ user two@{a}: Two Due, Two Due, GB, , ",
            ]),
            ..SAME
        }],
        ..PLAIN
    },
    Case {
        what: "taken",
        kind: "assign-licenses",
        given: &[(
            "bulk-add-users",
            "customer,user_principal_name,usage_location,licenses\n{a},three@{a},GB,SPB\n",
        )],
        rows: "\
customer,user_principal_name,remove
{a},one@{a},<all>
{a},three@{a},SPB
{a},two@{a},<all>
",
        ends: &["applied", "applied", "unchanged"],
        changes: &[
            "- seats {a}: SPB 2 of 3",
            "- user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
            "- user three@{a}: three,  , GB, SPB, ",
            "+ seats {a}: SPB 0 of 3",
            "+ user one@{a}: One Uno, One Uno, GB, , User Administrator",
            "+ user three@{a}: three,  , GB, , ",
        ],
        ..PLAIN
    },
    Case {
        what: "given while there are seats",
        kind: "assign-licenses",
        given: &[(
            "bulk-add-users",
            "customer,user_principal_name,usage_location,licenses\n\
            {a},three@{a},GB,SPB\n{a},four@{a},GB,\n{a},five@{a},GB,\n",
        )],
        rows: "customer,user_principal_name,assign\n{a},four@{a},SPB\n{a},five@{a},SPB\n",
        ends: &["applied", "no-free-seats assign: `SPB`"],
        changes: &[
            "- seats {a}: SPB 2 of 3",
            "- user four@{a}: four,  , GB, , ",
            "+ seats {a}: SPB 3 of 3",
            "+ user four@{a}: four,  , GB, SPB, ",
        ],
        ..PLAIN
    },
    Case {
        what: "a seat that one row gives back to another one's user",
        kind: "assign-licenses",
        given: &[(
            "bulk-add-users",
            "customer,user_principal_name,usage_location,licenses\n\
            {a},three@{a},GB,SPB\n{a},four@{a},GB,SPB\n{a},five@{a},GB,\n",
        )],
        rows: "customer,user_principal_name,assign,remove\n{a},one@{a},,SPB\n",
        ends: &["applied"],
        changes: &[
            "- seats {a}: SPB 3 of 3",
            "- user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
            "+ seats {a}: SPB 2 of 3",
            "+ user one@{a}: One Uno, One Uno, GB, , User Administrator",
        ],
        ..PLAIN
    },
    Case {
        what: "seats",
        kind: "set-seats",
        rows: "customer,sku,seats\n{a},SPB,9\n{a},SPB,8\n{b},EXCHANGEDESKLESS,2\nnobody.example,SPB,1\n",
        ends: &[
            "applied",
            "duplicate-in-file sku: `SPB`",
            "applied",
            "unknown-customer customer: `nobody.example`",
        ],
        changes: &[
            "- seats {a}: SPB 1 of 3",
            "+ seats {a}: SPB 1 of 9",
            "+ seats {b}: EXCHANGEDESKLESS 0 of 2",
        ],
        ..PLAIN
    },
    Case {
        what: "seats that are in use, or so already",
        kind: "set-seats",
        given: &[("set-seats", "customer,sku,seats\n{b},SPB,2\n")],
        rows: "customer,sku,seats\n{a},SPB,0\n{b},SPB,2\n",
        ends: &["seats-in-use seats: `0`", "unchanged"],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);
