//! The transactions of a restore: its beginning with the freeze, wallets page by page, its end.
//!
//! What stops double spending is not in MongoDB or KMS, so nothing of a restored store signs before a person has lifted its
//! freeze: freeze and first record are on disk before the first wallet. It must never change a store that is in use, nor a wallet
//! that is there already, but for its version, its quarantine, and a state that is stricter.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::commits::append_daemon;
use super::restored_wallets::{Put, change, check_stake_keys, put_in_one, quarantine, raise};
use super::writer::WriteTransaction;
use super::{OpenError, Store, StoreError, freezes, open, wallets};
use crate::audit::record::Facts;
use crate::chains::{Address, AddressType};
use crate::clock::{Clock, Timestamp};
use crate::crash_points::{self, CrashPoint};
use crate::ids::{FreezeId, WalletId};
use crate::store::wallets::Wallet;
use crate::wallets::lifecycle::Status;

pub use super::restore_file::{FileRestoreError, put_in_place};
pub use super::restored_wallets::{StateChange, StoredWallets};

/// Where wallets come back from. The words stand in the SQL too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Mongodb,
    Kms,
    File,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Kms => "kms",
            Self::File => "file",
        }
    }
}

/// A restore under way.
#[derive(Debug, Clone)]
pub struct Run {
    id: i64,
    pub source: Source,
    /// The last wallet id that an earlier try went through.
    pub cursor: Option<String>,
    /// An earlier try was cut off.
    pub resumed: bool,
    pub started_at: Timestamp,
}

/// Why a restore did not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error(
        "this store has wallets or an audit of its own, and a restore replaces nothing. To restore, stop the daemon and move the file away with \
         what stands beside it (-wal, -shm)"
    )]
    InUse,
    #[error("a restore from {0} is not finished; finish it first, or move the file away to begin anew")]
    OtherSource(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A wallet to put in.
#[derive(Debug)]
pub struct RestoredWallet {
    pub wallet: Wallet,
    /// Every address of its key; none while it is not proven, so that nobody takes them for ours.
    pub forms: Vec<(AddressType, Address)>,
    /// Why it could not be proven.
    pub quarantine: Option<String>,
    /// KMS is still to be told that the key is disabled.
    pub disable_in_kms: bool,
}

/// What kind of thing a restore found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingKind {
    /// Not proven by KMS. If there is a row, it is DISABLED and nothing enables it.
    Quarantined,
    /// Not to be read as a wallet.
    Skipped,
    /// One source has it, the other has not.
    Missing,
    /// Its document says another state than KMS; the stricter holds.
    Changed,
}

impl FindingKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Skipped => "skipped",
            Self::Missing => "missing",
            Self::Changed => "changed",
        }
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    #[serde(skip)]
    pub kind: FindingKind,
    /// The wallet's id, or whatever names the document or the key.
    pub subject: String,
    pub kms_key_id: Option<String>,
    pub reason: String,
}

/// What one transaction puts in.
#[derive(Debug, Default)]
pub struct RestoredPage {
    pub wallets: Vec<RestoredWallet>,
    pub findings: Vec<Finding>,
    /// Wallets in the store that a stricter state of document or key holds for.
    pub changes: Vec<StateChange>,
    /// Wallets in the store that KMS does not bear out, with the reason.
    pub refuted: Vec<(WalletId, String)>,
    /// Wallets whose version must be at least this, to be above MongoDB's.
    pub raised: Vec<(WalletId, u64)>,
    /// The last wallet id that was gone through.
    pub cursor: Option<String>,
}

impl RestoreReport {
    /// Whether every wallet that any source has is back and proven.
    pub fn is_complete(&self) -> bool {
        self.quarantined.is_empty() && self.skipped.is_empty() && self.missing.is_empty()
    }
}

/// What came of a restore, all its tries together.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    pub source: Source,
    pub resumed: bool,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Wallets put in by this restore, proven.
    pub restored: u64,
    /// Wallets whose version was taken above MongoDB's.
    pub versions_raised: u64,
    /// All wallets of the store now, by status.
    pub wallets: std::collections::BTreeMap<String, u64>,
    pub quarantined: Vec<Finding>,
    pub skipped: Vec<Finding>,
    pub missing: Vec<Finding>,
    pub changed: Vec<Finding>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// The last audit checkpoint known of the lost store; none is kept anywhere yet.
    pub last_checkpoint: Option<String>,
    pub freeze_id: String,
    pub freeze_reason: String,
}

