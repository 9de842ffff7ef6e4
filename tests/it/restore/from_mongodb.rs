//! From the documents in MongoDB, each of which is evidence only.

use std::process::Stdio;

use aws_sdk_kms::types::KeySpec;
use kmsignd::emulator::{Fault, Operation, Script};
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde_json::{Value, json};

use super::*;
use crate::backup::backup;
use crate::harness::wait_until;

/// A database of its own, dropped in the end; `None` where there is no MongoDB.
struct Mongodb {
    uri: String,
    name: String,
    runtime: tokio::runtime::Runtime,
    database: mongodb::Database,
}

impl Mongodb {
    fn for_test(test: &str) -> Option<Self> {
        let Ok(uri) = std::env::var("KMSIGND_TEST_MONGODB_URI") else {
            crate::skipped(test, "KMSIGND_TEST_MONGODB_URI names no MongoDB");
            return None;
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let name = format!("restore_{}", uuid::Uuid::new_v4().simple());
        let client = runtime.block_on(mongodb::Client::with_uri_str(&uri)).unwrap();
        Some(Self { database: client.database(&name), uri, name, runtime })
    }

    fn insert(&self, document: Document) {
        self.runtime.block_on(self.database.collection("wallets").insert_one(document).into_future()).unwrap();
    }

    fn insert_all(&self, documents: impl Iterator<Item = Document>) {
        self.runtime.block_on(self.database.collection("wallets").insert_many(documents).into_future()).unwrap();
    }

    /// The daemon's command with this database configured.
    fn restore(&self, daemon: &Daemon, source: &str) -> std::process::Command {
        let mut command = daemon.command(&["restore", "--json", "--from", source]);
        command.env("KMSIGND__SYNC__MONGODB_URI", &self.uri).env("KMSIGND__SYNC__DATABASE", &self.name);
        command
    }

    #[track_caller]
    fn restored(&self, daemon: &Daemon, source: &str, code: i32) -> Value {
        let output = self.restore(daemon, source).output().unwrap();
        let (said, report) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(code), "{said}{report}");
        serde_json::from_str(&report).unwrap()
    }
}

impl Drop for Mongodb {
    fn drop(&mut self) {
        // A server that is gone has nothing to drop.
        let _ = self.runtime.block_on(self.database.drop().into_future());
    }
}

/// The document of a wallet as wallet_get answers it.
fn document(wallet: &Value) -> Document {
    let text = |name: &str| wallet[name].as_str().map_or(Bson::Null, |text| text.into());
    let created_at: kmsignd::clock::Timestamp = wallet["createdAt"].as_str().unwrap().parse().unwrap();
    let mut document = doc! {
        "providerId": text("walletId"), "userId": text("userId"), "address": text("address"), "asset": text("asset"),
        "network": text("network"), "kmsKeyId": text("kmsKeyId"), "status": text("status"), "addressType": text("addressType"),
        "publicKey": text("publicKey"), "keySpec": text("keySpec"), "label": text("label"),
        "createdAt": DateTime::from_millis(i64::try_from(created_at.unix_millis()).unwrap()),
        "version": wallet["version"].as_i64().unwrap(),
    };
    if wallet.get("stakeWalletId").is_some() {
        document.insert("stakeWalletId", text("stakeWalletId"));
        document.insert("stakeKeyHash", crate::stake_wallets::parts_of(wallet).1);
    }
    document
}

fn with(mut document: Document, changes: Document) -> Document {
    for (name, value) in changes {
        document.insert(name, value);
    }
    document
}

#[test]
fn restore_from_mongodb_brings_back_the_very_same_wallets() {
    let Some(mongodb) = Mongodb::for_test("restore_from_mongodb_brings_back_the_very_same_wallets") else { return };
    let mut daemon = Daemon::start();
    every_kind(&daemon);
    let before = wallets(&daemon);
    mongodb.insert_all(before.iter().map(document));
    daemon.stop();
    daemon.lose_store();
    let report = mongodb.restored(&daemon, "mongodb", 0);
    assert_eq!(report["wallets"], json!({ "CREATED": before.len() }));
    daemon.start_again();
    assert_eq!(wallets(&daemon), before);
    assert_eq!(daemon.query("SELECT count(*) FROM outbox"), before.len().to_string());
    let first = daemon.audit()[0]["detail"].as_str().unwrap().to_owned();
    assert!(first.contains("restored from mongodb at 20") && first.contains("no checkpoint"), "{first}");
    assert_frozen_until_lifted(&daemon, &report, &before[0]);
}

