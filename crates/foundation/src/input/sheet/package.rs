//! The zip archive a workbook is: whether it holds a workbook, which of its parts are read as what, and whether these are of a
//! size to be read.
//!
//! What a part is the relationships say, wherever it lies and whatever its name ends with; the reader goes by them, and so
//! does this. Where two readers could differ about one (a name given twice, two parts of one name), the workbook is
//! refused. Parts that nobody reads, as pictures, are not unzipped.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use super::super::InputLimits;
use super::super::error::{InputError, code};
use super::hidden::{BySheet, Hidden};
use super::weigh::{Scales, Unfit};

/// A workbook has some dozen parts, one with many pictures some thousand.
const MOST_PARTS: usize = 20_000;
/// A person who looks for the right one looks into each.
const MOST_SHEETS: usize = 1000;

/// Looks into the archive. Says what is hidden in each sheet, by its name.
pub(super) fn check(archive: &mut (impl Read + Seek), file: &str, limits: InputLimits) -> Result<BySheet, InputError> {
    let many = || too_large(file, &format!("more than {MOST_PARTS} parts"));
    match promises_too_much(archive) {
        Ok(false) => {}
        Ok(true) => return Err(many()),
        Err(error) => return Err(damaged(file, &error.to_string())),
    }
    let packed = archive
        .seek(SeekFrom::End(0))
        .map_err(|error| damaged(file, &error.to_string()))?;
    let zip = ZipArchive::new(archive).map_err(|error| damaged(file, &error.to_string()))?;
    if zip.len() > MOST_PARTS {
        return Err(many());
    }
    if let Some(message) = foreign(&zip) {
        return Err(InputError::new(file, code::NOT_A_WORKBOOK, message));
    }
    let mut package = Package {
        file,
        at: BTreeMap::new(),
        scales: Scales::new(limits, packed),
        zip,
    };
    let names = package.zip.file_names_raw().map(String::from_utf8_lossy);
    for (index, name) in names.enumerate() {
        package.at.entry(normal(&name)).or_default().push(index);
    }
    package.check()
}

/// Whether the archive's end, or what may be taken for it, promises more parts than there can be: room is made for them.
fn promises_too_much(archive: &mut (impl Read + Seek)) -> std::io::Result<bool> {
    /// Of the end of a large archive: its mark, its size, versions and disks, and parts on this disk and on all.
    const END: usize = 40;
    archive.rewind()?;
    let finder = memchr::memmem::Finder::new(b"PK\x06\x06");
    let (mut held, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let read = archive.read(&mut chunk)?;
        held.extend_from_slice(&chunk[..read]);
        for at in finder.find_iter(&held) {
            let number = |from: usize| {
                let bytes = held.get(at + from..at + from + 8)?;
                bytes.try_into().ok().map(u64::from_le_bytes)
            };
            let (Some(size), Some(here), Some(all)) = (number(4), number(24), number(32)) else {
                continue;
            };
            // Anything may stand in what is packed, too.
            if u32::try_from(size).is_ok() && here.max(all) > MOST_PARTS as u64 {
                return Ok(true);
            }
        }
        if read == 0 {
            archive.seek(SeekFrom::Start(0))?;
            return Ok(false);
        }
        held.drain(..held.len().saturating_sub(END - 1));
    }
}

struct Package<'p, R: Read + Seek> {
    file: &'p str,
    zip: ZipArchive<R>,
    /// Parts by their normal names.
    at: BTreeMap<String, Vec<usize>>,
    scales: Scales,
}

