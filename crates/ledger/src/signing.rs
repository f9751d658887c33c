//! Texts that approvers sign, and checks of their signatures: without a ledger, so that they are the same for a reader who has only a
//! copy of the audit record.

use tenantry_foundation::moment::rfc3339;
use tenantry_foundation::signature::{SignatureError, SigningKey, TextSignature};
use thiserror::Error;

use super::person;

/// Somebody whose signature approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// Whose it is.
    pub name: String,
    /// The OpenSSH public key.
    pub key: String,
    /// Since when, in milliseconds since the epoch.
    pub added_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

/// Why something is not approved by a signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotSigned {
    /// There is none.
    #[error(
        "the signature of an approver is needed, of {0}: sign with --key FILE, or name one with --signature FILE (`--to-sign` prints the text)"
    )]
    Missing(String),
    /// There is one, and nobody's key is enrolled.
    #[error("nobody's key is enrolled here, so no signature can be checked; `tenantry approvers add` enrols one")]
    NobodyEnrolled,
    /// By a key nobody has enrolled, or that was revoked.
    #[error("the signature is not by the key of an approver: {0} are")]
    Stranger(String),
    /// It is not what it says.
    #[error("{0}")]
    Bad(String),
    /// By the submitter.
    #[error("the signature is by {0}, who submitted the job; somebody else has to sign")]
    Own(String),
}

/// What was shown to be approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// By whom.
    pub name: String,
    /// What is recorded of it.
    pub note: String,
}

impl Approver {
    /// The holder of a key that a configuration names.
    pub(crate) fn trusted(key: &str) -> Self {
        Self {
            name: "approval.keys".to_owned(),
            key: key.to_owned(),
            added_at: 0,
            revoked_at: None,
        }
    }

    /// `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        SigningKey::parse(&self.key).map_or_else(|_| "a damaged key".to_owned(), |key| key.fingerprint())
    }
}

/// What an approver signs to let a job run.
pub fn job_text(job: &str, kind: &str, hash: &str, until: i64) -> String {
    signed_text(job, kind, hash, &rfc3339(until))
}

fn signed_text(job: &str, kind: &str, hash: &str, until: &str) -> String {
    format!("tenantry approves a job\njob {job}\nkind {kind}\nplan {hash}\nuntil {until}\n")
}

/// What an approver signs to have something decided: the `number` of the decision, and what it is.
pub fn decision_text(number: i64, what: &str) -> String {
    format!("tenantry approves a decision\nnumber {number}\n{what}\n")
}

/// Checks the signature of a `text` by one of `approvers`. `None` if there is none, and nobody was ever enrolled.
pub(crate) fn leave(approvers: &[Approver], text: &str, signature: Option<&str>) -> Result<Option<Leave>, NotSigned> {
    let valid: Vec<&Approver> = approvers.iter().filter(|one| one.revoked_at.is_none()).collect();
    let names = || match valid.as_slice() {
        [] => "nobody, since all keys were revoked".to_owned(),
        some => some.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "),
    };
    let Some(signature) = signature else {
        return match approvers {
            [] => Ok(None),
            _ => Err(NotSigned::Missing(names())),
        };
    };
    if approvers.is_empty() {
        return Err(NotSigned::NobodyEnrolled);
    }
    let bad = |error: SignatureError| NotSigned::Bad(error.to_string());
    let signature = TextSignature::parse(signature).map_err(bad)?;
    for approver in valid.iter().copied() {
        let Ok(key) = SigningKey::parse(&approver.key) else {
            continue;
        };
        if !key.is_of(&signature) {
            continue;
        }
        key.check(text, &signature).map_err(bad)?;
        let note = format!(
            "signed by {} {}\n{}",
            approver.name,
            key.fingerprint(),
            signature.on_one_line()
        );
        return Ok(Some(Leave {
            name: approver.name.clone(),
            note,
        }));
    }
    Err(NotSigned::Stranger(names()))
}

