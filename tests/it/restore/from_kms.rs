//! From tags and public keys alone.

use std::process::Stdio;

use aws_sdk_kms::types::KeySpec;
use kmsignd::emulator::{Fault, Operation, Script};
use serde_json::{Value, json};

use super::*;
use crate::harness::wait_until;

#[test]
fn restore_from_kms_brings_back_every_wallet_but_for_label_and_version() {
    let mut daemon = Daemon::start();
    every_kind(&daemon);
    let before = wallets(&daemon);
    daemon.stop();
    daemon.lose_store();
    let report = restored(&daemon, "kms", 0);
    assert_eq!((&report["restored"], &report["wallets"]), (&json!(before.len()), &json!({ "CREATED": before.len() })));
    assert_eq!(report["lastCheckpoint"], Value::Null);
    daemon.start_again();
    assert_eq!(without(&wallets(&daemon), &["label", "version"]), without(&before, &["label", "version"]));
    assert!(wallets(&daemon).iter().all(|wallet| wallet["label"].is_null() && wallet["version"] == 1));
    for wallet in &before {
        let found = daemon
            .ok("wallet_get", json!({ "address": wallet["address"], "asset": wallet["asset"], "network": wallet["network"] }));
        assert_eq!(found["walletId"], wallet["walletId"], "every address form is there");
    }
    let first = &daemon.audit()[0];
    let detail = first["detail"].as_str().unwrap();
    assert_eq!((&first["sequence"], &first["kind"]), (&json!(1), &json!("daemon")));
    assert!(detail.contains("restored from kms at 20") && detail.contains("no checkpoint"), "{detail}");
    assert_eq!(daemon.query("SELECT count(*) FROM outbox"), before.len().to_string());
    assert_frozen_until_lifted(&daemon, &report, &before[0]);
}

#[test]
fn restore_killed_in_the_middle_goes_on_where_it_stopped_and_no_daemon_starts_meanwhile() {
    const WALLETS: usize = 250;
    let mut daemon = Daemon::start();
    let mut caller = daemon.connect();
    for n in 0..WALLETS {
        caller.ok("wallet_create", json!({ "userId": format!("user{n}"), "asset": "ETH" }));
    }
    let before = wallets(&daemon);
    daemon.stop();
    daemon.lose_store();
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::DescribeKey, 100)].into());
    let count = |sql: &str| {
        let database = rusqlite::Connection::open_with_flags(daemon.database_path(), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
        database.and_then(|database| database.query_row(sql, [], |row| row.get::<_, usize>(0))).unwrap_or(0)
    };
    for at_least in [1, 101] {
        let mut command = daemon.command(&["restore", "--from", "kms"]);
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("some are there", || {
            assert!(running.try_wait().unwrap().is_none(), "it ended");
            count("SELECT count(*) FROM wallets") >= at_least
        });
        assert!(daemon.refusal().to_string().contains("holds this store"), "not beside it");
        running.kill().unwrap();
        running.wait().unwrap();
        let there = count("SELECT count(*) FROM wallets");
        assert!((at_least..WALLETS).contains(&there), "{there} of {WALLETS}");
        let said = daemon.refusal().to_string();
        assert!(said.contains("not finished") && said.contains("restore --from kms"), "{said}");
        assert_eq!(daemon.command(&["serve"]).output().unwrap().status.code(), Some(EX_DATAERR));
        assert!(refused(&daemon, "mongodb", EX_CONFIG).contains("[sync]"));
    }
    daemon.faults().change(|switches| switches.latency_ms.clear());
    let asked = daemon.kms_log(Operation::DescribeKey).len();
    let there = count("SELECT count(*) FROM wallets");
    let report = restored(&daemon, "kms", 0);
    assert_eq!((&report["resumed"], &report["restored"]), (&json!(true), &json!(WALLETS)));
    // Some of the killed one's requests were still on their way.
    let asked = daemon.kms_log(Operation::DescribeKey).len() - asked;
    assert!((WALLETS - there..=WALLETS - there + 32).contains(&asked), "{asked}: what is there is not asked about again");
    daemon.start_again();
    assert_eq!(without(&wallets(&daemon), &["version"]), without(&before, &["version"]));
    assert_eq!(daemon.query("SELECT count(*) FROM freezes"), "1");
    assert_frozen_until_lifted(&daemon, &report, &before[WALLETS - 1]);
}

