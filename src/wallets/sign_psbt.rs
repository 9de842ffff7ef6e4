//! What utxo_signPsbt has signed, and what it answers.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::sighash::EcdsaSighashType;
use bitcoin::{Script, ScriptBuf};
use serde::Serialize;

use super::content::{Assemble, Content, ContentPayload, Lookup, OwnRecipient, Spends};
use super::public_key;
use crate::chains::decoded::Rule;
use crate::chains::networks::Network;
use crate::chains::utxo::address_of_script;
use crate::chains::utxo::psbt::{self, OutputOwner, Plan, PsbtRequest};
use crate::guards::{ContentHash, Guard};
use crate::ids::WalletId;
use crate::keys::{Digest32, SignatureBytes, SigningPayload};
use crate::outcome::{Answer, Failure};
use crate::policy::Action;
use crate::store::CachedWallet;
use crate::store::wallets::Wallet;

/// What a caller hears of an input that belongs to no wallet here, or to one that it may not know of: the same words for both.
pub fn foreign_input(input: u32) -> Failure {
    Failure::TransactionRefused { rule: Rule::ForeignInput, reason: format!("input {input} belongs to no wallet here") }
}

/// Decodes a PSBT. Every input must be of a wallet here: its coin's script says of which.
///
/// # Errors
/// [`Failure::TransactionRefused`] and [`Failure::InvalidParams`] name the input. [`Failure::KeyNotUsable`] for an input of a wallet
/// that has no key yet.
pub fn psbt(lookup: &Lookup<'_>, network: &Network, request: &PsbtRequest, finalize: bool) -> Result<Content, Failure> {
    let coins = psbt::coins(request, network, lookup.allow_witness_utxo_only)?;
    let mut owners = Owners { lookup, network, known: HashMap::new() };
    let mut wallets = Vec::with_capacity(coins.len());
    let mut keys = Vec::with_capacity(coins.len());
    for (index, coin) in coins.iter().enumerate() {
        let wallet = owners.of(&coin.script_pubkey)?.ok_or_else(|| foreign_input(slot(index)))?;
        let key = public_key(&wallet)?;
        keys.push(*key.secp256k1().ok_or_else(|| Failure::Internal(format!("wallet {} is not ECDSA", wallet.wallet_id)))?);
        wallets.push(wallet);
    }
    let plan = psbt::plan(request, coins, &keys)?;

    let payers: Vec<String> = wallets.iter().map(|wallet| wallet.wallet_id.to_string()).collect();
    let paying: HashSet<WalletId> = wallets.iter().map(|wallet| wallet.wallet_id).collect();
    let outputs = plan.unsigned().output.iter();
    let output_owners: Vec<OutputOwner> =
        outputs.map(|output| owners.of_output(&output.script_pubkey, &paying)).collect::<Result<_, Failure>>()?;
    let partial = plan.inputs().iter().any(|input| input.coin.sighash != EcdsaSighashType::All);
    Ok(Content {
        decoded: psbt::summary(network, &plan, &payers, &output_owners),
        recipients: owners.others(&paying),
        network: network.clone(),
        more_actions: if partial { vec![Action::SignPartial] } else { Vec::new() },
        payloads: payloads(&plan, &wallets),
        spends: spends(network, &plan),
        assemble: assemble(request.clone(), plan, wallets.iter().map(|wallet| wallet.wallet_id).collect(), finalize),
    })
}

/// What a caller who may not read every wallet is to hear of a PSBT that is refused: the number of the first input that belongs to
/// no wallet here or to one that `may_read` hides, so that [`foreign_input`] of it says the same for both. `None` if no input is of
/// a hidden wallet, or if the coins can't be read: then what is wrong has nothing to do with wallets, and may be told as it is.
///
/// # Errors
/// [`Failure::StoreUnavailable`] and [`Failure::Internal`], if wallets can't be looked up.
pub fn first_foreign(
    lookup: &Lookup<'_>,
    network: &Network,
    request: &PsbtRequest,
    may_read: &dyn Fn(&Wallet) -> bool,
) -> Result<Option<u32>, Failure> {
    let Ok(coins) = psbt::coins(request, network, lookup.allow_witness_utxo_only) else { return Ok(None) };
    let mut owners = Owners { lookup, network, known: HashMap::new() };
    let mut readable: HashMap<WalletId, bool> = HashMap::new();
    let (mut first, mut hides) = (None, false);
    for (index, coin) in coins.iter().enumerate() {
        let is_readable = match owners.of(&coin.script_pubkey)? {
            Some(wallet) => {
                let is_readable = *readable.entry(wallet.wallet_id).or_insert_with(|| may_read(&wallet));
                hides |= !is_readable;
                is_readable
            }
            None => false,
        };
        if !is_readable {
            first = first.or(Some(slot(index)));
        }
    }
    Ok(first.filter(|_| hides))
}

