//! A daemon in this process, as `kmsignd serve` builds it, in front of the KMS emulator; and callers on its real Unix socket.
//!
//! Test code is blocking and stands outside: it sees the socket, KMS's log and the database file.

pub mod caller;
pub mod disk;
pub mod fake_mongo;
pub mod journal;
pub mod mongo;
pub mod process;
pub mod promises;
pub mod proxy;
pub mod scene;
pub mod users;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::method_examples::TOKEN;
use kmsignd::clock::{Clock, SystemClock, Timestamp};
use kmsignd::config::{Config, Environment};
use kmsignd::daemon::{self, Setup, StartError};
use kmsignd::emulator::{Emulator, EmulatorConfig, Fault, Faults, LogEntry, Operation, Script};
use kmsignd::kms::aws::Credentials;
use kmsignd::pipeline::{Mainnet, Services};
use kmsignd::policy::dev_policy;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::caller::Caller;

/// Whatever a test waits for has come by then, or never comes.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const REGION: &str = "eu-central-1";

/// A daemon, its KMS and its directory.
pub struct Daemon {
    /// None while it is stopped. Before the others, so that it stops first.
    running: Option<Running>,
    kms: KmsServer,
    settings: Vec<(String, String)>,
    /// What follows the configuration of every test.
    more_config: String,
    directory: TempDir,
}

struct Running {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), StartError>>,
    services: Weak<Services>,
    runtime: Runtime,
}

/// The emulator, in a runtime of its own: it outlives the daemon, as KMS does.
struct KmsServer {
    emulator: Option<Emulator>,
    clock: Arc<AheadClock>,
    endpoint: String,
    runtime: Runtime,
}

impl Daemon {
    /// One whose policy permits this process everything but `replace`.
    pub fn start() -> Self {
        Self::with_policy(&dev_policy(nix::unistd::geteuid().as_raw()), &[])
    }

