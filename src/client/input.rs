//! What a command line may hold, each with its bounds, so that a wrong value is told before anything is sent.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::ClientError;
use super::session::Session;
use crate::chains::MAX_ADDRESS_BYTES;
use crate::ids::{IdError, KeyArn, OnBehalfOf, RequestId, WalletId};
use crate::keys::Digest32;

/// Longest text that is read from a file or from standard input: what the daemon takes as one message.
const MAX_INPUT_BYTES: u64 = 4 << 20;

/// Names of assets, networks and methods, which only the daemon knows: 1..64 printable ASCII characters without spaces.
pub fn name(text: &str) -> Result<String, IdError> {
    const MAX: usize = 64;
    let got = text.chars().count();
    if got == 0 || got > MAX {
        return Err(IdError::Length { min: 1, max: MAX, got });
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(IdError::Characters { allowed: "printable ASCII without spaces" });
    }
    Ok(text.to_owned())
}

/// An address, which only the daemon can tell: 1..[`MAX_ADDRESS_BYTES`] printable ASCII characters without spaces.
pub fn address(text: &str) -> Result<String, IdError> {
    let got = text.chars().count();
    if got == 0 || got > MAX_ADDRESS_BYTES {
        return Err(IdError::Length { min: 1, max: MAX_ADDRESS_BYTES, got });
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(IdError::Characters { allowed: "printable ASCII without spaces" });
    }
    Ok(text.to_owned())
}

/// A key by its own name or its wallet's.
#[derive(Debug, Clone)]
pub enum KeyName {
    Arn(KeyArn),
    Wallet(WalletId),
}

impl FromStr for KeyName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const FORM: IdError = IdError::Form { expected: "a wallet id (a version 7 UUID), or the ARN of a KMS key" };
        if text.starts_with("arn:") { text.parse().map(Self::Arn) } else { text.parse().map(Self::Wallet).map_err(|_| FORM) }
    }
}

/// A value given on the command line, or `-` for standard input.
#[derive(Debug, Clone)]
pub enum Given<T> {
    Here(T),
    Stdin,
}

impl<T: FromStr> FromStr for Given<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "-" { Ok(Self::Stdin) } else { text.parse().map(Self::Here) }
    }
}

impl<T> Given<T>
where
    T: FromStr + Clone,
    T::Err: std::fmt::Display,
{
    /// The value, read from standard input if that is where it is.
    ///
    /// # Errors
    /// [`ClientError::Input`] with `what`, [`ClientError::Unreadable`].
    pub fn take(&self, what: &'static str) -> Result<T, ClientError> {
        match self {
            Self::Here(value) => Ok(value.clone()),
            Self::Stdin => {
                let bytes = read_all(std::io::stdin().lock(), what, ClientError::Unreadable)?;
                let text =
                    String::from_utf8(bytes).map_err(|_| ClientError::input(what, "on standard input is not UTF-8 text"))?;
                text.trim().parse().map_err(|error| ClientError::input(what, error))
            }
        }
    }
}

/// A document: a file, or `-` for standard input.
#[derive(Debug, Clone)]
pub struct Document(PathBuf);

impl From<std::ffi::OsString> for Document {
    fn from(path: std::ffi::OsString) -> Self {
        Self(path.into())
    }
}

impl Document {
    pub fn is_stdin(&self) -> bool {
        self.0 == Path::new("-")
    }

    /// All of it, at most 4 MiB.
    ///
    /// # Errors
    /// [`ClientError::Input`] with `what`, [`ClientError::Unreadable`], [`ClientError::UnreadableFile`].
    pub fn read(&self, what: &'static str) -> Result<Vec<u8>, ClientError> {
        if self.is_stdin() {
            return read_all(std::io::stdin().lock(), what, ClientError::Unreadable);
        }
        let unreadable = |reason| ClientError::UnreadableFile { path: self.0.clone(), reason };
        read_all(File::open(&self.0).map_err(unreadable)?, what, unreadable)
    }

    /// All of it, as text.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub fn read_text(&self, what: &'static str) -> Result<String, ClientError> {
        String::from_utf8(self.read(what)?).map_err(|_| ClientError::input(what, "is not UTF-8 text"))
    }
}

fn read_all(
    from: impl Read,
    what: &'static str,
    unreadable: impl Fn(std::io::Error) -> ClientError,
) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    let read = from.take(MAX_INPUT_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_INPUT_BYTES) {
        return Err(ClientError::input(what, "is longer than 4 MiB"));
    }
    Ok(bytes)
}

/// What every command that changes something takes.
#[derive(Debug, clap::Args)]
pub struct Repeatable {
    /// Makes a repetition get the same answer [default: a new one, told on standard error]
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
    /// The end user for whom this is done, recorded in the audit
    #[arg(long, value_name = "NAME")]
    on_behalf_of: Option<OnBehalfOf>,
}

impl Repeatable {
    /// The parameters with `requestId` and `onBehalfOf`.
    ///
    /// # Errors
    /// As [`Session::repeatable`].
    pub fn complete(&self, session: &mut Session, mut params: Value) -> Result<Value, ClientError> {
        let members = self.members(session)?;
        if let Some(object) = params.as_object_mut() {
            object.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
        }
        Ok(params)
    }

    /// `requestId`, and `onBehalfOf` if it was given.
    ///
    /// # Errors
    /// As [`Session::repeatable`].
    pub fn members(&self, session: &mut Session) -> Result<Vec<(&'static str, String)>, ClientError> {
        let mut members = vec![("requestId", session.repeatable("--request-id", "requestId", self.request_id.as_ref())?)];
        members.extend(self.on_behalf_of.as_ref().map(|name| ("onBehalfOf", name.as_str().to_owned())));
        Ok(members)
    }
}

/// A digest to sign.
pub type GivenDigest = Given<Digest32>;

/// The parameters of a method: an object or an array, its text as it was given.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Params(Box<RawValue>);

impl Params {
    /// No parameters.
    pub fn none() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

/// Why a text is no method's parameters.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    #[error("must be JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("must be a JSON object or array")]
    Shape,
}

impl FromStr for Params {
    type Err = ParamsError;

    fn from_str(text: &str) -> Result<Self, ParamsError> {
        // Read twice: a `Value` would drop a repeated key, which the daemon is to refuse.
        match serde_json::from_str::<Value>(text)? {
            Value::Object(_) | Value::Array(_) => Ok(Self(RawValue::from_string(text.trim().to_owned())?)),
            _ => Err(ParamsError::Shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_name_parse_tells_arn_and_wallet_apart() {
        let arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        assert!(matches!(arn.parse(), Ok(KeyName::Arn(_))));
        assert!(matches!("0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60".parse(), Ok(KeyName::Wallet(_))));
        assert!("arn:aws:kms:eu-central-1:111122223333:alias/mine".parse::<KeyName>().is_err());
        assert!("1234abcd-12ab-34cd-56ef-1234567890ab".parse::<KeyName>().is_err());
    }

    #[test]
    fn params_parse_keeps_the_text_and_takes_containers_alone() {
        let text = r#"{"b": 1, "a": 1.0, "b": 2}"#;
        assert_eq!(text.parse::<Params>().unwrap().0.get(), text);
        assert!("[]".parse::<Params>().is_ok());
        for wrong in ["", "1", "\"x\"", "null", "{", "{} {}"] {
            assert!(wrong.parse::<Params>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn name_parse_is_bounded() {
        assert!(name("BTC").is_ok());
        for wrong in ["", "a b", "a\u{1b}[1m", &"x".repeat(65)] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
