//! xrp_signTransaction over the real socket: what leaves is what was asked for, signed by the wallet in the ledger's way; what
//! contradicts the wallet, the policy or an earlier signature does not leave. And X-addresses of wallets.

use bitcoin::hashes::{Hash, hash160, sha512};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1};
use kmsignd::emulator::Operation;
use kmsignd::policy::dev_policy;
use serde_json::{Value, json};

use crate::harness::Daemon;

const OTHER: &str = "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh";
const ISSUER: &str = "rvYAfWj5gh67oV6fW32ZzP3Aw4Eubs59B";
const PACKAGED: &str = include_str!("../../packaging/policy.d/kmsignd.cedar");

/// A payment of an account, with members changed.
fn payment(account: &Value, changes: Value) -> Value {
    let mut payment = json!({
        "TransactionType": "Payment", "Account": account, "Destination": OTHER, "Amount": "25000000", "Fee": "12", "Sequence": 7,
        "LastLedgerSequence": 90_000_000,
    });
    payment.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    payment
}

fn usd(value: &str) -> Value {
    json!({ "currency": "USD", "issuer": ISSUER, "value": value })
}

fn signing(wallet: &Value, transaction: Value) -> Value {
    json!({ "walletId": wallet["walletId"], "transaction": transaction })
}

fn multi_signing(wallet: &Value, transaction: Value) -> Value {
    json!({ "walletId": wallet["walletId"], "transaction": transaction, "multiSign": true })
}

fn half(prefix: &[u8; 4], bytes: &[u8]) -> [u8; 32] {
    *sha512::Hash::hash(&[&prefix[..], bytes].concat()).to_byte_array().first_chunk().unwrap()
}

fn key(wallet: &Value) -> PublicKey {
    PublicKey::from_slice(&hex::decode(wallet["publicKey"].as_str().unwrap()).unwrap()).unwrap()
}

fn account_id(key: &PublicKey) -> [u8; 20] {
    hash160::Hash::hash(&key.serialize()).to_byte_array()
}

fn bytes(member: &Value) -> Vec<u8> {
    hex::decode(member.as_str().unwrap()).unwrap()
}

/// Holds if the blob has this signature, which the ledger takes, and the hash is the ledger's. Gives the blob without it.
#[track_caller]
fn without_signature(answer: &Value, key: &PublicKey) -> Vec<u8> {
    let blob = bytes(&answer["txBlob"]);
    assert_eq!(bytes(&answer["hash"]), half(b"TXN\0", &blob));
    let der = bytes(&answer["transaction"]["TxnSignature"]);
    let field = [&[0x74, u8::try_from(der.len()).unwrap()][..], &der].concat();
    let at = blob.windows(field.len()).position(|window| window == field).unwrap();
    let unsigned = [&blob[..at], &blob[at + field.len()..]].concat();
    let signature = Signature::from_der(&der).unwrap();
    let mut low = signature;
    low.normalize_s();
    assert_eq!(low, signature, "S is high");
    let message = Message::from_digest(half(b"STX\0", &unsigned));
    Secp256k1::verification_only().verify_ecdsa(&message, &signature, key).unwrap();
    unsigned
}

