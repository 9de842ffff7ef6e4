//! From a backup.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::backup::backup;
use crate::harness::write_private;

/// A daemon with a wallet and a stored answer in its backup, and one wallet that came after.
fn backed_up() -> (Daemon, Value, String) {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon
        .ok("kms_signTransactionHash", json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(1), "requestId": "kept" }));
    let file = daemon.path("backup");
    assert_eq!(backup(&daemon, &file).0, Some(0));
    daemon.wallet("ETH");
    (daemon, wallet, file.to_str().unwrap().to_owned())
}

#[test]
fn restore_from_a_backup_goes_on_with_its_chain_and_its_answers_once_the_freeze_is_lifted() {
    let (mut daemon, wallet, file) = backed_up();
    let kept = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(1), "requestId": "kept" });
    let answer = daemon.ok("kms_signTransactionHash", kept.clone());
    let head = rusqlite::Connection::open(&file).unwrap().query_row(
        "SELECT max(sequence), (SELECT lower(hex(hash)) FROM audit ORDER BY sequence DESC LIMIT 1) FROM audit",
        [],
        |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)),
    );
    let (sequence, hash) = head.unwrap();
    daemon.stop();
    daemon.lose_store();
    let report = restored(&daemon, &file, 0);
    assert_eq!(report["wallets"], json!({ "CREATED": 1 }));
    assert!(report["freezeReason"].as_str().unwrap().contains("after 20"), "{report}");
    daemon.start_again();
    assert_eq!(wallets(&daemon), std::slice::from_ref(&wallet));
    let record = daemon.audit().into_iter().find(|record| record["sequence"] == sequence + 1).unwrap();
    let detail = record["detail"].as_str().unwrap();
    assert!(detail.contains("from the backup backup") && detail.contains(&format!("record {sequence}, hash {hash}")), "{detail}");
    daemon.fails("FROZEN", "kms_signTransactionHash", kept.clone());
    assert_frozen_until_lifted(&daemon, &report, &wallet);
    assert_eq!(daemon.ok("kms_signTransactionHash", kept), answer, "the stored answer, byte for byte");
    assert_eq!(fs::metadata(daemon.database_path()).unwrap().permissions(), fs::metadata(&file).unwrap().permissions());
}

#[test]
fn restore_from_a_backup_replaces_nothing_and_takes_nothing_that_is_not_whole() {
    let (mut daemon, _, file) = backed_up();
    assert!(refused(&daemon, &file, EX_UNAVAILABLE).contains("holds this store"));
    daemon.stop();
    let store = daemon.database_path();
    let before = daemon.fold_store();
    assert!(refused(&daemon, &file, EX_CANTCREAT).contains("replaces none"));
    assert!(fs::read(&store).unwrap() == before);
    daemon.lose_store();

    let whole = fs::read(&file).unwrap();
    let bad = daemon.path("bad");
    let sql = |sql: &str| {
        fs::write(&bad, &whole).unwrap();
        rusqlite::Connection::open(&bad).unwrap().execute_batch(sql).unwrap();
        fs::read(&bad).unwrap()
    };
    let mut page = whole.clone();
    let middle = page.len() / 4096 / 2 * 4096;
    page[middle..middle + 4096].fill(0x5a);
    let cases = [
        ("a page", page, "damaged"),
        ("cut", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("newer", sql("PRAGMA user_version = 99"), "newer"),
        ("another application's", sql("PRAGMA application_id = 7"), "not a kmsignd database"),
        ("text", b"notes ".repeat(2000), "not a kmsignd database"),
    ];
    for (what, bytes, words) in cases {
        fs::write(&bad, &bytes).unwrap();
        let said = refused(&daemon, bad.to_str().unwrap(), EX_DATAERR);
        assert!(said.contains(words), "{what}: {said}");
        assert!(!store.exists() && fs::read(&bad).unwrap() == bytes, "{what}");
    }
    assert!(refused(&daemon, "/no/such/file", 66).contains("no such file"));

    // The log of a store that is gone would be played into the restored one.
    let log = format!("{}-wal", store.display());
    fs::write(&log, "frames").unwrap();
    assert!(refused(&daemon, &file, EX_CANTCREAT).contains("move it away"));
    assert_eq!(fs::read(&log).unwrap(), b"frames");
    fs::remove_file(&log).unwrap();
    // What earlier tries left, and the empty file of a start that died, are in nobody's way.
    write_private(&daemon.path("store/kmsignd.db.restoring"), "half of one");
    write_private(&store, "");
    assert_eq!(restored(&daemon, &file, 0)["wallets"], json!({ "CREATED": 1 }));
    assert!(!daemon.path("store/kmsignd.db.restoring").exists());
}

#[test]
fn restore_from_a_tampered_backup_says_where_its_chain_breaks() {
    let (mut daemon, _, file) = backed_up();
    daemon.stop();
    daemon.lose_store();
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("DROP TRIGGER audit_is_not_updated; UPDATE audit SET record = replace(record, 'user123', 'user124') WHERE sequence = 2")
        .unwrap();
    let report = restored(&daemon, &file, 0);
    assert!(report["notes"][0].as_str().unwrap().contains("broken at record 2"), "{report}");
    daemon.start_again();
    assert_eq!(daemon.ok("audit_verify", json!({}))["firstBad"], 2);
}

#[test]
fn key_changes_that_a_backup_had_under_way_are_not_carried_out_but_for_switching_off() {
    let (mut daemon, _, file) = backed_up();
    daemon.stop();
    daemon.lose_store();
    let backup = rusqlite::Connection::open(&file).unwrap();
    let one =
        "INSERT INTO key_drives (wallet_id, wanted, version, since) SELECT wallet_id, ?1, version, 1 FROM wallets WHERE TRUE
               ON CONFLICT (wallet_id) DO UPDATE SET wanted = excluded.wanted";
    for (wanted, left) in [("Enabled", "0"), ("PendingDeletion", "0"), ("Disabled", "1")] {
        backup.execute(one, [wanted]).unwrap();
        restored(&daemon, &file, 0);
        assert_eq!(daemon.query("SELECT count(*) FROM key_drives"), left, "{wanted}");
        daemon.lose_store();
    }
}

#[test]
fn backup_of_an_older_schema_is_migrated() {
    let mut daemon = Daemon::start();
    daemon.stop();
    daemon.lose_store();
    let old = daemon.path("old");
    crate::old_databases::load_v1(&old);
    let report = restored(&daemon, old.to_str().unwrap(), 0);
    assert_eq!(report["wallets"], json!({ "CREATED": 7, "FAILED": 1, "PENDING": 3 }));
    daemon.start_again();
    daemon.assert_audit_is_whole();
}

#[test]
fn restore_from_a_backup_cut_off_after_the_copy_is_finished_by_the_next_try() {
    let (mut daemon, wallet, file) = backed_up();
    daemon.stop();
    daemon.lose_store();
    let first = restored(&daemon, &file, 0);
    // As a kill right after the copy got its name leaves it.
    daemon.execute("UPDATE restores SET finished_at = NULL");
    assert!(daemon.refusal().to_string().contains("is not finished"));
    let second = restored(&daemon, &file, 0);
    assert_eq!((&second["resumed"], &second["freezeId"]), (&json!(true), &first["freezeId"]));
    daemon.start_again();
    assert_eq!(wallets(&daemon), [wallet]);
    assert_eq!(daemon.query("SELECT count(*) FROM freezes"), "1");
}
