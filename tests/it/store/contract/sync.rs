//! What a store holds, copied into the ledger's own database.

use super::case::{Case, PLAIN, check_all};
use super::{Store, StoreUnderTest, on_every_store};

pub(super) const CASES: &[Case] = &[
    Case {
        what: "customers, and what belongs to them",
        kind: "sync-customers",
        rows: "\
from,customer,what
{from},{a},
nowhere,{a},
{from},nobody.example,
{from},{b},customers
",
        ends: &[
            "applied",
            "unknown-store from: `nowhere`",
            "unknown-customer customer: `nobody.example`",
            "applied",
        ],
        changes: &[
            "+ customer {a}: Alpha Ltd, Ada Lovelace, ada@alpha.example, , 1 High Street, , N1 9GU London GB, reseller",
            "+ customer {b}: Beta GmbH, Bea Berg, bea@beta.example, , Ring 2, , 10115 Berlin DE, reseller",
            "+ seats {a}: SPB 1 of 3",
            "+ subscription {azure}: {a}, 1, active",
            "+ subscription {legacy}: {a}, 5, active",
            "+ subscription {nce}: {a}, 3, active",
            "+ user one@{a}: One Uno, One Uno, GB, SPB, User Administrator",
            "+ user two@{a}: Two Due, Two Due, , , ",
        ],
        ..PLAIN
    },
    Case {
        what: "what was copied before",
        kind: "sync-customers",
        given: &[("sync-customers", "from\n{from}\n")],
        rows: "from,full\n{from},yes\n",
        ends: &["unchanged"],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);

mod changed {
    use super::*;

    async fn is_copied_again(store: Store) {
        let copy = StoreUnderTest::new(store).await.copied().await;
        copy.applies("sync-customers", "from\n{from}\n").await;
        let there = copy.original();
        let jobs = [
            ("update-account", "customer,city\n{a},Leeds\n"),
            ("delete-users", "customer,user_principal_name\n{a},two@{a}\n"),
            (
                "bulk-add-users",
                "customer,user_principal_name,first_name,usage_location,licenses\n{a},three@{a},Three,GB,SPB\n",
            ),
            ("suspend-subscription", "customer,subscription_id\n{a},{legacy}\n"),
        ];
        for (kind, rows) in jobs {
            there.applies(kind, rows).await;
        }
        let job = copy.applies("sync-customers", "from\n{from}\n").await;
        let said = copy.message(&job, 1).await;
        for part in [
            "customers: 1 changed",
            "users: 1 new, 1 missing",
            "subscriptions: 1 changed",
        ] {
            assert!(said.contains(part), "{said}");
        }
        // Who is gone there is only marked here.
        let is_kept = |line: &String| !line.starts_with("deleted ") && !line.starts_with("user two@");
        let [here, there] = [copy.state().await, there.state().await].map(|lines| {
            let kept: Vec<String> = lines.into_iter().filter(is_kept).collect();
            kept
        });
        assert_eq!(here, there);
    }

    on_every_store!(is_copied_again);
}
