//! What is told of a transaction.

use super::*;
use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::tokens::{TokenRow, Tokens};

const TOKEN: &str = "0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238";
const TO: &str = "0x3535353535353535353535353535353535353535";

/// The digits.
fn hex_of(address: &str) -> &str {
    address.strip_prefix("0x").unwrap()
}

/// USDC's six decimals.
fn tokens() -> Tokens {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let row = TokenRow { asset: "ETH".to_owned(), network: "sepolia".to_owned(), contract: TOKEN.to_owned(), decimals: 6 };
    Tokens::new(&networks, &[row]).unwrap()
}

fn decode(changes: Value) -> Decoded {
    parse(&payment_with(changes)).unwrap().on_network(&network(11_155_111)).unwrap().decode(&tokens())
}

/// `transfer` of so many units of a token.
fn transfer(units: u64) -> String {
    format!("0xa9059cbb{}{}{units:064x}", "00".repeat(12), hex_of(TO))
}

fn fee(amount: u64) -> Effect {
    Effect { amount: Some(amount), ..Effect::new(EffectKind::Fee) }
}

fn to(recipient: &str, amount: u64) -> Effect {
    Effect { recipient: Some(recipient.to_owned()), amount: Some(amount), ..Effect::new(EffectKind::Transfer) }
}

fn warns(decoded: &Decoded, words: &str) -> bool {
    decoded.warnings.iter().any(|warning| warning.contains(words))
}

#[test]
fn payment_is_a_transfer_and_a_fee() {
    let decoded = decode(json!({ "value": "0xde0b6b3a7640001" }));
    assert_eq!(decoded.effects, [to(TO, 1_000_000_001), fee(42_000)], "rounded up");
    assert_eq!((decoded.total_out, decoded.fee, decoded.fee_rate), (1_000_000_001, 42_000, Some(2)));
    assert!(!decoded.unknown_parts && decoded.warnings.is_empty(), "{:?}", decoded.warnings);
    let expected = json!({
        "type": 2, "chainId": 11_155_111, "nonce": 7, "from": FROM, "to": TO, "value": "1000000000000000001", "gas": 21_000,
        "maxFeePerGas": "2000000000", "maxPriorityFeePerGas": "1000000000", "dataBytes": 0,
    });
    assert_eq!(decoded.details, expected);
    let nothing = decode(json!({ "value": 0, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0 }));
    assert_eq!(nothing.effects, [to(TO, 0)], "no fee is no effect");
    assert!(warns(&nothing, "pays nothing for its gas"));
    assert!(warns(&decode(json!({ "to": EvmAddress::ZERO.to_string() })), "zero address"));
    assert!(warns(&decode(json!({ "gas": 20_999 })), "under 21000"));
    assert!(warns(&decode(json!({ "gas": 16_777_217 })), "EIP-7825"));
    let most = format!("0x{}", "f".repeat(32));
    let dear = decode(json!({ "gas": u64::MAX, "maxFeePerGas": most, "value": format!("0x{}", "f".repeat(64)) }));
    assert_eq!((dear.fee, dear.fee_rate, dear.total_out), (u64::MAX, Some(u64::MAX), u64::MAX), "saturating");
}

#[test]
fn blobs_are_paid_for() {
    let hash = format!("0x01{}", "00".repeat(31));
    let decoded = decode(json!({ "type": 3, "blobVersionedHashes": [hash, hash], "maxFeePerBlobGas": 1_500_000_000 }));
    // 21,000 gas of 2 gwei; 2 blobs of 131,072 gas of 1.5 gwei.
    assert_eq!(decoded.fee, 42_000 + 393_216);
    assert_eq!(decoded.details["blobs"], 2);
}

#[test]
fn token_call_moves_tokens() {
    let decoded = decode(json!({ "to": TOKEN, "value": 0, "data": transfer(1_000_001) }));
    let token = Effect {
        recipient: Some(TO.to_owned()),
        amount: Some(2),
        token: Some(TOKEN.to_owned()),
        selector: Some("0xa9059cbb".to_owned()),
        ..Effect::new(EffectKind::Token)
    };
    assert_eq!(decoded.effects, [token.clone(), fee(42_000)]);
    assert!(!decoded.unknown_parts && decoded.warnings.is_empty(), "{:?}", decoded.warnings);
    assert_eq!(decoded.total_out, 0);
    assert_eq!(decoded.details["call"]["function"], "transfer(address,uint256)");
    assert_eq!(decoded.details["call"]["arguments"], json!({ "to": TO, "amount": "1000001" }));
    let with_value = decode(json!({ "to": TOKEN, "value": 1, "data": transfer(1) }));
    assert_eq!(with_value.effects[0], to(TOKEN, 1), "the coins sent along go to the contract");
    assert_eq!(with_value.effects[1].amount, Some(1));
    let stranger = decode(json!({ "to": FROM, "value": 0, "data": transfer(1) }));
    assert_eq!(stranger.effects[0], Effect { amount: None, token: Some(FROM.to_owned()), unknown_amount: true, ..token });
    assert!(warns(&stranger, "is no token of [[networks.tokens]]"));
}

