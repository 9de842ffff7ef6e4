//! A wallet of each family of chains through its whole life, on the emulator and on a KMS that others wrote: made in both ways, shown,
//! proven, stopped, let go on, deleted, saved, lost and restored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kmsignd::emulator::{Emulator, EmulatorConfig};
use kmsignd::keys::{KeySpec, PublicKey};
use serde_json::{Value, json};

use crate::harness::Daemon;
use crate::signing::{assert_signed, digest};
use crate::stake_wallets::{base_wallet, key_hash, parts_of};

/// Asset, key spec, and the methods that sign with an Ed25519 key.
const ASSETS: [(&str, &str, Option<&str>); 5] = [
    ("BTC", "ECC_SECG_P256K1", None),
    ("ETH", "ECC_SECG_P256K1", None),
    ("XRP", "ECC_SECG_P256K1", None),
    ("SOL", "ECC_NIST_EDWARDS25519", Some("sol_signTransaction or sol_signMessage")),
    ("ADA", "ECC_NIST_EDWARDS25519", Some("ada_signTransaction")),
];

fn daemon(url: &str) -> Daemon {
    let deployment = format!("families-{}", uuid::Uuid::new_v4());
    Daemon::with_settings(&[
        ("KMSIGND__KMS__ENDPOINT_URL", url),
        ("KMSIGND__KMS__TAGGING_ENDPOINT_URL", url),
        ("KMSIGND__KEYS__DEPLOYMENT", &deployment),
        ("KMSIGND__KEYS__ALLOW_DELETION", "true"),
    ])
}

fn made(daemon: &Daemon) -> Vec<Value> {
    let mut wallets = Vec::new();
    for (asset, spec, _) in ASSETS {
        wallets.push(daemon.wallet(asset));
        let other = if spec == "ECC_SECG_P256K1" { "ECC_NIST_EDWARDS25519" } else { "ECC_SECG_P256K1" };
        let key = |spec: Value| json!({ "userId": "user123", "asset": asset, "keySpec": spec });
        assert_eq!(daemon.fails("INVALID_PARAMS", "kms_createKey", key(json!(other)))["data"]["field"], "keySpec");
        for spec in [json!(spec), Value::Null] {
            let created = daemon.ok("kms_createKey", key(spec));
            let wallet = daemon.ok("wallet_get", json!({ "kmsKeyId": created["kmsKeyId"] }));
            assert_eq!((&wallet["address"], &wallet["walletId"]), (&created["address"], &created["walletId"]));
            wallets.push(wallet);
        }
    }
    let stake = wallets.last().unwrap().clone();
    let base = base_wallet(daemon, &stake);
    assert_eq!(parts_of(&base), (key_hash(&base), key_hash(&stake)));
    wallets.push(base);
    wallets
}

/// What kms_getPublicKey says, and whether kms_signTransactionHash signs.
fn check_key(daemon: &Daemon, wallet: &Value) {
    let (asset, spec, methods) = ASSETS.into_iter().find(|(asset, ..)| wallet["asset"] == *asset).unwrap();
    let shown = daemon.ok("kms_getPublicKey", json!({ "keyId": wallet["kmsKeyId"] }));
    assert_eq!((&shown["keySpec"], &shown["publicKey"]), (&json!(spec), &wallet["publicKey"]));
    let spki = BASE64.decode(shown["spki"].as_str().unwrap()).unwrap();
    let kind = if methods.is_some() { KeySpec::EccNistEdwards25519 } else { KeySpec::EccSecgP256k1 };
    let key = PublicKey::from_spki_der(kind, &spki).unwrap();
    assert_eq!(json!(hex::encode(key.to_bytes())), wallet["publicKey"]);
    let hash = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(1) });
    match methods {
        Some(methods) => {
            assert_eq!((spki.len(), shown.get("publicKeyUncompressed")), (44, None), "{asset}");
            let error = daemon.fails("INVALID_PARAMS", "kms_signTransactionHash", hash);
            let message = error["message"].as_str().unwrap();
            assert!(error["data"]["field"] == "keyId" && message.contains(methods), "{error}");
        }
        None => {
            assert!(spki.len() == 88 && shown["publicKeyUncompressed"].as_str().unwrap().starts_with("04"), "{asset}");
            assert_signed(wallet, &digest(1), &daemon.ok("kms_signTransactionHash", hash));
        }
    }
}

#[track_caller]
fn verified(daemon: &Daemon, wallet: &Value, key_state: &str, signs: bool) {
    let verified = daemon.ok("wallet_verify", json!({ "walletId": wallet["walletId"] }));
    assert_eq!((&verified["keyState"], &verified["addressMatches"]), (&json!(key_state), &json!(true)), "{wallet}: {verified}");
    assert_eq!(verified["signatureVerified"], signs, "{wallet}: {verified}");
    assert!(!signs || verified["publicKeyMatches"] == true, "{wallet}: {verified}");
}

fn life(url: &str) {
    let mut daemon = daemon(url);
    let wallets = made(&daemon);
    let change = |daemon: &Daemon, wallet: &Value, method: &str, key_state: &str| {
        let by_key = json!({ "keyId": wallet["kmsKeyId"] });
        let params = match method {
            "kms_deleteKey" => json!({ "keyId": wallet["kmsKeyId"], "confirm": wallet["address"] }),
            "kms_cancelKeyDeletion" => by_key,
            _ => json!({ "walletId": wallet["walletId"], "reason": "a test" }),
        };
        daemon.ok(method, params);
        daemon.wait_for_key_drives();
        verified(daemon, wallet, key_state, key_state == "Enabled");
    };
    for wallet in &wallets {
        check_key(&daemon, wallet);
        verified(&daemon, wallet, "Enabled", true);
    }
    // One of each asset, and the base address.
    for wallet in wallets.iter().step_by(3) {
        change(&daemon, wallet, "wallet_disable", "Disabled");
        change(&daemon, wallet, "wallet_enable", "Enabled");
        change(&daemon, wallet, "kms_deleteKey", "PendingDeletion");
        change(&daemon, wallet, "kms_cancelKeyDeletion", "Disabled");
        change(&daemon, wallet, "wallet_enable", "Enabled");
    }
    let before = daemon.ok("wallet_list", json!({ "limit": 1000 }))["wallets"].as_array().unwrap().clone();
    daemon.stop();
    daemon.lose_store();
    let output = daemon.command(&["restore", "--json", "--from", "kms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["wallets"], json!({ "CREATED": before.len() }), "{report}");
    daemon.start_again();
    daemon.ok("admin_unfreeze", json!({ "freezeId": report["freezeId"], "reason": "checked" }));
    for wallet in &before {
        let mut there = daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }));
        there["version"] = wallet["version"].clone();
        assert_eq!(there, *wallet);
        check_key(&daemon, wallet);
        verified(&daemon, wallet, "Enabled", true);
    }
    daemon.assert_audit_is_whole();
}

#[test]
fn wallets_of_every_family_live_on_the_emulator() {
    let runtime = crate::harness::runtime();
    let emulator = runtime.block_on(Emulator::start(EmulatorConfig::default())).unwrap();
    life(&emulator.endpoint_url());
}

#[test]
fn wallets_of_every_family_live_on_ministack() {
    match std::env::var("KMSIGND_TEST_MINISTACK_URL") {
        Ok(url) => life(&url),
        Err(_) => crate::skipped("the life of wallets on ministack", "see tests/kms/ministack.sh"),
    }
}
