//! AWS KMS as the daemon uses it: few operations, each with its deadline, its retries and a meaning for a lost answer.
//!
//! A signature needs a [`Permit`] and a [`UsableKey`]; a key needs a [`CreationPermit`]. Both come from the reserving
//! transaction alone. A key's state is changed for a [`KeyDrive`], which is a durable row that asks for it. CreateKey has no client token, so it is repeated only when it provably had no effect. Every attempt
//! that KMS answered leaves its request id for the audit.
//!
//! Sources: the AWS KMS API Reference and Developer Guide.

pub mod aws;
mod governor;
mod tagging;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use self::governor::Governor;
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::{Deployment, KeyArn, Region, WalletId};
use crate::keys::{KeySpec, PublicKey, SigningPayload};
use crate::outcome::Failure;
use crate::store::commits::{CreationPermit, KeyNeed, Permit, UsableKey};
use crate::store::key_drives::KeyDrive;
use crate::store::wallets::Wallet;
use crate::wallets::lifecycle::KeyState;

/// The tag that names a key's wallet.
pub const WALLET_ID_TAG: &str = "kmsignd:wallet-id";
/// The tag that names the installation that made a key.
pub const DEPLOYMENT_TAG: &str = "kmsignd:deployment";
/// The tag that names the wallet whose key is the stake key of this one's base address.
pub const STAKE_WALLET_ID_TAG: &str = "kmsignd:stake-wallet-id";
/// The tag with the hash of that stake key: 56 hex digits.
pub const STAKE_KEY_HASH_TAG: &str = "kmsignd:stake-key-hash";
/// Keys looked at that claim to be one wallet's. More are a flood, behind which the right one may be: then none is adopted.
const MAX_FOUND: usize = 50;

/// The calls to KMS that the daemon makes. Each is one attempt: no retry happens behind it.
#[async_trait]
pub trait KeyService: Send + Sync + 'static {
    async fn create_key(&self, key: &NewKey) -> Attempt<KeyArn>;
    /// The SubjectPublicKeyInfo in DER.
    async fn get_public_key(&self, key: &KeyArn) -> Attempt<Vec<u8>>;
    async fn describe_key(&self, key: &KeyArn) -> Attempt<KeyDescription>;
    /// Whether KMS answers us with the credentials we have. Needs no permission and no key.
    async fn probe(&self) -> Attempt<()>;
    /// One page of the keys of our own account and Region that carry this tag, as the tagging API knows it.
    async fn keys_with_tag(&self, name: &str, value: &str, page: Option<&str>) -> Attempt<TaggedPage>;
    /// A key's tags, by KMS's own word.
    async fn list_resource_tags(&self, key: &KeyArn) -> Attempt<BTreeMap<String, String>>;
    /// Signs `payload` as it is. ECDSA: a DER signature, S not normalised. Ed25519: 64 bytes.
    async fn sign(&self, key: &KeyArn, payload: &SigningPayload) -> Attempt<Vec<u8>>;
    async fn change_key(&self, key: &KeyArn, change: KeyChange) -> Attempt<()>;
}

/// A change of a key's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// Of an enabled key too: KMS takes it as done.
    Enable,
    /// Of a disabled key too.
    Disable,
    /// 7..30 days from when KMS hears of it.
    ScheduleDeletion { window_days: u8 },
    /// Leaves the key disabled.
    CancelDeletion,
}

impl KeyChange {
    const fn operation(self) -> Operation {
        match self {
            Self::Enable => Operation::EnableKey,
            Self::Disable => Operation::DisableKey,
            Self::ScheduleDeletion { .. } => Operation::ScheduleKeyDeletion,
            Self::CancelDeletion => Operation::CancelKeyDeletion,
        }
    }
}

/// What CreateKey is asked for.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub key_spec: KeySpec,
    pub description: String,
    /// Set atomically with the key: they find it again when the answer is lost.
    pub tags: Vec<(String, String)>,
    /// A key policy of its own; the account's default would let other principals sign around us.
    pub policy: Option<String>,
}

