//! Customers and users that do not exist yet.

use super::case::{Case, PLAIN, check_all};
use super::{Store, StoreUnderTest, on_every_store};
use tenantry_ledger::Job;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "customers",
        kind: "add-customer",
        rows: "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country
gamma,Gamma Ltd,Gil,Grey,gil@gamma.example,3 Lane,Leeds,,LS1 4DY,GB
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE
alpha,Another Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB
delta,Delta Ltd,Dot,Drew,dot@delta.example,4 Lane,Leeds,,LS1 4DY,XX
gamma,Gamma Ltd,Gil,Grey,gil@gamma.example,3 Lane,Leeds,,LS1 4DY,GB
",
        ends: &[
            "applied",
            "unchanged",
            "customer-exists domain: `{a}`",
            "unknown-country country: `XX`",
            "duplicate-in-file domain: `gamma",
        ],
        changes: &[
            "+ customer gamma.onmicrosoft.com: Gamma Ltd, Gil Grey, gil@gamma.example, , 3 Lane, , LS1 4DY Leeds GB, reseller",
        ],
        ..PLAIN
    },
    Case {
        what: "users",
        kind: "bulk-add-users",
        rows: "\
customer,user_principal_name,first_name,last_name,usage_location,licenses
{a},three@{a},Three,Tre,GB,SPB
{a},four@{a},Four,Quattro,,
nobody.example,x@{a},X,X,GB,
{a},x@{b},X,X,GB,
{a},x@{a},X,X,GB,NO_SUCH
{a},y@{a},Y,Y,,SPB
{a},two@{a},Two,Due,,
{a},one@{a},Other,Uno,GB,
{a},THREE@{a},Three,Tre,GB,
",
        ends: &[
            "applied",
            "applied",
            "unknown-customer customer: `nobody.example`",
            "foreign-domain user_principal_name: `x@{b}`",
            "unknown-sku licenses: `NO_SUCH`",
            "usage-location-required usage_location: ",
            "unchanged",
            "user-exists user_principal_name: `one@{a}`",
            "duplicate-in-file user_principal_name: `THREE@{a}`",
        ],
        changes: &[
            "- seats {a}: SPB 1 of 3",
            "+ seats {a}: SPB 2 of 3",
            "+ user four@{a}: Four Quattro, Four Quattro, , , ",
            "+ user three@{a}: Three Tre, Three Tre, GB, SPB, ",
        ],
        remains: &["+ deleted four@{a}: Four Quattro", "+ deleted three@{a}: Three Tre"],
        ..PLAIN
    },
    Case {
        what: "more users than seats",
        kind: "bulk-add-users",
        rows: "\
customer,user_principal_name,first_name,last_name,usage_location,licenses
{a},three@{a},Three,Tre,GB,SPB
{a},four@{a},Four,Quattro,GB,SPB
{a},five@{a},Five,Cinque,GB,SPB
{b},six@{b},Six,Sei,DE,
",
        ends: &["applied", "applied", "no-free-seats licenses: `SPB`", "applied"],
        changes: &[
            "- seats {a}: SPB 1 of 3",
            "+ seats {a}: SPB 3 of 3",
            "+ user four@{a}: Four Quattro, Four Quattro, GB, SPB, ",
            "+ user six@{b}: Six Sei, Six Sei, DE, , ",
            "+ user three@{a}: Three Tre, Three Tre, GB, SPB, ",
        ],
        remains: &[
            "+ deleted four@{a}: Four Quattro",
            "+ deleted six@{b}: Six Sei",
            "+ deleted three@{a}: Three Tre",
        ],
        ..PLAIN
    },
    Case {
        what: "a user by the name of a deleted one",
        kind: "bulk-add-users",
        rows: "customer,user_principal_name,first_name,last_name,usage_location\n{a},gone@{a},Gone,Again,GB\n",
        ends: &["applied"],
        changes: &["+ user gone@{a}: Gone Again, Gone Again, GB, , "],
        remains: &["+ deleted gone@{a}: Gone Again"],
        ..PLAIN
    },
];

/// Who gets a name that a deleted user had is told so before and afterwards, where the store keeps deleted users apart.
async fn noted(store: Store) {
    let env = StoreUnderTest::new(store).await;
    let rows = "customer,user_principal_name,first_name\n{a},GONE@{a},Gone\n{a},fresh@{a},Fresh\n";
    let job = env.applies("bulk-add-users", rows).await;
    let note = env.message(&job, 1).await;
    let said = "a user of this name was deleted on ";
    assert!(
        note.starts_with(said) && note.contains("`restore-users` brings that user back until "),
        "{note}"
    );
    assert_eq!(env.message(&job, 2).await, "");
    // However a name is given: to one who comes back although another one was deleted under it, too,
    let gone = "customer,user_principal_name\n{a},gone@{a}\n";
    let is_noted = async |job: &Job| env.message(job, 1).await.contains(said);
    let deleted = env.applies("delete-users", gone).await;
    assert!(is_noted(&env.applies("restore-users", gone).await).await);
    env.applies("delete-users", gone).await;
    assert!(
        is_noted(&env.undo(&deleted).await.expect("undone")).await,
        "{deleted:?}"
    );
    // by a change of the name, in whatever case and beside what else changes,
    env.applies("delete-users", gone).await;
    let rename = |from: &str, to: &str| {
        let header = "customer,user_principal_name,new_user_principal_name,display_name";
        format!("{header}\n{{a}},{from}@{{a}},{to}@{{a}},Somebody\n")
    };
    assert!(is_noted(&env.applies("update-users", &rename("two", "Gone")).await).await);
    // but not where it stays as it was,
    let stays = rename("gone", "GONE").replace("Somebody", "Nobody");
    assert!(!is_noted(&env.applies("update-users", &stays).await).await);
    // and by taking such a change back.
    let renamed = env.applies("update-users", &rename("one", "uno")).await;
    assert!(!is_noted(&renamed).await);
    env.applies(
        "bulk-add-users",
        "customer,user_principal_name,first_name\n{a},one@{a},One\n",
    )
    .await;
    env.applies("delete-users", "customer,user_principal_name\n{a},one@{a}\n")
        .await;
    assert!(is_noted(&env.undo(&renamed).await.expect("undone")).await);
}

mod notes {
    use super::{Store, noted};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        noted(Store::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres() {
        noted(Store::Postgres).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn partner_center() {
        noted(Store::PartnerCenter).await;
    }
}

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);
