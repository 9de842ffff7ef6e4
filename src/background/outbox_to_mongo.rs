//! Copies wallets from the outbox to MongoDB.

pub(super) mod connection;
pub(super) mod versions;

use self::connection::MongoError;
use crate::config::SyncConfig;

/// Checks `[sync]` as far as nobody needs to be asked for it: the connection string.
pub fn check(config: &SyncConfig) -> Result<(), MongoError> {
    connection::check(config)
}
