//! Turns for work that keeps a processor busy: decoding and judging take up to a second, and nobody may take all turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns of all callers together, and of each uid.
pub struct Turns {
    all: Arc<Semaphore>,
    each: usize,
    of_uid: Mutex<HashMap<u32, Arc<Semaphore>>>,
}

/// A turn, as long as this is held.
pub struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Turns {
    /// `each`: most turns of one uid; fewer than `all`, so that a flood by one leaves some to the others.
    pub fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), each, of_uid: Mutex::default() }
    }

    /// Waits for a turn. `None` only if the turns were closed, which nobody does.
    pub async fn take(&self, uid: u32) -> Option<Turn> {
        let own = Arc::clone(self.lock().entry(uid).or_insert_with(|| Arc::new(Semaphore::new(self.each))));
        // First the uid's own: whoever waits for it keeps nothing from the others.
        let own = own.acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        self.lock().retain(|_, turns| Arc::strong_count(turns) > 1);
        Some(Turn { _own: own, _all: all })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<Semaphore>>> {
        self.of_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn one_uid_leaves_turns_to_others() {
        let turns = Turns::new(3, 2);
        let held = [turns.take(1).await.unwrap(), turns.take(1).await.unwrap()];
        let third = tokio::time::timeout(Duration::from_millis(50), turns.take(1)).await;
        assert!(third.is_err(), "a third of the same uid waits");
        let other = turns.take(2).await.unwrap();
        let more = tokio::time::timeout(Duration::from_millis(50), turns.take(3)).await;
        assert!(more.is_err(), "there are three in all");
        drop(other);
        turns.take(3).await.unwrap();
        drop(held);
        turns.take(1).await.unwrap();
        assert!(turns.lock().len() <= 2, "who has no turn is forgotten");
    }
}
