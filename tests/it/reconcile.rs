//! Wallets whose creation was cut off come to their keys, by a retry and by themselves; no key is lost, none is made twice while
//! the first may still show, and none that was planted is taken.

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, Tag};
use kmsignd::clock::Timestamp;
use kmsignd::emulator::{Fault, Operation, Script};
use serde_json::{Value, json};

use crate::harness::{Daemon, wait_until};
use crate::kms_conformance::client;

/// Looks again soon.
const SHORT_GRACE: [(&str, &str); 1] = [("KMSIGND__KEYS__RECONCILE_GRACE_SECONDS", "1")];

const LOST_WITHOUT_EFFECT: [Fault; 3] = [Fault::CloseBefore, Fault::Internal, Fault::HangBefore];
const LOST_AFTER_EFFECT: [Fault; 2] = [Fault::CloseAfter, Fault::HangAfter];

fn creation(key: &str) -> Value {
    json!({ "userId": "user123", "asset": "BTC", "idempotencyKey": key })
}

fn kms(daemon: &Daemon) -> Client {
    client(daemon.kms_endpoint(), "eu-central-1")
}

fn statuses(daemon: &Daemon) -> String {
    daemon.query("SELECT group_concat(status) FROM (SELECT status FROM wallets ORDER BY wallet_id)")
}

/// The tags that the daemon gives the key of its first wallet.
fn tags_of_the_wallet(daemon: &Daemon) -> Vec<(String, String)> {
    let one = |column: &str| daemon.query(&format!("SELECT {column} FROM wallets ORDER BY wallet_id"));
    let created_at = Timestamp::from_unix_millis(one("created_at").parse().unwrap());
    [
        ("kmsignd:wallet-id", one("wallet_id")),
        ("kmsignd:deployment", "tests".to_owned()),
        ("kmsignd:user-id", one("user_id")),
        ("kmsignd:address-type", one("address_type")),
        ("kmsignd:created-at", created_at.to_string()),
        ("asset", one("ticker")),
        ("network", one("network")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A key that somebody else made.
fn plant(daemon: &Daemon, spec: KeySpec, tags: &[(String, String)]) -> String {
    let mut request = kms(daemon).create_key().key_spec(spec).key_usage(KeyUsageType::SignVerify);
    for (name, value) in tags {
        request = request.tags(Tag::builder().tag_key(name).tag_value(value).build().unwrap());
    }
    daemon.block_on(request.send()).unwrap().key_metadata.unwrap().arn.unwrap()
}

fn with_tag(mut tags: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    tags.iter_mut().find(|(found, _)| found == name).unwrap().1 = value.to_owned();
    tags
}

/// Keys that the daemon lists as orphans.
fn orphans(daemon: &Daemon) -> Vec<Value> {
    daemon.ok("admin_status", json!({}))["orphans"]["keys"].as_array().unwrap().clone()
}

/// The daemon's own CreateKey requests.
fn creations(daemon: &Daemon) -> usize {
    daemon.kms_log(Operation::CreateKey).len()
}

#[test]
fn retry_after_a_lost_answer_adopts_the_key_that_kms_made() {
    for fault in LOST_AFTER_EFFECT {
        let daemon = Daemon::start();
        daemon.fault(Operation::CreateKey, fault, 1);
        let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
        assert_eq!(error["data"]["retry"], "sameRequestId");
        assert_eq!(statuses(&daemon), "PENDING");
        let other = json!({ "userId": "user123", "asset": "ETH", "idempotencyKey": "k" });
        daemon.fails("CONFLICT", "wallet_create", other);
        let wallet = daemon.ok("wallet_create", creation("k"));
        assert_eq!(wallet["status"], "CREATED", "{fault:?}");
        assert_eq!(daemon.ok("wallet_create", creation("k")), wallet);
        assert_eq!((creations(&daemon), daemon.query("SELECT count(*) FROM wallets")), (1, "1".to_owned()));
        assert_eq!(daemon.query("SELECT count(*) FROM pending_keys"), "0");
        assert_eq!(daemon.query("SELECT version FROM outbox"), wallet["version"].to_string());
        daemon.assert_audit_is_whole();
    }
}

#[test]
fn retry_after_a_lost_request_makes_no_second_key_before_the_grace_is_over() {
    for fault in LOST_WITHOUT_EFFECT {
        let mut daemon = Daemon::start();
        daemon.fault(Operation::CreateKey, fault, 1);
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
        for _ in 0..2 {
            // While the daemon looks by itself, a retry is told just that.
            wait_until("the caller is told what comes", || {
                let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
                error["message"].as_str().unwrap().contains("one more is made")
            });
            daemon.restart();
        }
        assert_eq!((creations(&daemon), statuses(&daemon)), (1, "PENDING".to_owned()), "{fault:?}");
        assert_eq!(daemon.ok("wallet_create", creation("k2"))["status"], "CREATED", "{fault:?}");
    }
}

#[test]
fn wallet_whose_request_was_lost_gets_its_key_after_the_grace_without_anybody_asking() {
    for fault in LOST_WITHOUT_EFFECT {
        let daemon = Daemon::with_settings(&SHORT_GRACE);
        daemon.fault(Operation::CreateKey, fault, 1);
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
        wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
        assert_eq!((creations(&daemon), daemon.kms_effects(Operation::CreateKey)), (2, 1), "{fault:?}");
        let wallet = daemon.ok("wallet_create", creation("k"));
        assert_eq!(daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] })), wallet);
        assert_eq!(orphans(&daemon), [] as [Value; 0]);
    }
}

