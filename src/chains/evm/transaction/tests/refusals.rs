//! What is asked for and never made.

use super::*;

/// Field and reason of what is refused.
#[track_caller]
fn refused(request: &Map<String, Value>) -> (String, String) {
    match parse(request) {
        Err(DecodeError::Invalid { field, reason }) => (field.into_owned(), reason),
        other => panic!("{other:?}"),
    }
}

fn authorization_json() -> Value {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    vectors["authorizations"][0]["signed"].clone()
}

#[test]
fn parse_without_what_is_never_guessed_names_it() {
    for name in ["from", "nonce", "gas", "maxFeePerGas", "maxPriorityFeePerGas"] {
        let mut request = payment();
        request.remove(name);
        let (field, reason) = refused(&request);
        assert_eq!(field, name);
        assert!(reason.starts_with("is missing; "), "{reason}");
    }
    let no_fee = json!({ "maxFeePerGas": null, "maxPriorityFeePerGas": null, "type": null });
    assert_eq!(refused(&payment_with(no_fee)).0, "gasPrice");
    let mut without_value = payment();
    without_value.remove("value");
    assert_eq!(parse(&without_value).unwrap(), parse(&payment_with(json!({ "value": "0x0" }))).unwrap());
    let (field, reason) = refused(&payment_with(json!({ "to": null })));
    assert!(field == "to" && reason.contains("has no code"), "{reason}");
    assert!(parse(&payment_with(json!({ "to": null, "input": "0x00" }))).is_ok());
}

#[test]
fn parse_of_members_that_contradict_each_other_is_refused() {
    let blob = json!({ "blobVersionedHashes": [format!("0x01{}", "00".repeat(31))], "maxFeePerBlobGas": 1 });
    let with = |base: &Value, changes: Value| {
        let mut all = members(base.clone());
        all.extend(members(changes));
        Value::Object(all)
    };
    let cases = [
        ("maxFeePerGas", json!({ "type": 0, "gasPrice": 1 })),
        ("maxFeePerGas", json!({ "type": 1, "gasPrice": 1 })),
        ("gasPrice", json!({ "gasPrice": 1 })),
        ("gasPrice", json!({ "gasPrice": 1, "type": null })),
        ("gasPrice", with(&blob, json!({ "type": 3, "gasPrice": 1 }))),
        ("maxPriorityFeePerGas", json!({ "maxPriorityFeePerGas": "0x77359401" })),
        (
            "accessList",
            json!({ "type": 0, "gasPrice": 1, "maxFeePerGas": null, "maxPriorityFeePerGas": null,
            "accessList": [{ "address": FROM, "storageKeys": [] }] }),
        ),
        ("blobVersionedHashes", blob.clone()),
        ("maxFeePerBlobGas", with(&blob, json!({ "type": 4, "blobVersionedHashes": null }))),
        ("authorizationList", json!({ "authorizationList": [authorization_json()] })),
        ("authorizationList", with(&blob, json!({ "type": null, "authorizationList": [] }))),
        ("blobVersionedHashes", json!({ "type": 3, "maxFeePerBlobGas": 1 })),
        ("blobVersionedHashes", with(&blob, json!({ "type": 3, "blobVersionedHashes": [] }))),
        ("blobVersionedHashes", with(&blob, json!({ "type": 3, "blobVersionedHashes": [format!("0x02{}", "00".repeat(31))] }))),
        ("maxFeePerBlobGas", with(&blob, json!({ "type": 3, "maxFeePerBlobGas": null }))),
        ("maxFeePerBlobGas", with(&blob, json!({ "type": 3, "maxFeePerBlobGas": 0 }))),
        ("to", with(&blob, json!({ "type": 3, "to": null, "data": "0x00" }))),
        ("to", json!({ "type": 4, "to": null, "data": "0x00", "authorizationList": [authorization_json()] })),
        ("authorizationList", json!({ "type": 4 })),
        ("authorizationList", json!({ "type": 4, "authorizationList": [] })),
        ("data", json!({ "data": "0x00", "input": "0x" })),
        ("data", json!({ "data": "0x00", "input": "0x01" })),
        ("type", json!({ "type": 5 })),
        ("type", json!({ "type": "0x7e" })),
        ("type", json!({ "type": "eip1559" })),
        ("type", json!({ "type": "2" })),
        ("gas", json!({ "gas": 0 })),
        ("nonce", json!({ "nonce": "0xffffffffffffffff" })),
    ];
    for (expected, changes) in cases {
        // A list of authorizations beside blobs makes the type, and the blobs do not go with it.
        let (field, reason) = refused(&payment_with(changes.clone()));
        let also = expected == "authorizationList" && field.starts_with("blob") || field == "maxFeePerBlobGas";
        assert!(field == expected || also, "{changes}: {field} {reason}");
    }
}

