//! What runs when nobody calls: each task a name, a period and a function without input that may run at any time and twice.

mod drive_keys;
mod watch_keys;
pub mod outbox_to_mongo;
pub mod wallets_in_mongo;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::metrics;
use crate::pipeline::{Healed, KmsHealth, Services};

/// One run under way; it gives how long to wait for the next.
type Run = Pin<Box<dyn Future<Output = Duration> + Send>>;

/// A task. Its first run is at once; each run says when the next one is.
pub struct Task {
    pub name: &'static str,
    pub run: fn(Arc<Services>) -> Run,
}

pub static TASKS: &[Task] = &[
    Task { name: "sweep_unfinished", run: |services| Box::pin(sweep_unfinished(services)) },
    Task { name: "reconcile_keys", run: |services| Box::pin(reconcile_keys(services)) },
    Task { name: "find_orphans", run: |services| Box::pin(find_orphans(services)) },
    Task { name: "probe_kms", run: |services| Box::pin(probe_kms(services)) },
    Task { name: "watch_store", run: |services| Box::pin(watch_store(services)) },
    Task { name: "fold_metrics", run: |_| Box::pin(fold_metrics()) },
    Task { name: "outbox_to_mongo", run: |services| Box::pin(outbox_to_mongo::run(services)) },
    Task { name: "watch_outbox", run: |services| Box::pin(watch_outbox(services)) },
    Task { name: "prune_answers", run: |services| Box::pin(prune_answers(services)) },
    Task { name: "drive_keys", run: |services| Box::pin(drive_keys::drive_keys(services)) },
    Task { name: "watch_keys", run: |services| Box::pin(watch_keys::watch_keys(services)) },
];

/// Runs every task until the returned handles are aborted.
pub fn start(services: &Arc<Services>) -> Vec<tokio::task::JoinHandle<()>> {
    let spawn = |task: &'static Task| {
        let services = Arc::clone(services);
        tokio::spawn(async move {
            loop {
                let pause = (task.run)(Arc::clone(&services)).await;
                tracing::trace!(task = task.name, pause_ms = pause.as_millis(), "a background task ran");
                tokio::time::sleep(pause).await;
            }
        })
    };
    TASKS.iter().map(spawn).collect()
}

/// Keeps readiness true to what KMS answers, so that it turns green again without traffic.
async fn probe_kms(services: Arc<Services>) -> Duration {
    const WHILE_WELL: Duration = Duration::from_mins(1);
    const WHILE_ILL: Duration = Duration::from_secs(5);
    let before = services.kms_health();
    let now = services.probe_kms().await;
    match &now {
        KmsHealth::Fails(why) if before != now => tracing::warn!(why, "not ready: KMS does not answer"),
        KmsHealth::Answers if before != now => tracing::info!(region = %services.kms.region(), "KMS answers"),
        KmsHealth::Fails(_) | KmsHealth::Answers | KmsHealth::NotAsked => {}
    }
    if now == KmsHealth::Answers { WHILE_WELL } else { WHILE_ILL }
}

/// Tries the audit again after a write failed, so that readiness turns green again without traffic.
async fn watch_store(services: Arc<Services>) -> Duration {
    if let Err(why) = services.store.write_health()
        && services.store.record_daemon(format!("the audit can be written again, after: {why}")).await.is_ok()
    {
        tracing::info!("the audit can be written again");
    }
    Duration::from_secs(2)
}

/// Keeps the outbox's metrics true, and alarms when so much waits that no wallet is made.
async fn watch_outbox(services: Arc<Services>) -> Duration {
    const PERIOD: Duration = Duration::from_secs(2);
    let state = match services.store.outbox_state() {
        Ok(state) => state,
        Err(error) => {
            tracing::warn!(%error, "the outbox could not be counted");
            return PERIOD;
        }
    };
    let max_pending = services.sync.as_ref().map(|sync| sync.config.max_pending);
    metrics::outbox(state.waiting, state.parked, state.oldest_age(services.clock.now()), max_pending);
    if let (Some(sync), Some(max_pending)) = (&services.sync, max_pending) {
        let (rows, was_full) = (state.rows(), sync.health().is_full);
        let is_full = rows >= max_pending;
        sync.update(|health| health.is_full = is_full);
        if is_full && !was_full {
            tracing::error!(
                alarm = "sync_backlog",
                rows,
                max_pending,
                "so many wallets wait for MongoDB that no new one is made"
            );
        } else if was_full && !is_full {
            tracing::info!(rows, max_pending, "wallets are made again");
        }
    }
    PERIOD
}

async fn fold_metrics() -> Duration {
    metrics::fold_samples();
    Duration::from_secs(5)
}

/// Drops stored answers that are kept no longer.
async fn prune_answers(services: Arc<Services>) -> Duration {
    const PERIOD: Duration = Duration::from_hours(6);
    let kept = u64::try_from(services.rules.answer_retention.as_millis()).unwrap_or(u64::MAX);
    let before = Timestamp::from_unix_millis(services.clock.now().unix_millis().saturating_sub(kept));
    match services.store.prune_answers(before).await {
        Ok(0) => {}
        Ok(pruned) => tracing::info!(pruned, "stored answers were dropped after their time"),
        Err(error) => tracing::warn!(%error, "stored answers could not be pruned"),
    }
    PERIOD
}

/// Gives intents that a crash, or a store that could not be written, left open their outcome: unknown.
async fn sweep_unfinished(services: Arc<Services>) -> Duration {
    match services.store.sweep_unfinished().await {
        Ok(0) => {}
        Ok(swept) => {
            tracing::warn!(swept, "calls ended without an outcome: a signature or a key may exist, and nothing was released");
        }
        Err(error) => tracing::warn!(%error, "open intents could not be swept"),
    }
    Duration::from_mins(1)
}

/// Brings wallets whose creation was cut off to their keys.
async fn reconcile_keys(services: Arc<Services>) -> Duration {
    match services.reconcile_pending().await {
        Ok(Healed { healed: 0, .. }) => {}
        Ok(Healed { healed, left }) => tracing::info!(healed, left, "PENDING wallets were reconciled"),
        Err(error) => tracing::warn!(%error, "PENDING wallets could not be reconciled"),
    }
    count_keys(&services);
    (services.rules.reconcile_grace / 3).clamp(Duration::from_secs(1), Duration::from_mins(1))
}

/// Lists keys of this deployment that belong to no wallet.
async fn find_orphans(services: Arc<Services>) -> Duration {
    match services.find_orphans().await {
        Ok(0) => {}
        Ok(new) => {
            tracing::error!(alarm = "orphan_key", new, "keys of this deployment belong to no wallet: see `kmsign key orphans`");
        }
        Err(why) => tracing::warn!(why, "keys without a wallet could not be looked for"),
    }
    count_keys(&services);
    // A wallet's key that shows late is adopted in between, and listed by nobody.
    services.rules.reconcile_grace.saturating_mul(4).clamp(Duration::from_secs(2), Duration::from_hours(1))
}

fn count_keys(services: &Services) {
    let counted = services.store.count_pending().and_then(|pending| Ok((pending, services.store.count_orphans()?)));
    match counted {
        Ok(((pending, stuck), orphans)) => metrics::keys(pending, stuck, orphans),
        Err(error) => tracing::warn!(%error, "PENDING wallets and orphans could not be counted"),
    }
}
