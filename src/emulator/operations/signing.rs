//! Sign, Verify.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::errors::KmsError;
use super::super::keys::Key;
use super::super::signatures::Material;
use super::{Blob, Done, Request, check_range};
use crate::ids::KeyArn;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Algorithm {
    #[serde(rename = "ECDSA_SHA_256")]
    EcdsaSha256,
    #[serde(rename = "ED25519_SHA_512")]
    Ed25519,
    #[serde(rename = "ED25519_PH_SHA_512")]
    Ed25519Ph,
    /// KMS has these too, for key specs that the emulator does not make.
    #[serde(
        rename = "ECDSA_SHA_384",
        alias = "ECDSA_SHA_512",
        alias = "RSASSA_PSS_SHA_256",
        alias = "RSASSA_PSS_SHA_384",
        alias = "RSASSA_PSS_SHA_512",
        alias = "RSASSA_PKCS1_V1_5_SHA_256",
        alias = "RSASSA_PKCS1_V1_5_SHA_384",
        alias = "RSASSA_PKCS1_V1_5_SHA_512",
        alias = "SM2DSA",
        alias = "ML_DSA_SHAKE_256"
    )]
    Other,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum MessageType {
    #[default]
    #[serde(rename = "RAW")]
    Raw,
    #[serde(rename = "DIGEST")]
    Digest,
    #[serde(rename = "EXTERNAL_MU")]
    ExternalMu,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignInput {
    key_id: String,
    message: Blob,
    #[serde(default)]
    message_type: MessageType,
    signing_algorithm: Algorithm,
    #[serde(default)]
    dry_run: bool,
    /// Of Verify alone.
    signature: Option<Blob>,
}

/// What a key can sign or verify.
enum Message<'a> {
    Ecdsa([u8; 32]),
    Ed25519(&'a [u8]),
}

impl Message<'_> {
    fn digest(&self) -> [u8; 32] {
        match self {
            Self::Ecdsa(digest) => *digest,
            Self::Ed25519(message) => Sha256::digest(message).into(),
        }
    }
}

impl SignInput {
    /// The usable key, its material, and the message as its algorithm takes it.
    fn check(&self, request: &Request) -> Result<(Arc<Key>, Material, Message<'_>), KmsError> {
        let bytes = self.message.0.as_slice();
        check_range("the length of Message", bytes.len() as u64, 1..=4096)?;
        let key = request.usable_key(&self.key_id)?;
        if !fits(&key, self.signing_algorithm) {
            return Err(KmsError::new("InvalidKeyUsageException", format!("{} has another SigningAlgorithm.", key.arn)));
        }
        let message = match (self.signing_algorithm, self.message_type) {
            (Algorithm::EcdsaSha256, MessageType::Raw) => Message::Ecdsa(Sha256::digest(bytes).into()),
            (Algorithm::EcdsaSha256, MessageType::Digest) => Message::Ecdsa(
                bytes.try_into().map_err(|_| KmsError::validation("Digest is invalid length for algorithm ECDSA_SHA_256."))?,
            ),
            (Algorithm::Ed25519, MessageType::Raw) => Message::Ed25519(bytes),
            (Algorithm::Ed25519Ph, _) => return Err(KmsError::unsupported("the emulator has no Ed25519ph")),
            (algorithm, message_type) => {
                return Err(KmsError::validation(format!("{algorithm:?} does not take MessageType {message_type:?}")));
            }
        };
        let material = key.material.clone().ok_or_else(|| KmsError::internal("a usable key has no material"))?;
        if self.dry_run {
            let message = "The request would have succeeded, but the DryRun option is set.";
            return Err(KmsError::new("DryRunOperationException", message));
        }
        Ok((key, material, message))
    }
}

fn fits(key: &Key, algorithm: Algorithm) -> bool {
    use super::super::signatures::KeySpec;
    match key.spec {
        KeySpec::Secp256k1 => algorithm == Algorithm::EcdsaSha256,
        KeySpec::Ed25519 => matches!(algorithm, Algorithm::Ed25519 | Algorithm::Ed25519Ph),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SignAnswer<'a> {
    key_id: &'a KeyArn,
    signature: Blob,
    signing_algorithm: Algorithm,
}

pub(super) fn sign(request: &Request) -> Result<Done, KmsError> {
    let input: SignInput = request.input()?;
    let (key, material, message) = input.check(request)?;
    let signature = match message {
        Message::Ecdsa(digest) => material.sign_ecdsa(digest, request.defect)?,
        Message::Ed25519(message) => material.sign_ed25519(message, request.defect)?,
    };
    let answer = SignAnswer { key_id: &key.arn, signature: Blob(signature), signing_algorithm: input.signing_algorithm };
    let done = Done::answer(Some(Arc::clone(&key)), &answer)?;
    Ok(Done { digest: Some(message.digest()), ..done })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VerifyAnswer<'a> {
    key_id: &'a KeyArn,
    signature_valid: bool,
    signing_algorithm: Algorithm,
}

pub(super) fn verify(request: &Request) -> Result<Done, KmsError> {
    let input: SignInput = request.input()?;
    let Some(Blob(signature)) = &input.signature else { return Err(KmsError::validation("Signature is missing")) };
    let (key, material, message) = input.check(request)?;
    let valid = match message {
        Message::Ecdsa(digest) => material.verify_ecdsa(digest, signature)?,
        Message::Ed25519(message) => material.verify_ed25519(message, signature)?,
    };
    if !valid {
        return Err(KmsError::new("KMSInvalidSignatureException", "the signature is not valid"));
    }
    let answer = VerifyAnswer { key_id: &key.arn, signature_valid: true, signing_algorithm: input.signing_algorithm };
    Done::answer(Some(Arc::clone(&key)), &answer)
}
