//! Rows and columns of a sheet that the person who looks at it does not see: hidden, filtered out, in a collapsed group, or
//! of no height.
//!
//! They are noticed while the parts of a workbook are weighed, by their tags; which part is which sheet the workbook says.

use std::collections::HashMap;
use std::io::{Read, Seek};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

/// What is hidden in one sheet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hidden {
    /// Rows, counted from 1, ascending.
    rows: Vec<u32>,
    /// Columns that are not shown.
    columns: u32,
    /// The row that was begun last.
    row: u32,
}

/// What is hidden in each sheet, by its name or by the normal name of its part.
pub(super) type BySheet = HashMap<String, Hidden>;

impl Hidden {
    /// Looks at a piece of a sheet that ends with a tag.
    pub(super) fn look(&mut self, piece: &[u8]) {
        let Some(open) = memchr::memrchr(b'<', piece) else {
            return;
        };
        let tag = &piece[open + 1..];
        let end = tag
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        let name = &tag[..end.unwrap_or(tag.len())];
        match name.rsplit(|byte| *byte == b':').next() {
            Some(b"row") => {
                let number = attribute(tag, b"r").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
                self.row = number.unwrap_or(self.row.saturating_add(1));
                let is_flat = attribute(tag, b"ht").is_some_and(is_nothing);
                if is_flat || is_hidden(tag) {
                    self.rows.push(self.row);
                }
            }
            Some(b"col") if is_hidden(tag) || attribute(tag, b"width").is_some_and(is_nothing) => {
                let number = |name| -> Option<u32> { std::str::from_utf8(attribute(tag, name)?).ok()?.parse().ok() };
                let (from, to) = (number(b"min").unwrap_or(1), number(b"max").unwrap_or(1));
                self.columns = self.columns.saturating_add(to.saturating_sub(from).saturating_add(1));
            }
            _ => {}
        }
    }

    /// Whether the row, counted from 1, is hidden.
    pub(super) fn has(&self, row: u32) -> bool {
        self.rows.binary_search(&row).is_ok()
    }

    /// How many rows below `header`, counted from 1, and how many columns are hidden.
    pub(super) fn count(&self, header: u64) -> (usize, u32) {
        let below = self.rows.iter().filter(|row| u64::from(**row) > header).count();
        (below, self.columns)
    }
}

/// Whether a length is none.
fn is_nothing(length: &[u8]) -> bool {
    std::str::from_utf8(length).is_ok_and(|length| length.trim().parse() == Ok(0.0_f64))
}

fn is_hidden(tag: &[u8]) -> bool {
    attribute(tag, b"hidden").is_some_and(|value| value == b"1" || value == b"true")
}

/// The value of an attribute of a tag.
fn attribute<'t>(tag: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let mut from = 0;
    loop {
        let at = from + memchr::memmem::find(&tag[from..], name)?;
        from = at + name.len();
        if at == 0 || !tag[at - 1].is_ascii_whitespace() {
            continue;
        }
        let rest = tag[from..].trim_ascii_start();
        let Some(rest) = rest.strip_prefix(b"=").map(<[u8]>::trim_ascii_start) else {
            continue;
        };
        let (quote, rest) = rest.split_first()?;
        return Some(&rest[..memchr::memchr(*quote, rest)?]);
    }
}

/// The name of a part as others refer to it.
pub(super) fn normal(part: &str) -> String {
    part.to_lowercase()
        .replace('\\', "/")
        .trim_start_matches('/')
        .to_owned()
}

/// What is hidden in each sheet, by its name; nothing of a sheet of which the workbook does not say which part it is.
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
            "<row r=\"9\" ht=\"0.0\" customHeight=\"1\"/>",
            "<row r=\"10\" ht=\"15\" hidden=\"0\"/>",
        ] {
            hidden.look(piece.as_bytes());
        }
        assert_eq!(hidden.rows, [3, 5, 9]);
        assert_eq!(hidden.count(3), (2, 3));
        assert!(hidden.has(5) && !hidden.has(4));
    }
}
