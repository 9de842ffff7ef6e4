//! What is in a document, and which version of a wallet it holds.

use ::mongodb::bson::{Bson, DateTime, doc};
use kmsignd::background::wallets_in_mongo::WalletsInMongo;
use kmsignd::config::{Config, Environment};
use serde_json::json;

use super::{Way, text};
use crate::harness::mongo::{Mongo, insert_waiting, provider_id};
use crate::harness::proxy::{Fault, Kind};
use crate::harness::wait_until;

#[test]
fn created_wallet_is_in_mongodb_with_every_member_and_the_indexes() {
    let Some(way) = Way::start("a created wallet in MongoDB") else { return };
    let params = json!({ "userId": "user123", "asset": "BSC", "network": "testnet", "label": "hot" });
    let wallet = way.daemon.ok("wallet_create", params);
    let found = way.mongo.wait_for(&text(&wallet["walletId"]), 2);
    for name in ["userId", "address", "network", "kmsKeyId", "status", "addressType", "publicKey", "keySpec", "label"] {
        assert_eq!(found.get_str(name).unwrap(), wallet[name], "{name}");
    }
    assert_eq!(found.get_str("asset").unwrap(), "BSC", "as the caller wrote it");
    assert_eq!(found.get_str("providerId").unwrap(), wallet["walletId"]);
    assert!(matches!(found.get("_id"), Some(Bson::ObjectId(_))), "{found}");
    let created_at = found.get_datetime("createdAt").unwrap().timestamp_millis();
    assert_eq!(kmsignd::clock::Timestamp::from_unix_millis(created_at as u64).to_string(), text(&wallet["createdAt"]));
    assert!(found.get_datetime("updatedAt").unwrap().timestamp_millis() >= created_at);
    assert_eq!(found.len(), 15, "{found}");

    way.wait_until_drained();
    let sync = way.sync();
    assert_eq!(sync["configured"], true);
    assert_eq!((&sync["lastError"], &sync["indexProblems"], &sync["parked"]), (&json!(null), &json!([]), &json!([])));
    let indexes = way.mongo.run(doc! { "listIndexes": "wallets" }).unwrap();
    let indexes = indexes.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    for (name, unique) in [("providerId_1", true), ("kmsKeyId_1", true), ("userId_1_asset_1", false), ("address_1", false)] {
        let index = indexes.iter().filter_map(Bson::as_document).find(|index| index.get_str("name").ok() == Some(name));
        let index = index.unwrap_or_else(|| panic!("{name} is missing: {indexes:?}"));
        assert_eq!(index.get_bool("unique").unwrap_or(false), unique, "{name}");
    }
}

#[test]
fn base_address_has_its_stake_wallet_and_stake_key_in_its_mongodb_document() {
    let Some(way) = Way::start("a base address in MongoDB") else { return };
    let stake = way.daemon.wallet("ADA");
    let wallet = crate::stake_wallets::base_wallet(&way.daemon, &stake);
    let found = way.mongo.wait_for(&text(&wallet["walletId"]), 2);
    assert_eq!(found.get_str("stakeWalletId").unwrap(), stake["walletId"]);
    assert_eq!(found.get_str("stakeKeyHash").unwrap(), crate::stake_wallets::key_hash(&stake));
    assert_eq!((found.get_str("addressType").unwrap(), found.len()), ("base", 17), "{found}");
    assert_eq!(way.mongo.wait_for(&text(&stake["walletId"]), 2).len(), 15, "no other document has them");
}

#[test]
fn newer_version_follows_the_older_into_one_mongodb_document() {
    let Some(way) = Way::start("a newer version in MongoDB") else { return };
    let (id, _) = way.wallet();
    way.mongo.wait_for(&id, 2);
    way.daemon.ok("wallet_disable", json!({ "walletId": id, "reason": "a test" }));
    let version = i64::try_from(way.daemon.ok("wallet_get", json!({ "walletId": id }))["version"].as_u64().unwrap()).unwrap();
    assert!(version > 2);
    let found = way.mongo.wait_for(&id, version);
    assert_eq!(found.get_str("status").unwrap(), "DISABLED");
    way.wait_until_drained();
}

