//! Base addresses of Cardano: another wallet's key as their stake key, from the call that makes one to every way back.

use aws_sdk_kms::types::{KeySpec, KeyUsageType, Tag};
use kmsignd::emulator::{Fault, Operation};
use pallas_addresses::{Address, ShelleyDelegationPart, ShelleyPaymentPart};
use pallas_crypto::hash::Hasher;
use serde_json::{Value, json};

use crate::harness::users::{ALICE, can_be_others};
use crate::harness::{Daemon, wait_until};
use crate::kms_conformance::{HERE, client};

/// A wallet whose address names the key of `stake`.
pub fn base_wallet(daemon: &Daemon, stake: &Value) -> Value {
    daemon.ok("wallet_create", creation(stake, None))
}

fn creation(stake: &Value, idempotency_key: Option<&str>) -> Value {
    json!({
        "userId": "user123", "asset": "ADA", "network": stake["network"], "stakeWalletId": stake["walletId"],
        "idempotencyKey": idempotency_key,
    })
}

/// What the two parts of a base address name, in hex.
pub fn parts_of(wallet: &Value) -> (String, String) {
    let Address::Shelley(address) = Address::from_bech32(wallet["address"].as_str().unwrap()).unwrap() else {
        panic!("{wallet}")
    };
    match (address.payment(), address.delegation()) {
        (ShelleyPaymentPart::Key(payment), ShelleyDelegationPart::Key(stake)) => (payment.to_string(), stake.to_string()),
        other => panic!("{other:?}"),
    }
}

pub fn key_hash(wallet: &Value) -> String {
    Hasher::<224>::hash(&hex::decode(wallet["publicKey"].as_str().unwrap()).unwrap()).to_string()
}

fn tags(daemon: &Daemon, wallet: &Value) -> Vec<(String, String)> {
    let kms = client(daemon.kms_endpoint(), HERE);
    let listed = daemon.block_on(kms.list_resource_tags().key_id(wallet["kmsKeyId"].as_str().unwrap()).send()).unwrap();
    let mut tags: Vec<_> = listed.tags().iter().map(|tag| (tag.tag_key().to_owned(), tag.tag_value().to_owned())).collect();
    tags.sort();
    tags
}

#[test]
fn create_with_a_stake_wallet_gives_a_base_address_of_both_keys() {
    let daemon = Daemon::start();
    for (network, prefix) in [("mainnet", "addr1q"), ("preprod", "addr_test1q"), ("preview", "addr_test1q")] {
        let stake = daemon.ok("wallet_create", json!({ "userId": "user123", "asset": "ADA", "network": network }));
        assert_eq!((&stake["addressType"], stake.get("stakeWalletId")), (&json!("enterprise"), None));
        for address_type in [Value::Null, json!("base")] {
            let mut params = creation(&stake, None);
            params["addressType"] = address_type;
            let wallet = daemon.ok("wallet_create", params);
            assert_eq!((&wallet["addressType"], &wallet["stakeWalletId"]), (&json!("base"), &stake["walletId"]));
            assert_eq!((&wallet["status"], &wallet["keySpec"]), (&json!("CREATED"), &json!("ECC_NIST_EDWARDS25519")));
            assert!(wallet["address"].as_str().unwrap().starts_with(prefix), "{wallet}");
            assert_eq!(parts_of(&wallet), (key_hash(&wallet), key_hash(&stake)));
            assert_eq!(daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] })), wallet);

            let forms = daemon.ok("wallet_addresses", json!({ "walletId": wallet["walletId"] }))["addresses"].take();
            let types: Vec<&Value> = forms.as_array().unwrap().iter().map(|form| &form["addressType"]).collect();
            assert_eq!(types, ["enterprise", "base"]);
            assert_eq!(forms[1]["address"], wallet["address"]);
            for form in forms.as_array().unwrap() {
                let found = json!({ "address": form["address"], "asset": "ADA", "network": network });
                assert_eq!(daemon.ok("wallet_get", found), wallet, "paid to either form, it is this wallet's");
                let validity = json!({ "asset": "ADA", "network": network, "address": form["address"] });
                assert_eq!(daemon.ok("address_validate", validity)["addressType"], form["addressType"]);
            }
            let verified = daemon.ok("wallet_verify", json!({ "walletId": wallet["walletId"] }));
            let proven = ["publicKeyMatches", "addressMatches", "signatureVerified"].map(|name| verified[name].clone());
            assert_eq!(proven, [true, true, true], "{verified}");
            let tags = tags(&daemon, &wallet);
            for (name, value) in [("stake-wallet-id", stake["walletId"].as_str().unwrap()), ("stake-key-hash", &key_hash(&stake))]
            {
                assert!(tags.contains(&(format!("kmsignd:{name}"), value.to_owned())), "{tags:?}");
            }
            assert_eq!(tags.len(), 9);
        }
        assert_eq!(tags(&daemon, &stake).len(), 7);
    }
}

