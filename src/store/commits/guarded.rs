//! Guarded signatures: what may be spent once is taken for one content in the reserving transaction; the recording one ties it
//! to the signature that is released, or gives it back.
//!
//! It must never let two contents have one guard, release a second signature of one payload, give a stored signature out before
//! it is durable, or free what a signature may exist for.
//!
//! A content may need several signatures, such as one for each input: each is a slot. They are reserved together, under one
//! claim, and released together or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::in_flight::Sharing;
use super::live::ContentClaim;
use super::record::{Verdict, forbids_release};
use super::reserve::{RequestState, Reservation, Reserving, durably};
use super::{Judged, KmsRequestIds, OpenIntent, Permit, Recorded, Reserved, UsableKey};
use crate::audit::record::Kind;
use crate::guards::{Guard, Guarded};
use crate::ids::WalletId;
use crate::keys::{SignatureBytes, SigningPayload};
use crate::outcome::{Failure, Outcome};
use crate::store::guards::{self, Slot};
use crate::store::{Store, StoreError, audit, requests};

/// A content that spends something, with the payloads of which it needs signatures.
#[derive(Debug, Clone)]
pub struct GuardedContent {
    /// At least one.
    pub payloads: Vec<SlotPayload>,
    pub guarded: Guarded,
}

/// One of the payloads.
#[derive(Debug, Clone)]
pub struct SlotPayload {
    pub wallet_id: WalletId,
    /// Which of the content's payloads, such as the number of the input; 0 where there is one.
    pub slot: u32,
    pub payload: SigningPayload,
}

impl GuardedContent {
    pub(in crate::store) fn slots(&self) -> impl Iterator<Item = Slot> {
        let content = *self.guarded.content();
        self.payloads.iter().map(move |asked| Slot { content, wallet_id: asked.wallet_id, slot: asked.slot })
    }

    /// Each once, in order.
    fn wallets(&self) -> Vec<WalletId> {
        let mut wallets: Vec<_> = self.payloads.iter().map(|asked| asked.wallet_id).collect();
        wallets.sort_unstable();
        wallets.dedup();
        wallets
    }
}

/// What a guarded reservation came to.
pub enum ReservedGuarded {
    /// Have signed what is needed, and record what came of it. In the order of the payloads.
    Sign(Vec<Signing>, OpenGuarded),
    /// All of it was signed before: KMS is not asked. Record the answer that is made of it.
    Signed(Vec<Signed>, OpenRepeat),
    /// The request has ended, and its end is recorded.
    Settled(Recorded),
}

/// What one payload needs.
#[must_use]
pub enum Signing {
    Needed(Permit, Arc<UsableKey>),
    /// Released before.
    Known(Signed),
}

/// A signature that was released before.
#[must_use]
#[derive(Debug)]
pub struct Signed {
    pub signature: SignatureBytes,
    pub key: Arc<UsableKey>,
}

/// The intent of guarded signatures, whose outcome is to be recorded.
#[must_use]
pub struct OpenGuarded {
    open: OpenIntent,
    /// Those of which a signature is needed.
    slots: Vec<Slot>,
    wallets: Vec<WalletId>,
    claim: ContentClaim,
}

/// A request that gets a signature which was released before, whose answer is to be recorded.
#[must_use]
pub struct OpenRepeat {
    judged: Judged,
    wallets: Vec<WalletId>,
    /// The intent under which it was made, the last one of several.
    signed_by: u64,
    sharing: Option<Sharing>,
}

/// What came of a guarded payload at KMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A signature that verified.
    Signature(SignatureBytes),
    /// None, provably, by any of the attempts: the guards are free again.
    Nothing,
    /// There may be one: its answer was lost, or what came does not verify. The guards stay with their content.
    Unknown,
}

/// How a reserving transaction ended.
enum Found {
    Reserved(Reservation<(Vec<Signing>, Vec<Slot>, ContentClaim)>),
    Signed(Vec<Signed>, u64, Option<Sharing>),
    /// Somebody signs this content, or one that it would replace.
    LookAgain(tokio::sync::watch::Receiver<()>),
}