#[test]
fn wallet_cut_off_by_a_crash_comes_to_its_key_at_the_next_start_and_each_method_answers_in_its_own_shape() {
    for method in ["wallet_create", "kms_createKey"] {
        let mut daemon = Daemon::start();
        daemon.fault(Operation::CreateKey, Fault::HangAfter, 1);
        let mut asked = creation("k");
        if method == "kms_createKey" {
            asked = json!({ "userId": "user123", "asset": "BTC", "requestId": "k" });
        }
        daemon.connect().send(method, &asked);
        wait_until("KMS has made the key", || daemon.kms_effects(Operation::CreateKey) == 1);
        daemon.crash();
        daemon.start_again();
        wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
        let answer = daemon.ok(method, asked);
        assert_eq!(answer.get("status").is_some(), method == "wallet_create", "{answer}");
        assert_eq!(answer["kmsKeyId"], json!(daemon.query("SELECT kms_key_id FROM wallets")));
        assert_eq!(creations(&daemon), 1);
        let healed = daemon.audited("daemon");
        assert!(healed.iter().any(|record| record["walletId"] == answer["walletId"]), "{healed:?}");
    }
}

#[test]
fn wallet_without_an_idempotency_key_is_healed_too() {
    let mut daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", json!({ "userId": "user123", "asset": "ETH" }));
    daemon.restart();
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    assert_eq!(creations(&daemon), 1);
}

#[test]
fn key_whose_tags_lag_is_adopted_when_they_show() {
    let daemon = Daemon::start();
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 600_000);
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 0);
    assert_eq!(daemon.ok("wallet_create", creation("k"))["status"], "CREATED");
    assert_eq!(creations(&daemon), 1);
}

#[test]
fn key_that_shows_after_another_took_its_place_is_listed_as_an_orphan() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 600_000);
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    assert_eq!(daemon.kms_effects(Operation::CreateKey), 2);
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 0);
    wait_until("the orphan is listed", || orphans(&daemon).len() == 1);
    let orphan = orphans(&daemon).remove(0);
    let wallet = daemon.ok("wallet_create", creation("k"));
    assert_ne!(orphan["kmsKeyId"], wallet["kmsKeyId"]);
    assert_eq!(orphan["walletId"], wallet["walletId"]);
    assert_eq!(orphan["evidence"]["tags"]["kmsignd:user-id"], "user123", "{orphan}");
    assert!(orphan["reason"].as_str().unwrap().contains("another key"), "{orphan}");
}

