//! Checks of a configuration beyond the types of its keys.

use std::borrow::Cow;

use ::config::{Value, ValueKind};

use super::Config;
use crate::partner_center::PartnerCenter;
use crate::queue::redis::is_redis;
use crate::secret::SecretUrl;

/// Whether a value is of the default's sort. The `config` crate would round 2.5 workers to 3 and take `true` for one.
pub(super) fn fits(default: &ValueKind, value: &ValueKind) -> Result<(), String> {
    let (fits, expected) = match (default, value) {
        (ValueKind::I64(_), ValueKind::I64(number)) => (*number >= 0, "a whole number"),
        (ValueKind::I64(_), ValueKind::String(text)) => (text.parse::<u32>().is_ok(), "a whole number"),
        (ValueKind::I64(_), _) => (false, "a whole number"),
        (ValueKind::Boolean(_), ValueKind::Boolean(_)) => (true, ""),
        (ValueKind::Boolean(_), ValueKind::String(text)) => {
            (["true", "false"].contains(&text.as_str()), "true or false")
        }
        (ValueKind::Boolean(_), _) => (false, "true or false"),
        (ValueKind::Array(_), ValueKind::Array(items)) => {
            let text = |item: &Value| matches!(item.kind, ValueKind::String(_));
            (items.iter().all(text), "a list of texts in quotes")
        }
        (ValueKind::Array(_), kind) => (matches!(kind, ValueKind::String(_)), "a list of texts in quotes"),
        (ValueKind::Table(_), ValueKind::Table(entries)) => {
            let text = |entry: &Value| matches!(entry.kind, ValueKind::String(_));
            (entries.values().all(text), "a table of texts in quotes")
        }
        (ValueKind::Table(_), _) => (false, "a table of texts in quotes"),
        (_, kind) => (matches!(kind, ValueKind::String(_)), "text in quotes"),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("expected {expected}"))
    }
}

const DATABASES: &[&str] = &["sqlite:", "postgres://", "postgresql://"];

