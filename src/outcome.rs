//! What a request comes to: an answer, or a failure in the daemon's own words. No wire code stands here
//! (`rpc/error_codes.rs` maps each failure to one), and no failure carries a secret or an SDK's text.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::chains::decoded::{DecodeError, Rule};
use crate::wallets::lifecycle::Status;

/// A request's end.
pub type Outcome = Result<Answer, Failure>;

/// A result as JSON text, exactly as it is stored and sent.
#[derive(Debug, Clone)]
pub struct Answer(Arc<RawValue>);

impl Answer {
    /// Serialises a result.
    ///
    /// # Errors
    /// [`Failure::Internal`] if the type cannot be JSON, which is a defect.
    pub fn of<T: Serialize>(result: &T) -> Result<Self, Failure> {
        to_raw_value(result).map(|json| Self(json.into())).map_err(|error| Failure::Internal(error.to_string()))
    }

    /// Takes a stored answer back, byte for byte.
    ///
    /// # Errors
    /// [`Failure::Internal`] if it is not JSON.
    pub fn from_stored(json: String) -> Result<Self, Failure> {
        RawValue::from_string(json).map(|json| Self(json.into())).map_err(|error| Failure::Internal(error.to_string()))
    }

    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Why a request has no answer. The words are domain words; each variant says what it means for money and for a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A parameter is wrong. Nothing was done.
    #[error("{field}: {reason}")]
    InvalidParams { field: Cow<'static, str>, reason: String },
    /// The transaction is well-formed and breaks a rule. Nothing was signed.
    #[error("{reason}")]
    TransactionRefused { rule: Rule, reason: String },
    /// There is no such thing, or the caller may not know of it.
    #[error("{what}")]
    NotFound { field: &'static str, what: String },
    /// The policy does not permit it.
    #[error("{reason}")]
    Denied { reason: String, policy_id: Option<String> },
    /// The wallet's state does not let its key sign.
    #[error("the wallet is {status}, and only a CREATED wallet signs")]
    KeyNotUsable { status: Status },
    /// The wallet's state does not allow what was asked, or something else about the wallet does not. Nothing was done.
    #[error("the wallet is {status}{reason}")]
    StateForbids {
        status: Status,
        /// The sentence goes on with it: `, and ...`.
        reason: String,
    },
    /// The requestId or idempotencyKey was used for another content, or its answer is no longer kept.
    #[error("{reason}")]
    Conflict { field: &'static str, reason: String },
    /// A freeze is in force. Nothing was signed, or what was signed is withheld.
    #[error("signing is frozen: {reason}")]
    Frozen { freeze_id: String, reason: String },
    /// Too many wallets wait for MongoDB, so no new one is made. Signing goes on.
    #[error("{waiting} wallets wait for MongoDB, which is [sync] max_pending; no wallet is made until it takes them")]
    SyncBacklog { waiting: u64 },
    /// KMS throttled us, or our own rate towards it is used up. Nothing was released.
    #[error("KMS requests are limited; try again in {} ms", retry_after.as_millis())]
    RateLimited { retry_after: Duration },
    /// KMS could not be reached, or is busy. Nothing was released, and no key was made.
    #[error("{reason}")]
    KmsUnavailable { reason: String },
    /// The answer to a call with an effect was lost: the effect may have happened.
    #[error("{reason}")]
    KmsOutcomeUnknown { reason: String },
    /// KMS refused.
    #[error("{reason}")]
    KmsRefused { reason: String },
    /// KMS's signature does not verify. Nothing was released.
    #[error("KMS returned a signature that does not verify against the wallet's public key; it was withheld")]
    SignatureInvalid,
    /// The store could not be read or written.
    #[error("the local store is not available; nothing was done")]
    StoreUnavailable,
    /// Intent or outcome could not be made durable, so what was made is withheld.
    #[error("the audit could not be written, so nothing was released; the daemon is not ready until it can")]
    AuditUnavailable,
    /// A defect. The text goes to the journal, never to the caller.
    #[error("internal error")]
    Internal(String),
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Invalid { field, reason } => Self::InvalidParams { field, reason },
            DecodeError::Refused { rule, reason } => Self::TransactionRefused { rule, reason },
        }
    }
}

impl Failure {
    /// The failure's name, the same in the audit, in metrics and in `data.kind` of a reply.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InvalidParams { .. } => "INVALID_PARAMS",
            Self::TransactionRefused { .. } => "TRANSACTION_REFUSED",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Denied { .. } => "DENIED",
            Self::KeyNotUsable { .. } | Self::StateForbids { .. } => "KEY_NOT_USABLE",
            Self::Conflict { .. } => "CONFLICT",
            Self::Frozen { .. } => "FROZEN",
            Self::SyncBacklog { .. } => "OVERLOADED",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::KmsUnavailable { .. } => "KMS_UNAVAILABLE",
            Self::KmsOutcomeUnknown { .. } => "KMS_OUTCOME_UNKNOWN",
            Self::KmsRefused { .. } => "KMS_REFUSED",
            Self::SignatureInvalid => "SIGNATURE_INVALID",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::AuditUnavailable => "AUDIT_UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    pub fn invalid(field: impl Into<Cow<'static, str>>, reason: impl std::fmt::Display) -> Self {
        Self::InvalidParams { field: field.into(), reason: reason.to_string() }
    }
}