#[test]
fn restore_refuses_a_store_in_use_and_one_that_is_not_whole() {
    let mut daemon = Daemon::start();
    daemon.wallet("BTC");
    assert!(refused(&daemon, "kms", EX_UNAVAILABLE).contains("holds this store"), "while it serves");
    daemon.stop();
    let before = daemon.fold_store();
    assert!(refused(&daemon, "kms", EX_CANTCREAT).contains("replaces nothing"));
    assert_eq!(daemon.query("SELECT count(*) FROM freezes"), "0");
    for bytes in [b"notes ".repeat(2000), before[..before.len() / 2].to_vec()] {
        std::fs::write(daemon.database_path(), &bytes).unwrap();
        assert!(refused(&daemon, "kms", EX_DATAERR).contains("untouched"));
        assert!(std::fs::read(daemon.database_path()).unwrap() == bytes);
    }
}

#[test]
fn restore_refuses_a_store_of_an_older_schema_in_use_and_does_not_migrate_it() {
    let daemon = Daemon::stopped("", &[]);
    crate::old_databases::load_v1(&daemon.database_path());
    let before = daemon.fold_store();
    assert!(refused(&daemon, "kms", EX_CANTCREAT).contains("replaces nothing"));
    assert!(std::fs::read(daemon.database_path()).unwrap() == before);
}

