//! Counts that follow from other records: a customer's `user_count` from its users, the `assigned` seats of a SKU from the
//! licences of the customer's users. Every transaction that changes users keeps them up to date; here they are held against what
//! they follow from, and fixed.

use std::collections::{BTreeSet, HashMap};

use tenantry_foundation::db::{Db, DbError, Dialect, Tx, Value};
use tenantry_ledger::Actor;
use tenantry_ledger::audit::{self, Action, AuditEntry};

/// Customers fixed in one transaction.
const AT_ONCE: usize = 500;

/// A count that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    customer: i64,
    /// The customer's primary domain.
    pub domain: String,
    /// The SKU whose assigned seats these are; `None` for the customer's users.
    pub part_number: Option<String>,
    /// What is recorded.
    pub recorded: i64,
    /// What there is.
    pub counted: i64,
}

/// A SKU of which more seats are assigned than there are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Overdrawn {
    pub domain: String,
    pub part_number: String,
    pub assigned: i64,
    pub seats: i64,
}

/// What does not add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discrepancies {
    /// What can be counted anew, by customer.
    pub wrong: Vec<Wrong>,
    /// What somebody has to decide about.
    pub overdrawn: Vec<Overdrawn>,
}

/// What was fixed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed {
    /// Customers whose `user_count` was wrong.
    pub customers: u64,
    /// SKUs of customers whose `assigned` was wrong.
    pub skus: u64,
}

/// Users and the licences they hold, one row for each.
fn holders(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "users u JOIN json_each('[' || replace(json_quote(u.licenses), ';', '\",\"') || ']') AS held
             ON u.licenses IS NOT NULL"
        }
        Dialect::Postgres => "users u CROSS JOIN LATERAL unnest(string_to_array(u.licenses, ';')) AS held (value)",
    }
}

/// Holds all counts against what they follow from.
pub fn find(tx: &mut dyn Tx) -> Result<Discrepancies, DbError> {
    let mut found = Discrepancies::default();
    let users = tx.query(
        "SELECT c.id, c.domain, c.user_count, COALESCE(u.number, 0) FROM customers c
         LEFT JOIN (SELECT customer, count(*) AS number FROM users GROUP BY customer) u ON u.customer = c.id
         WHERE c.user_count <> COALESCE(u.number, 0) ORDER BY c.id",
        &[],
    )?;
    for row in users {
        found.wrong.push(Wrong {
            customer: row.int(0)?,
            domain: row.text(1)?.to_owned(),
            part_number: None,
            recorded: row.int(2)?,
            counted: row.int(3)?,
        });
    }
    // Of what is copied from elsewhere, as many are assigned as were there.
    let sql = format!(
        "SELECT s.customer, c.domain, s.part_number, s.assigned, COALESCE(h.number, 0), s.seats, COALESCE(k.local, 0)
         FROM subscribed_skus s JOIN customers c ON c.id = s.customer
         LEFT JOIN (SELECT u.customer, held.value AS sku_id, count(DISTINCT u.id) AS number FROM {}
                    GROUP BY u.customer, held.value) h ON h.customer = s.customer AND h.sku_id = s.sku_id
         LEFT JOIN (SELECT DISTINCT local, part FROM copies WHERE object = 'seats') k
           ON k.local = s.customer AND k.part = s.sku_id
         WHERE s.assigned <> COALESCE(h.number, 0) OR s.seats < COALESCE(h.number, 0)
         ORDER BY s.customer, s.sku_id",
        holders(tx.dialect())
    );
    for row in tx.query(&sql, &[])? {
        let (domain, part_number) = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
        let (recorded, counted, seats) = (row.int(3)?, row.int(4)?, row.int(5)?);
        if seats < counted && row.int(6)? == 0 {
            found.overdrawn.push(Overdrawn {
                domain: domain.clone(),
                part_number: part_number.clone(),
                assigned: counted,
                seats,
            });
        }
        if recorded != counted {
            found.wrong.push(Wrong {
                customer: row.int(0)?,
                domain,
                part_number: Some(part_number),
                recorded,
                counted,
            });
        }
    }
    Ok(found)
}

