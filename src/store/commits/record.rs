//! The recording transactions: outcome, stored answer and the wallet's new state, durable before any reply.

use super::{CreationPermit, Judged, OpenIntent, Recorded, append_daemon};
use crate::audit::record::{Facts, Kind, Record};
use crate::chains::{Address, AddressType};
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::{FreezeId, KeyArn, WalletId};
use crate::outcome::{Answer, Failure, Outcome};
use crate::store::wallets::{self, Wallet};
use crate::store::writer::WriteTransaction;
use crate::store::{Store, StoreError, audit, freezes, pending_keys, requests};
use crate::wallets::create::{AnswerShape, CreationAnswers};

/// A wallet whose key is proven: its row as it will be, and every address form of its key.
#[derive(Debug)]
pub struct ProvenWallet {
    pub wallet: Wallet,
    pub forms: Vec<(AddressType, Address)>,
    /// What a caller of either method hears.
    pub answers: CreationAnswers,
}

/// How a creation failed.
#[derive(Debug)]
pub struct CreationFailure {
    pub failure: Failure,
    pub fate: KeyFate,
}

/// What is known of the key of a wallet that could not be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFate {
    /// There is none: the wallet ends FAILED and its idempotencyKey is free again.
    None,
    /// The last CreateKey had no effect; an earlier one may have had.
    NotThisTime,
    /// It may exist.
    Unknown,
    /// It may exist, and looking for it any longer decides nothing: why, for the operator.
    Stuck(String),
    /// KMS made this one, and it is not proven yet.
    Named(KeyArn),
}

/// What the transaction that closes an intent makes of the outcome.
pub(super) enum Verdict {
    Stands,
    /// Refused after all; the requestId is free again.
    Refused(Failure),
    /// Something was made and is not released. The requestId stays with its content, which may be tried again.
    Withheld(Failure),
}

/// The request ids of every attempt that KMS answered.
pub type KmsRequestIds = Vec<String>;

impl Store {
    /// Records what came of a signature. Released only if this returns a success: where the wallet no longer signs, or signing is
    /// frozen, the signature is withheld, since whoever stopped it has been answered or is about to be.
    ///
    /// If KMS's answer was `lost`, or the signature is withheld, the requestId stays with its content: the same content may sign
    /// again, since nothing was released.
    pub async fn record_signing(
        &self,
        open: OpenIntent,
        outcome: Outcome,
        lost: bool,
        kms_request_ids: KmsRequestIds,
    ) -> Recorded {
        let frees_request = outcome.is_err() && !lost;
        let signed = open.wallet_id.filter(|_| outcome.is_ok());
        self.record_outcome(open, outcome, frees_request, kms_request_ids, move |transaction, _| {
            Ok(forbids_release(transaction, signed.as_slice())?.map_or(Verdict::Stands, Verdict::Withheld))
        })
        .await
    }

    /// Records the key: the wallet becomes CREATED with its pinned public key and addresses.
    pub async fn record_created(
        &self,
        open: OpenIntent,
        permit: CreationPermit,
        proven: ProvenWallet,
        shape: AnswerShape,
        kms_request_ids: KmsRequestIds,
    ) -> Recorded {
        let ProvenWallet { wallet, forms, answers } = proven;
        let answer = answers.of(shape).clone();
        if wallet.wallet_id != permit.wallet.wallet_id {
            return Recorded::withheld(&StoreError::Corrupt("another wallet's key would have been recorded".to_owned()));
        }
        self.record_outcome(open, Ok(answer), false, kms_request_ids, move |transaction, _| {
            wallets::complete(transaction, &wallet, &forms).map(|()| Verdict::Stands)
        })
        .await
    }

    /// Records that no wallet came of it. Whether a key may exist decides between FAILED and PENDING.
    pub async fn record_not_created(
        &self,
        open: OpenIntent,
        permit: CreationPermit,
        failed: CreationFailure,
        kms_request_ids: KmsRequestIds,
    ) -> Recorded {
        let CreationFailure { failure, fate } = failed;
        let frees_request = fate == KeyFate::None;
        let wallet_id = permit.wallet.wallet_id;
        self.record_outcome(open, Err(failure), frees_request, kms_request_ids, move |transaction, now| {
            note_fate(transaction, wallet_id, &fate, now).map(|_| Verdict::Stands)
        })
        .await
    }

