//! What taking a row back would do to what is in memory.

use tenantry_jobs::{Problem, code};
use tenantry_ledger::intents::DoneStep;

use super::decide::Decision;
use super::world::{Image, Sort, World};

/// Every field goes back to what it was, if all of them are still what the row left; a user who was made is deleted.
pub(super) fn take_back(world: &World, done: &[DoneStep]) -> Result<Decision, Problem> {
    let done = done
        .first()
        .and_then(|step| Some((Image::read(&step.image)?, &step.result)));
    let Some((image, made)) = done else {
        return Err(never("nothing is known of what the row did"));
    };
    let id = if image.is_new { made } else { &image.id };
    let (Some(record), Some(customer)) = (world.record(id), world.record(&image.customer)) else {
        return Err(never("a tenant cannot be deleted"));
    };
    if image.sets("password").is_some() {
        return Err(never("a password that was handed out cannot be taken back"));
    }
    let mut decision = Decision::about(world, customer, Some(record));
    if image.is_new {
        if record.is_deleted() {
            return Ok(decision);
        }
        if image.fields.iter().any(|(name, _, new)| record.get(name) != new) {
            return Err(edited(&image));
        }
        decision.set("user_state", "active", "deleted");
        return Ok(decision);
    }
    if image.sort == Sort::User && record.is_deleted() && image.sets("user_state").is_none() {
        return Err(edited(&image));
    }
    for (name, old, new) in &image.fields {
        let now = record.get(name);
        if now != old && now != new {
            return Err(edited(&image));
        }
        let names_user = name == "user_principal_name" || (name == "user_state" && old == "active");
        let named = if name == "user_state" {
            record.get("user_principal_name")
        } else {
            old
        };
        let other = world
            .user(customer, named)
            .filter(|other| !other.is_deleted() && other.id != record.id);
        if names_user && other.is_some() {
            return Err(edited(&image));
        }
        decision.set(field(name), now, old);
    }
    let (had, has) = (image.old("licenses"), record.list("licenses"));
    let wanted = had.split(';').filter(|id| !id.is_empty() && !has.contains(id));
    for sku in wanted.filter_map(|id| world.sku(&image.customer, id)) {
        if world.free(sku) < 1 {
            return Err(never("no seat is free any more"));
        }
    }
    Ok(decision)
}

/// The name of a field, as plans have it.
fn field(name: &str) -> &'static str {
    let columns = tenantry_jobs::KINDS.iter().flat_map(|job| job.columns());
    let known = columns
        .map(|column| column.name)
        .chain(["user_state", "status", "licenses"]);
    known.into_iter().find(|known| *known == name).unwrap_or("record")
}

fn never(why: &str) -> Problem {
    Problem::new(code::IRREVERSIBLE, "", "", why)
}

fn edited(image: &Image) -> Problem {
    let name = if image.name.is_empty() {
        &image.domain
    } else {
        &image.name
    };
    Problem::new(
        code::EDITED_SINCE,
        "",
        "",
        format!("{name} was changed since; it stays as it is"),
    )
}
