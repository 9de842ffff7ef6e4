//! Our own rate towards KMS, so that one burst does not use up the account's quota for everybody.
//!
//! Quotas: <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>

use std::num::NonZeroU32;
use std::time::Instant;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::{KmsLimits, Operation};

pub struct Governor {
    signatures: Option<DefaultDirectRateLimiter>,
    creations: Option<DefaultDirectRateLimiter>,
    enabling: Option<DefaultDirectRateLimiter>,
    disabling: Option<DefaultDirectRateLimiter>,
    cancelling: Option<DefaultDirectRateLimiter>,
    deletions: Option<DefaultDirectRateLimiter>,
}

impl Governor {
    pub fn new(limits: &KmsLimits) -> Self {
        let limiter = |rate: Option<NonZeroU32>| rate.map(|rate| RateLimiter::direct(Quota::per_second(rate)));
        Self {
            signatures: limiter(limits.requests_per_second),
            creations: limiter(limits.creations_per_second),
            enabling: limiter(limits.switches_per_second),
            disabling: limiter(limits.switches_per_second),
            cancelling: limiter(limits.switches_per_second),
            deletions: limiter(limits.deletions_per_second),
        }
    }

    /// Waits for the operation's turn. `false` if the deadline comes first.
    pub async fn turn(&self, operation: Operation, deadline: Instant) -> bool {
        let limiter = match operation {
            Operation::Sign => &self.signatures,
            Operation::CreateKey => &self.creations,
            Operation::EnableKey => &self.enabling,
            Operation::DisableKey => &self.disabling,
            Operation::CancelKeyDeletion => &self.cancelling,
            Operation::ScheduleKeyDeletion => &self.deletions,
            Operation::GetPublicKey
            | Operation::GetPublicKeyOfNewKey
            | Operation::DescribeKey
            | Operation::ListResourceTags
            | Operation::GetResources
            | Operation::Probe => return true,
        };
        match limiter {
            Some(limiter) => tokio::time::timeout_at(deadline.into(), limiter.until_ready()).await.is_ok(),
            None => true,
        }
    }
}
