//! Opening the database file: 0600 from birth, checked before it is trusted, migrated in one transaction.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::StoreError;
use crate::clock::Timestamp;

/// "kmsd" as SQLite's application id: tells our file from any other database.
const APPLICATION_ID: i64 = 0x6b6d_7364;
/// "kmsb": a copy that `kmsignd backup` made. What was signed after it is not in it, so nobody may be served from it before a
/// restore has frozen it.
pub const BACKUP_ID: i64 = 0x6b6d_7362;

/// What is left of a write-ahead log that a burst made larger.
const WAL_LIMIT_BYTES: i64 = 64 << 20;

/// Each schema version in turn; version `n` is what the first `n` scripts make.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_wallets_audit_requests.sql"),
    include_str!("migrations/0002_reconcile_outbox_guards_freezes.sql"),
    include_str!("migrations/0003_stake_keys.sql"),
];

/// Why the store could not be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path}: {source}; [store] path must be in a directory that this user can write")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}: others can read or write the database (mode {mode:04o}); find out who did, then: chmod 600 {path}")]
    Open { path: PathBuf, mode: u32 },
    #[error("{0}: another kmsignd holds this store; stop it first (systemctl stop kmsignd)")]
    Held(PathBuf),
    #[error(
        "{0}: this is not a kmsignd database, or its first page is damaged; it was left untouched. Point [store] path elsewhere, or \
         move the file away and restore (kmsignd restore --from mongodb|kms|FILE)"
    )]
    Foreign(PathBuf),
    #[error(
        "{path}: schema version {found} is newer than this kmsignd knows ({known}); install a newer kmsignd. The file was left untouched"
    )]
    Newer { path: PathBuf, found: i64, known: usize },
    #[error(
        "{path}: the database is damaged ({reason}) and was left untouched; move it and what stands beside it (-wal, -shm) away, keep \
         them, and restore: kmsignd restore --from mongodb|kms|FILE"
    )]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "{0}: this is a copy that `kmsignd backup` made. It does not know what was signed after it, so nobody is served from it as it is: move \
         it away, and put it in place with: kmsignd restore --from FILE"
    )]
    Backup(PathBuf),
    #[error(
        "{path}: there is no database, but the log of one ({log}), which may hold its last transactions and would be deleted; put the \
         database back beside it, or move the log away and keep it"
    )]
    LogAlone { path: PathBuf, log: PathBuf },
    #[error(
        "{path}: a restore from {source_word} that began at {since} is not finished, so nobody can be served; finish it with: kmsignd restore \
         --from {source_word}. Or move the file away to begin anew"
    )]
    Unfinished { path: PathBuf, source_word: String, since: Timestamp },
}

impl OpenError {
    pub(super) fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), reason: error.to_string() }
    }

    /// Whether the file itself is the trouble, so that trying again changes nothing.
    pub const fn is_about_the_data(&self) -> bool {
        match self {
            Self::Foreign(_)
            | Self::Newer { .. }
            | Self::Damaged { .. }
            | Self::Backup(_)
            | Self::LogAlone { .. }
            | Self::Unfinished { .. } => true,
            Self::Io { .. } | Self::Open { .. } | Self::Held(_) => false,
        }
    }
}

/// An exclusive lock beside the database, held as long as the daemon runs. The kernel drops it when the process dies.
pub struct StoreLock(#[expect(dead_code, reason = "held for its drop alone")] Flock<File>);

impl StoreLock {
    pub fn take(database: &Path) -> Result<Self, OpenError> {
        let mut path = database.to_owned().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = create_private(&path).map_err(|source| OpenError::Io { path, source })?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map(Self).map_err(|_| OpenError::Held(database.to_owned()))
    }
}

/// Opens the file, or makes it with mode 0600: it is never open to others, not for a moment.
pub fn create_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Opens a database to read, after checking that it is ours, whole and of a version we know. `None` if there is none yet.
pub fn look_into(path: &Path) -> Result<Option<Connection>, OpenError> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let connection = connection.map_err(|error| OpenError::damaged(path, &error))?;
    check(path, &connection)?;
    Ok(Some(connection))
}

/// Opens the database for the writing thread, after checking that it is ours, whole and of a version we know.
pub fn open_for_writing(path: &Path) -> Result<Connection, OpenError> {
    let file = create_private(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let metadata = file.metadata().map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let (born, mode) = (metadata.len() == 0, metadata.mode() & 0o777);
    drop(file);
    let damaged = |error: rusqlite::Error| OpenError::damaged(path, &error);
    if born {
        // SQLite would begin a new database and delete it.
        let log = log_of(path);
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            return Err(OpenError::LogAlone { path: path.to_owned(), log });
        }
    } else {
        // Read-only: a connection that can write would fold the log of somebody else's database into it when it closes.
        check(path, &Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(damaged)?)?;
    }
    if mode & 0o077 != 0 {
        return Err(OpenError::Open { path: path.to_owned(), mode });
    }
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(damaged)?;
    configure(&connection).map_err(damaged)?;
    migrate(path, &mut connection).map_err(|error| OpenError::damaged(path, &error))?;
    Ok(connection)
}

