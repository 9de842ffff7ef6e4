//! MongoDB down, cut off, slow or silent: nothing is lost, nothing is there twice, and nobody who signs notices.

use std::time::Duration;

use serde_json::json;

use super::Way;
use crate::harness::mongo::{insert_waiting, provider_id};
use crate::harness::proxy::{Fault, Kind};
use crate::harness::wait_until;

/// How an `update` command names its list, in BSON.
const UPDATE: &[u8] = b"\x04updates\0";

#[test]
fn mongodb_down_at_start_holds_up_nobody_and_loses_nothing() {
    let Some(mut way) = Way::stopped("MongoDB down at start", &[]) else { return };
    way.proxy.set(Fault::new(Kind::Refuse));
    way.daemon.start_again();
    let wallets = [0; 3].map(|_| way.wallet());
    for (_, key) in &wallets {
        way.signs(key);
    }
    let sync = way.wait_until_sync("the failure shows", |sync| !sync["lastError"].is_null());
    assert_eq!((&sync["pending"], &sync["parkedCount"]), (&json!(3), &json!(0)));
    way.daemon.wait_until_ready();
    let (status, reasons) = way.daemon.readiness();
    assert_eq!(status, 200, "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.starts_with("sync: wallets do not get to MongoDB")), "{reasons:?}");
    assert_eq!(way.daemon.ok("admin_status", json!({}))["ready"], true);

    way.proxy.heal();
    for (id, _) in &wallets {
        way.mongo.wait_for(id, 2);
    }
    way.wait_until_drained();
    let sync = way.wait_until_sync("it is well again", |sync| sync["lastError"].is_null());
    assert_eq!(sync["oldestAgeSeconds"], 0);
    assert_eq!(way.daemon.readiness().1, Vec::<String>::new());
}

#[test]
fn mongodb_down_over_crashes_of_the_daemon_gets_every_wallet_once() {
    let Some(mut way) = Way::stopped("MongoDB down for long", &[]) else { return };
    way.proxy.set(Fault::new(Kind::Refuse));
    let mut ids = Vec::new();
    for _ in 0..3 {
        way.daemon.start_again();
        ids.extend([way.wallet().0, way.wallet().0]);
        way.daemon.crash();
    }
    way.proxy.heal();
    way.daemon.start_again();
    way.wait_until_drained();
    assert_there_once(&way, ids);
}

#[test]
fn connection_cut_in_the_middle_of_a_write_leaves_nothing_out_of_mongodb() {
    let Some(mut way) = filled(300) else { return };
    way.proxy.set(Fault::new(Kind::CutRequest { after: 20_000 }).at(UPDATE).times(3));
    way.daemon.start_again();
    way.proxy.wait_until_met();
    way.wait_until_drained();
    assert_eq!(way.mongo.count(), 301);
    assert_eq!(way.sync()["parked"], json!([]));
}

#[test]
fn dropped_answers_of_mongodb_deliver_twice_and_change_nothing() {
    let Some(mut way) = filled(300) else { return };
    way.proxy.set(Fault::new(Kind::CutAnswer { after: 0 }).at(UPDATE).times(2));
    way.daemon.start_again();
    way.proxy.wait_until_met();
    way.wait_until_drained();
    assert_eq!(way.mongo.count(), 301, "written twice, there once");
    assert_eq!(way.sync()["parked"], json!([]));
    // An answer cut in its middle is no answer either.
    way.proxy.set(Fault::new(Kind::CutAnswer { after: 17 }).at(UPDATE).times(1));
    let (id, _) = way.wallet();
    way.proxy.wait_until_met();
    way.mongo.wait_for(&id, 2);
    way.wait_until_drained();
    assert_eq!(way.mongo.count(), 302);
}

#[test]
fn slow_mongodb_gets_everything_while_signing_goes_on() {
    let Some(way) = Way::start("a slow MongoDB") else { return };
    way.proxy.set(Fault::new(Kind::Slow(Duration::from_millis(100))));
    let mut ids = Vec::new();
    for _ in 0..10 {
        let (id, key) = way.wallet();
        way.signs(&key);
        ids.push(id);
    }
    way.wait_until_drained();
    assert_there_once(&way, ids);
}

#[test]
fn silent_mongodb_is_given_up_and_tried_again() {
    let Some(way) = Way::start("a half-open connection to MongoDB") else { return };
    let (id, key) = way.wallet();
    way.mongo.wait_for(&id, 2);
    way.wait_until_drained();
    way.proxy.set(Fault::new(Kind::HalfOpen));
    let (late, _) = way.wallet();
    way.signs(&key);
    way.wait_until_sync("the silence is noticed", |sync| !sync["lastError"].is_null());
    assert_eq!(way.mongo.of(&late), []);
    way.proxy.heal();
    way.mongo.wait_for(&late, 2);
    way.wait_until_drained();
}

#[test]
fn daemon_killed_again_and_again_leaves_each_wallet_in_mongodb_once() {
    let Some(mut way) = filled(1500) else { return };
    for _ in 0..6 {
        let before = way.mongo.count();
        way.daemon.start_again();
        // At another place each time: after some of it got through.
        wait_until("some more got through", || way.mongo.count() > before || before == 1501);
        way.daemon.crash();
    }
    way.daemon.start_again();
    way.wait_until_drained();
    assert_eq!(way.mongo.count(), 1501);
    assert_eq!(way.sync()["parked"], json!([]));
    way.daemon.assert_audit_is_whole();
}

#[test]
fn creation_stops_at_max_pending_without_mongodb_and_signing_goes_on() {
    let Some(mut way) = Way::stopped("the limit of the outbox", &[("KMSIGND__SYNC__MAX_PENDING", "2")]) else { return };
    way.proxy.set(Fault::new(Kind::Refuse));
    way.daemon.start_again();
    let first = json!({ "userId": "user123", "asset": "ETH", "idempotencyKey": "first" });
    let wallet = way.daemon.ok("wallet_create", first.clone());
    let (_, key) = way.wallet();
    let error = way.daemon.fails("OVERLOADED", "wallet_create", json!({ "userId": "user123", "asset": "BTC" }));
    assert!(error["message"].as_str().unwrap().contains("2 wallets wait for MongoDB"), "{error}");
    assert!(error["data"]["retryAfterMs"].as_u64().is_some(), "{error}");
    way.daemon.fails("OVERLOADED", "kms_createKey", json!({ "userId": "user123", "asset": "BTC" }));
    way.signs(&key);
    assert_eq!(way.daemon.ok("wallet_create", first), wallet, "a stored answer is given again");
    wait_until("it is told", || way.daemon.readiness().1.iter().any(|reason| reason.contains("no new one is made")));
    assert_eq!(way.daemon.readiness().0, 200);
    assert_eq!(way.daemon.kms_effects(kmsignd::emulator::Operation::CreateKey), 2, "KMS was not asked");

    way.proxy.heal();
    way.wait_until_drained();
    way.wallet();
}

/// A stopped daemon with so many wallets in its outbox, and one in MongoDB already.
fn filled(count: usize) -> Option<Way> {
    let mut way = Way::start("a full outbox")?;
    way.wallet();
    way.wait_until_drained();
    way.daemon.stop();
    insert_waiting(&way.daemon, count);
    Some(way)
}

#[track_caller]
fn assert_there_once(way: &Way, mut ids: Vec<String>) {
    ids.sort();
    let there: Vec<String> = way.mongo.all().iter().map(provider_id).collect();
    assert_eq!(there, ids);
}