#[test]
fn restore_from_mongodb_killed_in_the_middle_goes_on_where_it_stopped() {
    const WALLETS: usize = 230;
    let Some(mongodb) = Mongodb::for_test("restore_from_mongodb_killed_in_the_middle_goes_on_where_it_stopped") else { return };
    let mut daemon = Daemon::start();
    let mut caller = daemon.connect();
    for n in 0..WALLETS {
        caller.ok("wallet_create", json!({ "userId": format!("user{n}"), "asset": "ETH" }));
    }
    let before = wallets(&daemon);
    mongodb.insert_all(before.iter().map(document));
    daemon.stop();
    daemon.lose_store();
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::GetPublicKey, 100)].into());
    let mut command = mongodb.restore(&daemon, "mongodb");
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let count = || {
        let database = rusqlite::Connection::open_with_flags(daemon.database_path(), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
        database
            .and_then(|database| database.query_row("SELECT count(*) FROM wallets", [], |row| row.get::<_, usize>(0)))
            .unwrap_or(0)
    };
    wait_until("some are there", || count() > 0);
    running.kill().unwrap();
    running.wait().unwrap();
    let there = count();
    assert!((1..WALLETS).contains(&there), "{there}");
    assert!(daemon.refusal().to_string().contains("restore --from mongodb"));
    daemon.faults().change(|switches| switches.latency_ms.clear());
    let asked = daemon.kms_log(Operation::GetPublicKey).len();
    let report = mongodb.restored(&daemon, "mongodb", 0);
    assert_eq!((&report["resumed"], &report["restored"]), (&json!(true), &json!(WALLETS)));
    // Some of the killed one's requests were still on their way.
    let asked = daemon.kms_log(Operation::GetPublicKey).len() - asked;
    assert!((WALLETS - there..=WALLETS - there + 32).contains(&asked), "{asked}");
    daemon.start_again();
    assert_eq!(wallets(&daemon), before);
    assert_frozen_until_lifted(&daemon, &report, &before[0]);
}

