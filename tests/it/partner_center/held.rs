//! Jobs that were let go without approval, and a worker that holds their rows to its own limits.

use tenantry::testing::plan::Limits;
use tenantry::testing::runner::{GateSettings, RunnerSettings};
use tenantry::testing::submit::Submitted;
use tenantry_ledger::Job;

use super::Office;
use crate::ledger::signed::Person;
use crate::place::{TestJob, Work, outcomes, settings};

/// A worker with these limits, which trusts nothing but signatures.
pub(super) fn worker(limits: Limits) -> RunnerSettings {
    RunnerSettings {
        gates: GateSettings {
            policy_holds: false,
            limits: Limits {
                approval: true,
                ..limits
            },
            keys: [Person::new("anna", 1).public].into(),
        },
        ..settings(2)
    }
}

/// Submits a file where nothing needs approval, and has that worker carry it out. Number and code of each row that was not applied, and the job.
pub(super) async fn carried_out(office: &Office, kind: &str, csv: &str, limits: Limits) -> (Vec<(i64, String)>, Job) {
    let submitted = TestJob::new(&office.ledger, kind, csv)
        .stores(&office.stores)
        .chunks(100)
        .submit()
        .await;
    let Submitted::Queued(id) = submitted else {
        panic!("{kind} is not queued")
    };
    let job = office.ledger.job(id).await.expect("asked").expect("there");
    let done = Work::on(&office.ledger, &job)
        .stores(&office.stores)
        .settings(worker(limits))
        .until_ended()
        .await;
    let rows = outcomes(&office.ledger, &done).await;
    (rows.into_iter().map(|(row, _, code)| (row, code)).collect(), done)
}