/// Somebody restored an older store, or an answer was lost and the wallet changed since.
#[test]
fn older_version_never_takes_the_place_of_a_newer_one_in_mongodb() {
    let Some(mut way) = Way::stopped("an older version after a newer one", &[]) else { return };
    let (newer, equal, without) = seed_three(&mut way);
    way.mongo.insert(doc! { "providerId": &newer, "kmsKeyId": "its own", "version": 9_i64, "status": "DISABLED" });
    way.mongo.insert(doc! { "providerId": &equal, "kmsKeyId": "its own too", "version": 2_i64, "status": "theirs" });
    let same = way.wallet_before();
    way.mongo.insert(doc! { "providerId": &same, "kmsKeyId": way.key_of(&same), "version": 2_i64, "status": "CREATED" });
    way.mongo.insert(doc! { "providerId": &without, "userId": "from before kmsignd", "more": 1 });
    let (null, text) = (way.wallet_before(), way.wallet_before());
    way.mongo.insert(doc! { "providerId": &null, "kmsKeyId": "null", "version": Bson::Null });
    way.mongo.insert(doc! { "providerId": &text, "kmsKeyId": "text", "version": "nine" });
    way.daemon.start_again();
    way.wait_until_drained();
    // What this store did not write is not overwritten, and not taken for its own.
    let parked = way.sync()["parked"].as_array().unwrap().clone();
    let reason = |id: &str| super::text(&parked.iter().find(|row| row["walletId"] == *id).unwrap()["reason"]);
    assert_eq!(parked.len(), 2, "{parked:?}");
    assert!(reason(&newer).contains("version 9") && reason(&equal).contains("another kmsKeyId"), "{parked:?}");
    for id in [&null, &text] {
        assert_eq!(way.mongo.wait_for(id, 2).get_str("userId").unwrap(), "user123");
    }
    let found = way.mongo.wait_for(&newer, 9);
    assert_eq!((found.get_str("status").unwrap(), found.contains_key("userId")), ("DISABLED", false), "{found}");
    assert_eq!(way.mongo.wait_for(&equal, 2).get_str("status").unwrap(), "theirs");
    let found = way.mongo.wait_for(&without, 2);
    assert_eq!(
        (found.get_str("userId").unwrap(), found.get_i32("more").unwrap()),
        ("user123", 1),
        "its other members stay: {found}"
    );
    assert_eq!(way.mongo.count(), 6);
    assert!(!way.mongo.wait_for(&same, 2).contains_key("userId"), "it was acknowledged as it is");
}

#[test]
fn older_version_makes_no_second_mongodb_document_where_the_unique_index_can_not_be_built() {
    let Some(mut way) = Way::stopped("no unique index", &[]) else { return };
    let (newer, other, _) = seed_three(&mut way);
    for key in ["a", "b"] {
        way.mongo.insert(doc! { "providerId": &newer, "kmsKeyId": key, "version": 9_i64 });
    }
    way.daemon.start_again();
    way.wait_until_drained();
    way.mongo.wait_for(&other, 2);
    assert_eq!(way.mongo.of(&newer).len(), 2);
    let sync = way.sync();
    assert_eq!(sync["lastError"], json!(null), "it is reported, and nothing stops");
    let problems = sync["indexProblems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{sync}");
    assert!(text(&problems[0]).starts_with("index providerId_1: can't be built"), "{sync}");
    assert!(!text(&problems[0]).contains(&newer), "{sync}");
    assert_eq!(way.daemon.readiness().0, 200);
}

/// Three wallets of a daemon that never met its MongoDB, and is stopped.
fn seed_three(way: &mut Way) -> (String, String, String) {
    let [first, second, third] = [0; 3].map(|_| way.wallet_before());
    (first, second, third)
}

impl Way {
    fn key_of(&self, id: &str) -> String {
        self.daemon.query(&format!("SELECT kms_key_id FROM wallets WHERE wallet_id = '{id}'"))
    }

    /// A wallet that is made while MongoDB is away. The daemon is stopped before and after.
    fn wallet_before(&mut self) -> String {
        self.proxy.set(Fault::new(Kind::Refuse));
        self.daemon.start_again();
        let (id, _) = self.wallet();
        self.daemon.stop();
        self.proxy.heal();
        id
    }
}

