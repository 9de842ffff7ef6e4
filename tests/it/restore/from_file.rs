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
        .execute_batch(
            "DROP TRIGGER audit_is_not_updated; UPDATE audit SET record = replace(record, 'user123', 'user124') WHERE sequence = 2;
             CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;",
        )
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
    // Its keys are in no KMS that can be asked. Without any of the deployment's, it is the configuration that is wrong.
    assert!(refused(&daemon, old.to_str().unwrap(), EX_UNAVAILABLE).contains("lists no key of deployment"));
    let made = plant(
        &daemon,
        &json!({ "walletId": "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60", "userId": "u", "addressType": "eip55", "createdAt": "2026-01-15T10:30:00.250Z", "asset": "ETH", "network": "sepolia" }),
        KeySpec::EccSecgP256K1,
        &[],
    );
    assert!(made.starts_with("arn:"));
    let report = restored(&daemon, old.to_str().unwrap(), INCOMPLETE);
    assert_eq!(report["wallets"], json!({ "DISABLED": 7, "FAILED": 1, "PENDING": 3 }));
    assert_eq!(report["quarantined"].as_array().unwrap().len(), 7);
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

/// Who can write a backup could put an address of theirs into it, or take the freeze away.
#[test]
fn backup_that_others_could_have_written_is_not_taken() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (mut daemon, _, file) = backed_up();
    daemon.stop();
    daemon.lose_store();
    let mode = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for bits in [0o620, 0o602] {
        mode(file.as_ref(), bits);
        assert!(refused(&daemon, &file, EX_DATAERR).contains("can be written by others"));
    }
    mode(file.as_ref(), 0o600);
    let open = daemon.path("open");
    fs::create_dir(&open).unwrap();
    mode(&open, 0o777);
    let inside = open.join("backup");
    fs::copy(&file, &inside).unwrap();
    let link = daemon.path("link");
    symlink(&inside, &link).unwrap();
    for path in [&inside, &link] {
        assert!(refused(&daemon, path.to_str().unwrap(), EX_DATAERR).contains("can be written by others"), "{path:?}");
    }
    // In a sticky directory nobody takes away what is ours.
    mode(&open, 0o1777);
    restored(&daemon, link.to_str().unwrap(), 0);
}

#[test]
fn backup_whose_schema_somebody_changed_is_not_taken() {
    let (mut daemon, _, file) = backed_up();
    daemon.stop();
    daemon.lose_store();
    let whole = fs::read(&file).unwrap();
    for sql in [
        "CREATE TRIGGER thaw AFTER INSERT ON freezes BEGIN UPDATE freezes SET lifted_at = 1; END",
        "DROP TRIGGER wallets_key_is_pinned",
        "CREATE VIEW v AS SELECT 1",
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'lifted_at INTEGER', 'lifted_at INTEGER DEFAULT 1') WHERE name = 'freezes'",
    ] {
        write_private(file.as_ref(), "");
        fs::write(&file, &whole).unwrap();
        rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let said = refused(&daemon, &file, EX_DATAERR);
        assert!(said.contains("somebody changed it") && !daemon.database_path().exists(), "{sql}: {said}");
    }
    fs::write(&file, "").unwrap();
    assert!(refused(&daemon, &file, EX_DATAERR).contains("not a kmsignd database"), "an empty file is no backup");
}

#[test]
fn backup_that_somebody_copied_into_the_stores_place_serves_nobody() {
    let (mut daemon, wallet, file) = backed_up();
    daemon.stop();
    daemon.lose_store();
    let store = daemon.database_path();
    fs::copy(&file, &store).unwrap();
    let said = daemon.refusal().to_string();
    assert!(said.contains("restore --from FILE"), "{said}");
    assert!(refused(&daemon, &file, EX_DATAERR).contains("move it away"));
    assert!(fs::read(&store).unwrap() == fs::read(&file).unwrap());
    daemon.lose_store();
    let report = restored(&daemon, &file, 0);
    daemon.start_again();
    assert_frozen_until_lifted(&daemon, &report, &wallet);
}

