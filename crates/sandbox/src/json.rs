//! Small things done with JSON: members by path, names in one spelling, and what is not for every eye.

use serde_json::{Map, Value};

/// Names whose first letter in lower case is not yet how they are answered.
const SPELLINGS: &[&str] = &["partnertenantid", "enableGDAPByDefault", "id"];

/// The member at a path such as `billingProfile.defaultAddress.city`.
pub(super) fn get<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |at, name| at.get(name))
}

/// The text at a path; empty if there is none.
pub(super) fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    get(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// Sets the member at a path, and makes the objects on the way.
pub(super) fn put(value: &mut Value, path: &str, new: Value) {
    let mut at = value;
    for name in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[name];
    }
    *at = new;
}

/// Takes the member at a path out.
pub(super) fn take(value: &mut Value, path: &str) -> Option<Value> {
    let (owner, name) = match path.rsplit_once('.') {
        Some((owner, name)) => (get_mut(value, owner)?, name),
        None => (value, path),
    };
    owner.as_object_mut()?.remove(name)
}

fn get_mut<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    path.split('.').try_fold(value, |at, name| at.get_mut(name))
}

/// What a client wrote, with member names as they are answered and without nulls, which mean the same as nothing.
pub(super) fn normal(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (spelling(&name), normal(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        other => other,
    }
}

fn spelling(name: &str) -> String {
    if let Some(known) = SPELLINGS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        return (*known).to_owned();
    }
    let mut letters = name.chars();
    letters
        .next()
        .map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

/// The same for those who like their names to begin with a capital.
pub(super) fn pascal(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| {
                    let mut letters = name.chars();
                    let first = letters.next().into_iter().flat_map(char::to_uppercase);
                    (first.chain(letters).collect(), pascal(value))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(pascal).collect()),
        other => other.clone(),
    }
}

/// What may be shown of a record: names that begin with `_` are our own notes.
pub(super) fn shown(value: &Value) -> Value {
    each(value, &|name, _| !name.starts_with('_'))
}

/// What may be written down: everything but passwords.
pub(super) fn redacted(value: &Value) -> Value {
    each(value, &|name, value| {
        !(value.is_string() && name.to_ascii_lowercase().contains("password"))
    })
}

fn each(value: &Value, keep: &dyn Fn(&str, &Value) -> bool) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| keep(name, value));
            Value::Object(kept.map(|(name, value)| (name.clone(), each(value, keep))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| each(item, keep)).collect()),
        other => other.clone(),
    }
}
