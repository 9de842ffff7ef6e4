//! Wallets with base addresses: in any order, with their stake wallet or without, and never with a stake key that is not its.

use serde_json::{Value, json};

use super::*;
use crate::backup::backup;
use crate::stake_wallets::{base_wallet, key_hash, parts_of};

/// Changes or removes a tag of a wallet's key.
fn retag(daemon: &Daemon, wallet: &Value, name: &str, value: Option<&str>) {
    let kms = client(daemon.kms_endpoint(), "eu-central-1");
    let key = wallet["kmsKeyId"].as_str().unwrap();
    match value {
        Some(value) => {
            let tag = Tag::builder().tag_key(name).tag_value(value).build().unwrap();
            drop(daemon.block_on(kms.tag_resource().key_id(key).tags(tag).send()).unwrap());
        }
        None => drop(daemon.block_on(kms.untag_resource().key_id(key).tag_keys(name).send()).unwrap()),
    }
}

fn get(daemon: &Daemon, wallet: &Value) -> Value {
    daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }))
}

#[test]
fn restore_from_kms_needs_no_stake_wallet_and_says_so() {
    let mut daemon = Daemon::start();
    let stake = daemon.wallet("ADA");
    let (one, other) = (base_wallet(&daemon, &stake), base_wallet(&daemon, &stake));
    daemon.stop();
    daemon.lose_store();
    // KMS shows no public key of it now.
    key_state(&daemon, &stake["kmsKeyId"], "disable");
    let report = restored(&daemon, "kms", INCOMPLETE);
    assert_eq!(report["wallets"], json!({ "CREATED": 2 }), "{report}");
    let changed = reasons(&report, "changed");
    let said = &changed[&format!("stake key of {}", stake["walletId"].as_str().unwrap())];
    assert!(said.contains("2 base addresses"), "{said}");
    // It comes later, and now the others are held against it.
    key_state(&daemon, &stake["kmsKeyId"], "enable");
    let report = restored(&daemon, "kms", 0);
    assert_eq!((&report["wallets"], reasons(&report, "changed").len()), (&json!({ "CREATED": 3 }), 0), "{report}");
    daemon.start_again();
    for wallet in [&one, &other] {
        let found = get(&daemon, wallet);
        assert_eq!((&found["address"], &found["stakeWalletId"]), (&wallet["address"], &stake["walletId"]));
        assert_eq!(daemon.ok("wallet_get", json!({ "address": wallet["address"] })), found);
    }
}

#[test]
fn restore_from_kms_with_stake_tags_that_were_changed_brings_no_wallet_with_another_stake_key() {
    let mut daemon = Daemon::start();
    let (stake, mallory) = (daemon.wallet("ADA"), daemon.wallet("ADA"));
    let wallets: Vec<Value> = (0..5).map(|_| base_wallet(&daemon, &stake)).collect();
    daemon.stop();
    daemon.lose_store();
    let [good, hash, id, removed, nonsense] = wallets.as_slice() else { panic!() };
    retag(&daemon, hash, "kmsignd:stake-key-hash", Some(&key_hash(&mallory)));
    retag(&daemon, id, "kmsignd:stake-wallet-id", mallory["walletId"].as_str());
    retag(&daemon, removed, "kmsignd:stake-key-hash", None);
    retag(&daemon, nonsense, "kmsignd:stake-key-hash", Some("0x00"));
    let report = restored(&daemon, "kms", INCOMPLETE);
    let quarantined = reasons(&report, "quarantined");
    for wallet in [hash, id] {
        let reason = &quarantined[wallet["walletId"].as_str().unwrap()];
        assert!(reason.contains("stake key of its address is not the key of wallet"), "{reason}");
    }
    assert_eq!((quarantined.len(), reasons(&report, "skipped").len()), (2, 2), "{report}");
    assert_eq!(report["wallets"], json!({ "CREATED": 3, "DISABLED": 2 }));
    daemon.start_again();
    assert_eq!(get(&daemon, good)["address"], good["address"]);
    for wallet in [hash, id] {
        assert_eq!(
            daemon.query(&format!("SELECT count(*) FROM addresses WHERE wallet_id = '{}'", wallet["walletId"].as_str().unwrap())),
            "0"
        );
        let enable = json!({ "walletId": wallet["walletId"], "reason": "a test" });
        daemon.fails("KEY_NOT_USABLE", "wallet_enable", enable);
    }
    daemon.stop();
    // Set right, they come back.
    retag(&daemon, hash, "kmsignd:stake-key-hash", Some(&key_hash(&stake)));
    retag(&daemon, id, "kmsignd:stake-wallet-id", stake["walletId"].as_str());
    retag(&daemon, removed, "kmsignd:stake-key-hash", Some(&key_hash(&stake)));
    retag(&daemon, nonsense, "kmsignd:stake-key-hash", Some(&key_hash(&stake)));
    let report = restored(&daemon, "kms", 0);
    assert_eq!(report["wallets"], json!({ "CREATED": 7 }), "{report}");
    daemon.start_again();
    for wallet in &wallets {
        let found = get(&daemon, wallet);
        assert_eq!(without(&[found], &["version"]), without(std::slice::from_ref(wallet), &["version"]));
    }
}

#[test]
fn restore_from_a_backup_holds_stake_keys_against_the_tags() {
    let mut daemon = Daemon::start();
    let stake = daemon.wallet("ADA");
    let (good, retagged) = (base_wallet(&daemon, &stake), base_wallet(&daemon, &stake));
    let file = daemon.path("backup");
    assert_eq!(backup(&daemon, &file).0, Some(0));
    daemon.stop();
    daemon.lose_store();
    retag(&daemon, &retagged, "kmsignd:stake-key-hash", Some(&key_hash(&retagged)));
    let report = restored(&daemon, file.to_str().unwrap(), INCOMPLETE);
    let quarantined = reasons(&report, "quarantined");
    assert!(quarantined[retagged["walletId"].as_str().unwrap()].contains("kmsignd:stake-key-hash"), "{quarantined:?}");
    assert_eq!(quarantined.len(), 1);
    daemon.start_again();
    assert_eq!(get(&daemon, &good), good);
    assert_eq!(parts_of(&get(&daemon, &good)).1, key_hash(&stake));
}