#[test]
fn wallet_of_a_backup_that_kms_does_not_bear_out_comes_back_in_quarantine() {
    let (mut daemon, wallet, _) = backed_up();
    let (moved, swapped, disabled, gone) =
        (daemon.wallet("BTC"), daemon.wallet("BTC"), daemon.wallet("BTC"), daemon.wallet("BTC"));
    let file = daemon.path("later");
    assert_eq!(backup(&daemon, &file).0, Some(0));
    daemon.stop();
    daemon.lose_store();
    let id = |wallet: &Value| wallet["walletId"].as_str().unwrap().to_owned();
    let key = |wallet: &Value| wallet["kmsKeyId"].as_str().unwrap().to_owned();
    let database = rusqlite::Connection::open(&file).unwrap();
    let pinned: String =
        database.query_row("SELECT sql FROM sqlite_schema WHERE name = 'wallets_key_is_pinned'", [], |row| row.get(0)).unwrap();
    let foreign = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    database
        .execute_batch(&format!(
            "DROP TRIGGER wallets_key_is_pinned;
             UPDATE wallets SET user_id = 'mallory' WHERE wallet_id = '{}';
             UPDATE wallets SET (address, public_key) = (SELECT address, public_key FROM wallets WHERE wallet_id = '{}') WHERE wallet_id = '{}';
             UPDATE wallets SET kms_key_id = '{foreign}' WHERE wallet_id = '{}';
             {pinned};",
            id(&moved),
            id(&wallet),
            id(&swapped),
            id(&gone),
        ))
        .unwrap();
    drop(database);
    key_state(&daemon, &disabled["kmsKeyId"], "disable");
    let report = restored(&daemon, file.to_str().unwrap(), INCOMPLETE);
    let quarantined = reasons(&report, "quarantined");
    for (wallet, words) in [(&moved, "user-id"), (&swapped, "public key"), (&gone, "no such key")] {
        assert!(quarantined[&id(wallet)].contains(words), "{quarantined:?}");
        assert_eq!(daemon.query(&format!("SELECT count(*) FROM addresses WHERE wallet_id = '{}'", id(wallet))), "0");
        assert_eq!(daemon.query(&format!("SELECT status FROM wallets WHERE wallet_id = '{}'", id(wallet))), "DISABLED");
    }
    assert_eq!(quarantined.len(), 3);
    assert!(reasons(&report, "changed")[&id(&disabled)].contains("backup's word"), "{report}");
    assert!(
        reasons(&report, "missing").keys().any(|subject| subject.starts_with(&id(&gone))),
        "its own key is told of: {report}"
    );
    assert_eq!(report["wallets"], json!({ "CREATED": 2, "DISABLED": 4 }));
    let _ = key(&wallet);
    // From the tags the true ones come back, in place of what the backup said.
    let again = restored(&daemon, "kms", 0);
    assert_eq!(again["restored"], 3, "{again}");
    daemon.start_again();
    for wallet in [&swapped, &gone, &moved] {
        let found = daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }));
        assert_eq!(
            (&found["address"], &found["userId"], &found["kmsKeyId"]),
            (&wallet["address"], &wallet["userId"], &wallet["kmsKeyId"])
        );
    }
    assert_frozen_until_lifted(&daemon, &report, &wallet);
}

#[test]
fn restore_of_another_backup_does_not_go_on_with_the_first() {
    let (mut daemon, _, file) = backed_up();
    let other = daemon.path("other");
    assert_eq!(backup(&daemon, &other).0, Some(0));
    daemon.stop();
    daemon.lose_store();
    restored(&daemon, &file, 0);
    daemon.execute("UPDATE restores SET finished_at = NULL");
    assert!(refused(&daemon, other.to_str().unwrap(), EX_CANTCREAT).contains("another backup"));
    restored(&daemon, &file, 0);
}

#[test]
fn log_of_a_store_that_is_gone_is_kept() {
    let mut daemon = Daemon::start();
    daemon.wallet("BTC");
    daemon.stop();
    daemon.lose_store();
    let log = format!("{}-wal", daemon.database_path().display());
    fs::write(&log, "its last transactions").unwrap();
    assert!(refused(&daemon, "kms", EX_CANTCREAT).contains("move the log away"));
    assert!(daemon.refusal().to_string().contains("move the log away"));
    assert_eq!(fs::read(&log).unwrap(), b"its last transactions");
    fs::remove_file(&log).unwrap();
    restored(&daemon, "kms", 0);
}
