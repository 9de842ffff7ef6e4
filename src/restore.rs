//! `kmsignd restore`: the store rebuilt from MongoDB, from KMS alone, or from a backup.
//!
//! | file | has |
//! |---|---|
//! | evidence | what a document or a key's tags claim |
//! | from_file | a backup: put in place, held against MongoDB, proven by KMS |
//! | prove | what KMS says of a claim: proven, or in quarantine |
//! | progress, report | what a person sees |
//!
//! A document is evidence only: a wallet is as before when KMS's own public key gives its address and its key is as this daemon
//! makes keys. Every wallet is put in by a transaction of `store::restore`, so a restore that is cut off anywhere goes on where it
//! stopped. It must never change a key in KMS, and never lift the freeze that it begins with.

mod evidence;
mod from_file;
mod progress;
mod prove;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::evidence::Claim;
use self::prove::{Judgement, Prover, Verdict, patiently};
use crate::background::wallets_in_mongo::{MongoError, WalletDocument, WalletsInMongo};
use crate::chains::networks::Networks;
use crate::clock::Clock;
use crate::config::{ReadError, SyncConfig, check_directory};
use crate::ids::{KeyArn, WalletId};
use crate::kms::{Kms, KmsError, TaggedKey, WALLET_ID_TAG};
use crate::outcome::Failure;
use crate::store::restore::StateChange;
use crate::store::restore::{
    BeginError, FileRestoreError, Finding, FindingKind, Present, RestoreReport, RestoredPage, Run, Source,
};
use crate::store::wallets::Wallet;
use crate::store::{Store, StoreError};
use crate::wallets::lifecycle::Status;

pub use self::progress::Progress;
pub use self::report::text;

/// Wallets put in by one transaction.
const PAGE: u32 = 100;
/// Wallets asked about at once.
const CONCURRENT: usize = 32;
/// Documents without a readable providerId that are listed.
const LISTED: u32 = 1000;

/// What a restore stands on.
pub struct Parts {
    pub store: PathBuf,
    pub networks: Networks,
    pub kms: Kms,
    pub sync: Option<SyncConfig>,
    pub clock: Arc<dyn Clock>,
    /// Wallets asked about in a second; each takes one DescribeKey and one GetPublicKey. `None` does not limit.
    pub wallets_per_second: Option<NonZeroU32>,
    /// Who asked for it, for the audit.
    pub by: String,
}

/// Where from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    Mongodb,
    Kms,
    File(PathBuf),
}

