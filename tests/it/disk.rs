//! The store on a disk that is full, read-only, failing or damaged. Whatever the disk does: no signature leaves without its
//! records, no requestId gets two signatures, what was answered is there afterwards, and nothing is overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use kmsignd::emulator::Operation;
use kmsignd::policy::dev_policy;
use serde_json::{Value, json};

use crate::audit::assert_withheld;
use crate::harness::caller::assert_is;
use crate::harness::disk::SmallDisk;
use crate::harness::{Caller, Daemon, wait_until};
use crate::signing::{assert_signed, digest};

const SIGN: &str = "kms_signTransactionHash";

fn stopped() -> Daemon {
    Daemon::stopped(&dev_policy(nix::unistd::geteuid().as_raw()), &[])
}

/// A daemon whose store is on an ext4 of its own, with a wallet; `None` if that can't be had here.
fn on_ext4(test: &str) -> Option<(Daemon, SmallDisk, Client)> {
    let mut daemon = stopped();
    let disk = SmallDisk::ext4(test, daemon.path("store"), daemon.path("below"))?;
    daemon.start_again();
    let client = Client::new(&daemon);
    daemon.wait_until_ready();
    Some((daemon, disk, client))
}

/// Signs in bursts, so that the transaction that fails is one of many, and remembers what it was answered.
struct Client {
    wallet: Value,
    answered: BTreeMap<usize, Value>,
    next: usize,
}

impl Client {
    fn new(daemon: &Daemon) -> Self {
        Self { wallet: daemon.wallet("BTC"), answered: BTreeMap::new(), next: 0 }
    }

    fn signing(&self, number: usize) -> Value {
        json!({ "keyId": self.wallet["kmsKeyId"], "transactionHash": digest(number), "requestId": format!("request {number}") })
    }

    /// How many of twenty new requests, and of those before them, were answered with a signature. The rest was withheld.
    fn burst(&mut self, daemon: &Daemon) -> usize {
        let numbers = self.next.saturating_sub(10)..self.next + 20;
        self.next += 20;
        let mut callers: Vec<(usize, Caller)> = numbers.map(|number| (number, daemon.connect())).collect();
        for (number, caller) in &mut callers {
            caller.send(SIGN, &self.signing(*number));
        }
        let mut released = 0;
        for (number, caller) in &mut callers {
            let mut answer = caller.receive();
            if answer.get("error").is_some() {
                // The latter of a read that met the damage itself.
                let kind = if answer["error"]["data"]["kind"] == "STORE_UNAVAILABLE" {
                    "STORE_UNAVAILABLE"
                } else {
                    "AUDIT_UNAVAILABLE"
                };
                assert_is(kind, &answer["error"]);
                assert_eq!(answer["error"]["data"]["requestId"], format!("request {number}"));
                continue;
            }
            released += 1;
            let answer = answer["result"].take();
            let first = self.answered.entry(*number).or_insert_with(|| answer.clone());
            assert_eq!(*first, answer, "two signatures for request {number}");
        }
        released
    }

    /// Holds if everything that was ever answered is answered the same, and everything else can be signed now.
    fn assert_nothing_is_lost(&mut self, daemon: &Daemon) {
        assert!(!self.answered.is_empty());
        for number in 0..self.next {
            let again = daemon.ok(SIGN, self.signing(number));
            let first = self.answered.entry(number).or_insert_with(|| again.clone());
            assert_eq!(*first, again, "two signatures for request {number}");
            assert_signed(&self.wallet, &digest(number), &again);
        }
        assert_eq!(daemon.query("SELECT count(*) FROM wallets WHERE status = 'CREATED'"), wallets(daemon).to_string());
        daemon.assert_audit_is_whole();
    }

    /// Until not even a small record can be written.
    fn wait_until_nothing_is_written(&mut self, daemon: &Daemon) {
        wait_until("nothing is released any more", || self.burst(daemon) == 0);
        use_up_the_log(daemon, &self.wallet);
        assert_withheld(daemon);
    }
}

