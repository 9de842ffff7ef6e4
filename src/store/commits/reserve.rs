//! The reserving transactions: what is re-checked and inserted before KMS is asked.

use std::sync::atomic::Ordering;

use super::in_flight::{Ending, InFlight, Sharing};
use super::live::{Live, LiveIntent};
use super::{CreationPermit, Judged, KeyNeed, OpenIntent, Permit, Recorded, Reserved, UsableKey};
use crate::audit::hash_chain::Head;
use crate::audit::record::Kind;
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::WalletId;
use crate::keys::SigningPayload;
use crate::outcome::{Answer, Failure, Outcome};
use crate::store::wallets::{self, Wallet};
use crate::store::writer::{Durable, Pending, WriteTransaction};
use crate::store::{Store, StoreError, audit, freezes, outbox, pending_keys, requests};
use crate::wallets::create::not_created;
use crate::wallets::lifecycle::Status;

/// How a reserving transaction ended.
pub(super) enum Reservation<T> {
    Opened { permit: T, wallet_id: Option<WalletId>, intent: Head, live: LiveIntent, sharing: Option<Sharing> },
    Ended(Outcome),
    Wait(Ending),
}

/// What the requestId says about a call.
pub(super) enum RequestState {
    /// New, or without an id.
    Fresh,
    /// An earlier call with this content never ended; it may have left a wallet behind.
    Unfinished(Option<WalletId>),
    Answered {
        intent: u64,
        answer: Option<String>,
    },
    OtherContent,
    Running(Ending),
}

impl Store {
    /// Settles a signature for good: freeze, key state and requestId are checked and the intent is inserted. The permit is given at
    /// once; recording the outcome waits until the intent is durable.
    ///
    /// Only for what spends nothing that can be guarded: digests, messages and Solana's transactions. Whatever else is decoded goes
    /// through [`Store::reserve_guarded`].
    pub async fn reserve_signing(
        &self,
        judged: Judged,
        wallet_id: WalletId,
        payload: SigningPayload,
    ) -> Reserved<(Permit, UsableKey)> {
        // While nothing can be written, KMS is not asked for signatures that could only be withheld.
        let ailing = self.write_health().is_err();
        let reserved = self.reserve(judged, std::slice::from_ref(&wallet_id), move |reserving| {
            let key = match reserving.usable_key(wallet_id)? {
                Ok(key) => key,
                Err(failure) => return reserving.refuse(failure),
            };
            match reserving.request_state()? {
                // A released signature would have been answered: an unfinished call released nothing and signs again.
                RequestState::Fresh | RequestState::Unfinished(_) => {
                    reserving.open(Some(wallet_id), (Permit { wallet_id, payload }, key))
                }
                ended => reserving.end(ended),
            }
        });
        if ailing { durably(reserved.await).await } else { reserved.await }
    }

    /// Inserts the PENDING wallet with its intent, durably, or takes up the wallet that an earlier call with the same
    /// idempotencyKey left. A new one is refused for `unfit`, if there is something.
    pub async fn reserve_creation(&self, judged: Judged, wallet: Wallet, unfit: Option<Failure>) -> Reserved<CreationPermit> {
        let max_pending = self.max_pending.load(Ordering::Relaxed);
        let reserved = self
            .reserve(judged, &[], move |reserving| match reserving.request_state()? {
                RequestState::Fresh => {
                    if let Some(failure) = unfit {
                        return reserving.refuse(failure);
                    }
                    let waiting = outbox::rows(reserving.transaction.connection)?;
                    if waiting >= max_pending {
                        return reserving.refuse(Failure::SyncBacklog { waiting });
                    }
                    if let Some(stake) = wallet.stake {
                        let status = wallets::status(reserving.transaction.connection, stake.wallet_id)?;
                        if status != Status::Created {
                            return reserving.refuse(Failure::invalid("stakeWalletId", not_created(status)));
                        }
                    }
                    let id = wallet.wallet_id;
                    let taken = || StoreError::Corrupt(format!("the new wallet {id} is being made already"));
                    let claim = reserving.live.claim_wallet(id).ok_or_else(taken)?;
                    wallets::insert(reserving.transaction.connection, &wallet)?;
                    pending_keys::insert(reserving.transaction.connection, id, reserving.now)?;
                    reserving.open(Some(id), CreationPermit { wallet, need: KeyNeed::Make { creations: 1 }, _claim: claim })
                }
                RequestState::Unfinished(left) => {
                    let left = left.ok_or_else(|| StoreError::Corrupt("a creation's requestId without its wallet".to_owned()))?;
                    match creation_permit(reserving.transaction, &reserving.live, left, reserving.now)? {
                        Some(permit) => reserving.open(Some(left), permit),
                        None => reserving.refuse(Failure::KmsOutcomeUnknown {
                            reason: format!("wallet {left} is PENDING, and its key is being looked for; retry later with the same idempotencyKey"),
                        }),
                    }
                }
                ended => reserving.end(ended),
            })
            .await;
        // CreateKey has no client token: the row that finds the key again is on disk before KMS is asked.
        durably(reserved).await
    }

