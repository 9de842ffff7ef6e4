//! SQLite's online backup: a whole, checked copy of the store while the daemon serves.
//!
//! The copy is made from one snapshot, as one file without a log beside it. It comes to its name only when it is complete, checked
//! and on disk. It must never replace a file, and never write to the store.
//!
//! Source: <https://www.sqlite.org/backup.html>

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, RenameFlags, renameat2};
use nix::unistd::Uid;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::audit;
use super::open::{self, OpenError};

/// Pages copied between two words of progress: 4 MiB.
const PAGES_PER_STEP: i32 = 1024;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0}: there is such a file already, and a backup replaces none; give another name")]
    Exists(PathBuf),
    #[error("{0}: another backup is writing this file now")]
    Running(PathBuf),
    #[error("{0}: there is no store to back up")]
    Missing(PathBuf),
    #[error("{path}: the store can't be read: {source}; run this as root or as the daemon's user")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{0} is not a file of our own, so nothing is written to it; find out whose it is, and take it away")]
    NotOurs(PathBuf),
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The copy could not be made or written: a full disk, most likely, or a damaged store.
    #[error("{path}: the copy could not be made: {source}")]
    Copy { path: PathBuf, source: rusqlite::Error },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// The store itself is damaged: the copy is as its original.
    #[error("{path}: the store is damaged, and so is its copy, which was thrown away: {reason}")]
    Unsound { path: PathBuf, reason: String },
}

/// A finished backup.
#[derive(Debug)]
pub struct BackedUp {
    pub bytes: u64,
    pub wallets: u64,
    /// The audit's last record in it.
    pub audit_sequence: u64,
}

/// Copies the store at `database` into the new file `file`, mode 0600. `progress` hears pages copied and pages in all.
pub fn back_up(database: &Path, file: &Path, progress: impl FnMut(u64, u64)) -> Result<BackedUp, BackupError> {
    // Looked at before the work, and again by the rename that ends it.
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let source = open_source(database)?;
    let partial = with_suffix(file, ".partial");
    let io = |source| BackupError::Io { path: partial.clone(), source };
    let handle = open_partial(&partial)?;
    // A partial file that nobody holds was left by a backup that died.
    let handle = Flock::lock(handle, FlockArg::LockExclusiveNonblock).map_err(|_| BackupError::Running(file.to_owned()))?;
    handle.set_len(0).map_err(io)?;
    let made = copy_checked(&source, &partial, progress).and_then(|made| {
        handle.sync_all().map_err(io)?;
        let bytes = handle.metadata().map_err(io)?.len();
        publish(&partial, file)?;
        Ok(BackedUp { bytes, ..made })
    });
    if made.is_err() {
        // What is left is named .partial, and the next run starts it anew.
        let _ = fs::remove_file(&partial);
    }
    made
}

/// Opens the file to write to, or makes it, with mode 0600. It follows no link, and takes no file that somebody else laid there:
/// that would be root writing wherever others point, or a backup that others can change afterwards.
fn open_partial(partial: &Path) -> Result<File, BackupError> {
    let io = |source| BackupError::Io { path: partial.to_owned(), source };
    let not_ours = || BackupError::NotOurs(partial.to_owned());
    if partial.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(not_ours());
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let handle = options.open(partial).map_err(io)?;
    let metadata = handle.metadata().map_err(io)?;
    if !metadata.is_file() || metadata.uid() != Uid::effective().as_raw() || metadata.nlink() != 1 {
        return Err(not_ours());
    }
    handle.set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
    Ok(handle)
}

fn open_source(database: &Path) -> Result<Connection, BackupError> {
    // SQLite would call a file damaged that it may not read.
    match File::open(database) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BackupError::Missing(database.to_owned())),
        Err(source) => return Err(BackupError::Unreadable { path: database.to_owned(), source }),
    }
    let source = open::open_for_reading(database).map_err(|error| OpenError::damaged(database, &error))?;
    source.busy_timeout(Duration::from_secs(30)).map_err(|error| OpenError::damaged(database, &error))?;
    open::check(database, &source)?;
    Ok(source)
}

fn copy_checked(source: &Connection, partial: &Path, progress: impl FnMut(u64, u64)) -> Result<BackedUp, BackupError> {
    let copied = copy(source, partial, progress).map_err(|source| BackupError::Copy { path: partial.to_owned(), source })?;
    let unsound = |reason: String| BackupError::Unsound { path: partial.to_owned(), reason };
    open::check(partial, &copied)?;
    check_whole(&copied).map_err(unsound)?;
    let wallets = copied.query_row("SELECT count(*) FROM wallets", [], |row| row.get(0));
    let wallets = wallets.map_err(|error| unsound(error.to_string()))?;
    let audit_sequence = audit::head(&copied).map_err(|error| unsound(error.to_string()))?.sequence;
    open::mark_as_backup(&copied).map_err(|source| BackupError::Copy { path: partial.to_owned(), source })?;
    copied.close().map_err(|(_, source)| BackupError::Copy { path: partial.to_owned(), source })?;
    Ok(BackedUp { bytes: 0, wallets, audit_sequence })
}

/// Copies every page of one snapshot of `source` into the file at `to`, which becomes a database without a log.
pub(super) fn copy(source: &Connection, to: &Path, mut progress: impl FnMut(u64, u64)) -> rusqlite::Result<Connection> {
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The file is nothing until it is complete: a journal would only double the writing.
    target.pragma_update(None, "journal_mode", "OFF")?;
    target.pragma_update(None, "synchronous", "OFF")?;
    // Held for the whole copy. Without it, each transaction of the daemon would start the copy anew.
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
    let pages = |count: i32| u64::try_from(count).unwrap_or_default();
    let copied = (|| {
        let backup = Backup::new(source, &mut target)?;
        loop {
            let step = backup.step(PAGES_PER_STEP)?;
            let now = backup.progress();
            progress(pages(now.pagecount.saturating_sub(now.remaining)), pages(now.pagecount));
            match step {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                // Only another writer of the new file could be in the way.
                _ => {
                    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                    return Err(rusqlite::Error::SqliteFailure(busy, Some("the new file is locked".to_owned())));
                }
            }
        }
    })();
    source.execute_batch("ROLLBACK")?;
    copied?;
    target.pragma_update(None, "journal_mode", "DELETE")?;
    Ok(target)
}

/// Reads every page and checks every index.
///
/// # Errors
/// The first things that are wrong.
pub(super) fn check_whole(connection: &Connection) -> Result<(), String> {
    let complaints = || {
        let mut statement = connection.prepare("PRAGMA integrity_check(5)")?;
        let complaints = statement.query_map([], |row| row.get::<_, String>(0))?;
        complaints.collect::<rusqlite::Result<Vec<_>>>()
    };
    match complaints() {
        Ok(complaints) if complaints == ["ok"] => Ok(()),
        Ok(complaints) => Err(complaints.join("; ")),
        Err(error) => Err(error.to_string()),
    }
}

/// Gives a complete file its name, for good, unless something has that name already.
pub(super) fn publish(from: &Path, to: &Path) -> Result<(), BackupError> {
    renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE).map_err(|errno| match errno {
        nix::errno::Errno::EEXIST => BackupError::Exists(to.to_owned()),
        errno => BackupError::Io { path: to.to_owned(), source: errno.into() },
    })?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| BackupError::Io { path: directory.to_owned(), source })
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}
