//! Requests against vectors of other implementations, against generated transactions, and against what must be refused.

mod refusals;
mod summary;

use alloy_consensus::transaction::{EthereumTxEnvelope, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip2718::{Decodable2718, Typed2718};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address as EvmAddress, B256, Bytes, Signature, TxKind, U256, keccak256};
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::chains::networks::{NetworkDefaults, Networks};
use crate::keys::SignatureBytes;

const VECTORS: &str = include_str!("../../../../tests/vectors/evm/transactions.json");
/// That of the example in EIP-155.
const KEY: [u8; 32] = [0x46; 32];
const FROM: &str = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";

fn network(chain_id: u64) -> Network {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    networks.iter().find(|network| network.chain_id() == Some(chain_id)).unwrap().clone()
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other}"),
    }
}

/// A payment on Sepolia, as ethers writes it.
fn payment() -> Map<String, Value> {
    members(json!({
        "from": FROM,
        "to": "0x3535353535353535353535353535353535353535",
        "value": "0xde0b6b3a7640000",
        "nonce": "0x7",
        "gas": "0x5208",
        "maxFeePerGas": "0x77359400",
        "maxPriorityFeePerGas": "0x3b9aca00",
        "chainId": "0xaa36a7",
        "type": "0x2",
    }))
}

/// The payment with members changed, or left out where they are null.
fn payment_with(changes: Value) -> Map<String, Value> {
    let mut payment = payment();
    payment.extend(members(changes));
    payment
}

fn sign(key: [u8; 32], hash: &[u8; 32]) -> SignatureBytes {
    let key = SecretKey::from_slice(&key).unwrap();
    let signature = Secp256k1::signing_only().sign_ecdsa_recoverable(&Message::from_digest(*hash), &key);
    let (recovery_id, r_s) = signature.serialize_compact();
    SignatureBytes::Ecdsa { r_s, recovery_id: recovery_id.to_i32().try_into().unwrap() }
}

fn account_of(key: [u8; 32]) -> EvmAddress {
    let point = SecretKey::from_slice(&key).unwrap().public_key(&Secp256k1::signing_only()).serialize_uncompressed();
    EvmAddress::from_raw_public_key(&point[1..])
}

fn bytes_of(raw: &str) -> Vec<u8> {
    hex::decode(raw.strip_prefix("0x").unwrap()).unwrap()
}

/// A signed transaction as alloy reads it.
fn read(raw: &str) -> EthereumTxEnvelope<TxEip4844> {
    EthereumTxEnvelope::decode_2718_exact(&bytes_of(raw)).unwrap()
}

fn signature_bytes(signature: &Signature) -> SignatureBytes {
    let r_s = signature.as_bytes()[..64].try_into().unwrap();
    SignatureBytes::Ecdsa { r_s, recovery_id: u8::from(signature.v()) }
}

/// The request that asks for this transaction; `decimal` writes numbers as JSON numbers where they fit.
fn request_of(typed: &Typed, from: &EvmAddress, decimal: bool) -> Map<String, Value> {
    let number = |number: U256| match u64::try_from(number) {
        Ok(number) if decimal => json!(number),
        _ => json!(quantity(number)),
    };
    let hex = |bytes: &[u8]| json!(format!("0x{}", hex::encode(bytes)));
    let mut request = members(json!({
        "from": from.to_checksum(None),
        "type": number(U256::from(typed.ty())),
        "chainId": number(U256::from(typed.chain_id().unwrap())),
        "nonce": number(U256::from(typed.nonce())),
        "gas": number(U256::from(typed.gas_limit())),
        "value": number(typed.value()),
        "input": hex(typed.input()),
    }));
    let mut set = |name: &str, value: Value| request.insert(name.to_owned(), value);
    if let Some(to) = typed.to() {
        set("to", hex(to.as_slice()));
    }
    match typed.gas_price() {
        Some(price) => {
            set("gasPrice", number(U256::from(price)));
        }
        None => {
            set("maxFeePerGas", number(U256::from(typed.max_fee_per_gas())));
            set("maxPriorityFeePerGas", number(U256::from(typed.max_priority_fee_per_gas().unwrap())));
        }
    }
    if let Some(list) = typed.access_list() {
        let item = |item: &AccessListItem| {
            let keys: Vec<_> = item.storage_keys.iter().map(|key| hex(key.as_slice())).collect();
            json!({ "address": hex(item.address.as_slice()), "storageKeys": keys })
        };
        set("accessList", list.iter().map(item).collect());
    }
    if let Some(hashes) = typed.blob_versioned_hashes() {
        set("maxFeePerBlobGas", number(U256::from(typed.max_fee_per_blob_gas().unwrap())));
        set("blobVersionedHashes", hashes.iter().map(|hash| hex(hash.as_slice())).collect());
    }
    if let Some(list) = typed.authorization_list() {
        let entry = |signed: &SignedAuthorization| {
            json!({
                "chainId": number(signed.inner().chain_id),
                "address": hex(signed.inner().address.as_slice()),
                "nonce": number(U256::from(signed.inner().nonce)),
                "yParity": number(U256::from(signed.y_parity())),
                "r": quantity(signed.r()),
                "s": quantity(signed.s()),
            })
        };
        set("authorizationList", list.iter().map(entry).collect());
    }
    request
}