impl Store {
    /// Settles guarded signatures for good: key states, requestId and guards are checked, the guards are taken and the intent is
    /// inserted, or none of it. While somebody else signs the same content, or one that it would replace, this waits for that.
    pub async fn reserve_guarded(&self, mut judged: Judged, asked: GuardedContent) -> ReservedGuarded {
        /// Each look but the last waited for another call to end without a signature.
        const LOOKS: usize = 16;
        if !judged.decision.is_allowed() {
            return ReservedGuarded::Settled(self.record_denial(judged, None).await);
        }
        let (wallets, asked) = (asked.wallets(), Arc::new(asked));
        for _ in 0..LOOKS {
            // While nothing can be written, KMS is not asked for signatures that could only be withheld.
            let ailing = self.write_health().is_err();
            let (in_flight, live, now, asking) =
                (self.in_flight.clone(), self.live.clone(), self.clock.now(), Arc::clone(&asked));
            let pending = self.writer.submit(move |transaction| {
                let found = look(Reserving { transaction, judged: &judged, in_flight: &in_flight, live, now }, &asking)?;
                Ok((judged, found))
            });
            let (result, durable) = pending.early().await;
            match result {
                Err(error) => return ReservedGuarded::Settled(Recorded::withheld(&error)),
                Ok((back, Found::LookAgain(mut ending))) => {
                    // It ends by being dropped.
                    let _ = ending.changed().await;
                    judged = back;
                }
                Ok((judged, Found::Signed(signed, signed_by, sharing))) => {
                    // What was read may have been written by the same transaction.
                    return match durable.wait().await {
                        Ok(()) => ReservedGuarded::Signed(signed, OpenRepeat { judged, wallets, signed_by, sharing }),
                        Err(error) => ReservedGuarded::Settled(shared(Recorded::withheld(&error), sharing)),
                    };
                }
                Ok((judged, Found::Reserved(reservation))) => {
                    let reserved = self.reserved(judged, reservation, durable, &wallets).await;
                    return match if ailing { durably(reserved).await } else { reserved } {
                        Reserved::Proceed((signing, slots, claim), open) => {
                            ReservedGuarded::Sign(signing, OpenGuarded { open, slots, wallets, claim })
                        }
                        Reserved::Settled(recorded) => ReservedGuarded::Settled(recorded),
                    };
                }
            }
        }
        let reason = "other calls are having the same signed, and none of them got a signature yet; try again".to_owned();
        ReservedGuarded::Settled(self.record_refusal(judged, Failure::KmsUnavailable { reason }).await)
    }

    /// Records what came of guarded signatures: `made` has one entry for each that was needed, in order. Released only if this
    /// returns a success.
    pub async fn record_guarded(
        &self,
        guarded: OpenGuarded,
        outcome: Outcome,
        made: Vec<Made>,
        kms_request_ids: KmsRequestIds,
    ) -> Recorded {
        let OpenGuarded { open, slots, wallets, claim } = guarded;
        let complete = made.len() == slots.len() && made.iter().all(|made| matches!(made, Made::Signature(_)));
        let outcome = match outcome {
            Ok(_) if !complete => Err(Failure::Internal("an answer without its signatures".to_owned())),
            outcome => outcome,
        };
        let (released, intent) = (outcome.is_ok(), open.intent.sequence);
        let frees_request = !released && made.iter().all(|made| *made == Made::Nothing);
        let recorded = self
            .record_outcome(open, outcome, frees_request, kms_request_ids, move |transaction, _| {
                // There are signatures now, so the guards and the requestId stay with their content.
                if released && let Some(why) = forbids_release(transaction, &wallets)? {
                    return Ok(Verdict::Withheld(why));
                }
                for (slot, made) in slots.iter().zip(&made) {
                    match made {
                        Made::Signature(signature) if released => {
                            guards::store(transaction.connection, slot, intent, signature)?;
                        }
                        Made::Nothing => guards::take_back(transaction.connection, slot, intent)?,
                        Made::Signature(_) | Made::Unknown => {}
                    }
                }
                Ok(Verdict::Stands)
            })
            .await;
        // Whoever waits finds the outcome.
        drop(claim);
        recorded
    }

    /// Records that a signature released before is given again, and binds the requestId, if there is one, to this answer.
    pub async fn record_repeat(&self, repeat: OpenRepeat, outcome: Outcome) -> Recorded {
        let OpenRepeat { judged, wallets, signed_by, sharing } = repeat;
        let now = self.clock.now();
        let written = self
            .writer
            .submit(move |transaction| {
                // A wallet may have been stopped, and that answered, since its key was found usable.
                let stopped = if outcome.is_ok() { forbids_release(transaction, &wallets)? } else { None };
                let wallet_id = only(&wallets);
                let outcome = stopped.map_or(outcome, Err);
                if let (Some(key), Some(request), Ok(answer)) = (judged.request_key(), &judged.request, &outcome) {
                    requests::bind(transaction.connection, &key, &request.content_hash, wallet_id, signed_by)?;
                    requests::answer(transaction.connection, &key, answer.as_json(), now)?;
                }
                let word = outcome.as_ref().err().map_or("success", Failure::kind);
                audit::append(transaction, |sequence| {
                    judged.record(sequence, now, Kind::Repeat, Some(signed_by), Some(word)).about(wallet_id)
                })?;
                Ok(outcome)
            })
            .durable()
            .await;
        let recorded = match written {
            Ok(outcome) => Recorded::committed(outcome),
            Err(error) => Recorded::withheld(&error),
        };
        shared(recorded, sharing)
    }
}

