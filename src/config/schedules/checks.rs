//! Checks of a schedule beyond the types of its keys.

use globset::Glob;
use tenantry_jobs::did_you_mean;
use tenantry_jobs::header::recognise;

use super::{AfterRun, IfMissing, Missed, Pick, ScheduleConfig, SchedulesConfig};
use crate::timing::PathTemplate;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// What is wrong, by key.
pub(in crate::config) fn faults(schedules: &SchedulesConfig) -> Vec<(String, String)> {
    let of_one = |(name, schedule): (&String, &ScheduleConfig)| {
        let mut found = ScheduleFaults(Vec::new());
        found.look_at(schedule);
        let with_name = |(key, fault)| (format!("schedules.{name}.{key}"), fault);
        found.0.into_iter().map(with_name).collect::<Vec<_>>()
    };
    schedules.named.iter().flat_map(of_one).collect()
}

struct ScheduleFaults(Vec<(&'static str, String)>);

impl ScheduleFaults {
    fn add(&mut self, key: &'static str, fault: impl Into<String>) {
        self.0.push((key, fault.into()));
    }

    fn look_at(&mut self, schedule: &ScheduleConfig) {
        self.kind(schedule);
        if let Err(faults) = schedule.timing() {
            for (key, fault) in faults {
                let value = match key {
                    "cron" => &schedule.cron,
                    "at" => &schedule.at,
                    "time_zone" => &schedule.time_zone,
                    "from" => &schedule.from,
                    "until" => &schedule.until,
                    _ => "",
                };
                let shown = if value.is_empty() {
                    String::new()
                } else {
                    format!("`{value}`: ")
                };
                self.add(key, format!("{shown}{fault}"));
            }
        }
        self.rows(schedule);
        self.results(schedule);
        self.lateness(schedule);
    }

    fn kind(&mut self, schedule: &ScheduleConfig) {
        match tenantry_jobs::find(&schedule.kind) {
            Ok(_) => {}
            Err(_) if schedule.kind.is_empty() => self.add("kind", "expected a kind; `tenantry kinds` lists them"),
            Err(near) => {
                let near = did_you_mean(near);
                self.add(
                    "kind",
                    format!(
                        "`{}`: expected a kind; `tenantry kinds` lists them{near}",
                        schedule.kind
                    ),
                );
            }
        }
    }

    /// Where the rows are from: a file, or what `set` says.
    fn rows(&mut self, schedule: &ScheduleConfig) {
        match (schedule.file.as_str(), schedule.set.is_empty()) {
            ("", true) => self.add("file", "expected a file, or one row under `set` instead"),
            ("", false) => self.set(schedule),
            (_, false) => self.add("set", "expected nothing, since `file` is given"),
            (file, true) => self.file(file, schedule),
        }
        if schedule.file.is_empty() && schedule.after != AfterRun::Leave {
            self.add("after", "expected `leave`, since there is no `file`");
        }
    }

    fn file(&mut self, file: &str, schedule: &ScheduleConfig) {
        let template = match PathTemplate::of_file(file) {
            Ok(template) => template,
            Err(faults) => return self.each("file", file, faults),
        };
        let place = template.example();
        if let Err(error) = Glob::new(&place.name) {
            self.add(
                "file",
                format!("`{file}`: expected a pattern with `*`, `?` and `[…]`: {}", error.kind()),
            );
        }
        if schedule.pick == Pick::All && !place.is_pattern {
            self.add(
                "pick",
                "`all`: expected `one`, since `file` is no pattern such as `users-*.csv`",
            );
        }
        if schedule.pick == Pick::Newest && !place.is_pattern {
            self.add(
                "pick",
                "`newest`: expected `one`, since `file` is no pattern such as `users-*.csv`",
            );
        }
        if schedule.if_missing == IfMissing::Wait && schedule.wait_for.is_zero() {
            self.add("wait_for", "expected more than nothing, since `if_missing` is `wait`");
        }
    }

    fn set(&mut self, schedule: &ScheduleConfig) {
        let Some(kind) = schedule.kind() else { return };
        let header: Vec<&str> = schedule.set.keys().map(String::as_str).collect();
        let fixed = if schedule.customer.is_empty() {
            &[][..]
        } else {
            &["customer"]
        };
        let mapping = match recognise(kind, &header, fixed) {
            Ok(mapping) => mapping,
            Err(problems) => {
                let told = problems.iter().map(|problem| ("set", problem.to_string()));
                return self.0.extend(told);
            }
        };
        for secret in mapping.secret.iter().filter_map(|at| header.get(*at)) {
            self.add(
                "set",
                format!("expected no `{secret}`: a configuration is no place for it"),
            );
        }
    }

    fn results(&mut self, schedule: &ScheduleConfig) {
        if schedule.out.is_empty() {
            if schedule.keep_out > 0 {
                self.add("keep_out", "expected 0, since there is no `out`");
            }
            return;
        }
        match PathTemplate::of_directory(&schedule.out) {
            Err(faults) => self.each("out", &schedule.out, faults),
            Ok(out) if schedule.keep_out > 1 && !out.depends_on_time() => {
                self.add(
                    "keep_out",
                    "expected 0 or 1, since `out` is the same directory each time",
                );
            }
            Ok(_) => {}
        }
    }

    fn lateness(&mut self, schedule: &ScheduleConfig) {
        if schedule.missed != Missed::None && schedule.missed_within.is_zero() {
            self.add("missed_within", "expected more than nothing, or `missed = \"none\"`");
        }
        let most = schedule.every.map_or(DAY, |every| every.min(DAY));
        if schedule.jitter > most {
            let most = if most == DAY { "24h" } else { "`every`" };
            self.add("jitter", format!("expected at most {most}"));
        }
    }

    fn each(&mut self, key: &'static str, value: &str, faults: Vec<String>) {
        for fault in faults {
            self.add(key, format!("`{value}`: {fault}"));
        }
    }
}
