//! Wallet rows: read by id, key or address, listed in pages, inserted and completed within a transaction.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::writer::WriteTransaction;
use super::{CachedWallet, Store, StoreError, orphans, outbox, pending_keys};
use crate::chains::cardano::stake::StakeKeyHash;
use crate::chains::{Address, AddressForm, AddressType};
use crate::clock::Timestamp;
use crate::ids::{KeyArn, Label, UserId, WalletId};
use crate::keys::{KeySpec, PinnedKey};
use crate::wallets::lifecycle::{Event, Status, next};

pub(super) const COLUMNS: &str = "wallet_id, user_id, asset, ticker, network, address_type, key_spec, status, kms_key_id, public_key, address, \
                       label, created_at, updated_at, version, deletion_date, stake_wallet_id, stake_key_hash";

/// A wallet as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    pub wallet_id: WalletId,
    pub user_id: UserId,
    /// Canonical ticker.
    pub asset: String,
    /// The ticker as the caller wrote it, such as BSC for BNB.
    pub ticker: String,
    pub network: String,
    pub address_type: AddressType,
    /// Of a base address, and of no other.
    pub stake: Option<Stake>,
    pub key_spec: KeySpec,
    pub status: Status,
    /// The key, once KMS has named it.
    pub kms_key_id: Option<KeyArn>,
    /// Pinned: what every signature is verified against.
    pub public_key: Option<PinnedKey>,
    pub address: Option<String>,
    pub label: Option<Label>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: u64,
    /// When KMS deletes the key, or did.
    pub deletion_date: Option<Timestamp>,
}

/// Whose key is the stake key of a wallet's base address. Both never change, whatever becomes of that wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stake {
    pub wallet_id: WalletId,
    /// The address is derived from it, so that nobody needs the other wallet for that.
    pub key_hash: StakeKeyHash,
}

impl Wallet {
    /// The form of its address.
    pub fn form(&self) -> AddressForm {
        AddressForm { address_type: self.address_type, stake: self.stake_key() }
    }

    pub fn stake_key(&self) -> Option<StakeKeyHash> {
        self.stake.map(|stake| stake.key_hash)
    }
}

/// Which wallets to list. Absent members do not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalletFilter {
    pub user_id: Option<UserId>,
    pub asset: Option<String>,
    pub network: Option<String>,
    pub status: Option<Status>,
    /// Only wallets after this one, in the order of their ids.
    pub after: Option<WalletId>,
}

/// Some wallets, and where to go on if there may be more.
pub struct WalletPage {
    pub wallets: Vec<Wallet>,
    pub next: Option<WalletId>,
}

impl Store {
    pub fn wallet(&self, id: WalletId) -> Result<Option<Arc<CachedWallet>>, StoreError> {
        match self.cache.by_id(id) {
            Ok(wallet) => Ok(Some(wallet)),
            Err(before) => Ok(self.read(|connection| find(connection, id))?.map(|wallet| self.cache.keep(&before, wallet))),
        }
    }

    pub fn wallet_by_key(&self, key: &KeyArn) -> Result<Option<Arc<CachedWallet>>, StoreError> {
        match self.cache.by_key(key) {
            Ok(wallet) => Ok(Some(wallet)),
            Err(before) => {
                Ok(self.read(|connection| find_by_key(connection, key))?.map(|wallet| self.cache.keep(&before, wallet)))
            }
        }
    }

    /// Every wallet whose key has this address, in any of its forms. `address` is in canonical form.
    pub fn wallets_by_address(&self, address: &str) -> Result<Vec<Wallet>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM wallets WHERE wallet_id IN (SELECT wallet_id FROM addresses WHERE address = ?1) ORDER BY wallet_id"
            ))?;
            let rows = statement.query_map([address], |row| Ok(from_row(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// At most `limit` wallets in the order of their ids, which is the order of their creation. A row that can't be read is
    /// logged and left out: one bad wallet must not hide the others.
    pub fn list_wallets(&self, filter: &WalletFilter, limit: u32) -> Result<WalletPage, StoreError> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        let mut add = |condition: &str, value: Option<String>| {
            if let Some(value) = value {
                conditions.push(condition.to_owned());
                values.push(Value::Text(value));
            }
        };
        add("user_id = ?", filter.user_id.as_ref().map(ToString::to_string));
        add("asset = ?", filter.asset.clone());
        add("network = ?", filter.network.clone());
        add("status = ?", filter.status.map(|status| status.as_str().to_owned()));
        add("wallet_id > ?", filter.after.map(|id| id.to_string()));
        let condition = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
        values.push(Value::Integer(i64::from(limit)));
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM wallets WHERE {condition} ORDER BY wallet_id LIMIT ?"))?;
            let mut rows = statement.query(params_from_iter(values))?;
            let (mut wallets, mut read, mut last) = (Vec::new(), 0_u32, None);
            while let Some(row) = rows.next()? {
                read = read.saturating_add(1);
                last = parse::<WalletId>("wallet_id", row.get_ref(0)?.as_str().unwrap_or_default()).ok().or(last);
                match from_row(row) {
                    Ok(wallet) => wallets.push(wallet),
                    Err(error) => tracing::error!(%error, "a wallet's row can't be read"),
                }
            }
            Ok(WalletPage { wallets, next: last.filter(|_| read == limit) })
        })
    }

    /// How many wallets are in each state; states without any are left out.
    pub fn count_wallets(&self) -> Result<Vec<(Status, u64)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT status, count(*) FROM wallets GROUP BY status")?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))?;
            rows.map(|row| {
                let (status, count) = row?;
                Ok((parse("status", &status)?, count))
            })
            .collect()
        })
    }
}

