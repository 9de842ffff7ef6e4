//! Kills the daemon at every crash point in turn, starts it again, repeats every call that was under way, and holds what is
//! left to the promises (harness/promises.rs).
//!
//! A case is a scenario and a point on its way. A point that its scenario does not reach is a failure, and so is a point that
//! no scenario has. SIGKILL keeps what the kernel has; that a commit outlives the machine's power is SQLite's `synchronous=FULL`.

mod families;
mod restore;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::thread;

use aws_sdk_kms::types::{KeySpec, KeyUsageType, Tag};
use kmsignd::crash_points::CrashPoint::{self, *};
use kmsignd::emulator::{Fault, Operation, Switches};
use mongodb::bson::doc;
use nix::libc::SIGKILL;
use serde_json::{Value, json};

use crate::harness::journal::{Call, is_passing};
use crate::harness::promises::check_promises;
use crate::harness::scene::{CRASH_AT, DEPLOYMENT, Scene};
use crate::harness::wait_until;
use crate::harness::{mongo, proxy};
use crate::kms_conformance::{HERE, client};
use crate::method_examples::{evm_payment, psbt_paying};
use crate::signing::digest;

/// Most of a case is waiting, for a disk or for a process.
const AT_ONCE: usize = 4;

/// What an armed daemon is given to do.
struct Scenario {
    name: &'static str,
    /// Sets the scene with a daemon that nothing happens to, and leaves it killed. Gives the calls for the armed one, which may
    /// be none: the daemon has work of its own too.
    prepare: fn(&mut Scene) -> Vec<Call>,
    /// Whether its wallets are copied to MongoDB. It begins with one that can't be reached.
    mongodb: bool,
    /// Each point on the way, and the how manieth reach of it is meant.
    points: &'static [(CrashPoint, u32)],
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "create",
        prepare: |_| vec![creation("k")],
        mongodb: false,
        points: &[
            (StartRecorded, 1),
            (BeforeProbe, 1),
            (AfterProbe, 1),
            (IntentQueued, 1),
            (IntentDurable, 1),
            (BeforeCreateKey, 1),
            (AfterCreateKey, 1),
            (BeforeGetPublicKey, 1),
            (AfterGetPublicKey, 1),
            (KeyProven, 1),
            (OutcomeQueued, 1),
            (OutcomeDurable, 1),
            (BeforeReply, 1),
        ],
    },
    Scenario {
        name: "create a base address",
        prepare: |scene| {
            let stake = wallet_of(scene, "ADA");
            let params =
                json!({ "userId": "user123", "asset": "ADA", "stakeWalletId": stake["walletId"], "idempotencyKey": "k" });
            vec![Call::new("wallet_create", params)]
        },
        mongodb: false,
        points: &[(IntentDurable, 1), (AfterCreateKey, 1), (KeyProven, 1), (OutcomeQueued, 1), (OutcomeDurable, 1)],
    },
    Scenario {
        name: "create while KMS throttles",
        prepare: |scene| {
            scene.fault(Operation::CreateKey, Fault::Throttle, 1);
            vec![creation("k")]
        },
        mongodb: false,
        points: &[(BeforeCreateKey, 2), (AfterCreateKey, 2)],
    },
    Scenario {
        name: "create a key as the exchange calls it",
        prepare: |_| vec![Call::new("kms_createKey", json!({ "userId": "user123", "asset": "ETH", "requestId": "k" }))],
        mongodb: false,
        points: &[(AfterCreateKey, 1), (OutcomeDurable, 1)],
    },
    Scenario {
        name: "sign",
        prepare: |scene| vec![signing(&wallet(scene), 1)],
        mongodb: false,
        points: &[
            (IntentQueued, 1),
            (BeforeSign, 1),
            (AfterSign, 1),
            (SignatureVerified, 1),
            (OutcomeQueued, 1),
            (IntentDurable, 1),
            (OutcomeDurable, 1),
            (BeforeReply, 1),
        ],
    },
    Scenario {
        name: "sign while KMS's answer is lost",
        prepare: |scene| {
            let wallet = wallet(scene);
            scene.fault(Operation::Sign, Fault::CloseAfter, 1);
            vec![signing(&wallet, 1)]
        },
        mongodb: false,
        points: &[(AfterSign, 1), (BeforeSign, 2), (AfterSign, 2)],
    },
    Scenario {
        name: "sign one of two transactions with one nonce",
        prepare: |scene| {
            let wallet = wallet_of(scene, "ETH");
            ["0x1", "0x2"].into_iter().map(|value| payment(&wallet, value)).collect()
        },
        mongodb: false,
        points: &[
            (IntentQueued, 1),
            (BeforeSign, 1),
            (AfterSign, 1),
            (SignatureVerified, 1),
            (OutcomeQueued, 1),
            (IntentDurable, 1),
            (EndQueued, 1),
            (EndDurable, 1),
            (OutcomeDurable, 1),
            (BeforeReply, 1),
            (BeforeReply, 2),
        ],
    },
    Scenario {
        name: "sign one of two transactions with one nonce while KMS's answer is lost",
        prepare: |scene| {
            let wallet = wallet_of(scene, "ETH");
            scene.fault(Operation::Sign, Fault::CloseAfter, 1);
            ["0x1", "0x2"].into_iter().map(|value| payment(&wallet, value)).collect()
        },
        mongodb: false,
        points: &[(AfterSign, 1), (BeforeSign, 2), (AfterSign, 2), (OutcomeDurable, 1)],
    },
    Scenario {
        name: "sign a PSBT with several inputs",
        prepare: |scene| {
            let wallet = wallet(scene);
            let psbts = [psbt_paying(&wallet, 3, 290_000), psbt_paying(&wallet, 3, 280_000)];
            psbts.into_iter().zip(["one", "other"]).map(|(psbt, id)| signing_psbt(&psbt, id)).collect()
        },
        mongodb: false,
        points: &[
            (BeforeSign, 1),
            (BeforeSign, 3),
            (AfterSign, 1),
            (AfterSign, 3),
            (SignatureVerified, 2),
            (SignatureVerified, 3),
            (OutcomeQueued, 1),
            (OutcomeDurable, 1),
            (BeforeReply, 1),
        ],
    },
    Scenario {
        name: "verify a wallet",
        prepare: |scene| {
            let wallet = wallet(scene);
            vec![Call::new("wallet_verify", json!({ "walletId": wallet["walletId"], "requestId": "v" }))]
        },
        mongodb: false,
        points: &[(BeforeDescribeKey, 1), (AfterDescribeKey, 1), (BeforeGetPublicKey, 1), (AfterSign, 1), (OutcomeDurable, 1)],
    },
    Scenario {
        name: "repeat an answered call",
        prepare: |scene| {
            let wallet = wallet(scene);
            scene.start();
            scene.settle(&signing(&wallet, 1)).unwrap();
            scene.kill();
            vec![signing(&wallet, 1)]
        },
        mongodb: false,
        points: &[(EndQueued, 1), (EndDurable, 1), (BeforeReply, 1)],
    },
    Scenario {
        name: "refuse",
        prepare: |scene| {
            let key = wallet(scene)["kmsKeyId"].as_str().unwrap().replace("key/", "key/ffff");
            let params = json!({ "keyId": key, "transactionHash": digest(1), "requestId": "unknown" });
            vec![Call::new("kms_signTransactionHash", params)]
        },
        mongodb: false,
        points: &[(EndQueued, 1), (EndDurable, 1)],
    },
    Scenario {
        name: "transactions one after the other",
        prepare: |scene| {
            let wallet = wallet(scene);
            let mut calls: Vec<Call> = (1..=3).map(|n| signing(&wallet, n)).collect();
            calls.insert(1, creation("k2"));
            calls
        },
        // The start's record, then two of each call: enough of them to meet each of its sides.
        mongodb: false,
        points: &[
            (BeforeCommit, 1),
            (AfterCommit, 1),
            (BeforeCommit, 3),
            (AfterCommit, 3),
            (BeforeCommit, 4),
            (AfterCommit, 4),
            (BeforeCommit, 5),
            (AfterCommit, 5),
            (BeforeCommit, 6),
            (AfterCommit, 6),
        ],
    },
    Scenario {
        name: "drop old answers",
        prepare: |scene| {
            let wallet = wallet(scene);
            scene.start();
            scene.settle(&signing(&wallet, 1)).unwrap();
            scene.kill();
            scene.execute("UPDATE requests SET answered_at = 1 WHERE method = 'kms_signTransactionHash'");
            vec![]
        },
        mongodb: false,
        points: &[(AnswersPruned, 1)],
    },
    Scenario {
        name: "adopt a key whose answer was lost",
        prepare: |scene| lose_creation(scene, Fault::CloseAfter),
        mongodb: false,
        points: &[
            (BeforeGetResources, 1),
            (AfterGetResources, 1),
            (BeforeGetResources, 2),
            (AfterGetResources, 2),
            (BeforeDescribeKey, 1),
            (AfterDescribeKey, 1),
            (BeforeListResourceTags, 1),
            (AfterListResourceTags, 1),
            (BeforeGetPublicKey, 1),
            (AfterGetPublicKey, 1),
            (KeyProven, 1),
            (AdoptionQueued, 1),
            (AdoptionDurable, 1),
        ],
    },
    Scenario {
        name: "make a second key",
        prepare: |scene| lose_creation(scene, Fault::CloseBefore),
        mongodb: false,
        points: &[
            (SecondCreationDurable, 1),
            (BeforeCreateKey, 1),
            (AfterCreateKey, 1),
            (BeforeGetPublicKey, 1),
            (AdoptionQueued, 1),
            (AdoptionDurable, 1),
        ],
    },
    Scenario {
        name: "list an orphan",
        prepare: |scene| {
            let kms = client(&scene.kms_endpoint(), HERE);
            let tag = |name: &str, value: &str| Tag::builder().tag_key(name).tag_value(value).build().unwrap();
            let key = kms
                .create_key()
                .key_spec(KeySpec::EccSecgP256K1)
                .key_usage(KeyUsageType::SignVerify)
                .tags(tag("kmsignd:deployment", DEPLOYMENT))
                .tags(tag("kmsignd:wallet-id", "0197f0b0-0000-7000-8000-000000000000"));
            scene.block_on(key.send()).unwrap();
            vec![]
        },
        mongodb: false,
        points: &[(AfterDescribeKey, 1), (AfterListResourceTags, 1), (OrphanListed, 1)],
    },
    Scenario {
        name: "sweep what a crash left open",
        prepare: |scene| {
            let wallet = wallet(scene);
            cut_off(scene, &signing(&wallet, 1), Operation::Sign, Fault::HangBefore);
            vec![]
        },
        mongodb: false,
        points: &[(IntentsSwept, 1)],
    },
    Scenario {
        name: "disable a wallet",
        prepare: |scene| vec![disabling(&wallet(scene))],
        mongodb: false,
        points: &[
            (EndQueued, 1),
            (EndDurable, 1),
            (BeforeReply, 1),
            (BeforeDescribeKey, 1),
            (BeforeChangeKey, 1),
            (AfterChangeKey, 1),
            (BeforeDescribeKey, 2),
            (AfterDescribeKey, 2),
            (DriveRecorded, 1),
        ],
    },
    Scenario {
        name: "enable a wallet",
        prepare: |scene| {
            let wallet = wallet(scene);
            settled(scene, &disabling(&wallet));
            let params = json!({ "walletId": wallet["walletId"], "reason": "a test", "requestId": "enable" });
            vec![Call::new("wallet_enable", params)]
        },
        mongodb: false,
        points: &[(EndDurable, 1), (BeforeChangeKey, 1), (AfterChangeKey, 1), (DriveRecorded, 1)],
    },
    Scenario {
        name: "schedule a deletion",
        prepare: |scene| vec![deletion(scene)],
        mongodb: false,
        points: &[(EndDurable, 1), (BeforeChangeKey, 1), (AfterChangeKey, 1), (DriveRecorded, 1)],
    },
    Scenario {
        name: "cancel a deletion",
        prepare: |scene| {
            let deletion = deletion(scene);
            settled(scene, &deletion);
            vec![Call::new("kms_cancelKeyDeletion", json!({ "keyId": deletion.params["keyId"], "requestId": "cancel" }))]
        },
        mongodb: false,
        points: &[(EndDurable, 1), (BeforeChangeKey, 1), (AfterChangeKey, 1), (DriveRecorded, 1)],
    },
    Scenario {
        name: "see a key gone",
        prepare: |scene| {
            let deletion = deletion(scene);
            settled(scene, &deletion);
            scene.execute("UPDATE wallets SET deletion_date = 1");
            // KMS shows no key at all any more.
            scene.faults().change(|switches| switches.lags.new_key_hidden_ms = 3_600_000);
            vec![]
        },
        mongodb: false,
        points: &[(AfterDescribeKey, 1), (DeletionRecorded, 1)],
    },
    Scenario {
        name: "see drift",
        prepare: |scene| {
            let key = wallet(scene)["kmsKeyId"].as_str().unwrap().to_owned();
            scene.block_on(client(&scene.kms_endpoint(), HERE).disable_key().key_id(key).send()).unwrap();
            scene.execute("UPDATE wallets SET updated_at = 1");
            vec![]
        },
        mongodb: false,
        points: &[(DriftRecorded, 1)],
    },
    Scenario {
        name: "copy a wallet to MongoDB",
        prepare: |scene| {
            wallet(scene);
            scene.mongodb().unwrap().proxy.heal();
            vec![]
        },
        mongodb: true,
        // The first commands are about indexes.
        points: &[
            (BeforeMongodbCommand, 1),
            (AfterMongodbCommand, 1),
            (BeforeMongodbCommand, 3),
            (AfterMongodbCommand, 3),
            (OutboxAcknowledged, 1),
        ],
    },
    Scenario {
        name: "park a wallet that MongoDB refuses",
        prepare: |scene| {
            let wallet = wallet(scene);
            let mongodb = scene.mongodb().unwrap();
            mongodb.database.insert(doc! { "providerId": "another", "kmsKeyId": wallet["kmsKeyId"].as_str().unwrap() });
            mongodb.proxy.heal();
            vec![]
        },
        mongodb: true,
        points: &[(OutboxParked, 1)],
    },
    Scenario {
        name: "read the policy again",
        prepare: |_| vec![Call::new("admin_reload", json!({ "requestId": "r" }))],
        mongodb: false,
        points: &[(IntentDurable, 1), (OutcomeQueued, 1), (OutcomeDurable, 1)],
    },
];

