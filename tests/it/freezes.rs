//! A freeze in force: nothing signs, whatever was asked for before, and everything else goes on. Lifting it is an action of its
//! own, recorded with its reason.

use kmsignd::emulator::Operation;
use serde_json::{Value, json};

use crate::harness::{Daemon, wait_until};
use crate::signing::{assert_signed, digest};

const FREEZE: &str = "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60";

/// Puts a freeze in force beside the running daemon, as a restore leaves one.
pub fn freeze(daemon: &Daemon, id: &str, scope: &str) {
    let insert = "INSERT INTO freezes (freeze_id, scope, reason, since) VALUES (?1, ?2, 'a drill', 1768473000250)";
    daemon.database().execute(insert, (id, scope)).unwrap();
}

fn unfreeze(id: &str) -> Value {
    json!({ "freezeId": id, "reason": "the drill is over" })
}

fn sign(wallet: &Value, n: usize) -> Value {
    json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(n), "requestId": format!("request {n}") })
}

#[test]
fn sign_while_frozen_is_refused_and_kms_is_not_asked() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    freeze(&daemon, FREEZE, "\"all\"");
    for (method, params) in
        [("kms_signTransactionHash", sign(&wallet, 1)), ("wallet_verify", json!({ "walletId": wallet["walletId"] }))]
    {
        let error = daemon.fails("FROZEN", method, params);
        assert_eq!((&error["data"]["freezeId"], &error["data"]["reason"]), (&json!(FREEZE), &json!("a drill")));
        assert_eq!(error["data"]["retry"], "later");
    }
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 0);
    assert_eq!(daemon.audited("refusal").iter().filter(|record| record["outcome"] == "FROZEN").count(), 2);
    assert_eq!(daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] })), wallet, "reads go on");
    assert_eq!(daemon.wallet("ETH")["status"], "CREATED", "wallets are made");
    daemon.ok("admin_unfreeze", unfreeze(FREEZE));
    assert_signed(&wallet, &digest(1), &daemon.ok("kms_signTransactionHash", sign(&wallet, 1)));
    daemon.assert_audit_is_whole();
}

#[test]
fn stored_answer_does_not_leave_while_frozen() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let signed = daemon.ok("kms_signTransactionHash", sign(&wallet, 1));
    freeze(&daemon, FREEZE, "\"all\"");
    daemon.fails("FROZEN", "kms_signTransactionHash", sign(&wallet, 1));
    daemon.ok("admin_unfreeze", unfreeze(FREEZE));
    assert_eq!(daemon.ok("kms_signTransactionHash", sign(&wallet, 1)), signed);
    assert_eq!(daemon.kms_effects(Operation::Sign), 1);
}

#[test]
fn signature_made_while_a_freeze_comes_is_withheld_and_its_request_id_keeps_its_content() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 300)].into());
    let (mut running, mut waiting) = (daemon.connect(), daemon.connect());
    running.send("kms_signTransactionHash", &sign(&wallet, 1));
    wait_until("the signature is reserved", || daemon.query("SELECT count(*) FROM open_intents") == "1");
    waiting.send("kms_signTransactionHash", &sign(&wallet, 1));
    freeze(&daemon, FREEZE, "\"all\"");
    for caller in [&mut running, &mut waiting] {
        let error = caller.receive()["error"].take();
        assert_eq!(error["data"]["kind"], "FROZEN", "{error}");
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), 1, "KMS signed, and nothing of it left");
    let outcome = daemon.audited("outcome").pop().unwrap();
    assert_eq!(outcome["outcome"], "FROZEN");
    daemon.ok("admin_unfreeze", unfreeze(FREEZE));
    daemon.faults().change(|switches| switches.latency_ms.clear());
    let other = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(2), "requestId": "request 1" });
    daemon.fails("CONFLICT", "kms_signTransactionHash", other);
    assert_signed(&wallet, &digest(1), &daemon.ok("kms_signTransactionHash", sign(&wallet, 1)));
}

#[test]
fn freeze_of_an_unknown_scope_stops_everything() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    freeze(&daemon, FREEZE, r#"{"moonPhase":"full"}"#);
    daemon.fails("FROZEN", "kms_signTransactionHash", sign(&wallet, 1));
}