impl<R: Read + Seek> Package<'_, R> {
    fn check(&mut self) -> Result<BySheet, InputError> {
        let (dir, book) = self.workbook()?;
        let relations = self.relations(&format!("{dir}_rels/{book}.rels"))?;
        let sheets = self.sheets(&format!("{dir}{book}"), &relations, &dir)?;
        for held in ["sharedStrings.xml", "styles.xml", "theme/theme1.xml"] {
            self.weigh(&format!("{dir}{held}"), Scales::other)?;
        }
        let (mut hidden, mut weighed) = (BySheet::new(), HashMap::<String, Arc<Hidden>>::new());
        for (name, part) in sheets {
            let part = normal(&part);
            if !weighed.contains_key(&part)
                && let Some(found) = self.weigh(&part, Scales::sheet)?
            {
                weighed.insert(part.clone(), Arc::new(found));
            }
            if let Some(found) = weighed.get(&part) {
                hidden.insert(name, found.clone());
            }
        }
        Ok(hidden)
    }

    /// The directory and the name of the part that the workbook is.
    fn workbook(&mut self) -> Result<(String, String), InputError> {
        const ROOT: &str = "_rels/.rels";
        self.weigh(ROOT, Scales::other)?;
        let mut found = Vec::new();
        self.elements(ROOT, "Relationship", ["Type", "Target"], |[kind, target]| {
            if kind.ends_with("/relationships/officeDocument") {
                found.push(target);
            }
            Ok(())
        })?;
        let [target] = found.as_slice() else {
            return Err(damaged(self.file, "it is not told which of its parts is the workbook"));
        };
        let (dir, name) = target
            .rfind('/')
            .map_or(("", target.as_str()), |at| target.split_at(at + 1));
        let name = if name.is_empty() { "workbook.xml" } else { name };
        Ok((dir.strip_prefix('/').unwrap_or(dir).to_owned(), name.to_owned()))
    }

    /// What the relationships of the workbook lead to, by their ids.
    fn relations(&mut self, part: &str) -> Result<HashMap<String, String>, InputError> {
        self.weigh(part, Scales::other)?;
        let mut relations = HashMap::new();
        self.elements(part, "Relationship", ["Id", "Target"], |[id, target]| {
            match relations.insert(id, target) {
                None => Ok(()),
                Some(_) => Err("two of its relationships have one id"),
            }
        })?;
        Ok(relations)
    }

    /// The sheets and their parts, in order.
    fn sheets(
        &mut self,
        part: &str,
        relations: &HashMap<String, String>,
        dir: &str,
    ) -> Result<Vec<(String, String)>, InputError> {
        self.weigh(part, Scales::other)?;
        let (mut sheets, mut names) = (Vec::new(), HashSet::new());
        self.elements(part, "sheet", ["name", "id"], |[name, id]| {
            if !names.insert(name.clone()) {
                return Err("two of its sheets have one name");
            }
            if names.len() > MOST_SHEETS {
                return Err("it has more than 1000 sheets");
            }
            // A relationship that is missing is told by the reader.
            if let Some(target) = relations.get(&id) {
                let part = match target.strip_prefix('/') {
                    Some(whole) => whole.to_owned(),
                    None => format!("{dir}{target}"),
                };
                sheets.push((name, part));
            }
            Ok(())
        })?;
        Ok(sheets)
    }

    /// Weighs the part of that name, if there is one.
    fn weigh<T>(
        &mut self,
        part: &str,
        weigh: fn(&mut Scales, &mut dyn Read) -> Result<T, Unfit>,
    ) -> Result<Option<T>, InputError> {
        let name = normal(part);
        let Some(index) = self.index(&name)? else {
            return Ok(None);
        };
        let mut part = match self.zip.by_index(index) {
            Ok(part) => part,
            Err(ZipError::UnsupportedArchive(what)) if what == ZipError::PASSWORD_REQUIRED => {
                let message = "the workbook is protected by a password; save it without one";
                return Err(InputError::new(self.file, code::PASSWORD_PROTECTED, message));
            }
            Err(error) => return Err(damaged(self.file, &error.to_string())),
        };
        match weigh(&mut self.scales, &mut part) {
            Ok(weighed) => Ok(Some(weighed)),
            Err(Unfit::TooLarge(what)) => Err(too_large(self.file, &format!("{what} in its part {name}"))),
            Err(Unfit::Damaged(why)) => Err(damaged(self.file, &format!("{name}: {why}"))),
        }
    }

    fn index(&self, name: &str) -> Result<Option<usize>, InputError> {
        match self.at.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([index]) => Ok(Some(*index)),
            Some(_) => Err(damaged(self.file, &format!("it has several parts {name}"))),
        }
    }

    /// Hands out two attributes of every element of that local name that has both, of a part that was weighed.
    fn elements(
        &mut self,
        part: &str,
        wanted: &str,
        names: [&str; 2],
        mut take: impl FnMut([String; 2]) -> Result<(), &'static str>,
    ) -> Result<(), InputError> {
        let Some(index) = self.index(&normal(part))? else {
            return Ok(());
        };
        let file = self.file;
        let broken = |why: &str| damaged(file, &format!("{}: {why}", normal(part)));
        let part = self.zip.by_index(index).map_err(|error| broken(&error.to_string()))?;
        let mut reader = Reader::from_reader(BufReader::new(part));
        let mut held = Vec::new();
        loop {
            held.clear();
            match reader.read_event_into(&mut held) {
                Ok(Event::Start(tag) | Event::Empty(tag)) if tag.local_name().as_ref() == wanted => {
                    let [first, second] = names.map(|name| value(&tag, name));
                    if let (Some(first), Some(second)) = (first.map_err(broken)?, second.map_err(broken)?) {
                        take([first, second]).map_err(broken)?;
                    }
                }
                Ok(Event::Eof) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(broken(&error.to_string())),
            }
        }
    }
}

/// The value of the attribute of that local name.
fn value(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, &'static str> {
    let mut found = None;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| "an attribute that cannot be read")?;
        if attribute.key.local_name().as_ref() == name {
            let value = quick_xml::escape::unescape(&attribute.value);
            let value = value.map_err(|_| "an attribute that cannot be read")?.into_owned();
            if found.replace(value).is_some() {
                return Err("an attribute stands twice");
            }
        }
    }
    Ok(found)
}

/// The name of a part as others refer to it.
fn normal(part: &str) -> String {
    part.to_lowercase()
        .replace('\\', "/")
        .trim_start_matches('/')
        .to_owned()
}

/// What the archive is, if not a workbook.
fn foreign(zip: &ZipArchive<impl Read + Seek>) -> Option<&'static str> {
    let names: Vec<String> = zip
        .file_names_raw()
        .map(|name| String::from_utf8_lossy(name).to_lowercase().replace('\\', "/"))
        .collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let within = |dir: &str| names.iter().any(|name| name.starts_with(dir));
    if has("xl/workbook.bin") {
        return Some("this is a binary Excel workbook (.xlsb); save it as .xlsx or as CSV");
    }
    if has("[content_types].xml") && within("xl/") {
        return None;
    }
    Some(if has("mimetype") && has("content.xml") {
        "this is an OpenDocument file (.ods); save it as .xlsx or as CSV"
    } else if within("word/") || within("ppt/") {
        "this is an Office document, and no Excel workbook"
    } else {
        "this is a zip archive, and no Excel workbook; unzip it and name the files in it"
    })
}

fn damaged(file: &str, why: &str) -> InputError {
    let message = format!("the workbook is damaged ({why}); open it in a spreadsheet program and save it again");
    InputError::new(file, code::BAD_WORKBOOK, message)
}

fn too_large(file: &str, what: &str) -> InputError {
    let message = format!("the workbook unzips to more than is read: {what}; split it, or save the sheet as CSV");
    InputError::new(file, code::TOO_LARGE, message)
}
