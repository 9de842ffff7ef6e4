//! What KMS may do wrong, and which test holds the daemon to what it then must do.
//!
//! | fault | tests |
//! |---|---|
//! | throttled | `wallets::create_wallet_throttled_by_kms_is_retried`, `wallets::create_wallet_throttled_for_too_long_is_told_when_to_retry_and_frees_its_key`, `signing::sign_throttled_for_too_long_is_told_when_to_retry` |
//! | denied | `wallets::create_wallet_denied_by_kms_names_the_iam_action_and_frees_its_key`, `signing::sign_denied_by_kms_names_the_iam_action_and_no_key`, `reconcile::without_leave_to_look_for_keys_none_is_made_again` |
//! | slow, within its time | `kms_faults::slow_answers_within_their_time_are_waited_for` |
//! | slow, past its time | `signing::sign_while_kms_hangs_gives_up_within_the_operations_timeout`, `kms_faults::request_that_arrives_after_the_daemon_gave_up_makes_no_unknown_key` |
//! | away | `signing::sign_with_kms_down_is_unavailable_and_readiness_says_so`, `wallets::create_wallet_with_kms_down_makes_none_and_frees_its_key` |
//! | cut before the effect | `signing::sign_after_a_passing_fault_of_kms_is_retried`, `reconcile::retry_after_a_lost_request_makes_no_second_key_before_the_grace_is_over`, `kms_faults::connections_to_the_emulator_cut_at_any_byte_lose_no_key_and_release_one_signature` |
//! | cut after the effect | the same, `reconcile::retry_after_a_lost_answer_adopts_the_key_that_kms_made` |
//! | 500 | `signing::sign_after_a_passing_fault_of_kms_is_retried`, `reconcile::wallet_whose_request_was_lost_gets_its_key_after_the_grace_without_anybody_asking` |
//! | another key's signature, high S, r of 31 bytes, zero r, S past the order, malformed DER | `signing::sign_with_a_defective_signature_of_kms_releases_it_only_if_it_is_legal` |
//! | a disabled key | `signing::sign_with_a_key_that_kms_has_disabled_is_refused_and_seen_by_wallet_verify` |
//! | a key in another state | `kms_faults::sign_with_a_key_that_kms_is_about_to_delete_is_refused` |
//! | a new key not found | `wallets::create_wallet_whose_new_key_is_hidden_for_a_while_succeeds`, `wallets::create_wallet_whose_public_key_does_not_come_completes_with_the_same_key_later` |
//! | tags that lag | `reconcile::key_whose_tags_lag_is_adopted_when_they_show`, `reconcile::key_that_shows_after_another_took_its_place_is_listed_as_an_orphan` |
//! | a planted key | `reconcile::planted_key_is_never_adopted_and_is_listed_as_an_orphan`, `reconcile::planted_key_that_is_disabled_or_older_than_the_wallet_is_not_adopted` |
//!
//! A replica that is still creating: the daemon makes no multi-Region keys yet, so there is none to meet. The emulator's replicas
//! are (`kms_emulator::replica_is_creating_until_its_lag_is_over`), and Sign's answer to one is a key state like any other.
//!
//! The cuts here are made by a proxy in front of KMS, at any byte, so they run against a KMS that others wrote too.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kmsignd::emulator::{Emulator, EmulatorConfig, Operation};
use serde_json::{Value, json};

use crate::harness::Daemon;
use crate::harness::journal::{Call, Client};
use crate::harness::proxy::{Fault, Kind, Proxy};
use crate::harness::scene::TRIES;
use crate::kms_conformance::{HERE, client};
use crate::signing::{assert_signed, digest};

/// A daemon that reaches some KMS through a proxy alone.
struct Behind {
    daemon: Daemon,
    proxy: Proxy,
    kms: aws_sdk_kms::Client,
    /// Tells our keys from those of others in the same KMS.
    deployment: String,
}

impl Behind {
    fn start(url: &str) -> Self {
        let proxy = Proxy::start(url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap());
        let through = format!("http://{}", proxy.address());
        let deployment = format!("faults-{}", uuid::Uuid::new_v4());
        let daemon = Daemon::with_settings(&[
            ("KMSIGND__KMS__ENDPOINT_URL", &through),
            ("KMSIGND__KMS__TAGGING_ENDPOINT_URL", &through),
            ("KMSIGND__KEYS__DEPLOYMENT", &deployment),
            ("KMSIGND__KEYS__RECONCILE_GRACE_SECONDS", "1"),
        ]);
        Self { daemon, proxy, kms: client(url, HERE), deployment }
    }