#[test]
fn parse_of_unknown_members_says_what_is_meant() {
    let cases = [
        ("gasLimit", json!(21_000), "is called `gas`"),
        ("maxFeePerGass", json!(1), "did you mean `maxFeePerGas`?"),
        ("chainid", json!(1), "did you mean `chainId`?"),
        ("Nonce", json!(1), "did you mean `nonce`?"),
        ("v", json!("0x1b"), "a signed transaction's"),
        ("hash", json!("0x00"), "a signed transaction's"),
        ("blobs", json!([]), "attach the sidecar"),
        ("commitments", json!([]), "attach the sidecar"),
        ("proofs", json!([]), "attach the sidecar"),
        ("qqqqqqqqqqqq", json!(1), "is no member of a transaction"),
    ];
    for (name, value, expected) in cases {
        let (field, reason) = refused(&payment_with(json!({ name: value })));
        assert!(field == name && reason.contains(expected), "{name}: {reason}");
    }
    assert_eq!(refused(&payment_with(json!({ "x".repeat(5000): 1 }))).0.len(), 64);
}

#[test]
fn parse_of_malformed_members_names_them() {
    let key = format!("0x{}", "11".repeat(32));
    let list = |item: Value| json!({ "accessList": [item] });
    let cases = [
        ("from", json!({ "from": 1 })),
        ("from", json!({ "from": "0x1" })),
        ("to", json!({ "to": "" })),
        ("to", json!({ "to": "0x" })),
        ("to", json!({ "to": "vitalik.eth" })),
        ("to", json!({ "to": "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4f" })),
        ("value", json!({ "value": "1000" })),
        ("value", json!({ "value": 0.5 })),
        ("value", json!({ "value": format!("0x1{}", "0".repeat(64)) })),
        ("gas", json!({ "gas": "0x10000000000000000" })),
        ("maxFeePerGas", json!({ "maxFeePerGas": format!("0x1{}", "0".repeat(32)) })),
        ("chainId", json!({ "chainId": "1" })),
        ("data", json!({ "data": "0x0" })),
        ("data", json!({ "data": [] })),
        ("accessList", json!({ "accessList": {} })),
        ("accessList[0]", list(json!([]))),
        ("accessList[0].storageKeys", list(json!({ "address": FROM }))),
        ("accessList[0].address", list(json!({ "storageKeys": [] }))),
        ("accessList[0].storageKeys", list(json!({ "address": FROM, "storageKeys": ["0x01"] }))),
        ("accessList[0]", list(json!({ "address": FROM, "storageKeys": [key], "more": 1 }))),
    ];
    for (expected, changes) in cases {
        assert_eq!(refused(&payment_with(changes.clone())).0, expected, "{changes}");
    }
}

#[test]
fn parse_takes_an_authorization_as_each_library_writes_it() {
    let with = |changes: Value| {
        let mut entry = members(authorization_json());
        entry.extend(members(changes));
        payment_with(json!({ "type": 4, "authorizationList": [Value::Object(entry)] }))
    };
    let parity = i32::from(authorization_json()["yParity"] != "0x0");
    let padded = format!("0x{:0>64}", authorization_json()["r"].as_str().unwrap().trim_start_matches("0x"));
    let one = parse(&with(json!({}))).unwrap();
    for spelling in [
        json!({ "yParity": parity, "nonce": 3 }),
        json!({ "yParity": null, "v": 27 + parity }),
        json!({ "yParity": null, "v": parity }),
        json!({ "v": 27 + parity }),
        json!({ "r": padded }),
    ] {
        assert_eq!(parse(&with(spelling.clone())).unwrap(), one, "{spelling}");
    }
    for (member, wrong) in [
        (".v", json!({ "v": 28 - parity })),
        (".yParity", json!({ "yParity": 27 })),
        (".yParity", json!({ "yParity": null })),
        (".nonce", json!({ "nonce": "0xffffffffffffffff" })),
        (".chainId", json!({ "chainId": null })),
        (".address", json!({ "address": null })),
        ("", json!({ "contract": FROM })),
    ] {
        let (field, _) = refused(&with(wrong.clone()));
        assert_eq!(field, format!("authorizationList[0]{member}"), "{wrong}");
    }
    for unsigned in [json!({ "r": "0x0" }), json!({ "s": format!("0x{}", "f".repeat(64)) })] {
        let error = parse(&with(unsigned)).unwrap().on_network(&network(11_155_111)).unwrap_err();
        assert!(matches!(error, DecodeError::Invalid { field, .. } if field == "authorizationList[0]"));
    }
}

