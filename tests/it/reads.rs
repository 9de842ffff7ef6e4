//! Reads: right by every name, page by page, without KMS, and after a start over many wallets.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kmsignd::emulator::Operation;
use kmsignd::rpc::methods::METHODS;
use serde_json::{Value, json};

use crate::harness::{Daemon, wait_until};
use crate::signing::{assert_signed, digest, signing};

#[test]
fn get_wallet_by_every_name_and_spelling_gives_it() {
    let daemon = Daemon::start();
    let btc = daemon.wallet("BTC");
    let eth = daemon.wallet("ETH");
    let bnb = daemon.wallet("BSC");
    for wallet in [&btc, &eth, &bnb] {
        for (name, member) in [("walletId", "walletId"), ("kmsKeyId", "kmsKeyId"), ("address", "address")] {
            assert_eq!(daemon.ok("wallet_get", json!({ name: wallet[member] })), *wallet);
        }
        let address = json!({ "address": wallet["address"], "asset": wallet["asset"], "network": wallet["network"] });
        assert_eq!(daemon.ok("wallet_get", address), *wallet);
    }
    let lower = eth["address"].as_str().unwrap().to_lowercase();
    assert_eq!(daemon.ok("wallet_get", json!({ "address": lower })), eth);
    let upper = btc["address"].as_str().unwrap().to_uppercase();
    assert_eq!(daemon.ok("wallet_get", json!({ "address": upper })), btc, "BIP-173 takes capitals");
    for elsewhere in [json!({ "asset": "BTC" }), json!({ "asset": "ETH", "network": "hoodi" })] {
        let mut params = json!({ "address": eth["address"] });
        params.as_object_mut().unwrap().extend(elsewhere.as_object().unwrap().clone());
        assert_eq!(daemon.fails("NOT_FOUND", "wallet_get", params)["data"]["field"], "address");
    }
    for nonsense in ["", "x", "0x", &"é".repeat(1_000_000)] {
        assert_eq!(daemon.fails("NOT_FOUND", "wallet_get", json!({ "address": nonsense }))["data"]["field"], "address");
    }
}

#[test]
fn addresses_of_a_wallet_are_every_form_of_its_key() {
    let daemon = Daemon::start();
    for (asset, forms) in [
        ("BTC", &["p2wpkh", "p2sh-p2wpkh", "p2pkh"][..]),
        ("DOGE", &["p2pkh"]),
        ("ETH", &["eip55"]),
        ("XRP", &["classic"]),
        ("SOL", &["base58"]),
        ("ADA", &["enterprise"]),
    ] {
        let wallet = daemon.wallet(asset);
        let answer = daemon.ok("wallet_addresses", json!({ "walletId": wallet["walletId"] }));
        assert_eq!(answer["walletId"], wallet["walletId"]);
        let listed = answer["addresses"].as_array().unwrap();
        let types: Vec<_> = listed.iter().map(|form| form["addressType"].as_str().unwrap()).collect();
        assert_eq!(types, forms, "{asset}");
        assert!(listed.contains(&json!({ "addressType": wallet["addressType"], "address": wallet["address"] })));
        for form in listed {
            assert_eq!(
                daemon.ok("wallet_get", json!({ "address": form["address"] })),
                wallet,
                "paid to any form, it is this wallet's"
            );
            let validity = daemon.ok("address_validate", json!({ "asset": asset, "address": form["address"] }));
            assert_eq!((&validity["valid"], &validity["address"]), (&json!(true), &form["address"]));
        }
    }
}

#[test]
fn validate_address_says_why_not() {
    let daemon = Daemon::start();
    let eth = daemon.wallet("ETH");
    let mut damaged = eth["address"].as_str().unwrap().to_owned();
    let last = damaged.pop().unwrap();
    damaged.push(if last == '0' { '1' } else { '0' });
    for (asset, network, address) in [
        ("BTC", "mainnet", daemon.wallet("BTC")["address"].as_str().unwrap().to_owned()),
        ("BTC", "testnet", eth["address"].as_str().unwrap().to_owned()),
        ("ETH", "sepolia", damaged),
        ("DOGE", "testnet", String::new()),
        ("DOGE", "testnet", "é".repeat(1000)),
    ] {
        let validity = daemon.ok("address_validate", json!({ "asset": asset, "network": network, "address": address }));
        assert_eq!(validity["valid"], false, "{asset} {network} {address}");
        assert!(
            validity["reason"].as_str().is_some_and(|reason| reason.starts_with("the address ") && reason.len() < 300),
            "{validity}"
        );
    }
}

