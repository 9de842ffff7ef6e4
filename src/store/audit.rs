//! Rows of the audit: appended within a transaction, read in pages, checked as a chain.

use rusqlite::{Connection, OptionalExtension};

use super::writer::WriteTransaction;
use super::{Store, StoreError};
use crate::audit::hash_chain::{Checker, Head, Verdict};
use crate::audit::record::Record;

/// Most bytes of records in one page: a payment to thousands has a record of hundreds of kilobytes.
const MAX_PAGE_BYTES: usize = 8 << 20;

/// A stored record: its JSON and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub sequence: u64,
    pub record: String,
    pub hash: [u8; 32],
}

/// Some records, oldest first, and the head of the chain when they were read.
#[derive(Debug, Clone)]
pub struct AuditPage {
    pub rows: Vec<AuditRow>,
    pub head: Head,
}

/// Appends a record and moves the head. `make` gets the sequence the record will have, which is returned.
pub(super) fn append<'r>(
    transaction: &mut WriteTransaction<'_>,
    make: impl FnOnce(u64) -> Record<'r>,
) -> Result<u64, StoreError> {
    *transaction.head = append_after(transaction.connection, transaction.head, make)?;
    Ok(transaction.head.sequence)
}

/// Appends a record behind `head`, and gives the new head.
pub(super) fn append_after<'r>(
    connection: &Connection,
    head: &Head,
    make: impl FnOnce(u64) -> Record<'r>,
) -> Result<Head, StoreError> {
    let text = make(head.sequence.saturating_add(1)).to_text()?;
    let head = head.after(&text);
    connection.prepare_cached("INSERT INTO audit (sequence, record, hash) VALUES (?1, ?2, ?3)")?.execute((
        head.sequence,
        &text,
        head.hash,
    ))?;
    Ok(head)
}

/// The last record's sequence and hash.
pub(super) fn head(connection: &Connection) -> Result<Head, StoreError> {
    let head = connection
        .prepare_cached("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")?
        .query_row([], |row| Ok(Head { sequence: row.get(0)?, hash: row.get(1)? }))
        .optional()?;
    Ok(head.unwrap_or_default())
}

/// An intent without an outcome.
#[derive(Debug)]
pub(super) struct OpenIntentRow {
    pub sequence: u64,
    pub wallet_id: Option<String>,
    pub method: Option<String>,
}

/// Intents without an outcome that are not `live`, oldest first.
pub(super) fn open_intents(
    connection: &Connection,
    limit: u32,
    live: impl Fn(&(u64, [u8; 32])) -> bool,
) -> Result<Vec<OpenIntentRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT intent, hash, open_intents.wallet_id, record ->> 'method' FROM open_intents JOIN audit ON sequence = intent
         ORDER BY intent",
    )?;
    let mut rows = statement.query([])?;
    let mut left = Vec::new();
    while let Some(row) = rows.next()?
        && left.len() < usize::try_from(limit).unwrap_or(usize::MAX)
    {
        let (sequence, hash) = (row.get(0)?, row.get(1)?);
        if !live(&(sequence, hash)) {
            left.push(OpenIntentRow { sequence, wallet_id: row.get(2)?, method: row.get(3)? });
        }
    }
    Ok(left)
}

impl Store {
    /// Records after `after`, or the last ones without it; at most `limit`, oldest first, and at most [`MAX_PAGE_BYTES`] of them but
    /// one at least.
    pub fn audit_page(&self, after: Option<u64>, limit: u32) -> Result<AuditPage, StoreError> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let head = head(&snapshot)?;
            let latest = after.is_none();
            let after = after.unwrap_or_else(|| head.sequence.saturating_sub(u64::from(limit)));
            let order = if latest { "DESC" } else { "ASC" };
            let mut statement = snapshot.prepare_cached(&format!(
                "SELECT sequence, record, hash FROM audit WHERE sequence > ?1 ORDER BY sequence {order} LIMIT ?2"
            ))?;
            let found = statement.query_map((after, limit), |row| {
                Ok(AuditRow { sequence: row.get(0)?, record: row.get(1)?, hash: row.get(2)? })
            })?;
            let (mut rows, mut bytes): (Vec<AuditRow>, usize) = (Vec::new(), 0);
            for row in found {
                let row = row?;
                bytes = bytes.saturating_add(row.record.len());
                if bytes > MAX_PAGE_BYTES && !rows.is_empty() {
                    break;
                }
                rows.push(row);
            }
            if latest {
                rows.reverse();
            }
            Ok(AuditPage { rows, head })
        })
    }

    /// Checks the whole chain up to the head that we wrote. Reads every record, so it belongs in a blocking task.
    pub fn audit_verify(&self) -> Result<Verdict, StoreError> {
        let mut checker = Checker::against(self.writer.head());
        let mut after = 0;
        // In parts: a reader that stays long keeps the write-ahead log from being folded back.
        while let Some(last) = self.read(|connection| check_part(connection, &mut checker, after))? {
            after = last;
        }
        Ok(checker.finish())
    }
}

/// Checks the chain of a database that no daemon has open.
pub(super) fn verify(connection: &Connection) -> Result<Verdict, StoreError> {
    let (mut checker, mut after) = (Checker::default(), 0);
    while let Some(last) = check_part(connection, &mut checker, after)? {
        after = last;
    }
    Ok(checker.finish())
}

/// Checks the rows behind a sequence, and gives the last one's if there were any.
fn check_part(connection: &Connection, checker: &mut Checker, after: i64) -> Result<Option<i64>, StoreError> {
    const PART: u32 = 10_000;
    let mut statement =
        connection.prepare_cached("SELECT sequence, record, hash FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT ?2")?;
    let mut rows = statement.query((after, PART))?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        // A row whose columns are not even of their types is tampering too, not an error of the check.
        let sequence = row.get_ref(0)?.as_i64().unwrap_or_default();
        let record = row.get_ref(1)?.as_str().unwrap_or_default();
        let hash = row.get_ref(2)?.as_blob().unwrap_or_default();
        checker.take(u64::try_from(sequence).unwrap_or_default(), record, hash);
        last = Some(sequence);
    }
    Ok(last)
}
