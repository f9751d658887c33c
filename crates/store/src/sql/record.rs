//! Records that rows change, the same way whatever they are: their tables, their fields, how they are read and
//! how they are written.
//!
//! Every field is a text here, empty when there is none; whole numbers are written as digits. A record is
//! written only in the version it was read in, so that no change of somebody else is lost.

use std::borrow::Cow;

use serde_json::{Map, json};
use tenantry_jobs::{is_as_read, key};

use crate::FieldChange;
use tenantry_foundation::db::{Batch, DbError, Row, Tx, Value};

/// The user has to choose a password at the next sign-in.
pub(super) const MUST_SET_PASSWORD: i64 = 1;
/// The user may not sign in.
pub(super) const SIGN_IN_BLOCKED: i64 = 2;

/// The relationship of a customer who is one of ours, and of one who is no more.
pub(super) const RESELLER: &str = "reseller";
pub(super) const ENDED: &str = "none";

/// What a row can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Object {
    Customer,
    Seats,
    Subscription,
    Transfer,
    User,
}

/// A column: its name, and whether it holds a whole number.
type Field = (&'static str, bool);

/// A column for the key of a field: its name, the field, and how its text is folded.
type KeyOf = (&'static str, &'static str, for<'t> fn(&'t str) -> Cow<'t, str>);

const CUSTOMER_KEYS: &[KeyOf] = &[
    ("external_key", "external_id", key::fold),
    ("name_key", "company_name", key::fold),
    ("tags_key", "tags", key::fold),
];
const USER_KEYS: &[KeyOf] = &[("name_key", "user_principal_name", key::user_name)];

const CUSTOMER: &[Field] = &[
    ("company_name", false),
    ("first_name", false),
    ("last_name", false),
    ("email", false),
    ("phone", false),
    ("address_line1", false),
    ("address_line2", false),
    ("city", false),
    ("state", false),
    ("postal_code", false),
    ("country", false),
    ("culture", false),
    ("language", false),
    ("tags", false),
    ("external_id", false),
    ("relationship", false),
];
const SEATS: &[Field] = &[("part_number", false), ("seats", true)];
const SUBSCRIPTION: &[Field] = &[
    ("customer", true),
    ("subscription_id", false),
    ("product", false),
    ("product_type", false),
    ("quantity", true),
    ("status", false),
    ("suspension_reason", false),
    ("auto_renew", false),
    ("term_ends", true),
    ("cancellable_until", true),
    ("partner_id_on_record", false),
];
const TRANSFER: &[Field] = &[
    ("customer", true),
    ("subscription_id", false),
    ("direction", false),
    ("flow", false),
    ("partner_tenant_id", false),
    ("partner_name", false),
    ("customer_email", false),
    ("status", false),
    ("message", false),
    ("created_at", true),
    ("updated_at", true),
    ("expires_at", true),
];
const USER: &[Field] = &[
    ("customer", true),
    ("user_principal_name", false),
    ("display_name", false),
    ("first_name", false),
    ("last_name", false),
    ("job_title", false),
    ("department", false),
    ("office", false),
    ("office_phone", false),
    ("mobile_phone", false),
    ("fax", false),
    ("alternate_email", false),
    ("street_address", false),
    ("city", false),
    ("state", false),
    ("postal_code", false),
    ("country", false),
    ("usage_location", false),
    ("licenses", false),
    ("roles", false),
    ("flags", true),
    ("password_set_at", true),
];

impl Object {
    const ALL: [Object; 5] = [
        Self::Customer,
        Self::Seats,
        Self::Subscription,
        Self::Transfer,
        Self::User,
    ];

    /// The word in before-images.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Object::Customer => "customer",
            Object::Seats => "seats",
            Object::Subscription => "subscription",
            Object::Transfer => "transfer",
            Object::User => "user",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, DbError> {
        let found = Self::ALL.into_iter().find(|object| object.as_str() == text);
        found.ok_or_else(|| DbError::Broken(format!("a before-image is of a `{text}`, which is unknown here")))
    }

    pub(super) fn table(self) -> &'static str {
        match self {
            Object::Customer => "customers",
            Object::Seats => "subscribed_skus",
            Object::Subscription => "subscriptions",
            Object::Transfer => "transfers",
            Object::User => "users",
        }
    }

    fn fields(self) -> &'static [Field] {
        match self {
            Object::Customer => CUSTOMER,
            Object::Seats => SEATS,
            Object::Subscription => SUBSCRIPTION,
            Object::Transfer => TRANSFER,
            Object::User => USER,
        }
    }

    fn keys(self) -> &'static [KeyOf] {
        match self {
            Object::Customer => CUSTOMER_KEYS,
            Object::User => USER_KEYS,
            Object::Seats | Object::Subscription | Object::Transfer => &[],
        }
    }

    /// The field of that name, with its name as it lives as long as the program.
    pub(super) fn field(self, name: &str) -> Result<(usize, &'static str), DbError> {
        let found = self.fields().iter().enumerate().find(|(_, field)| field.0 == name);
        found
            .map(|(at, field)| (at, field.0))
            .ok_or_else(|| DbError::Broken(format!("a {} has no field `{name}`", self.as_str())))
    }

    /// The names of all fields, in order.
    pub(super) fn names(self) -> Vec<&'static str> {
        self.fields().iter().map(|field| field.0).collect()
    }

    /// The columns that are written: all fields, then the keys that follow from them.
    pub(super) fn columns(self) -> Vec<&'static str> {
        let mut columns = self.names();
        columns.extend(self.keys().iter().map(|key| key.0));
        columns
    }

    /// The record of `$1` and `$2`. Seats are known by customer and SKU, everything else by its id alone.
    pub(super) fn clause(self) -> &'static str {
        match self {
            Object::Seats => "customer = $1 AND sku_id = $2",
            _ => "id = $1 AND $2 = ''",
        }
    }

    fn value(self, at: usize, text: &str) -> Result<Value, DbError> {
        let (name, int) = self.fields()[at];
        if text.is_empty() {
            // A number of seats can be erased no more than a name can.
            Ok(Value::Null)
        } else if int {
            let number: i64 = text
                .parse()
                .map_err(|_| DbError::Broken(format!("`{name}` should be a number and is `{text}`")))?;
            Ok(number.into())
        } else {
            Ok(text.into())
        }
    }
}

