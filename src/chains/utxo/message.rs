//! Signed messages of Bitcoin and the coins made from it: what is hashed, and how the signature is written.
//!
//! | format | digest | signature, in base64 | addresses |
//! |---|---|---|---|
//! | `legacy` | SHA-256 twice of prefix and text, each behind its length | header, r, s | p2pkh |
//! | `bip137` | the same | the same, with a header that tells the address type | p2pkh, p2sh-p2wpkh, p2wpkh |
//! | `bip322` | BIP-143 sighash of a virtual transaction that commits to the text | the witness stack | p2wpkh |
//!
//! Each chain has a prefix of its own; BIP-322 has one tag for all of them, so it is the same for Litecoin. None of these digests is a
//! transaction's: the prefix stands where a transaction has its version and the first twenty bytes of an outpoint's txid (legacy) or of
//! the hash of its outpoints (BIP-143), which nobody can choose; and the virtual transaction spends an output that can't exist, since
//! the transaction that made it spends the outpoint 000...000:FFFFFFFF without being a coinbase.
//!
//! The text is signed as it is: nothing is trimmed or normalised.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bitcoin::consensus::serialize;
use bitcoin::hashes::{Hash, HashEngine, sha256, sha256d};
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::Builder;
use bitcoin::secp256k1::{self, ecdsa};
use bitcoin::sighash::SighashCache;
use bitcoin::{
    Amount, CompressedPublicKey, EcdsaSighashType, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute,
    opcodes, transaction,
};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::networks::Network;
use crate::chains::text::is_shown_as_it_is;
use crate::chains::{Address, AddressType};
use crate::keys::{Digest32, PublicKey, SignatureBytes};

/// How much of a text the decoded content has, in characters.
pub const MAX_SHOWN_CHARACTERS: usize = 1024;

/// In front of every text: `MESSAGE_MAGIC` of each coin's node, in `src/util/message.cpp`, or `strMessageMagic` in `src/main.cpp`.
const PREFIXES: &[(&str, &str)] =
    &[("BTC", "Bitcoin Signed Message:\n"), ("LTC", "Litecoin Signed Message:\n"), ("DOGE", "Dogecoin Signed Message:\n")];

/// Of BIP-322's message hash.
const TAG: &[u8] = b"BIP0322-signed-message";

/// How a message's signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    /// 65 bytes with a header of 31 to 34, as Bitcoin Core's signmessage makes it of a compressed key. P2pkh alone.
    Legacy,
    /// The same with headers that also tell the segwit address types, BIP-137.
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

    /// The formats that messages of such an address have; the first is the one it gets unasked.
    pub const fn of(address_type: AddressType) -> &'static [Self] {
        match address_type {
            AddressType::P2pkh => &[Self::Legacy, Self::Bip137],
            AddressType::P2shP2wpkh => &[Self::Bip137],
            AddressType::P2wpkh => &[Self::Bip322, Self::Bip137],
            _ => &[],
        }
    }

    /// The format of a message of such an address: the asked one if it fits, else the address type's own.
    ///
    /// # Errors
    /// [`MessageFormatError`] names those that fit.
    pub fn choose(address_type: AddressType, asked: Option<Self>) -> Result<Self, MessageFormatError> {
        let fitting = Self::of(address_type);
        match asked {
            None => fitting.first().copied(),
            Some(asked) => fitting.contains(&asked).then_some(asked),
        }
        .ok_or(MessageFormatError { address_type })
    }
}

/// The format does not fit the address. The sentence completes "`format` ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {} for a {address_type} address", names(MessageFormat::of(*.address_type)))]
pub struct MessageFormatError {
    address_type: AddressType,
}

fn names(formats: &[MessageFormat]) -> String {
    let names: Vec<_> = formats.iter().map(|format| format.as_str()).collect();
    if names.is_empty() { "absent, since there is none".to_owned() } else { names.join(" or ") }
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

/// A message as one key signs it for one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignableMessage {
    format: MessageFormat,
    digest: Digest32,
    written: Written,
}

/// What a signature is put into.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    /// Behind one byte: this and the recovery id.
    Compact { header: u8 },
    /// A witness stack with this key.
    Witness { key: secp256k1::PublicKey },
}

/// Why a message can't be signed for an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The sentence completes the field that named the wallet.
    #[error("is of {network}, which has no such messages; personal_sign signs those of Ethereum and the chains like it")]
    Network { network: String },
    #[error(transparent)]
    Format(#[from] MessageFormatError),
    /// A defect.
    #[error("the virtual transaction of BIP-322 has no sighash")]
    Sighash,
}

