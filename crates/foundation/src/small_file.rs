//! Small files that somebody names: keys, tokens, addresses, certificates, the configuration.
//!
//! What has such a name may be anything. A pipe that nobody writes to would stop the program, and a device without an end would fill
//! its memory; so nothing is waited for, only ordinary files are read, and no more of them than such a file has. Of what holds a secret
//! it is also asked that it is kept as one, by the file that was opened and not by one that had its name before.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The longest key, token, address or configuration.
pub const LONGEST: u64 = 1 << 20;
/// The longest file of certificates; the authorities of a system are some 200 KiB.
pub const LONGEST_BUNDLE: u64 = 4 << 20;

/// What a file holds.
pub fn read(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let (file, found) = open(path)?;
    check_sort(&found)?;
    read_all(file, &found, most)
}

/// The text that a file holds.
pub fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    read(path, LONGEST).and_then(|bytes| text(&bytes))
}

/// The same of a pipe as well, such as `<(COMMAND)`, and of devices, of which `/dev/null` stands for nothing.
pub fn read_text_or_pipe(path: &Path) -> io::Result<Zeroizing<String>> {
    let (file, found) = open(path)?;
    text(&read_piped(file, &found)?)
}

/// What a file holds that is a secret: one that others can read is refused.
pub fn read_secret(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let (file, found) = open(path)?;
    check_sort(&found)?;
    check_kept_private(&found)?;
    read_all(file, &found, LONGEST)
}

/// The same as a text.
pub fn read_secret_text(path: &Path) -> io::Result<Zeroizing<String>> {
    read_secret(path).and_then(|bytes| text(&bytes))
}

/// The same of a pipe as well, whose permissions mean nothing.
pub fn read_secret_or_pipe(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let (file, found) = open(path)?;
    if found.is_file() {
        check_kept_private(&found)?;
    }
    read_piped(file, &found)
}

fn read_piped(file: File, found: &Metadata) -> io::Result<Zeroizing<Vec<u8>>> {
    let is_pipe = is_pipe(found);
    if is_pipe {
        wait_for_writers(&file)?;
    } else if !is_device(found) {
        check_sort(found)?;
    }
    let bytes = read_all(file, found, LONGEST)?;
    // Nothing is waited for, so that a pipe without a writer looks like one that nothing was written to.
    if is_pipe && bytes.is_empty() {
        let what = "nothing came from this pipe; its writer has to be there first";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
    }
    Ok(bytes)
}

fn read_all(file: File, found: &Metadata, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let too_long = || {
        let what = format!("expected at most {} KiB, found more; is it the right file?", most >> 10);
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    };
    if found.len() > most {
        return too_long();
    }
    // Of that size from the start, so that no shorter copy of a secret is left in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(found.len() as usize + 1));
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        too_long()
    } else {
        Ok(bytes)
    }
}

fn text(bytes: &[u8]) -> io::Result<Zeroizing<String>> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "expected a text in UTF-8");
    let text = std::str::from_utf8(bytes).map_err(no_text)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn check_sort(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let sort = match found {
        _ if found.is_dir() => "a directory",
        _ if is_pipe(found) => "a pipe",
        _ => "a device or a socket",
    };
    let what = format!("expected a file, found {sort}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Opens what has that name, without waiting for anybody on its other side.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = file.metadata()?;
    Ok((file, found))
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    Ok((file, found))
}

#[cfg(unix)]
fn is_pipe(found: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type())
}

