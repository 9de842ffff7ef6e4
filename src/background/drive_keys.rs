//! Brings KMS after the wallets: the keys of wallets that were disabled, enabled, scheduled for deletion or saved from it are
//! changed in KMS until KMS says so itself, however often the process dies in between.
//!
//! It does only what a durable row asks for, and that row is there before KMS is asked, so whatever is interrupted is done again.
//! Each call of KMS leads to the same state when it is made twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::WalletId;
use crate::kms::{Answered, AttemptError, KeyChange, KeyDescription, Kms, KmsError};
use crate::metrics;
use crate::pipeline::Services;
use crate::store::StoreError;
use crate::store::key_drives::{DueDeletion, KeyDrive};
use crate::wallets::lifecycle::KeyState;

/// Keys that are driven at once.
const AT_ONCE: usize = 8;
/// Rows that are read at once.
const PART: usize = 64;
/// How long it waits where nobody nudges it.
const PERIOD: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// KMS refuses this key: somebody has to see to it.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// KMS does not answer: it will.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);
/// KMS takes up to a day longer than it says to delete a key.
const BETWEEN_LOOKS_AT_A_DUE_KEY: Duration = Duration::from_mins(15);

/// For a deletion whose window nobody knows any more, as after a restore.
const LONGEST_WINDOW_DAYS: u8 = 30;

/// What is not tried again yet.
#[derive(Default)]
struct Resting {
    drives: HashMap<WalletId, Rest>,
    deletions: HashMap<WalletId, Instant>,
    /// Passes in a row that KMS did not answer.
    silences: u32,
}

struct Rest {
    version: u64,
    tries: u32,
    until: Instant,
}

enum Work {
    Drive(KeyDrive),
    LookWhetherGone(DueDeletion),
}

/// How one piece of work ended.
enum Ended {
    /// Nothing is left to do for this version of the wallet.
    Settled(WalletId),
    /// To be tried again.
    Open { wallet_id: WalletId, version: u64, kms_answers: bool },
    /// The key is still there.
    NotGone { wallet_id: WalletId, kms_answers: bool },
}

/// Never returns: it remembers what it tried, and waits for nudges.
pub async fn drive_keys(services: Arc<Services>) -> Duration {
    let mut resting = Resting::default();
    loop {
        let pause = pass(&services, &mut resting).await;
        // Whichever comes first.
        let _ = tokio::time::timeout(pause, services.key_nudges.driven()).await;
    }
}

/// Drives what is ready. Gives how long nothing else will be.
async fn pass(services: &Arc<Services>, resting: &mut Resting) -> Duration {
    resting.forget_old();
    let work = match ready(services, resting) {
        Ok(work) => work,
        Err(error) => {
            tracing::warn!(%error, "the keys that KMS is to be brought to could not be read");
            return FIRST_PAUSE;
        }
    };
    let more = work.len() >= PART;
    let (mut work, mut running, mut kms_answers) = (work.into_iter(), JoinSet::new(), true);
    loop {
        while kms_answers
            && running.len() < AT_ONCE
            && let Some(one) = work.next()
        {
            running.spawn(carry_out(Arc::clone(services), one));
        }
        match running.join_next().await {
            Some(Ok(ended)) => kms_answers &= resting.note(&ended),
            Some(Err(error)) => tracing::error!(%error, "a key could not be driven"),
            None => break,
        }
    }
    if let Ok(summary) = services.store.key_drive_summary() {
        metrics::key_drives(summary.count);
    }
    resting.pause(kms_answers, more)
}

fn ready(services: &Services, resting: &Resting) -> Result<Vec<Work>, StoreError> {
    let now = Instant::now();
    let rested = |id, version| resting.drives.get(&id).is_none_or(|rest| rest.version != version || rest.until <= now);
    let drives = services.store.key_drives(PART, rested)?.into_iter().map(Work::Drive);
    let rested = |id| resting.deletions.get(&id).is_none_or(|until| *until <= now);
    let due = services.store.due_deletions(services.clock.now(), PART, rested)?.into_iter().map(Work::LookWhetherGone);
    Ok(drives.chain(due).collect())
}

async fn carry_out(services: Arc<Services>, work: Work) -> Ended {
    match work {
        Work::Drive(drive) => bring(&services, &drive).await,
        Work::LookWhetherGone(due) => look_whether_gone(&services, &due).await,
    }
}

