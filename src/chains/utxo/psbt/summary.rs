//! What a PSBT does, in the words of policy and people.
//!
//! A sighash other than ALL leaves outputs open. What its signature allows beyond the transaction as it stands is said too: all that
//! such an input is worth, less the one output that SINGLE fixes, may go anywhere.

use bitcoin::{Script, TxOut};
use serde_json::{Map, Value, json};

use super::coins::{Coin, sighash_word};
use super::fields::LOCKTIME_THRESHOLD;
use super::plan::Plan;
use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::networks::Network;
use crate::chains::utxo::address_of_script;

/// Most inputs, outputs and warnings that are listed one by one.
pub const MAX_LISTED: usize = 100;

/// Who gets an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputOwner {
    /// Nobody here, or nobody that could be found.
    Stranger,
    /// One of the wallets that pay: it is change.
    Payer { wallet_id: String },
    /// Another wallet here. `not_signing` is its state if that is not CREATED.
    Wallet { wallet_id: String, not_signing: Option<&'static str> },
}

/// Says what a plan does. `payers` has the wallet of each input, `owners` whoever gets each output.
pub fn summary(network: &Network, plan: &Plan, payers: &[String], owners: &[OutputOwner]) -> Decoded {
    let mut told = Told { network, warnings: Warnings::default(), effects: Vec::new(), unknown_parts: false };
    let outputs = &plan.unsigned().output;
    let mut sent: u64 = 0;
    let mut listed = Vec::new();
    for (index, (output, owner)) in outputs.iter().zip(owners).enumerate() {
        let address = address_of_script(network, output.script_pubkey.as_bytes()).map(|address| address.to_string());
        if index < MAX_LISTED {
            listed.push(output_in_words(index, output, address.as_deref(), owner));
        }
        if !matches!(owner, OutputOwner::Payer { .. }) {
            sent = sent.saturating_add(output.value.to_sat());
            told.payment(index, output, address, owner);
        }
        told.warn_of_dust(index, output);
    }
    let gathered = plan.inputs().iter().fold(0u64, |sum, input| sum.saturating_add(input.coin.amount));
    let all_outputs = outputs.iter().fold(0u64, |sum, output| sum.saturating_add(output.value.to_sat()));
    let fee = gathered.saturating_sub(all_outputs);
    let open = told.open(plan, outputs);
    told.fee(fee, sent, open, gathered, plan.virtual_size());
    told.warn_of_times(plan);

    let details = json!({
        "txid": plan.txid().map(|txid| txid.to_string()),
        "version": plan.unsigned().version.0,
        "lockTime": plan.unsigned().lock_time.to_consensus_u32(),
        "replaceable": plan.is_replaceable(),
        "virtualSize": plan.virtual_size(),
        "inputCount": plan.inputs().len(),
        "inputs": inputs_in_words(network, plan, payers),
        "outputCount": outputs.len(),
        "outputs": listed,
    });
    let most = |known: u64| known.saturating_add(open.unwrap_or(0)).min(gathered.max(known));
    Decoded {
        effects: told.effects,
        total_out: most(sent),
        fee: most(fee),
        fee_rate: Some(most(fee).div_ceil(plan.virtual_size().max(1))),
        unknown_parts: told.unknown_parts,
        warnings: told.warnings.into_sentences(),
        details,
    }
}

struct Told<'a> {
    network: &'a Network,
    warnings: Warnings,
    effects: Vec<Effect>,
    unknown_parts: bool,
}

