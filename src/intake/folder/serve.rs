//! A worker serves every folder of the configuration that it can see: one task for each, which holds the folder while it looks
//! into it, takes what is ready, hands it in, and puts away what has ended.
//!
//! Nothing ends the serving of a folder but the end of the worker. A share that is away, a ledger that cannot be asked and a
//! folder of another installation are told once, shown by `doctor`, and tried again; the other folders and the jobs go on.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claim;
use super::unsettled::Unsettled;
use super::watch::Watch;
use super::{Desk, FolderError, FolderRules, admit, ending, keep, ready, recover};
use crate::backoff::Backoff;
use crate::config::FolderConfig;
use crate::ledger::drops::{DroppedFile, FolderHold, FolderLook};
use crate::service::Service;

/// How often it is looked whether jobs have ended, while there are some.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Files handed in together.
const TOGETHER: usize = 256;
/// Files that have a directory in `working/` at once.
const MOST_OPEN: u64 = 2_048;
/// How often `working/` is looked through for what no record names.
const STRAYS_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether something was kept for long enough.
const REMOVE_EVERY: Duration = Duration::from_secs(600);
/// How long it takes until a folder that could not be served is tried again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
/// The same for what could not be handed in, or put away.
const AGAIN: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));

/// What a draining worker asks of a folder that it serves.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// Whether all that lay in the folder when it was looked into last was taken and handed in, or cannot be.
    is_quiet: AtomicBool,
}

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

    /// Serves them until `stop`.
    pub(crate) async fn serve(self, service: Service, stop: CancellationToken) {
        let all = self.0.into_iter().map(|(config, served)| {
            let (service, stop) = (service.clone(), stop.clone());
            async move { Keeper::new(service, config, served).serve(&stop).await }
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
    rules: Arc<FolderRules>,
    served: Arc<Served>,
    owner: String,
    /// What was told last of why it cannot be served.
    told: Option<String>,
    /// Since when somebody else has been serving it.
    others: Option<Instant>,
}

impl Keeper {
    fn new(service: Service, config: FolderConfig, served: Arc<Served>) -> Self {
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
        let (mut round, lease) = (Round::new(&desk, self.served.clone()).await?, self.lease());
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

/// A folder while it is held.
struct Round<'d> {
    desk: &'d Desk,
    served: Arc<Served>,
    watch: Watch,
    /// Taken, and not handed in yet.
    taken: Vec<DroppedFile>,
    /// Taken, and not whole.
    unsettled: Unsettled,
    /// Whether there may be files that were taken and have not ended, so that it is asked of nothing where there are none.
    has_open: bool,
    /// When what could not be handed in is tried again, and how often it was.
    again: Option<(Instant, u64)>,
    looked_for_strays: Instant,
    /// When what was kept for long enough is looked for.
    removes: Instant,
    shown: Option<FolderLook>,
}

impl<'d> Round<'d> {
    async fn new(desk: &'d Desk, served: Arc<Served>) -> Result<Self, FolderError> {
        Ok(Self {
            watch: Watch::new(&desk.rules).await?,
            unsettled: Unsettled::new(desk.rules.settles_in()),
            desk,
            served,
            taken: Vec::new(),
            has_open: true,
            again: None,
            looked_for_strays: Instant::now(),
            removes: Instant::now(),
            shown: None,
        })
    }

    async fn serve(&mut self, told: &mut Option<String>, stop: &CancellationToken) -> Result<(), FolderError> {
        let desk = self.desk;
        let recovered = recover::recover(desk).await?;
        admit::resume_refused(desk, recovered.refused).await?;
        self.taken = recovered.taken;
        self.unsettled.extend(recovered.unsure);
        if told.take().is_some() {
            tracing::info!("folder {} is served again", desk.rules.name);
        } else {
            let root = desk.layout.root.display();
            tracing::info!("serving folder {} at {root}", desk.rules.name);
        }
        while !stop.is_cancelled() {
            let mut is_busy = self.put_away().await?;
            self.look_for_strays().await?;
            self.remove_old().await?;
            self.taken.extend(self.unsettled.settled(desk).await?);
            let is_due = self.watch.look(desk).await?;
            is_busy |= self.take().await?;
            is_busy |= self.hand_in().await?;
            self.show(is_due).await?;
            if !is_busy {
                stop.run_until_cancelled(self.watch.wait(LOOK_EVERY)).await;
            }
        }
        Ok(())
    }

    /// Puts away what has ended. Whether there is more.
    async fn put_away(&mut self) -> Result<bool, FolderError> {
        if !self.has_open {
            return Ok(false);
        }
        let (more, changed) = ending::end_some(self.desk).await?;
        if !more && self.taken.is_empty() && changed.is_empty() {
            let desk = self.desk;
            self.has_open = desk.service.ledger.open_count(&desk.hold.folder).await? > 0;
        }
        self.unsettled.extend(
            changed
                .into_iter()
                .map(|drop| (drop, "changed after it had been read".to_owned())),
        );
        Ok(more)
    }

    async fn look_for_strays(&mut self) -> Result<(), FolderError> {
        if self.looked_for_strays.elapsed() >= STRAYS_EVERY {
            let found = recover::adopt_strays(self.desk).await?;
            self.has_open |= !found.is_empty();
            self.unsettled.extend(
                found
                    .into_iter()
                    .map(|drop| (drop, "found without a record".to_owned())),
            );
            self.looked_for_strays = Instant::now();
        }
        Ok(())
    }

    /// Removes what was kept for as long as it is to be.
    async fn remove_old(&mut self) -> Result<(), FolderError> {
        if let Some(keep) = self.desk.rules.config.keep
            && self.removes <= Instant::now()
        {
            let more = keep::remove_old(self.desk, keep).await?;
            self.removes = Instant::now() + if more { LOOK_EVERY } else { REMOVE_EVERY };
        }
        Ok(())
    }

    /// Takes what is ready, as much as may be at work at once.
    async fn take(&mut self) -> Result<bool, FolderError> {
        if !self.watch.has_more() || !self.taken.is_empty() {
            return Ok(false);
        }
        let desk = self.desk;
        let may = if desk.rules.holds {
            let folder = desk.service.ledger.folder_named(&desk.rules.name).await?;
            let is_held = folder.is_none_or(|folder| folder.held.is_some());
            let is_free = !is_held
                && self.unsettled.is_empty()
                && desk.service.ledger.drops_at_work(&desk.hold.folder).await? == 0;
            usize::from(is_free)
        } else {
            let open = desk.service.ledger.open_count(&desk.hold.folder).await?;
            (MOST_OPEN.saturating_sub(open) as usize).min(TOGETHER)
        };
        let ready = self.watch.ready(may).await?;
        if ready.is_empty() {
            return Ok(false);
        }
        let ready = if desk.rules.leaves {
            ready::untaken(desk, ready).await?
        } else {
            ready
        };
        let asked: Vec<PathBuf> = ready.iter().map(|one| one.file.clone()).collect();
        self.has_open = true;
        let taking = claim::take(desk, ready).await?;
        if desk.rules.leaves && taking.taken.len() < asked.len() {
            let taken: HashSet<&[u8]> = taking.taken.iter().map(|drop| drop.file.as_slice()).collect();
            let left = asked.iter().filter(|file| !taken.contains(file.as_os_str().as_bytes()));
            left.for_each(|file| self.watch.not_taken(file));
        }
        for one in taking.unmovable {
            self.watch.cannot_move(&one.file, &one.why);
        }
        self.taken = taking.taken;
        Ok(true)
    }

    /// Hands in what was taken. Whether anything was.
    async fn hand_in(&mut self) -> Result<bool, FolderError> {
        if self.taken.is_empty() || self.again.is_some_and(|(at, _)| at > Instant::now()) {
            return Ok(false);
        }
        let rest = self.taken.split_off(self.taken.len().min(TOGETHER));
        let portion = std::mem::replace(&mut self.taken, rest);
        let admitted = admit::admit(self.desk, portion).await?;
        self.unsettled.extend(admitted.unsettled);
        self.again = admitted.trouble.map(|why| {
            let times = self.again.map_or(0, |(_, times)| times) + 1;
            if times == 1 {
                tracing::warn!("folder {}: files wait to be handed in: {why}", self.desk.rules.name);
            }
            (Instant::now() + AGAIN.after(times), times)
        });
        self.taken.splice(0..0, admitted.later);
        Ok(self.again.is_none())
    }

    /// Shows where the folder stands, to whoever drains and to whoever asks the ledger.
    async fn show(&mut self, has_looked: bool) -> Result<(), FolderError> {
        let desk = self.desk;
        let held = desk.rules.holds
            && desk
                .service
                .ledger
                .folder_named(&desk.rules.name)
                .await?
                .is_some_and(|folder| folder.held.is_some());
        let is_quiet = self.watch.has_looked()
            && self.taken.is_empty()
            && self.unsettled.is_empty()
            && (held || !self.watch.has_more());
        self.served.is_quiet.store(is_quiet, Ordering::SeqCst);
        if !has_looked {
            return Ok(());
        }
        let look = FolderLook {
            ready: self.watch.pending(),
            trouble: None,
            watched: Some(self.watch.watched()),
        };
        if self.shown.as_ref() != Some(&look) {
            desk.service
                .ledger
                .folder_looked_into(&desk.hold.folder, look.clone())
                .await?;
            self.shown = Some(look);
        }
        Ok(())
    }
}