#[test]
fn documents_in_mongodb_that_kms_does_not_bear_out_come_back_in_quarantine_or_not_at_all() {
    let Some(mongodb) = Mongodb::for_test("documents_in_mongodb_that_kms_does_not_bear_out") else { return };
    let mut daemon = Daemon::start();
    let wallet = |daemon: &Daemon| daemon.wallet("BTC");
    let (good, other) = (wallet(&daemon), wallet(&daemon));
    let new = |n: u64| kmsignd::ids::WalletId::new(1_768_473_000_000 + n).to_string();
    let arn = |region: &str, account: &str| format!("arn:aws:kms:{region}:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let mut expected: Vec<(&str, String, &str, bool)> = Vec::new();
    let mut case = |what, changed: Document, wallet: &Value, words, has_row| {
        let document = with(document(wallet), changed);
        expected.push((what, document.get_str("providerId").unwrap().to_owned(), words, has_row));
        mongodb.insert(document);
    };
    mongodb.insert(document(&good));
    mongodb.insert(document(&other));
    // The planted document sorts before the wallet whose key it claims, and must not take it away from it.
    case("another wallet's key", doc! { "providerId": new(1) }, &good, "wallet-id", false);
    case(
        "no such key",
        doc! { "providerId": new(2), "kmsKeyId": arn("eu-central-1", "111122223333") },
        &good,
        "no such key",
        true,
    );
    case(
        "another Region's key",
        doc! { "providerId": new(3), "kmsKeyId": arn("us-east-1", "111122223333") },
        &good,
        "Region",
        true,
    );
    case(
        "another account's key",
        doc! { "providerId": new(4), "kmsKeyId": arn("eu-central-1", "999988887777") },
        &good,
        "account",
        true,
    );
    let own = wallet(&daemon);
    case("another user", doc! { "userId": "mallory" }, &own, "user-id", true);
    let own = wallet(&daemon);
    case("another's public key", doc! { "publicKey": other["publicKey"].as_str().unwrap() }, &own, "public key", true);
    let own = wallet(&daemon);
    case("another's address", doc! { "address": other["address"].as_str().unwrap() }, &own, "another address", true);
    let own = wallet(&daemon);
    let both = doc! { "address": other["address"].as_str().unwrap(), "publicKey": other["publicKey"].as_str().unwrap() };
    case("another's public key and address", both, &own, "public key", true);
    let own = wallet(&daemon);
    case("another network", doc! { "network": "signet" }, &own, "network", true);
    let own = wallet(&daemon);
    case("a key that is disabled", doc! {}, &own, "not proven", true);
    key_state(&daemon, &own["kmsKeyId"], "disable");
    let disabled = own;
    let own = wallet(&daemon);
    case("a key that is going", doc! {}, &own, "not proven", true);
    key_state(&daemon, &own["kmsKeyId"], "delete");
    let going = own;
    let planted = new(5);
    let key = plant(&daemon, &good, KeySpec::EccNistEdwards25519, &[("kmsignd:wallet-id", Some(&planted))]);
    case("a key of another kind", doc! { "providerId": &planted, "kmsKeyId": key }, &good, "spec", true);
    daemon.stop();
    daemon.lose_store();
    let report = mongodb.restored(&daemon, "mongodb", INCOMPLETE);
    let quarantined = reasons(&report, "quarantined");
    assert_eq!(quarantined.len(), expected.len(), "{quarantined:#?}");
    for (what, id, words, has_row) in &expected {
        assert!(quarantined[id].contains(words), "{what}: {}", quarantined[id]);
        let row =
            daemon.query(&format!("SELECT count(*) FROM wallets JOIN quarantine USING (wallet_id) WHERE wallet_id = '{id}'"));
        assert_eq!(row, u8::from(*has_row).to_string(), "{what}");
        assert_eq!(
            daemon.query(&format!("SELECT count(*) FROM addresses WHERE wallet_id = '{id}'")),
            "0",
            "{what}: nobody's address is ours"
        );
        assert_eq!(
            daemon.query(&format!("SELECT count(*) FROM outbox WHERE wallet_id = '{id}'")),
            "0",
            "{what}: its document is evidence"
        );
    }
    daemon.start_again();
    for wallet in [&good, &other] {
        assert_eq!(&daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] })), wallet);
    }
    let of = |wallet: &Value| daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }));
    assert_eq!((of(&disabled)["status"].clone(), of(&going)["status"].clone()), (json!("DISABLED"), json!("PENDING_DELETION")));
    assert_ne!(
        daemon.query(&format!("SELECT deletion_date FROM wallets WHERE wallet_id = '{}'", going["walletId"].as_str().unwrap())),
        "NULL"
    );
    daemon.ok("admin_unfreeze", json!({ "freezeId": report["freezeId"], "reason": "checked" }));
    for (what, id, ..) in expected.iter().filter(|(_, _, _, has_row)| *has_row) {
        let key = daemon.ok("wallet_get", json!({ "walletId": id }))["kmsKeyId"].clone();
        let sign = json!({ "keyId": key, "transactionHash": digest(1) });
        assert!(daemon.call("kms_signTransactionHash", sign).is_err(), "{what}: it must not sign");
    }
}

