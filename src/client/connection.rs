//! One connection to the daemon: JSON-RPC 2.0 as a bare stream of lines, one request at a time. Every call has one deadline for
//! all of its bytes, and an answer is never longer than [`MAX_ANSWER_BYTES`].

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::error::{ClientError, Refusal};

/// Longest answer that is read.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A connected socket.
pub struct Connection {
    stream: UnixStream,
    timeout: Duration,
    last_id: u64,
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: &'a RawValue,
}

#[derive(Deserialize)]
struct Response {
    id: Option<u64>,
    /// A result may be null; only an absent one is `None`.
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Connection {
    /// Connects within `timeout`, which then holds for each call: a daemon whose queue of connections is full must not hold a
    /// client for ever.
    ///
    /// # Errors
    /// [`ClientError::NoDaemon`], [`ClientError::TimedOut`].
    pub fn open(path: &Path, timeout: Duration) -> Result<Self, ClientError> {
        match connect(path, timeout) {
            Ok(stream) => Ok(Self { stream, timeout, last_id: 0 }),
            Err(Errno::EAGAIN) => Err(ClientError::TimedOut { timeout }),
            Err(errno) => Err(ClientError::NoDaemon { path: path.to_owned(), reason: errno.into() }),
        }
    }

    /// Sends a request, and gives the result's JSON text as the daemon wrote it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the daemon's own error; [`ClientError::TimedOut`] and [`ClientError::Lost`], after which
    /// the daemon may or may not have done what it was asked; [`ClientError::Protocol`]. After any of the last three the
    /// connection is of no more use.
    pub fn call(&mut self, method: &str, params: &RawValue) -> Result<Box<RawValue>, ClientError> {
        self.last_id = self.last_id.saturating_add(1);
        let request = Request { jsonrpc: "2.0", id: self.last_id, method, params };
        let mut line = serde_json::to_vec(&request).map_err(|error| ClientError::protocol(&error))?;
        line.push(b'\n');
        let deadline = Instant::now() + self.timeout;
        self.send(&line, deadline)?;
        let response: Response =
            serde_json::from_slice(&self.receive(deadline)?).map_err(|error| ClientError::protocol(&error))?;
        match response {
            // An error without an id answers what the daemon could not read, or a connection too many.
            Response { id, error: Some(error), result: None } if id.is_none_or(|id| id == self.last_id) => {
                Err(Refusal::read(&error).map_or_else(|error| ClientError::protocol(&error), ClientError::Refused))
            }
            Response { id, result: Some(result), error: None } if id == Some(self.last_id) => Ok(result),
            _ => Err(ClientError::protocol(&"the answer is to another request, or none at all")),
        }
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left(deadline)?)).map_err(ClientError::Lost)?;
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The daemon closed its end, maybe after saying why: what it said can still be read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(())
    }

    /// Reads up to the first line feed.
    fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, ClientError> {
        let mut answer = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            self.stream.set_read_timeout(Some(self.left(deadline)?)).map_err(ClientError::Lost)?;
            let read = match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ClientError::Lost(ErrorKind::UnexpectedEof.into())),
                Ok(read) => chunk.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(error)),
            };
            let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
            answer.extend_from_slice(line);
            if answer.len() > MAX_ANSWER_BYTES {
                return Err(ClientError::protocol(&format_args!("the answer is longer than {} MiB", MAX_ANSWER_BYTES >> 20)));
            }
            if line.len() < read.len() {
                return Ok(answer);
            }
        }
    }

    /// The time left, never zero: the system takes zero for "for ever".
    fn left(&self, deadline: Instant) -> Result<Duration, ClientError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ClientError::TimedOut { timeout: self.timeout }) } else { Ok(left) }
    }

    fn broken(&self, error: io::Error) -> ClientError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::TimedOut { timeout: self.timeout },
            _ => ClientError::Lost(error),
        }
    }
}

/// The standard library's connect has no timeout. For a Unix socket the kernel takes the send timeout, unix(7) and socket(7).
fn connect(path: &Path, timeout: Duration) -> nix::Result<UnixStream> {
    use std::os::fd::AsRawFd;

    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    socket::setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(seconds, 0))?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket.into())
}
