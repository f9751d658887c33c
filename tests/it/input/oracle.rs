//! The `csv` crate as judge of the tokeniser, and bytes of any kind as its trial.

use std::fmt::Write;

use proptest::prelude::*;
use tenantry_foundation::input::{InputError, InputLimits};

use super::{Rows, rows, trickle};

/// Text made of what a tokeniser trips over.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(","),
        Just(";"),
        Just("\""),
        Just("\"\""),
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just("a"),
        Just("bcdefghijk"),
        Just("é"),
        Just("😀"),
        Just(" "),
        Just("\0"),
        Just("\t"),
    ];
    proptest::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat())
}

/// Without blanks beside quotes, which the judge takes for text.
fn without_blanks_beside_quotes(mut text: String) -> String {
    for blank in [" ", "\t"] {
        for beside in [format!("{blank}\""), format!("\"{blank}")] {
            while text.contains(&beside) {
                text = text.replace(&beside, "\"");
            }
        }
    }
    text
}

/// All records with the header first.
fn ours(bytes: &[u8], at_once: usize) -> Result<(Vec<Vec<String>>, char), InputError> {
    let mut input = trickle(bytes, at_once, InputLimits::default())?;
    let mut records = vec![input.header().to_vec()];
    records.extend(rows(&mut input)?.into_iter().map(|(_, cells)| cells));
    Ok((records, input.delimiter()))
}

fn theirs(bytes: &[u8], delimiter: char) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter as u8)
        .from_reader(bytes);
    let records = reader.records().map(|record| record.expect("UTF-8"));
    let records = records.map(|record| record.iter().map(str::to_owned).collect::<Vec<_>>());
    records
        .filter(|cells| !cells.iter().all(|cell| cell.trim_ascii().is_empty()))
        .collect()
}

proptest! {
    #[test]
    fn records_are_those_of_the_csv_crate(text in tricky(), at_once in 1_usize..200) {
        // NULs at the very start would be taken for UTF-16.
        let text = format!("hd{}", without_blanks_beside_quotes(without_blanks_beside_quotes(text)));
        match ours(text.as_bytes(), at_once) {
            Ok((records, delimiter)) => prop_assert_eq!(records, theirs(text.as_bytes(), delimiter)),
            Err(err) => {
                let expected = ["unclosed-quote", "stray-quote", "no-rows", "empty-file"];
                prop_assert!(expected.contains(&err.code), "{}", err);
            }
        }
    }

    #[test]
    fn records_written_by_the_csv_crate_are_read_as_they_were(
        records in proptest::collection::vec(proptest::collection::vec(tricky(), 1..6), 1..12),
        crlf: bool,
        at_once in 1_usize..200,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().flexible(true).terminator(terminator).from_writer(Vec::new());
        writer.write_record(["h1", "h2", "h3"]).expect("memory");
        for record in &records {
            writer.write_record(record).expect("memory");
        }
        let bytes = writer.into_inner().expect("memory");
        let kept = records.into_iter().filter(|cells| !cells.iter().all(|cell| cell.trim_ascii().is_empty()));
        let kept: Vec<_> = kept.collect();
        match ours(&bytes, at_once) {
            Ok((records, _)) => prop_assert_eq!(&records[1..], kept),
            // What looks like rows within a cell is asked about, not read.
            Err(err) if err.message.contains("holds whole rows") => {}
            Err(err) => prop_assert!(err.code == "no-rows" && kept.is_empty(), "{}", err),
        }
    }

    /// A quote that is lost or added never makes other rows in silence, unless the file is one that somebody could have
    /// meant: as many rows, or a fault.
    #[test]
    fn a_damaged_quote_makes_no_other_number_of_rows(
        names in proptest::collection::vec("[a-z]{1,5}( [A-Z\"]{1,3})?", 2..8),
        at in any::<prop::sample::Index>(),
        adds: bool,
        at_once in 1_usize..200,
    ) {
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        writer.write_record(["a", "b", "c", "d"]).expect("memory");
        for name in &names {
            writer.write_record(["x", "y", "z", name]).expect("memory");
        }
        let mut bytes = writer.into_inner().expect("memory");
        let whole = ours(&bytes, at_once).expect("a good file").0;
        if adds {
            bytes.insert(at.index(bytes.len()), b'"');
        } else {
            let quotes: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'"').collect();
            bytes.remove(quotes[at.index(quotes.len())]);
        }
        match ours(&bytes, at_once) {
            Ok((records, _)) => prop_assert_eq!(records.len(), whole.len(), "{}", String::from_utf8_lossy(&bytes)),
            Err(err) => {
                let expected = ["unclosed-quote", "stray-quote", "no-rows"];
                prop_assert!(expected.contains(&err.code), "{}", err);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_with_a_position(
        head in prop::sample::select(vec![&b""[..], b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x1f\x8b\x08\0", b"a,b\n"]),
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b','), Just(b'\n'), Just(0)], 0..400),
        at_once in 1_usize..200,
    ) {
        let limits = InputLimits {
            record_bytes: 100,
            block_bytes: 150,
            ..InputLimits::default()
        };
        let all = [head, &bytes[..]].concat();
        let read = trickle(&all, at_once, limits).and_then(|mut input| {
            let rows = rows(&mut input)?;
            let digest = input.finish()?;
            assert_eq!((digest.rows, digest.bytes), (rows.len() as u64, all.len() as u64));
            Ok(rows)
        });
        if let Err(err) = read {
            let placed = ["unclosed-quote", "stray-quote", "invalid-encoding", "record-too-long"].contains(&err.code);
            prop_assert_eq!(placed, err.at.is_some(), "{}", err);
            prop_assert!(placed || ["no-rows", "empty-file", "bad-gzip"].contains(&err.code), "{}", err);
        }
    }

    #[test]
    fn encodings_and_chunks_make_no_difference(text in tricky(), at_once in 1_usize..50) {
        // Four letters first, so that it is known for UTF-16 without a mark; and a row at least.
        let text = format!("head,b\nü,\n{text}");
        let read = |bytes: &[u8]| -> Result<Rows, String> {
            let mut input = trickle(bytes, at_once, InputLimits::default()).map_err(|err| err.to_string())?;
            rows(&mut input).map_err(|err| err.to_string())
        };
        let expected = read(text.as_bytes());
        let units = || text.encode_utf16();
        prop_assert_eq!(&read(&units().flat_map(u16::to_le_bytes).collect::<Vec<_>>()), &expected);
        prop_assert_eq!(&read(&units().flat_map(u16::to_be_bytes).collect::<Vec<_>>()), &expected);
        prop_assert_eq!(&read(format!("\u{feff}{text}").as_bytes()), &expected);
    }

    #[test]
    fn lines_are_counted_as_an_editor_does(cells in proptest::collection::vec(tricky(), 1..20)) {
        // Each row says on which line it begins.
        let mut text = "line,cell\n".to_owned();
        for cell in &cells {
            let line = text.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count() + 1;
            let _ = write!(text, "{line},\"{}\"\r\n", cell.replace('"', "\"\""));
        }
        let mut input = trickle(text.as_bytes(), 64, InputLimits::default()).expect("a header");
        for (line, cells) in rows(&mut input).expect("rows") {
            prop_assert_eq!(&line.to_string(), &cells[0]);
        }
    }
}
