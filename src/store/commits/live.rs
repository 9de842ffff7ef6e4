//! What this process is carrying out now: intents without an outcome, PENDING wallets whose key is being made or looked
//! for, and guarded contents that are being signed. What the database holds open and is not here was left by a crash.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::guards::ContentHash;
use crate::ids::WalletId;

/// Sequence and hash of an intent's record: the hash tells it from another that took its place after a failed commit.
type IntentId = (u64, [u8; 32]);

/// Shared by the writing thread and by whoever carries something out.
#[derive(Clone, Default)]
pub struct Live {
    intents: Members<IntentId>,
    pending: Members<WalletId>,
    contents: Arc<Mutex<HashMap<ContentHash, Ending>>>,
}

type Members<T> = Arc<Mutex<HashSet<T>>>;

/// Resolves, with an error, when whoever signs a content is through with it.
type Ending = watch::Receiver<()>;

/// One member, as long as this is held.
#[derive(Debug)]
pub struct Claim<T: Eq + Hash + Copy> {
    member: T,
    members: Members<T>,
}

pub type LiveIntent = Claim<IntentId>;
/// Nobody else makes or looks for this wallet's key.
pub type WalletClaim = Claim<WalletId>;

/// Nobody else signs this content, or takes a guard from it.
#[derive(Debug)]
pub struct ContentClaim {
    content: ContentHash,
    contents: Arc<Mutex<HashMap<ContentHash, Ending>>>,
    /// Wakes those who wait, by being dropped.
    _end: watch::Sender<()>,
}

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

    /// When somebody signs the content: how to wait for the end of that.
    pub fn signing_of(&self, content: &ContentHash) -> Option<Ending> {
        lock(&self.contents).get(content).cloned()
    }

    /// `None` if somebody else signs it.
    pub fn claim_content(&self, content: ContentHash) -> Option<ContentClaim> {
        let mut contents = lock(&self.contents);
        if contents.contains_key(&content) {
            return None;
        }
        let (end, ending) = watch::channel(());
        contents.insert(content, ending);
        Some(ContentClaim { content, contents: Arc::clone(&self.contents), _end: end })
    }
}

impl Drop for ContentClaim {
    fn drop(&mut self) {
        lock(&self.contents).remove(&self.content);
    }
}

impl<T: Eq + Hash + Copy> Drop for Claim<T> {
    fn drop(&mut self) {
        lock(&self.members).remove(&self.member);
    }
}

fn lock<T>(members: &Mutex<T>) -> MutexGuard<'_, T> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}
