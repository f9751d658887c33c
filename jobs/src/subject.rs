//! The subject of a row, for people who read plans: taken from the row's own cells, so that it can be told of rows
//! that are refused as well.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::JobKind;
use crate::job::trimmed;
use crate::problem::Printable;
use crate::problem::clipped;

/// What a row is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// `customer`, `user`, `seats`, `subscription`, `file` or `store`.
    pub kind: String,
    /// What it is found by: a sign-in name, a domain, a part number or SKU id, a subscription's id, a file's name.
    pub key: String,
    /// What people call it; empty where the row does not say. Of a subscription, the product that the row names.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    /// The product of a subscription: what the store calls it where it was asked, else what the row does.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub product: String,
    /// The customer that it belongs to: its primary domain where the store was asked, else as the row names it. Empty for
    /// what belongs to none.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub customer: String,
    /// What the store calls that customer; empty where it was not asked.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub customer_name: String,
    /// Country of a customer that is to be made.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub country: String,
}

/// Where a row of a kind says whom or what it is about: found once, and read of every row.
#[derive(Debug, Clone)]
pub struct SubjectColumns {
    kind: &'static str,
    /// The first of them that says something.
    key: [Option<usize>; 2],
    /// The key where none does.
    unnamed: &'static str,
    name: Option<usize>,
    /// First and last name, where there is no other.
    given: [Option<usize>; 2],
    product: Option<usize>,
    customer: Option<usize>,
    country: Option<usize>,
}

impl SubjectColumns {
    /// Of that kind.
    pub fn of(job: &dyn JobKind) -> Self {
        let at = |name: &str| {
            job.columns()
                .iter()
                .position(|column| column.name == name && !column.secret)
        };
        let of = |kind, key: &str| Self {
            kind,
            key: [at(key), None],
            unnamed: "",
            name: None,
            given: [None; 2],
            product: None,
            customer: at("customer"),
            country: None,
        };
        let has = |name: &str| at(name).is_some();
        if has("user_principal_name") {
            // Who is changed may be about to get another name.
            let is_new = job.policy().creates.is_some();
            let new = |name: &str| at(name).filter(|_| is_new);
            Self {
                name: new("display_name"),
                given: [new("first_name"), new("last_name")],
                ..of("user", "user_principal_name")
            }
        } else if has("subscription_id") {
            Self {
                name: at("product"),
                product: at("product"),
                ..of("subscription", "subscription_id")
            }
        } else if has("sku") {
            of("seats", "sku")
        } else if has("domain") {
            Self {
                name: at("company_name"),
                country: at("country"),
                customer: None,
                ..of("customer", "domain")
            }
        } else if has("from") {
            of("store", "from")
        } else if has("format") {
            // A file that is not named is called by what is in it.
            Self {
                key: [at("name"), at("what")],
                unnamed: "customers",
                ..of("file", "name")
            }
        } else {
            of("customer", "customer")
        }
    }

    /// What a row is about; `cell` gives its value of the native column at a place. `None` where the row does not say it.
    pub fn read<'a>(&self, cell: impl Fn(usize) -> Option<&'a str>) -> Option<SubjectCells<'a>> {
        let text = |at: Option<usize>| {
            let written = at.and_then(&cell).map(trimmed);
            written.map_or(Cow::Borrowed(""), clipped)
        };
        let [key, other] = self.key;
        let key = Some(text(key))
            .filter(|key| !key.is_empty())
            .unwrap_or_else(|| text(other));
        let name = Some(text(self.name)).filter(|name| !name.is_empty());
        let subject = SubjectCells {
            kind: self.kind,
            key: if key.is_empty() {
                Cow::Borrowed(self.unnamed)
            } else {
                key
            },
            name: name.unwrap_or_else(|| match self.given.map(text) {
                [first, last] if last.is_empty() => first,
                [first, last] if first.is_empty() => last,
                both => Cow::Owned(both.join(" ")),
            }),
            product: text(self.product),
            customer: text(self.customer),
            customer_name: Cow::Borrowed(""),
            country: text(self.country),
        };
        let says_something = !subject.key.is_empty() || !subject.name.is_empty() || !subject.customer.is_empty();
        says_something.then_some(subject)
    }
}

/// A [`Subject`] that is only shown: its texts mostly lie where they were read.
#[derive(Debug, Clone)]
pub struct SubjectCells<'a> {
    kind: &'a str,
    key: Cow<'a, str>,
    name: Cow<'a, str>,
    product: Cow<'a, str>,
    customer: Cow<'a, str>,
    customer_name: Cow<'a, str>,
    country: Cow<'a, str>,
}

impl<'a> SubjectCells<'a> {
    /// The customer as the row names it.
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// The id of a subscription.
    pub fn subscription(&self) -> Option<Uuid> {
        (self.kind == "subscription").then(|| Uuid::try_parse(&self.key).ok())?
    }

