//! Disabling, enabling, deletion and its cancellation: what is answered acts at once, and KMS follows whatever happens between.

mod late;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aws_sdk_kms::types::KeyState;
use kmsignd::emulator::{Fault, Operation};
use kmsignd::wallets::lifecycle::{Event, Status, next};
use serde_json::{Value, json};

use crate::harness::caller::assert_is;
use crate::harness::{Daemon, wait_until};
use crate::kms_conformance::{HERE, client, state};
use crate::signing::{assert_signed, digest};

const SIGN: &str = "kms_signTransactionHash";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where deletion is allowed.
fn daemon() -> Daemon {
    Daemon::with_settings(&[("KMSIGND__KEYS__ALLOW_DELETION", "true")])
}

/// The four methods, each with the event that it is.
fn changes(wallet: &Value) -> [(&'static str, Event, Value); 4] {
    let switch = json!({ "walletId": wallet["walletId"], "reason": "a test" });
    [
        ("wallet_disable", Event::Disable, switch.clone()),
        ("wallet_enable", Event::Enable, switch),
        ("kms_deleteKey", Event::ScheduleDeletion, json!({ "keyId": wallet["kmsKeyId"], "confirm": wallet["address"] })),
        ("kms_cancelKeyDeletion", Event::CancelDeletion, json!({ "keyId": wallet["kmsKeyId"] })),
    ]
}

#[track_caller]
fn change(daemon: &Daemon, wallet: &Value, event: Event) -> Value {
    let (method, _, params) = changes(wallet).into_iter().find(|(_, of, _)| *of == event).unwrap();
    daemon.ok(method, params)
}

fn signing(wallet: &Value, number: usize) -> Value {
    json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(number), "requestId": format!("request {number}") })
}

fn status(daemon: &Daemon, wallet: &Value) -> Value {
    daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }))["status"].take()
}

fn in_kms(daemon: &Daemon, wallet: &Value) -> KeyState {
    daemon.block_on(state(&client(daemon.kms_endpoint(), HERE), wallet["kmsKeyId"].as_str().unwrap())).unwrap()
}

/// KMS's own time of the key's deletion, in milliseconds.
fn deletion_in_kms(daemon: &Daemon, wallet: &Value) -> u64 {
    let described = client(daemon.kms_endpoint(), HERE).describe_key().key_id(wallet["kmsKeyId"].as_str().unwrap());
    let metadata = daemon.block_on(described.send()).unwrap().key_metadata.unwrap();
    metadata.deletion_date.unwrap().to_millis().unwrap().try_into().unwrap()
}

#[test]
fn every_change_in_every_state_is_as_the_diagram_says() {
    for from in Status::ALL {
        for (place, event) in
            [Event::Disable, Event::Enable, Event::ScheduleDeletion, Event::CancelDeletion].into_iter().enumerate()
        {
            let mut daemon = daemon();
            let wallet = if from == Status::Pending {
                // Its key is named and not proven, and stays so.
                daemon.fault(Operation::GetPublicKey, Fault::Deny, 1_000_000);
                daemon.call("wallet_create", json!({ "userId": "user123", "asset": "BTC" })).unwrap_err();
                let column = |name: &str| daemon.query(&format!("SELECT {name} FROM wallets"));
                json!({ "walletId": column("wallet_id"), "kmsKeyId": column("kms_key_id"), "address": "none" })
            } else {
                daemon.wallet("BTC")
            };
            match from {
                Status::Pending | Status::Created => {}
                Status::Disabled => drop(change(&daemon, &wallet, Event::Disable)),
                Status::PendingDeletion => drop(change(&daemon, &wallet, Event::ScheduleDeletion)),
                Status::Deleted | Status::Failed => {
                    daemon.stop();
                    daemon.execute(&format!("UPDATE wallets SET status = '{from}'"));
                    daemon.start_again();
                }
            }
            let before = daemon.audit().len();
            let (method, _, params) = changes(&wallet)[place].clone();
            let outcome = daemon.call(method, params);
            match next(from, event) {
                Some(to) => {
                    let answer = outcome.unwrap_or_else(|error| panic!("{from} {event:?}: {error}"));
                    assert_eq!(answer["status"], to.as_str(), "{from} {event:?}");
                    assert_eq!(status(&daemon, &wallet), to.as_str(), "{from} {event:?}");
                    daemon.wait_for_key_drives();
                    assert_eq!(in_kms(&daemon, &wallet).as_str(), to.key_state().unwrap().as_str(), "{from} {event:?}");
                }
                None => {
                    let error = outcome.expect_err(&format!("{from} {event:?}"));
                    assert_is("KEY_NOT_USABLE", &error);
                    assert_eq!(error["data"]["status"], from.as_str(), "{from} {event:?}");
                    assert_eq!(status(&daemon, &wallet), from.as_str(), "{from} {event:?}");
                    let recorded =
                        daemon.audit()[before..].iter().filter(|record| record["method"] == method).cloned().collect::<Vec<_>>();
                    assert_eq!(recorded.len(), 1, "{from} {event:?}: {recorded:?}");
                    assert_eq!((&recorded[0]["kind"], &recorded[0]["outcome"]), (&json!("refusal"), &json!("KEY_NOT_USABLE")));
                }
            }
        }
    }
}

