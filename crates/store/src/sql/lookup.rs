//! Resolution of the customers that rows name: customers by GUID, domain or external id, with their domains and SKUs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tenantry_jobs::{Change, CustomerRef, Held, Problem, Request, code, held_sku, key, nearest};

use super::record::ENDED;
use crate::company::unknown_customer;
use tenantry_foundation::db::{DbError, Row, Tx, Value};
use uuid::Uuid;

/// The customers rows have named so far.
#[derive(Default)]
pub(super) struct Directory {
    customers: Vec<Customer>,
    /// By the text rows name them with, as it is written: what two texts are one customer depends on whether they are
    /// domains or external ids.
    by_text: HashMap<String, Found>,
    by_id: HashMap<i64, usize>,
    /// How many of them have their domains, and their SKUs, looked up. They are the first ones.
    with_domains: usize,
    with_skus: usize,
    /// Of subscriptions by their ids: who holds one, and what it is. Nothing if there is no such subscription.
    products: HashMap<Uuid, Option<(i64, String)>>,
}

/// A customer as far as its rows need it.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    pub(super) id: i64,
    pub(super) tenant_id: String,
    /// The primary domain.
    pub(super) domain: String,
    pub(super) company_name: String,
    external_key: String,
    /// How many users the store holds of it.
    pub(super) users: i64,
    /// It is no customer of ours any more.
    pub(super) ended: bool,
    /// Whether there are deleted users of it.
    pub(super) has_deleted_users: bool,
    domains: Option<Vec<String>>,
    skus: Option<Vec<Sku>>,
}

impl Customer {
    /// All its domains, which [have been looked up](Directory::know).
    pub(super) fn domains(&self) -> &[String] {
        debug_assert!(self.domains.is_some(), "its domains were not looked up");
        self.domains.as_deref().unwrap_or_default()
    }

    /// Its SKUs, which [have been looked up](Directory::know).
    pub(super) fn skus(&self) -> &[Sku] {
        debug_assert!(self.skus.is_some(), "its SKUs were not looked up");
        self.skus.as_deref().unwrap_or_default()
    }
}

/// What rows need of their customers beyond who they are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CustomerDetails {
    pub(super) domains: bool,
    pub(super) skus: bool,
}

impl CustomerDetails {
    pub(super) const SKUS: Self = Self {
        domains: false,
        skus: true,
    };
    const DOMAINS: Self = Self {
        domains: true,
        skus: false,
    };

    pub(super) fn of(request: &Request<'_>) -> Self {
        let Request::Change(change) = request else {
            return Self::default();
        };
        match change {
            Change::CreateUser(user) => Self {
                domains: true,
                skus: !user.licenses.is_empty(),
            },
            Change::UpdateUser(patch) => Self {
                domains: patch.new_name.is_some(),
                skus: false,
            },
            Change::SetSeats(_) | Change::AssignLicenses(_) => Self::SKUS,
            Change::CreateCustomer(_)
            | Change::UpdateCustomer(_)
            | Change::DeleteUser(_)
            | Change::RestoreUser(_)
            | Change::ResetPassword(_)
            | Change::SetSubscription(_)
            | Change::SuspendSubscription(_)
            | Change::RemoveRelationship(_)
            | Change::SwitchSubscription(_) => Self::default(),
        }
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self {
            domains: self.domains || other.domains,
            skus: self.skus || other.skus,
        }
    }
}

/// A SKU a customer holds.
#[derive(Debug, Clone)]
pub(super) struct Sku {
    pub(super) id: String,
    pub(super) part_number: String,
    pub(super) seats: i64,
    pub(super) assigned: i64,
}

impl Sku {
    fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.text(0)?.to_owned(),
            part_number: row.text(1)?.to_owned(),
            seats: row.int(2)?,
            assigned: row.int(3)?,
        })
    }
}

#[derive(Debug, Clone)]
enum Found {
    One(usize),
    /// The domains of those whose company is called so; where there are none, a domain that is nearly the same.
    None(Vec<String>, Option<String>),
    /// The domains of two of them.
    Several(String, String),
}

