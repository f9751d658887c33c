//! Cells that hold a list: entries separated by `;`, blanks around them and empty entries ignored.

use std::borrow::Cow;

use crate::key;

/// The entries of the cell.
pub(crate) fn entries(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|entry| !entry.is_empty())
}

/// The entries, each once, in the order written; two of one [key](key::fold) are one.
pub(crate) fn distinct(cell: &str) -> Vec<&str> {
    if cell.is_empty() {
        return Vec::new();
    }
    let mut kept: Vec<&str> = Vec::with_capacity(2);
    for entry in entries(cell) {
        if !kept.iter().any(|known| key::same(known, entry)) {
            kept.push(entry);
        }
    }
    kept
}

/// The cell as it would be written by one who knows the rules: distinct entries joined by a bare `;`.
pub(crate) fn normal(cell: &str) -> Cow<'_, str> {
    let normal = distinct(cell).join(";");
    if normal == cell {
        Cow::Borrowed(cell)
    } else {
        Cow::Owned(normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_and_joined() {
        assert_eq!(distinct(" SPB; spb ;;EMS;"), ["SPB", "EMS"]);
        assert!(distinct(";;").is_empty());
        assert!(matches!(normal("gold;berlin"), Cow::Borrowed("gold;berlin")));
        assert_eq!(normal("gold ; berlin;Gold"), "gold;berlin");
        assert_eq!(normal("Ärzte;ÄRZTE;A\u{308}rzte"), "Ärzte");
    }
}
