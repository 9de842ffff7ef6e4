//! Transactions of Cardano, in the form that Conway's ledger takes, which is Babbage's with more in it: reading one, what it does in
//! words, and adding a signature.
//!
//! The hash of the body's own bytes is signed: nothing is encoded again, and every byte but the witness and the heads that count it
//! comes back as it came. What is not signed, such as the witness set and `is_valid`, decides nothing here: anybody may change it.
//!
//! Addresses say mainnet or test network and no more: preprod and preview can't be told apart by a transaction.

mod body;
mod certificates;
mod checks;
mod governance;
mod resolved;
mod summary;
mod witnesses;

use std::ops::Range;

use pallas_crypto::hash::Hasher;
use serde::{Serialize, Serializer};

use self::body::Body;
use self::witnesses::{Witness, WitnessSet};
use super::cbor::{Read, Reader};
use crate::chains::decoded::DecodeError;

pub use self::body::{Asset, Input};
pub use self::resolved::{MAX_RESOLVED_INPUTS, MAX_TOKENS, ResolvedInput, parse_resolved_inputs};
pub use self::summary::Signer;

/// Longest transaction in bytes: `maxTxSize` of mainnet, preprod and preview.
pub const MAX_TRANSACTION_BYTES: usize = 16_384;

/// A whole transaction, of which every byte was read. Serialized it is its bytes in hex.
#[derive(Debug, Clone, PartialEq)]
pub struct CardanoTransactionRequest {
    bytes: Vec<u8>,
    /// Where its body stands.
    span: Range<usize>,
    body: Body,
    witnesses: WitnessSet,
    is_valid: bool,
    auxiliary: Option<Auxiliary>,
}

/// Data that stands beside the body, which has its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Auxiliary {
    hash: [u8; 32],
    /// The labels of its metadata.
    labels: Vec<u64>,
}

/// What ada_signTransaction answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedTransaction {
    /// Hex of the whole transaction with the witness in it.
    pub transaction: String,
    /// Hex of the witness alone, `[key, signature]`.
    pub witness: String,
    /// 64 hex digits.
    pub tx_id: String,
}

impl Serialize for CardanoTransactionRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.bytes))
    }
}

/// Reads a transaction in hex, with or without `0x`: `[body, witness set, is_valid, auxiliary data or null]`.
///
/// # Errors
/// [`DecodeError::Invalid`] for `transaction`, with what is wrong and where; [`DecodeError::Refused`] for a key of a map and a type of
/// certificate that are not read here.
pub fn parse(text: &str) -> Result<CardanoTransactionRequest, DecodeError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() / 2 > MAX_TRANSACTION_BYTES {
        return Err(DecodeError::invalid("transaction", format_args!("must have at most {MAX_TRANSACTION_BYTES} bytes")));
    }
    let bytes = hex::decode(digits).map_err(|_| DecodeError::invalid("transaction", "must be hex digits in pairs"))?;
    let (span, body, witnesses, is_valid, auxiliary) = read(&mut Reader::new(&bytes))?;
    if body.auxiliary_data_hash != auxiliary.as_ref().map(|auxiliary| auxiliary.hash) {
        let reason = "has auxiliary data whose hash is not the one in its body, or one of both without the other";
        return Err(DecodeError::invalid("transaction", reason));
    }
    Ok(CardanoTransactionRequest { bytes, span, body, witnesses, is_valid, auxiliary })
}

type Parts = (Range<usize>, Body, WitnessSet, bool, Option<Auxiliary>);

fn read(reader: &mut Reader<'_>) -> Read<Parts> {
    let mut items = reader.array()?;
    reader.next(&mut items)?;
    let start = reader.position();
    let body = body::read(reader)?;
    let span = start..reader.position();
    reader.next(&mut items)?;
    let witnesses = witnesses::read(reader)?;
    reader.next(&mut items)?;
    let is_valid = reader.boolean()?;
    reader.next(&mut items)?;
    let auxiliary = if reader.null()? { None } else { Some(auxiliary(reader)?) };
    reader.end(&mut items)?;
    if !reader.is_at_end() {
        return reader.fault("goes on after its end");
    }
    Ok((span, body, witnesses, is_valid, auxiliary))
}

/// Metadata, `[metadata, scripts]`, or a map of both under the tag 259. What is in it has no effect in the ledger.
fn auxiliary(reader: &mut Reader<'_>) -> Read<Auxiliary> {
    let start = reader.position();
    let mut whole = reader.clone();
    reader.skip()?;
    let hash = blake2b_256(reader.since(start));
    let mut labels = Vec::new();
    if whole.tag(259)? {
        let mut pairs = whole.map()?;
        while whole.more(&mut pairs)? {
            if whole.unsigned()? == 0 { metadata(&mut whole, &mut labels)? } else { whole.skip()? }
        }
    } else if whole.is_array() {
        let mut items = whole.array()?;
        whole.next(&mut items)?;
        metadata(&mut whole, &mut labels)?;
    } else {
        metadata(&mut whole, &mut labels)?;
    }
    Ok(Auxiliary { hash, labels })
}

fn metadata(reader: &mut Reader<'_>, labels: &mut Vec<u64>) -> Read<()> {
    let mut pairs = reader.map()?;
    while reader.more(&mut pairs)? {
        labels.push(reader.unsigned()?);
        reader.skip()?;
    }
    Ok(())
}

fn blake2b_256(bytes: &[u8]) -> [u8; 32] {
    *Hasher::<256>::hash(bytes)
}

impl CardanoTransactionRequest {
    /// The body's bytes, as they came.
    pub fn body_bytes(&self) -> &[u8] {
        self.bytes.get(self.span.clone()).unwrap_or_default()
    }

    /// BLAKE2b-256 of the body: what is signed, and the transaction's id.
    pub fn tx_id(&self) -> [u8; 32] {
        blake2b_256(self.body_bytes())
    }

    /// What it spends, each coin once: at least one. Collateral and what is only referred to is not among it.
    pub fn inputs(&self) -> &[Input] {
        &self.body.inputs
    }

    /// The transaction with this signature of `key`, which holds for it. One that is there already stays as it is.
    ///
    /// # Errors
    /// What went wrong, if the result can't be read back as the same transaction with the witness: a fault here.
    pub fn signed(&self, key: &[u8; 32], signature: &[u8; 64]) -> Result<SignedTransaction, String> {
        let new = Witness { key: *key, signature: *signature };
        let (bytes, witness) = match self.witnesses.of(key) {
            Some(there) => (self.bytes.clone(), there.clone()),
            None => {
                let bytes = self.witnesses.with(&self.bytes, &new, self.body.tags_sets);
                (bytes.ok_or("the place of the witness is not in the transaction")?, new)
            }
        };
        let transaction = hex::encode(bytes);
        let again = parse(&transaction).map_err(|error| error.to_string())?;
        if again.body_bytes() != self.body_bytes() || again.witnesses.of(key) != Some(&witness) {
            return Err("the transaction with the witness is another one".to_owned());
        }
        Ok(SignedTransaction { transaction, witness: hex::encode(witness.to_cbor()), tx_id: hex::encode(self.tx_id()) })
    }
}

#[cfg(test)]
mod tests;