    /// Records a denial. `told` is what the caller hears if it may not even learn that the thing exists.
    pub async fn record_denial(&self, judged: Judged, told: Option<Failure>) -> Recorded {
        let policy_id = judged.decision.forbidden_by().map(ToOwned::to_owned);
        let denied = Failure::Denied { reason: judged.decision.reason(), policy_id };
        self.record_end(judged, Kind::Denial, Err(told.unwrap_or(denied))).await
    }

    /// Records a call that the policy allows and something else refuses, before KMS was asked.
    pub async fn record_refusal(&self, judged: Judged, failure: Failure) -> Recorded {
        self.record_end(judged, Kind::Refusal, Err(failure)).await
    }

    /// Records what came of an action that does not involve KMS.
    pub async fn record_action(&self, open: OpenIntent, outcome: Outcome) -> Recorded {
        let frees_request = outcome.is_err();
        self.record_outcome(open, outcome, frees_request, Vec::new(), |_, _| Ok(Verdict::Stands)).await
    }

    /// Lifts a freeze and records that. NOT_FOUND if none in force has this id.
    pub async fn record_unfreeze(&self, open: OpenIntent, id: FreezeId) -> Recorded {
        let lifted = Answer::of(&serde_json::Map::new());
        self.record_outcome(open, lifted, false, Vec::new(), move |transaction, now| {
            if freezes::lift(transaction.connection, id, now)? {
                return Ok(Verdict::Stands);
            }
            let what = "no freeze in force has this freezeId; admin_status lists them".to_owned();
            Ok(Verdict::Refused(Failure::NotFound { field: "freezeId", what }))
        })
        .await
    }

    /// Records what the daemon did by itself, durably.
    pub async fn record_daemon(&self, detail: String) -> Result<(), StoreError> {
        let now = self.clock.now();
        let facts = Facts { detail: Some(detail), ..Facts::default() };
        self.writer.submit(move |transaction| append_daemon(transaction, now, facts, &[])).durable().await?;
        Ok(())
    }

    /// Records that a call ends as the one under the same requestId did. Whoever asks for a signature while signing is frozen, or
    /// of a wallet that was stopped, does not get it from another call either.
    pub(super) async fn record_shared(&self, judged: Judged, outcome: Outcome, signs: &[WalletId]) -> Recorded {
        let now = self.clock.now();
        let signed = if outcome.is_ok() { signs.to_vec() } else { Vec::new() };
        let written = self.writer.submit(move |transaction| {
            let stopped = forbids_release(transaction, &signed)?;
            let outcome = stopped.map_or(outcome, Err);
            let word = outcome.as_ref().err().map_or("success", Failure::kind);
            audit::append(transaction, |sequence| judged.record(sequence, now, Kind::Repeat, None, Some(word)))?;
            Ok(outcome)
        });
        crash_points::reach(CrashPoint::EndQueued);
        match written.durable().await {
            Ok(outcome) => Recorded::ended(outcome),
            Err(error) => Recorded::withheld(&error),
        }
    }

    /// A record without an intent.
    async fn record_end(&self, judged: Judged, kind: Kind, outcome: Outcome) -> Recorded {
        let now = self.clock.now();
        let word = outcome.as_ref().err().map_or("success", Failure::kind);
        let written = self.writer.submit(move |transaction| {
            audit::append(transaction, |sequence| judged.record(sequence, now, kind, None, Some(word)))
        });
        crash_points::reach(CrashPoint::EndQueued);
        match written.durable().await {
            Ok(_) => Recorded::ended(outcome),
            Err(error) => Recorded::withheld(&error),
        }
    }