#[test]
fn sign_agrees_with_ethers_and_viem() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["transactions"].as_array().unwrap();
    assert_eq!(vectors.len(), 9);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let raw = vector["raw"].as_str().unwrap();
        let theirs = read(raw);
        let request = parse(&members(vector["request"].clone())).unwrap();
        let transaction = request.on_network(&network(request.chain_id.unwrap())).unwrap();
        assert_eq!(format!("0x{}", transaction.signing_hash()), vector["signingHash"], "{name}");
        assert_eq!(keccak256(transaction.signing_preimage()).0, *transaction.signing_hash().as_bytes());
        let signed = transaction.signed(&signature_bytes(theirs.signature())).unwrap();
        assert_eq!(signed.raw, raw, "{name}");
        let json = serde_json::to_value(&signed).unwrap();
        assert_eq!(json["tx"]["hash"], vector["hash"], "{name}");
        // What geth shows of it, asks for it again.
        for (member, value) in &members(vector["request"].clone()) {
            let shown = match member.as_str() {
                "from" => continue,
                "data" => &json["tx"]["input"],
                member => &json["tx"][member],
            };
            assert_eq!(shown, value, "{name}: {member}");
        }
        // Without its type it is the same transaction: the other members say which.
        let mut implied = members(vector["request"].clone());
        implied.remove("type");
        assert_eq!(parse(&implied).unwrap(), request, "{name}");
    }
}

#[test]
fn sign_agrees_with_transactions_on_the_chain() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for vector in vectors["published"].as_array().unwrap() {
        let raw = vector["raw"].as_str().unwrap();
        let theirs = read(raw);
        let (signature, typed) = (*theirs.signature(), Typed::from(theirs));
        let from: EvmAddress = vector["from"].as_str().unwrap().parse().unwrap();
        let transaction = match parse(&request_of(&typed, &from, false)).unwrap() {
            // One of these is of a chain that no network here has: the address alone is what proves it.
            request if request.chain_id == Some(2) => {
                Transaction { from, chain_id: 2, network: network(1), authorities: Vec::new(), typed }
            }
            request => request.on_network(&network(request.chain_id.unwrap())).unwrap(),
        };
        let signed = transaction.signed(&signature_bytes(&signature)).unwrap();
        assert_eq!(signed.raw, raw);
        let json = serde_json::to_value(&signed).unwrap();
        if let Some(hash) = vector.get("hash") {
            assert_eq!(&json["tx"]["hash"], hash);
        }
        if let Some(hash) = vector.get("signingHash") {
            assert_eq!(*hash, format!("0x{}", transaction.signing_hash()));
        }
        let other = Transaction { from: account_of([1; 32]), ..transaction };
        assert_eq!(other.signed(&signature_bytes(&signature)), Err(SigningError::Signer));
    }
}