#[test]
fn sign_of_each_type_gives_what_was_asked_for() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("XRP");
    let account = &wallet["address"];
    let of_type = |name: &str, members: Value| {
        let mut transaction = json!({ "TransactionType": name, "Account": account, "Fee": "12", "Flags": 0 });
        transaction.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        transaction
    };
    let transactions = [
        payment(account, json!({ "DestinationTag": 5, "Memos": [{ "Memo": { "MemoType": "74", "MemoData": "00" } }] })),
        payment(
            account,
            json!({ "Amount": usd("4.2"), "SendMax": "9000000", "Paths": [[{ "currency": "USD", "issuer": ISSUER }]] }),
        ),
        of_type("TrustSet", json!({ "LimitAmount": usd("1000"), "Flags": 0x2_0000 })),
        of_type("AccountSet", json!({ "SetFlag": 1, "Domain": "6578616D706C652E636F6D", "TickSize": 5 })),
        of_type("OfferCreate", json!({ "TakerGets": "5000000", "TakerPays": usd("1"), "Expiration": 800_000_000 })),
        of_type("OfferCancel", json!({ "OfferSequence": 5 })),
        of_type("EscrowCreate", json!({ "Destination": OTHER, "Amount": "5", "FinishAfter": 10, "CancelAfter": 20 })),
        of_type("EscrowFinish", json!({ "Owner": OTHER, "OfferSequence": 5 })),
        of_type("EscrowCancel", json!({ "Owner": OTHER, "OfferSequence": 5 })),
        of_type("TicketCreate", json!({ "TicketCount": 3 })),
    ];
    for (number, mut transaction) in transactions.into_iter().enumerate() {
        transaction["Sequence"] = json!(number + 1);
        let answer = daemon.ok("xrp_signTransaction", signing(&wallet, transaction.clone()));
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["txBlob", "hash", "transaction"]);
        without_signature(&answer, &key(&wallet));
        transaction["SigningPubKey"] = json!(hex::encode_upper(key(&wallet).serialize()));
        transaction["TxnSignature"] = answer["transaction"]["TxnSignature"].clone();
        assert_eq!(answer["transaction"], transaction, "nothing else is changed");
    }
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_of_one_content_in_every_form_has_one_signature() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("XRP");
    let account = &wallet["address"];
    let tagged = daemon.ok("wallet_addresses", json!({ "walletId": wallet["walletId"], "tag": 9 }));
    let x_address = &tagged["addresses"][1]["address"];
    let one = daemon.ok("xrp_signTransaction", signing(&wallet, payment(account, json!({ "SourceTag": 9 }))));
    let forms = [
        signing(&wallet, payment(account, json!({ "SourceTag": "9", "Sequence": "7", "Memos": null }))),
        signing(&wallet, payment(x_address, json!({}))),
        signing(&wallet, payment(account, json!({ "SourceTag": 9, "SigningPubKey": wallet["publicKey"] }))),
        json!({ "address": account, "transaction": payment(account, json!({ "SourceTag": 9 })) }),
        json!({ "address": account, "transaction": payment(account, json!({ "SourceTag": 9 })), "multiSign": false, "requestId": "a" }),
        json!({ "address": account, "transaction": payment(x_address, json!({})), "requestId": "a" }),
    ];
    for params in forms {
        assert_eq!(daemon.ok("xrp_signTransaction", params.clone()), one, "{params}");
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), 1, "one content has one signature");
    let other = json!({ "address": account, "transaction": payment(account, json!({ "Sequence": 8 })), "requestId": "a" });
    assert_eq!(daemon.fails("CONFLICT", "xrp_signTransaction", other)["data"]["field"], "requestId");
}

#[test]
fn sign_of_another_content_with_a_taken_sequence_or_ticket_is_a_conflict() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("XRP");
    let account = &wallet["address"];
    let ticket = |changes: Value| {
        let mut with_ticket = payment(account, json!({ "Sequence": 0, "TicketSequence": 7 }));
        with_ticket.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        signing(&wallet, with_ticket)
    };
    let first = daemon.ok("xrp_signTransaction", signing(&wallet, payment(account, json!({}))));
    daemon.ok("xrp_signTransaction", ticket(json!({})));
    for changes in
        [json!({ "Amount": "1" }), json!({ "Fee": "13" }), json!({ "DestinationTag": 0 }), json!({ "LastLedgerSequence": 5 })]
    {
        let error = daemon.fails("CONFLICT", "xrp_signTransaction", signing(&wallet, payment(account, changes.clone())));
        assert_eq!(error["data"]["field"], "sequence", "{error}");
        let error = daemon.fails("CONFLICT", "xrp_signTransaction", ticket(changes));
        assert_eq!(error["data"]["field"], "ticket", "{error}");
    }
    let replacing =
        format!("{}\npermit (principal, action == Action::\"replace\", resource);", dev_policy(nix::unistd::geteuid().as_raw()));
    daemon.set_policy(&replacing);
    let dearer = daemon.ok("xrp_signTransaction", signing(&wallet, payment(account, json!({ "Fee": "13" }))));
    without_signature(&dearer, &key(&wallet));
    assert_eq!(daemon.ok("xrp_signTransaction", signing(&wallet, payment(account, json!({})))), first, "it was released");
}

