//! What is done to a store in memory.

use crate::store::memory::{MemoryStore, Sort};

/// The SKU's GUID, which files name it by as well.
const SPB: &str = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46";

/// Seats and subscriptions; the names of the latter.
pub(super) fn sell(store: &MemoryStore) -> Vec<(&'static str, String)> {
    let mut world = store.world();
    let [alpha, beta] = ["alpha", "beta"].map(|name| world.customer_in(&format!("{name}.onmicrosoft.com")));
    world.add(
        Sort::Sku,
        &alpha,
        &[("sku_id", SPB), ("part_number", "SPB"), ("seats", "3")],
    );
    let mut subscribe = |customer: &str, product: &str, product_type: &str, quantity: &str| {
        let fields = [
            ("product", product),
            ("product_type", product_type),
            ("quantity", quantity),
            ("status", "active"),
        ];
        world.add(Sort::Subscription, customer, &fields)
    };
    vec![
        (
            "{nce}",
            subscribe(&alpha, "Microsoft 365 Business Premium", "new-commerce-license", "3"),
        ),
        ("{legacy}", subscribe(&alpha, "Exchange Online", "legacy-license", "5")),
        ("{legacy-b}", subscribe(&beta, "Exchange Online", "legacy-license", "5")),
        ("{azure}", subscribe(&alpha, "Microsoft Azure", "azure-legacy", "1")),
    ]
}

pub(super) fn state(store: &MemoryStore) -> Vec<String> {
    store.world().lines()
}

pub(super) fn passwords(store: &MemoryStore) -> Vec<String> {
    store.world().passwords()
}
