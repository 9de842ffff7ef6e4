//! Signing: what leaves verifies, and what KMS does wrong never leaves.

use std::time::{Duration, Instant};

use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1};
use kmsignd::emulator::{Defect, Fault, Operation};
use serde_json::{Value, json};

use crate::harness::caller::{assert_is, outcome};
use crate::harness::{Daemon, wait_until};
use crate::kms_conformance::{HERE, client};

/// The digest of test `number`.
pub fn digest(number: usize) -> String {
    format!("{number:064x}")
}

pub fn signing(wallet: &Value, number: usize) -> Value {
    json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(number) })
}

/// Holds if a node would take it: libsecp256k1 verifies it, S is low, and recovery gives the wallet's key.
#[track_caller]
pub fn assert_signed(wallet: &Value, digest: &str, signed: &Value) {
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    assert_eq!(members(signed), ["der", "keyId", "publicKey", "recoveryId", "signature"]);
    assert_eq!((&signed["keyId"], &signed["publicKey"]), (&wallet["kmsKeyId"], &wallet["publicKey"]));
    let compact = bytes(&signed["signature"]);
    let signature = Signature::from_compact(&compact).unwrap();
    assert_eq!(signature.serialize_der().to_vec(), bytes(&signed["der"]));
    let mut low = signature;
    low.normalize_s();
    assert_eq!(low, signature, "S is high: {signed}");
    let key = PublicKey::from_slice(&bytes(&wallet["publicKey"])).unwrap();
    let message = Message::from_digest(hex::decode(digest).unwrap().try_into().unwrap());
    let secp = Secp256k1::verification_only();
    secp.verify_ecdsa(&message, &signature, &key).unwrap();
    let recovery_id = RecoveryId::from_i32(signed["recoveryId"].as_i64().unwrap().try_into().unwrap()).unwrap();
    let recoverable = RecoverableSignature::from_compact(&compact, recovery_id).unwrap();
    assert_eq!(secp.recover_ecdsa(&message, &recoverable).unwrap(), key, "{signed}");
}

/// The names of an object's members, sorted.
fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// What the last outcome in the audit says.
fn last_outcome(daemon: &Daemon) -> Value {
    daemon.audited("outcome").pop().unwrap()["outcome"].take()
}

#[test]
fn sign_many_digests_at_once_verifies_each_and_asks_kms_once_each() {
    const DIGESTS: usize = 96;
    let daemon = Daemon::start();
    let wallets = [daemon.wallet("BTC"), daemon.wallet("ETH")];
    let before = daemon.kms_log(Operation::GetPublicKey).len();
    let mut caller = daemon.connect();
    let ids: Vec<u64> = (0..DIGESTS).map(|n| caller.send("kms_signTransactionHash", &signing(&wallets[n % 2], n))).collect();
    for _ in 0..DIGESTS {
        let answer = caller.receive();
        let n = ids.iter().position(|id| answer["id"] == json!(id)).unwrap();
        assert_signed(&wallets[n % 2], &digest(n), &outcome(answer).unwrap());
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), DIGESTS);
    assert_eq!(daemon.kms_log(Operation::Sign).len(), DIGESTS);
    assert_eq!(daemon.kms_log(Operation::GetPublicKey).len(), before, "a signature asks for no public key");
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_hash_by_position_under_both_names_takes_the_digest_in_any_spelling() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let digest = "ab".repeat(32);
    for (method, spelling) in [
        ("kms_signTransactionHash", digest.clone()),
        ("kms_signTransactionHash", digest.to_uppercase()),
        ("signTransactionHash", format!("0x{digest}")),
    ] {
        let signed = daemon.ok(method, json!([wallet["kmsKeyId"], spelling]));
        assert_signed(&wallet, &digest, &signed);
    }
}