impl Told<'_> {
    /// An output that is no change.
    fn payment(&mut self, index: usize, output: &TxOut, address: Option<String>, owner: &OutputOwner) {
        let is_data = output.script_pubkey.is_op_return();
        let kind = if is_data && output.value.to_sat() == 0 { EffectKind::Message } else { EffectKind::Transfer };
        if address.is_none() {
            self.unknown_parts = true;
            self.warnings.add(if is_data {
                format!("output {index} carries data, by which protocols such as Omni or Runes move tokens; it is not read here")
            } else {
                format!("output {index} pays to a script that no address says")
            });
        }
        if let OutputOwner::Wallet { wallet_id, not_signing: Some(status) } = owner {
            self.warnings.add(format!("output {index} pays to the wallet {wallet_id}, which is {status}"));
        }
        self.effects.push(Effect {
            recipient: address,
            amount: Some(output.value.to_sat()),
            to_own_wallet: matches!(owner, OutputOwner::Wallet { not_signing: None, .. }),
            ..Effect::new(kind)
        });
    }

    /// How much the signatures leave open to go elsewhere; `None` if they fix every output.
    fn open(&mut self, plan: &Plan, outputs: &[TxOut]) -> Option<u64> {
        let mut open: Option<u64> = None;
        for (index, input) in plan.inputs().iter().enumerate() {
            let coin = &input.coin;
            if coin.anyone_can_pay() {
                self.warnings.add(format!("input {index} is signed ANYONECANPAY: inputs may be added and taken away"));
            }
            if let Some(amount) = left_open(coin, outputs.get(index)) {
                open = Some(open.unwrap_or(0).saturating_add(amount));
                let word = sighash_word(coin.sighash);
                self.warnings.add(format!("input {index} is signed {word}: {amount} of it may go to anyone"));
            }
        }
        if let Some(amount) = open {
            self.unknown_parts = true;
            self.effects.push(Effect { amount: Some(amount), unknown_amount: true, ..Effect::new(EffectKind::Transfer) });
        }
        open
    }

    fn fee(&mut self, fee: u64, sent: u64, open: Option<u64>, gathered: u64, virtual_size: u64) {
        let most = fee.saturating_add(open.unwrap_or(0)).min(gathered);
        if most > 0 {
            self.effects.push(Effect { amount: Some(most), unknown_amount: open.is_some(), ..Effect::new(EffectKind::Fee) });
        }
        let rate = fee.div_ceil(virtual_size.max(1));
        if sent > 0 && fee > sent.div_ceil(10) {
            self.warnings.add(format!("the fee of {fee} is more than a tenth of the {sent} that leave"));
        }
        if rate > absurd_rate(self.network) {
            self.warnings.add(format!("the fee is {rate} for each virtual byte, far more than any block needs"));
        }
    }

    fn warn_of_dust(&mut self, index: usize, output: &TxOut) {
        let least = least_relayed(self.network, &output.script_pubkey);
        if output.value.to_sat() < least {
            self.warnings.add(format!("output {index} is worth {}, and nodes relay none below {least}", output.value.to_sat()));
        }
    }

    fn warn_of_times(&mut self, plan: &Plan) {
        let lock_time = plan.unsigned().lock_time.to_consensus_u32();
        if plan.has_lock_time() {
            self.warnings.add(if lock_time < LOCKTIME_THRESHOLD {
                format!("it can't be in a block before height {lock_time}")
            } else {
                format!("it can't be in a block before the Unix time {lock_time}")
            });
        }
        let waits = |sequence: bitcoin::Sequence| sequence.is_relative_lock_time() && sequence.0 & 0xffff != 0;
        if plan.unsigned().version.0 >= 2
            && let Some(index) = plan.unsigned().input.iter().position(|input| waits(input.sequence))
        {
            self.warnings.add(format!("input {index} has a relative lock time (BIP-68): its coin must have aged"));
        }
    }
}

/// What of an input the holder of its signature could send elsewhere; `None` if the signature fixes every output.
fn left_open(coin: &Coin, output: Option<&TxOut>) -> Option<u64> {
    if coin.sighash_is_none() {
        Some(coin.amount)
    } else if coin.sighash_is_single() {
        Some(coin.amount.saturating_sub(output.map_or(0, |output| output.value.to_sat())))
    } else {
        None
    }
}

fn output_in_words(index: usize, output: &TxOut, address: Option<&str>, owner: &OutputOwner) -> Value {
    let mut words = Map::new();
    words.insert("output".to_owned(), json!(index));
    match address {
        Some(address) => words.insert("address".to_owned(), json!(address)),
        None => words.insert("script".to_owned(), json!(in_short(&output.script_pubkey))),
    };
    words.insert("amount".to_owned(), json!(output.value.to_sat()));
    words.insert("change".to_owned(), json!(matches!(owner, OutputOwner::Payer { .. })));
    // Another wallet's id is not for everyone who may sign here.
    if let OutputOwner::Payer { wallet_id } = owner {
        words.insert("walletId".to_owned(), json!(wallet_id));
    }
    Value::Object(words)
}

fn inputs_in_words(network: &Network, plan: &Plan, payers: &[String]) -> Vec<Value> {
    plan.inputs()
        .iter()
        .zip(payers)
        .take(MAX_LISTED)
        .enumerate()
        .map(|(index, (input, wallet_id))| {
            let coin = &input.coin;
            json!({
                "input": index,
                "outpoint": coin.outpoint.to_string(),
                "amount": coin.amount,
                "address": address_of_script(network, coin.script_pubkey.as_bytes()).map(|address| address.to_string()),
                "walletId": wallet_id,
                "sighashType": sighash_word(coin.sighash),
            })
        })
        .collect()
}

/// A script in hex, as far as it can be shown.
fn in_short(script: &Script) -> String {
    const SHOWN: usize = 128;
    let bytes = script.as_bytes();
    let dots = if bytes.len() > SHOWN { "..." } else { "" };
    format!("{}{dots}", hex::encode(bytes.get(..SHOWN).unwrap_or(bytes)))
}

/// A fee for each virtual byte that must be a mistake. Dogecoin's usual one is a thousand times Bitcoin's.
fn absurd_rate(network: &Network) -> u64 {
    if network.asset() == "DOGE" { 1_000_000 } else { 1_000 }
}

/// The least that nodes relay: Bitcoin Core's and Litecoin Core's dust at 3 for each byte of spending it, Dogecoin Core 1.14's soft
/// limit of 0.01.
fn least_relayed(network: &Network, script: &Script) -> u64 {
    match network.asset() {
        _ if script.is_op_return() => 0,
        "DOGE" => 1_000_000,
        _ => script.minimal_non_dust().to_sat(),
    }
}

/// Sentences, so many that someone reads them.
#[derive(Default)]
struct Warnings {
    sentences: Vec<String>,
    left_out: usize,
}

impl Warnings {
    fn add(&mut self, sentence: String) {
        if self.sentences.len() < MAX_LISTED {
            self.sentences.push(sentence);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    fn into_sentences(mut self) -> Vec<String> {
        if self.left_out > 0 {
            self.sentences.push(format!("and {} warnings more", self.left_out));
        }
        self.sentences
    }
}
