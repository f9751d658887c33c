//! Columns that a store has no place for: told once, at the header, and left out where that is asked for, in the job as in
//! its plan.

use tenantry::testing::plan::RowFault;
use tenantry::testing::submit::Submitted;
use tenantry_ledger::Parameters;

use super::super::under_test::{Store, StoreUnderTest};
use super::on_every_store;

const USERS: &str = "\
customer,user_principal_name,first_name,job_title,block_sign_in
{a},three@{a},Three,Baker,yes
{a},four@{a},Four,Cook,
";
const PATCHES: &str = "customer,city,external_id\n{a},Leeds,A-1\n{b},,B-2\n";

on_every_store!(columns_that_are_not_kept_are_told_once_or_left_out);

async fn columns_that_are_not_kept_are_told_once_or_left_out(store: Store) {
    let (users, patches): (&[&str], &[&str]) = match store {
        Store::Sqlite | Store::Postgres => (&[], &[]),
        Store::PartnerCenter => (&["job_title", "block_sign_in"], &["external_id"]),
        Store::Memory => (&[], &["external_id"]),
    };
    for (kind, rows, unkept) in [("bulk-add-users", USERS, users), ("update-account", PATCHES, patches)] {
        let env = StoreUnderTest::new(store).await;
        if !unkept.is_empty() {
            are_told(&env, kind, rows, unkept).await;
        }
        let lenient = Parameters {
            ignore_not_kept: true,
            ..Parameters::default()
        };
        let submitted = env.submit_with(kind, rows, lenient.clone(), Some("one")).await;
        let Ok(Submitted::Queued(id)) = submitted else {
            panic!("{kind} is not taken on {store:?}")
        };
        // Who comes again is told of the same job.
        let again = env.submit_with(kind, rows, lenient, Some("one")).await;
        assert!(matches!(again, Ok(Submitted::Same(same)) if same == id));
        let job = env.ledger.job(id).await.expect("asked").expect("there");
        assert!(job.parameters.ignore_not_kept);
        let note = job.input_notes.iter().find(|note| note.starts_with("left out, as "));
        let names = note.and_then(|note| note.rsplit_once(": ")).map(|(_, names)| names);
        assert_eq!(
            names,
            (!unkept.is_empty()).then(|| unkept.join(", ")).as_deref(),
            "{kind} on {store:?}"
        );
        let job = env.until_idle(&job).await;
        let ends = env.ends(&job).await;
        // Of a row that only names what is not kept, nothing is left to be done.
        let nothing_left = kind == "update-account" && !unkept.is_empty();
        let second = if nothing_left { "unchanged" } else { "applied" };
        assert_eq!(ends, ["applied", second], "{kind} on {store:?}");
    }
}

async fn are_told(env: &StoreUnderTest, kind: &str, rows: &str, unkept: &[&str]) {
    let before = env.state().await;
    let strict = Parameters::default();
    let submitted = env.submit_with(kind, rows, strict, None).await;
    let Ok(Submitted::Refused(mut refused)) = submitted else {
        panic!("{kind} is not refused")
    };
    assert_eq!(refused.totals.reject, 2);
    let mut told = Vec::new();
    let each = &mut |fault: &RowFault| {
        assert!(fault.problem.expected.contains("--ignore-not-kept"), "{fault}");
        assert_eq!(fault.subject, None, "it is of the column, and of no row");
        told.push((fault.row, fault.line, fault.problem.column.clone()));
        Ok(())
    };
    refused.faults.each(u64::MAX, each).expect("told");
    let expected: Vec<_> = unkept.iter().map(|column| (0, 1, (*column).to_owned())).collect();
    assert_eq!(told, expected);
    // With the good rows alone there are none left, and each bad one says why.
    let job = env.apply(kind, rows).await;
    let ends = env.ends(&job).await;
    assert!(ends.iter().all(|end| end.starts_with("not-kept ")), "{ends:?}");
    assert_eq!(env.state().await, before);
}