fn creation(key: &str) -> Call {
    Call::new("wallet_create", json!({ "userId": "user123", "asset": "BTC", "idempotencyKey": key }))
}

fn signing(wallet: &Value, n: usize) -> Call {
    let params = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(n), "requestId": format!("request {n}") });
    Call::new("kms_signTransactionHash", params)
}

fn payment(wallet: &Value, value: &str) -> Call {
    let mut transaction = evm_payment(&wallet["address"]);
    transaction["value"] = json!(value);
    Call::new("eth_signTransaction", json!({ "transaction": transaction, "requestId": format!("pay {value}") }))
}

fn signing_psbt(psbt: &str, id: &str) -> Call {
    Call::new("utxo_signPsbt", json!({ "asset": "BTC", "psbt": psbt, "requestId": id }))
}

/// A wallet, made by a daemon that is then killed.
fn wallet(scene: &mut Scene) -> Value {
    wallet_of(scene, "BTC")
}

fn wallet_of(scene: &mut Scene, asset: &str) -> Value {
    scene.start();
    let creation = Call::new("wallet_create", json!({ "userId": "user123", "asset": asset, "idempotencyKey": "prepared" }));
    let wallet = scene.settle(&creation).unwrap();
    scene.kill();
    wallet
}

fn disabling(wallet: &Value) -> Call {
    Call::new("wallet_disable", json!({ "walletId": wallet["walletId"], "reason": "a test", "requestId": "disable" }))
}

