//! Signing a digest that the caller computed: what KMS is asked, and what the caller gets.

use serde::Serialize;

use crate::chains::networks::Networks;
use crate::ids::KeyArn;
use crate::keys::{KeySpec, PinnedKey, SigningPayload};
use crate::outcome::{Answer, Failure};
use crate::rpc::SigningRequest;
use crate::store::wallets::Wallet;
use crate::verify::VerifiedSignature;

/// What KMS is to sign for kms_signTransactionHash.
///
/// # Errors
/// [`Failure::InvalidParams`] for an Ed25519 wallet, since such keys sign messages, not digests, and for a wallet whose network is
/// no longer configured, since a policy about its family would not meet it.
pub fn payload(networks: &Networks, wallet: &Wallet, request: &SigningRequest) -> Result<SigningPayload, Failure> {
    let Ok(network) = networks.resolve(&wallet.asset, Some(&wallet.network)) else {
        return Err(Failure::invalid("keyId", "its wallet's network is no longer configured; put it back to sign"));
    };
    match wallet.key_spec {
        KeySpec::EccSecgP256k1 => Ok(SigningPayload::EcdsaDigest(request.digest)),
        KeySpec::EccNistEdwards25519 => {
            let method = match network.family() {
                "cardano" => "ada_signTransaction",
                _ => "sol_signTransaction or sol_signMessage",
            };
            let reason = format!("is an Ed25519 key, which signs whole messages and no digests; {method} signs with it");
            Err(Failure::invalid("keyId", reason))
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedHash<'a> {
    key_id: &'a KeyArn,
    /// r then s, 32 bytes each.
    signature: String,
    recovery_id: u8,
    der: String,
    public_key: String,
}

/// The answer of kms_signTransactionHash.
///
/// # Errors
/// [`Failure::Internal`] for an Ed25519 signature: such keys are refused before they sign.
pub fn answer(key: &KeyArn, public_key: &PinnedKey, verified: VerifiedSignature) -> Result<Answer, Failure> {
    let signature = verified.into_ecdsa().ok_or_else(|| Failure::Internal("an Ed25519 signature over a digest".to_owned()))?;
    Answer::of(&SignedHash {
        key_id: key,
        signature: hex::encode(signature.r_s()),
        recovery_id: signature.recovery_id(),
        der: hex::encode(signature.der()),
        public_key: hex::encode(public_key.as_bytes()),
    })
}
