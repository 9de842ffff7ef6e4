//! What the pipeline stands on, and whether it could sign and audit now.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;

use super::key_nudges::KeyNudges;
use crate::chains::fee_limits::FeeLimits;
use crate::chains::networks::Networks;
use crate::chains::tokens::Tokens;
use crate::clock::{Clock, Timestamp};
use crate::config::{Change, SyncConfig};
use crate::kms::Kms;
use crate::outcome::Failure;
use crate::policy::Policy;
use crate::store::Store;
use crate::transport::Readiness;
use crate::wallets::change::DeletionRules;

use super::sync::SyncState;
use super::turns::Turns;

/// Reads that take milliseconds or more and run at once.
const LONG_READS: usize = 4;

/// Contents that are decoded and judged at once. Most take less than a millisecond, a few a second.
const DECODING: usize = 16;
/// The same of one uid.
const DECODING_OF_ONE: usize = 6;

/// Everything a request may need. One for the life of the daemon.
pub struct Services {
    pub networks: Networks,
    pub store: Store,
    pub kms: Kms,
    pub clock: Arc<dyn Clock>,
    pub started_at: Timestamp,
    pub rules: Rules,
    pub content_rules: ContentRules,
    /// Wakes the tasks that keep wallets and keys together.
    pub key_nudges: KeyNudges,
    /// `None` where no MongoDB is configured: wallets then wait in the outbox.
    pub sync: Option<SyncState>,
    /// Long reads that may run at once, so that they leave threads to what cannot wait, such as a reload.
    pub(super) long_reads: Semaphore,
    /// The same for contents that are decoded and judged.
    pub(super) decoding: Turns,
    policy: RwLock<Arc<Policy>>,
    policy_problem: Mutex<Option<String>>,
    kms_health: Mutex<KmsHealth>,
    reloader: Reloader,
    /// One reload at a time: of two, the one that read last must be in force.
    reloading: Mutex<()>,
}

/// What the configuration settles for the life of the daemon.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether wallets of main networks may be made. Only `kmsignd dev` says no: its keys lie in the clear.
    pub mainnet: Mainnet,
    /// How long the answer to a requestId is kept.
    pub answer_retention: Duration,
    /// How long the key of a wallet whose creation was cut off is looked for before one more is made.
    pub reconcile_grace: Duration,
    pub deletion: DeletionRules,
    /// DescribeKey requests per second that look for drift; 0 looks at no key that does not refuse to sign.
    pub drift_checks_per_second: u32,
}

/// What the configuration knows of contents.
#[derive(Debug, Default)]
pub struct ContentRules {
    pub tokens: Tokens,
    pub max_fee: FeeLimits,
    pub allow_witness_utxo_only: bool,
}

/// What [`Services`] are made of.
pub struct Parts {
    pub networks: Networks,
    pub rules: Rules,
    pub content_rules: ContentRules,
    pub store: Store,
    pub kms: Kms,
    pub clock: Arc<dyn Clock>,
    pub sync: Option<SyncConfig>,
}

/// May wallets of main networks be made?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mainnet {
    Allowed,
    Refused,
}

/// Reads configuration and policy again; a bad file is an error that names it.
pub type Reloader = Box<dyn Fn() -> Result<(Policy, Vec<Change>), String> + Send + Sync>;

/// What admin_reload did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    pub changes: Vec<Change>,
    pub policy_digest: String,
}

/// What the last question to KMS came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KmsHealth {
    NotAsked,
    Answers,
    Fails(String),
}

impl Services {
    pub fn new(parts: Parts, policy: Policy, reloader: Reloader) -> Self {
        let Parts { networks, rules, content_rules, store, kms, clock, sync } = parts;
        if let Some(sync) = &sync {
            store.limit_outbox(sync.max_pending);
        }
        Self {
            sync: sync.map(SyncState::new),
            networks,
            rules,
            content_rules,
            store,
            key_nudges: KeyNudges::default(),
            kms,
            started_at: clock.now(),
            clock,
            long_reads: Semaphore::new(LONG_READS),
            decoding: Turns::new(DECODING, DECODING_OF_ONE),
            policy: RwLock::new(Arc::new(policy)),
            policy_problem: Mutex::default(),
            kms_health: Mutex::new(KmsHealth::NotAsked),
            reloader,
            reloading: Mutex::default(),
        }
    }

    /// The policies in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads configuration and policy again. Whatever is wrong with them leaves everything as it was.
    ///
    /// # Errors
    /// [`Failure::InvalidParams`] naming the file.
    pub fn reload_now(&self) -> Result<Reloaded, Failure> {
        let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.reloader)() {
            Ok((policy, changes)) => {
                let policy_digest = policy.digest().to_owned();
                *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
                *self.policy_problem.lock().unwrap_or_else(PoisonError::into_inner) = None;
                tracing::info!(policy_digest, changes = changes.len(), "configuration and policy were read again");
                Ok(Reloaded { changes, policy_digest })
            }
            Err(problem) => {
                tracing::error!(problem, "the reload was refused; what was in force stays");
                *self.policy_problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.clone());
                Err(Failure::invalid("configuration", problem))
            }
        }
    }

    /// Asks KMS whether it answers us, and remembers.
    pub async fn probe_kms(&self) -> KmsHealth {
        let health = match self.kms.probe().await {
            Ok(()) => KmsHealth::Answers,
            Err(failure) => KmsHealth::Fails(failure.to_string()),
        };
        *self.kms_health.lock().unwrap_or_else(PoisonError::into_inner) = health.clone();
        health
    }

    pub fn kms_health(&self) -> KmsHealth {
        self.kms_health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the daemon could sign and audit at this moment, and what an operator should know: why not, or what else is wrong.
    pub fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        match self.kms_health() {
            KmsHealth::Answers => {}
            KmsHealth::NotAsked => reasons.push("kms: not asked yet".to_owned()),
            KmsHealth::Fails(why) => reasons.push(format!("kms: {why}")),
        }
        if let Err(why) = self.store.write_health() {
            reasons.push(format!("audit: the store can't be written: {why}"));
        }
        match self.store.freezes() {
            Ok(freezes) => reasons.extend(freezes.iter().map(|freeze| format!("frozen {}: {}", freeze.scope, freeze.reason))),
            Err(error) => reasons.push(format!("store: it can't be read: {error}")),
        }
        let ready = reasons.is_empty();
        // Nobody who signs waits for MongoDB.
        reasons.extend(self.sync.iter().flat_map(SyncState::notes));
        // What was in force still is, so this stops nothing.
        if let Some(problem) = &*self.policy_problem.lock().unwrap_or_else(PoisonError::into_inner) {
            reasons.push(format!("reload: refused, the former configuration and policy are in force: {problem}"));
        }
        // Whoever changed those keys may have had to.
        if let Ok(count @ 1..) = self.store.count_drift() {
            let keys = if count == 1 { "1 key is" } else { &format!("{count} keys are") };
            reasons.push(format!("drift: {keys} in another state in KMS than here; admin_status lists them"));
        }
        Readiness { ready, reasons }
    }
}