fn wallets(daemon: &Daemon) -> usize {
    daemon.ok("wallet_list", json!({}))["wallets"].as_array().unwrap().len()
}

/// Writes until not even a small record fits into what is left of the disk.
fn use_up_the_log(daemon: &Daemon, wallet: &Value) {
    let unknown = wallet["kmsKeyId"].as_str().unwrap().replace("key/", "key/ffff");
    wait_until("not even a refusal can be recorded", || {
        let error = daemon.call(SIGN, json!([unknown, digest(1)])).unwrap_err();
        error["data"]["kind"] == "AUDIT_UNAVAILABLE"
    });
}

/// Holds if nothing that can only be withheld is asked of KMS.
#[track_caller]
fn assert_kms_is_spared(daemon: &Daemon, client: &mut Client) {
    let asked = |daemon: &Daemon| (daemon.kms_log(Operation::Sign).len(), daemon.kms_log(Operation::CreateKey).len());
    let before = asked(daemon);
    assert_eq!(client.burst(daemon), 0);
    daemon.fails("AUDIT_UNAVAILABLE", "wallet_create", json!({ "userId": "u", "asset": "BTC" }));
    assert_eq!(asked(daemon), before);
}

#[test]
fn disk_full_withholds_signatures_until_there_is_room_again() {
    let mut daemon = stopped();
    let Some(disk) = SmallDisk::in_memory("disk_full_withholds_signatures_until_there_is_room_again", daemon.path("store"), 4096)
    else {
        return;
    };
    daemon.start_again();
    let mut client = Client::new(&daemon);
    daemon.wait_until_ready();
    for round in 0..2 {
        client.burst(&daemon);
        disk.fill();
        client.wait_until_nothing_is_written(&daemon);
        // The probe of a store that can't be written must not take it for well.
        let probed = Instant::now() + Duration::from_millis(2500);
        wait_until("the store was probed", || {
            assert_withheld(&daemon);
            Instant::now() > probed
        });
        let records = daemon.query("SELECT count(*) FROM audit");
        assert_kms_is_spared(&daemon, &mut client);
        assert_eq!(daemon.query("SELECT count(*) FROM audit"), records);
        assert_eq!(daemon.kms_effects(Operation::CreateKey), 1 + round, "no key without its durable row");
        assert_withheld(&daemon);
        disk.free();
        // By itself: nobody sends to a daemon that is not ready.
        daemon.wait_until_ready();
        daemon.wallet("BTC");
        client.assert_nothing_is_lost(&daemon);
    }
    daemon.crash();
    daemon.start_again();
    client.assert_nothing_is_lost(&daemon);
    daemon.stop();
}

#[test]
fn disk_full_in_mid_signing_withholds_what_kms_signed() {
    let mut daemon = stopped();
    let Some(disk) = SmallDisk::in_memory("disk_full_in_mid_signing_withholds_what_kms_signed", daemon.path("store"), 4096)
    else {
        return;
    };
    daemon.start_again();
    let mut client = Client::new(&daemon);
    for crash in [false, true] {
        daemon.wait_until_ready();
        daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 500)].into());
        let (number, mut caller) = (client.next, daemon.connect());
        client.next += 1;
        let (intents, signed) = (daemon.audited("intent").len(), daemon.kms_effects(Operation::Sign));
        caller.send(SIGN, &client.signing(number));
        wait_until("the intent is there", || daemon.audited("intent").len() > intents);
        disk.fill();
        use_up_the_log(&daemon, &client.wallet);
        assert_is("AUDIT_UNAVAILABLE", &caller.receive()["error"]);
        assert_eq!(daemon.kms_effects(Operation::Sign), signed + 1, "KMS signed, and nobody gets it");
        if crash {
            daemon.crash();
        }
        disk.free();
        if crash {
            daemon.start_again();
        }
        daemon.wait_until_ready();
        daemon.faults().set(Default::default());
        let mut other = client.signing(number + 1);
        other["requestId"] = client.signing(number)["requestId"].take();
        daemon.fails("CONFLICT", SIGN, other);
        let answer = daemon.ok(SIGN, client.signing(number));
        client.answered.insert(number, answer);
        client.assert_nothing_is_lost(&daemon);
    }
    daemon.stop();
}

