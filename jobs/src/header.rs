//! The mapping of file columns to native columns: the header of a file, read with the catalogue in hand.
//!
//! Case, blanks, `_` and `-` make no difference, nor does the order. A header is tried against the
//! native columns and against every template; the layout that explains most of it is what was meant,
//! and the native one wins a tie. Native names are understood in a template's file too, so that a
//! `customer` or `licenses` column can be added to it.
//!
//! A header is read for every chunk, not only for every file. So what each name means in each layout is gathered once.

mod secrets;
mod told;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::bulk_add_users::templates;
use crate::model::yes_no;
use crate::{Column, ExportOf, JobKind, KINDS, Problem, Template, code, directory, export_columns, lists};
pub use secrets::looks_secret;
use told::{missing, unknown};

/// Where the native columns stand in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The template recognised; `None` for native columns.
    pub template: Option<&'static str>,
    /// For each native column, the file's column.
    pub columns: Vec<Option<usize>>,
    /// The native column whose cells the file has turned round: [`opposite`] of each is meant.
    pub opposite: Option<usize>,
    /// The file's columns that hold secrets, ignored ones (`_password`) included, also those of other kinds, and those that only look
    /// as if they did.
    pub secret: Vec<usize>,
    /// The file's columns at the end of the header that have no name, as spreadsheets leave them.
    /// A row with a value there is ragged.
    pub unnamed: Vec<usize>,
    /// Native columns that the file has and nobody is to read.
    pub left_out: Vec<usize>,
    /// The file's columns that name the customer once more: by its primary domain, and by its external id.
    pub again: [Option<usize>; 2],
    /// The file's column of the office, where its name reads like a phone's: who goes by the name puts phones in it.
    pub like_a_phone: Option<usize>,
    /// The file's columns that a list has and the kind has no use for.
    pub read_past: Vec<usize>,
    /// Whether it is a list of what there is, which people edit and hand in.
    pub is_list: bool,
}

impl Mapping {
    /// Leaves out these native columns of a kind; those of them that the file has, by name.
    pub fn leave_out(&mut self, job: &dyn JobKind, names: &[&str]) -> Vec<&'static str> {
        let mut found = Vec::new();
        for (at, column) in job.columns().iter().enumerate() {
            if names.contains(&column.name)
                && let Some(cell) = self.columns.get_mut(at)
                && cell.take().is_some()
            {
                found.push(column.name);
                self.left_out.push(at);
            }
        }
        found
    }
}

/// Reads a header. `fixed` are the native columns that the command line gives for all rows.
///
/// # Errors
/// Everything that keeps the file from being read: first what stands in the header, in file order,
/// then what is missing.
pub fn recognise(job: &dyn JobKind, header: &[&str], fixed: &[&str]) -> Result<Mapping, Vec<Problem>> {
    read(job, header, fixed, false)
}

/// As [`recognise`], of a file that may have the fixed columns besides. The reader of its rows holds the one against the other.
///
/// # Errors
/// As [`recognise`].
pub fn recognise_besides(job: &dyn JobKind, header: &[&str], fixed: &[&str]) -> Result<Mapping, Vec<Problem>> {
    read(job, header, fixed, true)
}

