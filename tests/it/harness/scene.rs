//! A daemon in a process of its own that is killed and started again, in front of a KMS that survives it and logs what it did.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kmsignd::crash_points::CrashPoint;
use kmsignd::emulator::{Emulator, EmulatorConfig, Fault, Faults, Operation, Script};
use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::journal::{Call, Client, Journal};
use super::mongo::Mongo;
use super::process::{Installation, Process};
use super::proxy::Proxy;
use super::{PATIENCE, runtime, wait_until};

/// Tries of a call that must come to an end: some PATIENCE of them.
pub const TRIES: u32 = 1000;

pub const DEPLOYMENT: &str = "tests";
pub const CRASH_AT: &str = "KMSIGND_CRASH_AT";
const KMS_LOG: &str = "log";

/// One daemon's directory, its KMS, and what its clients were told.
pub struct Scene {
    /// Before what it stands on, so that it ends first.
    process: Option<Process>,
    installation: Installation,
    journal: Arc<Journal>,
    settings: HashMap<&'static str, String>,
    emulator: Emulator,
    /// The emulator's log is in a file: its memory forgets.
    kms_directory: TempDir,
    mongodb: Option<Arc<Mongodb>>,
    runtime: Runtime,
}

/// The MongoDB that wallets are copied to, and what stands before it.
pub struct Mongodb {
    pub database: Mongo,
    pub proxy: Proxy,
}

impl Scene {
    /// Everything but the daemon.
    pub fn new() -> Self {
        let runtime = runtime();
        let kms_directory = tempfile::Builder::new().prefix("kms-").tempdir().unwrap();
        let config = EmulatorConfig { log_file: Some(kms_directory.path().join(KMS_LOG)), ..EmulatorConfig::default() };
        let emulator = runtime.block_on(Emulator::start(config)).unwrap();
        let installation = Installation::new(&emulator.endpoint_url());
        let endpoint = emulator.endpoint_url();
        let settings = [
            ("KMSIGND__KMS__TAGGING_ENDPOINT_URL", endpoint.as_str()),
            ("KMSIGND__KEYS__DEPLOYMENT", DEPLOYMENT),
            ("KMSIGND__KEYS__RECONCILE_GRACE_SECONDS", "1"),
            ("KMSIGND__KMS__CONNECT_TIMEOUT_MS", "500"),
            ("KMSIGND__KMS__ATTEMPT_TIMEOUT_MS", "700"),
            ("KMSIGND__KMS__OPERATION_TIMEOUT_MS", "1500"),
            ("KMSIGND__LOG__LEVEL", "warn"),
        ];
        Self {
            process: None,
            installation,
            journal: Arc::default(),
            settings: settings.map(|(name, value)| (name, value.to_owned())).into(),
            emulator,
            kms_directory,
            mongodb: None,
            runtime,
        }
    }

    /// As [`Scene::new`], with a MongoDB that wallets are copied to, if the tests have one.
    pub fn with_mongodb(test: &str) -> Option<Self> {
        let database = Mongo::start(test)?;
        let mut scene = Self::new();
        let proxy = Proxy::start(database.address());
        scene.set("KMSIGND__SYNC__MONGODB_URI", database.uri_at(proxy.address()));
        scene.set("KMSIGND__SYNC__DATABASE", &database.database_name);
        scene.mongodb = Some(Arc::new(Mongodb { database, proxy }));
        Some(scene)
    }

    /// Of a scene that has one.
    pub fn mongodb(&self) -> Option<&Arc<Mongodb>> {
        self.mongodb.as_ref()
    }