/// What the types do not say: the keys concerned, the one at fault first, and what was expected.
pub(super) fn cross_checks(config: &Config) -> Vec<(Vec<Cow<'static, str>>, String)> {
    let (worker, retry) = (&config.worker, &config.retry);
    let mut faults = Vec::new();
    let mut check = |fine: bool, keys: &[&'static str], expected: &str| {
        if !fine {
            let keys = keys.iter().map(|key| Cow::Borrowed(*key)).collect();
            faults.push((keys, format!("expected {expected}")));
        }
    };
    let keeps_rows = config.retention.jobs.is_none_or(|jobs| jobs >= config.spool.retention);
    let longer = "jobs to be kept at least as long as their rows";
    check(keeps_rows, &["retention.jobs", "spool.retention"], longer);
    let begins = |url: &SecretUrl, with: &[&str]| with.iter().any(|scheme| url.reveal().starts_with(scheme));
    // An address behind `sqlite:` would be taken for a path, and a path is shown.
    let is_path = |url: &SecretUrl| {
        let path = crate::db::sqlite_path(url.reveal());
        path.is_none_or(|path| !path.to_string_lossy().contains("://"))
    };
    let is_database = |url: &SecretUrl| begins(url, DATABASES) && is_path(url);
    let ledger = is_database(&config.ledger.url);
    check(ledger, &["ledger.url"], "`sqlite:PATH` or `postgres://…`");
    let queue = config.queue.url.reveal() == "embedded" || is_redis(&config.queue.url);
    check(queue, &["queue.url"], "`embedded`, `redis://…` or `rediss://…`");
    let identity = config.queue.cert_file.as_os_str().is_empty() == config.queue.key_file.as_os_str().is_empty();
    check(
        identity,
        &["queue.cert_file", "queue.key_file"],
        "`queue.key_file` with it, or neither",
    );
    check(
        (1..=256).contains(&worker.concurrency),
        &["worker.concurrency"],
        "1 to 256",
    );
    check(
        (1..=100_000).contains(&worker.chunk_rows),
        &["worker.chunk_rows"],
        "1 to 100000",
    );
    check(
        (8192..=256 << 20).contains(&config.inbox.document_bytes),
        &["inbox.document_bytes"],
        "8192 to 268435456",
    );
    let beats = worker.heartbeat * 2 <= worker.lease;
    check(
        beats,
        &["worker.heartbeat", "worker.lease"],
        "at most half of `worker.lease`",
    );
    check(!worker.heartbeat.is_zero(), &["worker.heartbeat"], "more than nothing");
    check(
        !worker.sweep_interval.is_zero(),
        &["worker.sweep_interval"],
        "more than nothing",
    );
    check((1..=1000).contains(&retry.attempts), &["retry.attempts"], "1 to 1000");
    check((1..=1000).contains(&retry.deaths), &["retry.deaths"], "1 to 1000");
    let second = std::time::Duration::from_secs(1);
    let ledger = &config.ledger;
    check(ledger.keepalive >= second, &["ledger.keepalive"], "at least 1s");
    check(ledger.lock_wait >= second, &["ledger.lock_wait"], "at least 1s");
    check(
        ledger.idle_transaction >= second,
        &["ledger.idle_transaction"],
        "at least 1s",
    );
    let grows = retry.first_delay <= retry.max_delay;
    check(
        grows,
        &["retry.first_delay", "retry.max_delay"],
        "at most `retry.max_delay`",
    );
    check(
        (1..=1000).contains(&config.ledger.connections),
        &["ledger.connections"],
        "1 to 1000",
    );
    let (limits, transfers) = (&config.limits, &config.transfers);
    check(limits.user_percent <= 100, &["limits.user_percent"], "0 to 100");
    check(limits.error_percent <= 100, &["limits.error_percent"], "0 to 100");
    check(
        !transfers.poll_interval.is_zero(),
        &["transfers.poll_interval"],
        "more than nothing",
    );
    let grows = transfers.poll_interval <= transfers.max_poll_interval;
    check(
        grows,
        &["transfers.poll_interval", "transfers.max_poll_interval"],
        "at most `transfers.max_poll_interval`",
    );
    let timeout = std::time::Duration::from_millis(100)..=std::time::Duration::from_secs(60);
    check(
        timeout.contains(&config.queue.timeout),
        &["queue.timeout"],
        "100ms to 60s",
    );
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:{}".contains(c);
    let prefix = !config.queue.prefix.is_empty() && config.queue.prefix.chars().all(plain);
    check(prefix, &["queue.prefix"], "letters, digits and - _ . : { }");
    faults.extend(
        config
            .listen
            .faults()
            .into_iter()
            .map(|(key, fault)| (vec![key.into()], fault)),
    );
    faults.extend(
        config
            .passwords
            .faults()
            .into_iter()
            .map(|(key, fault)| (vec![key.into()], fault)),
    );
    faults.extend(
        config
            .partner_center
            .faults()
            .into_iter()
            .map(|(key, fault)| (vec![key.into()], fault)),
    );
    let of_schedules = super::schedules::faults(&config.schedules).into_iter();
    faults.extend(of_schedules.map(|(key, fault)| (vec![key.into()], fault)));
    let of_folders = super::folders::faults(&config.folders).into_iter();
    faults.extend(of_folders.map(|(keys, fault)| (keys.into_iter().map(Cow::Owned).collect(), fault)));
    for (name, store) in &config.stores {
        if name == PartnerCenter::NAME {
            let key = format!("stores.{name}.url");
            faults.push((
                vec![key.into()],
                "expected another name; this one is `[partner_center]`'s".to_owned(),
            ));
        }
        if !is_database(&store.url) {
            let key = format!("stores.{name}.url");
            faults.push((vec![key.into()], "expected `sqlite:PATH` or `postgres://…`".to_owned()));
        }
    }
    faults
}
