//! The local store: SQLite in WAL mode with `synchronous=FULL` and STRICT tables.
//!
//! One thread writes ([`writer`]); readers run beside it and see what is committed. The file is 0600 from birth. What is
//! written together is decided in [`commits`] and nowhere else. Start-up reads no wallet.
//!
//! It must never overwrite a file it does not understand, and never hold a transaction across a call to the network.

pub mod backup;
pub mod commits;
pub mod drift;
pub mod key_drives;
pub mod restore;
pub mod wallets;
pub mod writer;

mod audit;
mod cache;
mod freezes;
mod guards;
mod log_folder;
mod open;
mod orphans;
mod outbox;
mod pending_keys;
mod requests;
mod restore_file;
mod restored_wallets;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use self::cache::WalletCache;
use self::commits::{InFlight, Live};
use self::log_folder::LogFolder;
use self::trust::Trust;
use self::writer::Writer;
use crate::audit::hash_chain::Head;
use crate::clock::{Clock, Timestamp};
use crate::crash_points::{self, CrashPoint};

pub use self::audit::{AuditPage, AuditRow};
pub use self::cache::CachedWallet;
pub use self::freezes::Freeze;
pub use self::guards::InTheWay;
pub use self::open::OpenError;
pub use self::orphans::{NewOrphan, Orphan};
pub use self::outbox::{OutboxPage, OutboxState, Refused, Rows};
pub use self::pending_keys::StuckWallet;

/// Readers kept open for reuse; more are opened under load and closed again.
const READERS: usize = 8;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store is closed")]
    Closed,
    #[error("the transaction could not be made durable")]
    NotDurable,
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database file is damaged ({0}), so nothing more is written to it; stop kmsignd and restore it from a backup")]
    Damaged(String),
    #[error("the disk did not keep what was written ({0}), so nothing more is written to it; mend the disk and restart kmsignd")]
    Unsynced(String),
    #[error("the store holds something it must not: {0}")]
    Corrupt(String),
    #[error("a record could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The open store.
pub struct Store {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    cache: Arc<WalletCache>,
    in_flight: InFlight,
    live: Live,
    /// Rows of the outbox at which no wallet is made.
    max_pending: AtomicU64,
    trust: Trust,
    // Held for the life of the store: no second daemon may write it.
    _lock: open::StoreLock,
}

impl Store {
    /// Opens or makes the database at `path`, migrates it, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`], with what to do, if another process holds the store, the file is foreign, damaged, of a newer version or not
    /// wholly restored, or the directory does not let us.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let lock = open::StoreLock::take(path)?;
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        trust::read_from_disk(path).map_err(io)?;
        let connection = open::open_for_writing(path)?;
        open::check_restored(path, &connection)?;
        Self::start(path, clock, lock, connection)
    }

    fn start(path: &Path, clock: Arc<dyn Clock>, lock: open::StoreLock, connection: Connection) -> Result<Self, OpenError> {
        let head = audit::head(&connection).map_err(|error| OpenError::damaged(path, &error))?;
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let trust = Trust::default();
        let log = LogFolder::start(open::reopen(path)?, trust.clone()).map_err(io)?;
        let cache = Arc::new(WalletCache::default());
        let writer = Writer::start(connection, head, Arc::clone(&cache), log, trust.clone()).map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            clock,
            writer,
            readers: Mutex::default(),
            cache,
            in_flight: InFlight::default(),
            live: Live::default(),
            max_pending: AtomicU64::new(u64::MAX),
            trust,
            _lock: lock,
        })
    }

    /// Why the last transaction could not be written, if it could not: the audit is then not writable.
    pub fn write_health(&self) -> Result<(), String> {
        self.writer.health()
    }

    /// Drops stored answers older than `before`; their requestIds stay taken. Returns how many.
    pub async fn prune_answers(&self, before: Timestamp) -> Result<usize, StoreError> {
        const PART: usize = 1000;
        let mut pruned: usize = 0;
        loop {
            let part =
                self.writer.submit(move |transaction| requests::prune(transaction.connection, before, PART)).durable().await?;
            crash_points::reach(CrashPoint::AnswersPruned);
            pruned = pruned.saturating_add(part);
            if part < PART {
                return Ok(pruned);
            }
        }
    }

    /// Bytes of the database file and its write-ahead log.
    pub fn bytes_on_disk(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        size(&self.path).saturating_add(size(Path::new(&log)))
    }

    /// The audit chain's head as of the last committed transaction.
    pub fn audit_head(&self) -> Result<Head, StoreError> {
        self.read(audit::head)
    }

    /// Runs `query` on a reader. Point reads take microseconds, so they run where they are called; long ones belong in a
    /// blocking task.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let pooled = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        let reader = match pooled {
            Some(reader) => reader,
            None => open::open_for_reading(&self.path)?,
        };
        let result = query(&reader).inspect_err(|error| {
            if let StoreError::Sqlite(error) = error {
                self.trust.note(error);
            }
        })?;
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < READERS
        {
            readers.push(reader);
        }
        Ok(result)
    }
}
