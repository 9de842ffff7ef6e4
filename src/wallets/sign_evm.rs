//! What eth_signTransaction and evm_signAuthorization have signed, and what they answer.

use std::sync::Arc;

use super::content::{Content, ContentPayload, Lookup, Spends, the_signature};
use super::unknown;
use crate::chains::Address;
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::evm::authorization::AuthorizationRequest;
use crate::chains::evm::transaction::{SigningError, TransactionRequest};
use crate::chains::networks::Network;
use crate::guards::{ContentHash, Guard};
use crate::keys::SigningPayload;
use crate::outcome::{Answer, Failure};
use crate::policy::Action;
use crate::rpc::Selector;
use crate::store::CachedWallet;

/// Decodes a transaction.
///
/// # Errors
/// [`Failure::NotFound`] with `from` if no wallet has the address; [`Failure::TransactionRefused`] for another chain than the
/// wallet's; [`Failure::InvalidParams`] if several wallets have the address and no chain id is given.
pub fn transaction(lookup: &Lookup<'_>, request: &TransactionRequest) -> Result<Content, Failure> {
    let (wallet, network) = wallet_of(lookup, &request.from, request.chain_id, "from")?;
    let transaction = request.on_network(&network)?;
    let mut decoded = transaction.decode(lookup.tokens);
    let recipients = lookup.find_own_wallets(&network, &mut decoded)?;
    let digest = transaction.signing_hash();
    Ok(Content {
        decoded,
        recipients,
        more_actions: if transaction.delegates() { vec![Action::Delegate] } else { Vec::new() },
        spends: Spends::Once {
            content: ContentHash::of_wallet(wallet.wallet_id, &transaction.signing_preimage()),
            guards: vec![Guard::evm_nonce(wallet.wallet_id, transaction.chain_id(), transaction.nonce())],
        },
        payloads: vec![ContentPayload { wallet, slot: 0, payload: SigningPayload::EcdsaDigest(digest) }],
        network,
        assemble: Box::new(move |signatures| {
            let signature = the_signature(&signatures)?;
            Answer::of(&transaction.signed(&signature).map_err(internal)?)
        }),
    })
}

/// Decodes an EIP-7702 authorization.
///
/// # Errors
/// As [`transaction`], with `address`; chain id 0 is refused like another chain's.
pub fn authorization(lookup: &Lookup<'_>, request: &AuthorizationRequest) -> Result<Content, Failure> {
    let (wallet, network) = wallet_of(lookup, &request.address, Some(request.chain_id), "address")?;
    let authorization = request.on_network(&network)?;
    let digest = authorization.signing_hash();
    Ok(Content {
        decoded: authorization.decode(),
        recipients: Vec::new(),
        // `delegate` is the method's own action.
        more_actions: Vec::new(),
        spends: Spends::Once {
            content: ContentHash::of_wallet(wallet.wallet_id, &authorization.signing_preimage()),
            guards: vec![Guard::evm_nonce(wallet.wallet_id, request.chain_id, authorization.nonce())],
        },
        payloads: vec![ContentPayload { wallet, slot: 0, payload: SigningPayload::EcdsaDigest(digest) }],
        network,
        assemble: Box::new(move |signatures| {
            let signature = the_signature(&signatures)?;
            Answer::of(&authorization.signed(&signature).map_err(internal)?)
        }),
    })
}

/// The wallet of this address on the chain that is asked for. If there is none, the one that the address has, whatever its
/// chain: the mismatch is then refused by its name.
pub(super) fn wallet_of(
    lookup: &Lookup<'_>,
    address: &Address,
    chain_id: Option<u64>,
    field: &'static str,
) -> Result<(Arc<CachedWallet>, Network), Failure> {
    let select = |network: Option<&Network>| {
        lookup.wallet(&Selector::Address {
            address: address.as_str().to_owned(),
            asset: network.map(|network| network.asset().to_owned()),
            network: network.cloned(),
        })
    };
    let asked = chain_id.and_then(|id| lookup.networks.iter().find(|network| network.chain_id() == Some(id)));
    let on_chain = asked.map(|network| select(Some(network)));
    let found = match on_chain {
        Some(found) if !matches!(found, Err(Failure::NotFound { .. })) => found,
        _ => select(None),
    };
    found.map_err(|failure| match (failure, chain_id) {
        (Failure::NotFound { .. }, _) => unknown(field),
        (Failure::InvalidParams { .. }, Some(id)) => DecodeError::refused(
            Rule::ChainId,
            format!("it is for chain id {id}, and no wallet of this address is on that chain"),
        )
        .into(),
        (Failure::InvalidParams { .. }, None) => {
            Failure::invalid(field, "belongs to wallets on several networks; give the chainId of the one that is meant")
        }
        (other, _) => other,
    })
}

fn internal(error: SigningError) -> Failure {
    Failure::Internal(error.to_string())
}
