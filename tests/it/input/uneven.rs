//! Rows of other widths than those around them, though nothing stands beyond the header: a cell may be missing in one, or one
//! too many.

use tenantry_foundation::input::{InputLimits, REDACTED};

use super::trickle;

/// How many cells each row ought to have, where there is a doubt, however it is read.
#[track_caller]
fn check(rows: &[&str], expected: &[Option<usize>]) {
    let text = format!("a,b,c,d\n{}\n", rows.join("\n"));
    for (at_once, block) in [(1, 1), (7, 3), (text.len(), 1000)] {
        let mut input = trickle(text.as_bytes(), at_once, InputLimits::default()).expect("a header");
        let mut told = Vec::new();
        while let Some(block) = input.read_block(block).expect("rows") {
            told.extend(block.rows().map(|row| block.ought(row.number)));
        }
        assert_eq!(told, expected, "{block} rows at once: {text}");
    }
}

#[test]
fn a_row_that_lost_a_cell_among_rows_that_all_end_in_empty_ones_is_found() {
    let (whole, lost) = ("1,2,3,4,", "1,2,4,");
    let fine = None;
    for at in 0..5 {
        let mut rows = vec![whole; 4];
        rows.insert(at, lost);
        let mut expected = vec![fine; 4];
        expected.insert(at, Some(5));
        check(&rows, &expected);
    }
    // Of two, either may be wrong.
    check(&[whole, lost], &[Some(4), Some(5)]);
    check(&[lost, whole], &[Some(5), Some(4)]);
    // Two of them, of several empty cells, and with the last column empty in others.
    check(
        &["1,2,3,4,,", "1,2,3,,,", "1,2,4,,", "1,4,,", "1,2,3,4,,"],
        &[fine, fine, Some(6), Some(6), fine],
    );
    // What fills its last column lost nothing, and what is alone cannot be compared.
    check(&[whole, whole, "1,2,3,4", whole], &[fine; 4]);
    check(&[lost], &[fine]);
    check(&[whole], &[fine]);
    // Several that follow one another are written so.
    check(&[whole, whole, whole, "1,2,3,", "1,2,,", "1,2,3,"], &[fine; 6]);
    // Unless their values are of the sorts of the next columns.
    let (whole, lost) = ("ann,1,a@b.example,+49 1,", "ann,a@b.example,+49 1,");
    check(
        &[whole, whole, whole, lost, lost, lost],
        &[fine, fine, fine, Some(5), Some(5), Some(5)],
    );
}

#[test]
fn a_row_with_a_cell_too_many_is_found_though_its_last_one_is_empty() {
    let (whole, split) = ("1,2,3,", "1,2a,2b,3,");
    let fine = None;
    for at in 0..5 {
        let mut rows = vec![whole; 4];
        rows.insert(at, split);
        let mut expected = vec![fine; 4];
        expected.insert(at, Some(4));
        check(&rows, &expected);
    }
    // Where all rows end in an empty cell as well.
    check(&["1,2,3,4,", "1,2a,2b,3,,", "1,2,3,4,"], &[fine, Some(5), fine]);
    // Several that follow one another, as a spreadsheet writes them.
    check(&[whole, whole, whole, "1,2,3,4,,", "1,2,3,4,,", "1,,,,,"], &[fine; 6]);
    check(
        &["1,2,3,4,,", "", "1,2,3,4,,", "1,2,3,,,", whole, whole, whole, whole],
        &[fine; 7],
    );
}

/// Cells of each row, with the second column redacted.
fn redacted(rows: &[&str]) -> Vec<String> {
    let text = format!("name,password,city\n{}\n", rows.join("\n"));
    let mut input = trickle(text.as_bytes(), 9, InputLimits::default()).expect("a header");
    input.redact(&[1]);
    let block = input.read_block(100).expect("rows").expect("rows");
    let plain = |cells: Vec<&str>| cells.join("|").replace(REDACTED, "#");
    block.rows().map(|row| plain(row.cells().collect())).collect()
}

#[test]
fn empty_cells_beyond_the_header_move_no_secret() {
    assert_eq!(redacted(&["Ann,secret,Ulm,"]), ["Ann|#|Ulm|"]);
    assert_eq!(
        redacted(&["Ann,secret,Ulm,, ", "Bo,secret,Bern,,", "Cy,secret,,,"]),
        ["Ann|#|Ulm|| ", "Bo|#|Bern||", "Cy|#|||"]
    );
}

#[test]
fn a_secret_of_a_row_in_doubt_is_redacted_wherever_it_may_stand() {
    assert_eq!(
        redacted(&["Ann,secret,Ulm,", "secret,Ulm,", "Bo,secret,Bern,"]),
        ["Ann|#|Ulm|", "#|#|", "Bo|#|Bern|"]
    );
    assert_eq!(
        redacted(&["Ann,secret,", "Bo,b,secret,", "Cy,secret,"]),
        ["Ann|#|", "Bo|#|#|", "Cy|#|"]
    );
    // Short by one, and by two of what the others have.
    assert_eq!(
        redacted(&["x,Ann,secret,", "Bo,secret,Bern,", "secret"]),
        ["x|#|secret|", "Bo|#|Bern|", "#"]
    );
}
