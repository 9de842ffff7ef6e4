//! ECDSA over secp256k1. KMS gives DER with minimal integers, no recovery id, and a high S about half of the time; a chain wants
//! r and s padded to 32 bytes, a low S and often the recovery id.

use std::sync::LazyLock;

use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use bitcoin::secp256k1::{Message, PublicKey as PublicPoint, Secp256k1, VerifyOnly};

use super::SignatureError;
use crate::keys::{Digest32, KeySpec, PublicKey};

static CONTEXT: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// A low-S signature that verifies.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct EcdsaSignature {
    r_s: [u8; 64],
    recovery_id: u8,
    der: Vec<u8>,
}

impl EcdsaSignature {
    /// r then s, 32 bytes each, big-endian.
    pub const fn r_s(&self) -> &[u8; 64] {
        &self.r_s
    }

    /// 0..3: with r and s it gives the public key (SEC 1, section 4.1.6). 2 and 3 need an r no honest signer meets.
    pub const fn recovery_id(&self) -> u8 {
        self.recovery_id
    }

    /// The DER form of the low-S signature, which is not always what KMS sent.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Reads `der` strictly and proves that `key` signed `digest`. Nothing is hashed here.
pub fn check(key: &PublicKey, digest: &Digest32, der: &[u8]) -> Result<EcdsaSignature, SignatureError> {
    // A key of the other kind is said to be one, whatever the bytes are.
    point(key)?;
    let (r, s) = parse_der(der)?;
    check_scalars(key, digest, r, s)
}

/// As [`check`], of r then s, 32 bytes each.
pub fn check_compact(key: &PublicKey, digest: &Digest32, r_s: &[u8; 64]) -> Result<EcdsaSignature, SignatureError> {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    let (first, second) = r_s.split_at(32);
    r.copy_from_slice(first);
    s.copy_from_slice(second);
    check_scalars(key, digest, r, s)
}

fn point(key: &PublicKey) -> Result<&PublicPoint, SignatureError> {
    key.secp256k1().ok_or_else(|| SignatureError::KeySpec { key: key.spec(), payload: KeySpec::EccSecgP256k1 })
}

fn check_scalars(key: &PublicKey, digest: &Digest32, r: [u8; 32], s: [u8; 32]) -> Result<EcdsaSignature, SignatureError> {
    let expected = point(key)?;
    if r == [0; 32] || s == [0; 32] {
        return Err(SignatureError::Scalar);
    }
    let mut signature = Signature::from_compact(&[r, s].concat()).map_err(|_| SignatureError::Scalar)?;
    signature.normalize_s();

    let r_s = signature.serialize_compact();
    let message = Message::from_digest(*digest.as_bytes());
    // A key recovered from a signature is one that this signature verifies with: finding the pinned one both proves the
    // signature and tells its recovery id.
    let recovery_id = (0..4u8).find(|&id| {
        let recovered = RecoveryId::from_i32(i32::from(id))
            .and_then(|id| RecoverableSignature::from_compact(&r_s, id))
            .and_then(|signature| CONTEXT.recover_ecdsa(&message, &signature));
        recovered.as_ref() == Ok(expected)
    });
    let recovery_id = recovery_id.ok_or(SignatureError::Mismatch)?;
    Ok(EcdsaSignature { r_s, recovery_id, der: signature.serialize_der().to_vec() })
}

/// Reads `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279, section 2.2.3) in DER and in no other encoding: libsecp256k1's own
/// parser reads an r or s that is out of range as zero.
fn parse_der(der: &[u8]) -> Result<([u8; 32], [u8; 32]), SignatureError> {
    let [0x30, length, body @ ..] = der else {
        return Err(SignatureError::Der("it is not a sequence"));
    };
    if *length >= 0x80 || usize::from(*length) != body.len() {
        return Err(SignatureError::Der("its length is wrong"));
    }
    let (r, rest) = parse_integer(body)?;
    let (s, rest) = parse_integer(rest)?;
    if rest.is_empty() { Ok((r, s)) } else { Err(SignatureError::Der("something follows s")) }
}

/// The integer at the head of `input`, padded to 32 bytes, and what follows it.
fn parse_integer(input: &[u8]) -> Result<([u8; 32], &[u8]), SignatureError> {
    let [0x02, length, rest @ ..] = input else {
        return Err(SignatureError::Der("r or s is not an integer"));
    };
    if *length >= 0x80 {
        return Err(SignatureError::Der("the length of r or s is wrong"));
    }
    let (digits, rest) =
        rest.split_at_checked(usize::from(*length)).ok_or(SignatureError::Der("the length of r or s is wrong"))?;
    let magnitude = match digits {
        [] => return Err(SignatureError::Der("r or s has no digits")),
        [0x80..=0xff, ..] => return Err(SignatureError::Der("r or s is negative")),
        [0x00, 0x00..=0x7f, ..] => return Err(SignatureError::Der("r or s has a needless zero in front")),
        [0x00, magnitude @ ..] => magnitude,
        magnitude => magnitude,
    };
    let mut padded = [0; 32];
    let start = padded.len().checked_sub(magnitude.len()).ok_or(SignatureError::Scalar)?;
    if let Some(tail) = padded.get_mut(start..) {
        tail.copy_from_slice(magnitude);
    }
    Ok((padded, rest))
}

#[cfg(test)]
mod tests;
