//! ada_signTransaction through the socket: what leaves is the transaction that came with the wallet's witness in it, which holds; what
//! must not be signed is refused and leaves no trace in KMS.

use bitcoin::bech32;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use kmsignd::emulator::Operation;
use kmsignd::policy::dev_policy;
use pallas_codec::minicbor;
use pallas_crypto::hash::Hasher;
use pallas_primitives::conway;
use serde_json::{Value, json};

use crate::harness::Daemon;

const SIGN: &str = "ada_signTransaction";
const PACKAGED: &str = include_str!("../../packaging/policy.d/kmsignd.cedar");

/// The bytes of a bech32 address.
fn bytes_of(address: &Value) -> Vec<u8> {
    bech32::decode(address.as_str().unwrap()).unwrap().1
}

fn output(address: &[u8], lovelace: u64) -> Vec<u8> {
    let length = u8::try_from(address.len()).unwrap();
    [&[0x82, 0x58, length], address, &[0x1b], &lovelace.to_be_bytes()].concat()
}

/// The 28 bytes that the stranger's key is named by.
const STRANGER: [u8; 28] = [9; 28];

/// A transaction that spends 10 ada of the coins 0 to `coins` of one transaction, of which it pays `amount` lovelace to a stranger. The
/// fee is 0.2 ada, the rest goes back to the wallet. With more entries of the body, as they stand.
fn paying_of(wallet: &Value, coins: std::ops::Range<u8>, amount: u64, more: &[&[u8]]) -> Vec<u8> {
    let own = bytes_of(&wallet["address"]);
    let stranger = [&[0x60 | own[0] & 0x0f][..], &STRANGER].concat();
    let inputs: Vec<u8> = coins.clone().flat_map(|coin| [&[0x82, 0x58, 0x20][..], &[7; 32], &[coin]].concat()).collect();
    let head = |kind: u8, count: usize| kind << 5 | u8::try_from(count).unwrap();
    let left = 10_000_000 * coins.len() as u64 - amount - 200_000;
    let body = [
        &[head(5, 4 + more.len()), 0x00, 0xd9, 0x01, 0x02, head(4, coins.len())][..],
        &inputs,
        &[0x01, 0x82],
        &output(&stranger, amount),
        &output(&own, left),
        &[0x02, 0x1a, 0x00, 0x03, 0x0d, 0x40, 0x03, 0x1a, 0x05, 0xf5, 0xe1, 0x00],
        &more.concat(),
    ];
    [&[0x84], &body.concat()[..], &[0xa0, 0xf5, 0xf6]].concat()
}

fn params(wallet: &Value, transaction: impl AsRef<[u8]>) -> Value {
    json!({ "walletId": wallet["walletId"], "transaction": hex::encode(transaction) })
}

/// What the coins are, each worth 10 ada.
fn resolved(owners: &[&Value]) -> Value {
    let coin = |(index, owner): (usize, &&Value)| json!({ "txId": "07".repeat(32), "index": index, "address": owner["address"], "value": { "lovelace": "10000000" } });
    owners.iter().enumerate().map(coin).collect()
}

fn with(mut params: Value, name: &str, value: impl Into<Value>) -> Value {
    params[name] = value.into();
    params
}

fn on(daemon: &Daemon, network: &str) -> Value {
    daemon.ok("wallet_create", json!({ "userId": "user123", "asset": "ADA", "network": network }))
}

