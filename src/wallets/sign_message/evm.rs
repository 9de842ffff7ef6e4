//! What personal_sign, eth_sign and eth_signTypedData_v4 have signed, and what they answer.

use std::sync::Arc;

use crate::chains::Address;
use crate::chains::decoded::Decoded;
use crate::chains::evm::typed_data::TypedDataRequest;
use crate::chains::evm::{message, typed_data as eip712};
use crate::chains::networks::Network;
use crate::keys::{Digest32, SignatureBytes, SigningPayload};
use crate::outcome::{Answer, Failure, Outcome};
use crate::rpc::Selector;
use crate::store::CachedWallet;
use crate::wallets::content::{Content, ContentPayload, Lookup, Spends, the_signature};
use crate::wallets::sign_evm::wallet_of;

/// A message with the prefix of EIP-191, which is added here, whatever the message begins with.
///
/// # Errors
/// [`Failure::NotFound`] if no wallet has the address.
pub fn personal(lookup: &Lookup<'_>, address: &Address, message: &[u8]) -> Result<Content, Failure> {
    let selector = Selector::Address { address: address.as_str().to_owned(), asset: None, network: None };
    let (wallet, network) = lookup.wallet(&selector)?;
    Ok(content(wallet, network, message::digest(message), message::decode(message)))
}

/// Typed data of EIP-712.
///
/// # Errors
/// [`Failure::NotFound`] if no wallet has the address; [`Failure::TransactionRefused`] if the typed data is for another chain than the
/// wallet's; [`Failure::InvalidParams`] if it names no chain and several wallets have the address.
pub fn typed_data(lookup: &Lookup<'_>, address: &Address, typed_data: &TypedDataRequest) -> Result<Content, Failure> {
    // An id that does not fit is no network's, and refused as another chain's.
    let chain_id = typed_data.chain_id().and_then(|id| u64::try_from(id).ok());
    let (wallet, network) = wallet_of(lookup, address, chain_id, "address")?;
    let mut decoded = eip712::decode(typed_data, &network, lookup.tokens, address)?;
    let recipients = lookup.find_own_wallets(&network, &mut decoded)?;
    Ok(Content { recipients, ..content(wallet, network, typed_data.digest(), decoded) })
}

fn content(wallet: Arc<CachedWallet>, network: Network, digest: Digest32, decoded: Decoded) -> Content {
    Content {
        decoded,
        recipients: Vec::new(),
        network,
        more_actions: Vec::new(),
        payloads: vec![ContentPayload { wallet, slot: 0, payload: SigningPayload::EcdsaDigest(digest) }],
        spends: Spends::Nothing,
        assemble: Box::new(move |signatures| answer(the_signature(&signatures)?)),
    }
}

/// 65 bytes as 0x-hex: r, s, and 27 plus the recovery id, which is what `ecrecover` takes.
fn answer(signature: SignatureBytes) -> Outcome {
    let (r_s, v) = match signature {
        SignatureBytes::Ecdsa { r_s, recovery_id: 0 } => (r_s, 27_u8),
        SignatureBytes::Ecdsa { r_s, recovery_id: 1 } => (r_s, 28),
        other => return Err(Failure::Internal(format!("a signature that Ethereum has no form for: {other:?}"))),
    };
    Answer::of(&format!("0x{}{v:02x}", hex::encode(r_s)))
}