#[test]
fn sign_answers_as_geth_does() {
    let of = |changes: Value| {
        let transaction = parse(&payment_with(changes)).unwrap().on_network(&network(11_155_111)).unwrap();
        let signed = transaction.signed(&sign(KEY, transaction.signing_hash().as_bytes())).unwrap();
        serde_json::to_value(signed).unwrap()
    };
    let json = of(json!({}));
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["raw", "tx"]);
    let tx = &json["tx"];
    let expected = json!({
        "type": "0x2", "chainId": "0xaa36a7", "nonce": "0x7", "to": "0x3535353535353535353535353535353535353535",
        "gas": "0x5208", "gasPrice": null, "maxPriorityFeePerGas": "0x3b9aca00", "maxFeePerGas": "0x77359400",
        "value": "0xde0b6b3a7640000", "input": "0x", "accessList": [], "v": tx["v"], "r": tx["r"], "s": tx["s"],
        "yParity": tx["v"], "hash": tx["hash"],
    });
    assert_eq!(*tx, expected);
    let legacy =
        json!({ "type": 0, "gasPrice": 1, "maxFeePerGas": null, "maxPriorityFeePerGas": null, "to": null, "data": "0x00" });
    let tx = &of(legacy)["tx"];
    let expected = json!({
        "type": "0x0", "chainId": "0xaa36a7", "nonce": "0x7", "to": null, "gas": "0x5208", "gasPrice": "0x1",
        "maxPriorityFeePerGas": null, "maxFeePerGas": null, "value": "0xde0b6b3a7640000", "input": "0x00", "v": tx["v"],
        "r": tx["r"], "s": tx["s"], "hash": tx["hash"],
    });
    assert_eq!(*tx, expected);
    assert!(["0x1546d71", "0x1546d72"].contains(&tx["v"].as_str().unwrap()), "EIP-155: {tx}");
}

#[test]
fn sign_with_what_is_no_signature_of_it_gives_nothing() {
    let transaction = parse(&payment()).unwrap().on_network(&network(11_155_111)).unwrap();
    let hash = transaction.signing_hash();
    let SignatureBytes::Ecdsa { r_s, recovery_id } = sign(KEY, hash.as_bytes()) else { panic!() };
    for id in [2, 3] {
        let signature = SignatureBytes::Ecdsa { r_s, recovery_id: id };
        assert_eq!(transaction.signed(&signature), Err(SigningError::Signature));
    }
    assert_eq!(transaction.signed(&SignatureBytes::Ed25519([7; 64])), Err(SigningError::Signature));
    let wrong_parity = SignatureBytes::Ecdsa { r_s, recovery_id: 1 - recovery_id };
    assert_eq!(transaction.signed(&wrong_parity), Err(SigningError::Signer));
    assert_eq!(transaction.signed(&sign([1; 32], hash.as_bytes())), Err(SigningError::Signer));
    assert_eq!(transaction.signed(&sign(KEY, &[1; 32])), Err(SigningError::Signer));
    assert_eq!(transaction.signed(&SignatureBytes::Ecdsa { r_s: [0; 64], recovery_id: 0 }), Err(SigningError::Signer));
}

#[test]
fn parse_of_two_spellings_of_one_transaction_is_one_content() {
    let content = |request: &Map<String, Value>| serde_json::to_string(&parse(request).unwrap()).unwrap();
    let one = content(&payment());
    let spellings = [
        json!({ "type": 2 }),
        json!({ "type": null }),
        json!({ "from": FROM.to_lowercase() }),
        json!({ "nonce": 7, "gas": 21_000, "chainId": 11_155_111, "value": 1_000_000_000_000_000_000_u64 }),
        json!({ "nonce": "0x07", "data": "0x", "input": "0x" }),
        json!({ "data": "" }),
        json!({ "accessList": [], "gasPrice": null, "blobVersionedHashes": null, "v": null, "unknown": null }),
    ];
    for changes in spellings {
        assert_eq!(content(&payment_with(changes.clone())), one, "{changes}");
    }
    let others = [
        json!({ "nonce": 8 }),
        json!({ "value": 0 }),
        json!({ "to": "0x3535353535353535353535353535353535353536" }),
        json!({ "data": "0x00" }),
        json!({ "gas": 21_001 }),
        json!({ "chainId": 1 }),
        json!({ "chainId": null }),
        json!({ "from": "0x3535353535353535353535353535353535353535" }),
        json!({ "maxPriorityFeePerGas": 0 }),
        json!({ "accessList": [{ "address": FROM, "storageKeys": [] }] }),
    ];
    let mut contents: Vec<_> = others.into_iter().map(|changes| content(&payment_with(changes))).collect();
    contents.push(one);
    let count = contents.len();
    contents.sort_unstable();
    contents.dedup();
    assert_eq!(contents.len(), count);
}

fn fee() -> impl Strategy<Value = (u128, u128)> {
    (any::<u128>(), any::<u128>()).prop_map(|(one, other)| (one.max(other), one.min(other)))
}

fn kind() -> impl Strategy<Value = TxKind> {
    prop_oneof![Just(TxKind::Create), any::<[u8; 20]>().prop_map(|to| TxKind::Call(to.into()))]
}

