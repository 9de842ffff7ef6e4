//! Messages in the off-chain message format of Solana, version 0.
//!
//! The header is always put in front here, so that no text is signed bare: its first byte is none that a transaction's message of
//! any version has or will have. What a verifier must rebuild, in this order:
//!
//! * 16 bytes: `\xffsolana offchain`, the signing domain;
//! * 1 byte: 0, the version of the header;
//! * 32 bytes: 0, the application domain, which this method does not take;
//! * 1 byte: the format, 0, 1 or 2, see [`Format`];
//! * 1 byte: 1, the number of signers;
//! * 32 bytes: the wallet's public key;
//! * 2 bytes: the length of the text, little-endian;
//! * the text, UTF-8.
//!
//! Spec: <https://docs.anza.xyz/proposals/off-chain-message-signing>. That is what `@solana/kit` writes and reads. The Solana CLI
//! and crate `solana-offchain-message` 3 have an older header, of 20 bytes without application domain and signers: they do not
//! verify these signatures, nor can one be taken for the other, since here that header would say that the text is empty.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Pubkey;
use super::transaction::MAX_TRANSACTION_BYTES;
use super::wire::{Message, Transaction};
use crate::chains::decoded::{DecodeError, Decoded};
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::text::is_shown_as_it_is;
use crate::keys::Ed25519Message;

const SIGNING_DOMAIN: &[u8; 16] = b"\xffsolana offchain";
/// Bytes before the text.
const HEADER_BYTES: usize = 85;
/// Longest text, in bytes: KMS signs no more with its header. The format itself would have room for 65535.
pub const MAX_TEXT_BYTES: usize = Ed25519Message::MAX_BYTES - HEADER_BYTES;
/// The same in characters of base64.
const MAX_BASE64_BYTES: usize = MAX_TEXT_BYTES.div_ceil(3) * 4;
/// What is shown of a text, in characters.
const MAX_SHOWN: usize = 1024;

/// How a text is written. The first one that it fits is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 0: bytes 0x20 to 0x7e alone, with its header at most 1232 bytes.
    RestrictedAscii,
    /// 1: UTF-8, with its header at most 1232 bytes.
    LimitedUtf8,
    /// 2: UTF-8.
    ExtendedUtf8,
}

impl Format {
    fn of(text: &str) -> Self {
        if text.len().saturating_add(HEADER_BYTES) > MAX_TRANSACTION_BYTES {
            Self::ExtendedUtf8
        } else if text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            Self::RestrictedAscii
        } else {
            Self::LimitedUtf8
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::RestrictedAscii => 0,
            Self::LimitedUtf8 => 1,
            Self::ExtendedUtf8 => 2,
        }
    }
}

/// Reads the text of a message, in base64 with padding: 1 to [`MAX_TEXT_BYTES`] of UTF-8, without the header.
///
/// # Errors
/// [`DecodeError::Invalid`] with `message`, also for what has a header already, and for what can be read as a transaction or as the
/// message of one.
pub fn parse(base64: &str) -> Result<String, DecodeError> {
    let invalid = |reason: String| DecodeError::invalid("message", reason);
    let length = || {
        let most = Ed25519Message::MAX_BYTES;
        invalid(format!("must have 1 to {MAX_TEXT_BYTES} bytes: KMS signs {most}, and {HEADER_BYTES} of them are the header"))
    };
    if base64.len() > MAX_BASE64_BYTES {
        return Err(length());
    }
    let bytes = STANDARD.decode(base64).map_err(|error| invalid(format!("is not base64: {error}")))?;
    if !(1..=MAX_TEXT_BYTES).contains(&bytes.len()) {
        return Err(length());
    }
    if Message::read(&bytes).is_ok() || Transaction::read(&bytes).is_ok() {
        return Err(invalid("is a transaction, or the message of one; sol_signTransaction signs those".to_owned()));
    }
    if bytes.starts_with(SIGNING_DOMAIN) {
        return Err(invalid(
            "has a header of the off-chain message format; give the text alone, the header is added here".to_owned(),
        ));
    }
    String::from_utf8(bytes).map_err(|_| invalid("is not UTF-8, which the off-chain message format is made of".to_owned()))
}

/// What is signed: the header and the text.
pub fn with_header(signer: &Pubkey, text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(HEADER_BYTES.saturating_add(text.len()));
    bytes.extend(SIGNING_DOMAIN);
    bytes.push(0);
    bytes.extend([0; 32]);
    bytes.extend([Format::of(text).number(), 1]);
    bytes.extend(signer.as_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Says what a signature over a text allows. It is unknown where the text is not shown as what it is.
pub fn decode(text: &str) -> Decoded {
    let readable = is_shown_as_it_is(text);
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    let mut details = json!({ "bytes": text.len(), "format": Format::of(text).number() });
    let (name, value) = if readable { ("text", shown) } else { ("hex", hex::encode(shown)) };
    if let Some(details) = details.as_object_mut() {
        details.insert(name.to_owned(), json!(value));
    }
    let mut decoded = Decoded::new(vec![Effect { unknown_amount: !readable, ..Effect::new(EffectKind::Message) }], details);
    decoded.unknown_parts = !readable;
    if !readable {
        decoded.warnings.push("The message has characters that are not shown as what they are.".to_owned());
    }
    if text.chars().nth(MAX_SHOWN).is_some() {
        decoded.warnings.push("Only the beginning of the message is shown.".to_owned());
    }
    decoded
}

#[cfg(test)]
mod tests;
