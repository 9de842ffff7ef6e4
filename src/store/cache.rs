//! Wallets that were read lately, so that a read costs no SQLite. A copy is never authoritative: what lets a key sign is read
//! in the reserving transaction.
//!
//! A row read before a commit must not be put here after it. So a reader notes the generation before it reads, and what it read
//! is kept only if no commit has changed a wallet since.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::wallets::Wallet;
use crate::ids::{KeyArn, WalletId};
use crate::outcome::{Answer, Failure};

/// Wallets kept at most. When they are reached, all are let go: the next reads bring back what is in use.
const MAX_WALLETS: usize = 8192;

/// A wallet as it was read, with what was made of it since.
#[derive(Debug)]
pub struct CachedWallet {
    wallet: Wallet,
    view: OnceLock<Answer>,
}

impl CachedWallet {
    pub const fn new(wallet: Wallet) -> Self {
        Self { wallet, view: OnceLock::new() }
    }

    /// What callers see of the wallet, made once.
    pub fn view(&self, make: impl FnOnce(&Wallet) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        if let Some(view) = self.view.get() {
            return Ok(view.clone());
        }
        let view = make(&self.wallet)?;
        Ok(self.view.get_or_init(|| view).clone())
    }
}

impl Deref for CachedWallet {
    type Target = Wallet;

    fn deref(&self) -> &Wallet {
        &self.wallet
    }
}

#[derive(Default)]
pub struct WalletCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    generation: u64,
    by_id: HashMap<WalletId, Arc<CachedWallet>>,
    by_key: HashMap<KeyArn, WalletId>,
}

/// What a reader saw before it read.
pub struct Generation(u64);

impl WalletCache {
    pub fn by_id(&self, id: WalletId) -> Result<Arc<CachedWallet>, Generation> {
        let kept = self.lock();
        kept.by_id.get(&id).cloned().ok_or(Generation(kept.generation))
    }

    pub fn by_key(&self, key: &KeyArn) -> Result<Arc<CachedWallet>, Generation> {
        let kept = self.lock();
        let id = kept.by_key.get(key);
        id.and_then(|id| kept.by_id.get(id)).cloned().ok_or(Generation(kept.generation))
    }

    /// Keeps what was read, unless a wallet has changed since `before`.
    pub fn keep(&self, before: &Generation, wallet: Wallet) -> Arc<CachedWallet> {
        let wallet = Arc::new(CachedWallet::new(wallet));
        let mut kept = self.lock();
        if kept.generation == before.0 {
            if kept.by_id.len() >= MAX_WALLETS {
                kept.by_id.clear();
                kept.by_key.clear();
            }
            if let Some(key) = &wallet.kms_key_id {
                kept.by_key.insert(key.clone(), wallet.wallet_id);
            }
            kept.by_id.insert(wallet.wallet_id, Arc::clone(&wallet));
        }
        wallet
    }

    /// Lets changed wallets go. Called after the commit that changed them and before anyone is told of it.
    pub fn forget(&self, changed: &[WalletId]) {
        if changed.is_empty() {
            return;
        }
        let mut kept = self.lock();
        kept.generation = kept.generation.wrapping_add(1);
        for id in changed {
            kept.by_id.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
