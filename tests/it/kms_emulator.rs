//! What the emulator does beyond AWS's ways: keeping keys over a kill, misbehaving on demand, and telling what it did. All
//! through the AWS SDK, as the daemon meets it.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_kms::types::{KeySpec, KeyState, Tag};
use hyper::Request;
use kmsignd::clock::{ManualClock, Timestamp};
use kmsignd::emulator::{Defect, Emulator, EmulatorConfig, Fault, Operation, Script};
use serde_json::{Value, json};

use crate::kms_conformance::keys::replicate_now;
use crate::kms_conformance::signing::{sign_digest, verify_digest};
use crate::kms_conformance::tags::{get_resources, post, send};
use crate::kms_conformance::{ELSEWHERE, HERE, Kms, arn, refused, state};

const DIGEST: [u8; 32] = [7; 32];
/// 2026-01-15T10:30:00Z
const START: u64 = 1_768_473_000_000;

async fn start(config: EmulatorConfig) -> (Emulator, Kms) {
    let emulator = Emulator::start(config).await.unwrap();
    let kms = Kms::at(&emulator.endpoint_url());
    (emulator, kms)
}

fn in_directory(path: &Path) -> EmulatorConfig {
    EmulatorConfig { directory: Some(path.to_owned()), ..EmulatorConfig::default() }
}

/// An emulator whose time stands at [`START`] until the clock is told to move.
async fn start_with_clock() -> (Emulator, Kms, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_millis(START)));
    let (emulator, kms) = start(EmulatorConfig { clock: clock.clone(), ..EmulatorConfig::default() }).await;
    (emulator, kms, clock)
}

#[tokio::test]
async fn start_on_other_than_loopback_is_refused() {
    let config = EmulatorConfig { listen: "0.0.0.0:0".parse().unwrap(), ..EmulatorConfig::default() };
    assert_eq!(Emulator::start(config).await.err().unwrap().kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn start_in_a_held_directory_is_refused_until_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    let (emulator, _) = start(in_directory(directory.path())).await;
    let second = Emulator::start(in_directory(directory.path())).await;
    assert_eq!(second.err().unwrap().kind(), io::ErrorKind::ResourceBusy);
    emulator.shutdown().await;
    start(in_directory(directory.path())).await.0.shutdown().await;
}

#[tokio::test]
async fn restart_keeps_all_that_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kms");
    let (emulator, kms) = start(in_directory(&path)).await;
    let (key, other) = (kms.secp256k1().await.unwrap(), kms.ed25519().await.unwrap());
    let tag = Tag::builder().tag_key("asset").tag_value("BTC").build().unwrap();
    kms.here.tag_resource().key_id(&key).tags(tag).send().await.unwrap();
    kms.here.create_alias().alias_name("alias/kept").target_key_id(&key).send().await.unwrap();
    kms.here.disable_key().key_id(&other).send().await.unwrap();
    let signature = sign_digest(&kms.here, &key, &DIGEST).await.unwrap().signature.unwrap();
    emulator.shutdown().await;

    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    for file in std::fs::read_dir(&path).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // What a kill in the middle of a write leaves behind.
    std::fs::write(path.join("eu-central-1.half.new"), "{").unwrap();

    let (emulator, kms) = start(in_directory(&path)).await;
    assert!(verify_digest(&kms, "alias/kept", &DIGEST, signature.as_ref()).await.unwrap());
    assert!(kms.here.list_resource_tags().key_id(&key).send().await.unwrap().tags()[0].tag_value == "BTC");
    assert_eq!(state(&kms.here, &other).await.unwrap(), KeyState::Disabled);
    assert!(!path.join("eu-central-1.half.new").exists());
    emulator.shutdown().await;

    std::fs::write(path.join("eu-central-1.damaged.json"), "{").unwrap();
    let damaged = Emulator::start(in_directory(&path)).await;
    assert_eq!(damaged.err().unwrap().kind(), io::ErrorKind::InvalidData);
}

const CHILD_DIRECTORY: &str = "KMSIGND_TEST_EMULATOR_DIRECTORY";

