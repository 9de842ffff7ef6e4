//! From bytes on the Unix socket to a [`Frame`], and the answer back: one stream socket, on which the first byte that is not
//! white space chooses JSON-RPC as a bare stream (IPC) or over HTTP/1.1.
//!
//! | file | has |
//! |---|---|
//! | socket | the listening socket: own bind, or from systemd |
//! | accept | the connections' number, and how the server stops |
//! | connection | an IPC connection's loop |
//! | http | the same dispatch behind HTTP, and the three GET pages |
//! | framing | where a JSON value ends in a stream, without parsing it |
//! | envelope | bytes of one message, proven strict JSON within the limits, as JSON-RPC requests |
//! | dispatch | a request to its method, its slot and its task; every request with an id gets an answer |
//! | replay | a stream's bytes as its requests, with nobody to answer |
//!
//! It decides nothing about what a request may do. It never drops a call that has begun, and never a request unanswered: what
//! goes over a limit, or comes while the daemon stops, is told so.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonrpsee::{Extensions, Methods};
use serde::Serialize;

use crate::caller::Caller;
use crate::rpc::error_codes::{Kind, RpcError};

mod accept;
mod connection;
mod dispatch;
mod envelope;
mod framing;
mod http;
mod patient;
mod replay;
mod socket;

pub use replay::read_stream;
pub use socket::{BindError, Listener, SocketConfig};

/// One request as it came in: its method's name is known, and its parameters are proven to be complete, strict JSON (an object
/// or an array, each key once, not too deep, not too long). Nothing has judged what they mean.
///
/// It can be taken once and used once.
#[must_use]
pub struct Frame {
    method: &'static str,
    params: Option<Box<str>>,
}

impl Frame {
    const fn new(method: &'static str, params: Option<Box<str>>) -> Self {
        Self { method, params }
    }

    /// Takes the frame out of what a method's callback was given. `None` if it was taken before.
    pub fn take(extensions: &Extensions) -> Option<Self> {
        extensions.get::<FrameSlot>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts the frame where `take` finds it: jsonrpsee's extensions hold only what can be cloned.
    fn put(self, extensions: &mut Extensions) {
        extensions.insert(FrameSlot(Arc::new(Mutex::new(Some(self)))));
    }

    /// The method as registered.
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The raw JSON text of `params`; `None` if it was absent or null.
    pub fn params(&self) -> Option<&str> {
        self.params.as_deref()
    }
}

#[derive(Clone)]
struct FrameSlot(Arc<Mutex<Option<Frame>>>);

/// How a method runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the connection's own task: for reads, which are answered at once. One that has to wait moves to a task.
    Inline,
    /// In a task of its own, so that it runs to its end whatever its client does: for everything with an effect.
    Task,
}

/// What one client, and all together, may ask for. The defaults are the API contract's.
#[derive(Debug, Clone)]
pub struct Limits {
    pub max_message_bytes: usize,
    /// Requests in one batch.
    pub max_batch_length: usize,
    /// Open connections, the reserved ones included.
    pub max_connections: usize,
    pub max_connections_per_uid: usize,
    /// Of `max_connections`, those kept for [`Hooks::reserved`] callers.
    pub reserved_connections: usize,
    pub max_in_flight_per_connection: usize,
    /// Calls running at once, the reserved ones included.
    pub max_in_flight: usize,
    /// Of `max_in_flight`, those kept for [`Hooks::reserved`] callers.
    pub reserved_in_flight: usize,
    /// Containers inside one another, the request's own object counted. At most 127 is honoured.
    pub max_json_depth: usize,
    /// Time to finish a started message, and for a client to take some part of its answer.
    pub message_time: Duration,
    /// Time that running calls get when the server stops.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 4 << 20,
            max_batch_length: 256,
            max_connections: 1024,
            max_connections_per_uid: 128,
            reserved_connections: 16,
            max_in_flight_per_connection: 128,
            max_in_flight: 1024,
            reserved_in_flight: 16,
            max_json_depth: 64,
            message_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(30),
        }
    }
}

/// Whether the daemon could sign and audit now: the body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// Why not, and what else an operator should know.
    pub reasons: Vec<String>,
}

/// Something worth counting, by its caller.
#[derive(Debug)]
pub enum Event<'a> {
    Connected,
    Disconnected,
    /// A request answered here, before any method saw it: a parse error, an unknown method, a limit, a stop.
    Refused(&'a RpcError),
}

/// Is told of what happens on the socket.
pub type Observer = dyn Fn(&Caller, Event<'_>) + Send + Sync;

/// What the server asks of the rest of the daemon. None of these may block.
#[derive(Clone)]
pub struct Hooks {
    /// For `/readyz`.
    pub ready: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// For `/metrics`: Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether this caller may use the reserved connections and slots, because it may freeze. Asked only when the others are
    /// used up.
    pub reserved: Arc<dyn Fn(&Caller) -> bool + Send + Sync>,
    /// The answer to a method that is not registered.
    pub unknown_method: Arc<dyn Fn(&str) -> RpcError + Send + Sync>,
    pub observe: Arc<Observer>,
}

impl Default for Hooks {
    /// Always ready, no metrics, nobody reserved, METHOD_NOT_FOUND, nothing observed.
    fn default() -> Self {
        Self {
            ready: Arc::new(|| Readiness { ready: true, reasons: Vec::new() }),
            metrics: Arc::new(String::new),
            reserved: Arc::new(|_| false),
            unknown_method: Arc::new(|_| RpcError::new(Kind::MethodNotFound, "there is no such method")),
            observe: Arc::new(|_, _| ()),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call ended and every answer was taken, or its client is gone.
    Finished,
    /// The time was up with this many calls running. They run on until the runtime ends.
    Abandoned(usize),
}

/// Serves the methods of a module on a listening Unix socket.
pub struct Server {
    methods: Methods,
    mode: fn(&str) -> Mode,
    limits: Limits,
    hooks: Hooks,
}

impl Server {
    pub fn new(methods: impl Into<Methods>, mode: fn(&str) -> Mode, limits: Limits, hooks: Hooks) -> Self {
        Self { methods: methods.into(), mode, limits, hooks }
    }
}
