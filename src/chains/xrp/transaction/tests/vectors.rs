//! Vectors of the ledger's own libraries, and transactions that are in the ledger.

use std::collections::BTreeMap;

use super::super::amount::Amount;
use super::super::fields::FieldType;
use super::super::formats::{ACCOUNT_FLAGS, COMMON, FORMATS, FULLY_CANONICAL};
use super::*;
use crate::chains::decoded::Rule;
use crate::chains::xrp::{Parsed, read};

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn transactions() -> Value {
    vectors(include_str!("../../../../../tests/vectors/xrp/transactions.json"))
}

fn definitions() -> Value {
    vectors(include_str!("../../../../../tests/vectors/xrp/fields.json"))
}

fn account_of(text: &str) -> AccountId {
    match read(text) {
        Ok(Parsed::Classic(account)) => account,
        other => panic!("{text}: {other:?}"),
    }
}

/// A transaction without its signature, and the signature.
fn split(json: &Value) -> (Value, Option<Vec<u8>>) {
    let mut json = json.clone();
    let signature = json.as_object_mut().unwrap().remove("TxnSignature");
    (json, signature.map(|signature| hex::decode(signature.as_str().unwrap()).unwrap()))
}

#[test]
fn fields_are_those_of_the_ledgers_definitions() {
    let definitions = definitions();
    for field in Field::ALL {
        let defined = &definitions["fields"][field.name()];
        let kind = format!("{:?}", field.kind());
        let named = match kind.as_str() {
            "AccountId" => "AccountID",
            "Object" => "STObject",
            "Array" => "STArray",
            other => other,
        };
        assert_eq!(defined[0], named, "{field:?}");
        assert_eq!((&defined[1], &defined[2]), (&json!(field.kind() as u8), &json!(field.code())), "{field:?}");
        let is_signature = matches!(field, Field::TxnSignature | Field::Signers);
        assert_eq!(defined[3], !is_signature, "{field:?}");
    }
    let ids = definitions["ids"].as_array().unwrap();
    assert!(ids.len() > 40);
    for id in ids {
        let field = Field::ALL.iter().find(|field| field.name() == id[0]).unwrap();
        assert_eq!(hex::encode_upper(field.id()), id[1].as_str().unwrap(), "{field:?}");
    }
    assert_eq!(FieldType::PathSet as u8, 18);
}

