//! The life of the process: a kill, signals, a second daemon, and files that are not ours.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kmsignd::emulator::{Fault, Operation};
use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::caller::assert_is;
use crate::harness::process::{Installation, Process, kmsignd};
use crate::harness::{Caller, Daemon, wait_until};
use crate::signing::{assert_signed, digest};

const EX_DATAERR: Option<i32> = Some(65);
const EX_UNAVAILABLE: Option<i32> = Some(69);
const EX_CONFIG: Option<i32> = Some(78);

/// An installation in front of a stopped daemon's KMS.
fn installation() -> (Daemon, Installation) {
    let kms = Daemon::stopped("", &[]);
    let installation = Installation::new(kms.kms_endpoint());
    (kms, installation)
}

fn signing(wallet: &Value, n: usize) -> Value {
    json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(n), "requestId": format!("request {n}") })
}

/// `kmsignd dev` in a directory.
fn dev(directory: &Path, arguments: &[&str]) -> Process {
    let mut command = kmsignd();
    command.args(["dev", "--dir"]).arg(directory).args(arguments);
    // Not the embedded KMS: it must not be asked.
    command.env("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9").env("AWS_ACCESS_KEY_ID", "AKIAREAL");
    Process::start(command, directory.join("kmsignd.sock"), directory.join("log"))
}

#[test]
fn dev_makes_no_mainnet_wallet_unless_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let create = json!({ "userId": "user123", "asset": "BTC", "network": "mainnet" });
    let daemon = dev(directory.path(), &[]);
    let error = daemon.connect().fails("INVALID_PARAMS", "wallet_create", create.clone());
    assert_eq!(error["data"]["field"], "network");
    assert!(error["message"].as_str().unwrap().contains("--allow-mainnet"), "{error}");
    drop(daemon);
    let daemon = dev(directory.path(), &["--allow-mainnet"]);
    assert!(daemon.connect().ok("wallet_create", create)["address"].as_str().unwrap().starts_with("bc1q"));
}

