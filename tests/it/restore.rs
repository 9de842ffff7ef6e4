//! `kmsignd restore`: the same wallets as before from each source, whatever it is cut off by; nothing signs before a person says
//! so; and what can't be proven does not come back as a wallet that signs.

mod from_file;
mod from_kms;
mod from_mongodb;
mod rate;
mod stake_keys;

use std::process::Output;

use aws_sdk_kms::types::{KeySpec, KeyUsageType, Tag};
use serde_json::{Value, json};

use crate::harness::Daemon;
use crate::kms_conformance::client;
use crate::signing::{assert_signed, digest};

const INCOMPLETE: i32 = 1;
const EX_DATAERR: i32 = 65;
const EX_UNAVAILABLE: i32 = 69;
const EX_CANTCREAT: i32 = 73;
const EX_CONFIG: i32 = 78;

fn run(daemon: &Daemon, source: &str) -> Output {
    daemon.command(&["restore", "--json", "--from", source]).output().unwrap()
}

/// The report of a restore that is through; `code` says whether all came back.
#[track_caller]
fn restored(daemon: &Daemon, source: &str, code: i32) -> Value {
    let output = run(daemon, source);
    let said = String::from_utf8_lossy(&output.stderr);
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{said}{report}");
    serde_json::from_str(&report).unwrap()
}

/// What a restore says that does not come through.
#[track_caller]
fn refused(daemon: &Daemon, source: &str, code: i32) -> String {
    let output = run(daemon, source);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// One wallet of every kind, most with labels, one under another ticker, one with the stake key of another.
fn every_kind(daemon: &Daemon) {
    for (asset, network, address_type) in [
        ("BTC", "mainnet", "p2wpkh"),
        ("BTC", "regtest", "p2sh-p2wpkh"),
        ("LTC", "testnet", "p2pkh"),
        ("DOGE", "mainnet", "p2pkh"),
        ("ETH", "sepolia", "eip55"),
        ("BSC", "testnet", "eip55"),
        ("MATIC", "mainnet", "eip55"),
        ("XRP", "devnet", "classic"),
        ("SOL", "mainnet", "base58"),
        ("ADA", "preprod", "enterprise"),
    ] {
        let label = format!("{asset} ü");
        daemon.ok(
            "wallet_create",
            json!({ "userId": format!("user-{asset}"), "asset": asset, "network": network, "addressType": address_type, "label": label }),
        );
    }
    let stake = daemon.ok("wallet_list", json!({ "asset": "ADA" }))["wallets"][0].take();
    crate::stake_wallets::base_wallet(daemon, &stake);
}

fn wallets(daemon: &Daemon) -> Vec<Value> {
    daemon.ok("wallet_list", json!({ "limit": 1000 }))["wallets"].as_array().unwrap().clone()
}

fn without(wallets: &[Value], members: &[&str]) -> Vec<Value> {
    let mut wallets = wallets.to_vec();
    for wallet in &mut wallets {
        wallet.as_object_mut().unwrap().retain(|name, _| !members.contains(&name.as_str()));
    }
    wallets
}

/// Holds of a daemon on a restored store: nothing signs, wallets are made, the freeze is there to be lifted; then it signs.
fn assert_frozen_until_lifted(daemon: &Daemon, report: &Value, wallet: &Value) {
    let sign = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(7) });
    let error = daemon.fails("FROZEN", "kms_signTransactionHash", sign.clone());
    assert_eq!(error["data"]["freezeId"], report["freezeId"]);
    assert!(error["data"]["reason"].as_str().unwrap().starts_with("restored: guards, limits and requestIds"), "{error}");
    assert_eq!(daemon.readiness().0, 503);
    assert_eq!(daemon.wallet("ETH")["status"], "CREATED");
    let freezes = daemon.ok("admin_status", json!({}))["freezes"].clone();
    assert_eq!((freezes.as_array().unwrap().len(), &freezes[0]["scope"]), (1, &json!("all")));
    daemon.ok("admin_unfreeze", json!({ "freezeId": report["freezeId"], "reason": "checked" }));
    assert_signed(wallet, &digest(7), &daemon.ok("kms_signTransactionHash", sign));
    daemon.assert_audit_is_whole();
}

/// Makes a key as this deployment's daemon does, with these changes to the tags of `wallet`'s key.
fn plant(daemon: &Daemon, wallet: &Value, spec: KeySpec, changes: &[(&str, Option<&str>)]) -> String {
    let text = |name: &str| wallet[name].as_str().unwrap().to_owned();
    let mut tags = std::collections::BTreeMap::from([
        ("kmsignd:wallet-id".to_owned(), text("walletId")),
        ("kmsignd:deployment".to_owned(), "tests".to_owned()),
        ("kmsignd:user-id".to_owned(), text("userId")),
        ("kmsignd:address-type".to_owned(), text("addressType")),
        ("kmsignd:created-at".to_owned(), text("createdAt")),
        ("asset".to_owned(), text("asset")),
        ("network".to_owned(), text("network")),
    ]);
    for (name, value) in changes {
        match value {
            Some(value) => tags.insert((*name).to_owned(), (*value).to_owned()),
            None => tags.remove(*name),
        };
    }
    let mut request =
        client(daemon.kms_endpoint(), "eu-central-1").create_key().key_spec(spec).key_usage(KeyUsageType::SignVerify);
    for (name, value) in tags {
        request = request.tags(Tag::builder().tag_key(name).tag_value(value).build().unwrap());
    }
    daemon.block_on(request.send()).unwrap().key_metadata.unwrap().arn.unwrap()
}

fn key_state(daemon: &Daemon, key: &Value, change: &str) {
    let kms = client(daemon.kms_endpoint(), "eu-central-1");
    let key = key.as_str().unwrap();
    match change {
        "disable" => drop(daemon.block_on(kms.disable_key().key_id(key).send()).unwrap()),
        "enable" => drop(daemon.block_on(kms.enable_key().key_id(key).send()).unwrap()),
        "delete" => drop(daemon.block_on(kms.schedule_key_deletion().key_id(key).pending_window_in_days(7).send()).unwrap()),
        other => panic!("{other}"),
    }
}

/// The reasons of a kind of finding, by subject.
fn reasons(report: &Value, kind: &str) -> std::collections::BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report[kind].as_array().unwrap().iter().map(|finding| (text(&finding["subject"]), text(&finding["reason"]))).collect()
}