/// Who owns a script, looked up once.
struct Owners<'a> {
    lookup: &'a Lookup<'a>,
    network: &'a Network,
    known: HashMap<ScriptBuf, Option<Arc<CachedWallet>>>,
}

impl Owners<'_> {
    fn of(&mut self, script: &Script) -> Result<Option<Arc<CachedWallet>>, Failure> {
        match self.known.entry(script.to_owned()) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(unknown) => {
                let owner = match address_of_script(self.network, script.as_bytes()) {
                    Some(address) => self.lookup.owner(self.network, &address)?,
                    None => None,
                };
                Ok(unknown.insert(owner.map(|wallet| Arc::new(CachedWallet::new(wallet)))).clone())
            }
        }
    }

    /// Whoever was found and does not pay.
    fn others(&self, paying: &HashSet<WalletId>) -> Vec<OwnRecipient> {
        let found = self.known.iter().filter_map(|(script, wallet)| Some((script, wallet.as_ref()?)));
        let others = found.filter(|(_, wallet)| !paying.contains(&wallet.wallet_id));
        let named = others.filter_map(|(script, wallet)| {
            let address = address_of_script(self.network, script.as_bytes())?.to_string();
            Some(OwnRecipient { address, wallet: Arc::clone(wallet) })
        });
        named.collect()
    }

    fn of_output(&mut self, script: &Script, paying: &HashSet<WalletId>) -> Result<OutputOwner, Failure> {
        let Some(wallet) = self.of(script)? else { return Ok(OutputOwner::Stranger) };
        Ok(if paying.contains(&wallet.wallet_id) {
            OutputOwner::Payer { wallet_id: wallet.wallet_id.to_string() }
        } else {
            OutputOwner::Wallet { signs: wallet.status.can_sign() }
        })
    }
}

fn payloads(plan: &Plan, wallets: &[Arc<CachedWallet>]) -> Vec<ContentPayload> {
    let payload = |(index, (input, wallet)): (usize, (&psbt::PlannedInput, &Arc<CachedWallet>))| ContentPayload {
        wallet: Arc::clone(wallet),
        slot: slot(index),
        payload: SigningPayload::EcdsaDigest(Digest32::new(input.digest)),
    };
    plan.inputs().iter().zip(wallets).enumerate().map(payload).collect()
}

/// There are at most [`psbt::MAX_INPUTS`].
fn slot(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The coins that it spends, each once.
fn spends(network: &Network, plan: &Plan) -> Spends {
    let guard = |input: &psbt::PlannedInput| {
        let mut txid = input.coin.outpoint.txid.to_byte_array();
        // As people write it.
        txid.reverse();
        Guard::outpoint(network, &txid, input.coin.outpoint.vout)
    };
    Spends::Once {
        content: ContentHash::of_all_signers(network, &plan.content()),
        guards: plan.inputs().iter().map(guard).collect(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedPsbt {
    /// Base64, in the version that it came in.
    psbt: String,
    /// Every input has its signature.
    complete: bool,
    signed: Vec<SignedInput>,
    /// Hex, if it was finalized.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txid: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedInput {
    input: usize,
    wallet_id: WalletId,
    sighash_type: &'static str,
}

fn assemble(request: PsbtRequest, plan: Plan, wallets: Vec<WalletId>, finalize: bool) -> Assemble {
    Box::new(move |verified| {
        let signatures: Vec<[u8; 64]> = verified
            .iter()
            .map(|signature| match signature.bytes() {
                SignatureBytes::Ecdsa { r_s, .. } => Ok(r_s),
                SignatureBytes::Ed25519(_) => Err(Failure::Internal("an Ed25519 signature of a PSBT".to_owned())),
            })
            .collect::<Result<_, _>>()?;
        let signed = psbt::finish(request, &plan, &signatures, finalize).map_err(Failure::Internal)?;
        let (transaction, txid) = signed.transaction.map(|(hex, txid)| (hex, txid.to_string())).unzip();
        let inputs = wallets.iter().zip(plan.inputs()).enumerate();
        Answer::of(&SignedPsbt {
            psbt: signed.psbt,
            complete: true,
            signed: inputs
                .map(|(input, (wallet_id, planned))| SignedInput {
                    input,
                    wallet_id: *wallet_id,
                    sighash_type: psbt::sighash_word(planned.coin.sighash),
                })
                .collect(),
            transaction,
            txid,
        })
    })
}