/// What DescribeKey says of a key, in KMS's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDescription {
    pub key_state: String,
    pub key_spec: String,
    pub key_usage: String,
    pub origin: String,
    /// `CUSTOMER`, or `AWS` for a key that AWS made for one of its own services.
    pub key_manager: String,
    pub multi_region: bool,
    pub created_at: Option<Timestamp>,
    /// When KMS deletes it, while that is pending.
    pub deletion_date: Option<Timestamp>,
}

/// A key with its tags as the tagging API has them: they lag behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedKey {
    pub arn: KeyArn,
    pub tags: BTreeMap<String, String>,
}

/// Some keys, and the token of the next page if there is one.
#[derive(Debug)]
pub struct TaggedPage {
    pub keys: Vec<TaggedKey>,
    pub next: Option<String>,
}

/// A key that was found by its tags, with what KMS says of it.
#[derive(Debug, Clone)]
pub struct FoundKey {
    pub arn: KeyArn,
    pub tags: BTreeMap<String, String>,
    pub description: KeyDescription,
}

/// The keys that claim to be one wallet's.
#[derive(Debug, Default)]
pub struct Claims {
    pub keys: Vec<FoundKey>,
    /// Keys that KMS does not let us look at, or does not know.
    pub hidden: Vec<(KeyArn, KmsError)>,
    /// There are more than were looked at.
    pub cut: bool,
}

/// One attempt: KMS's request id, if it answered, and how it ended.
#[derive(Debug)]
pub struct Attempt<T> {
    pub request_id: Option<String>,
    pub result: Result<T, AttemptError>,
}

/// How an attempt failed, told apart by error code, never by text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// The request never left: no connection could be made.
    #[error("no connection to KMS could be made")]
    NotSent,
    /// No credentials could be loaded, so no request was made.
    #[error("no AWS credentials could be loaded")]
    NoCredentials,
    #[error("KMS throttled the request")]
    Throttled,
    /// The caller's IAM policy, or the key's, does not allow it.
    #[error("KMS denied access")]
    Denied,
    /// A 5xx answer: the effect may have happened.
    #[error("KMS answered that it is not available ({code})")]
    Unavailable { code: String },
    /// Cut, timed out, or not readable: the effect may have happened.
    #[error("KMS's answer was lost")]
    Lost,
    #[error("KMS knows no such key")]
    NotFound,
    /// The key's state in KMS does not allow it.
    #[error("the key's state in KMS does not allow it ({code})")]
    KeyState { code: String },
    /// Any other refusal; nothing happened.
    #[error("KMS refused the request ({code})")]
    Refused { code: String },
}

/// A result and the request ids of all attempts that KMS answered.
#[derive(Debug)]
pub struct Answered<T> {
    pub result: Result<T, KmsError>,
    pub request_ids: Vec<String>,
}

/// An operation that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {cause}", operation = .operation.name())]
pub struct KmsError {
    pub operation: Operation,
    /// How the last attempt failed.
    pub cause: AttemptError,
    /// An attempt before the last may have had its effect.
    pub lost_before: bool,
}

/// The operations, with what may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    CreateKey,
    GetPublicKey,
    /// GetPublicKey of a key that may be too young for KMS to find, or for its tags to count in a policy.
    GetPublicKeyOfNewKey,
    DescribeKey,
    ListResourceTags,
    /// Of the Resource Groups Tagging API.
    GetResources,
    Probe,
    Sign,
    EnableKey,
    DisableKey,
    ScheduleKeyDeletion,
    CancelKeyDeletion,
}

