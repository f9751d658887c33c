//! What a database of customers holds, a line for each record. Ids, versions and what only some stores keep are left out.

use tenantry_ledger::Ledger;

/// What a customer's directory comes with is the store's own affair.
const QUERIES: [&str; 5] = [
    "SELECT 'customer ' || domain || ': ' || COALESCE(company_name, '') || ', ' || COALESCE(first_name, '') || ' '
       || COALESCE(last_name, '') || ', ' || COALESCE(email, '') || ', ' || COALESCE(phone, '') || ', '
       || COALESCE(address_line1, '') || ', ' || COALESCE(address_line2, '') || ', ' || COALESCE(postal_code, '') || ' '
       || COALESCE(city, '') || ' ' || COALESCE(country, '') || ', ' || relationship
     FROM customers",
    "SELECT 'user ' || user_principal_name || ': ' || display_name || ', ' || COALESCE(first_name, '') || ' '
       || COALESCE(last_name, '') || ', ' || COALESCE(usage_location, '') || ', ' || COALESCE(licenses, '') || ', '
       || COALESCE(roles, '')
     FROM users WHERE user_principal_name NOT LIKE 'admin@%'",
    "SELECT 'deleted ' || user_principal_name || ': ' || display_name FROM deleted_users",
    "SELECT 'seats ' || c.domain || ': ' || s.part_number || ' ' || CAST(s.assigned AS TEXT) || ' of '
       || CAST(s.seats AS TEXT)
     FROM subscribed_skus s JOIN customers c ON c.id = s.customer",
    "SELECT 'subscription ' || s.subscription_id || ': ' || c.domain || ', ' || CAST(s.quantity AS TEXT) || ', ' || s.status
     FROM subscriptions s JOIN customers c ON c.id = s.customer",
];

pub(super) async fn of(ledger: &Ledger) -> Vec<String> {
    let read = ledger.db().read(|tx| {
        let mut lines = Vec::new();
        for query in QUERIES {
            for row in tx.query(query, &[])? {
                lines.push(row.text(0)?.to_owned());
            }
        }
        // Licences are told by the names that files have for them.
        for row in tx.query("SELECT DISTINCT sku_id, part_number FROM subscribed_skus", &[])? {
            let (id, name) = (row.text(0)?, row.text(1)?);
            for line in &mut lines {
                *line = line.replace(id, name);
            }
        }
        Ok(lines)
    });
    read.await.expect("a state")
}

pub(super) async fn passwords(ledger: &Ledger) -> Vec<String> {
    crate::place::column(
        ledger.db(),
        "SELECT user_principal_name || ' ' || CAST(COALESCE(password_set_at, 0) AS TEXT) FROM users
         ORDER BY user_principal_name",
    )
    .await
}