    /// Closes an intent. `change` is what else belongs to the same transaction, and has the last word on the outcome;
    /// `frees_request` lets the requestId go.
    pub(super) async fn record_outcome<C>(
        &self,
        open: OpenIntent,
        outcome: Outcome,
        frees_request: bool,
        kms_request_ids: KmsRequestIds,
        change: C,
    ) -> Recorded
    where
        C: FnOnce(&mut WriteTransaction<'_>, Timestamp) -> Result<Verdict, StoreError> + Send + 'static,
    {
        let OpenIntent { judged, wallet_id, intent, durable, sharing, _live } = open;
        let now = self.clock.now();
        let pending = self.writer.submit(move |transaction| {
            let closed = transaction
                .connection
                .prepare_cached(
                    "DELETE FROM open_intents WHERE intent = ?1 AND EXISTS (SELECT 1 FROM audit WHERE sequence = ?1 AND hash = ?2)",
                )?
                .execute((intent.sequence, intent.hash))?;
            if closed != 1 {
                // Its commit failed: an outcome without its intent releases nothing.
                return Err(StoreError::NotDurable);
            }
            let (outcome, frees_request) = match change(transaction, now)? {
                Verdict::Stands => (outcome, frees_request),
                Verdict::Refused(failure) => (Err(failure), true),
                Verdict::Withheld(failure) => (Err(failure), false),
            };
            if let Some(key) = judged.request_key() {
                match &outcome {
                    Ok(answer) => requests::answer(transaction.connection, &key, answer.as_json(), now)?,
                    Err(_) if frees_request => requests::free(transaction.connection, &key)?,
                    Err(_) => {}
                }
            }
            let word = outcome.as_ref().err().map_or("success", Failure::kind);
            audit::append(transaction, |sequence| Record {
                kms_request_ids: &kms_request_ids,
                ..judged.record(sequence, now, Kind::Outcome, Some(intent.sequence), Some(word)).about(wallet_id)
            })?;
            Ok(outcome)
        });
        crash_points::reach(CrashPoint::OutcomeQueued);
        let recorded = async {
            if let Some(durable) = durable {
                durable.wait().await?;
                crash_points::reach(CrashPoint::IntentDurable);
            }
            pending.durable().await
        };
        let recorded = match recorded.await {
            Ok(outcome) => {
                crash_points::reach(CrashPoint::OutcomeDurable);
                Recorded::committed(outcome)
            }
            Err(error) => Recorded::withheld(&error),
        };
        if let Some(sharing) = sharing {
            sharing.end(recorded.outcome());
        }
        recorded
    }
}

/// Writes down what is known of a PENDING wallet's key. Returns whether that was news.
pub(super) fn note_fate(
    transaction: &mut WriteTransaction<'_>,
    wallet_id: WalletId,
    fate: &KeyFate,
    now: Timestamp,
) -> Result<bool, StoreError> {
    match fate {
        KeyFate::None => wallets::fail(transaction, wallet_id, now).map(|()| true),
        KeyFate::NotThisTime => pending_keys::uncount(transaction.connection, wallet_id).map(|()| true),
        KeyFate::Unknown => Ok(false),
        KeyFate::Stuck(finding) => pending_keys::note(transaction.connection, wallet_id, finding),
        KeyFate::Named(key) => wallets::name_key(transaction, wallet_id, key),
    }
}

/// Why signatures of these wallets must not be released now: a state, or a freeze. Nothing stops what is no signature.
pub(super) fn forbids_release(transaction: &WriteTransaction<'_>, signed: &[WalletId]) -> Result<Option<Failure>, StoreError> {
    for id in signed {
        if let Some(stopped) = no_longer_signs(transaction, *id)? {
            return Ok(Some(stopped));
        }
    }
    if signed.is_empty() { Ok(None) } else { freezes::in_force(transaction.connection) }
}

/// Why a signature of this wallet must not be released, if its state says so.
fn no_longer_signs(transaction: &WriteTransaction<'_>, id: WalletId) -> Result<Option<Failure>, StoreError> {
    let status = wallets::status(transaction.connection, id)?;
    let withheld = || tracing::warn!(wallet = %id, %status, "the wallet was stopped while KMS signed; the signature is withheld");
    Ok((!status.can_sign()).then(|| {
        withheld();
        Failure::KeyNotUsable { status }
    }))
}