/// Holds if the answer is this transaction with a witness of each of these wallets, in this order, that a ledger takes.
#[track_caller]
fn assert_signed(answer: &Value, transaction: &[u8], wallets: &[&Value]) {
    let signed = hex::decode(answer["transaction"].as_str().unwrap()).unwrap();
    let tx: conway::Tx = minicbor::decode(&signed).unwrap();
    let asked: conway::Tx = minicbor::decode(transaction).unwrap();
    assert_eq!(tx.transaction_body.raw_cbor(), asked.transaction_body.raw_cbor());
    let tx_id = Hasher::<256>::hash(tx.transaction_body.raw_cbor());
    assert_eq!(answer["txId"], tx_id.to_string());
    let witnesses = tx.transaction_witness_set.vkeywitness.as_ref().unwrap();
    assert_eq!(witnesses.len(), wallets.len());
    for (witness, wallet) in witnesses.iter().zip(wallets) {
        assert_eq!(hex::encode(&*witness.vkey), wallet["publicKey"].as_str().unwrap());
        let key = VerifyingKey::from_bytes(witness.vkey.as_slice().try_into().unwrap()).unwrap();
        key.verify_strict(&*tx_id, &Signature::from_slice(&witness.signature).unwrap()).unwrap();
    }
    let own = hex::decode(answer["witness"].as_str().unwrap()).unwrap();
    let own: conway::VKeyWitness = minicbor::decode(&own).unwrap();
    assert_eq!(witnesses.last(), Some(&own));
}

