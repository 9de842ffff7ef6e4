//! Public keys, and what a key is asked to sign. Public material only: no private key exists anywhere in this daemon.

use std::fmt;
use std::str::FromStr;

use bitcoin::secp256k1;
use sha2::{Digest, Sha256};

/// The two kinds of KMS key a wallet can have, by KMS's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum KeySpec {
    #[serde(rename = "ECC_SECG_P256K1")]
    EccSecgP256k1,
    #[serde(rename = "ECC_NIST_EDWARDS25519")]
    EccNistEdwards25519,
}

impl KeySpec {
    pub const ALL: [Self; 2] = [Self::EccSecgP256k1, Self::EccNistEdwards25519];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EccSecgP256k1 => "ECC_SECG_P256K1",
            Self::EccNistEdwards25519 => "ECC_NIST_EDWARDS25519",
        }
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why bytes are not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    #[error("unknown key spec; expected ECC_SECG_P256K1 or ECC_NIST_EDWARDS25519")]
    UnknownKeySpec,
    #[error("the SubjectPublicKeyInfo is not the DER form of a {0} key")]
    Spki(KeySpec),
    #[error("the bytes are not a point of the {0} curve in its canonical form")]
    Point(KeySpec),
}

impl FromStr for KeySpec {
    type Err = PublicKeyError;

    /// Takes KMS's name, and `ECC_SECG_P256_K1`, which the exchange's service writes.
    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        match text {
            "ECC_SECG_P256K1" | "ECC_SECG_P256_K1" => Ok(Self::EccSecgP256k1),
            "ECC_NIST_EDWARDS25519" => Ok(Self::EccNistEdwards25519),
            _ => Err(PublicKeyError::UnknownKeySpec),
        }
    }
}

/// DER of `SubjectPublicKeyInfo { ecPublicKey, secp256k1 }` up to the 65-byte uncompressed point (RFC 5480, SEC 2).
const SPKI_SECP256K1: [u8; 23] = [
    0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0x03,
    0x42, 0x00,
];
/// DER of `SubjectPublicKeyInfo { id-Ed25519 }` up to the 32-byte point (RFC 8410).
const SPKI_ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key proven to be a point of its curve, in canonical form: 33 compressed bytes (SEC 1) for secp256k1, 32 bytes
/// (RFC 8032) for Ed25519.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(Point);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Point {
    Secp256k1(secp256k1::PublicKey),
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// Reads what KMS's GetPublicKey returns. Anything but the one DER form of `spec` is refused.
    pub fn from_spki_der(spec: KeySpec, der: &[u8]) -> Result<Self, PublicKeyError> {
        let prefix: &[u8] = match spec {
            KeySpec::EccSecgP256k1 => &SPKI_SECP256K1,
            KeySpec::EccNistEdwards25519 => &SPKI_ED25519,
        };
        let point = der.strip_prefix(prefix).ok_or(PublicKeyError::Spki(spec))?;
        let uncompressed = point.len() == 65 && point.first() == Some(&0x04);
        if spec == KeySpec::EccSecgP256k1 && !uncompressed {
            return Err(PublicKeyError::Spki(spec));
        }
        Self::from_point(spec, point)
    }

    /// Reads the form that [`PublicKey::to_bytes`] gives, as the store keeps it.
    pub fn from_bytes(spec: KeySpec, bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let length = match spec {
            KeySpec::EccSecgP256k1 => 33,
            KeySpec::EccNistEdwards25519 => 32,
        };
        if bytes.len() != length {
            return Err(PublicKeyError::Point(spec));
        }
        Self::from_point(spec, bytes)
    }

    fn from_point(spec: KeySpec, bytes: &[u8]) -> Result<Self, PublicKeyError> {
        match spec {
            KeySpec::EccSecgP256k1 => secp256k1::PublicKey::from_slice(bytes)
                .map(|key| Self(Point::Secp256k1(key)))
                .map_err(|_| PublicKeyError::Point(spec)),
            KeySpec::EccNistEdwards25519 => {
                let bytes: [u8; 32] = bytes.try_into().map_err(|_| PublicKeyError::Point(spec))?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| PublicKeyError::Point(spec))?;
                // A point of small order verifies signatures nobody made.
                if key.is_weak() {
                    return Err(PublicKeyError::Point(spec));
                }
                Ok(Self(Point::Ed25519(bytes)))
            }
        }
    }

    pub const fn spec(&self) -> KeySpec {
        match self.0 {
            Point::Secp256k1(_) => KeySpec::EccSecgP256k1,
            Point::Ed25519(_) => KeySpec::EccNistEdwards25519,
        }
    }

    /// 33 compressed bytes or 32 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Point::Secp256k1(key) => key.serialize().to_vec(),
            Point::Ed25519(bytes) => bytes.to_vec(),
        }
    }

    /// The point if this is a secp256k1 key.
    pub const fn secp256k1(&self) -> Option<&secp256k1::PublicKey> {
        match &self.0 {
            Point::Secp256k1(key) => Some(key),
            Point::Ed25519(_) => None,
        }
    }

    /// The 32 bytes if this is an Ed25519 key.
    pub const fn ed25519(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Point::Secp256k1(_) => None,
            Point::Ed25519(bytes) => Some(bytes),
        }
    }

    /// The SubjectPublicKeyInfo, byte for byte as KMS gives it: 88 or 44 bytes.
    pub fn to_spki_der(&self) -> Vec<u8> {
        match &self.0 {
            Point::Secp256k1(key) => [&SPKI_SECP256K1[..], &key.serialize_uncompressed()[..]].concat(),
            Point::Ed25519(bytes) => [&SPKI_ED25519[..], &bytes[..]].concat(),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.spec(), hex::encode(self.to_bytes()))
    }
}