#[test]
fn documents_in_mongodb_that_are_no_wallets_are_skipped_with_their_reason() {
    let Some(mongodb) = Mongodb::for_test("documents_in_mongodb_that_are_no_wallets_are_skipped") else { return };
    let mut daemon = Daemon::start();
    let good = daemon.wallet("BTC");
    let new = |n: u64| kmsignd::ids::WalletId::new(1_768_473_000_000 + n).to_string();
    let changes = [
        (doc! { "status": "SOLD" }, "status"),
        (doc! { "status": "PENDING" }, "PENDING"),
        (doc! { "asset": "XYZ" }, "asset"),
        (doc! { "network": "moonnet" }, "network"),
        (doc! { "kmsKeyId": "alias/hot" }, "kmsKeyId"),
        (doc! { "userId": "a b" }, "userId"),
        (doc! { "addressType": "p2tr" }, "addressType"),
        (doc! { "publicKey": "02" }, "publicKey"),
        (doc! { "keySpec": "RSA_2048" }, "keySpec"),
        (doc! { "label": "x".repeat(129) }, "label"),
        (doc! { "version": -1_i64 }, "version"),
    ];
    let mut expected = Vec::new();
    for (n, (change, words)) in (1..).zip(changes) {
        let id = new(n);
        mongodb.insert(with(with(document(&good), doc! { "providerId": &id }), change));
        expected.push((id, words));
    }
    mongodb.insert(with(document(&good), doc! { "providerId": "not a wallet id" }));
    expected.push(("not a wallet id".to_owned(), "providerId"));
    mongodb.insert(doc! { "_id": "no provider", "userId": "user1" });
    mongodb.insert(doc! { "_id": "number", "providerId": 7 });
    mongodb.insert(doc! { "_id": "no address", "providerId": new(99), "userId": "user1" });
    mongodb.insert(document(&good));
    daemon.stop();
    daemon.lose_store();
    let report = mongodb.restored(&daemon, "mongodb", INCOMPLETE);
    let skipped = reasons(&report, "skipped");
    for (id, words) in expected {
        let reason = skipped.get(&id).unwrap_or_else(|| panic!("{id} ({words}) is not in {skipped:#?}"));
        assert!(reason.contains(words), "{id}: {reason}");
    }
    for id in ["no provider", "number", "no address"] {
        assert!(skipped.keys().any(|subject| subject.contains(id)), "{id}: {skipped:#?}");
    }
    assert_eq!(report["wallets"], json!({ "CREATED": 1 }));
    assert_eq!(report["quarantined"], json!([]));
}

#[test]
fn of_mongodb_and_kms_the_stricter_state_holds_and_no_key_is_scheduled_for_deletion() {
    let Some(mongodb) = Mongodb::for_test("of_mongodb_and_kms_the_stricter_state_holds") else { return };
    let mut daemon = Daemon::start();
    let wallet = |daemon: &Daemon| daemon.wallet("BTC");
    let (disabled, deleting, mut deleted) = (wallet(&daemon), wallet(&daemon), wallet(&daemon));
    deleted["walletId"] = json!(kmsignd::ids::WalletId::new(1_768_473_000_000).to_string());
    let gone = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    mongodb.insert(with(document(&disabled), doc! { "status": "DISABLED" }));
    mongodb.insert(with(document(&deleting), doc! { "status": "PENDING_DELETION" }));
    mongodb.insert(with(document(&deleted), doc! { "status": "DELETED", "kmsKeyId": gone }));
    daemon.stop();
    daemon.lose_store();
    // The key of the third one belongs to a wallet that MongoDB does not know.
    let report = mongodb.restored(&daemon, "mongodb", INCOMPLETE);
    assert_eq!(report["wallets"], json!({ "DELETED": 1, "DISABLED": 2 }), "{report}");
    let of_deleted = format!("SELECT count(*) FROM addresses WHERE wallet_id = '{}'", deleted["walletId"].as_str().unwrap());
    assert_eq!(daemon.query(&of_deleted), "0", "nobody proved that its address was ours");
    assert_eq!(report["quarantined"], json!([]));
    let changed = reasons(&report, "changed");
    assert!(changed[deleting["walletId"].as_str().unwrap()].contains("ask again"), "{changed:?}");
    let drives = "SELECT group_concat(wanted) FROM key_drives";
    assert_eq!(daemon.query(drives), "Disabled,Disabled", "KMS is to follow");
    let version = |wallet: &Value| {
        daemon.query(&format!("SELECT version FROM wallets WHERE wallet_id = '{}'", wallet["walletId"].as_str().unwrap()))
    };
    assert_eq!(version(&disabled), disabled["version"].to_string(), "as its document says");
    assert_eq!(version(&deleting), (deleting["version"].as_u64().unwrap() + 1).to_string(), "MongoDB is to hear of it");
    assert_eq!(daemon.kms_log(Operation::ScheduleKeyDeletion).len(), 0);
}

