//! What ada_signTransaction has signed, and what it answers.

use super::content::{Content, ContentPayload, Lookup, Spends, ed25519_payload, the_ed25519_signature};
use crate::chains::cardano::transaction::{CardanoTransactionRequest, Input, ResolvedInput, Signer};
use crate::chains::effects::EffectKind;
use crate::guards::{ContentHash, Guard};
use crate::outcome::{Answer, Failure};
use crate::policy::Action;
use crate::rpc::Selector;

/// Decodes a transaction. One wallet signs in a call; the answer's transaction can be given to the next one. What is guarded are the
/// inputs: collateral is spent only if they are not.
///
/// # Errors
/// As [`Lookup::wallet_of`]; [`Failure::TransactionRefused`] and [`Failure::InvalidParams`] as
/// [`CardanoTransactionRequest::decode`]; [`Failure::KeyNotUsable`] for a wallet that has no key yet.
pub fn transaction(
    lookup: &Lookup<'_>,
    selector: &Selector,
    transaction: &CardanoTransactionRequest,
    resolved_inputs: Option<&[ResolvedInput]>,
) -> Result<Content, Failure> {
    let (wallet, network, key) = lookup.ed25519_wallet_of(selector, "ADA")?;
    let signer = Signer::new(&key, wallet.address.as_deref());
    let mut decoded = transaction.decode(&network, &signer, resolved_inputs, lookup.tokens)?;
    let recipients = lookup.find_own_wallets(&network, &mut decoded)?;

    let payload = ed25519_payload(transaction.tx_id().to_vec())?;
    let guard = |input: &Input| Guard::outpoint_of_wallet(wallet.wallet_id, &input.tx_id, input.index.into());
    let transaction = transaction.clone();
    Ok(Content {
        // Stake and votes are as much somebody else's after it as an account is after EIP-7702.
        more_actions: if decoded.effects.iter().any(|effect| effect.kind == EffectKind::Delegate) {
            vec![Action::Delegate]
        } else {
            Vec::new()
        },
        decoded,
        recipients,
        spends: Spends::Once {
            content: ContentHash::of_wallet(wallet.wallet_id, transaction.body_bytes()),
            guards: transaction.inputs().iter().map(guard).collect(),
        },
        payloads: vec![ContentPayload { wallet, slot: 0, payload }],
        network,
        assemble: Box::new(move |signatures| {
            let signature = the_ed25519_signature(&signatures)?;
            Answer::of(&transaction.signed(&key, &signature).map_err(Failure::Internal)?)
        }),
    })
}
