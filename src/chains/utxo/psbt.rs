//! Partially signed transactions of BIP-174 and BIP-370: reading one, proving what it spends, the digests to sign, what it does in
//! words, and writing it back with signatures.
//!
//! An input is what its coin's script says, and its amount what the transaction that made it says: nothing that the PSBT only claims
//! decides who signs or what is paid. What is signed is the transaction that was decoded here. Every field that came is written back,
//! but for what a finalizer clears.

mod coins;
mod container;
mod fields;
mod finish;
mod plan;
mod summary;
mod unsigned;
mod utxo;

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitcoin::Transaction;
use serde::{Serialize, Serializer};

use self::container::{Map, Reader};
use self::utxo::Utxo;
use crate::chains::decoded::{DecodeError, Rule};

pub use self::coins::{Coin, InputKind, coins, sighash_word};
pub use self::finish::{Signed, finish};
pub use self::plan::{Plan, PlannedInput, plan};
pub use self::summary::{OutputOwner, summary};

/// Longest PSBT, in characters of base64: what one message may have at most.
pub const MAX_BASE64_BYTES: usize = 4 << 20;
/// Most inputs: no standard transaction has room for more.
pub const MAX_INPUTS: usize = 2_000;
/// Most outputs: no standard transaction has room for more.
pub const MAX_OUTPUTS: usize = 3_000;

/// A PSBT as utxo_signPsbt is asked for it. Serialized it is the base64 of its one canonical form, in which keys are in order.
#[derive(Debug, Clone, PartialEq)]
pub struct PsbtRequest {
    version: Version,
    global: Map,
    inputs: Vec<Map>,
    outputs: Vec<Map>,
    /// What the maps say is signed: no scriptSig, no witness.
    unsigned: Transaction,
    /// One for each input.
    utxos: Vec<Utxo>,
}

/// Which format it is written in. The answer has the request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// BIP-174.
    V0,
    /// BIP-370.
    V2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0 => "0",
            Self::V2 => "2",
        })
    }
}

/// Where in a PSBT something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Global,
    Input(usize),
    Output(usize),
}

impl Place {
    /// `what` completes "input 3 ...".
    fn invalid(self, what: impl fmt::Display) -> DecodeError {
        DecodeError::invalid("psbt", format_args!("{self} {what}"))
    }

    /// The same, of what is well-formed and breaks a rule.
    fn refused(self, rule: Rule, what: impl fmt::Display) -> DecodeError {
        DecodeError::refused(rule, format_args!("{self} {what}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("the global map"),
            Self::Input(index) => write!(f, "input {index}"),
            Self::Output(index) => write!(f, "output {index}"),
        }
    }
}

/// Reads the base64 text of a PSBT, version 0 or 2.
///
/// # Errors
/// [`DecodeError::Invalid`] for `psbt`, with what is wrong and where.
pub fn parse(base64: &str) -> Result<PsbtRequest, DecodeError> {
    let invalid = |reason: &str| DecodeError::invalid("psbt", reason);
    if base64.len() > MAX_BASE64_BYTES {
        return Err(invalid("must have at most 4194304 characters"));
    }
    let bytes = STANDARD.decode(base64).map_err(|_| invalid("must be base64"))?;
    let mut reader = Reader::new(&bytes).ok_or_else(|| invalid("is no PSBT: it does not begin with the bytes 70736274ff"))?;

    let global = reader.map().map_err(|reason| Place::Global.invalid(reason))?;
    let version = unsigned::version(&global)?;
    fields::check(&global, fields::GLOBAL, version, Place::Global)?;
    let given = match version {
        Version::V0 => Some(unsigned::given(&global)?),
        Version::V2 => None,
    };
    let (input_count, output_count) = match &given {
        Some(transaction) => (transaction.input.len(), transaction.output.len()),
        None => {
            let (inputs, outputs) = unsigned::counts(&global)?;
            (usize::try_from(inputs).unwrap_or(usize::MAX), usize::try_from(outputs).unwrap_or(usize::MAX))
        }
    };
    if input_count > MAX_INPUTS || output_count > MAX_OUTPUTS {
        return Err(invalid("must have at most 2000 inputs and 3000 outputs"));
    }

    let mut maps = |count: usize, place: fn(usize) -> Place, known| -> Result<Vec<Map>, DecodeError> {
        let read = |index| {
            let map = reader.map().map_err(|reason| place(index).invalid(reason))?;
            fields::check(&map, known, version, place(index))?;
            Ok(map)
        };
        (0..count).map(read).collect()
    };
    let inputs = maps(input_count, Place::Input, fields::INPUT)?;
    let outputs = maps(output_count, Place::Output, fields::OUTPUT)?;
    if !reader.is_at_end() {
        return Err(invalid("goes on after its last map"));
    }

    let unsigned = match given {
        Some(transaction) => transaction,
        None => unsigned::put_together(&global, &inputs, &outputs)?,
    };
    unsigned::check_size(&unsigned)?;
    let mut spent = HashSet::new();
    let mut utxos = Vec::with_capacity(inputs.len());
    for (index, (tx_in, map)) in unsigned.input.iter().zip(&inputs).enumerate() {
        if !spent.insert(tx_in.previous_output) {
            return Err(Place::Input(index).invalid("spends a coin that another input spends too"));
        }
        utxos.push(utxo::read(Place::Input(index), map, tx_in.previous_output)?);
    }
    Ok(PsbtRequest { version, global, inputs, outputs, unsigned, utxos })
}

impl PsbtRequest {
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The transaction that is to be signed, without scriptSigs and witnesses.
    pub const fn unsigned(&self) -> &Transaction {
        &self.unsigned
    }

    /// In canonical form.
    fn to_base64(&self) -> String {
        let maps = std::iter::once(&self.global).chain(&self.inputs).chain(&self.outputs);
        STANDARD.encode(container::write(maps))
    }
}

impl Serialize for PsbtRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

#[cfg(test)]
mod tests;
