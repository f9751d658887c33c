//! What every store does with the same rows, by topic: each is a test per store, and each of its cases has a store of its
//! own. Which kinds a store takes is its own affair; one that it does not take it has to refuse by name.

mod advice;
mod case;
mod change;
mod create;
mod delete;
mod drift;
mod export;
mod idempotence;
mod licences;
mod passwords;
mod reader;
mod restore;
mod roles;
mod subscriptions;
mod sync;
mod together;
mod transfers;
mod undo;
mod unkept;

use tenantry_jobs::{KINDS, Undo};

use self::case::Case;
use super::under_test::{Store, StoreUnderTest};

/// Declares a test of this function for every store, in the module it is called in.
macro_rules! on_every_store {
    ($test:expr) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn sqlite() {
            $test(crate::store::under_test::Store::Sqlite).await;
        }
        #[tokio::test(flavor = "multi_thread")]
        async fn postgres() {
            $test(crate::store::under_test::Store::Postgres).await;
        }
        #[tokio::test(flavor = "multi_thread")]
        async fn partner_center() {
            $test(crate::store::under_test::Store::PartnerCenter).await;
        }
        #[tokio::test(flavor = "multi_thread")]
        async fn memory() {
            $test(crate::store::under_test::Store::Memory).await;
        }
    };
}
use on_every_store;

/// The cases of all topics.
fn cases() -> impl Iterator<Item = &'static Case> {
    let topics = [
        create::CASES,
        change::CASES,
        delete::CASES,
        export::CASES,
        licences::CASES,
        passwords::CASES,
        restore::CASES,
        roles::CASES,
        subscriptions::CASES,
        sync::CASES,
        transfers::CASES,
    ];
    topics.into_iter().flatten()
}

#[test]
fn every_kind_is_applied_refused_and_unchanged_in_some_case() {
    for job in KINDS {
        let ends: Vec<&str> = cases()
            .filter(|case| case.kind == job.kind())
            .flat_map(|case| case.ends.iter().copied())
            .collect();
        let kind = job.kind();
        assert!(ends.contains(&"applied"), "{kind} is applied in no case");
        let is_refused = |end: &&str| !matches!(*end, "applied" | "unchanged");
        assert!(ends.iter().any(is_refused), "{kind} is refused in no case");
        // What changed something is unchanged when it comes again, and an export has nothing that could be.
        let comes_again = cases().any(|case| {
            case.kind == kind && case.ends.contains(&"applied") && !matches!(case.again, case::Again::Ends(_))
        });
        assert!(
            ends.contains(&"unchanged") || comes_again,
            "{kind} is unchanged in no case"
        );
    }
}

#[test]
fn every_kind_that_can_be_taken_back_is_edited_in_between_and_drifts_in_some_case() {
    for job in KINDS.iter().filter(|job| job.policy().undo != Undo::Nothing) {
        let kind = job.kind();
        assert!(drift::CASES.iter().any(|case| case.kind == kind), "{kind} never drifts");
        let is_kept = matches!(job.policy().undo, Undo::WhileUntouched | Undo::Within30Days);
        assert!(
            !is_kept || undo::CASES.iter().any(|case| case.kind == kind),
            "{kind} is never edited before it is taken back"
        );
    }
}
