//! Versioned migrations, applied under a lock; a database newer than the program is refused.
//!
//! Each step is one file in `schema/`, written once for both databases with three stand-ins:
//! `@serial` (an integer key the database hands out), `@key` (an integer key we hand out) and `@blob`;
//! lines marked `--sqlite` or `--postgres` belong to that database alone.

mod keys;

use super::script::split;
use super::{DbError, Dialect, Tx};

/// What is done to the records after a step; most steps do everything themselves.
type Fill = fn(&mut dyn Tx) -> Result<(), DbError>;

/// Ascending by the version each brings the schema to; numbers may be left out.
const STEPS: &[(i64, &str, Option<Fill>)] = &[
    (1, include_str!("schema/0001-foundation.sql"), None),
    (2, include_str!("schema/0002-chain.sql"), None),
    (3, include_str!("schema/0003-audit.sql"), None),
    (4, include_str!("schema/0004-sync.sql"), None),
    (5, include_str!("schema/0005-intents.sql"), None),
    (6, include_str!("schema/0006-images.sql"), None),
    (7, include_str!("schema/0007-text-keys.sql"), None),
    (8, include_str!("schema/0008-backlog.sql"), None),
    (9, include_str!("schema/0009-actors.sql"), None),
    (10, include_str!("schema/0010-keys.sql"), Some(keys::fill)),
    (11, include_str!("schema/0011-unique-keys.sql"), None),
    (12, include_str!("schema/0012-notes.sql"), None),
    (13, include_str!("schema/0013-plans.sql"), None),
    (14, include_str!("schema/0014-sheets.sql"), None),
    (15, include_str!("schema/0015-replies.sql"), None),
    (16, include_str!("schema/0016-lately.sql"), None),
    (17, include_str!("schema/0017-queue.sql"), None),
    (18, include_str!("schema/0018-batches.sql"), None),
    (19, include_str!("schema/0019-workers.sql"), None),
    (20, include_str!("schema/0020-results-format.sql"), None),
    (21, include_str!("schema/0021-columns.sql"), None),
    (22, include_str!("schema/0022-origins.sql"), None),
    (23, include_str!("schema/0023-names.sql"), None),
    (25, include_str!("schema/0025-removals.sql"), None),
    (26, include_str!("schema/0026-watched.sql"), None),
    (27, include_str!("schema/0027-left.sql"), None),
    (28, include_str!("schema/0028-together.sql"), None),
    (29, include_str!("schema/0029-inline.sql"), None),
    (30, include_str!("schema/0030-turns.sql"), None),
    (31, include_str!("schema/0031-seals.sql"), None),
    (32, include_str!("schema/0032-policy.sql"), None),
    (33, include_str!("schema/0033-digests.sql"), None),
    (34, include_str!("schema/0034-allowances.sql"), None),
    (35, include_str!("schema/0035-whole.sql"), None),
    (36, include_str!("schema/0036-paths.sql"), None),
    (37, include_str!("schema/0037-room.sql"), None),
    (38, include_str!("schema/0038-taking.sql"), None),
    (39, include_str!("schema/0039-steps.sql"), None),
    (40, include_str!("schema/0040-names.sql"), None),
];

/// The schema version this program writes.
pub const SCHEMA_VERSION: i64 = STEPS[STEPS.len() - 1].0;

/// Where tables lie on PostgreSQL.
pub(super) struct TablesPlace {
    /// The schema.
    pub(super) schema: String,
    /// Whether the url names it.
    pub(super) is_named: bool,
}

/// Schemas with a ledger in them, of those where names without a schema were looked up before this program knew better.
const ELSEWHERE: &str = "SELECT n.nspname FROM pg_settings s, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE s.name = 'search_path' AND c.relname = 'audit_head' AND c.relkind = 'r' AND n.nspname <> CAST($1 AS TEXT)
    AND n.nspname = ANY(string_to_array(regexp_replace(replace(s.reset_val, '\"$user\"', current_user), '[ \"]', '', 'g'), ','))
    LIMIT 1";

