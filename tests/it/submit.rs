//! Submissions that are handed in together.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tenantry::testing::plan::{Limits, RowSource};
use tenantry::testing::queue::Queue;
use tenantry::testing::submit::{RecordTurn, Rules, Submission, SubmitError, Submitted, Submitter};
use tenantry_foundation::db::Tx;
use tenantry_ledger::{Job, JobFilter, JobId, Ledger, Origin, OriginIntake, Parameters, ReplyTo};
use tenantry_store::Stores;

use crate::invariants::violations;
use crate::place::{On, Place, TWO_CUSTOMERS, Work, apply, by, on_both};

const HEAD: &str = "customer,user_principal_name,first_name,last_name\n";

/// Some users of the first customer.
fn users(names: &[&str]) -> String {
    let rows = names
        .iter()
        .map(|name| format!("A-1,{name}@alpha.onmicrosoft.com,F,L\n"));
    HEAD.to_owned() + &rows.collect::<String>()
}

fn phone(customer: &str, phone: &str) -> String {
    format!("customer,phone\n{customer},{phone}\n")
}

fn submission(kind: &str, csv: impl Into<String>, key: Option<&str>) -> Submission {
    Submission {
        kind: tenantry_jobs::find(kind).expect("a kind"),
        parameters: Parameters::default(),
        source: RowSource::Bytes {
            name: format!("{kind}.csv"),
            data: csv.into().into_bytes().into(),
            multiline_cells: true,
        },
        idempotency_key: key.map(str::to_owned),
        submitted_by: by("tester"),
        origin: None,
        not_before: None,
        approval: None,
        reply_to: None,
        out_dir: None,
        plan: None,
    }
}

fn skipping(submission: Submission) -> Submission {
    let parameters = Parameters {
        skip_invalid: true,
        ..submission.parameters
    };
    Submission {
        parameters,
        ..submission
    }
}

/// In chunks of three rows.
async fn submit_all(
    ledger: &Ledger,
    limits: Limits,
    submissions: Vec<Submission>,
) -> Vec<Result<Submitted, SubmitError>> {
    let rules = Rules { chunk_rows: 3, limits };
    let (stores, queue) = (Stores::default(), Queue::embedded());
    let submitter = Submitter {
        ledger,
        stores: &stores,
        queue: &queue,
        rules,
        hand: None,
    };
    Box::pin(submitter.submit_all(submissions, RecordTurn::NOW)).await
}

/// Its outcome, in words; jobs by their place among all, as their ids differ.
async fn told(ledger: &Ledger, submitted: Vec<Result<Submitted, SubmitError>>) -> Vec<String> {
    let jobs = jobs(ledger).await;
    let place = |id: JobId| jobs.iter().position(|job| job.id == id);
    let mut told = Vec::new();
    for one in submitted {
        told.push(match one {
            Ok(Submitted::Queued(id)) => format!("queued {:?}", place(id)),
            Ok(Submitted::AwaitingApproval(id)) => format!("awaits approval {:?}", place(id)),
            Ok(Submitted::Same(id)) => format!("same {:?}", place(id)),
            Err(SubmitError::KeyReused(id)) => format!("key reused {:?}", place(id)),
            Err(error) => format!("error {error}"),
            Ok(Submitted::Refused(mut refusal)) => {
                let mut faults = format!("refused {:?}", refusal.totals);
                let note = &mut |fault: &_| {
                    faults.push_str(&format!("\n{fault}"));
                    Ok(())
                };
                refusal.faults.each(20, note).expect("faults");
                faults
            }
        });
    }
    told
}

/// All jobs, oldest first.
async fn jobs(ledger: &Ledger) -> Vec<Job> {
    let filter = JobFilter {
        limit: 1_000,
        ..JobFilter::default()
    };
    let mut jobs = ledger.jobs(filter).await.expect("asked");
    jobs.sort_by_key(|job| job.seq);
    jobs
}

async fn work_off(ledger: &Ledger) {
    for job in jobs(ledger).await {
        Work::on(ledger, &job).until_idle().await;
    }
}

