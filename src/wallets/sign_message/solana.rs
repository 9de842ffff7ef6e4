//! What sol_signMessage has signed, and what it answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::super::content::{Content, ContentPayload, Lookup, Spends, ed25519_payload, the_ed25519_signature};
use super::super::sign_solana::ASSET;
use crate::chains::solana::{Pubkey, message};
use crate::outcome::{Answer, Failure};
use crate::rpc::Selector;

/// A text with the header of the off-chain message format, which is added here.
///
/// # Errors
/// As [`Lookup::wallet_of`]; [`Failure::KeyNotUsable`] if it has no key yet.
pub fn solana(lookup: &Lookup<'_>, selector: &Selector, text: &str) -> Result<Content, Failure> {
    let (wallet, network, key) = lookup.ed25519_wallet_of(selector, ASSET)?;
    let bytes = message::with_header(&Pubkey::new(key), text);
    let offchain_message = STANDARD.encode(&bytes);
    let payload = ed25519_payload(bytes)?;
    Ok(Content {
        decoded: message::decode(text),
        network,
        recipients: Vec::new(),
        more_actions: Vec::new(),
        payloads: vec![ContentPayload { wallet, slot: 0, payload }],
        spends: Spends::Nothing,
        assemble: Box::new(move |signatures| {
            let signature = bs58::encode(the_ed25519_signature(&signatures)?).into_string();
            Answer::of(&SignedMessage { signature, offchain_message })
        }),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedMessage {
    /// Base58.
    signature: String,
    /// Base64: what is signed, header and text.
    offchain_message: String,
}