#[test]
fn restore_from_a_backup_goes_on_above_the_versions_in_mongodb_and_takes_from_there_what_it_lacks() {
    let Some(mongodb) = Mongodb::for_test("restore_from_a_backup_goes_on_above_the_versions_in_mongodb") else { return };
    let mut daemon = Daemon::start();
    let (older, newer) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    let file = daemon.path("backup");
    assert_eq!(backup(&daemon, &file).0, Some(0));
    let later = daemon.wallet("LTC");
    mongodb.insert(with(document(&older), doc! { "version": 1_i64 }));
    mongodb.insert(with(document(&newer), doc! { "version": 7_i64 }));
    mongodb.insert(document(&later));
    daemon.stop();
    daemon.lose_store();
    let report = mongodb.restored(&daemon, file.to_str().unwrap(), INCOMPLETE);
    assert_eq!(report["versionsRaised"], 1);
    let missing = reasons(&report, "missing");
    assert!(missing[later["walletId"].as_str().unwrap()].contains("restore --from mongodb"), "{missing:?}");
    let added = mongodb.restored(&daemon, "mongodb", 0);
    assert_eq!((&added["restored"], &added["freezeId"]), (&json!(1), &report["freezeId"]));
    daemon.start_again();
    let of = |wallet: &Value| daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }));
    assert_eq!((of(&older), of(&later)), (older.clone(), later));
    assert_eq!(of(&newer)["version"], 8);
    assert_frozen_until_lifted(&daemon, &report, &older);
}

#[test]
fn restore_from_a_backup_while_mongodb_is_away_goes_on_above_any_version_it_can_have() {
    let mut daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let file = daemon.path("backup");
    assert_eq!(backup(&daemon, &file).0, Some(0));
    daemon.stop();
    for source in [file.to_str().unwrap(), "kms"] {
        daemon.lose_store();
        let mut command = daemon.command(&["restore", "--json", "--from", source]);
        command.env("KMSIGND__SYNC__MONGODB_URI", "mongodb://user:hunter2@127.0.0.1:9/?serverSelectionTimeoutMS=100");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("MongoDB could not be asked") && !said.contains("hunter2"), "{said}");
        assert!(daemon.query("SELECT min(version) FROM wallets").parse::<u64>().unwrap() > 1_700_000_000);
        assert_eq!(daemon.query("SELECT count(*) FROM outbox JOIN wallets USING (wallet_id, version)"), "1");
    }
    daemon.start_again();
    assert_eq!(without(&wallets(&daemon), &["version"]), without(&[wallet], &["version"]));
}

#[test]
fn restore_from_kms_goes_on_above_the_versions_in_mongodb_and_knows_what_kms_does_not_show() {
    let Some(mongodb) = Mongodb::for_test("restore_from_kms_goes_on_above_the_versions_in_mongodb") else { return };
    let mut daemon = Daemon::start();
    let (known, unknown, disabled) = (daemon.wallet("BTC"), daemon.wallet("ETH"), daemon.wallet("LTC"));
    let lost = kmsignd::ids::WalletId::new(1_768_473_000_000).to_string();
    mongodb.insert(with(document(&known), doc! { "version": 7_i64 }));
    mongodb.insert(document(&disabled));
    mongodb.insert(with(document(&known), doc! { "providerId": &lost }));
    daemon.stop();
    daemon.lose_store();
    key_state(&daemon, &disabled["kmsKeyId"], "disable");
    let report = mongodb.restored(&daemon, "kms", INCOMPLETE);
    assert_eq!(report["wallets"], json!({ "CREATED": 2, "DISABLED": 1 }), "{report}");
    assert!(reasons(&report, "missing").contains_key(&lost), "{report}");
    assert!(reasons(&report, "quarantined").contains_key(disabled["walletId"].as_str().unwrap()));
    daemon.start_again();
    let version = |wallet: &Value| daemon.ok("wallet_get", json!({ "walletId": wallet["walletId"] }))["version"].clone();
    assert_eq!((version(&known), version(&unknown)), (json!(8), json!(1)));
}