impl SignableMessage {
    /// Hashes `text` as `key` signs it for its address of this type. The digest is made here; nobody hashes it again.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn new(
        network: &Network,
        address_type: AddressType,
        key: &PublicKey,
        text: &str,
        asked: Option<MessageFormat>,
    ) -> Result<Self, MessageError> {
        let (Some(prefix), Some(key)) = (prefix(network), key.secp256k1()) else {
            return Err(MessageError::Network { network: network.to_string() });
        };
        let format = MessageFormat::choose(address_type, asked)?;
        let (digest, written) = match (format, address_type) {
            (MessageFormat::Bip322, _) => (bip322_digest(key, text)?, Written::Witness { key: *key }),
            // BIP-137; for a compressed key's p2pkh address it is what signmessage writes.
            (_, AddressType::P2shP2wpkh) => (legacy_digest(prefix, text), Written::Compact { header: 35 }),
            (_, AddressType::P2wpkh) => (legacy_digest(prefix, text), Written::Compact { header: 39 }),
            (_, _) => (legacy_digest(prefix, text), Written::Compact { header: 31 }),
        };
        Ok(Self { format, digest, written })
    }

    pub const fn format(&self) -> MessageFormat {
        self.format
    }

    /// What is signed, as it is.
    pub const fn digest(&self) -> Digest32 {
        self.digest
    }

    /// What the signature does, for policies and people. A text that is not shown as what it is has its bytes shown instead, and is
    /// unknown, as one of personal_sign is.
    pub fn decoded(&self, text: &str, address: &Address) -> Decoded {
        let all = text.chars().count();
        let shown: String = text.chars().take(MAX_SHOWN_CHARACTERS).collect();
        let unknown = !is_shown_as_it_is(text);
        let (format, address) = (self.format, address.as_str());
        let details = if unknown {
            json!({ "hex": hex::encode(shown), "characters": all, "format": format, "address": address })
        } else {
            json!({ "text": shown, "characters": all, "format": format, "address": address })
        };
        let effect = Effect { unknown_amount: unknown, ..Effect::new(EffectKind::Message) };
        let mut decoded = Decoded { unknown_parts: unknown, ..Decoded::new(vec![effect], details) };
        if unknown {
            decoded.warnings.push("The message has characters by which it reads as something else than it is.".to_owned());
        }
        if all > MAX_SHOWN_CHARACTERS {
            let warning = format!("Only the first {MAX_SHOWN_CHARACTERS} of the text's {all} characters are shown.");
            decoded.warnings.push(warning);
        }
        decoded
    }

    /// The base64 text of a signature over [`SignableMessage::digest`]: 65 bytes, or the witness stack as a transaction has it.
    /// `None` if it is no ECDSA signature, which a verified one of this key can't be.
    pub fn encode(&self, signature: &SignatureBytes) -> Option<String> {
        let SignatureBytes::Ecdsa { r_s, recovery_id } = signature else { return None };
        let bytes = match &self.written {
            Written::Compact { header } => [&[header.checked_add(*recovery_id)?], &r_s[..]].concat(),
            Written::Witness { key } => {
                let signature = ecdsa::Signature::from_compact(r_s).ok()?;
                serialize(&Witness::p2wpkh(&bitcoin::ecdsa::Signature::sighash_all(signature), key))
            }
        };
        Some(BASE64_STANDARD.encode(bytes))
    }
}

/// BIP-322 since its version 1.0.0 (April 2026) has the variant's name in front of the base64: `smp` for the simple one. What verified
/// signatures before takes none, and what verifies them now may take either.
pub fn with_variant(signature: &str) -> String {
    format!("smp{signature}")
}

fn prefix(network: &Network) -> Option<&'static str> {
    PREFIXES.iter().find(|(asset, _)| *asset == network.asset()).map(|(_, prefix)| *prefix)
}

/// SHA-256 twice of the prefix and the text, each as a string of Bitcoin's encoding: its length in bytes as a compact size, then
/// itself. `MessageHash` of Bitcoin Core.
fn legacy_digest(prefix: &str, text: &str) -> Digest32 {
    let mut engine = sha256d::Hash::engine();
    for part in [prefix, text] {
        engine.input(&serialize(&part.to_owned()));
    }
    Digest32::new(sha256d::Hash::from_engine(engine).to_byte_array())
}

/// The sighash, ALL, of the one input of `to_sign`.
fn bip322_digest(key: &secp256k1::PublicKey, text: &str) -> Result<Digest32, MessageError> {
    let script = ScriptBuf::new_p2wpkh(&CompressedPublicKey(*key).wpubkey_hash());
    let to_sign = to_sign(&to_spend(&script, text));
    let sighash = SighashCache::new(&to_sign).p2wpkh_signature_hash(0, &script, Amount::ZERO, EcdsaSighashType::All);
    sighash.map(|sighash| Digest32::new(sighash.to_byte_array())).map_err(|_| MessageError::Sighash)
}

/// BIP-322: the virtual transaction that commits to the text and pays to the address.
fn to_spend(script: &ScriptBuf, text: &str) -> Transaction {
    let script_sig = Builder::new().push_opcode(opcodes::OP_0).push_slice(message_hash(text)).into_script();
    let input = TxIn { previous_output: OutPoint::null(), script_sig, sequence: Sequence::ZERO, witness: Witness::new() };
    virtual_transaction(input, script.clone())
}

/// BIP-322: the virtual transaction that spends it.
fn to_sign(to_spend: &Transaction) -> Transaction {
    let previous_output = OutPoint { txid: to_spend.compute_txid(), vout: 0 };
    let input = TxIn { previous_output, script_sig: ScriptBuf::new(), sequence: Sequence::ZERO, witness: Witness::new() };
    virtual_transaction(input, Builder::new().push_opcode(OP_RETURN).into_script())
}

fn virtual_transaction(input: TxIn, script_pubkey: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version(0),
        lock_time: absolute::LockTime::ZERO,
        input: vec![input],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey }],
    }
}

/// The tagged hash of BIP-340 with BIP-322's tag.
fn message_hash(text: &str) -> [u8; 32] {
    let tag = sha256::Hash::hash(TAG).to_byte_array();
    sha256::Hash::hash(&[&tag[..], &tag, text.as_bytes()].concat()).to_byte_array()
}

#[cfg(test)]
mod tests;
