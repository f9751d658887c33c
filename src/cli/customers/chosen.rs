//! Filters of a list's rows by their columns.

use tenantry_jobs::{ExportColumn, ExportOf, did_you_mean, export_columns, key, nearest};

/// By which columns rows are chosen.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Columns and the values that they have to have, folded.
    conditions: Vec<(&'static str, String)>,
    /// Columns of which one has to have the text.
    searched: &'static [&'static str],
    search: String,
    contains: bool,
}

impl Chosen {
    /// Rows for which each of these holds: `COLUMN=VALUE`.
    pub(super) fn by(what: ExportOf, conditions: &[String]) -> anyhow::Result<Self> {
        let mut chosen = Self {
            searched: match what {
                ExportOf::Customers => &[],
                ExportOf::Subscriptions => &["subscription", "subscription_id"],
                ExportOf::Users => &["user_principal_name", "display_name"],
            },
            ..Self::default()
        };
        for condition in conditions {
            let Some((name, value)) = condition.split_once('=') else {
                anyhow::bail!("--where {condition}: expected COLUMN=VALUE");
            };
            chosen.conditions.push((column(what, name.trim())?, folded(value)));
        }
        Ok(chosen)
    }

    /// Of those, the ones that have this text.
    pub(super) fn searched(self, search: &str, contains: bool) -> Self {
        Self {
            search: folded(search),
            contains,
            ..self
        }
    }

    pub(super) fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// The columns that conditions are about.
    pub(super) fn conditions(&self) -> Vec<&'static str> {
        self.conditions.iter().map(|(column, _)| *column).collect()
    }

    /// Where the columns stand, after those that were asked for already.
    pub(super) fn places(self, columns: &mut Vec<&'static str>) -> ChosenPlaces {
        let mut place = |column: &'static str| {
            columns.iter().position(|one| *one == column).unwrap_or_else(|| {
                columns.push(column);
                columns.len() - 1
            })
        };
        let conditions = self.conditions.into_iter();
        let conditions = conditions.map(|(column, value)| (place(column), value)).collect();
        let searched = if self.search.is_empty() { &[] } else { self.searched };
        ChosenPlaces {
            conditions,
            searched: searched.iter().map(|column| place(column)).collect(),
            search: self.search,
            contains: self.contains,
        }
    }
}

/// As [`Chosen`], by the places of the columns in a row.
#[derive(Debug)]
pub(super) struct ChosenPlaces {
    conditions: Vec<(usize, String)>,
    searched: Vec<usize>,
    search: String,
    contains: bool,
}

impl ChosenPlaces {
    pub(super) fn takes_all(&self) -> bool {
        self.conditions.is_empty() && self.searched.is_empty()
    }

    pub(super) fn takes(&self, cells: &[String]) -> bool {
        let cell = |at: &usize| folded(cells.get(*at).map_or("", String::as_str));
        let holds = |(at, value): &(usize, String)| {
            let cell = cell(at);
            cell == *value || cell.split(';').any(|one| one.trim() == *value)
        };
        let has_text = |at: &usize| {
            let cell = cell(at);
            let mut found = cell.match_indices(&self.search).map(|(place, _)| place);
            found.any(|place| self.contains || begins_word(&cell, place))
        };
        self.conditions.iter().all(holds) && (self.searched.is_empty() || self.searched.iter().any(has_text))
    }
}

fn begins_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(char::is_alphanumeric)
}

fn folded(text: &str) -> String {
    key::fold(text.trim()).into_owned()
}

/// The column called that, by its name or its title.
fn column(what: ExportOf, written: &str) -> anyhow::Result<&'static str> {
    let all = export_columns(what);
    let named = |column: &&ExportColumn| {
        [column.name, column.title]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(written))
    };
    if let Some(column) = all.iter().find(named) {
        return Ok(column.name);
    }
    let names = all.iter().map(|column| column.name);
    let near = did_you_mean(nearest(written, names.clone()));
    let names: Vec<&str> = names.collect();
    Err(crate::cli::output::hinted(
        format!("--where: {} have no column `{written}`{near}", what.as_str()),
        format!("columns are {}", names.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(chosen: Chosen, cells: [&str; 3]) -> bool {
        let mut columns = vec!["user_principal_name", "display_name", "licenses"];
        let places = chosen.places(&mut columns);
        assert_eq!(columns.len(), 3, "each column is asked for once");
        places.takes(&cells.map(str::to_owned))
    }

    #[test]
    fn a_search_finds_beginnings_of_words_in_any_letters() {
        let anna = ["anna.berg@nord.example", "Anna Berg", "SPB"];
        for (search, contains, is_found) in [
            ("ANNA", false, true),
            ("berg", false, true),
            ("erg", false, false),
            ("erg", true, true),
            ("nord", false, true),
            ("bert", true, false),
        ] {
            let users = Chosen::by(ExportOf::Users, &[]).expect("no conditions");
            assert_eq!(takes(users.searched(search, contains), anna), is_found, "{search}");
        }
    }

    #[test]
    fn a_condition_holds_for_a_cell_or_one_value_of_its_list() {
        let anna = ["anna@nord.example", "Anna", "SPB; SPE_E3"];
        for (condition, holds) in [
            ("licenses=spb", true),
            ("Licenses=SPE_E3", true),
            ("licenses=SPB; SPE_E3", true),
            ("licenses=SP", false),
            ("display_name=anna", true),
        ] {
            let users = Chosen::by(ExportOf::Users, &[condition.to_owned()]).expect("a condition");
            assert_eq!(takes(users, anna), holds, "{condition}");
        }
        let wrong = Chosen::by(ExportOf::Users, &["licences=SPB".to_owned()]).expect_err("no such column");
        assert!(wrong.to_string().contains("did you mean `licenses`?"), "{wrong}");
        assert!(Chosen::by(ExportOf::Users, &["SPB".to_owned()]).is_err());
    }
}
