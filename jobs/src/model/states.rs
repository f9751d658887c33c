//! States and provinces, for the countries where Partner Center checks them against a list we know.
//!
//! It also checks those of China and Mexico, but their lists are not published, so nothing is rejected there.

use crate::nearest;

/// The code of a state of the country, for a code or a name in any case.
///
/// # Errors
/// There is no such state; the code that was probably meant, if any is near.
pub(crate) fn state<'a>(country: &str, state: &'a str) -> Result<&'a str, Option<&'static str>> {
    let states = match country {
        "US" => UNITED_STATES,
        "CA" => CANADA,
        _ => return Ok(state),
    };
    let found = |text: &str| {
        states
            .iter()
            .find(|(code, name)| code.eq_ignore_ascii_case(text) || name.eq_ignore_ascii_case(text))
    };
    match found(state) {
        Some((code, _)) => Ok(code),
        None => Err(nearest(state, states.iter().map(|(_, name)| *name))
            .and_then(found)
            .map(|(code, _)| *code)),
    }
}

/// States, the district, territories and military post offices.
#[rustfmt::skip]
const UNITED_STATES: &[(&str, &str)] = &[
    ("AL", "Alabama"),
    ("AK", "Alaska"),
    ("AZ", "Arizona"),
    ("AR", "Arkansas"),
    ("CA", "California"),
    ("CO", "Colorado"),
    ("CT", "Connecticut"),
    ("DE", "Delaware"),
    ("DC", "District of Columbia"),
    ("FL", "Florida"),
    ("GA", "Georgia"),
    ("HI", "Hawaii"),
    ("ID", "Idaho"),
    ("IL", "Illinois"),
    ("IN", "Indiana"),
    ("IA", "Iowa"),
    ("KS", "Kansas"),
    ("KY", "Kentucky"),
    ("LA", "Louisiana"),
    ("ME", "Maine"),
    ("MD", "Maryland"),
    ("MA", "Massachusetts"),
    ("MI", "Michigan"),
    ("MN", "Minnesota"),
    ("MS", "Mississippi"),
    ("MO", "Missouri"),
    ("MT", "Montana"),
    ("NE", "Nebraska"),
    ("NV", "Nevada"),
    ("NH", "New Hampshire"),
    ("NJ", "New Jersey"),
    ("NM", "New Mexico"),
    ("NY", "New York"),
    ("NC", "North Carolina"),
    ("ND", "North Dakota"),
    ("OH", "Ohio"),
    ("OK", "Oklahoma"),
    ("OR", "Oregon"),
    ("PA", "Pennsylvania"),
    ("RI", "Rhode Island"),
    ("SC", "South Carolina"),
    ("SD", "South Dakota"),
    ("TN", "Tennessee"),
    ("TX", "Texas"),
    ("UT", "Utah"),
    ("VT", "Vermont"),
    ("VA", "Virginia"),
    ("WA", "Washington"),
    ("WV", "West Virginia"),
    ("WI", "Wisconsin"),
    ("WY", "Wyoming"),
    ("AS", "American Samoa"),
    ("GU", "Guam"),
    ("MP", "Northern Mariana Islands"),
    ("PR", "Puerto Rico"),
    ("VI", "Virgin Islands"),
    ("AA", "Armed Forces Americas"),
    ("AE", "Armed Forces Europe"),
    ("AP", "Armed Forces Pacific"),
];

/// Provinces and territories.
#[rustfmt::skip]
const CANADA: &[(&str, &str)] = &[
    ("AB", "Alberta"),
    ("BC", "British Columbia"),
    ("MB", "Manitoba"),
    ("NB", "New Brunswick"),
    ("NL", "Newfoundland and Labrador"),
    ("NS", "Nova Scotia"),
    ("NT", "Northwest Territories"),
    ("NU", "Nunavut"),
    ("ON", "Ontario"),
    ("PE", "Prince Edward Island"),
    ("QC", "Quebec"),
    ("QC", "Québec"),
    ("SK", "Saskatchewan"),
    ("YT", "Yukon"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_become_codes() {
        for (country, written, expected) in [
            ("US", "WA", Ok("WA")),
            ("US", "washington", Ok("WA")),
            ("US", "Washingtn", Err(Some("WA"))),
            ("US", "Bavaria", Err(None)),
            ("CA", "Québec", Ok("QC")),
            ("DE", "Bavaria", Ok("Bavaria")),
        ] {
            assert_eq!(state(country, written), expected, "{country} {written}");
        }
    }
}