/// A wallet's public key as the store pins it: the bytes of [`PublicKey::to_bytes`], proven to be a point when they were pinned
/// and again by [`PinnedKey::open`] before anything is verified or derived with them. Reads need the bytes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedKey {
    spec: KeySpec,
    bytes: Vec<u8>,
}

impl PinnedKey {
    /// Takes the bytes back from the store.
    pub const fn from_store(spec: KeySpec, bytes: Vec<u8>) -> Self {
        Self { spec, bytes }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// # Errors
    /// [`PublicKeyError`] if the store's bytes are no point: somebody changed them.
    pub fn open(&self) -> Result<PublicKey, PublicKeyError> {
        PublicKey::from_bytes(self.spec, &self.bytes)
    }
}

impl From<PublicKey> for PinnedKey {
    fn from(key: PublicKey) -> Self {
        Self { spec: key.spec(), bytes: key.to_bytes() }
    }
}

/// A 32-byte hash that a caller or a chain computed. KMS signs it as it is (`MessageType=DIGEST`): nobody hashes it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest32([u8; 32]);

impl Digest32 {
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why a text is not a 32-byte digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 bytes of hex (64 digits, with or without 0x); got {got}")]
pub struct DigestError {
    got: String,
}

impl FromStr for Digest32 {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        if digits.len() != 64 {
            let got = if digits.len().is_multiple_of(2) {
                format!("{} bytes", digits.len() / 2)
            } else {
                format!("{} digits", digits.len())
            };
            return Err(DigestError { got });
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| DigestError { got: "a character that is not a hex digit".to_owned() })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest32({self})")
    }
}

/// What KMS is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningPayload {
    /// secp256k1: `ECDSA_SHA_256` with `MessageType=DIGEST`; nothing is hashed again.
    EcdsaDigest(Digest32),
    /// Ed25519: `ED25519_SHA_512` with `MessageType=RAW`; the message itself, as RFC 8032 defines it.
    Ed25519Message(Ed25519Message),
}

impl SigningPayload {
    /// The kind of key that can sign this.
    pub const fn key_spec(&self) -> KeySpec {
        match self {
            Self::EcdsaDigest(_) => KeySpec::EccSecgP256k1,
            Self::Ed25519Message(_) => KeySpec::EccNistEdwards25519,
        }
    }

    /// What the audit calls it: the hex of the digest, or of SHA-256 over a message.
    pub fn digest(&self) -> String {
        match self {
            Self::EcdsaDigest(digest) => digest.to_string(),
            Self::Ed25519Message(message) => hex::encode(Sha256::digest(message.as_bytes())),
        }
    }

    /// The bytes that go to KMS.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::EcdsaDigest(digest) => digest.as_bytes(),
            Self::Ed25519Message(message) => message.as_bytes(),
        }
    }
}

