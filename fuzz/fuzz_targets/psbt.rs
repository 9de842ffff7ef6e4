//! A PSBT: read, its coins proven, planned, described, and written in its canonical form.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use kmsignd::chains::networks::{Network, NetworkDefaults, Networks};
use kmsignd::chains::utxo::psbt::{OutputOwner, coins, finish, parse, plan, summary};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static NETWORKS: LazyLock<Vec<Network>> = LazyLock::new(|| {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let names = [("BTC", "mainnet"), ("LTC", "mainnet"), ("DOGE", "mainnet"), ("BTC", "regtest")];
    names.map(|(asset, network)| networks.resolve(asset, Some(network)).unwrap()).into()
});

/// The key of the seeds' inputs: the generator, whose secret everybody knows.
static KEY: LazyLock<SecretKey> = LazyLock::new(|| {
    let mut one = [0; 32];
    one[31] = 1;
    SecretKey::from_slice(&one).unwrap()
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = parse(&STANDARD.encode(bytes)) else { return };
    let Value::String(canonical) = serde_json::to_value(&read).unwrap() else { panic!("no text") };
    let again = parse(&canonical).unwrap();
    assert_eq!(again, read);
    assert_eq!(serde_json::to_value(&again).unwrap(), Value::String(canonical));

    let secp = Secp256k1::new();
    let key = KEY.public_key(&secp);
    for network in &*NETWORKS {
        for witness_utxo_only in [false, true] {
            let Ok(coins) = coins(&read, network, witness_utxo_only) else { continue };
            let count = coins.len();
            let Ok(planned) = plan(&read, coins, &vec![key; count]) else { continue };
            let owners = vec![OutputOwner::Stranger; planned.unsigned().output.len()];
            let decoded = summary(network, &planned, &vec![String::new(); count], &owners);
            assert!(!decoded.effects.is_empty(), "it does something");
            let sign = |digest| secp.sign_ecdsa(&Message::from_digest(digest), &KEY).serialize_compact();
            let signatures: Vec<_> = planned.inputs().iter().map(|input| sign(input.digest)).collect();
            for finalize in [false, true] {
                // Signatures over what was planned are signatures of what comes out, and what comes out can be read.
                let signed = finish(read.clone(), &planned, &signatures, finalize).unwrap();
                parse(&signed.psbt).unwrap();
            }
        }
    }
});
