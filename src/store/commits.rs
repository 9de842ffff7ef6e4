//! What is written together. Every transaction of a request stands in this file: what it re-checks, what it inserts, and what
//! it gives that only the next step of the pipeline takes.
//!
//! - **reserve**: the decision, the key's state and the requestId are settled and the audit intent is inserted, in one
//!   transaction. It alone makes a [`Permit`] or a [`CreationPermit`], and a [`UsableKey`].
//! - **change**: a change of a wallet's state, with intent, outcome and stored answer, is one transaction, since KMS is told later.
//! - **record**: the outcome, the stored answer and the wallet's new state are inserted in one transaction. It alone makes a
//!   [`Recorded`], without which no reply can be built.
//!
//! It must never release what is not durable: an outcome that cannot be written becomes `AUDIT_UNAVAILABLE`, and what KMS
//! gave is dropped.

mod change;
mod guarded;
mod heal;
mod in_flight;
mod live;
mod record;
mod reserve;

use self::in_flight::Sharing;
use self::live::LiveIntent;
use super::StoreError;
use super::requests::RequestKey;
use super::wallets::Wallet;
use super::writer::Durable;
use crate::audit::hash_chain::Head;
use crate::audit::record::{CallerFacts, DecisionFacts, Facts, Kind, Record};
use crate::caller::Caller;
use crate::clock::Timestamp;
use crate::crash_points::{self, CrashPoint};
use crate::ids::{KeyArn, OnBehalfOf, RequestId, WalletId};
use crate::keys::{PinnedKey, SigningPayload};
use crate::outcome::{Failure, Outcome};
use crate::policy::Decision;

pub use self::change::StateChange;
pub use self::guarded::{GuardedContent, Made, OpenGuarded, OpenRepeat, ReservedGuarded, Signed, Signing, SlotPayload};
pub(super) use self::heal::append_daemon;
pub(super) use self::in_flight::InFlight;
pub(super) use self::live::Live;
pub use self::live::WalletClaim;
pub use self::record::{CreationFailure, KeyFate, KmsRequestIds, ProvenWallet};

/// A call that the policy has judged, with all that the audit says of it.
#[must_use]
pub struct Judged {
    pub caller: Caller,
    pub method: &'static str,
    pub request: Option<BoundRequest>,
    pub on_behalf_of: Option<OnBehalfOf>,
    pub facts: Facts,
    pub decision: Decision,
}

/// What makes a call safe to retry: an id, bound to one content.
#[derive(Clone)]
pub struct BoundRequest {
    pub id: RequestId,
    /// The parameter that gave it: `requestId` or `idempotencyKey`.
    pub field: &'static str,
    /// SHA-256 over the method and its parameters, the id apart.
    pub content_hash: [u8; 32],
}

/// Leave to let KMS sign exactly this payload, once. Made by the reserving transactions alone and used up by signing.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    wallet_id: WalletId,
    payload: SigningPayload,
}

impl Permit {
    pub const fn wallet_id(&self) -> WalletId {
        self.wallet_id
    }

    /// Uses the permit up.
    pub fn into_payload(self) -> SigningPayload {
        self.payload
    }
}

/// A key that the reserving transaction found in a state in which it signs.
#[must_use]
#[derive(Debug)]
pub struct UsableKey {
    wallet_id: WalletId,
    arn: KeyArn,
    public_key: PinnedKey,
}

impl UsableKey {
    pub const fn wallet_id(&self) -> WalletId {
        self.wallet_id
    }

    pub const fn arn(&self) -> &KeyArn {
        &self.arn
    }

    /// The pinned public key that every signature of this key must verify against.
    pub const fn public_key(&self) -> &PinnedKey {
        &self.public_key
    }
}

/// Leave to bring this PENDING wallet to its key. Its row is durable, and nobody else makes or looks for its key meanwhile.
#[must_use]
#[derive(Debug)]
pub struct CreationPermit {
    wallet: Wallet,
    need: KeyNeed,
    _claim: WalletClaim,
}

/// What a PENDING wallet needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyNeed {
    /// One CreateKey may leave; it is number `creations`.
    Make { creations: u32 },
    /// `creations` CreateKey requests may have left, the last one at `asked_at`: its key may exist and is to be found.
    Find { creations: u32, asked_at: Timestamp },
    /// Its key is named and is to be proven.
    Prove,
}

