//! Wallets on their way to MongoDB: one row a wallet, put there in the transaction that changed it and taken away once MongoDB
//! has acknowledged that version or a newer one.

use rusqlite::Connection;

use super::StoreError;
use crate::clock::Timestamp;
use crate::ids::WalletId;

/// Notes the wallet's present version. A version that still waits is superseded and keeps its place.
pub(super) fn note(connection: &Connection, id: WalletId, at: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO outbox (wallet_id, version, since) SELECT wallet_id, version, ?2 FROM wallets WHERE wallet_id = ?1
             ON CONFLICT (wallet_id) DO UPDATE SET version = excluded.version, parked = NULL",
        )?
        .execute((id.to_string(), at.unix_millis()))?;
    Ok(())
}