    /// As [`Subject::of_product`].
    #[must_use]
    pub fn of_product(mut self, product: &'a str) -> Self {
        if !product.is_empty() {
            self.product = product.into();
        }
        self
    }

    /// As [`Subject::of_customer`].
    #[must_use]
    pub fn of_customer(mut self, domain: &'a str, name: &'a str) -> Self {
        if self.kind == "customer" {
            (self.key, self.name) = (domain.into(), name.into());
        }
        (self.customer, self.customer_name) = (domain.into(), name.into());
        self
    }

    fn called(&self) -> &str {
        if self.product.is_empty() {
            &self.name
        } else {
            &self.product
        }
    }

    /// Whose it is, as people call that one; empty if nobody's.
    fn owner(&self) -> &str {
        if self.customer_name.is_empty() {
            &self.customer
        } else {
            &self.customer_name
        }
    }
}

impl From<SubjectCells<'_>> for Subject {
    fn from(cells: SubjectCells<'_>) -> Self {
        Self {
            kind: cells.kind.to_owned(),
            key: cells.key.into_owned(),
            name: cells.name.into_owned(),
            product: cells.product.into_owned(),
            customer: cells.customer.into_owned(),
            customer_name: cells.customer_name.into_owned(),
            country: cells.country.into_owned(),
        }
    }
}

impl Subject {
    /// What a row of that kind is about; `cell` gives the row's value of a native column. `None` where the row does not
    /// say it.
    pub fn of<'a>(job: &dyn JobKind, cell: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let columns = job.columns();
        SubjectColumns::of(job)
            .read(|at| cell(columns[at].name))
            .map(Self::from)
    }

    fn cells(&self) -> SubjectCells<'_> {
        SubjectCells {
            kind: &self.kind,
            key: self.key.as_str().into(),
            name: self.name.as_str().into(),
            product: self.product.as_str().into(),
            customer: self.customer.as_str().into(),
            customer_name: self.customer_name.as_str().into(),
            country: self.country.as_str().into(),
        }
    }

    /// The id of a subscription.
    pub fn subscription(&self) -> Option<Uuid> {
        let id = Some(&self.key).filter(|_| self.kind == "subscription");
        Uuid::try_parse(id?).ok()
    }

    /// With what the store calls the product of the subscription.
    #[must_use]
    pub fn of_product(mut self, product: &str) -> Self {
        if !product.is_empty() {
            product.clone_into(&mut self.product);
        }
        self
    }

    /// With what the store knows the row's customer as: its primary domain, and its name.
    #[must_use]
    pub fn of_customer(mut self, domain: &str, name: &str) -> Self {
        if self.kind == "customer" {
            domain.clone_into(&mut self.key);
            name.clone_into(&mut self.name);
        }
        domain.clone_into(&mut self.customer);
        name.clone_into(&mut self.customer_name);
        self
    }

    /// What there is to say of it where its key is shown already: `Ben Ek, of Boston Legal LLC`. Empty if nothing is known.
    pub fn beside_key(&self) -> String {
        let cells = self.cells();
        let of = if self.kind == "customer" { "" } else { cells.owner() };
        let mut said = String::new();
        let all = [("", cells.called()), ("of ", of), ("", &self.country)];
        let _ = put_all(&mut said, "", all.into_iter());
        said
    }
}

/// Appends those that say something, each after a word for it and commas between them; `begin` comes before the first.
/// Whether there was one.
fn put_all<'t>(
    out: &mut impl fmt::Write,
    begin: &str,
    all: impl Iterator<Item = (&'t str, &'t str)>,
) -> Result<bool, fmt::Error> {
    let mut between = begin;
    let mut any = false;
    for (word, text) in all.filter(|(_, text)| !text.is_empty()) {
        out.write_str(between)?;
        out.write_str(word)?;
        write!(out, "{}", Printable(text))?;
        (between, any) = (", ", true);
    }
    Ok(any)
}

/// `Boston Legal LLC (boston.example, US)`, `ben@boston.example (Ben Ek, of Boston Legal LLC)`.
impl fmt::Display for SubjectCells<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = ("of ", self.owner());
        let (first, more) = match self.kind {
            "customer" if self.name.is_empty() => (&*self.key, [("", &*self.country), ("", "")]),
            "customer" => (&*self.name, [("", &*self.key), ("", &*self.country)]),
            _ if self.key.is_empty() => (self.called(), [of, ("", "")]),
            _ => (&*self.key, [("", self.called()), of]),
        };
        write!(f, "{}", Printable(first))?;
        if first.is_empty() {
            return put_all(f, "", more.into_iter()).map(drop);
        }
        if put_all(f, " (", more.into_iter())? {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cells().fmt(f)
    }
}

