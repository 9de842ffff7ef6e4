//! Key pairs and signatures, made with k256 and ed25519-dalek: other code than the daemon verifies with.
//!
//! ECDSA is as KMS does it: a fresh random nonce each time, S not normalised (so high in half of the answers), minimal DER.
//! Ed25519 is the pure scheme of RFC 8032. [`Defect`] makes the answers a broken or hostile KMS could give.

use std::sync::{Arc, OnceLock};

use ed25519_dalek::Signer as _;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::elliptic_curve::Generate as _;
use k256::elliptic_curve::ops::{Invert as _, Reduce as _};
use k256::elliptic_curve::point::AffineCoordinates as _;
use k256::elliptic_curve::scalar::IsHigh as _;
use k256::pkcs8::EncodePublicKey as _;
use k256::{FieldBytes, NonZeroScalar, ProjectivePoint, Scalar};
use serde::{Deserialize, Serialize};

use super::errors::KmsError;
use super::faults::Defect;

/// The key specs the emulator makes, by KMS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeySpec {
    #[serde(rename = "ECC_SECG_P256K1")]
    Secp256k1,
    #[serde(rename = "ECC_NIST_EDWARDS25519")]
    Ed25519,
}

impl KeySpec {
    pub fn signing_algorithms(self) -> &'static [&'static str] {
        match self {
            Self::Secp256k1 => &["ECDSA_SHA_256"],
            Self::Ed25519 => &["ED25519_SHA_512", "ED25519_PH_SHA_512"],
        }
    }
}

/// DER of `SubjectPublicKeyInfo { id-Ed25519 }` up to the 32-byte point (RFC 8410, section 4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The order of secp256k1's group (SEC 2, section 2.4.1), big-endian.
const SECP256K1_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf,
    0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// A key pair. All Regions of a multi-Region key share one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub(super) struct Material(Arc<Pair>);

struct Pair {
    spec: KeySpec,
    secret: [u8; 32],
    /// SubjectPublicKeyInfo, DER.
    public: Vec<u8>,
    /// Built at the first use: a hundred thousand keys load without a curve operation.
    signer: OnceLock<Signer>,
}

