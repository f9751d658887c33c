//! Names of tables mean those of the ledger's schema, whatever else bears them.

use tenantry_foundation::db::{ConnectOptions, Db, DbError};

use crate::place::{CUSTOMERS, On, Place};
use crate::servers::connect;

async fn open(url: &str) -> Result<Db, DbError> {
    Db::open(url, ConnectOptions::with_connections(1)).await
}

async fn with_a_job() -> Place {
    let place = Place::new(On::Postgres).await;
    place.write("customers.csv", CUSTOMERS);
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_table_gets_no_record_past_the_guard() {
    let place = with_a_job().await;
    let intruder = connect(&place.url).await.expect("in");
    let own =
        "CREATE TEMP TABLE audit_head (id BIGINT, seq BIGINT, hash TEXT); INSERT INTO audit_head VALUES (1, 6999, '');
        CREATE TEMP TABLE meta (key TEXT, value TEXT)";
    intruder.batch_execute(own).await.expect("tables of its own");
    let record = "INSERT INTO audit (seq, at, actor, action, prev, hash) VALUES (7000, 1, 'eve', 'approved', '', 'x')";
    let refused = intruder.batch_execute(record).await.expect_err("it does not follow");
    let said = refused.as_db_error().expect("an answer").message().to_owned();
    assert!(said.contains("must follow on the last one"), "{said}");
    place.tenantry(&["audit", "verify"]).ends(0);
    // And everybody goes on.
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_named_like_the_role_stands_for_nothing() {
    let place = with_a_job().await;
    let before = place.tenantry(&["jobs", "--json"]).ends(0).out;
    let intruder = connect(&place.url).await.expect("in");
    let own = "CREATE SCHEMA tenantry; CREATE TABLE tenantry.meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
        CREATE TABLE tenantry.audit (LIKE public.audit); CREATE TABLE tenantry.audit_head (LIKE public.audit_head)";
    intruder.batch_execute(own).await.expect("a schema");
    assert_eq!(place.tenantry(&["jobs", "--json"]).ends(0).out, before);
    let verified = place.tenantry(&["audit", "verify"]).ends(0).all();
    assert!(!verified.contains(": 0 records"), "{verified}");
    let made = "SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'tenantry' AND c.relkind = 'r'";
    let count: i64 = intruder.query_one(made, &[]).await.expect("counted").get(0);
    assert_eq!(count, 3, "something was made there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_lies_in_the_schema_of_the_url() {
    let place = Place::new(On::Postgres).await;
    let url = |schema: &str| format!("{}?schema={schema}", place.url);
    let refused = |error: DbError| match error {
        DbError::Unfit(told) => told,
        other => panic!("{other}"),
    };
    let told = refused(open(&url("nowhere")).await.err().expect("there is none"));
    assert!(told.contains("no schema `nowhere`"), "{told}");
    let owner = connect(&place.url).await.expect("in");
    owner
        .batch_execute("CREATE SCHEMA \"o'wn \"\"er\"")
        .await
        .expect("a schema");
    open(&url("o%27wn%20%22er")).await.expect("set up there");
    let count = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = $1";
    let count = async |schema: &str| {
        owner
            .query_one(count, &[&schema])
            .await
            .expect("counted")
            .get::<_, i64>(0)
    };
    assert_eq!(count("public").await, 0);
    assert!(count("o'wn \"er").await > 20);

    owner
        .batch_execute("CREATE SCHEMA \"tenantry\"")
        .await
        .expect("a schema");
    open(&url("tenantry")).await.expect("set up there");
    // That is where it was found so far, by the search path.
    let told = refused(open(&place.url).await.err().expect("it is not begun anew"));
    assert!(told.contains("`?schema=tenantry`"), "{told}");
    assert_eq!(count("public").await, 0);
    open(&url("public")).await.expect("as it is said");
}
