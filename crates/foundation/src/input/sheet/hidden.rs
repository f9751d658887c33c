//! Rows and columns of a sheet that the person who looks at it does not see: hidden, filtered out, in a collapsed group, or
//! of no height.
//!
//! They are noticed while the parts of a workbook are weighed, by their tags; which part is which sheet the workbook says,
//! wherever the part lies. A sheet of which that cannot be told is not read: somebody might delete what nobody saw.

use std::collections::HashMap;
use std::io::{Read, Seek};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

/// Points; a row that is lower shows nothing.
const LEAST_HEIGHT: f64 = 2.0;
/// Characters; a column that is narrower shows nothing.
const LEAST_WIDTH: f64 = 0.2;

/// Bytes; a row whose tag is longer is taken to be hidden.
const LONGEST_TAG: usize = 64 << 10;

/// What is hidden in one sheet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hidden {
    /// Rows, counted from 1, ascending.
    rows: Vec<u32>,
    /// Columns that are not shown, from the first to the last of each group, counted from 1.
    columns: Vec<(u32, u32)>,
    /// The row that was begun last.
    row: u32,
    /// Whether rows are hidden unless they say otherwise.
    by_default: bool,
    /// A tag of which an attribute holds `>`, up to there.
    begun: Vec<u8>,
    /// What ends the comment, or the text without markup, that the pieces are in.
    inert: Option<&'static [u8]>,
}

/// What is hidden in each sheet, by its name or by the normal name of its part.
pub(super) type BySheet = HashMap<String, Hidden>;

impl Hidden {
    /// Looks at a piece of a sheet, from one `>` to the next; whether it ends with a tag.
    pub(super) fn look(&mut self, piece: &[u8]) -> bool {
        if let Some(end) = self.inert {
            if piece.ends_with(end) {
                self.inert = None;
            }
            return false;
        }
        if !self.begun.is_empty() {
            let mut tag = std::mem::take(&mut self.begun);
            tag.extend_from_slice(piece);
            return self.look_at(&tag);
        }
        let Some(open) = memchr::memchr(b'<', piece) else {
            return false;
        };
        let tag = &piece[open + 1..];
        for (begin, end) in [(&b"!--"[..], &b"-->"[..]), (b"![CDATA[", b"]]>")] {
            if let Some(inner) = tag.strip_prefix(begin) {
                self.inert = (!inner.ends_with(end)).then_some(end);
                return false;
            }
        }
        self.look_at(tag)
    }

    fn look_at(&mut self, tag: &[u8]) -> bool {
        let end = tag
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        let name = &tag[..end.unwrap_or(tag.len())];
        let name = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
        if !matches!(name, b"row" | b"col" | b"sheetFormatPr") {
            return true;
        }
        if is_within_quotes(tag) {
            if tag.len() > LONGEST_TAG {
                self.row = self.row.saturating_add(1);
                self.rows.push(self.row);
                return true;
            }
            tag.clone_into(&mut self.begun);
            return false;
        }
        match name {
            b"row" => {
                let number =
                    attribute(tag, b"r").and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
                self.row = number.unwrap_or(self.row.saturating_add(1));
                let height = attribute(tag, b"ht");
                let is_default = self.by_default && height.is_none() && attribute(tag, b"hidden").is_none();
                let is_flat = height.is_some_and(|height| is_below(height, LEAST_HEIGHT));
                if is_default || is_flat || is_set(tag, b"hidden") {
                    self.rows.push(self.row);
                }
            }
            b"col" => {
                let is_narrow = attribute(tag, b"width").is_some_and(|width| is_below(width, LEAST_WIDTH));
                if is_narrow || is_set(tag, b"hidden") {
                    let number =
                        |name| -> Option<u32> { std::str::from_utf8(attribute(tag, name)?).ok()?.trim().parse().ok() };
                    let (from, to) = (number(b"min").unwrap_or(1), number(b"max").unwrap_or(1));
                    self.columns.push((from, to));
                }
            }
            _ => self.by_default = is_set(tag, b"zeroHeight"),
        }
        true
    }

    /// Whether the row, counted from 1, is hidden.
    pub(super) fn has(&self, row: u32) -> bool {
        self.rows.binary_search(&row).is_ok()
    }

