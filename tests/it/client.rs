//! The built `kmsign` against a daemon made of threads, for what a real daemon does rarely or never: silence, garbage, floods,
//! hang-ups, and every kind of error.

mod answers;
mod asked;
mod failures;
mod sign;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::poll::{PollFd, PollFlags};
use serde_json::{Value, json};

const WALLET_ID: &str = "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60";
const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A daemon whose answers a test writes.
struct Fake {
    directory: tempfile::TempDir,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Fake {
    /// Calls `converse` for each request line of each connection, until it says that the connection is over.
    fn start(converse: impl Fn(&Value, &mut UnixStream) -> bool + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                    let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
                    seen.lock().unwrap().push(request.clone());
                    if !converse(&request, &mut stream) {
                        break;
                    }
                }
            }
        });
        Self { directory, requests }
    }

    /// A daemon that answers method and parameters with a result, or with an error object.
    fn answering(answer: impl Fn(&str, &Value) -> Result<Value, Value> + Send + Sync + 'static) -> Self {
        Self::start(move |request, stream| {
            let (id, method) = (&request["id"], request["method"].as_str().unwrap());
            let response = match answer(method, &request["params"]) {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            };
            writeln!(stream, "{response}").is_ok()
        })
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        kmsign().arg("--socket").arg(self.socket()).args(arguments).stdin(Stdio::null()).ran()
    }

    /// The methods and parameters that came in.
    fn calls(&self) -> Vec<(String, Value)> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| (request["method"].as_str().unwrap().to_owned(), request["params"].clone())).collect()
    }

    /// The text with this run's socket named `SOCKET`.
    fn without_path(&self, text: &str) -> String {
        text.replace(self.socket().to_str().unwrap(), "SOCKET")
    }
}

/// What one run left.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

trait Run {
    fn ran(&mut self) -> Ran;
}

impl Run for Command {
    fn ran(&mut self) -> Ran {
        let output = self.output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn kmsign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmsign"));
    command.env_remove("KMSIGN_SOCKET");
    command
}

fn wallet() -> Value {
    json!({
        "walletId": WALLET_ID, "userId": "user123", "asset": "BTC", "network": "mainnet", "addressType": "p2wpkh",
        "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "publicKey": "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "kmsKeyId": ARN,
        "keySpec": "ECC_SECG_P256K1", "status": "CREATED", "label": null, "createdAt": "2026-01-15T10:30:00Z", "version": 3,
    })
}

/// A pseudo-terminal: the side of the one who types, and the program's.
#[allow(unsafe_code, reason = "no crate here wraps posix_openpt")]
fn terminal() -> (File, File) {
    use nix::libc;
    let terminal = File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    let mut name = [0 as libc::c_char; 64];
    // SAFETY: the descriptor is open, and the name fits or is refused.
    let name = unsafe {
        assert_eq!((libc::grantpt(terminal.as_raw_fd()), libc::unlockpt(terminal.as_raw_fd())), (0, 0));
        assert_eq!(libc::ptsname_r(terminal.as_raw_fd(), name.as_mut_ptr(), name.len()), 0);
        std::ffi::CStr::from_ptr(name.as_ptr())
    };
    let screen = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name.to_str().unwrap()).unwrap();
    (terminal, screen)
}

/// Somebody at a terminal on which kmsign runs.
struct Seat {
    terminal: File,
    child: Child,
    shown: Vec<u8>,
    /// Up to where was read what was waited for.
    seen: usize,
}

impl Seat {
    /// On a terminal of so many columns, 0 for one that does not say, with this typed before kmsign begins.
    fn sit(fake: &Fake, columns: u16, typed_before: &str, arguments: &[&str]) -> Self {
        let (mut terminal, screen) = terminal();
        let size = rustix::termios::Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&screen, size).unwrap();
        terminal.write_all(typed_before.as_bytes()).unwrap();
        let mut command = kmsign();
        command.arg("--socket").arg(fake.socket()).args(arguments).env("NO_COLOR", "1");
        command.stdin(screen.try_clone().unwrap()).stderr(screen).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        Self { terminal, child, shown: Vec::new(), seen: 0 }
    }

    /// Reads until this is shown behind what was waited for before. False if kmsign ends first.
    fn sees(&mut self, text: &str) -> bool {
        let mut chunk = [0; 4096];
        loop {
            let unseen = &self.shown[self.seen..];
            if let Some(at) = unseen.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.seen += at + text.len();
                return true;
            }
            let mut waiting = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
            // Only so that a kmsign that waits for what nobody types fails its test.
            let came = nix::poll::poll(&mut waiting, 60_000_u16).unwrap();
            assert!(came > 0, "waits without showing {text:?}: {}", String::from_utf8_lossy(&self.shown));
            // A terminal that nobody holds any more reads as an error.
            let Ok(read) = self.terminal.read(&mut chunk) else { return false };
            self.shown.extend_from_slice(&chunk[..read]);
        }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.terminal, "{line}").unwrap();
    }

    /// What was left, and all that came on the terminal.
    fn ends(mut self) -> (Ran, String) {
        assert!(!self.sees("\u{0}no program shows this\u{0}"));
        let output = self.child.wait_with_output().unwrap();
        let ran = Ran { code: output.status.code().unwrap(), out: String::from_utf8(output.stdout).unwrap(), err: String::new() };
        (ran, String::from_utf8(self.shown).unwrap().replace('\r', ""))
    }
}
