//! Seats in a session: those of all customers of a chunk are read together, and counted as rows take and free them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::{UnitOfWork, contended};
use crate::sql::record::{Key, Object, Record};
use tenantry_foundation::db::{DbError, Tx, Value};

/// Seats by customer and SKU.
#[derive(Debug, Default)]
pub(super) struct Counted {
    of: BTreeMap<(i64, String), SeatChange>,
    /// Customers whose seats have been read.
    customers: HashSet<i64>,
    /// Those whose seats are read with the next one's.
    expected: BTreeSet<i64>,
}

#[derive(Debug, Clone, Copy)]
struct SeatChange {
    free: i64,
    taken: i64,
}

impl Counted {
    /// Writes what was taken and freed.
    pub(super) fn write(&self, tx: &mut dyn Tx) -> Result<(), DbError> {
        let taken = self.of.iter().filter(|(_, seats)| seats.taken != 0);
        let taken: Vec<Vec<Value>> = taken
            .map(|((customer, sku), seats)| vec![(*customer).into(), sku.as_str().into(), seats.taken.into()])
            .collect();
        let sql = "UPDATE subscribed_skus SET assigned = assigned + $3
             WHERE customer = $1 AND sku_id = $2 AND ($3 < 0 OR assigned + $3 <= seats)";
        tx.send_each(sql, taken, || contended("taking the same seats"))
    }
}

impl UnitOfWork<'_> {
    /// Says whose seats may be asked for, so that they are read together.
    pub(in crate::sql) fn expect_customers(&mut self, customers: impl IntoIterator<Item = i64>) {
        self.seats.expected.extend(customers);
        let counted = &self.seats.customers;
        self.seats.expected.retain(|customer| !counted.contains(customer));
    }

    /// Reads the seats of a customer, and with them those of all customers that are expected.
    fn count_seats(&mut self, customer: i64) -> Result<(), DbError> {
        if self.seats.customers.contains(&customer) {
            return Ok(());
        }
        self.seats.expected.insert(customer);
        let customers = std::mem::take(&mut self.seats.expected);
        let names = Object::Seats.names();
        let sql = format!(
            "SELECT version, changed_by, {}, sku_id, seats - assigned FROM subscribed_skus WHERE customer = $1",
            names.join(", ")
        );
        let params: Vec<Vec<Value>> = customers.iter().map(|customer| vec![(*customer).into()]).collect();
        for (customer, rows) in customers.iter().zip(self.tx.query_each(&sql, &params)?) {
            for row in rows {
                let key = Key::seats(*customer, row.text(names.len() + 2)?);
                let free = row.int(names.len() + 3)?;
                self.seats
                    .of
                    .insert((*customer, key.part.clone()), SeatChange { free, taken: 0 });
                let held = Record::read(Object::Seats, &row)?;
                self.records.entry(key).or_insert(Some(Arc::new(held)));
            }
        }
        self.seats.customers.extend(customers);
        Ok(())
    }

    /// SKU ids as part numbers, for people.
    pub(in crate::sql) fn part_numbers(&mut self, customer: i64, licenses: &str) -> Result<String, DbError> {
        let mut names = Vec::new();
        for sku in licenses.split(';').filter(|sku| !sku.is_empty()) {
            self.count_seats(customer)?;
            let held = self.records.get(&Key::seats(customer, sku)).and_then(Option::as_ref);
            names.push(held.map_or(sku, |held| held.get("part_number")).to_owned());
        }
        Ok(names.join(";"))
    }

    /// Free seats of a SKU, those counted in that this chunk has taken or freed. `None` when the customer holds none.
    pub(in crate::sql) fn free_seats(&mut self, customer: i64, sku_id: &str) -> Result<Option<i64>, DbError> {
        self.count_seats(customer)?;
        let seats = self.seats.of.get(&(customer, sku_id.to_owned()));
        Ok(seats.map(|seats| seats.free - seats.taken))
    }

    pub(super) fn take_seats(&mut self, customer: i64, licenses: &str, count: i64) -> Result<(), DbError> {
        for sku in licenses.split(';').filter(|sku| !sku.is_empty()) {
            self.count_seats(customer)?;
            if let Some(seats) = self.seats.of.get_mut(&(customer, sku.to_owned())) {
                seats.taken += count;
            }
        }
        Ok(())
    }
}
