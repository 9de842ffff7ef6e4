//! Copies wallets from the outbox to MongoDB, in the order in which they changed.
//!
//! Each wallet is upserted by `providerId`, guarded by its `version`, so what is sent twice changes nothing and nothing older
//! follows what is newer. A row leaves the outbox only after a majority of MongoDB has it in its journal. There is no limit on
//! attempts. A document that MongoDB refuses for good is parked, and tried again with its wallet's next version, after a restart,
//! and every hour; it holds up nobody else.
//!
//! It must never be waited for: neither signing nor creation knows whether MongoDB is there.

pub(super) mod connection;
mod indexes;
pub(super) mod versions;
mod write;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::connection::Connection;
use self::write::Written;
use crate::config::SyncConfig;
use crate::crash_points::{self, CrashPoint};
use crate::metrics;
use crate::pipeline::{Services, SyncState};
use crate::store::{Refused, Rows, StoreError};

pub use self::connection::MongoError;

/// Where nothing is configured there is nothing to do.
const NEVER: Duration = Duration::from_hours(24);
/// A look at the outbox without being told that a wallet has changed.
const IDLE: Duration = Duration::from_secs(30);
/// Parked documents are tried again so often: an operator may have changed what refused them.
const PARKED_AGAIN: Duration = Duration::from_hours(1);
/// Wallets in one command.
const BATCH: u32 = 500;

/// Checks `[sync]` as far as nobody needs to be asked for it: the connection string.
pub fn check(config: &SyncConfig) -> Result<(), MongoError> {
    connection::check(config)
}

/// Why copying stopped, until the next attempt.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Mongo(#[from] MongoError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Connects and copies until something fails; then gives how long to wait before the next attempt.
pub(super) async fn run(services: Arc<Services>) -> Duration {
    let Some(sync) = &services.sync else { return NEVER };
    match copy(&services, sync).await {
        Ok(never) => match never {},
        Err(stopped) => failed(sync, &stopped),
    }
}

async fn copy(services: &Services, sync: &SyncState) -> Result<Infallible, Stopped> {
    let connection = Connection::open(&sync.config).await?;
    let indexes = indexes::ensure(&connection).await?;
    metrics::outbox_index_problems(indexes.problems.len());
    sync.update(|health| health.index_problems = indexes.problems);
    let copying = Copying { services, sync, connection, provider_id_is_unique: indexes.provider_id_is_unique };
    loop {
        let mut left_over = copying.pass(Rows::Waiting).await?;
        if sync.health().parked_tried.is_none_or(|at| at.elapsed() >= PARKED_AGAIN) {
            left_over = copying.pass(Rows::Parked).await?.or(left_over);
            sync.update(|health| health.parked_tried = Some(Instant::now()));
        }
        let pause = match left_over {
            Some(error) => failed(sync, &error.into()),
            None => {
                well(sync);
                IDLE
            }
        };
        tokio::select! {
            () = services.store.wallet_changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct Copying<'a> {
    services: &'a Services,
    sync: &'a SyncState,
    connection: Connection,
    provider_id_is_unique: bool,
}

impl Copying<'_> {
    /// Goes through these rows once. Gives the last error that some of them met and that may pass; they stay as they are.
    async fn pass(&self, rows: Rows) -> Result<Option<MongoError>, Stopped> {
        let (store, mut after, mut left_over) = (&self.services.store, 0, None);
        loop {
            let size = self.sync.health().batch.clamp(1, BATCH);
            let page = store.outbox_page(rows, after, size)?;
            let Some(last) = page.last else { return Ok(left_over) };
            let Written { taken, there, refused, left, broken } =
                write::write(&self.connection, page.wallets, self.provider_id_is_unique).await;
            metrics::outbox_writes("acknowledged", taken.len());
            metrics::outbox_writes("already_there", there.len());
            metrics::outbox_writes("refused", refused.len());
            if !taken.is_empty() || !there.is_empty() {
                store.acknowledge([taken, there].concat()).await?;
                crash_points::reach(CrashPoint::OutboxAcknowledged);
            }
            if !refused.is_empty() {
                alarm(&store.park(refused).await?);
                crash_points::reach(CrashPoint::OutboxParked);
            }
            if let Some(error) = broken {
                // No answer: it may be slow rather than dead, and then takes less in its time. Else a document that is refused alone may
                // be in the way of the others, which only beside others can be told from a server that refuses everything.
                let slow = matches!(error, MongoError::NoAnswer { .. });
                let next = if slow { (size / 4).max(1) } else { size.saturating_mul(2).min(BATCH) };
                self.sync.update(|health| health.batch = next);
                return Err(error.into());
            }
            self.sync.update(|health| health.batch = size.saturating_mul(2).min(BATCH));
            left_over = left.or(left_over);
            after = last;
        }
    }
}

fn alarm(parked: &[Refused]) {
    for Refused { wallet_id, version, reason } in parked {
        tracing::error!(alarm = "sync_parked", %wallet_id, version, reason, "MongoDB refuses a wallet's document; it is parked");
    }
}

/// Notes the failure, and gives how long to wait.
fn failed(sync: &SyncState, error: &Stopped) -> Duration {
    metrics::outbox_writes("failed", 1);
    let error = error.to_string();
    let before = sync.health();
    if before.last_error.as_ref() == Some(&error) {
        tracing::debug!(error, "wallets do not get to MongoDB; they wait in the outbox");
    } else {
        tracing::warn!(error, "wallets do not get to MongoDB; they wait in the outbox");
    }
    let failures = before.failures.saturating_add(1);
    sync.update(|health| {
        health.last_error = Some(error);
        health.failures = failures;
    });
    backoff(failures)
}

fn well(sync: &SyncState) {
    if sync.health().last_error.is_some() {
        tracing::info!("wallets get to MongoDB again");
    }
    sync.update(|health| {
        health.last_error = None;
        health.failures = 0;
    });
}

/// Twice as long with each failure in a row, up to [`LONGEST`], and half of it by chance: daemons that lost the same server do not
/// come back together.
fn backoff(failures: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(30);
    let whole = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let half = whole / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
    // A random id is as good a die as any, and no other is in the tree.
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    half.saturating_add(Duration::from_millis(random % millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_half_a_minute_and_is_never_nothing() {
        for failures in 0..200 {
            let pause = backoff(failures);
            assert!((Duration::from_millis(125)..=Duration::from_secs(30)).contains(&pause), "{failures}: {pause:?}");
        }
        assert!(backoff(1) <= Duration::from_millis(250));
        assert!(backoff(9) >= Duration::from_secs(15));
    }
}
