//! What the outbox makes of each answer that a MongoDB can give. A row leaves only when a majority has it; one document's refusal
//! is its own affair. A server of the tests gives the answers, since a real one gives them only when it is in trouble.

use ::mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use crate::harness::fake_mongo::{FakeMongo, id_of, no_primary, take};
use crate::harness::{Daemon, wait_until};

/// A daemon with this many wallets that its MongoDB did not take yet.
fn waiting(count: usize) -> (Daemon, FakeMongo, Vec<String>) {
    let mongo = FakeMongo::start();
    let daemon = Daemon::with_settings(&[("KMSIGND__SYNC__MONGODB_URI", &mongo.uri())]);
    let ids = (0..count).map(|_| daemon.wallet("ETH")["walletId"].as_str().unwrap().to_owned()).collect();
    wait_until("the refusal shows", || sync(&daemon)["lastError"].is_string());
    assert_eq!(sync(&daemon)["pending"], json!(count));
    (daemon, mongo, ids)
}

fn sync(daemon: &Daemon) -> Value {
    daemon.ok("admin_status", json!({}))["sync"].take()
}

fn pending(daemon: &Daemon) -> u64 {
    sync(daemon)["pending"].as_u64().unwrap()
}

fn parked(daemon: &Daemon) -> Vec<(String, String)> {
    let sync = sync(daemon);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    sync["parked"].as_array().unwrap().iter().map(|row| (text(&row["walletId"]), text(&row["reason"]))).collect()
}

fn error(index: usize, code: i32) -> Document {
    doc! { "index": index as i32, "code": code, "errmsg": "as the test says" }
}

#[test]
fn write_asks_for_a_majority_and_its_journal_whatever_the_connection_string_says() {
    let mongo = FakeMongo::start();
    let uri = format!("{}&w=1&journal=false&readPreference=secondary", mongo.uri());
    let daemon = Daemon::with_settings(&[("KMSIGND__SYNC__MONGODB_URI", &uri)]);
    mongo.heal();
    daemon.wallet("ETH");
    wait_until("it is taken", || mongo.look(|state| !state.versions.is_empty()));
    let update = mongo.look(|state| state.updates.last().unwrap().clone());
    let concern = update.get_document("writeConcern").unwrap();
    assert_eq!((concern.get_str("w").unwrap(), concern.get_bool("j").unwrap()), ("majority", true), "{update}");
    assert!(concern.get_i32("wtimeout").unwrap() > 0);
    assert!(!update.get_bool("ordered").unwrap());
    assert_eq!(update.get_str("$db").unwrap(), "test", "the database that the string names");
}

#[test]
fn command_that_is_refused_as_a_whole_acknowledges_nothing() {
    for answer in [
        no_primary(),
        doc! { "ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized" },
        doc! { "ok": 0.0, "code": 121, "codeName": "DocumentValidationFailure", "errmsg": "all of them" },
        doc! { "ok": 1.0 },
        doc! { "ok": 1.0, "n": 1 },
        doc! { "ok": 1.0, "n": 3, "writeErrors": [{ "index": 0, "code": 9001, "errmsg": "more than were sent" }] },
    ] {
        let (daemon, mongo, ids) = waiting(2);
        let said = answer.clone();
        mongo.answer(move |_, _| said.clone());
        let before = mongo.look(|state| state.updates.len());
        wait_until("it is tried again", || mongo.look(|state| state.updates.len()) > before + 2);
        assert_eq!((pending(&daemon), parked(&daemon)), (2, vec![]), "{answer}");
        assert!(sync(&daemon)["lastError"].is_string(), "{answer}");
        mongo.heal();
        wait_until("it is taken", || pending(&daemon) == 0);
        assert_eq!(mongo.look(|state| state.versions.keys().cloned().collect::<Vec<_>>()), ids);
    }
}