#[test]
fn document_in_mongodb_that_calls_a_wallet_deleted_does_not_lose_it() {
    let Some(mongodb) = Mongodb::for_test("a document that calls a wallet deleted") else { return };
    let mut daemon = Daemon::start();
    let (wallet, other) = (daemon.wallet("BTC"), daemon.wallet("BTC"));
    let id = wallet["walletId"].as_str().unwrap();
    let gone = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    mongodb.insert(with(
        document(&wallet),
        doc! {
            "status": "DELETED", "kmsKeyId": gone,
            "address": other["address"].as_str().unwrap(), "publicKey": other["publicKey"].as_str().unwrap(),
        },
    ));
    daemon.stop();
    daemon.lose_store();
    let report = mongodb.restored(&daemon, "mongodb", INCOMPLETE);
    assert!(reasons(&report, "quarantined")[id].contains("has this wallet's tag"), "{report}");
    assert!(reasons(&report, "missing").keys().any(|subject| subject.starts_with(id)), "{report}");
    // Its tags bring it back, and the document is not overwritten, as nobody can say which of them was changed.
    let again = mongodb.restored(&daemon, "kms", INCOMPLETE);
    assert!(reasons(&again, "quarantined")[id].contains("kmsKeyId"), "{again}");
    assert_eq!(restored(&daemon, "kms", 0)["restored"], 1, "without [sync] the tags alone count");
}

/// Who may tag keys and can't write to MongoDB must not come by a wallet, nor by another's.
#[test]
fn tags_in_kms_that_the_document_in_mongodb_does_not_bear_out_give_nobody_a_wallet() {
    let Some(mongodb) = Mongodb::for_test("tags that a document does not bear out") else { return };
    let mut daemon = Daemon::start();
    let (moved, retagged, good) = (daemon.wallet("ETH"), daemon.wallet("BTC"), daemon.wallet("LTC"));
    for wallet in [&moved, &retagged, &good] {
        mongodb.insert(document(wallet));
    }
    daemon.stop();
    daemon.lose_store();
    let kms = client(daemon.kms_endpoint(), "eu-central-1");
    let key = |wallet: &Value| wallet["kmsKeyId"].as_str().unwrap().to_owned();
    daemon.block_on(kms.untag_resource().key_id(key(&moved)).tag_keys("kmsignd:wallet-id").send()).unwrap();
    plant(&daemon, &moved, KeySpec::EccSecgP256K1, &[]);
    let tag = Tag::builder().tag_key("kmsignd:user-id").tag_value("mallory").build().unwrap();
    daemon.block_on(kms.tag_resource().key_id(key(&retagged)).tags(tag).send()).unwrap();
    let unheard_of = json!(kmsignd::ids::WalletId::new(1_768_473_000_000).to_string());
    let mut planted = good.clone();
    planted["walletId"] = unheard_of.clone();
    plant(&daemon, &planted, KeySpec::EccSecgP256K1, &[]);
    let report = mongodb.restored(&daemon, "kms", INCOMPLETE);
    let quarantined = reasons(&report, "quarantined");
    for (wallet, word) in [(&moved, "kmsKeyId"), (&retagged, "userId")] {
        assert!(quarantined[wallet["walletId"].as_str().unwrap()].contains(word), "{quarantined:?}");
    }
    assert!(reasons(&report, "missing")[unheard_of.as_str().unwrap()].contains("by its tags alone"), "{report}");
    assert_eq!(report["wallets"], json!({ "CREATED": 2 }), "{report}");
}

#[test]
fn huge_version_in_mongodb_stops_no_restore() {
    let Some(mongodb) = Mongodb::for_test("a huge version") else { return };
    let mut daemon = Daemon::start();
    let (wallet, good) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    let file = daemon.path("backup");
    assert_eq!(backup(&daemon, &file).0, Some(0));
    mongodb.insert(with(document(&wallet), doc! { "version": i64::MAX }));
    mongodb.insert(document(&good));
    daemon.stop();
    for (source, there) in [(file.to_str().unwrap(), 2), ("kms", 2), ("mongodb", 1)] {
        daemon.lose_store();
        let report = mongodb.restored(&daemon, source, INCOMPLETE);
        assert_eq!(report["wallets"], json!({ "CREATED": there }), "{source}: {report}");
    }
    let reasons = reasons(&mongodb.restored(&daemon, "mongodb", INCOMPLETE), "skipped");
    assert!(reasons.values().any(|reason| reason.contains("version is over")), "{reasons:?}");
}

