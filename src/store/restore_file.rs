//! A backup put in the store's place: copied, checked, migrated and frozen under another name, and given the store's name only
//! then. A kill at any point leaves either no store or a whole one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::backup::{self, BackupError};
use super::open::{self, OpenError, StoreLock};
use super::restore::{Source, note};
use super::{StoreError, audit, freezes};
use crate::audit::record::{Facts, Record};
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::FreezeId;

/// Why a backup was not put in the store's place.
#[derive(Debug, thiserror::Error)]
pub enum FileRestoreError {
    #[error("{0}: there is no such file")]
    Missing(PathBuf),
    #[error(
        "{0}: there is a store already, and a restore replaces none; stop the daemon and move the file away with what stands beside it \
         (-wal, -shm)"
    )]
    Occupied(PathBuf),
    #[error("{path}: the backup can't be read: {source}; give this user a copy of its own: install -o kmsignd -m 600 FILE COPY")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "another backup than {0} is in place already, by a restore that was cut off; finish that one with the same file, or move the store \
         away to begin anew"
    )]
    AnotherBackup(PathBuf),
    #[error("{0}: this log of another database would be taken for the restored one's; move it away")]
    LogBeside(PathBuf),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{path}: the backup is damaged: {reason}")]
    Unsound { path: PathBuf, reason: String },
    #[error(transparent)]
    Copy(#[from] BackupError),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A backup in its place.
#[derive(Debug)]
pub struct InPlace {
    /// By this try, not by one that was cut off after it.
    pub fresh: bool,
    /// The first record at which the backup's audit chain breaks.
    pub first_bad_record: Option<u64>,
}

/// Puts the backup `file` in the place of the store at `database`, frozen. If an earlier try got that far, nothing is done.
pub fn put_in_place(
    file: &Path,
    database: &Path,
    by: &str,
    now: Timestamp,
    progress: impl FnMut(u64, u64),
) -> Result<InPlace, FileRestoreError> {
    let lock = StoreLock::take(database)?;
    let in_place = is_there(database)?;
    // SQLite would call a file damaged that it may not read.
    match File::open(file) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FileRestoreError::Missing(file.to_owned())),
        Err(source) => return Err(FileRestoreError::Unreadable { path: file.to_owned(), source }),
    }
    let backup = open::open_for_reading(file).map_err(|error| OpenError::damaged(file, &error))?;
    open::check_source(file, &backup)?;
    if let Some(in_place) = in_place {
        return if is_of(&in_place, &backup)? {
            Ok(InPlace { fresh: false, first_bad_record: None })
        } else {
            Err(FileRestoreError::AnotherBackup(file.to_owned()))
        };
    }
    let partial = backup::with_suffix(database, ".restoring");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| FileRestoreError::Io { path, source }
    };
    // Only an earlier try of our own can have left one: the lock is ours.
    for suffix in ["", "-journal", "-wal", "-shm"] {
        remove_if_there(&backup::with_suffix(&partial, suffix)).map_err(io(&partial))?;
    }
    open::create_private(&partial).map_err(io(&partial))?;
    let copied = |source| BackupError::Copy { path: partial.clone(), source };
    let mut connection = backup::copy(&backup, &partial, progress).map_err(copied)?;
    let unsound = |reason: String| FileRestoreError::Unsound { path: file.to_owned(), reason };
    open::check_source(file, &connection)?;
    backup::check_whole(&connection).map_err(unsound)?;
    open::check_schema(&connection).map_err(unsound)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(copied)?;
    open::mark_as_store(&connection).map_err(copied)?;
    open::migrate(&partial, &mut connection)?;
    open::check_restored(file, &connection)?;
    let first_bad_record = freeze(&mut connection, file, by, now)?;
    if freezes::in_force(&connection)?.is_none() {
        return Err(unsound("no freeze holds in it".to_owned()));
    }
    connection.close().map_err(|(_, source)| copied(source))?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(io(&partial))?;
    // An empty file is what a start that died at once leaves; nothing else has this name.
    remove_if_there(database).map_err(io(database))?;
    backup::publish(&partial, database)?;
    crash_points::reach(CrashPoint::BackupInPlace);
    drop(lock);
    Ok(InPlace { fresh: true, first_bad_record })
}

