//! Drift: keys that somebody changed in KMS behind the daemon's back. It is seen, told and left as it is.

use std::time::Duration;

use aws_sdk_kms::Client;
use kmsignd::emulator::Operation;
use serde_json::{Value, json};

use crate::harness::{Daemon, wait_until};
use crate::kms_conformance::{HERE, client};
use crate::signing::signing;

const FAST: (&str, &str) = ("KMSIGND__KEYS__DRIFT_CHECKS_PER_SECOND", "50");
const DELETION: (&str, &str) = ("KMSIGND__KEYS__ALLOW_DELETION", "true");

fn kms(daemon: &Daemon) -> Client {
    client(daemon.kms_endpoint(), HERE)
}

fn key(wallet: &Value) -> &str {
    wallet["kmsKeyId"].as_str().unwrap()
}

fn disable_in_kms(daemon: &Daemon, wallet: &Value) {
    daemon.block_on(kms(daemon).disable_key().key_id(key(wallet)).send()).unwrap();
}

/// Restarts as if every wallet had been as it is for long; a fresh change of ours is not looked at.
fn restart_long_after(daemon: &mut Daemon, meanwhile: impl FnOnce(&Daemon)) {
    daemon.stop();
    daemon.execute("UPDATE wallets SET created_at = created_at - 3600000, updated_at = updated_at - 3600000");
    meanwhile(daemon);
    daemon.start_again();
}

/// What status says of drift, without the times.
fn drift(daemon: &Daemon) -> Vec<Value> {
    let mut drift = daemon.ok("admin_status", json!({}))["drift"].take();
    let drift = drift.as_array_mut().unwrap();
    for one in drift.iter_mut() {
        assert!(one["since"].as_str().unwrap().starts_with("20"), "{one}");
        one.as_object_mut().unwrap().remove("since");
    }
    drift.clone()
}

fn drifting(wallet: &Value, status: &str, key_state: &str) -> Value {
    json!({ "walletId": wallet["walletId"], "status": status, "keyState": key_state })
}

/// Records of the audit that tell of drift.
fn told(daemon: &Daemon) -> Vec<Value> {
    let about_drift = |record: &Value| record["detail"].as_str().is_some_and(|detail| detail.contains("drift"));
    daemon.audited("daemon").into_iter().filter(about_drift).collect()
}

#[test]
fn key_disabled_behind_our_back_is_told_and_left_until_it_is_enabled_there() {
    let mut daemon = Daemon::with_settings(&[FAST]);
    let (well, ill) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    restart_long_after(&mut daemon, |daemon| disable_in_kms(daemon, &ill));
    wait_until("drift is told", || !drift(&daemon).is_empty());
    assert_eq!(drift(&daemon), [drifting(&ill, "CREATED", "Disabled")]);
    let (ready, reasons) = daemon.readiness();
    assert!(ready == 200 && reasons.iter().any(|reason| reason.starts_with("drift: 1 key is")), "{ready} {reasons:?}");
    assert!(!reasons.concat().contains(key(&ill)), "{reasons:?}");
    let records = told(&daemon);
    assert_eq!((records.len(), &records[0]["walletId"]), (1, &ill["walletId"]));
    assert!(!records[0]["kmsRequestIds"].as_array().unwrap().is_empty());

    daemon.restart();
    assert_eq!(drift(&daemon).len(), 1, "it is known after a restart too");
    let looked = daemon.kms_log(Operation::DescribeKey).len();
    wait_until("it was looked at again", || daemon.kms_log(Operation::DescribeKey).len() > looked + 3);
    assert_eq!((told(&daemon).len(), daemon.kms_log(Operation::EnableKey).len()), (1, 0), "told once, and never undone");

    daemon.block_on(kms(&daemon).enable_key().key_id(key(&ill)).send()).unwrap();
    wait_until("it has ended", || drift(&daemon).is_empty());
    assert_eq!(told(&daemon).len(), 2);
    assert!(daemon.readiness().1.iter().all(|reason| !reason.contains("drift")));
    daemon.ok("kms_signTransactionHash", signing(&ill, 1));
    daemon.ok("kms_signTransactionHash", signing(&well, 1));
    daemon.assert_audit_is_whole();
}

#[test]
fn keys_in_the_state_of_their_wallets_are_no_drift() {
    let mut daemon = Daemon::with_settings(&[FAST, DELETION]);
    let (created, disabled, deleted) = (daemon.wallet("BTC"), daemon.wallet("BTC"), daemon.wallet("BTC"));
    daemon.ok("wallet_disable", json!({ "walletId": disabled["walletId"], "reason": "r" }));
    daemon.ok("kms_deleteKey", json!({ "keyId": deleted["kmsKeyId"], "confirm": deleted["address"] }));
    daemon.wait_for_key_drives();
    // Made last, so looked at last in each round.
    let ill = daemon.wallet("BTC");
    daemon.stop();
    daemon.execute("UPDATE wallets SET created_at = created_at - 3600000, updated_at = updated_at - 3600000");
    disable_in_kms(&daemon, &ill);
    daemon.start_again();
    wait_until("drift is told", || !drift(&daemon).is_empty());
    assert_eq!(drift(&daemon), [drifting(&ill, "CREATED", "Disabled")]);
    for wallet in [&created, &disabled, &deleted] {
        let asked =
            daemon.kms_log(Operation::DescribeKey).iter().filter(|entry| entry.key.as_deref() == Some(key(wallet))).count();
        assert!(asked > 0, "it was looked at too");
    }
}

