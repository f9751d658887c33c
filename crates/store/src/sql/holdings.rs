//! Holdings of customers, for suggestions about cells that name none of them.

use tenantry_jobs::{CustomerRef, Holdings, Naming, OwnSubscription};

use super::Prepared;
use super::lookup::CustomerDetails;
use tenantry_foundation::db::{DbError, Tx};

impl Prepared {
    /// What a customer that was looked up holds of that; `None` where there is no such customer.
    pub fn holdings(
        &mut self,
        tx: &mut dyn Tx,
        customer: CustomerRef<'_>,
        naming: Naming,
    ) -> Result<Option<Holdings>, DbError> {
        if naming == Naming::Sku {
            self.directory.know(tx, CustomerDetails::SKUS)?;
        }
        let Ok(customer) = self.directory.find(customer) else {
            return Ok(None);
        };
        Ok(Some(match naming {
            Naming::Subscription => Holdings::Subscriptions(subscriptions(tx, customer.id)?),
            Naming::Sku => {
                let pairs = customer
                    .skus()
                    .iter()
                    .map(|sku| (sku.part_number.clone(), sku.id.clone()));
                Holdings::Skus(pairs.collect())
            }
        }))
    }
}

/// The subscriptions of a customer.
pub(super) fn subscriptions(tx: &mut dyn Tx, customer: i64) -> Result<Vec<OwnSubscription>, DbError> {
    let sql = "SELECT subscription_id, product, status FROM subscriptions WHERE customer = $1 ORDER BY id";
    let found = tx.query(sql, &[customer.into()])?;
    let own = |row: &tenantry_foundation::db::Row| {
        Ok(OwnSubscription {
            id: row.text(0)?.to_owned(),
            product: row.text(1)?.to_owned(),
            status: row.text(2)?.to_owned(),
        })
    };
    found.iter().map(own).collect()
}
