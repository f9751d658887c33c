//! The intents of a chunk's rows: what their steps are about to do, before it is done, and what it came to.
//!
//! The service cannot be told to take calls only from the holder of the chunk's lease. So the worker looks up right before each call
//! whether it holds the lease ([`Steps::hold`]): a worker that was stopped, or starved, sends nothing when it goes on.
//!
//! The runner gives a session the steps of each row. What a step finds and leaves, its image, is the store's own text here;
//! an undo of the row is given it again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};

use uuid::Uuid;

use tenantry_foundation::db::DbError;
use tenantry_foundation::lock::lock;
use tenantry_foundation::passwords::PasswordRow;
use tenantry_ledger::intents::{HANDED_OUT, Intent, Intents, request_id};
use tenantry_ledger::{Claim, Ledger};

/// The intents of a chunk's rows.
pub struct Journal {
    ledger: Ledger,
    claim: Claim,
    intents: Mutex<Intents>,
    /// Until when the lease is known to be held, in milliseconds since the epoch.
    held_until: AtomicI64,
}

impl Journal {
    /// The journal of a chunk, with what earlier attempts intended.
    pub async fn open(ledger: &Ledger, claim: &Claim) -> Result<Self, DbError> {
        Ok(Self {
            intents: Mutex::new(ledger.intents(claim).await?),
            ledger: ledger.clone(),
            claim: claim.clone(),
            held_until: AtomicI64::new(0),
        })
    }

    /// The steps of a row.
    pub fn steps(&self, row: u64) -> Steps<'_> {
        Steps { journal: self, row }
    }

    /// Returns while the chunk's lease is held for some time yet.
    async fn hold(&self) -> Result<(), DbError> {
        // Asking may itself have taken longer than the lease is for.
        while self.ledger.clock().now_millis() >= self.held_until.load(Ordering::Relaxed) {
            let until = self.ledger.held_until(&self.claim).await?;
            self.held_until.store(until, Ordering::Relaxed);
        }
        Ok(())
    }

    fn intents(&self) -> MutexGuard<'_, Intents> {
        lock(&self.intents)
    }
}

/// The steps of one row. A step is known by its name, and names of one row begin alike where they are counted together.
#[derive(Clone, Copy)]
pub struct Steps<'j> {
    journal: &'j Journal,
    row: u64,
}

