//! Approvals that are signed: by whom, of what, and for how long they count.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};
use tempfile::TempDir;
use tenantry_foundation::signature::TextSignature;
use tenantry_ledger::signing::NotSigned;
use tenantry_ledger::{Decided, DecisionRefused, Job, JobState, Ledger};

use super::approval::{awaiting, deleted};
use super::reload;
use crate::place::{On, Place, Work, by, on_both, outcomes};

/// Somebody with a key.
pub(crate) struct Person {
    pub(super) name: &'static str,
    pub(crate) public: String,
    secret: PathBuf,
    _dir: TempDir,
}

impl Person {
    pub(crate) fn new(name: &'static str, seed: u8) -> Self {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
        let dir = tempfile::tempdir().expect("a directory");
        let secret = dir.path().join("id");
        std::fs::write(&secret, key.to_openssh(LineEnding::LF).expect("a text").as_bytes()).expect("written");
        // OpenSSH wants it to be nobody else's.
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("set");
        Self {
            name,
            public: key.public_key().to_openssh().expect("a line"),
            secret,
            _dir: dir,
        }
    }

    pub(super) fn sign(&self, text: &str) -> String {
        TextSignature::make(&self.secret, text).expect("signed").on_one_line()
    }

    /// Has the key enrolled, or revoked, by leave of `other`.
    pub(super) async fn enrol(&self, ledger: &Ledger, is_new: bool, other: Option<&Person>) -> Result<(), NotSigned> {
        let text = ledger
            .text_of_enrolment(is_new, self.name, &self.public)
            .await
            .expect("asked");
        let signature = other.map(|other| other.sign(&text));
        let enrolled = ledger
            .enrol(is_new, (self.name, &self.public), &by("root"), signature.as_deref())
            .await;
        enrolled.expect("asked")
    }

    pub(super) async fn approve(&self, ledger: &Ledger, job: &Job) -> Decided {
        let signature = self.sign(&ledger.text_to_sign(job));
        let approved = ledger
            .approve_signed(job, job.hash_to_approve(), &by("clerk"), Some(&signature))
            .await;
        approved.expect("asked")
    }
}

on_both! {
    async fn once_a_key_is_enrolled_a_job_runs_by_a_signature_of_that_job_alone(place: Place) {
        let ledger = place.ledger().await;
        let (anna, ben, tester, eve) =
            (Person::new("anna", 1), Person::new("ben", 2), Person::new("Tester", 3), Person::new("eve", 4));
        let job = awaiting(&ledger).await;
        // Nobody's signature means anything while nobody's key is known.
        assert_eq!(anna.approve(&ledger, &job).await, Decided::Refused(NotSigned::NobodyEnrolled.into()));
        anna.enrol(&ledger, true, None).await.expect("the first one");
        assert_eq!(eve.enrol(&ledger, true, None).await, Err(NotSigned::Missing("anna".to_owned())));
        assert_eq!(eve.enrol(&ledger, true, Some(&eve)).await, Err(NotSigned::Stranger("anna".to_owned())));
        ben.enrol(&ledger, true, Some(&anna)).await.expect("by leave of anna");
        tester.enrol(&ledger, true, Some(&ben)).await.expect("by leave of ben");
        let names = "anna, ben, Tester".to_owned();

        let refused = async |decided: Decided| match decided {
            Decided::Refused(DecisionRefused::NotSigned(why)) => why,
            other => panic!("{other:?}"),
        };
        let hash = job.hash_to_approve();
        let unsigned = ledger.approve(&job, hash, &by("boss")).await.expect("asked");
        assert_eq!(refused(unsigned).await, NotSigned::Missing(names.clone()));
        assert_eq!(refused(eve.approve(&ledger, &job).await).await, NotSigned::Stranger(names));
        assert_eq!(refused(tester.approve(&ledger, &job).await).await, NotSigned::Own("Tester".to_owned()));
        let other = awaiting_another(&ledger).await;
        let of_other = anna.sign(&ledger.text_to_sign(&other));
        let borrowed = ledger.approve_signed(&job, hash, &by("clerk"), Some(&of_other)).await.expect("asked");
        assert!(matches!(refused(borrowed).await, NotSigned::Bad(_)));
        let policy = ledger.set_policy("approval.required", Some("false"), &by("root"), None).await.expect("asked");
        assert!(matches!(policy, Err(NotSigned::Missing(_))), "{policy:?}");
        let text = ledger.text_of_decision("limits.rows", Some("5")).await.expect("asked");
        let decided = ledger.set_policy("limits.rows", Some("5"), &by("root"), Some(&ben.sign(&text))).await;
        assert_eq!(decided.expect("asked").expect("by leave of ben").number, 4);
        assert_eq!(deleted(&ledger).await, 0);

        assert_eq!(anna.approve(&ledger, &job).await, Decided::Done);
        let done = Work::on(&ledger, &job).until_idle().await;
        assert_eq!((done.state, done.decided_by.as_deref(), deleted(&ledger).await), (JobState::Completed, Some("anna"), 2));
        let report = ledger.verify_audit(None).await.expect("followed");
        assert_eq!(report.fault_count, 0, "{report:?}");
    }

    async fn a_key_that_was_revoked_approves_nothing_that_was_not_carried_out_before(place: Place) {
        let ledger = place.ledger().await;
        let (anna, ben) = (Person::new("anna", 1), Person::new("ben", 2));
        anna.enrol(&ledger, true, None).await.expect("the first one");
        ben.enrol(&ledger, true, Some(&anna)).await.expect("by leave of anna");
        let job = awaiting(&ledger).await;
        assert_eq!(ben.approve(&ledger, &job).await, Decided::Done);
        ben.enrol(&ledger, false, Some(&anna)).await.expect("revoked");
        let job = Work::on(&ledger, &reload(&ledger, &job).await).until_idle().await;
        assert_eq!((job.state, job.counts.failed, deleted(&ledger).await), (JobState::Failed, 2, 0));
        let why = job.message.clone().unwrap_or_default();
        assert!(why.contains("not by the key of an approver: anna are"), "{why} {:?}", outcomes(&ledger, &job).await);
        // It is asked for anew, and what ben signed was signed at the time.
        let again = ledger.retry(&job, &by("tester"), 60_000).await.expect("asked").queued().expect("retried");
        let again = ledger.job(again).await.expect("asked").expect("there");
        assert!(matches!(ben.approve(&ledger, &again).await, Decided::Refused(_)));
        assert_eq!(anna.approve(&ledger, &again).await, Decided::Done);
        let done = Work::on(&ledger, &again).until_idle().await;
        assert_eq!((done.state, deleted(&ledger).await), (JobState::Completed, 2));
        assert_eq!(ledger.verify_audit(None).await.expect("followed").fault_count, 0);
    }
}

