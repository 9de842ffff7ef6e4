//! Sign and Verify. Signatures are judged by libsecp256k1 and by ed25519-dalek's strict verification.

use anyhow::{Context, bail, ensure};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::sign::{SignError, SignOutput};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, MessageType, OriginType, SigningAlgorithmSpec};
use bitcoin::secp256k1::{self, Message, Secp256k1};
use kmsignd::keys::{self, PublicKey};
use sha2::{Digest, Sha256};

use super::{Kms, refused};

type SignResult = Result<SignOutput, SdkError<SignError>>;

pub async fn sign_digest(client: &Client, key: &str, digest: &[u8]) -> SignResult {
    sign(client, key, digest, MessageType::Digest, SigningAlgorithmSpec::EcdsaSha256).await
}

async fn sign_ed25519(client: &Client, key: &str, message: &[u8]) -> SignResult {
    sign(client, key, message, MessageType::Raw, SigningAlgorithmSpec::Ed25519Sha512).await
}

async fn sign(client: &Client, key: &str, message: &[u8], kind: MessageType, algorithm: SigningAlgorithmSpec) -> SignResult {
    client.sign().key_id(key).message(Blob::new(message)).message_type(kind).signing_algorithm(algorithm).send().await
}

/// Whether libsecp256k1 takes `der` as a signature of `digest` by `key`. DER that is not strict and minimal is an error.
pub async fn verify_digest(kms: &Kms, key: &str, digest: &[u8; 32], der: &[u8]) -> anyhow::Result<bool> {
    let public = public_key(kms, key, keys::KeySpec::EccSecgP256k1).await?;
    let mut signature = secp256k1::ecdsa::Signature::from_der(der)?;
    ensure!(signature.serialize_der().as_ref() == der, "the DER is not minimal");
    signature.normalize_s();
    let public = public.secp256k1().context("not a secp256k1 key")?;
    Ok(Secp256k1::verification_only().verify_ecdsa(&Message::from_digest(*digest), &signature, public).is_ok())
}

async fn public_key(kms: &Kms, key: &str, spec: keys::KeySpec) -> anyhow::Result<PublicKey> {
    let answer = kms.here.get_public_key().key_id(key).send().await?;
    Ok(PublicKey::from_spki_der(spec, answer.public_key.context("no PublicKey")?.as_ref())?)
}

fn bytes(answer: SignOutput) -> anyhow::Result<Vec<u8>> {
    Ok(answer.signature.context("no Signature")?.into_inner())
}

pub async fn sign_digest_verifies_with_libsecp256k1(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let answer = sign_digest(&kms.here, &key, &[7; 32]).await?;
    ensure!(answer.key_id.as_ref() == Some(&key));
    ensure!(answer.signing_algorithm == Some(SigningAlgorithmSpec::EcdsaSha256));
    let signature = bytes(answer)?;
    ensure!(verify_digest(kms, &key, &[7; 32], &signature).await?, "the digest was not signed as it is");
    ensure!(!verify_digest(kms, &key, &[8; 32], &signature).await?);
    Ok(())
}

pub async fn sign_digest_twice_gives_two_signatures(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let first = bytes(sign_digest(&kms.here, &key, &[7; 32]).await?)?;
    ensure!(first != bytes(sign_digest(&kms.here, &key, &[7; 32]).await?)?, "the nonce is not random");
    Ok(())
}

pub async fn sign_64_digests_gives_high_and_low_s_in_minimal_der(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let mut high = 0;
    for byte in 0..64 {
        let der = bytes(sign_digest(&kms.here, &key, &[byte; 32]).await?)?;
        let parsed = secp256k1::ecdsa::Signature::from_der(&der)?;
        ensure!(parsed.serialize_der().as_ref() == der, "the DER is not minimal");
        let mut normal = parsed;
        normal.normalize_s();
        high += u32::from(normal != parsed);
    }
    // Of fair coins, 64 all fall on one side once in 2^63 runs.
    ensure!(high > 0 && high < 64, "{high} of 64 are high");
    Ok(())
}

pub async fn sign_raw_ecdsa_hashes_the_message(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let answer = sign(&kms.here, &key, b"message", MessageType::Raw, SigningAlgorithmSpec::EcdsaSha256).await?;
    ensure!(verify_digest(kms, &key, &Sha256::digest(b"message").into(), &bytes(answer)?).await?);
    Ok(())
}

pub async fn sign_raw_ed25519_verifies(kms: &Kms) -> anyhow::Result<()> {
    ed25519_verifies(kms, b"message").await
}

pub async fn sign_raw_ed25519_of_4096_bytes_verifies(kms: &Kms) -> anyhow::Result<()> {
    ed25519_verifies(kms, &[7; 4096]).await
}

