//! THE error table: every kind of error a caller can meet, its JSON-RPC code, whether a retry helps, and what it means.
//! JSON-RPC codes stand in this file and nowhere else. The error reference (docs/api.md) is generated from it.
//!
//! A message is a sentence a person can act on. It must never carry an ARN, SQL or SDK text from a place the caller may not
//! see, nor a secret.

use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use serde_json::{Map, Value};

/// Whether, and how, the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Retry {
    /// The same request gets the same error.
    Never,
    /// Nothing was done; the same request may succeed later.
    Later,
    /// Something may have been done: only the same requestId (or idempotencyKey) is safe.
    SameRequestId,
}

macro_rules! error_table {
    ($($variant:ident $kind:literal $code:literal $retry:ident $meaning:literal;)*) => {
        /// What went wrong, as `data.kind` names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// The whole table, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }

            pub const fn code(self) -> i32 {
                match self { $(Self::$variant => $code,)* }
            }

            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry,)* }
            }

            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

error_table! {
    ParseError "PARSE_ERROR" -32700 Never "The bytes are not one JSON value of the accepted size and depth, with each key once.";
    InvalidRequest "INVALID_REQUEST" -32600 Never "The JSON is not a JSON-RPC 2.0 request.";
    MethodNotFound "METHOD_NOT_FOUND" -32601 Never "No such method.";
    InvalidParams "INVALID_PARAMS" -32602 Never "A parameter is missing, unknown, of the wrong type or out of range; `field` names it.";
    Internal "INTERNAL" -32603 Never "A defect of the daemon; its journal has the details.";
    NotFound "NOT_FOUND" -32001 Never "No such wallet, key or address, or none that this caller may know of.";
    KmsUnavailable "KMS_UNAVAILABLE" -32002 Later "KMS could not be reached or answered that it is busy; nothing was released.";
    StoreUnavailable "STORE_UNAVAILABLE" -32002 Later "The local store can't be read or written.";
    AuditUnavailable "AUDIT_UNAVAILABLE" -32002 Later "The audit can't be written, so nothing is released.";
    ShuttingDown "SHUTTING_DOWN" -32002 Later "The daemon is stopping; nothing was done.";
    KmsOutcomeUnknown "KMS_OUTCOME_UNKNOWN" -32002 SameRequestId "KMS's answer was lost, so the effect may have happened. Only the same requestId or idempotencyKey is safe.";
    TransactionRefused "TRANSACTION_REFUSED" -32003 Never "The transaction breaks a rule; `rule` says which.";
    MethodNotSupported "METHOD_NOT_SUPPORTED" -32004 Never "The method needs a node, and a signer is not one.";
    RateLimited "RATE_LIMITED" -32005 Later "Too many requests in this time; `retryAfterMs` says when to try again.";
    Overloaded "OVERLOADED" -32005 Later "Too many connections or requests at once; `retryAfterMs` says when to try again.";
    Denied "DENIED" 4100 Never "The policy does not permit it; `policyId` names the policy that forbids it, if one does.";
    ApprovalRequired "APPROVAL_REQUIRED" 4100 SameRequestId "A second person must approve it first.";
    Conflict "CONFLICT" -32010 Never "The requestId, idempotencyKey, nonce or outpoint was used for another content.";
    Frozen "FROZEN" -32011 Later "A freeze is in force.";
    KeyNotUsable "KEY_NOT_USABLE" -32012 Never "The wallet's state does not allow it: a CREATED wallet alone signs, and not every change applies in every state. `status` says which state.";
    KmsRefused "KMS_REFUSED" -32013 Never "KMS refused, for example for want of the IAM permission that the message names.";
    SignatureInvalid "SIGNATURE_INVALID" -32014 Never "What KMS returned does not verify against the wallet's public key. Nothing was released.";
}

/// An error as a caller sees it: `{code, message, data: {kind, retry, ...}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcError {
    kind: Kind,
    message: String,
    retry: Retry,
    details: Map<String, Value>,
}

impl RpcError {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry: kind.retry(), details: Map::new() }
    }

    /// Adds a member of `data`, such as `field`, `status` or `requestId`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn detail(&self, name: &str) -> Option<&Value> {
        self.details.get(name)
    }

    /// The wire form.
    pub fn into_object(self) -> ErrorObjectOwned {
        let mut data = Map::new();
        data.insert("kind".to_owned(), self.kind.as_str().into());
        data.insert("retry".to_owned(), serde_json::to_value(self.retry).unwrap_or(Value::Null));
        data.extend(self.details);
        ErrorObjectOwned::owned(self.kind.code(), self.message, Some(Value::Object(data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_table_names_each_kind_once() {
        let names: std::collections::HashSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn error_object_has_kind_retry_and_details() {
        let error = RpcError::new(Kind::Overloaded, "too many").with("retryAfterMs", 100).into_object();
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": -32005, "message": "too many", "data": {"kind": "OVERLOADED", "retry": "later", "retryAfterMs": 100}})
        );
    }
}