#[test]
fn state_in_mongodb_that_is_newer_than_the_backup_and_stricter_holds() {
    let Some(mongodb) = Mongodb::for_test("a stricter state that is newer than the backup") else { return };
    let mut daemon = Daemon::start();
    let (wallet, pending) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    let file = daemon.path("backup");
    assert_eq!(backup(&daemon, &file).0, Some(0));
    let database = rusqlite::Connection::open(&file).unwrap();
    // The backup was made while the second one's key was being made.
    database.execute_batch("PRAGMA foreign_keys = 0").unwrap();
    let trigger: String =
        database.query_row("SELECT sql FROM sqlite_schema WHERE name = 'wallets_key_is_pinned'", [], |row| row.get(0)).unwrap();
    let id = |wallet: &Value| wallet["walletId"].as_str().unwrap().to_owned();
    database
        .execute_batch(&format!(
            "DROP TRIGGER wallets_key_is_pinned;
             UPDATE wallets SET status = 'PENDING', kms_key_id = NULL, public_key = NULL, address = NULL, version = 1 WHERE wallet_id = '{0}';
             DELETE FROM addresses WHERE wallet_id = '{0}';
             DELETE FROM outbox WHERE wallet_id = '{0}';
             INSERT INTO pending_keys VALUES ('{0}', 1, 1, NULL);
             {trigger};",
            id(&pending)
        ))
        .unwrap();
    drop(database);
    mongodb.insert(with(document(&wallet), doc! { "status": "DISABLED", "version": 3_i64 }));
    mongodb.insert(document(&pending));
    daemon.stop();
    daemon.lose_store();
    let report = mongodb.restored(&daemon, file.to_str().unwrap(), 0);
    assert!(reasons(&report, "changed")[&id(&wallet)].contains("so it is DISABLED"), "{report}");
    assert_eq!(report["wallets"], json!({ "DISABLED": 1, "PENDING": 1 }));
    let outbox = |id: &str| daemon.query(&format!("SELECT count(*) FROM outbox WHERE wallet_id = '{id}'"));
    assert_eq!(outbox(&id(&pending)), "0", "a wallet without a key must not take the place of its document");
    assert_eq!(outbox(&id(&wallet)), "1");
    let version = |id: &str| daemon.query(&format!("SELECT version FROM wallets WHERE wallet_id = '{id}'"));
    assert_eq!((version(&id(&wallet)), version(&id(&pending))), ("4".to_owned(), "3".to_owned()));
    assert_eq!(daemon.query("SELECT group_concat(wanted) FROM key_drives"), "Disabled");
    daemon.start_again();
    wait_until("its key is found again", || {
        daemon.ok("wallet_get", json!({ "walletId": pending["walletId"] }))["status"] == "CREATED"
    });
    assert_eq!(daemon.ok("wallet_get", json!({ "walletId": pending["walletId"] }))["address"], pending["address"]);
}

#[test]
fn unproven_document_in_mongodb_does_not_keep_a_key_from_its_wallet() {
    let Some(mongodb) = Mongodb::for_test("an unproven document with another's key") else { return };
    let mut daemon = Daemon::start();
    let (good, other) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    let planted = kmsignd::ids::WalletId::new(1_768_473_000_000).to_string();
    mongodb.insert(with(document(&good), doc! { "providerId": &planted }));
    mongodb.insert(document(&good));
    mongodb.insert(document(&other));
    daemon.stop();
    daemon.lose_store();
    for _ in 0..2 {
        daemon.faults().script(Script::next(Operation::DescribeKey, Fault::Deny).on_key(good["kmsKeyId"].as_str().unwrap()));
    }
    let report = mongodb.restored(&daemon, "mongodb", INCOMPLETE);
    assert_eq!(report["wallets"], json!({ "CREATED": 1, "DISABLED": 1 }), "{report}");
    let report = mongodb.restored(&daemon, "mongodb", INCOMPLETE);
    assert_eq!(report["wallets"], json!({ "CREATED": 2 }), "{report}");
    assert_eq!(reasons(&report, "quarantined").keys().collect::<Vec<_>>(), [&planted]);
    daemon.start_again();
    assert_eq!(daemon.ok("wallet_get", json!({ "walletId": good["walletId"] })), good);
}
