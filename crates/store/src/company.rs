//! Customers that a row names by their company, which is no key: several may be called so, and a name changes. It is looked up
//! for a row that would be rejected anyway, so that the row can be told by what the customer is found.

use tenantry_jobs::{Problem, code};

/// Customers of one name that are told of.
const TOLD: usize = 3;

/// Why a text names no customer; `keys` is what one is found by here, `of_name` has the domains of those whose company is
/// called so, and `near` is a domain that is nearly the same.
pub fn unknown_customer(written: &str, keys: &str, mut of_name: Vec<String>, near: Option<&str>) -> Problem {
    of_name.sort_unstable();
    of_name.dedup();
    let stated = |code: &str, sentence: String| Problem::stated(code, "customer", written, sentence);
    match of_name.as_slice() {
        [] => stated(code::UNKNOWN_CUSTOMER, format!("no customer has this {keys}")).suggest(near),
        [domain] => stated(
            code::UNKNOWN_CUSTOMER,
            "this is what a company is called, which is no key; name the customer by an id or a domain".to_owned(),
        )
        .suggest(Some(domain.as_str())),
        several => {
            let told: Vec<String> = several.iter().take(TOLD).map(|domain| format!("`{domain}`")).collect();
            let more = match several.len().saturating_sub(TOLD) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            stated(
                code::AMBIGUOUS_CUSTOMER,
                format!(
                    "{} customers are called so: {}{more}; name the one that is meant by an id or a domain",
                    several.len(),
                    told.join(", ")
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_suggestion_where_one_has_it() {
        let of = |domains: &[&str]| {
            let domains = domains.iter().map(|&domain| domain.to_owned()).collect();
            let problem = unknown_customer("Alpha Ltd", "id or domain", domains, None);
            (problem.code.clone(), problem.suggestion.clone(), problem.to_string())
        };
        let (code, near, text) = of(&[]);
        assert_eq!((code.as_str(), near.as_deref()), (code::UNKNOWN_CUSTOMER, None));
        assert!(text.contains("no customer has this id or domain"), "{text}");
        let (code, near, _) = of(&["a.example", "a.example"]);
        assert_eq!(
            (code.as_str(), near.as_deref()),
            (code::UNKNOWN_CUSTOMER, Some("a.example"))
        );
        let (code, near, text) = of(&["d.example", "c.example", "b.example", "a.example"]);
        assert_eq!((code.as_str(), near), (code::AMBIGUOUS_CUSTOMER, None));
        assert!(
            text.contains("4 customers are called so: `a.example`, `b.example`, `c.example` and 1 more;"),
            "{text}"
        );
    }
}
