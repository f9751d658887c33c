//! Subscriptions that pass from one partner to another: asked for, answered and withdrawn.

use super::case::{Again, But, Case, PLAIN, SAME, check_all, refuses_the_kind};
use super::{Store, StoreUnderTest, on_every_store};
use crate::place::by;

const GIVE: &str = "\
customer,subscription_id,direction,partner_tenant_id,partner_name,flow
{a},{legacy},out,{other},Other GmbH,direct-to-indirect
";
const TAKE: &str = "\
customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow
{a},{theirs},in,{other},Other GmbH,it@alpha.example,new-commerce
";

fn answer(action: &str) -> String {
    format!(
        "customer,subscription_id,direction,partner_tenant_id,flow,action\n\
         {{a}},{{nce}},out,{{other}},new-commerce,{action}\n"
    )
}

pub(super) const CASES: &[Case] = &[
    Case {
        what: "what cannot be asked for or answered",
        kind: "switch-subscription",
        rows: "\
customer,subscription_id,direction,partner_tenant_id,partner_name,flow,action
{a},{nce},out,{other},Other GmbH,direct-to-indirect,
{a},{nobody},out,{other},Other GmbH,direct-to-indirect,
nobody.example,{legacy},out,{other},Other GmbH,direct-to-indirect,
{a},{legacy},out,{other},Other GmbH,new-commerce,accept
",
        ends: &[
            "not-eligible subscription_id: `{nce}`",
            "unknown-subscription subscription_id: `{nobody}`",
            "unknown-customer customer: `nobody.example`",
            "no-transfer subscription_id: `{legacy}`",
        ],
        ..PLAIN
    },
    Case {
        what: "asked for on paper, and what is ours already",
        kind: "switch-subscription",
        rows: "\
customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow
{a},{azure},out,{other},Other GmbH,,legacy-azure
{a},{nce},in,{other},Other GmbH,it@alpha.example,new-commerce
",
        ends: &["applied", "unchanged"],
        back: Some("irreversible"),
        // Nobody there knows of a form that was filled in.
        but: &[But {
            again: Some(Again::Same),
            back: Some("unchanged"),
            ..SAME
        }],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);

/// A store that takes part in transfers; nothing for one that refuses them.
async fn taking_transfers(store: Store) -> Option<StoreUnderTest> {
    let env = StoreUnderTest::new(store).await;
    if env.takes("switch-subscription") {
        return Some(env);
    }
    let refused = refuses_the_kind(&env, "switch-subscription", GIVE).await;
    refused.expect("a refusal by name");
    None
}

mod given {
    use super::*;

    async fn when_the_other_accepts(store: Store) {
        let Some(mut env) = taking_transfers(store).await else {
            return;
        };
        let before = env.state().await;
        let job = env.apply("switch-subscription", GIVE).await;
        assert_eq!((job.state.is_final(), job.waiting), (false, 1));
        assert_eq!(env.state().await, before, "nothing is given before there is an answer");
        // Who asks again asks for the same, and nobody else does anything with it meanwhile.
        let again = GIVE.replace("Other GmbH", "The Other GmbH");
        let again = env.apply("switch-subscription", &again).await;
        assert_eq!(env.ends(&again).await, ["unchanged"]);
        let suspended = env
            .apply("suspend-subscription", "customer,subscription_id\n{a},{legacy}\n")
            .await;
        let ends = env.ends(&suspended).await;
        assert!(
            ends[0].starts_with("transfer-open subscription_id: `{legacy}`"),
            "{ends:?}"
        );
        env.they_answer("{legacy}", true).await;
        let job = env.finish(&job).await;
        assert_eq!(env.ends(&job).await, ["applied"]);
        let active = "subscription {legacy}: {a}, 5, active";
        assert!(!env.state().await.iter().any(|line| line == active), "it is theirs now");
        let undone = env.undo(&job).await.expect("an undo");
        let ends = env.ends(&undone).await;
        assert!(ends[0].starts_with("irreversible "), "{ends:?}");
    }

    on_every_store!(when_the_other_accepts);
}

mod kept {
    use super::*;

    async fn when_the_other_declines(store: Store) {
        let Some(mut env) = taking_transfers(store).await else {
            return;
        };
        let before = env.state().await;
        let job = env.apply("switch-subscription", GIVE).await;
        env.they_answer("{legacy}", false).await;
        let job = env.finish(&job).await;
        let ends = env.ends(&job).await;
        assert!(
            ends.len() == 1 && ends[0].starts_with("transfer-closed subscription_id: `{legacy}`"),
            "{ends:?}"
        );
        assert_eq!(env.state().await, before);
    }

    on_every_store!(when_the_other_declines);
}

mod withdrawn {
    use super::*;

    async fn by_a_row(store: Store) {
        let Some(env) = taking_transfers(store).await else {
            return;
        };
        let job = env.apply("switch-subscription", GIVE).await;
        let withdrawal = GIVE
            .replace("flow\n", "flow,action\n")
            .replace("indirect\n", "indirect,cancel\n");
        env.applies("switch-subscription", &withdrawal).await;
        let job = env.finish(&job).await;
        let ends = env.ends(&job).await;
        assert!(ends[0].starts_with("transfer-closed "), "{ends:?}");
        // It can be asked for again.
        let job = env.apply("switch-subscription", &GIVE.replace("GmbH", "AG")).await;
        assert_eq!(job.waiting, 1);
    }

    on_every_store!(by_a_row);

    mod by_an_undo {
        use super::*;

        async fn of_a_job_that_waits_no_longer(store: Store) {
            let Some(env) = taking_transfers(store).await else {
                return;
            };
            let job = env.apply("switch-subscription", GIVE).await;
            let tester = by("tester");
            let asked = tenantry_store::sql::cancelling::cancel(&env.ledger, job.seq, &tester);
            asked.await.expect("asked");
            let job = env.finish(&job).await;
            assert_eq!(job.state.as_str(), "cancelled");
            match env.undo(&job).await {
                Ok(undone) => assert_eq!(env.ends(&undone).await, ["applied"]),
                // In a database the request is withdrawn with the job.
                Err(error) => {
                    let is_sql = matches!(store, Store::Sqlite | Store::Postgres);
                    assert!(
                        is_sql && error.to_string().ends_with("there is nothing to undo"),
                        "{error}"
                    );
                }
            }
            let job = env.apply("switch-subscription", &GIVE.replace("GmbH", "AG")).await;
            assert_eq!(job.waiting, 1, "nothing is open");
        }

        on_every_store!(of_a_job_that_waits_no_longer);
    }
}

mod taken {
    use super::*;

    async fn when_the_other_gives_it(store: Store) {
        let Some(mut env) = taking_transfers(store).await else {
            return;
        };
        env.they_sell().await;
        let job = env.apply("switch-subscription", TAKE).await;
        assert_eq!((job.state.is_final(), job.waiting), (false, 1));
        env.they_answer("{theirs}", true).await;
        let job = env.finish(&job).await;
        assert_eq!(env.ends(&job).await, ["applied"]);
        let again = TAKE.replace("it@", "me@");
        let again = env.apply("switch-subscription", &again).await;
        assert_eq!(env.ends(&again).await, ["unchanged"]);
    }

    on_every_store!(when_the_other_gives_it);
}

mod answered {
    use super::*;

    async fn by_us(store: Store) {
        let Some(mut env) = taking_transfers(store).await else {
            return;
        };
        env.they_ask_for("{nce}").await;
        let before = env.state().await;
        env.applies("switch-subscription", &answer("reject")).await;
        assert_eq!(env.state().await, before);
        let late = env.apply("switch-subscription", &answer("accept")).await;
        let ends = env.ends(&late).await;
        assert!(
            ends[0].starts_with("transfer-closed subscription_id: `{nce}`"),
            "{ends:?}"
        );
        env.they_ask_for("{nce}").await;
        let accepted = env.applies("switch-subscription", &answer("accept")).await;
        let active = "subscription {nce}: {a}, 3, active";
        assert!(!env.state().await.iter().any(|line| line == active), "it is theirs now");
        let undone = env.undo(&accepted).await.expect("an undo");
        let ends = env.ends(&undone).await;
        assert!(ends[0].starts_with("irreversible "), "{ends:?}");
    }

    on_every_store!(by_us);
}