impl Directory {
    /// Looks up those it does not know yet.
    pub(super) fn resolve<'a>(
        &mut self,
        tx: &mut dyn Tx,
        named: impl Iterator<Item = CustomerRef<'a>>,
    ) -> Result<(), DbError> {
        let mut wanted: HashMap<&'a str, CustomerRef<'a>> = HashMap::new();
        let (mut last, mut are_confirmed) = ("", false);
        for reference in named {
            are_confirmed |= matches!(reference, CustomerRef::Confirmed { domain, .. } if !domain.is_empty());
            // Files are mostly sorted by customer; the common case is the row before's.
            let text = reference.as_written();
            if text != last {
                last = text;
                if !self.by_text.contains_key(text) {
                    wanted.entry(text).or_insert(reference);
                }
            }
        }
        self.look_up(tx, wanted)?;
        if are_confirmed {
            self.know(tx, CustomerDetails::DOMAINS)?;
        }
        Ok(())
    }

    fn look_up(&mut self, tx: &mut dyn Tx, wanted: HashMap<&str, CustomerRef<'_>>) -> Result<(), DbError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (texts, references): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        let keys: Vec<Vec<Value>> = references
            .iter()
            .zip(&texts)
            .map(|(reference, text)| {
                // Nothing is looked for by what is NULL, and no domain is without a dot.
                let id = match reference.looked_up_by() {
                    CustomerRef::Id(id, _) => Some(id.to_string()),
                    _ => None,
                };
                let domain = key::domain(text);
                let domain = domain.contains('.').then(|| domain.as_ref().into());
                vec![
                    domain.unwrap_or(Value::Null),
                    key::fold(text).as_ref().into(),
                    id.into(),
                ]
            })
            .collect();
        let found = tx.query_each(
            &format!(
                "SELECT c.*, CASE WHEN EXISTS (SELECT 1 FROM deleted_users d WHERE d.customer = c.id) THEN 1 ELSE 0 END AS deleted
                 FROM (SELECT {CUSTOMER} FROM domains d JOIN customers c ON c.id = d.customer WHERE d.domain_key = $1
                    UNION ALL SELECT {CUSTOMER} FROM customers c WHERE c.external_key = $2
                    UNION ALL SELECT {CUSTOMER} FROM customers c WHERE c.tenant_id = $3) c"
            ),
            &keys,
        )?;
        let unknown = texts.iter().zip(&found).filter(|(_, rows)| rows.is_empty());
        let unknown: Vec<&str> = unknown.map(|(text, _)| *text).collect();
        let of_name = companies(tx, unknown.iter().copied())?;
        let is_named = |text: &str| of_name.contains_key(key::fold(text).as_ref());
        let mut near = near_domains(tx, unknown.into_iter().filter(|text| !is_named(text)))?;
        for (text, mut rows) in texts.into_iter().zip(found) {
            // One that is found in several ways is one.
            let mut ids = BTreeSet::new();
            rows.retain(|row| row.int(0).is_ok_and(|id| ids.insert(id)));
            let found = match rows.as_slice() {
                [] => Found::None(
                    of_name.get(key::fold(text).as_ref()).cloned().unwrap_or_default(),
                    near.remove(text),
                ),
                [row] => {
                    let customer = Customer {
                        id: row.int(0)?,
                        users: row.int(1)?,
                        tenant_id: row.text(2)?.to_owned(),
                        domain: row.text(3)?.to_owned(),
                        ended: row.text(4)? == ENDED,
                        company_name: row.text_or_empty(5)?.to_owned(),
                        external_key: row.text_or_empty(6)?.to_owned(),
                        has_deleted_users: row.int(7)? != 0,
                        domains: None,
                        skus: None,
                    };
                    let customers = &mut self.customers;
                    let position = *self.by_id.entry(customer.id).or_insert_with(|| {
                        customers.push(customer);
                        customers.len() - 1
                    });
                    Found::One(position)
                }
                [one, other, ..] => {
                    let (one, other) = (one.text(3)?, other.text(3)?);
                    Found::Several(one.min(other).to_owned(), one.max(other).to_owned())
                }
            };
            self.by_text.insert(text.to_owned(), found);
        }
        Ok(())
    }

    /// Looks up details of all customers that are known so far and do not have them yet.
    pub(super) fn know(&mut self, tx: &mut dyn Tx, details: CustomerDetails) -> Result<(), DbError> {
        let all = self.customers.len();
        let ids = |from: usize, is_wanted: bool| -> Vec<Vec<Value>> {
            let wanted = self.customers[from..].iter().filter(|_| is_wanted);
            wanted.map(|customer| vec![customer.id.into()]).collect()
        };
        let domains_of = ids(self.with_domains, details.domains);
        let skus_of = ids(self.with_skus, details.skus);
        let queries = [
            ("SELECT domain FROM domains WHERE customer = $1", domains_of.as_slice()),
            (
                "SELECT sku_id, part_number, seats, assigned FROM subscribed_skus WHERE customer = $1 ORDER BY sku_id",
                &skus_of,
            ),
        ];
        let queries: Vec<(&str, &[Vec<Value>])> = queries.into_iter().filter(|(_, ids)| !ids.is_empty()).collect();
        if queries.is_empty() {
            return Ok(());
        }
        let mut found = tx.query_all(&queries)?.into_iter();
        if !domains_of.is_empty() {
            let found = found.next().unwrap_or_default();
            for (customer, rows) in self.customers[self.with_domains..].iter_mut().zip(found) {
                let domains = rows.iter().map(|row| row.text(0).map(str::to_owned));
                customer.domains = Some(domains.collect::<Result<_, _>>()?);
            }
            self.with_domains = all;
        }
        if !skus_of.is_empty() {
            let found = found.next().unwrap_or_default();
            for (customer, rows) in self.customers[self.with_skus..].iter_mut().zip(found) {
                customer.skus = Some(rows.iter().map(Sku::read).collect::<Result<_, _>>()?);
            }
            self.with_skus = all;
        }
        Ok(())
    }

    /// Looks up the products of those subscriptions that it does not know yet.
    pub(super) fn resolve_products<'a>(
        &mut self,
        tx: &mut dyn Tx,
        subscriptions: impl Iterator<Item = &'a str>,
    ) -> Result<(), DbError> {
        let ids = subscriptions.filter_map(|id| Uuid::try_parse(id.trim()).ok());
        let wanted: BTreeSet<Uuid> = ids.filter(|id| !self.products.contains_key(id)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let keys: Vec<Vec<Value>> = wanted.iter().map(|id| vec![id.to_string().into()]).collect();
        let found = tx.query_each(
            "SELECT customer, product FROM subscriptions WHERE subscription_id = $1",
            &keys,
        )?;
        for (id, rows) in wanted.into_iter().zip(found) {
            let held = rows
                .first()
                .map(|row| Ok::<_, DbError>((row.int(0)?, row.text_or_empty(1)?.to_owned())));
            self.products.insert(id, held.transpose()?);
        }
        Ok(())
    }

    /// The product of a subscription that a customer holds; empty if it holds none of that id.
    pub(super) fn product(&self, customer: i64, subscription: Uuid) -> &str {
        let held = self.products.get(&subscription).and_then(Option::as_ref);
        held.filter(|(holder, _)| *holder == customer)
            .map_or("", |(_, product)| product)
    }

    /// The customer a row names, with whom there is a relationship.
    pub(super) fn find(&self, reference: CustomerRef<'_>) -> Result<&Customer, Problem> {
        let customer = self.find_any(reference)?;
        if customer.ended {
            return Err(Problem::stated(
                code::RELATIONSHIP_ENDED,
                "customer",
                reference.as_written(),
                "the relationship with this customer has ended",
            ));
        }
        Ok(customer)
    }

    /// The customer a row names, whether or not the relationship has ended.
    pub(super) fn find_any(&self, reference: CustomerRef<'_>) -> Result<&Customer, Problem> {
        let text = reference.as_written();
        match self.by_text.get(text).unwrap_or(&Found::None(Vec::new(), None)) {
            Found::One(position) => {
                let customer = &self.customers[*position];
                let others = std::iter::once(customer).flat_map(Customer::domains);
                let domains = std::iter::once(&customer.domain).chain(others);
                reference.confirm(domains.map(String::as_str), Some(&customer.external_key))?;
                Ok(customer)
            }
            Found::None(of_name, near) => Err(unknown_customer(
                text,
                "id, domain or external id",
                of_name.clone(),
                near.as_deref(),
            )),
            Found::Several(one, other) => Err(Problem::stated(
                code::AMBIGUOUS_CUSTOMER,
                "customer",
                text,
                format!("both `{one}` and `{other}` answer to this; name the one that is meant by its GUID"),
            )),
        }
    }
}

