//! Transactions as sol_signTransaction takes and answers them: a message and the places of its signatures.
//!
//! What is signed is written anew from what was read, and is the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::Pubkey;
use super::summary::summary;
use super::wire::{Malformed, Message, Transaction};
use crate::chains::decoded::{DecodeError, Decoded, Rule};

pub use super::wire::MAX_TRANSACTION_BYTES;

/// Longest transaction, in characters of base64.
const MAX_BASE64_BYTES: usize = MAX_TRANSACTION_BYTES.div_ceil(3) * 4;
/// Stands in the place of a signature that is not made yet.
const NOT_SIGNED: [u8; 64] = [0; 64];

/// A transaction, of which every byte was read. Serialized it is the base64 of these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolanaTransactionRequest(Transaction);

impl Serialize for SolanaTransactionRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0.to_bytes()))
    }
}

/// A transaction with a signature put into its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Base64.
    pub transaction: String,
    /// Base58.
    pub signature: String,
    /// Every signature is there.
    pub complete: bool,
}

/// Reads a transaction in base64 (with padding): legacy or version 0, of at most [`MAX_TRANSACTION_BYTES`].
///
/// # Errors
/// [`DecodeError::Invalid`] with `transaction` for anything that a validator would not take; [`DecodeError::Refused`] with
/// [`Rule::TransactionType`] for a version that is not read here.
pub fn parse(base64: &str) -> Result<SolanaTransactionRequest, DecodeError> {
    let invalid = |reason: &dyn std::fmt::Display| DecodeError::invalid("transaction", reason);
    if base64.len() > MAX_BASE64_BYTES {
        return Err(invalid(&format!("has more than {MAX_TRANSACTION_BYTES} bytes, which no validator takes")));
    }
    let bytes = STANDARD.decode(base64).map_err(|error| invalid(&format!("is not base64: {error}")))?;
    if bytes.len() > MAX_TRANSACTION_BYTES {
        return Err(invalid(&format!("has {} bytes; no validator takes more than {MAX_TRANSACTION_BYTES}", bytes.len())));
    }
    let transaction = Transaction::read(&bytes).map_err(|error| misread(&bytes, &error))?;
    if transaction.to_bytes() != bytes {
        return Err(invalid(&"would be written otherwise than it is"));
    }
    transaction.message.check().map_err(|error| invalid(&error))?;
    let (places, required) = (transaction.signatures.len(), transaction.message.required_signatures);
    if places != usize::from(required) {
        return Err(invalid(&format!(
            "has {places} places of signatures, and its message needs {required}: give one for each, 64 zeros where none is made yet"
        )));
    }
    Ok(SolanaTransactionRequest(transaction))
}

fn misread(bytes: &[u8], error: &Malformed) -> DecodeError {
    match error {
        _ if Message::read(bytes).is_ok() => DecodeError::invalid(
            "transaction",
            "is a message without its signatures: give the transaction, with 64 zeros for each signature that is not made yet",
        ),
        Malformed::Version(127) => DecodeError::invalid("transaction", "is an off-chain message; sol_signMessage signs those"),
        Malformed::Version(0) => DecodeError::invalid("transaction", "begins with a message, and signatures come first"),
        Malformed::Version(version) => DecodeError::refused(
            Rule::TransactionType,
            format!("the transaction is of version {version}; legacy ones and those of version 0 are signed here"),
        ),
        error => DecodeError::invalid("transaction", error),
    }
}

impl SolanaTransactionRequest {
    /// The bytes that are signed: 1 to [`MAX_TRANSACTION_BYTES`], hashed by nobody but Ed25519 itself.
    pub fn message_bytes(&self) -> Vec<u8> {
        self.0.message.to_bytes()
    }

    /// The number of the signature that is this account's to make.
    pub fn place_of(&self, signer: &Pubkey) -> Option<usize> {
        self.0.message.signers().position(|key| key == signer)
    }

    /// Who signs, with the signatures that are there.
    pub fn signatures(&self) -> impl Iterator<Item = (&Pubkey, Option<&[u8; 64]>)> {
        let there = self.0.signatures.iter().map(|signature| Some(signature).filter(|signature| **signature != NOT_SIGNED));
        self.0.message.signers().zip(there)
    }

    /// What it does if `wallet` signs it.
    pub fn decode(&self, wallet: &Pubkey) -> Decoded {
        summary(&self.0, wallet)
    }

    /// Puts a signature into its place. `None` if there is no such place.
    #[must_use]
    pub fn signed(mut self, place: usize, signature: [u8; 64]) -> Option<Signed> {
        *self.0.signatures.get_mut(place)? = signature;
        Some(Signed {
            transaction: STANDARD.encode(self.0.to_bytes()),
            signature: bs58::encode(signature).into_string(),
            complete: self.0.signatures.iter().all(|signature| *signature != NOT_SIGNED),
        })
    }
}

#[cfg(test)]
mod tests;
