//! The tables of the sandbox beside those of the program, its counter, and times as they are written.

use jiff::Timestamp;
use uuid::Uuid;

use tenantry_foundation::db::{DbError, Tx, Value};
use tenantry_foundation::installation::Installation;

const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS sandbox_numbers (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
    // What records have besides the columns of their tables, as JSON.
    "CREATE TABLE IF NOT EXISTS sandbox_details (
       kind TEXT NOT NULL, id BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID",
    // Records that the program has no table for, as JSON.
    "CREATE TABLE IF NOT EXISTS sandbox_documents (
       id INTEGER PRIMARY KEY, kind TEXT NOT NULL, customer BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
       UNIQUE (kind, customer, name))",
    // What was answered to a request id, as JSON and without passwords.
    "CREATE TABLE IF NOT EXISTS sandbox_answers (
       request TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status BIGINT NOT NULL, headers TEXT NOT NULL, body TEXT,
       at BIGINT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS sandbox_answers_at ON sandbox_answers (at)",
    "CREATE TABLE IF NOT EXISTS sandbox_audit (
       id INTEGER PRIMARY KEY, at BIGINT NOT NULL, partner TEXT NOT NULL, customer TEXT, resource TEXT NOT NULL,
       body TEXT NOT NULL)",
];

/// Makes what is missing, and reads the number that GUIDs are made with. It comes from the seed, so that a run
/// repeats; a database keeps the one it began with.
///
/// A database that was begun as something else is not touched: it might be somebody's ledger.
pub(super) fn prepare(tx: &mut dyn Tx, seed_value: u64) -> Result<Installation, DbError> {
    let ours = "SELECT count(*) FROM sqlite_master WHERE name = 'sandbox_numbers'";
    let begun = "SELECT (SELECT count(*) FROM meta WHERE key = 'installation') + (SELECT count(*) FROM customers)";
    if count(tx, ours, &[])? == 0 && count(tx, begun, &[])? > 0 {
        return Err(DbError::Broken(
            "it holds something else than a sandbox's state; name another file".to_owned(),
        ));
    }
    for table in TABLES {
        tx.exec(table, &[])?;
    }
    let number = super::faults::Dice::new(seed_value).next() & 0xffff_ffff_ffff;
    tx.exec(
        "INSERT INTO meta (key, value) VALUES ('installation', $1) ON CONFLICT (key) DO NOTHING",
        &[number.to_string().into()],
    )?;
    Installation::read(tx)
}

/// The next id of a record. Ids of jobs begin at `1 << 32`, and so many records no sandbox has.
pub(super) fn next_id(tx: &mut dyn Tx) -> Result<i64, DbError> {
    let rows = tx.query(
        "INSERT INTO sandbox_numbers (name, value) VALUES ('record', 1)
         ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        &[],
    )?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

/// The id that a GUID was made from, if it was made here.
pub(super) fn id_of(installation: Installation, guid: Uuid) -> Option<i64> {
    let bits = guid.as_u128();
    let id = (bits >> 11) & ((1 << 51) - 1) | ((bits >> 64) & 0xfff) << 51;
    (installation.guid(id as i64) == guid).then_some(id as i64)
}

/// A time as it is answered.
pub(super) fn moment(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| "0001-01-01T00:00:00".to_owned(), |at| at.to_string())
}

/// How times are written besides ISO 8601: as .NET writes them without a culture, as spreadsheets do, and as mail does.
const WRITTEN: &[&str] = &[
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%Y/%m/%d %H:%M:%S",
    "%m-%d-%Y %H:%M:%S",
];

/// How days are written besides that.
const WRITTEN_DAYS: &[&str] = &["%m/%d/%Y", "%Y/%m/%d", "%m-%d-%Y"];

/// A time as clients write it: with or without a zone, which then is UTC, or a day alone.
pub(super) fn millis(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    // A plus sign that nobody encoded has become a space on its way.
    if let Some((time, zone)) = text.rsplit_once(' ')
        && time.contains('T')
        && let Ok(at) = format!("{time}+{zone}").parse::<Timestamp>()
    {
        return Some(at.as_millisecond());
    }
    if let Ok(zoned) = jiff::Zoned::strptime("%m/%d/%Y %H:%M:%S %:z", text) {
        return Some(zoned.timestamp().as_millisecond());
    }
    let mut days = WRITTEN_DAYS.iter();
    let local: jiff::civil::DateTime = text
        .parse()
        .or_else(|error| {
            let mut read = WRITTEN.iter().map(|form| jiff::civil::DateTime::strptime(form, text));
            read.find(Result::is_ok).unwrap_or(Err(error))
        })
        .ok()
        .or_else(|| days.find_map(|form| Some(jiff::civil::Date::strptime(form, text).ok()?.at(0, 0, 0, 0))))?;
    let zoned = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// The end of a term that begins then, such as `P1M` or `P1Y`.
pub(super) fn after_term(begins: i64, term: &str) -> Option<i64> {
    let span: jiff::Span = term.parse().ok()?;
    let begins = Timestamp::from_millisecond(begins)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC);
    Some(begins.checked_add(span).ok()?.timestamp().as_millisecond())
}

/// One number of a query.
pub(super) fn count(tx: &mut dyn Tx, sql: &str, params: &[Value]) -> Result<i64, DbError> {
    tx.query_first(sql, params)?.map_or(Ok(0), |row| row.int(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_spelling() {
        assert_eq!(millis("1970-01-02T00:00:00Z"), Some(86_400_000));
        assert_eq!(millis("1970-01-02T00:00:00.1234567"), Some(86_400_123));
        assert_eq!(millis("1970-01-02"), Some(86_400_000));
        assert_eq!(millis("1970-01-02T01:00:00+01:00"), Some(86_400_000));
        assert_eq!(millis("1/2/1970 12:00:00 AM"), Some(86_400_000));
        assert_eq!(millis("01/02/1970 17:07:16"), Some(148_036_000));
        assert_eq!(millis("1/2/1970 5:07 PM"), Some(148_020_000));
        assert_eq!(millis("01/02/1970"), Some(86_400_000));
        assert_eq!(millis("1970-01-02 00:00:00"), Some(86_400_000));
        assert_eq!(millis("1970-01-02T02:00:00 02:00"), Some(86_400_000));
        assert_eq!(millis("01/02/1970 02:00:00 +02:00"), Some(86_400_000));
        assert_eq!(millis("Fri, 02 Jan 1970 00:00:00 GMT"), Some(86_400_000));
        assert_eq!(millis("1970/01/02"), Some(86_400_000));
        assert_eq!(millis("01-02-1970"), Some(86_400_000));
        assert_eq!(millis("1970/01/02 00:00:01"), Some(86_401_000));
        assert_eq!(millis("13/13/1970"), None);
        assert_eq!(millis("13-13-1970"), None);
        assert_eq!(millis("soon"), None);
    }

    #[test]
    fn terms_end_by_the_calendar() {
        let begins = millis("2027-01-31T10:00:00Z").expect("a time");
        assert_eq!(after_term(begins, "P1M"), millis("2027-02-28T10:00:00Z"));
        assert_eq!(after_term(begins, "P3Y"), millis("2030-01-31T10:00:00Z"));
        assert_eq!(after_term(begins, "a year"), None);
    }

    #[test]
    fn guids_lead_back_to_ids() {
        let here = Installation::NONE;
        for id in [1, 77, 0xffff_ffff, 5 << 32 | 9, i64::MAX] {
            assert_eq!(id_of(here, here.guid(id)), Some(id));
        }
        assert_eq!(id_of(here, super::super::PARTNER), None);
    }
}