pub(super) fn migrate(tx: &mut dyn Tx, place: Option<&TablesPlace>) -> Result<(), DbError> {
    let found = version(tx)?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    if let Some(place) = place {
        check_place(tx, place, found)?;
    }
    if tx.dialect() == Dialect::Postgres {
        // A large ledger takes its time, and who comes meanwhile waits for it.
        tx.exec("SET LOCAL idle_in_transaction_session_timeout = '1min'", &[])?;
        tx.exec("SET LOCAL lock_timeout = '30min'", &[])?;
        // Any number would do as long as every tenantry uses the same one.
        tx.query("SELECT 1 FROM (SELECT pg_advisory_xact_lock(8026014)) AS locked", &[])?;
    }
    tx.exec(
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        &[],
    )?;
    let found = version(tx)?;
    if found > SCHEMA_VERSION {
        return Err(DbError::Newer {
            found,
            known: SCHEMA_VERSION,
        });
    }
    for (step, text, fill) in STEPS.iter().filter(|(step, ..)| *step > found) {
        for statement in statements(text, tx.dialect()) {
            tx.exec(&statement, &[])?;
        }
        if let Some(fill) = fill {
            fill(tx)?;
        }
        tx.exec(
            "INSERT INTO meta (key, value) VALUES ('schema_version', $1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &[step.to_string().into()],
        )?;
    }
    Ok(())
}

/// Whether tables may be made or changed in that schema, and are not elsewhere. Nothing is tried before that is known: on a standby, or
/// with a role that only reads, the answer would be that of some statement.
fn check_place(tx: &mut dyn Tx, TablesPlace { schema, is_named }: &TablesPlace, found: i64) -> Result<(), DbError> {
    if found > SCHEMA_VERSION {
        return Err(DbError::Newer {
            found,
            known: SCHEMA_VERSION,
        });
    }
    let rights = "SELECT CAST(current_user AS TEXT), has_schema_privilege(n.oid, 'USAGE'),
            has_schema_privilege(n.oid, 'CREATE') AND current_setting('transaction_read_only') = 'off',
            COALESCE((SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = to_regclass('meta')), TRUE)
        FROM pg_namespace n WHERE n.nspname = CAST($1 AS TEXT)";
    let Some(rights) = tx.query_first(rights, &[schema.as_str().into()])? else {
        return Err(DbError::Unfit(format!(
            "there is no schema `{schema}` in the database; make it, or name another one in the url (`?schema=NAME`)"
        )));
    };
    let role = rights.text(0)?;
    if rights.int(1)? == 0 {
        return Err(DbError::Elsewhere(format!(
            "the role `{role}` may not look into the schema `{schema}`; `GRANT USAGE ON SCHEMA {schema} TO {role}`"
        )));
    }
    if !is_named
        && found == 0
        && let Some(other) = tx.query_first(ELSEWHERE, &[schema.as_str().into()])?
    {
        let other = other.text(0)?;
        return Err(DbError::Unfit(format!(
            "there is no ledger in the schema `{schema}`, and one in `{other}`; say which of them is meant with `?schema={other}` or \
             `?schema={schema}` in the url"
        )));
    }
    if rights.int(2)? == 0 || rights.int(3)? == 0 {
        let state = match found {
            0 => "there is no ledger yet".to_owned(),
            found => format!("the ledger has schema version {found}, and this program works with {SCHEMA_VERSION}"),
        };
        return Err(DbError::Elsewhere(format!(
            "{state}; the role `{role}` may not change that here: run `tenantry migrate` as the role that owns the schema `{schema}`, on \
             the server that takes changes"
        )));
    }
    Ok(())
}

/// The schema version found; 0 for an empty database.
pub(super) fn version(tx: &mut dyn Tx) -> Result<i64, DbError> {
    let catalogue = match tx.dialect() {
        Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = 'meta'",
        Dialect::Postgres => "SELECT 1 FROM pg_class WHERE oid = to_regclass('meta')",
    };
    if tx.query(catalogue, &[])?.is_empty() {
        return Ok(0);
    }
    let found = tx.query_first("SELECT value FROM meta WHERE key = 'schema_version'", &[])?;
    found.map_or(Ok(0), |row| {
        let text = row.text(0)?;
        text.parse()
            .map_err(|_| DbError::Broken(format!("schema_version is `{text}`, not a number")))
    })
}

fn statements(text: &str, dialect: Dialect) -> Vec<String> {
    let (ours, theirs, serial, key, blob) = match dialect {
        Dialect::Sqlite => (
            "--sqlite ",
            "--postgres ",
            "INTEGER PRIMARY KEY AUTOINCREMENT",
            "INTEGER PRIMARY KEY",
            "BLOB",
        ),
        Dialect::Postgres => (
            "--postgres ",
            "--sqlite ",
            "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            "BIGINT PRIMARY KEY",
            "BYTEA",
        ),
    };
    let lines = text.lines().filter_map(|line| {
        let line = line.trim();
        if let Some(line) = line.strip_prefix(ours) {
            return Some(line);
        }
        (!line.starts_with(theirs) && !line.starts_with("--")).then_some(line)
    });
    let script = lines.collect::<Vec<_>>().join("\n");
    let script = script
        .replace("@serial", serial)
        .replace("@key", key)
        .replace("@blob", blob);
    split(&script)
}