fn read(job: &dyn JobKind, header: &[&str], fixed: &[&str], besides: bool) -> Result<Mapping, Vec<Problem>> {
    let keys: Vec<String> = header.iter().map(|cell| key(cell)).collect();
    let named = keys.iter().rposition(|key| !key.is_empty()).map_or(0, |last| last + 1);
    let is_marked = |layout: &&Layout| layout.markers.iter().all(|marker| keys.contains(marker));
    let layouts = LAYOUTS.get(job.kind()).into_iter().flatten().filter(is_marked);
    let readings = layouts.map(|layout| layout.read(&header[..named], &keys));
    // `min_by_key` keeps the first of equals, which is the native layout.
    let Some(reading) = readings.min_by_key(HeaderReading::unknown) else {
        return Err(Vec::new());
    };
    let (columns, again, mut problems) = reading.place(job, header, if besides { &[] } else { fixed });
    for (native, place) in job.columns().iter().zip(&columns) {
        if native.required && place.is_none() && !fixed.contains(&native.name) {
            problems.push(missing(native.name, reading.template));
        }
    }
    let place = |column: &Column| {
        job.columns()
            .iter()
            .position(|native| native == column)
            .and_then(|at| columns[at])
    };
    if !job.one_of().is_empty() && !job.one_of().iter().any(|column| place(column).is_some()) {
        let names: Vec<String> = job.one_of().iter().map(|column| format!("`{}`", column.name)).collect();
        let expected = format!("at least one of the columns {}", names.join(", "));
        problems.push(Problem::new(code::MISSING_COLUMN, "", "", expected));
    }
    let is_list = reading.template.is_some_and(|template| template.name == lists::NAME);
    if let Some((title, native)) = lists::deciding(job).filter(|_| is_list)
        && job
            .columns()
            .iter()
            .zip(&columns)
            .all(|(column, at)| column.name != native || at.is_none())
    {
        let sentence = format!(
            "a list says in `{title}`, or in a column `{native}`, what should become of each, and this one has neither; add one \
             of them"
        );
        problems.push(Problem::stated(code::MISSING_COLUMN, native, "", sentence));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let like_a_phone = keys
        .iter()
        .position(|key| reading.template.is_some() && LIKE_A_PHONE.contains(key));
    Ok(Mapping {
        template: reading.template.map(|template| template.name),
        secret: (0..named)
            .filter(|index| {
                let is_read = columns.contains(&Some(*index));
                is_secret(header[*index]) || (!is_read && looks_secret(header[*index]))
            })
            .collect(),
        opposite: reading.opposite(),
        columns,
        read_past: reading.read_past(header),
        unnamed: (named..header.len()).collect(),
        left_out: Vec::new(),
        is_list,
        like_a_phone,
        again,
    })
}

/// Whether the cells of a column of that name are secrets, or look as if they were.
pub fn holds_secrets(column: &str) -> bool {
    is_secret(column) || looks_secret(column)
}

/// Whether some kind keeps a secret in a column of that name. Every kind reads past such a column if it is told to, so none
/// of them may keep its cells.
fn is_secret(cell: &str) -> bool {
    static SECRETS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let of_kind = |job: &&'static dyn JobKind| {
            let meanings = LAYOUTS
                .get(job.kind())
                .into_iter()
                .flatten()
                .flat_map(|layout| &layout.meanings);
            let columns = job.columns();
            meanings.filter_map(move |(key, meaning)| match meaning {
                Meaning::Native(native) if columns[*native].secret => Some(key.as_str()),
                _ => None,
            })
        };
        KINDS.iter().flat_map(of_kind).collect()
    });
    SECRETS.contains(key(cell.trim_start_matches(is_ignoring)).as_str())
}

static LIKE_A_PHONE: LazyLock<[String; 3]> = LazyLock::new(|| templates::LIKE_A_PHONE.map(key));

/// Whether a file's first line belongs to a template and precedes its header.
pub fn preamble(job: &dyn JobKind, first_line: &[&str]) -> bool {
    let Some((first, rest)) = first_line.split_first() else {
        return false;
    };
    let preambles = job.templates().iter().filter_map(|template| template.preamble);
    // A spreadsheet pads the line with empty cells.
    rest.iter().all(|cell| key(cell).is_empty()) && preambles.into_iter().any(|line| key(line) == key(first))
}

/// What a cell of the header stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Native(usize),
    /// The customer once more, in this place of [`Mapping::again`].
    Again(usize),
    /// The native column, with yes for no.
    Opposite(usize),
    /// The native column, unless the file has that by its own name.
    Instead(usize),
    Ignored,
    Unknown,
}

/// What the names of the columns mean in the native layout of a kind, or in one of its templates.
struct Layout {
    template: Option<&'static Template>,
    /// Columns that have to be there, as keys.
    markers: Vec<String>,
    /// By the key of the name.
    meanings: HashMap<String, Meaning>,
    /// The keys of the native columns.
    natives: Vec<String>,
}

/// The layouts of each kind, the native one first.
static LAYOUTS: LazyLock<HashMap<&str, Vec<Layout>>> = LazyLock::new(|| {
    let of_kind = |job: &&'static dyn JobKind| {
        let templates = job
            .templates()
            .iter()
            .chain(directory::templates(*job))
            .chain(lists::TEMPLATES);
        let templates = templates.map(Some);
        let layouts = std::iter::once(None).chain(templates);
        (
            job.kind(),
            layouts.map(|template| Layout::new(*job, template)).collect(),
        )
    };
    KINDS.iter().map(of_kind).collect()
});

