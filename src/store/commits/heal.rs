//! The transactions that heal what a crash or a lost answer left: PENDING wallets are brought to their keys, and intents without
//! an outcome get one. Each leaves a record of what the daemon did by itself.

use super::record::note_fate;
use super::reserve::creation_permit;
use super::{CreationFailure, CreationPermit, KeyFate, KeyNeed, KmsRequestIds, ProvenWallet};
use crate::audit::record::{Facts, Kind, Record};
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::WalletId;
use crate::store::wallets::{self, Wallet};
use crate::store::writer::WriteTransaction;
use crate::store::{Store, StoreError, audit, pending_keys, requests};
use crate::wallets::create::AnswerShape;
use crate::wallets::lifecycle::Status;

/// Intents closed in one transaction, so that no caller's write waits long behind them.
const SWEEP_PART: u32 = 500;

impl Store {
    /// The permit to bring a PENDING wallet to its key; `None` if it is PENDING no more or somebody else has it.
    pub async fn take_pending(&self, id: WalletId) -> Result<Option<CreationPermit>, StoreError> {
        let (live, now) = (self.live.clone(), self.clock.now());
        self.writer
            .submit(move |transaction| {
                let pending = wallets::find(transaction.connection, id)?.is_some_and(|wallet| wallet.status == Status::Pending);
                if pending { creation_permit(transaction, &live, id, now) } else { Ok(None) }
            })
            .durable()
            .await
    }

    /// Makes leave for one more CreateKey durable, after the first one's key was looked for in vain.
    pub async fn permit_again(&self, permit: &mut CreationPermit) -> Result<(), StoreError> {
        let (id, now) = (permit.wallet.wallet_id, self.clock.now());
        let facts = about(&permit.wallet, "no key of this wallet shows, so CreateKey is asked once more".to_owned());
        let creations = self
            .writer
            .submit(move |transaction| {
                let creations = pending_keys::count(transaction.connection, id, now)?;
                append_daemon(transaction, now, facts, &[])?;
                Ok(creations)
            })
            .durable()
            .await?;
        crash_points::reach(CrashPoint::SecondCreationDurable);
        permit.need = KeyNeed::Make { creations };
        Ok(())
    }

    /// Records that a PENDING wallet was brought to its key: it becomes CREATED, and whoever asked for it and asks again gets it.
    pub async fn record_healed(
        &self,
        permit: CreationPermit,
        proven: ProvenWallet,
        kms_request_ids: KmsRequestIds,
    ) -> Result<(), StoreError> {
        let ProvenWallet { wallet, forms, answers } = proven;
        let now = self.clock.now();
        let healed = self.writer.submit(move |transaction| {
            wallets::complete(transaction, &wallet, &forms)?;
            for key in requests::unfinished_of_wallet(transaction.connection, wallet.wallet_id)? {
                if let Some(shape) = AnswerShape::of_method(key.method) {
                    requests::answer(transaction.connection, &key, answers.of(shape).as_json(), now)?;
                }
            }
            let facts = about(&wallet, "the wallet was brought to its key after its creation was cut off".to_owned());
            append_daemon(transaction, now, facts, &kms_request_ids)
        });
        crash_points::reach(CrashPoint::AdoptionQueued);
        healed.durable().await?;
        crash_points::reach(CrashPoint::AdoptionDurable);
        drop(permit);
        Ok(())
    }

    /// Records that a PENDING wallet could not be brought to its key, if that says anything new.
    pub async fn record_not_healed(
        &self,
        permit: CreationPermit,
        failed: CreationFailure,
        kms_request_ids: KmsRequestIds,
    ) -> Result<(), StoreError> {
        let CreationFailure { failure, fate } = failed;
        if fate == KeyFate::Unknown {
            return Ok(());
        }
        let (wallet, now) = (permit.wallet.clone(), self.clock.now());
        let noted = self.writer.submit(move |transaction| {
            if !note_fate(transaction, wallet.wallet_id, &fate, now)? {
                return Ok(());
            }
            if fate == KeyFate::None {
                for key in requests::unfinished_of_wallet(transaction.connection, wallet.wallet_id)? {
                    requests::free(transaction.connection, &key)?;
                }
            }
            let detail = match &fate {
                KeyFate::Stuck(finding) => format!("the wallet stays PENDING: {finding}"),
                KeyFate::Named(key) => format!("the wallet's key is {key}, and it is not proven yet: {failure}"),
                KeyFate::None | KeyFate::NotThisTime | KeyFate::Unknown => failure.to_string(),
            };
            append_daemon(transaction, now, about(&wallet, detail), &kms_request_ids).map(|_| ())
        });
        noted.durable().await?;
        drop(permit);
        Ok(())
    }

    /// Gives every intent that nobody carries out any more its outcome: unknown. Returns how many there were.
    pub async fn sweep_unfinished(&self) -> Result<usize, StoreError> {
        let mut swept: usize = 0;
        loop {
            let (live, now) = (self.live.clone(), self.clock.now());
            let part = self.writer.submit(move |transaction| {
                let left = audit::open_intents(transaction.connection, SWEEP_PART, |id| live.is_live(id))?;
                for intent in &left {
                    close_unknown(transaction, intent, now)?;
                }
                Ok(left.len())
            });
            let part = part.durable().await?;
            crash_points::reach(CrashPoint::IntentsSwept);
            swept = swept.saturating_add(part);
            if part < usize::try_from(SWEEP_PART).unwrap_or(usize::MAX) {
                return Ok(swept);
            }
        }
    }
}

fn close_unknown(
    transaction: &mut WriteTransaction<'_>,
    intent: &audit::OpenIntentRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.connection.prepare_cached("DELETE FROM open_intents WHERE intent = ?1")?.execute([intent.sequence])?;
    let facts = Facts {
        wallet_id: intent.wallet_id.clone(),
        detail: Some("outcome unknown: a signature or a key may exist, and nothing was released".to_owned()),
        ..Facts::default()
    };
    let method = intent.method.as_deref();
    audit::append(transaction, |sequence| Record {
        sequence,
        at: now,
        kind: Kind::Outcome,
        method,
        caller: None,
        facts,
        decision: None,
        intent: Some(intent.sequence),
        outcome: Some("UNKNOWN"),
        kms_request_ids: &[],
    })?;
    Ok(())
}

fn about(wallet: &Wallet, detail: String) -> Facts {
    Facts {
        wallet_id: Some(wallet.wallet_id.to_string()),
        user_id: Some(wallet.user_id.to_string()),
        asset: Some(wallet.asset.clone()),
        network: Some(wallet.network.clone()),
        detail: Some(detail),
        ..Facts::default()
    }
}

/// Appends a record of what the daemon did by itself.
pub(in crate::store) fn append_daemon(
    transaction: &mut WriteTransaction<'_>,
    now: Timestamp,
    facts: Facts,
    kms_request_ids: &[String],
) -> Result<u64, StoreError> {
    audit::append(transaction, |sequence| Record::daemon(sequence, now, facts, kms_request_ids))
}
