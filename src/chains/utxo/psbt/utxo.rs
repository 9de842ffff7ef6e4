//! The coin that an input spends: what the transaction that made it says, and what the PSBT only claims.

use bitcoin::consensus::encode::deserialize;
use bitcoin::{OutPoint, Transaction, TxOut, Txid};

use super::Place;
use super::container::{Map, get};
use super::fields::input;
use crate::chains::decoded::DecodeError;

/// The coin that an input spends, as the PSBT shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Utxo {
    /// Out of the whole transaction that made it.
    pub proven: Option<Proven>,
    /// Only claimed.
    pub claimed: Option<TxOut>,
}

/// What the whole previous transaction says.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    pub txid: Txid,
    /// The output that the input's outpoint names; `None` if there are not so many.
    pub output: Option<TxOut>,
    /// It is written with Litecoin's flag for MWEB.
    pub has_mweb_flag: bool,
}

/// Reads an input's UTXO fields.
pub fn read(place: Place, map: &Map, outpoint: OutPoint) -> Result<Utxo, DecodeError> {
    let proven = get(map, input::NON_WITNESS_UTXO)
        .map(|bytes| {
            proven(bytes, outpoint.vout).ok_or_else(|| {
                place.invalid("has PSBT_IN_NON_WITNESS_UTXO that is no transaction whose txid can be computed here")
            })
        })
        .transpose()?;
    // Its form was checked.
    let claimed = get(map, input::WITNESS_UTXO).and_then(|bytes| deserialize(bytes).ok());
    Ok(Utxo { proven, claimed })
}

fn proven(bytes: &[u8], vout: u32) -> Option<Proven> {
    let without_mweb = without_mweb_flag(bytes);
    let transaction: Transaction = deserialize(without_mweb.as_deref().unwrap_or(bytes)).ok()?;
    let output = usize::try_from(vout).ok().and_then(|index| transaction.output.get(index)).cloned();
    Some(Proven { txid: transaction.compute_txid(), output, has_mweb_flag: without_mweb.is_some() })
}

/// Litecoin's integration transactions, by which coins come out of MWEB, have bit 3 set in the byte of flags, and before the lock
/// time a zero where others have MWEB data (Litecoin Core, `primitives/transaction.h`). Neither is part of the txid. `None` for
/// every other transaction.
fn without_mweb_flag(bytes: &[u8]) -> Option<Vec<u8>> {
    let (version, rest) = bytes.split_first_chunk::<4>()?;
    let (body, tail) = rest.split_last_chunk::<5>()?;
    match (body, tail) {
        ([0x00, 0x08, body @ ..], [0x00, lock_time @ ..]) => Some([&version[..], body, lock_time].concat()),
        ([0x00, 0x09, body @ ..], [0x00, lock_time @ ..]) => Some([&version[..], &[0x00, 0x01], body, lock_time].concat()),
        _ => None,
    }
}
