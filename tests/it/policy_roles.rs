//! Who may call what, over the real socket with real uids, under the packaged policy; and what callers must not learn.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitcoin::ecdsa::Signature;
use bitcoin::{Psbt, PublicKey};
use kmsignd::emulator::Operation;
use kmsignd::policy::dev_policy;
use kmsignd::rpc::methods::METHODS;
use serde_json::{Value, json};

use crate::harness::caller::assert_is;
use crate::harness::users::{ALICE, BOB, can_be_others};
use crate::harness::{Caller, Daemon};
use crate::method_examples::{DIGEST, Fixture, TOKEN, came_through, evm_payment, examples, permit, psbt_paying};

const PACKAGED: &str = include_str!("../../packaging/policy.d/kmsignd.cedar");
const KMSIGN: u32 = 61_200;
const KMSIGN_RAW: u32 = 61_201;
const KMSIGN_ADMIN: u32 = 61_202;

/// Uid, supplementary groups, and the actions of methods that the contract gives to it.
const ROLES: [(&str, u32, &[u32], &[&str]); 8] = [
    ("nobody", ALICE, &[], &[]),
    ("root", 0, &[], &[]),
    ("root in kmsign", 0, &[KMSIGN], &["read", "create", "sign", "signMessage"]),
    ("kmsign", ALICE, &[KMSIGN], &["read", "create", "sign", "signMessage"]),
    ("kmsign-raw", ALICE, &[KMSIGN, KMSIGN_RAW], &["read", "create", "sign", "signMessage", "signRaw"]),
    ("kmsign-raw alone", ALICE, &[KMSIGN_RAW], &["signRaw"]),
    ("kmsign-admin", ALICE, &[KMSIGN, KMSIGN_ADMIN], &["read", "administer", "audit", "unfreeze"]),
    ("kmsign-admin and kmsign-raw", ALICE, &[KMSIGN, KMSIGN_RAW, KMSIGN_ADMIN], &["read", "administer", "audit", "unfreeze"]),
];

/// The packaged policy with numbers for its groups, which this machine need not have; and root, to prepare the test.
fn packaged() -> String {
    let groups = [("kmsign", KMSIGN), ("kmsign-raw", KMSIGN_RAW), ("kmsign-admin", KMSIGN_ADMIN)];
    groups
        .iter()
        .fold(PACKAGED.to_owned(), |text, (name, gid)| text.replace(&format!("Group::\"{name}\""), &format!("Group::\"{gid}\"")))
}

/// A daemon with one ETH wallet that then reads `policy`.
fn daemon_with_wallet(policy: &str) -> (Daemon, Fixture) {
    let mut daemon = Daemon::start();
    let fixture = Fixture::new(&daemon);
    daemon.stop();
    daemon.write_policy(policy);
    daemon.start_again();
    daemon.open_socket_to_all();
    (daemon, fixture)
}

fn is_denied(outcome: &Result<Value, Value>) -> bool {
    outcome.as_ref().is_err_and(|error| error["data"]["kind"] == "DENIED")
}

#[test]
fn call_every_method_as_every_role_is_allowed_as_the_contract_says() {
    if !can_be_others("call_every_method_as_every_role_is_allowed_as_the_contract_says") {
        return;
    }
    let (daemon, fixture) = daemon_with_wallet(&packaged());
    for (role, uid, groups, allowed) in ROLES {
        daemon.wait_for_key_drives();
        let mut caller = daemon.connect_as(uid, groups);
        for (method, action, params) in examples(&fixture) {
            let row = METHODS.iter().find(|row| row.name == method).unwrap();
            assert_eq!(row.action.as_str(), action, "{method}");
            let may = allowed.contains(&action);
            for name in std::iter::once(&row.name).chain(row.aliases) {
                let outcome = caller.call(name, params.clone());
                if may {
                    assert!(came_through(method, &outcome), "{role} may {name}, but: {outcome:?}");
                } else {
                    assert_is("DENIED", &outcome.expect_err(&format!("{role} must not {name}")));
                }
            }
        }
    }
}

