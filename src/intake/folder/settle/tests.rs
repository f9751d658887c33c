//! The tracker against writers that do what they like between looks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const SETTLE: Duration = Duration::from_secs(5);

/// What a writer does, or that time passes, or that all files are looked at.
#[derive(Debug, Clone)]
enum Step {
    Append(u8, u16),
    /// Written over, with the same size.
    Touch(u8),
    /// Another file takes its name, by a rename.
    Replace(u8),
    Remove(u8),
    Pass(u16),
    FileLook,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let file = 0..3_u8;
    let step = prop_oneof![
        2 => (file.clone(), 1..100_u16).prop_map(|(file, bytes)| Step::Append(file, bytes)),
        1 => file.clone().prop_map(Step::Touch),
        1 => file.clone().prop_map(Step::Replace),
        1 => file.prop_map(Step::Remove),
        4 => (1..4_000_u16).prop_map(Step::Pass),
        6 => Just(Step::FileLook),
    ];
    prop::collection::vec(step, 1..120)
}

/// The files as they are, with when each was last changed.
#[derive(Default)]
struct Writers {
    files: BTreeMap<u8, (FileLook, Duration)>,
    next: u64,
}

impl Writers {
    fn change(&mut self, file: u8, now: Duration, is_new: bool, change: impl FnOnce(&mut FileLook)) {
        self.next += 1;
        let fresh = FileLook {
            size: 0,
            modified: self.next as i64,
            id: (1, self.next),
            owner: 0,
        };
        let entry = self.files.entry(file).or_insert((fresh, now));
        if is_new {
            entry.0 = fresh;
        }
        change(&mut entry.0);
        entry.0.modified = self.next as i64;
        entry.1 = now;
    }
}

fn path(file: u8) -> PathBuf {
    PathBuf::from(format!("{file}.csv"))
}

proptest! {
    /// A file that changed less than `settle` before a look is never settled at it, and one that two looks so far apart
    /// have found the same always is.
    #[test]
    fn files_settle_when_they_have_and_never_before(steps in steps()) {
        let (mut tracker, mut writers) = (Tracker::default(), Writers::default());
        let mut now = Duration::from_secs(1);
        // When each file was first looked at after its last change.
        let mut looked: BTreeMap<u8, Duration> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Append(file, bytes) => {
                    writers.change(file, now, false, |look| look.size += u64::from(bytes));
                    looked.remove(&file);
                }
                Step::Touch(file) => {
                    writers.change(file, now, false, |_| {});
                    looked.remove(&file);
                }
                Step::Replace(file) => {
                    writers.change(file, now, true, |_| {});
                    looked.remove(&file);
                }
                Step::Remove(file) => {
                    writers.files.remove(&file);
                    looked.remove(&file);
                }
                Step::Pass(millis) => now += Duration::from_millis(u64::from(millis)),
                Step::FileLook => {
                    tracker.begin();
                    for (file, (look, changed)) in &writers.files {
                        tracker.see(&path(*file), FilePart::File, *look, (now, now));
                        let known = tracker.get(&path(*file)).expect("it was just seen");
                        let is_settled = known.unchanged_for() >= SETTLE;
                        let quiet = now.saturating_sub(*changed);
                        prop_assert!(!is_settled || quiet >= SETTLE, "settled {:?} after a change", quiet);
                        let first = *looked.entry(*file).or_insert(now);
                        prop_assert_eq!(is_settled, now.saturating_sub(first) >= SETTLE);
                    }
                    tracker.end();
                    prop_assert_eq!(tracker.files().count(), writers.files.len());
                }
            }
        }
    }
}

#[test]
fn the_time_of_change_says_nothing_by_itself() {
    for modified in [0, i64::MAX] {
        let mut tracker = Tracker::default();
        let look = FileLook {
            size: 1,
            modified,
            id: (1, 1),
            owner: 0,
        };
        for second in [1, 6] {
            let now = Duration::from_secs(second);
            tracker.begin();
            tracker.see(&path(0), FilePart::File, look, (now, now));
            tracker.end();
        }
        let known = tracker.get(&path(0)).expect("known");
        assert_eq!(known.unchanged_for(), SETTLE);
    }
}

/// Case 1: somebody who writes for an hour, a little every four seconds, is waited for.
#[test]
fn a_file_that_grows_for_an_hour_settles_after_its_end_alone() {
    let mut tracker = Tracker::default();
    let (hour, mut settled_at) = (3_600, None);
    for second in 0..hour + 20 {
        let last = second.min(hour) / 4 * 4;
        let look = FileLook {
            size: 100 * last,
            modified: last as i64,
            id: (1, 1),
            owner: 0,
        };
        let now = Duration::from_secs(second);
        tracker.begin();
        tracker.see(&path(0), FilePart::File, look, (now, now));
        tracker.end();
        let is_settled = tracker.get(&path(0)).expect("known").unchanged_for() >= SETTLE;
        settled_at = settled_at.or(is_settled.then_some(second));
    }
    assert_eq!(settled_at, Some(hour + SETTLE.as_secs()));
}

#[test]
fn files_beyond_the_bound_have_their_turn_when_others_are_gone() {
    let mut tracker = Tracker::default();
    let look = FileLook {
        size: 1,
        modified: 1,
        id: (1, 1),
        owner: 0,
    };
    let at = Duration::from_secs(1);
    let name = |number: usize| PathBuf::from(format!("{number}.csv"));
    let look_at = |from: usize, to: usize, tracker: &mut Tracker| {
        tracker.begin();
        for number in from..to {
            tracker.see(&name(number), FilePart::File, look, (at, at));
        }
        tracker.end();
    };
    look_at(0, MOST_FILES + 3, &mut tracker);
    assert_eq!((tracker.files().count(), tracker.beyond()), (MOST_FILES, 3));
    look_at(3, MOST_FILES + 3, &mut tracker);
    look_at(3, MOST_FILES + 3, &mut tracker);
    assert_eq!((tracker.files().count(), tracker.beyond()), (MOST_FILES, 0));
    assert!(tracker.get(&name(MOST_FILES + 2)).is_some());
}