impl CreationPermit {
    /// The PENDING wallet.
    pub const fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    pub const fn need(&self) -> KeyNeed {
        self.need
    }
}

/// An intent whose outcome is to be recorded.
#[must_use]
pub struct OpenIntent {
    judged: Judged,
    wallet_id: Option<WalletId>,
    /// Sequence and hash of the intent's record: the hash tells it from another that took its place after a failed commit.
    intent: Head,
    /// `None` once it is known to be on disk.
    durable: Option<Durable>,
    _live: LiveIntent,
    sharing: Option<Sharing>,
}

/// What a reservation came to.
#[expect(clippy::large_enum_variant, reason = "one a request, moved twice")]
pub enum Reserved<T> {
    /// Go on.
    Proceed(T, OpenIntent),
    /// The request has ended, and its end is recorded.
    Settled(Recorded),
}

impl<T> Reserved<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reserved<U> {
        match self {
            Self::Proceed(permit, open) => Reserved::Proceed(change(permit), open),
            Self::Settled(recorded) => Reserved::Settled(recorded),
        }
    }
}

/// A request's end with the proof that the audit has it. A reply can be built from this alone.
#[must_use]
#[derive(Debug)]
pub struct Recorded {
    outcome: Outcome,
    durability: Durability,
}

/// Where a request's end is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// In the audit, on disk.
    Committed,
    /// An allowed read: counted and logged, so that reads stay as fast as the socket.
    AllowedRead,
    /// A request that could not be read: counted and logged.
    Unreadable,
    /// The audit could not be written; whatever was made is withheld.
    Withheld,
}

impl Judged {
    fn request_key(&self) -> Option<RequestKey> {
        let request = self.request.as_ref()?;
        Some(RequestKey { uid: self.caller.uid(), method: self.method, request_id: request.id.clone() })
    }

    /// A record about this call. `intent` is the one that an outcome or a repeat belongs to.
    fn record<'a>(
        &'a self,
        sequence: u64,
        at: Timestamp,
        kind: Kind,
        intent: Option<u64>,
        outcome: Option<&'a str>,
    ) -> Record<'a> {
        Record {
            sequence,
            at,
            kind,
            method: Some(self.method),
            caller: Some(CallerFacts::from(&self.caller)),
            facts: Facts {
                request_id: self.request.as_ref().map(|request| request.id.to_string()),
                on_behalf_of: self.on_behalf_of.as_ref().map(ToString::to_string),
                summary: self.facts.summary.clone().filter(|_| kind != Kind::Outcome),
                ..self.facts.clone()
            },
            decision: Some(DecisionFacts {
                effect: if self.decision.is_allowed() { "allow" } else { "deny" },
                policies: self.decision.policies(),
                policy_digest: self.decision.policy_digest(),
            }),
            intent,
            outcome,
            kms_request_ids: &[],
        }
    }
}

impl Recorded {
    const fn committed(outcome: Outcome) -> Self {
        Self { outcome, durability: Durability::Committed }
    }

    /// The end of a call whose record stands alone: a repeat, a refusal, a denial.
    fn ended(outcome: Outcome) -> Self {
        crash_points::reach(CrashPoint::EndDurable);
        Self::committed(outcome)
    }

    /// The end of a read that the policy allows. Any other decision ends as a defect: its record is missing.
    pub(crate) fn allowed_read(decision: &Decision, outcome: Outcome) -> Self {
        let outcome = if decision.is_allowed() { outcome } else { Err(Failure::Internal("an unrecorded denial".to_owned())) };
        Self { outcome, durability: Durability::AllowedRead }
    }

    /// The end of a request whose method or parameters cannot be read: nobody could judge it, and nothing was done.
    pub(crate) const fn unreadable(failure: Failure) -> Self {
        Self { outcome: Err(failure), durability: Durability::Unreadable }
    }

    fn withheld(error: &StoreError) -> Self {
        tracing::error!(%error, "the audit could not be written; the request's result is withheld");
        Self { outcome: Err(Failure::AuditUnavailable), durability: Durability::Withheld }
    }

    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// Uses the proof up.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }

    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}