/// Tells those who wait under the same requestId.
fn shared(recorded: Recorded, sharing: Option<Sharing>) -> Recorded {
    if let Some(sharing) = sharing {
        sharing.end(recorded.outcome());
    }
    recorded
}

/// The wallet, where there is one.
fn only(wallets: &[WalletId]) -> Option<WalletId> {
    match wallets {
        [wallet] => Some(*wallet),
        _ => None,
    }
}

/// The reserving transaction. Every check comes before anything is taken, since a refusal is written too.
fn look(reserving: Reserving<'_, '_>, asked: &GuardedContent) -> Result<Found, StoreError> {
    let GuardedContent { payloads, guarded } = asked;
    let (wallets, content) = (asked.wallets(), guarded.content());
    let mut keys: BTreeMap<WalletId, Arc<UsableKey>> = BTreeMap::new();
    for wallet_id in &wallets {
        match reserving.usable_key(*wallet_id)? {
            Ok(key) => keys.insert(*wallet_id, Arc::new(key)),
            Err(failure) => return reserving.refuse(failure).map(Found::Reserved),
        };
    }
    match reserving.request_state()? {
        RequestState::Fresh | RequestState::Unfinished(_) => {}
        ended => return reserving.end(ended).map(Found::Reserved),
    }
    if let Some(ending) = reserving.live.signing_of(content) {
        return Ok(Found::LookAgain(ending));
    }
    let connection = reserving.transaction.connection;
    let (mut signing, mut needed, mut signed_by) = (Vec::new(), Vec::new(), None);
    for (slot, SlotPayload { wallet_id, payload, .. }) in asked.slots().zip(payloads) {
        let key = keys.get(wallet_id).ok_or_else(|| StoreError::Corrupt(format!("no key of wallet {wallet_id}")))?;
        let (known, digest) = (guards::find(connection, &slot)?, payload.digest());
        // A segwit digest covers amounts that the transaction's id does not: two claims about them are two payloads.
        if known.as_ref().is_some_and(|known| known.digest != digest) {
            let failure = other_payload(guarded);
            return reserving.refuse(failure).map(Found::Reserved);
        }
        match known.and_then(|known| Some((known.signature?, known.intent))) {
            Some((signature, intent)) => {
                signed_by = signed_by.max(Some(intent));
                signing.push(Signing::Known(Signed { signature, key: Arc::clone(key) }));
            }
            None => {
                needed.push((slot, digest));
                let permit = Permit { wallet_id: *wallet_id, payload: payload.clone() };
                signing.push(Signing::Needed(permit, Arc::clone(key)));
            }
        }
    }
    if let (true, Some(signed_by)) = (needed.is_empty(), signed_by) {
        let signed = signing.into_iter().filter_map(|signing| match signing {
            Signing::Known(signed) => Some(signed),
            Signing::Needed(..) => None,
        });
        return Ok(Found::Signed(signed.collect(), signed_by, reserving.share()));
    }
    for guard in guarded.guards() {
        let Some(other) = guards::holder(connection, guard)?.filter(|other| other != content) else { continue };
        if !guarded.may_replace(&other) {
            let (intent, released) = guards::use_of(connection, &other)?;
            let failure = conflict(guard, intent, released);
            return reserving.refuse(failure).map(Found::Reserved);
        }
        // It may yet be refused, and give the guard back.
        if let Some(ending) = reserving.live.signing_of(&other) {
            return Ok(Found::LookAgain(ending));
        }
    }
    let claim = reserving.live.claim_content(*content);
    let claim = claim.ok_or_else(|| StoreError::Corrupt(format!("content {content} is being signed already")))?;
    guards::insert_content(connection, content, guarded.summary())?;
    for guard in guarded.guards() {
        guards::take(connection, guard, content)?;
    }
    let slots = needed.iter().map(|(slot, _)| *slot).collect();
    let reservation = reserving.open(only(&wallets), (signing, slots, claim))?;
    if let Reservation::Opened { intent, .. } = &reservation {
        for (slot, digest) in &needed {
            guards::begin(connection, slot, digest, intent.sequence)?;
        }
    }
    Ok(Found::Reserved(reservation))
}

/// Says what the guard is used for as far as it can be said to somebody who may not know of the other call.
fn conflict(guard: &Guard, intent: Option<u64>, released: bool) -> Failure {
    let record = intent.map(|intent| format!(" (audit record {intent})")).unwrap_or_default();
    let what = if released { "was signed for" } else { "is taken by, and may have been signed for," };
    let reason =
        format!("{guard} {what} another content{record}; it is signed for one only, unless the policy permits to replace it");
    Failure::Conflict { field: guard.kind().field(), reason }
}

fn other_payload(guarded: &Guarded) -> Failure {
    let field = guarded.guards().first().map_or("nonce", |guard| guard.kind().field());
    let reason =
        "this content was asked for with other amounts or scripts, and is signed for one claim about them only".to_owned();
    Failure::Conflict { field, reason }
}

#[cfg(test)]
mod tests;