#[cfg(unix)]
fn is_device(found: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_char_device(&found.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> bool {
    false
}

/// From here on a pipe is read at the speed of those who write to it. If nobody does, it is at its end.
#[cfg(unix)]
fn wait_for_writers(pipe: &File) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(pipe)? - rustix::fs::OFlags::NONBLOCK;
    Ok(rustix::fs::fcntl_setfl(pipe, flags)?)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn wait_for_writers(_: &File) -> io::Result<()> {
    Ok(())
}

/// Whether a file is its owner's alone, or of root, who may let a group read it that this process is in: secrets that a machine hands to
/// a service are so. The error says what to do.
#[cfg(unix)]
fn check_kept_private(found: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let mode = found.mode() & 0o777;
    let is_roots = found.uid() == 0;
    let of_others = if is_roots && is_of_this_process(found.gid()) {
        0o037
    } else {
        0o077
    };
    if mode & of_others == 0 {
        return Ok(());
    }
    let or = if is_roots {
        ", or give it to a group of the account that runs this, with mode 0640"
    } else {
        ""
    };
    let why = format!("others may read or write it (mode {mode:04o}) and it holds a secret; `chmod 0600` it{or}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Where there are no such permissions, nothing is asked.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn check_kept_private(_: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Whether a group is one of this process, or root's own.
#[cfg(unix)]
fn is_of_this_process(group: u32) -> bool {
    use rustix::process::{getegid, getgroups};

    let is_one = |own: rustix::fs::Gid| own.as_raw() == group;
    group == 0 || is_one(getegid()) || getgroups().is_ok_and(|groups| groups.into_iter().any(is_one))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_no_small_file_is_refused_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo starts").success());
        let long = dir.path().join("long");
        fs::write(&long, vec![b'a'; LONGEST as usize + 1]).expect("written");
        for (path, why) in [
            (pipe.as_path(), "found a pipe"),
            (Path::new("/dev/zero"), "found a device"),
            (dir.path(), "found a directory"),
            (&long, "at most 1024 KiB"),
        ] {
            let told = read_text(path).expect_err("refused").to_string();
            assert!(told.contains(why), "{told}");
        }
        assert_eq!(read(&long, LONGEST_BUNDLE).expect("read").len() as u64, LONGEST + 1);
        // A pipe that nobody writes to is none, one with a writer is waited for and bounded.
        let told = read_text_or_pipe(&pipe).expect_err("nobody writes").to_string();
        assert!(told.contains("nothing came"), "{told}");
        assert!(read_text_or_pipe(Path::new("/dev/null")).expect("nothing").is_empty());
        assert!(read_text_or_pipe(Path::new("/dev/zero")).is_err());
        let written = |script: &str| {
            let mut writer = std::process::Command::new("sh")
                .args(["-c", script])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("sh starts");
            let out = writer.stdout.take().expect("a pipe");
            let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&out));
            let read = read_secret_or_pipe(Path::new(&path));
            drop(out);
            writer.wait().expect("it ends");
            read
        };
        assert_eq!(written("sleep 0.2; echo key").expect("read").as_slice(), b"key\n");
        assert!(written("yes").expect_err("endless").to_string().contains("at most"));
    }

    #[test]
    fn a_secret_is_its_owners_alone_or_of_a_group_that_root_lets_read_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        fs::write(&path, "S3CRET").expect("written");
        let is_read = |mode: u32, group: Option<u32>| {
            // Only root can hand a file to any group.
            if std::os::unix::fs::chown(&path, None, group).is_err() {
                return None;
            }
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            let read = read_secret_text(&path);
            if let Err(error) = &read {
                assert!(error.to_string().contains("chmod 0600"), "{error}");
            }
            Some(read.is_ok())
        };
        assert_eq!(is_read(0o600, None), Some(true));
        assert_eq!(is_read(0o400, None), Some(true));
        for mode in [0o644, 0o604, 0o660, 0o666, 0o620] {
            assert_eq!(is_read(mode, None), Some(false), "{mode:o}");
        }
        let is_root = rustix::process::geteuid().is_root();
        let own = rustix::process::getegid().as_raw();
        assert_eq!(is_read(0o640, Some(own)), Some(is_root));
        let foreign = (40_000..50_000).find(|group| !is_of_this_process(*group));
        assert_ne!(is_read(0o640, foreign), Some(true));
    }
}
