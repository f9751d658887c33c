//! Tenantry, the batch worker for the customer accounts of cloud resellers.

pub mod clock;
pub mod db;
pub mod ledger;
