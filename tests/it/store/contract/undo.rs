//! What is taken back although somebody has been there since, and what is taken back in part, or twice. That every kind
//! is taken back and done again as its policy says, each case of the other topics shows.

use super::super::under_test::Rows;
use super::case::refuses_the_kind;
use super::{Store, StoreUnderTest, on_every_store};

/// A job, and what somebody else does before it is taken back.
pub(super) struct Edited {
    pub(super) kind: &'static str,
    given: &'static [Rows],
    rows: &'static str,
    edit: Rows,
    /// How the row that would take it back ends.
    end: &'static str,
}

pub(super) const CASES: &[Edited] = &[
    Edited {
        kind: "bulk-add-users",
        given: &[],
        rows: "customer,user_principal_name,first_name\n{a},three@{a},Three\n",
        edit: (
            "update-users",
            "customer,user_principal_name,display_name\n{a},three@{a},Somebody Else\n",
        ),
        end: "edited-since ",
    },
    Edited {
        kind: "update-account",
        given: &[],
        rows: "customer,city\n{a},Leeds\n",
        edit: ("update-account", "customer,city\n{a},York\n"),
        end: "edited-since ",
    },
    Edited {
        kind: "update-users",
        given: &[],
        rows: "customer,user_principal_name,display_name\n{a},one@{a},First\n",
        edit: (
            "update-users",
            "customer,user_principal_name,display_name\n{a},one@{a},Somebody Else\n",
        ),
        end: "edited-since ",
    },
    // The name it had is another user's by now.
    Edited {
        kind: "update-users",
        given: &[],
        rows: "customer,user_principal_name,new_user_principal_name\n{a},one@{a},uno@{a}\n",
        edit: (
            "update-users",
            "customer,user_principal_name,new_user_principal_name\n{a},two@{a},one@{a}\n",
        ),
        end: "edited-since ",
    },
    Edited {
        kind: "assign-licenses",
        given: &[],
        rows: "customer,user_principal_name,usage_location\n{a},one@{a},FR\n",
        edit: (
            "assign-licenses",
            "customer,user_principal_name,usage_location\n{a},one@{a},IT\n",
        ),
        end: "edited-since ",
    },
    Edited {
        kind: "delete-users",
        given: &[],
        rows: "customer,user_principal_name\n{a},one@{a}\n",
        edit: (
            "bulk-add-users",
            "customer,user_principal_name,first_name\n{a},one@{a},New\n",
        ),
        end: "edited-since ",
    },
    Edited {
        kind: "restore-users",
        given: &[],
        rows: "customer,user_principal_name\n{a},gone@{a}\n",
        edit: (
            "assign-licenses",
            "customer,user_principal_name,assign\n{a},gone@{a},SPB\n",
        ),
        end: "edited-since ",
    },
    Edited {
        kind: "suspend-subscription",
        given: &[],
        rows: "customer,subscription_id\n{a},{legacy}\n",
        edit: (
            "suspend-subscription",
            "customer,subscription_id,action\n{a},{legacy},reactivate\n",
        ),
        end: "unchanged",
    },
    Edited {
        kind: "set-seats",
        given: &[],
        rows: "customer,sku,seats\n{a},SPB,9\n",
        edit: ("set-seats", "customer,sku,seats\n{a},SPB,10\n"),
        end: "edited-since ",
    },
    Edited {
        kind: "set-subscriptions",
        given: &[],
        rows: "customer,subscription_id,product,product_type,quantity\n{a},{legacy},Exchange Online,legacy-license,7\n",
        edit: (
            "set-subscriptions",
            "customer,subscription_id,product,product_type,quantity\n{a},{legacy},Exchange Online,legacy-license,8\n",
        ),
        end: "edited-since ",
    },
];

async fn leaves_later_edits(store: Store) {
    let mut wrong = Vec::new();
    for case in CASES {
        let env = StoreUnderTest::new(store).await;
        if !env.takes(case.kind) {
            wrong.extend(refuses_the_kind(&env, case.kind, case.rows).await.err());
            continue;
        }
        for (kind, rows) in case.given {
            env.applies(kind, rows).await;
        }
        let job = env.applies(case.kind, case.rows).await;
        env.applies(case.edit.0, case.edit.1).await;
        let before = env.state().await;
        let undone = env.undo(&job).await.expect("an undo");
        let ends = env.ends(&undone).await;
        let is_kept = env.state().await == before;
        if ends.len() != 1 || !ends[0].starts_with(case.end) || !is_kept {
            wrong.push(format!("{} {}: {ends:?}, kept: {is_kept}", case.kind, case.rows));
        }
    }
    assert!(wrong.is_empty(), "on {store:?}:\n{}", wrong.join("\n"));
}

on_every_store!(leaves_later_edits);

const MOVES: &str = "customer,city\n{a},Leeds\n{b},Bonn\n";

mod in_part {
    use super::*;

    async fn for_fields_without_later_edits(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let job = env.applies("update-account", MOVES).await;
        let edit = env
            .applies(
                "update-account",
                "customer,city,phone\n{a},York,\n{b},,+49 30 1234567\n",
            )
            .await;
        let undone = env.undo(&job).await.expect("an undo");
        let ends = env.ends(&undone).await;
        assert!(ends[0].starts_with("edited-since ") && ends[1] == "applied", "{ends:?}");
        let state = env.state().await;
        assert!(
            state
                .iter()
                .any(|line| line.contains("+49 30 1234567") && line.contains("Berlin")),
            "{state:?}"
        );
        // Without the edit, the rest is taken back too.
        env.undo(&edit).await.expect("an undo");
        let rest = env.undo(&job).await.expect("an undo");
        assert_eq!(env.ends(&rest).await, ["applied", "unchanged"]);
    }

    on_every_store!(for_fields_without_later_edits);
}

mod refused {
    use super::*;
    use crate::place::by;

    async fn before_it_has_ended_and_if_it_did_nothing(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let job = env.queued("update-account", MOVES).await;
        let said = env.undo(&job).await.expect_err("it has not ended").to_string();
        assert!(said.ends_with("is queued; cancel it first, or wait"), "{said}");
        env.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
        let job = env.finish(&job).await;
        assert_eq!(env.ends(&job).await, ["cancelled", "cancelled"]);
        let job = env.apply("update-account", "customer,city\n{a},London\n").await;
        let said = env.undo(&job).await.expect_err("it changed nothing").to_string();
        assert!(said.ends_with("applied no row, so there is nothing to undo"), "{said}");
    }

    on_every_store!(before_it_has_ended_and_if_it_did_nothing);
}
