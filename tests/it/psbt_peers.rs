//! What other implementations built and finalized and this daemon signed, judged by Bitcoin Core's script verifier, where
//! `tests/conformance/psbt/run.sh` has run. Litecoin and Dogecoin have the same scripts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bitcoinconsensus::{VERIFY_ALL_PRE_TAPROOT, verify_with_flags};
use serde::Deserialize;

/// A transaction, and what its inputs spend, in their order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Signed {
    case: String,
    asset: String,
    tx_hex: String,
    prevouts: Vec<Prevout>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Prevout {
    script_hex: String,
    /// In minor units.
    amount: u64,
}

fn kind(script: &[u8]) -> &'static str {
    match script {
        [0x76, 0xa9, 0x14, .., 0x88, 0xac] => "p2pkh",
        [0xa9, 0x14, .., 0x87] => "p2sh-p2wpkh",
        [0x00, 0x14, ..] => "p2wpkh",
        _ => panic!("no wallet has a script like {}", hex::encode(script)),
    }
}

/// Inputs that each run checks, of the fixed part of the list alone.
const AT_LEAST: [(&str, &str, u32); 7] = [
    ("BTC", "p2pkh", 100),
    ("BTC", "p2sh-p2wpkh", 100),
    ("BTC", "p2wpkh", 100),
    ("DOGE", "p2pkh", 50),
    ("LTC", "p2pkh", 50),
    ("LTC", "p2sh-p2wpkh", 50),
    ("LTC", "p2wpkh", 50),
];

#[test]
fn sign_psbt_of_other_implementations_satisfies_bitcoin_cores_verifier() {
    let Some(file) = std::env::var_os("KMSIGND_TEST_PSBT_PEERS").map(PathBuf::from) else {
        return crate::skipped("PSBTs of other implementations", "KMSIGND_TEST_PSBT_PEERS is not set");
    };
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let rows: Vec<Signed> = serde_json::from_str(&text).unwrap();
    let mut inputs: BTreeMap<(String, &str), u32> = BTreeMap::new();
    for Signed { case, asset, tx_hex, prevouts } in &rows {
        let transaction = hex::decode(tx_hex).unwrap();
        for (index, Prevout { script_hex, amount }) in prevouts.iter().enumerate() {
            let script = hex::decode(script_hex).unwrap();
            let kind = kind(&script);
            let judge =
                |script: &[u8], amount| verify_with_flags(script, amount, &transaction, None, index, VERIFY_ALL_PRE_TAPROOT);
            assert_eq!(judge(&script, *amount), Ok(()), "{case}: input {index}: {tx_hex}");
            // It is not asked in vain: another key's script, or another amount where the signature covers it, is refused.
            let mut other = script.clone();
            other[5] ^= 1;
            assert!(judge(&other, *amount).is_err(), "{case}: input {index} satisfies another script");
            if kind != "p2pkh" {
                assert!(judge(&script, amount + 1).is_err(), "{case}: input {index} spends any amount");
            }
            *inputs.entry((asset.clone(), kind)).or_default() += 1;
        }
    }
    println!("{} transactions of other implementations; inputs: {inputs:?}", rows.len());
    for (asset, kind, at_least) in AT_LEAST {
        let count = inputs.get(&(asset.to_owned(), kind)).copied().unwrap_or_default();
        assert!(count >= at_least, "{count} inputs of {asset} {kind}");
    }
}
