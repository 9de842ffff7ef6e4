//! What people and policies are told.

use super::*;
use crate::chains::decoded::Decoded;

/// Each effect as `kind amount token|- recipient|- program:selector|-`.
fn effects(decoded: &Decoded) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let one = |effect: &crate::chains::effects::Effect| {
        let amount = effect.amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string());
        let ran = match (&effect.program, &effect.selector) {
            (Some(program), Some(selector)) => format!("{program}:{selector}"),
            (program, None) => text(program),
            (None, selector) => text(selector),
        };
        assert!(!effect.unknown_amount && !effect.to_own_wallet);
        format!("{} {amount} {} {} {ran}", effect.kind.as_str(), text(&effect.token), text(&effect.recipient))
            .replace(OTHER, "OTHER")
            .replace(ISSUER, "ISSUER")
            .replace(&account(1), "SELF")
    };
    decoded.effects.iter().map(one).collect()
}

#[track_caller]
fn does(json: &Value, total_out: u64, expected: &[&str]) -> Decoded {
    let decoded = transaction(json).decode();
    assert_eq!(effects(&decoded), expected, "{json}");
    assert_eq!((decoded.total_out, decoded.fee, decoded.fee_rate, decoded.unknown_parts), (total_out, 12, None, false), "{json}");
    decoded
}

const FEE: &str = "fee 12 - - -";

#[test]
fn payment_of_xrp_is_a_transfer() {
    let decoded =
        does(&payment(json!({ "DestinationTag": 5 })), 25_000_000, &["transfer 25000000 - OTHER destinationTag:5", FEE]);
    assert!(decoded.warnings.is_empty(), "{:?}", decoded.warnings);
    let expected = json!({
        "transactionType": "Payment", "sequence": 7, "destinationTag": 5, "lastLedgerSequence": 90_000_000, "amount": "25000000",
        "fee": "12", "account": account(1), "destination": OTHER,
    });
    assert_eq!(decoded.details, expected);
    let without = transaction(&payment(json!({ "LastLedgerSequence": null }))).decode();
    assert!(without.warnings[0].contains("LastLedgerSequence"));
    let lost = transaction(&payment(json!({ "Destination": "rrrrrrrrrrrrrrrrrrrrrhoLvTp" }))).decode();
    assert!(lost.warnings[0].contains("lost"));
}

#[test]
fn payment_of_tokens_counts_the_most_that_it_costs_rounded_up() {
    let token = "token 5 USD.ISSUER OTHER -";
    assert!(does(&payment(json!({ "Amount": usd("4.2") })), 0, &[token, FEE]).warnings.is_empty());
    does(&payment(json!({ "Amount": usd("4.1"), "SendMax": usd("4.2") })), 0, &[token, FEE]);
    does(&payment(json!({ "Amount": usd("1e20") })), 0, &[&format!("token {} USD.ISSUER OTHER -", u64::MAX), FEE]);
}

#[test]
fn payment_that_converts_tells_what_goes_to_whoever_trades() {
    let spends_xrp = payment(json!({ "Amount": usd("4.2"), "SendMax": "9000000" }));
    let decoded = does(&spends_xrp, 9_000_000, &["transfer 9000000 - - -", "token 5 USD.ISSUER OTHER -", FEE]);
    assert!(decoded.warnings[0].starts_with("It may cost up to 9000000 drops to deliver 4.2 USD."), "{:?}", decoded.warnings);
    let to_itself = payment(json!({ "Amount": usd("4.2"), "SendMax": "9000000", "Destination": account(1) }));
    does(&to_itself, 9_000_000, &["transfer 9000000 - - -", "token 5 USD.ISSUER SELF -", FEE]);
    let delivers_xrp = payment(json!({ "SendMax": usd("7") }));
    does(&delivers_xrp, 0, &["token 7 USD.ISSUER - -", "transfer 25000000 - OTHER -", FEE]);
    // With paths, and without a SendMax, any issuer's may be spent.
    let paths = payment(json!({ "Amount": usd("4.2"), "Paths": [[{ "account": OTHER }]], "Flags": 0x0002_0000 }));
    let decoded = transaction(&paths).decode();
    assert_eq!(effects(&decoded), ["token 5 USD.SELF - -", "token 5 USD.ISSUER OTHER -", FEE]);
    assert!(decoded.unknown_parts, "whose USD it is the ledger finds out");
    let told = decoded.warnings.join(" ");
    assert!(told.contains("USD of any issuer") && told.contains("next to nothing"), "{told}");
    assert_eq!(decoded.details["flagNames"], json!(["tfPartialPayment"]));
    let least = payment(json!({ "Amount": usd("4.2"), "SendMax": "9", "DeliverMin": usd("4"), "Flags": 0x8002_0000_u32 }));
    let decoded = transaction(&least).decode();
    assert!(decoded.warnings.iter().any(|it| it.contains("as little as 4 USD.")), "{:?}", decoded.warnings);
    assert_eq!(decoded.details["flagNames"], json!(["tfPartialPayment", "tfFullyCanonicalSig"]));
}