pub(super) fn find(connection: &Connection, id: WalletId) -> Result<Option<Wallet>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM wallets WHERE wallet_id = ?1"))?
        .query_row([id.to_string()], |row| Ok(from_row(row)))
        .optional()?
        .transpose()
}

/// The state alone, for what is checked at every signature.
pub(super) fn status(connection: &Connection, id: WalletId) -> Result<Status, StoreError> {
    let status = connection
        .prepare_cached("SELECT status FROM wallets WHERE wallet_id = ?1")?
        .query_row([id.to_string()], |row| row.get::<_, String>(0))
        .optional()?;
    status.map_or_else(|| Err(StoreError::Corrupt(format!("wallet {id} is gone"))), |text| parse("status", &text))
}

/// Why nothing may enable the wallet or delete its key, if it is in quarantine.
pub(super) fn quarantine(connection: &Connection, id: WalletId) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT reason FROM quarantine WHERE wallet_id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?)
}

fn find_by_key(connection: &Connection, key: &KeyArn) -> Result<Option<Wallet>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM wallets WHERE kms_key_id = ?1"))?
        .query_row([key.as_str()], |row| Ok(from_row(row)))
        .optional()?
        .transpose()
}

/// Inserts a new row: a PENDING wallet, or one that a restore brings back.
pub(super) fn insert(connection: &Connection, wallet: &Wallet) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO wallets ({COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)"
        ))?
        .execute(rusqlite::params![
            wallet.wallet_id.to_string(),
            wallet.user_id.as_str(),
            wallet.asset,
            wallet.ticker,
            wallet.network,
            wallet.address_type.as_str(),
            wallet.key_spec.as_str(),
            wallet.status.as_str(),
            wallet.kms_key_id.as_ref().map(KeyArn::as_str),
            wallet.public_key.as_ref().map(PinnedKey::as_bytes),
            wallet.address,
            wallet.label.as_ref().map(Label::as_str),
            wallet.created_at.unix_millis(),
            wallet.updated_at.unix_millis(),
            wallet.version,
            wallet.deletion_date.map(Timestamp::unix_millis),
            wallet.stake.map(|stake| stake.wallet_id.to_string()),
            wallet.stake.map(|stake| *stake.key_hash.as_bytes()),
        ])?;
    Ok(())
}

/// Notes which key KMS made for a PENDING wallet, so that a retry goes on from there. Returns whether that was news.
pub(super) fn name_key(transaction: &mut WriteTransaction<'_>, id: WalletId, key: &KeyArn) -> Result<bool, StoreError> {
    transaction.changed_wallets.push(id);
    let named = transaction
        .connection
        .prepare_cached("UPDATE wallets SET kms_key_id = ?2 WHERE wallet_id = ?1 AND status = 'PENDING' AND kms_key_id IS NULL")?
        .execute((id.to_string(), key.as_str()))?;
    if named == 1 {
        orphans::remove(transaction.connection, key)?;
    }
    Ok(named == 1)
}

/// Pins key, public key and addresses of a PENDING wallet, which becomes CREATED.
pub(super) fn complete(
    transaction: &mut WriteTransaction<'_>,
    wallet: &Wallet,
    forms: &[(AddressType, Address)],
) -> Result<(), StoreError> {
    step(transaction, wallet.wallet_id, Event::Proven, wallet)?;
    pending_keys::remove(transaction.connection, wallet.wallet_id)?;
    if let Some(key) = &wallet.kms_key_id {
        orphans::remove(transaction.connection, key)?;
    }
    insert_forms(transaction.connection, wallet, forms)
}

