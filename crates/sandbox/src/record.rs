//! Records as the resources they are answered as. What the program's tables have columns for lies there, where the
//! program's other commands find it; the rest is JSON beside them.

use std::borrow::Cow;

use serde_json::{Value as Json, json};
use tenantry_jobs::key;

use super::json;
use super::state::{millis, moment};
use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// How a column and a member correspond.
#[derive(Debug, Clone, Copy)]
enum MemberForm {
    Text,
    Int,
    YesNo,
    Moment,
}

use MemberForm::{Int, Moment, Text, YesNo};

/// A sort of record: its table, and which column is which member.
pub(super) struct ResourceKind {
    table: &'static str,
    /// What its details are filed under.
    details: &'static str,
    /// The column that says whose it is.
    owner: &'static str,
    members: &'static [(&'static str, &'static str, MemberForm)],
}

pub(super) const CUSTOMER: ResourceKind = ResourceKind {
    table: "customers",
    details: "customer",
    owner: "id",
    members: &[
        ("tenant_id", "id", Text),
        ("domain", "companyProfile.domain", Text),
        ("company_name", "companyProfile.companyName", Text),
        (
            "registration_number",
            "companyProfile.organizationRegistrationNumber",
            Text,
        ),
        ("first_name", "billingProfile.firstName", Text),
        ("last_name", "billingProfile.lastName", Text),
        ("email", "billingProfile.email", Text),
        ("culture", "billingProfile.culture", Text),
        ("language", "billingProfile.language", Text),
        ("phone", "billingProfile.defaultAddress.phoneNumber", Text),
        ("address_line1", "billingProfile.defaultAddress.addressLine1", Text),
        ("address_line2", "billingProfile.defaultAddress.addressLine2", Text),
        ("city", "billingProfile.defaultAddress.city", Text),
        ("state", "billingProfile.defaultAddress.state", Text),
        ("postal_code", "billingProfile.defaultAddress.postalCode", Text),
        ("country", "billingProfile.defaultAddress.country", Text),
        ("associated_partner_id", "associatedPartnerId", Text),
        ("relationship", "relationshipToPartner", Text),
    ],
};

pub(super) const USER: ResourceKind = ResourceKind {
    table: "users",
    details: "user",
    owner: "customer",
    members: USER_MEMBERS,
};

/// Users that are deleted, and can be restored.
pub(super) const DELETED_USER: ResourceKind = ResourceKind {
    table: "deleted_users",
    details: "user",
    owner: "customer",
    members: DELETED_USER_MEMBERS,
};

const USER_MEMBERS: &[(&str, &str, MemberForm)] = &[
    ("user_principal_name", "userPrincipalName", Text),
    ("display_name", "displayName", Text),
    ("first_name", "firstName", Text),
    ("last_name", "lastName", Text),
    ("usage_location", "usageLocation", Text),
    ("licenses", "_licenses", Text),
    ("roles", "_roles", Text),
    ("flags", "_flags", Int),
    ("password_set_at", "_passwordSetAt", Int),
];

const DELETED_USER_MEMBERS: &[(&str, &str, MemberForm)] = &[
    ("user_principal_name", "userPrincipalName", Text),
    ("display_name", "displayName", Text),
    ("first_name", "firstName", Text),
    ("last_name", "lastName", Text),
    ("usage_location", "usageLocation", Text),
    ("licenses", "_licenses", Text),
    ("roles", "_roles", Text),
    ("flags", "_flags", Int),
    ("password_set_at", "_passwordSetAt", Int),
    ("deleted_at", "softDeletionTime", Moment),
];

pub(super) const SUBSCRIPTION: ResourceKind = ResourceKind {
    table: "subscriptions",
    details: "subscription",
    owner: "customer",
    members: &[
        ("subscription_id", "id", Text),
        ("product", "offerName", Text),
        ("product_type", "_productType", Text),
        ("quantity", "quantity", Int),
        ("status", "status", Text),
        ("auto_renew", "autoRenewEnabled", YesNo),
        ("term_ends", "commitmentEndDate", Moment),
        ("cancellable_until", "cancellationAllowedUntilDate", Moment),
        ("partner_id_on_record", "partnerId", Text),
    ],
};

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) id: i64,
    /// The customer it belongs to.
    pub(super) customer: i64,
    pub(super) version: i64,
    /// The resource, with notes of our own in members that begin with `_`.
    pub(super) body: Json,
}

impl Resource {
    /// A record that is made.
    pub(super) fn new(id: i64, customer: i64, body: Json) -> Self {
        Self {
            id,
            customer,
            version: 1,
            body,
        }
    }

    pub(super) fn text(&self, path: &str) -> &str {
        json::text(&self.body, path)
    }

    pub(super) fn int(&self, path: &str) -> i64 {
        json::get(&self.body, path).and_then(Json::as_i64).unwrap_or_default()
    }

    pub(super) fn put(&mut self, path: &str, value: impl Into<Json>) {
        json::put(&mut self.body, path, value.into());
    }
}

/// The records that `rest` of a query over the table `t` selects.
pub(super) fn select(
    tx: &mut dyn Tx,
    kind: &ResourceKind,
    rest: &str,
    params: &[Value],
) -> Result<Vec<Resource>, DbError> {
    let columns: Vec<String> = kind.members.iter().map(|(column, ..)| format!("t.{column}")).collect();
    let sql = format!(
        "SELECT t.id, t.{}, t.version, d.body, {} FROM {} t LEFT JOIN sandbox_details d ON d.kind = '{}' AND d.id = t.id {rest}",
        kind.owner,
        columns.join(", "),
        kind.table,
        kind.details,
    );
    tx.query(&sql, params)?.iter().map(|row| read(kind, row)).collect()
}

