//! Wallets on their way to MongoDB: one row a wallet, put there in the transaction that changed it and taken away once MongoDB
//! has acknowledged that version or a newer one.
//!
//! It must never lose a row: what is not acknowledged stays, however long that takes. A row that MongoDB refuses for good is
//! parked, with the reason, and waits there for its wallet's next version or another try.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::commits::append_daemon;
use super::wallets::{self, Wallet};
use super::{Store, StoreError};
use crate::audit::record::Facts;
use crate::clock::Timestamp;
use crate::ids::WalletId;

/// Which rows of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Those that wait for their turn.
    Waiting,
    /// Those that MongoDB refused.
    Parked,
}

/// Some wallets of the outbox, oldest first.
#[derive(Debug)]
pub struct OutboxPage {
    /// As they are now; a row that can't be read is logged and left out.
    pub wallets: Vec<Wallet>,
    /// The position to go on behind; `None` if there are no more.
    pub last: Option<i64>,
}

/// A wallet's version that MongoDB refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub wallet_id: WalletId,
    pub version: u64,
    /// A sentence for the operator.
    pub reason: String,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxState {
    pub waiting: u64,
    pub parked: u64,
    /// Since when the oldest of the waiting ones does.
    pub oldest: Option<Timestamp>,
}

impl OutboxState {
    /// All rows, which is what `[sync] max_pending` limits.
    pub const fn rows(&self) -> u64 {
        self.waiting.saturating_add(self.parked)
    }

    /// How long the oldest of the waiting ones has waited; nothing if none waits.
    pub fn oldest_age(&self, now: Timestamp) -> Duration {
        let since = |oldest: Timestamp| now.unix_millis().saturating_sub(oldest.unix_millis());
        Duration::from_millis(self.oldest.map_or(0, since))
    }
}

impl Store {
    /// At most `limit` wallets behind this position, in the order in which they came.
    pub fn outbox_page(&self, rows: Rows, after: i64, limit: u32) -> Result<OutboxPage, StoreError> {
        let condition = match rows {
            Rows::Waiting => "parked IS NULL",
            Rows::Parked => "parked IS NOT NULL",
        };
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {}, position FROM
                 (SELECT position, wallet_id FROM outbox WHERE {condition} AND position > ?1 ORDER BY position LIMIT ?2)
                 JOIN wallets USING (wallet_id) ORDER BY position",
                wallets::COLUMNS
            ))?;
            let mut rows = statement.query((after, limit))?;
            let mut page = OutboxPage { wallets: Vec::new(), last: None };
            while let Some(row) = rows.next()? {
                page.last = Some(row.get("position")?);
                match wallets::from_row(row) {
                    Ok(wallet) => page.wallets.push(wallet),
                    Err(error) => tracing::error!(%error, "a wallet's row can't be read, so it does not get to MongoDB"),
                }
            }
            Ok(page)
        })
    }

    /// Takes away what MongoDB has durably. A wallet that has changed since stays.
    pub async fn acknowledge(&self, taken: Vec<(WalletId, u64)>) -> Result<(), StoreError> {
        self.writer
            .submit(move |transaction| {
                let mut delete =
                    transaction.connection.prepare_cached("DELETE FROM outbox WHERE wallet_id = ?1 AND version <= ?2")?;
                for (id, version) in taken {
                    delete.execute((id.to_string(), version))?;
                }
                Ok(())
            })
            .durable()
            .await
    }

    /// Parks what MongoDB refuses, and leaves a record of it. A wallet that has changed since is not parked, and one that is
    /// parked for the same reason already leaves no second record. Gives what is new.
    pub async fn park(&self, refused: Vec<Refused>) -> Result<Vec<Refused>, StoreError> {
        let now = self.clock.now();
        self.writer
            .submit(move |transaction| {
                let mut parked = Vec::new();
                for refused in refused {
                    let changed = transaction
                        .connection
                        .prepare_cached(
                            "UPDATE outbox SET parked = ?3 WHERE wallet_id = ?1 AND version = ?2 AND parked IS NOT ?3",
                        )?
                        .execute((refused.wallet_id.to_string(), refused.version, &refused.reason))?;
                    if changed > 0 {
                        parked.push(refused);
                    }
                }
                if !parked.is_empty() {
                    append_daemon(transaction, now, Facts { detail: Some(parking(&parked)), ..Facts::default() }, &[])?;
                }
                Ok(parked)
            })
            .durable()
            .await
    }

    /// How much waits, and since when.
    pub fn outbox_state(&self) -> Result<OutboxState, StoreError> {
        self.read(|connection| {
            let parked = connection
                .prepare_cached("SELECT count(*) FROM outbox WHERE parked IS NOT NULL")?
                .query_row([], |row| row.get(0))?;
            let oldest = connection
                .prepare_cached("SELECT since FROM outbox WHERE parked IS NULL ORDER BY position LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()?;
            let rows = rows(connection)?.saturating_sub(parked);
            Ok(OutboxState { waiting: rows, parked, oldest: oldest.map(Timestamp::from_unix_millis) })
        })
    }

    /// At most `limit` parked wallets, with the reason, oldest first.
    pub fn parked(&self, limit: u32) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT wallet_id, parked FROM outbox WHERE parked IS NOT NULL ORDER BY position LIMIT ?1")?;
            let rows = statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// From now on no wallet is made while so many rows are in the outbox.
    pub fn limit_outbox(&self, max_pending: u64) {
        self.max_pending.store(max_pending, Ordering::Relaxed);
    }

    /// Resolves when a wallet has changed, durably, since the last time it did.
    pub async fn wallet_changed(&self) {
        self.writer.wallet_changed().await;
    }
}

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

