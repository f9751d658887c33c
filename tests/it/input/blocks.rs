//! Blocks as data and as bytes.

use proptest::prelude::*;
use tenantry_foundation::input::Block;

use super::plain;

fn block() -> impl Strategy<Value = Block> {
    let row = (0_u64..1 << 40, proptest::collection::vec(".{0,12}", 0..6));
    (1_u64..1 << 40, proptest::collection::vec(row, 0..20)).prop_map(|(first_row, rows)| {
        let mut block = Block::new(first_row);
        for (line, cells) in &rows {
            block.push(*line, cells.iter().map(String::as_str)).expect("little");
        }
        assert_eq!(plain(&block), rows);
        block
    })
}

#[test]
fn rows_can_be_had_one_by_one() {
    let mut block = Block::new(7);
    for (line, cells) in [(9, vec!["a", "", "ç"]), (10, vec![]), (12, vec![""])] {
        block.push(line, cells).expect("little");
    }
    assert_eq!(format!("{block:?}"), r#"[7@9 ["a", "", "ç"], 8@10 [], 9@12 [""]]"#);
    let row = block.row(0).expect("a row");
    assert_eq!(
        (row.cell(0), row.cell(1), row.cell(2), row.cell(3)),
        (Some("a"), Some(""), Some("ç"), None)
    );
    assert_eq!(block.row(2).expect("a row").cell(0), Some(""));
    assert!(block.row(1).expect("a row").is_empty());
    assert!(block.row(3).is_none());
    assert_eq!(block.rows().len(), 3);
}

proptest! {
    #[test]
    fn encoding_keeps_everything(block in block()) {
        let again = Block::decode(&block.encode()).expect("a block");
        prop_assert_eq!(plain(&again), plain(&block));
        prop_assert!(again == block);
        for (index, row) in again.rows().enumerate() {
            let same = again.row(index).expect("a row");
            prop_assert_eq!((row.number, row.line), (same.number, same.line));
            prop_assert!(row.cells().eq((0..same.len()).filter_map(|cell| same.cell(cell))));
        }
    }

    #[test]
    fn any_damage_is_noticed(block in block(), place: prop::sample::Index, bit in 0..8) {
        let mut bytes = block.encode();
        let place = place.index(bytes.len());
        prop_assert!(Block::decode(&bytes[..place]).is_err());
        bytes[place] ^= 1_u8 << bit;
        prop_assert!(Block::decode(&bytes).is_err());
    }

    /// With the checksum made right, so that the rest is really looked at.
    #[test]
    fn any_bytes_decode_or_do_not(
        counts in proptest::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..12),
        text in proptest::collection::vec(any::<u8>(), 0..40),
        length in prop_oneof![Just(None), any::<u64>().prop_map(Some)],
    ) {
        let body = [counts, text].concat();
        let mut rest = Vec::new();
        let mut len = length.unwrap_or(body.len() as u64);
        while len >= 0x80 {
            rest.push(len as u8 | 0x80);
            len >>= 7;
        }
        rest.push(len as u8);
        rest.extend(lz4_flex::block::compress(&body));
        let mut crc = flate2::Crc::new();
        crc.update(&rest);
        let bytes = [&[1], &crc.sum().to_le_bytes()[..], &rest].concat();
        if let Ok(block) = Block::decode(&bytes) {
            prop_assert!(Block::decode(&block.encode()).expect("a block") == block);
            prop_assert_eq!(plain(&block).len(), block.len());
        }
    }
}