#[test]
fn explain_every_method_as_every_role_agrees_with_the_call() {
    if !can_be_others("explain_every_method_as_every_role_agrees_with_the_call") {
        return;
    }
    let (daemon, fixture) = daemon_with_wallet(&packaged());
    for (role, uid, groups, allowed) in ROLES {
        daemon.wait_for_key_drives();
        let mut caller = daemon.connect_as(uid, groups);
        for (method, action, params) in examples(&fixture).into_iter().filter(|(method, ..)| *method != "policy_explain") {
            let explained = caller.call("policy_explain", json!({ "method": method, "params": params }));
            if !allowed.contains(&"read") {
                assert!(is_denied(&explained), "{role} may read nothing: {explained:?}");
                continue;
            }
            let explained = explained.unwrap();
            let denied = is_denied(&caller.call(method, params));
            assert_eq!(explained["decision"], if denied { "deny" } else { "allow" }, "{role} {method}: {explained}");
            assert_eq!(explained["summary"]["action"], action);
            let may_change = explained["policies"].as_array().unwrap();
            assert!(denied || !may_change.is_empty(), "{role} {method}: what permits it is named");
        }
    }
    // One digest by kmsign-raw, two challenges by wallet_verify, five messages and a transaction of Solana by each of the three who
    // may, and four other transactions, which are signed once for all. Explaining signs nothing.
    assert_eq!(daemon.kms_effects(Operation::Sign), 1 + 2 + 6 * 3 + 4);
}

#[test]
fn call_denied_by_a_forbid_names_its_policy() {
    if !can_be_others("call_denied_by_a_forbid_names_its_policy") {
        return;
    }
    let (daemon, fixture) = daemon_with_wallet(&packaged());
    let sign = json!({ "keyId": fixture.key_id, "transactionHash": DIGEST });
    let mut admin = daemon.connect_as(ALICE, &[KMSIGN_RAW, KMSIGN_ADMIN]);
    let error = admin.fails("DENIED", "kms_signTransactionHash", sign.clone());
    assert_eq!(error["data"]["policyId"], "test.administrators-sign-nothing");
    let error = daemon.connect_as(ALICE, &[KMSIGN]).fails("DENIED", "kms_signTransactionHash", sign);
    assert!(error["data"].get("policyId").is_none(), "no policy forbids it, and none permits it: {error}");
}