impl Layout {
    fn new(job: &'static dyn JobKind, template: Option<&'static Template>) -> Self {
        let natives = || job.columns().iter().enumerate();
        // What has a mark of its own is known to be a list, of which a kind takes what it has a use for.
        let markers = template.map_or(&[][..], |template| template.markers);
        let reads_past = !markers.is_empty();
        let is_list = template.is_some_and(|template| template.name == lists::NAME);
        let mut meanings = HashMap::new();
        if is_list {
            for (title, native) in lists::instead(job) {
                if let Some((at, _)) = natives().find(|(_, column)| column.name == native) {
                    meanings.insert(key(title), Meaning::Instead(at));
                }
            }
        }
        for (name, native) in template.map_or(&[][..], |template| template.columns) {
            let meaning = match native {
                None => Meaning::Ignored,
                Some(native) => match natives().find(|(_, column)| column.name == *native) {
                    Some((at, _)) if template.and_then(|template| template.opposite) == Some(*name) => {
                        Meaning::Opposite(at)
                    }
                    Some((at, _)) => Meaning::Native(at),
                    None if reads_past => Meaning::Ignored,
                    None => Meaning::Unknown,
                },
            };
            meanings.entry(key(name)).or_insert(meaning);
        }
        for (at, column) in natives() {
            meanings.entry(key(column.name)).or_insert(Meaning::Native(at));
        }
        if is_list {
            let lists = [ExportOf::Customers, ExportOf::Subscriptions, ExportOf::Users];
            for column in lists.into_iter().flat_map(export_columns) {
                meanings.entry(key(column.title)).or_insert(Meaning::Ignored);
            }
            if natives().any(|(_, column)| column.name == "customer") {
                for (at, title) in lists::AGAIN.iter().enumerate() {
                    let meaning = meanings.entry(key(title)).or_insert(Meaning::Ignored);
                    if *meaning == Meaning::Ignored {
                        *meaning = Meaning::Again(at);
                    }
                }
            }
        }
        Self {
            template,
            markers: markers.iter().map(|marker| key(marker)).collect(),
            natives: natives().map(|(_, column)| key(column.name)).collect(),
            meanings,
        }
    }

    /// `keys` are those of the header's cells.
    fn read(&self, header: &[&str], keys: &[String]) -> HeaderReading {
        let meaning = |(cell, key): (&&str, &String)| {
            if is_set_aside(cell) {
                return Meaning::Ignored;
            }
            match self.meanings.get(key).copied().unwrap_or(Meaning::Unknown) {
                Meaning::Instead(native) if keys.contains(&self.natives[native]) => Meaning::Ignored,
                Meaning::Instead(native) => Meaning::Native(native),
                other => other,
            }
        };
        HeaderReading {
            template: self.template,
            cells: header.iter().zip(keys).map(meaning).collect(),
        }
    }
}

type Again = [Option<usize>; 2];

/// A header as one layout understands it.
struct HeaderReading {
    template: Option<&'static Template>,
    cells: Vec<Meaning>,
}

impl HeaderReading {
    fn unknown(&self) -> usize {
        self.cells.iter().filter(|cell| **cell == Meaning::Unknown).count()
    }

    fn opposite(&self) -> Option<usize> {
        self.cells.iter().find_map(|cell| match cell {
            Meaning::Opposite(native) => Some(*native),
            _ => None,
        })
    }

    /// The columns that a list has and the kind has no use for.
    fn read_past(&self, header: &[&str]) -> Vec<usize> {
        let is_list = self.template.is_some_and(|template| !template.markers.is_empty());
        let cells = self.cells.iter().zip(header).enumerate();
        let ignored = cells.filter(|(_, (meaning, cell))| **meaning == Meaning::Ignored && !is_set_aside(cell));
        ignored.map(|(at, _)| at).filter(|_| is_list).collect()
    }