    /// A setting of every daemon from now on, as an environment variable.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.insert(name, value.into());
    }

    fn command(&self) -> Command {
        self.command_of(&["serve"])
    }

    fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = self.installation.command_of(arguments);
        command.envs(&self.settings);
        command
    }

    /// Runs a command of kmsignd to its end, with a crash point armed or without, while no daemon runs.
    pub fn run(&self, arguments: &[&str], armed: Option<(CrashPoint, u32)>) -> ExitStatus {
        assert!(self.process.is_none(), "kill the daemon first");
        let mut command = self.command_of(arguments);
        if let Some((point, nth)) = armed {
            command.env(CRASH_AT, format!("{}:{nth}", point.name()));
        }
        self.installation.spawn(command).wait()
    }

    /// Backs the store up, and then loses it. Gives the backup.
    pub fn lose_store(&self) -> String {
        let backup = self.installation.path("backup").to_str().unwrap().to_owned();
        assert!(self.run(&["backup", &backup], None).success(), "{}", self.log());
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let _ = std::fs::remove_file(self.installation.path(&format!("kmsignd.db{suffix}")));
        }
        backup
    }

    /// Starts the daemon and waits until it serves.
    pub fn start(&mut self) {
        self.process = Some(self.installation.start_with(self.command()));
    }

    /// Starts the daemon with a crash point armed, and waits until it serves or has died.
    pub fn start_armed(&mut self, point: CrashPoint, nth: u32) {
        let mut command = self.command();
        command.env(CRASH_AT, format!("{}:{nth}", point.name()));
        self.process = Some(self.installation.start_or_end(command));
    }

    /// Starts the daemon and waits for nothing.
    pub fn spawn(&mut self) {
        self.process = Some(self.installation.spawn(self.command()));
    }

    /// Waits until the daemon that was spawned serves.
    pub fn wait_until_it_serves(&mut self) {
        let process = self.process.as_mut().unwrap();
        wait_until("it serves", || process.serves().is_ok());
    }

    /// Kills the daemon where it stands.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        assert!(process.ended().is_none(), "it ended by itself: {}", process.log());
        process.signal(Signal::SIGKILL);
        process.wait();
    }

    /// Waits for the daemon's own end, and lets go of it.
    #[track_caller]
    pub fn wait_for_end(&mut self, what: &str) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        wait_until(what, || process.ended().is_some());
        process.wait()
    }

    /// What every daemon here has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.installation.path("log")).unwrap()
    }

    pub fn client(&self) -> Client {
        Client::new(self.installation.path("kmsignd.sock"), Arc::clone(&self.journal))
    }

    /// Calls until there is an answer for good.
    #[track_caller]
    pub fn settle(&self, call: &Call) -> Result<Value, Value> {
        self.client().settle(call, TRIES).unwrap_or_else(|| panic!("{call:?} got no answer for good"))
    }

    /// Calls until there is a result.
    #[track_caller]
    pub fn ok(&self, method: &'static str, params: Value) -> Value {
        self.settle(&Call::new(method, params)).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Repeats every call that was cut off or put off, until each has an answer for good, and waits until the daemon has nothing
    /// left to heal. Only calls whose wallet the daemon reports as one for an operator stay open; gives how many.
    pub fn heal(&self) -> usize {
        let mut client = self.client();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let open = self.journal.open_calls();
            let still = open.iter().filter(|call| client.settle(call, 1).is_none()).count();
            let ends = self.open_ends();
            if ends.is_empty() && still as u64 <= self.count("pending_keys WHERE finding IS NOT NULL") {
                return still;
            }
            assert!(
                Instant::now() < deadline,
                "waited {PATIENCE:?} in vain until all is healed: {still} calls are open, {ends:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The next requests of `operation` get this fault.
    pub fn fault(&self, operation: Operation, fault: impl Into<Fault>, times: u32) {
        self.faults().script(Script::next(operation, fault).times(times));
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub fn faults(&self) -> &Faults {
        self.emulator.faults()
    }

    /// What KMS was asked and did, from the first request on.
    pub fn kms_log(&self) -> Vec<Value> {
        let path = self.kms_directory.path().join(KMS_LOG);
        let mut text = String::new();
        // A line that is being written is seen in part, wherever it crosses from one page of the file to the next.
        wait_until("KMS has written its line", || {
            text = std::fs::read_to_string(&path).unwrap();
            text.is_empty() || text.ends_with('\n')
        });
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The effects of one operation, in KMS's own words.
    pub fn kms_effects(&self, operation: &str) -> Vec<Value> {
        let mut log = self.kms_log();
        log.retain(|entry| entry["operation"] == operation && entry["effect"] == true);
        log
    }

    pub fn kms_endpoint(&self) -> String {
        self.emulator.endpoint_url()
    }

    /// Runs a request of the AWS SDK.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub fn database(&self) -> Connection {
        let connection = Connection::open(self.installation.path("kmsignd.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    /// The rows of a query, each as text joined by a bar.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.database(), sql)
    }

    pub fn count(&self, sql: &str) -> u64 {
        self.database().query_row(&format!("SELECT count(*) FROM {sql}"), [], |row| row.get(0)).unwrap()
    }

    /// Changes the database while no daemon runs.
    pub fn execute(&self, sql: &str) {
        assert!(self.process.is_none(), "kill the daemon first");
        self.database().execute_batch(sql).unwrap();
    }

    /// What a daemon still has to bring to an end.
    pub fn open_ends(&self) -> Vec<String> {
        let database = self.database();
        let told =
            |(what, sql): &(&str, &str)| rows(&database, sql).into_iter().map(|row| format!("{what} {row}")).collect::<Vec<_>>();
        let mut ends: Vec<String> = OPEN_ENDS.iter().flat_map(told).collect();
        if self.mongodb.is_some() {
            ends.extend(told(&("a wallet that MongoDB has not:", "SELECT wallet_id, version FROM outbox WHERE parked IS NULL")));
        }
        let known = "SELECT kms_key_id FROM wallets WHERE kms_key_id IS NOT NULL UNION SELECT kms_key_id FROM orphans";
        let known: HashSet<String> = rows(&database, known).into_iter().collect();
        let made = self.keys_made();
        ends.extend(made.into_iter().filter(|key| !known.contains(key)).map(|key| format!("an unknown key: {key}")));
        ends
    }

    /// Every key that KMS made.
    pub fn keys_made(&self) -> BTreeSet<String> {
        self.kms_effects("CreateKey").iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
    }
}

/// What heals by itself: nothing of it stays once the daemon has run for a while and KMS answers.
const OPEN_ENDS: &[(&str, &str)] = &[
    ("an open intent:", "SELECT intent FROM open_intents"),
    (
        "a PENDING wallet:",
        "SELECT wallet_id FROM wallets WHERE status = 'PENDING' AND wallet_id NOT IN \
     (SELECT wallet_id FROM pending_keys WHERE finding IS NOT NULL)",
    ),
    (
        "a deletion that is over:",
        "SELECT wallet_id FROM wallets WHERE status = 'PENDING_DELETION' AND deletion_date <= unixepoch() * 1000",
    ),
    ("a key to be driven:", "SELECT wallet_id, wanted FROM key_drives"),
];

fn rows(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    let text = |value: rusqlite::types::Value| match value {
        rusqlite::types::Value::Null => String::new(),
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => panic!("{other:?}"),
    };
    let read = |row: &rusqlite::Row<'_>| {
        let values: Vec<String> = (0..columns).map(|column| row.get(column).map(text)).collect::<Result<_, _>>()?;
        Ok(values.join("|"))
    };
    statement.query_map([], read).unwrap().map(Result::unwrap).collect()
}
