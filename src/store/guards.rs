//! Rows of what may be spent once (guards), of what took it (contents), and of the signatures that came of it.

use rusqlite::{Connection, OptionalExtension};

use super::commits::GuardedContent;
use super::{Store, StoreError};
use crate::guards::{ContentHash, Guard};
use crate::ids::WalletId;
use crate::keys::SignatureBytes;

/// One of the signatures that a content needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub content: ContentHash,
    pub wallet_id: WalletId,
    pub slot: u32,
}

/// What is known of a slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub digest: String,
    /// Of the latest attempt.
    pub intent: u64,
    /// As released; `None` while none was.
    pub signature: Option<SignatureBytes>,
}

/// A content that has a guard which another would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    pub content: ContentHash,
    /// JSON, as it was given with the content.
    pub summary: String,
}

impl Store {
    /// The contents that `asked` would replace, for policy to see: each once, none if all of its own signatures were released before. The
    /// reserving transaction looks again.
    pub fn in_the_way_of(&self, asked: &GuardedContent) -> Result<Vec<InTheWay>, StoreError> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let mut signed = true;
            for slot in asked.slots() {
                signed = signed && find(&snapshot, &slot)?.is_some_and(|known| known.signature.is_some());
            }
            if signed {
                return Ok(Vec::new());
            }
            let mut found: Vec<InTheWay> = Vec::new();
            for guard in asked.guarded.guards() {
                let Some(content) = holder(&snapshot, guard)?.filter(|content| content != asked.guarded.content()) else {
                    continue;
                };
                if found.iter().all(|known| known.content != content) {
                    found.push(InTheWay { content, summary: summary(&snapshot, &content)? });
                }
            }
            Ok(found)
        })
    }
}

/// The content that has the guard.
pub(super) fn holder(connection: &Connection, guard: &Guard) -> Result<Option<ContentHash>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT content_hash FROM guards WHERE kind = ?1 AND scope = ?2 AND item = ?3")?
        .query_row((guard.kind().as_str(), guard.scope(), guard.item()), |row| row.get(0))
        .optional()?
        .map(ContentHash::from_store))
}

fn summary(connection: &Connection, content: &ContentHash) -> Result<String, StoreError> {
    Ok(connection
        .prepare_cached("SELECT summary FROM contents WHERE content_hash = ?1")?
        .query_row([content.as_bytes()], |row| row.get(0))?)
}

/// The latest attempt to have a content signed, and whether any signature of it was released.
pub(super) fn use_of(connection: &Connection, content: &ContentHash) -> Result<(Option<u64>, bool), StoreError> {
    Ok(connection
        .prepare_cached("SELECT max(intent), coalesce(max(signature IS NOT NULL), 0) FROM signatures WHERE content_hash = ?1")?
        .query_row([content.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Gives the guard to the content, instead of to the one that it replaces. One that has it already keeps what it replaced.
pub(super) fn take(connection: &Connection, guard: &Guard, content: &ContentHash) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO guards (kind, scope, item, content_hash) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, scope, item) DO UPDATE SET replaced = content_hash, content_hash = excluded.content_hash
             WHERE content_hash <> excluded.content_hash",
        )?
        .execute((guard.kind().as_str(), guard.scope(), guard.item(), content.as_bytes()))?;
    Ok(())
}

pub(super) fn insert_content(connection: &Connection, content: &ContentHash, summary: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO contents (content_hash, summary) VALUES (?1, ?2) ON CONFLICT (content_hash) DO NOTHING")?
        .execute((content.as_bytes(), summary))?;
    Ok(())
}

pub(super) fn find(connection: &Connection, slot: &Slot) -> Result<Option<Asked>, StoreError> {
    let row = connection
        .prepare_cached(
            "SELECT digest, intent, signature FROM signatures WHERE content_hash = ?1 AND wallet_id = ?2 AND slot = ?3",
        )?
        .query_row((slot.content.as_bytes(), slot.wallet_id.to_string(), slot.slot), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
        })
        .optional()?;
    let Some((digest, intent, signature)) = row else { return Ok(None) };
    let signature = signature
        .map(|bytes| SignatureBytes::from_bytes(&bytes).ok_or_else(|| StoreError::Corrupt("signatures.signature".to_owned())))
        .transpose()?;
    Ok(Some(Asked { digest, intent, signature }))
}

/// Begins an attempt. One that an earlier attempt left without an end is taken over: that one may have made a signature.
pub(super) fn begin(connection: &Connection, slot: &Slot, digest: &str, intent: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO signatures (content_hash, wallet_id, slot, digest, intent, unknown) VALUES (?1, ?2, ?3, ?4, ?5, 0)
             ON CONFLICT (content_hash, wallet_id, slot) DO UPDATE SET intent = excluded.intent, unknown = 1",
        )?
        .execute((slot.content.as_bytes(), slot.wallet_id.to_string(), slot.slot, digest, intent))?;
    Ok(())
}

/// Stores the signature that is released once this is durable.
pub(super) fn store(connection: &Connection, slot: &Slot, intent: u64, signature: &SignatureBytes) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE signatures SET signature = ?5
             WHERE content_hash = ?1 AND wallet_id = ?2 AND slot = ?3 AND intent = ?4 AND signature IS NULL",
        )?
        .execute((slot.content.as_bytes(), slot.wallet_id.to_string(), slot.slot, intent, signature.to_bytes()))?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Corrupt("a slot would have been signed twice".to_owned())) }
}

/// Takes back an attempt that provably made no signature. If that leaves the content without any, its guards are free again, or
/// go back to what it replaced.
///
/// What it replaced was signed, or may have been: else it would have been taken back itself. So one step back is enough.
pub(super) fn take_back(connection: &Connection, slot: &Slot, intent: u64) -> Result<(), StoreError> {
    let content = slot.content.as_bytes();
    let taken_back = connection
        .prepare_cached(
            "DELETE FROM signatures WHERE content_hash = ?1 AND wallet_id = ?2 AND slot = ?3 AND intent = ?4
             AND unknown = 0 AND signature IS NULL",
        )?
        .execute((content, slot.wallet_id.to_string(), slot.slot, intent))?;
    let others: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM signatures WHERE content_hash = ?1)")?
        .query_row([content], |row| row.get(0))?;
    if taken_back == 0 || others {
        return Ok(());
    }
    connection.prepare_cached("DELETE FROM guards WHERE content_hash = ?1 AND replaced IS NULL")?.execute([content])?;
    connection
        .prepare_cached("UPDATE guards SET content_hash = replaced, replaced = NULL WHERE content_hash = ?1")?
        .execute([content])?;
    Ok(())
}