#[test]
fn planted_key_is_never_adopted_and_is_listed_as_an_orphan() {
    type Change = fn(Vec<(String, String)>) -> Vec<(String, String)>;
    let plants: [(KeySpec, Change); 5] = [
        (KeySpec::EccSecgP256K1, |tags| with_tag(tags, "kmsignd:user-id", "mallory")),
        (KeySpec::EccSecgP256K1, |tags| with_tag(tags, "kmsignd:created-at", "2026-01-01T00:00:00Z")),
        (KeySpec::EccSecgP256K1, |tags| with_tag(tags, "network", "mainnet")),
        (KeySpec::EccSecgP256K1, |tags| tags.into_iter().filter(|(name, _)| name != "asset").collect()),
        (KeySpec::EccNistEdwards25519, |tags| tags),
    ];
    for (number, (spec, change)) in plants.into_iter().enumerate() {
        let mut daemon = Daemon::with_settings(&[("KMSIGND__KEYS__RECONCILE_GRACE_SECONDS", "3")]);
        // The daemon's own key is there, and does not show yet.
        daemon.fault(Operation::CreateKey, Fault::CloseBefore, 1);
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
        let planted = plant(&daemon, spec, &change(tags_of_the_wallet(&daemon)));
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
        daemon.restart();
        wait_until("the planted key is listed", || orphans(&daemon).iter().any(|key| key["kmsKeyId"] == json!(planted)));
        wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
        assert_ne!(daemon.query("SELECT kms_key_id FROM wallets"), planted, "plant {number}");
    }
}

#[test]
fn planted_key_that_is_disabled_or_older_than_the_wallet_is_not_adopted() {
    let daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::CloseBefore, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    let planted = plant(&daemon, KeySpec::EccSecgP256K1, &tags_of_the_wallet(&daemon));
    daemon.block_on(kms(&daemon).disable_key().key_id(&planted).send()).unwrap();
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    assert_eq!(statuses(&daemon), "PENDING");
    // Older: the wallet's row says that it was asked for two minutes after the key was made.
    let mut daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    daemon.stop();
    daemon.execute("UPDATE wallets SET created_at = created_at + 120000");
    let late = tags_of_the_wallet(&daemon);
    daemon.start_again();
    let old = daemon.kms_log(Operation::CreateKey)[0].key.clone().unwrap();
    let (name, value) = late.iter().find(|(name, _)| name == "kmsignd:created-at").unwrap();
    let tag = Tag::builder().tag_key(name).tag_value(value).build().unwrap();
    daemon.block_on(kms(&daemon).tag_resource().key_id(old.as_str()).tags(tag).send()).unwrap();
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    assert_eq!(statuses(&daemon), "PENDING");
}

#[test]
fn of_several_keys_that_fit_none_is_adopted_until_an_operator_leaves_one() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 600_000);
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    let twin = plant(&daemon, KeySpec::EccSecgP256K1, &tags_of_the_wallet(&daemon));
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 0);
    wait_until("the wallet needs an operator", || {
        let stuck = daemon.ok("admin_status", json!({}))["pending"]["stuck"].take();
        stuck.as_array().unwrap().len() == 1
    });
    wait_until("both keys are listed", || orphans(&daemon).len() == 2);
    // While the daemon looks by itself, the caller hears just that.
    wait_until("the caller is told why", || {
        let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
        assert!(!error.to_string().contains("arn:"), "{error}");
        error["message"].as_str().unwrap().contains("none is chosen")
    });
    assert_eq!((creations(&daemon), statuses(&daemon)), (2, "PENDING".to_owned()));
    daemon.block_on(kms(&daemon).schedule_key_deletion().key_id(&twin).pending_window_in_days(7).send()).unwrap();
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    let adopted = daemon.query("SELECT kms_key_id FROM wallets");
    assert_ne!(adopted, twin);
    assert!(
        orphans(&daemon).iter().all(|orphan| orphan["kmsKeyId"] != json!(adopted)),
        "a wallet's key is not for anybody to delete"
    );
    wait_until("no key is listed any more", || orphans(&daemon).is_empty());
}

#[test]
fn create_key_is_asked_twice_at_most() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.fault(Operation::CreateKey, Fault::CloseBefore, 2);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    wait_until("the wallet needs an operator", || daemon.query("SELECT finding FROM pending_keys").contains("lost twice"));
    let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    assert!(error["message"].as_str().unwrap().contains("no third one"), "{error}");
    assert_eq!((creations(&daemon), statuses(&daemon)), (2, "PENDING".to_owned()));
}

