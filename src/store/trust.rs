//! Whether the database file may be written to at all.
//!
//! Two failures end that until a restart. Where SQLite finds the file malformed, whatever is written is built upon damage. Where
//! the disk did not keep what was handed to it, the kernel takes the lost pages for written: they read well, the next fsync
//! succeeds, and a power cut shows that they never were there. So nothing is written, folded or released any more, and the next
//! start reads from the disk what the disk has.
//!
//! Source: <https://lwn.net/Articles/752063/> (fsync tells of a failure once)

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use rusqlite::{ErrorCode, ffi};

use super::StoreError;

/// Shared by whoever reads, writes or folds.
#[derive(Clone, Default)]
pub struct Trust(Arc<Mutex<Option<Lost>>>);

/// Why it is gone, in SQLite's words.
#[derive(Debug, Clone)]
enum Lost {
    Damaged(String),
    Unsynced(String),
}

impl Trust {
    /// Looks whether a failure ends it.
    pub fn note(&self, error: &rusqlite::Error) {
        let lost = match error.sqlite_error() {
            Some(ffi::Error { code: ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, .. }) => {
                Lost::Damaged(error.to_string())
            }
            Some(ffi::Error { extended_code: ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC, .. }) => {
                Lost::Unsynced(error.to_string())
            }
            _ => return,
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            tracing::error!(alarm = "store_not_trusted", ?lost, "nothing more is written to the store until a restart");
            *known = Some(lost);
        }
    }

    /// # Errors
    /// Why the file may not be written to, and what to do.
    pub fn check(&self) -> Result<(), StoreError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(Lost::Damaged(why)) => Err(StoreError::Damaged(why.clone())),
            Some(Lost::Unsynced(why)) => Err(StoreError::Unsynced(why.clone())),
        }
    }
}

/// Makes the kernel forget what it remembers of the database and its log, so that what is read next is what the disk has.
pub fn read_from_disk(database: &Path) -> io::Result<()> {
    let mut log = database.to_owned().into_os_string();
    log.push("-wal");
    for path in [database, Path::new(&log)] {
        match File::options().read(true).write(true).open(path) {
            Ok(file) => {
                // What is dirty is kept, so it is written first.
                file.sync_all()?;
                posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
