//! AWS's credentials and MongoDB's are in nothing that the daemon says.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::process::Installation;
use crate::harness::{Daemon, wait_until};
use crate::method_examples::{DIGEST, Fixture, examples};

const SECRET: &str = "canary1secret1key1that1nobody1may1ever1see";
const TOKEN: &str = "canary2session2token2that2nobody2may2ever2see";
const USER: &str = "canary3user3that3nobody3may3ever3see";
const PASSWORD: &str = "canary4password4that4nobody4may4ever4see";

#[test]
fn run_with_everything_logged_never_tells_a_credential() {
    let kms = Daemon::stopped("", &[]);
    let installation = Installation::new(kms.kms_endpoint());
    let mut command = installation.command();
    command.env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", TOKEN).env("KMSIGND__LOG__LEVEL", "trace");
    command.env("KMSIGND__SYNC__MONGODB_URI", format!("mongodb://{USER}:{PASSWORD}@127.0.0.1:1/?serverSelectionTimeoutMS=100"));
    let mut daemon = installation.start_with(command);
    let mut told = Vec::new();
    let mut caller = daemon.connect();
    let wallet = caller.ok("wallet_create", json!({ "userId": "user123", "asset": "ETH" }));
    let fixture = Fixture::with(&wallet, |asset| caller.ok("wallet_create", json!({ "userId": "user123", "asset": asset })));
    for fault in ["", "deny", "internal", "closeBefore"] {
        if !fault.is_empty() {
            let fault = serde_json::from_value(json!({ "scripts": [{ "times": 2, "fault": fault }] })).unwrap();
            kms.faults().set(fault);
        }
        for (method, _, params) in examples(&fixture) {
            told.push(caller.call(method, params).unwrap_or_else(|error| error).to_string());
        }
        kms.faults().set(Default::default());
    }
    let bad = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": DIGEST, "requestId": Value::Bool(true) });
    told.push(caller.fails("INVALID_PARAMS", "kms_signTransactionHash", bad).to_string());
    let mut last_error = Value::Null;
    wait_until("MongoDB's absence shows", || {
        last_error = caller.ok("admin_status", json!({}))["sync"]["lastError"].take();
        last_error.is_string()
    });
    told.push(last_error.to_string());
    for path in ["/metrics", "/readyz", "/healthz", "/"] {
        told.push(daemon.get(path).1);
    }
    assert!(told.iter().any(|text| text.contains("kmsignd_kms_attempts_total")), "the metrics are among it");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
    told.push(daemon.log());
    let log = daemon.log();
    assert!(log.contains("TRACE") && log.contains("DEBUG"), "everything was logged: {log}");
    told.push(String::from_utf8_lossy(&std::fs::read(installation.path("kmsignd.db")).unwrap()).into_owned());
    for canary in [SECRET, TOKEN, USER, PASSWORD] {
        for text in &told {
            assert!(!text.contains(canary), "{canary} is in {}", &text[..text.len().min(2000)]);
        }
    }
}
