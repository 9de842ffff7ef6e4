//! What personal_sign, eth_sign and eth_signTypedData_v4 have signed, and what they answer.

use crate::chains::decoded::Decoded;
use crate::chains::effects::Effect;
use crate::chains::evm::typed_data::TypedDataRequest;
use crate::chains::evm::{message, typed_data as eip712};
use crate::chains::networks::Network;
use crate::chains::{self, Address};
use crate::keys::{Digest32, SigningPayload};
use crate::outcome::{Answer, Failure, Outcome};
use crate::rpc::Selector;
use crate::store::CachedWallet;
use crate::verify::VerifiedSignature;
use crate::wallets::content::{Content, ContentPayload, Lookup};
use std::sync::Arc;

/// A message with the prefix of EIP-191, which is added here, whatever the message begins with.
///
/// # Errors
/// [`Failure::NotFound`] if no wallet has the address.
pub fn personal(lookup: &Lookup<'_>, address: &Address, message: &[u8]) -> Result<Content, Failure> {
    let (wallet, network) = wallet(lookup, address)?;
    Ok(content(wallet, network, message::digest(message), message::decode(message)))
}

/// Typed data of EIP-712.
///
/// # Errors
/// [`Failure::NotFound`] if no wallet has the address; [`Failure::TransactionRefused`] if the typed data is for another chain than the
/// wallet's.
pub fn typed_data(lookup: &Lookup<'_>, address: &Address, typed_data: &TypedDataRequest) -> Result<Content, Failure> {
    let (wallet, network) = wallet(lookup, address)?;
    let mut decoded = eip712::decode(typed_data, &network, lookup.tokens, address)?;
    for effect in &mut decoded.effects {
        effect.to_own_wallet = goes_to_own_wallet(lookup, &network, effect)?;
    }
    Ok(content(wallet, network, typed_data.digest(), decoded))
}

fn wallet(lookup: &Lookup<'_>, address: &Address) -> Result<(Arc<CachedWallet>, Network), Failure> {
    lookup.wallet(&Selector::Address { address: address.as_str().to_owned(), asset: None, network: None })
}

fn goes_to_own_wallet(lookup: &Lookup<'_>, network: &Network, effect: &Effect) -> Result<bool, Failure> {
    let Some(recipient) = &effect.recipient else { return Ok(false) };
    let Ok((recipient, _)) = chains::parse_address(network, recipient) else { return Ok(false) };
    Ok(lookup.owner(network, &recipient)?.is_some())
}

fn content(wallet: Arc<CachedWallet>, network: Network, digest: Digest32, decoded: Decoded) -> Content {
    Content {
        decoded,
        network,
        more_actions: Vec::new(),
        payloads: vec![ContentPayload { wallet, slot: 0, payload: SigningPayload::EcdsaDigest(digest) }],
        spends: None,
        assemble: Box::new(answer),
    }
}

/// 65 bytes as 0x-hex: r, s, and 27 plus the recovery id, which is what ecrecover takes.
fn answer(signatures: Vec<VerifiedSignature>) -> Outcome {
    let signature = signatures.into_iter().next().and_then(VerifiedSignature::into_ecdsa);
    let signature = signature.ok_or_else(|| Failure::Internal("no ECDSA signature over a message".to_owned()))?;
    let v = match signature.recovery_id() {
        id @ (0 | 1) => id.saturating_add(27),
        id => return Err(Failure::Internal(format!("recovery id {id}, which Ethereum has no form for"))),
    };
    Answer::of(&format!("0x{}{v:02x}", hex::encode(signature.r_s())))
}
