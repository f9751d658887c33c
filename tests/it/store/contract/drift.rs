//! What changes between a plan and its application: rows that are no longer as planned are refused, the others are
//! carried out.

use super::super::under_test::Rows;
use super::case::refuses_the_kind;
use super::{Store, StoreUnderTest, on_every_store};

/// Two rows of a kind, of which what is done meanwhile concerns the first.
pub(super) struct Drifting {
    pub(super) kind: &'static str,
    given: &'static [Rows],
    rows: &'static str,
    meanwhile: Rows,
    /// How the second row ends.
    end: &'static str,
}

pub(super) const CASES: &[Drifting] = &[
    Drifting {
        kind: "add-customer",
        given: &[],
        rows: "\
domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country
gamma,Gamma Ltd,Gil,Grey,gil@gamma.example,3 Lane,Leeds,LS1 4DY,GB
delta,Delta Ltd,Dot,Drew,dot@delta.example,4 Lane,Leeds,LS1 4DY,GB
",
        meanwhile: (
            "add-customer",
            "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country\n\
            gamma,Gamma Ltd,Gil,Grey,gil@gamma.example,3 Lane,Leeds,LS1 4DY,GB\n",
        ),
        end: "applied",
    },
    Drifting {
        kind: "bulk-add-users",
        given: &[],
        rows: "customer,user_principal_name,first_name\n{a},three@{a},Three\n{a},four@{a},Four\n",
        meanwhile: (
            "bulk-add-users",
            "customer,user_principal_name,first_name\n{a},three@{a},Three\n",
        ),
        end: "applied",
    },
    Drifting {
        kind: "update-account",
        given: &[],
        rows: "customer,city\n{a},Leeds\n{b},Bonn\n",
        meanwhile: ("update-account", "customer,city\n{a},York\n"),
        end: "applied",
    },
    Drifting {
        kind: "update-users",
        given: &[],
        rows: "customer,user_principal_name,display_name\n{a},one@{a},First\n{a},two@{a},Second\n",
        meanwhile: (
            "update-users",
            "customer,user_principal_name,display_name\n{a},one@{a},Somebody Else\n",
        ),
        end: "applied",
    },
    Drifting {
        kind: "assign-licenses",
        given: &[(
            "assign-licenses",
            "customer,user_principal_name,usage_location\n{a},two@{a},GB\n",
        )],
        rows: "customer,user_principal_name,assign,remove\n{a},one@{a},,SPB\n{a},two@{a},SPB,\n",
        meanwhile: (
            "assign-licenses",
            "customer,user_principal_name,remove\n{a},one@{a},<all>\n",
        ),
        end: "applied",
    },
    Drifting {
        kind: "delete-users",
        given: &[],
        rows: "customer,user_principal_name\n{a},one@{a}\n{a},two@{a}\n",
        // Another user has the name by now.
        meanwhile: (
            "update-users",
            "customer,user_principal_name,display_name\n{a},one@{a},Somebody Else\n",
        ),
        end: "applied",
    },
    Drifting {
        kind: "restore-users",
        given: &[("delete-users", "customer,user_principal_name\n{a},two@{a}\n")],
        rows: "customer,user_principal_name\n{a},gone@{a}\n{a},two@{a}\n",
        meanwhile: ("restore-users", "customer,user_principal_name\n{a},gone@{a}\n"),
        end: "applied",
    },
    Drifting {
        kind: "reset-passwords",
        given: &[],
        rows: "customer,user_principal_name\n{a},one@{a}\n{a},two@{a}\n",
        meanwhile: ("reset-passwords", "customer,user_principal_name\n{a},one@{a}\n"),
        end: "applied",
    },
    Drifting {
        kind: "set-seats",
        given: &[],
        rows: "customer,sku,seats\n{a},SPB,9\n{b},SPB,9\n",
        meanwhile: ("set-seats", "customer,sku,seats\n{a},SPB,8\n"),
        end: "applied",
    },
    Drifting {
        kind: "set-subscriptions",
        given: &[],
        rows: "\
customer,subscription_id,product,product_type,quantity
{a},{legacy},Exchange Online,legacy-license,7
{b},{legacy-b},Exchange Online,legacy-license,7
",
        meanwhile: (
            "set-subscriptions",
            "customer,subscription_id,product,product_type,quantity\n{a},{legacy},Exchange Online,legacy-license,6\n",
        ),
        end: "applied",
    },
    Drifting {
        kind: "suspend-subscription",
        given: &[],
        rows: "customer,subscription_id\n{a},{legacy}\n{b},{legacy-b}\n",
        meanwhile: ("suspend-subscription", "customer,subscription_id\n{a},{legacy}\n"),
        end: "applied",
    },
    Drifting {
        kind: "switch-subscription",
        given: &[],
        rows: "\
customer,subscription_id,direction,partner_tenant_id,partner_name,flow
{a},{legacy},out,{other},Other GmbH,direct-to-indirect
{b},{legacy-b},out,{other},Other GmbH,direct-to-indirect
",
        meanwhile: ("suspend-subscription", "customer,subscription_id\n{a},{legacy}\n"),
        end: "waiting",
    },
    Drifting {
        kind: "remove-relationship",
        given: &[(
            "add-customer",
            "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country\n\
            gamma,Gamma Ltd,Gil,Grey,gil@gamma.example,3 Lane,Leeds,LS1 4DY,GB\n",
        )],
        rows: "customer,suspend_subscriptions\n{b},yes\ngamma.onmicrosoft.com,\n",
        meanwhile: ("suspend-subscription", "customer,subscription_id\n{b},{legacy-b}\n"),
        end: "applied",
    },
];

async fn refuses_rows_that_have_drifted(store: Store) {
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
        let job = env.approved(case.kind, case.rows).await;
        env.applies(case.meanwhile.0, case.meanwhile.1).await;
        let job = env.until_idle(&job).await;
        let ends = env.ends(&job).await;
        let is_right = matches!(ends.as_slice(), [first, second]
            if first.starts_with("drifted the store has changed since the plan; now ") && second == case.end);
        if !is_right {
            wrong.push(format!("{}: {ends:?}", case.kind));
        }
    }
    assert!(wrong.is_empty(), "on {store:?}:\n{}", wrong.join("\n"));
}

on_every_store!(refuses_rows_that_have_drifted);

mod hash {
    use tenantry_ledger::Job;

    use super::*;
    use crate::place::by;

    async fn is_that_of_the_planned_changes(store: Store) {
        const ROWS: &str = "customer,city\n{a},Leeds\n{b},Bonn\n";
        let env = StoreUnderTest::new(store).await;
        let planned = env.approved("update-account", ROWS).await;
        assert!(planned.plan_hash.is_some());
        let forget = async |job: Job| {
            env.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
            job.plan_hash
        };
        let planned = forget(planned).await;
        // Something that the rows do not touch makes no difference; what they touch does.
        env.applies("update-account", "customer,phone\n{a},+44 20 7946 0000\n")
            .await;
        assert_eq!(forget(env.approved("update-account", ROWS).await).await, planned);
        env.applies("update-account", "customer,city\n{a},York\n").await;
        assert_ne!(forget(env.approved("update-account", ROWS).await).await, planned);
    }

    on_every_store!(is_that_of_the_planned_changes);
}