#[test]
fn create_with_a_stake_wallet_that_does_not_fit_names_the_parameter_and_makes_nothing() {
    let daemon = Daemon::start();
    let (stake, btc) = (daemon.wallet("ADA"), daemon.wallet("BTC"));
    let preview = daemon.ok("wallet_create", json!({ "userId": "user123", "asset": "ADA", "network": "preview" }));
    let disabled = daemon.wallet("ADA");
    daemon.ok("wallet_disable", json!({ "walletId": disabled["walletId"], "reason": "a test" }));
    daemon.fault(Operation::CreateKey, Fault::Deny, 1);
    daemon.fails("KMS_REFUSED", "wallet_create", json!({ "userId": "user123", "asset": "ADA" }));
    let failed = daemon.query("SELECT wallet_id FROM wallets WHERE status = 'FAILED'");
    let made = daemon.kms_log(Operation::CreateKey).len();
    let ada = |extra: Value| {
        let mut params = json!({ "userId": "user123", "asset": "ADA" });
        params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        params
    };
    for (field, said, params) in [
        ("addressType", "needs stakeWalletId", ada(json!({ "addressType": "base" }))),
        ("addressType", "must be base", ada(json!({ "addressType": "enterprise", "stakeWalletId": stake["walletId"] }))),
        ("stakeWalletId", "ADA alone", ada(json!({ "asset": "BTC", "stakeWalletId": stake["walletId"] }))),
        ("stakeWalletId", "ADA alone", ada(json!({ "asset": "SOL", "stakeWalletId": stake["walletId"] }))),
        ("addressType", "p2wpkh", ada(json!({ "asset": "BTC", "addressType": "base" }))),
        ("stakeWalletId", "wallet of BTC testnet; must be one of ADA preprod", ada(json!({ "stakeWalletId": btc["walletId"] }))),
        ("stakeWalletId", "wallet of ADA preview", ada(json!({ "stakeWalletId": preview["walletId"] }))),
        ("stakeWalletId", "DISABLED", ada(json!({ "stakeWalletId": disabled["walletId"] }))),
        ("stakeWalletId", "FAILED", ada(json!({ "stakeWalletId": failed }))),
        ("stakeWalletId", "wallet id", ada(json!({ "stakeWalletId": stake["address"] }))),
    ] {
        let error = daemon.fails("INVALID_PARAMS", "wallet_create", params.clone());
        let message = error["message"].as_str().unwrap();
        assert!(error["data"]["field"] == *field && message.contains(said), "{params}: {error}");
    }
    let unknown = ada(json!({ "stakeWalletId": "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60" }));
    for (method, params) in
        [("wallet_create", unknown.clone()), ("policy_explain", json!({ "method": "wallet_create", "params": unknown }))]
    {
        assert_eq!(daemon.fails("NOT_FOUND", method, params)["data"]["field"], "stakeWalletId");
    }
    let by_key = json!({ "userId": "user123", "asset": "ADA", "stakeWalletId": stake["walletId"] });
    assert_eq!(daemon.fails("INVALID_PARAMS", "kms_createKey", by_key)["data"]["field"], "stakeWalletId");
    assert_eq!(daemon.kms_log(Operation::CreateKey).len(), made);
}

#[test]
fn create_with_a_stake_wallet_that_is_pending_is_refused() {
    let daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::HangBefore, 1);
    daemon.connect().send("wallet_create", &json!({ "userId": "user123", "asset": "ADA" }));
    daemon.wait_for_faults();
    let pending = json!({ "walletId": daemon.query("SELECT wallet_id FROM wallets"), "network": "preprod" });
    let error = daemon.fails("INVALID_PARAMS", "wallet_create", creation(&pending, None));
    assert!(error["message"].as_str().unwrap().contains("PENDING"), "{error}");
}

