//! Rows of `set-seats`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const SPB: &str = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46";
const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
const OTHER: &str = "0f3a7a52-9f3e-4d53-8a8e-5b1f5d2c7e11";

/// `code column > suggestion` of every problem of the row.
fn check(sku: &str, sku_id: &str, seats: &str, expected: &[&str]) {
    let row = [Some("CRM-7"), Some(sku), Some(sku_id), Some(seats)];
    let problems = testing::change(&SetSeats, &row).err().unwrap_or_default();
    let told: Vec<String> = problems
        .iter()
        .map(|problem| match &problem.suggestion {
            Some(near) => format!("{} {} > {near}", problem.code, problem.column),
            None => format!("{} {}", problem.code, problem.column),
        })
        .collect();
    assert_eq!(told, expected, "{sku} {sku_id} {seats}");
}

#[test]
fn known_part_numbers_need_no_id() {
    let row = [Some("CRM-7"), Some("spb"), None, Some("12")];
    let Change::SetSeats(seats) = testing::change(&SetSeats, &row).unwrap() else {
        panic!("another change");
    };
    assert_eq!(
        (seats.part_number, seats.sku_id.to_string().as_str(), seats.seats),
        ("SPB", SPB, 12)
    );
}

#[test]
fn problems() {
    check("SPB", SPB, "0", &[]);
    check("ACME_BACKUP", OTHER, "5", &[]);
    check("SPB", OTHER, "5", &[&format!("invalid sku_id > {SPB}")]);
    check("SPE_E4", "", "5", &["unknown-sku sku > SPE_E3"]);
    check("Microsoft 365 E3", "", "5", &["invalid sku > SPE_E3"]);
    check("MICROSOFT 365 E3", E3, "5", &["invalid sku > SPE_E3"]);
    check("m365 business premium", "", "5", &["invalid sku > SPB"]);
    check("Acme Backup", OTHER, "5", &["invalid sku"]);
    check("ACME BACKUP", OTHER, "5", &["invalid sku"]);
    check("alpen:SPB", "", "5", &["invalid sku > SPB"]);
    check("alpen:ACME_BACKUP", OTHER, "5", &["invalid sku"]);
    for list in ["SPB,SPE_E3", "SPB|SPE_E3", "SPB+SPE_E3"] {
        check(list, "", "5", &["invalid sku"]);
        check(list, OTHER, "5", &["invalid sku"]);
    }
    check(
        "Enterprise Mobility + Security E5",
        "",
        "5",
        &["invalid sku > EMSPREMIUM"],
    );
    check("Apps for business", "", "5", &["invalid sku > O365_BUSINESS"]);
    // Of two products that are called so, neither.
    check("Business Premium", "", "5", &["invalid sku"]);
    check("M365_E3", E3, "5", &["conflicting sku > SPE_E3"]);
    check("m365_e3", E3, "5", &["conflicting sku > SPE_E3"]);
    check(
        "{CBDC14AB-D96C-4C30-B9F4-6ADA7CDC1D46}",
        "",
        "5",
        &["invalid sku > SPB"],
    );
    check("CFQ7TTC0K5DR/0002", OTHER, "5", &[]);
    check("acme_backup", OTHER, "5", &["invalid sku > ACME_BACKUP"]);
    check(SPB, "", "5", &["invalid sku > SPB"]);
    check("", "x", "", &["required sku", "invalid sku_id", "required seats"]);
    for seats in ["-1", "+5", "1.5", "many", "4294967296"] {
        check("SPB", "", seats, &["invalid seats"]);
    }
}
