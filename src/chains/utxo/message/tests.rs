use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1};
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::chains::networks::{NetworkDefaults, Networks};
use crate::chains::{derive_address, parse_address};
use crate::keys::KeySpec;

/// The secp256k1 generator (SEC 2, section 2.4.1).
const G: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn vectors(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/utxo").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows<Row: serde::de::DeserializeOwned>(value: &Value) -> Vec<Row> {
    let rows: Vec<Row> = serde_json::from_value(value.clone()).unwrap();
    assert!(!rows.is_empty());
    rows
}

fn networks() -> Networks {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap()
}

fn network(asset: &str, name: &str) -> Network {
    networks().resolve(asset, Some(name)).unwrap()
}

fn key(bytes: &[u8]) -> PublicKey {
    PublicKey::from_bytes(KeySpec::EccSecgP256k1, bytes).unwrap()
}

fn generator() -> PublicKey {
    key(&hex::decode(G).unwrap())
}

/// A published signature of 65 bytes.
#[derive(Deserialize)]
struct Signed {
    asset: String,
    network: String,
    format: String,
    address: String,
    message: String,
    repeat: Option<usize>,
    signature: String,
}

/// Recovery gives a key for nearly every digest, but the key of the address for the right one alone.
#[test]
fn digests_and_headers_are_those_of_published_signatures() {
    let mut seen = 0;
    for set in vectors("signed-messages.json")["signatures"].as_array().unwrap() {
        for row in rows::<Signed>(&set["rows"]) {
            let network = network(&row.asset, &row.network);
            let text = row.message.repeat(row.repeat.unwrap_or(1));
            let bytes = BASE64_STANDARD.decode(&row.signature).unwrap();
            let (header, r_s) = bytes.split_first().unwrap();
            let recovery_id = (header - 27) % 4;
            let signature = RecoveryId::from_i32(recovery_id.into()).unwrap();
            let signature = RecoverableSignature::from_compact(r_s, signature).unwrap();
            let (_, kind) = parse_address(&network, &row.address).unwrap();
            let address_type = AddressType::ALL.into_iter().find(|known| kind == (*known).into()).unwrap();
            let format = row.format.parse().unwrap();
            let digest = SignableMessage::new(&network, address_type, &generator(), &text, Some(format)).unwrap().digest();
            let recovered = Secp256k1::new().recover_ecdsa(&Message::from_digest(*digest.as_bytes()), &signature).unwrap();
            let recovered = key(&recovered.serialize());
            assert_eq!(derive_address(&network, address_type, &recovered).unwrap().as_str(), row.address);

            let signable = SignableMessage::new(&network, address_type, &recovered, &text, Some(format)).unwrap();
            let signature = SignatureBytes::Ecdsa { r_s: r_s.try_into().unwrap(), recovery_id };
            assert_eq!((signable.digest(), signable.encode(&signature).unwrap()), (digest, row.signature));
            seen += 1;
        }
    }
    assert_eq!(seen, 22);
}

#[test]
fn digests_are_those_that_were_published() {
    #[derive(Deserialize)]
    struct Row {
        asset: String,
        message: String,
        digest: String,
    }
    for row in rows::<Row>(&vectors("signed-messages.json")["digests"]["rows"]) {
        let network = network(&row.asset, "mainnet");
        let signable = SignableMessage::new(&network, AddressType::P2pkh, &generator(), &row.message, None).unwrap();
        assert_eq!((signable.format(), signable.digest().to_string()), (MessageFormat::Legacy, row.digest));
    }
}

/// Of every length around the steps of the compact size, against the bitcoin crate's own hash.
#[test]
fn legacy_digest_of_bitcoin_is_the_crates() {
    for length in [0, 1, 75, 76, 252, 253, 254, 255, 256, 65_535, 65_536] {
        let text = "\u{e9}".repeat(length / 2) + &"x".repeat(length % 2);
        let expected = bitcoin::sign_message::signed_msg_hash(&text).to_byte_array();
        assert_eq!(legacy_digest("Bitcoin Signed Message:\n", &text).as_bytes(), &expected, "{length}");
    }
}

