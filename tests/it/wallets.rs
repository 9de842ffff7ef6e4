//! Making wallets: what comes out, what KMS is asked, and what survives an answer that never came.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kmsignd::chains;
use kmsignd::chains::networks::{NetworkDefaults, Networks};
use kmsignd::emulator::{Fault, Operation};
use serde_json::{Value, json};

use crate::harness::{Daemon, wait_until, write_private};
use crate::kms_conformance::{HERE, client};

/// The rows of the API contract: asset, networks (the default first), address types (the default first). ADA's base addresses need another
/// wallet: see `stake_wallets`.
const ROWS: [(&str, &[&str], &[&str]); 12] = [
    ("BTC", &["testnet", "mainnet", "signet", "regtest"], &["p2wpkh", "p2sh-p2wpkh", "p2pkh"]),
    ("LTC", &["testnet", "mainnet", "regtest"], &["p2wpkh", "p2sh-p2wpkh", "p2pkh"]),
    ("DOGE", &["testnet", "mainnet", "regtest"], &["p2pkh"]),
    ("ETH", &["sepolia", "mainnet", "hoodi", "holesky", "goerli"], &["eip55"]),
    ("BNB", &["testnet", "mainnet"], &["eip55"]),
    ("BSC", &["testnet", "mainnet"], &["eip55"]),
    ("POL", &["amoy", "mainnet"], &["eip55"]),
    ("POLYGON", &["amoy", "mainnet"], &["eip55"]),
    ("MATIC", &["amoy", "mainnet"], &["eip55"]),
    ("XRP", &["testnet", "mainnet", "devnet"], &["classic"]),
    ("SOL", &["testnet", "mainnet", "devnet"], &["base58"]),
    ("ADA", &["preprod", "mainnet", "preview"], &["enterprise"]),
];

/// A creation that the next test may repeat.
fn creation(key: &str) -> Value {
    json!({ "userId": "user123", "asset": "BTC", "idempotencyKey": key })
}

#[test]
fn create_wallet_of_every_asset_network_and_address_type_answers_its_address() {
    let daemon = Daemon::start();
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let mut made = 0;
    for (asset, of_asset, types) in ROWS {
        for network in of_asset {
            for address_type in types {
                let label = format!("{asset} {network}");
                let asked = json!({ "userId": "user123", "asset": asset, "network": network, "addressType": address_type, "label": label });
                let wallet = daemon.ok("wallet_create", asked);
                made += 1;
                check_wallet(&wallet, asset, network, address_type, json!(label));
                let resolved = networks.resolve(asset, Some(network)).unwrap();
                let (address, parsed) = chains::parse_address(&resolved, wallet["address"].as_str().unwrap()).unwrap();
                // What a script hash stands for, an address does not say.
                let expected = if *address_type == "p2sh-p2wpkh" { "p2sh" } else { *address_type };
                assert_eq!((json!(address.as_str()), parsed.as_str()), (wallet["address"].clone(), expected), "{wallet}");
                assert_eq!(daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] })), wallet);
                assert_eq!(wallet["publicKey"], json!(public_key_in_kms(&daemon, &wallet)));
            }
        }
        let (network, address_type) = (of_asset[0], types[0]);
        let defaults = daemon.ok("wallet_create", json!({ "userId": "user123", "asset": asset.to_lowercase() }));
        made += 1;
        check_wallet(&defaults, asset, network, address_type, Value::Null);
    }
    assert_eq!(daemon.kms_effects(Operation::CreateKey), made);
}

