use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::chains::networks::{NetworkDefaults, Networks};

mod refusals;
mod summary;
mod vectors;

pub const OTHER: &str = "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh";
pub const ISSUER: &str = "rvYAfWj5gh67oV6fW32ZzP3Aw4Eubs59B";

pub fn network(name: &str) -> Network {
    Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve("XRP", Some(name)).unwrap()
}

/// A key that everybody knows.
pub fn secret(number: u8) -> SecretKey {
    SecretKey::from_slice(&[number; 32]).unwrap()
}

pub fn key(number: u8) -> PublicKey {
    secret(number).public_key(&Secp256k1::new())
}

pub fn account(number: u8) -> String {
    AccountId::of(&key(number)).to_string()
}

pub fn usd(value: &str) -> Value {
    json!({ "currency": "USD", "issuer": ISSUER, "value": value })
}

/// A payment of key 1's account, with members changed.
pub fn payment(changes: Value) -> Value {
    of_type("Payment", json!({ "Destination": OTHER, "Amount": "25000000" }), changes)
}

pub fn of_type(name: &str, members: Value, changes: Value) -> Value {
    let mut transaction = json!({
        "TransactionType": name, "Account": account(1), "Fee": "12", "Sequence": 7, "LastLedgerSequence": 90_000_000,
    });
    for more in [members, changes] {
        transaction.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    transaction
}

pub fn transaction(json: &Value) -> Transaction {
    parse(json).unwrap().for_signer(&network("testnet"), &key(1), false).unwrap()
}

/// Signs as a wallet of this key would.
fn sign(transaction: &Transaction, number: u8) -> SignedTransaction {
    let message = Message::from_digest(*transaction.signing_hash().as_bytes());
    let r_s = Secp256k1::new().sign_ecdsa(&message, &secret(number)).serialize_compact();
    transaction.signed(&SignatureBytes::Ecdsa { r_s, recovery_id: 0 }).unwrap()
}

#[test]
fn signed_is_the_request_with_key_and_signature() {
    let request = payment(json!({ "Flags": 0, "DestinationTag": 5, "Memos": [{ "Memo": { "MemoData": "6869" } }] }));
    let signed = sign(&transaction(&request), 1);
    let mut expected = request.as_object().unwrap().clone();
    expected.insert("SigningPubKey".to_owned(), json!(hex::encode_upper(key(1).serialize())));
    expected.insert("TxnSignature".to_owned(), signed.transaction["TxnSignature"].clone());
    assert_eq!(signed.transaction, expected);
    assert_eq!(signed.hash, hex::encode_upper(sha512_half(*b"TXN\0", &hex::decode(&signed.tx_blob).unwrap())));
    let with_key = payment(json!({ "Flags": 0, "SigningPubKey": expected["SigningPubKey"] }));
    let with_empty = payment(json!({ "Flags": 0, "SigningPubKey": "" }));
    for same in [with_key, with_empty] {
        assert_eq!(transaction(&same), transaction(&payment(json!({ "Flags": 0 }))));
    }
}

#[test]
fn two_spellings_are_one_content_and_another_content_is_another() {
    let content = |changes: Value| serde_json::to_string(&parse(&payment(changes)).unwrap()).unwrap();
    let one = content(json!({ "DestinationTag": 12, "Amount": usd("4.20") }));
    for same in [
        json!({ "DestinationTag": "12", "Amount": usd("4.2") }),
        json!({ "DestinationTag": 12, "Amount": usd("42e-1"), "Sequence": "7", "SourceTag": null }),
        json!({
            "DestinationTag": 12,
            "Amount": { "currency": "0000000000000000000000005553440000000000", "issuer": ISSUER, "value": "4.2" },
        }),
    ] {
        assert_eq!(content(same.clone()), one, "{same}");
    }
    let signer = json!({ "Account": account(3), "SigningPubKey": hex::encode(key(3).serialize()), "TxnSignature": "30" });
    for other in [
        json!({ "Amount": usd("4.2") }),
        json!({ "DestinationTag": 13, "Amount": usd("4.2") }),
        json!({ "DestinationTag": 12, "Amount": usd("4.3") }),
        json!({ "DestinationTag": 12, "Amount": usd("4.2"), "Flags": 0 }),
        json!({ "DestinationTag": 12, "Amount": usd("4.2"), "Signers": [{ "Signer": signer }] }),
    ] {
        assert_ne!(content(other.clone()), one, "{other}");
    }
}

#[test]
fn several_sign_one_content_and_stand_in_the_ledgers_order() {
    let mut given = payment(json!({ "SigningPubKey": "" }));
    let mut preimages = Vec::new();
    let mut last = None;
    for number in [4, 2, 3] {
        let transaction = parse(&given).unwrap().for_signer(&network("testnet"), &key(number), true).unwrap();
        preimages.push(transaction.signing_preimage());
        let signed = sign(&transaction, number);
        given = Value::Object(signed.transaction.clone());
        last = Some(signed);
    }
    let signed = last.unwrap();
    assert!(preimages.iter().all(|one| *one == preimages[0]));
    assert_eq!((&signed.transaction["SigningPubKey"], signed.transaction.get("TxnSignature")), (&json!(""), None));
    let accounts: Vec<_> =
        signed.transaction["Signers"].as_array().unwrap().iter().map(|one| &one["Signer"]["Account"]).collect();
    let mut expected = [2, 3, 4].map(|number| AccountId::of(&key(number)));
    expected.sort_unstable();
    assert_eq!(
        accounts,
        expected.iter().map(|account| json!(account.to_string())).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
    // Each over the same, followed by its own account (rippled, `finishMultiSigningData`).
    for one in signed.transaction["Signers"].as_array().unwrap() {
        let member = |name: &str| hex::decode(one["Signer"][name].as_str().unwrap()).unwrap();
        let by = PublicKey::from_slice(&member("SigningPubKey")).unwrap();
        let signature = Signature::from_der(&member("TxnSignature")).unwrap();
        let bytes = [&preimages[0][4..], AccountId::of(&by).as_bytes()].concat();
        let message = Message::from_digest(sha512_half(*b"SMT\0", &bytes));
        Secp256k1::verification_only().verify_ecdsa(&message, &signature, &by).unwrap();
    }
}

#[test]
fn turn_is_the_sequence_or_the_ticket() {
    assert_eq!(transaction(&payment(json!({}))).turn(), Turn::Sequence(7));
    assert_eq!(transaction(&payment(json!({ "Sequence": 0, "TicketSequence": 9 }))).turn(), Turn::Ticket(9));
    assert_eq!(hex::encode(transaction(&payment(json!({}))).account()), hex::encode(AccountId::of(&key(1)).as_bytes()));
}

proptest! {
    #[test]
    fn decimal_reads_back_and_no_other_digit_gets_in(
        mantissa in 1..10_000_000_000_000_000_u64,
        exponent in -110..95_i32,
        places in 0..20_usize,
    ) {
        let issuer = AccountId::of(&key(1));
        let currency = amount::Currency::parse("USD").unwrap();
        let read = |text: &str| amount::Issued::new(text, currency, issuer);
        let digits = mantissa.to_string();
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places).max(1));
        let point = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
        let power = exponent + i32::try_from(fraction.len()).unwrap();
        let text = format!("{whole}{point}e{power}");
        let length = i32::try_from(digits.len()).unwrap();
        let fits = (-96..=80).contains(&(exponent + length - 16));
        prop_assert_eq!(read(&text).is_ok(), fits, "{}", &text);
        if let Ok(issued) = read(&text) {
            prop_assert_eq!(read(&issued.value()), Ok(issued));
            prop_assert_eq!(read(&format!("{digits}e{exponent}")), Ok(issued));
            let whole = issued.whole();
            if let Some(tens) = u32::try_from(exponent).ok().and_then(|power| 10_u64.checked_pow(power)) {
                prop_assert_eq!(whole, mantissa.saturating_mul(tens));
            } else if exponent < 0 {
                let tens = u32::try_from(-exponent).ok().and_then(|power| 10_u128.checked_pow(power));
                prop_assert_eq!(u128::from(whole), tens.map_or(1, |tens| u128::from(mantissa).div_ceil(tens)));
            } else {
                prop_assert_eq!(whole, u64::MAX);
            }
        }
    }

    #[test]
    fn what_is_answered_reads_as_what_was_asked(
        tag in prop::option::of(any::<u32>()),
        drops in 1..=100_000_000_000_000_000_u64,
        memo in prop::collection::vec(any::<u8>(), 0..1000),
        sequence in 1..u32::MAX,
    ) {
        let memo = json!([{ "Memo": { "MemoData": hex::encode(&memo), "MemoType": "74" } }]);
        let changes = json!({ "DestinationTag": tag, "Amount": drops.to_string(), "Memos": memo, "Sequence": sequence });
        let request = parse(&payment(changes)).unwrap();
        let transaction = request.for_signer(&network("mainnet"), &key(1), false).unwrap();
        let mut answered = sign(&transaction, 1).transaction;
        answered.remove("TxnSignature");
        let again = parse(&Value::Object(answered)).unwrap();
        prop_assert_eq!(again.fields, request.fields);
    }
}