#[test]
fn base_address_outlives_its_stake_wallet() {
    let mut daemon = Daemon::with_settings(&[("KMSIGND__KEYS__ALLOW_DELETION", "true")]);
    let stake = daemon.wallet("ADA");
    let answer = daemon.connect().result_text("wallet_create", &creation(&stake, Some("k")));
    let wallet = daemon.ok("wallet_create", creation(&stake, Some("k")));
    let changes = [
        ("wallet_disable", json!({ "walletId": stake["walletId"], "reason": "a test" })),
        ("kms_deleteKey", json!({ "keyId": stake["kmsKeyId"], "confirm": stake["address"] })),
    ];
    for (method, params) in changes {
        daemon.ok(method, params);
        daemon.wait_for_key_drives();
        for _ in 0..2 {
            let again = daemon.connect().result_text("wallet_create", &creation(&stake, Some("k")));
            assert_eq!(again, answer, "a repetition has its answer all the same");
            assert_eq!(daemon.ok("wallet_get", json!({ "address": wallet["address"] })), wallet);
            let verified = daemon.ok("wallet_verify", json!({ "walletId": wallet["walletId"] }));
            assert_eq!((&verified["addressMatches"], &verified["signatureVerified"]), (&json!(true), &json!(true)));
            daemon.fails("INVALID_PARAMS", "wallet_create", creation(&stake, Some("new")));
            daemon.restart();
        }
    }
}

#[test]
fn stake_wallet_is_part_of_what_an_idempotency_key_stands_for() {
    let daemon = Daemon::start();
    let (one, other) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
    let wallet = daemon.ok("wallet_create", creation(&one, Some("k")));
    let mut spelled = creation(&one, Some("k"));
    spelled["stakeWalletId"] = json!(one["walletId"].as_str().unwrap().to_uppercase());
    spelled["addressType"] = json!("base");
    assert_eq!(daemon.ok("wallet_create", spelled), wallet);
    let without = json!({ "userId": "user123", "asset": "ADA", "network": "preprod", "idempotencyKey": "k" });
    for params in [creation(&other, Some("k")), without] {
        assert_eq!(daemon.fails("CONFLICT", "wallet_create", params)["data"]["field"], "idempotencyKey");
    }
    let of_base = daemon.audited("intent").into_iter().find(|record| record["walletId"] == wallet["walletId"]).unwrap();
    assert!(of_base["detail"].as_str().unwrap().contains(one["walletId"].as_str().unwrap()), "{of_base}");
}

#[test]
fn policy_sees_the_address_type_of_a_base_wallet() {
    let daemon = Daemon::start();
    let stake = daemon.wallet("ADA");
    let wallet = base_wallet(&daemon, &stake);
    daemon.set_policy(
        r#"permit (principal, action, resource);
           forbid (principal, action == Action::"administer", resource is Wallet) when { resource.addressType == "base" };"#,
    );
    daemon.fails("DENIED", "wallet_verify", json!({ "walletId": wallet["walletId"] }));
    daemon.ok("wallet_verify", json!({ "walletId": stake["walletId"] }));
}

#[test]
fn create_with_an_unreadable_stake_wallet_hears_what_it_hears_of_an_unknown_one() {
    if !can_be_others("create_with_an_unreadable_stake_wallet_hears_what_it_hears_of_an_unknown_one") {
        return;
    }
    let mut daemon = Daemon::start();
    let (readable, hidden) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
    daemon.stop();
    daemon.write_policy(&format!(
        r#"permit (principal == User::"{ALICE}", action in [Action::"create", Action::"read"], resource == Daemon::"kmsignd");
           permit (principal == User::"{ALICE}", action == Action::"read", resource == Wallet::{});"#,
        readable["walletId"]
    ));
    daemon.start_again();
    daemon.open_socket_to_all();
    let mut alice = daemon.connect_as(ALICE, &[]);
    let unknown = json!({ "walletId": "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60", "network": "preprod" });
    for explained in [false, true] {
        let mut heard = |stake: &Value| {
            let params = creation(stake, None);
            let question = json!({ "method": "wallet_create", "params": params });
            if explained { alice.call("policy_explain", question) } else { alice.call("wallet_create", params) }
        };
        let of_hidden = heard(&hidden).unwrap_err();
        assert_eq!(of_hidden, heard(&unknown).unwrap_err());
        assert_eq!((&of_hidden["data"]["kind"], &of_hidden["data"]["field"]), (&json!("NOT_FOUND"), &json!("stakeWalletId")));
        heard(&readable).unwrap();
    }
}

/// A key that somebody else made, or CreateKey made before its answer was lost, with these tags.
fn plant(daemon: &Daemon, tags: &[(&str, String)]) -> String {
    let kms = client(daemon.kms_endpoint(), HERE);
    let mut request = kms.create_key().key_spec(KeySpec::EccNistEdwards25519).key_usage(KeyUsageType::SignVerify);
    for (name, value) in tags {
        request = request.tags(Tag::builder().tag_key(*name).tag_value(value).build().unwrap());
    }
    daemon.block_on(request.send()).unwrap().key_metadata.unwrap().arn.unwrap()
}

