//! What clients of a daemon that is killed were told: every answer, byte for byte, the half ones too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use super::PATIENCE;

/// A call that may be sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub method: &'static str,
    pub params: Value,
}

impl Call {
    pub fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }

    /// Its requestId or idempotencyKey.
    pub fn request_id(&self) -> Option<&str> {
        ["requestId", "idempotencyKey"].iter().find_map(|name| self.params[name].as_str())
    }
}

/// Everything that clients were told, in the scope of a requestId.
#[derive(Default)]
pub struct Journal(Mutex<BTreeMap<(&'static str, String), Told>>);

/// What was told about one requestId.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The parameters; one content a requestId.
    pub params: Value,
    /// The distinct results, as text. More than one is a broken promise.
    pub results: BTreeSet<String>,
    /// Signatures, and beginnings of signatures in answers that were cut off.
    pub signatures: BTreeSet<String>,
    /// The kinds of the errors.
    pub errors: BTreeSet<String>,
    pub sent: u32,
    pub cut_off: u32,
}

impl Journal {
    pub fn told(&self) -> BTreeMap<(&'static str, String), Told> {
        self.lock().clone()
    }

    /// The calls that never had a result, nor an error after which a retry is no use.
    pub fn open_calls(&self) -> Vec<Call> {
        let open = |told: &Told| told.results.is_empty() && told.errors.iter().all(|kind| is_passing(kind));
        let told = self.lock();
        told.iter().filter(|(_, told)| open(told)).map(|((method, _), told)| Call::new(method, told.params.clone())).collect()
    }

    /// Whether some client has the call's result.
    pub fn is_answered(&self, call: &Call) -> bool {
        let id = call.request_id().unwrap_or_default().to_owned();
        self.lock().get(&(call.method, id)).is_some_and(|told| !told.results.is_empty())
    }

    fn note(&self, call: &Call, bytes: &str, whole: bool) {
        let Some(id) = call.request_id() else { return };
        let mut journal = self.lock();
        let told = journal.entry((call.method, id.to_owned())).or_default();
        if told.params.is_null() {
            told.params = call.params.clone();
        }
        assert_eq!(told.params, call.params, "a client of these tests uses a requestId for one content");
        told.sent += 1;
        told.signatures.extend(signature_in(bytes));
        if !whole {
            told.cut_off += 1;
            return;
        }
        let answer: Value = serde_json::from_str(bytes).unwrap();
        match answer["error"]["data"]["kind"].as_str() {
            Some(kind) => {
                told.errors.insert(kind.to_owned());
            }
            None => {
                let at = bytes.find("\"result\":").unwrap_or_else(|| panic!("neither result nor error: {bytes}"));
                told.results.insert(bytes[at..].trim_end().to_owned());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), Told>> {
        self.0.lock().unwrap()
    }
}

/// Whether the same call may fare better later.
pub fn is_passing(kind: &str) -> bool {
    use kmsignd::rpc::error_codes::{Kind, Retry};
    let kind = Kind::ALL.iter().find(|row| row.as_str() == kind).unwrap_or_else(|| panic!("no such kind: {kind}"));
    kind.retry() != Retry::Never
}

/// The signature in an answer, or the beginning of one if the answer ends in it.
fn signature_in(bytes: &str) -> Option<String> {
    let (_, rest) = bytes.split_once("\"signature\":\"").or_else(|| bytes.split_once("\"raw\":\"0x"))?;
    let hex: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    (!hex.is_empty()).then_some(hex)
}

/// A client that connects again when it is cut off, and writes down all it is told.
pub struct Client {
    socket: PathBuf,
    stream: Option<BufReader<UnixStream>>,
    journal: Arc<Journal>,
}

impl Client {
    pub fn new(socket: PathBuf, journal: Arc<Journal>) -> Self {
        Self { socket, stream: None, journal }
    }

    /// Sends a call once. `None`: cut off, or nobody there.
    pub fn send(&mut self, call: &Call) -> Option<Result<Value, Value>> {
        let mut bytes = Vec::new();
        let asked = self.ask(call, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let whole = text.ends_with('\n');
        if !whole {
            self.stream = None;
        }
        asked.then(|| self.journal.note(call, &text, whole));
        whole.then(|| super::caller::outcome(serde_json::from_str(&text).unwrap()))
    }

    /// Whether a request went out; what came back is in `bytes`.
    fn ask(&mut self, call: &Call, bytes: &mut Vec<u8>) -> bool {
        if self.stream.is_none() {
            let Ok(stream) = UnixStream::connect(&self.socket) else { return false };
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            self.stream = Some(BufReader::new(stream));
        }
        let Some(stream) = &mut self.stream else { return false };
        // The same id always, so that equal answers are equal bytes.
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": call.method, "params": call.params });
        if writeln!(stream.get_mut(), "{request}").is_ok() {
            // An error is the end of what came; whether that was all, its last byte tells.
            let _ = stream.read_until(b'\n', bytes);
        }
        true
    }

    /// Sends a call until it has an answer for good, or until `tries` are over.
    pub fn settle(&mut self, call: &Call, tries: u32) -> Option<Result<Value, Value>> {
        for _ in 0..tries {
            match self.send(call) {
                Some(Ok(result)) => return Some(Ok(result)),
                Some(Err(error)) if !is_passing(error["data"]["kind"].as_str().unwrap()) => return Some(Err(error)),
                Some(Err(_)) | None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        None
    }
}
