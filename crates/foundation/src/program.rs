//! Programs that are asked for something: what they print, within bounds of time and length.
//!
//! A program may be a script that starts others. They are one group, which ends as a whole: one that is killed alone would leave the
//! others at work, with nobody to read what they print.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

/// What a program with these arguments prints, if it succeeds in that time. Neither of them is quoted in what is wrong: they may hold
/// a secret, and so may what is printed.
pub async fn output(words: &[String], patience: Duration, most: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let (program, args) = words.split_first().ok_or("no program is named")?;
    let mut command = Command::new(program);
    command.args(args).kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let group = ProcessGroup::of(&child);
    // Of that size from the start, so that no shorter copy of a secret is left in memory.
    let mut printed = Zeroizing::new(Vec::with_capacity(most + 1));
    let asked = async {
        if let Some(out) = child.stdout.take() {
            let read = out.take(most as u64 + 1).read_to_end(&mut printed).await;
            read.map_err(|error| error.to_string())?;
        }
        if printed.len() > most {
            return Err(format!("it printed more than {most} bytes"));
        }
        child.wait().await.map_err(|error| error.to_string())
    };
    let late = |_| format!("it took longer than {} s and was ended", patience.as_secs_f64());
    let status = tokio::time::timeout(patience, asked).await.map_err(late)??;
    group.leave();
    if status.success() {
        Ok(printed)
    } else {
        Err(status.to_string())
    }
}

/// A program and those it started, which end when this is dropped.
struct ProcessGroup {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl ProcessGroup {
    fn of(child: &Child) -> Self {
        #[cfg(not(unix))]
        let _ = child;
        Self {
            #[cfg(unix)]
            leader: child
                .id()
                .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)),
        }
    }

    /// Once the program has ended by itself: what it left is meant to stay, and its number may be another's.
    fn leave(mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            // They may have ended at this moment.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn what_is_printed_is_bounded() {
        let asked = |script: &str, most| {
            let words = words(script);
            async move { output(&words, Duration::from_secs(20), most).await }
        };
        assert_eq!(asked("printf abc", 3).await.expect("printed").as_slice(), b"abc");
        let refused = |script: &'static str| async move { asked(script, 3).await.expect_err(script) };
        assert_eq!(refused("yes").await, "it printed more than 3 bytes");
        assert!(refused("exit 3").await.contains('3'));
        assert!(output(&[], Duration::ZERO, 1).await.is_err());
    }

    #[tokio::test]
    async fn a_late_program_ends_with_those_it_started() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let late = output(&words(&script), Duration::from_millis(500), 100).await;
        assert_eq!(late.expect_err("late"), "it took longer than 0.5 s and was ended");
        let pid = std::fs::read_to_string(file).expect("started");
        let stat = format!("/proc/{}/stat", pid.trim());
        for _ in 0..200 {
            // One that nobody has waited for yet is a zombie.
            match std::fs::read_to_string(&stat) {
                Ok(told) if !told.contains(") Z ") => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return,
            }
        }
        panic!("it is still there");
    }
}
