//! Documents that MongoDB refuses: parked, shown, tried again, and in nobody's way.

use ::mongodb::bson::doc;
use serde_json::json;

use super::{Way, text};
use crate::harness::proxy::{Fault, Kind};
use crate::harness::wait_until;

#[test]
fn document_with_anothers_key_is_parked_by_mongodb_and_blocks_nobody() {
    let Some(mut way) = Way::stopped("a refused document", &[]) else { return };
    way.proxy.set(Fault::new(Kind::Refuse));
    way.daemon.start_again();
    let before = [0; 3].map(|_| way.wallet().0);
    let (refused, key) = way.wallet();
    let after = [0; 3].map(|_| way.wallet().0);
    // Whoever wrote this document has one of our keys.
    way.mongo.insert(doc! { "providerId": "somebody", "kmsKeyId": &key });
    way.proxy.heal();
    for id in before.iter().chain(&after) {
        way.mongo.wait_for(id, 2);
    }
    let sync = way.wait_until_sync("it is parked", |sync| sync["parkedCount"] == 1 && sync["pending"] == 0);
    assert_eq!(sync["parked"][0]["walletId"], json!(refused));
    let reason = text(&sync["parked"][0]["reason"]);
    assert_eq!(reason, "its kmsKeyId is in another document, of providerId somebody");
    assert_eq!(way.mongo.of(&refused), []);
    let records = way.daemon.audited("daemon");
    let parking: Vec<_> = records.iter().filter(|record| text(&record["detail"]).contains(&refused)).collect();
    assert_eq!(parking.len(), 1, "{records:?}");
    assert!(text(&parking[0]["detail"]).contains(&reason), "{parking:?}");
    way.mongo.wait_for(&way.wallet().0, 2);

    // Nothing has changed: it stays parked, and the audit does not tell it again.
    way.daemon.restart();
    way.mongo.wait_for(&way.wallet().0, 2);
    way.wait_until_drained();
    assert_eq!(way.sync()["parkedCount"], 1);
    let records = way.daemon.audited("daemon");
    assert_eq!(records.iter().filter(|record| text(&record["detail"]).contains(&refused)).count(), 1);

    way.mongo.delete(doc! { "providerId": "somebody" });
    way.daemon.restart();
    way.mongo.wait_for(&refused, 2);
    wait_until("nothing is parked", || way.sync()["parkedCount"] == 0);
    way.daemon.assert_audit_is_whole();
}

#[test]
fn parked_wallet_gets_to_mongodb_with_its_next_version() {
    let Some(mut way) = Way::stopped("a parked wallet's next version", &[]) else { return };
    way.proxy.set(Fault::new(Kind::Refuse));
    way.daemon.start_again();
    let (id, key) = way.wallet();
    way.mongo.insert(doc! { "providerId": "somebody", "kmsKeyId": &key });
    way.proxy.heal();
    way.wait_until_sync("it is parked", |sync| sync["parkedCount"] == 1);
    way.mongo.delete(doc! { "providerId": "somebody" });
    way.daemon.stop();
    way.daemon.execute(&format!(
        "UPDATE wallets SET version = 3 WHERE wallet_id = '{id}';
         UPDATE outbox SET version = 3, parked = NULL WHERE wallet_id = '{id}'"
    ));
    way.daemon.start_again();
    way.mongo.wait_for(&id, 3);
    way.wait_until_sync("nothing is left", |sync| sync["parkedCount"] == 0 && sync["pending"] == 0);
}

/// FerretDB has no validators; what a server with them answers is in tests/it/mongo_answers.rs too.
#[test]
fn document_that_a_validator_of_mongodb_refuses_is_parked() {
    let Some(way) = Way::start("a validator") else { return };
    let (id, _) = way.wallet();
    way.mongo.wait_for(&id, 2);
    way.wait_until_drained();
    let validator = doc! { "collMod": "wallets", "validator": { "asset": { "$ne": "BTC" } } };
    if let Err(error) = way.mongo.run(validator) {
        assert!(way.mongo.is_ferretdb(), "{error}");
        return;
    }
    let refused = way.daemon.wallet("BTC");
    let (other, _) = way.wallet();
    way.mongo.wait_for(&other, 2);
    let sync = way.wait_until_sync("it is parked", |sync| sync["parkedCount"] == 1 && sync["pending"] == 0);
    assert_eq!(sync["parked"][0]["walletId"], refused["walletId"]);
    assert!(text(&sync["parked"][0]["reason"]).contains("DocumentValidationFailure (code 121)"), "{sync}");
}
