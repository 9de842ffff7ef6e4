//! Requests with a requestId that run now: a second call with the same id and content waits for the first one's end.
//!
//! Entries are made on the writing thread alone, and only where none stands, so an entry is its maker's until it leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::outcome::Outcome;
use crate::store::requests::RequestKey;

/// How a running call will end.
pub type Ending = watch::Receiver<Option<Outcome>>;

#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<RequestKey, (ContentHash, Ending)>>>);

type ContentHash = [u8; 32];

/// The running call's side: tells those who wait how it ended, and leaves the table when it is dropped.
pub struct Sharing {
    key: RequestKey,
    in_flight: InFlight,
    ending: watch::Sender<Option<Outcome>>,
}

impl InFlight {
    /// The content of the call that runs under `key`, and its ending.
    pub fn running(&self, key: &RequestKey) -> Option<(ContentHash, Ending)> {
        self.0.lock().ok()?.get(key).cloned()
    }

    pub fn enter(&self, key: RequestKey, content_hash: ContentHash) -> Sharing {
        let (ending, receiver) = watch::channel(None);
        if let Ok(mut running) = self.0.lock() {
            running.insert(key.clone(), (content_hash, receiver));
        }
        Sharing { key, in_flight: self.clone(), ending }
    }
}

impl Sharing {
    pub fn end(self, outcome: &Outcome) {
        self.ending.send_replace(Some(outcome.clone()));
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        if let Ok(mut running) = self.in_flight.0.lock() {
            running.remove(&self.key);
        }
    }
}
