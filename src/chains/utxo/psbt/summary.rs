//! What a PSBT does, in the words of policy and people.
//!
//! Change is what returns to a wallet of what it pays itself. What it gets beyond that is other wallets' money, which a transfer
//! moves.
//!
//! What a signature with a sighash other than ALL allows beyond the transaction as it stands is said too:
//!
//! * NONE and SINGLE leave outputs open: all that such an input is worth, less the one output that SINGLE fixes, may go anywhere;
//! * ANYONECANPAY leaves the other inputs open: of several transactions with the same outputs whoever has them can make one, which
//!   pays these outputs once, and the rest is fee. So all that such an input is worth may become fee.

use std::collections::HashMap;

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
    /// One of the wallets that pay: it is change as far as that wallet pays it itself.
    Payer { wallet_id: String },
    /// Another wallet here.
    Wallet { signs: bool },
}

/// Says what a plan does. `payers` has the wallet of each input, `owners` whoever gets each output.
pub fn summary(network: &Network, plan: &Plan, payers: &[String], owners: &[OutputOwner]) -> Decoded {
    let mut told = Told { network, warnings: Warnings::default(), effects: Vec::new(), unknown_parts: false };
    let outputs = &plan.unsigned().output;
    told.warn_of_claims(plan);
    let mut sent: u64 = 0;
    let mut listed = Vec::new();
    let mut allowances = allowances(plan, payers);
    for (index, (output, owner)) in outputs.iter().zip(owners).enumerate() {
        let change = change(output, owner, &mut allowances);
        let leaves = output.value.to_sat().saturating_sub(change.unwrap_or(0));
        let address = address_of_script(network, output.script_pubkey.as_bytes()).map(|address| address.to_string());
        if index < MAX_LISTED {
            listed.push(output_in_words(index, output, address.as_deref(), owner, change));
        }
        if change.is_none() || leaves > 0 {
            sent = sent.saturating_add(leaves);
            told.payment(index, output, leaves, address, owner);
        }
        told.warn_of_dust(index, output);
    }
    let gathered = plan.inputs().iter().fold(0u64, |sum, input| sum.saturating_add(input.coin.amount));
    let all_outputs = outputs.iter().fold(0u64, |sum, output| sum.saturating_add(output.value.to_sat()));
    let fee = gathered.saturating_sub(all_outputs);
    let open = told.open(plan, outputs);
    let most = |known: u64, open: Option<u64>| known.saturating_add(open.unwrap_or(0)).min(gathered.max(known));
    let most_fee = most(fee, open.to_fee);
    told.fee(most_fee, open.to_fee.is_some() || claimed(plan) > 1);
    told.warn_of_fee(fee, sent, plan.virtual_size());
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
    Decoded {
        effects: told.effects,
        total_out: most(sent, open.elsewhere),
        fee: most_fee,
        fee_rate: Some(most_fee.div_ceil(plan.virtual_size().max(1))),
        unknown_parts: told.unknown_parts,
        warnings: told.warnings.into_sentences(),
        details,
    }
}

/// What each wallet may get back before it gets what others pay: its inputs' sum. It is nothing once another wallet signs
/// ANYONECANPAY: such inputs, also of other transactions with the same outputs, can take the place of its own.
fn allowances<'a>(plan: &Plan, payers: &'a [String]) -> HashMap<&'a str, u64> {
    let mut allowances: HashMap<&str, u64> = HashMap::new();
    let mut replacing: Vec<&str> = Vec::new();
    for (input, payer) in plan.inputs().iter().zip(payers) {
        let allowance = allowances.entry(payer).or_default();
        *allowance = allowance.saturating_add(input.coin.amount);
        // Two tell of any number.
        if input.coin.anyone_can_pay() && replacing.len() < 2 && !replacing.contains(&payer.as_str()) {
            replacing.push(payer);
        }
    }
    allowances.retain(|wallet, _| replacing.iter().all(|other| other == wallet));
    allowances
}

/// How much of an output is change, which is taken from its wallet's allowance; `None` if it is no paying wallet's.
fn change(output: &TxOut, owner: &OutputOwner, allowances: &mut HashMap<&str, u64>) -> Option<u64> {
    let OutputOwner::Payer { wallet_id } = owner else { return None };
    let Some(allowance) = allowances.get_mut(wallet_id.as_str()) else { return Some(0) };
    let change = output.value.to_sat().min(*allowance);
    *allowance = allowance.saturating_sub(change);
    Some(change)
}