    /// The file column of each native column, and the cells that have no place.
    fn place(&self, job: &dyn JobKind, header: &[&str], fixed: &[&str]) -> (Vec<Option<usize>>, Again, Vec<Problem>) {
        let mut columns = vec![None; job.columns().len()];
        let mut again = Again::default();
        let twice = |first: usize, index: usize, name: &str, cell: &str| {
            let expected = format!(
                "columns {} and {} are both `{name}`; leave out one of the two",
                first + 1,
                index + 1
            );
            Problem::stated(code::DUPLICATE_COLUMN, name, cell.trim(), expected)
        };
        let mut problems = Vec::new();
        for (index, (meaning, cell)) in self.cells.iter().zip(header).enumerate() {
            match *meaning {
                Meaning::Ignored => {}
                Meaning::Again(at) => {
                    if let Some(first) = again[at].replace(index) {
                        problems.push(twice(first, index, lists::AGAIN[at], cell));
                    }
                }
                Meaning::Instead(_) | Meaning::Unknown => problems.push(unknown(job, self.template, index, cell)),
                Meaning::Native(native) | Meaning::Opposite(native) => {
                    let name = job.columns()[native].name;
                    if fixed.contains(&name) {
                        let expected =
                            format!("this column is fixed for the whole file with --{name}; leave out one of the two");
                        problems.push(Problem::stated(code::DUPLICATE_COLUMN, name, cell.trim(), expected));
                    } else if let Some(first) = columns[native].replace(index) {
                        problems.push(twice(first, index, name, cell));
                    }
                }
            }
        }
        (columns, again, problems)
    }
}

/// The other one of yes and no, in any language they are understood in; what is neither stays as it is.
pub fn opposite(cell: &str) -> &str {
    match yes_no::parse(cell.trim_matches(is_blank)) {
        Some(true) => "no",
        Some(false) => "yes",
        None => cell,
    }
}

/// Whether a value looks like a phone rather than like the number of a room: digits and what stands between them, with a `+`
/// or as many as no house has rooms.
pub fn reads_as_phone(cell: &str) -> bool {
    /// More than this are no room.
    const ROOM: usize = 5;
    let value = cell.trim_matches(is_blank);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let is_between = |c: char| matches!(c, '+' | '-' | '/' | '(' | ')' | '.' | '\'') || is_blank(c);
    let is_phone = digits > ROOM || (digits > 0 && value.contains('+'));
    is_phone && value.chars().all(|c| c.is_ascii_digit() || is_between(c))
}

/// The part of a header cell that counts. Entra's headers carry the property's name in brackets, and
/// that alone counts, since the words around it are translated and differ between versions.
fn key(cell: &str) -> String {
    let property = cell
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(property, _)| property);
    let (text, mark) = property.map_or((cell, ""), |property| (property, "["));
    let counts = |c: &char| !is_blank(*c) && !matches!(c, '_' | '-');
    // A header that was typed on a Mac may have letters and their marks apart.
    let text = crate::key::composed(text);
    mark.chars()
        .chain(text.chars().filter(counts).flat_map(char::to_lowercase))
        .collect()
}

/// Whether every kind reads past a column of that name.
fn is_set_aside(cell: &str) -> bool {
    cell.trim_start_matches(is_blank).starts_with('_')
}

fn is_ignoring(c: char) -> bool {
    is_blank(c) || c == '_'
}

