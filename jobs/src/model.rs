//! Rules and tables that several kinds share, as data where possible.

pub(crate) mod cell;
pub(crate) mod company_name;
pub(crate) mod country;
pub(crate) mod date;
pub(crate) mod domain;
pub(crate) mod email;
pub(crate) mod list;
pub(crate) mod person;
pub(crate) mod postal;
pub(crate) mod products;
pub(crate) mod profile;
pub(crate) mod roles;
pub(crate) mod skus;
pub(crate) mod upn;
pub(crate) mod yes_no;

mod countries;
mod country_names;
mod states;
