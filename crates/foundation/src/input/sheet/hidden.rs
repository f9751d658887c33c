//! Rows and columns of a sheet that the person who looks at it does not see: hidden, filtered out, in a collapsed group, or
//! of no height.
//!
//! They are noticed while the parts of a workbook are weighed, by their tags. A sheet of which they are not known is not read:
//! somebody might delete what nobody saw. A row without a value, as below a list of which all unused rows are hidden, hides nothing.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

/// Points; a row that is lower shows nothing.
const LEAST_HEIGHT: f64 = 2.0;
/// Characters; a column that is narrower shows nothing.
const LEAST_WIDTH: f64 = 0.2;

/// What is hidden in one sheet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hidden {
    /// Rows, counted from 1, ascending.
    rows: Vec<u32>,
    /// Columns that are not shown, from the first to the last of each group, counted from 1.
    columns: Vec<(u32, u32)>,
    /// The row that was begun last.
    row: u32,
    /// Whether that is hidden and had no value so far.
    is_bare: bool,
    /// Whether rows are hidden unless they say otherwise.
    by_default: bool,
}

/// What is hidden in each sheet, by its name.
pub(super) type BySheet = HashMap<String, Arc<Hidden>>;

impl Hidden {
    /// Looks at a tag of a sheet, from behind its `<`. Says how many bytes are noted of it.
    pub(super) fn look(&mut self, tag: &[u8]) -> u64 {
        let end = tag
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        let name = &tag[..end.unwrap_or(tag.len())];
        let name = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
        match name {
            b"row" => {
                let number =
                    attribute(tag, b"r").and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
                self.row = number.unwrap_or(self.row.saturating_add(1));
                let height = attribute(tag, b"ht");
                let is_default = self.by_default && height.is_none() && attribute(tag, b"hidden").is_none();
                let is_flat = height.is_some_and(|height| is_below(height, LEAST_HEIGHT));
                self.is_bare = is_default || is_flat || is_set(tag, b"hidden");
            }
            b"v" | b"is" if self.is_bare => {
                self.is_bare = false;
                self.rows.push(self.row);
                return 2 * size_of::<u32>() as u64;
            }
            b"col" => {
                let is_narrow = attribute(tag, b"width").is_some_and(|width| is_below(width, LEAST_WIDTH));
                if is_narrow || is_set(tag, b"hidden") {
                    let number =
                        |name| -> Option<u32> { std::str::from_utf8(attribute(tag, name)?).ok()?.trim().parse().ok() };
                    let (from, to) = (number(b"min").unwrap_or(1), number(b"max").unwrap_or(1));
                    self.columns.push((from, to));
                    return 2 * size_of::<(u32, u32)>() as u64;
                }
            }
            b"sheetFormatPr" => self.by_default = is_set(tag, b"zeroHeight"),
            _ => {}
        }
        0
    }

    /// Whether the row, counted from 1, is hidden.
    pub(super) fn has(&self, row: u32) -> bool {
        self.rows.binary_search(&row).is_ok()
    }

    /// How many rows below `header`, counted from 1, are hidden.
    pub(super) fn rows_below(&self, header: u64) -> usize {
        self.rows.iter().filter(|row| u64::from(**row) > header).count()
    }

    /// Whether the column, counted from 0, is hidden.
    pub(super) fn has_column(&self, column: usize) -> bool {
        let is_within = |(from, to): &(u32, u32)| (*from as usize..=*to as usize).contains(&(column + 1));
        self.columns.iter().any(is_within)
    }
}

/// Whether a length is so small that nothing can be seen.
fn is_below(length: &[u8], least: f64) -> bool {
    let length = std::str::from_utf8(length)
        .ok()
        .and_then(|length| length.trim().parse::<f64>().ok());
    length.is_some_and(|length| length < least)
}

fn is_set(tag: &[u8], name: &[u8]) -> bool {
    let value = attribute(tag, name).map(<[u8]>::trim_ascii);
    value.is_some_and(|value| value == b"1" || value.eq_ignore_ascii_case(b"true"))
}

/// The value of an attribute of a tag, whose name and attributes stand after its `<`.
pub(super) fn attribute<'t>(tag: &'t [u8], wanted: &[u8]) -> Option<&'t [u8]> {
    let mut rest = tag;
    loop {
        let equals = memchr::memchr(b'=', rest)?;
        let name = rest[..equals].trim_ascii_end();
        let name = name.rsplit(u8::is_ascii_whitespace).next().unwrap_or(name);
        let (quote, after) = rest[equals + 1..].trim_ascii_start().split_first()?;
        let end = memchr::memchr(*quote, after)?;
        if name == wanted {
            return Some(&after[..end]);
        }
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_rows_and_columns_are_told_by_their_tags() {
        let mut hidden = Hidden::default();
        for tag in [
            "<cols>",
            "<col min=\"2\" max=\"3\" width=\"9\" hidden=\"1\"/>",
            "<x:col min='5' max='5' hidden='true'/>",
            "<col min=\"7\" max=\"7\" width=\"9\"/>",
            "\n<row r=\"1\" spans=\"1:3\">",
            "<c r=\"A1\" hidden=\"1\">",
            "<v>",
            "<row r=\"3\" hidden=\"1\">",
            "<c r=\"A3\">",
            "<v>",
            "<v>",
            "<row>",
            "<v>",
            "<x:row  hidden = '1' >",
            "<x:is>",
            "<row r=\"8\" hidden=\"1\">",
            "<c r=\"A8\" s=\"1\"/>",
            "<row r=\"9\" ht=\"0.1\" customHeight=\"1\">",
            "<v>",
            "<row r=\"10\" ht=\"15\" hidden=\"0\">",
            "<v>",
            "<row r=\"11\" a=\"x>y' hidden='0'>\" hidden=\"1\">",
            "<v>",
            "</row>",
            "<row>",
            "<v>",
        ] {
            hidden.look(&tag.as_bytes()[1..]);
        }
        assert_eq!(hidden.rows, [3, 5, 9, 11]);
        assert_eq!(hidden.row, 12);
        assert_eq!(hidden.rows_below(3), 3);
        assert!(hidden.has(5) && !hidden.has(4));
        let columns = (0..8).filter(|column| hidden.has_column(*column));
        assert_eq!(columns.collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn rows_are_hidden_by_default_where_the_sheet_says_so() {
        let mut hidden = Hidden::default();
        for tag in [
            "<sheetFormatPr defaultRowHeight=\"15\" zeroHeight=\"1\"/>",
            "<row r=\"1\" ht=\"15\" customHeight=\"1\">",
            "<v>",
            "<row r=\"2\" hidden=\"0\">",
            "<v>",
            "<row r=\"3\">",
            "<v>",
        ] {
            hidden.look(&tag.as_bytes()[1..]);
        }
        assert_eq!(hidden.rows, [3]);
    }
}