impl Operation {
    /// KMS's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateKey => "CreateKey",
            Self::GetPublicKey | Self::GetPublicKeyOfNewKey => "GetPublicKey",
            Self::DescribeKey | Self::Probe => "DescribeKey",
            Self::ListResourceTags => "ListResourceTags",
            Self::GetResources => "GetResources",
            Self::Sign => "Sign",
            Self::EnableKey => "EnableKey",
            Self::DisableKey => "DisableKey",
            Self::ScheduleKeyDeletion => "ScheduleKeyDeletion",
            Self::CancelKeyDeletion => "CancelKeyDeletion",
        }
    }

    /// The service that IAM names before the operation.
    const fn iam_service(self) -> &'static str {
        match self {
            Self::GetResources => "tag",
            _ => "kms",
        }
    }

    /// The points around each of its attempts.
    const fn crash_points(self) -> (CrashPoint, CrashPoint) {
        match self {
            Self::CreateKey => (CrashPoint::BeforeCreateKey, CrashPoint::AfterCreateKey),
            Self::GetPublicKey | Self::GetPublicKeyOfNewKey => (CrashPoint::BeforeGetPublicKey, CrashPoint::AfterGetPublicKey),
            Self::DescribeKey => (CrashPoint::BeforeDescribeKey, CrashPoint::AfterDescribeKey),
            Self::ListResourceTags => (CrashPoint::BeforeListResourceTags, CrashPoint::AfterListResourceTags),
            Self::GetResources => (CrashPoint::BeforeGetResources, CrashPoint::AfterGetResources),
            Self::Probe => (CrashPoint::BeforeProbe, CrashPoint::AfterProbe),
            Self::Sign => (CrashPoint::BeforeSign, CrashPoint::AfterSign),
            Self::EnableKey | Self::DisableKey | Self::ScheduleKeyDeletion | Self::CancelKeyDeletion => {
                (CrashPoint::BeforeChangeKey, CrashPoint::AfterChangeKey)
            }
        }
    }

    /// May the same request be sent again after this failure?
    const fn repeats_after(self, error: &AttemptError) -> bool {
        match error {
            AttemptError::NotSent | AttemptError::Throttled => true,
            // A lost CreateKey may have made a key. A lost Sign released nothing. A lost change of a key's state is done or is not,
            // and KMS refuses to do it twice where that would not be the same.
            AttemptError::Unavailable { .. } | AttemptError::Lost => !matches!(self, Self::CreateKey),
            AttemptError::NotFound | AttemptError::Denied => matches!(self, Self::GetPublicKeyOfNewKey),
            AttemptError::NoCredentials | AttemptError::KeyState { .. } | AttemptError::Refused { .. } => false,
        }
    }
}

impl AttemptError {
    const fn may_have_had_its_effect(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Lost => true,
            Self::NotSent
            | Self::NoCredentials
            | Self::Throttled
            | Self::Denied
            | Self::NotFound
            | Self::KeyState { .. }
            | Self::Refused { .. } => false,
        }
    }
}

impl KmsError {
    /// Whether the operation provably had no effect, by any of its attempts.
    pub const fn had_no_effect(&self) -> bool {
        !self.lost_before && !self.cause.may_have_had_its_effect()
    }

    /// Whether KMS refused because of the key itself: it is gone, or its state does not allow it.
    pub const fn is_about_the_key(&self) -> bool {
        matches!(self.cause, AttemptError::NotFound | AttemptError::KeyState { .. })
    }

    /// Whether this key alone can't be looked at: whoever planted it may have forbidden that, or it is gone.
    pub const fn hides_the_key(&self) -> bool {
        matches!(self.cause, AttemptError::NotFound | AttemptError::Denied)
    }