#[test]
fn freezes_are_in_status_and_readiness_and_outlive_a_restart() {
    let mut daemon = Daemon::start();
    daemon.wait_until_ready();
    assert_eq!(daemon.ok("admin_status", json!({}))["freezes"], json!([]));
    freeze(&daemon, FREEZE, "\"all\"");
    let listed = json!([{ "freezeId": FREEZE, "scope": "all", "reason": "a drill", "since": "2026-01-15T10:30:00.25Z" }]);
    for _ in 0..2 {
        assert_eq!(daemon.ok("admin_status", json!({}))["freezes"], listed);
        let (status, reasons) = daemon.readiness();
        assert_eq!(status, 503);
        assert!(reasons.contains(&"frozen \"all\": a drill".to_owned()), "{reasons:?}");
        daemon.restart();
    }
    daemon.ok("admin_unfreeze", unfreeze(FREEZE));
    assert_eq!(daemon.ok("admin_status", json!({}))["freezes"], json!([]));
    daemon.wait_until_ready();
}

#[test]
fn unfreeze_lifts_one_freeze_once_and_records_the_reason() {
    const ANOTHER: &str = "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f61";
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    freeze(&daemon, FREEZE, "\"all\"");
    freeze(&daemon, ANOTHER, "\"all\"");
    let repeatable = json!({ "freezeId": FREEZE, "reason": "nonces checked", "requestId": "u1" });
    assert_eq!(daemon.ok("admin_unfreeze", repeatable.clone()), json!({}));
    assert_eq!(daemon.ok("admin_unfreeze", repeatable), json!({}), "a retry gets the stored answer");
    daemon.fails("CONFLICT", "admin_unfreeze", json!({ "freezeId": ANOTHER, "reason": "x", "requestId": "u1" }));
    let error = daemon.fails("NOT_FOUND", "admin_unfreeze", unfreeze(FREEZE));
    assert_eq!(error["data"]["field"], "freezeId");
    let intents = daemon.audited("intent");
    let intent = intents.iter().find(|record| record["method"] == "admin_unfreeze").unwrap();
    assert!(intent["detail"].as_str().unwrap().contains("nonces checked"), "{intent}");
    daemon.fails("FROZEN", "kms_signTransactionHash", sign(&wallet, 1));
    daemon.ok("admin_unfreeze", unfreeze(ANOTHER));
    daemon.ok("kms_signTransactionHash", sign(&wallet, 1));
    assert_eq!(daemon.query("SELECT count(*) FROM freezes WHERE lifted_at IS NOT NULL"), "2", "they stay, for the record");
    // A refusal binds nothing.
    let unknown = json!({ "freezeId": FREEZE, "reason": "x", "requestId": "u2" });
    daemon.fails("NOT_FOUND", "admin_unfreeze", unknown.clone());
    let other = json!({ "freezeId": ANOTHER, "reason": "x", "requestId": "u2" });
    daemon.fails("NOT_FOUND", "admin_unfreeze", other);
}

#[test]
fn kmsign_lists_and_lifts_freezes() {
    let daemon = Daemon::start();
    let kmsign = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_kmsign"))
            .env_clear()
            .args(["--socket", daemon.socket().to_str().unwrap()])
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(kmsign(&["freeze", "list"]), (Some(0), "nothing is frozen\n".to_owned()));
    freeze(&daemon, FREEZE, "\"all\"");
    let (code, said) = kmsign(&["freeze", "list"]);
    assert!(code == Some(0) && said.contains(FREEZE) && said.contains("a drill") && said.contains("all"), "{said}");
    let (code, said) = kmsign(&["--json", "freeze", "list"]);
    assert_eq!((code, serde_json::from_str::<Value>(&said).unwrap()[0]["freezeId"].clone()), (Some(0), json!(FREEZE)));
    let (code, said) = kmsign(&["freeze", "lift", FREEZE, "--reason", "the drill is over"]);
    assert!(code == Some(0) && said.contains(FREEZE), "{said}");
    assert_eq!(kmsign(&["freeze", "lift", FREEZE, "--reason", "again"]).0, Some(1), "a no");
}