#[tokio::test]
#[ignore = "the other process of kill_while_keys_change_loses_nothing_answered"]
async fn child_serves_until_killed() {
    let Some(directory) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let (emulator, _) = start(in_directory(Path::new(&directory))).await;
    println!("\nLISTENING {}", emulator.endpoint_url());
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_while_keys_change_loses_nothing_answered() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kms_emulator::child_serves_until_killed", "--ignored", "--nocapture"])
        .env(CHILD_DIRECTORY, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.find_map(|line| line.unwrap().strip_prefix("LISTENING ").map(str::to_owned)).unwrap();

    // Eight clients make keys and disable each, and note what was answered, until the server is gone.
    let (answered, mut notes) = tokio::sync::mpsc::unbounded_channel();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (kms, answered) = (Kms::at(&url), answered.clone());
        clients.spawn(async move {
            while let Ok(key) = kms.secp256k1().await {
                answered.send((key.clone(), KeyState::Enabled)).unwrap();
                if kms.here.disable_key().key_id(&key).send().await.is_err() {
                    break;
                }
                answered.send((key, KeyState::Disabled)).unwrap();
            }
        });
    }
    drop(answered);
    let mut last_answer = std::collections::HashMap::new();
    while let Some((key, state)) = notes.recv().await {
        last_answer.insert(key, state);
        if last_answer.len() == 50 {
            child.kill().unwrap();
        }
    }
    clients.join_all().await;
    child.wait().unwrap();

    let (emulator, kms) = start(in_directory(directory.path())).await;
    for (key, answered) in last_answer {
        let now = state(&kms.here, &key).await.unwrap();
        // A change that was written may not have been answered, never the other way round.
        assert!(now == answered || now == KeyState::Disabled, "{key} was answered {answered}, and is {now}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn scripted_refusal_has_its_code_and_no_effect() {
    let (emulator, kms) = start(EmulatorConfig::default()).await;
    let key = kms.secp256k1().await.unwrap();
    let faults = [
        (Fault::Throttle, "ThrottlingException"),
        (Fault::Deny, "AccessDeniedException"),
        (Fault::Internal, "KMSInternalException"),
    ];
    for (fault, code) in faults {
        emulator.faults().script(Script::next(Operation::Sign, fault).times(2).on_key(&key));
        for _ in 0..2 {
            refused(sign_digest(&kms.here, &key, &DIGEST).await, &[code]).unwrap();
        }
    }
    assert_eq!(emulator.log().effects(Operation::Sign), 0);
    sign_digest(&kms.here, &key, &DIGEST).await.unwrap();
    assert_eq!(emulator.log().effects(Operation::Sign), 1);

    let log = emulator.log().since(1);
    assert_eq!(log.len(), 7);
    assert_eq!(
        (log[0].fault, log[0].error.as_deref(), log[0].effect),
        (Some(Fault::Throttle), Some("ThrottlingException"), false)
    );
    assert_eq!((log[6].key.as_ref(), log[6].digest.as_ref()), (Some(&key), Some(&hex::encode(DIGEST))));
    let ids: std::collections::HashSet<_> = log.iter().map(|entry| &entry.request_id).collect();
    assert_eq!(ids.len(), log.len());
    emulator.shutdown().await;
}

#[tokio::test]
async fn lost_answer_leaves_the_effect_that_its_fault_says() {
    let (emulator, kms) = start(EmulatorConfig::default()).await;
    let patience = TimeoutConfig::builder().operation_timeout(Duration::from_millis(200)).build();
    for (fault, effects) in [(Fault::CloseBefore, 0), (Fault::CloseAfter, 1), (Fault::HangBefore, 1), (Fault::HangAfter, 2)] {
        emulator.faults().script(Script::next(Operation::CreateKey, fault));
        let create = kms.create(KeySpec::EccSecgP256K1).customize();
        let lost = create.config_override(aws_sdk_kms::Config::builder().timeout_config(patience.clone())).send().await;
        let lost = lost.err().unwrap();
        match fault {
            Fault::CloseBefore | Fault::CloseAfter => {
                assert!(matches!(lost, SdkError::DispatchFailure(_)), "{fault:?}: {lost:?}");
            }
            _ => assert!(matches!(lost, SdkError::TimeoutError(_)), "{fault:?}: {lost:?}"),
        }
        assert_eq!(emulator.log().effects(Operation::CreateKey), effects, "{fault:?}");
        assert_eq!(kms.here.list_keys().send().await.unwrap().keys().len(), effects, "{fault:?}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn client_that_gives_up_does_not_cancel_the_effect() {
    let (emulator, kms) = start(EmulatorConfig::default()).await;
    let key = kms.secp256k1().await.unwrap();
    emulator.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 100)].into());
    let begin = Instant::now();
    sign_digest(&kms.here, &key, &DIGEST).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(100));
    tokio::time::timeout(Duration::from_millis(20), sign_digest(&kms.here, &key, &DIGEST)).await.unwrap_err();
    while emulator.log().effects(Operation::Sign) < 2 {
        tokio::task::yield_now().await;
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn signature_with_a_defect_is_refused_by_libsecp256k1() {
    let (emulator, kms) = start(EmulatorConfig::default()).await;
    let key = kms.secp256k1().await.unwrap();
    for defect in Defect::ALL {
        emulator.faults().script(Script::next(Operation::Sign, defect));
        let signature = sign_digest(&kms.here, &key, &DIGEST).await.unwrap().signature.unwrap();
        let judged = verify_digest(&kms, &key, &DIGEST, signature.as_ref()).await;
        match defect {
            // Valid, if a reader normalises S and pads r.
            Defect::HighS | Defect::ShortR => assert!(judged.unwrap(), "{defect:?}"),
            _ => assert!(!judged.unwrap_or(false), "{defect:?}"),
        }
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn new_key_is_hidden_until_its_lag_is_over() {
    let (emulator, kms, clock) = start_with_clock().await;
    emulator.faults().change(|switches| switches.lags.new_key_hidden_ms = 5_000);
    let key = kms.secp256k1().await.unwrap();
    refused(kms.here.get_public_key().key_id(&key).send().await, &["NotFoundException"]).unwrap();
    assert!(kms.here.list_keys().send().await.unwrap().keys().is_empty());
    clock.set(Timestamp::from_unix_millis(START + 5_000));
    assert_eq!(state(&kms.here, &key).await.unwrap(), KeyState::Enabled);
    emulator.shutdown().await;
}

#[tokio::test]
async fn tags_lag_in_get_resources_alone() {
    let (emulator, kms, clock) = start_with_clock().await;
    emulator.faults().change(|switches| switches.lags.tags_lag_ms = 5_000);
    let tag = |value: &str| Tag::builder().tag_key("a").tag_value(value).build().unwrap();
    let created = kms.create(KeySpec::EccSecgP256K1).tags(tag("1")).send().await.unwrap();
    let key = arn(&created.key_metadata.unwrap()).unwrap();
    let found = async || get_resources(&kms, HERE, json!({"TagFilters": [{"Key": "a"}]})).await.unwrap().remove(&key);
    assert_eq!(found().await, None);
    assert_eq!(kms.here.list_resource_tags().key_id(&key).send().await.unwrap().tags(), [tag("1")]);
    clock.set(Timestamp::from_unix_millis(START + 5_000));
    kms.here.tag_resource().key_id(&key).tags(tag("2")).send().await.unwrap();
    assert_eq!(found().await.unwrap()["a"], "1");
    clock.set(Timestamp::from_unix_millis(START + 10_000));
    assert_eq!(found().await.unwrap()["a"], "2");
    emulator.shutdown().await;
}

#[tokio::test]
async fn replica_is_creating_until_its_lag_is_over() {
    let (emulator, kms, clock) = start_with_clock().await;
    emulator.faults().change(|switches| switches.lags.replica_creating_ms = 5_000);
    let replica = replicate_now(&kms).await.unwrap();
    assert_eq!(state(&kms.elsewhere, &replica).await.unwrap(), KeyState::Creating);
    refused(kms.elsewhere.disable_key().key_id(&replica).send().await, &["KMSInvalidStateException"]).unwrap();
    clock.set(Timestamp::from_unix_millis(START + 5_000));
    sign_digest(&kms.elsewhere, &replica, &DIGEST).await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test]
async fn state_of_a_key_is_the_one_before_until_its_lag_is_over() {
    let (emulator, kms, clock) = start_with_clock().await;
    emulator.faults().change(|switches| switches.lags.key_state_lag_ms = 1000);
    let key = kms.secp256k1().await.unwrap();
    kms.here.disable_key().key_id(&key).send().await.unwrap();
    assert_eq!(state(&kms.here, &key).await.unwrap(), KeyState::Enabled);
    sign_digest(&kms.here, &key, &DIGEST).await.unwrap();
    clock.set(Timestamp::from_unix_millis(START + 1000));
    assert_eq!(state(&kms.here, &key).await.unwrap(), KeyState::Disabled);
    refused(sign_digest(&kms.here, &key, &DIGEST).await, &["DisabledException"]).unwrap();
}

#[tokio::test]
async fn deleted_key_is_gone_after_its_window() {
    let (emulator, kms, clock) = start_with_clock().await;
    let key = kms.secp256k1().await.unwrap();
    kms.here.schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    clock.set(Timestamp::from_unix_millis(START + 7 * 86_400_000 - 1));
    assert_eq!(state(&kms.here, &key).await.unwrap(), KeyState::PendingDeletion);
    clock.set(Timestamp::from_unix_millis(START + 7 * 86_400_000));
    refused(kms.here.cancel_key_deletion().key_id(&key).send().await, &["NotFoundException"]).unwrap();
    emulator.shutdown().await;
}

#[tokio::test]
async fn quota_throttles_until_the_next_second() {
    let (emulator, kms, clock) = start_with_clock().await;
    let key = kms.secp256k1().await.unwrap();
    emulator.faults().change(|switches| switches.requests_per_second = [(Operation::Sign, 2)].into());
    for _ in 0..2 {
        sign_digest(&kms.here, &key, &DIGEST).await.unwrap();
    }
    let throttled = sign_digest(&kms.here, &key, &DIGEST).await.err().unwrap();
    assert_eq!(throttled.code(), Some("ThrottlingException"));
    refused(sign_digest(&kms.elsewhere, &key, &DIGEST).await, &["NotFoundException"]).unwrap();
    clock.set(Timestamp::from_unix_millis(START + 1_000));
    sign_digest(&kms.here, &key, &DIGEST).await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test]
async fn control_over_http_sets_faults_and_tells_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let log_file = directory.path().join("operations.jsonl");
    let (emulator, kms) = start(EmulatorConfig { log_file: Some(log_file.clone()), ..EmulatorConfig::default() }).await;
    let url = emulator.endpoint_url();
    let get = async |path: &str| send(&url, Request::get(path), String::new()).await.unwrap();
    let set = async |path: &str, body: &str| send(&url, Request::post(path), body.to_owned()).await.unwrap();

    let faults = json!({"latencyMs": {"Sign": 1}, "scripts": [{"operation": "CreateKey", "times": 2, "fault": "throttle"}]});
    assert_eq!(set("/_emulator/faults", &faults.to_string()).await.0, 200);
    refused(kms.create(KeySpec::EccSecgP256K1).send().await, &["ThrottlingException"]).unwrap();
    assert_eq!(get("/_emulator/faults").await.1["scripts"][0]["times"], 1);
    for bad in ["{", r#"{"latency": 1}"#, r#"{"scripts": [{"fault": "explode"}]}"#] {
        assert_eq!(set("/_emulator/faults", bad).await.0, 400, "{bad}");
    }

    let (_, log) = get("/_emulator/log?since=0").await;
    let entry = &log[0];
    assert_eq!((&entry["operation"], &entry["region"]), (&json!("CreateKey"), &json!(HERE)));
    assert_eq!((&entry["effect"], &entry["fault"], &entry["sequence"]), (&json!(false), &json!("throttle"), &json!(1)));
    assert_eq!(get("/_emulator/log?since=1").await.1, json!([]));
    assert_eq!(get("/_emulator/log?from=1").await.0, 400);

    assert_eq!(set("/_emulator/reset", "").await.0, 200);
    kms.secp256k1().await.unwrap();
    let (_, log) = get("/_emulator/log").await;
    assert_eq!((log.as_array().unwrap().len(), &log[0]["sequence"]), (1, &json!(2)));
    let lines = std::fs::read_to_string(&log_file).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]), (2, &log[0]));
    emulator.shutdown().await;
}

