//! From a backup: put in place, held against MongoDB, and each wallet proven by its key. A backup is evidence too: who could write
//! it could have put another address or another key in it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::evidence::Claim;
use super::prove::{Judgement, Verdict, Why};
use super::{
    PAGE, Parts, Progress, Proving, RestoreError, begin, hold_against, keys_of_wallets, list_keys, missing, rivals, skipped,
};
use crate::background::wallets_in_mongo::{MongoError, WalletsInMongo};
use crate::config::SyncConfig;
use crate::ids::KeyArn;
use crate::kms::TaggedKey;
use crate::store::StoreError;
use crate::store::restore::{
    Finding, FindingKind, Present, RestoreReport, RestoredPage, RestoredWallet, Source, StateChange, put_in_place,
};
use crate::store::wallets::Wallet;
use crate::wallets::lifecycle::Status;

pub async fn from_file(parts: Parts, file: PathBuf, progress: &Progress) -> Result<RestoreReport, RestoreError> {
    progress.phase("pages of the backup", None);
    let (place, by, now, shown) = (parts.store.clone(), parts.by.clone(), parts.clock.now(), progress.clone());
    let copying = tokio::task::spawn_blocking(move || put_in_place(&file, &place, &by, now, |done, of| shown.at_of(done, of)));
    let in_place = copying.await.map_err(|error| RestoreError::Defect(error.to_string()))??;
    let (store, run) = begin(&parts, Source::File).await?;
    let mut notes = Vec::new();
    if let Some(first) = in_place.first_bad_record {
        notes.push(format!("the backup's audit chain is broken at record {first}: somebody changed it, or its disk did"));
    }
    let sync = parts.sync.clone();
    let has_wallets = store.wallets_to_prove(None, 1)?.last.is_some();
    let keys = if has_wallets { list_keys(&parts.kms, progress).await? } else { Vec::new() };
    let mut proving = Proving::new(parts, store, run, &keys, progress);
    prove(&mut proving, &keys).await?;
    if let Some(sync) = &sync
        && let Err(error) = compare_with_mongodb(&proving, sync).await
    {
        let CompareError::Mongodb(error) = error else { return Err(error.into()) };
        let version = proving.prover.now() / 1000;
        proving.store.raise_all_versions(&proving.run, version).await?;
        notes.push(format!(
            "MongoDB could not be asked ({error}): versions go on at {version}, above any that it can have, and wallets that it has and the \
             backup lacks are not listed. `kmsignd restore --from mongodb` into this store, while it is frozen, adds them"
        ));
    }
    let report = proving.store.finish_restore(&proving.run).await?;
    Ok(RestoreReport { notes, resumed: !in_place.fresh, ..report })
}

/// Has KMS judge every wallet of the backup that has a key.
async fn prove(proving: &mut Proving<'_>, keys: &[TaggedKey]) -> Result<(), RestoreError> {
    let tags: HashMap<&str, &BTreeMap<String, String>> = keys.iter().map(|key| (key.arn.as_str(), &key.tags)).collect();
    let of_wallets = keys_of_wallets(keys);
    proving.progress.phase("wallets", None);
    let (mut after, mut done) = (proving.run.cursor.clone(), 0_u64);
    loop {
        let page = proving.store.wallets_to_prove(after.as_deref(), PAGE)?;
        let Some(last) = page.last else { return Ok(()) };
        done = done.saturating_add(u64::try_from(page.wallets.len()).unwrap_or_default());
        let mut judged = RestoredPage { cursor: Some(last.clone()), ..RestoredPage::default() };
        let mut claims = Vec::new();
        for wallet in page.wallets {
            let id = wallet.wallet_id;
            match proving.prover.networks.resolve(&wallet.asset, Some(&wallet.network)) {
                Ok(_) => claims.extend(wallet.kms_key_id.clone().map(|arn| {
                    let of_the_wallet = of_wallets.get(&id).map_or(&[][..], Vec::as_slice);
                    let tags = tags.get(arn.as_str()).copied();
                    of_row(wallet, arn).with_tags(tags, of_the_wallet)
                })),
                Err(error) => {
                    let reason = format!("not proven: its {} {error}; configure it as it was", error.field());
                    judged.findings.push(skipped(id.to_string(), reason));
                }
            }
        }
        for Judgement { claim, verdict } in proving.judge(claims).await? {
            judged.findings.extend(rivals(&claim));
            take(&claim, verdict, &mut judged);
        }
        proving.store.restore_page(&proving.run, judged).await?;
        proving.progress.at(done);
        after = Some(last);
    }
}

