//! Headers in the property names of users in Microsoft Graph: what scripts write, and what Entra's list of users downloads as.
//!
//! Kinds that take users understand them. `accountEnabled` says the opposite of `block_sign_in` and is turned round. What a
//! list says of users besides is read past where the file is such a list, which has `givenName`.

use crate::{JobKind, Template};

const NAME: &str = "Microsoft Graph users";
const ENABLED: &str = "accountEnabled";

/// Names alone, then with what a list has besides.
static TEMPLATES: [Template; 2] = [
    Template {
        name: NAME,
        preamble: None,
        markers: &[],
        opposite: Some(ENABLED),
        columns: COLUMNS.split_at(LISTED).1,
    },
    Template {
        name: NAME,
        preamble: None,
        markers: &["givenName"],
        opposite: Some(ENABLED),
        columns: COLUMNS,
    },
];

/// How many of the columns only lists have.
const LISTED: usize = 17;

const COLUMNS: &[(&str, Option<&str>)] = &[
    ("id", None),
    ("objectId", None),
    ("companyName", None),
    ("authenticationPhoneNumber", None),
    ("authenticationAlternativePhoneNumber", None),
    ("authenticationEmail", None),
    ("mail", None),
    ("preferredLanguage", None),
    ("userType", None),
    ("ageGroup", None),
    ("consentProvidedForMinor", None),
    ("legalAgeGroupClassification", None),
    ("creationType", None),
    ("createdDateTime", None),
    ("directorySynced", None),
    ("invitationState", None),
    ("identityIssuer", None),
    ("userPrincipalName", Some("user_principal_name")),
    ("displayName", Some("display_name")),
    ("givenName", Some("first_name")),
    ("surname", Some("last_name")),
    (ENABLED, Some("block_sign_in")),
    ("usageLocation", Some("usage_location")),
    ("jobTitle", Some("job_title")),
    ("department", Some("department")),
    ("officeLocation", Some("office")),
    ("physicalDeliveryOfficeName", Some("office")),
    ("businessPhones", Some("office_phone")),
    ("telephoneNumber", Some("office_phone")),
    ("mobilePhone", Some("mobile_phone")),
    ("mobile", Some("mobile_phone")),
    ("faxNumber", Some("fax")),
    ("otherMails", Some("alternate_email")),
    ("alternateEmailAddress", Some("alternate_email")),
    ("streetAddress", Some("street_address")),
    ("city", Some("city")),
    ("state", Some("state")),
    ("postalCode", Some("postal_code")),
    ("country", Some("country")),
];

/// Those a kind understands: none where it takes no users.
pub(crate) fn templates(job: &dyn JobKind) -> &'static [Template] {
    let takes_users = job.columns().iter().any(|column| column.name == "user_principal_name");
    if takes_users { &TEMPLATES } else { &[] }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use crate::{find, header};

    /// The template, and native name = file column; or the columns that have no place.
    fn read(kind: &str, file: &str) -> String {
        let job = find(kind).unwrap();
        let cells: Vec<&str> = file.split(',').collect();
        match header::recognise(job, &cells, &["customer"]) {
            Ok(mapping) => {
                let found = job.columns().iter().zip(&mapping.columns).enumerate();
                let found = found.filter_map(|(native, (column, at))| {
                    let turned = if mapping.opposite == Some(native) { "!" } else { "" };
                    at.map(|at| format!("{turned}{}={at}", column.name))
                });
                let found: Vec<String> = found.collect();
                format!("{}: {}", mapping.template.unwrap_or("native"), found.join(" "))
            }
            Err(problems) => {
                let told: Vec<String> = problems
                    .iter()
                    .map(|one| format!("{} {};", one.code, one.value))
                    .collect();
                told.concat()
            }
        }
    }

    #[test]
    fn property_names_are_understood_where_users_are_taken() {
        for (kind, file, expected) in [
            (
                "bulk-add-users",
                "UserPrincipalName,GivenName,Surname,AccountEnabled,officeLocation,faxNumber,licenses",
                "Microsoft Graph users: user_principal_name=0 first_name=1 last_name=2 office=4 fax=5 licenses=6 \
                 !block_sign_in=3",
            ),
            (
                "update-users",
                "id,userPrincipalName,givenName,mail,accountEnabled,businessPhones",
                "Microsoft Graph users: user_principal_name=1 first_name=2 office_phone=5 !block_sign_in=4",
            ),
            (
                "delete-users",
                "id,displayName,userPrincipalName,givenName,surname,accountEnabled,reason",
                "Microsoft Graph users: user_principal_name=2 reason=6",
            ),
            (
                "delete-users",
                "User name [userPrincipalName] Required",
                "Microsoft Entra bulk delete: user_principal_name=0",
            ),
            // Without the mark of a list these are somebody's wish.
            (
                "bulk-add-users",
                "userPrincipalName,surname,mail",
                "unknown-column mail;",
            ),
            ("update-users", "user_principal_name,id,city", "unknown-column id;"),
            (
                "update-users",
                "userPrincipalName,accountEnabled,block_sign_in",
                "duplicate-column block_sign_in;",
            ),
            // Entra's template has these words around the property, and means what they say.
            (
                "update-users",
                "User name [userPrincipalName] Required,Block sign in (Yes/No) [accountEnabled] Required",
                "Microsoft Entra bulk create: user_principal_name=0 block_sign_in=1",
            ),
        ] {
            assert_eq!(read(kind, file), expected, "{kind} {file}");
        }
        assert!(read("set-seats", "userPrincipalName,sku,seats").starts_with("unknown-column userPrincipalName;"));
    }

    #[test]
    fn yes_and_no_are_turned_round_in_any_language() {
        for (written, meant) in [
            ("True", "no"),
            (" FALSE ", "yes"),
            ("WAHR", "no"),
            ("Nein", "yes"),
            ("", ""),
            ("maybe", "maybe"),
            ("<clear>", "<clear>"),
        ] {
            assert_eq!(header::opposite(written), meant, "{written}");
        }
    }
}