/// How many inputs' amounts are only claimed.
fn claimed(plan: &Plan) -> usize {
    plan.inputs().iter().filter(|input| !input.coin.amount_is_proven).count()
}

/// What signatures allow beyond the transaction as it stands; `None` where they fix it.
#[derive(Clone, Copy)]
struct Open {
    /// What may go to anyone.
    elsewhere: Option<u64>,
    /// What may become fee.
    to_fee: Option<u64>,
}

struct Told<'a> {
    network: &'a Network,
    warnings: Warnings,
    effects: Vec<Effect>,
    unknown_parts: bool,
}

impl Told<'_> {
    /// What of an output is no change.
    fn payment(&mut self, index: usize, output: &TxOut, amount: u64, address: Option<String>, owner: &OutputOwner) {
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
        self.effects.push(Effect {
            recipient: address,
            amount: Some(amount),
            to_own_wallet: matches!(owner, OutputOwner::Payer { .. } | OutputOwner::Wallet { signs: true }),
            ..Effect::new(kind)
        });
    }

    /// How much the signatures leave open.
    fn open(&mut self, plan: &Plan, outputs: &[TxOut]) -> Open {
        let mut open = Open { elsewhere: None, to_fee: None };
        let add = |sum: &mut Option<u64>, amount: u64| *sum = Some(sum.unwrap_or(0).saturating_add(amount));
        for (index, input) in plan.inputs().iter().enumerate() {
            let coin = &input.coin;
            let elsewhere = left_open(coin, outputs.get(index));
            if coin.anyone_can_pay() {
                add(&mut open.to_fee, coin.amount);
                let amount = coin.amount;
                self.warnings.add(format!(
                    "input {index} is signed ANYONECANPAY: inputs may be added and taken away, and all its {amount} may become fee"
                ));
            } else if let Some(amount) = elsewhere {
                add(&mut open.to_fee, amount);
            }
            if let Some(amount) = elsewhere {
                add(&mut open.elsewhere, amount);
                let word = sighash_word(coin.sighash);
                self.warnings.add(format!("input {index} is signed {word}: {amount} of it may go to anyone"));
            }
        }
        if let Some(amount) = open.elsewhere {
            self.effects.push(Effect { amount: Some(amount), unknown_amount: true, ..Effect::new(EffectKind::Transfer) });
        }
        // Whatever may go elsewhere may become fee too.
        self.unknown_parts |= open.to_fee.is_some();
        open
    }

    fn fee(&mut self, most: u64, unknown_amount: bool) {
        if most > 0 || unknown_amount {
            self.effects.push(Effect { amount: Some(most), unknown_amount, ..Effect::new(EffectKind::Fee) });
        }
    }

    /// BIP-143 has each signature commit to its own input's amount alone. With two claims each of two calls can tell the truth of one
    /// and a lie of the other, and the two signatures that hold are put together.
    fn warn_of_claims(&mut self, plan: &Plan) {
        match claimed(plan) {
            0 => {}
            1 => {
                self.warnings.add("the amount of 1 input is only claimed, not proven by the transaction that made it".to_owned());
            }
            claimed => {
                self.unknown_parts = true;
                self.warnings.add(format!(
                    "the amounts of {claimed} inputs are only claimed, not proven by the transactions that made them: \
                     the fee may be another"
                ));
            }
        }
    }

    fn warn_of_fee(&mut self, fee: u64, sent: u64, virtual_size: u64) {
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
        // Consensus compares it without a sign.
        if plan.unsigned().version.0.cast_unsigned() >= 2
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

fn output_in_words(index: usize, output: &TxOut, address: Option<&str>, owner: &OutputOwner, change: Option<u64>) -> Value {
    let mut words = Map::new();
    words.insert("output".to_owned(), json!(index));
    match address {
        Some(address) => words.insert("address".to_owned(), json!(address)),
        None => words.insert("script".to_owned(), json!(in_short(&output.script_pubkey))),
    };
    let amount = output.value.to_sat();
    words.insert("amount".to_owned(), json!(amount));
    words.insert("change".to_owned(), json!(change == Some(amount)));
    // Where only a part of it is.
    if let Some(change) = change.filter(|change| *change > 0 && *change < amount) {
        words.insert("changeAmount".to_owned(), json!(change));
    }
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
