//! A worker serves every folder of the configuration that it can see: one task for each, which holds the folder while it looks
//! into it, takes what is ready, hands it in, and puts away what has ended.
//!
//! Nothing ends the serving of a folder but the end of the worker. A share that is away, a ledger that cannot be asked and a
//! folder of another installation are told once, shown by `doctor`, and tried again; the other folders and the jobs go on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::round::{FolderRound, Served};
use super::{Desk, FolderError, FolderRules};
use crate::backoff::Backoff;
use crate::config::FolderConfig;
use crate::ledger::drops::{FolderHold, FolderLook};
use crate::service::Service;
use crate::submit::Hand;

/// How long it takes until a folder that could not be served is tried again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// The folders that a worker serves.
#[derive(Clone, Default)]
pub(crate) struct Folders(Vec<(FolderConfig, Arc<Served>)>);

impl Folders {
    /// Those of the configuration that are to be served.
    pub(crate) fn new(configured: impl IntoIterator<Item = FolderConfig>) -> Self {
        let folders = configured
            .into_iter()
            .map(|config| (config, Arc::new(Served::default())));
        Self(folders.collect())
    }

    /// Serves them until `stop`. A worker carries small jobs out as it takes them in, by its `hand`.
    pub(crate) async fn serve(self, service: Service, hand: Option<Arc<dyn Hand>>, stop: CancellationToken) {
        let all = self.0.into_iter().map(|(config, served)| {
            let (service, hand, stop) = (service.clone(), hand.clone(), stop.clone());
            async move { Keeper::new(service, hand, config, served).serve(&stop).await }
        });
        futures::future::join_all(all).await;
    }

    /// Whether there is nothing in any of them that could be taken.
    pub(crate) fn have_nothing_to_take(&self) -> bool {
        self.0.iter().all(|(_, served)| served.is_quiet.load(Ordering::SeqCst))
    }

    /// Whether nothing is left to be done in any of them without somebody's decision.
    pub(crate) async fn are_quiet(&self, service: &Service) -> bool {
        for (config, served) in &self.0 {
            if !served.is_quiet.load(Ordering::SeqCst) {
                return false;
            }
            let is_at_work = match service.ledger.folder_named(&config.name).await {
                // What cannot be reached does not keep the worker.
                Ok(known) => match known.filter(|known| known.trouble.is_none()) {
                    Some(known) => service.ledger.drops_at_work(&known.id).await.map(|count| count > 0),
                    None => Ok(false),
                },
                Err(error) => Err(error),
            };
            if is_at_work.unwrap_or(true) {
                return false;
            }
        }
        true
    }
}

/// Serves one folder.
struct Keeper {
    service: Service,
    hand: Option<Arc<dyn Hand>>,
    rules: Arc<FolderRules>,
    served: Arc<Served>,
    owner: String,
    /// What was told last of why it cannot be served.
    told: Option<String>,
    /// Since when somebody else has been serving it.
    others: Option<Instant>,
}

impl Keeper {
    fn new(service: Service, hand: Option<Arc<dyn Hand>>, config: FolderConfig, served: Arc<Served>) -> Self {
        let owner = format!(
            "{}-{}-{}",
            crate::machine::host_name(),
            std::process::id(),
            service.ledger.clock().fresh_id()
        );
        let bom = service.settings.form.bom;
        Self {
            rules: Arc::new(FolderRules::new(config, bom)),
            service,
            hand,
            served,
            owner,
            told: None,
            others: None,
        }
    }

    fn lease(&self) -> Duration {
        self.service.settings.runner.lease
    }

    async fn serve(mut self, stop: &CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let pause = match self.serve_once(stop).await {
                Ok(pause) => {
                    failures = 0;
                    pause
                }
                Err(FolderError::Lost) => self.lease() / 4,
                Err(error) => {
                    failures += 1;
                    self.tell(&error).await;
                    BACKOFF.after(failures)
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// Tells of a folder that cannot be served, once for each reason.
    async fn tell(&mut self, error: &FolderError) {
        self.served
            .is_quiet
            .store(!matches!(error, FolderError::Db(_)), Ordering::SeqCst);
        let text = error.to_string();
        let name = &self.rules.name;
        if let Ok(Some(folder)) = self.service.ledger.folder_named(name).await {
            let _ = self
                .service
                .ledger
                .folder_looked_into(
                    &folder.id,
                    FolderLook {
                        ready: folder.ready,
                        trouble: Some(text.clone()),
                        watched: None,
                    },
                )
                .await;
        }
        if self.told.as_ref() != Some(&text) {
            tracing::warn!("folder {name} is not served: {text}");
            self.told = Some(text);
        }
    }

    /// Serves the folder while it is held. How long to wait before it is tried again.
    async fn serve_once(&mut self, stop: &CancellationToken) -> Result<Duration, FolderError> {
        let ledger = &self.service.ledger;
        let id = self.rules.layout.open(ledger, &self.rules.name).await?;
        let lease = self.lease().as_millis() as i64;
        let path = self.rules.layout.root.display().to_string();
        let Some(hold) = ledger.hold_folder(&id, &path, &self.owner, lease).await? else {
            // One who lives goes on holding it; one who is dead has lost it by then.
            let since = *self.others.get_or_insert_with(Instant::now);
            let is_alive = since.elapsed() > self.lease() * 2;
            self.served.is_quiet.store(is_alive, Ordering::SeqCst);
            return Ok(self.lease() / 4);
        };
        self.others = None;
        let desk = Desk {
            service: self.service.clone(),
            rules: self.rules.clone(),
            layout: self.rules.layout.clone(),
            hold,
        };
        let (hand, lease) = (self.hand.clone(), self.lease());
        let mut round = FolderRound::new(&desk, hand.as_deref(), self.served.clone()).await?;
        let kept = tokio::select! {
            kept = round.serve(&mut self.told, stop) => kept,
            () = renew(&desk, lease) => Err(FolderError::Lost),
        };
        self.let_go(&desk.hold, &kept).await;
        kept.map(|()| Duration::ZERO)
    }

    async fn let_go(&self, hold: &FolderHold, kept: &Result<(), FolderError>) {
        if matches!(kept, Err(FolderError::Lost)) {
            tracing::warn!("folder {}: another worker has taken it over", self.rules.name);
            return;
        }
        // Otherwise the lease runs out.
        if let Err(error) = self.service.ledger.let_go(hold).await {
            tracing::debug!(%error, "folder {} could not be let go of", self.rules.name);
        }
    }
}

/// Goes on holding a folder, until somebody else does.
async fn renew(desk: &Desk, lease: Duration) {
    loop {
        tokio::time::sleep(lease / 3).await;
        // A ledger that cannot be asked has not given the folder to anybody else either.
        if let Ok(false) = desk
            .service
            .ledger
            .renew_hold(&desk.hold, lease.as_millis() as i64)
            .await
        {
            return;
        }
    }
}