/// Fixes what was found, as it is by then, and records that `actor` had it done.
pub async fn fix(db: &Db, found: &Discrepancies, actor: &Actor, now_millis: i64) -> Result<Fixed, DbError> {
    let customers: BTreeSet<i64> = found.wrong.iter().map(|wrong| wrong.customer).collect();
    let customers: Vec<i64> = customers.into_iter().collect();
    let mut all = Fixed::default();
    for customers in customers.chunks(AT_ONCE) {
        let (customers, actor) = (customers.to_vec(), actor.clone());
        let fixed = db
            .write(move |tx| {
                let fixed = fix_counts_of(tx, &customers)?;
                if fixed != Fixed::default() {
                    audit::append(tx, now_millis, &entry(fixed, actor))?;
                }
                Ok(fixed)
            })
            .await?;
        all.customers += fixed.customers;
        all.skus += fixed.skus;
    }
    Ok(all)
}

fn entry(fixed: Fixed, actor: Actor) -> AuditEntry {
    AuditEntry {
        via: Some(actor.way()),
        actor: actor.name,
        action: Action::Repaired,
        job: None,
        kind: None,
        plan_hash: None,
        counts: None,
        digest: None,
        note: Some(fixed.to_string()),
    }
}

impl std::fmt::Display for Fixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let mut parts = Vec::new();
        if self.customers > 0 {
            parts.push(format!("user_count of {}", counted(self.customers, "customer")));
        }
        if self.skus > 0 {
            parts.push(format!("assigned seats of {}", counted(self.skus, "SKU")));
        }
        f.write_str(&parts.join(", "))
    }
}

/// Counts the assigned seats of SKUs that have come to be here, by customer and SKU, whose users may be here before them.
pub(super) fn count_assigned(tx: &mut dyn Tx, skus: &[(i64, String)]) -> Result<(), DbError> {
    let sql = format!(
        "UPDATE subscribed_skus SET assigned =
           (SELECT count(DISTINCT u.id) FROM {} WHERE u.customer = $1 AND held.value = $2)
         WHERE customer = $1 AND sku_id = $2",
        holders(tx.dialect())
    );
    let params: Vec<Vec<Value>> = skus
        .iter()
        .map(|(customer, sku)| vec![(*customer).into(), sku.as_str().into()])
        .collect();
    tx.exec_each(&sql, &params).map(drop)
}

/// Counts anew under the locks of the customers, as a transaction that changes users holds them.
fn fix_counts_of(tx: &mut dyn Tx, customers: &[i64]) -> Result<Fixed, DbError> {
    let ids: Vec<Value> = customers.iter().map(|id| (*id).into()).collect();
    let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
    let places = places.join(", ");
    tx.lock("customers", customers)?;
    let sql = format!("SELECT customer, sku_id, assigned FROM subscribed_skus WHERE customer IN ({places})");
    let skus = tx.query(&sql, &ids)?;
    let sql = format!("SELECT id, user_count FROM customers WHERE id IN ({places})");
    let recorded = tx.query(&sql, &ids)?;

    let sets: Vec<Vec<Value>> = ids.iter().map(|id| vec![id.clone()]).collect();
    let users = tx.query_each("SELECT count(*) AS number FROM users WHERE customer = $1", &sets)?;
    let users: HashMap<i64, i64> = customers
        .iter()
        .zip(&users)
        .map(|(id, rows)| Ok((*id, rows.first().map_or(Ok(0), |row| row.int(0))?)))
        .collect::<Result<_, DbError>>()?;
    let sql = format!(
        "SELECT held.value AS sku_id, count(DISTINCT u.id) AS number FROM {} WHERE u.customer = $1 GROUP BY held.value",
        holders(tx.dialect())
    );
    let mut assigned = HashMap::new();
    for (id, rows) in customers.iter().zip(tx.query_each(&sql, &sets)?) {
        for row in rows {
            assigned.insert((*id, row.text(0)?.to_owned()), row.int(1)?);
        }
    }

    let mut counts: Vec<Vec<Value>> = Vec::new();
    for row in recorded {
        let counted = users.get(&row.int(0)?).copied().unwrap_or(0);
        if row.int(1)? != counted {
            counts.push(vec![row.int(0)?.into(), counted.into()]);
        }
    }
    let mut seats: Vec<Vec<Value>> = Vec::new();
    for row in skus {
        let key = (row.int(0)?, row.text(1)?.to_owned());
        let counted = assigned.get(&key).copied().unwrap_or(0);
        if row.int(2)? != counted {
            seats.push(vec![key.0.into(), key.1.into(), counted.into()]);
        }
    }
    let sql = "UPDATE subscribed_skus SET assigned = $3 WHERE customer = $1 AND sku_id = $2";
    tx.exec_each(sql, &seats)?;
    tx.exec_each("UPDATE customers SET user_count = $2 WHERE id = $1", &counts)?;
    Ok(Fixed {
        customers: counts.len() as u64,
        skus: seats.len() as u64,
    })
}