/// Brings KMS to what the row asks for, and records how that went.
async fn bring(services: &Services, drive: &KeyDrive) -> Ended {
    let (wallet_id, version) = (drive.wallet_id(), drive.version());
    let mut request_ids = Vec::new();
    let reached = reach(&services.kms, drive, services.clock.now(), &mut request_ids).await;
    let (recorded, kms_answers) = match reached {
        Reached::There(date) => (services.store.record_driven(drive, date, request_ids).await.map(|_| true), true),
        Reached::Gone => (services.store.record_deleted(wallet_id, request_ids).await.map(|_| true), true),
        Reached::NotYet => (Ok(false), true),
        Reached::Failed { why, kms_answers } => {
            metrics::key_drive_failed();
            let wanted = drive.wanted();
            let news = services.store.record_not_driven(drive, why.clone(), request_ids).await;
            if matches!(news, Ok(true)) {
                tracing::error!(alarm = "key_drive", wallet = %wallet_id, %wanted, why, "a key could not be brought to its wallet's state");
            }
            (news.map(|_| false), kms_answers)
        }
    };
    crash_points::reach(CrashPoint::DriveRecorded);
    match recorded {
        Ok(true) => {
            tracing::info!(wallet = %wallet_id, wanted = %drive.wanted(), "KMS has followed the wallet");
            Ended::Settled(wallet_id)
        }
        Ok(false) => Ended::Open { wallet_id, version, kms_answers },
        Err(error) => {
            tracing::warn!(%error, wallet = %wallet_id, "what came of a key could not be recorded; it is driven again");
            Ended::Open { wallet_id, version, kms_answers }
        }
    }
}

/// How far a key came.
enum Reached {
    /// KMS says that the key is where it should be; with KMS's own time of its deletion, if it has one.
    There(Option<Timestamp>),
    /// KMS has deleted the key, and its time was over.
    Gone,
    /// KMS has taken the change and does not show it yet.
    NotYet,
    Failed {
        why: String,
        kms_answers: bool,
    },
}

async fn reach(kms: &Kms, drive: &KeyDrive, now: Timestamp, request_ids: &mut Vec<String>) -> Reached {
    /// From a cancelled deletion to a scheduled one, and one more.
    const MOST_CHANGES: usize = 3;
    let mut made: Option<(KeyChange, Option<KmsError>)> = None;
    for _ in 0..=MOST_CHANGES {
        let Answered { result, request_ids: ids } = kms.describe_key(drive.arn()).await;
        request_ids.extend(ids);
        let found = match result {
            Ok(found) => found,
            Err(error) if error.cause == AttemptError::NotFound && is_over(drive, now) => return Reached::Gone,
            Err(error) => return failed(error),
        };
        let accepted = made.as_ref().filter(|(_, error)| error.is_none()).map(|(change, _)| *change);
        let change = match toward(drive, &found, accepted) {
            Toward::There => return Reached::There(found.deletion_date),
            Toward::Stuck => return Reached::Failed { why: format!("the key is {} in KMS", found.key_state), kms_answers: true },
            Toward::Change(change) => change,
        };
        match made {
            Some((last, None)) if last == change => return Reached::NotYet,
            Some((last, Some(error))) if last == change => return failed(error),
            _ => {}
        }
        let Answered { result, request_ids: ids } = kms.change_key(drive, change).await;
        request_ids.extend(ids);
        made = match result {
            Ok(()) => Some((change, None)),
            // KMS may be in another state than it said: it is asked again.
            Err(error) if error.is_about_the_key() => Some((change, Some(error))),
            // Nothing had to be changed, as far as KMS says.
            Err(error) if error.cause == AttemptError::Denied && drive.wanted().is(&found.key_state) => {
                return Reached::There(found.deletion_date);
            }
            Err(error) => return failed(error),
        };
    }
    Reached::NotYet
}

/// The next step towards what is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Toward {
    There,
    Change(KeyChange),
    /// No call leads out of this state; it may end by itself.
    Stuck,
}

/// `accepted`: the change that KMS has taken last in this try. Without one, a key that KMS says is enabled (or disabled) is
/// enabled (or disabled) all the same: KMS may still show the state before the change before. A cancelled deletion leaves the key
/// disabled, whatever KMS shows.
fn toward(drive: &KeyDrive, found: &KeyDescription, accepted: Option<KeyChange>) -> Toward {
    use KeyState as K;
    let is = |state: KeyState| state.is(&found.key_state);
    match drive.wanted() {
        K::Enabled | K::Disabled if is(K::PendingDeletion) => Toward::Change(KeyChange::CancelDeletion),
        K::Enabled if is(K::Disabled) || (is(K::Enabled) && accepted != Some(KeyChange::Enable)) => {
            Toward::Change(KeyChange::Enable)
        }
        K::Disabled if is(K::Enabled) || (is(K::Disabled) && accepted.is_none()) => Toward::Change(KeyChange::Disable),
        K::Enabled if is(K::Enabled) => Toward::There,
        K::Disabled if is(K::Disabled) => Toward::There,
        // Scheduled before, for a time before the one that the caller was told.
        K::PendingDeletion if is(K::PendingDeletion) && is_early(drive, found) => Toward::Change(KeyChange::CancelDeletion),
        K::PendingDeletion if is(K::PendingDeletion) => Toward::There,
        K::PendingDeletion if is(K::Enabled) || is(K::Disabled) => {
            let window_days = drive.window_days().unwrap_or(LONGEST_WINDOW_DAYS);
            Toward::Change(KeyChange::ScheduleDeletion { window_days })
        }
        K::Enabled | K::Disabled | K::PendingDeletion => Toward::Stuck,
    }
}