/// The backup that is in place already, from a try that was cut off after that.
fn is_there(database: &Path) -> Result<Option<Connection>, FileRestoreError> {
    let size = |path: &Path| path.symlink_metadata().map_or(0, |file| file.len());
    if size(database) == 0 {
        let mut logs = ["-wal", "-journal"].into_iter().map(|suffix| backup::with_suffix(database, suffix));
        return logs.find(|log| size(log) > 0).map_or(Ok(None), |log| Err(FileRestoreError::LogBeside(log)));
    }
    let occupied = || FileRestoreError::Occupied(database.to_owned());
    let connection = open::look_into(database)?.ok_or_else(occupied)?;
    let ours = "SELECT EXISTS (SELECT 1 FROM restores WHERE source = 'file' AND finished_at IS NULL)";
    match connection.query_row(ours, [], |row| row.get(0)) {
        Ok(true) => Ok(Some(connection)),
        // An older schema has no such table: it is a store in use.
        Ok(false) | Err(_) => Err(occupied()),
    }
}

/// Whether what is in place came from this backup: its audit goes on where the backup's ends.
fn is_of(in_place: &Connection, backup: &Connection) -> Result<bool, StoreError> {
    let head = audit::head(backup)?;
    let begins =
        "SELECT EXISTS (SELECT 1 FROM audit WHERE sequence = ?1 + 1 AND record ->> 'detail' LIKE 'restored from the backup %')
                  AND (?1 = 0 OR EXISTS (SELECT 1 FROM audit WHERE sequence = ?1 AND hash = ?2))";
    Ok(in_place.query_row(begins, (head.sequence, head.hash), |row| row.get(0))?)
}

/// Freezes the copy and records where it came from, in one transaction. Returns where the audit chain breaks, if it does.
fn freeze(connection: &mut Connection, file: &Path, by: &str, now: Timestamp) -> Result<Option<u64>, StoreError> {
    let verdict = audit::verify(connection)?;
    let transaction = connection.transaction()?;
    let head = audit::head(&transaction)?;
    let last: Option<String> = rusqlite::OptionalExtension::optional(transaction.query_row(
        "SELECT record ->> 'at' FROM audit ORDER BY sequence DESC LIMIT 1",
        [],
        |row| row.get(0),
    ))?;
    let since = last.map_or_else(String::new, |at| format!("after {at} and "));
    let reason = format!("restored: guards, limits and requestIds {since}before {now} are gone");
    let freeze_id = FreezeId::new(now.unix_millis());
    freezes::insert_on_all(&transaction, freeze_id, &reason, now)?;
    note(&transaction, Source::File, &freeze_id.to_string(), now)?;
    // What was wanted of keys then may have been taken back since. To switch a key off is safe to repeat, and nothing else is.
    let dropped = transaction.execute("DELETE FROM key_drives WHERE wanted <> 'Disabled'", [])?;
    let chain = verdict.first_bad.map_or_else(String::new, |first| format!(", whose chain is broken at record {first}"));
    let detail = format!(
        "restored from the backup {} at {now} by {by}; its audit ended with record {}, hash {}{chain}; no checkpoint is known; {dropped} key \
         changes that were under way then are dropped; freeze {freeze_id} on all: {reason}",
        file.file_name().unwrap_or_default().to_string_lossy(),
        head.sequence,
        hex::encode(head.hash),
    );
    let facts = Facts { detail: Some(detail), ..Facts::default() };
    audit::append_after(&transaction, &head, |sequence| Record::daemon(sequence, now, facts, &[]))?;
    transaction.commit()?;
    Ok(verdict.first_bad)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
