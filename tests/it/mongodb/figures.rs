//! How fast an outbox drains: `cargo test --test it mongodb::figures -- --ignored --nocapture` prints it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::fake_mongo::FakeMongo;
use crate::harness::mongo::insert_waiting;
use crate::harness::proxy::{Fault, Kind};
use crate::harness::{Daemon, wait_until};

/// Wallets that have waited through an outage. `KMSIGND_TEST_OUTBOX` sets another number.
fn wallets() -> usize {
    std::env::var("KMSIGND_TEST_OUTBOX").map_or(100_000, |number| number.parse().unwrap())
}

#[test]
#[ignore = "a measurement, which prints figures and judges nothing"]
fn mongodb_outbox_drain_after_an_outage() {
    let Some(mut way) = super::Way::start("the figures of the outbox") else { return };
    let wallets = wallets();
    way.wallet();
    way.wait_until_drained();
    way.daemon.stop();
    insert_waiting(&way.daemon, wallets);
    way.proxy.set(Fault::new(Kind::Refuse));
    way.daemon.start_again();
    way.wait_until_sync("the outage shows", |sync| !sync["lastError"].is_null());
    way.proxy.heal();
    watch(&way.daemon, wallets);
    assert_eq!(way.mongo.count(), wallets + 1);
}

/// What the daemon itself can do: the server keeps nothing but the versions, and answers at once.
#[test]
#[ignore = "a measurement, which prints figures and judges nothing"]
fn outbox_drain_into_a_mongodb_that_costs_nothing() {
    let wallets = wallets();
    let mongo = FakeMongo::start();
    let mut daemon = Daemon::with_settings(&[("KMSIGND__SYNC__MONGODB_URI", &mongo.uri())]);
    mongo.heal();
    daemon.wallet("ETH");
    wait_until("it is there", || daemon.ok("admin_status", json!({}))["sync"]["pending"] == 0);
    daemon.stop();
    insert_waiting(&daemon, wallets);
    daemon.start_again();
    watch(&daemon, wallets);
}

fn watch(daemon: &Daemon, wallets: usize) {
    let (began, mut first, mut told) = (Instant::now(), None, 0);
    loop {
        let pending = daemon.ok("admin_status", json!({}))["sync"]["pending"].as_u64().unwrap() as usize;
        let drained = wallets - pending;
        if drained > 0 && first.is_none() {
            first = Some(began.elapsed());
        }
        if drained * 10 / wallets > told {
            told = drained * 10 / wallets;
            let seconds = began.elapsed().as_secs_f64();
            println!("{drained} of {wallets} wallets in MongoDB after {seconds:.1} s: {:.0} a second", drained as f64 / seconds);
        }
        if pending == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("the first batch after {:.2?}, all {wallets} after {:.1?}", first.unwrap(), began.elapsed());
}