#[derive(Clone)]
enum Signer {
    Secp256k1(k256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

/// A key pair in a key's file, in hex.
#[derive(Serialize, Deserialize)]
struct Written {
    spec: KeySpec,
    secret: String,
    public: String,
}

impl From<Material> for Written {
    fn from(Material(pair): Material) -> Self {
        Self { spec: pair.spec, secret: hex::encode(pair.secret), public: hex::encode(&pair.public) }
    }
}

impl TryFrom<Written> for Material {
    type Error = hex::FromHexError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let mut secret = [0; 32];
        hex::decode_to_slice(&written.secret, &mut secret)?;
        let public = hex::decode(&written.public)?;
        Ok(Self(Arc::new(Pair { spec: written.spec, secret, public, signer: OnceLock::new() })))
    }
}

impl Material {
    /// A new random key pair.
    pub fn generate(spec: KeySpec) -> Result<Self, KmsError> {
        let secret = match spec {
            KeySpec::Secp256k1 => NonZeroScalar::try_generate().map_err(no_randomness)?.to_bytes().into(),
            KeySpec::Ed25519 => random_bytes()?,
        };
        let signer = Signer::new(spec, &secret)?;
        let public = signer.public_key()?;
        Ok(Self(Arc::new(Pair { spec, secret, public, signer: signer.into() })))
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn public_key(&self) -> &[u8] {
        &self.0.public
    }

    /// Signs a 32-byte digest as it is: the signature in DER.
    pub fn sign_ecdsa(&self, digest: [u8; 32], defect: Option<Defect>) -> Result<Vec<u8>, KmsError> {
        let Signer::Secp256k1(key) = self.signer(defect)? else { return Err(wrong_material()) };
        loop {
            let (r, s) = ecdsa(&key, digest)?;
            let (r, s): ([u8; 32], [u8; 32]) = match defect {
                Some(Defect::ShortR) if der_integer(&r.to_bytes().into()).len() > 2 + 31 => continue,
                Some(Defect::HighS) if !bool::from(s.is_high()) => (r.to_bytes().into(), (-s).to_bytes().into()),
                Some(Defect::ZeroR) => ([0; 32], s.to_bytes().into()),
                Some(Defect::OversizedS) => (r.to_bytes().into(), SECP256K1_ORDER),
                _ => (r.to_bytes().into(), s.to_bytes().into()),
            };
            return Ok(damage(der_signature(&r, &s), defect));
        }
    }

    /// Signs the message itself: 64 bytes (RFC 8032).
    pub fn sign_ed25519(&self, message: &[u8], defect: Option<Defect>) -> Result<Vec<u8>, KmsError> {
        let Signer::Ed25519(key) = self.signer(defect)? else { return Err(wrong_material()) };
        let mut signature = key.sign(message).to_bytes();
        let (r, s) = signature.split_at_mut(32);
        match defect {
            Some(Defect::ZeroR) => r.fill(0),
            Some(Defect::OversizedS) => s.fill(0xff),
            _ => {}
        }
        Ok(damage(signature.to_vec(), defect))
    }

    /// Whether `signature` (DER, S high or low) is one of `digest`.
    pub fn verify_ecdsa(&self, digest: [u8; 32], signature: &[u8]) -> Result<bool, KmsError> {
        let Signer::Secp256k1(key) = self.signer(None)? else { return Err(wrong_material()) };
        let signature = k256::ecdsa::Signature::from_der(signature).map(|signature| signature.normalize_s());
        Ok(signature.is_ok_and(|signature| key.verifying_key().verify_prehash(&digest, &signature).is_ok()))
    }

    pub fn verify_ed25519(&self, message: &[u8], signature: &[u8]) -> Result<bool, KmsError> {
        let Signer::Ed25519(key) = self.signer(None)? else { return Err(wrong_material()) };
        let signature = ed25519_dalek::Signature::from_slice(signature);
        Ok(signature.is_ok_and(|signature| key.verifying_key().verify_strict(message, &signature).is_ok()))
    }

    fn signer(&self, defect: Option<Defect>) -> Result<Signer, KmsError> {
        if defect == Some(Defect::WrongKey) {
            return Self::generate(self.0.spec)?.signer(None);
        }
        if let Some(signer) = self.0.signer.get() {
            return Ok(signer.clone());
        }
        let signer = Signer::new(self.0.spec, &self.0.secret)?;
        Ok(self.0.signer.get_or_init(|| signer).clone())
    }
}

impl Signer {
    fn new(spec: KeySpec, secret: &[u8; 32]) -> Result<Self, KmsError> {
        Ok(match spec {
            KeySpec::Secp256k1 => Self::Secp256k1(k256::ecdsa::SigningKey::from_slice(secret).map_err(|_| wrong_material())?),
            KeySpec::Ed25519 => Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(secret)),
        })
    }