#[test]
fn wallets_in_mongodb_are_read_back_in_order_and_from_anywhere() {
    let Some(mongo) = Mongo::start("wallets read back from MongoDB") else { return };
    let whole = |n: u32| {
        doc! {
            "providerId": format!("id-{n:03}"), "userId": "user123", "address": "a", "asset": "BSC", "network": "testnet",
            "kmsKeyId": format!("key-{n}"), "status": "CREATED", "createdAt": DateTime::from_millis(1_768_473_000_250),
        }
    };
    for n in (0..25).rev() {
        mongo.insert(whole(n));
    }
    let mut complete = whole(25);
    complete.extend(
        doc! { "publicKey": "02ab", "label": "hot", "version": 7_i64, "keySpec": "ECC_SECG_P256K1", "addressType": "eip55" },
    );
    mongo.insert(complete);
    // Shares its providerId with another, and a page ends between them.
    mongo.insert({
        let mut twin = whole(9);
        twin.insert("userId", "another");
        twin
    });
    mongo.insert(doc! { "providerId": "id-012", "_id": "bad", "userId": 7 });
    mongo.insert(doc! { "_id": "nobody", "userId": "user123" });
    mongo.insert(doc! { "_id": "number", "providerId": 12 });

    let uri = mongo.uri().to_owned();
    let settings: Environment = mongo.settings(&uri).into_iter().chain([("AWS_REGION", "eu-central-1")]).collect();
    let config = Config::from_toml("test", "", &settings).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let wallets = WalletsInMongo::open(config.sync.as_ref().unwrap()).await.unwrap();
        assert_eq!(wallets.count().await.unwrap(), 30);
        let (mut after, mut read, mut malformed) = (None, Vec::new(), Vec::new());
        loop {
            let page = wallets.page(after.as_deref(), 10).await.unwrap();
            for document in page.documents {
                match document {
                    Ok(wallet) => read.push(wallet),
                    Err(error) => malformed.push(error.to_string()),
                }
            }
            after = page.last;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(malformed, ["document \"bad\": userId is no text"]);
        let ids: Vec<&str> = read.iter().map(|wallet| wallet.provider_id.as_str()).collect();
        let mut expected: Vec<String> = (0..26).map(|n| format!("id-{n:03}")).collect();
        expected.insert(9, "id-009".to_owned());
        assert_eq!(ids, expected);
        let last = read.last().unwrap();
        assert_eq!((last.version, last.label.as_deref(), last.public_key.as_deref()), (Some(7), Some("hot"), Some("02ab")));
        assert_eq!((read[0].version, read[0].created_at, read[0].label.as_deref()), (None, 1_768_473_000_250, None));
        let resumed = wallets.page(Some("id-020"), 100).await.unwrap();
        assert_eq!(resumed.documents.len(), 5);
        let mut strays: Vec<String> =
            wallets.without_provider_id(10).await.unwrap().into_iter().map(|stray| stray.to_string()).collect();
        strays.sort();
        assert_eq!(strays, ["document \"nobody\": providerId is missing", "document \"number\": providerId is no text"]);
        let asked = ["id-025", "id-003", "id-999"].map(str::to_owned);
        let versions = wallets.versions(&asked).await.unwrap();
        assert_eq!((versions.len(), versions["id-025"], versions["id-003"]), (2, 7, 0));
    });
}

#[test]
fn outbox_reaches_mongodb_in_the_order_of_its_changes() {
    let Some(mut way) = Way::start("the order of the outbox") else { return };
    way.wallet();
    way.wait_until_drained();
    way.daemon.stop();
    let ids = insert_waiting(&way.daemon, 1200);
    way.daemon.start_again();
    wait_until("all are there", || way.mongo.count() == ids.len() + 1);
    way.wait_until_drained();
    // MongoDB's own ids grow with time and order of insertion.
    let mut inserted: Vec<_> =
        way.mongo.all().iter().map(|found| (found.get_object_id("_id").unwrap(), provider_id(found))).collect();
    inserted.sort();
    let order: Vec<String> = inserted.into_iter().map(|(_, id)| id).filter(|id| ids.contains(id)).collect();
    assert_eq!(order, ids);
}
