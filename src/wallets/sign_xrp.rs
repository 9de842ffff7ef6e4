//! What xrp_signTransaction has signed, and what it answers.

use super::content::{Content, ContentPayload, Lookup, Spends, the_signature};
use super::public_key;
use crate::chains::xrp::transaction::{Turn, XrpTransactionRequest};
use crate::guards::{ContentHash, Guard};
use crate::keys::SigningPayload;
use crate::outcome::{Answer, Failure};
use crate::rpc::Selector;

/// Decodes a transaction. Several wallets may sign one content where several sign; its sequence or ticket is the account's.
///
/// # Errors
/// As [`Lookup::wallet_of`]; [`Failure::KeyNotUsable`] for a wallet that has no key yet; [`Failure::TransactionRefused`] and
/// [`Failure::InvalidParams`] as [`XrpTransactionRequest::for_signer`].
pub fn transaction(
    lookup: &Lookup<'_>,
    selector: &Selector,
    request: &XrpTransactionRequest,
    multi_sign: bool,
) -> Result<Content, Failure> {
    let (wallet, network) = lookup.wallet_of(selector, "XRP")?;
    let key = public_key(&wallet)?;
    let key = key.secp256k1().ok_or_else(|| Failure::Internal(format!("wallet {} is not ECDSA", wallet.wallet_id)))?;
    let transaction = request.for_signer(&network, key, multi_sign)?;
    let mut decoded = transaction.decode();
    let recipients = lookup.find_own_wallets(&network, &mut decoded)?;
    // What an escrow holds may never come out of it.
    for effect in decoded.effects.iter_mut().filter(|effect| effect.program.is_some()) {
        effect.to_own_wallet = false;
    }
    let digest = transaction.signing_hash();
    let guard = match transaction.turn() {
        Turn::Sequence(sequence) => Guard::xrp_sequence(wallet.wallet_id, transaction.account(), sequence),
        Turn::Ticket(ticket) => Guard::xrp_ticket(wallet.wallet_id, transaction.account(), ticket),
    };
    Ok(Content {
        decoded,
        recipients,
        more_actions: Vec::new(),
        spends: Spends::Once {
            // Each signer of several by itself: none can hold up another, nor learn what it signed.
            content: ContentHash::of_wallet(wallet.wallet_id, &transaction.signing_preimage()),
            guards: vec![guard],
        },
        payloads: vec![ContentPayload { wallet, slot: 0, payload: SigningPayload::EcdsaDigest(digest) }],
        network,
        assemble: Box::new(move |signatures| {
            let signature = the_signature(&signatures)?;
            Answer::of(&transaction.signed(&signature).map_err(|error| Failure::Internal(error.to_string()))?)
        }),
    })
}