#[test]
fn kill_in_the_middle_of_signing_loses_no_answer_and_breaks_no_record() {
    let directory = tempfile::tempdir().unwrap();
    let mut daemon = dev(directory.path(), &[]);
    let wallet = daemon.connect().ok("wallet_create", json!({ "userId": "user123", "asset": "BTC" }));
    let mut answered: BTreeMap<usize, Value> = BTreeMap::new();
    for round in 0..3 {
        let ended = AtomicBool::new(false);
        let seen = thread::scope(|scope| {
            let signers: Vec<_> = (0..4)
                .map(|signer| {
                    let (daemon, wallet, ended) = (&daemon, &wallet, &ended);
                    let first = (round * 4 + signer) * 100_000;
                    scope.spawn(move || sign_until_cut_off(daemon.socket(), wallet, first, ended))
                })
                .collect();
            let database = Connection::open(directory.path().join("kmsignd.db")).unwrap();
            let before: u64 = count(&database);
            wait_until("signing is under way", || count(&database) > before + 300);
            daemon.signal(Signal::SIGKILL);
            ended.store(true, Ordering::Relaxed);
            signers.into_iter().flat_map(|signer| signer.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(seen.len() > 50, "{}", seen.len());
        answered.extend(seen);
        daemon.wait();
        daemon = dev(directory.path(), &[]);
        let mut caller = daemon.connect();
        let verdict = caller.ok("audit_verify", json!({}));
        assert_eq!(verdict["ok"], true, "{verdict}");
        for (n, answer) in &answered {
            assert_eq!(caller.ok("kms_signTransactionHash", signing(&wallet, *n)), *answer, "what was answered stays the answer");
        }
    }
    let (n, answer) = answered.first_key_value().unwrap();
    assert_signed(&wallet, &digest(*n), answer);
    let database = Connection::open(directory.path().join("kmsignd.db")).unwrap();
    let unfinished: Vec<String> = {
        let mut statement = database.prepare("SELECT request_id FROM requests WHERE answered_at IS NULL").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for request_id in unfinished {
        let n: usize = request_id.trim_start_matches("request ").parse().unwrap();
        assert_signed(&wallet, &digest(n), &daemon.connect().ok("kms_signTransactionHash", signing(&wallet, n)));
    }
}

fn count(database: &Connection) -> u64 {
    database.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap()
}

/// Signs one digest after another until the daemon is gone; gives what was answered.
fn sign_until_cut_off(socket: &Path, wallet: &Value, first: usize, ended: &AtomicBool) -> Vec<(usize, Value)> {
    use std::io::{BufRead, BufReader, Write};
    let mut answered = Vec::new();
    let mut stream = BufReader::new(std::os::unix::net::UnixStream::connect(socket).unwrap());
    for n in first.. {
        let request = json!({ "jsonrpc": "2.0", "id": n, "method": "kms_signTransactionHash", "params": signing(wallet, n) });
        let mut line = String::new();
        let cut_off = writeln!(stream.get_mut(), "{request}").and_then(|()| stream.read_line(&mut line));
        match cut_off {
            Ok(_) if line.ends_with('\n') => {
                let mut answer: Value = serde_json::from_str(&line).unwrap();
                assert!(answer.get("result").is_some(), "{answer}");
                answered.push((n, answer["result"].take()));
            }
            _ => break,
        }
    }
    assert!(ended.load(Ordering::Relaxed) || !answered.is_empty(), "cut off before anything was killed");
    answered
}

#[test]
fn terminate_while_a_signature_runs_answers_it_and_refuses_what_comes() {
    let (kms, installation) = installation();
    let mut daemon = installation.start();
    let (mut running, mut later) = (daemon.connect(), daemon.connect());
    let wallet = running.ok("wallet_create", json!({ "userId": "user123", "asset": "BTC" }));
    kms.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 1000)].into());
    running.send("kms_signTransactionHash", &signing(&wallet, 1));
    let database = Connection::open(installation.path("kmsignd.db")).unwrap();
    wait_until("the signature runs", || count(&database) == 4);
    daemon.signal(Signal::SIGTERM);
    wait_until("it says that it stops", || daemon.log().contains("stopping"));
    later.fails("SHUTTING_DOWN", "kms_signTransactionHash", signing(&wallet, 2));
    later.fails("SHUTTING_DOWN", "wallet_list", json!({}));
    assert_signed(&wallet, &digest(1), &running.receive()["result"].take());
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(daemon.log().contains("every request was answered"), "{}", daemon.log());
    assert!(!daemon.socket().exists(), "the socket is gone");
    assert_eq!(kms.kms_effects(Operation::Sign), 1);
}

#[test]
fn terminate_while_kms_hangs_ends_in_time_and_the_retry_takes_over() {
    let (kms, installation) = installation();
    let mut command = installation.command();
    command.env("KMSIGND__SERVICE__DRAIN_SECONDS", "1").env("KMSIGND__KMS__ATTEMPT_TIMEOUT_MS", "10000");
    let mut daemon = installation.start_with(command);
    let mut caller = daemon.connect();
    let wallet = caller.ok("wallet_create", json!({ "userId": "user123", "asset": "BTC" }));
    kms.fault(Operation::Sign, Fault::HangAfter, 1);
    caller.send("kms_signTransactionHash", &signing(&wallet, 1));
    kms.wait_for_faults();
    daemon.signal(Signal::SIGTERM);
    assert_is("KMS_OUTCOME_UNKNOWN", &caller.receive()["error"]);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(daemon.log().contains("requests still running"), "{}", daemon.log());

    let again = installation.start();
    let mut caller = again.connect();
    assert_eq!(caller.ok("audit_verify", json!({}))["ok"], true);
    let other = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(2), "requestId": "request 1" });
    caller.fails("CONFLICT", "kms_signTransactionHash", other);
    assert_signed(&wallet, &digest(1), &caller.ok("kms_signTransactionHash", signing(&wallet, 1)));
}

