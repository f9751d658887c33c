//! Progress of a command: a bar on a terminal, elsewhere a line now and then.
//!
//! The rate is that of the last seconds: rows that were over before, or were done before somebody paused, say nothing of how
//! long the rest takes, and while nothing is done nothing is said of it.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::output::{hint, say, warn};
use crate::lock::lock;

/// Seconds between plain lines.
const LINE_EVERY: u64 = 5;
/// What the rate is taken of.
const RECENT: Duration = Duration::from_secs(10);

/// Shows how many rows have been worked on.
pub(super) struct ProgressDisplay {
    bar: Option<ProgressBar>,
    quiet: bool,
    began: Instant,
    what: String,
    last_line: AtomicU64,
    recent: Arc<Mutex<RecentRows>>,
}

/// How many rows were over at some times of late.
#[derive(Debug, Default)]
struct RecentRows(VecDeque<(Instant, u64)>);

impl RecentRows {
    fn note(&mut self, now: Instant, rows: u64) {
        self.0.push_back((now, rows));
        // The last one before is where the time begins.
        while self.0.get(1).is_some_and(|(at, _)| *at + RECENT <= now) {
            self.0.pop_front();
        }
    }

    /// Rows a second.
    fn rate(&self, now: Instant) -> f64 {
        let (Some((since, before)), Some((_, rows))) = (self.0.front(), self.0.back()) else {
            return 0.0;
        };
        let seconds = now.duration_since(*since).as_secs_f64();
        if seconds > 0.0 {
            rows.saturating_sub(*before) as f64 / seconds
        } else {
            0.0
        }
    }
}

impl ProgressDisplay {
    pub(super) fn new(what: &str, quiet: bool) -> Self {
        let recent = Arc::new(Mutex::new(RecentRows::default()));
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::no_length()
                .with_style(style("{msg} {human_pos} rows, {rate}", &recent))
                .with_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            bar,
            quiet,
            began: Instant::now(),
            what: what.to_owned(),
            last_line: AtomicU64::new(0),
            recent,
        }
    }

    /// The number of rows there will be is known now.
    fn of(&self, rows: u64) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| bar.length() != Some(rows)) {
            let template = "{msg} {wide_bar} {human_pos}/{human_len} rows, {rate}{left}";
            bar.set_style(style(template, &self.recent));
            bar.set_length(rows);
        }
    }

    pub(super) fn rows(&self, rows: u64, total: Option<u64>) {
        let rate = {
            let mut recent = lock(&self.recent);
            recent.note(Instant::now(), rows);
            recent.rate(Instant::now())
        };
        if let Some(bar) = &self.bar {
            bar.set_position(rows);
            return;
        }
        let seconds = self.began.elapsed().as_secs();
        let last = self.last_line.load(Ordering::Relaxed);
        if self.quiet || seconds < last + LINE_EVERY {
            return;
        }
        self.last_line.store(seconds, Ordering::Relaxed);
        let of = total.map_or(String::new(), |total| format!(" of {total}"));
        say(&format!("{}: {rows}{of} rows, {rate:.0} rows/s", self.what));
    }

    pub(super) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Writes where the display is, once that is gone: else it would stand among what is written.
pub(super) struct InPlaceOf<'p, W> {
    display: &'p ProgressDisplay,
    is_gone: bool,
    inner: W,
}

impl<'p, W> InPlaceOf<'p, W> {
    pub(super) fn new(display: &'p ProgressDisplay, inner: W) -> Self {
        Self {
            display,
            is_gone: false,
            inner,
        }
    }
}

impl<W: Write> Write for InPlaceOf<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.is_gone, true) {
            self.display.done();
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl crate::service::Progress for ProgressDisplay {
    fn at(&self, finished: u64, total: u64) {
        self.of(total);
        self.rows(finished, Some(total));
    }

    fn has_worker(&self, has: bool) {
        let told = || {
            if has {
                say("a worker serves this ledger now");
            } else {
                warn("no worker serves this ledger; this command waits until one does");
                hint("`tenantry worker` starts one, here or on another machine");
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(told),
            None => told(),
        }
    }
}

fn style(template: &str, recent: &Arc<Mutex<RecentRows>>) -> ProgressStyle {
    let (of_rate, of_left) = (recent.clone(), recent.clone());
    // A display that fails is no reason to do anything else.
    let rate = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        let rate = lock(&of_rate).rate(Instant::now());
        let _ = write!(out, "{} rows/s", HumanCount(rate as u64));
    };
    let left = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let rest = state.len().unwrap_or(0).saturating_sub(state.pos());
        if let Some(left) = left(rest, lock(&of_left).rate(Instant::now())) {
            let _ = write!(out, ", {:#} left", HumanDuration(left));
        }
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", rate).with_key("left", left)
}

/// How long so many rows take, where that can be told.
fn left(rows: u64, rate: f64) -> Option<Duration> {
    let seconds = rows as f64 / rate;
    (rate >= 1.0 && seconds.is_finite()).then(|| Duration::from_secs(seconds as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_counts_recent_rows_only() {
        let (mut recent, began) = (RecentRows::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        // Somebody has done a lot before.
        recent.note(at(0), 500_000);
        assert_eq!((recent.rate(at(0)), left(100, recent.rate(at(0)))), (0.0, None));
        recent.note(at(5), 500_500);
        assert!((99.9..100.1).contains(&recent.rate(at(5))));
        assert_eq!(left(1000, 100.0), Some(Duration::from_secs(10)));
        // Then nobody works.
        for second in 6..30 {
            recent.note(at(second), 500_500);
        }
        assert_eq!((recent.rate(at(29)), left(100, recent.rate(at(29)))), (0.0, None));
    }
}
