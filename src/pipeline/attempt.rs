//! One signature: from its permit to its proof.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Services;
use crate::crash_points::{self, CrashPoint};
use crate::kms::Answered;
use crate::outcome::Failure;
use crate::store::commits::{Made, Permit, Signed, Signing, UsableKey};
use crate::store::wallets::Wallet;
use crate::verify::{self, VerifiedSignature};
use crate::wallets::content::ContentPayload;

/// Signatures of one call that KMS is asked for at once: a PSBT of many inputs takes a few round trips, and leaves the connections
/// to KMS to others too.
const AT_ONCE: usize = 64;

/// What came of one payload at KMS.
pub struct Attempt {
    pub result: Result<VerifiedSignature, Failure>,
    pub made: Made,
    pub request_ids: Vec<String>,
}

/// What came of the payloads of one content.
pub struct Attempts {
    /// Every signature in the order of the payloads, or the failure by which the caller learns most.
    pub result: Result<Vec<VerifiedSignature>, Failure>,
    /// One for each that was needed, in order.
    pub made: Vec<Made>,
    pub request_ids: Vec<String>,
}

impl Services {
    /// Has one payload signed, and proves the signature.
    pub(super) async fn attempt(&self, permit: Permit, key: &UsableKey, wallet: &Wallet) -> Attempt {
        let Answered { result, request_ids } = self.kms.sign(permit, key).await;
        let (result, made) = match result {
            Ok(raw) => match verify::verify(raw, key) {
                Ok(verified) => {
                    crash_points::reach(CrashPoint::SignatureVerified);
                    let made = Made::Signature(verified.bytes());
                    (Ok(verified), made)
                }
                Err(error) => (Err(verify::alarm(error)), Made::Unknown),
            },
            Err(error) => {
                let made = if error.had_no_effect() { Made::Nothing } else { Made::Unknown };
                (Err(self.why_unsigned(wallet, error)), made)
            }
        };
        Attempt { result, made, request_ids }
    }

    /// Has signed whatever of the payloads is not signed yet. Once one has failed no further one is begun.
    pub(super) async fn attempt_all(self: Arc<Self>, signing: Vec<Signing>, payloads: &[ContentPayload]) -> Attempts {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut running: JoinSet<(usize, Option<Attempt>)> = JoinSet::new();
        let mut results: Vec<Option<Result<VerifiedSignature, Failure>>> = Vec::new();
        let mut needed = Vec::new();
        for (place, (signing, payload)) in signing.into_iter().zip(payloads).enumerate() {
            match signing {
                Signing::Known(signed) => results.push(Some(prove_stored(payload, &signed))),
                Signing::Needed(permit, key) => {
                    results.push(None);
                    needed.push(place);
                    let (signer, turns, wallet) = (Arc::clone(&self), Arc::clone(&turns), Arc::clone(&payload.wallet));
                    running.spawn(async move {
                        let Ok(_turn) = turns.acquire().await else { return (place, None) };
                        let attempt = signer.attempt(permit, &key, &wallet).await;
                        if attempt.result.is_err() {
                            turns.close();
                        }
                        (place, Some(attempt))
                    });
                }
            }
        }
        // What a task that is lost did is not known; what was not begun did nothing.
        let mut made = vec![Made::Unknown; results.len()];
        let mut request_ids = Vec::new();
        while let Some(ended) = running.join_next().await {
            let Ok((place, attempt)) = ended else { continue };
            let (Some(result), Some(made)) = (results.get_mut(place), made.get_mut(place)) else { continue };
            match attempt {
                Some(attempt) => {
                    request_ids.extend(attempt.request_ids);
                    (*result, *made) = (Some(attempt.result), attempt.made);
                }
                None => *made = Made::Nothing,
            }
        }
        Attempts {
            result: together(results),
            made: needed.into_iter().map(|place| made.get(place).copied().unwrap_or(Made::Unknown)).collect(),
            request_ids,
        }
    }
}

impl Attempt {
    /// Whether KMS may have signed and its answer is not there. One that came and does not verify is no lost one.
    pub fn was_lost(&self) -> bool {
        self.made == Made::Unknown && !matches!(self.result, Err(Failure::SignatureInvalid))
    }
}

/// A signature of before, proven again: nobody may have changed the store.
pub fn prove_stored(payload: &ContentPayload, signed: &Signed) -> Result<VerifiedSignature, Failure> {
    verify::verify_stored(payload.payload.clone(), &signed.signature, &signed.key).map_err(verify::alarm)
}

/// All of them, or the failure that says most: one that calls for a look at once, then one that a retry does not mend.
fn together(results: Vec<Option<Result<VerifiedSignature, Failure>>>) -> Result<Vec<VerifiedSignature>, Failure> {
    let weight = |failure: &Failure| match failure {
        Failure::RateLimited { .. } => 0,
        Failure::KmsUnavailable { .. } => 1,
        Failure::SignatureInvalid | Failure::Internal(_) => 3,
        _ => 2,
    };
    let (mut verified, mut failures, wanted) = (Vec::new(), Vec::new(), results.len());
    for result in results.into_iter().flatten() {
        match result {
            Ok(signature) => verified.push(signature),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.into_iter().max_by_key(weight) {
        Some(failure) => Err(failure),
        None if verified.len() == wanted => Ok(verified),
        None => Err(Failure::Internal("a signature's task was lost".to_owned())),
    }
}
