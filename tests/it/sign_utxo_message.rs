//! utxo_signMessage through the socket. What comes out is checked here with libsecp256k1 against digests of this file's own, and with
//! Bitcoin Core's script verifier; KMS signed with another library.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute, transaction};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::Daemon;

const TEXT: &str = "Gr\u{fc}\u{df}e, \u{4e16}\u{754c}\n\u{1f604} ";

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Type and address of every form of the wallet's key.
fn forms(daemon: &Daemon, wallet: &Value) -> Vec<(String, String)> {
    let found = daemon.ok("wallet_addresses", json!({ "walletId": wallet["walletId"] }));
    let forms = found["addresses"].as_array().unwrap().iter();
    forms.map(|form| (text(form, "addressType").to_owned(), text(form, "address").to_owned())).collect()
}

/// SHA-256 twice of `\x18Bitcoin Signed Message:\n` or its like, and of the text behind its length.
fn legacy_digest(asset: &str, message: &str) -> [u8; 32] {
    let prefix = match asset {
        "BTC" => "\u{18}Bitcoin Signed Message:\n",
        "LTC" => "\u{19}Litecoin Signed Message:\n",
        _ => "\u{19}Dogecoin Signed Message:\n",
    };
    let length = u8::try_from(message.len()).unwrap();
    assert!(length < 253);
    let bytes = [prefix.as_bytes(), &[length], message.as_bytes()].concat();
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// The public key that signed, by its recovery, and the header.
fn recovered(asset: &str, message: &str, signature: &str) -> (u8, String) {
    let bytes = BASE64_STANDARD.decode(signature).unwrap();
    assert_eq!(bytes.len(), 65);
    let recovery_id = RecoveryId::from_i32(i32::from((bytes[0] - 27) % 4)).unwrap();
    let recoverable = RecoverableSignature::from_compact(&bytes[1..], recovery_id).unwrap();
    let digest = Message::from_digest(legacy_digest(asset, message));
    (bytes[0], hex::encode(Secp256k1::new().recover_ecdsa(&digest, &recoverable).unwrap().serialize()))
}

/// BIP-322's two transactions, the second one with this witness, through Bitcoin Core's verifier.
fn verify_bip322(public_key: &str, message: &str, signature: &str) -> Result<(), String> {
    let tag = sha256::Hash::hash(b"BIP0322-signed-message").to_byte_array();
    let hash = sha256::Hash::hash(&[&tag[..], &tag, message.as_bytes()].concat()).to_byte_array();
    let key = bitcoin::CompressedPublicKey::from_slice(&hex::decode(public_key).unwrap()).unwrap();
    let script = ScriptBuf::new_p2wpkh(&key.wpubkey_hash());
    let witness: Witness = bitcoin::consensus::deserialize(&BASE64_STANDARD.decode(signature).unwrap()).unwrap();
    assert_eq!((witness.len(), &witness[1]), (2, &key.to_bytes()[..]));
    let spend = virtual_transaction(
        OutPoint::null(),
        ScriptBuf::from([&[0x00, 0x20], &hash[..]].concat()),
        Witness::new(),
        script.clone(),
    );
    let previous = OutPoint::new(spend.compute_txid(), 0);
    let sign = virtual_transaction(previous, ScriptBuf::new(), witness, ScriptBuf::from(vec![0x6a]));
    let bytes = bitcoin::consensus::serialize(&sign);
    bitcoinconsensus::verify(script.as_bytes(), 0, &bytes, None, 0).map_err(|error| format!("{error:?}"))
}

fn virtual_transaction(previous_output: OutPoint, script_sig: ScriptBuf, witness: Witness, to: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version(0),
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig, sequence: Sequence::ZERO, witness }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: to }],
    }
}

