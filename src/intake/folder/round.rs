//! A folder while it is held: what is taken, handed in and put away, beside each other.
//!
//! One portion of files is moved and recorded as taken, while the one before it is read and becomes jobs, the outcome of those
//! before is written, and those before these are put away. Each of the four is done by one portion at a time, so files become jobs in
//! the order in which they were taken. What waits for a disk is done for more files at once than become jobs in one transaction. A disk that is slow to confirm keeps only its own portion waiting. What goes through all files of the folder
//! is done while none of them is in hand.
//!
//! Small jobs end as they are handed in, by the worker's hand. Files that a worker before this one may have died over are recorded
//! before anything is done for them.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::admit::{self, Admitted};
use super::claim::{self, Taking};
use super::ending::{self, EndedFiles};
use super::observe::Observer;
use super::unsettled::Unsettled;
use super::watch::{self, LookedInto, Watch};
use super::{Desk, FolderError, keep, ready, recover};
use crate::backoff::Backoff;
use crate::ledger::drops::{DroppedFile, FolderLook};
use crate::submit::{Hand, JOBS_TOGETHER};

/// How often it is looked whether jobs have ended, while there are some.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Files taken together.
const TAKEN_TOGETHER: usize = 500;
/// Files that have a directory in `working/` at once.
const MOST_OPEN: u64 = 2_048;
/// How often `working/` is looked through for what no record names.
const STRAYS_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether something was kept for long enough.
const REMOVE_EVERY: Duration = Duration::from_secs(600);
/// How long it takes until what could not be handed in is tried again.
const AGAIN: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));

/// What a draining worker asks of a folder that it serves.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// Whether all that lay in the folder when it was looked into last was taken and handed in, or cannot be.
    pub(super) is_quiet: AtomicBool,
}

/// Something that is being done, unless it is not.
type Stage<'d, T> = Option<BoxFuture<'d, Result<T, FolderError>>>;

/// A folder while it is held.
pub(super) struct FolderRound<'d> {
    desk: &'d Desk,
    hand: Option<&'d dyn Hand>,
    served: Arc<Served>,
    watch: Watch,
    at_work: AtWork<'d>,
    /// Taken, and not handed in yet.
    taken: Vec<DroppedFile>,
    /// The last file that was taken by a worker before this one.
    taken_before: i64,
    /// Taken, and not whole.
    unsettled: Unsettled,
    /// Whether there may be files that were taken and have not ended, so that it is asked of nothing where there are none.
    has_open: bool,
    /// When it is looked for files whose jobs have ended, and whether some may have since it was begun last.
    ends: Instant,
    have_ended: bool,
    /// The first and the last file of those that are being put away, and what is put away next.
    being_put_away: Option<(i64, i64)>,
    ended: Option<EndedFiles>,
    /// When files are taken, where it could not be done at once.
    takes: Instant,
    /// When what could not be handed in is tried again, and how often it was.
    again: Option<(Instant, u64)>,
    looked_for_strays: Instant,
    /// When what was kept for long enough is looked for.
    removes: Instant,
    shown: Option<FolderLook>,
    /// Whether it was looked into, or files were taken, since that was shown.
    is_untold: bool,
}

/// What is done beside each other, each for one portion of files.
#[derive(Default)]
struct AtWork<'d> {
    looking: Stage<'d, LookedInto>,
    taking: Stage<'d, Took>,
    handing: Stage<'d, Admitted>,
    ending: Stage<'d, EndedFiles>,
    putting_away: Stage<'d, ()>,
}

/// What has been done of it.
enum Done {
    Looked(LookedInto),
    Took(Took),
    HandedIn(Admitted),
    Ended(EndedFiles),
    PutAway,
}

/// The outcome of taking.
struct Took {
    observer: Observer,
    is_nothing_ready: bool,
    asked: Vec<PathBuf>,
    taking: Taking,
}

