//! PENDING wallets whose key KMS may or may not have made: how often it was asked to, and when last.

use rusqlite::{Connection, OptionalExtension};

use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::WalletId;

/// What is known of a PENDING wallet's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingKey {
    /// CreateKey requests that may have left.
    pub creations: u32,
    /// When the last of them did.
    pub asked_at: Timestamp,
}

/// Notes the first request, before it leaves.
pub(super) fn insert(connection: &Connection, id: WalletId, at: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO pending_keys (wallet_id, creations, asked_at) VALUES (?1, 1, ?2)")?
        .execute((id.to_string(), at.unix_millis()))?;
    Ok(())
}

pub(super) fn find(connection: &Connection, id: WalletId) -> Result<Option<PendingKey>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT creations, asked_at FROM pending_keys WHERE wallet_id = ?1")?
        .query_row([id.to_string()], |row| {
            Ok(PendingKey { creations: row.get(0)?, asked_at: Timestamp::from_unix_millis(row.get(1)?) })
        })
        .optional()?)
}

/// The wallet is PENDING no more.
pub(super) fn remove(connection: &Connection, id: WalletId) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM pending_keys WHERE wallet_id = ?1")?.execute([id.to_string()])?;
    Ok(())
}

/// Notes one more request, before it leaves, and forgets what the search had found. Returns how many that makes.
pub(super) fn count(connection: &Connection, id: WalletId, at: Timestamp) -> Result<u32, StoreError> {
    Ok(connection
        .prepare_cached(
            "UPDATE pending_keys SET creations = creations + 1, asked_at = ?2, finding = NULL WHERE wallet_id = ?1 RETURNING creations",
        )?
        .query_row((id.to_string(), at.unix_millis()), |row| row.get(0))?)
}

/// Counts the wait for the last request's key from now on.
pub(super) fn wait_from(connection: &Connection, id: WalletId, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE pending_keys SET asked_at = ?2 WHERE wallet_id = ?1")?
        .execute((id.to_string(), now.unix_millis()))?;
    Ok(())
}

/// The last request had no effect.
pub(super) fn uncount(connection: &Connection, id: WalletId) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE pending_keys SET creations = creations - 1 WHERE wallet_id = ?1 AND creations > 1")?
        .execute([id.to_string()])?;
    Ok(())
}

/// Notes why the search stopped. Returns whether that is news.
pub(super) fn note(connection: &Connection, id: WalletId, finding: &str) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached("UPDATE pending_keys SET finding = ?2 WHERE wallet_id = ?1 AND finding IS NOT ?2")?
        .execute((id.to_string(), finding))?;
    Ok(changed == 1)
}

/// A PENDING wallet for which looking any longer decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StuckWallet {
    pub wallet_id: String,
    /// Why, and what to do.
    pub finding: String,
}

impl Store {
    /// PENDING wallets, oldest first, after this one.
    pub fn pending_wallets(&self, after: Option<WalletId>, limit: u32) -> Result<Vec<WalletId>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT wallet_id FROM pending_keys WHERE wallet_id > ?1 ORDER BY wallet_id LIMIT ?2")?;
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            let rows = statement.query_map((after, limit), |row| row.get::<_, String>(0))?;
            rows.map(|id| id?.parse().map_err(|_| StoreError::Corrupt("pending_keys.wallet_id is no wallet id".to_owned())))
                .collect()
        })
    }

    /// PENDING wallets that need an operator, and how many they are.
    pub fn stuck_wallets(&self, limit: u32) -> Result<Vec<StuckWallet>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT wallet_id, finding FROM pending_keys WHERE finding IS NOT NULL ORDER BY wallet_id LIMIT ?1",
            )?;
            let rows = statement.query_map([limit], |row| Ok(StuckWallet { wallet_id: row.get(0)?, finding: row.get(1)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Whether this PENDING wallet needs an operator.
    pub fn is_stuck(&self, id: WalletId) -> Result<bool, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM pending_keys WHERE wallet_id = ?1 AND finding IS NOT NULL)")?
                .query_row([id.to_string()], |row| row.get(0))?)
        })
    }

    /// How many wallets are PENDING, and how many of those need an operator.
    pub fn count_pending(&self) -> Result<(u64, u64), StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT count(*), count(finding) FROM pending_keys")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
        })
    }
}