#[tokio::test]
async fn request_that_is_no_kms_request_is_refused() {
    let (emulator, kms) = start(EmulatorConfig::default()).await;
    let url = emulator.endpoint_url();
    let key = kms.secp256k1().await.unwrap();
    let code = async |target: &str, input: Value| {
        let (status, body) = post(&url, target, Some(ELSEWHERE), &input).await.unwrap();
        assert_eq!(status, 400, "{target} {body}");
        body["__type"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("TrentService.Explode", json!({})).await, "UnknownOperationException");
    assert_eq!(code("TrentService.GetResources", json!({})).await, "UnknownOperationException");
    assert_eq!(code("Sign", json!({})).await, "UnknownOperationException");
    assert_eq!(code("TrentService.Sign", json!({})).await, "ValidationException");
    assert_eq!(code("TrentService.DescribeKey", json!({"KeyId": 7})).await, "ValidationException");
    assert_eq!(code("TrentService.DescribeKey", json!({"KeyId": key})).await, "NotFoundException");
    let request = Request::post("/").header("x-amz-target", "TrentService.ListKeys");
    let request = request.header("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/eu-central-1/kms/aws4_request");
    assert_eq!(send(&url, request, "{".to_owned()).await.unwrap().1["__type"], "SerializationException");
    assert_eq!(send(&url, Request::get("/"), String::new()).await.unwrap().0, 404);
    assert_eq!(send(&url, Request::post("/"), "x".repeat(300_000)).await.unwrap().0, 413);
    emulator.shutdown().await;
}