/// Clocks differ by minutes at most: KMS takes no request of a clock that is wrong by more.
fn is_early(drive: &KeyDrive, found: &KeyDescription) -> bool {
    const SKEW_MILLIS: u64 = 60 * 60 * 1000;
    let (Some(told), Some(in_kms)) = (drive.deletion_date(), found.deletion_date) else { return false };
    in_kms.unix_millis().saturating_add(SKEW_MILLIS) < told.unix_millis()
}

fn is_over(drive: &KeyDrive, now: Timestamp) -> bool {
    drive.wanted() == KeyState::PendingDeletion && drive.deletion_date().is_some_and(|date| date <= now)
}

fn failed(error: KmsError) -> Reached {
    let kms_answers = answers(&error);
    Reached::Failed { why: error.into_failure().to_string(), kms_answers }
}

/// Whether the error is about this key alone: then the next one is worth a try.
const fn answers(error: &KmsError) -> bool {
    match error.cause {
        AttemptError::NotSent
        | AttemptError::NoCredentials
        | AttemptError::Throttled
        | AttemptError::Unavailable { .. }
        | AttemptError::Lost => false,
        AttemptError::Denied | AttemptError::NotFound | AttemptError::KeyState { .. } | AttemptError::Refused { .. } => true,
    }
}

/// Asks KMS about a key whose window has ended.
async fn look_whether_gone(services: &Services, due: &DueDeletion) -> Ended {
    let wallet_id = due.wallet_id;
    let Answered { result, request_ids } = services.kms.describe_key(&due.arn).await;
    match result {
        Err(error) if error.cause == AttemptError::NotFound => {
            match services.store.record_deleted(wallet_id, request_ids).await {
                Ok(ended) => {
                    crash_points::reach(CrashPoint::DeletionRecorded);
                    if ended {
                        tracing::info!(wallet = %wallet_id, "KMS has deleted the wallet's key");
                    }
                    Ended::Settled(wallet_id)
                }
                Err(error) => {
                    tracing::warn!(%error, wallet = %wallet_id, "a deletion could not be recorded");
                    Ended::NotGone { wallet_id, kms_answers: true }
                }
            }
        }
        Err(error) => Ended::NotGone { wallet_id, kms_answers: answers(&error) },
        Ok(_) => Ended::NotGone { wallet_id, kms_answers: true },
    }
}

impl Resting {
    /// What rested long ago was settled by others.
    fn forget_old(&mut self) {
        let old = Instant::now().checked_sub(BETWEEN_LOOKS_AT_A_DUE_KEY);
        self.drives.retain(|_, rest| old.is_none_or(|old| rest.until > old));
        self.deletions.retain(|_, until| old.is_none_or(|old| *until > old));
    }

    /// Returns whether KMS answered.
    fn note(&mut self, ended: &Ended) -> bool {
        match *ended {
            Ended::Settled(wallet_id) => {
                self.drives.remove(&wallet_id);
                self.deletions.remove(&wallet_id);
                true
            }
            // All wait then, not this one.
            Ended::Open { kms_answers: false, .. } | Ended::NotGone { kms_answers: false, .. } => false,
            Ended::Open { wallet_id, version, .. } => {
                let before = self.drives.get(&wallet_id).filter(|rest| rest.version == version);
                let tries = before.map_or(0, |rest| rest.tries.saturating_add(1));
                let until = Instant::now() + doubled(tries, LONGEST_PAUSE);
                self.drives.insert(wallet_id, Rest { version, tries, until });
                true
            }
            Ended::NotGone { wallet_id, .. } => {
                self.deletions.insert(wallet_id, Instant::now() + BETWEEN_LOOKS_AT_A_DUE_KEY);
                true
            }
        }
    }

    fn pause(&mut self, kms_answers: bool, more: bool) -> Duration {
        if !kms_answers {
            let pause = doubled(self.silences, LONGEST_SILENCE);
            self.silences = self.silences.saturating_add(1);
            return pause;
        }
        self.silences = 0;
        if more {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let next =
            self.drives.values().map(|rest| rest.until.saturating_duration_since(now)).filter(|left| !left.is_zero()).min();
        next.map_or(PERIOD, |next| next.min(PERIOD))
    }
}

fn doubled(times: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}
