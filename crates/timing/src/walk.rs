//! From civil times to instants, over the changes of a zone's clocks.
//!
//! Between two changes of its clocks a zone's offset is the same, and civil times are instants one by one. So the walk goes from
//! one such stretch to the next, and only where two of them meet is anything decided:
//!
//! - Between the civil end of one stretch and the beginning of the next there may be a gap. A clock time in it is due once, at
//!   the first instant after the gap, and what is due at that instant anyway is the same time. An interval leaves it out.
//! - The next stretch may begin before the civil end of the one before. A clock time that has been there already is not due
//!   again. An interval is: real time goes on.
//!
//! This holds for a gap of half an hour or a whole day, and for clocks that change twice within a day.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::cron::Cron;
use crate::due::{Due, name_of};

/// No civil time is further than this from the same one in another stretch, with room to spare.
const FAR: SignedDuration = SignedDuration::from_hours(72);

/// The matched times of an expression, as instants, in order.
#[derive(Debug, Clone)]
pub(crate) struct CivilWalk<'t> {
    cron: &'t Cron,
    zone: &'t TimeZone,
    after: Timestamp,
    stretch: Stretch,
    /// The civil times before this have been in earlier stretches.
    covered: DateTime,
    /// The first civil time of a gap before the stretch, until it has been looked at.
    gap: Option<DateTime>,
    /// The next civil time to look at in the stretch.
    next: DateTime,
}

/// A time in which the offset is the same.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: Timestamp,
    end: Option<Timestamp>,
    offset: Offset,
}

impl Stretch {
    /// The stretch that begins at an instant, or the part of one from there on.
    fn from(zone: &TimeZone, start: Timestamp) -> Self {
        let offset = zone.to_offset(start);
        // Some changes are of a name only.
        let change = zone.following(start).find(|change| change.offset() != offset);
        Self {
            start,
            end: change.map(|change| change.timestamp()),
            offset,
        }
    }

    fn civil_start(&self) -> DateTime {
        self.offset.to_datetime(self.start)
    }

    fn civil_end(&self) -> DateTime {
        self.end.map_or(DateTime::MAX, |end| self.offset.to_datetime(end))
    }
}

impl<'t> CivilWalk<'t> {
    /// The times after an instant.
    pub(crate) fn new(cron: &'t Cron, zone: &'t TimeZone, after: Timestamp) -> Self {
        let mut walk = Self::starting(cron, zone, after, after);
        walk.skip_past();
        walk
    }

    /// The walk that begins long enough before `near` to know what was covered then.
    fn starting(cron: &'t Cron, zone: &'t TimeZone, after: Timestamp, near: Timestamp) -> Self {
        let stretch = Stretch::from(zone, near.saturating_sub(FAR).unwrap_or(Timestamp::MIN));
        Self {
            cron,
            zone,
            after,
            stretch,
            covered: stretch.civil_start(),
            gap: None,
            next: stretch.civil_start(),
        }
    }

    pub(crate) fn next(&mut self) -> Option<Due> {
        loop {
            if let Some(gap) = self.gap.take()
                && let Some(due) = self.in_gap(gap)
            {
                return Some(due);
            }
            let civil = self.cron.next(self.next)?;
            if civil >= self.stretch.civil_end() {
                self.go_on(civil);
                continue;
            }
            self.next = one_minute_after(civil)?;
            let is_again = civil < self.covered;
            if is_again && self.cron.is_clock_time() {
                self.next = self.covered;
                continue;
            }
            let at = self.stretch.offset.to_timestamp(civil).ok()?;
            if at > self.after {
                return Some(Due {
                    nominal: name_of(civil, if is_again { 2 } else { 1 }),
                    local: civil,
                    at,
                });
            }
        }
    }

    /// The clock time that a gap moves to the beginning of the stretch, if there is one.
    fn in_gap(&mut self, gap: DateTime) -> Option<Due> {
        if !self.cron.is_clock_time() || self.stretch.start <= self.after {
            return None;
        }
        let civil = self
            .cron
            .next(gap)
            .filter(|civil| *civil < self.stretch.civil_start())?;
        // What is due at that instant anyway is the same time.
        self.next = one_minute_after(self.stretch.civil_start()).unwrap_or(self.next);
        Some(Due {
            nominal: name_of(civil, 1),
            local: civil,
            at: self.stretch.start,
        })
    }

    /// On to the next stretch; or over many of them, if `civil`, which is the next time that matches, is far away.
    fn go_on(&mut self, civil: DateTime) {
        // Further than the new walk goes back, so that it meets no time again.
        let far = self.stretch.civil_end().saturating_add(14.days());
        if civil > far
            && let Ok(near) = Offset::UTC.to_timestamp(civil)
        {
            let near = near.saturating_sub(FAR).unwrap_or(near);
            *self = Self::starting(self.cron, self.zone, self.after, near);
            return;
        }
        self.enter_next();
        self.skip_past();
    }

    fn enter_next(&mut self) {
        // There is a next one, for a stretch without an end holds every civil time there is.
        let Some(end) = self.stretch.end else { return };
        self.covered = self.covered.max(self.stretch.civil_end());
        self.stretch = Stretch::from(self.zone, end);
        let start = self.stretch.civil_start();
        self.gap = (start > self.covered).then_some(self.covered);
        self.next = start;
    }

    /// Passes over stretches that end before anything is wanted.
    fn skip_past(&mut self) {
        while self.stretch.end.is_some_and(|end| end <= self.after) {
            self.enter_next();
        }
        if self.stretch.start <= self.after {
            self.next = self.next.max(self.stretch.offset.to_datetime(self.after));
        }
    }
}

fn one_minute_after(civil: DateTime) -> Option<DateTime> {
    let whole = civil.with().second(0).subsec_nanosecond(0).build().ok()?;
    whole.checked_add(1.minute()).ok()
}