impl AtWork<'_> {
    fn is_idle(&self) -> bool {
        self.looking.is_none()
            && self.taking.is_none()
            && self.handing.is_none()
            && self.ending.is_none()
            && self.putting_away.is_none()
    }

    /// The next of them that is done; never, if nothing is at work.
    async fn next(&mut self) -> Result<Done, FolderError> {
        tokio::select! {
            looked = done(&mut self.looking) => looked.map(Done::Looked),
            took = done(&mut self.taking) => took.map(Done::Took),
            admitted = done(&mut self.handing) => admitted.map(Done::HandedIn),
            ended = done(&mut self.ending) => ended.map(Done::Ended),
            put_away = done(&mut self.putting_away) => put_away.map(|()| Done::PutAway),
        }
    }
}

async fn done<T>(stage: &mut Stage<'_, T>) -> Result<T, FolderError> {
    let Some(work) = stage else {
        return std::future::pending().await;
    };
    let done = work.await;
    *stage = None;
    done
}

impl<'d> FolderRound<'d> {
    pub(super) async fn new(
        desk: &'d Desk,
        hand: Option<&'d dyn Hand>,
        served: Arc<Served>,
    ) -> Result<Self, FolderError> {
        let now = Instant::now();
        Ok(Self {
            watch: Watch::new(&desk.rules).await?,
            unsettled: Unsettled::new(desk.rules.settles_in()),
            at_work: AtWork::default(),
            desk,
            hand,
            served,
            taken: Vec::new(),
            taken_before: 0,
            has_open: true,
            ends: now,
            have_ended: false,
            being_put_away: None,
            ended: None,
            takes: now,
            again: None,
            looked_for_strays: now,
            removes: now,
            shown: None,
            is_untold: false,
        })
    }

