//! Files that are made to take memory, under a limit on the address space of the process: it ends by itself, with what is wrong.

use std::process::Command;

use crate::input::hostile::{sheet, styles, texts};
use crate::place::{On, Place, Run};

/// KiB. The program itself takes some 100 MiB of addresses, and half as much in a build that is optimised.
const MOST: u32 = 200_000;

impl Place {
    fn within_limits(&self, args: &[&str]) -> Run {
        let tenantry = self.command(args);
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -v {MOST}; exec \"$@\""))
            .arg("sh");
        command.arg(tenantry.get_program()).args(tenantry.get_args());
        command.current_dir(self.path("")).env("MALLOC_ARENA_MAX", "1");
        Run::from(command.output().expect("tenantry starts"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_takes_more_memory_than_there_is() {
    let place = Place::new(On::Sqlite).await;
    let header = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>customer</v></c></row>";
    let books = [
        (
            "xf.xlsx",
            styles(&format!("<cellXfs>{}</cellXfs>", "<xf/>".repeat(1_000_000))),
            "styles.xml",
        ),
        (
            "texts.xlsx",
            texts(format!("<sst>{}</sst>", "<si/>".repeat(4_000_000))),
            "sharedstrings.xml",
        ),
        (
            "promised.xlsx",
            texts("<sst uniqueCount=\"99999999999\"></sst>"),
            "sharedstrings.xml",
        ),
        (
            "hidden.xlsx",
            sheet(&"<row hidden=\"1\"><v/></row>".repeat(9_000_000)),
            "sheet1.xml",
        ),
        // As many as are held, and what comes after them.
        (
            "most.xlsx",
            texts(format!("<sst>{}</sst>", "<si><t>abcd</t></si>".repeat(1_000_000))).with_sheet(header),
            "user_principal_name",
        ),
    ];
    for (name, book, told) in books {
        place.write(name, book.bytes());
        let run = place
            .within_limits(&["plan", "--offline", "bulk-add-users", name])
            .ends(2);
        assert!(run.err.contains(told), "{name}: {run:?}");
    }
    place.write("header.csv", vec!["customer"; 400_000].join(",") + "\nx\n");
    place.write(
        "cells.csv",
        format!(
            "customer,user_principal_name\n{}",
            format!("a{}\n", ",".repeat(3_900_000)).repeat(9)
        ),
    );
    place.write(
        "long.csv",
        format!(
            "customer,user_principal_name\n{}",
            format!("a,{}\n", "b".repeat(4_000_000)).repeat(9)
        ),
    );
    for (name, code) in [("header.csv", 2), ("cells.csv", 2), ("long.csv", 1)] {
        place
            .within_limits(&["plan", "--offline", "bulk-add-users", name])
            .ends(code);
    }
}