    fn public_key(&self) -> Result<Vec<u8>, KmsError> {
        match self {
            Self::Secp256k1(key) => {
                key.verifying_key().to_public_key_der().map(|der| der.as_bytes().to_vec()).map_err(|_| wrong_material())
            }
            Self::Ed25519(key) => Ok([&ED25519_SPKI[..], key.verifying_key().as_bytes()].concat()),
        }
    }
}

/// ECDSA over secp256k1 with a random nonce (SEC 1, section 4.1.3). By hand, because every library normalises S; in variable
/// time, because nothing of value is signed here and a load test needs the speed.
fn ecdsa(key: &k256::ecdsa::SigningKey, digest: [u8; 32]) -> Result<(Scalar, Scalar), KmsError> {
    let nonce = NonZeroScalar::try_generate().map_err(no_randomness)?;
    let point = ProjectivePoint::mul_by_generator_vartime(&nonce).to_affine();
    let r = Scalar::reduce(&point.x());
    let z = Scalar::reduce(&FieldBytes::from(digest));
    // Neither r nor s is zero, but for one nonce in 2^256.
    let s = *nonce.invert_vartime() * (z + r * **key.as_nonzero_scalar());
    Ok((r, s))
}

/// `SEQUENCE { INTEGER r, INTEGER s }` in DER, whatever the numbers are.
fn der_signature(r: &[u8; 32], s: &[u8; 32]) -> Vec<u8> {
    let integers = [der_integer(r), der_integer(s)].concat();
    [&[0x30, length_byte(&integers)], &integers[..]].concat()
}

/// A positive INTEGER of minimal length.
fn der_integer(bytes: &[u8; 32]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(31);
    let digits = bytes.get(start..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    let content = [sign, digits].concat();
    [&[0x02, length_byte(&content)], &content[..]].concat()
}

/// DER's short form; no part of a signature of two 32-byte numbers is longer than 70 bytes.
fn length_byte(content: &[u8]) -> u8 {
    u8::try_from(content.len()).unwrap_or(u8::MAX)
}

fn damage(mut signature: Vec<u8>, defect: Option<Defect>) -> Vec<u8> {
    match defect {
        Some(Defect::TrailingBytes) => signature.extend([0, 0]),
        Some(Defect::MalformedDer) => {
            if let Some(tag) = signature.first_mut() {
                *tag ^= 0x01;
            }
        }
        Some(Defect::Truncated) => signature.truncate(signature.len().saturating_sub(1)),
        _ => {}
    }
    signature
}

/// Random bytes from the operating system.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], KmsError> {
    <[u8; N]>::try_generate().map_err(no_randomness)
}

fn no_randomness(error: impl std::fmt::Display) -> KmsError {
    KmsError::internal(format!("no randomness: {error}"))
}

fn wrong_material() -> KmsError {
    KmsError::internal("the key's material does not fit its spec")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generate_random_bytes_differ() {
        assert_ne!(random_bytes::<16>().unwrap(), random_bytes::<16>().unwrap());
    }

    #[test]
    fn der_integer_is_minimal_and_positive() {
        let number = |tail: &[u8]| {
            let mut bytes = [0; 32];
            bytes[32 - tail.len()..].copy_from_slice(tail);
            der_integer(&bytes)
        };
        assert_eq!(number(&[]), [2, 1, 0]);
        assert_eq!(number(&[0x7f]), [2, 1, 0x7f]);
        assert_eq!(number(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(number(&[0x01, 0x00]), [2, 2, 1, 0]);
        assert_eq!(der_integer(&[0xff; 32]).len(), 35);
    }

    #[test]
    fn material_round_trips_through_its_file_form() {
        for spec in [KeySpec::Secp256k1, KeySpec::Ed25519] {
            let material = Material::generate(spec).unwrap();
            let again: Material = serde_json::from_slice(&serde_json::to_vec(&material).unwrap()).unwrap();
            assert_eq!(again.public_key(), material.public_key());
            assert_eq!(again.signer(None).unwrap().public_key().unwrap(), material.public_key());
        }
    }

    #[test]
    fn sign_ecdsa_verifies_and_is_high_in_about_half() {
        let material = Material::generate(KeySpec::Secp256k1).unwrap();
        let mut high = 0;
        for byte in 0..=255 {
            let signature = material.sign_ecdsa([byte; 32], None).unwrap();
            assert!(material.verify_ecdsa([byte; 32], &signature).unwrap());
            let parsed = k256::ecdsa::Signature::from_der(&signature).unwrap();
            high += u32::from(bool::from(parsed.s().is_high()));
        }
        // 256 fair coins fall outside 64..192 once in 10^15 runs.
        assert!((64..192).contains(&high), "{high} of 256 are high");
    }

    #[test]
    fn sign_ecdsa_with_each_defect_has_that_defect() {
        let material = Material::generate(KeySpec::Secp256k1).unwrap();
        let sign = |defect| material.sign_ecdsa([7; 32], Some(defect)).unwrap();
        let parse = |der: &[u8]| k256::ecdsa::Signature::from_der(der);
        let valid = |der: &[u8]| material.verify_ecdsa([7; 32], der).unwrap();

        for _ in 0..8 {
            let high = sign(Defect::HighS);
            assert!(valid(&high) && bool::from(parse(&high).unwrap().s().is_high()));
        }
        let short = sign(Defect::ShortR);
        assert!(valid(&short) && short[3] < 32, "r has {} bytes", short[3]);
        let wrong = sign(Defect::WrongKey);
        assert!(parse(&wrong).is_ok() && !valid(&wrong));
        for defect in [Defect::ZeroR, Defect::OversizedS, Defect::TrailingBytes, Defect::MalformedDer, Defect::Truncated] {
            assert!(parse(&sign(defect)).is_err(), "{defect:?}");
        }
    }

    #[test]
    fn sign_ed25519_with_each_defect_does_not_verify() {
        let material = Material::generate(KeySpec::Ed25519).unwrap();
        let valid = |defect| material.verify_ed25519(b"m", &material.sign_ed25519(b"m", defect).unwrap()).unwrap();
        assert!(valid(None));
        for defect in Defect::ALL {
            // These two exist for ECDSA alone.
            let untouched = matches!(defect, Defect::HighS | Defect::ShortR);
            assert_eq!(valid(Some(defect)), untouched, "{defect:?}");
        }
    }
}
