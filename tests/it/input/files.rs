//! What lies at a path need not be a file, and a file need not stay as it is.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use tenantry_foundation::input::{Input, InputError, InputLimits, read_ahead};

fn open(path: &Path) -> Result<Input, InputError> {
    Input::open(path, InputLimits::default())
}

/// More than is read ahead, so that its end is still to come once it is open.
fn large(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("large.csv");
    fs::write(&path, format!("a,b\n{}", "1,2\n".repeat(500_000))).expect("a temporary file");
    path
}

#[test]
fn only_files_are_opened() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(open(dir.path()).expect_err("a directory").code, "not-a-file");
    assert_eq!(
        open(&dir.path().join("none.csv")).expect_err("nothing").code,
        "not-found"
    );
    let empty = dir.path().join("empty.csv");
    File::create(&empty).expect("a temporary file");
    assert_eq!(open(&empty).expect_err("empty").code, "empty-file");
}

#[cfg(unix)]
#[test]
fn pipes_sockets_and_devices_are_refused_without_waiting() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipe = dir.path().join("pipe.csv");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo");
    assert!(made.success());
    let socket = dir.path().join("socket.csv");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for path in [&pipe, &socket, Path::new("/dev/zero")] {
        assert_eq!(
            open(path).expect_err("not a file").code,
            "not-a-file",
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_digest_is_of_the_bytes_on_disk() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("users.csv");
    fs::write(&path, b"a,b\r\nJos\xe9,2\r\n\r\n").expect("a temporary file");
    let digest = open(&path).expect("a file").finish().expect("a whole file");
    assert_eq!((digest.bytes, digest.rows, digest.encoding), (15, 1, "windows-1252"));
    let sum = std::process::Command::new("sha256sum")
        .arg(&path)
        .output()
        .expect("sha256sum");
    assert!(String::from_utf8_lossy(&sum.stdout).starts_with(digest.sha256.as_str()));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("grew", |path| {
            let mut file = File::options().append(true).open(path).expect("the file");
            file.write_all(b"3,4\n").expect("more of it");
        }),
        ("shrank", |path| {
            File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_len(1_000_000))
                .expect("less of it");
        }),
        ("shrank", |path| {
            // Within a quote even, the change is what is to be told.
            let mut file = File::options().write(true).truncate(true).open(path).expect("the file");
            file.write_all(b"a,\"").expect("little of it");
        }),
        ("was written to", |path| {
            let file = File::options().write(true).open(path).expect("the file");
            file.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
        }),
    ];
    for (how, change) in changes {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = large(dir.path());
        let mut input = open(&path).expect("a file");
        assert!(input.read_block(10).expect("rows").is_some());
        change(&path);
        let err = input.finish().expect_err(how);
        assert_eq!(err.code, "file-changed");
        assert!(err.message.contains(how), "{err}");
    }
}

#[test]
fn a_file_that_vanishes_while_it_is_read_does_not_matter() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = large(dir.path());
    let input = open(&path).expect("a file");
    fs::remove_file(&path).expect("the file to be there");
    assert_eq!(input.finish().expect("the whole file").rows, 500_000);
}

#[test]
fn reading_ahead_yields_the_same_blocks_and_then_the_digest() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = large(dir.path());
    let mut ahead = read_ahead(open(&path).expect("a file"), 7001, 2);
    let mut next = 1;
    for block in ahead.by_ref() {
        let block = block.expect("rows");
        assert_eq!(block.first_row(), next);
        next += block.len() as u64;
    }
    let digest = ahead.finish().expect("a whole file");
    assert_eq!((digest.rows, next), (500_000, 500_001));
    assert_eq!(digest, open(&path).expect("a file").finish().expect("a whole file"));
}

#[test]
fn reading_ahead_reports_an_error_once_and_at_the_end() {
    let reader: Box<dyn Read + Send> = Box::new(&b"a,b\n1,2\n3,\"4\n"[..]);
    let input = Input::from_reader("inline", reader, InputLimits::default()).expect("a header");
    let mut ahead = read_ahead(input, 1, 1);
    assert!(ahead.next().expect("a block").is_ok());
    assert_eq!(
        ahead.next().expect("an error").expect_err("an error").code,
        "unclosed-quote"
    );
    assert!(ahead.next().is_none());
    assert_eq!(ahead.finish().expect_err("as before").code, "unclosed-quote");
}

#[test]
fn dropping_the_blocks_ends_the_reading() {
    struct Endless(mpsc::Sender<()>);
    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            into.fill(b'\n');
            for cell in into.chunks_mut(2) {
                cell[0] = b'x';
            }
            Ok(into.len())
        }
    }
    impl Drop for Endless {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (sender, dropped) = mpsc::channel();
    let input = Input::from_reader("endless", Box::new(Endless(sender)), InputLimits::default()).expect("a header");
    let mut ahead = read_ahead(input, 1000, 1);
    assert!(ahead.next().expect("a block").is_ok());
    drop(ahead);
    dropped
        .recv_timeout(Duration::from_secs(60))
        .expect("the reader is let go");
}
