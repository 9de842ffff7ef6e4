//! What sol_signTransaction has signed, and what it answers.

use serde::Serialize;

use super::content::{Content, ContentPayload, Lookup, Spends, ed25519_payload, the_ed25519_signature};
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::solana::Pubkey;
use crate::chains::solana::transaction::SolanaTransactionRequest;
use crate::keys::{KeySpec, PublicKey};
use crate::outcome::{Answer, Failure};
use crate::rpc::Selector;
use crate::verify::ed25519;

/// The asset of the wallets that sign here.
pub(super) const ASSET: &str = "SOL";

/// Decodes a transaction. The wallet named signs, and no other one of ours: they sign what is answered, each in a call of its own.
///
/// # Errors
/// As [`Lookup::wallet_of`]; [`Failure::KeyNotUsable`] if it has no key yet; [`Failure::TransactionRefused`] if its signature is not
/// needed, or if one that is there does not verify.
pub fn transaction(lookup: &Lookup<'_>, selector: &Selector, request: &SolanaTransactionRequest) -> Result<Content, Failure> {
    let (wallet, network, key) = lookup.ed25519_wallet_of(selector, ASSET)?;
    let key = Pubkey::new(key);
    let place = request.place_of(&key).ok_or_else(|| {
        DecodeError::refused(Rule::NotNeeded, format!("the transaction needs no signature of {key}, the wallet's account"))
    })?;
    let message = request.message_bytes();
    check_signatures(request, &message)?;
    let mut decoded = request.decode(&key);
    let recipients = lookup.find_own_wallets(&network, &mut decoded)?;
    let payload = ed25519_payload(message)?;
    let request = request.clone();
    Ok(Content {
        decoded,
        network,
        recipients,
        more_actions: Vec::new(),
        payloads: vec![ContentPayload { wallet, slot: 0, payload }],
        spends: Spends::BySignature,
        assemble: Box::new(move |signatures| {
            let signed = request.signed(place, the_ed25519_signature(&signatures)?);
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