#[test]
fn disable_stops_signing_at_once_and_enable_lets_it_sign_again() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    // KMS does not hear of it.
    daemon.fault(Operation::DisableKey, Fault::HangBefore, 1000);
    let disabled = daemon.ok("wallet_disable", json!({ "walletId": wallet["walletId"], "reason": "ticket 4711" }));
    let mut expected = wallet.clone();
    expected["status"] = json!("DISABLED");
    expected["version"] = json!(wallet["version"].as_u64().unwrap() + 1);
    assert_eq!(disabled, expected);
    let error = daemon.fails("KEY_NOT_USABLE", SIGN, signing(&wallet, 1));
    assert_eq!(error["data"]["status"], "DISABLED");
    assert_eq!(in_kms(&daemon, &wallet), KeyState::Enabled, "KMS was not waited for");
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 0);
    let records: Vec<_> = daemon.audit().into_iter().filter(|record| record["method"] == "wallet_disable").collect();
    let kinds: Vec<_> = records.iter().map(|record| (record["kind"].clone(), record["reason"].clone())).collect();
    assert_eq!(kinds, [(json!("intent"), json!("ticket 4711")), (json!("outcome"), json!("ticket 4711"))]);
    assert_eq!(records[1]["intent"], records[0]["sequence"]);
    assert_eq!(daemon.query("SELECT count(*) FROM outbox WHERE version = 3"), "1", "MongoDB is to hear of it");

    daemon.faults().set(Default::default());
    daemon.wait_for_key_drives();
    assert_eq!(in_kms(&daemon, &wallet), KeyState::Disabled);
    assert_eq!(change(&daemon, &wallet, Event::Enable)["status"], "CREATED");
    daemon.wait_for_key_drives();
    assert_signed(&wallet, &digest(1), &daemon.ok(SIGN, signing(&wallet, 1)));
    daemon.assert_audit_is_whole();
}

#[test]
fn every_drive_is_in_the_audit_with_kmss_request_ids() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    let drives: [(Event, &[Operation], &str); 4] = [
        (Event::Disable, &[Operation::DisableKey], "Disabled"),
        (Event::Enable, &[Operation::EnableKey], "Enabled"),
        (Event::ScheduleDeletion, &[Operation::ScheduleKeyDeletion], "PendingDeletion"),
        (Event::CancelDeletion, &[Operation::CancelKeyDeletion], "Disabled"),
    ];
    for (event, operations, word) in drives {
        daemon.emulator().log().clear();
        change(&daemon, &wallet, event);
        daemon.wait_for_key_drives();
        let record = daemon.audited("daemon").pop().unwrap();
        assert_eq!(record["walletId"], wallet["walletId"]);
        assert!(record["detail"].as_str().unwrap().contains(&format!("the key is {word} in KMS")), "{record}");
        let ids: Vec<_> = record["kmsRequestIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        for operation in operations {
            assert_eq!(daemon.kms_effects(*operation), 1, "{event:?} {operation:?}");
            assert!(daemon.kms_log(*operation).iter().all(|entry| ids.contains(&entry.request_id.as_str())), "{record}");
        }
        let last =
            daemon.emulator().log().entries().into_iter().rfind(|entry| entry.key.as_deref() == wallet["kmsKeyId"].as_str());
        assert_eq!(last.unwrap().operation, Operation::DescribeKey, "KMS confirms it");
    }
}

