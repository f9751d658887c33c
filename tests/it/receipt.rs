//! Results, rejects and the receipt.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tenantry::testing::receipt::{Form, InputFiles, Line, Receipt, RejectsWriter, ResultsWriter};
use tenantry_foundation::input::{Block, Input, InputLimits};
use tenantry_ledger::{Counts, JobId, JobState, Parameters};

use crate::input::{plain, rows};

fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}

fn block(rows: &[Vec<String>]) -> Block {
    let mut block = Block::new(1);
    for (cells, line) in rows.iter().zip(2..) {
        block.push(line, cells.iter().map(String::as_str)).expect("little");
    }
    block
}

fn open(path: &Path) -> Input {
    Input::open(path, InputLimits::default()).expect("a file we wrote")
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn results_are_the_rows_and_their_outcomes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let header = strings(&["user", "licenses;", "note"]);
    let block = block(&[
        strings(&["ann", "A;B", "=cmd"]),
        strings(&["b\"ob", "x,y", "1\r\n2"]),
        strings(&["short"]),
    ]);
    let mut results = ResultsWriter::create(dir.path(), "results.csv", &header, Form::default()).expect("a file");
    for (row, message) in block.rows().zip(["", "=1+1", "a, b"]) {
        let line = Line {
            place: "row 1, line 2",
            outcome: "applied",
            subject: "Ångström AB",
            message,
            id: "id-1",
            ..Line::default()
        };
        results.write(&row, &line).expect("room");
    }
    assert_eq!(names(dir.path()), ["results.csv.partial"]);
    let written = results.finish().expect("room");
    assert_eq!(names(dir.path()), ["results.csv"]);
    let text = fs::read_to_string(&written.path).expect("the results");
    assert_eq!(
        text,
        "user,\"licenses;\",note,_row,_place,_outcome,_code,_subject,_message,_id\n\
         ann,A;B,'=cmd,1,\"row 1, line 2\",applied,,Ångström AB,,id-1\n\
         \"b\"\"ob\",\"x,y\",\"1\r\n2\",2,\"row 1, line 2\",applied,,Ångström AB,'=1+1,id-1\n\
         short,3,\"row 1, line 2\",applied,,Ångström AB,\"a, b\",id-1\n"
    );
    let digest = open(&written.path).finish().expect("rows");
    assert_eq!(
        (written.sha256, written.bytes, written.rows),
        (digest.sha256, digest.bytes, digest.rows)
    );
}

#[test]
fn nothing_is_left_of_a_file_given_up_or_interrupted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let header = strings(&["a"]);
    drop(ResultsWriter::create(dir.path(), "results.csv", &header, Form::default()).expect("a file"));
    assert!(names(dir.path()).is_empty());

    fs::write(dir.path().join("results.csv.partial"), "left by a killed worker").expect("room");
    let written = ResultsWriter::create(dir.path(), "results.csv", &header, Form::default())
        .and_then(ResultsWriter::finish)
        .expect("room");
    assert_eq!(
        fs::read_to_string(written.path).expect("results"),
        "a,_row,_place,_outcome,_code,_subject,_message,_id\n"
    );

    let missing = ResultsWriter::create(&dir.path().join("none"), "results.csv", &header, Form::default())
        .expect_err("no such directory");
    assert!(
        missing.to_string().contains("none/results.csv.partial: No such file"),
        "{missing}"
    );
}

#[test]
fn rejects_exist_only_where_there_are_any() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let header = strings(&["a", "b"]);
    let block = block(&[strings(&["1", "2"])]);
    let row = block.row(0).expect("a row");
    let mut rejects = RejectsWriter::create(dir.path(), "rejects.csv", &header, Form::default());
    let line = Line {
        place: "row 1, line 2",
        code: "invalid",
        message: "b: `2`: a letter",
        ..Line::default()
    };
    rejects.write(&row, &line).expect("room");
    assert!(rejects.finish().expect("room").is_some());
    assert_eq!(
        fs::read_to_string(dir.path().join("rejects.csv")).expect("rejects"),
        "a,b,_place,_code,_subject,_message,_job\n1,2,\"row 1, line 2\",invalid,,b: `2`: a letter,\n"
    );
    assert_eq!(
        RejectsWriter::create(dir.path(), "rejects.csv", &header, Form::default())
            .finish()
            .expect("room"),
        None
    );
    assert!(
        names(dir.path()).is_empty(),
        "rejects of an earlier attempt are not true any more"
    );
}

