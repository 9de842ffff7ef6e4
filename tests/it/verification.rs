//! Signatures as KMS makes them, checked with a second implementation beside ours, and Project Wycheproof's vectors.

use std::path::Path;

use bitcoin::secp256k1;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::point::AffineCoordinates;
use k256::{FieldBytes, NonZeroScalar, ProjectivePoint, Scalar};
use kmsignd::keys::{Digest32, KeySpec, PublicKey, SigningPayload};
use kmsignd::verify::{self, CheckedSignature, SignatureError};
use proptest::prelude::*;
use serde::Deserialize;

/// A private key or a nonce.
fn any_scalar() -> impl Strategy<Value = NonZeroScalar> {
    any::<[u8; 32]>().prop_filter_map("zero or not below the order", |bytes| {
        let scalar: Option<Scalar> = Scalar::from_repr(bytes.into()).into();
        scalar.and_then(|scalar| NonZeroScalar::new(scalar).into())
    })
}

/// ECDSA by the book (SEC 1, section 4.1.3), with k256's arithmetic: its own signer would not give a high S.
fn sign(secret: NonZeroScalar, nonce: NonZeroScalar, digest: [u8; 32]) -> Signature {
    let point = (ProjectivePoint::GENERATOR * *nonce).to_affine();
    let r = <Scalar as Reduce<FieldBytes>>::reduce(&point.x());
    let z = <Scalar as Reduce<FieldBytes>>::reduce(&digest.into());
    let s = nonce.invert().unwrap() * (z + r * *secret);
    Signature::from_scalars(r, s).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn check_of_any_ecdsa_signature_agrees_with_two_implementations(
        secret in any_scalar(),
        nonce in any_scalar(),
        digest in any::<[u8; 32]>(),
        high_s in any::<bool>(),
    ) {
        let low = sign(secret, nonce, digest).normalize_s();
        let answer = if high_s { Signature::from_scalars(low.r(), -low.s()).unwrap() } else { low };
        let signer = VerifyingKey::from(&k256::PublicKey::from_secret_scalar(&secret));
        let key = PublicKey::from_bytes(KeySpec::EccSecgP256k1, &signer.to_sec1_point(true).to_bytes()).unwrap();

        let checked = verify::secp256k1::check(&key, &Digest32::new(digest), answer.to_der().as_bytes()).unwrap();

        prop_assert_eq!(&checked.r_s()[..], &low.to_bytes()[..]);
        prop_assert_eq!(checked.der(), &low.to_der().to_bytes()[..]);
        // k256 recovers the key from what was given out.
        let id = RecoveryId::from_byte(checked.recovery_id()).unwrap();
        prop_assert_eq!(VerifyingKey::recover_from_prehash(&digest, &low, id).unwrap(), signer);
        // libsecp256k1, which takes a low S only, verifies it.
        let message = secp256k1::Message::from_digest(digest);
        let signature = secp256k1::ecdsa::Signature::from_compact(checked.r_s()).unwrap();
        let verifier = secp256k1::Secp256k1::verification_only();
        prop_assert_eq!(verifier.verify_ecdsa(&message, &signature, key.secp256k1().unwrap()), Ok(()));
        // And it is a signature of nothing else.
        let mut other = digest;
        other[31] ^= 1;
        let refused = verify::secp256k1::check(&key, &Digest32::new(other), answer.to_der().as_bytes());
        prop_assert_eq!(refused, Err(SignatureError::Mismatch));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    public_key: String,
    /// Test case id, comment, digest or message, signature, whether it is valid.
    tests: Vec<(u32, String, String, String, bool)>,
}

fn wycheproof(file: &str) -> Vec<Group> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/signatures").join(file);
    let mut vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(vectors["groups"].take()).unwrap()
}

#[test]
fn check_agrees_with_wycheproof_on_secp256k1() {
    let mut seen = 0;
    for group in wycheproof("wycheproof-secp256k1.json") {
        let key = PublicKey::from_bytes(KeySpec::EccSecgP256k1, &hex::decode(&group.public_key).unwrap()).unwrap();
        for (id, comment, digest, signature, valid) in group.tests {
            let payload = SigningPayload::EcdsaDigest(digest.parse().unwrap());
            let checked = verify::check(&key, &payload, &hex::decode(signature).unwrap());
            assert_eq!(checked.is_ok(), valid, "{id} {comment}: {checked:?}");
            assert!(checked.is_err() || matches!(checked, Ok(CheckedSignature::Ecdsa(_))));
            seen += 1;
        }
    }
    assert_eq!(seen, 476);
}

#[test]
fn check_agrees_with_wycheproof_on_ed25519() {
    let mut seen = 0;
    for group in wycheproof("wycheproof-ed25519.json") {
        let key = PublicKey::from_bytes(KeySpec::EccNistEdwards25519, &hex::decode(&group.public_key).unwrap()).unwrap();
        for (id, comment, message, signature, valid) in group.tests {
            let checked = verify::ed25519::check(&key, &hex::decode(message).unwrap(), &hex::decode(signature).unwrap());
            assert_eq!(checked.is_ok(), valid, "{id} {comment}: {checked:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 151);
}