#[test]
fn signature_in_flight_when_its_wallet_is_stopped_is_withheld() {
    for event in [Event::Disable, Event::ScheduleDeletion] {
        let daemon = daemon();
        let wallet = daemon.wallet("BTC");
        daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 800)].into());
        // KMS does not hear of it, and signs.
        for operation in [Operation::DisableKey, Operation::ScheduleKeyDeletion] {
            daemon.fault(operation, Fault::HangBefore, 1000);
        }
        let mut caller = daemon.connect();
        caller.send(SIGN, &signing(&wallet, 1));
        wait_until("the intent is there", || daemon.audited("intent").len() == 2);
        change(&daemon, &wallet, event);
        let error = caller.receive()["error"].take();
        assert_is("KEY_NOT_USABLE", &error);
        assert!(!error.to_string().contains("signature\":"), "{error}");
        assert_eq!(daemon.kms_effects(Operation::Sign), 1, "{event:?}: KMS did sign");
        let outcome = daemon.audited("outcome").into_iter().rfind(|record| record["method"] == SIGN).unwrap();
        assert_eq!(outcome["outcome"], "KEY_NOT_USABLE");
        assert_eq!(outcome["kmsRequestIds"], json!([daemon.kms_log(Operation::Sign)[0].request_id]));
        assert_eq!(
            daemon.query("SELECT count(*) FROM requests WHERE method = 'kms_signTransactionHash'"),
            "1",
            "KMS signed it: the requestId stays with its content, as under a freeze"
        );

        daemon.faults().set(Default::default());
        if event == Event::ScheduleDeletion {
            change(&daemon, &wallet, Event::CancelDeletion);
        }
        change(&daemon, &wallet, Event::Enable);
        daemon.wait_for_key_drives();
        assert_signed(&wallet, &digest(1), &daemon.ok(SIGN, signing(&wallet, 1)));
    }
}

#[test]
fn race_of_disabling_and_signing_releases_nothing_after_the_change() {
    const SIGNERS: usize = 4;
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    let stopped = AtomicBool::new(false);
    for round in 0..3 {
        stopped.store(false, Ordering::SeqCst);
        let signed_after: usize = thread::scope(|scope| {
            let signers: Vec<_> = (0..SIGNERS)
                .map(|signer| {
                    let (daemon, wallet, stopped) = (&daemon, &wallet, &stopped);
                    scope.spawn(move || {
                        let mut caller = daemon.connect();
                        let mut wrong = 0;
                        for n in 0.. {
                            let after = stopped.load(Ordering::SeqCst);
                            let number = (round * SIGNERS + signer) * 1_000_000 + n;
                            match caller.call(SIGN, signing(wallet, number)) {
                                Ok(_) if after => wrong += 1,
                                Ok(_) => {}
                                // Let through before the change, and refused by KMS after it has followed.
                                Err(error) if !after && error["data"]["kind"] == "KMS_REFUSED" => {}
                                Err(error) => assert_is("KEY_NOT_USABLE", &error),
                            }
                            if after {
                                break;
                            }
                        }
                        wrong
                    })
                })
                .collect();
            let before = daemon.audited("outcome").len();
            wait_until("signatures are made", || daemon.audited("outcome").len() > before + 20);
            change(&daemon, &wallet, Event::Disable);
            stopped.store(true, Ordering::SeqCst);
            signers.into_iter().map(|signer| signer.join().unwrap()).sum()
        });
        assert_eq!(signed_after, 0);
        let audit = daemon.audit();
        let disabled = audit.iter().rposition(|record| record["method"] == "wallet_disable").unwrap();
        let late = audit[disabled..].iter().filter(|record| record["method"] == SIGN && record["outcome"] == "success");
        assert_eq!(late.count(), 0, "a signature was released after the change");
        change(&daemon, &wallet, Event::Enable);
        daemon.wait_for_key_drives();
    }
    daemon.assert_audit_is_whole();
}

