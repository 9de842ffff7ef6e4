//! What was asked of the emulator and what it did: tests hold the daemon's promises against it, for instance "exactly one
//! Sign". Kept in memory up to a bound, and appended to a file if there is one.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::faults::Fault;
use super::operations::Operation;
use crate::clock::Timestamp;
use crate::ids::Region;

/// Entries kept in memory; the oldest go first.
const CAPACITY: usize = 65_536;

/// One request, in the order in which effects happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Counts from 1 and has no holes.
    pub sequence: u64,
    pub at: Timestamp,
    pub region: Region,
    pub operation: Operation,
    /// The key's ARN; what the request named instead, if it was refused before a key was found.
    pub key: Option<String>,
    pub request_id: String,
    /// Whether something changed, or a signature was made. False for reads and for everything refused.
    pub effect: bool,
    /// The exception, if the request was refused.
    pub error: Option<String>,
    /// The fault that was scripted for it.
    pub fault: Option<Fault>,
    /// Of a signature: the digest in hex; for a RAW message its SHA-256.
    pub digest: Option<String>,
}

/// The log of one emulator.
#[derive(Debug)]
pub struct OperationLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<LogEntry>,
    last_sequence: u64,
    file: Option<File>,
}

impl OperationLog {
    pub(super) fn open(file: Option<&Path>) -> io::Result<Self> {
        let open = |path| OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        Ok(Self(Mutex::new(Inner { file: file.map(open).transpose()?, ..Inner::default() })))
    }

    /// The entries in memory behind sequence number `after` (0: all), oldest first.
    pub fn since(&self, after: u64) -> Vec<LogEntry> {
        self.lock().entries.iter().filter(|entry| entry.sequence > after).cloned().collect()
    }

    /// All entries in memory, oldest first.
    pub fn entries(&self) -> Vec<LogEntry> {
        self.since(0)
    }

    /// How often `operation` had its effect, as far as memory goes.
    pub fn effects(&self, operation: Operation) -> usize {
        self.lock().entries.iter().filter(|entry| entry.effect && entry.operation == operation).count()
    }

    /// Forgets what is in memory. The file, and the count, go on.
    pub fn clear(&self) {
        self.lock().entries.clear();
    }

    /// Adds an entry, whose sequence number is given here.
    pub(super) fn add(&self, mut entry: LogEntry) {
        let mut inner = self.lock();
        inner.last_sequence = inner.last_sequence.saturating_add(1);
        entry.sequence = inner.last_sequence;
        if let Some(file) = &mut inner.file {
            let line = serde_json::to_vec(&entry).map(|mut line| {
                line.push(b'\n');
                line
            });
            // One write a line, so that a kill leaves whole lines.
            if let Err(error) = line.map_err(io::Error::from).and_then(|line| file.write_all(&line)) {
                tracing::error!(%error, "the KMS emulator can't write its operation log");
            }
        }
        if inner.entries.len() >= CAPACITY {
            inner.entries.pop_front();
        }
        inner.entries.push_back(entry);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
