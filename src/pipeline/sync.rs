//! How the way to MongoDB stands, for whoever asks the daemon. The background task that goes it keeps this true.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::config::SyncConfig;

/// Where wallets are copied to, and how that goes.
pub struct SyncState {
    pub config: SyncConfig,
    health: Mutex<SyncHealth>,
}

/// How copying goes.
#[derive(Debug, Clone)]
pub struct SyncHealth {
    /// Why the last attempt failed; `None` once one succeeded.
    pub last_error: Option<String>,
    /// Indexes that are not as they should be.
    pub index_problems: Vec<String>,
    /// So much waits that no wallet is made.
    pub is_full: bool,
    /// Failures in a row.
    pub failures: u32,
    /// Wallets that the next command may hold.
    pub batch: u32,
    /// When parked documents were last tried again.
    pub parked_tried: Option<Instant>,
}

impl SyncState {
    pub const fn new(config: SyncConfig) -> Self {
        let health = SyncHealth {
            last_error: None,
            index_problems: Vec::new(),
            is_full: false,
            failures: 0,
            batch: u32::MAX,
            parked_tried: None,
        };
        Self { config, health: Mutex::new(health) }
    }

    pub fn health(&self) -> SyncHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn update(&self, change: impl FnOnce(&mut SyncHealth)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What an operator should know, though signing goes on.
    pub(super) fn notes(&self) -> Vec<String> {
        let SyncHealth { last_error, is_full, .. } = self.health();
        let failing = last_error.map(|error| format!("sync: wallets do not get to MongoDB and wait here: {error}"));
        let full = is_full.then(|| "sync: so many wallets wait for MongoDB that no new one is made".to_owned());
        failing.into_iter().chain(full).collect()
    }
}