#[test]
fn formats_are_those_of_the_ledgers_definitions() {
    let definitions = definitions();
    // Set here, or refused.
    let elsewhere = [
        "TransactionType",
        "SigningPubKey",
        "TxnSignature",
        "Signers",
        "NetworkID",
        "PreviousTxnID",
        "OperationLimit",
        "Delegate",
        "Sponsor",
        "SponsorFlags",
        "SponsorSignature",
        "CredentialIDs",
        "DomainID",
    ];
    let known = |fields: &[(Field, bool)]| {
        fields.iter().map(|(field, required)| (field.name().to_owned(), *required)).collect::<BTreeMap<_, _>>()
    };
    let defined = |name: &str| {
        let fields = definitions["formats"][name].as_object().unwrap().iter();
        fields
            .filter(|(field, _)| !elsewhere.contains(&field.as_str()))
            .map(|(field, required)| (field.clone(), required.as_bool().unwrap()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(known(COMMON), defined("common"));
    for format in FORMATS {
        let mut expected = defined(format.name);
        if format.name == "TrustSet" {
            // Optional in the format, and needed by what executes it.
            expected.insert("LimitAmount".to_owned(), true);
        }
        assert_eq!(known(format.fields), expected, "{}", format.name);
        assert_eq!(definitions["transactionTypes"][format.name], format.code);
        let mut flags: BTreeMap<String, u64> = match definitions["flags"].get(format.name) {
            Some(flags) => serde_json::from_value(flags.clone()).unwrap(),
            None => BTreeMap::new(),
        };
        // They go with fields that are not read here.
        flags.retain(|name, _| !["tfSponsorCreatedAccount", "tfHybrid"].contains(&name.as_str()));
        let known: BTreeMap<_, _> = format.flags.iter().map(|(bit, name)| ((*name).to_owned(), u64::from(*bit))).collect();
        assert_eq!(known, flags, "{}", format.name);
    }
    assert_eq!(definitions["flags"]["universal"][FULLY_CANONICAL.1], FULLY_CANONICAL.0);
    let flags: BTreeMap<_, _> = ACCOUNT_FLAGS.iter().map(|flag| (flag.name.to_owned(), flag.number)).collect();
    let defined: BTreeMap<String, u32> = serde_json::from_value(definitions["accountFlags"].clone()).unwrap();
    assert_eq!(flags, defined);
}

#[test]
fn amounts_have_the_ledgers_bytes() {
    let vectors = vectors(include_str!("../../../../../tests/vectors/xrp/amounts.json"));
    let read = |amount: &Value| {
        let limit = parse(&payment(json!({ "Amount": amount })));
        limit.map(|request| *request.fields.amount(Field::Amount).unwrap())
    };
    let (mut amounts, mut zeros) = (0, 0);
    for case in vectors["amounts"].as_array().unwrap() {
        match read(&case[0]) {
            Ok(amount) => {
                assert_eq!(hex::encode_upper(amount.to_bytes()), case[1].as_str().unwrap(), "{case}");
                assert_eq!(read(&amount.to_json()), Ok(amount));
                amounts += 1;
            }
            Err(error) => {
                assert_eq!(error.to_string(), "transaction.Amount: must be more than 0", "{case}");
                zeros += 1;
            }
        }
    }
    assert!(amounts > 18 && zeros > 1, "{amounts} {zeros}");
    for case in vectors["refused"].as_array().unwrap() {
        assert!(read(&case[0]).is_err(), "{case}");
    }
    assert_eq!(hex::encode(Amount::Drops(0).to_bytes()), "4000000000000000");
    let zero =
        amount::Issued::new("0.0", amount::Currency::parse("USD").unwrap(), account_of("rrrrrrrrrrrrrrrrrrrrBZbvji")).unwrap();
    let expected = "800000000000000000000000000000000000000055534400000000000000000000000000000000000000000000000001";
    assert_eq!(hex::encode(Amount::Issued(zero).to_bytes()), expected);
}

#[test]
fn transactions_have_the_ledgers_bytes() {
    let vectors = transactions();
    let unsigned = vectors["unsigned"].as_array().unwrap();
    assert!(unsigned.len() > 15);
    for case in unsigned {
        let request = match parse(&case["json"]) {
            Ok(request) => request,
            // Of a ledger of 2014, when a MemoType could have spaces.
            Err(error) if case["json"]["Memos"][0]["Memo"]["MemoType"] == "584D4D2076616C7565" => {
                assert!(error.to_string().contains("RFC 3986"), "{error}");
                continue;
            }
            Err(error) => panic!("{}: {error}", case["json"]),
        };
        assert_eq!(hex::encode_upper(request.fields.encode()), case["blob"].as_str().unwrap(), "{}", case["json"]);
        assert_eq!(Value::Object(request.fields.to_json()), case["json"], "and back");
    }
    for case in vectors["withoutSequence"].as_array().unwrap() {
        let mut json = case["json"].clone();
        json.as_object_mut().unwrap().extend(json!({ "Sequence": 1, "Fee": "10" }).as_object().unwrap().clone());
        let request = parse(&json).unwrap();
        let mut fields = Fields::default();
        for (field, value) in request.fields.iter().filter(|(field, _)| !matches!(field, Field::Sequence | Field::Fee)) {
            fields.set(field, value.clone());
        }
        assert_eq!(hex::encode_upper(fields.encode()), case["blob"].as_str().unwrap(), "{json}");
    }
    for json in vectors["notServed"].as_array().unwrap() {
        let Err(DecodeError::Refused { rule: Rule::TransactionType, reason }) = parse(json) else { panic!("{json}") };
        assert!(reason.contains("\"SetRegularKey\""), "{reason}");
    }
}

#[test]
fn signatures_in_the_ledger_are_over_what_is_signed_here() {
    let vectors = transactions();
    let secp = Secp256k1::verification_only();
    let signed = vectors["signed"].as_array().unwrap().iter().map(|case| (&case["json"], Some(case)));
    let in_x = vectors["xAddresses"].as_array().unwrap().iter().map(|case| (&case["rjson"], None));
    let mut verified = 0;
    for (json, case) in signed.chain(in_x) {
        let (unsigned, signature) = split(json);
        let (Some(signature), Some(key)) = (signature, json["SigningPubKey"].as_str()) else { continue };
        // Tags were added to one of them, so that it is no longer what was signed.
        if json["SourceTag"] == 84_854 {
            continue;
        }
        let request = parse(&unsigned).unwrap_or_else(|error| panic!("{json}: {error}"));
        let key_bytes = hex::decode(key).unwrap();
        let mut fields = request.fields.clone();
        fields.set(Field::SigningPubKey, FieldValue::Blob(key_bytes.clone()));
        let message = Message::from_digest(sha512_half(TO_SIGN, &fields.encode()));
        let key = PublicKey::from_slice(&key_bytes).unwrap();
        let mut parsed = Signature::from_der(&signature).unwrap();
        parsed.normalize_s();
        secp.verify_ecdsa(&message, &parsed, &key).unwrap_or_else(|error| panic!("{json}: {error}"));
        verified += 1;
        fields.set(Field::TxnSignature, FieldValue::Blob(signature));
        if let Some(case) = case {
            let blob = fields.encode();
            assert_eq!(hex::encode_upper(&blob), case["blob"].as_str().unwrap(), "{json}");
            if let Some(hash) = case["hash"].as_str() {
                assert_eq!(hex::encode_upper(sha512_half(ID, &blob)), hash);
                let transaction = request.for_signer(&network("mainnet"), &key, false).unwrap();
                let signed =
                    transaction.signed(&SignatureBytes::Ecdsa { r_s: parsed.serialize_compact(), recovery_id: 0 }).unwrap();
                assert_eq!((signed.tx_blob, signed.hash.as_str()), (hex::encode_upper(&blob), hash), "the same on our own way");
            }
        }
    }
    assert!(verified >= 9, "{verified}");
}

#[test]
fn x_addresses_give_the_same_bytes_as_addresses_and_tags() {
    let vectors = transactions();
    let mut compared = 0;
    // Entries of the ledger are among them.
    for case in vectors["xAddresses"].as_array().unwrap().iter().filter(|case| case["rjson"]["TransactionType"].is_string()) {
        compared += 1;
        let [x, classic] =
            ["xjson", "rjson"].map(|name| parse(&split(&case[name]).0).unwrap_or_else(|error| panic!("{case}: {error}")));
        assert_eq!(x.fields, classic.fields, "{case}");
        assert!(!x.x_addresses.is_empty() && classic.x_addresses.is_empty());
        let content = |request: &XrpTransactionRequest| serde_json::to_string(request).unwrap();
        assert_eq!(content(&x), content(&classic));
    }
    assert!(compared > 5);
}

#[test]
fn signing_data_is_that_of_the_published_vectors() {
    let vectors = transactions();
    let (single, several) = (&vectors["signing"], &vectors["multiSigning"]);
    let mut fields = parse(&single["json"]).unwrap().fields;
    fields.set(Field::SigningPubKey, FieldValue::Blob(hex::decode(single["signingPubKey"].as_str().unwrap()).unwrap()));
    assert_eq!(hex::encode_upper([&TO_SIGN[..], &fields.encode()].concat()), single["bytes"].as_str().unwrap());

    let mut transaction = parse(&several["json"]).unwrap().for_signer(&network("mainnet"), &key(1), true).unwrap();
    transaction.signer = account_of(several["signer"].as_str().unwrap());
    let expected = hex::decode(several["bytes"].as_str().unwrap()).unwrap();
    assert_eq!([&transaction.signing_preimage()[..], transaction.signer.as_bytes()].concat(), expected);
    assert_eq!(*transaction.signing_hash().as_bytes(), sha512_half(*b"SMT\0", &expected[4..]));
}