    /// What the caller hears. Names the IAM action, never a key or an account.
    pub fn into_failure(self) -> Failure {
        let name = self.operation.name();
        match self.cause {
            AttemptError::NotSent => Failure::KmsUnavailable { reason: format!("KMS could not be reached for {name}; nothing was done") },
            AttemptError::NoCredentials => Failure::KmsUnavailable {
                reason: "no AWS credentials could be loaded; give the host an instance role, or set AWS_ACCESS_KEY_ID and \
                         AWS_SECRET_ACCESS_KEY or a profile for the daemon"
                    .to_owned(),
            },
            AttemptError::Throttled => Failure::RateLimited { retry_after: Duration::from_secs(1) },
            AttemptError::NotFound | AttemptError::Denied if self.operation == Operation::GetPublicKeyOfNewKey => Failure::KmsUnavailable {
                reason: "the key was made, and KMS does not show it yet (or kms:GetPublicKey is missing); retry with the same idempotencyKey"
                    .to_owned(),
            },
            AttemptError::Denied => {
                Failure::KmsRefused { reason: format!(
                    "AWS denied {}:{name}; allow it to the daemon's role in IAM and in the key's policy",
                    self.operation.iam_service()
                ) }
            }
            AttemptError::Unavailable { .. } | AttemptError::Lost if self.operation == Operation::CreateKey => Failure::KmsOutcomeUnknown {
                reason: "KMS's answer to CreateKey was lost, so the key may exist; retry with the same idempotencyKey only".to_owned(),
            },
            AttemptError::Unavailable { .. } => Failure::KmsUnavailable { reason: format!("KMS is busy; {name} released nothing") },
            AttemptError::Lost => {
                Failure::KmsUnavailable { reason: format!("KMS did not answer {name} in time; nothing was released") }
            }
            AttemptError::NotFound => Failure::KmsRefused { reason: "KMS knows no such key any more".to_owned() },
            AttemptError::KeyState { code } => Failure::KmsRefused { reason: format!("the key's state in KMS does not allow {name} ({code})") },
            AttemptError::Refused { code } => Failure::KmsRefused { reason: format!("KMS refused {name} ({code})") },
        }
    }
}

/// Deadlines and rates towards KMS.
#[derive(Debug, Clone)]
pub struct KmsLimits {
    /// All attempts of one operation together.
    pub operation_timeout: Duration,
    /// Sign requests per second; `None` does not limit.
    pub requests_per_second: Option<std::num::NonZeroU32>,
    /// CreateKey requests per second; `None` does not limit.
    pub creations_per_second: Option<std::num::NonZeroU32>,
    /// EnableKey, DisableKey and CancelKeyDeletion requests per second, each; `None` does not limit.
    pub switches_per_second: Option<std::num::NonZeroU32>,
    /// ScheduleKeyDeletion requests per second; `None` does not limit.
    pub deletions_per_second: Option<std::num::NonZeroU32>,
}

/// What makes and uses keys.
pub struct Kms {
    region: Region,
    service: Box<dyn KeyService>,
    deployment: Deployment,
    key_policy: Option<String>,
    limits: KmsLimits,
    governor: Governor,
}

/// A signature as KMS gave it: not yet proven, so nothing outside may see it.
#[must_use]
#[derive(Debug)]
pub struct RawSignature {
    wallet_id: WalletId,
    payload: SigningPayload,
    bytes: Vec<u8>,
}

impl RawSignature {
    pub const fn wallet_id(&self) -> WalletId {
        self.wallet_id
    }

    /// What KMS was asked to sign.
    pub const fn payload(&self) -> &SigningPayload {
        &self.payload
    }

    /// Uses the signature up: the payload and the bytes, for the check.
    pub(crate) fn into_parts(self) -> (SigningPayload, Vec<u8>) {
        (self.payload, self.bytes)
    }
}

impl Kms {
    pub fn new(
        region: Region,
        service: Box<dyn KeyService>,
        deployment: Deployment,
        key_policy: Option<String>,
        limits: KmsLimits,
    ) -> Self {
        let governor = Governor::new(&limits);
        Self { region, service, deployment, key_policy, limits, governor }
    }

    /// Has the permitted payload signed with the key. Sends one Sign, and another only if the first gave no signature.
    pub async fn sign(&self, permit: Permit, key: &UsableKey) -> Answered<RawSignature> {
        let wallet_id = permit.wallet_id();
        if wallet_id != key.wallet_id() {
            let cause = AttemptError::Refused { code: "the permit is for another wallet".to_owned() };
            return Answered {
                result: Err(KmsError { operation: Operation::Sign, cause, lost_before: false }),
                request_ids: Vec::new(),
            };
        }
        let payload = permit.into_payload();
        let Answered { result, request_ids } = self.run(Operation::Sign, || self.service.sign(key.arn(), &payload)).await;
        Answered { result: result.map(|bytes| RawSignature { wallet_id, payload, bytes }), request_ids }
    }

