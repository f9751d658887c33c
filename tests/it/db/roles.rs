//! The roles of `docs/guides/postgresql.md`, made by the statements that stand there: what each of them can do, and what it cannot.

use std::path::Path;

use tokio_postgres::Client;

use crate::place::{CUSTOMERS, On, Place, read};
use crate::servers::{PgServer, connect};

/// The blocks of SQL in the guide, each as its statements.
fn blocks() -> Vec<Vec<String>> {
    let guide = read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/postgresql.md"));
    let blocks = guide.split("```sql\n").skip(1);
    let statements = |block: &str| {
        let block = block.split("```").next().expect("an end");
        let statements = block.split(";\n").map(|statement| statement.trim().to_owned());
        statements.filter(|statement| !statement.is_empty()).collect()
    };
    blocks.map(statements).collect()
}

async fn execute(client: &Client, statements: &[String]) {
    for statement in statements {
        client.batch_execute(statement).await.expect(statement);
    }
}

struct Roles {
    server: PgServer,
    place: Place,
}

impl Roles {
    /// A server set up as the guide says, and one customer.
    async fn new() -> Self {
        let server = PgServer::private().await;
        let [once, inside, after] = blocks().try_into().expect("three blocks of SQL");
        let place = Place::new(On::Sqlite).await;
        let mut roles = Self { server, place };
        execute(&roles.client("tenantry", "postgres").await, &once).await;
        execute(&roles.client("tenantry", "tenantry").await, &inside).await;
        let made = roles.on("tenantry_owner").tenantry(&["migrate"]).ends(0).out;
        assert!(made.contains("set up with schema version"), "{made}");
        execute(&roles.client("tenantry_owner", "tenantry").await, &after).await;
        roles.place.write("customers.csv", CUSTOMERS);
        roles
            .on("tenantry_app")
            .tenantry(&["run", "add-customer", "customers.csv"])
            .ends(0);
        roles
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.server.port())
    }

    async fn client(&self, role: &str, database: &str) -> Client {
        connect(&self.url(role, database)).await.expect("in")
    }

    fn on(&mut self, role: &str) -> &Place {
        self.place.url = self.url(role, "tenantry");
        &self.place
    }
}

async fn refused(client: &Client, statements: &[&str]) {
    for statement in statements {
        let error = client.batch_execute(statement).await.expect_err(statement);
        let code = error.code().expect("an answer").code().to_owned();
        // Insufficient privilege, or a transaction that only reads.
        assert!(["42501", "25006"].contains(&code.as_str()), "{statement}: {error:?}");
    }
}

/// Commands that only read.
fn reading(job: &str) -> Vec<Vec<&str>> {
    let mut commands: Vec<Vec<&str>> = [
        &["jobs"][..],
        &["audit"],
        &["audit", "verify"],
        &["audit", "verify", "--deep"],
        &["audit", "export"],
        &["customers"],
        &["users"],
        &["workers"],
        &["schedules"],
        &["folders"],
        &["policy"],
        &["approvers"],
        &["plan", "add-customer", "customers.csv"],
    ]
    .iter()
    .map(|words| words.to_vec())
    .collect();
    for command in ["show", "rows", "report", "results", "rejects"] {
        commands.push(vec![command, job]);
    }
    commands
}