/// Every member of the contract's Wallet and no other.
fn check_wallet(wallet: &Value, asset: &str, network: &str, address_type: &str, label: Value) {
    let expected = json!({
        "walletId": wallet["walletId"], "userId": "user123", "asset": asset, "network": network, "addressType": address_type,
        "address": wallet["address"], "publicKey": wallet["publicKey"], "kmsKeyId": wallet["kmsKeyId"],
        "keySpec": if is_ed25519(asset) { "ECC_NIST_EDWARDS25519" } else { "ECC_SECG_P256K1" }, "status": "CREATED", "label": label, "createdAt": wallet["createdAt"], "version": wallet["version"],
    });
    assert_eq!(*wallet, expected);
    let text = |name: &str| wallet[name].as_str().unwrap();
    assert_eq!(uuid::Uuid::parse_str(text("walletId")).unwrap().get_version_num(), 7);
    assert!(text("kmsKeyId").starts_with("arn:aws:kms:eu-central-1:111122223333:key/"), "{wallet}");
    assert!(text("createdAt").starts_with("20") && text("createdAt").ends_with('Z'), "{wallet}");
    assert!(wallet["version"].as_u64().is_some_and(|version| version >= 1));
}

fn is_ed25519(asset: &str) -> bool {
    ["SOL", "ADA"].contains(&asset)
}

/// The public key as KMS has it, asked beside the daemon: compressed if it is a secp256k1 key.
fn public_key_in_kms(daemon: &Daemon, wallet: &Value) -> String {
    let client = client(daemon.kms_endpoint(), HERE);
    let answer = daemon.block_on(client.get_public_key().key_id(wallet["kmsKeyId"].as_str().unwrap()).send()).unwrap();
    let der = answer.public_key.unwrap().into_inner();
    let spki = daemon.ok("kms_getPublicKey", json!({ "keyId": wallet["kmsKeyId"] }))["spki"].clone();
    assert_eq!(spki, json!(STANDARD.encode(&der)));
    // The point is the last 32 bytes of an Ed25519 SubjectPublicKeyInfo, or the last 65 of a secp256k1 one.
    if is_ed25519(wallet["asset"].as_str().unwrap()) {
        return hex::encode(&der[der.len() - 32..]);
    }
    bitcoin::secp256k1::PublicKey::from_slice(&der[der.len() - 65..]).unwrap().to_string()
}

#[test]
fn create_wallet_with_mainnet_defaults_makes_mainnet_wallets() {
    let mut settings = vec![("UTXO_NETWORK", "mainnet"), ("EVM_NETWORK", "mainnet")];
    settings.extend(
        ["KMSIGND__NETWORKS__XRP", "KMSIGND__NETWORKS__SOLANA", "KMSIGND__NETWORKS__CARDANO"].map(|name| (name, "mainnet")),
    );
    let daemon = Daemon::with_settings(&settings);
    for (asset, ..) in ROWS {
        assert_eq!(daemon.wallet(asset)["network"], "mainnet", "{asset}");
    }
}

#[test]
fn create_wallet_asks_kms_for_one_key_and_one_public_key() {
    let daemon = Daemon::start();
    let wallets: Vec<Value> = (0..5).map(|_| daemon.wallet("BTC")).collect();
    assert_eq!(daemon.kms_log(Operation::CreateKey).len(), wallets.len());
    for wallet in &wallets {
        let asked = daemon.kms_log(Operation::GetPublicKey);
        assert_eq!(asked.iter().filter(|entry| json!(entry.key) == wallet["kmsKeyId"]).count(), 1, "{wallet}");
    }
    assert_eq!(daemon.kms_log(Operation::Sign), []);
}

#[test]
fn create_wallet_tags_its_key_so_that_it_can_be_found_again() {
    let daemon = Daemon::start();
    let asked = json!({ "userId": "team/user@example", "asset": "BSC", "network": "testnet" });
    let wallet = daemon.ok("wallet_create", asked);
    let arn = wallet["kmsKeyId"].as_str().unwrap();
    let kms = client(daemon.kms_endpoint(), HERE);
    let tags = daemon.block_on(kms.list_resource_tags().key_id(arn).send()).unwrap();
    let tags: BTreeMap<_, _> = tags.tags().iter().map(|tag| (tag.tag_key().to_owned(), tag.tag_value().to_owned())).collect();
    let text = |name: &str| wallet[name].as_str().unwrap().to_owned();
    let expected = [
        ("kmsignd:wallet-id", text("walletId")),
        ("kmsignd:deployment", "tests".to_owned()),
        ("kmsignd:user-id", "team/user@example".to_owned()),
        ("kmsignd:address-type", "eip55".to_owned()),
        ("kmsignd:created-at", text("createdAt")),
        ("asset", "BSC".to_owned()),
        ("network", "testnet".to_owned()),
    ];
    assert_eq!(tags, expected.map(|(name, value)| (name.to_owned(), value)).into());
    let described = daemon.block_on(kms.describe_key().key_id(arn).send()).unwrap().key_metadata.unwrap();
    assert!(described.description().is_some_and(|text| text.contains(&wallet["walletId"].as_str().unwrap().to_owned())));
}

