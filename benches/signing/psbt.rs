//! A PSBT of many inputs with a KMS that takes its time: one call with all of them, against one call an input, one after the
//! other, and in round trips of the bare KMS.

use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::transaction::Version;
use bitcoin::{Address, Amount, OutPoint, Psbt, ScriptBuf, Transaction, TxIn, TxOut, Txid, WPubkeyHash};
use serde_json::{Value, json};

use crate::load::{self, Stats};
use crate::processes::{Daemon, Emulator, call};
use crate::report::{ms, ratio, row};

/// Wallets that the inputs belong to, in turn.
const WALLETS: usize = 10;
const SATOSHI: u64 = 100_000;
const LATENCY_MILLIS: u64 = 10;

pub async fn measure(emulator: &Emulator, daemon: &Daemon, rounds: usize) -> anyhow::Result<()> {
    let wallets = (0..WALLETS)
        .map(|_| call(&daemon.socket, "wallet_create", &json!({ "userId": "bench", "asset": "BTC" })))
        .collect::<Result<Vec<_>, _>>()?;
    let key = wallets.first().and_then(|wallet| wallet["kmsKeyId"].as_str()).context("no wallet")?;
    emulator.set_latency(LATENCY_MILLIS)?;
    let round = std::time::Duration::from_secs(1);
    let trip = load::bare_sign(&emulator.client().await, key, 1, round).await?.quantile(0.5);
    println!(
        "\nutxo_signPsbt with a KMS of {LATENCY_MILLIS} ms (bare Sign, one at a time: p50 {} ms), {WALLETS} wallets, ms",
        ms(trip)
    );
    println!("inputs  decode+policy  whole call  in round trips  one by one  one by one/whole");
    for inputs in [1, 10, 50, 200] {
        let (mut judged, mut whole, mut apart) = (Stats::default(), Stats::default(), Stats::default());
        for number in 0..rounds {
            let coins = |of: usize| psbt(&wallets, inputs, (number * 2 + of) as u64);
            let together = json!({ "asset": "BTC", "psbt": coins(0)? });
            judged.add(timed(&daemon.socket, "policy_explain", &json!({ "method": "utxo_signPsbt", "params": together }))?);
            whole.add(timed(&daemon.socket, "utxo_signPsbt", &together)?);
            apart.add(one_by_one(&daemon.socket, &wallets, inputs, (number * 2 + 1) as u64)?);
        }
        println!(
            "{}",
            row(&[
                (6, inputs.to_string()),
                (15, ms(judged.quantile(0.5))),
                (12, ms(whole.quantile(0.5))),
                (16, ratio(whole.quantile(0.5), trip)),
                (12, ms(apart.quantile(0.5))),
                (18, ratio(apart.quantile(0.5), whole.quantile(0.5))),
            ])
        );
    }
    emulator.set_latency(0)
}

fn timed(socket: &Path, method: &str, params: &Value) -> anyhow::Result<Stats> {
    let began = Instant::now();
    call(socket, method, params)?;
    Ok(Stats::one(began.elapsed().as_secs_f64()))
}

/// As many PSBTs of one input each.
fn one_by_one(socket: &Path, wallets: &[Value], inputs: usize, salt: u64) -> anyhow::Result<Stats> {
    let mut seconds = 0.0;
    for number in 0..inputs {
        let psbt = psbt(&wallets[number % wallets.len()..][..1], 1, (salt << 32) + number as u64)?;
        let began = Instant::now();
        call(socket, "utxo_signPsbt", &json!({ "asset": "BTC", "psbt": psbt }))?;
        seconds += began.elapsed().as_secs_f64();
    }
    Ok(Stats::one(seconds))
}

/// Inputs of the wallets in turn, each with a funding transaction of its own; `salt` makes other coins.
fn psbt(wallets: &[Value], inputs: usize, salt: u64) -> anyhow::Result<String> {
    let mut funding = Vec::new();
    for number in 0..inputs {
        let address = wallets[number % wallets.len()]["address"].as_str().context("no address")?;
        let script_pubkey = Address::from_str(address)?.assume_checked().script_pubkey();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&salt.to_le_bytes());
        seed[8..16].copy_from_slice(&(number as u64).to_le_bytes());
        let made_up = OutPoint { txid: Txid::from_byte_array(seed), vout: inputs as u32 };
        funding.push(transaction(vec![made_up], vec![TxOut { value: Amount::from_sat(SATOSHI), script_pubkey }]));
    }
    let coins = funding.iter().map(|funding| OutPoint { txid: funding.compute_txid(), vout: 0 }).collect();
    let payee = ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([9; 20]));
    let value = Amount::from_sat((SATOSHI - 1_000) * inputs as u64);
    let mut psbt = Psbt::from_unsigned_tx(transaction(coins, vec![TxOut { value, script_pubkey: payee }]))?;
    for (input, funding) in psbt.inputs.iter_mut().zip(funding) {
        input.non_witness_utxo = Some(funding);
    }
    Ok(BASE64.encode(psbt.serialize()))
}

fn transaction(coins: Vec<OutPoint>, output: Vec<TxOut>) -> Transaction {
    let input = coins.into_iter().map(|previous_output| TxIn { previous_output, ..TxIn::default() }).collect();
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output }
}