    /// Makes the wallet's key, if none may exist already.
    pub async fn create_key(&self, permit: &CreationPermit) -> Answered<KeyArn> {
        let KeyNeed::Make { .. } = permit.need() else {
            let cause = AttemptError::Refused { code: "the wallet's key may exist already".to_owned() };
            return Answered {
                result: Err(KmsError { operation: Operation::CreateKey, cause, lost_before: false }),
                request_ids: Vec::new(),
            };
        };
        let key = self.new_key(permit.wallet());
        self.run(Operation::CreateKey, || self.service.create_key(&key)).await
    }

    /// The keys that carry the wallet's id, with what KMS says of each. Most often none or one.
    pub async fn keys_of_wallet(&self, id: WalletId) -> Answered<Claims> {
        let (mut claims, mut request_ids, mut page) = (Claims::default(), Vec::new(), None);
        loop {
            let listed = self.keys_with_tag(WALLET_ID_TAG, &id.to_string(), page.as_deref()).await;
            request_ids.extend(listed.request_ids);
            let TaggedPage { keys, next } = match listed.result {
                Ok(page) => page,
                Err(error) => return Answered { result: Err(error), request_ids },
            };
            for key in keys {
                if claims.keys.len().saturating_add(claims.hidden.len()) >= MAX_FOUND {
                    claims.cut = true;
                    return Answered { result: Ok(claims), request_ids };
                }
                let evidence = self.evidence(key.arn.clone()).await;
                request_ids.extend(evidence.request_ids);
                match evidence.result {
                    Ok(evidence) => claims.keys.push(evidence),
                    Err(error) if error.hides_the_key() => claims.hidden.push((key.arn, error)),
                    Err(error) => return Answered { result: Err(error), request_ids },
                }
            }
            page = next;
            if page.is_none() {
                return Answered { result: Ok(claims), request_ids };
            }
        }
    }

    /// One page of the keys of this deployment, as the tagging API knows them.
    pub async fn deployment_keys(&self, page: Option<&str>) -> Answered<TaggedPage> {
        self.keys_with_tag(DEPLOYMENT_TAG, self.deployment.as_str(), page).await
    }

    /// What KMS itself says of a key: its tags and what it is.
    pub async fn evidence(&self, arn: KeyArn) -> Answered<FoundKey> {
        let Answered { result, mut request_ids } = self.describe_key(&arn).await;
        let description = match result {
            Ok(description) => description,
            Err(error) => return Answered { result: Err(error), request_ids },
        };
        let listed = self.run(Operation::ListResourceTags, || self.service.list_resource_tags(&arn)).await;
        request_ids.extend(listed.request_ids);
        Answered { result: listed.result.map(|tags| FoundKey { arn, tags, description }), request_ids }
    }

    async fn keys_with_tag(&self, name: &str, value: &str, page: Option<&str>) -> Answered<TaggedPage> {
        self.run(Operation::GetResources, || self.service.keys_with_tag(name, value, page)).await
    }

    /// The public key of a key that was just made.
    pub async fn new_public_key(&self, key: &KeyArn, spec: KeySpec) -> Answered<PublicKey> {
        self.public_key(Operation::GetPublicKeyOfNewKey, key, spec).await
    }

    /// The public key as KMS has it now. Not for signing, which uses the pinned one.
    pub async fn current_public_key(&self, key: &KeyArn, spec: KeySpec) -> Answered<PublicKey> {
        self.public_key(Operation::GetPublicKey, key, spec).await
    }

    /// The key's state and make as KMS has them now.
    pub async fn describe_key(&self, key: &KeyArn) -> Answered<KeyDescription> {
        self.run(Operation::DescribeKey, || self.service.describe_key(key)).await
    }

    /// Changes the key's state on the way to what the row asks for. A deletion is scheduled for a row alone that asks for one.
    pub async fn change_key(&self, drive: &KeyDrive, change: KeyChange) -> Answered<()> {
        let operation = change.operation();
        if matches!(change, KeyChange::ScheduleDeletion { .. }) && drive.wanted() != KeyState::PendingDeletion {
            let cause = AttemptError::Refused { code: "nobody asked for the key's deletion".to_owned() };
            return Answered { result: Err(KmsError { operation, cause, lost_before: false }), request_ids: Vec::new() };
        }
        self.run(operation, || self.service.change_key(drive.arn(), change)).await
    }