#[test]
fn create_wallet_with_a_key_policy_configured_sends_it() {
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "the daemon signs", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111122223333:role/kmsignd" },
        "Action": ["kms:Sign", "kms:GetPublicKey"], "Resource": "*",
    }] })
    .to_string();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key-policy.json");
    write_private(&file, &policy);
    let daemon = Daemon::with_settings(&[("KMSIGND__KMS__KEY_POLICY_FILE", file.to_str().unwrap())]);
    let wallet = daemon.wallet("BTC");
    let kms = client(daemon.kms_endpoint(), HERE);
    let kept = daemon.block_on(kms.get_key_policy().key_id(wallet["kmsKeyId"].as_str().unwrap()).send()).unwrap();
    assert_eq!(kept.policy(), Some(policy.as_str()));
}

#[test]
fn create_wallet_commits_its_pending_row_before_kms_is_asked() {
    let daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::HangBefore, 1);
    let mut caller = daemon.connect();
    caller.send("wallet_create", &creation("k"));
    daemon.wait_for_faults();
    // KMS has the request now, and has done nothing yet.
    assert_eq!(daemon.query("SELECT group_concat(status) FROM wallets"), "PENDING");
    assert_eq!(daemon.audited("intent").len(), 1);
    assert_eq!(daemon.kms_effects(Operation::CreateKey), 0);
}

#[test]
fn create_wallet_throttled_by_kms_is_retried() {
    let daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::Throttle, 3);
    assert_eq!(daemon.wallet("BTC")["status"], "CREATED");
    assert_eq!(daemon.kms_log(Operation::CreateKey).len(), 4);
    assert_eq!(daemon.kms_effects(Operation::CreateKey), 1);
}

#[test]
fn create_wallet_throttled_for_too_long_is_told_when_to_retry_and_frees_its_key() {
    let daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::Throttle, 1000);
    let error = daemon.fails("RATE_LIMITED", "wallet_create", creation("k"));
    assert!(error["data"]["retryAfterMs"].as_u64().is_some_and(|pause| pause > 0), "{error}");
    daemon.faults().set(Default::default());
    assert_eq!(daemon.ok("wallet_create", creation("k"))["status"], "CREATED");
    assert_eq!(daemon.kms_effects(Operation::CreateKey), 1);
}

#[test]
fn create_wallet_denied_by_kms_names_the_iam_action_and_frees_its_key() {
    let daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::Deny, 1);
    let error = daemon.fails("KMS_REFUSED", "wallet_create", creation("k"));
    assert!(error["message"].as_str().unwrap().contains("kms:CreateKey"), "{error}");
    assert!(!error.to_string().contains("arn:"), "{error}");
    assert_eq!(daemon.query("SELECT group_concat(status) FROM wallets"), "FAILED");
    let other = json!({ "userId": "user123", "asset": "ETH", "idempotencyKey": "k" });
    assert_eq!(daemon.ok("wallet_create", other)["status"], "CREATED");
    assert_eq!(daemon.kms_effects(Operation::CreateKey), 1);
}

#[test]
fn create_wallet_with_kms_down_makes_none_and_frees_its_key() {
    let mut daemon = Daemon::start();
    daemon.stop_kms();
    daemon.fails("KMS_UNAVAILABLE", "wallet_create", creation("k"));
    assert_eq!(daemon.query("SELECT group_concat(status) FROM wallets"), "FAILED");
    assert_eq!(daemon.query("SELECT count(*) FROM requests"), "0");
}

