//! Looks for drift: keys that are in another state in KMS than their wallets say, though nothing here asked for it. One key after
//! the other and round again, slowly; at once a key that refused to sign.
//!
//! It tells and never undoes: an operator who disabled a key in AWS's console in an emergency must not be overruled. KMS is
//! eventually consistent, so it looks twice before it tells, and not at a wallet that has just changed.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::WalletId;
use crate::kms::{Answered, AttemptError};
use crate::metrics;
use crate::pipeline::Services;
use crate::store::StoreError;
use crate::store::drift::Watched;
use crate::wallets::lifecycle::Status;

/// Wallets whose ids are read at once.
const PAGE: u32 = 100;
/// A round takes this long at least, however few wallets there are.
const SHORTEST_ROUND: Duration = Duration::from_secs(10);
/// KMS may show the state before a change for so long.
const SETTLING: Duration = Duration::from_mins(1);
/// KMS may not find a key that is younger.
const YOUNG: Duration = Duration::from_mins(10);
const UNTIL_SECOND_LOOK: Duration = Duration::from_secs(2);
/// Between looks at a key that is known to drift.
const WHILE_DRIFTING: Duration = Duration::from_mins(1);
/// After an error of KMS or of the store.
const WHILE_ILL: Duration = Duration::from_secs(30);
/// Drift that is taken up again after a start.
const MOST_RESUMED: u32 = 1000;
/// What [`Watched::drift`] says of a key that KMS does not know.
const NOT_FOUND: &str = "NotFound";

/// A wallet that is to be looked at out of turn.
struct Look {
    at: Instant,
    /// The state that did not fit at the look before.
    seen: Option<String>,
}

#[derive(Default)]
struct Watch {
    looks: HashMap<WalletId, Look>,
    /// What is left of the page that was read last.
    page: VecDeque<WalletId>,
    after: Option<WalletId>,
    round_began: Option<Instant>,
    looked_out_of_turn: bool,
}

/// Why a look came to nothing; the next one waits.
enum Ill {
    Kms,
    Store,
}

impl From<StoreError> for Ill {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the keys' states could not be compared");
        Self::Store
    }
}

/// Never returns: it remembers where it is in its round.
pub async fn watch_keys(services: Arc<Services>) -> Duration {
    let rate = services.rules.drift_checks_per_second;
    let tick = Duration::from_secs(1).checked_div(rate).unwrap_or(Duration::from_secs(1));
    let mut watch = Watch::default();
    if let Ok(known) = services.store.drift(MOST_RESUMED) {
        watch.look_at(known.into_iter().map(|drift| drift.wallet_id).collect());
    }
    tell_count(&services);
    loop {
        // Before the first look too: a start asks KMS about no wallet.
        tokio::time::sleep(tick).await;
        watch.look_at(services.key_nudges.take_looks());
        let looked = match watch.next(&services, rate > 0) {
            Ok(Some(id)) => watch.look(&services, id).await,
            Ok(None) => {
                // Whichever comes first.
                let _ = tokio::time::timeout(watch.idle(), services.key_nudges.looked_at()).await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        if looked.is_err() {
            tokio::time::sleep(WHILE_ILL).await;
        }
    }
}

impl Watch {
    fn look_at(&mut self, ids: BTreeSet<WalletId>) {
        let now = Instant::now();
        for id in ids {
            self.looks.entry(id).and_modify(|look| look.at = look.at.min(now)).or_insert(Look { at: now, seen: None });
        }
    }

    /// The wallet to look at now. Those out of turn and those in turn take turns, so that neither waits for ever.
    fn next(&mut self, services: &Services, rounds: bool) -> Result<Option<WalletId>, Ill> {
        let now = Instant::now();
        let due = self.looks.iter().filter(|(_, look)| look.at <= now).min_by_key(|(_, look)| look.at).map(|(id, _)| *id);
        if due.is_some() && !(rounds && self.looked_out_of_turn) {
            self.looked_out_of_turn = true;
            return Ok(due);
        }
        self.looked_out_of_turn = false;
        if !rounds {
            return Ok(None);
        }
        Ok(self.in_turn(services)?.or(due))
    }

    fn in_turn(&mut self, services: &Services) -> Result<Option<WalletId>, Ill> {
        if self.page.is_empty() {
            let now = Instant::now();
            if self.after.is_none() {
                if self.round_began.is_some_and(|began| began + SHORTEST_ROUND > now) {
                    return Ok(None);
                }
                self.round_began = Some(now);
            }
            let page = services.store.wallets_with_keys(self.after, PAGE)?;
            self.after = page.last().copied();
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }

    /// How long nothing is due, if nobody nudges.
    fn idle(&self) -> Duration {
        let now = Instant::now();
        let next = self.looks.values().map(|look| look.at.saturating_duration_since(now)).min();
        next.map_or(SHORTEST_ROUND, |next| next.min(SHORTEST_ROUND))
    }

    /// Compares one key with its wallet.
    async fn look(&mut self, services: &Services, id: WalletId) -> Result<(), Ill> {
        let look = self.looks.remove(&id);
        let Some(watched) = services.store.watched(id)? else { return Ok(()) };
        let now = services.clock.now();
        let settled = age(watched.updated_at, now);
        if settled < SETTLING {
            if let Some(look) = look {
                self.looks.insert(id, Look { at: Instant::now() + SETTLING.saturating_sub(settled), ..look });
            }
            return Ok(());
        }
        let Answered { result, request_ids } = services.kms.describe_key(&watched.arn).await;
        let state = match result {
            Ok(found) => found.key_state,
            Err(error) if error.cause == AttemptError::NotFound => match missing(services, &watched, now) {
                Some(state) => state,
                None => return Ok(()),
            },
            Err(_) => {
                self.looks.extend(look.map(|look| (id, Look { at: Instant::now() + WHILE_DRIFTING, ..look })));
                return Err(Ill::Kms);
            }
        };
        let fits = watched.status.key_state().is_some_and(|expected| expected.is(&state));
        if fits {
            if watched.drift.is_some() && services.store.record_drift(&watched, None, request_ids).await? {
                tracing::info!(wallet = %id, status = %watched.status, "drift has ended");
                tell_count(services);
            }
            return Ok(());
        }
        let known = watched.drift.as_ref() == Some(&state);
        let again = look.is_some_and(|look| look.seen.as_ref() == Some(&state));
        if again && !known && services.store.record_drift(&watched, Some(state.clone()), request_ids).await? {
            crash_points::reach(CrashPoint::DriftRecorded);
            tracing::error!(
                alarm = "key_drift",
                wallet = %id,
                status = %watched.status,
                key_state = state,
                "a key is in another state in KMS than its wallet, and nothing here asked for it"
            );
            tell_count(services);
        }
        let pause = if again || known { WHILE_DRIFTING } else { UNTIL_SECOND_LOOK };
        self.looks.insert(id, Look { at: Instant::now() + pause, seen: Some(state) });
        Ok(())
    }
}

/// What it means that KMS does not know the key; `None` if that is as it should be.
fn missing(services: &Services, watched: &Watched, now: Timestamp) -> Option<String> {
    if watched.status == Status::PendingDeletion && watched.deletion_date.is_some_and(|date| date <= now) {
        services.key_nudges.drive();
        return None;
    }
    (age(watched.created_at, now) >= YOUNG).then(|| NOT_FOUND.to_owned())
}

fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(now.unix_millis().saturating_sub(since.unix_millis()))
}

fn tell_count(services: &Services) {
    if let Ok(count) = services.store.count_drift() {
        metrics::key_drift(count);
    }
}
