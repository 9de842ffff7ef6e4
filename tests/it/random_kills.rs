//! Kills the daemon at random moments while clients create, sign, repeat and retry, and KMS throttles, fails and drops answers;
//! then lets it heal and holds what is left to the promises (harness/promises.rs).
//!
//! `KMSIGND_TEST_KILLS=N` kills N times, `KMSIGND_TEST_SEED=S` chooses the moments and faults of an earlier run again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kmsignd::emulator::{Fault, Lags, Operation, Script, Switches};
use serde_json::{Value, json};

use crate::harness::journal::{Call, Client};
use crate::harness::mongo::{Mongo, provider_id};
use crate::harness::promises::check_promises;
use crate::harness::proxy;
use crate::harness::scene::Scene;
use crate::signing::digest;

const CLIENTS: u64 = 4;
const KILLS: u64 = 25;
/// Tries of one call under load, before a client turns to the next and leaves it for the end.
const TRIES_UNDER_LOAD: u32 = 60;

/// SplitMix64, by Sebastiano Vigna: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

#[test]
fn kills_at_random_under_load_keep_the_promises() {
    let kills = setting("KMSIGND_TEST_KILLS").unwrap_or(KILLS);
    let started = Instant::now();
    let seed = setting("KMSIGND_TEST_SEED").unwrap_or_else(|| std::process::id().into());
    println!("{kills} kills, KMSIGND_TEST_SEED={seed}");
    let mut random = Random(seed);
    let mut scene = Scene::with_mongodb("kills at random while wallets are copied to MongoDB").unwrap_or_else(Scene::new);
    let load = Load::default();
    let mut while_starting = 0;
    let clients: Vec<Client> = (0..CLIENTS).map(|_| scene.client()).collect();
    thread::scope(|scope| {
        for (number, client) in clients.into_iter().enumerate() {
            let (load, seed) = (&load, random.next());
            scope.spawn(move || load.run(number, client, Random(seed)));
        }
        if let Some(mongodb) = scene.mongodb().map(Arc::clone) {
            let load = &load;
            scope.spawn(move || load.watch_versions(&mongodb.database));
        }
        // The clients must end even if this panics, or the scope waits for them for ever.
        let _stop = StopAtEnd(&load.stop);
        for kill in 0..kills {
            // Now and then tags lag past the grace, for some lives: then a second key is made, and the first shows too late.
            scene.faults().set(misbehaviour(&mut random, kill % 25 < 10));
            if let Some(mongodb) = scene.mongodb() {
                mongodb.proxy.set(broken_way(&mut random));
            }
            scene.spawn();
            if random.below(5) == 0 {
                while_starting += 1;
            } else {
                scene.wait_until_it_serves();
            }
            thread::sleep(Duration::from_millis(random.below(300)));
            scene.kill();
        }
        scene.faults().set(Switches::default());
        if let Some(mongodb) = scene.mongodb() {
            mongodb.proxy.heal();
        }
        scene.start();
    });
    let open = scene.journal().open_calls();
    scene.heal();
    let figures = check_promises(&scene);
    load.assert_states(&scene);
    println!(
        "{figures}{:<32}{kills:>9}\n{:<32}{while_starting:>9}\n{:<32}{:>9}\n{:<32}{:>9}\n{:<32}{:>9}",
        "kills survived",
        "of them while starting",
        "calls open after the last kill",
        open.len(),
        "calls that clients finished",
        load.finished.load(Ordering::Relaxed),
        "seconds",
        started.elapsed().as_secs(),
    );
    assert!(figures.wallets > 0 && figures.signatures_released > 0, "no load");
}

/// What KMS does wrong until the next kill.
fn misbehaviour(random: &mut Random, tags_lag: bool) -> Switches {
    const FAULTS: [Fault; 8] = [
        Fault::CloseAfter,
        Fault::Throttle,
        Fault::Internal,
        Fault::CloseBefore,
        Fault::CloseAfter,
        Fault::HangBefore,
        Fault::HangAfter,
        Fault::Deny,
    ];
    const OPERATIONS: [Operation; 5] =
        [Operation::CreateKey, Operation::GetPublicKey, Operation::Sign, Operation::GetResources, Operation::DescribeKey];
    let scripts = (0..random.below(4)).map(|_| {
        let (operation, fault) = (*random.one_of(&OPERATIONS), *random.one_of(&FAULTS));
        Script::next(operation, fault).times(u32::try_from(random.below(3)).unwrap() + 1)
    });
    Switches {
        scripts: scripts.collect(),
        lags: Lags {
            new_key_hidden_ms: random.below(200),
            tags_lag_ms: if tags_lag { 5000 } else { random.below(300) },
            key_state_lag_ms: random.below(300),
            replica_creating_ms: 0,
        },
        latency_ms: [(Operation::CreateKey, random.below(30)), (Operation::Sign, random.below(10))].into(),
        ..Switches::default()
    }
}

