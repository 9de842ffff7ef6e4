//! requestId and idempotencyKey: one id, one content, one answer.

mod every_method;

use kmsignd::emulator::{Defect, Fault, Operation};
use serde_json::{Value, json};

use crate::harness::users::{ALICE, BOB, can_be_others};
use crate::harness::{Daemon, wait_until};
use crate::signing::{assert_signed, digest};

const SIGN: &str = "kms_signTransactionHash";
const ALL_BUT_SIGN_RAW: &str =
    r#"permit (principal, action, resource); forbid (principal, action == Action::"signRaw", resource);"#;

fn signing(wallet: &Value, number: usize, request_id: &str) -> Value {
    json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(number), "requestId": request_id })
}

#[test]
fn repeat_with_the_same_content_gets_the_same_bytes_even_after_a_restart() {
    let mut daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let spelled = |text: String| json!({ "keyId": wallet["kmsKeyId"], "transactionHash": text, "requestId": "r" });
    let hash = "ab".repeat(32);
    let spellings =
        [spelled(hash.clone()), spelled(format!("0x{}", hash.to_uppercase())), json!([wallet["kmsKeyId"], hash, "r"])];
    let first = daemon.connect().result_text(SIGN, &spellings[0]);
    for again in 0..2 {
        for spelling in &spellings {
            assert_eq!(daemon.connect().result_text(SIGN, spelling), first, "{again} {spelling}");
            assert_eq!(daemon.connect().result_text("signTransactionHash", spelling), first, "under its alias");
        }
        daemon.restart();
    }
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 1);
    assert_eq!(daemon.audited("repeat").len(), 12);
}

#[test]
fn repeat_with_other_content_is_a_conflict_that_names_the_parameter() {
    let mut daemon = Daemon::start();
    let (one, other) = (daemon.wallet("BTC"), daemon.wallet("BTC"));
    daemon.ok(SIGN, signing(&one, 1, "r"));
    for _ in 0..2 {
        let mut for_another = signing(&one, 1, "r");
        for_another["onBehalfOf"] = json!("somebody");
        for params in [signing(&one, 2, "r"), signing(&other, 1, "r"), for_another] {
            assert_eq!(daemon.fails("CONFLICT", SIGN, params)["data"]["field"], "requestId");
        }
        daemon.restart();
    }
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 1);

    let creation = |asset: &str| json!({ "userId": "user123", "asset": asset, "idempotencyKey": "k" });
    let wallet = daemon.ok("wallet_create", creation("BTC"));
    assert_eq!(daemon.ok("wallet_create", creation("btc")), wallet);
    assert_eq!(daemon.fails("CONFLICT", "wallet_create", creation("ETH"))["data"]["field"], "idempotencyKey");
}

#[test]
fn repeat_by_another_uid_is_another_request() {
    if !can_be_others("repeat_by_another_uid_is_another_request") {
        return;
    }
    let daemon = Daemon::with_policy("permit (principal, action, resource);", &[]);
    daemon.open_socket_to_all();
    let wallet = daemon.wallet("BTC");
    let alices = daemon.connect_as(ALICE, &[]).ok(SIGN, signing(&wallet, 1, "r"));
    let bobs = daemon.connect_as(BOB, &[]).ok(SIGN, signing(&wallet, 2, "r"));
    assert_signed(&wallet, &digest(1), &alices);
    assert_signed(&wallet, &digest(2), &bobs);
    assert_eq!(daemon.connect_as(ALICE, &[]).ok(SIGN, signing(&wallet, 1, "r")), alices);
    daemon.connect_as(ALICE, &[]).fails("CONFLICT", SIGN, signing(&wallet, 2, "r"));
}

#[test]
fn repeat_while_the_first_runs_shares_its_one_signature() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 300)].into());
    let mut callers: Vec<_> = (0..8).map(|_| daemon.connect()).collect();
    callers[0].send(SIGN, &signing(&wallet, 1, "r"));
    wait_until("the first runs", || daemon.audited("intent").len() == 2);
    for caller in &mut callers[1..] {
        caller.send(SIGN, &signing(&wallet, 1, "r"));
    }
    daemon.fails("CONFLICT", SIGN, signing(&wallet, 2, "r"));
    let answers: Vec<Value> = callers.iter_mut().map(|caller| caller.receive()["result"].take()).collect();
    assert_signed(&wallet, &digest(1), &answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 1);
    assert_eq!(daemon.audited("repeat").len(), 7);
}

#[test]
fn repeat_while_the_first_fails_shares_its_failure() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 300)].into());
    daemon.fault(Operation::Sign, Fault::Deny, 1);
    let (mut first, mut second) = (daemon.connect(), daemon.connect());
    first.send(SIGN, &signing(&wallet, 1, "r"));
    wait_until("the first runs", || daemon.audited("intent").len() == 2);
    second.send(SIGN, &signing(&wallet, 1, "r"));
    for caller in [&mut first, &mut second] {
        assert_eq!(caller.receive()["error"]["data"]["kind"], "KMS_REFUSED");
    }
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 1);
}