#[test]
fn write_that_no_majority_has_is_not_acknowledged() {
    let (daemon, mongo, _) = waiting(3);
    mongo.answer(|state, updates| {
        let mut answer = take(state, updates.iter());
        answer.insert("writeConcernError", doc! { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out" });
        answer
    });
    wait_until("it is written", || mongo.look(|state| state.versions.len()) == 3);
    wait_until("it says why", || sync(&daemon)["lastError"].to_string().contains("a majority does not have it yet"));
    assert_eq!(pending(&daemon), 3);
    mongo.heal();
    wait_until("it is taken", || pending(&daemon) == 0);
}

#[test]
fn duplicate_of_what_the_primary_alone_has_is_not_acknowledged() {
    let (daemon, mongo, ids) = waiting(1);
    let id = ids[0].clone();
    mongo.look(|state| {
        state.versions.insert(id.clone(), 2);
        state.on_the_primary_only.insert(id);
    });
    mongo.answer(|_, _| doc! { "ok": 1.0, "n": 0, "writeErrors": [error(0, 11000)] });
    wait_until("it says why", || sync(&daemon)["lastError"].to_string().contains("not on a majority yet"));
    assert_eq!((pending(&daemon), parked(&daemon)), (1, vec![]));
    mongo.look(|state| state.on_the_primary_only.clear());
    wait_until("the majority has it", || pending(&daemon) == 0);
    assert_eq!(parked(&daemon), []);
}

#[test]
fn document_that_is_refused_within_a_batch_is_parked_alone() {
    let (daemon, mongo, ids) = waiting(3);
    let bad = ids[1].clone();
    let refused = bad.clone();
    mongo.answer(move |state, updates| {
        let mut answer = take(state, updates.iter().filter(|update| id_of(update) != refused));
        let at = updates.iter().position(|update| id_of(update) == refused);
        if let Some(at) = at {
            answer.insert("writeErrors", [error(at, 121)].to_vec());
        }
        answer
    });
    wait_until("the others are there", || pending(&daemon) == 0);
    assert_eq!(parked(&daemon), [(bad, "MongoDB refuses the document: DocumentValidationFailure (code 121)".to_owned())]);
    assert_eq!(mongo.look(|state| state.versions.len()), 2);
}

#[test]
fn document_that_spoils_the_whole_command_is_found_and_parked_alone() {
    let (daemon, mongo, ids) = waiting(5);
    let bad = ids[3].clone();
    let spoils = bad.clone();
    mongo.answer(move |state, updates| {
        if updates.iter().any(|update| id_of(update) == spoils) {
            doc! { "ok": 0.0, "code": 2, "codeName": "BadValue", "errmsg": "as the test says" }
        } else {
            take(state, updates.iter())
        }
    });
    wait_until("the others are there", || mongo.look(|state| state.versions.len()) == 4 && pending(&daemon) == 0);
    assert_eq!(parked(&daemon), [(bad, "MongoDB refuses the document: BadValue (code 2)".to_owned())]);
}

#[test]
fn document_that_can_not_be_written_now_stays_and_the_others_go() {
    let (daemon, mongo, ids) = waiting(3);
    let busy = ids[0].clone();
    mongo.answer(move |state, updates| {
        let mut answer = take(state, updates.iter().filter(|update| id_of(update) != busy));
        if let Some(at) = updates.iter().position(|update| id_of(update) == busy) {
            answer.insert("writeErrors", [error(at, 112)].to_vec());
        }
        answer
    });
    wait_until("the others are there", || pending(&daemon) == 1);
    let last_error = sync(&daemon)["lastError"].to_string();
    assert!(last_error.contains(&ids[0]) && last_error.contains("112"), "{last_error}");
    assert_eq!(parked(&daemon), []);
    mongo.heal();
    wait_until("it follows", || pending(&daemon) == 0);
    wait_until("nothing is wrong", || sync(&daemon)["lastError"].is_null());
}

#[test]
fn document_that_another_unique_index_refuses_is_parked_after_a_second_try() {
    let (daemon, mongo, ids) = waiting(1);
    let before = mongo.look(|state| state.updates.len());
    mongo.answer(|_, _| doc! { "ok": 1.0, "n": 0, "writeErrors": [error(0, 11000)] });
    wait_until("it is parked", || !parked(&daemon).is_empty());
    assert_eq!(parked(&daemon)[0].0, ids[0]);
    assert!(parked(&daemon)[0].1.contains("a unique index that is not the daemon's"), "{:?}", parked(&daemon));
    assert!(mongo.look(|state| state.updates.len()) >= before + 2);
}

/// FerretDB stops at the first error and says neither which one it was nor what it wrote before.
#[test]
fn answer_that_does_not_account_for_every_document_is_taken_apart() {
    let (daemon, mongo, ids) = waiting(6);
    let (there, bad) = (ids[2].clone(), ids[4].clone());
    mongo.look(|state| state.versions.insert(there.clone(), 2));
    let refused = bad.clone();
    mongo.answer(move |state, updates| {
        let stops = updates.iter().position(|update| id_of(update) == refused || id_of(update) == there);
        match stops {
            Some(at) => {
                take(state, updates[..at].iter());
                let code = if id_of(&updates[at]) == refused { 121 } else { 11000 };
                doc! { "ok": 1.0, "writeErrors": [error(0, code)] }
            }
            None => take(state, updates.iter()),
        }
    });
    wait_until("the others are there", || pending(&daemon) == 0);
    assert_eq!(parked(&daemon).len(), 1);
    assert_eq!(parked(&daemon)[0].0, bad);
    let versions = mongo.look(|state| state.versions.clone());
    assert_eq!((versions.len(), versions[&ids[2]]), (5, 2), "{versions:?}");
}

/// Nobody but this store makes versions of its wallets, so a newer one is another daemon's, or the store was restored from too long ago.
#[test]
fn newer_version_that_this_store_did_not_write_is_told_and_not_taken_for_its_own() {
    let (daemon, mongo, ids) = waiting(2);
    let foreign = ids[0].clone();
    mongo.look(|state| state.versions.insert(foreign.clone(), 7));
    mongo.answer(move |state, updates| {
        let mut answer = take(state, updates.iter().filter(|update| id_of(update) != foreign));
        if let Some(at) = updates.iter().position(|update| id_of(update) == foreign) {
            answer.insert("writeErrors", [error(at, 11000)].to_vec());
        }
        answer
    });
    wait_until("the other is there", || pending(&daemon) == 0);
    let parked = parked(&daemon);
    assert_eq!((parked.len(), &parked[0].0), (1, &ids[0]));
    assert!(parked[0].1.contains("version 7") && parked[0].1.contains("another daemon"), "{parked:?}");
    assert_eq!(mongo.look(|state| state.versions[&ids[0]]), 7);
}