#[test]
fn second_create_key_that_is_refused_counts_for_nothing() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.fault(Operation::CreateKey, Fault::CloseBefore, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    daemon.fault(Operation::CreateKey, Fault::Deny, 2);
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    assert_eq!((creations(&daemon), daemon.kms_effects(Operation::CreateKey)), (4, 1));
}

#[test]
fn named_key_that_can_not_be_proven_is_for_an_operator_and_heals_once_it_can() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.fault(Operation::GetPublicKey, Fault::Deny, 1_000_000);
    daemon.call("wallet_create", creation("k")).unwrap_err();
    wait_until("the wallet needs an operator", || daemon.query("SELECT finding FROM pending_keys").contains("can't be proven"));
    assert_eq!(statuses(&daemon), "PENDING");
    daemon.faults().set(Default::default());
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    assert_eq!((creations(&daemon), daemon.query("SELECT count(*) FROM pending_keys")), (1, "0".to_owned()));
}

#[test]
fn without_leave_to_look_for_keys_none_is_made_again() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fault(Operation::GetResources, Fault::Deny, 1000);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    assert!(error["message"].as_str().unwrap().contains("tag:GetResources"), "{error}");
    assert_eq!((creations(&daemon), statuses(&daemon)), (1, "PENDING".to_owned()));
    daemon.faults().set(Default::default());
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    assert_eq!(creations(&daemon), 1);
}

#[test]
fn orphans_of_this_deployment_are_listed_page_by_page_and_the_account_is_never_scanned() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    let wallet = daemon.wallet("BTC");
    let tags = |deployment: &str| vec![("kmsignd:deployment".to_owned(), deployment.to_owned())];
    let ours: Vec<String> = (0..120).map(|_| plant(&daemon, KeySpec::EccSecgP256K1, &tags("tests"))).collect();
    plant(&daemon, KeySpec::EccSecgP256K1, &tags("another"));
    plant(&daemon, KeySpec::EccSecgP256K1, &[]);
    wait_until("the orphans are listed", || orphans(&daemon).len() == ours.len());
    let listed = orphans(&daemon);
    assert!(ours.iter().all(|key| listed.iter().any(|orphan| orphan["kmsKeyId"] == json!(key))));
    assert!(listed.iter().all(|orphan| orphan["kmsKeyId"] != wallet["kmsKeyId"]));
    assert!(listed[0]["reason"].as_str().unwrap().contains("kmsignd:wallet-id"), "{}", listed[0]);
    assert_eq!(daemon.ok("admin_status", json!({}))["orphans"]["count"], ours.len());
    assert_eq!(daemon.kms_log(Operation::ListKeys), []);
    assert_eq!(daemon.kms_log(Operation::ScheduleKeyDeletion), []);
    let recorded = daemon.audited("daemon").iter().filter(|record| record.to_string().contains("belongs to no wallet")).count();
    assert_eq!(recorded, ours.len());
    // Whoever schedules its deletion has dealt with it.
    daemon.block_on(kms(&daemon).schedule_key_deletion().key_id(&ours[7]).pending_window_in_days(7).send()).unwrap();
    wait_until("one is listed no more", || orphans(&daemon).len() == ours.len() - 1);
}

#[test]
fn orphan_that_can_not_be_looked_at_again_stays_listed() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    let orphan = plant(&daemon, KeySpec::EccSecgP256K1, &[("kmsignd:deployment".to_owned(), "tests".to_owned())]);
    wait_until("it is listed", || orphans(&daemon).len() == 1);
    daemon.faults().script(Script::next(Operation::DescribeKey, Fault::Deny).times(100).on_key(&orphan));
    let refused =
        || daemon.kms_log(Operation::DescribeKey).iter().filter(|entry| entry.error.is_some() && entry.key.is_some()).count();
    wait_until("two more looks are over", || refused() >= 3);
    assert_eq!(daemon.audited("daemon").iter().filter(|record| record.to_string().contains("orphans no more")).count(), 0);
    assert_eq!(orphans(&daemon)[0]["kmsKeyId"], json!(orphan));
}

