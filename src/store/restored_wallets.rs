//! What a restore does to single wallets: put in, released from quarantine or put there, brought to a stricter state, taken to a
//! higher version. It must never change a wallet's key, and never make one that is there less strict.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension};

use super::restore::{Finding, FindingKind, RestoredPage, RestoredWallet, is_quarantined};
use super::writer::WriteTransaction;
use super::{Store, StoreError, key_drives, outbox, wallets};
use crate::chains::cardano::stake::StakeKeyHash;
use crate::chains::{Address, AddressType};
use crate::clock::Timestamp;
use crate::ids::WalletId;
use crate::store::wallets::Wallet;
use crate::wallets::lifecycle::Status;

/// A stricter state for a wallet in the store.
#[derive(Debug)]
pub struct StateChange {
    pub wallet_id: WalletId,
    pub status: Status,
    pub deletion_date: Option<Timestamp>,
    /// KMS is still to be told.
    pub disable_in_kms: bool,
}

/// Some wallets of the store with their keys, in the order of their ids.
#[derive(Debug)]
pub struct StoredWallets {
    pub wallets: Vec<Wallet>,
    /// The wallet to go on behind; `None` if there are no more.
    pub last: Option<String>,
}

impl Store {
    /// Wallets behind this one that have a key to be proven, in the order of their ids. Those in quarantine are not among them.
    pub fn wallets_to_prove(&self, after: Option<&str>, limit: u32) -> Result<StoredWallets, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {} FROM wallets WHERE status IN ('CREATED', 'DISABLED', 'PENDING_DELETION') AND wallet_id > ?1
                 AND wallet_id NOT IN (SELECT wallet_id FROM quarantine) ORDER BY wallet_id LIMIT ?2",
                wallets::COLUMNS
            ))?;
            let mut rows = statement.query((after.unwrap_or_default(), limit))?;
            let mut page = StoredWallets { wallets: Vec::new(), last: None };
            while let Some(row) = rows.next()? {
                let wallet = wallets::from_row(row)?;
                page.last = Some(wallet.wallet_id.to_string());
                page.wallets.push(wallet);
            }
            Ok(page)
        })
    }
}

pub(super) enum Put {
    In,
    InQuarantine,
    AlreadyThere,
    Refused(Finding),
}