#[test]
fn bip322_transactions_are_the_published_ones() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        address: String,
        message: String,
        message_hash: String,
        to_spend: String,
        to_sign: String,
    }
    for row in rows::<Row>(&vectors("bip322.json")["txHashes"]) {
        let script = script(&row.address);
        let spend = to_spend(&script, &row.message);
        assert_eq!(hex::encode(message_hash(&row.message)), row.message_hash);
        assert_eq!(spend.compute_txid().to_string(), row.to_spend);
        assert_eq!(to_sign(&spend).compute_txid().to_string(), row.to_sign);
    }
}

fn script(address: &str) -> ScriptBuf {
    address.parse::<bitcoin::Address<_>>().unwrap().require_network(bitcoin::Network::Bitcoin).unwrap().script_pubkey()
}

#[test]
fn bip322_signatures_that_were_published_verify_and_are_written_alike() {
    #[derive(Deserialize)]
    struct Row {
        address: String,
        message: String,
        signature: String,
    }
    for row in rows::<Row>(&vectors("bip322.json")["simple"]) {
        let base64 = row.signature.strip_prefix("smp").unwrap();
        let witness: Witness = bitcoin::consensus::deserialize(&BASE64_STANDARD.decode(base64).unwrap()).unwrap();
        let [signature, public_key] = witness.iter().collect::<Vec<_>>()[..] else { panic!("{witness:?}") };
        let public_key = key(public_key);
        let signable =
            SignableMessage::new(&network("BTC", "mainnet"), AddressType::P2wpkh, &public_key, &row.message, None).unwrap();
        assert_eq!(signable.format(), MessageFormat::Bip322);
        let signature = bitcoin::ecdsa::Signature::from_slice(signature).unwrap();
        let message = Message::from_digest(*signable.digest().as_bytes());
        Secp256k1::new().verify_ecdsa(&message, &signature.signature, public_key.secp256k1().unwrap()).unwrap();

        let bytes = SignatureBytes::Ecdsa { r_s: signature.signature.serialize_compact(), recovery_id: 0 };
        let written = signable.encode(&bytes).unwrap();
        assert_eq!((written.as_str(), with_variant(&written).as_str()), (base64, row.signature.as_str()));
        assert_eq!(derive_address(&network("BTC", "mainnet"), AddressType::P2wpkh, &public_key).unwrap().as_str(), row.address);
    }
}

#[test]
fn every_network_like_bitcoin_has_a_prefix_and_no_other_has() {
    for network in networks().iter() {
        assert_eq!(prefix(network).is_some(), network.family() == "utxo", "{network}");
        for address_type in network.address_types() {
            let signable = SignableMessage::new(network, *address_type, &generator(), "x", None);
            assert_eq!(signable.is_ok(), network.family() == "utxo", "{network} {address_type}");
        }
    }
}

#[test]
fn prefixes_differ_in_every_digest() {
    let digest = |asset| SignableMessage::new(&network(asset, "mainnet"), AddressType::P2pkh, &generator(), "x", None);
    let [btc, ltc, doge] = ["BTC", "LTC", "DOGE"].map(|asset| digest(asset).unwrap().digest());
    assert!(btc != ltc && ltc != doge && doge != btc);
}

#[test]
fn bip322_of_litecoin_is_as_bitcoins() {
    let digest =
        |asset| SignableMessage::new(&network(asset, "mainnet"), AddressType::P2wpkh, &generator(), "x", None).unwrap().digest();
    assert_eq!(digest("BTC"), digest("LTC"));
}

