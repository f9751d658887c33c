//! Company names that Partner Center turns down.
//!
//! Its softer rules (a name that looks like a web address, `999`, `1 2 3`) only ask the person at the
//! form to look again, so they are no reason to reject a row.

/// Legal forms, which say nothing on their own. Written without dots and blanks.
const LEGAL_FORMS: &[&str] = &[
    "ab",
    "ag",
    "aps",
    "as",
    "asa",
    "bv",
    "bvba",
    "co",
    "company",
    "corp",
    "corporation",
    "doo",
    "eurl",
    "ev",
    "gmbh",
    "gmbhcokg",
    "gmbh&cokg",
    "inc",
    "incorporated",
    "kft",
    "kg",
    "kk",
    "limited",
    "llc",
    "llp",
    "lp",
    "ltd",
    "ltda",
    "mbh",
    "nv",
    "ohg",
    "oy",
    "oyj",
    "pc",
    "plc",
    "pllc",
    "ptyltd",
    "pteltd",
    "pvtltd",
    "sa",
    "sarl",
    "sas",
    "se",
    "sl",
    "spa",
    "spzoo",
    "srl",
    "sro",
    "ug",
    "vof",
    "zrt",
];

/// What is wrong with the name, said as what was expected; `None` if nothing is.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.chars().count() < 2 {
        return Some("a company name of more than one character");
    }
    if !name.chars().any(char::is_alphanumeric) {
        return Some("a company name with letters or digits");
    }
    let bare: String = name
        .chars()
        .filter(|c| !matches!(c, '.' | ',' | ' ' | '/'))
        .flat_map(char::to_lowercase)
        .collect();
    LEGAL_FORMS
        .contains(&bare.as_str())
        .then_some("the company's full name, not only its legal form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_letters_marks_and_legal_forms_are_no_names() {
        for name in [
            "X",
            "é",
            "--",
            "!?&",
            "llc",
            "Inc.",
            "L.L.C.",
            "S. A.",
            "GmbH & Co. KG",
            "A/S",
        ] {
            assert!(fault(name).is_some(), "{name}");
        }
        for name in [
            "3M",
            "HP",
            "999",
            "1 2 3",
            "Alpenblick GmbH",
            "株式会社あおば",
            "contoso.com",
        ] {
            assert_eq!(fault(name), None, "{name}");
        }
    }
}