/// The word for what a row of a kind does; `None` for kinds that create things or change fields.
pub fn verb(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "delete-users" => "delete",
        "restore-users" => "restore",
        "reset-passwords" => "reset the password of",
        "remove-relationship" => "end the relationship with",
        "switch-subscription" => "switch",
        "export-customers" => "export",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KINDS, find};

    fn subject(kind: &str, cells: &[(&str, &'static str)]) -> Option<Subject> {
        let job = find(kind).expect("there is such a kind");
        Subject::of(job, |name| {
            let found = cells.iter().find(|(column, _)| *column == name);
            found.map(|(_, value)| *value)
        })
    }

    #[test]
    fn rows_of_every_kind_name_their_subject() {
        let cells = [
            ("customer", "nord.example"),
            ("domain", "ost.example"),
            ("company_name", "Ost AG"),
            ("country", "CH"),
            ("user_principal_name", " ida@nord.example\u{200b}"),
            ("display_name", "Ida Ek"),
            ("sku", "SPB"),
            ("subscription_id", "7ed8ea9a-0000-4000-8000-000000000001"),
            ("product", "Exchange Online"),
            ("name", "monthly"),
            ("from", "mirror"),
            ("password", "hunter2-hunter2"),
        ];
        let shown: Vec<String> = KINDS
            .iter()
            .map(|job| format!("{}: {}", job.kind(), subject(job.kind(), &cells).expect("a subject")))
            .collect();
        let subscription = "7ed8ea9a-0000-4000-8000-000000000001";
        assert_eq!(
            shown,
            [
                "add-customer: Ost AG (ost.example, CH)".to_owned(),
                "set-seats: SPB (of nord.example)".to_owned(),
                "bulk-add-users: ida@nord.example (Ida Ek, of nord.example)".to_owned(),
                "update-account: nord.example".to_owned(),
                format!("set-subscriptions: {subscription} (Exchange Online, of nord.example)"),
                "assign-licenses: ida@nord.example (of nord.example)".to_owned(),
                "update-users: ida@nord.example (of nord.example)".to_owned(),
                "reset-passwords: ida@nord.example (of nord.example)".to_owned(),
                "delete-users: ida@nord.example (of nord.example)".to_owned(),
                "restore-users: ida@nord.example (of nord.example)".to_owned(),
                format!("suspend-subscription: {subscription} (of nord.example)"),
                format!("switch-subscription: {subscription} (of nord.example)"),
                "export-customers: monthly (of nord.example)".to_owned(),
                "sync-customers: mirror (of nord.example)".to_owned(),
                "remove-relationship: nord.example".to_owned(),
            ]
        );
    }

    #[test]
    fn the_stores_name_of_the_customer_replaces_the_rows() {
        let row = [("customer", "CRM-7"), ("company_name", "Nord AB (new)")];
        let known = |kind| {
            subject(kind, &row)
                .expect("a subject")
                .of_customer("nord.example", "Nord AB")
                .to_string()
        };
        assert_eq!(known("update-account"), "Nord AB (nord.example)");
        assert_eq!(known("assign-licenses"), "of Nord AB");
        assert_eq!(known("export-customers"), "customers (of Nord AB)");
    }

    #[test]
    fn the_stores_name_of_the_product_is_shown_and_the_rows_is_kept() {
        let id = "7ed8ea9a-0000-4000-8000-000000000001";
        let row = [("customer", "CRM-7"), ("subscription_id", id), ("product", "E3 (new)")];
        let renamed = subject("set-subscriptions", &row).expect("a subject");
        assert_eq!(renamed.subscription(), Uuid::try_parse(id).ok());
        let renamed = renamed
            .of_customer("nord.example", "Nord AB")
            .of_product("Office 365 E3");
        assert_eq!(renamed.to_string(), format!("{id} (Office 365 E3, of Nord AB)"));
        assert_eq!(renamed.name, "E3 (new)");
        // One that the store does not have yet is called as the row calls it.
        let new = subject("set-subscriptions", &row).expect("a subject").of_product("");
        assert_eq!(new.to_string(), format!("{id} (E3 (new), of CRM-7)"));
        let switched = subject("switch-subscription", &row).expect("a subject");
        let switched = switched.of_product("Azure\u{1b}plan");
        assert_eq!(switched.to_string(), format!("{id} (Azure\\u{{1b}}plan, of CRM-7)"));
        let user = subject("delete-users", &[("user_principal_name", "ida@nord.example")]);
        assert_eq!(user.expect("a subject").subscription(), None);
    }

    #[test]
    fn control_characters_are_escaped_and_empty_rows_are_about_nothing() {
        let odd = [("domain", "a.example"), ("company_name", "Ost\u{1b}[2J\n\u{202e}AG")];
        let shown = subject("add-customer", &odd).expect("a subject").to_string();
        assert_eq!(shown, "Ost\\u{1b}[2J\\n\\u{202e}AG (a.example)");
        assert_eq!(
            subject("delete-users", &[("customer", " "), ("user_principal_name", "")]),
            None
        );
    }
}