#[test]
fn payment_of_own_tokens_may_give_back_what_the_destination_issued() {
    let own = |amount: &str| json!({ "currency": "USD", "issuer": account(1), "value": amount });
    does(&payment(json!({ "Amount": own("4.2") })), 0, &["token 5 USD.SELF OTHER -", "token 5 USD.OTHER OTHER -", FEE]);
    // What path-finding gives: any issuer's may be spent, up to SendMax.
    let converts = transaction(&payment(json!({ "Amount": usd("4"), "SendMax": own("5"), "Paths": [[{ "account": OTHER }]] })));
    assert!(converts.decode().unknown_parts);
}

#[test]
fn destination_tag_is_part_of_the_effect() {
    does(&payment(json!({ "DestinationTag": 7 })), 25_000_000, &["transfer 25000000 - OTHER destinationTag:7", FEE]);
    let made = json!({ "Destination": OTHER, "Amount": "5", "FinishAfter": 10, "DestinationTag": 0 });
    does(&of_type("EscrowCreate", made, json!({})), 5, &["transfer 5 - OTHER EscrowCreate:destinationTag:0", FEE]);
}

#[test]
fn trust_set_is_an_approval_and_what_lets_others_in_an_authority() {
    let line = |changes: Value| of_type("TrustSet", json!({ "LimitAmount": usd("1000.5") }), changes);
    let approval = "approval 1001 USD.ISSUER ISSUER -";
    assert!(does(&line(json!({ "Flags": 0x2_0000 })), 0, &[approval, FEE]).warnings.is_empty());
    does(&line(json!({ "LimitAmount": usd("0"), "QualityIn": 0 })), 0, &["approval 0 USD.ISSUER ISSUER -", FEE]);
    let authority = |what: &str| format!("authority - USD.ISSUER ISSUER TrustSet:{what}");
    for (changes, what) in [
        (json!({ "Flags": 0x1_0000 }), "tfSetfAuth"),
        (json!({ "Flags": 0x4_0000 }), "tfClearNoRipple"),
        (json!({ "Flags": 0x10_0000 }), "tfSetFreeze"),
        (json!({ "Flags": 0x80_0000 }), "tfClearDeepFreeze"),
        (json!({ "QualityIn": 900_000_000 }), "QualityIn"),
        (json!({ "QualityOut": 1_100_000_000 }), "QualityOut"),
    ] {
        let decoded = does(&line(changes), 0, &[approval, &authority(what), FEE]);
        assert!(decoded.warnings[0].contains(what));
    }
}