#[test]
fn change_cut_off_by_a_crash_before_or_after_kms_is_driven_after_the_restart() {
    let steps = [
        (Event::Disable, Operation::DisableKey, KeyState::Disabled),
        (Event::Enable, Operation::EnableKey, KeyState::Enabled),
        (Event::ScheduleDeletion, Operation::ScheduleKeyDeletion, KeyState::PendingDeletion),
        (Event::CancelDeletion, Operation::CancelKeyDeletion, KeyState::Disabled),
    ];
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let mut daemon = daemon();
        let wallet = daemon.wallet("BTC");
        for (event, operation, expected) in &steps {
            daemon.fault(*operation, fault, 1);
            let answer = change(&daemon, &wallet, *event);
            daemon.wait_for_faults();
            daemon.crash();
            daemon.start_again();
            assert_eq!(status(&daemon, &wallet), answer["status"], "{event:?}: what was answered holds");
            daemon.wait_for_key_drives();
            assert_eq!(in_kms(&daemon, &wallet), *expected, "{event:?} {fault:?}");
            assert_eq!(
                daemon.kms_effects(*operation),
                if fault == Fault::HangAfter && *event != Event::ScheduleDeletion && *event != Event::CancelDeletion {
                    2
                } else {
                    1
                },
                "{event:?} {fault:?}"
            );
            daemon.emulator().log().clear();
        }
        daemon.assert_audit_is_whole();
    }
}

#[test]
fn change_while_kms_is_down_is_answered_and_driven_once_it_is_back() {
    let daemon = daemon();
    let (one, other) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    daemon.fault(Operation::DescribeKey, Fault::CloseBefore, 1_000_000);
    daemon.fault(Operation::DisableKey, Fault::CloseBefore, 1_000_000);
    for wallet in [&one, &other] {
        assert_eq!(change(&daemon, wallet, Event::Disable)["status"], "DISABLED");
        daemon.fails("KEY_NOT_USABLE", SIGN, signing(wallet, 1));
    }
    let drives = || daemon.ok("admin_status", json!({}))["keyDrives"].take();
    wait_until("status tells why", || drives()["lastError"].is_string());
    let told = drives();
    assert_eq!(told["count"], 2);
    assert!(told["oldest"].as_str().unwrap().starts_with("20"), "{told}");
    assert!(!told.to_string().contains("arn:"), "{told}");
    daemon.faults().set(Default::default());
    daemon.wait_for_key_drives();
    assert_eq!((in_kms(&daemon, &one), in_kms(&daemon, &other)), (KeyState::Disabled, KeyState::Disabled));
    assert_eq!(drives(), json!({ "count": 0, "oldest": null, "lastError": null }));
}

#[test]
fn changes_one_upon_the_other_end_in_kms_as_they_end_here() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    for lag in [0, 700] {
        daemon.faults().change(|switches| switches.lags.key_state_lag_ms = lag);
        for (events, expected) in [
            (&[Event::Disable, Event::Enable][..], KeyState::Enabled),
            (&[Event::Disable, Event::Enable, Event::Disable], KeyState::Disabled),
            (&[Event::ScheduleDeletion, Event::CancelDeletion, Event::Enable], KeyState::Enabled),
            (&[Event::ScheduleDeletion, Event::CancelDeletion, Event::ScheduleDeletion], KeyState::PendingDeletion),
            (&[Event::CancelDeletion, Event::Enable, Event::Disable, Event::Enable], KeyState::Enabled),
        ] {
            for event in events {
                change(&daemon, &wallet, *event);
            }
            daemon.wait_for_key_drives();
            wait_until("KMS shows it", || in_kms(&daemon, &wallet) == expected);
            // What comes late stays so.
            let spread = std::time::Instant::now() + Duration::from_millis(lag);
            wait_until("it has spread", || std::time::Instant::now() >= spread);
            assert_eq!(in_kms(&daemon, &wallet), expected, "{events:?} {lag}");
        }
    }
    daemon.assert_audit_is_whole();
}

#[test]
fn enable_of_a_quarantined_wallet_is_refused_with_the_reason() {
    let mut daemon = daemon();
    let wallet = daemon.wallet("BTC");
    change(&daemon, &wallet, Event::Disable);
    daemon.wait_for_key_drives();
    daemon.stop();
    daemon.execute("INSERT INTO quarantine SELECT wallet_id, 'the public key is another', 1 FROM wallets");
    daemon.start_again();
    let error = daemon.fails("KEY_NOT_USABLE", "wallet_enable", json!({ "walletId": wallet["walletId"], "reason": "r" }));
    assert!(error["message"].as_str().unwrap().contains("the public key is another"), "{error}");
    assert_eq!(error["data"]["status"], "DISABLED");
    let error =
        daemon.fails("KEY_NOT_USABLE", "kms_deleteKey", json!({ "keyId": wallet["kmsKeyId"], "confirm": wallet["address"] }));
    assert!(error["message"].as_str().unwrap().contains("quarantine"), "its key may be anybody's: {error}");
    assert_eq!(status(&daemon, &wallet), "DISABLED");
    assert_eq!(daemon.kms_log(Operation::EnableKey).len() + daemon.kms_log(Operation::ScheduleKeyDeletion).len(), 0);
}

