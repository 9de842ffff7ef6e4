//! What is not signed, and what is said of it.

use super::*;
use crate::chains::decoded::Rule;

fn escrow(changes: Value) -> Value {
    of_type("EscrowCreate", json!({ "Destination": OTHER, "Amount": "5", "FinishAfter": 10, "CancelAfter": 20 }), changes)
}

fn offer(changes: Value) -> Value {
    of_type("OfferCreate", json!({ "TakerGets": "5", "TakerPays": usd("1") }), changes)
}

fn account_set(changes: Value) -> Value {
    of_type("AccountSet", json!({}), changes)
}

#[track_caller]
fn invalid(json: &Value, field: &str, words: &str) {
    match parse(json) {
        Err(DecodeError::Invalid { field: named, reason }) => {
            assert_eq!(named, field, "{json}: {reason}");
            assert!(reason.contains(words), "{json}: {reason}");
        }
        other => panic!("{json}: {other:?}"),
    }
}

#[track_caller]
fn refused(json: &Value, rule: Rule, words: &str) {
    match parse(json) {
        Err(DecodeError::Refused { rule: named, reason }) => {
            assert_eq!(named, rule, "{json}: {reason}");
            assert!(reason.contains(words), "{json}: {reason}");
        }
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn unknown_types_and_fields_are_refused_by_name() {
    for name in ["SetRegularKey", "SignerListSet", "AccountDelete", "Batch", "DelegateSet", "payment", "", "EnableAmendment"] {
        refused(&of_type(name, json!({}), json!({})), Rule::TransactionType, &format!("{name:?}"));
    }
    for name in
        ["Delegate", "CredentialIDs", "DomainID", "hash", "date", "ledger_index", "meta", "destination", "Sponsor", "Owner"]
    {
        refused(&payment(json!({ name: "x" })), Rule::UnknownField, &format!("{name:?}"));
    }
    refused(&payment(json!({ "x".repeat(5000): 1 })), Rule::UnknownField, "Payment has no field");
    refused(&payment(json!({ "NetworkID": 1 })), Rule::Network, "NetworkID");
    refused(&payment(json!({ "NetworkID": 21_337 })), Rule::Network, "NetworkID");
    refused(&payment(json!({ "TxnSignature": "" })), Rule::AlreadySigned, "TxnSignature");
    let mpt = json!({ "mpt_issuance_id": "00002403C84A0A28E0190E208E982C352BBD5006600555CF", "value": "10" });
    refused(&payment(json!({ "Amount": mpt })), Rule::UnknownField, "mpt_issuance_id");
    let mut amount = usd("1");
    amount["other"] = json!(1);
    refused(&payment(json!({ "Amount": amount })), Rule::UnknownField, "\"other\"");
    refused(&payment(json!({ "Memos": [{ "Memo": { "Data": "00" } }] })), Rule::UnknownField, "\"Data\"");
    refused(&payment(json!({ "Flags": 0x4000_0000 })), Rule::UnknownField, "0x40000000");
    refused(&payment(json!({ "Flags": 0x0010_0000 })), Rule::UnknownField, "0x00100000");
    refused(&account_set(json!({ "SetFlag": 11 })), Rule::UnknownField, "11");
    invalid(&json!([]), "transaction", "object");
    invalid(&json!({}), "transaction", "TransactionType");
    invalid(&json!({ "TransactionType": 0 }), "transaction.TransactionType", "name");
}

#[test]
fn what_is_missing_is_not_guessed() {
    for name in ["Account", "Fee", "Sequence", "Destination", "Amount"] {
        invalid(&payment(json!({ name: null })), "transaction", &format!("no {name};"));
    }
    invalid(&of_type("TrustSet", json!({}), json!({})), "transaction", "LimitAmount");
    invalid(&of_type("OfferCancel", json!({}), json!({})), "transaction", "OfferSequence");
}

#[test]
fn values_of_other_types_are_refused() {
    for wrong in [
        json!(-1),
        json!(1.5),
        json!(4_294_967_296_u64),
        json!("1e3"),
        json!("01"),
        json!(""),
        json!(true),
        json!([1]),
        json!("0x1"),
    ] {
        invalid(&payment(json!({ "DestinationTag": wrong })), "transaction.DestinationTag", "whole number");
    }
    for wrong in
        [json!(5), json!("-5"), json!("1.5"), json!("05"), json!(""), json!("100000000000000001"), json!("1e3"), json!([])]
    {
        invalid(&payment(json!({ "Amount": wrong })), "transaction.Amount", "drops");
    }
    for wrong in ["", "r", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTi", "0x00", "X"] {
        invalid(&payment(json!({ "Destination": wrong })), "transaction.Destination", "");
    }
    for wrong in [json!("00"), json!("x"), json!(1), json!("00".repeat(33)), json!("00".repeat(5000))] {
        invalid(&payment(json!({ "InvoiceID": wrong })), "transaction.InvoiceID", "");
    }
    for wrong in ["", "-1", "+1", ".5", "5.", "1e", "1e+", "e5", "1_0", "01", "0x1", " 1", "NaN", "Infinity", "1e1000000000"] {
        invalid(&payment(json!({ "Amount": usd(wrong) })), "transaction.Amount.value", "");
    }
    invalid(&payment(json!({ "Amount": usd("12345678901234567") })), "transaction.Amount.value", "17 significant digits");
    for wrong in ["1e97", "1e-82", &format!("0.{}1", "0".repeat(81)), &"1".repeat(200)] {
        invalid(&payment(json!({ "Amount": usd(wrong) })), "transaction.Amount.value", "");
    }
    for wrong in ["XRP", "US", "USDX", "U D", "usé", &"0".repeat(40), "0000000000000000000000005852500000000000", &"g".repeat(40)]
    {
        let amount = json!({ "currency": wrong, "issuer": ISSUER, "value": "1" });
        invalid(&payment(json!({ "Amount": amount })), "transaction.Amount.currency", "must");
    }
    let zero = json!({ "currency": "USD", "issuer": "rrrrrrrrrrrrrrrrrrrrrhoLvTp", "value": "1" });
    invalid(&payment(json!({ "Amount": zero })), "transaction.Amount.issuer", "XRP itself");
}

#[test]
fn memos_and_paths_have_bounds() {
    let memo = |bytes: usize| json!({ "Memos": [{ "Memo": { "MemoData": "00".repeat(bytes) } }] });
    // Id, length, end: of the object 2, of the data 3.
    assert!(parse(&payment(memo(1019))).is_ok());
    invalid(&payment(memo(1020)), "transaction.Memos", "1025 bytes");
    for wrong in [json!([]), json!({}), json!(vec![json!({ "Memo": { "MemoData": "" } }); 300])] {
        invalid(&payment(json!({ "Memos": wrong })), "transaction.Memos", "");
    }
    for wrong in [json!([1]), json!([{}]), json!([{ "Memo": {} }])] {
        invalid(&payment(json!({ "Memos": wrong })), "transaction.Memos[0]", "");
    }
    invalid(&payment(json!({ "Memos": [{ "Memo": { "MemoType": "20" } }] })), "transaction.Memos[0].MemoType", "URLs");
    let path = |paths: usize, steps: usize| json!({ "Amount": usd("1"), "SendMax": "5", "Paths": vec![vec![json!({ "account": ISSUER }); steps]; paths] });
    assert!(parse(&payment(path(6, 8))).is_ok());
    invalid(&payment(path(7, 1)), "transaction.Paths", "1 to 6");
    invalid(&payment(path(1, 9)), "transaction.Paths[0]", "1 to 8");
    invalid(&payment(path(0, 1)), "transaction.Paths", "1 to 6");
    for (step, words) in [(json!({}), "must have"), (json!({ "account": ISSUER, "type": 48 }), "type"), (json!(1), "object")] {
        invalid(&payment(json!({ "Amount": usd("1"), "SendMax": "5", "Paths": [[step]] })), "transaction.Paths[0][0]", words);
    }
}

#[test]
fn what_the_ledger_never_executes_is_refused() {
    for (json, field) in [
        (payment(json!({ "Fee": "0" })), "Fee"),
        (payment(json!({ "Fee": usd("1") })), "Fee"),
        (payment(json!({ "Sequence": 0 })), "Sequence"),
        (payment(json!({ "TicketSequence": 8 })), "Sequence"),
        (payment(json!({ "Sequence": 0, "TicketSequence": 0 })), "TicketSequence"),
        (payment(json!({ "Sequence": 0, "TicketSequence": 8, "AccountTxnID": "00".repeat(32) })), "AccountTxnID"),
        (payment(json!({ "Amount": "0" })), "Amount"),
        (payment(json!({ "SendMax": "30000000" })), "SendMax"),
        (payment(json!({ "Flags": 0x0002_0000 })), "Flags"),
        (payment(json!({ "Paths": [[{ "account": ISSUER }]] })), "Paths"),
        (payment(json!({ "Destination": account(1) })), "Destination"),
        (payment(json!({ "Destination": account(1), "Amount": usd("1"), "SendMax": usd("2") })), "Destination"),
        (payment(json!({ "Amount": usd("1"), "DeliverMin": usd("1") })), "DeliverMin"),
        (payment(json!({ "Amount": usd("1"), "DeliverMin": usd("1.1"), "Flags": 0x0002_0000 })), "DeliverMin"),
        (payment(json!({ "Amount": usd("1"), "DeliverMin": "1", "Flags": 0x0002_0000 })), "DeliverMin"),
        (of_type("TrustSet", json!({ "LimitAmount": "5" }), json!({})), "LimitAmount"),
        (of_type("TrustSet", json!({ "Account": ISSUER, "LimitAmount": usd("5") }), json!({})), "LimitAmount"),
        (account_set(json!({ "SetFlag": 1, "ClearFlag": 1 })), "ClearFlag"),
        (account_set(json!({ "Flags": 0x3_0000 })), "Flags"),
        (account_set(json!({ "TransferRate": 999_999_999 })), "TransferRate"),
        (account_set(json!({ "TransferRate": 2_000_000_001_u32 })), "TransferRate"),
        (account_set(json!({ "TickSize": 2 })), "TickSize"),
        (account_set(json!({ "TickSize": 256 })), "TickSize"),
        (account_set(json!({ "Domain": "00".repeat(257) })), "Domain"),
        (account_set(json!({ "MessageKey": "00" })), "MessageKey"),
        (account_set(json!({ "SetFlag": 10 })), "NFTokenMinter"),
        (account_set(json!({ "NFTokenMinter": OTHER })), "NFTokenMinter"),
        (offer(json!({ "TakerPays": "7" })), "TakerPays"),
        (offer(json!({ "TakerPays": usd("0") })), "TakerPays"),
        (offer(json!({ "Expiration": 0 })), "Expiration"),
        (offer(json!({ "OfferSequence": 0 })), "OfferSequence"),
        (offer(json!({ "Flags": 0x6_0000 })), "Flags"),
        (escrow(json!({ "Amount": "0" })), "Amount"),
        (escrow(json!({ "CancelAfter": 10 })), "CancelAfter"),
        (escrow(json!({ "CancelAfter": null, "FinishAfter": null, "Condition": "00" })), "CancelAfter"),
        (escrow(json!({ "FinishAfter": null })), "FinishAfter"),
        (escrow(json!({ "Amount": usd("1"), "CancelAfter": null })), "CancelAfter"),
        (of_type("EscrowFinish", json!({ "Owner": OTHER, "OfferSequence": 1, "Condition": "00" }), json!({})), "Fulfillment"),
        (of_type("TicketCreate", json!({ "TicketCount": 0 }), json!({})), "TicketCount"),
        (of_type("TicketCreate", json!({ "TicketCount": 251 }), json!({})), "TicketCount"),
    ] {
        invalid(&json, &format!("transaction.{field}"), "");
    }
}

#[test]
fn x_address_that_contradicts_is_refused() {
    // Of the published vectors: with tag 1, and of a test network.
    let (tagged, of_test) =
        ("X7AcgcsBL6XDcUb289X4mJ8djcdyKaGZMhc9YTE92ehJ2Fu", "T719a5UwUCnEs54UsxG9CJYYDhwmFCvbJNZbi37gBGkRkbE");
    invalid(&payment(json!({ "Destination": tagged, "DestinationTag": 2 })), "transaction.DestinationTag", "X-address says 1");
    let same = [json!({ "Destination": tagged }), json!({ "Destination": tagged, "DestinationTag": 1 })];
    assert_eq!(parse(&payment(same[0].clone())).unwrap(), parse(&payment(same[1].clone())).unwrap());
    invalid(&of_type("EscrowCancel", json!({ "Owner": tagged, "OfferSequence": 1 }), json!({})), "transaction.Owner", "classic");
    for (address, on, is_on) in [
        (tagged, "mainnet", true),
        (of_test, "testnet", true),
        (of_test, "devnet", true),
        (tagged, "testnet", false),
        (of_test, "mainnet", false),
    ] {
        let request = parse(&payment(json!({ "Destination": address }))).unwrap();
        match request.for_signer(&network(on), &key(1), false) {
            Ok(_) => assert!(is_on, "{address} on {on}"),
            Err(DecodeError::Refused { rule: Rule::Network, reason }) => assert!(!is_on && reason.contains(address), "{reason}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn who_may_not_sign_is_refused() {
    let signer = |number: u8| {
        json!({ "Signer": {
            "Account": account(number), "SigningPubKey": hex::encode(key(number).serialize()), "TxnSignature": "3006",
        } })
    };
    let rule = |changes: Value, number: u8, multi_sign: bool| match parse(&payment(changes)).unwrap().for_signer(
        &network("testnet"),
        &key(number),
        multi_sign,
    ) {
        Ok(_) => "signs".to_owned(),
        Err(DecodeError::Refused { rule, .. }) => rule.as_str().to_owned(),
        Err(DecodeError::Invalid { field, .. }) => field.into_owned(),
    };
    let own_key = json!({ "SigningPubKey": hex::encode(key(1).serialize()) });
    for (changes, number, multi_sign, expected) in [
        (json!({}), 1, false, "signs"),
        (json!({}), 2, true, "signs"),
        (own_key.clone(), 1, false, "signs"),
        (json!({}), 2, false, "notNeeded"),
        (json!({}), 1, true, "notNeeded"),
        (own_key, 2, true, "transaction.SigningPubKey"),
        (json!({ "SigningPubKey": hex::encode(key(2).serialize()) }), 1, false, "transaction.SigningPubKey"),
        (json!({ "SigningPubKey": "" }), 1, false, "signs"),
        (json!({ "Signers": [signer(3)] }), 1, false, "alreadySigned"),
        (json!({ "Signers": [signer(3)] }), 2, true, "signs"),
        (json!({ "Signers": [signer(2)] }), 2, true, "alreadySigned"),
        (json!({ "Signers": [signer(1)] }), 2, true, "notNeeded"),
        (json!({ "Signers": (3..34).map(signer).collect::<Vec<_>>() }), 2, true, "signs"),
        (json!({ "Signers": (3..35).map(signer).collect::<Vec<_>>() }), 2, true, "alreadySigned"),
    ] {
        assert_eq!(rule(changes.clone(), number, multi_sign), expected, "{changes} {number} {multi_sign}");
    }
    invalid(&payment(json!({ "Signers": [signer(3), signer(4), signer(3)] })), "transaction.Signers", "twice");
    invalid(&payment(json!({ "Signers": [] })), "transaction.Signers", "1 to 32");
    for member in ["Account", "SigningPubKey", "TxnSignature"] {
        let mut wrong = signer(3);
        wrong["Signer"][member] = json!("");
        invalid(&payment(json!({ "Signers": [wrong] })), &format!("transaction.Signers[0].{member}"), "");
    }
    invalid(&payment(json!({ "SigningPubKey": "04" })), "transaction.SigningPubKey", "33 bytes");
}