    /// Settles an action that does not involve KMS, and inserts its intent.
    pub async fn reserve_action(&self, judged: Judged) -> Reserved<()> {
        let reserved = self
            .reserve(judged, &[], |reserving| match reserving.request_state()? {
                RequestState::Fresh | RequestState::Unfinished(_) => reserving.open(None, ()),
                ended => reserving.end(ended),
            })
            .await;
        durably(reserved).await
    }

    /// `signs`: the wallets of which the call's success releases a signature, or what a signature was made for.
    pub(super) async fn reserve<T, F>(&self, judged: Judged, signs: &[WalletId], settle: F) -> Reserved<T>
    where
        T: Send + 'static,
        F: FnOnce(Reserving<'_, '_>) -> Result<Reservation<T>, StoreError> + Send + 'static,
    {
        if !judged.decision.is_allowed() {
            return Reserved::Settled(self.record_denial(judged, None).await);
        }
        let (in_flight, live, now) = (self.in_flight.clone(), self.live.clone(), self.clock.now());
        let pending: Pending<(Judged, Reservation<T>)> = self.writer.submit(move |transaction| {
            let reservation = settle(Reserving { transaction, judged: &judged, in_flight: &in_flight, live, now })?;
            Ok((judged, reservation))
        });
        let (result, durable) = pending.early().await;
        match result {
            Ok((judged, reservation)) => self.reserved(judged, reservation, durable, signs).await,
            Err(error) => Reserved::Settled(Recorded::withheld(&error)),
        }
    }

    /// What a reserving transaction came to, once it may be told.
    pub(super) async fn reserved<T>(
        &self,
        judged: Judged,
        reservation: Reservation<T>,
        durable: Durable,
        signs: &[WalletId],
    ) -> Reserved<T> {
        match reservation {
            Reservation::Opened { permit, wallet_id, intent, live, sharing } => {
                crash_points::reach(CrashPoint::IntentQueued);
                Reserved::Proceed(permit, OpenIntent { judged, wallet_id, intent, durable: Some(durable), _live: live, sharing })
            }
            Reservation::Ended(outcome) => {
                crash_points::reach(CrashPoint::EndQueued);
                Reserved::Settled(match durable.wait().await {
                    Ok(()) => Recorded::ended(outcome),
                    Err(error) => Recorded::withheld(&error),
                })
            }
            Reservation::Wait(ending) => Reserved::Settled(self.repeat_running(judged, ending, signs).await),
        }
    }

    /// Waits for the call that runs under the same requestId, and ends as it does.
    async fn repeat_running(&self, judged: Judged, mut ending: Ending, signs: &[WalletId]) -> Recorded {
        let outcome = match ending.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        let outcome = outcome.unwrap_or_else(|| {
            Err(Failure::KmsOutcomeUnknown {
                reason: "the first call ended without an answer; retry with the same requestId".to_owned(),
            })
        });
        self.record_shared(judged, outcome, signs).await
    }
}

impl OpenIntent {
    /// Waits until the intent is on disk.
    pub(super) async fn durable(mut self) -> Result<Self, Recorded> {
        match self.durable.take() {
            Some(durable) => match durable.wait().await {
                Ok(()) => {
                    crash_points::reach(CrashPoint::IntentDurable);
                    Ok(self)
                }
                Err(error) => Err(Recorded::withheld(&error)),
            },
            None => Ok(self),
        }
    }
}

/// The permit for a PENDING wallet that an earlier call left; `None` while somebody else has it.
pub(super) fn creation_permit(
    transaction: &WriteTransaction<'_>,
    live: &Live,
    id: WalletId,
    now: Timestamp,
) -> Result<Option<CreationPermit>, StoreError> {
    let Some(claim) = live.claim_wallet(id) else { return Ok(None) };
    let wallet = wallets::find(transaction.connection, id)?.ok_or_else(|| StoreError::Corrupt(format!("wallet {id} is gone")))?;
    let need = match (&wallet.kms_key_id, pending_keys::find(transaction.connection, id)?) {
        (Some(_), _) => KeyNeed::Prove,
        // The clock was ahead and was set back: waiting for that time could take for ever.
        (None, Some(asked)) if asked.asked_at > now => {
            pending_keys::wait_from(transaction.connection, id, now)?;
            KeyNeed::Find { creations: asked.creations, asked_at: now }
        }
        (None, Some(asked)) => KeyNeed::Find { creations: asked.creations, asked_at: asked.asked_at },
        (None, None) => return Err(StoreError::Corrupt(format!("nothing is known of the key of the PENDING wallet {id}"))),
    };
    Ok(Some(CreationPermit { wallet, need, _claim: claim }))
}

/// Gives the permit out only once its intent is on disk.
pub(super) async fn durably<T>(reserved: Reserved<T>) -> Reserved<T> {
    match reserved {
        Reserved::Proceed(permit, open) => match open.durable().await {
            Ok(open) => Reserved::Proceed(permit, open),
            Err(recorded) => Reserved::Settled(recorded),
        },
        settled @ Reserved::Settled(_) => settled,
    }
}

