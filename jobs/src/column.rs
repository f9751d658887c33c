//! The native columns of kinds.

/// A native column of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The header as the template prints it, `snake_case`.
    pub name: &'static str,
    /// Whether the header must name it (a fixed `--customer` counts as naming `customer`).
    pub required: bool,
    /// Cells of this column are secrets: redacted before anything is stored or shown.
    pub secret: bool,
    /// What belongs in it, one phrase, shown by `template --explain` and the README.
    pub about: &'static str,
}

impl Column {
    /// A column the header must name, whose cells may not be empty.
    pub const fn required(name: &'static str, about: &'static str) -> Self {
        Self {
            required: true,
            ..Self::optional(name, about)
        }
    }

    /// A column the file may leave out.
    pub const fn optional(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            required: false,
            secret: false,
            about,
        }
    }

    /// An optional column of secrets.
    pub const fn secret(name: &'static str, about: &'static str) -> Self {
        Self {
            secret: true,
            ..Self::optional(name, about)
        }
    }
}

/// Where the column of that name stands. Meant for constants: a name that is not there stops the build.
pub const fn position(columns: &[Column], name: &str) -> usize {
    let mut index = 0;
    while index < columns.len() {
        if same(columns[index].name.as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("no column of that name")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}
