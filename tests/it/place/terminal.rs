//! A terminal of 80 columns, and what is to be seen there.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Columns of the terminal.
pub(crate) const COLUMNS: u16 = 80;

/// Runs a command at a terminal of its own; its exit code, and all that was to be seen, without colours.
pub(crate) async fn seen(command: Command) -> (Option<i32>, String) {
    let (code, seen) = at_terminal(command, "\0", "").await;
    (code, plain(&seen))
}

/// Ctrl-C, as [`at_terminal`] types it.
pub(crate) const CTRL_C: &str = "\u{3}";

/// Runs a command at a terminal of its own, where `answer` is typed once `question` was seen; its exit code, and all that was
/// written there.
pub(crate) async fn at_terminal(
    mut command: Command,
    question: &'static str,
    answer: &'static str,
) -> (Option<i32>, String) {
    tokio::task::spawn_blocking(move || {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let name = ptsname(&ours, Vec::new())
            .expect("a name")
            .into_string()
            .expect("a name");
        let size = Winsize {
            ws_row: 24,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size).expect("a size");
        let theirs = || Stdio::from(File::options().read(true).write(true).open(&name).expect("opened"));
        let mut child = command
            .stdin(theirs())
            .stdout(theirs())
            .stderr(theirs())
            .spawn()
            .expect("it starts");
        // Our copies of their side go with it, so that there is an end to be read.
        drop(command);
        let mut ours = File::from(ours);
        let (mut seen, mut is_answered) = (Vec::new(), false);
        let mut bytes = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(read) = ours.read(&mut bytes) {
            if read == 0 {
                break;
            }
            seen.extend_from_slice(&bytes[..read]);
            if !is_answered && String::from_utf8_lossy(&seen).contains(question) {
                is_answered = true;
                if answer == CTRL_C {
                    // The terminal does not control the process, so that it makes no signal of it.
                    let pid = rustix::process::Pid::from_child(&child);
                    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal is sent");
                    continue;
                }
                ours.write_all(answer.as_bytes()).expect("typed");
            }
        }
        (
            child.wait().expect("it ends").code(),
            String::from_utf8_lossy(&seen).into_owned(),
        )
    })
    .await
    .expect("it ends")
}

/// What is to be seen of a text: lines that were written over are gone, and so are colours.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // A sequence ends with a letter.
            let _ = rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    let lines = plain.replace("\r\n", "\n");
    let lines = lines
        .split('\n')
        .map(|line| line.rsplit('\r').next().unwrap_or_default().trim_end());
    lines.collect::<Vec<_>>().join("\n")
}