#[test]
fn repeat_after_a_refusal_may_have_another_content() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let unknown = wallet["kmsKeyId"].as_str().unwrap().replace("key/", "key/ffff");
    daemon.fails("NOT_FOUND", SIGN, json!({ "keyId": unknown, "transactionHash": digest(1), "requestId": "r" }));
    daemon.fails("INVALID_PARAMS", SIGN, json!({ "keyId": wallet["kmsKeyId"], "transactionHash": "00", "requestId": "r" }));
    daemon.set_policy(ALL_BUT_SIGN_RAW);
    daemon.fails("DENIED", SIGN, signing(&wallet, 1, "r"));
    daemon.set_policy("permit (principal, action, resource);");
    for (n, fault) in [Fault::Deny, Fault::Signature(Defect::WrongKey)].into_iter().enumerate() {
        daemon.fault(Operation::Sign, fault, 1);
        daemon.call(SIGN, signing(&wallet, n + 2, "r")).unwrap_err();
    }
    daemon.fault(Operation::Sign, Fault::Internal, 1000);
    daemon.fails("KMS_UNAVAILABLE", SIGN, signing(&wallet, 4, "r"));
    daemon.faults().set(Default::default());
    // That was no refusal: KMS may have signed, so the id stays with its content.
    daemon.fails("CONFLICT", SIGN, signing(&wallet, 5, "r"));
    assert_signed(&wallet, &digest(4), &daemon.ok(SIGN, signing(&wallet, 4, "r")));
}

#[test]
fn repeat_after_a_refusal_behind_a_lost_answer_may_not_have_another_content() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.fault(Operation::Sign, Fault::CloseAfter, 1);
    daemon.fault(Operation::Sign, Fault::Deny, 1);
    daemon.fails("KMS_REFUSED", SIGN, signing(&wallet, 1, "r"));
    assert_eq!(daemon.kms_effects(Operation::Sign), 1, "the lost one");
    daemon.fails("CONFLICT", SIGN, signing(&wallet, 2, "r"));
    assert_signed(&wallet, &digest(1), &daemon.ok(SIGN, signing(&wallet, 1, "r")));
}

#[test]
fn retry_after_a_crash_takes_the_unfinished_request_over() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let mut daemon = Daemon::start();
        let wallet = daemon.wallet("BTC");
        daemon.fault(Operation::Sign, fault, 1);
        daemon.connect().send(SIGN, &signing(&wallet, 1, "r"));
        daemon.wait_for_faults();
        daemon.crash();
        daemon.start_again();
        daemon.fails("CONFLICT", SIGN, signing(&wallet, 2, "r"));
        let answer = daemon.connect().result_text(SIGN, &signing(&wallet, 1, "r"));
        assert_eq!(daemon.connect().result_text(SIGN, &signing(&wallet, 1, "r")), answer, "{fault:?}");
        let outcomes = daemon.audited("outcome").into_iter().filter(|record| record["method"] == SIGN);
        let words: Vec<_> = outcomes.map(|record| record["outcome"].clone()).collect();
        assert_eq!(words, ["UNKNOWN", "success"], "{fault:?}");
        daemon.assert_audit_is_whole();
    }
}

#[test]
fn repeat_with_a_key_that_may_not_sign_any_more_releases_nothing() {
    for status in ["DISABLED", "PENDING_DELETION", "DELETED"] {
        let mut daemon = Daemon::start();
        let wallet = daemon.wallet("BTC");
        daemon.ok(SIGN, signing(&wallet, 1, "r"));
        daemon.stop();
        daemon.execute(&format!("UPDATE wallets SET status = '{status}'"));
        daemon.start_again();
        for request_id in ["r", "new"] {
            let error = daemon.fails("KEY_NOT_USABLE", SIGN, signing(&wallet, 1, request_id));
            assert_eq!(error["data"]["status"], *status, "{error}");
        }
        assert_eq!(daemon.kms_log(Operation::Sign).len(), 1);
        let verified = daemon.ok("wallet_verify", json!({ "walletId": wallet["walletId"] }));
        assert_eq!(verified["signatureVerified"], false);
        assert_eq!(daemon.kms_log(Operation::Sign).len(), 1, "wallet_verify signs nothing either");
    }
}

#[test]
fn repeat_of_what_the_policy_denies_now_releases_nothing() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let answer = daemon.ok(SIGN, signing(&wallet, 1, "r"));
    daemon.set_policy(ALL_BUT_SIGN_RAW);
    assert_eq!(daemon.fails("DENIED", SIGN, signing(&wallet, 1, "r"))["data"]["policyId"], "test.2");
    daemon.set_policy("permit (principal, action, resource);");
    assert_eq!(daemon.ok(SIGN, signing(&wallet, 1, "r")), answer, "the answer was kept all the same");
}
