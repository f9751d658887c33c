//! Entry points for the integration tests and benches beside the command line: the parts as the program puts them together, so that
//! a test can stop between two of them, hold the clock or give a queue of its own.
//!
//! This is no interface of the program and changes with it. Nothing in `src` may use it.

/// The parts put together.
pub mod app {
    pub use crate::app::{App, limits};

    /// What is held to where the ledger's policy has these values.
    pub fn limits_by(
        values: &std::collections::BTreeMap<String, String>,
        config: &crate::config::Config,
    ) -> crate::plan::Limits {
        let stored = crate::ledger::StoredPolicy {
            number: 0,
            values: values.clone(),
        };
        crate::policy::LedgerPolicy::of(&stored).limits(limits(config))
    }
}

/// The command line.
pub mod cli {
    /// Its definition, from which help and reference are made.
    pub fn definition() -> clap::Command {
        crate::cli::definition()
    }
}

/// Settings.
pub mod config {
    pub use crate::config::{
        AfterRun, AfterTaken, Approve, Complete, Config, ConfigError, FolderConfig, FolderPath, FolderSubmitter, Globs,
        IfMissing, IfSame, LogFormat, MarkerName, Missed, OnFailed, Order, Overlap, PasswordsConfig, Pick, Placeholder,
        Repeated, ScheduleConfig, SchedulesConfig, SidecarUse,
    };
}

/// Ways in other than the command line.
pub mod intake {
    pub use crate::intake::{Accepted, Door, JobDocument, LedgerDoor, Refusal};

    /// The Redis inbox.
    pub mod inbox {
        pub use crate::intake::inbox::{InboxSettings, serve, waiting};
    }
}

/// What a process counts.
pub mod metrics {
    pub use crate::metrics::NAMES;
}

/// Outcomes told to who submitted jobs.
pub mod notify {
    pub use crate::notify::reply;
}

/// A file read against a kind and the store.
pub mod plan {
    pub use crate::plan::file::PlanFile;
    pub use crate::plan::{Limits, RowFault, RowSource};
}

/// The queue.
pub mod queue {
    pub use crate::queue::{Queue, QueueError, QueueOptions, RedisQueue, Ticket, serve};
}

/// The formats of results, rejects and receipt.
pub mod receipt {
    pub use crate::receipt::{
        Form, InputFiles, Line, Receipt, RejectRows, RejectsWriter, ResultRows, ResultsWriter, TableFormat,
        passwords_name, write_private,
    };
}

/// Delivery.
pub mod delivery {
    pub use crate::delivery::Roots;
}

/// The runner.
pub mod runner {
    pub use crate::runner::gate::GateSettings;
    pub use crate::runner::{Runner, RunnerSettings, ServeError};

    /// Waits between attempts.
    pub mod retry {
        pub use crate::runner::retry::RetryPolicy;
    }
}

/// The one door.
pub mod submit {
    pub use crate::submit::{Hand, RecordTurn, Rules, Submission, SubmitError, Submitted, Submitter};
}

/// The job that takes another one back.
pub mod undo {
    pub use crate::undo::{UndoError, UndoRequest};
}
