//! Detection of quoted cells that have swallowed rows of the file, because a quote is missing or one too many.

use super::block::RowView;

/// Fewer cells than this stand in lines of an address as well.
const TELLING: usize = 4;

/// Whether the cell at `index` of a record holds what looks like rows as wide as the header.
pub(super) fn holds_rows(cell: &str, index: usize, record: &RowView<'_>, delimiter: u8, width: usize) -> bool {
    let mut below = cell.split(['\r', '\n']).skip(1);
    below.any(|line| is_row(line, delimiter, width, index, record)) || holds_ends(cell, delimiter, width, index, record)
}

/// Whether a line within the cell at `index` of a record looks like a row of the file.
fn is_row(line: &str, delimiter: u8, width: usize, index: usize, record: &RowView<'_>) -> bool {
    let delimiters = line.bytes().filter(|byte| *byte == delimiter).count();
    if width < 2 {
        // Each line would be a row by itself; a header may be written on several.
        return width > 0
            && !line.trim_ascii().is_empty()
            && record.cell(index).is_some_and(|cell| !cell.starts_with(['\r', '\n']));
    }
    if delimiters + 1 < width {
        return false;
    }
    // Nobody writes tabs or semicolons in an address.
    if width >= TELLING || delimiter != b',' {
        return true;
    }
    if delimiters + 1 > width && !line.contains('"') {
        return false;
    }
    let cells = || line.split(char::from(delimiter)).take(width).enumerate();
    let others = || {
        let both = cells().filter(|(at, _)| *at != index);
        both.map(|(at, cell)| (cell, record.cell(at).unwrap_or_default()))
    };
    let is_told = others().any(|(_, own)| !own.is_empty());
    // A comma of a text is followed by a blank.
    is_told
        && cells().all(|(_, cell)| !cell.starts_with(' '))
        && others().all(|(cell, own)| own.is_empty() || signs(cell) == signs(own))
}

/// Whether the cell at `index` of a record holds the end of one row, the beginning of another, and nothing but rows between them:
/// the closing quote of the one is missing, and that of the other is one too many. The record is then as wide as a row, so
/// that nothing else tells of it.
fn holds_ends(cell: &str, delimiter: u8, width: usize, index: usize, record: &RowView<'_>) -> bool {
    // Where the cell is the last one, the row that it holds is whole.
    if record.len() != width || index + 1 >= width {
        return false;
    }
    let lines: Vec<&str> = cell.split("\r\n").flat_map(|line| line.split(['\r', '\n'])).collect();
    let (Some((end, rest)), delimiter) = (lines.split_first(), char::from(delimiter)) else {
        return false;
    };
    let Some((start, between)) = rest.split_last() else {
        return false;
    };
    let between = between.iter().filter(|line| !line.trim_ascii().is_empty());
    let delimiters = |line: &str| line.matches(delimiter).count();
    let is_whole = delimiters(end) + index + 1 == width
        && delimiters(start) == index
        && between.clone().all(|line| delimiters(line) + 1 == width);
    // A comma of a text is followed by a blank.
    let blank = [delimiter, ' '].iter().collect::<String>();
    if !is_whole || (delimiter == ',' && lines.iter().any(|line| line.contains(&blank))) {
        return false;
    }
    // The end of a row stands where the record has other cells of the same columns, and so does the beginning.
    let ends = end
        .split(delimiter)
        .skip(1)
        .zip((index + 1..).map(|at| record.cell(at)));
    let starts = start.split(delimiter).take(index).zip((0..).map(|at| record.cell(at)));
    ends.chain(starts).all(|(held, own)| {
        let own = own.unwrap_or_default();
        held.is_empty() || own.is_empty() || width >= TELLING || signs(held) == signs(own)
    })
}

/// Which sorts of characters are in a value: a domain, an address and a number have others.
fn signs(value: &str) -> [bool; 5] {
    let has = |is_it: fn(char) -> bool| value.chars().any(is_it);
    [
        has(char::is_alphabetic),
        has(|c| c.is_ascii_digit()),
        has(char::is_whitespace),
        has(|c| c == '@'),
        has(|c| c == '.'),
    ]
}