#[test]
fn sign_with_a_defective_signature_of_kms_releases_it_only_if_it_is_legal() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    for (n, defect) in Defect::ALL.into_iter().enumerate() {
        let legal = match defect {
            Defect::HighS | Defect::ShortR => true,
            Defect::WrongKey
            | Defect::ZeroR
            | Defect::OversizedS
            | Defect::TrailingBytes
            | Defect::MalformedDer
            | Defect::Truncated => false,
        };
        daemon.fault(Operation::Sign, defect, 1);
        let params = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(n), "requestId": format!("{defect:?}") });
        let answer = daemon.call("kms_signTransactionHash", params.clone());
        assert!(daemon.faults().get().scripts.is_empty(), "{defect:?} was met");
        if legal {
            assert_signed(&wallet, &digest(n), &answer.unwrap());
            continue;
        }
        let error = answer.unwrap_err();
        assert_is("SIGNATURE_INVALID", &error);
        assert_eq!(members(&error["data"]), ["kind", "requestId", "retry"], "nothing of the signature is in the error");
        assert_eq!(last_outcome(&daemon), "SIGNATURE_INVALID", "{defect:?}");
        assert_eq!(daemon.query("SELECT count(*) FROM requests WHERE answer IS NULL"), "0", "a failure binds no requestId");
        assert_signed(&wallet, &digest(n), &daemon.ok("kms_signTransactionHash", params));
    }
}

#[test]
fn sign_after_a_passing_fault_of_kms_is_retried() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("ETH");
    for (n, fault) in [Fault::Throttle, Fault::Internal, Fault::CloseBefore, Fault::CloseAfter].into_iter().enumerate() {
        let before = daemon.kms_log(Operation::Sign).len();
        daemon.fault(Operation::Sign, fault, 1);
        assert_signed(&wallet, &digest(n), &daemon.ok("kms_signTransactionHash", signing(&wallet, n)));
        assert_eq!(daemon.kms_log(Operation::Sign).len(), before + 2, "{fault:?}");
        assert_eq!(last_outcome(&daemon), "success");
    }
}

#[test]
fn sign_while_kms_hangs_gives_up_within_the_operations_timeout() {
    let daemon =
        Daemon::with_settings(&[("KMSIGND__KMS__ATTEMPT_TIMEOUT_MS", "700"), ("KMSIGND__KMS__OPERATION_TIMEOUT_MS", "1000")]);
    let wallet = daemon.wallet("BTC");
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        daemon.fault(Operation::Sign, fault, 1000);
        let started = Instant::now();
        daemon.fails("KMS_UNAVAILABLE", "kms_signTransactionHash", signing(&wallet, 1));
        let took = started.elapsed();
        assert!(took < Duration::from_millis(1250), "{fault:?}: {took:?}, but all attempts together have 1 s");
        daemon.faults().set(Default::default());
    }
    assert_signed(&wallet, &digest(1), &daemon.ok("kms_signTransactionHash", signing(&wallet, 1)));
}

#[test]
fn sign_throttled_for_too_long_is_told_when_to_retry() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.fault(Operation::Sign, Fault::Throttle, 1000);
    let error = daemon.fails("RATE_LIMITED", "kms_signTransactionHash", signing(&wallet, 1));
    assert!(error["data"]["retryAfterMs"].as_u64().is_some_and(|pause| pause > 0), "{error}");
}

#[test]
fn sign_denied_by_kms_names_the_iam_action_and_no_key() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.fault(Operation::Sign, Fault::Deny, 1);
    let error = daemon.fails("KMS_REFUSED", "kms_signTransactionHash", signing(&wallet, 1));
    assert!(error["message"].as_str().unwrap().contains("kms:Sign"), "{error}");
    assert!(!error.to_string().contains("arn:"), "{error}");
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 1, "a denial is not retried");
    assert_eq!(last_outcome(&daemon), "KMS_REFUSED");
}