/// White space, and what nobody sees.
fn is_blank(c: char) -> bool {
    crate::text::is_around(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    fn users() -> &'static dyn JobKind {
        find("bulk-add-users").unwrap_or_else(|_| unreachable!())
    }

    /// Template, and native name = file column for what was found; or code and value of each problem.
    fn check(header: &str, fixed: &[&str], expected: &str) {
        let cells: Vec<&str> = if header.is_empty() {
            Vec::new()
        } else {
            header.split(',').collect()
        };
        let job = users();
        let told = match recognise(job, &cells, fixed) {
            Ok(mapping) => {
                let found = job.columns().iter().zip(&mapping.columns);
                let found = found.filter_map(|(column, at)| at.map(|at| format!("{}={at}", column.name)));
                format!(
                    "{}: {}",
                    mapping.template.unwrap_or("native"),
                    found.collect::<Vec<_>>().join(" ")
                )
            }
            Err(problems) => problems
                .iter()
                .map(|p| {
                    let near = p.suggestion.as_ref().map_or(String::new(), |near| format!(">{near}"));
                    format!("{} {}({}){near}", p.code, p.column, p.value)
                })
                .collect::<Vec<_>>()
                .join("; "),
        };
        assert_eq!(told, expected, "{header}");
    }

    #[test]
    fn native_names_in_any_spelling_and_order() {
        check(
            "User Principal-Name,_row,CUSTOMER,Licenses,,",
            &[],
            "native: customer=2 user_principal_name=0 licenses=3",
        );
        check(
            "\u{feff}userprincipalname",
            &["customer"],
            "native: user_principal_name=0",
        );
    }

    #[test]
    fn templates_with_and_without_native_columns() {
        check(
            "First name,Last name,Display name,Email,Status update",
            &["customer"],
            "Partner Center user upload: user_principal_name=3 display_name=2 first_name=0 last_name=1",
        );
        check(
            "customer,Email,Display name,roles",
            &[],
            "Partner Center user upload: customer=0 user_principal_name=1 display_name=2 roles=3",
        );
        check(
            "User Name,Display Name,Office Number,Address,Country or Region,Licenses",
            &["customer"],
            "Microsoft 365 admin centre: user_principal_name=0 display_name=1 office=2 street_address=3 country=4 \
             licenses=5",
        );
        check(
            "Nom [displayName] Requis,User name [userPrincipalName] *,Initial password [passwordProfile],customer",
            &[],
            "Microsoft Entra bulk create: customer=3 user_principal_name=1 display_name=0 password=2",
        );
    }

    #[test]
    fn every_problem_at_once() {
        check(
            "",
            &[],
            "missing-column customer(); missing-column user_principal_name()",
        );
        check(
            "custmer,user_principal_name,City,city,,Shoe size,_x",
            &[],
            "unknown-column (custmer)>customer; duplicate-column city(city); unknown-column (); \
             unknown-column (Shoe size); missing-column customer()",
        );
        check(
            "Username,First name,Adress,customer",
            &["customer"],
            "unknown-column (Adress)>Address; duplicate-column customer(customer)",
        );
    }

    #[test]
    fn secrets_and_nameless_columns_are_pointed_out() {
        let header =
            "Initial password [passwordProfile] Required,user_principal_name,customer,_Password,_Kennwort,_note, ,";
        let cells: Vec<&str> = header.split(',').collect();
        let mapping = recognise(users(), &cells, &[]).unwrap_or_else(|problems| unreachable!("{problems:?}"));
        assert_eq!((mapping.secret, mapping.unnamed), (vec![0, 3, 4], vec![6, 7]));
    }

    #[test]
    fn only_the_line_of_a_template_is_a_preamble() {
        for (line, expected) in [
            (&["version:v1.0"][..], true),
            (&["Version:V1.0", "", ""], true),
            (&["version:v1.0", "customer"], false),
            (&["customer"], false),
            (&[], false),
        ] {
            assert_eq!(preamble(users(), line), expected, "{line:?}");
        }
    }

    #[test]
    fn phones_are_told_from_rooms() {
        for phone in [
            "+49 89 1234",
            " 089/123456",
            "(030) 12 34 56",
            "4930123456",
            "'+49 1",
            "123-555-1211",
        ] {
            assert!(reads_as_phone(phone), "{phone}");
        }
        for room in ["", "4a", "12", "2.014", "12345", "Haus 3, Zimmer 1234567", "3/1-2", "-"] {
            assert!(!reads_as_phone(room), "{room}");
        }
    }

    #[test]
    fn the_offices_number_is_known_where_it_reads_like_a_phones() {
        let of = |header: &str| {
            let cells: Vec<&str> = header.split(',').collect();
            let mapping = recognise(users(), &cells, &["customer"]);
            mapping.ok().and_then(|mapping| mapping.like_a_phone)
        };
        assert_eq!(
            of("Benutzername,Telefon – Gescha\u{308}ftlich,Telefon (geschäftlich)"),
            Some(1)
        );
        assert_eq!(of("telefon – geschäftlich,Benutzername"), Some(0));
        assert_eq!(of("Nombre de usuario,Nombre,Número del trabajo"), Some(2));
        assert_eq!(of("Nome de usuário,Nome,Número comercial,Telefone comercial"), Some(2));
        for other in [
            "Benutzername,Telefon (geschäftlich)",
            "Benutzername,office,office_phone",
            "Username,Office number,Office phone",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