#[test]
fn key_that_refuses_to_sign_is_looked_at_at_once_even_where_no_other_is() {
    let mut daemon = Daemon::with_settings(&[("KMSIGND__KEYS__DRIFT_CHECKS_PER_SECOND", "0")]);
    let (ill, other) = (daemon.wallet("BTC"), daemon.wallet("BTC"));
    restart_long_after(&mut daemon, |daemon| {
        disable_in_kms(daemon, &ill);
        disable_in_kms(daemon, &other);
    });
    daemon.wait_until_ready();
    daemon.fails("KMS_REFUSED", "kms_signTransactionHash", signing(&ill, 1));
    wait_until("drift is told", || !drift(&daemon).is_empty());
    assert_eq!(drift(&daemon), [drifting(&ill, "CREATED", "Disabled")]);
    let asked = daemon.kms_log(Operation::DescribeKey).iter().filter(|entry| entry.key.as_deref() == Some(key(&other))).count();
    assert_eq!(asked, 0);
    daemon.ok("wallet_verify", json!({ "walletId": other["walletId"] }));
    wait_until("the other is told too", || drift(&daemon).len() == 2);
}

#[test]
fn key_that_is_gone_from_kms_is_drift_and_no_deletion() {
    let mut daemon = Daemon::with_settings(&[FAST]);
    let wallet = daemon.wallet("BTC");
    restart_long_after(&mut daemon, |daemon| {
        daemon.block_on(kms(daemon).schedule_key_deletion().key_id(key(&wallet)).pending_window_in_days(7).send()).unwrap();
    });
    wait_until("drift is told", || drift(&daemon) == [drifting(&wallet, "CREATED", "PendingDeletion")]);
    daemon.advance_kms(Duration::from_secs(8 * 24 * 60 * 60));
    daemon.restart();
    wait_until("the new state is told", || drift(&daemon) == [drifting(&wallet, "CREATED", "NotFound")]);
    assert_eq!(told(&daemon).len(), 2);
    assert_eq!(daemon.query("SELECT status FROM wallets"), "CREATED");
}

#[test]
fn drift_ends_when_the_wallet_is_brought_to_the_keys_state() {
    let mut daemon = Daemon::with_settings(&[FAST]);
    let wallet = daemon.wallet("BTC");
    restart_long_after(&mut daemon, |daemon| disable_in_kms(daemon, &wallet));
    wait_until("drift is told", || !drift(&daemon).is_empty());
    daemon.ok("wallet_disable", json!({ "walletId": wallet["walletId"], "reason": "as KMS has it" }));
    daemon.wait_for_key_drives();
    assert_eq!(drift(&daemon), [] as [Value; 0]);
    assert!(told(&daemon).pop().unwrap()["detail"].as_str().unwrap().contains("has ended"));
}

#[test]
fn drift_shows_each_caller_the_wallets_it_may_read() {
    let mut daemon = Daemon::with_settings(&[FAST]);
    let (shown, hidden) = (daemon.wallet("BTC"), daemon.wallet("BTC"));
    restart_long_after(&mut daemon, |daemon| {
        disable_in_kms(daemon, &shown);
        disable_in_kms(daemon, &hidden);
    });
    wait_until("drift is told", || drift(&daemon).len() == 2);
    let forbids = format!(
        r#"permit (principal, action, resource); forbid (principal, action == Action::"read", resource == Wallet::"{}");"#,
        hidden["walletId"].as_str().unwrap()
    );
    daemon.set_policy(&forbids);
    assert_eq!(drift(&daemon), [drifting(&shown, "CREATED", "Disabled")]);
}

#[test]
fn looks_for_drift_keep_to_their_rate_from_the_first() {
    const TICK_MILLIS: u64 = 250;
    let mut daemon = Daemon::with_settings(&[("KMSIGND__KEYS__DRIFT_CHECKS_PER_SECOND", "4")]);
    let wallets: Vec<_> = (0..6).map(|_| daemon.wallet("BTC")).collect();
    restart_long_after(&mut daemon, |daemon| daemon.emulator().log().clear());
    let looks = || -> Vec<_> {
        let of_wallets = |entry: &String| wallets.iter().any(|wallet| key(wallet) == entry);
        daemon.kms_log(Operation::DescribeKey).into_iter().filter(|entry| entry.key.as_ref().is_some_and(of_wallets)).collect()
    };
    wait_until("each was looked at", || looks().len() >= wallets.len());
    let looks = looks();
    for pair in looks.windows(2) {
        let between = pair[1].at.unix_millis() - pair[0].at.unix_millis();
        // The wall clock counts whole milliseconds.
        assert!(between + 1 >= TICK_MILLIS, "{between} ms");
    }
    let seen: std::collections::BTreeSet<_> = looks[..wallets.len()].iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(seen.len(), wallets.len(), "each once in a round");
}