    /// Serves it until `stop`, or until something fails.
    pub(super) async fn serve(
        &mut self,
        told: &mut Option<String>,
        stop: &CancellationToken,
    ) -> Result<(), FolderError> {
        let served = self.go_on(told, stop).await;
        // What has begun is finished while the folder is held, whatever this has ended of.
        while !self.at_work.is_idle() {
            match self.at_work.next().await {
                Ok(Done::Ended(ended)) => self.put_away(ended),
                Ok(Done::PutAway) => self.put_away_next(),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "folder {}: what was in hand could not be finished", self.desk.rules.name);
                }
            }
        }
        served
    }

    async fn go_on(&mut self, told: &mut Option<String>, stop: &CancellationToken) -> Result<(), FolderError> {
        let desk = self.desk;
        let recovered = recover::recover(desk).await?;
        admit::resume_refused(desk, recovered.refused).await?;
        self.taken_before = recovered.taken.last().map_or(0, |drop| drop.seq);
        self.taken = recovered.taken;
        self.unsettled.extend(recovered.unsure);
        if told.take().is_some() {
            tracing::info!("folder {} is served again", desk.rules.name);
        } else {
            let root = desk.layout.root.display();
            tracing::info!("serving folder {} at {root}", desk.rules.name);
        }
        while !stop.is_cancelled() {
            let is_pausing = self.see_to_strays_and_old().await?;
            self.taken.extend(self.unsettled.settled(desk).await?);
            self.show().await?;
            if !is_pausing {
                self.begin();
            }
            self.tell_ledger().await?;
            tokio::select! {
                done = self.at_work.next() => self.take_note(done?).await?,
                () = self.watch.wait(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Begins what there is something to be done of.
    fn begin(&mut self) {
        let (desk, hand, now) = (self.desk, self.hand, Instant::now());
        let (is_idle, at_work) = (self.at_work.is_idle(), &mut self.at_work);
        if let Some(observer) = self.watch.due() {
            at_work.looking = Some(watch::look(observer).boxed());
        }
        let may_end = at_work.ending.is_none() && self.ended.is_none();
        if may_end && self.has_open && (self.have_ended || self.ends <= now) {
            self.have_ended = false;
            at_work.ending = Some(ending::end_some(desk, self.being_put_away).boxed());
        }
        let may_be_tried = self.again.is_none_or(|(at, _)| at <= now);
        if at_work.handing.is_none() && !self.taken.is_empty() && may_be_tried {
            let rest = self.taken.split_off(self.taken.len().min(JOBS_TOGETHER));
            let portion = std::mem::replace(&mut self.taken, rest);
            let is_again = portion.iter().any(|drop| drop.seq <= self.taken_before);
            at_work.handing = Some(admit::admit(desk, portion, hand.filter(|_| !is_again)).boxed());
        }
        // One that holds at a failure has one file at a time.
        let has_turn = !desk.rules.holds
            || (is_idle && at_work.handing.is_none() && self.taken.is_empty() && self.unsettled.is_empty());
        // The next ones are there by the time the last ones are handed in.
        let may_take = self.taken.len() <= JOBS_TOGETHER && self.again.is_none();
        if at_work.taking.is_none()
            && may_take
            && has_turn
            && self.takes <= now
            && let Some(observer) = self.watch.lend()
        {
            self.has_open = true;
            at_work.taking = Some(take(desk, observer).boxed());
        }
    }

    async fn take_note(&mut self, done: Done) -> Result<(), FolderError> {
        match done {
            Done::Looked(looked) => {
                self.watch.looked(self.desk, looked)?;
                self.is_untold = true;
            }
            Done::Took(took) => self.took(took),
            Done::HandedIn(admitted) => self.handed_in(admitted),
            Done::Ended(ended) => self.ended(ended).await?,
            Done::PutAway => self.put_away_next(),
        }
        Ok(())
    }

    fn took(&mut self, took: Took) {
        let Took {
            observer,
            is_nothing_ready,
            asked,
            taking,
        } = took;
        self.watch.take_back(observer);
        self.is_untold = true;
        if is_nothing_ready {
            self.takes = Instant::now() + LOOK_EVERY;
        }
        if self.desk.rules.leaves && taking.taken.len() < asked.len() {
            let taken: HashSet<&[u8]> = taking.taken.iter().map(|drop| drop.file.as_slice()).collect();
            let left = asked.iter().filter(|file| !taken.contains(file.as_os_str().as_bytes()));
            left.for_each(|file| self.watch.not_taken(file));
        }
        for one in taking.unmovable {
            self.watch.cannot_move(&one.file, &one.why);
        }
        self.taken.extend(taking.taken);
    }

    fn handed_in(&mut self, admitted: Admitted) {
        self.unsettled.extend(admitted.unsettled);
        self.again = admitted.trouble.map(|why| {
            let times = self.again.map_or(0, |(_, times)| times) + 1;
            if times == 1 {
                tracing::warn!("folder {}: files wait to be handed in: {why}", self.desk.rules.name);
            }
            (Instant::now() + AGAIN.after(times), times)
        });
        self.taken.splice(0..0, admitted.later);
        // Small ones have ended by now.
        self.have_ended = true;
    }

    async fn ended(&mut self, mut ended: EndedFiles) -> Result<(), FolderError> {
        self.ends = Instant::now() + LOOK_EVERY;
        self.have_ended |= ended.more;
        if ended.is_nothing() && self.taken.is_empty() && self.at_work.is_idle() {
            let desk = self.desk;
            self.has_open = desk.service.ledger.open_count(&desk.hold.folder).await? > 0;
        }
        let changed = std::mem::take(&mut ended.changed).into_iter();
        self.unsettled
            .extend(changed.map(|drop| (drop, "changed after it had been read".to_owned())));
        self.put_away(ended);
        Ok(())
    }

    /// Puts away what was dealt with, at once or when what is being put away is.
    fn put_away(&mut self, ended: EndedFiles) {
        if self.at_work.putting_away.is_some() {
            self.ended = Some(ended);
            return;
        }
        let seqs = || ended.leaving.iter().map(|one| one.drop.seq);
        let Some(range) = seqs().min().zip(seqs().max()) else {
            if let Some(fault) = ended.fault {
                self.at_work.putting_away = Some(std::future::ready(Err(fault)).boxed());
            }
            return;
        };
        self.being_put_away = Some(range);
        let work = ending::put_away(self.desk, ended.leaving, ended.fault);
        self.at_work.putting_away = Some(work.boxed());
    }

    /// What was being put away is: there is room for others, and those that were passed over meanwhile may be looked at.
    fn put_away_next(&mut self) {
        (self.takes, self.being_put_away, self.have_ended) = (Instant::now(), None, true);
        if let Some(ended) = self.ended.take() {
            self.put_away(ended);
        }
    }

    /// Looks every now and then for what no record names, and for what was kept for as long as it is to be. Whether that is due and
    /// waits for what is in hand.
    async fn see_to_strays_and_old(&mut self) -> Result<bool, FolderError> {
        let is_due = self.looked_for_strays.elapsed() >= STRAYS_EVERY;
        if is_due && !self.at_work.is_idle() {
            return Ok(true);
        }
        if is_due {
            let found = recover::adopt_strays(self.desk).await?;
            self.has_open |= !found.is_empty();
            self.unsettled.extend(
                found
                    .into_iter()
                    .map(|drop| (drop, "found without a record".to_owned())),
            );
            self.looked_for_strays = Instant::now();
        }
        if let Some(keep) = self.desk.rules.config.keep
            && self.removes <= Instant::now()
        {
            let more = keep::remove_old(self.desk, keep).await?;
            self.removes = Instant::now() + if more { LOOK_EVERY } else { REMOVE_EVERY };
        }
        Ok(false)
    }

    /// Shows where the folder stands to a worker that drains.
    async fn show(&mut self) -> Result<(), FolderError> {
        let desk = self.desk;
        let held = desk.rules.holds && is_held(desk).await?;
        let is_quiet = self.watch.has_looked()
            && self.taken.is_empty()
            && self.at_work.taking.is_none()
            && self.at_work.handing.is_none()
            && self.unsettled.is_empty()
            && (held || !self.watch.has_more());
        self.served.is_quiet.store(is_quiet, Ordering::SeqCst);
        Ok(())
    }

    /// Shows where the folder stands to readers of the ledger, unless files are being looked at or taken.
    async fn tell_ledger(&mut self) -> Result<(), FolderError> {
        let desk = self.desk;
        if !self.is_untold {
            return Ok(());
        }
        let Some(ready) = self.watch.pending() else {
            return Ok(());
        };
        self.is_untold = false;
        let look = FolderLook {
            ready,
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

/// Takes what is ready, as much as may be at work at once.
async fn take(desk: &Desk, observer: Observer) -> Result<Took, FolderError> {
    let ledger = &desk.service.ledger;
    let may = if desk.rules.holds {
        let is_free = !is_held(desk).await? && ledger.drops_at_work(&desk.hold.folder).await? == 0;
        usize::from(is_free)
    } else {
        let open = ledger.open_count(&desk.hold.folder).await?;
        (MOST_OPEN.saturating_sub(open) as usize).min(TAKEN_TOGETHER)
    };
    let (observer, ready) = watch::ready(observer, may).await?;
    let is_nothing_ready = ready.is_empty();
    let ready = if desk.rules.leaves {
        ready::untaken(desk, ready).await?
    } else {
        ready
    };
    let asked = ready.iter().map(|one| one.file.clone()).collect();
    Ok(Took {
        is_nothing_ready,
        asked,
        taking: claim::take(desk, ready).await?,
        observer,
    })
}

/// Whether nothing is taken before somebody releases the folder.
async fn is_held(desk: &Desk) -> Result<bool, FolderError> {
    let folder = desk.service.ledger.folder_named(&desk.rules.name).await?;
    Ok(folder.is_none_or(|folder| folder.held.is_some()))
}