/// The deletion of a new wallet's key.
fn deletion(scene: &mut Scene) -> Call {
    scene.set("KMSIGND__KEYS__ALLOW_DELETION", "true");
    let wallet = wallet(scene);
    let params = json!({ "keyId": wallet["kmsKeyId"], "confirm": wallet["address"], "requestId": "delete" });
    Call::new("kms_deleteKey", params)
}

/// A daemon that carries the call out to its last consequence, and is then killed.
fn settled(scene: &mut Scene, call: &Call) {
    scene.start();
    scene.settle(call).unwrap();
    scene.heal();
    scene.kill();
}

/// A creation to which KMS gave no answer, and a daemon killed before it looked for the key.
fn lose_creation(scene: &mut Scene, fault: Fault) -> Vec<Call> {
    scene.faults().change(|switches| switches.lags.tags_lag_ms = 3_600_000);
    scene.fault(Operation::CreateKey, fault, 1);
    scene.start();
    let error = scene.client().send(&creation("lost")).unwrap().unwrap_err();
    assert_eq!(error["data"]["kind"], "KMS_OUTCOME_UNKNOWN");
    scene.kill();
    scene.faults().set(Switches::default());
    vec![]
}

/// Kills the daemon while KMS keeps it waiting for this call.
fn cut_off(scene: &mut Scene, call: &Call, operation: Operation, fault: Fault) {
    scene.fault(operation, fault, 1);
    scene.start();
    let mut client = scene.client();
    thread::scope(|scope| {
        let sent = scope.spawn(move || client.send(call));
        wait_until("KMS has the request", || scene.faults().get().scripts.is_empty());
        scene.kill();
        assert_eq!(sent.join().unwrap(), None);
    });
}