#[test]
fn sign_with_a_key_that_kms_has_disabled_is_refused_and_seen_by_wallet_verify() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let verify = json!({ "walletId": wallet["walletId"] });
    let well = daemon.ok("wallet_verify", verify.clone());
    let facts = |of: &Value| json!([of["keyState"], of["publicKeyMatches"], of["addressMatches"], of["signatureVerified"]]);
    assert_eq!(facts(&well), json!(["Enabled", true, true, true]));

    let kms = client(daemon.kms_endpoint(), HERE);
    daemon.block_on(kms.disable_key().key_id(wallet["kmsKeyId"].as_str().unwrap()).send()).unwrap();
    let error = daemon.fails("KMS_REFUSED", "kms_signTransactionHash", signing(&wallet, 1));
    assert!(error["message"].as_str().unwrap().contains("DisabledException"), "{error}");
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 2, "it is not retried");
    let ill = daemon.ok("wallet_verify", verify);
    assert_eq!(facts(&ill), json!(["Disabled", null, true, false]), "KMS shows no public key of a disabled key");
}

#[test]
fn sign_with_kms_down_is_unavailable_and_readiness_says_so() {
    let mut daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.wait_until_ready();
    daemon.stop_kms();
    daemon.fails("KMS_UNAVAILABLE", "kms_signTransactionHash", signing(&wallet, 1));
    daemon.restart();
    wait_until("readiness names KMS", || {
        let (status, reasons) = daemon.readiness();
        status == 503 && reasons.iter().any(|reason| reason.starts_with("kms: KMS could not be reached"))
    });
    assert_eq!(daemon.get("/healthz").0, 200, "alive all the same");
    assert_eq!(daemon.ok("admin_status", json!({}))["ready"], false);
}

#[test]
fn sign_for_a_client_that_hangs_up_runs_to_its_end() {
    for over_http in [false, true] {
        let daemon = Daemon::start();
        let wallet = daemon.wallet("BTC");
        daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 200)].into());
        let params = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(1), "requestId": "r" });
        let mut caller = daemon.connect();
        if over_http {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "kms_signTransactionHash", "params": params }).to_string();
            caller.send_raw(&format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        } else {
            caller.send("kms_signTransactionHash", &params);
        }
        wait_until("the intent is there", || daemon.audited("intent").len() == 2);
        drop(caller);
        wait_until("the outcome is there", || daemon.audited("outcome").len() == 2);
        assert_eq!(last_outcome(&daemon), "success");
        assert_eq!(daemon.query("SELECT count(*) FROM open_intents"), "0");
        assert_signed(&wallet, &digest(1), &daemon.ok("kms_signTransactionHash", params));
        assert_eq!(daemon.kms_effects(Operation::Sign), 1, "the retry gets the stored answer");
    }
}

#[test]
fn sign_with_a_pinned_key_that_was_tampered_with_releases_nothing() {
    let mut daemon = Daemon::start();
    let (one, other) = (daemon.wallet("BTC"), daemon.wallet("BTC"));
    daemon.stop();
    let swap = format!(
        "UPDATE wallets SET public_key = x'{}' WHERE wallet_id = '{}'",
        other["publicKey"].as_str().unwrap(),
        one["walletId"].as_str().unwrap()
    );
    assert!(daemon.database().execute_batch(&swap).is_err(), "a trigger keeps it pinned");
    daemon.execute(&format!("DROP TRIGGER wallets_key_is_pinned; {swap}"));
    daemon.start_again();
    daemon.fails("SIGNATURE_INVALID", "kms_signTransactionHash", signing(&one, 1));
    let verified = daemon.ok("wallet_verify", json!({ "walletId": one["walletId"] }));
    for finding in ["publicKeyMatches", "addressMatches", "signatureVerified"] {
        assert_eq!(verified[finding], false, "{verified}");
    }
    assert_signed(&other, &digest(1), &daemon.ok("kms_signTransactionHash", signing(&other, 1)));
}