pub(super) fn put_in_one(
    transaction: &mut WriteTransaction<'_>,
    restored: RestoredWallet,
    now: Timestamp,
) -> Result<Put, StoreError> {
    let RestoredWallet { wallet, forms, quarantine, disable_in_kms } = restored;
    let (connection, id) = (transaction.connection, wallet.wallet_id);
    let key = wallet.kms_key_id.as_ref().map(ToString::to_string);
    let refused = |reason: String| {
        Put::Refused(Finding { kind: FindingKind::Quarantined, subject: id.to_string(), kms_key_id: key.clone(), reason })
    };
    if let Some(there) = wallets::find(connection, id)? {
        if !is_quarantined(connection, id)? {
            return Ok(Put::AlreadyThere);
        }
        // Judged anew on what is known now. Nothing was done with it in between: it could not sign, and nothing enables it.
        if is_same(&there, &wallet) {
            return judge_anew(transaction, &there, wallet, &forms, quarantine, disable_in_kms, now);
        }
        if is_referred_to(connection, id)? {
            return Ok(refused("its row in the store is another's, and signatures refer to it".to_owned()));
        }
        take_out(connection, id)?;
    }
    let holder: Option<String> = connection
        .prepare_cached("SELECT wallet_id FROM wallets WHERE kms_key_id = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?;
    if let Some(holder) = holder {
        let other = wallets::parse::<WalletId>("wallet_id", &holder)?;
        // What nobody could prove does not keep a key from the wallet that KMS says it is.
        if quarantine.is_some() || !is_quarantined(connection, other)? || is_referred_to(connection, other)? {
            return Ok(refused(format!("its key is wallet {holder}'s already")));
        }
        transaction.changed_wallets.push(other);
        take_out(connection, other)?;
    }
    transaction.changed_wallets.push(id);
    wallets::insert(connection, &wallet)?;
    wallets::insert_forms(connection, &wallet, &forms)?;
    if let Some(reason) = &quarantine {
        note(connection, id, reason, now)?;
        // Its document stays as it is: it is the evidence.
        return Ok(Put::InQuarantine);
    }
    if disable_in_kms {
        key_drives::ask(connection, &wallet, None)?;
    }
    outbox::note(connection, id, now)?;
    Ok(Put::In)
}

/// Whether a row and what is to be put in are one wallet with one key.
fn is_same(there: &Wallet, wallet: &Wallet) -> bool {
    let parts = |wallet: &Wallet| {
        (
            wallet.kms_key_id.clone(),
            wallet.public_key.clone(),
            wallet.address.clone(),
            wallet.user_id.clone(),
            (wallet.asset.clone(), wallet.network.clone(), wallet.stake),
        )
    };
    parts(there) == parts(wallet)
}

/// Releases a wallet from quarantine in its own row, to which records of its past may refer; or keeps it there.
fn judge_anew(
    transaction: &mut WriteTransaction<'_>,
    there: &Wallet,
    wallet: Wallet,
    forms: &[(AddressType, Address)],
    quarantine: Option<String>,
    disable_in_kms: bool,
    now: Timestamp,
) -> Result<Put, StoreError> {
    let (connection, id) = (transaction.connection, wallet.wallet_id);
    transaction.changed_wallets.push(id);
    let version = wallet.version.max(there.version);
    let wallet = Wallet { version, ..wallet };
    connection
        .prepare_cached(
            "UPDATE wallets SET status = ?2, version = ?3, updated_at = ?4, deletion_date = ?5, label = coalesce(?6, label) WHERE wallet_id = ?1",
        )?
        .execute((
            id.to_string(),
            wallet.status.as_str(),
            version,
            now.unix_millis(),
            wallet.deletion_date.map(Timestamp::unix_millis),
            wallet.label.as_ref().map(crate::ids::Label::as_str),
        ))?;
    connection.prepare_cached("DELETE FROM quarantine WHERE wallet_id = ?1")?.execute([id.to_string()])?;
    if let Some(reason) = &quarantine {
        note(connection, id, reason, now)?;
        return Ok(Put::InQuarantine);
    }
    connection.prepare_cached("DELETE FROM addresses WHERE wallet_id = ?1")?.execute([id.to_string()])?;
    wallets::insert_forms(connection, &wallet, forms)?;
    if disable_in_kms {
        key_drives::ask(connection, &wallet, None)?;
    }
    outbox::note(connection, id, now)?;
    Ok(Put::In)
}

fn note(connection: &Connection, id: WalletId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    connection.prepare_cached("INSERT OR REPLACE INTO quarantine (wallet_id, reason, since) VALUES (?1, ?2, ?3)")?.execute((
        id.to_string(),
        reason,
        now.unix_millis(),
    ))?;
    Ok(())
}

/// Puts a wallet in quarantine that came with a backup: nobody may take its address for ours, and nothing is told of it.
pub(super) fn quarantine(
    transaction: &mut WriteTransaction<'_>,
    id: WalletId,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let connection = transaction.connection;
    transaction.changed_wallets.push(id);
    connection
        .prepare_cached("UPDATE wallets SET status = 'DISABLED', updated_at = ?2 WHERE wallet_id = ?1")?
        .execute((id.to_string(), now.unix_millis()))?;
    for table in ["addresses", "outbox", "key_drives", "drift"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE wallet_id = ?1"))?.execute([id.to_string()])?;
    }
    note(connection, id, reason, now)
}

/// Brings a wallet to a stricter state, and has MongoDB told.
pub(super) fn change(transaction: &mut WriteTransaction<'_>, change: StateChange, now: Timestamp) -> Result<(), StoreError> {
    let StateChange { wallet_id: id, status, deletion_date, disable_in_kms } = change;
    let connection = transaction.connection;
    transaction.changed_wallets.push(id);
    connection
        .prepare_cached(
            "UPDATE wallets SET status = ?2, deletion_date = ?3, version = version + 1, updated_at = ?4 WHERE wallet_id = ?1",
        )?
        .execute((id.to_string(), status.as_str(), deletion_date.map(Timestamp::unix_millis), now.unix_millis()))?;
    outbox::note(connection, id, now)?;
    if disable_in_kms && let Some(wallet) = wallets::find(connection, id)? {
        key_drives::ask(connection, &wallet, None)?;
    }
    Ok(())
}

/// Holds the stake key of each base address against the wallet that it is said to be of. They come in any order, so this is asked in the
/// end. Who could write a document or a tag could have put a key of his own there, which would earn for him what our coins earn.
pub(super) fn check_stake_keys(connection: &Connection, page: &mut RestoredPage) -> Result<(), StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT {} FROM wallets WHERE stake_wallet_id IS NOT NULL AND status IN ('CREATED', 'DISABLED', 'PENDING_DELETION')
         AND wallet_id NOT IN (SELECT wallet_id FROM quarantine) ORDER BY wallet_id",
        wallets::COLUMNS
    ))?;
    let (mut proven, mut unproven) = (HashMap::<WalletId, Option<StakeKeyHash>>::new(), BTreeMap::<String, u64>::new());
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let wallet = wallets::from_row(row)?;
        let Some(stake) = wallet.stake else { continue };
        let id = stake.wallet_id;
        let key_hash = match proven.get(&id) {
            Some(known) => *known,
            None => *proven.entry(id).or_insert(proven_stake_key(connection, id)?),
        };
        if key_hash.is_none() {
            let count = unproven.entry(id.to_string()).or_default();
            *count = count.saturating_add(1);
        } else if key_hash != Some(stake.key_hash) {
            let reason = format!("the stake key of its address is not the key of wallet {id}, which it names");
            let kms_key_id = wallet.kms_key_id.map(|key| key.to_string());
            let subject = wallet.wallet_id.to_string();
            page.findings.push(Finding { kind: FindingKind::Quarantined, subject, kms_key_id, reason: reason.clone() });
            page.refuted.push((wallet.wallet_id, reason));
        }
    }
    page.findings.extend(unproven.into_iter().map(|(id, count)| Finding {
        kind: FindingKind::Changed,
        subject: format!("stake key of {id}"),
        kms_key_id: None,
        reason: format!(
            "this wallet is not here with a key that KMS has shown: that it is the stake key of {count} base addresses is the word of the tags \
             of their keys"
        ),
    }));
    Ok(())
}