#[test]
fn message_of_every_address_form_verifies_in_every_format_that_it_has() {
    let daemon = Daemon::start();
    let mut signed = Vec::new();
    for asset in ["BTC", "LTC", "DOGE"] {
        let wallet = daemon.wallet(asset);
        let public_key = text(&wallet, "publicKey");
        for (address_type, address) in forms(&daemon, &wallet) {
            for asked in [None, Some("legacy"), Some("bip137"), Some("bip322")] {
                let params = json!({ "address": address, "message": TEXT, "format": asked });
                let fits = match (address_type.as_str(), asked) {
                    (_, None | Some("bip137")) => true,
                    ("p2pkh", Some(format)) => format == "legacy",
                    ("p2wpkh", Some(format)) => format == "bip322",
                    _ => false,
                };
                if !fits {
                    let error = daemon.fails("INVALID_PARAMS", "utxo_signMessage", params);
                    assert_eq!(error["data"]["field"], "format");
                    assert!(text(&error, "message").contains("bip137"), "{error}");
                    continue;
                }
                let answer = daemon.ok("utxo_signMessage", params);
                let (format, signature) = (text(&answer, "format").to_owned(), text(&answer, "signature"));
                assert_eq!(answer["address"], json!(address));
                if format == "bip322" {
                    assert_eq!(answer["prefixedSignature"], json!(format!("smp{signature}")));
                    assert_eq!(verify_bip322(public_key, TEXT, signature), Ok(()));
                    assert!(verify_bip322(public_key, "another text", signature).is_err());
                } else {
                    let first = match address_type.as_str() {
                        "p2pkh" => 31,
                        "p2sh-p2wpkh" => 35,
                        _ => 39,
                    };
                    let (header, key) = recovered(asset, TEXT, signature);
                    assert_eq!(key, public_key);
                    assert!((first..first + 4).contains(&header), "{header}");
                    assert!(answer.get("prefixedSignature").is_none());
                }
                signed.push(format!("{asset} {address_type} {} {format}", asked.unwrap_or("-")));
            }
        }
    }
    insta::assert_snapshot!(signed.join("\n"), @r"
    BTC p2wpkh - bip322
    BTC p2wpkh bip137 bip137
    BTC p2wpkh bip322 bip322
    BTC p2sh-p2wpkh - bip137
    BTC p2sh-p2wpkh bip137 bip137
    BTC p2pkh - legacy
    BTC p2pkh legacy legacy
    BTC p2pkh bip137 bip137
    LTC p2wpkh - bip322
    LTC p2wpkh bip137 bip137
    LTC p2wpkh bip322 bip322
    LTC p2sh-p2wpkh - bip137
    LTC p2sh-p2wpkh bip137 bip137
    LTC p2pkh - legacy
    LTC p2pkh legacy legacy
    LTC p2pkh bip137 bip137
    DOGE p2pkh - legacy
    DOGE p2pkh legacy legacy
    DOGE p2pkh bip137 bip137
    ");
}

#[test]
fn message_by_wallet_id_is_of_the_wallets_own_address() {
    let daemon = Daemon::start();
    for (address_type, format) in [("p2wpkh", "bip322"), ("p2sh-p2wpkh", "bip137"), ("p2pkh", "legacy")] {
        let wallet = daemon.ok("wallet_create", json!({ "userId": "u", "asset": "BTC", "addressType": address_type }));
        let answer = daemon.ok("utxo_signMessage", json!({ "walletId": wallet["walletId"], "message": "" }));
        assert_eq!((&answer["address"], &answer["format"]), (&wallet["address"], &json!(format)));
    }
}

#[test]
fn message_of_a_wallet_that_has_none_is_refused_by_the_field_that_named_it() {
    let daemon = Daemon::start();
    let ether = daemon.wallet("ETH");
    for (field, value) in [("walletId", &ether["walletId"]), ("address", &ether["address"])] {
        let error = daemon.fails("INVALID_PARAMS", "utxo_signMessage", json!({ field: value, "message": "x" }));
        assert_eq!(error["data"]["field"], field);
        assert!(text(&error, "message").contains("personal_sign"), "{error}");
    }
    let bitcoin = daemon.wallet("BTC");
    let nobodys = json!({ "address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "message": "x" });
    daemon.fails("NOT_FOUND", "utxo_signMessage", nobodys);
    daemon.fails("INVALID_PARAMS", "utxo_signMessage", json!({ "message": "x" }));
    daemon.fails("INVALID_PARAMS", "utxo_signMessage", json!({ "walletId": bitcoin["walletId"], "message": 7 }));
    let long = |bytes: usize| json!({ "walletId": bitcoin["walletId"], "message": "x".repeat(bytes) });
    daemon.fails("INVALID_PARAMS", "utxo_signMessage", long(65_537));
    daemon.ok("utxo_signMessage", long(65_536));
    daemon.ok("wallet_disable", json!({ "walletId": bitcoin["walletId"], "reason": "a test" }));
    daemon.fails("KEY_NOT_USABLE", "utxo_signMessage", long(1));
}

#[test]
fn message_of_a_repeated_request_id_is_the_same_answer() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let params = |message: &str| json!({ "walletId": wallet["walletId"], "message": message, "requestId": "r" });
    let first = daemon.ok("utxo_signMessage", params("a"));
    assert_eq!(daemon.ok("utxo_signMessage", params("a")), first);
    daemon.fails("CONFLICT", "utxo_signMessage", params("b"));
    daemon.assert_audit_is_whole();
}

#[test]
fn explained_message_shows_text_format_and_address() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("LTC");
    let params = json!({ "walletId": wallet["walletId"], "message": TEXT });
    let found = daemon.ok("policy_explain", json!({ "method": "utxo_signMessage", "params": params }));
    assert_eq!(found["decision"], "allow");
    let summary = &found["summary"];
    assert_eq!(
        summary["details"],
        json!({ "text": TEXT, "characters": TEXT.chars().count(), "format": "bip322", "address": wallet["address"] })
    );
    assert_eq!((&summary["effects"][0]["kind"], summary["effects"].as_array().unwrap().len()), (&json!("message"), 1));
    assert_eq!((&summary["wallets"], &summary["unknownParts"]), (&json!([wallet["walletId"]]), &json!(false)));
    assert_eq!(daemon.kms_effects(kmsignd::emulator::Operation::Sign), 0);
}
