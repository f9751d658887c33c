//! The whole way of a job: planned, approved, applied and taken back, from the outside.

mod as_left;
mod drift;
mod expiry;
mod killed;
mod limits;
mod property;
mod remembered;
mod undone;
mod waiting;

use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::undo::UndoRequest;
use tenantry_jobs::Undo;
use tenantry_ledger::{Job, JobState, Ledger};
use tenantry_store::Stores;

use crate::counterpart::{self, Answer};

use crate::place::{On, Place, TestJob, Work, apply, by, column, of_this_store, on_both, outcomes, tables};

/// What people would call the state of the store; who changed it how often is no part of it.
async fn store(ledger: &Ledger) -> Vec<String> {
    const QUERIES: [&str; 4] = [
        "SELECT domain, company_name, first_name, last_name, email, phone, address_line1, address_line2, city, state,
           postal_code, country, culture, language, tags, external_id, relationship, user_count
         FROM customers ORDER BY domain",
        "SELECT user_principal_name, customer, display_name, first_name, last_name, job_title, department, office,
           office_phone, mobile_phone, fax, alternate_email, street_address, city, state, postal_code, country,
           usage_location, licenses, roles, flags FROM users ORDER BY id",
        "SELECT sku_id, customer, part_number, seats, assigned FROM subscribed_skus ORDER BY customer, sku_id",
        "SELECT subscription_id, customer, product, product_type, quantity, status, suspension_reason, auto_renew,
           term_ends, cancellable_until, partner_id_on_record FROM subscriptions ORDER BY subscription_id",
    ];
    let mut all = Vec::new();
    for query in QUERIES {
        all.extend(rows_of(ledger, query).await);
    }
    all
}

/// The rows of a query as text.
async fn rows_of(ledger: &Ledger, sql: &'static str) -> Vec<String> {
    let read = ledger.db().read(move |tx| {
        let rows = tx.query(sql, &[])?;
        Ok(rows.iter().map(|row| format!("{row:?}")).collect())
    });
    read.await.expect("a query")
}

pub(crate) async fn undo(ledger: &Ledger, job: &Job) -> Job {
    let undoing = UndoRequest {
        ledger,
        stores: &Stores::default(),
        limits: &Limits::NONE,
        job,
    }
    .submit(&Queue::embedded(), &by("tester"))
    .await;
    let id = undoing.expect("an undo").job;
    let undo = ledger.job(id).await.expect("asked").expect("there");
    Work::on(ledger, &undo).until_idle().await
}

fn sample(kind: &str) -> &'static str {
    tenantry_jobs::find(kind).expect("a kind").sample()
}