#[test]
fn signature_cut_off_by_a_crash_gets_an_unknown_outcome_and_its_request_id_signs_again() {
    let mut daemon = Daemon::start();
    let wallet = daemon.wallet("ETH");
    let asked = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": "11".repeat(32), "requestId": "r" });
    daemon.fault(Operation::Sign, Fault::HangAfter, 1);
    daemon.connect().send("kms_signTransactionHash", &asked);
    wait_until("KMS has signed", || daemon.kms_effects(Operation::Sign) == 1);
    daemon.crash();
    daemon.start_again();
    wait_until("the intent is swept", || daemon.query("SELECT count(*) FROM open_intents") == "0");
    let outcome = daemon.audited("outcome").pop().unwrap();
    assert_eq!((&outcome["outcome"], &outcome["method"]), (&json!("UNKNOWN"), &json!("kms_signTransactionHash")));
    assert_eq!(outcome["walletId"], wallet["walletId"]);
    assert!(outcome["detail"].as_str().unwrap().contains("a signature or a key may exist"), "{outcome}");
    let other = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": "22".repeat(32), "requestId": "r" });
    daemon.fails("CONFLICT", "kms_signTransactionHash", other);
    let signed = daemon.ok("kms_signTransactionHash", asked.clone());
    assert_eq!(daemon.ok("kms_signTransactionHash", asked), signed);
    daemon.assert_audit_is_whole();
}

#[test]
fn sweep_leaves_calls_that_still_run_alone() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("ETH");
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 700)].into());
    let mut caller = daemon.connect();
    caller.send("kms_signTransactionHash", &json!({ "keyId": wallet["kmsKeyId"], "transactionHash": "11".repeat(32) }));
    wait_until("the intent is open", || daemon.query("SELECT count(*) FROM open_intents") == "1");
    assert_eq!(daemon.block_on(daemon.services().store.sweep_unfinished()).unwrap(), 0);
    assert!(caller.receive()["result"]["signature"].is_string());
    assert_eq!(daemon.query("SELECT count(*) FROM open_intents"), "0");
}

/// Gives a key tags that it was not made with, as whoever may tag keys can.
fn tag(daemon: &Daemon, key: &str, tags: &[(String, String)]) {
    let mut request = kms(daemon).tag_resource().key_id(key);
    for (name, value) in tags {
        request = request.tags(Tag::builder().tag_key(name).tag_value(value).build().unwrap());
    }
    daemon.block_on(request.send()).unwrap();
}

fn finding(daemon: &Daemon) -> String {
    daemon.query("SELECT coalesce(max(finding), '') FROM pending_keys")
}

#[test]
fn flood_of_keys_that_claim_one_wallet_hides_no_rival_of_a_planted_key() {
    let daemon = Daemon::start();
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 600_000);
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    let tags = tags_of_the_wallet(&daemon);
    for _ in 0..110 {
        plant(&daemon, KeySpec::EccSecgP256K1, &with_tag(tags.clone(), "kmsignd:user-id", "mallory"));
    }
    plant(&daemon, KeySpec::EccSecgP256K1, &tags);
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 0);
    let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    assert!(error["message"].as_str().unwrap().contains("more than 50 keys"), "{error}");
    assert!(finding(&daemon).contains("more than 50 keys"));
    assert_eq!((statuses(&daemon), daemon.query("SELECT creations FROM pending_keys")), ("PENDING".to_owned(), "1".to_owned()));
}

