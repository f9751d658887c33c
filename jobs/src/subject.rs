//! Whom or what a row is about, for people who read plans: taken from the row's own cells, so that it can be told of rows
//! that are refused as well.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::Printable;
use crate::text::is_around;
use crate::{JobKind, clip};

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

impl Subject {
    /// What a row of that kind is about; `cell` gives the row's value of a native column. `None` where the row does not
    /// say it.
    pub fn of<'a>(job: &dyn JobKind, cell: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let has = |name: &str| job.columns().iter().any(|column| column.name == name && !column.secret);
        let text = |name: &str| {
            let found = has(name).then(|| cell(name)).flatten();
            clip(found.unwrap_or_default().trim_matches(is_around))
        };
        let customer = text("customer");
        let subject = if has("user_principal_name") {
            let given = [text("first_name"), text("last_name")].join(" ");
            // Who is changed may be about to get another name.
            let is_new = job.policy().creates.is_some();
            let name = [text("display_name"), given.trim().to_owned()];
            Self {
                name: name
                    .into_iter()
                    .find(|name| is_new && !name.is_empty())
                    .unwrap_or_default(),
                customer,
                ..Self::new("user", text("user_principal_name"))
            }
        } else if has("subscription_id") {
            Self {
                name: text("product"),
                product: text("product"),
                customer,
                ..Self::new("subscription", text("subscription_id"))
            }
        } else if has("sku") {
            Self {
                customer,
                ..Self::new("seats", text("sku"))
            }
        } else if has("domain") {
            Self {
                name: text("company_name"),
                country: text("country"),
                ..Self::new("customer", text("domain"))
            }
        } else if has("from") {
            Self {
                customer,
                ..Self::new("store", text("from"))
            }
        } else if has("format") {
            // A file that is not named is called by what is in it.
            let called = [text("name"), text("what"), "customers".to_owned()];
            let key = called.into_iter().find(|name| !name.is_empty());
            Self {
                customer,
                ..Self::new("file", key.unwrap_or_default())
            }
        } else {
            Self {
                customer: customer.clone(),
                ..Self::new("customer", customer)
            }
        };
        let says_something = !subject.key.is_empty() || !subject.name.is_empty() || !subject.customer.is_empty();
        says_something.then_some(subject)
    }

    fn new(kind: &str, key: String) -> Self {
        Self {
            kind: kind.to_owned(),
            key,
            ..Self::default()
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
        let of = if self.kind == "customer" {
            String::new()
        } else {
            self.of_whom()
        };
        let known = [self.called().as_str(), of.as_str(), self.country.as_str()];
        let known: Vec<&str> = known.into_iter().filter(|known| !known.is_empty()).collect();
        Printable(&known.join(", ")).to_string()
    }

    fn called(&self) -> &String {
        if self.product.is_empty() {
            &self.name
        } else {
            &self.product
        }
    }

    /// `of Boston Legal LLC`, or nothing.
    fn of_whom(&self) -> String {
        let customer = [&self.customer_name, &self.customer];
        let customer = customer.into_iter().find(|name| !name.is_empty());
        customer.map_or(String::new(), |customer| format!("of {customer}"))
    }
}

/// `Boston Legal LLC (boston.example, US)`, `ben@boston.example (Ben Ek, of Boston Legal LLC)`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of_whom();
        let (first, more) = match self.kind.as_str() {
            "customer" if self.name.is_empty() => (&self.key, [self.country.as_str(), ""]),
            "customer" => (&self.name, [self.key.as_str(), self.country.as_str()]),
            _ if self.key.is_empty() => (self.called(), [of.as_str(), ""]),
            _ => (&self.key, [self.called().as_str(), of.as_str()]),
        };
        write!(f, "{}", Printable(first))?;
        let more: Vec<&str> = more.into_iter().filter(|more| !more.is_empty()).collect();
        match (more.is_empty(), first.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => write!(f, "{}", Printable(&more.join(", "))),
            (false, false) => write!(f, " ({})", Printable(&more.join(", "))),
        }
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
    fn rows_of_every_kind_say_whom_they_are_about() {
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
    fn what_a_terminal_would_act_on_is_escaped_and_rows_of_nothing_are_about_nothing() {
        let odd = [("domain", "a.example"), ("company_name", "Ost\u{1b}[2J\n\u{202e}AG")];
        let shown = subject("add-customer", &odd).expect("a subject").to_string();
        assert_eq!(shown, "Ost\\u{1b}[2J\\n\\u{202e}AG (a.example)");
        assert_eq!(
            subject("delete-users", &[("customer", " "), ("user_principal_name", "")]),
            None
        );
    }
}