#[test]
fn list_wallets_filters_and_pages() {
    let daemon = Daemon::start();
    let create = |user: &str, asset: &str| daemon.ok("wallet_create", json!({ "userId": user, "asset": asset }));
    let made: Vec<Value> =
        ["BTC", "BNB", "BSC", "ETH", "LTC"].iter().flat_map(|asset| [create("a", asset), create("b", asset)]).collect();
    let list = |params: Value| daemon.ok("wallet_list", params)["wallets"].as_array().unwrap().clone();
    assert_eq!(list(json!({})), made, "in the order of creation");
    let of = |keep: fn(&Value) -> bool| made.iter().filter(|wallet| keep(wallet)).cloned().collect::<Vec<_>>();
    assert_eq!(list(json!({ "userId": "a" })), of(|wallet| wallet["userId"] == "a"));
    for alias in ["BNB", "BSC", "bsc"] {
        assert_eq!(
            list(json!({ "asset": alias })),
            of(|wallet| wallet["network"] == "testnet" && wallet["addressType"] == "eip55")
        );
    }
    assert_eq!(list(json!({ "asset": "ETH", "network": "sepolia", "userId": "b" })).len(), 1);
    assert_eq!(list(json!({ "asset": "ETH", "network": "mainnet" })), [] as [Value; 0]);
    assert_eq!(list(json!({ "status": "CREATED" })), made);
    assert_eq!(list(json!({ "status": "PENDING" })), [] as [Value; 0]);

    for limit in [1, 3, 10, 1000] {
        let (mut paged, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = daemon.ok("wallet_list", json!({ "limit": limit, "cursor": cursor }));
            let wallets = page["wallets"].as_array().unwrap();
            assert!(wallets.len() <= limit);
            paged.extend(wallets.iter().cloned());
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(paged, made, "{limit}");
    }
}

#[test]
fn public_key_is_answered_in_three_forms_of_one_point() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let by_name = daemon.ok("kms_getPublicKey", json!({ "keyId": wallet["kmsKeyId"] }));
    assert_eq!(daemon.ok("getPublicKey", json!([wallet["kmsKeyId"]])), by_name);
    assert_eq!((&by_name["keyId"], &by_name["publicKey"]), (&wallet["kmsKeyId"], &wallet["publicKey"]));
    assert_eq!(by_name["keySpec"], "ECC_SECG_P256K1");
    let point: bitcoin::secp256k1::PublicKey = wallet["publicKey"].as_str().unwrap().parse().unwrap();
    assert_eq!(by_name["publicKeyUncompressed"], json!(hex::encode(point.serialize_uncompressed())));
    assert!(by_name["spki"].as_str().unwrap().starts_with("MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE"), "RFC 5480, secp256k1");
}