/// Which record: its id, or customer and SKU of seats.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) object: Object,
    pub(super) id: i64,
    pub(super) part: String,
}

impl Key {
    pub(super) fn of(object: Object, id: i64) -> Self {
        Self {
            object,
            id,
            part: String::new(),
        }
    }

    pub(super) fn seats(customer: i64, sku_id: &str) -> Self {
        Self {
            object: Object::Seats,
            id: customer,
            part: sku_id.to_owned(),
        }
    }

    pub(super) fn params(&self) -> Vec<Value> {
        vec![self.id.into(), self.part.as_str().into()]
    }
}

/// A record as it was read, then as the rows before left it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    object: Object,
    pub(super) version: i64,
    /// The job that changed it last.
    pub(super) changed_by: Option<i64>,
    values: Vec<String>,
}

impl Record {
    /// A field's value; the name is one of the object's.
    pub(super) fn get(&self, name: &str) -> &str {
        self.object
            .field(name)
            .ok()
            .and_then(|(at, _)| self.values.get(at))
            .map_or("", String::as_str)
    }

    /// A whole number, 0 when there is none.
    pub(super) fn int(&self, name: &str) -> i64 {
        self.get(name).parse().unwrap_or(0)
    }

    pub(super) fn set(&mut self, changes: &[FieldChange]) -> Result<(), DbError> {
        for change in changes {
            let (at, _) = self.object.field(change.field)?;
            self.values[at].clone_from(&change.new);
        }
        self.version += 1;
        Ok(())
    }

    /// Gives a field a value, in the same version.
    pub(super) fn put(&mut self, name: &str, value: String) -> Result<(), DbError> {
        let (at, _) = self.object.field(name)?;
        self.values[at] = value;
        Ok(())
    }