/// The hash of a wallet's key, if that is known.
fn proven_stake_key(connection: &Connection, id: WalletId) -> Result<Option<StakeKeyHash>, StoreError> {
    if is_quarantined(connection, id)? {
        return Ok(None);
    }
    // The key of a DELETED one nobody can show any more.
    let wallet = wallets::find(connection, id)?.filter(|wallet| wallet.status != Status::Deleted);
    Ok(wallet.and_then(|wallet| wallet.public_key).and_then(|key| key.open().ok()).and_then(|key| StakeKeyHash::of(&key)))
}

fn is_referred_to(connection: &Connection, id: WalletId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM signatures WHERE wallet_id = ?1)")?
        .query_row([id.to_string()], |row| row.get(0))?)
}

fn take_out(connection: &Connection, id: WalletId) -> Result<(), StoreError> {
    for table in ["quarantine", "addresses", "outbox", "key_drives", "drift", "pending_keys", "wallets"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE wallet_id = ?1"))?.execute([id.to_string()])?;
    }
    Ok(())
}

/// Takes a wallet's version to at least this. One without a key is not told to MongoDB: what MongoDB has of it is newer.
pub(super) fn raise(
    transaction: &mut WriteTransaction<'_>,
    id: WalletId,
    version: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    transaction.changed_wallets.push(id);
    let raised = transaction
        .connection
        .prepare_cached("UPDATE wallets SET version = ?2, updated_at = ?3 WHERE wallet_id = ?1 AND version < ?2")?
        .execute((id.to_string(), version, now.unix_millis()))?;
    if raised == 1 && !matches!(wallets::status(transaction.connection, id)?, Status::Pending | Status::Failed) {
        outbox::note(transaction.connection, id, now)?;
    }
    Ok(raised == 1)
}