/// A second connection to a database that [`open_for_writing`] has made ready.
pub fn reopen(path: &Path) -> Result<Connection, OpenError> {
    let connect = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        configure(&connection)?;
        Ok(connection)
    };
    connect().map_err(|error: rusqlite::Error| OpenError::damaged(path, &error))
}

/// Opens a connection that can only read.
pub fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

pub fn check(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    if check_any(path, connection)? == BACKUP_ID { Err(OpenError::Backup(path.to_owned())) } else { Ok(()) }
}

/// As [`check`], for a file to restore from: a store, or a copy that `kmsignd backup` made.
pub fn check_source(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    // An empty file is no backup of anything.
    match check_any(path, connection)? {
        APPLICATION_ID | BACKUP_ID => Ok(()),
        _ => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// Gives the application's id.
fn check_any(path: &Path, connection: &Connection) -> Result<i64, OpenError> {
    let number = |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
        _ => OpenError::damaged(path, &error),
    })?;
    let version = number("user_version").map_err(|error| OpenError::damaged(path, &error))?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| OpenError::damaged(path, &error))?;
    check_length(path, connection)?;
    // A first start that died before its schema was committed leaves an empty database: that one is ours to fill.
    let empty = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION_ID && application != BACKUP_ID && !empty {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if usize::try_from(version).map_or(true, |version| version > MIGRATIONS.len()) {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: MIGRATIONS.len() });
    }
    Ok(application)
}

/// Marks a finished copy as a backup.
pub fn mark_as_backup(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", BACKUP_ID)
}

/// Makes a store of a copy of a backup.
pub fn mark_as_store(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)
}

/// Refuses a database whose tables, indexes or triggers are not those of its version: a trigger of somebody else's could lift the
/// freeze in the very statement that writes it.
///
/// # Errors
/// What is not as it should be.
pub fn check_schema(connection: &Connection) -> Result<(), String> {
    let said = |error: rusqlite::Error| error.to_string();
    let version: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(said)?;
    let ours = Connection::open_in_memory().map_err(said)?;
    for script in MIGRATIONS.iter().take(version) {
        ours.execute_batch(script).map_err(said)?;
    }
    let (wanted, found) = (schema(&ours).map_err(said)?, schema(connection).map_err(said)?);
    let names = wanted.keys().chain(found.keys());
    match names.into_iter().find(|name| wanted.get(*name) != found.get(*name)) {
        None => Ok(()),
        Some((kind, name)) => Err(format!("its {kind} {name} is not the one of schema version {version}: somebody changed it")),
    }
}

/// Every object of the schema by kind and name, without the comments and line breaks of its text.
fn schema(connection: &Connection) -> rusqlite::Result<BTreeMap<(String, String), String>> {
    let mut statement = connection
        .prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?;
    let rows = statement.query_map([], |row| {
        let sql: String = row.get(2)?;
        let words = sql.lines().flat_map(|line| line.split("--").next().unwrap_or_default().split_whitespace());
        Ok(((row.get(0)?, row.get(1)?), words.collect::<Vec<_>>().join(" ")))
    })?;
    rows.collect()
}

/// The write-ahead log beside a database.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.to_owned().into_os_string();
    log.push("-wal");
    PathBuf::from(log)
}

/// Refuses a file that ends within a page, which SQLite would read as if zeros followed. With a log beside it, the length may be
/// anything: the log has the rest.
fn check_length(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let damaged = |error: &dyn std::fmt::Display| OpenError::damaged(path, error);
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    if length(&log_of(path)) > 0 {
        return Ok(());
    }
    let page: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(|error| damaged(&error))?;
    if length(path).is_multiple_of(page) { Ok(()) } else { Err(damaged(&"it ends within a page")) }
}

/// Refuses a store whose restore is not through: it lacks wallets.
pub fn check_restored(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let unfinished = connection
        .query_row("SELECT source, started_at FROM restores WHERE finished_at IS NULL LIMIT 1", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })
        .optional()
        .map_err(|error| OpenError::damaged(path, &error))?;
    match unfinished {
        None => Ok(()),
        Some((source_word, since)) => {
            let source_word = if source_word == "file" { "FILE".to_owned() } else { source_word };
            let since = Timestamp::from_unix_millis(since);
            Err(OpenError::Unfinished { path: path.to_owned(), source_word, since })
        }
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // The writer folds the log back itself, between transactions, so that no caller waits for it.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES)?;
    Ok(())
}

pub fn migrate(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).map_err(|_| StoreError::Corrupt("a negative schema version".to_owned()))?;
    if done == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    for script in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()?;
    tracing::info!(path = %path.display(), from = done, to = MIGRATIONS.len(), "the store's schema was migrated");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn open_of_a_database_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kmsignd.db");
        drop(open_for_writing(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o622] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(matches!(open_for_writing(&path), Err(OpenError::Open { mode: found, .. }) if found == mode));
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        open_for_writing(&path).unwrap();
    }
}