    /// With settings as environment variables (`KMSIGND__SECTION__KEY`).
    pub fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self::with_policy(&dev_policy(nix::unistd::geteuid().as_raw()), settings)
    }

    pub fn with_policy(policy: &str, settings: &[(&str, &str)]) -> Self {
        let mut daemon = Self::stopped(policy, settings);
        daemon.start_again();
        daemon
    }

    /// Everything but the daemon itself.
    pub fn stopped(policy: &str, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new().prefix("kmsignd-").tempdir().unwrap();
        DirBuilder::new().mode(0o700).create(directory.path().join("policy.d")).unwrap();
        DirBuilder::new().mode(0o700).create(directory.path().join("store")).unwrap();
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let daemon = Self { running: None, kms: KmsServer::start(), settings, more_config: String::new(), directory };
        daemon.write_policy(policy);
        daemon
    }

    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        self.running = Some(self.run().unwrap());
    }

    /// Tables that no environment variable can hold, for the next start.
    pub fn add_config(&mut self, text: &str) {
        self.more_config.push_str(text);
    }

    /// Starts, or says why not.
    pub fn try_to_start(&mut self) -> Result<(), String> {
        assert!(self.running.is_none(), "it runs already");
        self.running = Some(self.run().map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Stops as on SIGTERM: what runs gets its answer.
    pub fn stop(&mut self) {
        let Running { stop, serving, services: _, runtime } = self.running.take().unwrap();
        drop(stop);
        runtime.block_on(serving).unwrap().unwrap();
        runtime.shutdown_timeout(PATIENCE);
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Drops everything where it stands: no call that runs now gets past its next await.
    pub fn crash(&mut self) {
        self.running.take().unwrap().runtime.shutdown_timeout(PATIENCE);
    }

    fn run(&self) -> Result<Running, StartError> {
        let (text, environment) = (self.config_text(), self.settings.iter().cloned().collect::<Environment>());
        let read = move || Config::from_toml("the test's configuration", &text, &environment).map_err(|error| error.to_string());
        let config = read().unwrap();
        let limits = daemon::limits(&config);
        let listener = daemon::listen(&config)?;
        let runtime = runtime();
        let setup = Setup {
            config,
            read_again: Box::new(read),
            credentials: Credentials::Emulator,
            unlimited: true,
            mainnet: Mainnet::Allowed,
        };
        let services = runtime.block_on(daemon::build(setup))?;
        let weak = Arc::downgrade(&services);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = runtime.spawn(daemon::serve(services, listener, limits, async {
            // Dropped: it is time.
            let _ = stopped.await;
        }));
        Ok(Running { stop, serving, services: weak, runtime })
    }

    /// What the running daemon stands on.
    pub fn services(&self) -> Arc<Services> {
        self.running.as_ref().unwrap().services.upgrade().unwrap()
    }

    /// Starts it where it must not start; gives what it says.
    pub fn refusal(&self) -> StartError {
        assert!(self.running.is_none(), "stop the daemon first");
        self.run().map(|_| ()).expect_err("it started")
    }

    /// A command of kmsignd, as a process of its own, on this daemon's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let path = self.path("kmsignd.toml");
        write_private(&path, &self.config_text());
        let mut command = process::kmsignd();
        command.args(arguments).arg("--config").arg(path);
        command.env("AWS_ACCESS_KEY_ID", "AKIATEST").env("AWS_SECRET_ACCESS_KEY", "test");
        // A busy machine is no failure of what is run.
        command.env("KMSIGND__KMS__ATTEMPT_TIMEOUT_MS", "20000").env("KMSIGND__KMS__OPERATION_TIMEOUT_MS", "20000");
        command.envs(self.settings.iter().cloned());
        command
    }

    /// The stopped daemon's store as one file without a log.
    pub fn fold_store(&self) -> Vec<u8> {
        assert!(self.running.is_none(), "stop the daemon first");
        // The stopped daemon's last readers close their connections a moment later, and SQLite does not wait for them here.
        let fold = "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE; PRAGMA journal_mode = WAL";
        wait_until("nobody else has the store open", || self.database().execute_batch(fold).is_ok());
        let log = fs::metadata(format!("{}-wal", self.database_path().display())).map_or(0, |log| log.len());
        assert_eq!(log, 0, "a log is left");
        fs::read(self.database_path()).unwrap()
    }

    /// Loses the stopped daemon's store.
    pub fn lose_store(&self) {
        assert!(self.running.is_none(), "stop the daemon first");
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let _ = fs::remove_file(format!("{}{suffix}", self.database_path().display()));
        }
    }

    pub fn config_text(&self) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            "[socket]\npath = {:?}\nmode = \"0600\"\ngroup = \"\"\n[store]\npath = {:?}\n[policy]\ndirectory = {:?}\n\
             [keys]\ndeployment = \"tests\"\ndrift_checks_per_second = 0\n\
             [kms]\nregion = {REGION:?}\nendpoint_url = {endpoint:?}\ntagging_endpoint_url = {endpoint:?}\n\
             connect_timeout_ms = 500\nattempt_timeout_ms = 1000\noperation_timeout_ms = 2000\n\
             [[networks.tokens]]\nasset = \"ETH\"\nnetwork = \"sepolia\"\ncontract = {TOKEN:?}\ndecimals = 6\n{more}",
            path("kmsignd.sock"),
            path("store/kmsignd.db"),
            path("policy.d"),
            endpoint = self.kms.endpoint,
            more = self.more_config,
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("kmsignd.sock")
    }

    pub fn database_path(&self) -> PathBuf {
        self.path("store/kmsignd.db")
    }

    /// Writes the policy; the daemon reads it at its next start or reload.
    pub fn write_policy(&self, policy: &str) {
        write_private(&self.path("policy.d/test.cedar"), policy);
    }

    /// Puts a policy in force, which must permit this process to administer.
    pub fn set_policy(&self, policy: &str) {
        self.write_policy(policy);
        self.ok("admin_reload", json!({}));
    }

    /// A connection of this process.
    pub fn connect(&self) -> Caller {
        Caller::connect(&self.socket()).unwrap()
    }

    /// One call on a connection of its own.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.connect().call(method, params)
    }

    /// A call that succeeds.
    #[track_caller]
    pub fn ok(&self, method: &str, params: Value) -> Value {
        self.connect().ok(method, params)
    }

    /// A call that fails with this kind; gives the error.
    #[track_caller]
    pub fn fails(&self, kind: &str, method: &str, params: Value) -> Value {
        self.connect().fails(kind, method, params)
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        caller::http(&self.socket(), &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    /// What `/readyz` says.
    pub fn readiness(&self) -> (u16, Vec<String>) {
        let (status, body) = self.get("/readyz");
        let body: Value = serde_json::from_str(&body).unwrap();
        (status, body["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap().to_owned()).collect())
    }

    pub fn wait_until_ready(&self) {
        wait_until("the daemon is ready", || self.readiness().0 == 200);
    }

    /// A new wallet.
    pub fn wallet(&self, asset: &str) -> Value {
        self.ok("wallet_create", json!({ "userId": "user123", "asset": asset }))
    }

    /// The database, beside the daemon.
    pub fn database(&self) -> Connection {
        let connection = Connection::open(self.database_path()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    /// The first column of the first row, as text.
    pub fn query(&self, sql: &str) -> String {
        let value: rusqlite::types::Value = self.database().query_row(sql, [], |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Null => "NULL".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Changes the stopped daemon's database.
    pub fn execute(&self, sql: &str) {
        assert!(self.running.is_none(), "stop the daemon first");
        self.database().execute_batch(sql).unwrap();
    }

    /// Every record of the audit, oldest first, as the file has them.
    pub fn audit(&self) -> Vec<Value> {
        let database = self.database();
        let mut statement = database.prepare("SELECT record FROM audit ORDER BY sequence").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|record| serde_json::from_str(&record.unwrap()).unwrap()).collect()
    }

    /// Records of this kind.
    pub fn audited(&self, kind: &str) -> Vec<Value> {
        self.audit().into_iter().filter(|record| record["kind"] == kind).collect()
    }

    #[track_caller]
    pub fn assert_audit_is_whole(&self) {
        let verdict = self.ok("audit_verify", json!({}));
        assert_eq!(verdict["ok"], true, "{verdict}");
        assert!(verdict.get("firstBad").is_none());
    }

    pub fn emulator(&self) -> &Emulator {
        self.kms.emulator.as_ref().unwrap()
    }

    pub fn faults(&self) -> &Faults {
        self.emulator().faults()
    }

    /// The next requests of `operation` get this fault.
    pub fn fault(&self, operation: Operation, fault: impl Into<Fault>, times: u32) {
        self.faults().script(Script::next(operation, fault).times(times));
    }

    /// Waits until every scripted fault met its request.
    pub fn wait_for_faults(&self) {
        wait_until("the faults are used up", || self.faults().get().scripts.is_empty());
    }

    /// What KMS was asked, whether or not it did it.
    pub fn kms_log(&self, operation: Operation) -> Vec<LogEntry> {
        self.emulator().log().entries().into_iter().filter(|entry| entry.operation == operation).collect()
    }

    /// How often KMS did it.
    pub fn kms_effects(&self, operation: Operation) -> usize {
        self.emulator().log().effects(operation)
    }

    pub fn kms_endpoint(&self) -> &str {
        &self.kms.endpoint
    }

    /// KMS goes away and does not come back.
    pub fn stop_kms(&mut self) {
        let emulator = self.kms.emulator.take().unwrap();
        self.kms.runtime.block_on(emulator.shutdown());
    }

    /// KMS's clock goes ahead, so that what waits there comes about.
    pub fn advance_kms(&self, by: Duration) {
        self.kms.clock.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Waits until KMS has followed every change of a wallet's state.
    pub fn wait_for_key_drives(&self) {
        wait_until("KMS has followed", || self.query("SELECT count(*) FROM key_drives") == "0");
    }

    /// Runs a request of the AWS SDK.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.kms.runtime.block_on(future)
    }
}

impl KmsServer {
    fn start() -> Self {
        let runtime = runtime();
        let clock = Arc::new(AheadClock::default());
        let config = EmulatorConfig { clock: clock.clone(), ..EmulatorConfig::default() };
        let emulator = runtime.block_on(Emulator::start(config)).unwrap();
        Self { endpoint: emulator.endpoint_url(), emulator: Some(emulator), clock, runtime }
    }
}

/// The machine's clock, so many milliseconds ahead.
#[derive(Default)]
struct AheadClock(AtomicU64);

impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(SystemClock.now().unix_millis() + self.0.load(Ordering::SeqCst))
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Writes a file that only we can read or write.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Polls until it holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
