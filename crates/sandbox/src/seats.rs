//! Seats as they are counted: bought, given to users and given back.

use super::record::Resource;
use tenantry_foundation::db::{DbError, Tx};

/// The licences of a user, by their SKU ids.
pub(super) fn of(user: &Resource) -> Vec<String> {
    let held = user.text("_licenses").split(';').filter(|sku| !sku.is_empty());
    held.map(str::to_owned).collect()
}

/// Gives all seats of a user back, in the record too.
pub(super) fn free(tx: &mut dyn Tx, user: &mut Resource) -> Result<(), DbError> {
    for sku in of(user) {
        take(tx, user.customer, &sku, -1)?;
    }
    user.put("_licenses", "");
    Ok(())
}

/// Gives seats of a SKU out, or takes them back where the number is negative.
pub(super) fn take(tx: &mut dyn Tx, customer: i64, sku: &str, seats: i64) -> Result<(), DbError> {
    tx.exec(
        "UPDATE subscribed_skus SET assigned = assigned + $3, version = version + 1 WHERE customer = $1 AND sku_id = $2",
        &[customer.into(), sku.into(), seats.into()],
    )
    .map(drop)
}

/// Adds seats of a SKU to those a customer holds.
pub(super) fn add_seats(
    tx: &mut dyn Tx,
    customer: i64,
    sku: &str,
    part_number: &str,
    seats: i64,
) -> Result<(), DbError> {
    tx.exec(
        "INSERT INTO subscribed_skus (customer, sku_id, part_number, seats) VALUES ($1, $2, $3, $4)
         ON CONFLICT (customer, sku_id) DO UPDATE SET seats = seats + excluded.seats, version = version + 1",
        &[customer.into(), sku.into(), part_number.into(), seats.into()],
    )
    .map(drop)
}

/// Counts a customer's assigned seats anew.
pub(super) fn recount(tx: &mut dyn Tx, customer: i64) -> Result<(), DbError> {
    tx.exec(
        "UPDATE subscribed_skus SET assigned = (SELECT count(*) FROM users u WHERE u.customer = $1
           AND instr(u.licenses, sku_id) > 0) WHERE customer = $1",
        &[customer.into()],
    )
    .map(drop)
}
