//! Properties of every kind in the catalogue.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod together;

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::{Change, Creates, Faulty, JobKind, KINDS, Passwords, Request, RowCells, RunsIn, Undo, find, header};

/// The records of a kind's sample; the first is the header.
fn sample(job: &dyn JobKind) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(job.sample().as_bytes());
    reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

/// Calls `look` with what every row of the kind's sample asks for.
fn each_sample_request(job: &dyn JobKind, mut look: impl FnMut(Request<'_>)) {
    for record in &sample(job)[1..] {
        let cells: Vec<Option<&str>> = record.iter().map(|cell| Some(cell.as_str())).collect();
        look(
            job.request(&RowCells::new(&cells))
                .unwrap_or_else(|problems| panic!("{record:?}: {problems:#?}")),
        );
    }
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn kinds_are_unique_and_found() {
    let kinds: HashSet<&str> = KINDS.iter().map(|job| job.kind()).collect();
    assert_eq!(kinds.len(), KINDS.len());
    for kind in kinds {
        assert!(is_snake_case(&kind.replace('-', "_")), "{kind}");
        assert_eq!(find(kind).map(JobKind::kind), Ok(kind));
    }
    assert_eq!(find("bulk-ad-users").map(JobKind::kind), Err(Some("bulk-add-users")));
    assert_eq!(find("make-coffee").map(JobKind::kind), Err(None));
}

/// "`UK`: a country code" would say that it is one, and "`food` is not nothing" that it is something.
#[test]
fn no_fault_of_a_cell_can_be_read_as_its_opposite() {
    let bad = [
        "?",
        "\u{1}",
        "#N/A",
        "4.91512E+11",
        "<clear>",
        "-1",
        "UK",
        "a@b@c",
        "2027-02-30",
        "<all>;SPB",
    ];
    for job in KINDS {
        let good = &sample(*job)[1];
        for at in 0..good.len() {
            for value in bad
                .into_iter()
                .map(str::to_owned)
                .chain([String::new(), "x".repeat(5000)])
            {
                let mut cells: Vec<Option<&str>> = good.iter().map(|cell| Some(cell.as_str())).collect();
                cells[at] = Some(&value);
                let problems = job
                    .request(&RowCells::new(&cells))
                    .err()
                    .map_or_else(Vec::new, |faulty| faulty.problems);
                for problem in problems {
                    let starts = |words: &[&str]| words.iter().any(|word| problem.expected.starts_with(word));
                    let noun = ["a ", "an ", "at least ", "one ", "text ", "part ", "the ", "`", "tags "];
                    let denied = ["nothing", "no ", "not ", "only ", "at most "];
                    assert!(!starts(&denied), "{problem}");
                    assert!(problem.stated || starts(&noun), "{problem}");
                }
            }
        }
    }
}

#[test]
fn kinds_that_cannot_simply_be_done_again_are_known_by_name() {
    let those = |is: fn(&dyn JobKind) -> bool| {
        KINDS
            .iter()
            .filter(|job| is(**job))
            .map(|job| job.kind())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        those(|job| job.policy().destructive),
        ["delete-users", "switch-subscription", "remove-relationship"]
    );
    assert_eq!(
        those(|job| job.policy().passwords != Passwords::No),
        ["add-customer", "bulk-add-users", "reset-passwords"]
    );
    assert_eq!(
        those(|job| matches!(job.policy().undo, Undo::Never(_))),
        ["add-customer", "reset-passwords", "remove-relationship"]
    );
}

#[test]
fn policies_are_consistent_with_themselves_and_with_requests() {
    for job in KINDS {
        let (kind, policy) = (job.kind(), job.policy());
        if let Undo::Never(why) = policy.undo {
            assert!(!why.is_empty() && !why.ends_with('.'), "{kind}: {why}");
        }
        let changes_nothing = policy.undo == Undo::Nothing;
        assert!(
            policy.creates.is_none() || !changes_nothing,
            "{kind} creates what cannot be taken back, and does not say why"
        );
        assert!(!(policy.destructive && changes_nothing), "{kind} destroys nothing");
        assert!(
            policy.runs_in == RunsIn::Store || changes_nothing,
            "{kind} has no images to be taken back by"
        );
        match policy.passwords {
            Passwords::No => {}
            Passwords::ForNewUsers => assert_eq!(policy.creates, Some(Creates::User), "{kind}"),
            Passwords::ForNewCustomers => assert_eq!(policy.creates, Some(Creates::Customer), "{kind}"),
            Passwords::Only => assert!(matches!(policy.undo, Undo::Never(_)), "{kind} takes passwords back"),
        }
        each_sample_request(*job, |request| {
            assert_eq!(matches!(request, Request::Change(_)), !changes_nothing, "{kind}");
            assert_eq!(
                matches!(request, Request::Sync(_)),
                policy.runs_in == RunsIn::Ledger,
                "{kind}"
            );
            let creates = match request {
                Request::Change(Change::CreateCustomer(_)) => Some(Creates::Customer),
                Request::Change(Change::CreateUser(_)) => Some(Creates::User),
                _ => None,
            };
            assert_eq!(policy.creates, creates, "{kind}");
        });
    }
}

#[test]
fn columns_describe_themselves_in_a_table_cell() {
    for job in KINDS {
        let names: HashSet<&str> = job.columns().iter().map(|column| column.name).collect();
        assert_eq!(names.len(), job.columns().len(), "{}", job.kind());
        for text in job.columns().iter().map(|column| column.about).chain([job.summary()]) {
            assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
            assert!(!text.contains(['|', '\n']) && text.len() <= 90, "{text}");
        }
        for column in job.columns() {
            assert!(is_snake_case(column.name), "{}", column.name);
            assert!(!(column.required && column.secret), "{}", column.name);
        }
    }
}

#[test]
fn templates_stand_for_native_columns_and_are_told_apart() {
    for job in KINDS {
        for template in job.templates() {
            let header: Vec<&str> = template.columns.iter().map(|(cell, _)| *cell).collect();
            for (cell, native) in template.columns {
                let known = native.is_none_or(|native| job.columns().iter().any(|column| column.name == native));
                assert!(known, "{cell}");
            }
            let names_customer = template.columns.iter().any(|(_, native)| *native == Some("customer"));
            let fixed: &[&str] = if names_customer { &[] } else { &["customer"] };
            // One of our own lists has the rest under our own names.
            let rest = job.columns().iter().filter(|column| column.required && names_customer);
            let rest = rest.map(|column| column.name).filter(|name| *name != "customer");
            let header: Vec<&str> = header.into_iter().chain(rest).collect();
            let mapping = header::recognise(*job, &header, fixed).unwrap();
            assert_eq!(mapping.template, Some(template.name));
        }
    }
}

#[test]
fn samples_show_every_column_and_every_row_is_good() {
    for job in KINDS {
        let records = sample(*job);
        let native: Vec<&str> = job.columns().iter().map(|column| column.name).collect();
        assert_eq!(records[0], native, "{}", job.kind());
        // A reader of a file passes over blank rows.
        assert!(records.iter().all(|record| record.iter().any(|cell| !cell.is_empty())));
        let mapping = header::recognise(*job, &native, &[]).unwrap();
        assert_eq!(mapping.template, None);
        assert_eq!(mapping.columns, (0..native.len()).map(Some).collect::<Vec<_>>());
        let mut keys = HashSet::new();
        let mut rows = 0;
        each_sample_request(*job, |request| {
            rows += 1;
            request.each_key(&|customer| customer.as_written().to_owned(), &mut |column, value| {
                assert!(native.contains(&column), "{column}");
                let key = (column, value.concat().to_ascii_lowercase());
                assert!(keys.insert(key.clone()), "{} has {key:?} twice", job.kind());
            });
        });
        assert!(rows >= 3, "{}", job.kind());
    }
}

proptest! {
    #[test]
    fn any_cells_are_answered_and_problems_name_real_columns(
        job in 0..KINDS.len(),
        cells in vec(option::of(prop_oneof![
            any::<String>(),
            "[ -~]{0,80}",
            "[a-zA-Z.@;,<> -]{0,200}",
            Just("<clear>".to_owned()),
            Just("DE".to_owned()),
            Just("yes".to_owned()),
            Just("2027-02-29".to_owned()),
            Just("5b3c1f0a-7d52-4e0b-9c38-1f2a6d4e8b17".to_owned()),
            prop_oneof![Just("in"), Just("out"), Just("legacy-azure"), Just("azure-plan"), Just("accept"), Just("users")]
                .prop_map(str::to_owned),
            Just("a@b.example".to_owned()),
        ]), 0..26),
    ) {
        let job = KINDS[job];
        let row: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
        // A look at all cells together spares looks at single ones, and says the same.
        let together = row.iter().map(|cell| cell.unwrap_or("")).collect::<Vec<_>>().join(",");
        let within = job.request(&RowCells::new(&row).within(&together));
        match (&within, &job.request(&RowCells::new(&row))) {
            (Ok(within), Ok(request)) => prop_assert_eq!(within, request),
            (Err(within), Err(faulty)) => prop_assert_eq!(&within.problems, &faulty.problems),
            (within, alone) => prop_assert!(false, "{:?} {:?}", within.is_ok(), alone.is_ok()),
        }
        match job.request(&RowCells::new(&row)) {
            Ok(request) => request.each_key(&|customer| customer.as_written().to_owned(), &mut |_, value| assert!(!value.is_empty())),
            Err(Faulty { problems, .. }) => {
                assert!(!problems.is_empty());
                let place = |name: &str| job.columns().iter().position(|column| column.name == name);
                let places: Vec<_> = problems.iter().map(|problem| {
                    let place = place(&problem.column);
                    assert!(place.is_some() || problem.column.is_empty(), "{problem:?}");
                    let cell = place.map_or("", |at| RowCells::new(&row).text(at));
                    let secret = place.is_some_and(|at| job.columns()[at].secret);
                    assert!(!secret || problem.value.is_empty());
                    // A fault of one entry of a list shows that entry.
                    assert!(cell.contains(problem.value.trim_end_matches('…')), "{problem:?}");
                    place.unwrap_or(usize::MAX)
                }).collect();
                assert!(places.is_sorted(), "{places:?}");
            }
        }
    }

    #[test]
    fn any_header_is_answered(
        job in 0..KINDS.len(),
        cells in vec(prop_oneof![any::<String>(), "[a-z_ \\[\\]-]{0,12}", Just("customer".to_owned())], 0..12),
    ) {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let _ = header::preamble(KINDS[job], &cells);
        match header::recognise(KINDS[job], &cells, &[]) {
            Ok(mapping) => assert!(mapping.columns.iter().flatten().all(|at| *at < cells.len())),
            Err(problems) => assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn a_user_reads_the_same_from_every_template(
        user in "[a-z][a-z0-9.-]{0,20}[a-z0-9]",
        // Numbers that a spreadsheet has changed are refused, so these begin with a letter.
        texts in vec("([a-zA-ZäéøŁ][ a-zA-ZäéøŁ'0-9-]{0,39})?", 22),
        usage_location in prop_oneof![Just(""), Just("de"), Just("US")],
        country in prop_oneof![Just(""), Just("DE"), Just("United States"), Just("norway"), Just("Narnia")],
        blocked in prop_oneof![Just(""), Just("Yes"), Just("No")],
    ) {
        let job = find("bulk-add-users").unwrap();
        let name = format!("{user}@fjordbakeri.example");
        for template in job.templates() {
            let values = |column: &str, at: usize| match column {
                "user_principal_name" => name.clone(),
                "alternate_email" => format!("{user}@mail.example"),
                "office_phone" | "mobile_phone" | "fax" => format!("+49 89 {at}"),
                "usage_location" => usage_location.to_owned(),
                "country" => country.to_owned(),
                "block_sign_in" => blocked.to_owned(),
                _ => texts[at].clone(),
            };
            // The fields this template has, once under its own names and once under ours.
            let mut native = vec!["customer"];
            let mut foreign = vec!["customer"];
            let mut cells = vec!["fjordbakeri.example".to_owned()];
            for (at, (cell, column)) in template.columns.iter().enumerate() {
                if let Some(column) = column {
                    native.push(column);
                    foreign.push(cell);
                    cells.push(values(column, at));
                }
            }
            let read = |file_header: &[&str]| {
                let mapping = header::recognise(job, file_header, &[]).unwrap();
                let row: Vec<Option<&str>> =
                    mapping.columns.iter().map(|at| at.map(|at| cells[at].as_str())).collect();
                job.request(&RowCells::new(&row)).map(|request| format!("{request:?}")).map_err(|faulty| faulty.problems)
            };
            prop_assert_eq!(read(&native), read(&foreign), "{}", template.name);
            prop_assert!(read(&native).is_ok());
        }
    }
}