/// How many rows there are. The schema's triggers keep the count, since counting a long outbox for each new wallet would not be cheap.
pub(super) fn rows(connection: &Connection) -> Result<u64, StoreError> {
    Ok(connection.prepare_cached("SELECT waiting FROM outbox_size")?.query_row([], |row| row.get(0))?)
}

/// What the audit says of parked wallets. A long list is cut: `admin_status` and the outbox itself have all of them.
fn parking(parked: &[Refused]) -> String {
    const NAMED: usize = 20;
    let named: Vec<String> = parked
        .iter()
        .take(NAMED)
        .map(|refused| format!("{} version {}: {}", refused.wallet_id, refused.version, refused.reason))
        .collect();
    let more = match parked.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("MongoDB refuses {} wallets, which are parked: {}{more}", parked.len(), named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::open_for_writing;

    #[test]
    fn rows_counts_each_wallet_once_however_often_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_for_writing(&directory.path().join("kmsignd.db")).unwrap();
        let ids = [1, 2].map(WalletId::new);
        for (n, id) in ids.iter().enumerate() {
            let insert =
                "INSERT INTO wallets (wallet_id, user_id, asset, ticker, network, address_type, key_spec, status, kms_key_id,
                public_key, address, created_at, updated_at, version)
                VALUES (?1, 'u', 'ETH', 'ETH', 'sepolia', 'eip55', 'ECC_SECG_P256K1', 'CREATED', ?2, x'02', 'a', 1, 1, 2)";
            connection.execute(insert, (id.to_string(), format!("key {n}"))).unwrap();
        }
        assert_eq!(rows(&connection).unwrap(), 0);
        for _ in 0..3 {
            for id in ids {
                note(&connection, id, Timestamp::from_unix_millis(1)).unwrap();
            }
        }
        assert_eq!(rows(&connection).unwrap(), 2);
        connection.execute("DELETE FROM outbox WHERE wallet_id = ?1", [ids[0].to_string()]).unwrap();
        assert_eq!(rows(&connection).unwrap(), 1);
        connection.execute("DELETE FROM outbox", []).unwrap();
        assert_eq!(rows(&connection).unwrap(), 0);
    }

    #[test]
    fn parking_names_the_first_ones_and_counts_the_rest() {
        let refused = |n: u64| Refused { wallet_id: WalletId::new(n), version: n, reason: "too long".to_owned() };
        let all: Vec<_> = (1..=23).map(refused).collect();
        let text = parking(&all);
        assert!(text.starts_with("MongoDB refuses 23 wallets, which are parked: "), "{text}");
        assert!(text.ends_with("; and 3 more") && text.matches("too long").count() == 20, "{text}");
        assert!(parking(&all[..1]).ends_with(" version 1: too long"));
    }
}