#[test]
fn restore_that_came_to_nothing_can_be_made_from_elsewhere() {
    let mut daemon = Daemon::start();
    daemon.wallet("BTC");
    daemon.stop();
    daemon.lose_store();
    let mut command = daemon.command(&["restore", "--from", "mongodb"]);
    command.env("KMSIGND__SYNC__MONGODB_URI", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100");
    assert_eq!(command.output().unwrap().status.code(), Some(EX_UNAVAILABLE));
    assert!(daemon.refusal().to_string().contains("restore --from mongodb"));
    let report = restored(&daemon, "kms", 0);
    assert_eq!(report["wallets"], json!({ "CREATED": 1 }));
    daemon.start_again();
    assert_eq!(daemon.query("SELECT count(*) FROM freezes"), "1");
    daemon.assert_audit_is_whole();
}

#[test]
fn restored_store_takes_more_while_it_is_frozen_and_nothing_after() {
    let mut daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.stop();
    daemon.lose_store();
    let first = restored(&daemon, "kms", 0);
    // A key that the tagging API did not show in time.
    let mut late = wallet.clone();
    late["walletId"] = json!(kmsignd::ids::WalletId::new(1_768_473_000_250).to_string());
    plant(&daemon, &late, KeySpec::EccSecgP256K1, &[]);
    let second = restored(&daemon, "kms", 0);
    assert_eq!((&second["restored"], &second["freezeId"]), (&json!(1), &first["freezeId"]), "one more, under the same freeze");
    assert_eq!(second["wallets"], json!({ "CREATED": 2 }));
    daemon.start_again();
    daemon.ok("admin_unfreeze", json!({ "freezeId": first["freezeId"], "reason": "checked" }));
    daemon.stop();
    assert!(refused(&daemon, "kms", EX_CANTCREAT).contains("replaces nothing"));
}

#[test]
fn keys_that_are_not_as_this_daemon_makes_them_do_not_come_back() {
    let mut daemon = Daemon::start();
    let (good, doubled, gone) = (daemon.wallet("BTC"), daemon.wallet("ETH"), daemon.wallet("LTC"));
    let (disabled, deleted) = (daemon.wallet("DOGE"), daemon.wallet("POL"));
    daemon.stop();
    daemon.lose_store();
    let new_id = |n: u64| kmsignd::ids::WalletId::new(1_768_473_000_000 + n).to_string();
    let (wrong_spec, no_user, wrong_network) = (new_id(1), new_id(2), new_id(3));
    plant(&daemon, &good, KeySpec::EccNistEdwards25519, &[("kmsignd:wallet-id", Some(&wrong_spec))]);
    plant(&daemon, &good, KeySpec::EccSecgP256K1, &[("kmsignd:wallet-id", Some(&no_user)), ("kmsignd:user-id", None)]);
    plant(&daemon, &good, KeySpec::EccSecgP256K1, &[("kmsignd:wallet-id", Some(&wrong_network)), ("network", Some("moonnet"))]);
    let no_id = plant(&daemon, &good, KeySpec::EccSecgP256K1, &[("kmsignd:wallet-id", None)]);
    plant(
        &daemon,
        &good,
        KeySpec::EccSecgP256K1,
        &[("kmsignd:wallet-id", Some(&new_id(4))), ("kmsignd:deployment", Some("other"))],
    );
    plant(&daemon, &doubled, KeySpec::EccSecgP256K1, &[]);
    key_state(&daemon, &disabled["kmsKeyId"], "disable");
    key_state(&daemon, &deleted["kmsKeyId"], "delete");
    daemon.faults().script(Script::next(Operation::DescribeKey, Fault::Deny).on_key(gone["kmsKeyId"].as_str().unwrap()));
    let report = restored(&daemon, "kms", INCOMPLETE);
    assert_eq!(report["wallets"], json!({ "CREATED": 1 }), "{report}");
    let quarantined = reasons(&report, "quarantined");
    assert!(quarantined[&wrong_spec].contains("spec"), "{quarantined:?}");
    assert!(quarantined[gone["walletId"].as_str().unwrap()].contains("denied kms:DescribeKey"), "{quarantined:?}");
    for (wallet, state) in [(&disabled, "Disabled"), (&deleted, "PendingDeletion")] {
        let reason = &quarantined[wallet["walletId"].as_str().unwrap()];
        assert!(reason.contains(state) && reason.contains("not proven"), "{reason}");
    }
    let both: Vec<_> = quarantined.keys().filter(|subject| subject.starts_with(doubled["walletId"].as_str().unwrap())).collect();
    assert_eq!(both.len(), 2, "none of two is chosen");
    let skipped = reasons(&report, "skipped");
    assert!(skipped[&no_user].contains("kmsignd:user-id") && skipped[&wrong_network].contains("network"), "{skipped:?}");
    assert!(skipped[&no_id].contains("kmsignd:wallet-id"), "{skipped:?}");
    // Enabled again, and looked at again while the store is frozen.
    key_state(&daemon, &disabled["kmsKeyId"], "enable");
    let report = restored(&daemon, "kms", INCOMPLETE);
    assert_eq!((&report["restored"], &report["wallets"]), (&json!(2), &json!({ "CREATED": 3 })), "{report}");
    daemon.start_again();
    assert_frozen_until_lifted(&daemon, &report, &good);
}

#[test]
fn restore_without_permission_puts_nothing_in_and_says_what_is_missing() {
    let mut daemon = Daemon::start();
    for _ in 0..3 {
        daemon.wallet("BTC");
    }
    daemon.stop();
    daemon.lose_store();
    daemon.fault(Operation::DescribeKey, Fault::Deny, 1000);
    let said = refused(&daemon, "kms", EX_UNAVAILABLE);
    assert!(said.contains("kms:DescribeKey") && said.contains("3 wallets"), "{said}");
    assert_eq!(daemon.query("SELECT count(*) FROM wallets"), "0");
    daemon.faults().change(|switches| switches.scripts.clear());
    daemon.fault(Operation::GetResources, Fault::Deny, 1);
    assert!(refused(&daemon, "kms", EX_UNAVAILABLE).contains("tag:GetResources"));
    // KMS away: that says nothing of any wallet.
    daemon.fault(Operation::GetPublicKey, Fault::Internal, 1000);
    let mut command = daemon.command(&["restore", "--from", "kms"]);
    command.env("KMSIGND__KMS__ATTEMPT_TIMEOUT_MS", "1000").env("KMSIGND__KMS__OPERATION_TIMEOUT_MS", "1000");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(EX_UNAVAILABLE) && said.contains("goes on from there"), "{said}");
    daemon.faults().change(|switches| switches.scripts.clear());
    assert_eq!(restored(&daemon, "kms", 0)["restored"], 3);
}

#[test]
fn report_for_people_names_what_came_back_and_what_did_not() {
    let mut daemon = Daemon::start();
    let (_good, disabled) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    daemon.stop();
    daemon.lose_store();
    key_state(&daemon, &disabled["kmsKeyId"], "disable");
    let output = daemon.command(&["restore", "--from", "kms"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(INCOMPLETE));
    for words in [
        "1 wallets put in",
        "CREATED",
        "in quarantine",
        disabled["walletId"].as_str().unwrap(),
        "kmsign freeze lift",
        "none is known",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