/// What is known of a wallet that is in the store already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    Absent,
    /// Proven, or never in doubt.
    Sound(Box<Wallet>),
    Quarantined,
}

impl Store {
    /// As [`Store::open`], for a store whose restore is not through or did not begin. One in use is not even migrated.
    pub fn open_to_restore(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, BeginError> {
        let lock = open::StoreLock::take(path)?;
        if let Some(there) = open::look_into(path)?
            && is_in_use(&there)?
        {
            return Err(BeginError::InUse);
        }
        let connection = open::open_for_writing(path)?;
        Ok(Self::start(path, clock, lock, connection)?)
    }

    /// Begins a restore or takes up one that was cut off. On return freeze and record are on disk. `by` says who asked for it.
    pub async fn begin_restore(&self, source: Source, by: String) -> Result<Run, BeginError> {
        let now = self.clock.now();
        let begun = self.writer.submit(move |transaction| begin(transaction, source, &by, now));
        let begun = begun.durable().await?;
        crash_points::reach(CrashPoint::RestoreBegun);
        begun
    }

    /// What the store has of this wallet.
    pub fn present(&self, id: WalletId) -> Result<Present, StoreError> {
        self.read(|connection| {
            let Some(wallet) = wallets::find(connection, id)? else { return Ok(Present::Absent) };
            Ok(if is_quarantined(connection, id)? { Present::Quarantined } else { Present::Sound(Box::new(wallet)) })
        })
    }

    /// Puts some wallets in, with what was found on the way and how far it got, in one transaction.
    pub async fn restore_page(&self, run: &Run, page: RestoredPage) -> Result<(), StoreError> {
        let (id, now) = (run.id, self.clock.now());
        self.writer.submit(move |transaction| put_in(transaction, id, page, now)).durable().await?;
        crash_points::reach(CrashPoint::RestorePageDurable);
        Ok(())
    }

    /// Takes every wallet that has a key to at least `version`, and has all of them told to MongoDB anew: for when nobody can say
    /// which versions MongoDB has.
    pub async fn raise_all_versions(&self, run: &Run, version: u64) -> Result<(), StoreError> {
        let (id, now) = (run.id, self.clock.now());
        let raised = self.writer.submit(move |transaction| {
            let connection = transaction.connection;
            let raised = connection.execute(
                "UPDATE wallets SET version = ?1, updated_at = ?2 WHERE version < ?1 AND status NOT IN ('PENDING', 'FAILED')",
                (version, now.unix_millis()),
            )?;
            connection.execute(
                "INSERT INTO outbox (wallet_id, version, since) SELECT wallet_id, version, ?1 FROM wallets
                 WHERE status NOT IN ('PENDING', 'FAILED') AND wallet_id NOT IN (SELECT wallet_id FROM quarantine) ORDER BY wallet_id
                 ON CONFLICT (wallet_id) DO UPDATE SET version = excluded.version, parked = NULL",
                [now.unix_millis()],
            )?;
            connection.execute("UPDATE restores SET raised = raised + ?2 WHERE restore_id = ?1", (id, raised))?;
            let detail = format!("restore {id}: the versions of {raised} wallets go on at {version}, above any that MongoDB can have");
            append_daemon(transaction, now, Facts { detail: Some(detail), ..Facts::default() }, &[]).map(|_| ())
        });
        raised.durable().await?;
        crash_points::reach(CrashPoint::VersionsRaised);
        Ok(())
    }

    /// Ends a restore: from now on a daemon may be started on the store. Its freeze stays.
    pub async fn finish_restore(&self, run: &Run) -> Result<RestoreReport, StoreError> {
        let (run, now) = (run.clone(), self.clock.now());
        let finished = self.writer.submit(move |transaction| {
            let mut last = RestoredPage::default();
            check_stake_keys(transaction.connection, &mut last)?;
            put_in(transaction, run.id, last, now)?;
            let changed = transaction.connection.execute(
                "UPDATE restores SET finished_at = ?2 WHERE restore_id = ?1 AND finished_at IS NULL",
                (run.id, now.unix_millis()),
            )?;
            if changed != 1 {
                return Err(StoreError::Corrupt("a restore would have ended twice".to_owned()));
            }
            let report = report(transaction.connection, &run, now)?;
            let detail = format!(
                "restore {} from {} is finished: {} wallets put in, {} quarantined, {} skipped, {} missing",
                run.id,
                run.source.as_str(),
                report.restored,
                report.quarantined.len(),
                report.skipped.len(),
                report.missing.len(),
            );
            append_daemon(transaction, now, Facts { detail: Some(detail), ..Facts::default() }, &[])?;
            Ok(report)
        });
        let report = finished.durable().await?;
        crash_points::reach(CrashPoint::RestoreFinished);
        Ok(report)
    }
}

fn begin(
    transaction: &mut WriteTransaction<'_>,
    source: Source,
    by: &str,
    now: Timestamp,
) -> Result<Result<Run, BeginError>, StoreError> {
    let connection = transaction.connection;
    let unfinished = connection
        .query_row("SELECT restore_id, source, cursor, started_at FROM restores WHERE finished_at IS NULL", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    if let Some((id, of, cursor, started_at)) = unfinished
        && !(of != source.as_str() && has_none(connection, "wallets")?)
    {
        if of != source.as_str() {
            return Ok(Err(BeginError::OtherSource(of)));
        }
        // A backup that was put in place says so itself.
        if source != Source::File {
            let detail = format!("restore {id} from {of} is taken up again by {by}");
            append_daemon(transaction, now, Facts { detail: Some(detail), ..Facts::default() }, &[])?;
        }
        return Ok(Ok(Run { id, source, cursor, resumed: true, started_at: Timestamp::from_unix_millis(started_at) }));
    }
    // What came to nothing so far may come from elsewhere.
    connection.execute("UPDATE restores SET finished_at = ?1 WHERE finished_at IS NULL", [now.unix_millis()])?;
    let (freeze_id, detail) = match freeze_of_a_restore(connection)? {
        Some(freeze_id) => {
            let detail = format!("restore from {} into this store, still frozen by {freeze_id}, by {by}", source.as_str());
            (freeze_id, detail)
        }
        None if is_virgin(connection)? => {
            let (freeze_id, reason) = (FreezeId::new(now.unix_millis()), reason_of_a_new_chain(now));
            freezes::insert_on_all(connection, freeze_id, &reason, now)?;
            let detail = format!(
                "restored from {} at {now} by {by}: a new chain begins, and no checkpoint of the former one is known; freeze {freeze_id} on all: \
                 {reason}",
                source.as_str()
            );
            (freeze_id.to_string(), detail)
        }
        None => return Ok(Err(BeginError::InUse)),
    };
    append_daemon(transaction, now, Facts { detail: Some(detail), ..Facts::default() }, &[])?;
    let id = note(transaction.connection, source, &freeze_id, now)?;
    Ok(Ok(Run { id, source, cursor: None, resumed: false, started_at: now }))
}

/// Notes that a restore has begun. Gives its number.
pub(super) fn note(connection: &Connection, source: Source, freeze_id: &str, now: Timestamp) -> Result<i64, StoreError> {
    connection.execute(
        "INSERT INTO restores (source, freeze_id, started_at) VALUES (?1, ?2, ?3)",
        (source.as_str(), freeze_id, now.unix_millis()),
    )?;
    Ok(connection.last_insert_rowid())
}

fn reason_of_a_new_chain(now: Timestamp) -> String {
    format!("restored: guards, limits and requestIds before {now} are gone")
}

/// The freeze with which a restore began, if nobody has lifted it.
fn freeze_of_a_restore(connection: &Connection) -> Result<Option<String>, StoreError> {
    Ok(connection
        .query_row(
            "SELECT freeze_id FROM restores JOIN freezes USING (freeze_id) WHERE lifted_at IS NULL ORDER BY restore_id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?)
}

fn has_none(connection: &Connection, table: &str) -> Result<bool, StoreError> {
    Ok(connection.query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM {table})"), [], |row| row.get(0))?)
}

fn is_virgin(connection: &Connection) -> Result<bool, StoreError> {
    Ok(has_none(connection, "wallets")? && has_none(connection, "audit")?)
}

/// Whether a database of any schema that we know has something of its own in it.
fn is_in_use(connection: &Connection) -> Result<bool, StoreError> {
    let has = |table: &str| -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
        Ok(connection.query_row(sql, [table], |row| row.get(0))?)
    };
    if !has("audit")? || is_virgin(connection)? {
        return Ok(false);
    }
    Ok(!has("restores")? || freeze_of_a_restore(connection)?.is_none())
}

pub(super) fn is_quarantined(connection: &Connection, id: WalletId) -> Result<bool, StoreError> {
    Ok(wallets::quarantine(connection, id)?.is_some())
}

fn put_in(transaction: &mut WriteTransaction<'_>, run: i64, page: RestoredPage, now: Timestamp) -> Result<(), StoreError> {
    let RestoredPage { wallets, mut findings, changes, refuted, raised, cursor } = page;
    let (mut restored, mut higher): (u64, u64) = (0, 0);
    for wallet in wallets {
        match put_in_one(transaction, wallet, now)? {
            Put::In => restored = restored.saturating_add(1),
            Put::AlreadyThere | Put::InQuarantine => {}
            Put::Refused(finding) => findings.push(finding),
        }
    }
    for one in changes {
        change(transaction, one, now)?;
    }
    for (id, reason) in refuted {
        quarantine(transaction, id, &reason, now)?;
    }
    for (id, version) in raised {
        higher = higher.saturating_add(u64::from(raise(transaction, id, version, now)?));
    }
    for finding in &findings {
        if finding.kind == FindingKind::Quarantined {
            let facts = Facts {
                wallet_id: finding.subject.parse::<WalletId>().ok().map(|id| id.to_string()),
                detail: Some(format!("restore {run}: not proven: {}", finding.reason)),
                ..Facts::default()
            };
            append_daemon(transaction, now, facts, &[])?;
        }
        transaction
            .connection
            .prepare_cached("INSERT OR REPLACE INTO restore_findings (restore_id, finding, subject, kms_key_id, reason) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute((run, finding.kind.as_str(), &finding.subject, &finding.kms_key_id, &finding.reason))?;
    }
    transaction
        .connection
        .prepare_cached(
            "UPDATE restores SET cursor = coalesce(?2, cursor), restored = restored + ?3, raised = raised + ?4
             WHERE restore_id = ?1 AND finished_at IS NULL",
        )?
        .execute((run, &cursor, restored, higher))?;
    if restored > 0 || higher > 0 {
        let up_to = cursor.map_or_else(String::new, |last| format!(", up to {last}"));
        let detail = format!("restore {run}: {restored} wallets put in, {higher} versions raised{up_to}");
        append_daemon(transaction, now, Facts { detail: Some(detail), ..Facts::default() }, &[])?;
    }
    Ok(())
}

fn report(connection: &Connection, run: &Run, now: Timestamp) -> Result<RestoreReport, StoreError> {
    let (restored, versions_raised, freeze_id, freeze_reason) = connection.query_row(
        "SELECT restored, raised, freeze_id, reason FROM restores JOIN freezes USING (freeze_id) WHERE restore_id = ?1",
        [run.id],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let mut wallets: std::collections::BTreeMap<_, _> = Status::ALL.map(|status| (status.to_string(), 0)).into();
    let mut counts = connection.prepare("SELECT status, count(*) FROM wallets GROUP BY status")?;
    for row in counts.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))? {
        let (status, count) = row?;
        wallets.insert(status, count);
    }
    wallets.retain(|_, count| *count > 0);
    let findings = |kind: FindingKind| {
        let mut statement = connection.prepare(
            "SELECT subject, kms_key_id, reason FROM restore_findings WHERE restore_id = ?1 AND finding = ?2 ORDER BY subject",
        )?;
        let rows = statement.query_map((run.id, kind.as_str()), |row| {
            Ok(Finding { kind, subject: row.get(0)?, kms_key_id: row.get(1)?, reason: row.get(2)? })
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    Ok(RestoreReport {
        source: run.source,
        resumed: run.resumed,
        started_at: run.started_at,
        finished_at: now,
        restored,
        versions_raised,
        wallets,
        quarantined: findings(FindingKind::Quarantined)?,
        skipped: findings(FindingKind::Skipped)?,
        missing: findings(FindingKind::Missing)?,
        changed: findings(FindingKind::Changed)?,
        notes: Vec::new(),
        last_checkpoint: None,
        freeze_id,
        freeze_reason,
    })
}