#[test]
fn approval_is_told_from_a_transfer() {
    let approve = |amount: &str| format!("0x095ea7b3{}{}{amount}", "00".repeat(12), hex_of(TO));
    let some = decode(json!({ "to": TOKEN, "value": 0, "data": approve(&format!("{:064x}", 1)) }));
    assert_eq!((some.effects[0].kind, some.effects[0].amount), (EffectKind::Approval, Some(1)));
    assert!(some.warnings.is_empty());
    let all = decode(json!({ "to": TOKEN, "value": 0, "data": approve(&"f".repeat(64)) }));
    assert_eq!(all.effects[0].amount, Some(u64::MAX));
    assert!(warns(&all, "move any amount"));
    let for_all = format!("0xa22cb465{}{}{:064x}", "00".repeat(12), hex_of(TO), 1);
    let operator = decode(json!({ "to": TOKEN, "value": 0, "data": for_all }));
    assert!(operator.effects[0].kind == EffectKind::Approval && operator.effects[0].unknown_amount);
    assert!(warns(&operator, "move every token"));
    let others = format!("0x23b872dd{0}{1}{0}{1}{2:064x}", "00".repeat(12), hex_of(TO), 1);
    assert!(warns(&decode(json!({ "to": TOKEN, "value": 0, "data": others })), "not the wallet's own"));
}

#[test]
fn call_that_is_not_read_is_unknown() {
    let dirty = transfer(1).replacen("a9059cbb00", "a9059cbb01", 1);
    for (data, selector) in [
        (dirty.as_str(), Some("0xa9059cbb")),
        ("0xd0e30db0", Some("0xd0e30db0")),
        ("0xa9059cbb", Some("0xa9059cbb")),
        ("0x00", None),
    ] {
        let decoded = decode(json!({ "to": TOKEN, "data": data, "value": 5 }));
        let call = Effect {
            program: Some(TOKEN.to_owned()),
            selector: selector.map(str::to_owned),
            unknown_amount: true,
            ..Effect::new(EffectKind::Call)
        };
        assert_eq!(decoded.effects, [to(TOKEN, 1), call, fee(42_000)], "{data}");
        assert!(decoded.unknown_parts && warns(&decoded, "is not known"));
    }
}

#[test]
fn contract_creation_is_unknown() {
    let decoded = decode(json!({ "to": null, "data": "0x6001", "value": 1_000_000_000 }));
    let created = FROM.parse::<EvmAddress>().unwrap().create(7).to_checksum(None);
    let create = Effect { unknown_amount: true, ..Effect::new(EffectKind::Create) };
    assert_eq!(decoded.effects, [to(&created, 1), create, fee(42_000)]);
    assert!(decoded.unknown_parts && warns(&decoded, "creates a contract"));
    assert_eq!((&decoded.details["to"], &decoded.details["creates"]), (&Value::Null, &json!(created)));
}

#[test]
fn authorization_is_a_delegation_of_unknown_amount() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let list = vectors["transactions"].as_array().unwrap().last().unwrap()["request"]["authorizationList"].clone();
    let decoded = decode(json!({ "type": 4, "nonce": 9, "authorizationList": list }));
    let delegate = Effect {
        program: Some("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned()),
        unknown_amount: true,
        ..Effect::new(EffectKind::Delegate)
    };
    let revocation = Effect { program: Some(EvmAddress::ZERO.to_checksum(None)), ..Effect::new(EffectKind::Delegate) };
    assert_eq!(decoded.effects, [to(TO, 1_000_000_000), delegate, revocation, fee(42_000)]);
    assert!(!warns(&decoded, "would skip it"), "{:?}", decoded.warnings);
    assert!(warns(&decode(json!({ "type": 4, "nonce": 10, "authorizationList": list })), "would skip it"));
    let other = account_of([0x47; 32]).to_checksum(None);
    assert_eq!(decoded.details["authorizations"][0]["account"], json!(other));
    assert_eq!(decoded.details["authorizations"][1]["account"], FROM);
    assert!(warns(&decoded, &format!("gives {other} the code of")) && warns(&decoded, "takes the code"));
    let unsigned = Authorization { chain_id: U256::ZERO, address: EvmAddress::ZERO, nonce: 0 };
    let signature = evm_signature(&sign([0x47; 32], &unsigned.signature_hash().0)).unwrap();
    let everywhere =
        serde_json::to_value(crate::chains::evm::authorization::SignedAuthorizationView::from(&unsigned.into_signed(signature)));
    assert!(warns(&decode(json!({ "type": 4, "authorizationList": [everywhere.unwrap()] })), "holds on every chain"));
}