#[test]
fn sign_before_kms_has_followed_an_enabling_is_told_to_come_back() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    change(&daemon, &wallet, Event::Disable);
    daemon.wait_for_key_drives();
    daemon.fault(Operation::EnableKey, Fault::Throttle, 1_000_000);
    change(&daemon, &wallet, Event::Enable);
    let error = daemon.fails("KMS_UNAVAILABLE", SIGN, signing(&wallet, 1));
    assert!(error["message"].as_str().unwrap().contains("has not followed"), "{error}");
    daemon.faults().set(Default::default());
    daemon.wait_for_key_drives();
    assert_signed(&wallet, &digest(1), &daemon.ok(SIGN, signing(&wallet, 1)));
}

#[test]
fn delete_while_deletion_is_off_is_denied_and_says_what_to_set() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let params = json!({ "keyId": wallet["kmsKeyId"], "confirm": wallet["address"] });
    let error = daemon.fails("DENIED", "kms_deleteKey", params);
    assert!(error["message"].as_str().unwrap().contains("[keys] allow_deletion"), "{error}");
    assert_eq!(daemon.audited("refusal").pop().unwrap()["outcome"], "DENIED");
    assert_eq!(status(&daemon, &wallet), "CREATED");
    assert_eq!(daemon.query("SELECT count(*) FROM key_drives"), "0");
}

#[test]
fn delete_without_the_wallets_own_address_typed_back_is_refused() {
    let daemon = daemon();
    let (wallet, other) = (daemon.wallet("ETH"), daemon.wallet("ETH"));
    let address = wallet["address"].as_str().unwrap();
    let typed = [
        Value::Null,
        json!(""),
        json!(format!("{address} ")),
        json!(address.to_lowercase()),
        json!(address[..address.len() - 1]),
        other["address"].clone(),
        wallet["walletId"].clone(),
        json!(true),
    ];
    for confirm in typed {
        let error = daemon.fails("INVALID_PARAMS", "kms_deleteKey", json!({ "keyId": wallet["kmsKeyId"], "confirm": confirm }));
        assert_eq!(error["data"]["field"], "confirm", "{confirm}: {error}");
        assert!(!error.to_string().contains(address), "{error}");
    }
    daemon.fails("INVALID_PARAMS", "kms_deleteKey", json!({ "keyId": wallet["kmsKeyId"] }));
    assert_eq!(daemon.audited("refusal").len(), 6, "each that could be read is recorded");
    assert_eq!((status(&daemon, &wallet), status(&daemon, &other)), (json!("CREATED"), json!("CREATED")));
    assert_eq!(daemon.kms_log(Operation::ScheduleKeyDeletion).len(), 0);
}

#[test]
fn delete_takes_the_window_of_the_call_or_of_the_configuration() {
    let daemon =
        Daemon::with_settings(&[("KMSIGND__KEYS__ALLOW_DELETION", "true"), ("KMSIGND__KEYS__DELETION_WINDOW_DAYS", "9")]);
    for (given, days) in [(None, 9), (Some(7), 7), (Some(30), 30)] {
        let wallet = daemon.wallet("BTC");
        let before = now_millis();
        let params = json!({ "keyId": wallet["kmsKeyId"], "confirm": wallet["address"], "pendingWindowInDays": given, "reason": "closed" });
        let answer = daemon.ok("kms_deleteKey", params);
        assert_eq!((&answer["keyId"], &answer["status"]), (&wallet["kmsKeyId"], &json!("PENDING_DELETION")));
        let record = daemon.audited("intent").pop().unwrap();
        assert_eq!(record["reason"], "closed");
        assert!(record["detail"].as_str().unwrap().contains(&format!("{days} days")), "{record}");
        daemon.fails("KEY_NOT_USABLE", SIGN, signing(&wallet, 1));
        daemon.wait_for_key_drives();
        let in_kms = deletion_in_kms(&daemon, &wallet);
        let window = DAY.as_millis() as u64 * days;
        assert!(in_kms >= before / 1000 * 1000 + window && in_kms <= now_millis() + window, "{in_kms} {before}");
        let shown = daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }))["deletionDate"].take();
        let stored = daemon
            .query(&format!("SELECT deletion_date FROM wallets WHERE wallet_id = {}", wallet["walletId"]).replace('"', "'"));
        assert_eq!(stored, in_kms.to_string(), "KMS's own time is the one that counts");
        assert!(shown.as_str().is_some_and(|date| date.starts_with("20")), "{shown}");
    }
}

