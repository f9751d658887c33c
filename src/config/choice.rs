//! Settings with a few words to choose from: one that is none of them is told with all of them, and the nearest.

use tenantry_jobs::{did_you_mean, nearest};

/// The choice that a text names.
pub(super) fn chosen<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    let (last, others) = names
        .split_last()
        .map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
    let near = did_you_mean(nearest(text, choices.iter().map(|(name, _)| *name)));
    Err(format!("expected {} or {last}{near}", others.join(", ")))
}

/// An enum that is read from one of these words.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                $crate::config::choice::chosen(&text, &[$(($text, Self::$variant)),+])
            }
        }

        impl From<$name> for String {
            fn from(choice: $name) -> Self {
                match choice {
                    $($name::$variant => $text.to_owned(),)+
                }
            }
        }
    };
}
pub(super) use choice;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_choice_is_told_with_all_of_them() {
        let choices = [("name", 1), ("mtime", 2), ("size", 3)];
        assert_eq!(chosen("mtime", &choices), Ok(2));
        let told = chosen("mtme", &choices).expect_err("none");
        assert_eq!(told, "expected `name`, `mtime` or `size`; did you mean `mtime`?");
    }
}