/// What a reserving transaction works with.
pub(super) struct Reserving<'a, 'b> {
    pub transaction: &'a mut WriteTransaction<'b>,
    pub judged: &'a Judged,
    pub in_flight: &'a InFlight,
    pub live: Live,
    pub now: Timestamp,
}

impl Reserving<'_, '_> {
    pub fn wallet(&self, id: WalletId) -> Result<Wallet, StoreError> {
        wallets::find(self.transaction.connection, id)?.ok_or_else(|| StoreError::Corrupt(format!("wallet {id} is gone")))
    }

    /// The wallet's key if it may sign now, or why not. Every signature begins here, so that nothing passes by a freeze or a state;
    /// before the requestId, so that a stored signature does not leave either.
    pub fn usable_key(&self, wallet_id: WalletId) -> Result<Result<UsableKey, Failure>, StoreError> {
        if let Some(frozen) = freezes::in_force(self.transaction.connection)? {
            return Ok(Err(frozen));
        }
        let wallet = self.wallet(wallet_id)?;
        let (true, Some(arn), Some(public_key)) = (wallet.status.can_sign(), wallet.kms_key_id, wallet.public_key) else {
            return Ok(Err(Failure::KeyNotUsable { status: wallet.status }));
        };
        Ok(Ok(UsableKey { wallet_id, arn, public_key }))
    }

    pub fn request_state(&self) -> Result<RequestState, StoreError> {
        let (Some(key), Some(request)) = (self.judged.request_key(), &self.judged.request) else {
            return Ok(RequestState::Fresh);
        };
        if let Some((content_hash, ending)) = self.in_flight.running(&key) {
            let same = content_hash == request.content_hash;
            return Ok(if same { RequestState::Running(ending) } else { RequestState::OtherContent });
        }
        Ok(match requests::find(self.transaction.connection, &key)? {
            None => RequestState::Fresh,
            Some(known) if known.content_hash != request.content_hash => RequestState::OtherContent,
            Some(known) if known.answered => RequestState::Answered { intent: known.intent, answer: known.answer },
            Some(known) => RequestState::Unfinished(known.wallet_id),
        })
    }

    /// Inserts the intent and gives the permit out.
    pub fn open<T>(self, wallet_id: Option<WalletId>, permit: T) -> Result<Reservation<T>, StoreError> {
        let (judged, now) = (self.judged, self.now);
        let sequence =
            audit::append(self.transaction, |sequence| judged.record(sequence, now, Kind::Intent, None, None).about(wallet_id))?;
        self.transaction
            .connection
            .prepare_cached("INSERT INTO open_intents (intent, wallet_id) VALUES (?1, ?2)")?
            .execute((sequence, wallet_id.map(|id| id.to_string())))?;
        if let (Some(key), Some(request)) = (judged.request_key(), &judged.request) {
            requests::bind(self.transaction.connection, &key, &request.content_hash, wallet_id, sequence)?;
        }
        let sharing = self.share();
        let intent = self.transaction.head.clone();
        let live = self.live.intent((intent.sequence, intent.hash));
        Ok(Reservation::Opened { permit, wallet_id, intent, live, sharing })
    }

    /// Lets calls with the same requestId wait for this one's end.
    pub fn share(&self) -> Option<Sharing> {
        let (key, request) = (self.judged.request_key()?, self.judged.request.as_ref()?);
        Some(self.in_flight.enter(key, request.content_hash))
    }

    pub fn refuse<T>(self, failure: Failure) -> Result<Reservation<T>, StoreError> {
        let (judged, now) = (self.judged, self.now);
        audit::append(self.transaction, |sequence| judged.record(sequence, now, Kind::Refusal, None, Some(failure.kind())))?;
        Ok(Reservation::Ended(Err(failure)))
    }

    /// Ends a call whose requestId says that it does not start afresh.
    pub fn end<T>(self, state: RequestState) -> Result<Reservation<T>, StoreError> {
        let field = self.judged.request.as_ref().map_or("requestId", |request| request.field);
        let conflict = |reason: &str| Failure::Conflict { field, reason: format!("this {field} {reason}") };
        match state {
            RequestState::Running(ending) => Ok(Reservation::Wait(ending)),
            RequestState::OtherContent => {
                self.refuse(conflict("was used for another content, which may be executed still; a new one is another request"))
            }
            RequestState::Answered { answer: None, .. } => {
                self.refuse(conflict("was answered long ago, and its answer is no longer kept"))
            }
            RequestState::Answered { intent, answer: Some(answer) } => {
                let (judged, now) = (self.judged, self.now);
                audit::append(self.transaction, |sequence| {
                    judged.record(sequence, now, Kind::Repeat, Some(intent), Some("success"))
                })?;
                Ok(Reservation::Ended(Answer::from_stored(answer)))
            }
            RequestState::Fresh | RequestState::Unfinished(_) => {
                Err(StoreError::Corrupt("a request that goes on was ended".to_owned()))
            }
        }
    }
}
