//! A client of the socket, in the IPC framing: a JSON value a line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use kmsignd::rpc::error_codes::{Kind, Retry};
use serde_json::{Value, json};

use super::PATIENCE;

/// One connection.
pub struct Caller {
    reader: BufReader<UnixStream>,
    next_id: u64,
}

impl Caller {
    pub fn connect(socket: &Path) -> io::Result<Self> {
        UnixStream::connect(socket).map(Self::on)
    }

    /// On a stream that somebody else connected.
    pub fn on(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream), next_id: 1 }
    }

    /// Sends a request and does not wait for its answer.
    pub fn send(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send_raw(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        id
    }

    pub fn send_raw(&mut self, text: &str) {
        writeln!(self.reader.get_mut(), "{text}").unwrap();
    }

    /// The next answer, as it is.
    pub fn receive_line(&mut self) -> String {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).unwrap();
        assert!(read > 0, "the daemon closed the connection without an answer");
        assert!(line.ends_with('\n'), "an answer ends in a newline: {line}");
        line
    }

    pub fn receive(&mut self) -> Value {
        serde_json::from_str(&self.receive_line()).unwrap()
    }

    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send(method, &params);
        let answer = self.receive();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(id)), "{answer}");
        outcome(answer)
    }

    /// The bytes of an answer's result.
    pub fn result_text(&mut self, method: &str, params: &Value) -> String {
        self.send_raw(&json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params }).to_string());
        let line = self.receive_line();
        let at = line.find("\"result\":").unwrap_or_else(|| panic!("{method} failed: {line}"));
        line[at..].to_owned()
    }

    #[track_caller]
    pub fn ok(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{method} failed: {error}"))
    }

    /// A call that fails with this kind, and as the error table says of it.
    #[track_caller]
    pub fn fails(&mut self, kind: &str, method: &str, params: Value) -> Value {
        let error = self
            .call(method, params.clone())
            .map_or_else(|error| error, |result| panic!("{method} {params} should fail with {kind}, but gave {result}"));
        assert_is(kind, &error);
        error
    }
}

/// The result, or the error, of a response.
pub fn outcome(mut answer: Value) -> Result<Value, Value> {
    match (answer.get_mut("result").map(Value::take), answer.get_mut("error").map(Value::take)) {
        (Some(result), None) => Ok(result),
        (None, Some(error)) => Err(error),
        _ => panic!("neither a result nor an error: {answer}"),
    }
}

/// Holds if the error is of this kind, with the code and the retry that the table gives it.
#[track_caller]
pub fn assert_is(kind: &str, error: &Value) {
    let row = Kind::ALL.iter().find(|row| row.as_str() == kind).unwrap_or_else(|| panic!("no such kind: {kind}"));
    let retry = match row.retry() {
        Retry::Never => "never",
        Retry::Later => "later",
        Retry::SameRequestId => "sameRequestId",
    };
    let expected = (json!(kind), json!(row.code()), json!(retry));
    assert_eq!((error["data"]["kind"].clone(), error["code"].clone(), error["data"]["retry"].clone()), expected, "{error}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
}

/// Sends an HTTP request that ends the connection; gives status and body.
pub fn http(socket: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not HTTP: {answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {head}"));
    (status, body.to_owned())
}
