//! Lists of users: of which sort, in which order.

use tenantry_jobs::key;

use super::{kept_since, shown};
use crate::call::Call;
use crate::paging::{PageFilter, ServedPage};
use crate::record::{self, DELETED_USER, Resource, USER};
use crate::reply::{Refused, ReplyResult, refuse};

const LARGEST_PAGE: i64 = 100;

/// Whom a list is of: the kind of record, a condition with the text `$2` and the time `$3`, and the text.
fn wanted(filter: Option<&PageFilter>) -> Result<(&'static record::ResourceKind, &'static str, String), Refused> {
    let everybody = (&USER, "$2 = '' AND $3 > 0", String::new());
    let Some(filter) = filter else { return Ok(everybody) };
    match (filter.field.as_str(), filter.operator.as_str()) {
        ("userstate" | "userstatus", "equals") if filter.value.eq_ignore_ascii_case("inactive") => {
            Ok((&DELETED_USER, "$2 = '' AND t.deleted_at > $3", String::new()))
        }
        ("userstate" | "userstatus", "equals") => Ok(everybody),
        ("userprincipalname", "equals") => Ok((
            &USER,
            "t.name_key = $2 AND $3 > 0",
            key::user_name(&filter.value).into_owned(),
        )),
        ("userprincipalname", "starts_with") => Ok((
            &USER,
            "instr(t.name_key, $2) = 1 AND $3 > 0",
            key::fold(&filter.value).into_owned(),
        )),
        _ => Err(refuse(400, 2000, "Users cannot be filtered like that.").about([filter.field.as_str()])),
    }
}

/// What lists can be sorted by, with the parameter that says which way.
const SORTS: &[&str] = &["sortField", "sortDirection"];

/// Sorts users as asked for.
fn sort(page: &ServedPage, users: &mut [Resource]) -> Result<(), Refused> {
    let field = page.with("sortField").unwrap_or_default();
    let member = [
        "displayName",
        "userPrincipalName",
        "firstName",
        "lastName",
        "usageLocation",
    ]
    .into_iter()
    .find(|member| member.eq_ignore_ascii_case(field));
    let member = member.ok_or_else(|| refuse(400, 2000, "Users are not sorted by that field.").about([field]))?;
    users.sort_by_cached_key(|user| (user.text(member).to_lowercase(), user.id));
    if page
        .with("sortDirection")
        .is_some_and(|way| way.to_ascii_lowercase().starts_with("desc"))
    {
        users.reverse();
    }
    Ok(())
}

/// `GET customers/{id}/users`: the deleted ones if the filter asks for the inactive.
pub(crate) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let page = ServedPage::asked(call, LARGEST_PAGE, SORTS)?;
    let (kind, clause, value) = wanted(page.filter.as_ref())?;
    let wheres = format!("WHERE t.customer = $1 AND {clause}");
    let params = [customer.id.into(), value.into(), kept_since(call.now).into()];
    let found = if page.with("sortField").is_some() {
        let mut all = record::select(call.tx, kind, &wheres, &params)?;
        sort(&page, &mut all)?;
        page.cut(all)
    } else {
        let rest = format!("{wheres} AND {} {}", page.condition("t.id"), page.order("t.id"));
        record::select(call.tx, kind, &rest, &params)?
    };
    let guid = customer.text("id").to_owned();
    let call = &*call;
    Ok(page.reply(call, &format!("customers/{guid}/users"), found, |user| {
        shown(call, &guid, user)
    }))
}
