//! A transaction of the XRP Ledger as xrp_signTransaction takes it: read, decoded, signed, and read back from its answer.

#![no_main]

use std::sync::LazyLock;

use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, SecretKey};
use kmsignd::chains::networks::{Network, NetworkDefaults, Networks};
use kmsignd::chains::xrp::transaction::{XrpTransactionRequest, parse};
use kmsignd::keys::SignatureBytes;
use kmsignd::strict_json;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static NETWORKS: LazyLock<Vec<Network>> = LazyLock::new(|| {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    ["mainnet", "testnet"].map(|name| networks.resolve("XRP", Some(name)).unwrap()).into()
});

/// The keys of the seeds' account and of one of its signers: one and two, whose secrets everybody knows.
static KEYS: LazyLock<[(SecretKey, PublicKey); 2]> = LazyLock::new(|| {
    [1, 2].map(|number| {
        let mut secret = [0; 32];
        secret[31] = number;
        let secret = SecretKey::from_slice(&secret).unwrap();
        (secret, secret.public_key(&Secp256k1::new()))
    })
});

/// By it two requests are one content.
fn content(request: &XrpTransactionRequest) -> Value {
    serde_json::to_value(request).unwrap()
}

fuzz_target!(|text: &str| {
    if strict_json::check(text, 64).is_err() {
        return;
    }
    let Ok(json) = serde_json::from_str(text) else { return };
    let Ok(request) = parse(&json) else { return };
    assert_eq!(parse(&json).unwrap(), request);
    let secp = Secp256k1::new();
    for network in &*NETWORKS {
        for (secret, key) in &*KEYS {
            for multi_sign in [false, true] {
                let Ok(transaction) = request.for_signer(network, key, multi_sign) else { continue };
                let decoded = transaction.decode();
                assert!(!decoded.effects.is_empty(), "it does something");
                assert!(decoded.effects.iter().all(|effect| effect.amount.is_none() || !effect.unknown_amount));
                assert!(decoded.fee > 0);
                let message = Message::from_digest(*transaction.signing_hash().as_bytes());
                let r_s = secp.sign_ecdsa(&message, secret).serialize_compact();
                let signed = transaction.signed(&SignatureBytes::Ecdsa { r_s, recovery_id: 0 }).unwrap();
                assert!(signed.tx_blob.len() < 2 * 16_384);
                // What is answered is what was asked for.
                let mut answered = signed.transaction;
                answered.remove("TxnSignature");
                let again = parse(&Value::Object(answered)).unwrap();
                assert_eq!(content(&again)["unsigned"], content(&request)["unsigned"]);
                if !multi_sign {
                    assert_eq!(again.for_signer(network, key, false).unwrap(), transaction);
                }
            }
        }
    }
});
