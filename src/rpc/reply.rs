//! The reply: built from a [`Recorded`] end and from nothing else.

use jsonrpsee::{IntoResponse, ResponsePayload};

use super::error_codes::{Kind, RpcError};
use crate::ids::RequestId;
use crate::outcome::{Answer, Failure};
use crate::store::commits::Recorded;

/// When to ask again for a wallet that the backlog towards MongoDB refused.
const BACKLOG_RETRY_MILLIS: u64 = 5000;

/// What goes back to the caller.
#[must_use]
#[derive(Debug, Clone)]
pub struct Reply(Result<Answer, RpcError>);

/// Builds the reply to a request whose end is recorded.
pub fn reply(recorded: Recorded) -> Reply {
    Reply(recorded.into_outcome().map_err(|failure| error_of(&failure)))
}

impl Reply {
    /// Says in an error which request it answers, for callers that retry by it.
    pub fn to(self, request_id: Option<&RequestId>) -> Self {
        match (self.0, request_id) {
            (Err(error), Some(request_id)) => Self(Err(error.with("requestId", request_id.as_str()))),
            (result, _) => Self(result),
        }
    }
}

impl IntoResponse for Reply {
    type Output = Answer;

    fn into_response(self) -> ResponsePayload<'static, Self::Output> {
        match self.0 {
            Ok(answer) => ResponsePayload::success(answer),
            Err(error) => ResponsePayload::error(error.into_object()),
        }
    }
}

/// The one function that maps a failure to what a caller sees.
pub fn error_of(failure: &Failure) -> RpcError {
    let kind = match failure {
        Failure::InvalidParams { .. } => Kind::InvalidParams,
        Failure::TransactionRefused { .. } => Kind::TransactionRefused,
        Failure::NotFound { .. } => Kind::NotFound,
        Failure::Denied { .. } => Kind::Denied,
        Failure::KeyNotUsable { .. } | Failure::StateForbids { .. } => Kind::KeyNotUsable,
        Failure::Conflict { .. } => Kind::Conflict,
        Failure::RateLimited { .. } => Kind::RateLimited,
        Failure::KmsUnavailable { .. } => Kind::KmsUnavailable,
        Failure::Frozen { .. } => Kind::Frozen,
        Failure::SyncBacklog { .. } => Kind::Overloaded,
        Failure::KmsOutcomeUnknown { .. } => Kind::KmsOutcomeUnknown,
        Failure::KmsRefused { .. } => Kind::KmsRefused,
        Failure::SignatureInvalid => Kind::SignatureInvalid,
        Failure::StoreUnavailable => Kind::StoreUnavailable,
        Failure::AuditUnavailable => Kind::AuditUnavailable,
        Failure::Internal(_) => Kind::Internal,
    };
    let error = RpcError::new(kind, failure.to_string());
    match failure {
        Failure::InvalidParams { field, .. } => error.with("field", field.as_ref()),
        Failure::NotFound { field, .. } | Failure::Conflict { field, .. } => error.with("field", *field),
        Failure::TransactionRefused { rule, .. } => error.with("rule", rule.as_str()),
        Failure::Denied { policy_id: Some(policy_id), .. } => error.with("policyId", policy_id.as_str()),
        Failure::KeyNotUsable { status } | Failure::StateForbids { status, .. } => error.with("status", status.as_str()),
        Failure::RateLimited { retry_after } => {
            error.with("retryAfterMs", u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX))
        }
        Failure::Frozen { freeze_id, reason } => error.with("freezeId", freeze_id.as_str()).with("reason", reason.as_str()),
        Failure::SyncBacklog { .. } => error.with("retryAfterMs", BACKLOG_RETRY_MILLIS),
        Failure::Internal(defect) => {
            tracing::error!(defect, "a defect ended a request");
            error
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallets::lifecycle::Status;

    #[test]
    fn error_of_every_failure_has_the_failures_own_name() {
        let text = String::new;
        let failures = [
            Failure::invalid("x", "y"),
            Failure::TransactionRefused { rule: crate::chains::decoded::Rule::MaxFee, reason: text() },
            Failure::NotFound { field: "x", what: text() },
            Failure::Denied { reason: text(), policy_id: None },
            Failure::KeyNotUsable { status: Status::Disabled },
            Failure::StateForbids { status: Status::Disabled, reason: text() },
            Failure::Conflict { field: "x", reason: text() },
            Failure::RateLimited { retry_after: std::time::Duration::from_millis(5) },
            Failure::Frozen { freeze_id: text(), reason: text() },
            Failure::SyncBacklog { waiting: 1 },
            Failure::KmsUnavailable { reason: text() },
            Failure::KmsOutcomeUnknown { reason: text() },
            Failure::KmsRefused { reason: text() },
            Failure::SignatureInvalid,
            Failure::StoreUnavailable,
            Failure::AuditUnavailable,
            Failure::Internal("secret detail".to_owned()),
        ];
        for failure in failures {
            let error = error_of(&failure);
            assert_eq!(error.kind().as_str(), failure.kind());
            assert!(!error.message().contains("secret detail"));
        }
    }
}