fn now_millis() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

#[test]
fn delete_of_a_key_that_was_scheduled_for_earlier_is_scheduled_anew() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    let kms = client(daemon.kms_endpoint(), HERE);
    let key = wallet["kmsKeyId"].as_str().unwrap();
    daemon.block_on(kms.schedule_key_deletion().key_id(key).pending_window_in_days(7).send()).unwrap();
    let params = json!({ "keyId": key, "confirm": wallet["address"], "pendingWindowInDays": 30 });
    daemon.ok("kms_deleteKey", params);
    daemon.wait_for_key_drives();
    assert!(deletion_in_kms(&daemon, &wallet) > now_millis() + 29 * DAY.as_millis() as u64, "never before what was answered");
}

#[test]
fn deletion_whose_window_nobody_knows_any_more_takes_the_longest() {
    let mut daemon = daemon();
    let wallet = daemon.wallet("BTC");
    daemon.stop();
    daemon.execute("UPDATE wallets SET status = 'PENDING_DELETION', deletion_date = 1; INSERT INTO key_drives SELECT wallet_id, 'PendingDeletion', NULL, version, 1, NULL FROM wallets");
    daemon.start_again();
    daemon.wait_for_key_drives();
    assert!(deletion_in_kms(&daemon, &wallet) > now_millis() + 29 * DAY.as_millis() as u64);
}

#[test]
fn delete_that_iam_denies_names_the_action_and_is_driven_once_it_may() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    daemon.fault(Operation::ScheduleKeyDeletion, Fault::Deny, 1_000_000);
    change(&daemon, &wallet, Event::ScheduleDeletion);
    let last_error = || daemon.ok("admin_status", json!({}))["keyDrives"]["lastError"].take();
    wait_until("status tells why", || last_error().is_string());
    assert!(last_error().as_str().unwrap().contains("kms:ScheduleKeyDeletion"), "{}", last_error());
    wait_until("it was tried again", || daemon.kms_log(Operation::ScheduleKeyDeletion).len() > 1);
    let told = |record: &Value| record["detail"].as_str().is_some_and(|detail| detail.contains("kms:ScheduleKeyDeletion"));
    assert_eq!(daemon.audited("daemon").iter().filter(|record| told(record)).count(), 1, "it is recorded once");
    assert_eq!(status(&daemon, &wallet), "PENDING_DELETION");
    daemon.faults().set(Default::default());
    daemon.wait_for_key_drives();
    assert_eq!(in_kms(&daemon, &wallet), KeyState::PendingDeletion);
}

#[test]
fn cancel_leaves_the_wallet_disabled_as_kms_leaves_the_key() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    change(&daemon, &wallet, Event::ScheduleDeletion);
    daemon.wait_for_key_drives();
    let saved = change(&daemon, &wallet, Event::CancelDeletion);
    assert_eq!((&saved["status"], saved.get("deletionDate")), (&json!("DISABLED"), None));
    daemon.wait_for_key_drives();
    assert_eq!(in_kms(&daemon, &wallet), KeyState::Disabled);
    assert_eq!(daemon.kms_log(Operation::EnableKey).len(), 0, "nobody asked for that");
    change(&daemon, &wallet, Event::Enable);
    daemon.wait_for_key_drives();
    assert_signed(&wallet, &digest(1), &daemon.ok(SIGN, signing(&wallet, 1)));
}

