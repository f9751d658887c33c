//! Keys of a folder and of a schedule that say how files are read, where that is not to be found out.

use serde::{Deserialize, Serialize};

use super::choice::choice;
use crate::input::{HiddenRows, InputOptions, encoding};

choice!(
    /// How rows that a sheet hides are handled.
    #[derive(Default)]
    HiddenRowsUse {
        /// They are read, and counted; kinds that delete or end something refuse such a sheet.
        #[default]
        ByKind = "",
        /// They are read like the others.
        Include = "include",
        /// They are passed over.
        Skip = "skip",
    }
);

/// The encoding of texts, or none where each is told by its letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextEncoding(String);

impl TryFrom<String> for TextEncoding {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.is_empty() {
            return Ok(Self::default());
        }
        encoding::named(&name).map(|encoding| Self(encoding.name().to_owned()))
    }
}

impl From<TextEncoding> for String {
    fn from(encoding: TextEncoding) -> Self {
        encoding.0
    }
}

/// How files are read, by the keys of these names; of each the default says that it is to be found out.
pub(super) fn input_options(
    sheet: &str,
    encoding: &TextEncoding,
    multiline_cells: bool,
    hidden_rows: HiddenRowsUse,
) -> InputOptions {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    InputOptions {
        sheet: named(sheet),
        encoding: named(&encoding.0),
        multiline_cells,
        hidden_rows: match hidden_rows {
            HiddenRowsUse::ByKind => None,
            HiddenRowsUse::Include => Some(HiddenRows::Include),
            HiddenRowsUse::Skip => Some(HiddenRows::Skip),
        },
        whole: false,
    }
}
