//! Pure Ed25519 (RFC 8032), verified strictly: no point of small order, no s at or above the order of the group.

use ed25519_dalek::{Signature, VerifyingKey};

use super::SignatureError;
use crate::keys::{KeySpec, PublicKey};

/// A signature that verifies.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Ed25519Signature([u8; 64]);

impl Ed25519Signature {
    /// R then s, as RFC 8032 writes them.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// Proves that `key` signed `message`. The message itself is signed, never a hash of it.
pub fn check(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<Ed25519Signature, SignatureError> {
    let key_bytes =
        key.ed25519().ok_or_else(|| SignatureError::KeySpec { key: key.spec(), payload: KeySpec::EccNistEdwards25519 })?;
    let bytes: [u8; 64] = signature.try_into().map_err(|_| SignatureError::Length { got: signature.len() })?;
    let verifying_key = VerifyingKey::from_bytes(key_bytes).map_err(|_| SignatureError::Mismatch)?;
    verifying_key.verify_strict(message, &Signature::from_bytes(&bytes)).map_err(|_| SignatureError::Mismatch)?;
    Ok(Ed25519Signature(bytes))
}

#[cfg(test)]
mod tests;
