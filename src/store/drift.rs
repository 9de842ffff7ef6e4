//! Drift: keys whose state in KMS is not what their wallets' state says, though nothing here asked for it. It is noted, told and
//! forgotten when it ends; nothing here ever undoes it, since whoever changed the key may have had to.

use rusqlite::{Connection, OptionalExtension};

use super::commits::append_daemon;
use super::key_drives::{about, is_asked, text};
use super::{Store, StoreError, wallets};
use crate::clock::Timestamp;
use crate::ids::{KeyArn, WalletId};
use crate::wallets::lifecycle::Status;

/// A wallet as it stands when its key is compared with it.
#[derive(Debug, Clone)]
pub struct Watched {
    pub wallet_id: WalletId,
    pub arn: KeyArn,
    pub status: Status,
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deletion_date: Option<Timestamp>,
    /// KMS's word for the state that is known not to fit, if one is.
    pub drift: Option<String>,
}

/// A key that is not in the state of its wallet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    pub wallet_id: WalletId,
    pub status: Status,
    /// KMS's word, or `NotFound`.
    pub key_state: String,
    pub since: Timestamp,
}

pub(super) fn remove(connection: &Connection, id: WalletId) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM drift WHERE wallet_id = ?1")?.execute([id.to_string()])? == 1)
}

impl Store {
    /// Wallets whose keys have a state to be compared, behind `after`, in the order of their ids; at most `limit`.
    pub fn wallets_with_keys(&self, after: Option<WalletId>, limit: u32) -> Result<Vec<WalletId>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT wallet_id FROM wallets WHERE wallet_id > ?1 AND status IN ('CREATED', 'DISABLED', 'PENDING_DELETION')
                 ORDER BY wallet_id LIMIT ?2",
            )?;
            let mut rows = statement.query((after.map_or_else(String::new, |id| id.to_string()), limit))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(text(row, 0, "wallet_id")?);
            }
            Ok(found)
        })
    }

    /// The wallet, if its key has a state to be compared: not while KMS is still being brought to it, and not in quarantine, where
    /// the key may be anybody's.
    pub fn watched(&self, id: WalletId) -> Result<Option<Watched>, StoreError> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let Some(wallet) = wallets::find(&snapshot, id)? else { return Ok(None) };
            let (Some(_), Some(arn)) = (wallet.status.key_state(), wallet.kms_key_id) else { return Ok(None) };
            if is_asked(&snapshot, id)? || wallets::quarantine(&snapshot, id)?.is_some() {
                return Ok(None);
            }
            let drift = snapshot
                .prepare_cached("SELECT key_state FROM drift WHERE wallet_id = ?1")?
                .query_row([id.to_string()], |row| row.get(0))
                .optional()?;
            Ok(Some(Watched {
                wallet_id: id,
                arn,
                status: wallet.status,
                version: wallet.version,
                created_at: wallet.created_at,
                updated_at: wallet.updated_at,
                deletion_date: wallet.deletion_date,
                drift,
            }))
        })
    }

    /// Drift as it is known, the oldest first; at most `limit`.
    pub fn drift(&self, limit: u32) -> Result<Vec<Drift>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT d.wallet_id, w.status, d.key_state, d.since FROM drift d JOIN wallets w ON w.wallet_id = d.wallet_id
                 ORDER BY d.since, d.wallet_id LIMIT ?1",
            )?;
            let mut rows = statement.query([limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(Drift {
                    wallet_id: text(row, 0, "wallet_id")?,
                    status: text(row, 1, "status")?,
                    key_state: row.get(2)?,
                    since: Timestamp::from_unix_millis(row.get(3)?),
                });
            }
            Ok(found)
        })
    }

    pub fn count_drift(&self) -> Result<u64, StoreError> {
        self.read(|connection| Ok(connection.prepare_cached("SELECT count(*) FROM drift")?.query_row([], |row| row.get(0))?))
    }

    /// Notes drift, or that it is over (`key_state` is `None`), unless the wallet has changed since it was read. Returns whether
    /// that was news.
    pub async fn record_drift(
        &self,
        watched: &Watched,
        key_state: Option<String>,
        kms_request_ids: Vec<String>,
    ) -> Result<bool, StoreError> {
        let (watched, now) = (watched.clone(), self.clock.now());
        self.writer
            .submit(move |transaction| {
                let connection = transaction.connection;
                let (id, status) = (watched.wallet_id, watched.status);
                let version = wallets::find(connection, id)?.map(|wallet| wallet.version);
                if version != Some(watched.version) || is_asked(connection, id)? {
                    return Ok(false);
                }
                let (news, detail) = match key_state {
                    Some(state) => {
                        let noted = connection
                            .prepare_cached(
                                "INSERT INTO drift (wallet_id, key_state, since) VALUES (?1, ?2, ?3)
                                 ON CONFLICT (wallet_id) DO UPDATE SET key_state = excluded.key_state, since = excluded.since
                                 WHERE key_state <> excluded.key_state",
                            )?
                            .execute((id.to_string(), &state, now.unix_millis()))?;
                        (noted == 1, format!("drift: the key is {state} in KMS while its wallet is {status}; it is left so"))
                    }
                    None => {
                        (remove(connection, id)?, format!("drift has ended: the key is in the state of its wallet, {status}"))
                    }
                };
                if news {
                    append_daemon(transaction, now, about(id, detail), &kms_request_ids)?;
                }
                Ok(news)
            })
            .durable()
            .await
    }
}
