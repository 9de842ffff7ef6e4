//! What this process is carrying out now: intents without an outcome, and PENDING wallets whose key is being made or looked
//! for. What the database holds open and is not here was left by a crash.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ids::WalletId;

/// Sequence and hash of an intent's record: the hash tells it from another that took its place after a failed commit.
type IntentId = (u64, [u8; 32]);

/// Shared by the writing thread and by whoever carries something out.
#[derive(Clone, Default)]
pub struct Live {
    intents: Members<IntentId>,
    pending: Members<WalletId>,
}

type Members<T> = Arc<Mutex<HashSet<T>>>;

/// One member, as long as this is held.
#[derive(Debug)]
pub struct Claim<T: Eq + Hash + Copy> {
    member: T,
    members: Members<T>,
}

pub type LiveIntent = Claim<IntentId>;
/// Nobody else makes or looks for this wallet's key.
pub type WalletClaim = Claim<WalletId>;

impl Live {
    pub fn intent(&self, id: IntentId) -> LiveIntent {
        lock(&self.intents).insert(id);
        Claim { member: id, members: Arc::clone(&self.intents) }
    }

    pub fn is_live(&self, id: &IntentId) -> bool {
        lock(&self.intents).contains(id)
    }

    /// `None` if somebody else has it.
    pub fn claim_wallet(&self, id: WalletId) -> Option<WalletClaim> {
        let mut members = lock(&self.pending);
        members.insert(id).then(|| Claim { member: id, members: Arc::clone(&self.pending) })
    }
}

impl<T: Eq + Hash + Copy> Drop for Claim<T> {
    fn drop(&mut self) {
        lock(&self.members).remove(&self.member);
    }
}

fn lock<T>(members: &Members<T>) -> std::sync::MutexGuard<'_, HashSet<T>> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}