#[test]
fn sign_as_one_of_several_adds_to_who_signed_before() {
    let daemon = Daemon::start();
    let [owner, one, two] = [(); 3].map(|()| daemon.wallet("XRP"));
    let transaction = payment(&owner["address"], json!({ "Fee": "36", "SigningPubKey": "" }));
    let first = daemon.ok("xrp_signTransaction", multi_signing(&one, transaction.clone()));
    let second = daemon.ok("xrp_signTransaction", multi_signing(&two, first["transaction"].clone()));
    let signers = second["transaction"]["Signers"].as_array().unwrap();
    assert_eq!((signers.len(), second["transaction"].get("TxnSignature")), (2, None));
    assert!(signers.contains(&first["transaction"]["Signers"][0]));
    let mut order = [&one, &two];
    order.sort_by_key(|wallet| account_id(&key(wallet)));
    for (signer, wallet) in signers.iter().zip(order) {
        assert_eq!(signer["Signer"]["Account"], wallet["address"]);
        assert_eq!(bytes(&signer["Signer"]["SigningPubKey"]), key(wallet).serialize());
    }
    // F3, the signers, F1: what stands before and after them is what all of them signed.
    let (blob, other) = (bytes(&second["txBlob"]), bytes(&first["txBlob"]));
    assert_eq!(bytes(&second["hash"]), half(b"TXN\0", &blob));
    let signers_begin = |blob: &[u8]| blob.windows(3).position(|window| window == [0xf3, 0xe0, 0x10]).unwrap();
    let unsigned = blob[..signers_begin(&blob)].to_vec();
    assert_eq!(unsigned, other[..signers_begin(&other)]);
    assert_eq!(blob.last(), Some(&0xf1), "nothing stands after the signers here");
    for signer in signers {
        let key = PublicKey::from_slice(&bytes(&signer["Signer"]["SigningPubKey"])).unwrap();
        let signed = [&unsigned[..], &account_id(&key)].concat();
        let signature = Signature::from_der(&bytes(&signer["Signer"]["TxnSignature"])).unwrap();
        let message = Message::from_digest(half(b"SMT\0", &signed));
        Secp256k1::verification_only().verify_ecdsa(&message, &signature, &key).unwrap();
    }
    // Each signs one content with the account's sequence; what another does is not in its way.
    assert_eq!(daemon.ok("xrp_signTransaction", multi_signing(&one, transaction.clone())), first);
    assert_eq!(daemon.kms_effects(Operation::Sign), 2);
    let other = payment(&owner["address"], json!({ "Fee": "37" }));
    daemon.fails("CONFLICT", "xrp_signTransaction", multi_signing(&two, other.clone()));
    daemon.ok("xrp_signTransaction", signing(&owner, other));
    let again = daemon.fails("TRANSACTION_REFUSED", "xrp_signTransaction", multi_signing(&one, second["transaction"].clone()));
    assert_eq!(again["data"]["rule"], "alreadySigned");
}

#[test]
fn sign_as_one_of_many_at_once_is_held_up_by_none() {
    let daemon = Daemon::start();
    let owner = daemon.wallet("XRP");
    let wallets: Vec<_> = (0..32).map(|_| daemon.wallet("XRP")).collect();
    let transaction = payment(&owner["address"], json!({}));
    std::thread::scope(|scope| {
        for wallet in &wallets {
            scope.spawn(|| daemon.ok("xrp_signTransaction", multi_signing(wallet, transaction.clone())));
        }
    });
    assert_eq!(daemon.kms_effects(Operation::Sign), 32);
}

