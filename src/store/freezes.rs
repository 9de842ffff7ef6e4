//! Freezes in force: while one is, no signature is reserved, recorded as released, or answered again.
//!
//! Whatever stands here stops every signature, whatever its scope: a scope that this version does not know must not let
//! anything through. It must never be lifted by the daemon itself.

use rusqlite::{Connection, OptionalExtension};
use serde_json::value::RawValue;

use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::FreezeId;
use crate::outcome::Failure;

/// The scope of a freeze on everything, as JSON.
pub(super) const ALL: &str = "\"all\"";

/// A freeze in force, as admin_status lists it.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Freeze {
    pub freeze_id: String,
    /// As in admin_freeze.
    pub scope: Box<RawValue>,
    pub reason: String,
    pub since: Timestamp,
}

impl Store {
    /// The freezes in force, the oldest first.
    pub fn freezes(&self) -> Result<Vec<Freeze>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT freeze_id, scope, reason, since FROM freezes WHERE lifted_at IS NULL ORDER BY since, freeze_id",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))?;
            rows.map(|row| {
                let (freeze_id, scope, reason, since) = row?;
                let since = Timestamp::from_unix_millis(since);
                Ok(Freeze { freeze_id, scope: RawValue::from_string(scope)?, reason, since })
            })
            .collect()
        })
    }
}

/// What stops a signature now. Looked up in an index that holds the freezes in force alone, so it costs next to nothing.
pub(super) fn in_force(connection: &Connection) -> Result<Option<Failure>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT freeze_id, reason FROM freezes WHERE lifted_at IS NULL ORDER BY since LIMIT 1")?
        .query_row([], |row| Ok(Failure::Frozen { freeze_id: row.get(0)?, reason: row.get(1)? }))
        .optional()?)
}

/// Freezes everything.
pub(super) fn insert_on_all(connection: &Connection, id: FreezeId, reason: &str, since: Timestamp) -> Result<(), StoreError> {
    connection.prepare_cached("INSERT INTO freezes (freeze_id, scope, reason, since) VALUES (?1, ?2, ?3, ?4)")?.execute((
        id.to_string(),
        ALL,
        reason,
        since.unix_millis(),
    ))?;
    Ok(())
}

/// Lifts a freeze. `false` if none in force has this id.
pub(super) fn lift(connection: &Connection, id: FreezeId, at: Timestamp) -> Result<bool, StoreError> {
    let lifted = connection
        .prepare_cached("UPDATE freezes SET lifted_at = ?2 WHERE freeze_id = ?1 AND lifted_at IS NULL")?
        .execute((id.to_string(), at.unix_millis()))?;
    Ok(lifted == 1)
}
