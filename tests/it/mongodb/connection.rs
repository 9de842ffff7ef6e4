//! Log-in and TLS as the connection string says, and `kmsignd dev`.

use std::fs;

use ::mongodb::bson::doc;
use serde_json::json;

use crate::harness::mongo::{Mongo, SECURED_URI};
use crate::harness::process::{Process, kmsignd};
use crate::harness::{Caller, Daemon, wait_until};

#[test]
fn secured_mongodb_takes_the_right_password_over_tls_and_no_other() {
    const PASSWORD: &str = "wrong%2Fcanary%40password";
    let Some(mongo) = Mongo::at("TLS and a password", SECURED_URI) else { return };
    let with_password = mongo.uri().replace("pass%2Fword%401", PASSWORD);
    assert!(with_password.contains(PASSWORD), "the server's own password is not the one that is replaced here");
    let last_error = |daemon: &Daemon| daemon.ok("admin_status", json!({}))["sync"]["lastError"].clone();

    let daemon = Daemon::with_settings(&mongo.settings(&with_password));
    daemon.wallet("ETH");
    wait_until("the log-in fails", || last_error(&daemon).is_string());
    let error = last_error(&daemon).to_string();
    assert!(error.to_lowercase().contains("scram") || error.to_lowercase().contains("authentication"), "{error}");
    for hidden in [PASSWORD, "wrong/canary@password", "canary"] {
        assert!(!error.contains(hidden), "{error}");
    }
    drop(daemon);

    // Without the CA the server is anybody, and gets no password.
    let (without_ca, _) = mongo.uri().split_once("&tlsCAFile=").unwrap();
    let daemon = Daemon::with_settings(&mongo.settings(without_ca));
    wait_until("the certificate is refused", || last_error(&daemon).is_string());
    assert!(last_error(&daemon).to_string().contains("certificate"), "{}", last_error(&daemon));
    drop(daemon);

    let daemon = Daemon::with_settings(&mongo.settings(mongo.uri()));
    let wallet = daemon.wallet("ETH");
    mongo.wait_for(wallet["walletId"].as_str().unwrap(), 2);
    wait_until("the error is gone", || last_error(&daemon).is_null());
}

#[test]
fn development_daemon_copies_to_the_mongodb_it_is_told() {
    let Some(mongo) = Mongo::start("kmsignd dev --mongodb-uri") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dev");
    fs::create_dir(&path).unwrap();
    let mut command = kmsignd();
    // A variable meant for production leads nowhere.
    command.env("KMSIGND__SYNC__DATABASE", "production").env("KMSIGND__SYNC__COLLECTION", "production");
    command.args(["dev", "--mongodb-uri"]).arg(format!("{}/{}", mongo.uri(), mongo.database_name)).arg("--dir").arg(&path);
    let process = Process::start(command, path.join("kmsignd.sock"), directory.path().join("log"));
    let mut caller: Caller = process.connect();
    let wallet = caller.ok("wallet_create", json!({ "userId": "user123", "asset": "ETH" }));
    mongo.wait_for(wallet["walletId"].as_str().unwrap(), 2);
    assert_eq!(mongo.find(doc! {}).len(), 1);
    let taken = "kmsignd_outbox_writes_total{result=\"acknowledged\"} 1";
    wait_until("the metrics tell", || {
        let (_, metrics) = process.get("/metrics");
        metrics.contains(taken) && metrics.contains("kmsignd_outbox_pending 0") && metrics.contains("kmsignd_outbox_parked 0")
    });
}
