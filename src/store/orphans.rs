//! Keys of this deployment that belong to no wallet here. They are listed with their evidence; nothing here deletes a key.

use rusqlite::Connection;
use serde_json::value::RawValue;

use super::commits::append_daemon;
use super::{Store, StoreError};
use crate::audit::record::Facts;
use crate::clock::Timestamp;
use crate::ids::{KeyArn, WalletId};

/// A key without a wallet, as it was found.
#[derive(Debug, Clone)]
pub struct NewOrphan {
    pub key: KeyArn,
    /// As its tag says, if that is a wallet id.
    pub wallet_id: Option<WalletId>,
    pub reason: String,
    /// JSON: its tags, and what KMS says of it.
    pub evidence: String,
    /// When the look began that found it. It tells one look from another, so it is not read from the clock again.
    pub seen: Timestamp,
}

/// A key without a wallet, as it is listed.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    pub kms_key_id: String,
    pub wallet_id: Option<String>,
    pub reason: String,
    pub evidence: Box<RawValue>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

impl Store {
    /// Lists an orphan, or notes that it is still there. Returns whether it is a new one. A key that has found its wallet meanwhile
    /// is none.
    pub async fn note_orphan(&self, orphan: NewOrphan) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.writer
            .submit(move |transaction| {
                if held(transaction.connection, &orphan.key)? {
                    return Ok(false);
                }
                let known = still_there(transaction.connection, &orphan)?;
                if !known {
                    insert(transaction.connection, &orphan)?;
                    let detail = format!("the key {} belongs to no wallet: {}", orphan.key, orphan.reason);
                    let wallet_id = orphan.wallet_id.map(|id| id.to_string());
                    append_daemon(transaction, now, Facts { wallet_id, detail: Some(detail), ..Facts::default() }, &[])?;
                }
                Ok(!known)
            })
            .durable()
            .await
    }

    /// Takes those off the list that the whole look begun at `look` did not find any more. Returns how many.
    pub async fn forget_orphans(&self, look: Timestamp) -> Result<usize, StoreError> {
        let now = self.clock.now();
        self.writer
            .submit(move |transaction| {
                let gone = transaction
                    .connection
                    .prepare_cached("DELETE FROM orphans WHERE last_seen <> ?1")?
                    .execute([look.unix_millis()])?;
                if gone > 0 {
                    let detail = format!("{gone} keys are orphans no more: they have a wallet, or are gone");
                    append_daemon(transaction, now, Facts { detail: Some(detail), ..Facts::default() }, &[])?;
                }
                Ok(gone)
            })
            .durable()
            .await
    }

    /// Orphans, the longest known first.
    pub fn orphans(&self, limit: u32) -> Result<Vec<Orphan>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT kms_key_id, wallet_id, reason, evidence, first_seen, last_seen FROM orphans ORDER BY first_seen, kms_key_id LIMIT ?1",
            )?;
            let rows = statement.query_map([limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?, row.get(4)?, row.get(5)?))
            })?;
            rows.map(|row| {
                let (kms_key_id, wallet_id, reason, evidence, first_seen, last_seen) = row?;
                Ok(Orphan {
                    kms_key_id,
                    wallet_id,
                    reason,
                    evidence: RawValue::from_string(evidence)?,
                    first_seen: Timestamp::from_unix_millis(first_seen),
                    last_seen: Timestamp::from_unix_millis(last_seen),
                })
            })
            .collect()
        })
    }

    pub fn count_orphans(&self) -> Result<u64, StoreError> {
        self.read(|connection| Ok(connection.query_row("SELECT count(*) FROM orphans", [], |row| row.get(0))?))
    }

    /// Whether a wallet here has this key. Reads past the cache: whoever looks at every key would only empty it.
    pub fn holds_key(&self, key: &KeyArn) -> Result<bool, StoreError> {
        self.read(|connection| held(connection, key))
    }

    /// Some key of a wallet here, to tell which account is ours.
    pub fn some_key(&self) -> Result<Option<KeyArn>, StoreError> {
        use rusqlite::OptionalExtension;
        self.read(|connection| {
            let key = connection
                .prepare_cached("SELECT kms_key_id FROM wallets WHERE kms_key_id IS NOT NULL AND public_key IS NOT NULL LIMIT 1")?
                .query_row([], |row| row.get::<_, String>(0))
                .optional()?;
            key.map(|text| text.parse().map_err(|_| StoreError::Corrupt("wallets.kms_key_id is no ARN".to_owned()))).transpose()
        })
    }
}

/// Takes a key off the list in the transaction that gives it to a wallet: nobody may take it for one to be deleted.
pub(super) fn remove(connection: &Connection, key: &KeyArn) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM orphans WHERE kms_key_id = ?1")?.execute([key.as_str()])?;
    Ok(())
}

fn held(connection: &Connection, key: &KeyArn) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM wallets WHERE kms_key_id = ?1)")?
        .query_row([key.as_str()], |row| row.get(0))?)
}

fn still_there(connection: &Connection, orphan: &NewOrphan) -> Result<bool, StoreError> {
    let known = connection
        .prepare_cached("UPDATE orphans SET reason = ?2, evidence = ?3, last_seen = ?4 WHERE kms_key_id = ?1")?
        .execute((orphan.key.as_str(), &orphan.reason, &orphan.evidence, orphan.seen.unix_millis()))?;
    Ok(known == 1)
}

fn insert(connection: &Connection, orphan: &NewOrphan) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO orphans (kms_key_id, wallet_id, reason, evidence, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )?
        .execute((
            orphan.key.as_str(),
            orphan.wallet_id.map(|id| id.to_string()),
            &orphan.reason,
            &orphan.evidence,
            orphan.seen.unix_millis(),
        ))?;
    Ok(())
}