#[test]
fn key_of_another_wallet_is_never_adopted_and_keeps_no_other_wallet_waiting() {
    let mut daemon = Daemon::start();
    daemon.fault(Operation::CreateKey, Fault::CloseBefore, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    let owner = daemon.wallet("BTC");
    tag(&daemon, owner["kmsKeyId"].as_str().unwrap(), &tags_of_the_wallet(&daemon));
    daemon.fault(Operation::CreateKey, Fault::CloseAfter, 1);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k2"));
    daemon.restart();
    wait_until("the wallet behind it is healed", || statuses(&daemon) == "PENDING,CREATED,CREATED");
    // While the daemon looks by itself, a retry is told just that.
    wait_until("the caller is told what comes", || {
        let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
        error["message"].as_str().unwrap().contains("one more is made")
    });
    assert_eq!(daemon.ok("wallet_get", json!({ "walletId": owner["walletId"] })), owner);
    daemon.wait_until_ready();
}

#[test]
fn no_second_key_is_made_while_the_first_is_there_and_stopped() {
    let mut daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.fault(Operation::CreateKey, Fault::HangAfter, 1);
    daemon.connect().send("wallet_create", &creation("k"));
    wait_until("KMS has made the key", || daemon.kms_effects(Operation::CreateKey) == 1);
    daemon.crash();
    let key = daemon.kms_log(Operation::CreateKey)[0].key.clone().unwrap();
    daemon.block_on(kms(&daemon).disable_key().key_id(&key).send()).unwrap();
    daemon.start_again();
    wait_until("the wallet needs an operator", || finding(&daemon).contains("Disabled in KMS"));
    assert_eq!((creations(&daemon), statuses(&daemon)), (1, "PENDING".to_owned()));
    daemon.block_on(kms(&daemon).enable_key().key_id(&key).send()).unwrap();
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    assert_eq!((creations(&daemon), daemon.query("SELECT kms_key_id FROM wallets")), (1, key));
}

#[test]
fn key_that_claims_a_wallet_and_can_not_be_looked_at_is_for_an_operator() {
    let daemon = Daemon::with_settings(&[("KMSIGND__KEYS__RECONCILE_GRACE_SECONDS", "3")]);
    daemon.fault(Operation::CreateKey, Fault::CloseBefore, 1);
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 600_000);
    daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation("k"));
    let planted = plant(&daemon, KeySpec::EccSecgP256K1, &tags_of_the_wallet(&daemon));
    daemon.faults().script(Script::next(Operation::DescribeKey, Fault::Deny).times(1_000_000).on_key(planted.clone()));
    daemon.faults().change(|switches| switches.lags.tags_lag_ms = 0);
    wait_until("the wallet needs an operator", || finding(&daemon).contains("can't be looked at"));
    assert_eq!((statuses(&daemon), daemon.query("SELECT creations FROM pending_keys")), ("PENDING".to_owned(), "1".to_owned()));
    wait_until("the key is listed", || orphans(&daemon).iter().any(|key| key["kmsKeyId"] == json!(planted)));
    let listed = orphans(&daemon).remove(0);
    assert!(listed["reason"].as_str().unwrap().contains("kms:DescribeKey"), "{listed}");
    assert_eq!(listed["evidence"]["tags"]["kmsignd:user-id"], "user123");
}

#[test]
fn orphan_that_could_not_be_looked_at_again_stays_listed() {
    let daemon = Daemon::with_settings(&SHORT_GRACE);
    let key = plant(&daemon, KeySpec::EccSecgP256K1, &[("kmsignd:deployment".to_owned(), "tests".to_owned())]);
    wait_until("the orphan is listed", || orphans(&daemon).len() == 1);
    daemon.faults().script(Script::next(Operation::DescribeKey, Fault::Internal).times(1_000_000).on_key(key.clone()));
    let asked = || daemon.kms_log(Operation::DescribeKey).iter().filter(|entry| entry.key.as_ref() == Some(&key)).count();
    let before = asked();
    wait_until("it was looked for again", || asked() > before);
    let late = plant(&daemon, KeySpec::EccSecgP256K1, &[("kmsignd:deployment".to_owned(), "tests".to_owned())]);
    wait_until("the other one is listed", || orphans(&daemon).iter().any(|orphan| orphan["kmsKeyId"] == json!(late)));
    assert_eq!(orphans(&daemon).len(), 2);
    let told = daemon.audited("daemon");
    assert!(told.iter().all(|record| !record.to_string().contains("orphans no more")), "{told:?}");
}

#[test]
fn wallet_asked_for_while_the_clock_was_far_ahead_does_not_wait_for_that_time() {
    let mut daemon = Daemon::with_settings(&SHORT_GRACE);
    daemon.fault(Operation::CreateKey, Fault::HangBefore, 1);
    daemon.connect().send("wallet_create", &creation("k"));
    wait_until("KMS was asked", || creations(&daemon) == 1);
    daemon.crash();
    daemon.execute("UPDATE pending_keys SET asked_at = asked_at + 315360000000");
    daemon.start_again();
    wait_until("the wallet is healed", || statuses(&daemon) == "CREATED");
    assert_eq!(creations(&daemon), 2);
}
