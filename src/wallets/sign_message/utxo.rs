//! utxo_signMessage: a message of a Bitcoin-like wallet, for its own address or for another form of its key's.

use serde::Serialize;

use super::super::content::{Content, ContentPayload, Lookup, Spends, the_signature};
use super::super::{public_key, unknown};
use crate::chains::networks::Network;
use crate::chains::utxo::message::{MessageError, MessageFormat, SignableMessage, with_variant};
use crate::chains::{self, Address, AddressType};
use crate::keys::{PublicKey, SigningPayload};
use crate::outcome::{Answer, Failure, Outcome};
use crate::rpc::Selector;
use crate::store::wallets::Wallet;
use crate::verify::VerifiedSignature;

/// A message of a Bitcoin-like wallet: for the address that names it, or for its own where its id does. Without `format` the one that
/// fits the address: legacy for p2pkh, BIP-137 for p2sh-p2wpkh, BIP-322 for p2wpkh.
///
/// # Errors
/// As [`Lookup::wallet`]; [`Failure::InvalidParams`] if the wallet is of another family or the format does not fit;
/// [`Failure::KeyNotUsable`] if it has no key yet.
pub fn utxo(lookup: &Lookup<'_>, selector: &Selector, message: &str, format: Option<MessageFormat>) -> Result<Content, Failure> {
    let (wallet, network) = lookup.wallet(selector)?;
    let key = public_key(&wallet)?;
    let (address_type, address) = address(selector, &wallet, &network, &key)?;
    let signable = SignableMessage::new(&network, address_type, &key, message, format).map_err(|error| match error {
        MessageError::Network { .. } => Failure::invalid(selector.param(), error),
        MessageError::Format(error) => Failure::invalid("format", error),
        MessageError::Sighash => Failure::Internal(error.to_string()),
    })?;
    Ok(Content {
        decoded: signable.decoded(message, &address),
        recipients: Vec::new(),
        network,
        more_actions: Vec::new(),
        payloads: vec![ContentPayload { wallet, slot: 0, payload: SigningPayload::EcdsaDigest(signable.digest()) }],
        spends: Spends::Nothing,
        assemble: Box::new(move |signatures| answer(&signable, &address, &signatures)),
    })
}

/// The form of the key's address that is signed for.
fn address(selector: &Selector, wallet: &Wallet, network: &Network, key: &PublicKey) -> Result<(AddressType, Address), Failure> {
    let defect = |error| Failure::Internal(format!("wallet {}: {error}", wallet.wallet_id));
    let Selector::Address { address, .. } = selector else {
        let own = chains::derive_address(network, wallet.form(), key).map_err(defect)?;
        return Ok((wallet.address_type, own));
    };
    let (asked, _) = chains::parse_address(network, address).map_err(|error| Failure::invalid(selector.param(), error))?;
    let forms = chains::address_forms(network, wallet.stake_key(), key).map_err(defect)?;
    forms.into_iter().find(|(_, form)| *form == asked).ok_or_else(|| unknown(selector.param()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedMessage<'a> {
    /// Base64.
    signature: String,
    address: &'a Address,
    format: MessageFormat,
    /// Of BIP-322 alone: the signature with its variant in front.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefixed_signature: Option<String>,
}

fn answer(signable: &SignableMessage, address: &Address, signatures: &[VerifiedSignature]) -> Outcome {
    let defect = || Failure::Internal("no ECDSA signature over a message".to_owned());
    let signature = signable.encode(&the_signature(signatures)?).ok_or_else(defect)?;
    let format = signable.format();
    let prefixed_signature = (format == MessageFormat::Bip322).then(|| with_variant(&signature));
    Answer::of(&SignedMessage { signature, address, format, prefixed_signature })
}
