//! Files that are whole and files that are cut, at every byte.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn content(name: &str, bytes: &[u8]) -> FileContent {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    look_into(&mut file, name.as_ref()).expect("read")
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("packed");
    packer.finish().expect("packed")
}

fn workbook() -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    book.add_worksheet().write(0, 0, "customer").expect("written");
    book.save_to_buffer().expect("a workbook")
}

#[test]
fn texts() {
    assert_eq!(content("a.csv", b""), FileContent::Not(Incomplete::Empty));
    assert_eq!(content("a.csv", b"a,b\n1,2\n"), FileContent::Whole);
    assert_eq!(content("a.csv", b"a,b\r1,2\r"), FileContent::Whole);
    assert_eq!(content("a.csv", b"a,b\n1,2"), FileContent::OpenLine);
    assert_eq!(content("a.csv", b"a\0,\0\n\0"), FileContent::Whole);
    assert_eq!(content("a.csv", &[0; 4_096]), FileContent::Not(Incomplete::Zeros));
    let mut half = b"a,b\n1,2\n".to_vec();
    half.extend([0; 16]);
    assert_eq!(content("a.csv", &half), FileContent::Not(Incomplete::Zeros));
}

#[test]
fn a_packed_file_is_whole_at_its_end_and_nowhere_before() {
    let whole = packed(b"customer,name\ncontoso.com,Ada\n");
    assert_eq!(content("a.csv.GZ", &whole), FileContent::Whole);
    for cut in 1..whole.len() {
        assert_eq!(
            content("a.csv.gz", &whole[..cut]),
            FileContent::Not(Incomplete::Packed),
            "{cut}"
        );
    }
    // One after another is whole as well; what is damaged is told when it is read.
    let two = [whole.clone(), whole.clone()].concat();
    assert_eq!(content("a.csv.gz", &two), FileContent::Whole);
    assert_eq!(content("a.csv.gz", b"customer,name\n"), FileContent::Whole);
}

#[test]
fn a_workbook_is_whole_at_its_end_and_nowhere_before() {
    let whole = workbook();
    assert_eq!(content("a.XLSX", &whole), FileContent::Whole);
    for cut in (4..whole.len()).step_by(7) {
        assert_ne!(content("a.xlsx", &whole[..cut]), FileContent::Whole, "{cut}");
    }
    assert_eq!(content("a.xlsx", b"customer,name\n"), FileContent::Whole);
}

#[test]
fn statements_of_markers_are_checked() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.csv");
    std::fs::write(&path, "a,b\n1,2\n3,4\n").expect("written");
    let says = |marker: &str| {
        let statement = Statement::parse(marker)?;
        let mut file = File::open(&path).expect("opened");
        Ok::<_, String>(statement.contradicts(&path, &mut file).expect("read"))
    };
    let hash = {
        let mut meter = StreamHasher::default();
        meter.pass(b"a,b\n1,2\n3,4\n");
        meter.sha256().to_string()
    };
    for fine in [
        "",
        "done at noon\n",
        "size=12\nrows=2",
        &hash.to_uppercase(),
        &format!("{hash}  a.csv\n"),
        &format!("sha256 = {hash}"),
    ] {
        assert_eq!(says(fine), Ok(None), "{fine}");
    }
    let told = |marker: &str| says(marker).expect("a statement").expect("not so");
    assert_eq!(told("size=13"), "it states 13 bytes, and there are 12");
    assert_eq!(told("rows=3"), "it states 3 rows, and there are 2");
    assert!(told(&format!("{}0", &hash[..63]).replace("00", "01")).contains("it states the SHA-256"));
    for (faulty, expected) in [
        ("szie=12", "did you mean `size`?"),
        ("size=many", "a whole number"),
        (&hash[..40], "64 hexadecimal digits"),
    ] {
        let fault = says(faulty).expect_err(faulty);
        assert!(fault.contains(expected), "{fault}");
    }
    assert!(Statement::parse("ready").expect("text").is_silent());
}

proptest! {
    #[test]
    fn no_cut_of_a_packed_file_is_whole(bytes in prop::collection::vec(any::<u8>(), 0..600), at in any::<prop::sample::Index>()) {
        let whole = packed(&bytes);
        prop_assert_eq!(content("a.gz", &whole), FileContent::Whole);
        let cut = at.index(whole.len() - 1) + 1;
        if cut < whole.len() {
            prop_assert_ne!(content("a.gz", &whole[..cut]), FileContent::Whole);
        }
    }

    #[test]
    fn no_marker_breaks_its_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Statement::read(&mut bytes.as_slice()).expect("memory is read");
    }
}