#[test]
fn disk_full_in_mid_creation_loses_no_key() {
    let mut daemon = stopped();
    let Some(disk) = SmallDisk::in_memory("disk_full_in_mid_creation_loses_no_key", daemon.path("store"), 4096) else { return };
    daemon.start_again();
    let mut client = Client::new(&daemon);
    client.burst(&daemon);
    daemon.wait_until_ready();
    let creation = |asset: &str| json!({ "userId": "user123", "asset": asset, "idempotencyKey": "k" });
    for operation in [Operation::CreateKey, Operation::GetPublicKey] {
        daemon.faults().change(|switches| switches.latency_ms = [(operation, 500)].into());
        let (keys, mut caller) = (daemon.kms_effects(Operation::CreateKey), daemon.connect());
        let mut params = creation("BTC");
        params["idempotencyKey"] = json!(format!("{operation:?}"));
        caller.send("wallet_create", &params);
        wait_until("the wallet is PENDING", || daemon.query("SELECT count(*) FROM wallets WHERE status = 'PENDING'") == "1");
        disk.fill();
        use_up_the_log(&daemon, &client.wallet);
        assert_is("AUDIT_UNAVAILABLE", &caller.receive()["error"]);
        assert_eq!(daemon.query("SELECT count(*) FROM wallets WHERE status = 'PENDING'"), "1");
        daemon.faults().set(Default::default());
        disk.free();
        daemon.wait_until_ready();
        let mut other = creation("ETH");
        other["idempotencyKey"] = params["idempotencyKey"].clone();
        daemon.fails("CONFLICT", "wallet_create", other);
        let mut wallet = Value::Null;
        wait_until("the wallet has its key", || match daemon.call("wallet_create", params.clone()) {
            Ok(created) => {
                wallet = created;
                true
            }
            Err(error) => {
                assert_is("KMS_OUTCOME_UNKNOWN", &error);
                false
            }
        });
        assert_eq!(daemon.kms_effects(Operation::CreateKey), keys + 1, "the key that was made is its key");
        daemon.ok(SIGN, json!([wallet["kmsKeyId"], digest(7)]));
        client.assert_nothing_is_lost(&daemon);
    }
    daemon.stop();
}

#[test]
fn disk_full_or_read_only_at_the_start_is_said_and_changes_nothing() {
    const NAME: &str = "disk_full_or_read_only_at_the_start_is_said_and_changes_nothing";
    let Some((mut daemon, disk, mut client)) = on_ext4(NAME) else { return };
    client.burst(&daemon);
    daemon.stop();
    disk.remount("ro");
    let why = daemon.try_to_start().unwrap_err();
    assert!(why.contains("kmsignd.db") && why.contains("ead-only"), "{why}");
    disk.remount("rw");
    disk.fill();
    let why = daemon.try_to_start().unwrap_err();
    assert!(why.contains("full") || why.contains("durable") || why.contains("space"), "{why}");
    disk.free();
    daemon.start_again();
    client.assert_nothing_is_lost(&daemon);
    daemon.stop();
}

#[test]
fn disk_that_turns_read_only_withholds_signatures_and_keeps_what_was_answered() {
    const NAME: &str = "disk_that_turns_read_only_withholds_signatures_and_keeps_what_was_answered";
    let Some((mut daemon, disk, mut client)) = on_ext4(NAME) else { return };
    for crash in [false, true] {
        client.burst(&daemon);
        disk.find_broken();
        client.wait_until_nothing_is_written(&daemon);
        assert_kms_is_spared(&daemon, &mut client);
        if crash {
            daemon.crash()
        } else {
            daemon.stop()
        }
        disk.repair();
        daemon.start_again();
        client.assert_nothing_is_lost(&daemon);
        daemon.wait_until_ready();
    }
    daemon.stop();
}