async fn ed25519_verifies(kms: &Kms, message: &[u8]) -> anyhow::Result<()> {
    let key = kms.ed25519().await?;
    let answer = sign_ed25519(&kms.here, &key, message).await?;
    ensure!(answer.key_id.as_ref() == Some(&key));
    ensure!(answer.signing_algorithm == Some(SigningAlgorithmSpec::Ed25519Sha512));
    let signature = ed25519_dalek::Signature::from_slice(&bytes(answer)?)?;
    let public = public_key(kms, &key, keys::KeySpec::EccNistEdwards25519).await?;
    let public = ed25519_dalek::VerifyingKey::from_bytes(public.ed25519().context("not an Ed25519 key")?)?;
    Ok(public.verify_strict(message, &signature)?)
}

pub async fn sign_raw_of_4097_bytes_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.ed25519().await?;
    refused(sign_ed25519(&kms.here, &key, &[7; 4097]).await, &["ValidationException"])
}

pub async fn sign_raw_of_no_bytes_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.ed25519().await?;
    refused(sign_ed25519(&kms.here, &key, &[]).await, &["ValidationException"])
}

pub async fn sign_digest_of_other_length_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    for length in [1, 20, 31, 33, 64] {
        let answer = sign_digest(&kms.here, &key, &vec![7; length]).await;
        refused(answer, &["ValidationException"]).context(format!("{length} bytes"))?;
    }
    Ok(())
}

pub async fn sign_with_algorithm_of_another_spec_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let (secp256k1, ed25519) = (kms.secp256k1().await?, kms.ed25519().await?);
    refused(sign_ed25519(&kms.here, &secp256k1, &[7; 32]).await, &["InvalidKeyUsageException"])?;
    refused(sign_digest(&kms.here, &ed25519, &[7; 32]).await, &["InvalidKeyUsageException"])?;
    let rsa = sign(&kms.here, &secp256k1, &[7; 32], MessageType::Raw, SigningAlgorithmSpec::RsassaPssSha256).await;
    refused(rsa, &["InvalidKeyUsageException"])
}

pub async fn sign_with_unknown_algorithm_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let schnorr = SigningAlgorithmSpec::from("SCHNORR_SHA_256");
    refused(sign(&kms.here, &key, &[7; 32], MessageType::Digest, schnorr).await, &["ValidationException"])
}

/// AWS says that these may not be combined, and not with which exception.
pub async fn sign_with_ed25519_and_digest_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.ed25519().await?;
    let answer = sign(&kms.here, &key, &[7; 64], MessageType::Digest, SigningAlgorithmSpec::Ed25519Sha512).await;
    refused(answer, &["ValidationException", "UnsupportedOperationException", "InvalidKeyUsageException"])
}

pub async fn sign_with_unknown_key_is_not_found(kms: &Kms) -> anyhow::Result<()> {
    let key = "00000000-0000-4000-8000-000000000000";
    refused(sign_digest(&kms.here, key, &[7; 32]).await, &["NotFoundException"])
}

pub async fn sign_with_external_key_without_material_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let created = kms.create(KeySpec::EccSecgP256K1).origin(OriginType::External).send().await?;
    let key = created.key_metadata.context("no metadata")?.key_id;
    refused(sign_digest(&kms.here, &key, &[7; 32]).await, &["KMSInvalidStateException"])
}

async fn dry_run(kms: &Kms, key: &str) -> SignResult {
    let sign = kms.here.sign().key_id(key).message(Blob::new([7; 32])).message_type(MessageType::Digest);
    sign.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).dry_run(true).send().await
}

pub async fn sign_dry_run_makes_no_signature(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    refused(dry_run(kms, &key).await, &["DryRunOperationException"])
}

pub async fn sign_dry_run_of_disabled_key_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.disable_key().key_id(&key).send().await?;
    refused(dry_run(kms, &key).await, &["DisabledException"])
}

pub async fn verify_tells_a_signature_from_another(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    let verify = |digest: [u8; 32], signature: Vec<u8>| {
        let verify = kms.here.verify().key_id(&key).message(Blob::new(digest)).message_type(MessageType::Digest);
        verify.signature(Blob::new(signature)).signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send()
    };
    // Enough that some have a high S, which KMS takes as well.
    for _ in 0..8 {
        let signature = bytes(sign_digest(&kms.here, &key, &[7; 32]).await?)?;
        if !verify([7; 32], signature.clone()).await?.signature_valid {
            bail!("a valid signature is called invalid");
        }
        refused(verify([8; 32], signature).await, &["KMSInvalidSignatureException"])?;
    }
    Ok(())
}