#[test]
fn wallet_whose_window_has_ended_is_deleted_once_kms_knows_its_key_no_more() {
    let mut daemon = daemon();
    let (deleted, kept) = (daemon.wallet("BTC"), daemon.wallet("BTC"));
    for wallet in [&deleted, &kept] {
        change(&daemon, wallet, Event::ScheduleDeletion);
    }
    daemon.wait_for_key_drives();
    change(&daemon, &kept, Event::CancelDeletion);
    daemon.wait_for_key_drives();
    daemon.stop();
    let due = format!("UPDATE wallets SET deletion_date = 1 WHERE wallet_id = '{}'", deleted["walletId"].as_str().unwrap());
    daemon.execute(&due);
    daemon.emulator().log().clear();
    daemon.start_again();
    let key = deleted["kmsKeyId"].as_str();
    let asked =
        |daemon: &Daemon| daemon.kms_log(Operation::DescribeKey).iter().filter(|entry| entry.key.as_deref() == key).count();
    wait_until("KMS was asked", || asked(&daemon) > 0);
    assert_eq!(status(&daemon, &deleted), "PENDING_DELETION", "KMS takes up to a day longer");

    daemon.advance_kms(8 * DAY);
    daemon.restart();
    wait_until("it is deleted", || status(&daemon, &deleted) == "DELETED");
    assert_eq!(status(&daemon, &kept), "DISABLED");
    let record = daemon.audited("daemon").pop().unwrap();
    assert_eq!(record["walletId"], deleted["walletId"]);
    assert!(record["detail"].as_str().unwrap().contains("KMS has deleted the key"), "{record}");
    assert_eq!(record["kmsRequestIds"].as_array().unwrap().len(), 1);
    let versions = "SELECT count(*) FROM wallets JOIN outbox USING (wallet_id, version) WHERE status = 'DELETED'";
    assert_eq!(daemon.query(versions), "1", "MongoDB is to hear of it");
    daemon.fails("KEY_NOT_USABLE", SIGN, signing(&deleted, 1));
    daemon.assert_audit_is_whole();
}

#[test]
fn repeat_of_a_change_gets_its_answer_and_changes_nothing_again() {
    let mut daemon = daemon();
    let wallet = daemon.wallet("BTC");
    let with_id = |event: Event, reason: Value| {
        let (method, _, mut params) = changes(&wallet).into_iter().find(|(_, of, _)| *of == event).unwrap();
        params["requestId"] = json!("r");
        if event != Event::CancelDeletion {
            params["reason"] = reason;
        }
        (method, params)
    };
    let mut answers = Vec::new();
    for event in [Event::Disable, Event::ScheduleDeletion, Event::CancelDeletion, Event::Enable] {
        let (method, params) = with_id(event, json!("first"));
        answers.push((event, daemon.connect().result_text(method, &params)));
    }
    daemon.wait_for_key_drives();
    let versions = |daemon: &Daemon| daemon.query("SELECT version FROM wallets");
    let before = versions(&daemon);
    for _ in 0..2 {
        for (event, answer) in &answers {
            let (method, params) = with_id(*event, json!("first"));
            assert_eq!(daemon.connect().result_text(method, &params), *answer, "{event:?}");
            if *event == Event::CancelDeletion {
                continue;
            }
            let (method, other) = with_id(*event, json!("second"));
            assert_eq!(daemon.fails("CONFLICT", method, other)["data"]["field"], "requestId");
        }
        assert_eq!((versions(&daemon), status(&daemon, &wallet)), (before.clone(), json!("CREATED")));
        assert_eq!(daemon.query("SELECT count(*) FROM key_drives"), "0", "KMS is not asked again");
        daemon.restart();
    }
    // A refusal binds nothing.
    let refused = json!({ "walletId": wallet["walletId"], "reason": "x", "requestId": "new" });
    daemon.fails("KEY_NOT_USABLE", "wallet_enable", refused.clone());
    change(&daemon, &wallet, Event::Disable);
    daemon.ok("wallet_enable", refused);
}

#[test]
fn change_whose_record_cannot_be_written_is_not_made() {
    let daemon = daemon();
    let wallet = daemon.wallet("BTC");
    daemon.wait_until_ready();
    let blocker = daemon.database();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (method, _, params) in changes(&wallet).into_iter().take(1) {
        daemon.fails("AUDIT_UNAVAILABLE", method, params);
    }
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(status(&daemon, &wallet), "CREATED");
    assert_eq!(daemon.query("SELECT count(*) FROM key_drives"), "0");
    wait_until("it can be written again", || daemon.call("wallet_disable", changes(&wallet)[0].2.clone()).is_ok());
}
