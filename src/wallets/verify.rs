//! wallet_verify: asks KMS now whether a wallet still is what the store says it is.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::chains::derive_address;
use crate::chains::networks::Networks;
use crate::clock::Timestamp;
use crate::ids::WalletId;
use crate::keys::{Digest32, Ed25519Message, KeySpec, PublicKey, SigningPayload};
use crate::kms::KeyDescription;
use crate::outcome::{Answer, Failure};
use crate::store::wallets::Wallet;

/// What the challenge begins with. The first byte is no transaction's version, header or CBOR form on any chain served here.
const CHALLENGE: &[u8] = b"\xffkmsignd wallet_verify challenge v1\0";

/// What was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verification<'a> {
    wallet_id: WalletId,
    /// KMS's own word.
    key_state: &'a str,
    /// KMS's public key is the pinned one; null if KMS shows none, as of a disabled key.
    public_key_matches: Option<bool>,
    /// The pinned public key re-derives the address.
    address_matches: bool,
    /// A signature over a challenge verified. False where the wallet's state lets nothing be signed.
    signature_verified: bool,
    checked_at: Timestamp,
}

/// Something to sign that means nothing to any chain: a fixed prefix, the wallet, the time and 16 random bytes. ECDSA signs
/// its SHA-256, Ed25519 the bytes themselves.
///
/// # Errors
/// [`Failure::Internal`] never in practice: the message is of a fixed length.
pub fn challenge(wallet: &Wallet, now: Timestamp) -> Result<SigningPayload, Failure> {
    let nonce = uuid::Uuid::new_v4();
    let message =
        [CHALLENGE, wallet.wallet_id.to_string().as_bytes(), &now.unix_millis().to_be_bytes(), nonce.as_bytes()].concat();
    match wallet.key_spec {
        KeySpec::EccSecgP256k1 => Ok(SigningPayload::EcdsaDigest(Digest32::new(Sha256::digest(&message).into()))),
        KeySpec::EccNistEdwards25519 => Ed25519Message::new(message)
            .map(SigningPayload::Ed25519Message)
            .ok_or_else(|| Failure::Internal("the challenge is too long".to_owned())),
    }
}

/// The answer of wallet_verify.
pub fn answer(
    networks: &Networks,
    wallet: &Wallet,
    description: &KeyDescription,
    current: Option<&PublicKey>,
    signature_verified: bool,
    now: Timestamp,
) -> Result<Answer, Failure> {
    let network = networks.resolve(&wallet.asset, Some(&wallet.network)).ok();
    let pinned = wallet.public_key.as_ref().and_then(|pinned| pinned.open().ok());
    let address = network.zip(pinned).and_then(|(network, pinned)| derive_address(&network, wallet.form(), &pinned).ok());
    Answer::of(&Verification {
        wallet_id: wallet.wallet_id,
        key_state: &description.key_state,
        public_key_matches: current.map(|current| pinned.as_ref() == Some(current)),
        address_matches: address.is_some_and(|address| wallet.address.as_deref() == Some(address.as_str())),
        signature_verified,
        checked_at: now,
    })
}
