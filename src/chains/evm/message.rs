//! Messages with the prefix of EIP-191, as personal_sign and eth_sign have them.

use alloy_primitives::Keccak256;
use serde_json::json;

use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::text::is_shown_as_it_is;
use crate::keys::Digest32;

/// What is shown of a message, in characters of its text or in bytes.
const MAX_SHOWN: usize = 1024;

/// What is signed: Keccak-256 over `\x19Ethereum Signed Message:\n`, the length in decimal, and the message. No transaction begins
/// with 0x19.
pub fn digest(message: &[u8]) -> Digest32 {
    let mut hasher = Keccak256::new();
    hasher.update(b"\x19Ethereum Signed Message:\n");
    hasher.update(message.len().to_string());
    hasher.update(message);
    Digest32::new(hasher.finalize().0)
}

/// Says what a signature over a message allows. It is unknown where nobody can read it:
///
/// * 32 bytes, even if they are text, since contracts take these for the hash of something else: a Safe moves what it has upon one;
/// * the hash of something else in hex;
/// * bytes that are no text, which may be anything that a contract packs and hashes.
pub fn decode(message: &[u8]) -> Decoded {
    let text = readable(message);
    let unknown = text.is_none() || message.len() == 32 || text.is_some_and(is_hash);
    let details = match text {
        Some(text) => json!({ "bytes": message.len(), "text": text.chars().take(MAX_SHOWN).collect::<String>() }),
        None => {
            let shown = message.get(..MAX_SHOWN).unwrap_or(message);
            json!({ "bytes": message.len(), "hex": format!("0x{}", hex::encode(shown)) })
        }
    };
    let mut decoded = Decoded::new(vec![Effect { unknown_amount: unknown, ..Effect::new(EffectKind::Message) }], details);
    decoded.unknown_parts = unknown;
    if message.len() == 32 {
        decoded.warnings.push("The message has 32 bytes: contracts take it for the hash of a transaction.".to_owned());
    } else if unknown {
        decoded.warnings.push("The message is nothing that people can read.".to_owned());
    }
    if text.is_some_and(|text| text.chars().nth(MAX_SHOWN).is_some()) || text.is_none() && message.len() > MAX_SHOWN {
        decoded.warnings.push("Only the beginning of the message is shown.".to_owned());
    }
    decoded
}

/// The message as text, if it is shown as what it is.
fn readable(message: &[u8]) -> Option<&str> {
    str::from_utf8(message).ok().filter(|text| is_shown_as_it_is(text))
}

/// 64 hex digits.
fn is_hash(text: &str) -> bool {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the documentation of ethers (`hashMessage`) and of web3.js (`eth.accounts.hashMessage`).
    #[test]
    fn digest_agrees_with_published_values() {
        let published = [
            ("hello world", "d9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68"),
            ("Hello World", "a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2"),
        ];
        for (message, expected) in published {
            assert_eq!(digest(message.as_bytes()).to_string(), expected);
        }
    }

    #[test]
    fn text_is_known_and_everything_else_is_not() {
        let hash = "ab".repeat(32);
        let known = |message: &[u8]| {
            let decoded = decode(message);
            assert_eq!(decoded.unknown_parts, decoded.effects[0].unknown_amount);
            assert_eq!((decoded.effects.len(), decoded.effects[0].kind), (1, EffectKind::Message));
            !decoded.unknown_parts
        };
        for message in [
            "",
            "hello",
            "Zug\n\ttut 👨‍👩‍👧 ü",
            &"x".repeat(31),
            &"x".repeat(33),
            hash.get(..62).unwrap(),
            &format!("{hash} is a hash"),
        ] {
            assert!(known(message.as_bytes()), "{message}");
        }
        for message in ["x".repeat(32), hash.clone(), format!("0x{hash}"), format!(" 0X{hash}\n")] {
            assert!(!known(message.as_bytes()), "{message}");
        }
        for message in [&[0; 32][..], &[0xff], b"a\0", "\u{202e}abc".as_bytes(), b"\x1b[2J"] {
            assert!(!known(message), "{message:?}");
        }
    }

    #[test]
    fn no_more_than_the_beginning_is_shown() {
        let decoded = decode("ä".repeat(1025).as_bytes());
        assert_eq!(decoded.details["bytes"], 2050);
        assert_eq!(decoded.details["text"].as_str().unwrap().chars().count(), 1024);
        assert_eq!(decoded.warnings.len(), 1);
        let decoded = decode(&[0xff; 1025]);
        assert_eq!(decoded.details["hex"].as_str().unwrap().len(), 2 + 2048);
        assert_eq!(decoded.warnings.len(), 2);
        assert!(decode("ä".repeat(1024).as_bytes()).warnings.is_empty());
    }
}
