//! Folds the write-ahead log back into the database, so that it stays small and no caller waits for it.
//!
//! A thread of its own copies pages back while the writer goes on (a PASSIVE checkpoint); since the writer outruns it under
//! load, the writer starts the log anew now and then (RESTART), when little is left to copy.
//!
//! It must never fold into a file that is not to be trusted: the log may be all that there is.
//!
//! Source: <https://www.sqlite.org/wal.html#ckpt>

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::trust::Trust;

/// Pieces of work after which the copying begins. One writes a few pages of 4 KiB.
const COPY_AFTER: usize = 1_000;
/// Pieces of work after which the log starts anew.
const RESTART_AFTER: usize = 8_000;

/// Decides when to fold. Its thread ends with it.
pub struct LogFolder {
    copier: SyncSender<()>,
    since_copy: usize,
    since_restart: usize,
    trust: Trust,
}

impl LogFolder {
    /// `copying` is a connection of the copying thread's own.
    pub fn start(copying: Connection, trust: Trust) -> std::io::Result<Self> {
        let (copier, nudges) = sync_channel(1);
        let copiers = trust.clone();
        std::thread::Builder::new().name("store-copier".to_owned()).spawn(move || {
            // Closing is the writer's affair.
            if let Err(error) = copying.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
                tracing::error!(%error, "the copying connection may fold the log when it closes");
            }
            while nudges.recv().is_ok() {
                fold(&copying, "PASSIVE", &copiers);
            }
        })?;
        Ok(Self { copier, since_copy: 0, since_restart: 0, trust })
    }

    /// The writer has done `done` more pieces of work.
    pub fn after_work(&mut self, writing: &Connection, done: usize) {
        self.since_copy = self.since_copy.saturating_add(done);
        self.since_restart = self.since_restart.saturating_add(done);
        if self.since_restart >= RESTART_AFTER {
            self.restart(writing);
        } else if self.since_copy >= COPY_AFTER {
            self.since_copy = 0;
            // A full queue means that it is being done.
            let _ = self.copier.try_send(());
        }
    }

    /// Nobody waits for the writer.
    pub fn when_idle(&mut self, writing: &Connection) {
        if self.since_restart > 0 {
            self.restart(writing);
        }
    }

    fn restart(&mut self, writing: &Connection) {
        self.since_copy = 0;
        // Where a reader is in the way, the next try comes after as much work again, or when idle.
        self.since_restart = if fold(writing, "RESTART", &self.trust) { 0 } else { COPY_AFTER };
    }
}

/// Folds as far as readers let it, without waiting for any. Returns whether all of the log was folded.
fn fold(connection: &Connection, mode: &str, trust: &Trust) -> bool {
    if trust.check().is_err() {
        return false;
    }
    let folded = || {
        let waits = connection.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u64>(0))?;
        connection.busy_timeout(Duration::ZERO)?;
        let busy = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, bool>(0));
        connection.busy_timeout(Duration::from_millis(waits))?;
        Ok(!busy?)
    };
    folded().unwrap_or_else(|error: rusqlite::Error| {
        if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) {
            trust.note(&error);
            tracing::warn!(%error, "the write-ahead log could not be folded back");
        }
        false
    })
}
