//! Repeated keys, in memory and beyond it.

use std::collections::HashMap;

use proptest::prelude::*;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::input::duplicates::{Duplicate, Keys};

/// Rows that repeat a key, by the simplest of means.
fn expected(keys: &[u32]) -> Vec<(u64, u64)> {
    let mut first = HashMap::new();
    let rows = keys.iter().zip(1_u64..);
    rows.filter_map(|(key, row)| {
        let first = *first.entry(key).or_insert(row);
        (first != row).then_some((row, first))
    })
    .collect()
}

fn found(keys: &[u32], memory: usize) -> Vec<(u64, u64)> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut collector = Keys::new(Some(dir.path()), memory, Clock::system().entropy()).expect("entropy");
    let mut hasher = collector.hasher();
    for (key, row) in keys.iter().zip(1..) {
        let key = hasher.key("user_principal_name", &[&key.to_string()], row, row + 1);
        collector.add(key).expect("room to spill");
    }
    let duplicates = collector.finish().expect("what was spilled");
    let all: Vec<_> = duplicates.map(|found| found.expect("what was spilled")).collect();
    for found in &all {
        assert_eq!((found.line, found.first_line), (found.row + 1, found.first_row + 1));
    }
    all.iter().map(|found| (found.row, found.first_row)).collect()
}

proptest! {
    #[test]
    fn each_repetition_is_found_once_and_in_order(keys in proptest::collection::vec(0_u32..40, 0..200)) {
        prop_assert_eq!(found(&keys, 0), expected(&keys));
    }
}

#[test]
fn a_file_far_beyond_memory_is_no_different() {
    // With the least memory there is, these spill, and are gone over in several shares.
    let spread: Vec<u32> = (0..300_000_u32)
        .map(|row| row.wrapping_mul(2_654_435_761) % 200_000)
        .collect();
    assert_eq!(found(&spread, 0), expected(&spread));
    let same = vec![7; 200_000];
    assert_eq!(found(&same, 0), expected(&same));
    let few: Vec<u32> = (0..200_000).map(|row| row % 3).collect();
    assert_eq!(found(&few, 0), expected(&few));
}

#[test]
fn keys_are_of_their_column_and_parts_and_of_no_case() {
    let mut keys = Keys::new(None, 1 << 20, Clock::system().entropy()).expect("entropy");
    let mut hasher = keys.hasher();
    for (row, column, parts) in [
        (1, "upn", &["ab", "c"][..]),
        (2, "upn", &["a", "bc"]),
        (3, "domain", &["ab", "c"]),
        (4, "upn", &["ab", "C"]),
        (4, "domain", &["AB", "c"]),
        (5, "upn", &["É"]),
        (6, "upn", &["e\u{301}"]),
        (7, "upn", &["e"]),
    ] {
        keys.add(hasher.key(column, parts, row, row * 2)).expect("memory");
    }
    let duplicates = keys.finish().expect("memory");
    assert_eq!(duplicates.count_all(), 3);
    let found: Vec<Duplicate> = duplicates.map(|found| found.expect("memory")).collect();
    let repeats = |row, column, first_row| Duplicate {
        column,
        row,
        line: row * 2,
        first_row,
        first_line: first_row * 2,
        mark: 0,
    };
    assert_eq!(
        found,
        [repeats(4, "upn", 1), repeats(4, "domain", 3), repeats(6, "upn", 5)]
    );
}