/// A signature that verified, as the store keeps it. What leaves is made of these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureBytes {
    Ecdsa {
        /// r then s, 32 bytes each, big-endian; s is low.
        r_s: [u8; 64],
        /// 0..3.
        recovery_id: u8,
    },
    /// R then s, as RFC 8032 writes them.
    Ed25519([u8; 64]),
}

impl SignatureBytes {
    /// 65 bytes with the recovery id last, or Ed25519's 64.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ecdsa { r_s, recovery_id } => [&r_s[..], &[*recovery_id]].concat(),
            Self::Ed25519(bytes) => bytes.to_vec(),
        }
    }

    /// Reads the form that [`SignatureBytes::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_at_checked(64)? {
            (signature, []) => Some(Self::Ed25519(signature.try_into().ok()?)),
            (signature, &[recovery_id @ 0..=3]) => Some(Self::Ecdsa { r_s: signature.try_into().ok()?, recovery_id }),
            _ => None,
        }
    }
}

/// 1..4096 bytes: what KMS signs as a RAW message.
#[derive(Clone, PartialEq, Eq)]
pub struct Ed25519Message(Vec<u8>);

impl Ed25519Message {
    /// KMS's own limit for a RAW message, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// `None` if there are no bytes or more than [`Ed25519Message::MAX_BYTES`].
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (1..=Self::MAX_BYTES).contains(&bytes.len()).then_some(Self(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Ed25519Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Message({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secp256k1 generator (SEC 2, section 2.4.1), compressed.
    const G: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    /// The public key of RFC 8032, section 7.1, test 1.
    const RFC8032_TEST_1: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn public_key_spki_round_trips() {
        for (spec, text, length) in [(KeySpec::EccSecgP256k1, G, 88), (KeySpec::EccNistEdwards25519, RFC8032_TEST_1, 44)] {
            let key = PublicKey::from_bytes(spec, &hex::decode(text).unwrap()).unwrap();
            let spki = key.to_spki_der();
            assert_eq!(spki.len(), length);
            assert_eq!(PublicKey::from_spki_der(spec, &spki), Ok(key));
            assert_eq!(hex::encode(key.to_bytes()), text);
        }
    }

    #[test]
    fn public_key_of_another_form_is_refused() {
        let key = PublicKey::from_bytes(KeySpec::EccSecgP256k1, &hex::decode(G).unwrap()).unwrap();
        let mut spki = key.to_spki_der();
        assert!(PublicKey::from_spki_der(KeySpec::EccNistEdwards25519, &spki).is_err());
        spki.push(0);
        assert!(PublicKey::from_spki_der(KeySpec::EccSecgP256k1, &spki).is_err(), "trailing byte");
        spki.pop();
        *spki.last_mut().unwrap() ^= 1;
        assert!(PublicKey::from_spki_der(KeySpec::EccSecgP256k1, &spki).is_err(), "not on the curve");
        assert!(PublicKey::from_bytes(KeySpec::EccSecgP256k1, &[2; 32]).is_err());
        let identity = {
            let mut point = [0; 32];
            point[0] = 1;
            point
        };
        assert!(PublicKey::from_bytes(KeySpec::EccNistEdwards25519, &identity).is_err(), "small order");
    }

    #[test]
    fn signature_bytes_round_trip() {
        for signature in [SignatureBytes::Ecdsa { r_s: [7; 64], recovery_id: 3 }, SignatureBytes::Ed25519([7; 64])] {
            assert_eq!(SignatureBytes::from_bytes(&signature.to_bytes()), Some(signature));
        }
        for bad in [&[7; 63][..], &[7; 65], &[0; 66], &[]] {
            assert_eq!(SignatureBytes::from_bytes(bad), None);
        }
    }

    #[test]
    fn digest_parse_takes_exactly_32_bytes() {
        let hex64 = "ab".repeat(32);
        assert_eq!(hex64.parse::<Digest32>().unwrap().to_string(), hex64);
        assert!(format!("0x{hex64}").parse::<Digest32>().is_ok());
        for bytes in [0, 31, 33, 64] {
            let error = "ab".repeat(bytes).parse::<Digest32>().unwrap_err().to_string();
            assert!(error.contains(&format!("got {bytes} bytes")), "{error}");
        }
        assert!("zz".repeat(32).parse::<Digest32>().is_err());
        assert!("a".repeat(63).parse::<Digest32>().is_err());
    }
}