    /// How many rows below `header`, counted from 1, and how many columns are hidden.
    pub(super) fn count(&self, header: u64) -> (usize, u32) {
        let below = self.rows.iter().filter(|row| u64::from(**row) > header).count();
        let width = |(from, to): &(u32, u32)| to.saturating_sub(*from).saturating_add(1);
        let columns = self.columns.iter().map(width).fold(0, u32::saturating_add);
        (below, columns)
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

/// Whether a tag ends within the value of an attribute, so that the `>` it ends with is of the value.
fn is_within_quotes(tag: &[u8]) -> bool {
    let mut quote = None;
    for byte in tag {
        match quote {
            None if matches!(byte, b'"' | b'\'') => quote = Some(*byte),
            Some(open) if open == *byte => quote = None,
            _ => {}
        }
    }
    quote.is_some()
}

/// The value of an attribute of a tag, whose name and attributes stand after its `<`.
fn attribute<'t>(tag: &'t [u8], wanted: &[u8]) -> Option<&'t [u8]> {
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

/// The name of a part as others refer to it.
pub(super) fn normal(part: &str) -> String {
    part.to_lowercase()
        .replace('\\', "/")
        .trim_start_matches('/')
        .to_owned()
}

/// What is hidden in each sheet, by its name; without those of which the workbook does not say which part they are.
pub(super) fn by_name(archive: impl Read + Seek, mut of_parts: BySheet) -> BySheet {
    let mut found = BySheet::new();
    for (name, part) in parts(archive).unwrap_or_default() {
        if let Some(hidden) = of_parts.remove(&part) {
            found.insert(name, hidden);
        }
    }
    found
}

/// The sheets of a workbook and their parts.
fn parts(archive: impl Read + Seek) -> Option<Vec<(String, String)>> {
    let mut zip = ZipArchive::new(archive).ok()?;
    let relations = tags(
        &text(&mut zip, "xl/_rels/workbook.xml.rels")?,
        "Relationship",
        ["Id", "Target"],
    );
    let relations: HashMap<String, String> = relations.into_iter().map(|[id, target]| (id, target)).collect();
    let sheets = tags(&text(&mut zip, "xl/workbook.xml")?, "sheet", ["name", "id"]);
    let part = |[name, id]: [String; 2]| {
        let target = relations.get(&id)?.replace('\\', "/");
        let part = match target.strip_prefix('/') {
            Some(whole) => normal(whole),
            None => normal(&format!("xl/{target}")),
        };
        Some((name, part))
    };
    Some(sheets.into_iter().filter_map(part).collect())
}

/// A part that is text, whatever its name's case and separators are.
fn text(zip: &mut ZipArchive<impl Read + Seek>, wanted: &str) -> Option<String> {
    let index = (0..zip.len()).find(|index| {
        let name = zip
            .by_index_raw(*index)
            .ok()
            .and_then(|part| part.name().ok().map(|name| normal(&name)));
        name.as_deref() == Some(wanted)
    })?;
    let mut text = String::new();
    // It was weighed before.
    zip.by_index(index).ok()?.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Two attributes of every tag of that local name that has both.
fn tags(xml: &str, wanted: &str, [first, second]: [&str; 2]) -> Vec<[String; 2]> {
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == wanted => {
                found.extend(value(&tag, first).zip(value(&tag, second)).map(<[String; 2]>::from));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    found
}

/// The value of the attribute of that local name.
fn value(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes().flatten();
    let attribute = attributes.find(|attribute| attribute.key.local_name().as_ref() == name)?;
    let value = quick_xml::escape::unescape(&attribute.value).ok()?;
    Some(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_rows_and_columns_are_told_by_their_tags() {
        let mut hidden = Hidden::default();
        for piece in [
            "<!-- <row r=\"1\" hidden=\"1\">",
            " </sheetData> -->",
            "<cols>",
            "<col min=\"2\" max=\"3\" width=\"9\" hidden=\"1\"/>",
            "<x:col min='5' max='5' hidden='true'/>",
            "<col min=\"7\" max=\"7\" width=\"9\"/>",
            "\n<row r=\"1\" spans=\"1:3\">",
            "<c r=\"A1\" hidden=\"1\">",
            "text</v>",
            "<row r=\"3\" hidden=\"1\">",
            "<row>",
            "<x:row  hidden = '1' >",
            "<row r=\"9\" ht=\"0.1\" customHeight=\"1\"/>",
            "<row r=\"10\" ht=\"15\" hidden=\"0\"/>",
            "<row r=\"11\" a=\"x>",
            "y' hidden='0'>",
            "\" hidden=\"1\">",
            "<row>",
        ] {
            hidden.look(piece.as_bytes());
        }
        assert_eq!(hidden.rows, [3, 5, 9, 11]);
        assert_eq!(hidden.row, 12);
        assert_eq!(hidden.count(3), (3, 3));
        assert!(hidden.has(5) && !hidden.has(4));
        let columns = (0..8).filter(|column| hidden.has_column(*column));
        assert_eq!(columns.collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn rows_are_hidden_by_default_where_the_sheet_says_so() {
        let mut hidden = Hidden::default();
        for piece in [
            "<sheetFormatPr defaultRowHeight=\"15\" zeroHeight=\"1\"/>",
            "<row r=\"1\" ht=\"15\" customHeight=\"1\">",
            "<row r=\"2\" hidden=\"0\">",
            "<row r=\"3\">",
        ] {
            hidden.look(piece.as_bytes());
        }
        assert_eq!(hidden.rows, [3]);
    }
}
