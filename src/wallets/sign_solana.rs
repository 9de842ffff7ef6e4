//! What sol_signTransaction has signed, and what it answers.

use std::sync::Arc;

use serde::Serialize;

use super::content::{Content, ContentPayload, Lookup, Spends};
use super::public_key;
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::effects::EffectKind;
use crate::chains::networks::Network;
use crate::chains::solana::Pubkey;
use crate::chains::solana::transaction::SolanaTransactionRequest;
use crate::keys::{Ed25519Message, KeySpec, PublicKey, SignatureBytes, SigningPayload};
use crate::outcome::{Answer, Failure};
use crate::rpc::Selector;
use crate::store::CachedWallet;
use crate::verify::{VerifiedSignature, ed25519};

/// The asset of the wallets that sign here.
const ASSET: &str = "SOL";

/// Decodes a transaction. The wallet named signs, and no other one of ours: they sign what is answered, each in a call of its own.
///
/// # Errors
/// As [`Lookup::wallet_of`]; [`Failure::KeyNotUsable`] if it has no key yet; [`Failure::TransactionRefused`] if its signature is not
/// needed, or if one that is there does not verify.
pub fn transaction(lookup: &Lookup<'_>, selector: &Selector, request: &SolanaTransactionRequest) -> Result<Content, Failure> {
    let (wallet, network, key) = signer(lookup, selector)?;
    let place = request.place_of(&key).ok_or_else(|| {
        DecodeError::refused(Rule::NotNeeded, format!("the transaction needs no signature of {key}, the wallet's account"))
    })?;
    let message = request.message_bytes();
    check_signatures(request, &message)?;
    let mut decoded = request.decode(&key);
    let recipients = lookup.find_own_wallets(&network, &mut decoded)?;
    // What is handed over to the address of a wallet as if it were a program's is lost.
    for effect in decoded.effects.iter_mut().filter(|effect| effect.kind == EffectKind::Authority) {
        effect.to_own_wallet = false;
    }
    let payload = ed25519_payload(message)?;
    let (signed, request) = (payload.clone(), request.clone());
    Ok(Content {
        decoded,
        network,
        recipients,
        more_actions: Vec::new(),
        payloads: vec![ContentPayload { wallet, slot: 0, payload }],
        spends: Spends::BySignature,
        assemble: Box::new(move |signatures| {
            let signature = the_signature(signatures, &signed)?;
            let signed = request.signed(place, signature);
            let signed = signed.ok_or_else(|| Failure::Internal("the signature has no place".to_owned()))?;
            Answer::of(&SignedTransaction {
                transaction: &signed.transaction,
                signature: &signed.signature,
                complete: signed.complete,
            })
        }),
    })
}

#[derive(Serialize)]
struct SignedTransaction<'a> {
    /// Base64.
    transaction: &'a str,
    /// Base58: the wallet's own, which is the transaction's id if the wallet pays.
    signature: &'a str,
    /// Every signature is there.
    complete: bool,
}

/// The wallet that is named, with its account.
pub(super) fn signer(lookup: &Lookup<'_>, selector: &Selector) -> Result<(Arc<CachedWallet>, Network, Pubkey), Failure> {
    let (wallet, network) = lookup.wallet_of(selector, ASSET)?;
    let key = public_key(&wallet)?;
    let bytes = key.ed25519().ok_or_else(|| Failure::Internal(format!("wallet {} is not Ed25519", wallet.wallet_id)))?;
    Ok((wallet, network, Pubkey::new(*bytes)))
}

/// Signatures that are there must be what they say, the wallet's own too, which is made again and is the same.
fn check_signatures(request: &SolanaTransactionRequest, message: &[u8]) -> Result<(), Failure> {
    for (signer, signature) in request.signatures() {
        let Some(signature) = signature else { continue };
        let key = PublicKey::from_bytes(KeySpec::EccNistEdwards25519, signer.as_bytes());
        if key.is_ok_and(|key| ed25519::check(&key, message, signature).is_ok()) {
            continue;
        }
        return Err(DecodeError::refused(
            Rule::AlreadySigned,
            format!("the transaction has a signature in the place of {signer} that does not verify; 64 zeros stand for none"),
        )
        .into());
    }
    Ok(())
}

/// # Errors
/// [`Failure::Internal`]: what is decoded here has bytes, and not too many.
pub(super) fn ed25519_payload(bytes: Vec<u8>) -> Result<SigningPayload, Failure> {
    let length = bytes.len();
    let message = Ed25519Message::new(bytes).ok_or_else(|| Failure::Internal(format!("{length} bytes to sign")))?;
    Ok(SigningPayload::Ed25519Message(message))
}

/// The one signature, which must be over what was decoded.
pub(super) fn the_signature(signatures: Vec<VerifiedSignature>, payload: &SigningPayload) -> Result<[u8; 64], Failure> {
    let [signature] = signatures.as_slice() else {
        return Err(Failure::Internal(format!("{} signatures of one payload", signatures.len())));
    };
    match signature.bytes() {
        SignatureBytes::Ed25519(bytes) if signature.payload() == payload => Ok(bytes),
        _ => Err(Failure::Internal("the signature is over something else".to_owned())),
    }
}
