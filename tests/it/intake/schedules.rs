//! Schedules in real processes, whose clock a test sets: what happens by itself, once, whichever worker dies and whatever the clock does.

mod crash;
mod files;
mod hours;
mod nights;

use std::path::PathBuf;

use serde_json::Value;
use tenantry_foundation::clock::Clock;
use tenantry_ledger::Ledger;
use tenantry_ledger::fires::Fire;

use crate::place::{On, Place, Running, read};
use crate::servers::eventually;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A place whose programs go by a clock of its own.
struct Clocked {
    place: Place,
    clock: PathBuf,
}

impl Clocked {
    /// With these sections, at a time of which the machine's clock is no later than `at`.
    async fn new(on: On, sections: &str) -> Self {
        Self::on(Place::new(on).await, sections)
    }

    fn on(place: Place, sections: &str) -> Self {
        place.write("t.toml", sections);
        let clock = place.path("clock");
        let new = Self { place, clock };
        new.set(0);
        new
    }

    fn configure(&self, sections: &str) {
        self.place.write("t.toml", sections);
    }

    /// Sets the clock so far ahead of the machine's.
    fn set(&self, ahead: i64) {
        let beside = self.place.write("clock.new", ahead.to_string());
        std::fs::rename(beside, &self.clock).expect("moved");
    }

    fn ahead(&self) -> i64 {
        read(&self.clock).trim().parse().expect("a number")
    }

    /// Milliseconds since the epoch by that clock.
    fn now(&self) -> i64 {
        Clock::system().now_millis() + self.ahead()
    }

    /// Sets the clock to a time, in milliseconds since the epoch.
    fn set_to(&self, at: i64) {
        self.set(self.ahead() + at - self.now());
    }

    /// Sets the clock to so long before (or after) the next multiple of `of`.
    fn set_near(&self, of: i64, by: i64) {
        self.set_to((self.now().div_euclid(of) + 1) * of + by);
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.place.hurried(args);
        command
            .env("TENANTRY_CLOCK", &self.clock)
            // A file settles in a fraction of the seconds that it takes.
            .env("TENANTRY_CLOCK_PACE", "6")
            .env("TENANTRY_CONFIG", self.place.path("t.toml"));
        command
    }

    /// Runs a command to its end, which is `code`.
    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> crate::place::Run {
        crate::place::Run::from(self.command(args).output().expect("tenantry starts")).ends(code)
    }

    fn worker(&self) -> Running {
        self.worker_dying_at("")
    }

    fn worker_dying_at(&self, failpoint: &str) -> Running {
        let mut command = self.command(&["worker", "--log", "warn"]);
        command
            .env("TENANTRY_FAILPOINT", failpoint)
            .stdout(std::process::Stdio::null());
        Running(command.spawn().expect("tenantry starts"))
    }

    /// Does what is due now, to its end.
    #[track_caller]
    fn drain(&self) {
        self.run(&["worker", "--drain", "--log", "warn"], 0);
    }

    async fn ledger(&self) -> Ledger {
        self.place.ledger().await
    }

    /// The fires of a schedule, the oldest first.
    async fn fires(&self, name: &str) -> Vec<Fire> {
        let mut fires = self.ledger().await.fires(name, 10_000).await.unwrap_or_default();
        fires.reverse();
        fires
    }

    #[track_caller]
    fn show(&self, name: &str) -> Value {
        self.run(&["schedules", "show", name, "--json"], 0).json()
    }
}

/// State, reason and number of times of each fire.
fn told(fires: &[Fire]) -> Vec<(&'static str, &'static str, u64)> {
    fires
        .iter()
        .map(|fire| {
            (
                fire.state.as_str(),
                fire.reason.map_or("", |reason| reason.as_str()),
                fire.times,
            )
        })
        .collect()
}

/// An export under that name, when `timing` says.
fn export(name: &str, timing: &str) -> String {
    format!("[schedules.{name}]\nkind = \"export-customers\"\nset = {{ what = \"customers\" }}\n{timing}\n")
}
