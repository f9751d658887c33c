//! Rows of `set-subscriptions`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const GOOD: [(&str, &str); 4] = [
    ("customer", "CRM-7"),
    ("subscription_id", "5B3C1F0A-7D52-4E0B-9C38-1F2A6D4E8B17"),
    ("product", "Office 365 E3"),
    ("product_type", "legacy-license"),
];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&SetSubscriptions, &GOOD, cells, expected);
}

fn state<'a>(row: &'a [Option<&'a str>]) -> SubscriptionState<'a> {
    match testing::change(&SetSubscriptions, row).unwrap() {
        Change::SetSubscription(state) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_column_that_a_row_leaves_out_is_not_said() {
    let row = testing::row_of(&SetSubscriptions, &GOOD, &[]);
    let state = state(&row);
    assert_eq!(state.subscription_id.to_string(), GOOD[1].1.to_lowercase());
    assert_eq!((state.quantity, state.status), (None, None));
    for status in ["missing", "MISSING"] {
        let row = testing::row_of(&SetSubscriptions, &GOOD, &[("status", status)]);
        assert_eq!(self::state(&row).status, None);
    }
    assert_eq!(
        (state.auto_renew, state.term_ends, state.cancellable_until),
        (None, None, None)
    );
}

#[test]
fn a_whole_row() {
    let cells = [
        ("product_type", "New-Commerce-License"),
        ("quantity", "25"),
        ("status", "EXPIRED"),
        ("auto_renew", "no"),
        ("term_ends", "2027-06-30"),
        ("cancellable_until", "2026-07-07T10:00:00+02:00"),
        ("partner_id_on_record", "4567890"),
    ];
    let row = testing::row_of(&SetSubscriptions, &GOOD, &cells);
    let state = state(&row);
    assert_eq!(state.product_type, Some(ProductType::NewCommerceLicense));
    assert_eq!(
        (state.quantity, state.status),
        (Some(25), Some(SubscriptionStatus::Expired))
    );
    assert_eq!(state.auto_renew, Some(false));
    assert_eq!(state.term_ends, Some(1_814_399_999_999));
    assert_eq!(state.cancellable_until, Some(1_783_411_200_000));
    assert_eq!(state.partner_id_on_record, "4567890");
}

#[test]
fn every_problem_of_a_row_in_column_order() {
    check(&[], &[]);
    check(
        &[
            ("customer", ""),
            ("subscription_id", "1234567890123456"),
            ("product", "a\tb"),
            ("product_type", "legacy-licence"),
            ("quantity", "0"),
            ("status", "canceled"),
            ("auto_renew", "monthly"),
            ("term_ends", "2027-02-29"),
            ("cancellable_until", "soon"),
            ("partner_id_on_record", "acme"),
        ],
        &[
            "required customer ",
            "invalid subscription_id 1234567890123456",
            "bad-character product a\tb",
            "unknown-choice product_type legacy-licence > legacy-license",
            "invalid quantity 0",
            "unknown-choice status canceled > cancelled",
            "invalid auto_renew monthly",
            "invalid term_ends 2027-02-29",
            "invalid cancellable_until soon",
            "invalid partner_id_on_record acme",
        ],
    );
    check(
        &[("subscription_id", ""), ("product", ""), ("product_type", "")],
        &["required subscription_id "],
    );
}

#[test]
fn single_problems() {
    for quantity in ["-1", "+5", "1.5", "many", "4294967296"] {
        check(&[("quantity", quantity)], &[&format!("invalid quantity {quantity}")]);
    }
    check(&[("quantity", "4294967295")], &[]);
    let nil = "00000000-0000-0000-0000-000000000000";
    check(
        &[("subscription_id", nil)],
        &[&format!("invalid subscription_id {nil}")],
    );
    check(&[("subscription_id", "a\0b")], &["bad-character subscription_id a\0b"]);
    check(&[("status", "a\0b")], &["bad-character status a\0b"]);
    check(&[("term_ends", "2027\u{7f}")], &["bad-character term_ends 2027\u{7f}"]);
    check(
        &[("term_ends", "2027-06-30T00:00:00")],
        &["invalid term_ends 2027-06-30T00:00:00 > 2027-06-30T00:00:00Z"],
    );
    check(
        &[
            ("term_ends", "2027-06-30"),
            ("cancellable_until", "2027-07-01T00:00:00Z"),
        ],
        &["conflicting cancellable_until 2027-07-01T00:00:00Z"],
    );
    check(&[("term_ends", "2027-06-30"), ("cancellable_until", "2027-06-30")], &[]);
}

#[test]
fn an_unknown_word_is_told_all_that_are_known() {
    let row = testing::row_of(&SetSubscriptions, &GOOD, &[("status", "paused")]);
    let problems = testing::change(&SetSubscriptions, &row).unwrap_err();
    let expected = "`active`, `suspended`, `expired`, `disabled`, `pending`, `cancelled` or `deleted`";
    assert_eq!(problems[0].expected, expected);
    for product_type in ProductType::ALL {
        assert!(ProductType::parse(product_type.as_str()) == Some(*product_type));
    }
    assert!(ProductType::parse("").is_none());
}