#[test]
fn a_format_that_does_not_fit_is_refused_with_those_that_do() {
    use AddressType::{Eip55, P2pkh, P2shP2wpkh, P2wpkh};
    use MessageFormat::{Bip137, Bip322, Legacy};
    for (address_type, asked, expected) in [
        (P2pkh, Bip322, "must be legacy or bip137 for a p2pkh address"),
        (P2shP2wpkh, Legacy, "must be bip137 for a p2sh-p2wpkh address"),
        (P2shP2wpkh, Bip322, "must be bip137 for a p2sh-p2wpkh address"),
        (P2wpkh, Legacy, "must be bip322 or bip137 for a p2wpkh address"),
        (Eip55, Legacy, "must be absent, since there is none for a eip55 address"),
    ] {
        assert_eq!(MessageFormat::choose(address_type, Some(asked)).unwrap_err().to_string(), expected);
    }
    for (address_type, expected) in [(P2pkh, Legacy), (P2shP2wpkh, Bip137), (P2wpkh, Bip322)] {
        assert_eq!(MessageFormat::choose(address_type, None), Ok(expected));
        assert_eq!(MessageFormat::choose(address_type, Some(Bip137)), Ok(Bip137));
    }
}

#[test]
fn headers_tell_address_type_and_recovery_id() {
    for (address_type, first) in [(AddressType::P2pkh, 31), (AddressType::P2shP2wpkh, 35), (AddressType::P2wpkh, 39)] {
        let asked = Some(MessageFormat::Bip137);
        let signable = SignableMessage::new(&network("LTC", "regtest"), address_type, &generator(), "x", asked).unwrap();
        for recovery_id in 0..4 {
            let text = signable.encode(&SignatureBytes::Ecdsa { r_s: [1; 64], recovery_id }).unwrap();
            let bytes = BASE64_STANDARD.decode(text).unwrap();
            assert_eq!((bytes.len(), bytes[0]), (65, first + recovery_id));
        }
        assert_eq!(signable.encode(&SignatureBytes::Ed25519([1; 64])), None);
    }
}

#[test]
fn decoded_message_is_one_effect_with_a_bounded_text() {
    let network = network("BTC", "mainnet");
    let address = derive_address(&network, AddressType::P2wpkh, &generator()).unwrap();
    let decoded = |text: &str| {
        SignableMessage::new(&network, AddressType::P2wpkh, &generator(), text, None).unwrap().decoded(text, &address)
    };
    let short = decoded("hello");
    assert_eq!(
        short.details,
        json!({ "text": "hello", "characters": 5, "format": "bip322", "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4" })
    );
    assert_eq!(short.effects, [Effect::new(EffectKind::Message)]);
    assert!(short.warnings.is_empty() && !short.unknown_parts && short.total_out == 0 && short.fee == 0);

    let long = decoded(&"\u{1f604}".repeat(MAX_SHOWN_CHARACTERS + 1));
    assert_eq!(long.details["text"].as_str().unwrap().chars().count(), MAX_SHOWN_CHARACTERS);
    assert_eq!(long.warnings, ["Only the first 1024 of the text's 1025 characters are shown."]);
    assert!(decoded(&"x".repeat(MAX_SHOWN_CHARACTERS)).warnings.is_empty());

    // What personal_sign does not know, this does not.
    for (text, hex) in [("a\u{202e}b", "61e280ae62"), ("\u{1b}[2J", "1b5b324a"), ("\0", "00")] {
        let unknown = decoded(text);
        assert!(crate::chains::evm::message::decode(text.as_bytes()).unknown_parts);
        assert!(unknown.unknown_parts && unknown.effects[0].unknown_amount && unknown.warnings.len() == 1, "{text:?}");
        assert_eq!((unknown.details["hex"].as_str(), unknown.details.get("text")), (Some(hex), None));
    }
    let lines = decoded("pay\r\n\t5");
    assert!(!lines.unknown_parts && !lines.effects[0].unknown_amount && lines.warnings.is_empty());
}