/// One case from its beginning to its end.
fn run(scenario: &Scenario, point: CrashPoint, nth: u32) {
    let mut scene = if scenario.mongodb { Scene::with_mongodb(scenario.name).unwrap() } else { Scene::new() };
    if let Some(mongodb) = scene.mongodb() {
        mongodb.proxy.set(proxy::Fault::new(proxy::Kind::Refuse));
    }
    let calls = (scenario.prepare)(&mut scene);
    scene.start_armed(point, nth);
    let mut client = scene.client();
    let mut answers = Vec::new();
    for call in &calls {
        // Until it is cut off: what comes after that meets nobody. Busy machines make KMS late, so a call may be put off.
        let is_put_off =
            |answer: &Result<_, Value>| answer.as_ref().is_err_and(|error| is_passing(error["data"]["kind"].as_str().unwrap()));
        while let Some(answer) = client.send(call) {
            let put_off = is_put_off(&answer);
            answers.push(answer);
            if !put_off {
                break;
            }
        }
    }
    let ended = scene.wait_for_end(&format!("it reaches {}, having answered {answers:?}", point.name()));
    assert_killed_at(&scene, ended, point);
    scene.start();
    for call in calls.iter().filter(|call| scene.journal().is_answered(call)) {
        // What was answered stays the answer: the journal would tell two apart.
        scene.settle(call).unwrap();
    }
    scene.heal();
    check_promises(&scene);
}