on_both! {
    async fn one_by_one_or_together_comes_to_the_same(place: Place) {
        let on = if place.url.starts_with("sqlite") { On::Sqlite } else { On::Postgres };
        let alone = Place::new(on).await;
        let all = || {
            vec![
                submission("bulk-add-users", users(&["a"]), Some("k1")),
                submission("update-account", phone("A-1", "+49 30 1"), None),
                // Not to be read as it is, each in its own way.
                submission("update-account", phone("nobody", "+49 30 1"), None),
                submission("update-account", "customer,phono\nA-1,1\n", None),
                submission("update-account", "customer,phone\nA-1,\"+49\n", None),
                submission("update-account", "customer,phone\nA-1,+49 30 1\nA-1,+49 30 2\n", None),
                skipping(submission("update-account", "customer,phone\nA-1,+49 30 3\nA-1,+49 30 2\nnobody,+49\n", None)),
                // The same once more, and a key for something else.
                submission("bulk-add-users", users(&["a"]), Some("k1")),
                submission("bulk-add-users", users(&["z"]), Some("k1")),
                submission("update-account", phone("A-1", "+49 30 1"), None),
                submission("update-account", phone("A-1", "+49 30 1"), Some("k2")),
                // More than one block.
                submission("bulk-add-users", users(&["b", "c", "d", "e"]), Some("k3")),
                submission("bulk-add-users", users(&["f", "g", "h"]), Some("k4")),
                // Nothing to do, and nothing that is not rejected.
                submission("bulk-add-users", HEAD, Some("k5")),
                skipping(submission("update-account", phone("nobody", "+49 30 9"), Some("k6"))),
                submission("update-account", phone("B-2", "+49 30 1"), None),
                // Destructive, so that somebody has to approve it.
                submission("remove-relationship", "customer\nB-2\n", None),
                submission("update-account", phone("B-2", "+49 30 5"), None),
            ]
        };
        let limits = Limits { approval: true, ..Limits::NONE };
        let mut came = Vec::new();
        for (place, together) in [(&place, true), (&alone, false)] {
            let ledger = place.ledger().await;
            apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
            let submitted = if together {
                submit_all(&ledger, limits, all()).await
            } else {
                let mut submitted = Vec::new();
                for one in all() {
                    submitted.extend(submit_all(&ledger, limits, vec![one]).await);
                }
                submitted
            };
            let told = told(&ledger, submitted).await;
            let hashes: Vec<_> = jobs(&ledger).await.into_iter().map(|job| (job.plan_hash, job.input_sha256, job.counts)).collect();
            work_off(&ledger).await;
            assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
            assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
            came.push((told, hashes, place.dump().await));
        }
        let (together, alone) = (&came[0], &came[1]);
        pretty(&together.0, &alone.0);
        assert_eq!(together.1, alone.1);
        assert_eq!(together.2, alone.2);
    }

    async fn the_order_is_kept(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let phones: Vec<String> = (0..40).map(|n| format!("+49 30 {n:04}")).collect();
        let all = phones.iter().map(|number| submission("update-account", phone("A-1", number), None));
        let submitted = submit_all(&ledger, Limits::NONE, all.collect()).await;
        assert!(submitted.iter().all(|one| matches!(one, Ok(Submitted::Queued(_)))));
        work_off(&ledger).await;
        let asked = ledger.db().read(|tx| tx.query_first("SELECT phone, version FROM customers WHERE external_id = 'A-1'", &[]));
        let row = asked.await.expect("asked").expect("there");
        assert_eq!(row.text(0).expect("text"), phones[39]);
        assert_eq!(row.int(1).expect("a number"), 41, "each was carried out");
    }

    async fn the_origin_of_a_submission_is_linked_with_its_job_or_nothing_is_recorded(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let drops = drops(&ledger, 6).await;
        let brought = |n: usize, fence: i64, rows: usize| {
            let names: Vec<String> = (0..rows).map(|row| format!("u{row}")).collect();
            Submission {
                origin: Some(Origin { intake: OriginIntake::Drop, seq: drops[n], fence }),
                ..submission("bulk-add-users", users(&names.iter().map(String::as_str).collect::<Vec<_>>()), None)
            }
        };
        // New, the same as that one, and one that another worker holds by now.
        let first = submit_all(&ledger, Limits::NONE, vec![brought(0, 1, 1), brought(1, 1, 1), brought(2, 0, 2)]).await;
        let Ok(Submitted::Queued(job)) = first[0] else { panic!("not queued") };
        assert!(matches!(first[1], Ok(Submitted::Same(same)) if same == job));
        assert!(matches!(first[2], Err(SubmitError::OriginLost)));
        // One that has its job is not done again, whatever its content.
        let again = submit_all(&ledger, Limits::NONE, vec![brought(0, 1, 3)]).await;
        assert!(matches!(again[0], Ok(Submitted::Same(same)) if same == job));
        // The same for a file of several blocks, and for one that waits for approval.
        let of_blocks = submit_all(&ledger, Limits::NONE, vec![brought(3, 1, 8), brought(4, 0, 9)]).await;
        let Ok(Submitted::Queued(blocks)) = of_blocks[0] else { panic!("not queued") };
        assert!(matches!(of_blocks[1], Err(SubmitError::OriginLost)));
        let gated = submit_all(&ledger, Limits { approval: true, rows: 1, ..Limits::NONE }, vec![brought(5, 1, 7)]).await;
        let Ok(Submitted::AwaitingApproval(gated)) = gated[0] else { panic!("not awaiting approval") };
        let linked = [Some(job), Some(job), None, Some(blocks), None, Some(gated)];
        assert_eq!(jobs_of(&ledger).await, linked.map(|job| job.map(|job| job.to_string())));
        work_off(&ledger).await;
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    }

    async fn submitters_of_the_same_at_the_same_moment_get_one_job(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let mut submitters = tokio::task::JoinSet::new();
        for turn in 0..6 {
            // Each with connections of its own, as processes would have, and in another order.
            let ledger = place.ledger().await;
            submitters.spawn(async move {
                let keys = (0..12).map(|n| if turn % 2 == 0 { n } else { 11 - n });
                let all = keys.map(|n| {
                    let reply_to = ReplyTo {
                        stream: "replies".to_owned(),
                        entry: format!("{turn}-{n}"),
                        idempotency_key: None,
                        with_rows: false,
                    };
                    Submission {
                        reply_to: Some(reply_to),
                        ..submission("update-account", phone("A-1", &format!("+49 30 {n}")), Some(&format!("key {n}")))
                    }
                });
                submit_all(&ledger, Limits::NONE, all.collect()).await
            });
        }
        let mut ids = BTreeSet::new();
        let mut new = 0;
        for one in submitters.join_all().await.into_iter().flatten() {
            match one.expect("submitted") {
                Submitted::Queued(id) => {
                    new += 1;
                    ids.insert(id.to_string());
                }
                Submitted::Same(id) => {
                    ids.insert(id.to_string());
                }
                _ => panic!("neither queued nor the same"),
            }
        }
        assert_eq!((new, ids.len()), (12, 12));
        let asked = ledger.db().read(|tx| tx.query_first("SELECT COUNT(*) FROM replies", &[])).await;
        assert_eq!(asked.expect("asked").expect("a row").int(0).expect("a number"), 72, "everybody is told");
        work_off(&ledger).await;
        assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    }
}

