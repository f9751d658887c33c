//! Messages about columns that have no place in a kind, and about those that it misses.

use super::{key, looks_secret};
use crate::{JobKind, Problem, Template, code, nearest};

/// Of a cell of the header that is none of the kind's.
pub(super) fn unknown(job: &dyn JobKind, template: Option<&'static Template>, index: usize, cell: &str) -> Problem {
    let wanted = key(cell);
    if wanted.is_empty() {
        let expected = format!("a name for column {}, or no such column", index + 1);
        return Problem::new(code::UNKNOWN_COLUMN, "", "", expected);
    }
    let of_template = template.map_or(&[][..], |template| template.columns);
    let names = job
        .columns()
        .iter()
        .map(|column| column.name)
        .chain(of_template.iter().map(|(name, _)| *name));
    let keyed: Vec<(String, &str)> = names.map(|name| (key(name), name)).collect();
    let near = nearest(&wanted, keyed.iter().map(|(key, _)| key.as_str()));
    let suggestion = near
        .and_then(|near| keyed.iter().find(|(key, _)| key == near))
        .map(|(_, name)| *name)
        .or_else(|| usual(job, &wanted));
    let layout = template.map_or(String::new(), |template| {
        format!(" or of the template {}", template.name)
    });
    // A submitter with passwords in a file is not to keep them in a column that no job reads.
    let advice = match job.columns().iter().find(|column| column.secret) {
        _ if !looks_secret(cell) => "a name that begins with `_` is ignored".to_owned(),
        Some(secret) => format!("call it `{}`, of which nothing is kept, or delete it", secret.name),
        None => "it looks as if it held secrets, which are of no use here; delete it".to_owned(),
    };
    let expected = format!("a column of {}{layout}; {advice}", job.kind());
    Problem::new(code::UNKNOWN_COLUMN, "", cell.trim(), expected).suggest(suggestion)
}

/// The column that people call so, by words that are not near its name. What may mean several columns of a kind is not here.
fn usual(job: &dyn JobKind, wanted: &str) -> Option<&'static str> {
    const USUAL: &[(&str, &[&str])] = &[
        ("upn", &["user_principal_name"]),
        ("username", &["user_principal_name"]),
        ("login", &["user_principal_name"]),
        ("signinname", &["user_principal_name"]),
        ("benutzername", &["user_principal_name"]),
        ("anzeigename", &["display_name"]),
        ("fullname", &["display_name"]),
        ("vorname", &["first_name"]),
        ("forename", &["first_name"]),
        ("nachname", &["last_name"]),
        ("familyname", &["last_name"]),
        ("tenant", &["customer"]),
        ("tenantid", &["customer"]),
        ("tenantdomain", &["customer"]),
        ("kunde", &["customer"]),
        ("company", &["company_name"]),
        ("firma", &["company_name"]),
        ("telephone", &["phone", "office_phone"]),
        ("telefon", &["phone", "office_phone"]),
        ("tel", &["phone", "office_phone"]),
        ("cell", &["mobile_phone"]),
        ("handy", &["mobile_phone"]),
        ("zip", &["postal_code"]),
        ("zipcode", &["postal_code"]),
        ("postcode", &["postal_code"]),
        ("plz", &["postal_code"]),
        ("town", &["city"]),
        ("ort", &["city"]),
        ("land", &["country"]),
        ("street", &["street_address", "address_line1"]),
        ("address", &["street_address", "address_line1"]),
        ("title", &["job_title"]),
        ("sku", &["licenses"]),
        ("skus", &["licenses"]),
        ("lizenz", &["licenses"]),
        ("lizenzen", &["licenses"]),
        ("quantity", &["seats"]),
        ("qty", &["seats", "quantity"]),
        ("subscription", &["subscription_id"]),
    ];
    let (_, natives) = USUAL.iter().find(|(word, _)| *word == wanted)?;
    let has = |native: &&&str| job.columns().iter().any(|column| column.name == **native);
    natives.iter().find(has).copied()
}

/// Of a column that has to be there.
pub(super) fn missing(name: &'static str, template: Option<&'static Template>) -> Problem {
    let named = template.and_then(|template| template.columns.iter().find(|(_, native)| *native == Some(name)));
    let expected = match (name, named) {
        ("customer", _) => {
            "a column `customer`, or --customer X for the whole file (`customer` of a folder or schedule)".to_owned()
        }
        (_, Some((header, _))) => format!("a column `{header}`"),
        (name, None) => format!("a column `{name}`"),
    };
    Problem::new(code::MISSING_COLUMN, name, "", expected)
}

#[cfg(test)]
mod tests {
    use super::super::recognise;

    #[test]
    fn usual_names_of_columns_are_told_with_the_one_that_is_meant() {
        let suggested = |kind: &str, cell: &str| {
            let job = crate::find(kind).expect("there is such a kind");
            let problems = recognise(job, &[cell], &[]).expect_err("unknown");
            problems.into_iter().next().and_then(|problem| problem.suggestion)
        };
        for (kind, cell, native) in [
            ("bulk-add-users", "UPN", Some("user_principal_name")),
            ("bulk-add-users", "Zip Code", Some("postal_code")),
            ("bulk-add-users", "Telefon", Some("office_phone")),
            ("update-account", "Telefon", Some("phone")),
            ("update-account", "Street", Some("address_line1")),
            ("delete-users", "Zip", None),
            ("bulk-add-users", "Notes", None),
        ] {
            assert_eq!(suggested(kind, cell).as_deref(), native, "{kind} {cell}");
        }
    }
}