    /// Meets the next request of this operation, and no other.
    fn break_next(&self, operation: &str, kind: Kind) {
        self.proxy.set(Fault::new(kind).at(format!("TrentService.{operation}\r\n").as_bytes()).times(1));
    }

    /// Calls until there is a result.
    #[track_caller]
    fn settle(&self, method: &'static str, params: &Value) -> Value {
        let call = Call::new(method, params.clone());
        let settled = Client::new(self.daemon.socket(), Arc::default()).settle(&call, TRIES);
        settled.unwrap_or_else(|| panic!("{call:?} got no answer for good")).unwrap_or_else(|error| panic!("{call:?}: {error}"))
    }

    /// Our keys in KMS, each with the wallet of its tag.
    fn keys(&self) -> Vec<(String, String)> {
        self.daemon.block_on(async {
            let (mut keys, mut pages) = (Vec::new(), self.kms.list_keys().into_paginator().send());
            while let Some(page) = pages.next().await {
                for key in page.unwrap().keys() {
                    let arn = key.key_arn().unwrap().to_owned();
                    let tags = self.kms.list_resource_tags().key_id(&arn).send().await.unwrap();
                    let tag =
                        |name: &str| tags.tags().iter().find(|tag| tag.tag_key() == name).map(|tag| tag.tag_value().to_owned());
                    if tag("kmsignd:deployment").as_ref() == Some(&self.deployment) {
                        keys.push((arn, tag("kmsignd:wallet-id").unwrap_or_default()));
                    }
                }
            }
            keys
        })
    }

    /// Holds if the wallet has its one key, and no other claims to be its.
    #[track_caller]
    fn assert_one_key(&self, wallet: &Value, fault: &dyn std::fmt::Debug) {
        let mut keys = self.keys();
        keys.retain(|(_, id)| wallet["walletId"] == *id);
        let expected = [(wallet["kmsKeyId"].as_str().unwrap().to_owned(), wallet["walletId"].as_str().unwrap().to_owned())];
        assert_eq!(keys, expected, "{fault:?}");
    }
}

fn creation(key: impl ToString) -> Value {
    json!({ "userId": "user123", "asset": "BTC", "idempotencyKey": key.to_string() })
}

fn signing(wallet: &Value, n: usize) -> Value {
    json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(n), "requestId": format!("request {n}") })
}

/// In the head of a request, in its body, before the answer, and within it.
const CUTS: [Kind; 5] = [
    Kind::CutRequest { after: 0 },
    Kind::CutRequest { after: 200 },
    Kind::CutAnswer { after: 0 },
    Kind::CutAnswer { after: 20 },
    Kind::CutAnswer { after: 250 },
];

fn cuts_lose_no_key_and_release_one_signature(url: &str) {
    let behind = Behind::start(url);
    let (daemon, proxy) = (&behind.daemon, &behind.proxy);
    for (n, cut) in CUTS.into_iter().enumerate() {
        behind.break_next("CreateKey", cut.clone());
        let error = daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation(n));
        assert_eq!(error["data"]["retry"], "sameRequestId", "{cut:?}");
        proxy.wait_until_met();
        let wallet = behind.settle("wallet_create", &creation(n));
        assert_eq!(wallet["status"], "CREATED", "{cut:?}");
        behind.assert_one_key(&wallet, &cut);

        behind.break_next("GetPublicKey", cut.clone());
        let wallet = behind.settle("wallet_create", &creation(format!("public key {n}")));
        proxy.wait_until_met();
        behind.assert_one_key(&wallet, &cut);

        behind.break_next("Sign", cut.clone());
        let signed = daemon.ok("kms_signTransactionHash", signing(&wallet, n));
        proxy.wait_until_met();
        assert_signed(&wallet, &digest(n), &signed);
        assert_eq!(daemon.ok("kms_signTransactionHash", signing(&wallet, n)), signed, "{cut:?}: one signature a requestId");
    }
    let wallet = daemon.ok("wallet_create", creation("well"));
    for (n, away) in [Kind::Refuse, Kind::HalfOpen].into_iter().enumerate() {
        proxy.set(Fault::new(away.clone()));
        let n = n + CUTS.len();
        let error = daemon.fails("KMS_UNAVAILABLE", "kms_signTransactionHash", signing(&wallet, n));
        assert_eq!(error["data"]["retry"], "later", "{away:?}");
        proxy.heal();
        let signed = behind.settle("kms_signTransactionHash", &signing(&wallet, n));
        assert_signed(&wallet, &digest(n), &signed);
    }
    daemon.assert_audit_is_whole();
    let wallets: usize = daemon.query("SELECT count(*) FROM wallets WHERE status = 'CREATED'").parse().unwrap();
    assert_eq!(behind.keys().len(), wallets, "no key without its wallet");
    assert_eq!(daemon.query("SELECT count(*) FROM wallets WHERE status <> 'CREATED'"), "0");
}