#[test]
fn disk_that_did_not_keep_what_was_written_is_written_to_no_more_until_a_restart() {
    const NAME: &str = "disk_that_did_not_keep_what_was_written_is_written_to_no_more_until_a_restart";
    let Some((mut daemon, disk, mut client)) = on_ext4(NAME) else { return };
    for crash in [false, true] {
        client.burst(&daemon);
        disk.break_writes();
        client.wait_until_nothing_is_written(&daemon);
        disk.mend_writes();
        // The kernel takes what it could not write for written, and its next fsync succeeds: none of it is there after a power cut.
        let probed = Instant::now() + Duration::from_millis(2500);
        wait_until("the store was probed", || Instant::now() > probed);
        assert_kms_is_spared(&daemon, &mut client);
        let (status, reasons) = daemon.readiness();
        assert!(status == 503 && reasons.iter().any(|reason| reason.contains("restart kmsignd")), "{reasons:?}");
        if crash {
            daemon.crash()
        } else {
            daemon.stop()
        }
        if crash {
            // What the kernel alone remembers is gone.
            disk.repair();
        }
        daemon.start_again();
        daemon.wait_until_ready();
        client.assert_nothing_is_lost(&daemon);
        client.burst(&daemon);
        daemon.crash();
        disk.repair();
        daemon.start_again();
        client.assert_nothing_is_lost(&daemon);
        daemon.wait_until_ready();
    }
    daemon.stop();
}

#[test]
fn disk_with_a_damaged_page_ends_all_writing_and_is_left_as_it_is() {
    // What a call reads or writes there.
    let cases: [(&str, &str, Value); 3] =
        [("wallets", "wallet_list", json!({})), ("audit", "audit_verify", json!({})), ("requests", SIGN, Value::Null)];
    for (table, method, params) in cases {
        let mut daemon = stopped();
        daemon.start_again();
        let mut client = Client::new(&daemon);
        for _ in 0..3 {
            client.burst(&daemon);
        }
        daemon.stop();
        // Everything in one file, so that what is damaged is what is read.
        let pages: Vec<u64> = {
            let database = daemon.database();
            database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            let mut statement = database.prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf'").unwrap();
            statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let whole = fs::read(daemon.database_path()).unwrap();
        let file = fs::File::options().write(true).open(daemon.database_path()).unwrap();
        // The start reads the last page of the audit, and no other.
        for page in pages.iter().rev().skip(usize::from(table == "audit")) {
            file.write_all_at(&[0xa5; 4096], (page - 1) * 4096).unwrap();
        }
        daemon.start_again();
        let params = if params.is_null() { client.signing(0) } else { params };
        let error = daemon.call(method, params.clone()).unwrap_err();
        let kind = if method == SIGN { "AUDIT_UNAVAILABLE" } else { "STORE_UNAVAILABLE" };
        assert_is(kind, &error);
        let (status, reasons) = daemon.readiness();
        assert!(status == 503 && reasons.iter().any(|reason| reason.contains("damaged")), "{table}: {reasons:?}");

        let files = |daemon: &Daemon| {
            [daemon.path("store/kmsignd.db"), daemon.path("store/kmsignd.db-wal")].map(|path| fs::read(path).unwrap())
        };
        let before = files(&daemon);
        assert_kms_is_spared(&daemon, &mut client);
        let probed = Instant::now() + Duration::from_millis(2500);
        wait_until("the store was probed", || Instant::now() > probed);
        assert!(files(&daemon) == before, "{table}: it was written to");
        assert_eq!(daemon.readiness().0, 503, "{table}: it does not heal by itself");
        daemon.crash();

        fs::write(daemon.database_path(), whole).unwrap();
        for log in ["store/kmsignd.db-wal", "store/kmsignd.db-shm"] {
            // There may be none.
            let _ = fs::remove_file(daemon.path(log));
        }
        daemon.start_again();
        client.assert_nothing_is_lost(&daemon);
    }
}