#[test]
fn signer_of_one_wallet_neither_takes_nor_learns_another_wallets_sequence() {
    let mut daemon = Daemon::start();
    let (victim, own) = (daemon.wallet("XRP"), daemon.wallet("XRP"));
    let account = &victim["address"];
    daemon.ok("xrp_signTransaction", signing(&victim, payment(account, json!({ "Sequence": 40 }))));
    let id = own["walletId"].as_str().unwrap();
    let owns = format!(
        "permit (principal, action == Action::\"read\", resource == Daemon::\"kmsignd\"); permit (principal, action, resource == Wallet::\"{id}\");"
    );
    daemon.stop();
    daemon.write_policy(&owns);
    daemon.start_again();
    for sequence in [40, 41] {
        let asked = multi_signing(&own, payment(account, json!({ "Sequence": sequence, "Amount": "1" })));
        let explained = daemon.ok("policy_explain", json!({ "method": "xrp_signTransaction", "params": asked }));
        assert_eq!((&explained["decision"], explained["summary"].get("replaces")), (&json!("allow"), None), "{sequence}");
        daemon.ok("xrp_signTransaction", asked);
    }
    daemon.stop();
    daemon.write_policy(&dev_policy(nix::unistd::getuid().as_raw()));
    daemon.start_again();
    // Its own signature is there still, and the sequence after it is free.
    daemon.ok("xrp_signTransaction", signing(&victim, payment(account, json!({ "Sequence": 40 }))));
    daemon.ok("xrp_signTransaction", signing(&victim, payment(account, json!({ "Sequence": 41 }))));
}

#[test]
fn policy_can_tell_for_whose_account_one_of_several_signs() {
    let daemon = Daemon::start();
    let (owner, one) = (daemon.wallet("XRP"), daemon.wallet("XRP"));
    let explain = |params: Value| daemon.ok("policy_explain", json!({ "method": "xrp_signTransaction", "params": params }));
    let explained = explain(multi_signing(&one, payment(&owner["address"], json!({}))));
    let effects = explained["summary"]["effects"].as_array().unwrap();
    let told: Vec<_> = effects.iter().filter(|effect| effect["program"] == "multiSign").collect();
    assert_eq!((told.len(), &told[0]["recipient"]), (1, &owner["address"]));
}

#[test]
fn sign_of_what_is_not_to_be_signed_says_why() {
    let daemon = Daemon::start();
    let (wallet, other) = (daemon.wallet("XRP"), daemon.wallet("XRP"));
    let account = &wallet["address"];
    let of_mainnet = "X7AcgcsBL6XDcUb289X4mJ8djcdyKaB5hJDWMArnXr61cqZ";
    for (changes, rule) in [
        (json!({ "TransactionType": "SetRegularKey" }), "transactionType"),
        (json!({ "Delegate": OTHER }), "unknownField"),
        (json!({ "hash": "00" }), "unknownField"),
        (json!({ "NetworkID": 1 }), "network"),
        (json!({ "Destination": of_mainnet }), "network"),
        (json!({ "TxnSignature": "00" }), "alreadySigned"),
        (json!({ "Account": other["address"] }), "notNeeded"),
    ] {
        let error = daemon.fails("TRANSACTION_REFUSED", "xrp_signTransaction", signing(&wallet, payment(account, changes)));
        assert_eq!(error["data"]["rule"], rule, "{error}");
    }
    let error = daemon.fails("TRANSACTION_REFUSED", "xrp_signTransaction", multi_signing(&wallet, payment(account, json!({}))));
    assert_eq!(error["data"]["rule"], "notNeeded");
    let error =
        daemon.fails("INVALID_PARAMS", "xrp_signTransaction", signing(&wallet, payment(account, json!({ "Fee": "1.5" }))));
    assert_eq!(error["data"]["field"], "transaction.Fee");
    let error =
        daemon.fails("INVALID_PARAMS", "xrp_signTransaction", signing(&daemon.wallet("BTC"), payment(account, json!({}))));
    assert_eq!(error["data"]["field"], "walletId");
    let by_address = json!({ "address": OTHER, "transaction": payment(account, json!({})) });
    assert_eq!(daemon.fails("NOT_FOUND", "xrp_signTransaction", by_address)["data"]["field"], "address");
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
}