/// Records of dropped files, under fence 1. Their numbers.
async fn drops(ledger: &Ledger, count: usize) -> Vec<i64> {
    let insert = move |tx: &mut dyn Tx| {
        let mut numbers = Vec::new();
        for n in 0..count {
            let row = tx.query_first(
                "INSERT INTO drops (id, folder, name, state, fence, seen_at) VALUES ($1, 'f', $1, 'taken', 1, 0) RETURNING seq",
                &[format!("drop {n}").into()],
            )?;
            numbers.push(row.expect("a row").int(0)?);
        }
        Ok(numbers)
    };
    ledger.db().write(insert).await.expect("inserted")
}

/// The jobs of all dropped files.
async fn jobs_of(ledger: &Ledger) -> Vec<Option<String>> {
    let sql = "SELECT j.id FROM drops d LEFT JOIN jobs j ON j.seq = d.job ORDER BY d.seq";
    let rows = ledger.db().read(|tx| tx.query(sql, &[])).await.expect("asked");
    rows.iter()
        .map(|row| row.opt_text(0).expect("text").map(str::to_owned))
        .collect()
}

fn pretty(left: &[String], right: &[String]) {
    for (at, (left, right)) in left.iter().zip(right).enumerate() {
        assert_eq!(left, right, "submission {at}");
    }
    assert_eq!(left.len(), right.len());
}

/// A row of some job: which customer, what is changed, and whether something is wrong with it.
fn any_file() -> impl Strategy<Value = (bool, Vec<(usize, u8)>)> {
    let row = (0..4_usize, 0..4_u8);
    (any::<bool>(), prop::collection::vec(row, 0..5))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_jobs_together_are_as_one_by_one(files in prop::collection::vec(any_file(), 1..12)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(Box::pin(async {
            let mut came = Vec::new();
            for together in [true, false] {
                let place = Place::new(On::Sqlite).await;
                let ledger = place.ledger().await;
                apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
                let all: Vec<Submission> = files
                    .iter()
                    .map(|(skips, rows)| {
                        let rows = rows.iter().map(|(customer, phone)| {
                            let customer = ["A-1", "B-2", "alpha.onmicrosoft.com", "nobody"][*customer];
                            format!("{customer},+49 30 {phone}\n")
                        });
                        let one = submission("update-account", format!("customer,phone\n{}", rows.collect::<String>()), None);
                        if *skips { skipping(one) } else { one }
                    })
                    .collect();
                let submitted = if together {
                    submit_all(&ledger, Limits::NONE, all).await
                } else {
                    let mut submitted = Vec::new();
                    for one in all {
                        submitted.extend(submit_all(&ledger, Limits::NONE, vec![one]).await);
                    }
                    submitted
                };
                let told = told(&ledger, submitted).await;
                work_off(&ledger).await;
                came.push((told, place.dump().await));
            }
            assert_eq!(came[0], came[1]);
        }));
    }
}
