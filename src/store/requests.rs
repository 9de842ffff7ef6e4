//! What makes a call safe to retry: requestId and idempotencyKey, each bound to one content.

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use crate::clock::Timestamp;
use crate::ids::{RequestId, WalletId};

/// The methods that make wallets.
const CREATING: [&str; 2] = ["wallet_create", "kms_createKey"];

/// A requestId in its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey {
    pub uid: u32,
    pub method: &'static str,
    pub request_id: RequestId,
}

/// What the store knows of a requestId.
#[derive(Debug)]
pub(super) struct Known {
    pub content_hash: [u8; 32],
    pub wallet_id: Option<WalletId>,
    pub intent: u64,
    /// The stored answer; `None` while unfinished, or once it is no longer kept.
    pub answer: Option<String>,
    pub answered: bool,
}

pub(super) fn find(connection: &Connection, key: &RequestKey) -> Result<Option<Known>, StoreError> {
    let row = connection
        .prepare_cached(
            "SELECT content_hash, wallet_id, intent, answer, answered_at IS NOT NULL FROM requests
             WHERE uid = ?1 AND method = ?2 AND request_id = ?3",
        )?
        .query_row((key.uid, key.method, key.request_id.as_str()), |row| {
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((content_hash, wallet_id, intent, answer, answered)) = row else { return Ok(None) };
    let wallet_id = wallet_id
        .map(|text| text.parse().map_err(|_| StoreError::Corrupt("requests.wallet_id is not a wallet id".to_owned())))
        .transpose()?;
    Ok(Some(Known { content_hash, wallet_id, intent, answer, answered }))
}

/// The unfinished requests that made this wallet.
pub(super) fn unfinished_of_wallet(connection: &Connection, wallet_id: WalletId) -> Result<Vec<RequestKey>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT uid, method, request_id FROM requests WHERE wallet_id = ?1 AND answered_at IS NULL")?;
    let rows = statement
        .query_map([wallet_id.to_string()], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    let mut keys = Vec::new();
    for row in rows {
        let (uid, method, request_id) = row?;
        // Of the methods that bind a wallet id, only these make a wallet.
        let Some(method) = CREATING.iter().find(|name| **name == method) else { continue };
        let request_id = request_id.parse().map_err(|_| StoreError::Corrupt("requests.request_id".to_owned()))?;
        keys.push(RequestKey { uid, method, request_id });
    }
    Ok(keys)
}

/// Binds the id to a content, or hands an unfinished one over to a new intent.
pub(super) fn bind(
    connection: &Connection,
    key: &RequestKey,
    content_hash: &[u8; 32],
    wallet_id: Option<WalletId>,
    intent: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO requests (uid, method, request_id, content_hash, wallet_id, intent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (uid, method, request_id) DO UPDATE SET intent = excluded.intent WHERE answered_at IS NULL",
        )?
        .execute((key.uid, key.method, key.request_id.as_str(), content_hash, wallet_id.map(|id| id.to_string()), intent))?;
    Ok(())
}

/// Stores the answer that every retry gets.
pub(super) fn answer(connection: &Connection, key: &RequestKey, json: &str, at: Timestamp) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE requests SET answer = ?4, answered_at = ?5
             WHERE uid = ?1 AND method = ?2 AND request_id = ?3 AND answered_at IS NULL",
        )?
        .execute((key.uid, key.method, key.request_id.as_str(), json, at.unix_millis()))?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Corrupt("a requestId would have been answered twice".to_owned())) }
}

/// Frees the id: a refusal binds nothing.
pub(super) fn free(connection: &Connection, key: &RequestKey) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM requests WHERE uid = ?1 AND method = ?2 AND request_id = ?3 AND answered_at IS NULL")?
        .execute((key.uid, key.method, key.request_id.as_str()))?;
    Ok(())
}

/// Drops answers given before `before`. The ids and contents stay for good, so that a late retry is a conflict, never a
/// second signature.
///
/// At most `limit` at once, so that no caller's write waits long behind it. Returns how many there were.
pub(super) fn prune(connection: &Connection, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    Ok(connection
        .prepare_cached(
            "UPDATE requests SET answer = NULL WHERE (uid, method, request_id) IN
             (SELECT uid, method, request_id FROM requests WHERE answered_at < ?1 AND answer IS NOT NULL LIMIT ?2)",
        )?
        .execute((before.unix_millis(), limit))?)
}