/// What goes wrong on the way to MongoDB until the next kill; often nothing.
fn broken_way(random: &mut Random) -> proxy::Fault {
    let after = usize::try_from(random.below(2000)).unwrap();
    let kind = match random.below(8) {
        0 => proxy::Kind::Refuse,
        1 => proxy::Kind::HalfOpen,
        2 => proxy::Kind::CutRequest { after },
        3 => proxy::Kind::CutAnswer { after },
        // A cut so late is none.
        _ => proxy::Kind::CutAnswer { after: usize::MAX },
    };
    proxy::Fault::new(kind)
}

/// What the clients do, and share.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    wallets: Mutex<Vec<Value>>,
    /// Of wallets that are disabled and enabled: what was answered last.
    states: Mutex<BTreeMap<String, String>>,
    finished: AtomicUsize,
}

impl Load {
    fn run(&self, number: usize, mut client: Client, mut random: Random) {
        let mut mine = Mine::default();
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let id = format!("client {number} call {n}");
            let (call, is_new) = self.next(&id, number * 10_000_000 + n, &mut mine, &mut random);
            let switches = is_new && call.method.ends_with("able");
            let switched = if switches { mine.switched.take() } else { None };
            if let Some(wallet) = &switched {
                // Unknown until it is answered; for good if it never is.
                self.states.lock().unwrap().remove(wallet["walletId"].as_str().unwrap());
            }
            let Some(outcome) = client.settle(&call, TRIES_UNDER_LOAD) else { continue };
            self.finished.fetch_add(1, Ordering::Relaxed);
            let Ok(result) = outcome else { continue };
            if switches {
                self.note_state(&result);
                if result["status"] == "DISABLED" {
                    let refused = client.settle(&signing(&result, &format!("{id}, disabled"), n), TRIES_UNDER_LOAD);
                    assert!(!matches!(refused, Some(Ok(_))), "a DISABLED wallet signed: {refused:?}");
                }
                mine.switched = Some(result);
            } else if is_new && call.method == "wallet_create" {
                // One is for switching on and off, and nobody else signs with it.
                match mine.switched {
                    None => mine.switched = Some(result),
                    Some(_) => self.wallets.lock().unwrap().push(result),
                }
            }
            mine.answered.push(call);
        }
    }

    /// Something to do, and whether it is new; else it is the repeat of a call that was answered.
    fn next(&self, id: &str, number: usize, mine: &mut Mine, random: &mut Random) -> (Call, bool) {
        let wallets = self.wallets.lock().unwrap();
        let call = match (random.below(20), &mine.switched) {
            (0 | 1, Some(wallet)) => {
                let method = if wallet["status"] == "DISABLED" { "wallet_enable" } else { "wallet_disable" };
                Call::new(method, json!({ "walletId": wallet["walletId"], "reason": "a test", "requestId": id }))
            }
            (2 | 3, _) if !mine.answered.is_empty() => return (random.one_of(&mine.answered).clone(), false),
            (8.., Some(_)) if !wallets.is_empty() => signing(random.one_of(&wallets), id, number),
            _ => {
                let asset = random.one_of(&["BTC", "ETH", "DOGE"]);
                Call::new("wallet_create", json!({ "userId": "user123", "asset": asset, "idempotencyKey": id }))
            }
        };
        (call, true)
    }

    /// Reads MongoDB's documents again and again: no wallet may get older.
    fn watch_versions(&self, mongodb: &Mongo) {
        let mut newest: BTreeMap<String, i64> = BTreeMap::new();
        while !self.stop.load(Ordering::Relaxed) {
            for document in mongodb.all() {
                let (id, version) = (provider_id(&document), document.get_i64("version").unwrap());
                let before = newest.insert(id.clone(), version);
                assert!(before.is_none_or(|before| before <= version), "{id} was {before:?} and is {version}");
            }
            thread::sleep(Duration::from_millis(300));
        }
    }

    fn note_state(&self, wallet: &Value) {
        let text = |name: &str| wallet[name].as_str().unwrap().to_owned();
        self.states.lock().unwrap().insert(text("walletId"), text("status"));
    }

    /// Wallets are as they were answered last.
    fn assert_states(&self, scene: &Scene) {
        for (wallet, status) in &*self.states.lock().unwrap() {
            assert_eq!(
                scene.rows(&format!("SELECT status FROM wallets WHERE wallet_id = '{wallet}'")),
                [status.as_str()],
                "{wallet}"
            );
        }
    }
}

/// What one client keeps to itself.
#[derive(Default)]
struct Mine {
    answered: Vec<Call>,
    /// A wallet that only this client disables and enables, as it was answered last.
    switched: Option<Value>,
}

fn signing(wallet: &Value, id: &str, number: usize) -> Call {
    let params = json!({ "keyId": wallet["kmsKeyId"], "transactionHash": digest(number), "requestId": id });
    Call::new("kms_signTransactionHash", params)
}

/// Ends the load, come what may.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
