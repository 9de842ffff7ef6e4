//! Proves what KMS answered before anything leaves: a signature that does not verify against the wallet's pinned public key is
//! never released. Pure.

pub mod ed25519;
pub mod secp256k1;

use crate::ids::WalletId;
use crate::keys::{KeySpec, PublicKey, SignatureBytes, SigningPayload};
use crate::kms::RawSignature;
use crate::outcome::Failure;
use crate::store::commits::UsableKey;
use ed25519::Ed25519Signature;
use secp256k1::EcdsaSignature;

/// Why bytes are not a signature of this key over this payload. The sentence completes "the signature ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("cannot be checked: the key is {key}, the payload is for {payload}")]
    KeySpec { key: KeySpec, payload: KeySpec },
    #[error("is not the DER form of an ECDSA signature: {0}")]
    Der(&'static str),
    #[error("has an r or s that is zero or not below the order of the curve")]
    Scalar,
    #[error("must have 64 bytes, but has {got}")]
    Length { got: usize },
    #[error("does not verify against the public key")]
    Mismatch,
    #[error("cannot be checked: the pinned public key is no point of its curve")]
    PinnedKey,
}

/// A signature proven to be this wallet's over the payload that was permitted. Made by [`verify`] alone; only this leaves.
#[must_use]
#[derive(Debug)]
pub struct VerifiedSignature {
    wallet_id: WalletId,
    payload: SigningPayload,
    signature: CheckedSignature,
}

impl VerifiedSignature {
    pub const fn wallet_id(&self) -> WalletId {
        self.wallet_id
    }

    /// What was signed.
    pub const fn payload(&self) -> &SigningPayload {
        &self.payload
    }

    /// As the store keeps it.
    pub const fn bytes(&self) -> SignatureBytes {
        match &self.signature {
            CheckedSignature::Ecdsa(signature) => {
                SignatureBytes::Ecdsa { r_s: *signature.r_s(), recovery_id: signature.recovery_id() }
            }
            CheckedSignature::Ed25519(signature) => SignatureBytes::Ed25519(*signature.as_bytes()),
        }
    }

    /// The ECDSA signature, if it is one.
    pub fn into_ecdsa(self) -> Option<EcdsaSignature> {
        match self.signature {
            CheckedSignature::Ecdsa(signature) => Some(signature),
            CheckedSignature::Ed25519(_) => None,
        }
    }

    /// The Ed25519 signature, if it is one.
    pub fn into_ed25519(self) -> Option<Ed25519Signature> {
        match self.signature {
            CheckedSignature::Ecdsa(_) => None,
            CheckedSignature::Ed25519(signature) => Some(signature),
        }
    }
}

/// Proves what KMS gave, against the pinned public key of the key that was found usable.
///
/// # Errors
/// [`SignatureError`]; what KMS gave is dropped.
pub fn verify(raw: RawSignature, key: &UsableKey) -> Result<VerifiedSignature, SignatureError> {
    let wallet_id = raw.wallet_id();
    if wallet_id != key.wallet_id() {
        return Err(SignatureError::Mismatch);
    }
    let (payload, answer) = raw.into_parts();
    let public_key = key.public_key().open().map_err(|_| SignatureError::PinnedKey)?;
    let signature = check(&public_key, &payload, &answer)?;
    Ok(VerifiedSignature { wallet_id, payload, signature })
}

/// Proves a signature that was released before, as the store kept it, once more.
///
/// # Errors
/// [`SignatureError`] if somebody changed the store.
pub fn verify_stored(
    payload: SigningPayload,
    signature: &SignatureBytes,
    key: &UsableKey,
) -> Result<VerifiedSignature, SignatureError> {
    let public_key = key.public_key().open().map_err(|_| SignatureError::PinnedKey)?;
    let signature = match (&payload, signature) {
        (SigningPayload::EcdsaDigest(digest), SignatureBytes::Ecdsa { r_s, .. }) => {
            secp256k1::check_compact(&public_key, digest, r_s).map(CheckedSignature::Ecdsa)?
        }
        (payload, SignatureBytes::Ed25519(bytes)) => check(&public_key, payload, bytes)?,
        (payload, SignatureBytes::Ecdsa { .. }) => {
            return Err(SignatureError::KeySpec { key: KeySpec::EccSecgP256k1, payload: payload.key_spec() });
        }
    };
    Ok(VerifiedSignature { wallet_id: key.wallet_id(), payload, signature })
}

/// What a signature that does not verify means: withheld, and someone is to look at once.
pub fn alarm(error: SignatureError) -> Failure {
    tracing::error!(alarm = "signature_invalid", %error, "KMS returned a signature that does not verify; it was withheld");
    Failure::SignatureInvalid
}

/// A signature that verifies against the public key it was checked with.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum CheckedSignature {
    Ecdsa(EcdsaSignature),
    Ed25519(Ed25519Signature),
}

/// Checks KMS's `answer` to a Sign of `payload` with the key whose public part is `key`.
pub fn check(key: &PublicKey, payload: &SigningPayload, answer: &[u8]) -> Result<CheckedSignature, SignatureError> {
    match payload {
        SigningPayload::EcdsaDigest(digest) => secp256k1::check(key, digest, answer).map(CheckedSignature::Ecdsa),
        SigningPayload::Ed25519Message(message) => ed25519::check(key, message.as_bytes(), answer).map(CheckedSignature::Ed25519),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Digest32, Ed25519Message};

    #[test]
    fn check_with_a_key_of_the_other_kind_is_refused() {
        let [secp256k1, ed25519] = [
            (KeySpec::EccSecgP256k1, "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
            (KeySpec::EccNistEdwards25519, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
        ]
        .map(|(spec, text)| PublicKey::from_bytes(spec, &hex::decode(text).unwrap()).unwrap());
        let digest = SigningPayload::EcdsaDigest(Digest32::new([1; 32]));
        let message = SigningPayload::Ed25519Message(Ed25519Message::new(vec![1]).unwrap());
        for (key, payload) in [(ed25519, digest), (secp256k1, message)] {
            let expected = SignatureError::KeySpec { key: key.spec(), payload: payload.key_spec() };
            assert_eq!(check(&key, &payload, &[0; 64]), Err(expected));
        }
    }
}