/// The domains of the customers whose company is called so, by the name's key. All of them are read at once: there is no
/// index on what only rows in error ask for.
fn companies<'a>(
    tx: &mut dyn Tx,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Vec<String>>, DbError> {
    let names = names.filter(|name| !name.is_empty() && Uuid::try_parse(name).is_err());
    let keys: Vec<Value> = names.map(|name| key::fold(name).as_ref().into()).collect();
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for keys in keys.chunks(NAMES_AT_ONCE) {
        let places: Vec<String> = (1..=keys.len()).map(|at| format!("${at}")).collect();
        let sql = format!(
            "SELECT name_key, domain FROM customers WHERE name_key IN ({}) AND relationship <> '{ENDED}'",
            places.join(",")
        );
        for row in tx.query(&sql, keys)? {
            let of_name = found.entry(row.text(0)?.to_owned()).or_default();
            if of_name.len() < MOST_OF_A_NAME {
                of_name.push(row.text(1)?.to_owned());
            }
        }
    }
    Ok(found)
}

/// Domains that are nearly what rows have named, by that: the same first letters, and little else in the first label, as with a letter that is
/// missing, or the rest of a domain. What is found of one text does not depend on which others are looked up with it, as outcomes are
/// recorded with it.
fn near_domains<'a>(
    tx: &mut dyn Tx,
    texts: impl Iterator<Item = &'a str>,
) -> Result<HashMap<&'a str, String>, DbError> {
    const PREFIX: usize = 5;
    const LEAST: usize = 3;
    let label = |domain: &str| domain.split('.').next().unwrap_or_default().to_owned();
    let labelled = texts.map(|text| (text, label(key::domain(text).as_ref())));
    let labelled: Vec<(&str, String)> = labelled.filter(|(_, label)| label.chars().count() >= LEAST).collect();
    let range = |(_, label): &(&str, String)| {
        let prefix: String = label.chars().take(PREFIX).collect();
        vec![prefix.as_str().into(), format!("{prefix}\u{10ffff}").into()]
    };
    let rows = tx.query_each(
        &format!(
            "SELECT d.domain_key, d.domain FROM domains d JOIN customers c ON c.id = d.customer AND c.relationship <> '{ENDED}'
             WHERE d.domain_key >= $1 AND d.domain_key < $2 ORDER BY d.domain_key LIMIT 50"
        ),
        &labelled.iter().map(range).collect::<Vec<_>>(),
    )?;
    let mut found = HashMap::new();
    for ((text, wanted), rows) in labelled.iter().zip(rows) {
        let mut domains = BTreeMap::new();
        for row in &rows {
            domains.entry(label(row.text(0)?)).or_insert(row.text(1)?.to_owned());
        }
        let near = nearest(wanted, domains.keys().map(String::as_str));
        if let Some(domain) = near.and_then(|label| domains.get(label)) {
            found.insert(*text, domain.clone());
        }
    }
    Ok(found)
}

