//! The bytes of one message as JSON-RPC 2.0 requests, proven strict JSON on the way (`strict_json.rs`).

use std::borrow::Cow;

use jsonrpsee::types::{ErrorObjectOwned, Id};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Limits;
use super::framing::IdFinder;
use crate::rpc::error_codes::{Kind, RpcError};
use crate::strict_json;

/// A longer number than this is not echoed as an id.
const MAX_ECHOED_NUMBER_BYTES: usize = 64;

/// A well-formed request. Without an id it is a notification.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) id: Option<Id<'a>>,
    pub(super) method: Cow<'a, str>,
    /// The raw text of an object or an array.
    pub(super) params: Option<&'a str>,
}

/// A request that gets an error from the transport itself.
#[derive(Debug)]
pub(super) struct Refusal {
    /// As raw JSON; null if it has none that can be told.
    pub(super) id: Option<String>,
    pub(super) error: RpcError,
}

impl Refusal {
    pub(super) fn new(id: Option<String>, kind: Kind, message: impl Into<String>) -> Self {
        Self { id, error: RpcError::new(kind, message) }
    }

    pub(super) fn too_long(id: Option<String>, limits: &Limits) -> Self {
        Self::new(id, Kind::InvalidRequest, format!("the message is longer than {} bytes", limits.max_message_bytes))
    }

    /// Echoes an id that has been understood.
    pub(super) fn of(id: &Id<'_>, error: RpcError) -> Self {
        Self { id: serde_json::to_string(id).ok(), error }
    }

    /// The response.
    pub(super) fn into_json(self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Response<'a> {
            jsonrpc: &'static str,
            id: &'a RawValue,
            error: ErrorObjectOwned,
        }
        let id = self.id.and_then(|id| RawValue::from_string(id).ok());
        let id = id.as_deref().unwrap_or(RawValue::NULL);
        serde_json::to_vec(&Response { jsonrpc: "2.0", id, error: self.error.into_object() }).unwrap_or_default()
    }
}

/// The bytes as text; the text of a message that is one value and nothing else is left to the functions below.
pub(super) fn text(message: &[u8]) -> Result<&str, Refusal> {
    str::from_utf8(message).map_err(|error| {
        let message_text = format!("the message is not UTF-8 at byte {}", error.valid_up_to());
        Refusal::new(IdFinder::find(message), Kind::ParseError, message_text)
    })
}

/// The elements of a batch, each still to be parsed.
pub(super) fn batch(text: &str) -> Result<Vec<&RawValue>, Refusal> {
    serde_json::from_str(text).map_err(|error| Refusal::new(None, Kind::ParseError, format!("the batch is not JSON: {error}")))
}

/// One request. `max_depth` counts containers, the request's own object included.
pub(super) fn request(text: &str, max_depth: usize) -> Result<Request<'_>, Refusal> {
    let not_json = |error| {
        Refusal::new(IdFinder::find(text.as_bytes()), Kind::ParseError, format!("the message is not acceptable JSON: {error}"))
    };
    strict_json::check(text, max_depth).map_err(not_json)?;

    if !text.trim_ascii_start().starts_with('{') {
        return Err(Refusal::new(None, Kind::InvalidRequest, "a request is a JSON object"));
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(not_json)?;
    let id = members.id;
    let invalid = |echo: Option<&str>, message: &str| Refusal::new(echo.map(str::to_owned), Kind::InvalidRequest, message);
    let parsed_id = match id.map(parse_id) {
        None => None,
        Some(Some(parsed)) => Some(parsed),
        Some(None) => {
            let echo = id.filter(|raw| is_number(raw) && raw.len() <= MAX_ECHOED_NUMBER_BYTES);
            return Err(invalid(echo, "id must be a string, a whole number from 0 to 18446744073709551615, or null"));
        }
    };
    if members.jsonrpc.and_then(parse_str).as_deref() != Some("2.0") {
        return Err(invalid(id, "jsonrpc must be \"2.0\""));
    }
    let Some(method) = members.method.and_then(parse_str) else {
        return Err(invalid(id, "method must be a string"));
    };
    let params = members.params.filter(|raw| *raw != "null");
    if params.is_some_and(|raw| !raw.starts_with(['{', '['])) {
        return Err(invalid(id, "params must be an object, an array or null"));
    }
    Ok(Request { id: parsed_id, method, params })
}

/// Whether an element of a batch that is refused unread gets an answer: all but notifications do.
pub(super) fn is_answered(element: &RawValue) -> bool {
    let is_object = element.get().starts_with('{');
    !is_object || !serde_json::from_str::<Members<'_>>(element.get()).is_ok_and(|members| members.id.is_none())
}

/// The envelope, each member as raw JSON. Members it does not name are tolerated, but they have been proven strict JSON too.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a str>,
}

/// A null that is there is not the same as nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de str>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(|raw| Some(raw.get()))
}

fn parse_id(raw: &str) -> Option<Id<'_>> {
    match raw {
        "null" => Some(Id::Null),
        _ if is_number(raw) => raw.parse().ok().map(Id::Number),
        _ => parse_str(raw).map(Id::Str),
    }
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// The text of a JSON string, if it is one.
fn parse_str(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    raw.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}