fn some_hash() -> tenantry_foundation::input::Sha256 {
    serde_json::from_str(&format!("\"{}\"", "0f".repeat(32))).expect("a hash")
}

#[test]
fn the_receipt_reads_as_written() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let receipt = Receipt {
        files: Vec::new(),
        job: JobId(uuid::Uuid::nil()),
        kind: "bulk-add-users".to_owned(),
        state: JobState::Completed,
        parameters: Parameters {
            store: None,
            customer: Some("contoso.example".to_owned()),
            skip_invalid: true,
            ignore_not_kept: false,
            seal_to: Vec::new(),
            in_the_clear: false,
            reply_rows: false,
            checks_customer: false,
        },
        counts: Counts {
            applied: 1,
            rejected: 1,
            total: 2,
            ..Counts::default()
        },
        input: InputFiles::default(),
        submitted_by: "ann".to_owned(),
        origin: None,
        started_at: None,
        finished_at: "2026-01-02T03:04:05Z".parse().ok(),
        results: "results.csv".to_owned(),
        results_sha256: some_hash(),
        rejects: None,
        rejects_sha256: None,
    };
    let written = receipt.write(dir.path()).expect("room");
    let json = fs::read(written.path).expect("the receipt");
    assert_eq!(serde_json::from_slice::<Receipt>(&json).expect("a receipt"), receipt);
    assert_eq!(names(dir.path()), ["receipt.json"]);
}

fn cell() -> impl Strategy<Value = String> {
    let cell = prop_oneof![".{0,8}", "[,;\t\"\r\na\0\u{feff} ]{0,6}", Just("=1".to_owned())];
    // What is read is composed, so whatever is written is.
    cell.prop_map(|cell| tenantry_jobs::key::composed(&cell).into_owned())
}

fn table() -> impl Strategy<Value = (Vec<String>, Vec<Vec<String>>)> {
    let header = proptest::collection::vec(cell(), 1..6);
    (
        header,
        proptest::collection::vec(proptest::collection::vec(cell(), 0..8), 1..10),
    )
}

const WHY: Line<'_> = Line {
    place: "row 7",
    outcome: "rejected",
    code: "invalid",
    subject: "ida",
    message: "why",
    id: "",
    job: "",
};

proptest! {
    #[test]
    fn cells_come_back_as_they_were((header, table) in table()) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut results = ResultsWriter::create(dir.path(), "results.csv", &header, Form::default()).expect("a file");
        for row in block(&table).rows() {
            results.write(&row, &WHY).expect("room");
        }
        let mut input = open(&results.finish().expect("room").path);
        prop_assert_eq!(&input.header()[..header.len()], &header);
        let back: Vec<_> = rows(&mut input).expect("rows").into_iter().map(|(_, cells)| cells).collect();
        for ((cells, back), number) in table.iter().zip(&back).zip(1..) {
            let ours = strings(&[&number.to_string(), "row 7", "rejected", "invalid", "ida", "why", ""]);
            prop_assert_eq!(&[cells.clone(), ours].concat(), back);
        }
        prop_assert_eq!(back.len(), table.len());
    }

    #[test]
    fn rejects_of_rejects_are_those_rejects((header, table) in table()) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut texts = Vec::new();
        let (mut header, mut block) = (header, block(&table));
        for _ in 0..3 {
            let mut rejects = RejectsWriter::create(dir.path(), "rejects.csv", &header, Form::default());
            for row in block.rows() {
                rejects.write(&row, &WHY).expect("room");
            }
            let written = rejects.finish().expect("room").expect("rows");
            texts.push(fs::read(&written.path).expect("rejects"));
            let mut input = open(&written.path);
            header = input.header().to_vec();
            block = input.read_block(100).expect("rows").expect("rows");
        }
        prop_assert_eq!(plain(&block).len(), table.len());
        prop_assert_eq!(&texts[0], &texts[1]);
        prop_assert_eq!(&texts[1], &texts[2]);
    }
}
