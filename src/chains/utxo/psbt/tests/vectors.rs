//! The published vectors of BIP-174, BIP-370 and BIP-143.

use bitcoin::consensus::encode::deserialize;
use bitcoin::sighash::SighashCache;
use serde_json::Value;

use super::*;
use crate::chains::decoded::Rule;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn bip174() -> Value {
    vectors(include_str!("../../../../../tests/vectors/utxo/bip174.json"))
}

fn bip370() -> Value {
    vectors(include_str!("../../../../../tests/vectors/utxo/bip370.json"))
}

/// Name and PSBT of each.
fn cases(list: &Value) -> Vec<(&str, &str)> {
    list.as_array().unwrap().iter().map(|case| (case[0].as_str().unwrap(), case[1].as_str().unwrap())).collect()
}

/// Holds if each is refused for what its name says.
fn assert_refused(list: &Value, reasons: &[&str]) {
    let cases = cases(list);
    assert_eq!(cases.len(), reasons.len());
    for ((name, psbt), expected) in cases.into_iter().zip(reasons) {
        match parse(psbt) {
            Err(DecodeError::Invalid { field, reason }) => {
                assert_eq!(field, "psbt");
                assert!(reason.contains(expected), "{name}: {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Holds if it is read, and written back as it came, in the eyes of other code too.
fn assert_round_trips(name: &str, psbt: &str) {
    let request = parse(psbt).unwrap_or_else(|error| panic!("{name}: {error}"));
    let written = request.to_base64();
    assert_eq!(parse(&written).unwrap(), request, "{name}");
    let [came, went] = [psbt, &written].map(|text| STANDARD.decode(text).unwrap());
    match request.version() {
        Version::V0 => {
            let [came, went] = [came, went].map(|bytes| bitcoin::Psbt::deserialize(&bytes).unwrap());
            assert_eq!(came, went, "{name}");
            assert_eq!(came.unsigned_tx, *request.unsigned(), "{name}");
        }
        Version::V2 => {
            let [came, went] = [came, went].map(|bytes| psbt_v2::v2::Psbt::deserialize(&bytes).unwrap());
            assert_eq!(came, went, "{name}");
            assert_eq!(read_elsewhere(Version::V2, psbt), *request.unsigned(), "{name}");
        }
    }
}

#[test]
fn bip174_invalid_psbts_are_refused_for_the_right_reason() {
    let reasons = [
        "does not begin with the bytes",
        "output 0 is missing",
        "input 0 has a scriptSig",
        "has no PSBT_GLOBAL_UNSIGNED_TX",
        "input 0 has one key twice",
        "PSBT_GLOBAL_UNSIGNED_TX with a wrong key",
        "PSBT_IN_WITNESS_UTXO with a wrong key",
        "PSBT_IN_PARTIAL_SIG with a wrong key",
        "PSBT_IN_REDEEM_SCRIPT with a wrong key",
        "PSBT_IN_WITNESS_SCRIPT with a wrong key",
        "PSBT_IN_BIP32_DERIVATION with a wrong key",
        "PSBT_IN_NON_WITNESS_UTXO with a wrong key",
        "PSBT_IN_FINAL_SCRIPTSIG with a wrong key",
        "PSBT_IN_FINAL_SCRIPTWITNESS with a wrong key",
        "PSBT_OUT_BIP32_DERIVATION with a wrong key",
        "PSBT_IN_SIGHASH_TYPE with a wrong key",
        "PSBT_OUT_REDEEM_SCRIPT with a wrong key",
        "PSBT_OUT_WITNESS_SCRIPT with a wrong key",
        "PSBT_GLOBAL_UNSIGNED_TX that is no transaction without witnesses",
        "PSBT_GLOBAL_UNSIGNED_TX that is no transaction without witnesses",
    ];
    assert_refused(&bip174()["invalid"], &reasons);
}

#[test]
fn bip174_valid_psbts_are_read_and_written_back() {
    let vectors = bip174();
    for (name, psbt) in cases(&vectors["valid"]) {
        assert_round_trips(name, psbt);
    }
    for (index, psbt) in vectors["workflow"].as_array().unwrap().iter().enumerate() {
        assert_round_trips(&format!("workflow {index}"), psbt.as_str().unwrap());
    }
}

#[test]
fn bip174_psbts_that_a_signer_must_refuse_are_refused() {
    let vectors = bip174();
    let cases = cases(&vectors["signerRefuses"]);
    let expected = [
        (Rule::AmountNotProven, "input 0 claims its amount with PSBT_IN_WITNESS_UTXO alone"),
        (Rule::RedeemScript, "input 0 has a redeem script whose hash is not the output's"),
        (Rule::RedeemScript, "input 1 has a redeem script whose hash is not the output's"),
        (Rule::UnknownField, "input 1 has PSBT_IN_WITNESS_SCRIPT"),
    ];
    assert_eq!(cases.len(), expected.len());
    for ((name, psbt), (rule, text)) in cases.into_iter().zip(expected) {
        let mut request = parse(psbt).unwrap();
        // What the case is about must be refused without what else is in it and refused: scripts of several keys.
        if rule != Rule::UnknownField {
            request.inputs.iter_mut().for_each(|map| {
                map.remove(&vec![0x05]);
            });
        }
        if text.starts_with("input 1") {
            request.inputs[0].remove(&vec![input::REDEEM_SCRIPT]);
        }
        let error = coins(&request, &network("BTC testnet"), true).unwrap_err();
        let DecodeError::Refused { rule: found, reason } = error else { panic!("{name}: {error}") };
        assert!(found == rule && reason.contains(text), "{name}: {found:?} {reason}");
    }
}

#[test]
fn bip174_psbts_with_scripts_of_several_keys_are_not_signed() {
    let vectors = bip174();
    for psbt in vectors["workflow"].as_array().unwrap() {
        let request = parse(psbt.as_str().unwrap()).unwrap();
        assert!(matches!(coins(&request, &network("BTC testnet"), true), Err(DecodeError::Refused { .. })));
    }
}

#[test]
fn bip370_invalid_psbts_are_refused_for_the_right_reason() {
    let of_v2 = |name: &str| format!("{name}, which does not belong in version 0");
    let missing = |name: &str| format!("has no {name}, which version 2 needs");
    let reasons = [
        "PSBT_GLOBAL_UNSIGNED_TX, which does not belong in version 2".to_owned(),
        of_v2("PSBT_GLOBAL_TX_VERSION"),
        of_v2("PSBT_GLOBAL_FALLBACK_LOCKTIME"),
        of_v2("PSBT_GLOBAL_INPUT_COUNT"),
        of_v2("PSBT_GLOBAL_OUTPUT_COUNT"),
        of_v2("PSBT_GLOBAL_TX_MODIFIABLE"),
        of_v2("PSBT_IN_PREVIOUS_TXID"),
        of_v2("PSBT_IN_OUTPUT_INDEX"),
        of_v2("PSBT_IN_SEQUENCE"),
        of_v2("PSBT_IN_REQUIRED_TIME_LOCKTIME"),
        of_v2("PSBT_IN_REQUIRED_HEIGHT_LOCKTIME"),
        of_v2("PSBT_OUT_AMOUNT"),
        of_v2("PSBT_OUT_SCRIPT"),
        "PSBT_GLOBAL_UNSIGNED_TX, which does not belong in version 2".to_owned(),
        missing("PSBT_GLOBAL_INPUT_COUNT"),
        missing("PSBT_GLOBAL_OUTPUT_COUNT"),
        missing("PSBT_GLOBAL_TX_VERSION"),
        missing("PSBT_IN_PREVIOUS_TXID"),
        missing("PSBT_IN_OUTPUT_INDEX"),
        missing("PSBT_OUT_AMOUNT"),
        missing("PSBT_OUT_SCRIPT"),
        "PSBT_IN_REQUIRED_TIME_LOCKTIME with a wrong value".to_owned(),
        "PSBT_IN_REQUIRED_HEIGHT_LOCKTIME with a wrong value".to_owned(),
        "PSBT_IN_REQUIRED_HEIGHT_LOCKTIME with a wrong value".to_owned(),
    ];
    assert_refused(&bip370()["invalid"], &reasons.each_ref().map(String::as_str));
}

#[test]
fn bip370_valid_psbts_are_read_and_written_back() {
    for (name, psbt) in cases(&bip370()["valid"]) {
        assert_round_trips(name, psbt);
    }
}

#[test]
fn bip370_lock_times_are_computed() {
    for case in bip370()["lockTimes"].as_array().unwrap() {
        let read = parse(case[1].as_str().unwrap());
        match case[0].as_u64() {
            Some(expected) => assert_eq!(u64::from(read.unwrap().unsigned().lock_time.to_consensus_u32()), expected),
            None => assert!(read.unwrap_err().to_string().contains("need a block height as lock time")),
        }
    }
}

#[test]
fn bip143_digests_are_signed_and_give_its_transaction() {
    let vectors = vectors(include_str!("../../../../../tests/vectors/utxo/bip143.json"));
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    for (name, kind) in [("nativeP2wpkh", InputKind::P2wpkh), ("p2shP2wpkh", InputKind::P2shP2wpkh)] {
        let case = &vectors[name];
        let unsigned: Transaction = deserialize(&bytes(&case["unsigned"])).unwrap();
        let index = usize::try_from(case["input"].as_u64().unwrap()).unwrap();
        let key = PublicKey::from_slice(&bytes(&case["publicKey"])).unwrap();
        let coin = Coin {
            outpoint: unsigned.input[index].previous_output,
            amount: case["amount"].as_u64().unwrap(),
            amount_is_proven: true,
            script_pubkey: ScriptBuf::from_bytes(bytes(&case["scriptPubKey"])),
            kind,
            sighash: EcdsaSighashType::All,
        };
        let digest = plan::digest(&mut SighashCache::new(&unsigned), index, &coin, &key).unwrap();
        assert_eq!(digest.to_vec(), bytes(&case["sighash"]), "{name}");
        if case["signed"].is_null() {
            continue;
        }
        let mut psbt = bitcoin::Psbt::from_unsigned_tx(unsigned).unwrap();
        psbt.inputs[index].witness_utxo = Some(TxOut { value: Amount::from_sat(coin.amount), script_pubkey: coin.script_pubkey });
        let request = parse(&STANDARD.encode(psbt.serialize())).unwrap();
        let coins = coins(&request, &network("BTC mainnet"), true).unwrap();
        let plan = plan(&request, coins, &[key]).unwrap();
        let secret = SecretKey::from_slice(&bytes(&case["privateKey"])).unwrap();
        let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(digest), &secret).serialize_compact();
        let signed = finish(request, &plan, &[signature], true).unwrap();
        assert_eq!(signed.transaction.unwrap().0, case["signed"].as_str().unwrap(), "RFC 6979 makes the same signature");
    }
}
