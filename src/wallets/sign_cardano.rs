//! What ada_signTransaction has signed, and what it answers.

use super::content::{Content, ContentPayload, Lookup, Spends};
use super::public_key;
use crate::chains::cardano::transaction::{CardanoTransactionRequest, Input, ResolvedInput, Signer};
use crate::chains::effects::EffectKind;
use crate::guards::{ContentHash, Guard};
use crate::keys::{Ed25519Message, SignatureBytes, SigningPayload};
use crate::outcome::{Answer, Failure};
use crate::policy::Action;
use crate::rpc::Selector;

/// Decodes a transaction. One wallet signs in a call; the answer's transaction can be given to the next one, for which it is the same
/// content. What is guarded are the inputs: collateral is spent only if they are not.
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
    let (wallet, network) = lookup.wallet_of(selector, "ADA")?;
    let not_ed25519 = || Failure::Internal(format!("wallet {} is not Ed25519", wallet.wallet_id));
    let key = *public_key(&wallet)?.ed25519().ok_or_else(not_ed25519)?;
    let signer = Signer::new(&key, wallet.address.as_deref());
    let mut decoded = transaction.decode(&network, &signer, resolved_inputs, lookup.tokens)?;
    let recipients = lookup.find_own_wallets(&network, &mut decoded)?;

    let message = Ed25519Message::new(transaction.tx_id().to_vec());
    let payload = SigningPayload::Ed25519Message(message.ok_or_else(|| Failure::Internal("an empty hash".to_owned()))?);
    let guard = |input: &Input| Guard::outpoint_of_wallet(wallet.wallet_id, &input.tx_id, input.index.into());
    let (transaction, hashed) = (transaction.clone(), payload.clone());
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
            let [signature] = signatures.as_slice() else {
                return Err(Failure::Internal(format!("{} signatures of one payload", signatures.len())));
            };
            let SignatureBytes::Ed25519(bytes) = signature.bytes() else {
                return Err(Failure::Internal("an ECDSA signature of a transaction of Cardano".to_owned()));
            };
            if *signature.payload() != hashed {
                return Err(Failure::Internal("the signature is over another transaction".to_owned()));
            }
            Answer::of(&transaction.signed(&key, &bytes).map_err(Failure::Internal)?)
        }),
    })
}
