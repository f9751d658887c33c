//! Rows and plans through standard input and other pipes: what a file of the same bytes would do, and nothing left behind.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rust_xlsxwriter::Workbook;

use crate::place::{CUSTOMERS, On, Place, Run, Running, unconfigured};

const YORK: &str = "customer,city\nA-1,York\n";

/// The program, with these bytes on its standard input.
fn fed(place: &Place, args: &[&str], bytes: impl AsRef<[u8]>) -> Run {
    let mut command = place.command(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("tenantry starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that refuses a command need not read its input.
    let _ = stdin.write_all(bytes.as_ref());
    drop(stdin);
    Run::from(child.wait_with_output().expect("tenantry ends"))
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).expect("into memory");
    gzip.finish().expect("into memory")
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

/// Logs have no place to go then, which is no reason to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_standard_error_ends_nothing() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", CUSTOMERS);
    let deaf = |args: &[&str]| {
        let mut command = place.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("tenantry starts");
        drop(child.stderr.take());
        child
    };
    let run = ["run", "add-customer", "customers.csv", "--log", "info", "--out", "out"];
    assert_eq!(deaf(&run).wait().expect("it ends").code(), Some(0));
    assert!(place.path("out/receipt.json").is_file());
    place.write("york.csv", YORK);
    place.tenantry(&["submit", "update-account", "york.csv"]).ends(0);
    let drained = deaf(&["worker", "--drain", "--log", "debug"]).wait();
    assert_eq!(drained.expect("it ends").code(), Some(0));
    let jobs = place.tenantry(&["jobs", "--json"]).ends(0).out;
    assert!(!jobs.contains("queued"), "{jobs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_read_as_a_file_is() {
    let place = Place::new(On::Sqlite).await;
    let job = fed(&place, &["run", "add-customer", "-", "--json"], CUSTOMERS)
        .ends(0)
        .json();
    assert_eq!(
        (&job["counts"]["applied"], &job["input"]["name"]),
        (&1.into(), &"standard input".into())
    );
    let receipt = std::fs::read_to_string(job["receipt"].as_str().expect("a path")).expect("a receipt");
    assert!(receipt.contains("standard input"), "{receipt}");
    let plan = fed(&place, &["plan", "update-account", "-", "--json"], YORK)
        .ends(0)
        .json();
    assert_eq!((&plan["totals"]["change"], &plan["file"]), (&1.into(), &"-".into()));
    let offline = ["plan", "update-account", "-", "--offline"];
    fed(&place, &offline, YORK).ends(0);
    // The same bytes are the same work, however they come.
    let submitted = fed(&place, &["submit", "update-account", "-"], YORK).ends(0);
    place.write("york.csv", YORK);
    let again = place.tenantry(&["submit", "update-account", "york.csv"]).ends(0);
    assert_eq!(submitted.out, again.out);
    let both = ["run", "update-account", "-", "--set", "customer=A-1"];
    fed(&place, &both, YORK).ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn workbooks_archives_and_encodings_come_through_pipes_as_well() {
    let place = Place::with_customer().await;
    let mut book = Workbook::new();
    for (name, cells) in [("Notes", ["Read me", "first"]), ("Change", ["customer", "city"])] {
        let sheet = book.add_worksheet().set_name(name).expect("a name");
        sheet.write_row(0, 0, cells).expect("a row");
        sheet.write_row(1, 0, ["A-1", "Leeds"]).expect("a row");
    }
    let book = book.save_to_buffer().expect("a workbook");
    let run = fed(&place, &["run", "update-account", "-"], &book).ends(0);
    assert!(run.all().contains("the sheet `Change` was read"), "{run:#?}");
    let named = ["plan", "update-account", "-", "--sheet", "Notes"];
    let plan = fed(&place, &named, &book).ends(2);
    assert!(
        plan.err.contains("standard input sheet \"Notes\"") && plan.err.contains("Read me"),
        "{plan:#?}"
    );
    let run = fed(
        &place,
        &["run", "update-account", "-", "--json"],
        gzipped(YORK.as_bytes()),
    )
    .ends(0);
    assert_eq!(run.json()["counts"]["applied"], 1);
    let latin = b"customer,city\nA-1,K\xf6ln\n";
    let plan = fed(&place, &["plan", "update-account", "-", "--encoding", "latin1"], latin).ends(0);
    assert!(plan.out.contains("Köln"), "{plan:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_name_standard_input() {
    let place = Place::with_customer().await;
    let rows = "customer,city,country\nA-1,York,UK\nA-1,Leeds,GB\n";
    let run = fed(&place, &["run", "update-account", "-"], rows).ends(2);
    assert!(
        run.out.contains("standard input:2: column 3 country: `UK` is not "),
        "{run:#?}"
    );
    // The value that is repeated is read a second time.
    let twice = CUSTOMERS.replace("alpha,", "beta,").replace("A-1", "B-1");
    let twice = format!("{twice}{}\n", twice.lines().last().expect("a row"));
    let repeated = fed(&place, &["run", "add-customer", "-"], twice).ends(2);
    let told = "standard input:3: column 1 domain: `beta`: line 2 has the same value";
    assert!(repeated.out.contains(told), "{repeated:#?}");
    let run = fed(&place, &["run", "update-account", "-", "--json"], rows).ends(2);
    assert_eq!(run.json()["errors"][0]["file"], "standard input");
    for (bytes, told) in [
        ("", "standard input: nothing came in"),
        ("wat\n1\n", "standard input: the header does not fit `update-account`"),
        ("customer,city\n", "standard input:1: the file has a header and no rows"),
    ] {
        for command in ["run", "plan", "submit"] {
            let run = fed(&place, &[command, "update-account", "-"], bytes).ends(2);
            assert!(run.all().contains(told), "{run:#?}");
        }
    }
    let jobs = place.tenantry(&["jobs", "--kind", "update-account", "--json"]).ends(0);
    assert_eq!(jobs.out, "", "nothing was recorded");
    // A directory is no input, nor is the file `-` meant by it.
    let mut command = place.command(&["run", "update-account", "-"]);
    command.stdin(std::fs::File::open(place.dir.path()).expect("a directory"));
    let run = Run::from(command.output().expect("tenantry starts")).ends(2);
    assert!(run.err.contains("standard input: it cannot be read"), "{run:#?}");
    place.write("-", YORK);
    place.tenantry(&["run", "update-account", "./-"]).ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_of_a_shell_and_named_ones_are_read() {
    let place = Place::with_customer().await;
    let program = env!("CARGO_BIN_EXE_tenantry");
    let mut shell = Command::new("bash");
    unconfigured(&mut shell, place.dir.path());
    shell
        .current_dir(place.dir.path())
        .env("TENANTRY__LEDGER__URL", &place.url)
        .args([
            "-c",
            &format!("{program} run update-account <(printf 'customer,city\\nA-1,York\\n')"),
        ]);
    let run = Run::from(shell.output().expect("bash")).ends(0);
    assert!(run.out.contains("input     /dev/fd/"), "{run:#?}");
    let pipe = place.path("pipe.csv");
    fifo(&pipe);
    std::os::unix::fs::symlink("pipe.csv", place.path("link.csv")).expect("a link");
    for (name, city) in [("pipe.csv", "Leeds"), ("link.csv", "Hull")] {
        let writing = pipe.clone();
        let writer = std::thread::spawn(move || std::fs::write(writing, format!("customer,city\nA-1,{city}\n")));
        let run = place.tenantry(&["run", "update-account", name]).ends(0);
        assert!(run.out.contains("1 applied of 1"), "{run:#?}");
        writer.join().expect("a thread").expect("a pipe");
    }
    let _listener = std::os::unix::net::UnixListener::bind(place.path("socket.csv")).expect("a socket");
    for name in ["socket.csv", "/dev/zero", "."] {
        let run = place.tenantry(&["run", "update-account", name]).ends(2);
        assert!(run.err.contains("this is a "), "{run:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_pipe_is_applied_to_the_same_rows() {
    let place = Place::with_customer().await;
    let planned = fed(&place, &["plan", "update-account", "-", "--out", "plan.json"], YORK).ends(0);
    let next = "hint: tenantry apply plan.json, with the same rows on standard input";
    assert!(planned.err.contains(next), "{planned:#?}");
    let run = fed(&place, &["apply", "plan.json"], YORK.replace("York", "Leeds")).ends(2);
    assert!(run.err.contains("has changed since the plan was made"), "{run:#?}");
    let run = fed(&place, &["apply", "plan.json"], "").ends(2);
    assert!(run.err.contains("nothing came in"), "{run:#?}");
    let plan = std::fs::read(place.path("plan.json")).expect("a plan");
    let run = fed(&place, &["apply", "-"], &plan).ends(2);
    assert!(run.err.contains("write the plan to a file"), "{run:#?}");
    let run = fed(&place, &["apply", "plan.json", "--json"], YORK).ends(0);
    assert_eq!(run.json()["counts"]["applied"], 1);
    // The plan of a file, through a pipe.
    place.write("hull.csv", YORK.replace("York", "Hull"));
    place
        .tenantry(&["plan", "update-account", "hull.csv", "--out", "hull.json"])
        .ends(0);
    let plan = std::fs::read_to_string(place.path("hull.json")).expect("a plan");
    let edited = fed(&place, &["apply", "-"], plan.replace("\"Hull\"", "\"Hell\"")).ends(2);
    assert!(edited.err.contains("standard input, line "), "{edited:#?}");
    let run = fed(&place, &["apply", "-", "--json"], plan).ends(0);
    assert_eq!(run.json()["counts"]["applied"], 1);
    for args in [
        ["plan", "update-account", "hull.csv", "--out", "-"],
        ["run", "update-account", "hull.csv", "--out", "-"],
    ] {
        place.tenantry(&args).ends(2);
    }
    assert!(!place.path("-").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_the_audit_record_is_verified_on_its_way() {
    let place = Place::with_customer().await;
    let export = place.tenantry(&["audit", "export"]).ends(0).out;
    let verified = fed(&place, &["audit", "verify", "--file", "-"], &export).ends(0);
    assert!(verified.out.starts_with("intact: "), "{verified:#?}");
    let tampered = export.replacen("tester", "nobody", 1);
    fed(&place, &["audit", "verify", "--file", "-"], tampered).ends(1);
    let none = fed(&place, &["audit", "verify", "--file", "-"], "").ends(2);
    assert!(none.err.contains("standard input holds no record"), "{none:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_was_read_lies_under_no_name_and_a_stop_ends_the_waiting() {
    let place = Place::with_customer().await;
    let temporary = place.path("temporary");
    std::fs::create_dir(&temporary).expect("a directory");
    let left = || std::fs::read_dir(&temporary).expect("a directory").count();
    let mut command = place.command(&["run", "update-account", "-"]);
    command.env("TMPDIR", &temporary).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("tenantry starts"));
    let mut stdin = running.0.stdin.take().expect("a pipe");
    let mut writes = |text: &str| stdin.write_all(text.as_bytes()).expect("it reads");
    writes("customer,city\n");
    // More than a pipe holds, so that it is being read once this is written.
    writes(&"A-1,York\n".repeat(100_000));
    assert_eq!(left(), 0);
    assert_eq!(running.stop(), Some(2));
    assert_eq!(left(), 0);
    let jobs = place.tenantry(&["jobs", "--kind", "update-account", "--json"]).ends(0);
    assert_eq!(jobs.out, "", "nothing was recorded");
    // Where there is no room, nothing is recorded either.
    let mut command = place.command(&["run", "update-account", "/dev/stdin"]);
    command.env("TMPDIR", place.path("nowhere")).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("tenantry starts");
    let _ = child.stdin.take().expect("a pipe").write_all(YORK.as_bytes());
    let run = Run::from(child.wait_with_output().expect("tenantry ends")).ends(2);
    assert!(run.err.contains("no room to keep what was read"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_input_is_reported_for_a_pipe_as_for_a_file() {
    let place = Place::with_customer().await;
    let header = "customer,user_principal_name,display_name,city";
    let users: Vec<String> = (1..4)
        .map(|n| format!("A-1,u{n}@alpha.onmicrosoft.com,User {n},York"))
        .collect();
    let whole = format!("{header}\n{}\n", users.join("\n"));
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in whole.lines().enumerate() {
        sheet.write_row(row as u32, 0, line.split(',')).expect("a row");
    }
    let book = book.save_to_buffer().expect("a workbook");
    let gzip = gzipped(whole.as_bytes());
    let cut = |bytes: &[u8], by: usize| bytes[..bytes.len() - by].to_vec();
    let told = |name: &str, bytes: Vec<u8>, exit: i32| {
        let args = |file| ["plan", "bulk-add-users", file, "--json"];
        let piped = fed(&place, &args("-"), &bytes).ends(exit);
        place.write(name, bytes);
        let read = place.tenantry(&args(name)).ends(exit);
        // Both say the same, but for the name of what was read.
        let of = |run: &Run, name: &str| format!("{}{}", run.out, run.err).replace(name, "FILE");
        let (piped, read) = (of(&piped, "standard input"), of(&read, name));
        (piped, read)
    };
    let note = "line 4, the last one, has no line end as the others have; if what wrote the file was stopped, the end of that line \
                and more rows are missing";
    for (name, by, exit, sentence) in [
        // Nobody knows.
        ("whole.csv", 0, 0, None),
        ("end.csv", 1, 0, Some(note)),
        ("within.csv", 3, 0, Some(note)),
        ("short.csv", 7, 1, Some("ragged-row")),
    ] {
        let (piped, read) = told(name, cut(whole.as_bytes(), by), exit);
        for told in [piped, read] {
            assert_eq!(told.contains(note), sentence.is_some(), "{name}: {told}");
            assert!(
                sentence.is_none_or(|sentence| told.contains(sentence)),
                "{name}: {told}"
            );
        }
    }
    for (name, bytes, sentence) in [
        ("rows.csv.gz", cut(&gzip, 9), "the gzip data ends too early"),
        (
            "quote.csv",
            format!("{header}\nA-1,u@alpha.onmicrosoft.com,\"U").into_bytes(),
            "is never closed",
        ),
        (
            "header.csv",
            format!("{header}\n").into_bytes(),
            "the file has a header and no rows",
        ),
    ] {
        let (piped, read) = told(name, bytes, 2);
        assert!(
            piped.contains(sentence) && read.contains(sentence),
            "{name}: {piped}{read}"
        );
    }
    let (piped, read) = told("rows.xlsx", cut(&book, 100), 2);
    assert!(
        piped.contains("is damaged") && read.contains("is damaged"),
        "{piped}{read}"
    );
    // A user who runs it all the same finds the note with the job.
    let ran = fed(
        &place,
        &["run", "bulk-add-users", "-", "--no-passwords", "--json"],
        cut(whole.as_bytes(), 3),
    )
    .ends(0);
    assert!(ran.out.contains(note), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_one_row_without_a_file_is_kept_and_applied() {
    let place = Place::with_customer().await;
    let planned = [
        "plan",
        "update-account",
        "--set",
        "customer=A-1",
        "--set",
        "city=York",
        "--out",
        "p.json",
    ];
    let told = place.tenantry(&planned).ends(0);
    assert!(told.err.contains("hint: tenantry apply p.json"), "{told:?}");
    let applied = place.tenantry(&["apply", "p.json", "--json"]).ends(0).json();
    assert_eq!(applied["counts"]["applied"], 1);
    // What was planned is what is applied.
    let edited = crate::place::read(place.path("p.json")).replace("city=York", "city=Leeds");
    place.write("p.json", edited);
    let refused = place.tenantry(&["apply", "p.json"]).ends(2);
    assert!(refused.err.contains("plan it again"), "{refused:?}");
    let secret = [
        "plan",
        "bulk-add-users",
        "--set",
        "customer=A-1",
        "--set",
        "password=S3CRET",
        "--out",
        "q.json",
    ];
    let refused = place.tenantry(&secret).ends(2);
    assert!(
        refused.err.contains("--out would keep the secret in `password`") && !place.path("q.json").exists(),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_command_are_reported_with_a_remedy() {
    let place = Place::with_customer().await;
    let nothing = place.tenantry(&["run", "export-customers"]).ends(2);
    assert!(
        nothing.err.contains("a job of one row needs no file") && nothing.err.contains("--set COLUMN=VALUE"),
        "{nothing:?}"
    );
    // It is no file that begins with hyphens.
    let unknown = place.tenantry(&["run", "update-account", "a.csv", "--xlsx"]).ends(2);
    assert!(!unknown.err.contains("-- --xlsx"), "{unknown:?}");
    // The file comes before whom passwords are sealed to.
    let run = |arguments: &[&str]| {
        let mut command = place.command(&[&["run", "bulk-add-users"], arguments].concat());
        command.env("TENANTRY__PASSWORDS__DELIVER", "true");
        Run::from(command.output().expect("tenantry starts")).ends(2).err
    };
    assert!(run(&["nofile.csv"]).contains("nofile.csv: no such file"));
    place.write("users.csv", "customer,food\nA-1,x\n");
    assert!(run(&["users.csv"]).contains("`food` is not a column"));
    place.write(
        "users.csv",
        "customer,user_principal_name\nA-1,ida@alpha.onmicrosoft.com\n",
    );
    assert!(run(&["users.csv"]).contains("nobody to seal them to"));
}
