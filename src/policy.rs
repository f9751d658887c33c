//! The policy that jobs are held to: the defaults, as the ledger's policy has it, and as strict as the configuration makes it.
//!
//! A configuration belongs to the user who runs the program. So one that allows more than the ledger's policy changes nothing, and one that
//! allows less is heeded. Every key says for itself which of two values is the stricter one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{Config, duration};
use crate::ledger::{RENAMED_POLICY_KEYS, StoredPolicy};
use crate::passwords::Recipient;
use crate::plan::Limits;

/// A key of the policy.
pub(crate) struct PolicyKey {
    /// Its name, mostly that of the configuration.
    pub(crate) name: &'static str,
    /// What it decides.
    pub(crate) about: &'static str,
    /// What it is where nothing was decided.
    pub(crate) usual: &'static str,
    /// What is wrong with a value, if anything is.
    check: fn(&str) -> Result<(), String>,
}

/// A name that no key has.
pub(crate) enum UnknownPolicyKey {
    /// A key had it before, which is called this now.
    Renamed(&'static str),
    /// The nearest name there is, if one is near.
    Unknown(Option<&'static str>),
}

/// All of them, in the order they are shown.
pub(crate) const KEYS: [PolicyKey; 10] = [
    PolicyKey {
        name: "approval.required",
        about: "whether destructive jobs and jobs over the limits wait for approval",
        usual: "true",
        check: is_yes_or_no,
    },
    PolicyKey {
        name: "approval.expires_after",
        about: "how long there is to approve a job",
        usual: "7d",
        check: is_duration,
    },
    PolicyKey {
        name: "approval.own_undo_within",
        about: "how long after its end people may take a job of their own back without approval, if nothing was edited since",
        usual: "1h",
        check: is_duration,
    },
    PolicyKey {
        name: "approval.approvers",
        about: "who may approve, names with commas between them; empty: anybody but the submitter",
        usual: "",
        check: are_names,
    },
    PolicyKey {
        name: "limits.user_percent",
        about: "share of a customer's existing users that jobs of one day may touch without approval",
        usual: "20",
        check: is_percent,
    },
    PolicyKey {
        name: "limits.user_percent_min_users",
        about: "fewer touched users of a customer in a day than this are never too large a share",
        usual: "10",
        check: is_number,
    },
    PolicyKey {
        name: "limits.destructive_rows",
        about: "destructive rows that jobs of one submitter and day may have without approval",
        usual: "0",
        check: is_number,
    },
    PolicyKey {
        name: "limits.rows",
        about: "rows that a job may have without approval",
        usual: "1000000",
        check: is_number,
    },
    PolicyKey {
        name: "passwords.recipients",
        about: "public keys that passwords may be sealed to, with commas between them; empty: whatever a submitter says",
        usual: "",
        check: are_recipients,
    },
    PolicyKey {
        name: "retention.jobs",
        about: "how long ended jobs are kept at least",
        usual: "0s",
        check: is_duration,
    },
];

impl PolicyKey {
    /// The key of that name, or the one it is called now, or the nearest one.
    pub(crate) fn find(name: &str) -> Result<&'static Self, UnknownPolicyKey> {
        if let Some(found) = KEYS.iter().find(|key| key.name == name) {
            return Ok(found);
        }
        Err(match RENAMED_POLICY_KEYS.iter().find(|(old, _)| *old == name) {
            Some((_, new)) => UnknownPolicyKey::Renamed(new),
            None => UnknownPolicyKey::Unknown(tenantry_jobs::nearest(name, KEYS.iter().map(|key| key.name))),
        })
    }

    /// Whether a value can be decided on, and if not, what was expected.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        (self.check)(value)
    }
}

/// What a ledger's policy comes to, usual values included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LedgerPolicy {
    /// How many decisions led to it.
    pub(crate) number: i64,
    values: BTreeMap<&'static str, String>,
}

impl LedgerPolicy {
    /// What is stored. A value that cannot be read counts as the usual one, which is strict.
    pub(crate) fn of(stored: &StoredPolicy) -> Self {
        let value = |key: &PolicyKey| {
            let stored = stored.values.get(key.name).filter(|value| key.check(value).is_ok());
            (key.name, stored.map_or(key.usual, String::as_str).to_owned())
        };
        Self {
            number: stored.number,
            values: KEYS.iter().map(value).collect(),
        }
    }

    /// The value of a key.
    pub(crate) fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    fn number_of(&self, key: &str) -> u64 {
        self.value(key).parse().unwrap_or(0)
    }

    fn duration_of(&self, key: &str) -> Duration {
        duration::parse(self.value(key)).unwrap_or_default()
    }

    /// Whether what is destructive waits for approval.
    pub(crate) fn requires_approval(&self) -> bool {
        self.value("approval.required") != "false"
    }

    /// The stricter of what it allows and what `configured` does.
    pub(crate) fn limits(&self, configured: Limits) -> Limits {
        Limits {
            approval: self.requires_approval() || configured.approval,
            approval_expires_after: self
                .duration_of("approval.expires_after")
                .min(configured.approval_expires_after),
            own_undo_within: self
                .duration_of("approval.own_undo_within")
                .min(configured.own_undo_within),
            user_share: (self.number_of("limits.user_percent") as f64 / 100.0).min(configured.user_share),
            user_share_min_users: self
                .number_of("limits.user_percent_min_users")
                .min(configured.user_share_min_users),
            destructive_rows: self
                .number_of("limits.destructive_rows")
                .min(configured.destructive_rows),
            rows: self.number_of("limits.rows").min(configured.rows),
            errors: configured.errors,
        }
    }

