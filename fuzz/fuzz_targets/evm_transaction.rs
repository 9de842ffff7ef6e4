//! A transaction as eth_signTransaction takes it: read, decoded, encoded, and read back from its signed form.

#![no_main]

use std::sync::LazyLock;

use kmsignd::chains::evm::transaction::{SigningError, parse};
use kmsignd::chains::networks::{Network, NetworkDefaults, Networks};
use kmsignd::chains::tokens::{TokenRow, Tokens};
use kmsignd::keys::SignatureBytes;
use kmsignd::strict_json;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static CHAINS: LazyLock<(Vec<Network>, Tokens)> = LazyLock::new(|| {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let contract = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned();
    let row = TokenRow { asset: "ETH".to_owned(), network: "mainnet".to_owned(), contract, decimals: 6 };
    let tokens = Tokens::new(&networks, &[row]).unwrap();
    (networks.iter().filter(|network| network.chain_id().is_some()).cloned().collect(), tokens)
});

/// An r that is on the curve, so that whose signature it is can be told: that of the generator (SEC 2, section 2.4.1).
const R: [u8; 32] = [
    0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02, 0x9b, 0xfc, 0xdb, 0x2d,
    0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
];

fuzz_target!(|text: &str| {
    if strict_json::check(text, 64).is_err() {
        return;
    }
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return };
    let Ok(request) = parse(&members) else { return };
    assert_eq!(parse(&members).unwrap(), request);
    let (networks, tokens) = &*CHAINS;
    let mut r_s = [7; 64];
    r_s[..32].copy_from_slice(&R);
    for network in networks {
        let Ok(transaction) = request.on_network(network) else { continue };
        assert_eq!(Some(transaction.chain_id()), network.chain_id());
        let decoded = transaction.decode(tokens);
        assert!(!decoded.effects.is_empty(), "it does something");
        assert!(decoded.effects.iter().all(|effect| effect.amount.is_none() || !effect.unknown_amount));
        // The signature is nobody's, and that is all that is wrong: what is encoded reads back as what was decoded.
        match transaction.signed(&SignatureBytes::Ecdsa { r_s, recovery_id: 0 }) {
            Err(SigningError::Signer) => {}
            other => panic!("{other:?}"),
        }
        if request.chain_id.is_none() {
            break;
        }
    }
});