fn read(kind: &ResourceKind, row: &Row) -> Result<Resource, DbError> {
    let details = row.text_or_empty(3)?;
    let mut body = if details.is_empty() {
        json!({})
    } else {
        serde_json::from_str(details).map_err(|error| DbError::Broken(format!("details of a record: {error}")))?
    };
    for (at, (_, path, form)) in kind.members.iter().enumerate() {
        let at = at + 4;
        let value = match form {
            Text => row.opt_text(at)?.map(Json::from),
            Int => row.opt_int(at)?.map(Json::from),
            YesNo => row.opt_text(at)?.map(|word| Json::from(word == "yes")),
            Moment => row.opt_int(at)?.map(|millis| Json::from(moment(millis))),
        };
        if let Some(value) = value {
            json::put(&mut body, path, value);
        }
    }
    Ok(Resource {
        id: row.int(0)?,
        customer: row.int(1)?,
        version: row.int(2)?,
        body,
    })
}

/// The columns' values, and what is left of the resource without them.
fn split(kind: &ResourceKind, body: &Json) -> (Vec<Value>, Json) {
    let mut rest = body.clone();
    let values = kind.members.iter().map(|(_, path, form)| {
        let member = json::take(&mut rest, path);
        match (form, member) {
            (_, None) => Value::Null,
            (Int, Some(value)) => value.as_i64().into(),
            (YesNo, Some(value)) => Value::from(if value == true { "yes" } else { "no" }),
            (Moment, Some(value)) => value.as_str().and_then(millis).into(),
            (Text, Some(Json::String(text))) => text.into(),
            (Text, Some(other)) => other.to_string().into(),
        }
    });
    (values.collect(), rest)
}

/// The keys that the program's tables have beside what they are keys of: columns and values.
fn keys(kind: &ResourceKind, values: &[Value]) -> Vec<(&'static str, Value)> {
    let (of, fold): (_, for<'t> fn(&'t str) -> Cow<'t, str>) = match kind.table {
        "customers" => ("company_name", key::fold),
        "users" | "deleted_users" => ("user_principal_name", key::user_name),
        _ => return Vec::new(),
    };
    let at = kind.members.iter().position(|(column, ..)| *column == of);
    let key = match at.and_then(|at| values.get(at)) {
        Some(Value::Text(text)) => fold(text).into_owned().into(),
        _ => Value::Null,
    };
    vec![("name_key", key)]
}

/// Gives a customer another domain.
pub(super) fn add_domain(tx: &mut dyn Tx, customer: i64, domain: &str) -> Result<(), DbError> {
    tx.exec(
        "INSERT INTO domains (domain, customer, domain_key) VALUES ($1, $2, $3)",
        &[domain.into(), customer.into(), key::domain(domain).as_ref().into()],
    )
    .map(drop)
}

/// Writes a new record.
pub(super) fn insert(tx: &mut dyn Tx, kind: &ResourceKind, record: &Resource) -> Result<(), DbError> {
    let (values, rest) = split(kind, &record.body);
    let mut columns = vec!["id", "version"];
    let mut params = vec![record.id.into(), record.version.into()];
    if kind.owner != "id" {
        columns.push(kind.owner);
        params.push(record.customer.into());
    }
    columns.extend(kind.members.iter().map(|(column, ..)| *column));
    let keys = keys(kind, &values);
    params.extend(values);
    for (column, key) in keys {
        columns.push(column);
        params.push(key);
    }
    let places: Vec<String> = (1..=params.len()).map(|n| format!("${n}")).collect();
    tx.exec(
        &format!(
            "INSERT INTO {} ({}) VALUES ({})",
            kind.table,
            columns.join(", "),
            places.join(", ")
        ),
        &params,
    )?;
    write_details(tx, kind, record.id, &rest)
}

/// Writes a changed record, in its next version.
pub(super) fn update(tx: &mut dyn Tx, kind: &ResourceKind, record: &mut Resource) -> Result<(), DbError> {
    record.version += 1;
    let (values, rest) = split(kind, &record.body);
    let (keys, keyed): (Vec<_>, Vec<_>) = keys(kind, &values).into_iter().unzip();
    let columns = kind.members.iter().map(|(column, ..)| *column).chain(keys);
    let sets: Vec<String> = columns
        .zip(3..)
        .map(|(column, at)| format!("{column} = ${at}"))
        .collect();
    let mut params = vec![record.id.into(), record.version.into()];
    params.extend(values);
    params.extend(keyed);
    tx.exec(
        &format!(
            "UPDATE {} SET version = $2, {} WHERE id = $1",
            kind.table,
            sets.join(", ")
        ),
        &params,
    )?;
    write_details(tx, kind, record.id, &rest)
}

fn write_details(tx: &mut dyn Tx, kind: &ResourceKind, id: i64, rest: &Json) -> Result<(), DbError> {
    tx.exec(
        "INSERT INTO sandbox_details (kind, id, body) VALUES ($1, $2, $3)
         ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
        &[kind.details.into(), id.into(), rest.to_string().into()],
    )
    .map(drop)
}

/// Takes a record out of its table; its details stay until they are written anew or the customer goes.
pub(super) fn remove(tx: &mut dyn Tx, kind: &ResourceKind, id: i64) -> Result<(), DbError> {
    tx.exec(&format!("DELETE FROM {} WHERE id = $1", kind.table), &[id.into()])
        .map(drop)
}