/// Inserts the addresses by which a wallet is found.
pub(super) fn insert_forms(connection: &Connection, wallet: &Wallet, forms: &[(AddressType, Address)]) -> Result<(), StoreError> {
    let mut insert = connection
        .prepare_cached("INSERT INTO addresses (address, asset, network, wallet_id, address_type) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (address_type, address) in forms {
        insert.execute((
            address.as_str(),
            &wallet.asset,
            &wallet.network,
            wallet.wallet_id.to_string(),
            address_type.as_str(),
        ))?;
    }
    Ok(())
}

/// Ends a PENDING wallet for which KMS made no key.
pub(super) fn fail(transaction: &mut WriteTransaction<'_>, id: WalletId, at: Timestamp) -> Result<(), StoreError> {
    let Some(mut wallet) = find(transaction.connection, id)? else {
        return Err(StoreError::Corrupt(format!("wallet {id} is gone")));
    };
    wallet.updated_at = at;
    pending_keys::remove(transaction.connection, id)?;
    step(transaction, id, Event::Refused, &wallet)
}

/// Moves a wallet by one event of its lifecycle, writing what `wallet` says of its key, and notes the new version for MongoDB.
pub(super) fn step(
    transaction: &mut WriteTransaction<'_>,
    id: WalletId,
    event: Event,
    wallet: &Wallet,
) -> Result<(), StoreError> {
    let connection = transaction.connection;
    transaction.changed_wallets.push(id);
    let status = find(connection, id)?.map(|row| row.status);
    let Some(to) = status.and_then(|status| next(status, event)) else {
        return Err(StoreError::Corrupt(format!("{event:?} does not apply to wallet {id}, which is {status:?}")));
    };
    connection
        .prepare_cached(
            "UPDATE wallets SET status = ?2, kms_key_id = ?3, public_key = ?4, address = ?5, updated_at = ?6, version = version + 1,
             deletion_date = ?7 WHERE wallet_id = ?1",
        )?
        .execute((
            id.to_string(),
            to.as_str(),
            wallet.kms_key_id.as_ref().map(KeyArn::as_str),
            wallet.public_key.as_ref().map(PinnedKey::as_bytes),
            &wallet.address,
            wallet.updated_at.unix_millis(),
            wallet.deletion_date.map(Timestamp::unix_millis),
        ))?;
    if wallet.kms_key_id.is_some() {
        outbox::note(connection, id, wallet.updated_at)?;
    }
    Ok(())
}

pub(super) fn from_row(row: &Row<'_>) -> Result<Wallet, StoreError> {
    let key_spec: KeySpec = parse("key_spec", row.get_ref(6)?.as_str().unwrap_or_default())?;
    let public_key = row.get::<_, Option<Vec<u8>>>(9)?.map(|bytes| PinnedKey::from_store(key_spec, bytes));
    Ok(Wallet {
        wallet_id: parse("wallet_id", row.get_ref(0)?.as_str().unwrap_or_default())?,
        user_id: parse("user_id", row.get_ref(1)?.as_str().unwrap_or_default())?,
        asset: row.get(2)?,
        ticker: row.get(3)?,
        network: row.get(4)?,
        address_type: parse("address_type", row.get_ref(5)?.as_str().unwrap_or_default())?,
        stake: stake_from_row(row)?,
        key_spec,
        status: parse("status", row.get_ref(7)?.as_str().unwrap_or_default())?,
        kms_key_id: row.get::<_, Option<String>>(8)?.map(|text| parse("kms_key_id", &text)).transpose()?,
        public_key,
        address: row.get(10)?,
        label: row.get::<_, Option<String>>(11)?.map(|text| parse("label", &text)).transpose()?,
        created_at: Timestamp::from_unix_millis(row.get(12)?),
        updated_at: Timestamp::from_unix_millis(row.get(13)?),
        version: row.get(14)?,
        deletion_date: row.get::<_, Option<u64>>(15)?.map(Timestamp::from_unix_millis),
    })
}

fn stake_from_row(row: &Row<'_>) -> Result<Option<Stake>, StoreError> {
    match (row.get::<_, Option<String>>(16)?, row.get::<_, Option<Vec<u8>>>(17)?) {
        (None, None) => Ok(None),
        (Some(id), Some(hash)) => {
            let key_hash = StakeKeyHash::try_from(hash.as_slice());
            let key_hash = key_hash.map_err(|error| StoreError::Corrupt(format!("wallets.stake_key_hash {error}")))?;
            Ok(Some(Stake { wallet_id: parse("stake_wallet_id", &id)?, key_hash }))
        }
        _ => Err(StoreError::Corrupt("wallets.stake_wallet_id and stake_key_hash are not there together".to_owned())),
    }
}

pub(super) fn parse<T: std::str::FromStr>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("wallets.{column} holds {text:?}")))
}
