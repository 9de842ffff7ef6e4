//! The way of every request, on one screen:
//!
//! ```text
//! bytes -> Frame -> (Caller, Frame) -> Call -> Decision -> Permit + UsableKey -> RawSignature -> VerifiedSignature -> Recorded -> reply
//! ```
//!
//! Each step takes what only the step before it makes, so a skipped step does not compile (tests/it/compile_fail). No other
//! code calls these stages. Decoding comes before policy; the intent is durable before anything is released, the outcome
//! before the reply. Denials take the same way as successes.

mod attempt;
mod content;
mod heal;
mod judge;
mod key_nudges;
mod reads;
mod services;
mod summary;
mod sync;
mod turns;

use std::sync::Arc;
use std::time::Instant;

use crate::caller::Caller;
use crate::chains::networks::Networks;
use crate::crash_points::{self, CrashPoint};
use crate::ids::RequestId;
use crate::kms::{AttemptError, KmsError};
use crate::metrics;
use crate::outcome::{Answer, Failure, Outcome};
use crate::rpc::methods::Runs;
use crate::rpc::{self, Call, NewWallet, Reply, Request, SigningRequest};
use crate::store::commits::{Judged, Permit, Recorded, Reserved, UsableKey};
use crate::store::wallets::Wallet;
use crate::transport::Frame;
use crate::verify;
use crate::wallets::create::AnswerShape;
use crate::wallets::lifecycle::{Event, Status};
use crate::wallets::{change, create, sign, verify as verification};

use self::attempt::Attempt;
use self::judge::Subject;

pub use self::heal::Healed;
pub use self::services::{ContentRules, KmsHealth, Mainnet, Parts, Reloaded, Reloader, Rules, Services};
pub use self::sync::{SyncHealth, SyncState};

/// A request from its frame to its reply.
pub async fn run(services: Arc<Services>, caller: Caller, frame: Frame) -> Reply {
    let (started, method) = (Instant::now(), rpc::find_method(frame.method()).map_or("unknown", |method| method.name));
    let (recorded, request_id) = match services.read_frame(&caller, frame).await {
        Ok(call) => {
            let request_id = call.bound_request().map(|request| request.id.clone());
            (services.carry_out(caller, call).await, request_id)
        }
        Err((failure, request_id)) => (Recorded::unreadable(failure), request_id),
    };
    metrics::request(method, recorded.outcome(), started.elapsed());
    crash_points::reach(CrashPoint::BeforeReply);
    rpc::reply(recorded).to(request_id.as_ref())
}

/// Parameters that are longer are read beside the threads that serve the socket: a PSBT can take a fifth of a second.
const LONG_PARAMS_BYTES: usize = 64 << 10;