#[test]
fn sign_cardano_adds_a_witness_on_every_network() {
    let daemon = Daemon::start();
    for network in ["mainnet", "preprod", "preview"] {
        let wallet = on(&daemon, network);
        let before = daemon.kms_effects(Operation::Sign);
        for coins in 1..3 {
            let transaction = paying_of(&wallet, 0..coins, 3_000_000, &[]);
            // The coins are the same ones.
            let other = on(&daemon, network);
            let (wallet, transaction) =
                if coins == 1 { (&wallet, transaction) } else { (&other, paying_of(&other, 10..13, 3_000_000, &[])) };
            let signed = daemon.ok(SIGN, params(wallet, &transaction));
            assert_signed(&signed, &transaction, &[wallet]);
            let by_address =
                json!({ "address": wallet["address"], "transaction": format!("0x{}", hex::encode_upper(&transaction)) });
            // Preprod and preview have the same addresses of a key, but every key is another one.
            assert_eq!(daemon.ok(SIGN, by_address), signed);
        }
        assert_eq!(daemon.kms_effects(Operation::Sign), before + 2);
    }
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_cardano_by_one_wallet_after_another() {
    let daemon = Daemon::start();
    let (one, other) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
    let transaction = paying_of(&one, 0..2, 15_000_000, &[]);
    let said = resolved(&[&one, &other]);
    let first = daemon.ok(SIGN, with(params(&one, &transaction), "resolvedInputs", said.clone()));
    assert_signed(&first, &transaction, &[&one]);
    let again = |wallet: &Value, answer: &Value| json!({ "walletId": wallet["walletId"], "transaction": answer["transaction"], "resolvedInputs": said });
    let both = daemon.ok(SIGN, again(&other, &first));
    assert_signed(&both, &transaction, &[&one, &other]);
    // In the other order, and once more.
    let reversed = daemon.ok(SIGN, again(&one, &daemon.ok(SIGN, params(&other, &transaction))));
    assert_signed(&reversed, &transaction, &[&other, &one]);
    assert_eq!(daemon.ok(SIGN, again(&other, &both)), both);
    assert_eq!(daemon.kms_effects(Operation::Sign), 2, "each signed once");
    let third = daemon.wallet("ADA");
    let error = daemon.fails("TRANSACTION_REFUSED", SIGN, again(&third, &both));
    assert_eq!(error["data"]["rule"], "notNeeded");
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_cardano_spends_each_coin_for_one_content() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("ADA");
    let first = daemon.ok(SIGN, params(&wallet, paying_of(&wallet, 0..2, 1_000_000, &[])));
    for transaction in [
        paying_of(&wallet, 0..2, 1_000_001, &[]),
        paying_of(&wallet, 1..3, 1_000_000, &[]),
        // The same with another field, which has another id.
        paying_of(&wallet, 0..2, 1_000_000, &[&[0x08, 0x05]]),
    ] {
        let error = daemon.fails("CONFLICT", SIGN, params(&wallet, &transaction));
        assert_eq!(error["data"]["field"], "outpoint", "{error}");
    }
    daemon.ok(SIGN, params(&wallet, paying_of(&wallet, 2..3, 1_000_000, &[])));
    assert_eq!(daemon.ok(SIGN, params(&wallet, paying_of(&wallet, 0..2, 1_000_000, &[]))), first);
    // Another network has other coins.
    let elsewhere = on(&daemon, "preview");
    daemon.ok(SIGN, params(&elsewhere, paying_of(&elsewhere, 0..1, 1_000_000, &[])));
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_cardano_by_another_wallet_neither_takes_nor_frees_a_coin() {
    let mut daemon = Daemon::start();
    let (victim, other) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
    let one = paying_of(&victim, 1..2, 7_000_000, &[]);
    let another = paying_of(&victim, 1..2, 6_000_000, &[]);
    daemon.ok(SIGN, params(&victim, &one));
    daemon.fails("CONFLICT", SIGN, params(&victim, &another));
    // Whoever may replace what another wallet signed, may not replace this one's by it.
    let id = other["walletId"].as_str().unwrap();
    daemon.stop();
    daemon.write_policy(&format!(
        "permit (principal, action in [Action::\"read\", Action::\"sign\"], resource); permit (principal, action, resource == Wallet::\"{id}\");"
    ));
    daemon.start_again();
    daemon.ok(SIGN, params(&other, &another));
    daemon.fails("CONFLICT", SIGN, params(&victim, &another));
    // And a coin that another wallet signed for is this one's still.
    let untouched = paying_of(&victim, 5..6, 7_000_000, &[]);
    daemon.ok(SIGN, params(&other, paying_of(&victim, 5..6, 1_000_000, &[])));
    daemon.ok(SIGN, params(&victim, &untouched));
}

#[test]
fn sign_cardano_under_a_request_id_is_one_answer() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("ADA");
    let call = with(params(&wallet, paying_of(&wallet, 0..1, 1_000_000, &[])), "requestId", "one");
    let signed = daemon.ok(SIGN, call.clone());
    assert_eq!(daemon.ok(SIGN, call.clone()), signed);
    for other in [
        with(call.clone(), "resolvedInputs", resolved(&[&wallet])),
        with(call.clone(), "transaction", signed["transaction"].clone()),
        with(call, "transaction", hex::encode(paying_of(&wallet, 0..1, 1_000_001, &[]))),
    ] {
        assert_eq!(daemon.fails("CONFLICT", SIGN, other)["data"]["field"], "requestId");
    }
}

#[test]
fn sign_cardano_refuses_what_must_not_be_signed() {
    let daemon = Daemon::start();
    let (wallet, other, mainnet) = (daemon.wallet("ADA"), daemon.wallet("ADA"), on(&daemon, "mainnet"));
    let good = paying_of(&wallet, 0..1, 1_000_000, &[]);
    let refused = |params: Value, rule: &str| {
        let error = daemon.fails("TRANSACTION_REFUSED", SIGN, params);
        assert_eq!(error["data"]["rule"], rule, "{error}");
    };
    refused(params(&mainnet, &good), "network");
    refused(params(&wallet, paying_of(&mainnet, 0..1, 1_000_000, &[])), "network");
    refused(params(&wallet, paying_of(&wallet, 0..1, 1_000_000, &[&[0x0f, 0x01]])), "network");
    refused(params(&wallet, paying_of(&wallet, 0..1, 1_000_000, &[&[0x18, 0x18, 0x00]])), "unknownField");
    refused(with(params(&wallet, &good), "resolvedInputs", resolved(&[&other])), "notNeeded");
    let mut said = resolved(&[&wallet]);
    said[0]["value"]["lovelace"] = json!(10_000_001);
    refused(with(params(&wallet, &good), "resolvedInputs", said), "amount");
    let forged: Vec<u8> = [
        &good[..good.len() - 3],
        &[0xa1, 0x00, 0x81, 0x82, 0x58, 0x20],
        &hex::decode(wallet["publicKey"].as_str().unwrap()).unwrap(),
        &[0x58, 0x40],
        &SigningKey::from_bytes(&[1; 32]).sign(b"another").to_bytes(),
        &[0xf5, 0xf6],
    ]
    .concat();
    refused(params(&wallet, forged), "alreadySigned");

    for (params, field) in [
        (params(&wallet, [&good[..], &[0]].concat()), "transaction"),
        (params(&wallet, [&good[..good.len() - 1], &[0xa0]].concat()), "transaction"),
        (with(params(&wallet, &good), "resolvedInputs", json!([])), "resolvedInputs"),
        (with(params(&wallet, &good), "resolvedInputs", resolved(&[&wallet, &wallet])), "resolvedInputs"),
        (params(&daemon.wallet("SOL"), &good), "walletId"),
    ] {
        assert_eq!(daemon.fails("INVALID_PARAMS", SIGN, params)["data"]["field"], field);
    }
    assert!(daemon.kms_log(Operation::Sign).is_empty());
    assert_signed(&daemon.ok(SIGN, params(&wallet, &good)), &good, &[&wallet]);
}

#[test]
fn sign_cardano_within_the_packaged_policy() {
    let own = nix::unistd::getegid().as_raw().to_string();
    let policy = [("kmsign-raw", "61201"), ("kmsign-admin", "61202"), ("kmsign", own.as_str())]
        .iter()
        .fold(PACKAGED.to_owned(), |text, (name, gid)| text.replace(&format!("Group::\"{name}\""), &format!("Group::\"{gid}\"")));
    let daemon = Daemon::with_policy(&policy, &[]);
    let wallet = daemon.wallet("ADA");
    let good = paying_of(&wallet, 0..1, 1_000_000, &[]);
    assert_signed(&daemon.ok(SIGN, params(&wallet, &good)), &good, &[&wallet]);

    let credential = [&[0x82, 0x00, 0x58, 0x1c][..], &STRANGER].concat();
    let pool = [&[0x58, 0x1c][..], &[4; 28]].concat();
    let certificate =
        |members: &[&[u8]]| [&[0x04, 0x81, 0x80 | u8::try_from(members.len()).unwrap()][..], &members.concat()].concat();
    let input = [&[0x81, 0x82, 0x58, 0x20][..], &[8; 32], &[0]].concat();
    let mint = [&[0x09, 0xa1, 0x58, 0x1c][..], &[3; 28], &[0xa1, 0x41, 0x61, 0x01]].concat();
    let denied: Vec<Vec<u8>> = vec![
        certificate(&[&[0x02], &credential, &pool]),
        certificate(&[&[0x09], &credential, &[0x81, 0x02]]),
        certificate(&[&[0x00], &credential]),
        certificate(&[&[0x10], &credential, &[0x01], &[0xf6]]),
        [&[0x0b, 0x58, 0x20][..], &[0; 32]].concat(),
        [&[0x0d][..], &input].concat(),
        [&[0x12][..], &input].concat(),
        mint,
    ];
    for more in denied {
        let params = params(&wallet, paying_of(&wallet, 5..6, 1_000_000, &[&more]));
        daemon.fails("DENIED", SIGN, params.clone());
        let explained = daemon.ok("policy_explain", json!({ "method": SIGN, "params": params }));
        assert_eq!(explained["decision"], "deny", "{}", hex::encode(more));
    }
    // A registration whose deposit is said is a payment like another.
    let registration = certificate(&[&[0x07], &credential, &[0x1a, 0x00, 0x1e, 0x84, 0x80]]);
    let transaction = paying_of(&wallet, 5..6, 1_000_000, &[&registration]);
    assert_signed(&daemon.ok(SIGN, params(&wallet, &transaction)), &transaction, &[&wallet]);
    assert_eq!(daemon.kms_effects(Operation::Sign), 2);
}

#[test]
fn sign_cardano_of_another_wallets_stake_is_not_change() {
    let daemon = Daemon::start();
    let (wallet, payee) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
    let explain = |transaction: &[u8]| {
        let params = with(params(&wallet, transaction), "resolvedInputs", resolved(&[&wallet]));
        daemon.ok("policy_explain", json!({ "method": SIGN, "params": params }))["summary"].take()
    };
    let good = paying_of(&wallet, 0..1, 1_000_000, &[]);
    let summary = explain(&good);
    assert_eq!(summary["effects"].as_array().unwrap().len(), 2);
    assert_eq!((&summary["totalOut"], &summary["fee"]), (&json!(1_000_000), &json!(200_000)));
    assert_eq!(summary["details"]["inputs"][0]["own"], true);
    assert_eq!(summary["unknownParts"], false);
    // Paid to a wallet of ours.
    let own = bytes_of(&payee["address"]);
    let at = good.windows(28).position(|window| window == STRANGER).unwrap();
    let mut to_own = good.clone();
    to_own[at..at + 28].copy_from_slice(&own[1..]);
    assert_eq!(explain(&to_own)["effects"][0]["toOwnWallet"], true);
    // Back to the wallet's key, with a stake part of somebody.
    let mine = bytes_of(&wallet["address"]);
    let base = [&[0x00][..], &mine[1..], &STRANGER].concat();
    let plain = output(&mine, 8_800_000);
    let at = good.windows(plain.len()).position(|window| window == plain).unwrap();
    let franken = [&good[..at], &output(&base, 8_800_000), &good[at + plain.len()..]].concat();
    let summary = explain(&franken);
    assert_eq!((&summary["totalOut"], &summary["effects"][1]["toOwnWallet"]), (&json!(9_800_000), &json!(false)));
    assert!(summary["warnings"].to_string().contains("another stake part"));
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
}

#[test]
fn sign_cardano_of_a_wallet_with_a_stake_key_has_its_own_address_as_change() {
    let daemon = Daemon::start();
    let stake = daemon.wallet("ADA");
    let with_stake = json!({ "userId": "user123", "asset": "ADA", "stakeWalletId": stake["walletId"] });
    let wallet = daemon.ok("wallet_create", with_stake);
    assert_eq!(wallet["addressType"], "base");
    let transaction = paying_of(&wallet, 0..1, 1_000_000, &[]);
    let call = with(params(&wallet, &transaction), "resolvedInputs", resolved(&[&wallet]));
    let summary = daemon.ok("policy_explain", json!({ "method": SIGN, "params": call }))["summary"].take();
    assert_eq!((&summary["totalOut"], &summary["details"]["outputs"][1]["change"]), (&json!(1_000_000), &json!(true)));
    assert_signed(&daemon.ok(SIGN, call.clone()), &transaction, &[&wallet]);
    // Its stake key moves nothing.
    let of_stake = with(call, "walletId", stake["walletId"].clone());
    assert_eq!(daemon.fails("TRANSACTION_REFUSED", SIGN, of_stake)["data"]["rule"], "notNeeded");
}

#[test]
fn sign_cardano_of_a_stopped_or_unreadable_wallet_is_refused() {
    let daemon = Daemon::start();
    let (wallet, hidden) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
    let good = paying_of(&wallet, 0..1, 1_000_000, &[]);
    daemon.ok("wallet_disable", json!({ "walletId": wallet["walletId"], "reason": "a test" }));
    daemon.fails("KEY_NOT_USABLE", SIGN, params(&wallet, &good));
    let policy = dev_policy(nix::unistd::geteuid().as_raw());
    let hides = format!("{policy}\nforbid (principal, action, resource == Wallet::{});\n", hidden["walletId"]);
    daemon.set_policy(&hides);
    let not_there = json!({ "walletId": "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60", "transaction": hex::encode(&good) });
    let told = daemon.fails("NOT_FOUND", SIGN, not_there);
    for transaction in [good.clone(), paying_of(&on(&daemon, "mainnet"), 0..1, 1_000_000, &[])] {
        assert_eq!(daemon.fails("NOT_FOUND", SIGN, params(&hidden, transaction)), told);
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), 0);
}