    /// Every field with its value.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = self.object.fields().iter().map(|field| field.0);
        names.zip(self.values.iter().map(String::as_str))
    }

    /// Every field with its value.
    pub(super) fn into_fields(self) -> Vec<(&'static str, String)> {
        let names = self.object.fields().iter().map(|field| field.0);
        names.zip(self.values).collect()
    }

    /// The keys that follow from the fields.
    fn keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.object.keys().iter().map(|(_, field, fold)| fold(self.get(field)))
    }

    /// Appends every [column](Object::columns) to a row of a batch.
    pub(super) fn lay_out(&self, batch: &mut Batch) -> Result<(), DbError> {
        for (at, value) in self.values.iter().enumerate() {
            match self.object.value(at, value)? {
                Value::Int(number) => batch.int(number),
                _ => batch.text(value),
            }
        }
        self.keys().for_each(|key| batch.text(&key));
        Ok(())
    }

    /// As [`changes`](Self::changes) where a file says what is wanted, which cannot say everything that is held. `written` is what
    /// it says to the letter, where that is something else.
    pub(super) fn changes_read(
        &self,
        wanted: &[(&'static str, String)],
        written: &[(&'static str, String)],
    ) -> Vec<FieldChange> {
        let mut changes = self.changes(wanted);
        changes.retain(|change| {
            let mut said = written.iter().filter(|(field, _)| *field == change.field);
            !is_as_read(&change.old, &change.new) && !said.any(|(_, text)| is_as_read(&change.old, text))
        });
        changes
    }

    /// What `wanted` would change, fields that have their value already left out.
    pub(super) fn changes(&self, wanted: &[(&'static str, String)]) -> Vec<FieldChange> {
        let differing = wanted.iter().filter(|(field, new)| self.get(field) != new);
        differing
            .map(|(field, new)| FieldChange {
                field,
                old: self.get(field).to_owned(),
                new: new.clone(),
            })
            .collect()
    }

    pub(super) fn new(
        object: Object,
        values: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Self, DbError> {
        let mut record = Self {
            object,
            version: 1,
            changed_by: None,
            values: vec![String::new(); object.fields().len()],
        };
        for (name, value) in values {
            let (at, _) = object.field(name)?;
            record.values[at] = value;
        }
        Ok(record)
    }

    /// Version, last job and fields, from the first columns of a row.
    pub(super) fn read(object: Object, row: &Row) -> Result<Self, DbError> {
        let mut values = Vec::with_capacity(object.fields().len());
        for (at, (_, int)) in object.fields().iter().enumerate() {
            values.push(if *int {
                row.opt_int(at + 2)?.map_or(String::new(), |number| number.to_string())
            } else {
                row.text_or_empty(at + 2)?.to_owned()
            });
        }
        Ok(Self {
            object,
            version: row.int(0)?,
            changed_by: row.opt_int(1)?,
            values,
        })
    }

    fn column_params(&self, params: &mut Vec<Value>) -> Result<(), DbError> {
        for (at, value) in self.values.iter().enumerate() {
            params.push(self.object.value(at, value)?);
        }
        params.extend(self.keys().map(|key| stored(&key)));
        Ok(())
    }

    /// The parameters of [`update`]: key, version before, the job, every column.
    pub(super) fn update_params(&self, key: &Key, job: i64) -> Result<Vec<Value>, DbError> {
        let mut params = key.params();
        params.push((self.version - 1).into());
        params.push(job.into());
        self.column_params(&mut params)?;
        Ok(params)
    }

    /// The parameters of [`update_fields`]: key, version before, the job, the columns of those fields.
    pub(super) fn changed_params(&self, key: &Key, job: i64, changes: &[FieldChange]) -> Result<Vec<Value>, DbError> {
        let mut params = key.params();
        params.push((self.version - 1).into());
        params.push(job.into());
        for (at, field) in self.object.fields().iter().enumerate() {
            if is_among(changes, field.0) {
                params.push(self.object.value(at, &self.values[at])?);
            }
        }
        for (_, field, fold) in self.object.keys() {
            if is_among(changes, field) {
                params.push(stored(&fold(self.get(field))));
            }
        }
        Ok(params)
    }

    /// The parameters of [`insert`]: key, the job, every column.
    pub(super) fn insert_params(&self, key: &Key, job: i64) -> Result<Vec<Value>, DbError> {
        let mut params = match key.object {
            Object::Seats => key.params(),
            _ => vec![key.id.into()],
        };
        params.push(job.into());
        self.column_params(&mut params)?;
        Ok(params)
    }
}

/// A text as a column holds it: none for the empty one.
pub(super) fn stored(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// Reads the records of one object, in the order of the keys.
pub(super) fn load(tx: &mut dyn Tx, object: Object, keys: &[Key]) -> Result<Vec<Option<Record>>, DbError> {
    let sql = format!(
        "SELECT version, changed_by, {} FROM {} WHERE {}",
        object.names().join(", "),
        object.table(),
        object.clause()
    );
    let params: Vec<Vec<Value>> = keys.iter().map(Key::params).collect();
    let found = tx.query_each(&sql, &params)?;
    let first = |rows: &Vec<Row>| rows.first().map(|row| Record::read(object, row)).transpose();
    found.iter().map(first).collect()
}

/// The customers that records belong to, in the order of the keys; none for a record that is gone.
pub(super) fn owners(tx: &mut dyn Tx, keys: &[Key]) -> Result<Vec<Option<i64>>, DbError> {
    let mut owners = vec![None; keys.len()];
    for object in Object::ALL {
        let of_object: Vec<usize> = (0..keys.len()).filter(|at| keys[*at].object == object).collect();
        let sql = match object {
            Object::Customer | Object::Seats => {
                for at in of_object {
                    owners[at] = Some(keys[at].id);
                }
                continue;
            }
            Object::Subscription => "SELECT customer FROM subscriptions WHERE id = $1",
            Object::Transfer => "SELECT customer FROM transfers WHERE id = $1",
            Object::User => {
                "SELECT customer FROM users WHERE id = $1 UNION ALL SELECT customer FROM deleted_users WHERE id = $1"
            }
        };
        let params: Vec<Vec<Value>> = of_object.iter().map(|at| vec![keys[*at].id.into()]).collect();
        for (at, rows) in of_object.into_iter().zip(tx.query_each(sql, &params)?) {
            owners[at] = rows.first().map(|row| row.int(0)).transpose()?;
        }
    }
    Ok(owners)
}

/// Writes a record whole if it has the version it was read in. Seats that are assigned cannot go.
pub(super) fn update(object: Object) -> String {
    match object {
        Object::Seats => update_if(object, " AND assigned <= $6"),
        _ => update_if(object, ""),
    }
}

/// As [`update`], however many seats are assigned.
pub(super) fn update_freely(object: Object) -> String {
    update_if(object, "")
}

/// As [`update`], but only fields that changes are of, and the keys that follow from them.
pub(super) fn update_fields(object: Object, changes: &[FieldChange]) -> String {
    let fields = object.fields().iter().map(|field| field.0);
    let fields = fields.filter(|field| is_among(changes, field));
    let keys = object.keys().iter().filter(|(_, field, _)| is_among(changes, field));
    update_columns(object, fields.chain(keys.map(|key| key.0)).collect(), "")
}

fn is_among(changes: &[FieldChange], field: &str) -> bool {
    changes.iter().any(|change| change.field == field)
}

fn update_if(object: Object, guard: &str) -> String {
    update_columns(object, object.columns(), guard)
}

fn update_columns(object: Object, columns: Vec<&'static str>, guard: &str) -> String {
    let places = columns.into_iter().zip(5..);
    let mut sets: Vec<String> = places
        .clone()
        .map(|(name, place)| format!("{name} = ${place}"))
        .collect();
    // Who gets another key has no twin.
    let twin = places.filter(|(name, _)| *name == "external_key");
    sets.extend(["changed_by = $4".to_owned(), "version = version + 1".to_owned()]);
    sets.extend(twin.map(|(name, place)| format!("twin = CASE WHEN {name} = ${place} THEN twin ELSE 0 END")));
    format!(
        "UPDATE {} SET {} WHERE {} AND version = $3{guard}",
        object.table(),
        sets.join(", "),
        object.clause()
    )
}

/// Inserts a record unless there is one.
pub(super) fn insert(object: Object) -> String {
    let key: &[&str] = match object {
        Object::Seats => &["customer", "sku_id"],
        _ => &["id"],
    };
    let columns: Vec<&str> = key
        .iter()
        .copied()
        .chain(["changed_by"])
        .chain(object.columns())
        .collect();
    let places: Vec<String> = (1..=columns.len()).map(|at| format!("${at}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
        object.table(),
        columns.join(", "),
        places.join(", ")
    )
}

/// Removes a record if it has the version it was read in. Seats that are assigned cannot go.
pub(super) fn remove(object: Object) -> String {
    let guard = match object {
        Object::Seats => " AND assigned = 0",
        _ => "",
    };
    format!(
        "DELETE FROM {} WHERE {} AND version = $3{guard}",
        object.table(),
        object.clause()
    )
}

/// Old or new values as they are kept in an image.
pub(super) fn image(changes: &[FieldChange], pick: impl Fn(&FieldChange) -> &String) -> String {
    let fields: Map<_, _> = changes
        .iter()
        .map(|change| (change.field.to_owned(), json!(pick(change))))
        .collect();
    serde_json::Value::Object(fields).to_string()
}