/// The signature in a note that [`leave`] made.
pub(crate) fn signature_in(note: &str) -> Option<&str> {
    let mut lines = note.lines().skip_while(|line| !line.starts_with("signed by "));
    lines.nth(1)
}

/// Whether an approver is who submitted a job as `name`, or has the account that it came from.
pub(crate) fn is_of_submitter(approver: &str, name: &str, via: Option<&str>) -> bool {
    let account = via
        .and_then(|via| via.split_once(' '))
        .and_then(|(_, account)| account.split('@').next());
    person::is_same(approver, name) || account.is_some_and(|account| person::is_same(approver, account))
}

/// How long there was to approve a job, as the note of an approval says it.
pub(crate) fn until_note(until: i64) -> String {
    format!("until {}", rfc3339(until))
}

fn until_in(note: &str) -> Option<&str> {
    note.lines().next()?.strip_prefix("until ")
}

/// The approval of a job, as it was recorded.
pub(crate) struct JobApproval<'r> {
    pub(crate) job: &'r str,
    pub(crate) kind: &'r str,
    pub(crate) hash: &'r str,
    /// Who submitted it, and by which way in.
    pub(crate) submitted: (&'r str, Option<&'r str>),
    pub(crate) note: &'r str,
}

/// Whether an approval holds now: whether it was signed by somebody whose key still counts, if any is enrolled, or `trusted` names some that
/// alone count.
pub(crate) fn holds(approvers: &[Approver], trusted: &[String], of: &JobApproval<'_>) -> Result<(), NotSigned> {
    if approvers.is_empty() && trusted.is_empty() {
        return Ok(());
    }
    let counts = |one: &&Approver| trusted.is_empty() || trusted.contains(&one.key);
    let counting: Vec<Approver> = approvers.iter().filter(counts).cloned().collect();
    let Some(signature) = signature_in(of.note) else {
        return Err(NotSigned::Bad("its approval is not signed".to_owned()));
    };
    let text = signed_text(of.job, of.kind, of.hash, until_in(of.note).unwrap_or_default());
    match leave(&counting, &text, Some(signature))? {
        Some(leave) if is_of_submitter(&leave.name, of.submitted.0, of.submitted.1) => Err(NotSigned::Own(leave.name)),
        Some(_) => Ok(()),
        None => Err(NotSigned::NobodyEnrolled),
    }
}

/// Follows who was enrolled through a chain of records, and checks what was signed.
#[derive(Debug, Default)]
pub(crate) struct SignatureCheck {
    approvers: Vec<Approver>,
    decisions: i64,
}

impl SignatureCheck {
    /// Who was enrolled so far.
    pub(crate) fn approvers(&self) -> &[Approver] {
        &self.approvers
    }

    /// What is wrong with what a record says was approved, if anything is: its action, its time, and what it has of a job.
    pub(crate) fn take(&mut self, action: &str, at: i64, of: &JobApproval<'_>) -> Option<String> {
        let note = of.note;
        let signature = signature_in(note);
        match action {
            "approved" => {
                let text = signed_text(of.job, of.kind, of.hash, until_in(note).unwrap_or_default());
                leave(&self.approvers, &text, signature)
                    .err()
                    .map(|why| why.to_string())
            }
            "enrolled" | "revoked" | "decided" => {
                self.decisions += 1;
                let what = note.lines().next().unwrap_or_default();
                let wrong = leave(&self.approvers, &decision_text(self.decisions, what), signature).err();
                let words: Vec<&str> = what.splitn(4, ' ').collect();
                if let ([_, sort, key, name], true) = (words.as_slice(), action != "decided") {
                    let key = format!("{sort} {key}");
                    match action {
                        "enrolled" => self.approvers.push(Approver {
                            name: (*name).to_owned(),
                            key,
                            added_at: at,
                            revoked_at: None,
                        }),
                        _ => self
                            .approvers
                            .iter_mut()
                            .filter(|one| one.key == key)
                            .for_each(|one| one.revoked_at = Some(at)),
                    }
                }
                wrong.map(|why| why.to_string())
            }
            _ => None,
        }
    }
}