fn newest_job(place: &Place) -> String {
    let jobs = place.tenantry(&["jobs", "--json"]).ends(0).out;
    let first: serde_json::Value = serde_json::from_str(jobs.lines().next().expect("a line")).expect("JSON");
    first["job"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_can_do_its_part_and_no_more() {
    let mut roles = Roles::new().await;

    // Who works reads, writes and cannot change what guards the record.
    let app = roles.on("tenantry_app");
    let doctor = app.tenantry(&["doctor"]).ends(0).out;
    assert!(
        doctor.contains("can be written") && !doctor.contains("owns the tables"),
        "{doctor}"
    );
    app.tenantry(&[
        "run",
        "update-account",
        "--set",
        "customer=A-1",
        "--set",
        "phone=+44 20 7946 0999",
    ])
    .ends(0);
    app.tenantry(&[
        "submit",
        "update-account",
        "--set",
        "customer=A-1",
        "--set",
        "phone=+44 20 7946 0998",
    ])
    .ends(0);
    app.tenantry(&["worker", "--drain"]).ends(0);
    app.tenantry(&["policy", "set", "limits.rows", "10"]).ends(0);
    app.tenantry(&["audit", "verify", "--deep"]).ends(0);
    let client = roles.client("tenantry_app", "tenantry").await;
    refused(
        &client,
        &[
            "CREATE TABLE more (n INT)",
            "CREATE TEMP TABLE audit_head (n INT)",
            "CREATE SCHEMA tenantry_app",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_advance ON audit",
            "DROP TABLE jobs",
            "TRUNCATE audit",
            "UPDATE audit SET actor = 'eve'",
            "DELETE FROM audit",
            "DELETE FROM audit_head",
            "INSERT INTO audit_head VALUES (2, 0, '')",
            "SET session_replication_role = replica",
            "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        ],
    )
    .await;
    // The head moves with records alone.
    let moved = client
        .batch_execute("UPDATE audit_head SET seq = seq + 1")
        .await
        .expect_err("a guard");
    assert!(
        moved
            .as_db_error()
            .expect("an answer")
            .message()
            .contains("append-only"),
        "{moved:?}"
    );

    // Who checks reads everything and writes nothing, whatever is asked.
    let auditor = roles.on("tenantry_auditor");
    let job = newest_job(auditor);
    for command in reading(&job) {
        let run = auditor.tenantry(&command);
        assert_eq!(run.code, 0, "{command:?}: {}", run.all());
    }
    let told = auditor
        .tenantry(&["run", "add-customer", "customers.csv"])
        .ends(2)
        .all();
    assert!(
        told.contains("read-only") || told.contains("permission denied"),
        "{told}"
    );
    let doctor = auditor.tenantry(&["doctor"]).ends(2).out;
    assert!(doctor.contains("`tenantry_auditor` only reads"), "{doctor}");
    let client = roles.client("tenantry_auditor", "tenantry").await;
    client
        .batch_execute("SET default_transaction_read_only = off")
        .await
        .expect("its own setting");
    refused(
        &client,
        &[
            "INSERT INTO audit (seq, at, actor, action, prev, hash) VALUES (9, 1, 'eve', 'x', '', '')",
            "UPDATE jobs SET state = 'queued'",
            "DELETE FROM meta",
            "CREATE TABLE more (n INT)",
            "CREATE TEMP TABLE audit (n INT)",
        ],
    )
    .await;

    // Who owns the tables is told so.
    let owner = roles.on("tenantry_owner");
    let doctor = owner.tenantry(&["doctor"]).ends(0).out;
    assert!(doctor.contains("`tenantry_owner` owns the tables"), "{doctor}");
    let again = owner.tenantry(&["migrate"]).ends(0).out;
    assert!(again.contains("up to date"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_behind_is_the_owners_to_bring_up_to_date() {
    let mut roles = Roles::new().await;
    let owner = roles.client("tenantry_owner", "tenantry").await;
    let back = "CREATE UNIQUE INDEX drops_taking ON drops (folder, file) WHERE state = 'taking';
        DROP INDEX audit_decisions; ALTER TABLE chunks DROP COLUMN steps;
        UPDATE meta SET value = '37' WHERE key = 'schema_version'";
    owner.batch_execute(back).await.expect("as if it were older");
    for role in ["tenantry_app", "tenantry_auditor"] {
        let told = roles.on(role).tenantry(&["jobs"]).ends(2).all();
        assert!(told.contains("`tenantry migrate`") && told.contains(role), "{told}");
    }
    let told = roles.on("tenantry_owner").tenantry(&["migrate"]).ends(0).out;
    assert!(told.contains("brought from schema version 37"), "{told}");
    roles.on("tenantry_auditor").tenantry(&["jobs"]).ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_answers_reading_commands() {
    let mut roles = Roles::new().await;
    let standby = roles.server.standby().await;
    let place = roles.on("tenantry_auditor");
    let job = newest_job(place);
    let there = |role: &str| format!("postgres://{role}@127.0.0.1:{}/tenantry", standby.port());
    for role in ["tenantry_auditor", "tenantry_app", "tenantry_owner"] {
        roles.place.url = there(role);
        for command in reading(&job) {
            let run = roles.place.tenantry(&command);
            assert_eq!(run.code, 0, "{role} {command:?}: {}", run.all());
        }
        let told = roles.place.tenantry(&["migrate"]).ends(0).out;
        assert!(told.contains("up to date"), "{told}");
    }
    let doctor = roles.place.tenantry(&["doctor"]).ends(2).out;
    assert!(doctor.contains("standby"), "{doctor}");
    let told = roles
        .place
        .tenantry(&["run", "add-customer", "customers.csv"])
        .ends(2)
        .all();
    assert!(told.contains("read-only"), "{told}");
    // Of two servers, the one that takes changes is found.
    let both = format!(
        "postgres://tenantry_app@127.0.0.1:{},127.0.0.1:{}/tenantry?target_session_attrs=read-write",
        standby.port(),
        roles.server.port()
    );
    roles.place.url = both;
    roles.place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
}