impl Steps<'_> {
    /// The row's number, from 1.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// What is known of a step.
    pub fn known(&self, step: &str) -> Option<Intent> {
        self.journal.intents().get(&(self.row, step.to_owned())).cloned()
    }

    /// What a step found, if the row got that far.
    pub fn image(&self, step: &str) -> Option<String> {
        self.known(step)
            .map(|intent| intent.image)
            .filter(|image| !image.is_empty())
    }

    /// What a step came to, if it is done.
    pub fn result(&self, step: &str) -> Option<String> {
        self.known(step)?.result
    }

    /// Whether a row of this job has had such a step come to this.
    pub async fn is_ours(&self, step: &str, result: &str) -> Result<bool, DbError> {
        let Journal { ledger, claim, .. } = self.journal;
        ledger.has_result(claim, step, result).await
    }

    /// How many steps whose names begin so are done.
    pub fn count(&self, prefix: &str) -> usize {
        self.select(|step, intent| step.starts_with(prefix) && intent.result.is_some())
            .len()
    }

    /// The images of the steps that are done, of those that have one.
    pub fn done_images(&self) -> Vec<String> {
        let done = self.select(|_, intent| intent.result.is_some() && !intent.image.is_empty());
        done.into_iter().map(|(_, intent)| intent.image).collect()
    }

    /// The steps whose names begin so and of which it is not known whether they are done, with their images.
    pub fn unknown(&self, prefix: &str) -> Vec<(String, String)> {
        let unknown = self.select(|step, intent| step.starts_with(prefix) && intent.result.is_none());
        unknown.into_iter().map(|(step, intent)| (step, intent.image)).collect()
    }

    fn select(&self, takes: impl Fn(&str, &Intent) -> bool) -> Vec<(String, Intent)> {
        let intents = self.journal.intents();
        let own = intents.iter().filter(|((row, _), _)| *row == self.row);
        own.filter(|((_, step), intent)| takes(step, intent))
            .map(|((_, step), intent)| (step.clone(), intent.clone()))
            .collect()
    }

    /// Whether an attempt at this row got as far as any step.
    pub fn has_begun(&self) -> bool {
        self.journal.intents().keys().any(|(row, _)| *row == self.row)
    }

    /// Whether an attempt at this row got as far as this step.
    pub fn has_begun_step(&self, step: &str) -> bool {
        self.known(step).is_some()
    }

    /// Whether an attempt at this row got as far as this step, or one of those that it consists of (`step ...`).
    pub fn has_begun_part(&self, step: &str) -> bool {
        let is_part = |name: &str| {
            name.strip_prefix(step)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let intents = self.journal.intents();
        intents.keys().any(|(row, name)| *row == self.row && is_part(name))
    }

    /// Notes that a user has been given a password: `account` names the user in its store.
    pub async fn note_password(&self, account: &str) -> Result<(), DbError> {
        let Journal { ledger, claim, .. } = self.journal;
        ledger.note_password(claim, account).await
    }

    /// Whether the passwords of the job's accounts are handed out.
    pub fn hands_out(&self) -> bool {
        !self.journal.claim.parameters.seal_to.is_empty()
    }

    /// Whether a row that has not ended well has had its password handed out.
    pub fn has_handed_out(&self) -> bool {
        self.has_begun_step(HANDED_OUT)
    }

    /// What this attempt at the chunk is called, among those of all jobs.
    pub fn attempt(&self) -> String {
        let claim = &self.journal.claim;
        format!("{}.{}", claim.job, claim.attempt)
    }

    /// When the job was made, in milliseconds; nothing of it was sent before.
    pub fn since_millis(&self) -> i64 {
        let made = self.journal.claim.job_id.0.get_timestamp().map(|made| made.to_unix());
        made.map_or(0, |(seconds, nanos)| {
            seconds as i64 * 1000 + i64::from(nanos / 1_000_000)
        })
    }

    /// The id that a call of this step is sent under, after that many were answered.
    pub fn request_id(&self, step: &str, generation: i64) -> Uuid {
        request_id(self.journal.claim.job_id, self.row, step, generation)
    }

    /// The id this step was sent under last.
    pub fn sent_as(&self, step: &str) -> Option<Uuid> {
        let intent = self.known(step)?;
        Some(self.request_id(step, intent.generation))
    }

    /// Returns if the chunk is still this worker's, and nobody else's before the lease runs out. Called right before something is sent.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] if it is not.
    pub async fn hold(&self) -> Result<(), DbError> {
        self.journal.hold().await
    }

    /// Commits the intent to do a step, before it is done.
    pub async fn intend(&self, step: &str, generation: i64, image: String) -> Result<(), DbError> {
        let place = self.select(|_, _| true).len() as i64;
        let intent = Intent {
            generation,
            result: None,
            image,
            place,
            is_inherited: false,
        };
        self.begin(step, intent).await?;
        tenantry_foundation::failpoint::hit("after-intent");
        Ok(())
    }

    /// Makes a step of the job that this one tries again one of this job.
    pub async fn adopt(&self, step: &str, theirs: Intent) -> Result<(), DbError> {
        let is_inherited = false;
        self.begin(step, Intent { is_inherited, ..theirs }).await
    }

    async fn begin(&self, step: &str, intent: Intent) -> Result<(), DbError> {
        let Journal {
            ledger,
            claim,
            held_until,
            ..
        } = self.journal;
        let until = ledger.intend(claim, self.row, step, &intent).await?;
        held_until.store(until, Ordering::Relaxed);
        self.journal.intents().insert((self.row, step.to_owned()), intent);
        Ok(())
    }

    /// Records what a step came to: what of it is to be remembered, never a secret. A password that the step was answered
    /// with is kept sealed.
    pub async fn settle(&self, step: &str, result: &str, password: Option<&PasswordRow>) -> Result<(), DbError> {
        tenantry_foundation::failpoint::hit("after-answer");
        let Journal { ledger, claim, .. } = self.journal;
        let password = password.cloned();
        ledger.settle(claim, self.row, (step, result), password).await?;
        tenantry_foundation::failpoint::hit("after-settle");
        if let Some(intent) = self.journal.intents().get_mut(&(self.row, step.to_owned())) {
            intent.result = Some(result.to_owned());
        }
        Ok(())
    }
}