impl Services {
    async fn read_frame(self: &Arc<Self>, caller: &Caller, frame: Frame) -> Result<Call, (Failure, Option<RequestId>)> {
        fn read(frame: &Frame, networks: &Networks) -> Result<Call, (Failure, Option<RequestId>)> {
            rpc::read(frame, networks).map_err(|failure| (failure, rpc::request_id(frame)))
        }
        if frame.params().is_none_or(|params| params.len() <= LONG_PARAMS_BYTES) {
            return read(&frame, &self.networks);
        }
        let _turn = self.decoding.take(caller.uid()).await;
        let services = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || read(&frame, &services.networks));
        reading.await.unwrap_or_else(|error| Err((Failure::Internal(error.to_string()), None)))
    }

    async fn carry_out(self: Arc<Self>, caller: Caller, call: Call) -> Recorded {
        if call.request().has_content() {
            return self.sign_content(caller, call).await;
        }
        let subject = match self.subject(call.request()) {
            Ok(subject) => subject,
            Err(failure) => return Recorded::unreadable(failure),
        };
        let (judged, told) = self.judge(caller, &call, &subject);
        if !judged.decision.is_allowed() {
            return self.store.record_denial(judged, told).await;
        }
        match (call.request(), subject) {
            (Request::WalletCreate(new), _) => self.create(judged, new, AnswerShape::Wallet).await,
            (Request::CreateKey(new), _) => self.create(judged, new, AnswerShape::Key).await,
            (Request::SignHash(request), Subject::Wallet(wallet)) => self.sign_hash(judged, &wallet, request).await,
            (Request::WalletVerify(_), Subject::Wallet(wallet)) => self.verify_wallet(judged, &wallet).await,
            (
                Request::WalletDisable(_) | Request::WalletEnable(_) | Request::DeleteKey(_) | Request::CancelKeyDeletion(_),
                Subject::Wallet(wallet),
            ) => self.change_state(judged, &wallet, call.request()).await,
            // Recorded even for a read, as the denial of a wallet that is there is: else the time it takes would tell them apart.
            (_, Subject::Unknown(failure)) => self.store.record_refusal(judged, failure).await,
            (Request::AdminReload, _) => self.reload(judged).await,
            (Request::AdminUnfreeze(unfreeze), _) => match self.store.reserve_action(judged).await {
                Reserved::Proceed((), open) => self.store.record_unfreeze(open, unfreeze.freeze_id).await,
                Reserved::Settled(recorded) => recorded,
            },
            (_, subject) => self.read_only(judged, call, subject).await,
        }
    }

    async fn read_only(self: Arc<Self>, judged: Judged, call: Call, subject: Subject) -> Recorded {
        let Judged { caller, decision, .. } = judged;
        let outcome = match call.method().runs {
            Runs::Inline => self.read(&caller, call.request(), subject),
            Runs::ToItsEnd => {
                // Never closed, so there is a turn for everyone. What decodes takes another kind of turn: it is no short read.
                let turns = Arc::clone(&self);
                let decodes = matches!(call.request(), Request::PolicyExplain(_));
                let _decoding = if decodes { turns.decoding.take(caller.uid()).await } else { None };
                let _reading = if decodes { None } else { turns.long_reads.acquire().await.ok() };
                tokio::task::spawn_blocking(move || self.read(&caller, call.request(), subject))
                    .await
                    .unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
            }
        };
        Recorded::allowed_read(&decision, outcome)
    }

    async fn sign_hash(&self, judged: Judged, wallet: &Wallet, request: &SigningRequest) -> Recorded {
        let payload = match sign::payload(&self.networks, wallet, request) {
            Ok(payload) => payload,
            Err(failure) => return self.store.record_refusal(judged, failure).await,
        };
        let (permit, key, open) = match self.store.reserve_signing(judged, wallet.wallet_id, payload).await {
            Reserved::Proceed((permit, key), open) => (permit, key, open),
            Reserved::Settled(recorded) => return recorded,
        };
        let attempt = self.attempt(permit, &key, wallet).await;
        let (lost, Attempt { result, request_ids, .. }) = (attempt.was_lost(), attempt);
        let outcome = result.and_then(|verified| sign::answer(key.arn(), key.public_key(), verified));
        self.store.record_signing(open, outcome, lost, request_ids).await
    }

    /// What the caller hears where KMS did not sign. A key that KMS is still being brought to is told apart from one that somebody
    /// else stopped.
    fn why_unsigned(&self, wallet: &Wallet, error: KmsError) -> Failure {
        if !error.is_about_the_key() {
            return error.into_failure();
        }
        if self.store.is_being_driven(wallet.wallet_id) {
            let reason = "the wallet's state was changed, and KMS has not followed yet; nothing was signed".to_owned();
            return Failure::KmsUnavailable { reason };
        }
        self.key_nudges.look_at(wallet.wallet_id);
        error.into_failure()
    }

    /// Why a deletion whose time has come can't be cancelled. KMS takes up to a day longer, so it is asked: a wallet without its key
    /// would come back to life, and coins sent to it would be lost.
    async fn too_late(&self, wallet: &Wallet) -> Option<Failure> {
        let now = self.clock.now();
        let is_due = wallet.status == Status::PendingDeletion && wallet.deletion_date.is_some_and(|date| date <= now);
        let key = wallet.kms_key_id.as_ref().filter(|_| is_due)?;
        match self.kms.describe_key(key).await.result {
            Ok(_) => None,
            Err(error) if error.cause == AttemptError::NotFound => {
                self.key_nudges.drive();
                Some(Failure::StateForbids { status: wallet.status, reason: ", and KMS has deleted its key".to_owned() })
            }
            Err(error) => Some(error.into_failure()),
        }
    }

    /// Changes the wallet's state here, at once; KMS follows.
    async fn change_state(&self, judged: Judged, wallet: &Wallet, request: &Request) -> Recorded {
        let change = match change::asked(wallet, request, self.rules.deletion) {
            Ok(change) => change,
            Err(failure) => return self.store.record_refusal(judged, failure).await,
        };
        if change.event == Event::CancelDeletion
            && let Some(failure) = self.too_late(wallet).await
        {
            return self.store.record_refusal(judged, failure).await;
        }
        let recorded = self.store.change_state(judged, change).await;
        if recorded.outcome().is_ok() {
            self.key_nudges.drive();
        }
        recorded
    }

    async fn create(&self, judged: Judged, new: &NewWallet, shape: AnswerShape) -> Recorded {
        if self.rules.mainnet == Mainnet::Refused && new.network.is_mainnet() {
            return self.store.record_refusal(judged, create::no_mainnet()).await;
        }
        // Whoever asks again gets what it was given, whatever has become of the stake wallet: only a new one is refused for it.
        let (stake, unfit) = match self.stake(&judged.caller, new) {
            Ok(stake) => (stake, None),
            Err(failure) => (None, Some(failure)),
        };
        let pending = create::pending(new, stake, self.clock.now());
        let (mut permit, open) = match self.store.reserve_creation(judged, pending, unfit).await {
            Reserved::Proceed(permit, open) => (permit, open),
            Reserved::Settled(recorded) => return recorded,
        };
        let mut request_ids = Vec::new();
        match self.bring_to_key(&mut permit, &mut request_ids).await {
            Ok(proven) => self.store.record_created(open, permit, proven, shape, request_ids).await,
            Err(failed) => self.store.record_not_created(open, permit, failed, request_ids).await,
        }
    }

    /// Asks KMS about the key and, if the wallet's state lets it sign, has a challenge signed on the same way as any payload.
    async fn verify_wallet(&self, mut judged: Judged, wallet: &Wallet) -> Recorded {
        let payload = match verification::challenge(wallet, self.clock.now()) {
            Ok(payload) => payload,
            Err(failure) => return self.store.record_refusal(judged, failure).await,
        };
        let reserved = if wallet.status.can_sign() {
            judged.facts.digest = Some(payload.digest());
            self.store.reserve_signing(judged, wallet.wallet_id, payload).await.map(Some)
        } else {
            self.store.reserve_action(judged).await.map(|()| None)
        };
        let (signing, open) = match reserved {
            Reserved::Proceed(signing, open) => (signing, open),
            Reserved::Settled(recorded) => return recorded,
        };
        let mut request_ids = Vec::new();
        let outcome = self.examine(wallet, signing, &mut request_ids).await;
        self.store.record_signing(open, outcome, false, request_ids).await
    }

    async fn reload(self: Arc<Self>, judged: Judged) -> Recorded {
        match self.store.reserve_action(judged).await {
            Reserved::Proceed((), open) => {
                let reloading = Arc::clone(&self);
                let outcome =
                    tokio::task::spawn_blocking(move || reloading.reload_now().and_then(|reloaded| Answer::of(&reloaded)))
                        .await
                        .unwrap_or_else(|error| Err(Failure::Internal(error.to_string())));
                self.store.record_action(open, outcome).await
            }
            Reserved::Settled(recorded) => recorded,
        }
    }

    /// What KMS says of the wallet's key, and whether a challenge that it signs verifies.
    async fn examine(&self, wallet: &Wallet, signing: Option<(Permit, UsableKey)>, request_ids: &mut Vec<String>) -> Outcome {
        let arn = wallet.kms_key_id.as_ref().ok_or(Failure::KeyNotUsable { status: wallet.status })?;
        let described = self.kms.describe_key(arn).await;
        request_ids.extend(described.request_ids);
        let description = described.result.map_err(KmsError::into_failure)?;
        if wallet.status.key_state().is_some_and(|expected| !expected.is(&description.key_state)) {
            self.key_nudges.look_at(wallet.wallet_id);
        }
        let fetched = self.kms.current_public_key(arn, wallet.key_spec).await;
        request_ids.extend(fetched.request_ids);
        let public_key = match fetched.result {
            Ok(public_key) => Some(public_key),
            // KMS shows no public key of a key that is disabled: a finding, not a failure.
            Err(KmsError { cause: AttemptError::KeyState { .. }, .. }) => None,
            Err(error) => return Err(error.into_failure()),
        };
        let signature_verified = match signing {
            None => false,
            Some((permit, key)) => {
                let signed = self.kms.sign(permit, &key).await;
                request_ids.extend(signed.request_ids);
                match signed.result {
                    Ok(raw) => verify::verify(raw, &key).map_err(verify::alarm).is_ok(),
                    // A key that KMS does not let sign is a finding, not a failure.
                    Err(KmsError { cause: AttemptError::KeyState { .. } | AttemptError::NotFound, .. }) => false,
                    Err(error) => return Err(error.into_failure()),
                }
            }
        };
        verification::answer(&self.networks, wallet, &description, public_key.as_ref(), signature_verified, self.clock.now())
    }
}