/// What is read of a customer.
const CUSTOMER: &str = "c.id, c.user_count, c.tenant_id, c.domain, c.relationship, c.company_name, c.external_key";
/// Names that are looked for in one statement.
const NAMES_AT_ONCE: usize = 500;
/// Customers of one name that are remembered.
const MOST_OF_A_NAME: usize = 100;

/// The SQL that finds a user by what [`user_key`] gives.
pub(super) const USER_BY_KEY: &str = "customer = $1 AND name_key = $2";

/// What a user of that name is found by.
pub(super) fn user_key(customer: i64, name: &str) -> (i64, String) {
    (customer, key::user_name(name).into_owned())
}

/// The primary domain of a customer.
pub(super) fn domain_of(tx: &mut dyn Tx, customer: i64) -> Result<String, DbError> {
    let found = tx.query_first("SELECT domain FROM customers WHERE id = $1", &[customer.into()])?;
    found.map_or(Ok(String::new()), |row| row.text(0).map(str::to_owned))
}

/// The GUID of a customer.
pub(super) fn tenant_of(tx: &mut dyn Tx, customer: i64) -> Result<String, DbError> {
    let found = tx.query_first("SELECT tenant_id FROM customers WHERE id = $1", &[customer.into()])?;
    found.map_or(Ok(String::new()), |row| row.text(0).map(str::to_owned))
}

/// The SKU a cell names by part number or id.
pub(super) fn sku<'s>(column: &str, name: &str, held: &'s [Sku]) -> Result<&'s Sku, Problem> {
    let found = held
        .iter()
        .find(|sku| key::same(&sku.part_number, name) || key::same(&sku.id, name));
    found.ok_or_else(|| {
        let pairs = held.iter().map(|sku| (sku.part_number.as_str(), sku.id.as_str()));
        let known: Vec<Held<'_>> = pairs.collect();
        let own: Vec<&str> = held.iter().map(|sku| sku.part_number.as_str()).collect();
        let expected = if own.is_empty() {
            "the customer holds no SKUs".to_owned()
        } else {
            format!("the customer holds {}", own.join(", "))
        };
        Problem::stated(code::UNKNOWN_SKU, column, name, expected).suggest(held_sku(name, &known))
    })
}