#[test]
fn base_wallet_whose_answer_was_lost_comes_to_its_key_and_its_address() {
    for by_itself in [false, true] {
        let mut daemon = Daemon::start();
        let stake = daemon.wallet("ADA");
        daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation(&stake, Some("k")));
        // What it needs of the stake wallet, it noted at once.
        daemon.ok("wallet_disable", json!({ "walletId": stake["walletId"], "reason": "a test" }));
        if by_itself {
            daemon.restart();
            wait_until("the wallet is healed", || daemon.query("SELECT count(*) FROM wallets WHERE status = 'CREATED'") == "1");
        }
        let wallet = daemon.ok("wallet_create", creation(&stake, Some("k")));
        assert_eq!(parts_of(&wallet), (key_hash(&wallet), key_hash(&stake)));
        assert_eq!((&wallet["status"], &wallet["stakeWalletId"]), (&json!("CREATED"), &stake["walletId"]));
        assert_eq!(daemon.kms_effects(Operation::CreateKey), 2);
    }
}

#[test]
fn planted_key_with_another_stake_key_is_not_adopted() {
    for changed in ["kmsignd:stake-wallet-id", "kmsignd:stake-key-hash", "neither is there"] {
        let mut daemon = Daemon::with_settings(&[("KMSIGND__KEYS__RECONCILE_GRACE_SECONDS", "3")]);
        let (stake, other) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
        daemon.fault(Operation::CreateKey, Fault::CloseBefore, 1);
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation(&stake, Some("k")));
        let pending = |column: &str| daemon.query(&format!("SELECT {column} FROM wallets WHERE status = 'PENDING'"));
        let created_at = kmsignd::clock::Timestamp::from_unix_millis(pending("created_at").parse().unwrap());
        let named = |name: &str| if name == changed { &other } else { &stake };
        let mut tags = vec![
            ("kmsignd:wallet-id", pending("wallet_id")),
            ("kmsignd:deployment", "tests".to_owned()),
            ("kmsignd:user-id", "user123".to_owned()),
            ("kmsignd:address-type", "base".to_owned()),
            ("kmsignd:created-at", created_at.to_string()),
            ("asset", "ADA".to_owned()),
            ("network", "preprod".to_owned()),
        ];
        if changed.starts_with("kmsignd:") {
            let id = named("kmsignd:stake-wallet-id")["walletId"].as_str().unwrap().to_owned();
            tags.extend([("kmsignd:stake-wallet-id", id), ("kmsignd:stake-key-hash", key_hash(named("kmsignd:stake-key-hash")))]);
        }
        let planted = plant(&daemon, &tags);
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation(&stake, Some("k")));
        daemon.restart();
        wait_until("the wallet is healed", || daemon.query("SELECT count(*) FROM wallets WHERE status = 'CREATED'") == "3");
        let wallet = daemon.ok("wallet_create", creation(&stake, Some("k")));
        assert_ne!(wallet["kmsKeyId"], json!(planted), "{changed}");
        assert_eq!(parts_of(&wallet), (key_hash(&wallet), key_hash(&stake)));
    }
}

#[test]
fn stake_key_of_a_wallet_is_pinned_in_the_database() {
    let mut daemon = Daemon::start();
    let stake = daemon.wallet("ADA");
    let wallet = base_wallet(&daemon, &stake);
    daemon.stop();
    let other = daemon.database();
    for change in [
        "stake_key_hash = zeroblob(28)",
        "stake_key_hash = NULL, stake_wallet_id = NULL",
        "stake_wallet_id = '0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60'",
    ] {
        let error = other.execute(&format!("UPDATE wallets SET {change} WHERE address_type = 'base'"), []).unwrap_err();
        assert!(error.to_string().contains("pinned"), "{change}: {error}");
    }
    let half = "INSERT INTO wallets (wallet_id, user_id, asset, ticker, network, address_type, key_spec, status, created_at, updated_at,
                version, stake_wallet_id) SELECT '0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f61', user_id, asset, ticker, network, address_type,
                key_spec, 'PENDING', 1, 1, 1, stake_wallet_id FROM wallets WHERE address_type = 'base'";
    assert!(other.execute(half, []).unwrap_err().to_string().contains("CHECK"));
    daemon.start_again();
    assert_eq!(daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] })), wallet);
}
