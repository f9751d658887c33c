//! `set-seats`: how many seats of a SKU a customer holds, assigned ones included.
//!
//! The SQL stores have no marketplace to buy from; this is how they learn what there is to assign.

use uuid::Uuid;

use crate::faults::Faults;
use crate::model::{cell, products, skus};
use crate::{
    Change, Column, Faulty, JobKind, Passwords, Policy, Request, RowCells, RunsIn, Seats, Undo, code, position,
};

/// The kind.
pub(crate) struct SetSeats;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("sku", "part number of the SKU, e.g. `SPB`"),
    Column::optional(
        "sku_id",
        "GUID of the SKU; required unless the part number is well known",
    ),
    Column::required(
        "seats",
        "how many seats the customer holds in all, assigned ones included",
    ),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const SKU: usize = position(COLUMNS, "sku");
const SKU_ID: usize = position(COLUMNS, "sku_id");
const SEATS: usize = position(COLUMNS, "seats");

impl JobKind for SetSeats {
    fn kind(&self) -> &'static str {
        "set-seats"
    }

    fn summary(&self) -> &'static str {
        "Set how many seats of a SKU customers hold"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("set_seats.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::WhileUntouched,
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let customer = cell::customer(&mut faults, row, CUSTOMER);
        let (part_number, sku_id) = sku(&mut faults, row);
        if row.text(SEATS).is_empty() {
            faults.add(SEATS, code::REQUIRED, "", "a value");
        }
        let change = Seats {
            customer,
            part_number,
            sku_id,
            seats: cell::whole_number(&mut faults, row, SEATS, 0).unwrap_or_default(),
        };
        faults.finish(Change::SetSeats(change))
    }
}

/// The part number in capitals and the id, from what the row says of either.
fn sku<'a>(faults: &mut Faults, row: &RowCells<'a>) -> (&'a str, Uuid) {
    let before = faults.count();
    let part_number = faults.required_line(row, SKU, 128);
    let is_faulty = faults.count() > before;
    let id = row.text(SKU_ID);
    let given = Uuid::try_parse(id).ok();
    if !id.is_empty() && given.is_none() {
        faults.add(SKU_ID, code::INVALID, id, "a GUID");
    }
    if is_faulty {
        // Whatever else is true of it, it is not what was meant.
        return (part_number, given.unwrap_or_default());
    }
    if let Ok(written_as_id) = Uuid::try_parse(part_number) {
        let expected = "the SKU's part number; its GUID belongs in `sku_id`";
        faults.add_near(SKU, code::INVALID, part_number, (expected, skus::by_id(written_as_id)));
    } else if !products::is_part_number(part_number) {
        let expected = "a part number, which has neither blanks nor any of `: , ; | +`";
        faults.add_near(
            SKU,
            code::INVALID,
            part_number,
            (expected, products::known_sku(part_number)),
        );
    } else if let Some((known, known_id)) = skus::find(part_number) {
        if given.is_some_and(|given| given != known_id) {
            let near = known_id.to_string();
            faults.add_near(
                SKU_ID,
                code::INVALID,
                id,
                (format!("the id of `{known}`, or nothing"), Some(&near)),
            );
        }
        return (known, known_id);
    } else if let Some(known) = given.and_then(skus::by_id) {
        let expected = "the part number of that id";
        faults.add_near(SKU, code::CONFLICTING, part_number, (expected, Some(known)));
    } else if part_number.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let capitals = part_number.to_ascii_uppercase();
        faults.add_near(
            SKU,
            code::INVALID,
            part_number,
            ("a part number in capitals", Some(&capitals)),
        );
    } else if id.is_empty() && !part_number.is_empty() {
        let expected = "a part number we know, or the SKU's GUID in `sku_id`";
        faults.add_near(SKU, code::UNKNOWN_SKU, part_number, (expected, skus::near(part_number)));
    }
    (part_number, given.unwrap_or_default())
}

#[cfg(test)]
mod tests;
