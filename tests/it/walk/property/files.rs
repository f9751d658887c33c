//! Files at random, of every kind that can be taken back. Their rows name the same few things over and over, so that
//! some find what they name, some do not, some repeat one another, and some compete for the same seats.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Columns that belong together, what may stand in them, and what seldom does because it cannot be applied. The
/// plainest comes first, since shrinking goes there.
type Cells = (&'static str, &'static [&'static str], &'static [&'static str]);

const CUSTOMER: Cells = (
    "customer",
    &["A-1", "B-2", "gamma.onmicrosoft.com", "ALPHA.onmicrosoft.com"],
    &["nobody"],
);
const USER: Cells = (
    "customer,user_principal_name",
    &[
        "A-1,ann@alpha.onmicrosoft.com",
        "A-1,bob@alpha.onmicrosoft.com",
        "a-1,cid@alpha.onmicrosoft.com",
        "alpha.onmicrosoft.com,dee@alpha.onmicrosoft.com",
        "alpha.onmicrosoft.com,eli@alpha.onmicrosoft.com",
        "A-1,ANN@Alpha.onmicrosoft.com",
        "B-2,fay@beta.onmicrosoft.com",
        "B-2,gus@beta.onmicrosoft.com",
        "B-2,jan@beta.onmicrosoft.com",
        "B-2,kim@beta.onmicrosoft.com",
        "beta.onmicrosoft.com,hal@beta.onmicrosoft.com",
        "gamma.onmicrosoft.com,ida@gamma.onmicrosoft.com",
    ],
    &[
        "B-2,ann@alpha.onmicrosoft.com",
        "nobody,ann@alpha.onmicrosoft.com",
        "A-1,no address",
    ],
);
const SUBSCRIPTION: Cells = (
    "customer,subscription_id",
    &[
        "A-1,00000000-0000-4000-8000-000000000001",
        "A-1,00000000-0000-4000-8000-000000000002",
        "B-2,00000000-0000-4000-8000-000000000003",
        "beta.onmicrosoft.com,00000000-0000-4000-8000-000000000004",
    ],
    &[
        "B-2,00000000-0000-4000-8000-000000000001",
        "nobody,00000000-0000-4000-8000-000000000002",
        "A-1,no guid",
    ],
);
const LICENCES: &[&str] = &["", "SPB", "", "EXCHANGEDESKLESS", "SPB;EXCHANGEDESKLESS"];

/// Every kind that can be taken back, with a file's columns.
const KINDS: &[(&str, &[Cells])] = &[
    (
        "set-seats",
        &[
            CUSTOMER,
            ("sku", &["SPB", "EXCHANGEDESKLESS"], &["NOPE"]),
            ("seats", &["3", "1", "6", "9"], &["0", "many"]),
        ],
    ),
    (
        "set-subscriptions",
        &[
            SUBSCRIPTION,
            ("product", &["Microsoft 365 E3", "Exchange Online Kiosk"], &[""]),
            ("product_type", &["legacy-license", "new-commerce-license"], &["bread"]),
            ("quantity", &["", "7"], &["0"]),
            ("status", &["", "suspended"], &["cancelled"]),
            ("auto_renew", &["", "yes", "no"], &["perhaps"]),
            ("term_ends", &["", "2029-06-30"], &["soon"]),
            ("partner_id_on_record", &["", "4567890"], &["me"]),
        ],
    ),
    (
        "bulk-add-users",
        &[
            USER,
            ("display_name", &["", "Somebody Else"], &[]),
            ("usage_location", &["GB", "DE"], &[""]),
            ("job_title", &["", "Baker"], &[]),
            ("licenses", LICENCES, &["NOPE"]),
            ("block_sign_in", &["", "yes"], &["perhaps"]),
        ],
    ),
    (
        "assign-licenses",
        &[
            USER,
            ("assign", LICENCES, &["NOPE"]),
            ("remove", &["", "<all>"], &["SPB", "EXCHANGEDESKLESS"]),
            ("usage_location", &["GB", "DE", ""], &["Europe"]),
        ],
    ),
    (
        "update-users",
        &[
            USER,
            ("display_name", &["Somebody Else", ""], &["<clear>"]),
            ("job_title", &["", "Baker", "<clear>"], &[]),
            ("usage_location", &["", "FR"], &["Europe"]),
            (
                "new_user_principal_name",
                &[
                    "",
                    "zoe@alpha.onmicrosoft.com",
                    "ann@alpha.onmicrosoft.com",
                    "BOB@alpha.onmicrosoft.com",
                    "yan@beta.onmicrosoft.com",
                ],
                &["ann@nowhere.example"],
            ),
            ("block_sign_in", &["", "yes", "no"], &["perhaps"]),
        ],
    ),
    ("delete-users", &[USER, ("reason", &["", "left"], &[])]),
    ("restore-users", &[USER]),
    (
        "suspend-subscription",
        &[
            SUBSCRIPTION,
            ("action", &["", "reactivate"], &["stop"]),
            ("reason", &["", "unpaid"], &[]),
        ],
    ),
    (
        "update-account",
        &[
            CUSTOMER,
            ("company_name", &["Other Ltd", ""], &["<clear>"]),
            ("email", &["", "other@alpha.example"], &["no address"]),
            ("phone", &["", "+49 30 1234567", "<clear>"], &[]),
            ("city", &["", "Leeds", "<clear>"], &[]),
            ("tags", &["", "gold;food", "<clear>"], &[]),
            ("external_id", &["", "X-9", "x-9", "C-3", "<clear>"], &["A-1"]),
        ],
    ),
];

/// The kinds that make a store, in order, with the most rows of each: the last ones leave deleted users behind, and
/// others who may have got their seats.
const MAKING: &[(&str, usize)] = &[
    ("set-seats", 16),
    ("set-subscriptions", 6),
    ("bulk-add-users", 24),
    ("update-users", 4),
    ("delete-users", 4),
    ("assign-licenses", 6),
];

#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) kind: &'static str,
    header: String,
    pub(super) rows: Vec<String>,
    pub(super) chunk_rows: usize,
}

impl File {
    pub(super) fn text(&self) -> String {
        format!("{}\n{}\n", self.header, self.rows.join("\n"))
    }
}

fn cells((_, usual, seldom): &Cells) -> impl Strategy<Value = &'static str> + use<> {
    let seldom = if seldom.is_empty() { usual } else { seldom };
    prop_oneof![24 => select(*usual), 1 => select(*seldom)]
}

fn file(kind: &'static str, columns: &'static [Cells], rows: usize) -> impl Strategy<Value = File> {
    let row: Vec<_> = columns.iter().map(cells).collect();
    let rows = vec(row.prop_map(|cells| cells.join(",")), 1..=rows);
    let header: Vec<&str> = columns.iter().map(|(names, ..)| *names).collect();
    let header = header.join(",");
    (rows, 1..=4_usize).prop_map(move |(rows, chunk_rows)| File {
        kind,
        header: header.clone(),
        rows,
        chunk_rows,
    })
}

/// Files that make a store.
pub(super) fn made() -> impl Strategy<Value = Vec<File>> {
    let of = |(made, rows): &(&str, usize)| {
        let (kind, columns) = KINDS.iter().find(|(kind, _)| kind == made).expect("a kind");
        file(kind, columns, *rows)
    };
    MAKING.iter().map(of).collect::<Vec<_>>()
}

/// The kinds that there are files of.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, _)| *kind)
}

pub(super) fn any_file() -> impl Strategy<Value = File> {
    select(KINDS).prop_flat_map(|(kind, columns)| file(kind, columns, 6))
}