    /// The Region in which keys are made.
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// Whether KMS answers us at all, with the credentials we have.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn probe(&self) -> Result<(), Failure> {
        self.run(Operation::Probe, || self.service.probe()).await.result.map_err(KmsError::into_failure)
    }

    async fn public_key(&self, operation: Operation, key: &KeyArn, spec: KeySpec) -> Answered<PublicKey> {
        let Answered { result, request_ids } = self.run(operation, || self.service.get_public_key(key)).await;
        let result = result.and_then(|der| {
            PublicKey::from_spki_der(spec, &der).map_err(|error| {
                tracing::error!(%error, "KMS returned a public key that cannot be read");
                KmsError {
                    operation,
                    cause: AttemptError::Refused { code: "unreadable public key".to_owned() },
                    lost_before: false,
                }
            })
        });
        Answered { result, request_ids }
    }

    /// The tags that a wallet's key gets, and by which it is known again.
    pub fn tags_of(&self, wallet: &Wallet) -> Vec<(String, String)> {
        let tag = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
        let mut tags = vec![
            tag(WALLET_ID_TAG, &wallet.wallet_id),
            tag(DEPLOYMENT_TAG, &self.deployment),
            tag("kmsignd:user-id", &wallet.user_id),
            tag("kmsignd:address-type", &wallet.address_type),
            tag("kmsignd:created-at", &wallet.created_at),
            tag("asset", &wallet.ticker),
            tag("network", &wallet.network),
        ];
        // A base address can't be derived again without it.
        if let Some(stake) = wallet.stake {
            tags.extend([tag(STAKE_WALLET_ID_TAG, &stake.wallet_id), tag(STAKE_KEY_HASH_TAG, &stake.key_hash)]);
        }
        tags
    }

    fn new_key(&self, wallet: &Wallet) -> NewKey {
        NewKey {
            key_spec: wallet.key_spec,
            description: format!(
                "kmsignd wallet {} of {} on {}/{}",
                wallet.wallet_id, self.deployment, wallet.asset, wallet.network
            ),
            tags: self.tags_of(wallet),
            policy: self.key_policy.clone(),
        }
    }

    /// Runs one operation: waits for its turn, tries, and tries again as long as that is safe and the deadline allows.
    async fn run<T, F>(&self, operation: Operation, attempt: impl Fn() -> F) -> Answered<T>
    where
        F: Future<Output = Attempt<T>>,
    {
        const FIRST_PAUSE: Duration = Duration::from_millis(50);
        let deadline = Instant::now() + self.limits.operation_timeout;
        let mut request_ids = Vec::new();
        let (mut pause, mut lost_before) = (FIRST_PAUSE, false);
        let fail = |cause, lost_before| Err(KmsError { operation, cause, lost_before });
        loop {
            if !self.governor.turn(operation, deadline).await {
                return Answered { result: fail(AttemptError::Throttled, lost_before), request_ids };
            }
            crash_points::reach(operation.crash_points().0);
            let started = Instant::now();
            let Attempt { request_id, result } = tokio::time::timeout_at(deadline.into(), attempt())
                .await
                .unwrap_or(Attempt { request_id: None, result: Err(AttemptError::Lost) });
            crash_points::reach(operation.crash_points().1);
            crate::metrics::kms_attempt(operation, result.as_ref().err(), started.elapsed());
            request_ids.extend(request_id);
            let error = match result {
                Ok(value) => return Answered { result: Ok(value), request_ids },
                Err(error) => error,
            };
            tracing::warn!(operation = operation.name(), %error, "an attempt at KMS failed");
            let resumes = Instant::now() + pause;
            if !operation.repeats_after(&error) || resumes >= deadline {
                return Answered { result: fail(error, lost_before), request_ids };
            }
            lost_before |= error.may_have_had_its_effect();
            tokio::time::sleep_until(resumes.into()).await;
            pause = pause.saturating_mul(2);
        }
    }
}
