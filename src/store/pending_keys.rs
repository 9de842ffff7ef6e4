//! PENDING wallets whose key KMS may or may not have made: how often it was asked to, and when last.

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
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