#[test]
fn sign_under_the_packaged_policy_keeps_control_where_it_is() {
    // The group of this process stands for kmsign; the others are nobody's.
    let own = nix::unistd::getegid().as_raw().to_string();
    let policy = [("kmsign-raw", "61201"), ("kmsign-admin", "61202"), ("kmsign", own.as_str())]
        .iter()
        .fold(PACKAGED.to_owned(), |text, (name, gid)| text.replace(&format!("Group::\"{name}\""), &format!("Group::\"{gid}\"")));
    let daemon = Daemon::with_policy(&policy, &[]);
    let (wallet, own) = (daemon.wallet("XRP"), daemon.wallet("XRP"));
    let account = &wallet["address"];
    let explain = |transaction: &Value| {
        let params = json!({ "method": "xrp_signTransaction", "params": signing(&wallet, transaction.clone()) });
        daemon.ok("policy_explain", params)
    };
    let line =
        payment(account, json!({ "TransactionType": "TrustSet", "Destination": null, "Amount": null, "LimitAmount": usd("5") }));
    let settings = |set: u32| {
        payment(
            account,
            json!({ "TransactionType": "AccountSet", "Destination": null, "Amount": null, "SetFlag": set, "Sequence": 20 }),
        )
    };
    let to_own = payment(account, json!({ "Destination": own["address"], "Sequence": 8 }));
    for transaction in [line, to_own, settings(1)] {
        assert_eq!(explain(&transaction)["decision"], "allow", "{transaction}");
        daemon.ok("xrp_signTransaction", signing(&wallet, transaction));
    }
    for flag in [2, 4, 8] {
        let mut transaction = settings(flag);
        transaction["Sequence"] = json!(30 + flag);
        assert_eq!(explain(&transaction)["decision"], "deny");
        daemon.fails("DENIED", "xrp_signTransaction", signing(&wallet, transaction));
    }
    let transfer = explain(&payment(account, json!({ "Destination": own["address"], "Sequence": 9, "DestinationTag": 77 })));
    let effect = &transfer["summary"]["effects"][0];
    assert_eq!(
        (&effect["kind"], &effect["toOwnWallet"], &effect["amount"]),
        (&json!("transfer"), &json!(true), &json!(25_000_000))
    );
    assert_eq!((&transfer["summary"]["totalOut"], &transfer["summary"]["fee"]), (&json!(25_000_000), &json!(12)));
    assert_eq!(transfer["summary"]["details"]["destinationTag"], 77);
}

#[test]
fn addresses_have_the_x_address_of_a_tag() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("XRP");
    let ask = |tag: Value| json!({ "walletId": wallet["walletId"], "tag": tag });
    assert_eq!(daemon.ok("wallet_addresses", ask(Value::Null))["addresses"].as_array().unwrap().len(), 1);
    for tag in [0, 1, u32::MAX] {
        let answer = daemon.ok("wallet_addresses", ask(json!(tag)));
        let [classic, x] = answer["addresses"].as_array().unwrap().as_slice() else { panic!("{answer}") };
        assert_eq!(*classic, json!({ "addressType": "classic", "address": wallet["address"] }));
        assert_eq!((&x["addressType"], &x["tag"]), (&json!("x-address"), &json!(tag)));
        assert!(x["address"].as_str().unwrap().starts_with('T'), "the wallet's network is testnet");
        for (network, valid) in [("testnet", true), ("devnet", true), ("mainnet", false)] {
            let asked = json!({ "asset": "XRP", "network": network, "address": x["address"] });
            let validity = daemon.ok("address_validate", asked);
            assert_eq!(validity["valid"], valid, "{validity}");
        }
    }
    for wrong in [json!(-1), json!(1.5), json!("1"), json!(1_u64 << 32)] {
        assert_eq!(daemon.fails("INVALID_PARAMS", "wallet_addresses", ask(wrong))["data"]["field"], "tag");
    }
    let other = json!({ "walletId": daemon.wallet("BTC")["walletId"], "tag": 1 });
    assert_eq!(daemon.fails("INVALID_PARAMS", "wallet_addresses", other)["data"]["field"], "tag");
}
