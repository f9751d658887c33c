//! The way back of one image: what undoes it, or why nothing does.

use serde_json::{Map, Value as Json};

use super::super::record::{Key, Object, Record};
use super::super::session::{ChangeStep, DeletedOf, UnitOfWork};
use super::super::transfer::status;
use super::super::{update_customer, update_user};
use crate::FieldChange;
use crate::transfers::stands;
use tenantry_foundation::db::DbError;

/// What is to be done about one image.
pub(super) enum Way {
    Steps(Vec<ChangeStep>, Vec<FieldChange>),
    Done,
    Kept(Option<i64>),
    Never(String),
}

/// A request can be withdrawn until it is answered.
pub(super) fn transfer(session: &mut UnitOfWork<'_>, key: &Key, after: &Map<String, Json>) -> Result<Way, DbError> {
    let Some(transfer) = session.record(key)? else {
        return Ok(Way::Done);
    };
    let now = transfer.get("status");
    Ok(match now {
        status::PENDING => {
            let changes = transfer.changes(&[
                ("status", status::CANCELLED.to_owned()),
                ("updated_at", session.now.to_string()),
            ]);
            let shown = vec![FieldChange::new("transfer", now, status::CANCELLED)];
            Way::Steps(
                vec![ChangeStep::Edit {
                    key: key.clone(),
                    changes,
                }],
                shown,
            )
        }
        status::CANCELLED | status::EXPIRED if text(after, "status") == status::PENDING => Way::Done,
        now => Way::Never(stands(now)),
    })
}

/// Fields that were changed get their old values back, if they still have the new ones.
pub(super) fn edited(
    session: &mut UnitOfWork<'_>,
    object: Object,
    key: &Key,
    before: &Map<String, Json>,
    after: &Map<String, Json>,
) -> Result<Way, DbError> {
    let Some(record) = session.record(key)? else {
        return Ok(if object == Object::User {
            Way::Kept(
                session
                    .deleted_user(DeletedOf::Id(key.id))?
                    .and_then(|user| user.changed_by),
            )
        } else {
            Way::Kept(None)
        });
    };
    let mut wanted = Vec::new();
    for (field, new) in after {
        let (_, field) = object.field(field)?;
        let (now, new) = (record.get(field), new.as_str().unwrap_or(""));
        let (old, new) = match field {
            "flags" => flags_since(now, text(before, field), new),
            _ => (text(before, field).to_owned(), new.to_owned()),
        };
        if now == old {
            continue;
        }
        if now != new {
            return Ok(Way::Kept(record.changed_by));
        }
        if (object, field) == (Object::User, "user_principal_name")
            && let Some((other, user)) = session.find_user(record.int("customer"), &old)?
            && other != key.id
        {
            return Ok(Way::Kept(user.changed_by.or(Some(other >> 32))));
        }
        wanted.push((field, old));
    }
    if wanted.is_empty() {
        return Ok(Way::Done);
    }
    if let Some(why) = in_the_way(session, object, key, &record, &wanted)? {
        return Ok(Way::Never(why));
    }
    let changes = record.changes(&wanted);
    let step = ChangeStep::Edit {
        key: key.clone(),
        changes: changes.clone(),
    };
    let mut shown = match object {
        Object::User => update_user::shown(changes),
        _ => changes,
    };
    for change in shown.iter_mut().filter(|change| change.field == "licenses") {
        for value in [&mut change.old, &mut change.new] {
            *value = session.part_numbers(record.int("customer"), value)?;
        }
    }
    Ok(Way::Steps(vec![step], shown))
}

/// Flags as they were before and after a row, in all but those it changed as they are now: each is a field of its own.
fn flags_since(now: &str, before: &str, after: &str) -> (String, String) {
    let number = |flags: &str| flags.parse::<i64>().unwrap_or(0);
    let (now, before, after) = (number(now), number(before), number(after));
    let changed = before ^ after;
    let with = |flags: i64| (now & !changed | flags & changed).to_string();
    (with(before), with(after))
}

/// Why old values cannot come back although nobody has changed the record.
fn in_the_way(
    session: &mut UnitOfWork<'_>,
    object: Object,
    key: &Key,
    record: &Record,
    wanted: &[(&'static str, String)],
) -> Result<Option<String>, DbError> {
    for (field, old) in wanted {
        match (object, *field) {
            (Object::Customer, "external_id") if !old.is_empty() => {
                if let Some(domain) = update_customer::external_id_of(session.tx, old, key.id)? {
                    return Ok(Some(format!("the customer `{domain}` has the external id `{old}` now")));
                }
            }
            (Object::Seats, "seats") => {
                let seats: i64 = old.parse().unwrap_or(0);
                let free = session.free_seats(key.id, &key.part)?.unwrap_or(0);
                let assigned = record.int("seats") - free;
                if seats < assigned {
                    return Ok(Some(format!(
                        "{assigned} seats of {} are assigned",
                        record.get("part_number")
                    )));
                }
            }
            (Object::User, "licenses") => {
                let has: Vec<&str> = record.get("licenses").split(';').collect();
                for sku in old.split(';').filter(|sku| !sku.is_empty() && !has.contains(sku)) {
                    let customer = record.int("customer");
                    if session.free_seats(customer, sku)?.unwrap_or(0) <= 0 {
                        let sku = session.part_numbers(customer, sku)?;
                        return Ok(Some(format!("no seat of {sku} is free any more")));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// A record that a row made goes, if nobody has changed it since.
pub(super) fn inserted(
    session: &mut UnitOfWork<'_>,
    object: Object,
    key: &Key,
    after: &Map<String, Json>,
) -> Result<Way, DbError> {
    let Some(record) = session.record(key)? else {
        return Ok(Way::Done);
    };
    for (field, made) in after {
        let (_, field) = object.field(field)?;
        if record.get(field) != made.as_str().unwrap_or("") {
            return Ok(Way::Kept(record.changed_by));
        }
    }
    if object == Object::Seats {
        let free = session.free_seats(key.id, &key.part)?.unwrap_or(0);
        let assigned = record.int("seats") - free;
        if assigned > 0 {
            return Ok(Way::Never(format!(
                "{assigned} seats of {} are assigned",
                record.get("part_number")
            )));
        }
    }
    let shown = vec![FieldChange::new(object.as_str(), "there", "removed")];
    Ok(Way::Steps(vec![ChangeStep::Remove { key: key.clone() }], shown))
}

/// A record that an undo removed comes back.
pub(super) fn removed(
    session: &mut UnitOfWork<'_>,
    object: Object,
    key: &Key,
    before: &Map<String, Json>,
) -> Result<Way, DbError> {
    if session.record(key)?.is_some() {
        return Ok(Way::Done);
    }
    let mut values = Vec::new();
    for (field, old) in before {
        let (_, field) = object.field(field)?;
        values.push((field, old.as_str().unwrap_or("").to_owned()));
    }
    let shown = vec![FieldChange::new(object.as_str(), "", "there")];
    Ok(Way::Steps(
        vec![ChangeStep::Insert {
            key: key.clone(),
            values,
        }],
        shown,
    ))
}

pub(super) fn text<'m>(fields: &'m Map<String, Json>, name: &str) -> &'m str {
    fields.get(name).and_then(Json::as_str).unwrap_or("")
}
