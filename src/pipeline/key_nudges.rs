//! What requests tell the tasks that keep wallets and their keys together, so that those need not wait for their time.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ids::WalletId;

/// Wallets to look at that are kept at most; the others have their turn anyway.
const MAX_LOOKS: usize = 1000;

#[derive(Default)]
pub struct KeyNudges {
    drive: Notify,
    look: Notify,
    looks: Mutex<BTreeSet<WalletId>>,
}

impl KeyNudges {
    /// A wallet has changed, and KMS is to follow.
    pub fn drive(&self) {
        self.drive.notify_one();
    }

    /// Returns once a wallet has changed since the last time.
    pub async fn driven(&self) {
        self.drive.notified().await;
    }

    /// KMS said something that does not fit the wallet's state.
    pub fn look_at(&self, id: WalletId) {
        let mut looks = self.lock();
        if looks.len() < MAX_LOOKS {
            looks.insert(id);
        }
        drop(looks);
        self.look.notify_one();
    }

    /// Returns once there is a wallet to look at.
    pub async fn looked_at(&self) {
        self.look.notified().await;
    }

    /// The wallets to look at, each told once.
    pub fn take_looks(&self) -> BTreeSet<WalletId> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<WalletId>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
