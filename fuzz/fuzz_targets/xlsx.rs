//! Any parts as a workbook: read or refused, in bounded memory. The bytes are parts, with `\0\n` between them, so that what is varied is
//! the XML and not the archive around it; bytes that begin as an archive are taken for one.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use tenantry_foundation::input::{Input, InputLimits};
use zip::write::SimpleFileOptions;

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const NAMES: [&str; 4] = [
    "xl/worksheets/sheet1.xml",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/workbook.xml",
];

fn archive(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let mut parts: Vec<&str> = text.split("\0\n").collect();
    let book = "<workbook><sheets><sheet name=\"A\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>";
    parts.resize(3.max(parts.len().min(4)), "");
    if parts.len() == 3 {
        parts.push(book);
    }
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let root = format!(
        "<Relationships><Relationship Id=\"a\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let relations = format!(
        "<Relationships><Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    let fixed = [
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", root.as_str()),
        ("xl/_rels/workbook.xml.rels", relations.as_str()),
    ];
    for (name, part) in fixed.into_iter().chain(NAMES.into_iter().zip(parts)) {
        if !part.is_empty() {
            zip.start_file(name, SimpleFileOptions::default()).ok()?;
            zip.write_all(part.as_bytes()).ok()?;
        }
    }
    Some(zip.finish().ok()?.into_inner())
}

fuzz_target!(|bytes: &[u8]| {
    let archive = if bytes.starts_with(b"PK") {
        Some(bytes.to_vec())
    } else {
        archive(bytes)
    };
    let Some(archive) = archive else { return };
    let limits = InputLimits {
        record_bytes: 16 << 10,
        unzipped_bytes: 4 << 20,
        held_bytes: 1 << 20,
        ..InputLimits::default()
    };
    if let Ok(input) = Input::from_reader("rows.xlsx", Box::new(Cursor::new(archive)), limits) {
        let _ = input.finish();
    }
});
