//! SKUs as cells name them, as people are shown them, and as seats are needed of them.

use std::sync::Arc;

use tenantry_jobs::{Held, Problem, code, held_sku, key};

use super::PartnerCenterError;
use super::records::{Customer, Sku};
use super::session::Session;
use tenantry_store::{SeatNeed, SeatsOf};

/// The SKU a cell names by part number or id.
pub(super) fn sku<'s>(column: &str, wanted: &str, held: &'s [Sku]) -> Result<&'s Sku, Problem> {
    let is_it = |sku: &&Sku| key::same(&sku.part_number, wanted) || key::same(&sku.id, wanted);
    held.iter().find(is_it).ok_or_else(|| {
        let pairs = held.iter().map(|sku| (sku.part_number.as_str(), sku.id.as_str()));
        let known: Vec<Held<'_>> = pairs.collect();
        let own: Vec<&str> = held.iter().map(|sku| sku.part_number.as_str()).collect();
        let expected = if own.is_empty() {
            "the customer holds no SKUs".to_owned()
        } else {
            format!("the customer holds {}", own.join(", "))
        };
        Problem::stated(code::UNKNOWN_SKU, column, wanted, expected).suggest(held_sku(wanted, &known))
    })
}

/// SKU ids as part numbers.
pub(super) async fn shown(session: &Session, customer: &str, ids: &[String]) -> Result<String, PartnerCenterError> {
    let held = session.skus(customer).await?;
    Ok(names(&held, ids))
}

/// The same, with what the customer holds at hand.
pub(super) fn names(held: &[Sku], ids: &[String]) -> String {
    let name = |id: &String| {
        let sku = held.iter().find(|sku| sku.id == *id);
        sku.map_or_else(|| id.clone(), |sku| sku.part_number.clone())
    };
    let mut names: Vec<String> = ids.iter().map(name).collect();
    names.sort_unstable();
    names.join(";")
}

/// One seat of each of these SKUs.
pub(super) fn seats<'s>(
    row: u64,
    column: &'static str,
    customer: &Customer,
    skus: impl Iterator<Item = &'s Sku>,
) -> Vec<SeatNeed> {
    let need = |sku: &Sku| SeatNeed {
        row,
        column,
        of: Arc::new(SeatsOf {
            customer: customer.number(),
            domain: customer.domain.clone(),
            sku_id: sku.id.clone(),
            part_number: sku.part_number.clone(),
            free: sku.available,
        }),
    };
    skus.map(need).collect()
}
