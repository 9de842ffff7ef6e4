//! The daemon as a process of its own, for what only a process can show: signals, a kill, exit codes, its log.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use kmsignd::policy::dev_policy;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Caller, REGION, caller, wait_until, write_private};

/// A directory with everything that `kmsignd serve` needs.
pub struct Installation {
    pub directory: TempDir,
    endpoint: String,
}

/// A running process. Killed when it is dropped.
pub struct Process {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Installation {
    pub fn new(kms_endpoint: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("kmsignd-").tempdir().unwrap();
        DirBuilder::new().mode(0o700).create(directory.path().join("policy.d")).unwrap();
        let installation = Self { directory, endpoint: kms_endpoint.to_owned() };
        installation.write_policy(&dev_policy(nix::unistd::geteuid().as_raw()));
        write_private(
            &installation.path("kmsignd.toml"),
            &format!(
                "[socket]\npath = {:?}\nmode = \"0600\"\ngroup = \"\"\n[store]\npath = {:?}\n[policy]\ndirectory = {:?}\n\
                 [kms]\nregion = {REGION:?}\n[service]\ndrain_seconds = 20\n",
                installation.path("kmsignd.sock"),
                installation.path("kmsignd.db"),
                installation.path("policy.d"),
            ),
        );
        installation
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write_policy(&self, policy: &str) {
        write_private(&self.path("policy.d/test.cedar"), policy);
    }

    /// `kmsignd serve`, with the emulator's endpoint and credentials in its environment and nothing else.
    pub fn command(&self) -> Command {
        self.command_of(&["serve"])
    }

    /// Another command of kmsignd, in the same environment.
    pub fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = kmsignd();
        command.args(arguments).arg("--config").arg(self.path("kmsignd.toml"));
        command.env("AWS_ENDPOINT_URL_KMS", &self.endpoint);
        command.env("AWS_ACCESS_KEY_ID", "AKIATEST").env("AWS_SECRET_ACCESS_KEY", "test");
        command
    }

    pub fn start(&self) -> Process {
        self.start_with(self.command())
    }

    pub fn start_with(&self, command: Command) -> Process {
        Process::start(command, self.path("kmsignd.sock"), self.path("log"))
    }

    /// Starts one that may die before it serves.
    pub fn start_or_end(&self, command: Command) -> Process {
        let mut process = self.spawn(command);
        wait_until("it serves or ends", || process.ended().is_some() || process.serves().is_ok());
        process
    }

    /// Starts one and waits for nothing.
    pub fn spawn(&self, command: Command) -> Process {
        Process::spawn(command, self.path("kmsignd.sock"), self.path("log"))
    }

    /// Runs one that must not start; gives its exit code and what it said.
    pub fn refusal(&self) -> (Option<i32>, String) {
        self.refusal_of(self.command())
    }

    pub fn refusal_of(&self, command: Command) -> (Option<i32>, String) {
        let mut process = Process::spawn(command, PathBuf::new(), self.path("refusal"));
        let code = process.wait().code();
        let said = process.log();
        fs::remove_file(self.path("refusal")).unwrap();
        (code, said)
    }
}

/// The built program with an empty environment.
pub fn kmsignd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmsignd"));
    command.env_clear();
    command
}

impl Process {
    /// Starts it and waits until it serves: it listens before it has its store.
    pub fn start(command: Command, socket: PathBuf, log: PathBuf) -> Self {
        let mut process = Self::spawn(command, socket, log);
        wait_until("it serves", || {
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", process.log());
            process.serves().is_ok()
        });
        process
    }

    fn spawn(mut command: Command, socket: PathBuf, log: PathBuf) -> Self {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { child, socket, log }
    }

    pub fn serves(&self) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        stream.write_all(b"[]")?;
        stream.read_exact(&mut [0])
    }

    pub fn connect(&self) -> Caller {
        Caller::connect(&self.socket).unwrap()
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        caller::http(&self.socket, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until("it ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