#[test]
fn account_set_tells_every_setting() {
    let set = |changes: Value| of_type("AccountSet", json!({}), changes);
    does(&set(json!({})), 0, &["call - - - AccountSet", FEE]);
    does(&set(json!({ "SetFlag": 1 })), 0, &["call - - - AccountSet:SetFlag:asfRequireDest", FEE]);
    let decoded = does(&set(json!({ "SetFlag": 4 })), 0, &["authority - - - AccountSet:SetFlag:asfDisableMaster", FEE]);
    assert!(decoded.warnings[0].contains("asfDisableMaster"));
    does(
        &set(
            json!({ "ClearFlag": 2, "Domain": "6578616d706c65", "TickSize": 5, "TransferRate": 1_100_000_000, "Flags": 0x1_0000 }),
        ),
        0,
        &[
            "authority - - - AccountSet:ClearFlag:asfRequireAuth",
            "call - - - AccountSet:tfRequireDestTag",
            "authority - - - AccountSet:TransferRate",
            "call - - - AccountSet:TickSize",
            "call - - - AccountSet:Domain",
            FEE,
        ],
    );
    let minter = set(json!({ "SetFlag": 10, "NFTokenMinter": OTHER }));
    let decoded = does(&minter, 0, &["authority - - OTHER AccountSet:SetFlag:asfAuthorizedNFTokenMinter", FEE]);
    assert_eq!(decoded.details["nftokenMinter"], OTHER);
}

#[test]
fn offers_give_what_the_taker_gets_with_the_issuers_fee() {
    let offer = |gets: Value, pays: Value| of_type("OfferCreate", json!({ "TakerGets": gets, "TakerPays": pays }), json!({}));
    let decoded = does(&offer(json!("5000000"), usd("1")), 5_000_000, &["transfer 5000000 - - -", FEE]);
    assert!(decoded.warnings[0].contains("5000000 drops") && decoded.warnings[0].contains("1 USD."));
    let decoded = does(&offer(usd("1.5"), json!("5")), 0, &["token 4 USD.ISSUER - -", FEE]);
    assert!(decoded.warnings[1].contains("transfer fee"));
    let own = json!({ "currency": "USD", "issuer": account(1), "value": "1.5" });
    does(&offer(own, json!("5")), 0, &["token 2 USD.SELF - -", FEE]);
    does(&of_type("OfferCancel", json!({ "OfferSequence": 5 }), json!({})), 0, &[FEE]);
}

#[test]
fn escrows_and_tickets_are_told() {
    let made = json!({ "Destination": OTHER, "Amount": "5000000", "FinishAfter": 10 });
    let decoded = does(&of_type("EscrowCreate", made, json!({})), 5_000_000, &["transfer 5000000 - OTHER EscrowCreate", FEE]);
    assert!(decoded.warnings[0].contains("never comes back"));
    for name in ["EscrowFinish", "EscrowCancel"] {
        let ended = of_type(name, json!({ "Owner": OTHER, "OfferSequence": 5 }), json!({}));
        let decoded = does(&ended, 0, &[&format!("call - - - {name}"), FEE]);
        assert_eq!((&decoded.details["owner"], &decoded.details["offerSequence"]), (&json!(OTHER), &json!(5)));
        assert!(decoded.warnings[0].contains("escrow holds"));
    }
    let tickets = of_type("TicketCreate", json!({ "TicketCount": 3 }), json!({}));
    assert_eq!(does(&tickets, 0, &["create - - - TicketCreate", FEE]).details["ticketCount"], 3);
}

#[test]
fn memos_are_shown_as_text_where_they_are_text() {
    let memo = |data: &str| json!({ "Memo": { "MemoType": "74657874", "MemoData": data } });
    let request = payment(json!({ "Memos": [memo("68c3a9"), memo("ff"), memo("e280ae61")] }));
    let expected = json!([
        { "memoType": "text", "memoData": "h\u{e9}" },
        { "memoType": "text", "memoData": "0xff" },
        { "memoType": "text", "memoData": "0xe280ae61" },
    ]);
    assert_eq!(transaction(&request).decode().details["memos"], expected);
}

#[test]
fn several_signers_are_told_of_whose_transaction_it_is() {
    let decoded = parse(&payment(json!({}))).unwrap().for_signer(&network("testnet"), &key(2), true).unwrap().decode();
    assert!(decoded.warnings[0].contains(&account(1)), "{:?}", decoded.warnings);
    assert_eq!((&decoded.details["signer"], &decoded.details["signedBefore"]), (&json!(account(2)), &json!([])));
    assert_eq!(decoded.details["account"], account(1));
}