/// Another one that waits.
async fn awaiting_another(ledger: &Ledger) -> Job {
    use tenantry::testing::plan::Limits;
    use tenantry::testing::submit::{Rules, Submitted};

    let csv = "customer,user_principal_name\nA-1,user2@alpha.onmicrosoft.com\n";
    let rules = Rules {
        chunk_rows: 1,
        limits: Limits {
            approval: true,
            ..Limits::NONE
        },
    };
    match crate::place::TestJob::new(ledger, "delete-users", csv)
        .rules(rules)
        .submit()
        .await
    {
        Submitted::AwaitingApproval(id) => ledger.job(id).await.expect("asked").expect("there"),
        _ => panic!("the job does not wait for approval"),
    }
}

/// What people do at the command line, with `ssh-keygen` and without.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_approved_with_a_key_or_a_signature_of_ssh_keygen() {
    let place = Place::with_customer().await;
    let (anna, ben) = (Person::new("anna", 1), Person::new("ben", 2));
    for person in [&anna, &ben] {
        place.write(
            &format!("{}.pub", person.name),
            format!("{} {}@laptop\n", person.public, person.name),
        );
    }
    let id = |person: &Person| person.secret.display().to_string();
    place
        .tenantry(&["approvers", "add", "anna", "--key", "anna.pub"])
        .ends(0);
    let refused = place.tenantry(&["approvers", "add", "ben", "--key", "ben.pub"]).ends(2);
    assert!(
        refused.err.contains("the signature of an approver is needed, of anna"),
        "{}",
        refused.err
    );
    place
        .tenantry(&["approvers", "add", "ben", "--key", "ben.pub", "--sign-with", &id(&anna)])
        .ends(0);
    let refused = place.tenantry(&["policy", "set", "limits.rows", "5"]).ends(2);
    assert!(refused.err.contains("of anna, ben"), "{}", refused.err);
    place
        .tenantry(&["policy", "set", "limits.rows", "1", "--key", &id(&ben)])
        .ends(0);

    let rows = "customer,user_principal_name,first_name\nA-1,one@alpha.onmicrosoft.com,One\nA-1,two@alpha.onmicrosoft.com,Two\n";
    place.write("users.csv", rows);
    let submit = || {
        let told = place
            .tenantry(&["submit", "bulk-add-users", "users.csv", "--no-passwords", "--json"])
            .json();
        let job = told["job"].as_str().expect("a job").to_owned();
        let shown = place.tenantry(&["show", &job, "--json"]).ends(0).json();
        assert_eq!(shown["approval"]["reasons"][0], "2 rows, more than 1");
        (job, shown["approval"]["hash"].as_str().expect("a hash").to_owned())
    };
    let (job, hash) = submit();
    place
        .tenantry(&["approve", &job, "--hash", &hash, "--by", "boss"])
        .ends(2);
    let text = place.tenantry(&["approve", &job, "--to-sign"]).ends(0).out;
    assert!(
        text.contains(&job) && text.contains(&hash) && text.contains("bulk-add-users"),
        "{text}"
    );
    place.write("text", &text);
    let signed = std::process::Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "tenantry", "-f", &id(&anna)])
        .arg(place.path("text"))
        .status();
    match signed {
        Ok(status) => assert!(status.success()),
        // Where OpenSSH is not installed.
        Err(_) => {
            place.write("text.sig", anna.sign(&text));
        }
    }
    place.tenantry(&["approve", &job, "--signature", "text.sig"]).ends(0);
    let done = place.tenantry(&["apply", &job, "--json"]).ends(0).json();
    assert_eq!(
        (&done["counts"]["applied"], &done["approval"]["decided_by"]),
        (&2.into(), &"anna".into())
    );

    // The export alone is enough to check it, and tells a forgery.
    let export = place.tenantry(&["audit", "export", "--json"]).ends(0).out;
    place.write("audit.jsonl", &export);
    place.tenantry(&["audit", "verify", "--file", "audit.jsonl"]).ends(0);
    let listed = place.tenantry(&["approvers", "--json"]).ends(0).out;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    place
        .tenantry(&["approvers", "revoke", "ben", "--sign-with", &id(&anna)])
        .ends(0);
    let refused = place
        .tenantry(&["policy", "reset", "limits.rows", "--key", &id(&ben)])
        .ends(2);
    assert!(refused.err.contains("not by the key of an approver"), "{}", refused.err);
}