fn of_row(wallet: Wallet, arn: KeyArn) -> Claim {
    Claim { wallet, arn, tags: None, is_documented: false, rivals: Vec::new(), contradiction: None }
}

/// What becomes of a wallet that is in the store.
fn take(claim: &Claim, verdict: Verdict, page: &mut RestoredPage) {
    let Wallet { wallet_id, status, .. } = claim.wallet;
    let finding =
        |kind, reason| Finding { kind, subject: wallet_id.to_string(), kms_key_id: Some(claim.arn.to_string()), reason };
    let mut to_state = |row: &RestoredWallet| {
        let Wallet { status: to, deletion_date, .. } = row.wallet;
        if to != status || row.disable_in_kms {
            page.changes.push(StateChange { wallet_id, status: to, deletion_date, disable_in_kms: row.disable_in_kms });
        }
    };
    match verdict {
        Verdict::Proven { wallet, changed } => {
            to_state(&wallet);
            page.findings.extend(changed.map(|reason| finding(FindingKind::Changed, reason)));
        }
        Verdict::Quarantined { why: Why::Gone, .. } if status == Status::PendingDeletion => {
            page.findings.push(finding(FindingKind::Changed, "its key was to be deleted, and is gone".to_owned()));
        }
        Verdict::Quarantined { wallet: Some(row), why: Why::NotShown, .. } => {
            to_state(&row);
            let reason =
                "KMS shows no public key of it, as it is switched off: that its address is right is the backup's word alone";
            page.findings.push(finding(FindingKind::Changed, reason.to_owned()));
        }
        // Without a row, what the backup says does not even agree with itself.
        Verdict::Quarantined { reason, why: Why::Refuted | Why::Gone | Why::NotShown, .. } => {
            page.findings.push(finding(FindingKind::Quarantined, reason.clone()));
            page.refuted.push((wallet_id, reason));
        }
        Verdict::Quarantined { reason, why: Why::Denied, .. } => {
            page.findings.push(finding(FindingKind::Skipped, format!("not proven: {reason}")));
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CompareError {
    #[error(transparent)]
    Mongodb(#[from] MongoError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CompareError> for RestoreError {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Mongodb(error) => Self::Mongodb(error),
            CompareError::Store(error) => Self::Store(error),
        }
    }
}

/// Takes versions above MongoDB's, and states that are stricter there; lists the wallets that only MongoDB has.
async fn compare_with_mongodb(proving: &Proving<'_>, sync: &SyncConfig) -> Result<(), CompareError> {
    let Proving { store, run, progress, .. } = proving;
    let mongodb = WalletsInMongo::open(sync).await?;
    progress.phase("documents", Some(mongodb.count().await?));
    let (mut after, mut done) = (None::<String>, 0_u64);
    loop {
        let page = mongodb.page(after.as_deref(), PAGE).await?;
        done = done.saturating_add(u64::try_from(page.documents.len()).unwrap_or_default());
        let mut compared = RestoredPage::default();
        for document in page.documents {
            let read = document.map_err(|malformed| (malformed.id, malformed.problem)).and_then(|document| {
                Claim::of_document(&proving.prover.networks, &document).map_err(|reason| (document.provider_id, reason))
            });
            let claim = match read {
                Ok(claim) => claim,
                Err((subject, reason)) => {
                    compared.findings.push(skipped(subject, reason));
                    continue;
                }
            };
            match store.present(claim.wallet.wallet_id)? {
                Present::Sound(wallet) => hold_against(&wallet, &claim, &mut compared),
                Present::Quarantined => {}
                Present::Absent => compared.findings.push(missing(
                    claim.wallet.wallet_id.to_string(),
                    claim.arn.to_string(),
                    "MongoDB has it and the backup has not; `kmsignd restore --from mongodb` into this store, while it is frozen, adds it",
                )),
            }
        }
        store.restore_page(run, compared).await?;
        progress.at(done);
        if page.last.is_none() {
            return Ok(());
        }
        after = page.last;
    }
}
