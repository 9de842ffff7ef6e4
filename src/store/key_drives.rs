//! Keys that KMS is still to be brought to: one row a wallet, put there in the transaction that changed the wallet's state and
//! taken away once KMS has been seen to follow. What a crash interrupts is found here again.

use rusqlite::{Connection, OptionalExtension, Row};

use super::commits::append_daemon;
use super::writer::WriteTransaction;
use super::{Store, StoreError, drift, wallets};
use crate::audit::record::Facts;
use crate::clock::Timestamp;
use crate::ids::{KeyArn, WalletId};
use crate::wallets::lifecycle::{Event, KeyState, Status};

/// Leave to change a key's state in KMS, as a durable row asks. Read from the store alone.
#[derive(Debug, Clone)]
pub struct KeyDrive {
    wallet_id: WalletId,
    arn: KeyArn,
    wanted: KeyState,
    window_days: Option<u8>,
    version: u64,
    deletion_date: Option<Timestamp>,
}

impl KeyDrive {
    pub const fn wallet_id(&self) -> WalletId {
        self.wallet_id
    }

    pub const fn arn(&self) -> &KeyArn {
        &self.arn
    }

    pub const fn wanted(&self) -> KeyState {
        self.wanted
    }

    /// 7..30, where deletion is wanted.
    pub const fn window_days(&self) -> Option<u8> {
        self.window_days
    }

    /// The wallet's version when this was asked for: it tells one change from the next.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Before this nobody may delete the key: it is what the caller was answered.
    pub const fn deletion_date(&self) -> Option<Timestamp> {
        self.deletion_date
    }
}

/// A wallet whose key's time is over.
#[derive(Debug, Clone)]
pub struct DueDeletion {
    pub wallet_id: WalletId,
    pub arn: KeyArn,
}

/// What operators should know of the keys that KMS is still to be brought to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDriveSummary {
    pub count: u64,
    /// Since when the first of them waits.
    pub oldest: Option<Timestamp>,
    /// What went wrong with the one that has been in trouble for the longest.
    pub last_error: Option<String>,
}

const SELECT: &str = "SELECT d.wallet_id, w.kms_key_id, d.wanted, d.window_days, d.version, w.deletion_date
                      FROM key_drives d JOIN wallets w ON w.wallet_id = d.wallet_id";

/// Asks for the key's state that the wallet's own stands for, in the place of what was asked for before.
pub(super) fn ask(connection: &Connection, wallet: &wallets::Wallet, window_days: Option<u8>) -> Result<(), StoreError> {
    let wanted = wallet.status.key_state();
    let wanted = wanted.ok_or_else(|| StoreError::Corrupt(format!("a {} wallet's key has no state to be in", wallet.status)))?;
    connection
        .prepare_cached(
            "INSERT INTO key_drives (wallet_id, wanted, window_days, version, since) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (wallet_id) DO UPDATE SET wanted = excluded.wanted, window_days = excluded.window_days,
             version = excluded.version, since = excluded.since, last_error = NULL",
        )?
        .execute((wallet.wallet_id.to_string(), wanted.as_str(), window_days, wallet.version, wallet.updated_at.unix_millis()))?;
    Ok(())
}

/// Whether KMS is still to be brought to the wallet's state.
pub(super) fn is_asked(connection: &Connection, id: WalletId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM key_drives WHERE wallet_id = ?1")?
        .query_row([id.to_string()], |_| Ok(()))
        .optional()?
        .is_some())
}