    /// The first of these that passwords may not be sealed to.
    pub(crate) fn stranger<'r>(&self, recipients: &'r [String]) -> Option<&'r str> {
        let allowed: Vec<&str> = listed(self.value("passwords.recipients")).collect();
        let is_strange = |one: &&String| !allowed.is_empty() && !allowed.contains(&one.as_str());
        recipients.iter().find(is_strange).map(String::as_str)
    }

    /// How long ended jobs are kept where the configuration says so much; `None` for ever.
    pub(crate) fn keep_jobs(&self, configured: Option<Duration>) -> Option<Duration> {
        configured.map(|configured| configured.max(self.duration_of("retention.jobs")))
    }
}

/// What a configuration makes of a key, where it can be stricter there; `None` where it has no say.
pub(crate) fn configured(config: &Config, key: &str) -> Option<String> {
    let (approval, limits) = (&config.approval, &config.limits);
    let less = |number: u64| (number < u64::from(u32::MAX)).then(|| number.to_string());
    match key {
        "approval.required" => approval.required.then(|| "true".to_owned()),
        "limits.user_percent" => (limits.user_percent < 100).then(|| limits.user_percent.to_string()),
        "limits.user_percent_min_users" => less(limits.user_percent_min_users),
        "limits.destructive_rows" => less(limits.destructive_rows),
        "limits.rows" => less(limits.rows),
        _ => None,
    }
}

/// Parts of a list with commas between them.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|one| !one.is_empty())
}

fn is_yes_or_no(value: &str) -> Result<(), String> {
    match value {
        "true" | "false" => Ok(()),
        _ => Err("expected true or false".to_owned()),
    }
}

fn is_number(value: &str) -> Result<(), String> {
    let number = value.parse::<u32>();
    number.map(drop).map_err(|_| "expected a whole number".to_owned())
}

fn is_percent(value: &str) -> Result<(), String> {
    match value.parse::<u32>() {
        Ok(0..=100) => Ok(()),
        _ => Err("expected 0 to 100".to_owned()),
    }
}

fn is_duration(value: &str) -> Result<(), String> {
    let expected = || "expected a duration such as `12h` or `7d`".to_owned();
    duration::parse(value).map(drop).ok_or_else(expected)
}

fn are_names(value: &str) -> Result<(), String> {
    let wrong = |name: &str| {
        crate::ledger::person::named(name)
            .err()
            .map(|why| format!("`{name}`: {why}"))
    };
    listed(value).find_map(wrong).map_or(Ok(()), Err)
}

fn are_recipients(value: &str) -> Result<(), String> {
    let wrong = |key: &str| key.parse::<Recipient>().err().map(|why| format!("`{key}`: {why}"));
    listed(value).find_map(wrong).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ErrorLimit;

    fn policy(values: &[(&str, &str)]) -> LedgerPolicy {
        LedgerPolicy::of(&StoredPolicy {
            number: 1,
            values: values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        })
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in &KEYS {
            assert_eq!(key.check(key.usual), Ok(()), "{}", key.name);
        }
    }

    #[test]
    fn a_former_name_is_answered_with_the_one_of_now() {
        for (old, new) in RENAMED_POLICY_KEYS {
            assert!(matches!(PolicyKey::find(old), Err(UnknownPolicyKey::Renamed(now)) if now == new));
            assert!(PolicyKey::find(new).is_ok(), "{new}");
        }
    }

    #[test]
    fn the_stricter_of_policy_and_configuration_holds() {
        let open = Limits {
            approval_expires_after: Duration::from_secs(u64::MAX),
            user_share_min_users: u64::MAX,
            ..Limits::NONE
        };
        let usual = policy(&[]).limits(open);
        assert!(usual.approval && usual.destructive_rows == 0 && usual.user_share_min_users == 10);
        assert!((usual.user_share - 0.2).abs() < 1e-9);
        let off = policy(&[("approval.required", "false"), ("limits.rows", "50")]);
        assert!(!off.limits(open).approval);
        assert_eq!(off.limits(open).rows, 50);
        let strict = Limits {
            approval: true,
            rows: 5,
            errors: ErrorLimit { rate: 0.5, min_rows: 1 },
            ..open
        };
        let both = off.limits(strict);
        assert!(both.approval && both.rows == 5 && both.errors == strict.errors);
        // What nobody can read is no way around.
        let damaged = policy(&[("approval.required", "maybe"), ("limits.destructive_rows", "-1")]);
        assert!(damaged.limits(open).approval && damaged.limits(open).destructive_rows == 0);
        assert_eq!(
            off.keep_jobs(Some(Duration::from_secs(5))),
            Some(Duration::from_secs(5))
        );
        let kept = policy(&[("retention.jobs", "1d")]);
        assert_eq!(
            kept.keep_jobs(Some(Duration::from_secs(5))),
            Some(Duration::from_secs(86_400))
        );
        assert_eq!(kept.keep_jobs(None), None);
    }

    #[test]
    fn recipients_outside_the_policy_are_strangers() {
        let one = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        let held = policy(&[("passwords.recipients", one)]);
        assert_eq!(held.stranger(&[one.to_owned()]), None);
        assert_eq!(
            held.stranger(&[one.to_owned(), "age1other".to_owned()]),
            Some("age1other")
        );
        assert_eq!(policy(&[]).stranger(&["age1other".to_owned()]), None);
    }
}
