//! The audit: what it tells of each call, what it finds, and what happens when it can't be written.

use kmsignd::emulator::{Fault, Operation};
use serde_json::{Value, json};

use crate::harness::Daemon;
use crate::harness::users::{ALICE, USERS, can_be_others};
use crate::signing::{digest, signing};

#[test]
fn sign_leaves_intent_and_outcome_with_all_facts() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.fault(Operation::Sign, Fault::Throttle, 1);
    let before = daemon.audit().len();
    let mut params = signing(&wallet, 7);
    params["requestId"] = json!("r-1");
    params["onBehalfOf"] = json!("customer 9");
    daemon.ok("kms_signTransactionHash", params);

    let records = daemon.audit().split_off(before);
    let [intent, outcome] = records.as_slice() else { panic!("{records:?}") };
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    for (record, kind) in [(intent, "intent"), (outcome, "outcome")] {
        let facts = json!({
            "kind": kind, "method": "kms_signTransactionHash", "walletId": wallet["walletId"], "userId": "user123",
            "asset": "BTC", "network": "testnet", "digest": digest(7), "requestId": "r-1", "onBehalfOf": "customer 9",
        });
        for (name, value) in facts.as_object().unwrap() {
            assert_eq!(record[name], *value, "{kind} {name}");
        }
        let caller = &record["caller"];
        assert_eq!((&caller["uid"], &caller["gid"], &caller["pid"]), (&json!(uid), &json!(gid), &json!(std::process::id())));
        assert!(caller["groups"].as_array().unwrap().contains(&json!(gid)), "{caller}");
        assert_eq!(caller["executable"], json!(std::env::current_exe().unwrap()));
        assert!(caller.as_object().unwrap().contains_key("unit"));
        assert_eq!((&record["decision"]["effect"], &record["decision"]["policies"]), (&json!("allow"), &json!(["test.owner"])));
        let digest_in_force = daemon.ok("admin_status", json!({}))["policy"]["digest"].clone();
        assert_eq!(record["decision"]["policyDigest"], digest_in_force);
        assert!(record["at"].as_str().unwrap().ends_with('Z'));
    }
    assert_eq!(outcome["intent"], intent["sequence"]);
    assert_eq!((&intent["outcome"], &outcome["outcome"]), (&Value::Null, &json!("success")));
    let in_kms: Vec<_> = daemon.kms_log(Operation::Sign).into_iter().map(|entry| entry.request_id).collect();
    assert_eq!(in_kms.len(), 2);
    assert_eq!(outcome["kmsRequestIds"], json!(in_kms), "every attempt, the throttled one too");
}

#[test]
fn call_that_ends_in_any_way_leaves_its_record() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let mut params = signing(&wallet, 1);
    params["requestId"] = json!("r");
    daemon.ok("kms_signTransactionHash", params.clone());
    daemon.ok("kms_signTransactionHash", params.clone());
    params["transactionHash"] = json!(digest(2));
    daemon.fails("CONFLICT", "kms_signTransactionHash", params);
    let unknown = wallet["kmsKeyId"].as_str().unwrap().replace("key/", "key/ffff");
    daemon.fails("NOT_FOUND", "kms_signTransactionHash", json!([unknown, digest(3)]));
    daemon.set_policy(
        r#"permit (principal, action, resource);
           @id("no") forbid (principal, action == Action::"signRaw", resource);"#,
    );
    daemon.fails("DENIED", "kms_signTransactionHash", signing(&wallet, 4));
    daemon.ok("wallet_list", json!({}));
    daemon.fails("INVALID_PARAMS", "wallet_get", json!({}));

    let told: Vec<_> = daemon
        .audit()
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}", text("kind"), text("method"), text("outcome"), &text("digest")[..1])
        })
        .collect();
    let expected = [
        "daemon - - -",
        "intent wallet_create - -",
        "outcome wallet_create success -",
        "intent kms_signTransactionHash - 0",
        "outcome kms_signTransactionHash success 0",
        "repeat kms_signTransactionHash success 0",
        "refusal kms_signTransactionHash CONFLICT 0",
        "refusal kms_signTransactionHash NOT_FOUND 0",
        "intent admin_reload - -",
        "outcome admin_reload success -",
        "denial kms_signTransactionHash DENIED 0",
    ];
    assert_eq!(told, expected);
    let denial = daemon.audited("denial").pop().unwrap();
    assert_eq!(denial["decision"]["effect"], "deny");
    assert_eq!(denial["decision"]["policies"], json!(["test.no"]));
    assert_eq!(denial["walletId"], wallet["walletId"]);
    let repeat = daemon.audited("repeat").pop().unwrap();
    assert_eq!(repeat["intent"], daemon.audited("intent")[1]["sequence"]);
    daemon.assert_audit_is_whole();
}

#[test]
fn call_by_another_user_is_recorded_under_the_kernels_word() {
    if !can_be_others("call_by_another_user_is_recorded_under_the_kernels_word") {
        return;
    }
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.open_socket_to_all();
    daemon.connect_as(ALICE, &[61_555, 61_444]).fails("DENIED", "kms_signTransactionHash", signing(&wallet, 1));
    let caller = daemon.audited("denial").pop().unwrap()["caller"].take();
    assert_eq!((&caller["uid"], &caller["gid"]), (&json!(ALICE), &json!(USERS)));
    assert_eq!(caller["groups"], json!([USERS, 61_444, 61_555]));
}

