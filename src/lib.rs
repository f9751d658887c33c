//! Tenantry, the batch worker for the customer accounts of cloud resellers.

pub mod clock;
pub mod input;
pub mod ledger;
pub mod receipt;