on_both! {
    async fn changes_of_a_job_are_taken_back_and_done_again(place: Place) {
        let ledger = place.ledger().await;
        for job in of_this_store() {
            let kind = job.kind();
            let before = store(&ledger).await;
            let done = TestJob::new(&ledger, kind, job.sample()).run().await;
            let after = store(&ledger).await;
            let policy = job.policy();
            if matches!(policy.undo, Undo::Never(_)) {
                let kept = undo(&ledger, &done).await;
                assert_eq!(kept.counts.rejected, done.counts.applied, "{kind}");
                let codes: Vec<_> = outcomes(&ledger, &kept).await.into_iter().map(|(_, _, code)| code).collect();
                assert!(codes.iter().all(|code| code == "irreversible"), "{kind}: {codes:?}");
                assert_eq!(store(&ledger).await, after, "{kind}");
            } else if matches!(policy.undo, Undo::WhileUntouched | Undo::Within30Days) {
                let undone = undo(&ledger, &done).await;
                assert_eq!(undone.counts.applied, done.counts.applied, "{kind}: {:?}", outcomes(&ledger, &undone).await);
                assert_eq!(store(&ledger).await, before, "{kind}");
                let redone = undo(&ledger, &undone).await;
                assert_eq!(redone.counts.applied, done.counts.applied, "{kind}: {:?}", outcomes(&ledger, &redone).await);
                assert_eq!(store(&ledger).await, after, "{kind}");
            }
        }
    }

    async fn a_row_edited_since_is_kept(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", sample("add-customer")).await;
        let done = apply(&ledger, "update-account", sample("update-account")).await;
        let edit = apply(&ledger, "update-account", "customer,phone,email\nCRM-1003,+1 206 555 0100,\nCRM-1002,,new@fjord.example\n").await;
        assert_eq!(edit.counts.applied, 2);
        let undone = undo(&ledger, &done).await;
        assert_eq!((undone.counts.applied, undone.counts.rejected), (1, 2));
        let rows = ledger.chunk_rows(&undone, 0).await.expect("asked").expect("kept");
        let kept = rows.record(2, 3);
        assert_eq!(kept.code, "edited-since");
        assert!(kept.message.contains(&edit.id.to_string()), "{}", kept.message);
    }

    async fn a_restore_that_is_taken_back_forgets_no_licence(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        apply(&ledger, "set-seats", "customer,sku,seats\nA-1,SPB,1\n").await;
        let user = "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\n";
        let licensed = |name| format!("customer,user_principal_name,usage_location,licenses\nA-1,{name}@alpha.onmicrosoft.com,GB,SPB\n");
        apply(&ledger, "bulk-add-users", &licensed("a")).await;
        apply(&ledger, "delete-users", user).await;
        let rival = apply(&ledger, "bulk-add-users", &licensed("b")).await;
        let had = "SELECT licenses FROM users UNION ALL SELECT licenses FROM deleted_users";
        let before = column(ledger.db(), had).await;
        let restored = apply(&ledger, "restore-users", user).await;
        assert_ne!(column(ledger.db(), had).await, before, "the only seat is taken");
        undo(&ledger, &restored).await;
        assert_eq!(column(ledger.db(), had).await, before);
        undo(&ledger, &rival).await;
        apply(&ledger, "restore-users", user).await;
        assert_eq!(column(ledger.db(), "SELECT licenses FROM users").await, before[..1]);
    }

    async fn a_transfer_waits_for_the_other_partner_and_holds_up_no_worker(place: Place) {
        let ledger = place.ledger().await;
        for kind in ["add-customer", "set-subscriptions"] {
            apply(&ledger, kind, sample(kind)).await;
        }
        let job = TestJob::new(&ledger, "switch-subscription", sample("switch-subscription")).run().await;
        assert_eq!((job.state, job.waiting, job.counts.applied), (JobState::Running, 3, 1));
        assert!(!ledger.has_open_jobs().await.expect("asked"), "nobody has anything to do");
        assert_eq!(ledger.artifacts(&job).await.expect("asked").len(), 1, "the form of the legacy transfer");
        let now = ledger.clock().now_millis();
        let answers = [
            ("0b62aff1-f0a3-417a-aa8f-f4e9e1482dc5", Answer::Accept),
            ("f41fcb28-e1ec-4229-9aa5-148c01a8c3f5", Answer::Accept),
            ("085f4bc0-2132-4f32-9747-d1dfafee2375", Answer::Decline),
        ];
        for (subscription, answer) in answers {
            let answered = ledger.db().write(move |tx| counterpart::answer(tx, subscription, answer, now)).await;
            assert_eq!(answered.expect("answered"), 1);
        }
        tables::make_due(&ledger).await;
        let ended = Work::on(&ledger, &job).until_ended().await;
        assert_eq!((ended.counts.applied, ended.counts.rejected), (3, 1));
        let codes = outcomes(&ledger, &ended).await;
        assert_eq!(codes, [(3, "rejected".to_owned(), "transfer-closed".to_owned())]);
        let states = "SELECT status FROM subscriptions WHERE subscription_id IN
            ('0b62aff1-f0a3-417a-aa8f-f4e9e1482dc5', 'f41fcb28-e1ec-4229-9aa5-148c01a8c3f5') ORDER BY subscription_id";
        assert_eq!(column(ledger.db(), states).await, ["active", "suspended"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_applied_as_it_is_or_not_at_all() {
    let place = Place::with_customer().await;
    place.write(
        "users.csv",
        "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\nA-1,b@alpha.onmicrosoft.com\n",
    );
    place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--out", "plan.json"])
        .ends(0);
    place
        .tenantry(&[
            "run",
            "bulk-add-users",
            "--set",
            "customer=A-1",
            "--set",
            "user_principal_name=b@alpha.onmicrosoft.com",
        ])
        .ends(0);
    let applied = place.tenantry(&["apply", "plan.json", "--json"]).ends(1).json();
    assert_eq!(
        (&applied["counts"]["applied"], &applied["counts"]["rejected"]),
        (&1.into(), &1.into())
    );
    let rejects = place
        .tenantry(&["rejects", applied["job"].as_str().expect("a job")])
        .ends(0);
    assert!(rejects.out.contains("drifted"), "{}", rejects.out);
    place.write(
        "users.csv",
        "customer,user_principal_name\nA-1,c@alpha.onmicrosoft.com\n",
    );
    let changed = place.tenantry(&["apply", "plan.json"]).ends(2);
    assert!(
        changed.err.contains("has changed since the plan was made"),
        "{}",
        changed.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destructive_job_waits_for_approval_by_another_person() {
    let place = Place::with_customer().await;
    place
        .tenantry(&[
            "run",
            "bulk-add-users",
            "--set",
            "customer=A-1",
            "--set",
            "user_principal_name=a@alpha.onmicrosoft.com",
        ])
        .ends(0);
    let delete = [
        "run",
        "delete-users",
        "--set",
        "customer=A-1",
        "--set",
        "user_principal_name=a@alpha.onmicrosoft.com",
    ];
    let parked = place.tenantry(&[&delete[..], &["--json"]].concat()).ends(2).json();
    assert_eq!(parked["state"], "awaiting-approval");
    let (job, hash) = (
        parked["job"].as_str().expect("a job"),
        parked["approval"]["hash"].as_str().expect("a hash"),
    );
    let own = place
        .tenantry(&["approve", job, "--hash", hash, "--by", " Tester"])
        .ends(2);
    assert!(own.err.contains("somebody else"), "{}", own.err);
    let other = place
        .tenantry(&["approve", job, "--hash", &"0".repeat(64), "--by", "boss"])
        .ends(2);
    assert!(
        other.err.contains("that is not the hash") && !other.err.contains(&hash[..12]),
        "{}",
        other.err
    );
    let part = place
        .tenantry(&["approve", job, "--hash", &hash[..12], "--by", "boss"])
        .ends(2);
    assert!(
        part.err.contains("has 64 digits") && !part.err.contains(&hash[12..]),
        "{}",
        part.err
    );
    for (name, why) in [
        ("", "found nothing"),
        ("b\u{43e}ss", "written in one script"),
        ("boss\ndecided   by anna", "without line breaks"),
        ("bo\u{200b}ss", "without invisible characters"),
        ("t\u{435}st\u{435}r", "written in one script"),
    ] {
        let refused = place.tenantry(&["approve", job, "--hash", hash, "--by", name]).ends(2);
        assert!(refused.err.contains(why), "{name:?}: {}", refused.err);
    }
    // The account is the operating system's word, whatever the environment says.
    let from = parked["submitted_via"].as_str().expect("a way in");
    assert!(
        from.starts_with("cli ") && from.contains('@') && !from.contains("tester"),
        "{from}"
    );
    let unasked = place.tenantry(&["approve", job, "--by", "boss"]).ends(2);
    assert!(unasked.err.contains("--hash"), "{}", unasked.err);
    place
        .tenantry(&["approve", job, "--hash", hash, "--by", "boss"])
        .ends(0);
    let done = place.tenantry(&["apply", job, "--json"]).ends(0).json();
    assert_eq!(
        (&done["state"], &done["approval"]["decided_by"]),
        (&"completed".into(), &"boss".into())
    );
    let undo = place.tenantry(&["undo", job, "--json"]).ends(0).json();
    assert_eq!((&undo["counts"]["applied"], &undo["undo_of"]), (&1.into(), &job.into()));
    // A second one is refused its approval.
    let parked = place.tenantry(&[&delete[..], &["--json"]].concat()).ends(2).json();
    let refused = place.tenantry(&[
        "reject",
        parked["job"].as_str().expect("a job"),
        "--by",
        "boss",
        "--reason",
        "no",
        "--json",
    ]);
    assert_eq!(refused.ends(0).json()["state"], "cancelled");
    let audit = place.tenantry(&["audit", "verify"]).ends(0);
    assert!(audit.out.contains("intact"), "{}", audit.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_the_selected_rows_and_columns() {
    let place = Place::new(On::Sqlite).await;
    let ledger = place.ledger().await;
    for kind in ["add-customer", "set-seats", "bulk-add-users"] {
        apply(&ledger, kind, sample(kind)).await;
    }
    place.write("exports.csv", sample("export-customers"));
    place
        .tenantry(&["run", "export-customers", "exports.csv", "--out", "out"])
        .ends(0);
    let customers = crate::place::read(place.path("out/customers.csv"));
    let mut lines = customers.lines();
    assert_eq!(
        lines.next(),
        Some("\u{feff}Microsoft ID,Company name,Primary domain name,Relationship,Tags")
    );
    assert_eq!(lines.count(), 6);
    let users = crate::place::read(place.path("out/bakeries_users.csv"));
    let names: Vec<&str> = users
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(2))
        .collect();
    assert!(names.len() == 4 && names.is_sorted(), "{names:?}");
    let gold = std::fs::read(place.path("out/gold-customers.xlsx")).expect("a workbook");
    assert!(gold.starts_with(b"PK"));
    let listed = place
        .tenantry(&[
            "users",
            "--search",
            "grayson",
            "--sort",
            "-user_principal_name",
            "--json",
        ])
        .ends(0);
    let first: serde_json::Value = serde_json::from_str(listed.out.lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        first["user_principal_name"],
        "sean.oconnor@graysonlogistics.onmicrosoft.com"
    );
    let wrong = place.tenantry(&["customers", "--sort", "cty"]).ends(2);
    assert!(wrong.err.contains("did you mean `city`?"), "{}", wrong.err);
}
