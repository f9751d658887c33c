//! The reference: parts of its pages are made from the program's own definitions, and are stale when they differ.
//!
//! `TENANTRY_WRITE_DOCS=1 cargo test --test it docs::reference` writes them. What stands outside of a page's two markers is written by
//! hand.

mod columns;
mod help;
mod schema;
mod settings;

use std::fmt::Write as _;

use super::{Page, root};
use crate::place::{Place, read};

const BEGIN: &str = "<!-- generated -->\n";
const END: &str = "<!-- /generated -->\n";

/// The page with its generated part replaced.
fn with_generated(page: &Page, generated: &str) -> String {
    let (before, rest) = page
        .text
        .split_once(BEGIN)
        .unwrap_or_else(|| panic!("{} lacks {BEGIN}", page.name()));
    let (_, after) = rest
        .split_once(END)
        .unwrap_or_else(|| panic!("{} lacks {END}", page.name()));
    format!("{before}{BEGIN}\n{}\n\n{END}{after}", generated.trim())
}

/// A cell of a Markdown table. What stands in code is shown as it is; elsewhere an angle bracket would begin a tag.
fn cell(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let shown = parts.map(|(at, part)| match at % 2 {
        0 => part.replace('<', "&lt;"),
        _ => part.to_owned(),
    });
    let shown: Vec<String> = shown.collect();
    shown.join("`").replace('|', "\\|").replace('\n', " ")
}

/// The codes of faults with what their comments in the source say.
fn codes() -> String {
    let source = read(root().join("jobs/src/problem.rs"));
    let module = source.split("pub mod code {").nth(1).expect("the codes");
    let mut table = String::from("| code | meaning |\n|---|---|\n");
    let mut about = String::new();
    let mut listed = Vec::new();
    for line in module.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            about.push_str(&format!("{comment} "));
        } else if let Some((_, value)) = line.split_once(": &str = ") {
            let code = value.trim_matches(['"', ';']);
            let _ = writeln!(table, "| `{code}` | {} |", cell(about.trim()));
            listed.push(code.to_owned());
            about.clear();
        }
    }
    assert_eq!(listed, tenantry_jobs::code::ALL);
    table
}

/// Exit codes, as the help ends.
fn exit_codes() -> String {
    let help = tenantry::testing::cli::definition();
    let help = help.get_after_help().expect("the help's end").to_string();
    let (_, codes) = help.split_once("Exit codes:").expect("exit codes");
    let codes = codes.trim().trim_end_matches('.');
    let mut table = String::from("| exit code | meaning |\n|---|---|\n");
    for code in codes.split(';').map(str::trim) {
        let (number, meaning) = code.split_once(' ').expect("a number and its meaning");
        let _ = writeln!(table, "| {number} | {meaning} |");
    }
    table
}

#[test]
fn the_reference_matches_the_definitions() {
    let is_writing = std::env::var_os("TENANTRY_WRITE_DOCS").is_some();
    let mut stale = Vec::new();
    for (name, generated) in [
        ("cli", help::commands()),
        ("configuration", settings::settings()),
        ("job-kinds", columns::kinds()),
        ("error-codes", codes()),
        ("job-document", schema::document()),
        ("exit-codes", exit_codes()),
        ("sandbox", crate::sandbox::coverage::table()),
    ] {
        let page = Page::open(format!("docs/reference/{name}.md"));
        let expected = with_generated(&page, &generated);
        if expected == page.text {
            continue;
        }
        if is_writing {
            std::fs::write(root().join(&page.path), expected).expect("a page is written");
        } else {
            let differs = |(new, old): &(&str, &str)| new != old;
            let line = expected.lines().zip(page.text.lines()).find(differs);
            stale.push(format!("{}: {line:?}", page.name()));
        }
    }
    assert!(
        stale.is_empty(),
        "stale; `TENANTRY_WRITE_DOCS=1 cargo test --test it docs::reference` writes them:\n{}",
        stale.join("\n")
    );
}

/// `show --json` prints the summary that a reply has, too.
#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_reply_is_described() {
    let page = Page::open("docs/reference/job-document.md");
    let (_, reply) = page.text.split_once("## Reply").expect("the reply");
    let place = Place::with_customer().await;
    let jobs = place.tenantry(&["jobs", "--json"]).ends(0).json();
    let summary = place
        .tenantry(&["show", jobs["job"].as_str().expect("an id"), "--json"])
        .ends(0)
        .json();
    let of_documents = [
        "entry",
        "idempotency_key",
        "repetition_of",
        "passwords",
        "rows",
        "rows_left_out",
    ];
    let fields = summary.as_object().expect("an object").keys().map(String::as_str);
    for field in fields.chain(of_documents) {
        assert!(reply.contains(&format!("`{field}`")), "{} lacks `{field}`", page.name());
    }
}
