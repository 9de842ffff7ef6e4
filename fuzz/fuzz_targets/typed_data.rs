//! Typed data of EIP-712: read, decoded, written in its canonical form, read back, and hashed as alloy hashes it.

#![no_main]

use std::sync::LazyLock;

use kmsignd::chains::evm::typed_data::{decode, parse};
use kmsignd::chains::networks::{Network, NetworkDefaults, Networks};
use kmsignd::chains::tokens::{TokenRow, Tokens};
use kmsignd::chains::{Address, parse_address};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static CHAIN: LazyLock<(Network, Tokens, Address)> = LazyLock::new(|| {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let contract = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned();
    let row = TokenRow { asset: "ETH".to_owned(), network: "mainnet".to_owned(), contract: contract.clone(), decimals: 6 };
    let tokens = Tokens::new(&networks, &[row]).unwrap();
    let mainnet = networks.resolve("ETH", Some("mainnet")).unwrap();
    let (signer, _) = parse_address(&mainnet, &contract).unwrap();
    (mainnet, tokens, signer)
});

fuzz_target!(|text: &str| {
    let Ok(read) = parse(&Value::String(text.to_owned())) else { return };
    let canonical = serde_json::to_value(&read).unwrap();
    let again = parse(&canonical).unwrap();
    assert_eq!(again, read);
    assert_eq!(again.digest(), read.digest());
    assert_eq!(parse(&Value::String(canonical.to_string())).unwrap(), read);

    let (network, tokens, signer) = &*CHAIN;
    if let Ok(decoded) = decode(&read, network, tokens, signer) {
        assert!(!decoded.effects.is_empty(), "it does something");
        assert!(decoded.effects.iter().all(|effect| effect.amount.is_none() || !effect.unknown_amount));
        assert!(decoded.unknown_parts || read.chain_id().is_some());
    }

    // alloy reads no recursive types, and puts names with a `$` in another order than the standard.
    if text.contains('$') || text.contains("\\u0024") {
        return;
    }
    let theirs: alloy_dyn_abi::TypedData = match serde_json::from_value(canonical) {
        Ok(theirs) => theirs,
        Err(_) => return,
    };
    match theirs.eip712_signing_hash() {
        Ok(hash) => assert_eq!(&hash.0, read.digest().as_bytes()),
        Err(alloy_dyn_abi::Error::CircularDependency(_)) => {}
        Err(error) => panic!("alloy does not hash what we do: {error}"),
    }
});