#[test]
fn connections_to_the_emulator_cut_at_any_byte_lose_no_key_and_release_one_signature() {
    with_emulator(cuts_lose_no_key_and_release_one_signature);
}

#[test]
fn connections_to_ministack_cut_at_any_byte_lose_no_key_and_release_one_signature() {
    with_ministack(cuts_lose_no_key_and_release_one_signature);
}

/// The request waits in the network until the daemon has given it up, and then KMS carries it out.
fn late_request_makes_no_unknown_key(url: &str) {
    let behind = Behind::start(url);
    let daemon = &behind.daemon;
    daemon.ok("wallet_create", creation("first"));
    for round in 0..2 {
        behind.proxy.set(Fault::new(Kind::HalfOpen).at(b"TrentService.CreateKey\r\n"));
        daemon.fails("KMS_OUTCOME_UNKNOWN", "wallet_create", creation(round));
        behind.proxy.heal();
        let wallet = behind.settle("wallet_create", &creation(round));
        let mut keys: Vec<String> =
            behind.keys().into_iter().filter(|(_, id)| wallet["walletId"] == *id).map(|(arn, _)| arn).collect();
        keys.retain(|key| wallet["kmsKeyId"] != *key);
        // If the grace was over before it arrived, another took its place.
        for key in keys {
            let listed = || daemon.query(&format!("SELECT count(*) FROM orphans WHERE kms_key_id = '{key}'")) == "1";
            crate::harness::wait_until("the late key is listed", listed);
        }
    }
}

#[test]
fn request_that_arrives_after_the_daemon_gave_up_makes_no_unknown_key() {
    with_emulator(late_request_makes_no_unknown_key);
}

#[test]
fn request_to_ministack_that_arrives_after_the_daemon_gave_up_makes_no_unknown_key() {
    with_ministack(late_request_makes_no_unknown_key);
}

#[test]
fn slow_answers_within_their_time_are_waited_for() {
    const DELAY: Duration = Duration::from_millis(100);
    with_emulator(|url| {
        let behind = Behind::start(url);
        behind.proxy.set(Fault::new(Kind::Slow(DELAY)));
        let started = Instant::now();
        let wallet = behind.daemon.ok("wallet_create", creation("k"));
        let signed = behind.daemon.ok("kms_signTransactionHash", signing(&wallet, 1));
        assert!(started.elapsed() > 3 * DELAY, "it was slow");
        assert_signed(&wallet, &digest(1), &signed);
        behind.assert_one_key(&wallet, &"slow");
    });
}

#[test]
fn sign_with_a_key_that_kms_is_about_to_delete_is_refused() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let kms = client(daemon.kms_endpoint(), HERE);
    daemon.block_on(kms.schedule_key_deletion().key_id(wallet["kmsKeyId"].as_str().unwrap()).send()).unwrap();
    let error = daemon.fails("KMS_REFUSED", "kms_signTransactionHash", signing(&wallet, 1));
    assert!(error["message"].as_str().unwrap().contains("KMSInvalidStateException"), "{error}");
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 1, "it is not retried");
    daemon.block_on(kms.cancel_key_deletion().key_id(wallet["kmsKeyId"].as_str().unwrap()).send()).unwrap();
    daemon.block_on(kms.enable_key().key_id(wallet["kmsKeyId"].as_str().unwrap()).send()).unwrap();
    assert_signed(&wallet, &digest(1), &daemon.ok("kms_signTransactionHash", signing(&wallet, 1)));
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let table = include_str!("kms_faults.rs").lines().take_while(|line| line.starts_with("//!"));
    let mut named = 0;
    for name in table.flat_map(|line| line.split('`').skip(1).step_by(2)).filter(|name| name.contains("::")) {
        let (module, test) = name.split_once("::").unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/{module}.rs"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains(&format!("fn {test}()")), "{name} is not there");
        named += 1;
    }
    assert!(named > 20, "{named}");
}

fn with_emulator(test: impl FnOnce(&str)) {
    let runtime = crate::harness::runtime();
    let emulator = runtime.block_on(Emulator::start(EmulatorConfig::default())).unwrap();
    test(&emulator.endpoint_url());
    runtime.block_on(emulator.shutdown());
}

fn with_ministack(test: impl FnOnce(&str)) {
    match std::env::var("KMSIGND_TEST_MINISTACK_URL") {
        Ok(url) => test(&url),
        Err(_) => crate::skipped("faults between the daemon and ministack", "see tests/kms/ministack.sh"),
    }
}