#[track_caller]
fn assert_killed_at(scene: &Scene, ended: ExitStatus, point: CrashPoint) {
    assert_eq!(ended.signal(), Some(SIGKILL), "{}", scene.log());
    assert!(scene.log().contains(&format!("crash point {}\n", point.name())), "{}", scene.log());
}

/// Something that is killed at a point.
pub struct Case {
    /// As in KMSIGND_TEST_CRASH_CASE.
    name: String,
    mongodb: bool,
    run: Box<dyn Fn() + Send>,
}

fn cases() -> Vec<Case> {
    let of = |scenario: &'static Scenario| {
        scenario.points.iter().map(move |(point, nth)| Case {
            name: format!("{}/{}:{nth}", scenario.name, point.name()),
            mongodb: scenario.mongodb,
            run: Box::new(move || run(scenario, *point, *nth)),
        })
    };
    SCENARIOS.iter().chain(families::SCENARIOS).flat_map(of).chain(restore::cases()).collect()
}

#[test]
fn kill_at_every_point_keeps_the_promises() {
    let mut cases = cases();
    // One alone, or those of one scenario: `create/after_create_key`.
    let wanted = std::env::var("KMSIGND_TEST_CRASH_CASE").unwrap_or_default();
    cases.retain(|case| case.name.starts_with(&wanted));
    assert!(!cases.is_empty(), "no such case");
    if std::env::var(mongo::URI).is_err() {
        crate::skipped("kills on the way to MongoDB", "tests/run crash starts a server");
        cases.retain(|case| !case.mongodb);
    }
    let count = cases.len();
    cases.reverse();
    let (waiting, broken) = (Mutex::new(cases), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = waiting.lock().unwrap().pop() else { return };
                    if catch_unwind(AssertUnwindSafe(case.run)).is_err() {
                        broken.lock().unwrap().push(case.name);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    println!("killed in {count} cases at {} points", CrashPoint::ALL.len());
    assert!(broken.is_empty(), "{} of {count} cases, each told above:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_point_is_in_a_scenario() {
    let mut points =
        SCENARIOS.iter().map(|scenario| scenario.points).chain(restore::RESTORES.iter().map(|restore| restore.points));
    let covered: BTreeSet<_> = points.by_ref().flatten().map(|(point, _)| *point).collect();
    let missing: Vec<_> = CrashPoint::ALL.iter().filter(|point| !covered.contains(point)).map(|point| point.name()).collect();
    assert!(missing.is_empty(), "no scenario kills at {missing:?}");
}

#[test]
fn an_unknown_point_is_not_taken_for_one() {
    let mut scene = Scene::new();
    scene.set(CRASH_AT, "no_such_point");
    scene.spawn();
    let ended = scene.wait_for_end("it ends");
    assert_ne!(ended.signal(), Some(SIGKILL));
    assert!(!ended.success());
}
