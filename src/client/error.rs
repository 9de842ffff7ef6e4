//! What can go wrong for a client, as a name that scripts can tell apart and an exit code.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::exit::Exit;
use crate::rpc::error_codes::Kind;

/// Why a command did not get its answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing was sent.
    #[error("kmsignd cannot be reached at {}: {reason}", path.display())]
    NoDaemon { path: PathBuf, reason: io::Error },
    /// What was asked may have been done, or may still be.
    #[error("kmsignd did not answer within {} s", timeout.as_secs())]
    TimedOut { timeout: Duration },
    /// What was asked may have been done.
    #[error("the connection to kmsignd was lost before its answer: {0}")]
    Lost(io::Error),
    /// What answers is not kmsignd, or one of another version.
    #[error("the answer is not one that kmsign understands: {0}")]
    Protocol(String),
    /// The daemon's own error.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The options do not fit together in a way that clap can't tell.
    #[error("{0}")]
    Usage(&'static str),
    /// A value is wrong; nothing was sent.
    #[error("{what} {reason}")]
    Input { what: &'static str, reason: String },
    #[error("standard input could not be read: {0}")]
    Unreadable(io::Error),
    #[error("{} could not be read: {reason}", path.display())]
    UnreadableFile { path: PathBuf, reason: io::Error },
    /// The policy was asked before signing, and does not permit it. Nothing was signed.
    #[error("{0}")]
    Denied(String),
    /// Whoever was asked did not say yes. Nothing was signed.
    #[error("nothing was signed")]
    Declined,
    /// What was made is on standard output.
    #[error("{} could not be written: {reason}", path.display())]
    Unwritten { path: PathBuf, reason: io::Error },
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

impl ClientError {
    pub fn protocol(what: &dyn fmt::Display) -> Self {
        Self::Protocol(what.to_string())
    }

    pub fn input(what: &'static str, reason: impl fmt::Display) -> Self {
        Self::Input { what, reason: reason.to_string() }
    }

    /// The daemon's own name of the error, or one of kmsign's.
    pub fn kind(&self) -> &str {
        match self {
            Self::NoDaemon { reason, .. } if reason.kind() == io::ErrorKind::PermissionDenied => "NO_PERMISSION",
            Self::NoDaemon { .. } => "NO_DAEMON",
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::Lost(_) => "CONNECTION_LOST",
            Self::Protocol(_) => "PROTOCOL",
            Self::Refused(refusal) => refusal.kind_name(),
            Self::Usage(_) => "USAGE",
            Self::Input { .. } => "INPUT",
            Self::Unreadable(_) | Self::UnreadableFile { .. } => "UNREADABLE_INPUT",
            Self::Denied(_) => "DENIED",
            Self::Declined => "DECLINED",
            Self::Unwritten { .. } => "OUTPUT",
            Self::Output(_) => "OUTPUT",
        }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::NoDaemon { reason, .. } if reason.kind() == io::ErrorKind::PermissionDenied => Exit::Denied,
            Self::NoDaemon { .. } => Exit::Unavailable,
            Self::TimedOut { .. } | Self::Lost(_) => Exit::TryAgain,
            Self::Protocol(_) => Exit::Protocol,
            Self::Refused(refusal) => refusal.exit(),
            Self::Usage(_) => Exit::Usage,
            Self::Input { .. } => Exit::BadData,
            // Whoever reads a pipe may stop when they have enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Denied(_) => Exit::Denied,
            Self::Declined => Exit::No,
            Self::Unreadable(_) | Self::UnreadableFile { .. } | Self::Unwritten { .. } | Self::Output(_) => Exit::Output,
        }
    }
}

/// An error that the daemon answered.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    code: i64,
    message: String,
    #[serde(default)]
    data: Map<String, Value>,
    /// As it came.
    #[serde(skip)]
    json: String,
}

impl Refusal {
    /// Reads the `error` member of an answer.
    pub fn read(json: &RawValue) -> Result<Self, serde_json::Error> {
        let refusal: Self = serde_json::from_str(json.get())?;
        Ok(Self { json: json.get().to_owned(), ..refusal })
    }

    /// `None` if a newer daemon has a kind that this kmsign does not know.
    pub fn kind(&self) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == self.kind_name())
    }

    fn kind_name(&self) -> &str {
        self.text("kind").unwrap_or("UNKNOWN")
    }

    /// A member of `data`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name).and_then(Value::as_str)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.data.get(name).and_then(Value::as_u64)
    }

    /// The error object's JSON text.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// `KIND`, or `KIND, code N` where the kind does not say it all.
    pub fn label(&self) -> String {
        if self.kind().is_some() { self.kind_name().to_owned() } else { format!("{}, code {}", self.kind_name(), self.code) }
    }

    fn exit(&self) -> Exit {
        let Some(kind) = self.kind() else {
            return if matches!(self.text("retry"), Some("later" | "sameRequestId")) { Exit::TryAgain } else { Exit::No };
        };
        match kind {
            Kind::MethodNotFound | Kind::MethodNotSupported => Exit::Usage,
            Kind::ParseError | Kind::InvalidRequest | Kind::InvalidParams => Exit::BadData,
            Kind::Internal | Kind::SignatureInvalid => Exit::Defect,
            Kind::KmsUnavailable | Kind::StoreUnavailable | Kind::AuditUnavailable => Exit::Unavailable,
            Kind::ShuttingDown
            | Kind::KmsOutcomeUnknown
            | Kind::RateLimited
            | Kind::Overloaded
            | Kind::ApprovalRequired
            | Kind::Frozen => Exit::TryAgain,
            Kind::Denied => Exit::Denied,
            Kind::NotFound | Kind::TransactionRefused | Kind::Conflict | Kind::KeyNotUsable | Kind::KmsRefused => Exit::No,
        }
    }
}