fn access_list() -> impl Strategy<Value = AccessList> {
    let keys = prop::collection::vec(any::<[u8; 32]>().prop_map(B256::from), 0..3);
    let item =
        (any::<[u8; 20]>(), keys).prop_map(|(address, storage_keys)| AccessListItem { address: address.into(), storage_keys });
    prop::collection::vec(item, 0..3).prop_map(AccessList)
}

fn authorization() -> impl Strategy<Value = SignedAuthorization> {
    (1..0xff_u8, any::<bool>(), any::<[u8; 20]>(), 0..u64::MAX).prop_map(|(key, everywhere, address, nonce)| {
        let chain_id = if everywhere { U256::ZERO } else { U256::from(1) };
        let unsigned = Authorization { chain_id, address: address.into(), nonce };
        let signature = evm_signature(&sign([key; 32], &unsigned.signature_hash().0)).unwrap();
        unsigned.into_signed(signature)
    })
}

/// A transaction of any type, on chain 1.
fn transaction() -> impl Strategy<Value = Typed> {
    let shared = (0..u64::MAX, fee(), 1..=u64::MAX, any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 1..80));
    let lists = (access_list(), prop::collection::vec(any::<[u8; 31]>(), 1..4), prop::collection::vec(authorization(), 1..3));
    (0..5, shared, kind(), any::<[u8; 20]>(), lists).prop_map(
        |(number, shared, kind, to, (access_list, hashes, authorizations))| {
            let (nonce, (max_fee_per_gas, max_priority_fee_per_gas), gas_limit, value, input) = shared;
            let (value, input) = (U256::from_be_bytes(value), Bytes::from(input));
            let (chain_id, gas_price) = (1, max_fee_per_gas);
            match number {
                0 => Typed::Legacy(TxLegacy { chain_id: Some(1), nonce, gas_price, gas_limit, to: kind, value, input }),
                1 => Typed::Eip2930(TxEip2930 { chain_id, nonce, gas_price, gas_limit, to: kind, value, access_list, input }),
                2 => Typed::Eip1559(TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to: kind,
                    value,
                    access_list,
                    input,
                }),
                3 => Typed::Eip4844(TxEip4844 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to: to.into(),
                    value,
                    access_list,
                    blob_versioned_hashes: hashes.iter().map(|hash| B256::from_slice(&[&[1], &hash[..]].concat())).collect(),
                    max_fee_per_blob_gas: max_priority_fee_per_gas.max(1),
                    input,
                }),
                _ => Typed::Eip7702(TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to: to.into(),
                    value,
                    access_list,
                    authorization_list: authorizations,
                    input,
                }),
            }
        },
    )
}

proptest! {
    #[test]
    fn any_transaction_is_asked_for_signed_and_read_back_as_it_is(typed in transaction(), decimal in any::<bool>()) {
        let from = account_of(KEY);
        let request = parse(&request_of(&typed, &from, decimal)).unwrap();
        let transaction = request.on_network(&network(1)).unwrap();
        prop_assert_eq!(*transaction.signing_hash().as_bytes(), typed.signature_hash().0);
        let signature = sign(KEY, transaction.signing_hash().as_bytes());
        let signed = transaction.signed(&signature).unwrap();
        let theirs = read(&signed.raw);
        prop_assert_eq!(signature_bytes(theirs.signature()), signature);
        prop_assert_eq!(Typed::from(theirs), typed.clone());
        // Decoding tells of everything that is paid, whatever the numbers.
        let decoded = transaction.decode(&crate::chains::tokens::Tokens::default());
        prop_assert_eq!(decoded.total_out, crate::chains::tokens::gwei(typed.value()));
        prop_assert!(!decoded.effects.is_empty());
    }

    #[test]
    fn any_json_is_read_or_refused(name in prop::sample::select(vec!["to", "gas", "type", "accessList", "authorizationList", "input",
        "blobVersionedHashes", "chainId", "nonce", "x"]), value in any_json()) {
        let _ = parse(&payment_with(json!({ name: value })));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(0x)?[0-9a-fA-F]{0,66}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let names = prop::sample::select(vec!["address", "storageKeys", "chainId", "nonce", "yParity", "v", "r", "s", "other"]);
        let object = prop::collection::vec((names, inner.clone()), 0..8).prop_map(|members| {
            let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
            Value::Object(members.collect())
        });
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), object]
    })
}