#[test]
fn parse_over_a_limit_is_refused() {
    let data = |bytes: usize| payment_with(json!({ "data": format!("0x{}", "00".repeat(bytes)) }));
    assert!(parse(&data(MAX_TRANSACTION_BYTES - 200)).is_ok());
    let (field, reason) = refused(&data(MAX_TRANSACTION_BYTES));
    assert!(field == "transaction" && reason.contains("once it is signed"), "{reason}");
    assert_eq!(refused(&data(MAX_TRANSACTION_BYTES + 10)).0, "data");
    let list = |addresses: usize, keys: usize| {
        let key = format!("0x{}", "11".repeat(32));
        let mut list = vec![json!({ "address": FROM, "storageKeys": [] }); addresses];
        list.push(json!({ "address": FROM, "storageKeys": vec![key; keys] }));
        payment_with(json!({ "accessList": list }))
    };
    assert!(parse(&list(MAX_ACCESS_LIST_ADDRESSES - 1, 3_000)).is_ok());
    assert_eq!(refused(&list(MAX_ACCESS_LIST_ADDRESSES, 0)).0, "accessList");
    assert_eq!(refused(&list(0, MAX_STORAGE_KEYS + 1)).0, "accessList");
    assert_eq!(refused(&list(0, MAX_STORAGE_KEYS)).0, "transaction");
    let hashes = |count: usize| {
        let hash = format!("0x01{}", "00".repeat(31));
        payment_with(json!({ "type": 3, "maxFeePerBlobGas": 1, "blobVersionedHashes": vec![hash; count] }))
    };
    assert!(parse(&hashes(MAX_BLOBS)).is_ok());
    assert_eq!(refused(&hashes(MAX_BLOBS + 1)).0, "blobVersionedHashes");
    let authorizations =
        |count: usize| payment_with(json!({ "type": 4, "authorizationList": vec![authorization_json(); count] }));
    assert!(parse(&authorizations(MAX_AUTHORIZATIONS)).is_ok());
    assert_eq!(refused(&authorizations(MAX_AUTHORIZATIONS + 1)).0, "authorizationList");
}

#[test]
fn another_chain_is_refused_by_rule() {
    let on = |changes: Value, chain_id: u64| parse(&payment_with(changes)).unwrap().on_network(&network(chain_id));
    let rule = |result: Result<Transaction, DecodeError>| match result {
        Err(DecodeError::Refused { rule, reason }) => (rule, reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(on(json!({ "chainId": null }), 56).unwrap().chain_id(), 56);
    for chain_id in [json!(0), json!(1), json!("0xffffffffffffffff")] {
        let (rule, reason) = rule(on(json!({ "chainId": chain_id }), 11_155_111));
        assert_eq!(rule, Rule::ChainId);
        assert!(reason.contains("ETH sepolia, whose chain id is 11155111"), "{reason}");
    }
    let listed = json!({ "type": 4, "authorizationList": [authorization_json()], "chainId": null });
    assert!(on(listed.clone(), 11_155_111).is_ok());
    let (found, reason) = rule(on(listed, 1));
    assert!(found == Rule::ChainId && reason.starts_with("an authorization"), "{reason}");
    let bitcoin = Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve("BTC", Some("mainnet")).unwrap();
    assert!(parse(&payment()).unwrap().on_network(&bitcoin).is_err());
}
