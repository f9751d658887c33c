//! Starts server processes from one thread that lives as long as the test process.
//!
//! The kernel's parent-death signal is sent when the *thread* that started the child ends, and
//! every test runs on a thread of its own: a shared server started from a test's thread would
//! die with that test.

use std::io;
use std::process::{Child, Command};
use std::sync::{LazyLock, Mutex, mpsc};
use std::thread;

type Order = (Command, mpsc::Sender<io::Result<Child>>);

static NURSERY: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
    let (orders, received) = mpsc::channel::<Order>();
    thread::Builder::new()
        .name("server-nursery".to_owned())
        .spawn(move || {
            for (mut command, answer) in received {
                let _ = answer.send(command.spawn());
            }
        })
        .expect("a thread");
    Mutex::new(orders)
});

/// A running server process; killed and reaped when dropped.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    pub(super) fn spawn(command: Command) -> Self {
        let (answer, answered) = mpsc::channel();
        let shown = format!("{command:?}");
        NURSERY
            .lock()
            .expect("the nursery's lock")
            .send((command, answer))
            .expect("the nursery lives");
        let child = answered
            .recv()
            .expect("the nursery answers")
            .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Self(child)
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// `kill -9`, and waits until the process is gone.
    pub(super) fn kill9(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}