#[test]
fn create_wallet_whose_new_key_is_hidden_for_a_while_succeeds() {
    let daemon = Daemon::start();
    daemon.faults().change(|switches| switches.lags.new_key_hidden_ms = 400);
    assert_eq!(daemon.wallet("ETH")["status"], "CREATED");
    let asked = daemon.kms_log(Operation::GetPublicKey);
    assert!(asked.len() > 1 && asked[0].error.as_deref() == Some("NotFoundException"), "{asked:?}");
    assert_eq!(daemon.kms_effects(Operation::CreateKey), 1);
}

#[test]
fn create_wallet_whose_public_key_does_not_come_completes_with_the_same_key_later() {
    for fault in [Fault::Deny, Fault::Internal, Fault::Throttle, Fault::HangBefore] {
        let mut daemon = Daemon::start();
        daemon.fault(Operation::GetPublicKey, fault, 1000);
        let error = daemon.call("wallet_create", creation("k")).unwrap_err();
        assert_eq!(error["data"]["retry"], "later", "{fault:?}: {error}");
        assert_eq!(daemon.query("SELECT group_concat(status) FROM wallets"), "PENDING", "{fault:?}");
        let named = daemon.query("SELECT kms_key_id FROM wallets");
        let unfinished = json!({ "keyId": named, "transactionHash": "11".repeat(32) });
        assert_eq!(daemon.fails("KEY_NOT_USABLE", "kms_signTransactionHash", unfinished)["data"]["status"], "PENDING");
        daemon.faults().set(Default::default());
        daemon.restart();
        wait_until("the wallet is healed", || daemon.query("SELECT group_concat(status) FROM wallets") == "CREATED");
        let wallet = daemon.ok("wallet_create", creation("k"));
        assert_eq!((&wallet["status"], &wallet["kmsKeyId"]), (&json!("CREATED"), &json!(named)), "{fault:?}");
        assert_eq!(daemon.kms_effects(Operation::CreateKey), 1, "{fault:?}");
        assert_eq!(daemon.query("SELECT count(*) FROM wallets"), "1", "{fault:?}");
    }
}

#[test]
fn create_key_as_the_exchange_calls_it_answers_by_name_and_by_position() {
    let daemon = Daemon::start();
    let named = json!({ "userId": "user123", "asset": "BTC", "address": "cold store 7", "keySpec": "ECC_SECG_P256_K1" });
    let positional = json!(["user123", "BTC", "cold store 7", "ECC_SECG_P256K1"]);
    for (method, params) in [("kms_createKey", named), ("createKmsKey", positional)] {
        let created = daemon.ok(method, params);
        let wallet = daemon.ok("wallet_get", json!({ "walletId": created["walletId"] }));
        assert_eq!(
            created,
            json!({ "kmsKeyId": wallet["kmsKeyId"], "walletId": wallet["walletId"], "address": wallet["address"] })
        );
        assert_eq!((&wallet["label"], &wallet["status"]), (&json!("cold store 7"), &json!("CREATED")));
    }
}

#[test]
fn create_wallet_with_one_idempotency_key_from_many_connections_makes_one() {
    let daemon = Daemon::start();
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::CreateKey, 100)].into());
    let mut callers: Vec<_> = (0..10).map(|_| daemon.connect()).collect();
    for caller in &mut callers {
        caller.send("wallet_create", &creation("k"));
    }
    let wallets: Vec<_> = callers.iter_mut().map(|caller| caller.receive()["result"].take()).collect();
    assert!(wallets.iter().all(|wallet| *wallet == wallets[0] && wallet["status"] == "CREATED"), "{wallets:?}");
    assert_eq!(daemon.kms_log(Operation::CreateKey).len(), 1);
    assert_eq!(daemon.query("SELECT count(*) FROM wallets"), "1");
}
