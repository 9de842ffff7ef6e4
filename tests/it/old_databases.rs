//! Databases that earlier versions left, and damaged ones: opened with everything in them, or refused and left as they were.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Daemon, wait_until, write_private};

const V1: &str = include_str!("../databases/v1.sql");
const V2: &str = include_str!("../databases/v2.sql");

/// A database of schema 1, as its own code left it.
pub fn load_v1(path: &Path) {
    load(path, V1, 1);
}

fn load(path: &Path, dump: &str, version: u32) {
    write_private(path, "");
    let database = Connection::open(path).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute_batch(dump).unwrap();
    database.pragma_update(None, "application_id", 0x6b6d_7364).unwrap();
    database.pragma_update(None, "user_version", version).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
}

/// A stopped daemon on a store of schema 1.
fn on_v1() -> Daemon {
    on(V1, 1)
}

fn on(dump: &str, version: u32) -> Daemon {
    let daemon = Daemon::stopped(&kmsignd::policy::dev_policy(nix::unistd::geteuid().as_raw()), &[]);
    load(&daemon.database_path(), dump, version);
    daemon
}

fn rows(database: &Connection, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn schema_1_opens_with_everything_in_it() {
    let mut daemon = on_v1();
    let everything = [
        "SELECT wallet_id, user_id, asset, ticker, network, address_type, key_spec, status, kms_key_id, public_key, address, label, \
         created_at, updated_at, version FROM wallets ORDER BY 1",
        "SELECT * FROM addresses ORDER BY 1, 2, 3, 4",
        "SELECT * FROM audit WHERE sequence <= 37 ORDER BY 1",
        "SELECT uid, method, request_id, content_hash, wallet_id, intent, answer, answered_at FROM requests ORDER BY 1, 2, 3",
    ];
    let of = |daemon: &Daemon| everything.map(|sql| rows(&daemon.database(), sql));
    let before = of(&daemon);
    assert_eq!(before.each_ref().map(Vec::len), [11, 13, 37, 15], "the dump is as it was made");
    assert_eq!(daemon.query("SELECT group_concat(intent) FROM open_intents"), "36,37", "killed in the middle of two calls");
    daemon.start_again();
    assert!(of(&daemon) == before, "nothing is changed");
    assert_eq!(daemon.query("PRAGMA user_version"), "3");
    let pending = "SELECT group_concat(wallet_id) FROM (SELECT wallet_id FROM wallets WHERE status = 'PENDING' ORDER BY 1)";
    let looked_for = "SELECT group_concat(wallet_id) FROM (SELECT wallet_id FROM pending_keys WHERE creations = 1 ORDER BY 1)";
    assert_eq!(daemon.query(looked_for), daemon.query(pending), "the keys of PENDING wallets are looked for");
    let outbox = "SELECT count(*) FROM outbox JOIN wallets USING (wallet_id, version) WHERE status = 'CREATED'";
    assert_eq!((daemon.query(outbox), daemon.query("SELECT count(*) FROM outbox")), ("7".to_owned(), "7".to_owned()));
    daemon.assert_audit_is_whole();
    wait_until("what was cut off is swept", || daemon.query("SELECT count(*) FROM open_intents") == "0");

    let stored = "SELECT answer FROM requests WHERE method = 'wallet_create' AND request_id = 'create 3'";
    let stored: Value = serde_json::from_str(&daemon.query(stored)).unwrap();
    let again =
        json!({ "userId": "user3", "asset": "ETH", "network": "sepolia", "label": "hot wallet", "idempotencyKey": "create 3" });
    assert_eq!(daemon.ok("wallet_create", again), stored, "a retry gets the answer that was stored then");
    assert_eq!(daemon.ok("wallet_get", json!({ "address": stored["address"], "asset": "ETH" })), stored);
    daemon.restart();
    daemon.assert_audit_is_whole();
}

#[test]
fn schema_2_opens_with_everything_in_it() {
    let mut daemon = on(V2, 2);
    let wallets = "wallet_id, user_id, asset, ticker, network, address_type, key_spec, status, kms_key_id, public_key, address, label, \
                   created_at, updated_at, version, deletion_date";
    let everything = [
        &*format!("SELECT {wallets} FROM wallets ORDER BY 1"),
        "SELECT * FROM addresses ORDER BY 1, 2, 3, 4",
        "SELECT * FROM audit WHERE sequence <= 26 ORDER BY 1",
        "SELECT * FROM requests ORDER BY 1, 2, 3",
        "SELECT * FROM outbox ORDER BY 1",
        "SELECT * FROM contents, signatures, guards",
    ];
    let of = |daemon: &Daemon| everything.map(|sql| rows(&daemon.database(), sql));
    let before = of(&daemon);
    assert_eq!(before.each_ref().map(Vec::len), [7, 11, 26, 12, 7, 1], "the dump is as it was made");
    daemon.start_again();
    assert!(of(&daemon) == before, "nothing is changed");
    assert_eq!(daemon.query("PRAGMA user_version"), "3");
    assert_eq!(daemon.query("SELECT count(*) FROM wallets WHERE stake_wallet_id IS NULL AND stake_key_hash IS NULL"), "7");
    let answer = |request_id: &str| {
        let stored = daemon.query(&format!("SELECT answer FROM requests WHERE request_id = '{request_id}'"));
        serde_json::from_str::<Value>(&stored).unwrap()
    };
    let again = json!({ "userId": "user5", "asset": "ADA", "network": "preprod", "idempotencyKey": "create 5" });
    assert_eq!(daemon.ok("wallet_create", again), answer("create 5"), "a retry gets the answer that was stored then");
    let disabled = daemon.ok("wallet_get", json!({ "walletId": answer("disable")["walletId"] }));
    assert_eq!(disabled, answer("disable"));
    let stake = json!({ "userId": "u", "asset": "ADA", "network": "preprod", "stakeWalletId": answer("create 5")["walletId"] });
    assert_eq!(daemon.ok("wallet_create", stake)["addressType"], "base", "an old wallet's key is a stake key");
    daemon.restart();
    daemon.assert_audit_is_whole();
}

#[test]
fn newer_schema_is_refused_and_left_as_it_was() {
    let daemon = on_v1();
    daemon.execute("PRAGMA user_version = 99; PRAGMA journal_mode = DELETE");
    let before = fs::read(daemon.database_path()).unwrap();
    let said = daemon.refusal().to_string();
    assert!(said.contains("schema version 99 is newer") && said.contains("install a newer kmsignd"), "{said}");
    assert!(fs::read(daemon.database_path()).unwrap() == before);
    assert_eq!(daemon.command(&["serve"]).output().unwrap().status.code(), Some(65));
}

#[test]
fn damaged_file_is_refused_with_what_to_do_and_left_as_it_was() {
    let mut daemon = Daemon::start();
    for _ in 0..50 {
        daemon.wallet("BTC");
    }
    daemon.stop();
    let path = daemon.database_path();
    let whole = daemon.fold_store();
    assert_eq!(whole.len() % 4096, 0);
    let overwritten = |from: usize, to: usize| {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0x5a);
        bytes
    };
    let cases = [
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("cut within a page", whole[..whole.len() - 100].to_vec()),
        ("its last page lost", whole[..whole.len() - 4096].to_vec()),
        ("its header overwritten", overwritten(0, 100)),
        ("its first page overwritten", overwritten(0, 4096)),
        ("the schema overwritten", overwritten(100, 4096)),
        ("garbage", whole.iter().enumerate().map(|(n, _)| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect()),
        ("zeros", vec![0; whole.len()]),
    ];
    for (what, bytes) in cases {
        write_bytes(&path, &bytes);
        println!("{what}");
        daemon.refusal();
        let said = daemon.command(&["serve"]).output().unwrap();
        assert_eq!(said.status.code(), Some(65), "{what}: {said:?}");
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.contains("untouched") && said.contains("restore --from"), "{what}: {said}");
        assert!(fs::read(&path).unwrap() == bytes, "{what} is not as it was");
    }
    write_bytes(&path, &whole);
    daemon.start_again();
    daemon.assert_audit_is_whole();
}

fn write_bytes(path: &Path, bytes: &[u8]) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    fs::write(path, bytes).unwrap();
}
