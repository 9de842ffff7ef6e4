//! A transaction of Cardano: read, described, signed, and read by pallas as it is read here.

#![no_main]

use std::sync::LazyLock;

use ed25519_dalek::{Signer as _, SigningKey};
use kmsignd::chains::cardano::transaction::{Signer, parse};
use kmsignd::chains::networks::{Network, NetworkDefaults, Networks};
use kmsignd::chains::tokens::Tokens;
use libfuzzer_sys::fuzz_target;
use pallas_codec::minicbor;
use pallas_primitives::conway::Tx;

static NETWORKS: LazyLock<Vec<Network>> = LazyLock::new(|| {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    ["mainnet", "preview"].map(|network| networks.resolve("ADA", Some(network)).unwrap()).into()
});

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[1; 32]));

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = parse(&hex::encode(bytes)) else { return };
    let tx_id = read.tx_id();
    if let Ok(theirs) = minicbor::decode::<Tx>(bytes) {
        let body = &theirs.transaction_body;
        assert_eq!(body.raw_cbor(), read.body_bytes());
        let ours: Vec<_> = read.inputs().iter().map(|input| (input.tx_id, u64::from(input.index))).collect();
        assert_eq!(body.inputs.iter().map(|input| (*input.transaction_id, input.index)).collect::<Vec<_>>(), ours);
    }

    let public = KEY.verifying_key().to_bytes();
    let signer = Signer::new(&public, None);
    for network in &*NETWORKS {
        let Ok(decoded) = read.decode(network, &signer, None, &Tokens::default()) else { continue };
        assert!(!decoded.effects.is_empty(), "it does something");
        assert_eq!(decoded.details["txId"], hex::encode(tx_id));
        let signed = read.signed(&public, &KEY.sign(&tx_id).to_bytes()).unwrap();
        assert_eq!(signed.tx_id, hex::encode(tx_id));
        let again = parse(&signed.transaction).unwrap();
        assert_eq!(again.body_bytes(), read.body_bytes());
        // Its witness is there, and holds.
        again.decode(network, &signer, None, &Tokens::default()).unwrap();
        assert_eq!(again.signed(&public, &[0; 64]).unwrap().transaction, signed.transaction);
    }
});