#[test]
fn audit_tail_pages_through_all_records_in_order() {
    let daemon = Daemon::start();
    for _ in 0..4 {
        daemon.wallet("BTC");
    }
    let all = daemon.audit();
    let mut seen = Vec::new();
    loop {
        let page = daemon.ok("audit_tail", json!({ "afterSequence": seen.len(), "limit": 4 }));
        assert_eq!(page["head"]["sequence"], json!(all.len()));
        let records = page["records"].as_array().unwrap();
        assert!(records.len() <= 4);
        if records.is_empty() {
            break;
        }
        seen.extend(records.iter().cloned());
    }
    assert_eq!(seen.len(), all.len());
    for (n, mut record) in seen.into_iter().enumerate() {
        let hash = record.as_object_mut().unwrap().remove("hash").unwrap();
        assert_eq!(record, all[n]);
        assert_eq!(record["sequence"], json!(n + 1));
        assert_eq!(hash, json!(daemon.query(&format!("SELECT lower(hex(hash)) FROM audit WHERE sequence = {}", n + 1))));
    }
    let last = daemon.ok("audit_tail", json!({ "limit": 2 }));
    let sequences: Vec<_> = last["records"].as_array().unwrap().iter().map(|record| record["sequence"].clone()).collect();
    assert_eq!(sequences, [json!(all.len() - 1), json!(all.len())]);
    assert_eq!(last["records"][1]["hash"], last["head"]["hash"]);
}

#[test]
fn audit_verify_after_tampering_names_the_first_bad_record() {
    // Records: the start, then intent and outcome of three wallets: 1 to 7. Then another start.
    let cases = [
        ("UPDATE audit SET record = replace(record, 'user123', 'user124') WHERE sequence = 4", 4),
        ("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 3", 3),
        ("UPDATE audit SET sequence = 99 WHERE sequence = 7", 7),
        ("DELETE FROM audit WHERE sequence = 5", 5),
        ("DELETE FROM audit WHERE sequence = 1", 1),
        (
            "UPDATE audit SET record = (SELECT record FROM audit WHERE sequence = 6), hash = (SELECT hash FROM audit WHERE sequence = 6) WHERE sequence = 2",
            2,
        ),
        ("UPDATE audit SET record = replace(record, 'outcome', 'refusal') WHERE sequence = 7", 7),
        ("INSERT INTO audit VALUES (8, '{}', zeroblob(32))", 8),
    ];
    for (tampering, first_bad) in cases {
        let mut daemon = Daemon::start();
        for _ in 0..3 {
            daemon.wallet("BTC");
        }
        daemon.assert_audit_is_whole();
        daemon.stop();
        let guarded = daemon.database().execute_batch(tampering);
        assert!(guarded.is_err() || tampering.starts_with("INSERT"), "the triggers stop {tampering}");
        daemon.execute(&format!(
            "PRAGMA foreign_keys = off; DROP TRIGGER audit_is_not_updated; DROP TRIGGER audit_is_not_deleted; {}",
            if guarded.is_err() { tampering } else { "" }
        ));
        daemon.start_again();
        let verdict = daemon.ok("audit_verify", json!({}));
        assert_eq!((&verdict["ok"], &verdict["firstBad"]), (&json!(false), &json!(first_bad)), "{tampering}: {verdict}");
        assert_eq!(verdict["records"], json!(first_bad - 1));
    }
}

#[test]
fn audit_verify_after_the_last_record_was_cut_off_beside_the_daemon_finds_the_gap() {
    let daemon = Daemon::start();
    daemon.wallet("BTC");
    daemon
        .database()
        .execute_batch("PRAGMA foreign_keys = off; DROP TRIGGER audit_is_not_deleted; DELETE FROM audit WHERE sequence = 3")
        .unwrap();
    let cut = daemon.ok("audit_verify", json!({}));
    daemon.wallet("BTC");
    let verdict = daemon.ok("audit_verify", json!({}));
    assert_eq!((&verdict["ok"], &verdict["firstBad"]), (&json!(false), &json!(3)), "{verdict}");
    assert_eq!((&cut["ok"], &cut["firstBad"]), (&json!(false), &json!(3)), "the daemon knows its own head: {cut}");
}

#[test]
fn sign_while_another_process_locks_the_store_is_withheld_and_readiness_says_so() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.wait_until_ready();
    let other = daemon.database();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    daemon.fails("AUDIT_UNAVAILABLE", "kms_signTransactionHash", signing(&wallet, 1));
    assert_withheld(&daemon);
    other.execute_batch("ROLLBACK").unwrap();
    daemon.ok("kms_signTransactionHash", signing(&wallet, 1));
    daemon.wait_until_ready();
    daemon.assert_audit_is_whole();
}

/// Holds if the daemon says that it can't audit.
#[track_caller]
pub fn assert_withheld(daemon: &Daemon) {
    let (status, reasons) = daemon.readiness();
    assert_eq!(status, 503);
    assert!(reasons.iter().any(|reason| reason.starts_with("audit: ")), "{reasons:?}");
    let status = daemon.ok("admin_status", json!({}));
    assert_eq!((&status["ready"], &status["store"]["writable"]), (&json!(false), &json!(false)), "reads go on: {status}");
}
