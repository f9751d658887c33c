//! Passwords: set anew, and handed out to who is to have them.

use tenantry::testing::submit::Submitted;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::passwords::write_key_pair;
use tenantry_ledger::{Job, Parameters};

use super::case::{Case, PLAIN, check_all};
use super::{Store, StoreUnderTest, on_every_store};

pub(super) const CASES: &[Case] = &[Case {
    what: "once a day",
    kind: "reset-passwords",
    given: &[("reset-passwords", "customer,user_principal_name\n{a},one@{a}\n")],
    rows: "\
customer,user_principal_name
{a},two@{a}
{a},one@{a}
{a},nobody@{a}
{a},gone@{a}
nobody.example,x@{a}
{a},TWO@{a}
",
    ends: &[
        "applied",
        "unchanged",
        "unknown-user user_principal_name: `nobody@{a}`",
        "user-deleted user_principal_name: `gone@{a}`",
        "unknown-customer customer: `nobody.example`",
        "duplicate-in-file user_principal_name: `TWO@{a}`",
    ],
    ..PLAIN
}];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);

/// Works rows off whose passwords are sealed; how many accounts are in what was sealed.
async fn sealed(env: &StoreUnderTest, kind: &str, rows: &str) -> (Job, u64) {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let key = write_key_pair(&directory.path().join("key.txt"), &Clock::system()).expect("written");
    let parameters = Parameters {
        skip_invalid: true,
        seal_to: vec![key.to_string()],
        ..Parameters::default()
    };
    let submitted = env.submit_with(kind, rows, parameters, None).await;
    let Ok(Submitted::Queued(id)) = submitted else {
        panic!("{kind} was not queued")
    };
    let job = env.ledger.job(id).await.expect("asked").expect("there");
    let job = env.until_idle(&job).await;
    let mut accounts = 0;
    for part in env.ledger.sealed_parts(&job).await.expect("asked") {
        let sealed = env.ledger.sealed_passwords(&job, part).await.expect("asked");
        accounts += sealed.expect("kept").accounts;
    }
    (job, accounts)
}

mod handed_out {
    use super::*;

    async fn for_rows_that_make_one(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let before = env.passwords().await;
        let (job, accounts) = sealed(
            &env,
            "reset-passwords",
            "customer,user_principal_name\n{a},two@{a}\n{a},nobody@{a}\n",
        )
        .await;
        assert_eq!((job.counts.applied, accounts), (1, 1));
        let after = env.passwords().await;
        let changed: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(
            matches!(changed.as_slice(), [one] if one.starts_with("two@")),
            "{changed:?}"
        );
        let (job, accounts) = sealed(
            &env,
            "bulk-add-users",
            "customer,user_principal_name,first_name,last_name\n\
            {a},three@{a},Three,Tre\n{a},two@{a},Two,Due\n{a},four@{a},Four,Quattro\n{a},x@{b},X,X\n",
        )
        .await;
        assert_eq!((job.counts.applied, accounts), (2, 2), "who is there already gets none");
    }

    on_every_store!(for_rows_that_make_one);
}

mod a_first_one {
    use super::*;

    async fn stays_for_a_day_once_handed_out(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let users =
            "customer,user_principal_name,first_name,last_name\n{a},three@{a},Three,Tre\n{a},four@{a},Four,Quattro\n";
        let (made, accounts) = sealed(&env, "bulk-add-users", users).await;
        assert_eq!(accounts, 2);
        env.applies(
            "bulk-add-users",
            "customer,user_principal_name,first_name,last_name\n{a},five@{a},Five,Cinque\n",
        )
        .await;
        let before = env.passwords().await;
        let rows = "customer,user_principal_name,again\n{a},three@{a},\n{a},four@{a},yes\n{a},five@{a},no\n";
        let (reset, accounts) = sealed(&env, "reset-passwords", rows).await;
        assert_eq!(env.ends(&reset).await, ["unchanged", "applied", "applied"]);
        assert_eq!(accounts, 2);
        let changed: Vec<String> = env
            .passwords()
            .await
            .into_iter()
            .filter(|line| !before.contains(line))
            .collect();
        assert!(
            matches!(changed.as_slice(), [one, other] if one.starts_with("five@") != other.starts_with("five@")
                && changed.iter().all(|line| !line.starts_with("three@"))),
            "{changed:?}"
        );
        if matches!(store, Store::Sqlite | Store::Postgres) {
            let rows = env.ledger.chunk_rows(&reset, 0).await.expect("asked").expect("kept");
            let said = rows.record(1, 2).message;
            assert!(said.contains(&format!("job {} gave this user", made.id)), "{said}");
        }
    }

    on_every_store!(stays_for_a_day_once_handed_out);
}

mod again {
    use super::*;

    async fn if_it_is_said(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let rows = "customer,user_principal_name,again\n{a},one@{a},yes\n{a},two@{a},\n";
        env.applies("reset-passwords", rows).await;
        let before = env.passwords().await;
        let job = env.apply("reset-passwords", rows).await;
        assert_eq!(env.ends(&job).await, ["applied", "unchanged"]);
        let after = env.passwords().await;
        let changed: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(
            matches!(changed.as_slice(), [one] if one.starts_with("one@")),
            "{changed:?}"
        );
    }

    on_every_store!(if_it_is_said);
}