impl Store {
    /// Keys to bring KMS to, those that have waited longest first: at most `limit` of those that are `ready`, by wallet and version.
    pub fn key_drives(&self, limit: usize, ready: impl Fn(WalletId, u64) -> bool) -> Result<Vec<KeyDrive>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY d.since, d.wallet_id"))?;
            let mut rows = statement.query([])?;
            let mut drives = Vec::new();
            while drives.len() < limit
                && let Some(row) = rows.next()?
            {
                let drive = from_row(row)?;
                if ready(drive.wallet_id, drive.version) {
                    drives.push(drive);
                }
            }
            Ok(drives)
        })
    }

    /// Wallets whose deletion window has ended and about which KMS is yet to be asked, at most `limit` of those that are `ready`.
    pub fn due_deletions(
        &self,
        now: Timestamp,
        limit: usize,
        ready: impl Fn(WalletId) -> bool,
    ) -> Result<Vec<DueDeletion>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT wallet_id, kms_key_id FROM wallets WHERE status = 'PENDING_DELETION' AND deletion_date <= ?1
                 AND wallet_id NOT IN (SELECT wallet_id FROM key_drives) ORDER BY wallet_id",
            )?;
            let mut rows = statement.query([now.unix_millis()])?;
            let mut due = Vec::new();
            while due.len() < limit
                && let Some(row) = rows.next()?
            {
                let one = DueDeletion { wallet_id: text(row, 0, "wallet_id")?, arn: text(row, 1, "kms_key_id")? };
                if ready(one.wallet_id) {
                    due.push(one);
                }
            }
            Ok(due)
        })
    }

    /// Whether KMS is still to be brought to the wallet's state, as far as that can be read.
    pub fn is_being_driven(&self, id: WalletId) -> bool {
        self.read(|connection| is_asked(connection, id)).unwrap_or(false)
    }

    pub fn key_drive_summary(&self) -> Result<KeyDriveSummary, StoreError> {
        self.read(|connection| {
            let (count, oldest) = connection
                .prepare_cached("SELECT count(*), min(since) FROM key_drives")?
                .query_row([], |row| Ok((row.get(0)?, row.get::<_, Option<u64>>(1)?)))?;
            let last_error = connection
                .prepare_cached("SELECT last_error FROM key_drives WHERE last_error IS NOT NULL ORDER BY since LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()?;
            Ok(KeyDriveSummary { count, oldest: oldest.map(Timestamp::from_unix_millis), last_error })
        })
    }

    /// Records that KMS has followed. What was asked for since stays asked for: then this returns `false`.
    ///
    /// `deletion_date` is KMS's own, in the place of the one that was reckoned here.
    pub async fn record_driven(
        &self,
        drive: &KeyDrive,
        deletion_date: Option<Timestamp>,
        kms_request_ids: Vec<String>,
    ) -> Result<bool, StoreError> {
        let (drive, now) = (drive.clone(), self.clock.now());
        self.writer
            .submit(move |transaction| {
                let settled = remove(transaction, &drive)?;
                let wanted = drive.wanted;
                let mut detail = format!("the key is {wanted} in KMS, as its wallet asks");
                if settled {
                    if drift::remove(transaction.connection, drive.wallet_id)? {
                        detail.push_str("; the drift that was seen has ended");
                    }
                    if let Some(date) = deletion_date.filter(|_| wanted == KeyState::PendingDeletion) {
                        set_deletion_date(transaction, drive.wallet_id, date)?;
                        detail.push_str(&format!("; KMS deletes it at {date}"));
                    }
                } else {
                    detail = format!("the key was brought to {wanted} in KMS; its wallet has changed since");
                }
                append_daemon(transaction, now, about(drive.wallet_id, detail), &kms_request_ids)?;
                Ok(settled)
            })
            .durable()
            .await
    }

    /// Keeps what went wrong, and records it if it is something else than the last time. Returns whether it was.
    pub async fn record_not_driven(
        &self,
        drive: &KeyDrive,
        error: String,
        kms_request_ids: Vec<String>,
    ) -> Result<bool, StoreError> {
        let (drive, now) = (drive.clone(), self.clock.now());
        self.writer
            .submit(move |transaction| {
                let changed = transaction
                    .connection
                    .prepare_cached(
                        "UPDATE key_drives SET last_error = ?3 WHERE wallet_id = ?1 AND version = ?2 AND last_error IS NOT ?3",
                    )?
                    .execute((drive.wallet_id.to_string(), drive.version, &error))?;
                if changed == 1 {
                    let detail = format!("the key could not be brought to {} in KMS, and is tried again: {error}", drive.wanted);
                    append_daemon(transaction, now, about(drive.wallet_id, detail), &kms_request_ids)?;
                }
                Ok(changed == 1)
            })
            .durable()
            .await
    }

    /// Records that KMS knows the key no more, after the time at which it was to be deleted. Returns whether that ended the wallet:
    /// its deletion may have been cancelled meanwhile.
    pub async fn record_deleted(&self, id: WalletId, kms_request_ids: Vec<String>) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.writer
            .submit(move |transaction| {
                let wallet = wallets::find(transaction.connection, id)?;
                let over = |wallet: &wallets::Wallet| {
                    wallet.status == Status::PendingDeletion && wallet.deletion_date.is_some_and(|date| date <= now)
                };
                let Some(mut wallet) = wallet.filter(over) else { return Ok(false) };
                wallet.updated_at = now;
                wallets::step(transaction, id, Event::Deleted, &wallet)?;
                transaction
                    .connection
                    .prepare_cached("DELETE FROM key_drives WHERE wallet_id = ?1")?
                    .execute([id.to_string()])?;
                drift::remove(transaction.connection, id)?;
                let detail = "KMS has deleted the key; the wallet is DELETED".to_owned();
                append_daemon(transaction, now, about(id, detail), &kms_request_ids)?;
                Ok(true)
            })
            .durable()
            .await
    }
}

fn remove(transaction: &WriteTransaction<'_>, drive: &KeyDrive) -> Result<bool, StoreError> {
    let removed = transaction
        .connection
        .prepare_cached("DELETE FROM key_drives WHERE wallet_id = ?1 AND version = ?2")?
        .execute((drive.wallet_id.to_string(), drive.version))?;
    Ok(removed == 1)
}

fn set_deletion_date(transaction: &mut WriteTransaction<'_>, id: WalletId, date: Timestamp) -> Result<(), StoreError> {
    transaction.changed_wallets.push(id);
    transaction
        .connection
        .prepare_cached("UPDATE wallets SET deletion_date = ?2 WHERE wallet_id = ?1 AND status = 'PENDING_DELETION'")?
        .execute((id.to_string(), date.unix_millis()))?;
    Ok(())
}

pub(super) fn about(id: WalletId, detail: String) -> Facts {
    Facts { wallet_id: Some(id.to_string()), detail: Some(detail), ..Facts::default() }
}

fn from_row(row: &Row<'_>) -> Result<KeyDrive, StoreError> {
    Ok(KeyDrive {
        wallet_id: text(row, 0, "wallet_id")?,
        arn: text(row, 1, "kms_key_id")?,
        wanted: text(row, 2, "wanted")?,
        window_days: row.get(3)?,
        version: row.get(4)?,
        deletion_date: row.get::<_, Option<u64>>(5)?.map(Timestamp::from_unix_millis),
    })
}

pub(super) fn text<T: std::str::FromStr>(row: &Row<'_>, index: usize, column: &str) -> Result<T, StoreError> {
    wallets::parse(column, row.get_ref(index)?.as_str().unwrap_or_default())
}
