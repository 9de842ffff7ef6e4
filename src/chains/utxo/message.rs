//! Signed messages of Bitcoin and the coins made from it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How a message's signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    /// 65 bytes with a header of 27 to 34, as Bitcoin Core's signmessage makes it. P2pkh alone.
    Legacy,
    /// The same with headers that also tell the segwit address types.
    Bip137,
    /// The simple form of BIP-322. P2wpkh alone.
    Bip322,
}

impl MessageFormat {
    pub const ALL: [Self; 3] = [Self::Legacy, Self::Bip137, Self::Bip322];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Bip137 => "bip137",
            Self::Bip322 => "bip322",
        }
    }
}

/// The text names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of legacy, bip137, bip322")]
pub struct UnknownMessageFormat;

impl FromStr for MessageFormat {
    type Err = UnknownMessageFormat;

    fn from_str(text: &str) -> Result<Self, UnknownMessageFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownMessageFormat)
    }
}

impl fmt::Display for MessageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MessageFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