#[test]
fn hangup_puts_a_good_policy_in_force_and_keeps_the_old_one_over_a_bad() {
    let (_kms, installation) = installation();
    let daemon = installation.start();
    let mut caller = daemon.connect();
    let digest_of = |caller: &mut Caller| caller.ok("admin_status", json!({}))["policy"]["digest"].clone();
    wait_until("it is ready", || daemon.get("/readyz").0 == 200);
    let first = digest_of(&mut caller);

    installation.write_policy("permit (principal, action, resource) oops;");
    daemon.signal(Signal::SIGHUP);
    wait_until("readiness names the bad file", || daemon.get("/readyz").1.contains("reload: refused"));
    let (status, body) = daemon.get("/readyz");
    assert!(body.contains("test.cedar"), "{body}");
    assert_eq!(status, 200, "it signs and audits all the same");
    assert_eq!(digest_of(&mut caller), first);
    caller.ok("wallet_create", json!({ "userId": "user123", "asset": "BTC" }));
    let error = caller.fails("INVALID_PARAMS", "admin_reload", json!({}));
    assert!(error["message"].as_str().unwrap().contains("test.cedar"), "{error}");

    installation.write_policy(r#"permit (principal, action in [Action::"read", Action::"administer"], resource);"#);
    daemon.signal(Signal::SIGHUP);
    wait_until("the new policy is in force", || digest_of(&mut caller) != first);
    wait_until("readiness names nothing any more", || !daemon.get("/readyz").1.contains("reload"));
    caller.fails("DENIED", "wallet_create", json!({ "userId": "user123", "asset": "BTC" }));

    let config = fs::read_to_string(installation.path("kmsignd.toml")).unwrap();
    fs::write(installation.path("kmsignd.toml"), format!("{config}no_such_key = 1\n")).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("readiness names the bad configuration", || daemon.get("/readyz").1.contains("no_such_key"));
    fs::write(installation.path("kmsignd.toml"), config.replace("drain_seconds = 20", "drain_seconds = 21")).unwrap();
    let changes = caller.ok("admin_reload", json!({}));
    assert_eq!(changes["changes"], json!([{ "key": "service.drain_seconds", "needsRestart": true }]));
    assert_eq!(daemon.get("/readyz"), (200, r#"{"ready":true,"reasons":[]}"#.to_owned()));
    let database = Connection::open(installation.path("kmsignd.db")).unwrap();
    let sql = "SELECT count(*) FROM audit WHERE record ->> 'kind' = 'daemon' AND record ->> 'detail' LIKE 'SIGHUP: %'";
    assert_eq!(database.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap(), 3, "each is in the audit, refused or not");
}

#[test]
fn second_daemon_on_the_same_socket_or_store_is_refused() {
    let (_kms, installation) = installation();
    let daemon = installation.start();
    let (code, said) = installation.refusal();
    assert_eq!(code, EX_UNAVAILABLE, "{said}");
    assert!(said.contains("another daemon serves this socket"), "{said}");

    let mut on_another_socket = installation.command();
    on_another_socket.env("KMSIGND__SOCKET__PATH", installation.path("other.sock"));
    let (code, said) = installation.refusal_of(on_another_socket);
    assert_eq!(code, EX_UNAVAILABLE, "{said}");
    assert!(said.contains("another kmsignd holds this store"), "{said}");
    assert!(!installation.path("other.sock").exists());
    daemon.connect().ok("wallet_list", json!({}));
}

/// Every file beside the database that SQLite may have made, with its bytes.
fn bytes_of(database: &Path) -> Vec<Option<Vec<u8>>> {
    ["", "-wal", "-journal"].map(|suffix| fs::read(format!("{}{suffix}", database.display())).ok()).into()
}

/// Leaves a database as a killed process leaves it: with its last transaction in the log alone.
fn leave_with_a_log(path: &Path, sql: &str) {
    let database = Connection::open(path).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.execute_batch(sql).unwrap();
    let copied = ["", "-wal"]
        .map(|suffix| (format!("{}{suffix}", path.display()), fs::read(format!("{}{suffix}", path.display())).unwrap()));
    drop(database);
    for (name, bytes) in copied {
        fs::write(name, bytes).unwrap();
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn start_on_a_store_that_is_not_ours_is_refused_and_leaves_it_as_it_was() {
    let (_kms, installation) = installation();
    drop(installation.start());
    let store = installation.path("kmsignd.db");
    let text = |text: &'static str| move |path: &Path| fs::write(path, text).unwrap();
    let sql = |sql: &'static str| move |path: &Path| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    let with_log = |sql: &'static str| move |path: &Path| leave_with_a_log(path, sql);
    let cases: [(&str, Box<dyn Fn(&Path)>, &str); 8] = [
        ("text", Box::new(text("my notes, which nobody else has\n")), "not a kmsignd database"),
        ("long text", Box::new(|path: &Path| fs::write(path, "notes ".repeat(5000)).unwrap()), "not a kmsignd database"),
        ("another database", Box::new(sql("CREATE TABLE t (x); INSERT INTO t VALUES (1)")), "not a kmsignd database"),
        (
            "another database with a log",
            Box::new(with_log("CREATE TABLE t (x); INSERT INTO t VALUES (1)")),
            "not a kmsignd database",
        ),
        ("another application's", Box::new(sql("PRAGMA application_id = 7; CREATE TABLE wallets (x)")), "not a kmsignd database"),
        (
            "a newer kmsignd's",
            Box::new(sql("PRAGMA application_id = 0x6b6d7364; PRAGMA user_version = 99; CREATE TABLE t (x)")),
            "is newer than",
        ),
        (
            "a newer kmsignd's with a log",
            Box::new(with_log("PRAGMA application_id = 0x6b6d7364; PRAGMA user_version = 99; CREATE TABLE t (x)")),
            "is newer than",
        ),
        ("damaged", Box::new(|path: &Path| damage(path)), "damaged"),
    ];
    for (what, make, said) in cases {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", store.display()));
        }
        make(&store);
        let before = bytes_of(&store);
        let (code, text) = installation.refusal();
        assert_eq!(code, EX_DATAERR, "{what}: {text}");
        assert!(text.contains(said) && text.contains("untouched"), "{what}: {text}");
        assert!(bytes_of(&store) == before, "{what} is not as it was");
        assert!(!installation.path("kmsignd.sock").exists(), "{what}: nobody is served");
    }
}

/// A database of ours whose first pages a disk has lost.
fn damage(path: &Path) {
    Connection::open(path)
        .unwrap()
        .execute_batch("PRAGMA application_id = 0x6b6d7364; PRAGMA user_version = 1; CREATE TABLE t (x)")
        .unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[100..].fill(0xff);
    fs::write(path, bytes).unwrap();
}

#[test]
fn files_of_the_store_are_the_daemons_alone() {
    let (_kms, installation) = installation();
    let daemon = installation.start();
    daemon.connect().ok("wallet_create", json!({ "userId": "user123", "asset": "BTC" }));
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = format!("{}{suffix}", installation.path("kmsignd.db").display());
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{path}");
    }
    assert_eq!(fs::metadata(daemon.socket()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn start_with_a_configuration_or_policy_that_others_can_write_is_refused() {
    let (_kms, installation) = installation();
    for name in ["kmsignd.toml", "policy.d/test.cedar", "policy.d"] {
        let path = installation.path(name);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(before.mode() | 0o022)).unwrap();
        let (code, said) = installation.refusal();
        assert_eq!(code, EX_CONFIG, "{name}: {said}");
        assert!(said.contains("can be written by others") && said.contains("chmod"), "{name}: {said}");
        fs::set_permissions(&path, before).unwrap();
    }
    installation.write_policy("permit (principal, action, resource) oops;");
    let (code, said) = installation.refusal();
    assert_eq!(code, EX_CONFIG);
    assert!(said.contains("test.cedar"), "{said}");
}