/// Why a restore is not through. What it has put in stays, and the same command goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(
        "[store] path: {0}; if that is the daemon's own user, run this as that user: runuser -u kmsignd -- kmsignd restore ..."
    )]
    Directory(#[from] ReadError),
    #[error(transparent)]
    Begin(#[from] BeginError),
    #[error(transparent)]
    File(#[from] FileRestoreError),
    #[error("the store could not be written: {0}")]
    Store(#[from] StoreError),
    #[error("[sync] names no MongoDB; set sync.mongodb_uri or sync.mongodb_uri_file to restore from it")]
    NoMongodb,
    #[error("{0}; what is restored stays, and the same command goes on from there")]
    Mongodb(#[from] MongoError),
    #[error("{0}; what is restored stays, and the same command goes on from there")]
    Kms(Failure),
    /// Of the first wallets, not one could be looked at.
    #[error("{0}; it was so for each of the first {1} wallets, so nothing of them is restored")]
    Denied(String, usize),
    #[error(
        "the tagging API lists no key of deployment {deployment} in {region}, so nothing can be restored: are [keys] deployment, [kms] region \
         and the AWS account as they were?"
    )]
    NoKeys { deployment: String, region: String },
    #[error("a part of the restore failed: {0}")]
    Defect(String),
}

impl std::convert::From<KmsError> for RestoreError {
    fn from(error: KmsError) -> Self {
        Self::Kms(error.into_failure())
    }
}

/// Restores the store, or goes on with a restore that was cut off. Holds the store meanwhile.
pub async fn restore(parts: Parts, from: From, progress: &Progress) -> Result<RestoreReport, RestoreError> {
    check_directory(parts.store.parent().unwrap_or(Path::new("/")))?;
    match from {
        From::File(file) => from_file::from_file(parts, file, progress).await,
        From::Mongodb => from_mongodb(parts, progress).await,
        From::Kms => from_kms(parts, progress).await,
    }
}

/// Takes the store, and has freeze and first record on disk, before anybody is asked for anything.
async fn begin(parts: &Parts, source: Source) -> Result<(Store, Run), RestoreError> {
    let store = Store::open_to_restore(&parts.store, Arc::clone(&parts.clock))?;
    let run = store.begin_restore(source, parts.by.clone()).await?;
    Ok((store, run))
}

/// A restore that asks KMS about each wallet.
struct Proving<'a> {
    store: Store,
    run: Run,
    prover: Arc<Prover>,
    progress: &'a Progress,
    /// Wallets that KMS was asked about, and that AWS let us look at.
    asked: usize,
    seen: usize,
}

async fn from_mongodb(parts: Parts, progress: &Progress) -> Result<RestoreReport, RestoreError> {
    let mongodb = WalletsInMongo::open(parts.sync.as_ref().ok_or(RestoreError::NoMongodb)?).await?;
    let (store, run) = begin(&parts, Source::Mongodb).await?;
    let total = mongodb.count().await?;
    let keys = list_keys(&parts.kms, progress).await?;
    let of_wallets = keys_of_wallets(&keys);
    let mut proving = Proving::new(parts, store, run, &keys, progress);
    progress.phase("wallets", Some(total));
    let (mut after, mut done) = (proving.run.cursor.clone(), 0_u64);
    let tags: HashMap<&str, &BTreeMap<String, String>> = keys.iter().map(|key| (key.arn.as_str(), &key.tags)).collect();
    loop {
        let page = mongodb.page(after.as_deref(), PAGE).await?;
        done = done.saturating_add(u64::try_from(page.documents.len()).unwrap_or_default());
        let mut restored = RestoredPage { cursor: page.last.clone(), ..RestoredPage::default() };
        let mut documents = Vec::new();
        for document in page.documents {
            match document {
                Ok(document) => documents.push(document),
                Err(malformed) => restored.findings.push(skipped(malformed.id, malformed.problem)),
            }
        }
        let mut claims = Vec::new();
        for document in one_a_wallet(documents, &mut restored.findings) {
            match Claim::of_document(&proving.prover.networks, &document) {
                Ok(claim) => {
                    let of_the_wallet = of_wallets.get(&claim.wallet.wallet_id).map_or(&[][..], Vec::as_slice);
                    claims.push(claim.with_tags(tags.get(document.kms_key_id.as_str()).copied(), of_the_wallet));
                }
                Err(reason) => restored.findings.push(skipped(document.provider_id, reason)),
            }
        }
        proving.put_in(claims, restored).await?;
        progress.at(done);
        if page.last.is_none() {
            break;
        }
        after = page.last;
    }
    let mut rest = RestoredPage::default();
    for malformed in mongodb.without_provider_id(LISTED).await? {
        rest.findings.push(skipped(malformed.id, malformed.problem));
    }
    for key in &keys {
        let id = key.tags.get(WALLET_ID_TAG).map_or("", String::as_str);
        let known = id.parse::<WalletId>().map(|id| proving.store.present(id)).ok().transpose()?;
        if known.is_none_or(|present| present == Present::Absent) {
            let reason = "KMS has a key of this deployment with this wallet's tag, and MongoDB has no document of it that could be restored";
            rest.findings.push(Finding {
                kind: FindingKind::Missing,
                subject: if id.is_empty() { key.arn.to_string() } else { id.to_owned() },
                kms_key_id: Some(key.arn.to_string()),
                reason: reason.to_owned(),
            });
        }
    }
    proving.store.restore_page(&proving.run, rest).await?;
    Ok(proving.store.finish_restore(&proving.run).await?)
}

async fn from_kms(parts: Parts, progress: &Progress) -> Result<RestoreReport, RestoreError> {
    let (store, run) = begin(&parts, Source::Kms).await?;
    let keys = list_keys(&parts.kms, progress).await?;
    let mut notes = Vec::new();
    let documents = match &parts.sync {
        None => Documents::NotKept,
        Some(sync) => match all_documents(sync, progress).await {
            Ok(documents) => Documents::Known(documents),
            Err(error) => {
                notes.push(format!(
                    "MongoDB could not be asked ({error}), so versions go on at the seconds since 1970, above any that it can have"
                ));
                Documents::Unknown
            }
        },
    };
    let mut proving = Proving::new(parts, store, run, &keys, progress);
    progress.phase("wallets", Some(u64::try_from(keys.len()).unwrap_or_default()));
    let mut first = RestoredPage::default();
    let mut claims: BTreeMap<WalletId, Vec<Claim>> = BTreeMap::new();
    for key in keys {
        let named = key.tags.get(WALLET_ID_TAG).cloned();
        let arn = key.arn.clone();
        match Claim::of_key(&proving.prover.networks, key) {
            Ok(claim) => claims.entry(claim.wallet.wallet_id).or_default().push(claim),
            Err(reason) => first
                .findings
                .push(Finding { kms_key_id: Some(arn.to_string()), ..skipped(named.unwrap_or_else(|| arn.to_string()), reason) }),
        }
    }
    if let Documents::Known(documents) = &documents {
        for id in documents.keys().filter(|id| id.parse().map_or(true, |id: WalletId| !claims.contains_key(&id))) {
            let reason = "MongoDB has a document of this wallet, and no key of this deployment has its tag";
            let key = documents.get(id).map(|document| document.kms_key_id.clone());
            let kind = FindingKind::Missing;
            first.findings.push(Finding { kind, subject: id.clone(), kms_key_id: key, reason: reason.to_owned() });
        }
    }
    let mut single = Vec::new();
    for (id, mut claiming) in claims {
        match (claiming.pop(), claiming.len()) {
            (Some(claim), 0) => {
                let (claim, finding) = documents.complete(claim, proving.prover.now());
                first.findings.extend(finding);
                single.push(claim);
            }
            (last, _) => {
                // Somebody planted one, or a CreateKey was repeated. Nothing here can tell which is the wallet's.
                for claim in claiming.into_iter().chain(last) {
                    let subject = format!("{id} {}", claim.arn.key_id());
                    let reason = format!(
                        "several keys carry the tag of wallet {id}; none is chosen. Restore from MongoDB, or delete all but one"
                    );
                    let key = Some(claim.arn.to_string());
                    first.findings.push(Finding { kind: FindingKind::Quarantined, subject, kms_key_id: key, reason });
                }
            }
        }
    }
    proving.store.restore_page(&proving.run, first).await?;
    let (mut waiting, mut done) = (single.into_iter().peekable(), 0_u64);
    while waiting.peek().is_some() {
        let claims: Vec<Claim> = waiting.by_ref().take(usize::try_from(PAGE).unwrap_or(usize::MAX)).collect();
        done = done.saturating_add(u64::try_from(claims.len()).unwrap_or_default());
        let cursor = claims.last().map(|claim| claim.wallet.wallet_id.to_string());
        proving.put_in(claims, RestoredPage { cursor, ..RestoredPage::default() }).await?;
        progress.at(done);
    }
    let report = proving.store.finish_restore(&proving.run).await?;
    Ok(RestoreReport { notes, ..report })
}

impl<'a> Proving<'a> {
    fn new(parts: Parts, store: Store, run: Run, keys: &[TaggedKey], progress: &'a Progress) -> Self {
        // The tagging API lists keys of our own account alone.
        let account = keys.first().map(|key| key.arn.account().to_owned());
        let prover = Prover::new(parts.networks, parts.kms, parts.clock, account, parts.wallets_per_second);
        Self { store, run, prover: Arc::new(prover), progress, asked: 0, seen: 0 }
    }

    /// Has KMS judge these claims, and puts in what came of it together with `page`.
    async fn put_in(&mut self, claims: Vec<Claim>, mut page: RestoredPage) -> Result<(), RestoreError> {
        let mut unknown = Vec::new();
        for claim in claims {
            match self.store.present(claim.wallet.wallet_id)? {
                Present::Absent | Present::Quarantined => unknown.push(claim),
                Present::Sound(wallet) => hold_against(&wallet, &claim, &mut page),
            }
        }
        for Judgement { claim, verdict } in self.judge(unknown).await? {
            let subject = claim.wallet.wallet_id.to_string();
            let kms_key_id = Some(claim.arn.to_string());
            page.findings.extend(rivals(&claim));
            let finding = |kind, reason| Finding { kind, subject, kms_key_id, reason };
            match verdict {
                Verdict::Proven { wallet, changed } => {
                    page.findings.extend(changed.map(|reason| finding(FindingKind::Changed, reason)));
                    page.wallets.push(*wallet);
                }
                Verdict::Quarantined { wallet, reason, .. } => {
                    page.findings.push(finding(FindingKind::Quarantined, reason));
                    page.wallets.extend(wallet.map(|wallet| *wallet));
                }
            }
        }
        Ok(self.store.restore_page(&self.run, page).await?)
    }

    /// Asks KMS about each, some at once, and gives the judgements in the order of the wallets' ids.
    async fn judge(&mut self, claims: Vec<Claim>) -> Result<Vec<Judgement>, RestoreError> {
        let (mut waiting, mut running, mut judged) = (claims.into_iter(), tokio::task::JoinSet::new(), Vec::new());
        loop {
            while running.len() < CONCURRENT
                && let Some(claim) = waiting.next()
            {
                let prover = Arc::clone(&self.prover);
                running.spawn(async move { prover.judge(claim).await });
            }
            match running.join_next().await {
                None => break,
                Some(Ok(judgement)) => judged.push(judgement?),
                Some(Err(error)) => return Err(RestoreError::Defect(error.to_string())),
            }
        }
        self.progress.tick();
        self.asked = self.asked.saturating_add(judged.len());
        let denied = judged.iter().filter_map(|judgement| judgement.verdict.denied());
        self.seen = self.seen.saturating_add(judged.len().saturating_sub(denied.clone().count()));
        // One denied key may be a planted document's. If every key is, a permission is missing, and the wallets are not to blame.
        if let (0, Some(reason)) = (self.seen, denied.clone().next()) {
            return Err(RestoreError::Denied(reason.to_owned(), self.asked));
        }
        judged.sort_by_key(|judgement| judgement.claim.wallet.wallet_id);
        Ok(judged)
    }
}

/// What MongoDB has beside the keys.
enum Documents {
    /// `[sync]` is not configured: there is no other copy whose versions count.
    NotKept,
    /// It could not be asked.
    Unknown,
    Known(BTreeMap<String, WalletDocument>),
}

impl Documents {
    /// Adds to what a key's tags say: the version to go on with; and where a document names the same key, what KMS does not show of
    /// a key that is switched off, and that it was switched off.
    fn complete(&self, mut claim: Claim, now_millis: u64) -> (Claim, Option<Finding>) {
        match self {
            Self::NotKept => {}
            Self::Unknown => claim.wallet.version = now_millis / 1000,
            Self::Known(documents) => {
                let id = claim.wallet.wallet_id.to_string();
                let Some(document) = documents.get(&id) else {
                    let reason = "KMS has its key, and MongoDB has no document of it: it had not got there yet, or somebody who may tag keys \
                                  made it up. It came back by its tags alone";
                    // A collection that has nothing can't miss anything.
                    let finding = (!documents.is_empty()).then(|| missing(id, claim.arn.to_string(), reason));
                    return (claim, finding);
                };
                claim.wallet.version = u64::try_from(document.version.unwrap_or(0)).unwrap_or(0).saturating_add(1);
                claim.add_document(document);
            }
        }
        (claim, None)
    }
}

async fn all_documents(sync: &SyncConfig, progress: &Progress) -> Result<BTreeMap<String, WalletDocument>, MongoError> {
    let mongodb = WalletsInMongo::open(sync).await?;
    progress.phase("documents", Some(mongodb.count().await?));
    let (mut documents, mut after) = (BTreeMap::<String, WalletDocument>::new(), None::<String>);
    loop {
        let page = mongodb.page(after.as_deref(), 1000).await?;
        for document in page.documents.into_iter().flatten() {
            let newer = documents.get(&document.provider_id).is_none_or(|known| known.version < document.version);
            if newer {
                documents.insert(document.provider_id.clone(), document);
            }
        }
        progress.at(u64::try_from(documents.len()).unwrap_or_default());
        if page.last.is_none() {
            return Ok(documents);
        }
        after = page.last;
    }
}

/// Every key of this deployment, as the tagging API knows them.
async fn list_keys(kms: &Kms, progress: &Progress) -> Result<Vec<TaggedKey>, RestoreError> {
    progress.phase("keys listed", None);
    let (mut keys, mut page) = (Vec::new(), None::<String>);
    loop {
        let listed = patiently(|| async { kms.deployment_keys(page.as_deref()).await.result }).await?;
        keys.extend(listed.keys);
        progress.at(u64::try_from(keys.len()).unwrap_or_default());
        page = listed.next;
        if page.is_none() && keys.is_empty() {
            // Another account's or Region's credentials show no error, only nothing.
            return Err(RestoreError::NoKeys { deployment: kms.deployment().to_string(), region: kms.region().to_string() });
        }
        if page.is_none() {
            return Ok(keys);
        }
    }
}

/// Of several documents of one wallet, which only a collection without its unique index can hold, the newest counts.
fn one_a_wallet(documents: Vec<WalletDocument>, findings: &mut Vec<Finding>) -> Vec<WalletDocument> {
    let mut newest: BTreeMap<String, WalletDocument> = BTreeMap::new();
    for document in documents {
        let id = document.provider_id.clone();
        let Some(known) = newest.get(&id) else {
            newest.insert(id, document);
            continue;
        };
        let (kept, other) = if known.version < document.version { (document, known.clone()) } else { (known.clone(), document) };
        let subject = format!("{id} {}", other.kms_key_id);
        findings.push(skipped(subject, "another document of this wallet has a newer version, or came first".to_owned()));
        newest.insert(id, kept);
    }
    newest.into_values().collect()
}

/// Which keys carry each wallet's tag.
fn keys_of_wallets(keys: &[TaggedKey]) -> HashMap<WalletId, Vec<KeyArn>> {
    let mut of: HashMap<WalletId, Vec<KeyArn>> = HashMap::new();
    for key in keys {
        if let Some(Ok(id)) = key.tags.get(WALLET_ID_TAG).map(|id| id.parse()) {
            of.entry(id).or_default().push(key.arn.clone());
        }
    }
    of
}

/// Holds what a document or a key's tags claim against the wallet that is in the store already. Whatever it is, the wallet keeps its
/// key; what it says of versions and of a stricter state holds only if it is about the same key.
fn hold_against(wallet: &Wallet, claim: &Claim, page: &mut RestoredPage) {
    let id = wallet.wallet_id;
    if let Some(reason) = evidence::contradiction(wallet, claim) {
        let reason = format!("{reason}; the wallet stays as it is in the store");
        page.findings.push(Finding { kms_key_id: Some(claim.arn.to_string()), ..skipped(id.to_string(), reason) });
        return;
    }
    page.findings.extend(rivals(claim));
    if !claim.is_documented {
        return;
    }
    let claimed = claim.wallet.status;
    if wallet.status == Status::Created
        && matches!(claimed, Status::Disabled | Status::PendingDeletion | Status::Deleted)
        && claim.wallet.version >= wallet.version
    {
        let reason =
            format!("it is CREATED in the store, and its document, which is no older, says {claimed}; so it is DISABLED");
        let kms_key_id = Some(claim.arn.to_string());
        page.findings.push(Finding { kind: FindingKind::Changed, subject: id.to_string(), kms_key_id, reason });
        page.changes.push(StateChange { wallet_id: id, status: Status::Disabled, deletion_date: None, disable_in_kms: true });
    }
    page.raised.extend((claim.wallet.version >= wallet.version).then(|| (id, claim.wallet.version.saturating_add(1))));
}

/// Other keys with a wallet's tag: a CreateKey that was repeated made them, or somebody who wants to be taken for the wallet.
fn rivals(claim: &Claim) -> impl Iterator<Item = Finding> {
    claim.rivals.iter().map(|rival| {
        let subject = format!("{} {}", claim.wallet.wallet_id, rival.key_id());
        let reason =
            format!("this key carries the tag of wallet {}, whose key is {}", claim.wallet.wallet_id, claim.arn.key_id());
        missing(subject, rival.to_string(), &reason)
    })
}

fn skipped(subject: String, reason: String) -> Finding {
    // Some subjects are others' writing, of any length.
    const SHOWN: usize = 200;
    let short = |text: String| if text.len() > SHOWN { text.chars().take(SHOWN).collect() } else { text };
    Finding { kind: FindingKind::Skipped, subject: short(subject), kms_key_id: None, reason: short(reason) }
}

fn missing(subject: String, kms_key_id: String, reason: &str) -> Finding {
    Finding { kind: FindingKind::Missing, subject, kms_key_id: Some(kms_key_id), reason: reason.to_owned() }
}
