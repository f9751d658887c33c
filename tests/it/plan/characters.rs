//! Letters that are written in several ways, and characters that nobody sees: what is stored is what a person sees, or the row is refused.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use crate::place::{CUSTOMERS, On, Place, apply, column};

/// What may stand in a name, and as what it is stored; `None` if nobody could see that it stands there.
const PIECES: [(&str, Option<&str>); 14] = [
    ("a", Some("a")),
    ("Zed", Some("Zed")),
    ("é", Some("é")),
    ("e\u{301}", Some("é")),
    ("O\u{308}", Some("Ö")),
    ("A\u{30a}", Some("Å")),
    ("\u{212b}", Some("Å")),
    ("ﬁ", Some("ﬁ")),
    ("北", Some("北")),
    (" b", Some(" b")),
    ("\u{200b}", None),
    ("\u{feff}", None),
    ("\u{ad}", None),
    ("\u{2060}", None),
];
/// What is taken off around a name.
const AROUND: [&str; 8] = [
    "",
    " ",
    "\t",
    "\u{a0}",
    "\u{200b}",
    "\u{feff}",
    "\u{2060} ",
    "\u{ad}\u{3000}",
];

#[derive(Debug, Clone)]
struct Written {
    text: String,
    /// What is to be stored; `None` if it is to be refused.
    stored: Option<String>,
}

fn written() -> impl Strategy<Value = Written> {
    let inner = proptest::collection::vec(select(&PIECES[..]), 1..6);
    (select(&AROUND[..]), inner, select(&AROUND[..])).prop_map(|(before, mut pieces, after)| {
        // A cell in which nothing is seen is an empty one, which is another matter.
        if pieces.iter().all(|(_, stored)| stored.is_none()) {
            pieces.push(PIECES[0]);
        }
        let mut text: String = pieces.iter().map(|(piece, _)| *piece).collect();
        text.insert_str(0, before);
        text.push_str(after);
        // Those at the ends are around it as well.
        let is_seen = |(_, stored): &(&str, Option<&str>)| stored.is_some();
        let first = pieces.iter().position(is_seen);
        let last = pieces.iter().rposition(is_seen);
        let stored = first.zip(last).and_then(|(first, last)| {
            let name: Option<String> = pieces[first..=last].iter().map(|(_, stored)| *stored).collect();
            name.map(|name| name.trim().to_owned())
        });
        Written { text, stored }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn names_are_stored_as_they_are_seen_or_refused(names in prop::collection::vec(written(), 1..60)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(Box::pin(async {
            for delimiter in [',', '\t'] {
                let place = Place::new(On::Sqlite).await;
                let ledger = place.ledger().await;
                apply(&ledger, "add-customer", CUSTOMERS).await;
                let mut file = format!("customer{delimiter}user_principal_name{delimiter}display_name\n");
                let (mut stored, mut refused) = (BTreeMap::new(), 0);
                for (number, name) in names.iter().enumerate() {
                    let upn = format!("u{number}@alpha.onmicrosoft.com");
                    file.push_str(&format!("A-1{delimiter}{upn}{delimiter}\"{}\"\n", name.text));
                    match &name.stored {
                        Some(name) => drop(stored.insert(upn, name.clone())),
                        None => refused += 1,
                    }
                }
                ledger.close().await;
                place.write("users.csv", file);
                let run = place.tenantry(&["run", "bulk-add-users", "users.csv", "--skip-invalid", "--json"]);
                prop_assert_eq!(run.code, i32::from(refused > 0), "{}", run.all());
                let ledger = place.ledger().await;
                let rows = column(ledger.db(), "SELECT user_principal_name || ' ' || display_name FROM users").await;
                let found: BTreeMap<String, String> = rows
                    .iter()
                    .map(|row| row.split_once(' ').expect("two"))
                    .map(|(upn, name)| (upn.to_owned(), name.to_owned()))
                    .collect();
                prop_assert_eq!(found, stored);
            }
            Ok(())
        }))?;
    }
}