/// Two ETH wallets, of which [`ALICE`] may read the first, besides `more`.
fn daemon_with_one_readable_wallet(more: &str) -> (Daemon, Value, Value) {
    let mut daemon = Daemon::start();
    let (readable, hidden) = (daemon.wallet("ETH"), daemon.wallet("ETH"));
    daemon.stop();
    let own = readable["walletId"].as_str().unwrap();
    let reads =
        |resource: &str| format!(r#"permit (principal == User::"{ALICE}", action == Action::"read", resource == {resource});"#);
    daemon.write_policy(&[reads(r#"Daemon::"kmsignd""#), reads(&format!(r#"Wallet::"{own}""#)), more.to_owned()].concat());
    daemon.start_again();
    daemon.open_socket_to_all();
    (daemon, readable, hidden)
}

/// Every call that names a wallet, with every way to name it.
fn calls_about(wallet: &Fixture) -> Vec<(&'static str, Value)> {
    let Fixture { wallet_id, key_id, address, .. } = wallet;
    let calls = vec![
        ("wallet_get", json!({ "walletId": wallet_id })),
        ("wallet_get", json!({ "kmsKeyId": key_id })),
        ("wallet_get", json!({ "address": address })),
        ("wallet_get", json!({ "address": address, "asset": "ETH", "network": "sepolia" })),
        ("wallet_addresses", json!({ "walletId": wallet_id })),
        ("wallet_verify", json!({ "walletId": wallet_id })),
        ("wallet_disable", json!({ "walletId": wallet_id, "reason": "r" })),
        ("wallet_enable", json!({ "walletId": wallet_id, "reason": "r" })),
        ("kms_deleteKey", json!({ "keyId": key_id, "confirm": address })),
        ("kms_cancelKeyDeletion", json!({ "keyId": key_id })),
        ("kms_getPublicKey", json!({ "keyId": key_id })),
        ("kms_signTransactionHash", json!({ "keyId": key_id, "transactionHash": DIGEST })),
        ("eth_signTransaction", json!({ "transaction": evm_payment(address) })),
        ("eth_signTransaction", json!({ "transaction": on_mainnet(address) })),
        ("personal_sign", json!({ "data": "0x68656c6c6f", "address": address })),
        ("eth_signTypedData_v4", json!({ "address": address, "typedData": permit(address) })),
        ("evm_signAuthorization", json!({ "address": address, "chainId": "0xaa36a7", "contract": TOKEN, "nonce": 8 })),
    ];
    let explained =
        calls.clone().into_iter().map(|(method, params)| ("policy_explain", json!({ "method": method, "params": params })));
    calls.iter().cloned().chain(explained).collect()
}

/// A payment on another chain than the wallet's.
fn on_mainnet(address: &Value) -> Value {
    let mut transaction = evm_payment(address);
    transaction["chainId"] = json!("0x1");
    transaction
}

/// Names of a wallet that is not there.
fn unknown() -> Fixture {
    Fixture::named(&json!({
        "walletId": "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60",
        "kmsKeyId": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    }))
}

/// Holds if the caller hears of the wallet what it hears of one that is not there, and nothing else.
fn assert_hidden(caller: &mut Caller, wallet: &Value, kind: &str) {
    for ((method, of_hidden), (_, of_unknown)) in calls_about(&Fixture::named(wallet)).into_iter().zip(calls_about(&unknown())) {
        let heard = caller.call(method, of_hidden.clone()).expect_err(&format!("{method} {of_hidden}"));
        let of_none = caller.call(method, of_unknown).unwrap_err();
        assert_eq!(heard, of_none, "{method} {of_hidden}");
        assert_is(kind, &heard);
        let text = heard.to_string();
        for known in ["walletId", "kmsKeyId", "address", "userId"] {
            assert!(!text.contains(wallet[known].as_str().unwrap()), "{method}: {text}");
        }
    }
}

#[test]
fn call_about_an_unreadable_wallet_hears_what_it_hears_of_an_unknown_one() {
    if !can_be_others("call_about_an_unreadable_wallet_hears_what_it_hears_of_an_unknown_one") {
        return;
    }
    let (daemon, readable, hidden) = daemon_with_one_readable_wallet("");
    let mut alice = daemon.connect_as(ALICE, &[]);
    assert_eq!(alice.ok("wallet_get", json!({ "walletId": readable["walletId"] })), readable);
    assert_hidden(&mut alice, &hidden, "NOT_FOUND");
    let denials = daemon.audited("denial");
    assert!(denials.iter().any(|record| record["walletId"] == hidden["walletId"]), "the audit knows what it was about");
}

#[test]
fn psbt_of_an_unreadable_wallet_is_refused_as_one_of_nobody() {
    if !can_be_others("psbt_of_an_unreadable_wallet_is_refused_as_one_of_nobody") {
        return;
    }
    let (daemon, ..) = daemon_with_one_readable_wallet(&dev_policy(0));
    let hidden = daemon.wallet("BTC");
    let stranger = json!({ "address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx" });
    let mut alice = daemon.connect_as(ALICE, &[]);
    let defects: [fn(&mut Psbt); 2] = [
        |_| {},
        |psbt| {
            let key = PublicKey::from_str("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798").unwrap();
            let signature = Signature::from_str(&format!("3006020101020101{:02x}", 1)).unwrap();
            psbt.inputs[0].partial_sigs.insert(key, signature);
        },
    ];
    for (number, defect) in defects.into_iter().enumerate() {
        let mut heard = |wallet: &Value| {
            let mut psbt = Psbt::deserialize(&BASE64.decode(psbt_paying(wallet, 2, 190_000)).unwrap()).unwrap();
            defect(&mut psbt);
            let params = json!({ "asset": "BTC", "psbt": BASE64.encode(psbt.serialize()) });
            let explained = alice.call("policy_explain", json!({ "method": "utxo_signPsbt", "params": params })).unwrap_err();
            (alice.call("utxo_signPsbt", params).unwrap_err(), explained)
        };
        let (of_hidden, of_stranger) = (heard(&hidden), heard(&stranger));
        assert_eq!(of_hidden, of_stranger, "defect {number}");
        assert_eq!(of_hidden.0["data"]["rule"], "foreignInput", "defect {number}: {}", of_hidden.0);
    }
}

#[test]
fn explanation_shows_an_unreadable_recipient_as_a_stranger() {
    if !can_be_others("explanation_shows_an_unreadable_recipient_as_a_stranger") {
        return;
    }
    let root = dev_policy(0);
    let (daemon, readable, hidden) = daemon_with_one_readable_wallet(&root);
    let mut alice = daemon.connect_as(ALICE, &[]);
    let mut explain = |to: &Value, typed: bool| {
        let (mut transaction, mut permit) = (evm_payment(&readable["address"]), permit(&readable["address"]));
        transaction["to"] = to.clone();
        permit["message"]["to"] = to.clone();
        let question = if typed {
            json!({ "method": "eth_signTypedData_v4", "params": { "address": readable["address"], "typedData": permit } })
        } else {
            json!({ "method": "eth_signTransaction", "params": { "transaction": transaction } })
        };
        let explained = alice.ok("policy_explain", question).to_string();
        explained.replace(to.as_str().unwrap(), "RECIPIENT").replace(&to.as_str().unwrap().to_lowercase(), "RECIPIENT")
    };
    let stranger = json!("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    for status in ["CREATED", "DISABLED"] {
        for typed in [false, true] {
            assert_eq!(explain(&hidden["address"], typed), explain(&stranger, typed), "{status}");
        }
        if status == "CREATED" {
            daemon.ok("wallet_disable", json!({ "walletId": hidden["walletId"], "reason": "a test" }));
        }
    }
}

#[test]
fn call_by_one_who_may_read_nothing_hears_the_same_of_every_wallet() {
    if !can_be_others("call_by_one_who_may_read_nothing_hears_the_same_of_every_wallet") {
        return;
    }
    let forbids = r#"@id("not-bob") forbid (principal == User::"61002", action == Action::"signRaw", resource);"#;
    let (daemon, _, hidden) = daemon_with_one_readable_wallet(forbids);
    assert_hidden(&mut daemon.connect_as(BOB, &[]), &hidden, "DENIED");
}

#[test]
fn list_wallets_and_accounts_shows_each_caller_its_own() {
    if !can_be_others("list_wallets_and_accounts_shows_each_caller_its_own") {
        return;
    }
    let sign_own = |action: &str| {
        format!(
            r#"permit (principal == User::"{BOB}", action == Action::"read", resource);
                   permit (principal == User::"{BOB}", action == Action::"{action}", resource)
                   when {{ resource has userId && resource.userId == "user123" }};"#
        )
    };
    for action in ["sign", "signMessage", "signRaw"] {
        let (daemon, readable, hidden) = daemon_with_one_readable_wallet(&sign_own(action));
        let mut alice = daemon.connect_as(ALICE, &[]);
        assert_eq!(alice.ok("wallet_list", json!({}))["wallets"], json!([readable]));
        assert_eq!(alice.ok("eth_accounts", json!([])), json!([]), "she may sign with none");
        let mut bob = daemon.connect_as(BOB, &[]);
        assert_eq!(bob.ok("wallet_list", json!({}))["wallets"], json!([readable, hidden]));
        assert_eq!(bob.ok("eth_accounts", json!([])), json!([readable["address"], hidden["address"]]), "{action}");
    }
}