#[test]
fn eth_chain_id_is_the_configured_networks() {
    for (network, id) in [("", "0xaa36a7"), ("mainnet", "0x1"), ("hoodi", "0x88bb0"), ("amoy", "0x13882")] {
        let daemon = Daemon::with_settings(&[("EVM_NETWORK", network)]);
        assert_eq!(daemon.ok("eth_chainId", json!([])), id);
        assert_eq!(daemon.ok("web3_clientVersion", Value::Null), concat!("kmsignd/", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn discover_lists_every_method() {
    let daemon = Daemon::start();
    let document = daemon.ok("rpc.discover", json!([]));
    let listed: BTreeSet<_> =
        document["methods"].as_array().unwrap().iter().map(|method| method["name"].as_str().unwrap()).collect();
    assert_eq!(listed, METHODS.iter().map(|method| method.name).collect());
    assert_eq!(daemon.ok("rpc_discover", json!({})), document);
}

#[test]
fn status_counts_wallets_by_state() {
    let mut daemon = Daemon::start();
    for _ in 0..3 {
        daemon.wallet("BTC");
    }
    daemon.stop();
    daemon.execute("UPDATE wallets SET status = 'DISABLED' WHERE wallet_id = (SELECT min(wallet_id) FROM wallets)");
    daemon.start_again();
    daemon.wait_until_ready();
    let status = daemon.ok("admin_status", json!({}));
    assert_eq!(status["wallets"], json!({ "CREATED": 2, "DISABLED": 1 }));
    assert_eq!((&status["ready"], &status["reasons"]), (&json!(true), &json!([])));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["kms"], json!([{ "region": "eu-central-1", "answers": true }]));
}

#[test]
fn unknown_methods_are_told_apart_from_those_that_need_a_node() {
    let daemon = Daemon::start();
    let error = daemon.fails("METHOD_NOT_FOUND", "wallet_creat", json!({}));
    assert!(error["message"].as_str().unwrap().contains("wallet_create"), "{error}");
    for method in ["eth_getBalance", "eth_sendRawTransaction", "net_version", "debug_traceTransaction"] {
        daemon.fails("METHOD_NOT_SUPPORTED", method, json!([]));
    }
}

/// Inserts wallets as a long life would have left them.
fn insert_wallets(daemon: &Daemon, count: usize) {
    let mut database = daemon.database();
    let transaction = database.transaction().unwrap();
    {
        let mut wallet = transaction
            .prepare(
                "INSERT INTO wallets SELECT ?1, 'user' || (?3 % 100), 'ETH', 'ETH', 'sepolia', 'eip55', key_spec, 'CREATED', ?2,
                 public_key, ?4, NULL, created_at, updated_at, 2, NULL, NULL, NULL FROM wallets LIMIT 1",
            )
            .unwrap();
        let mut address = transaction.prepare("INSERT INTO addresses VALUES (?1, 'ETH', 'sepolia', ?2, 'eip55')").unwrap();
        for n in 0..count {
            let id = format!("0197b2a0-7c1e-7d3a-9f00-{n:012x}");
            let key = format!("arn:aws:kms:eu-central-1:111122223333:key/{n:032x}");
            let of = format!("0x{n:040x}");
            wallet.execute((&id, key, n, &of)).unwrap();
            address.execute((of, id)).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn start_over_20000_wallets_asks_kms_about_none() {
    const WALLETS: usize = 20_000;
    // Looks for drift as fast as it may.
    let mut daemon = Daemon::with_settings(&[("KMSIGND__KEYS__DRIFT_CHECKS_PER_SECOND", "100")]);
    let own = daemon.wallet("ETH");
    daemon.stop();
    insert_wallets(&daemon, WALLETS);
    daemon.emulator().log().clear();
    let started = Instant::now();
    daemon.start_again();
    daemon.wait_until_ready();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    for asked in daemon.emulator().log().entries() {
        let expected = [Operation::DescribeKey, Operation::GetResources].contains(&asked.operation);
        assert!(expected, "{asked:?} is neither the probe nor a page of the look for orphans");
    }
    assert!(daemon.kms_log(Operation::GetResources).len() < 5);
    assert!(daemon.kms_log(Operation::DescribeKey).len() < 5);
    assert_eq!(daemon.ok("admin_status", json!({}))["wallets"]["CREATED"], json!(WALLETS + 1));
    assert_eq!(daemon.ok("eth_accounts", json!([])).as_array().unwrap().len(), 1000);
    assert_eq!(
        daemon.ok("wallet_list", json!({ "userId": "user7", "limit": 1000 }))["wallets"].as_array().unwrap().len(),
        WALLETS / 100
    );
    assert_signed(&own, &digest(1), &daemon.ok("kms_signTransactionHash", signing(&own, 1)));
    assert_eq!(daemon.kms_log(Operation::GetPublicKey), []);
}

#[test]
fn reads_with_kms_down_go_on() {
    let mut daemon = Daemon::start();
    let wallet = daemon.wallet("ETH");
    daemon.stop_kms();
    daemon.restart();
    wait_until("readiness has noticed", || daemon.readiness().0 == 503);
    assert_eq!(daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] })), wallet);
    assert_eq!(daemon.ok("kms_getPublicKey", json!([wallet["kmsKeyId"]]))["publicKey"], wallet["publicKey"]);
    assert_eq!(daemon.ok("eth_accounts", json!([])), json!([wallet["address"]]));
    assert_eq!(daemon.ok("wallet_list", json!({}))["wallets"], json!([wallet]));
    daemon.assert_audit_is_whole();
}
