//! The transaction that a PSBT is about: given whole in version 0 (BIP-174), put together from the fields in version 2 (BIP-370).

use bitcoin::absolute::LockTime;
use bitcoin::consensus::Decodable;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version as TransactionVersion;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Weight, Witness};

use super::container::{Map, compact_size, get, number};
use super::fields::{global, input, output};
use super::plan::MAX_WEIGHT;
use super::{Place, Version};
use crate::chains::decoded::DecodeError;

/// Which version the global map says it is.
pub fn version(map: &Map) -> Result<Version, DecodeError> {
    match get(map, global::VERSION) {
        None => Ok(Version::V0),
        Some(value) => match value.try_into().map(u32::from_le_bytes) {
            Ok(0) => Ok(Version::V0),
            Ok(2) => Ok(Version::V2),
            Ok(other) => Err(Place::Global.invalid(format!("has version {other}; versions 0 and 2 are known"))),
            Err(_) => Err(Place::Global.invalid("has PSBT_GLOBAL_VERSION with a wrong value")),
        },
    }
}

/// The transaction of version 0. It must be in the old form, without witnesses, and have no signature.
pub fn given(map: &Map) -> Result<Transaction, DecodeError> {
    let place = Place::Global;
    let mut bytes =
        get(map, global::UNSIGNED_TX).ok_or_else(|| place.invalid("has no PSBT_GLOBAL_UNSIGNED_TX, which version 0 needs"))?;
    let transaction = read(&mut bytes)
        .ok()
        .filter(|_| bytes.is_empty())
        .ok_or_else(|| place.invalid("has PSBT_GLOBAL_UNSIGNED_TX that is no transaction without witnesses"))?;
    match transaction.input.iter().position(|input| !input.script_sig.is_empty()) {
        Some(index) => Err(Place::Input(index).invalid("has a scriptSig in the unsigned transaction")),
        None => Ok(transaction),
    }
}

/// Reads the old form, in which a transaction without inputs is one too.
fn read(bytes: &mut &[u8]) -> Result<Transaction, bitcoin::consensus::encode::Error> {
    Ok(Transaction {
        version: Decodable::consensus_decode(bytes)?,
        input: Decodable::consensus_decode(bytes)?,
        output: Decodable::consensus_decode(bytes)?,
        lock_time: Decodable::consensus_decode(bytes)?,
    })
}

/// Refuses what is too heavy even without signatures. Every p2pkh input hashes all of it again, so this bounds the work that comes
/// before anything is known of who asks.
pub fn check_size(transaction: &Transaction) -> Result<(), DecodeError> {
    let weight = u64::try_from(transaction.base_size()).ok().and_then(Weight::from_vb).unwrap_or(Weight::MAX);
    if weight > MAX_WEIGHT {
        let reason = format!("has a transaction of weight {weight} before it is signed; nodes relay at most {MAX_WEIGHT}");
        return Err(DecodeError::invalid("psbt", reason));
    }
    Ok(())
}

/// How many inputs and outputs version 2 says it has.
pub fn counts(map: &Map) -> Result<(u64, u64), DecodeError> {
    let count = |key_type, name: &str| {
        let missing = || Place::Global.invalid(format!("has no {name}, which version 2 needs"));
        get(map, key_type).and_then(compact_size).map(|(count, _)| count).ok_or_else(missing)
    };
    Ok((count(global::INPUT_COUNT, "PSBT_GLOBAL_INPUT_COUNT")?, count(global::OUTPUT_COUNT, "PSBT_GLOBAL_OUTPUT_COUNT")?))
}

/// The transaction of version 2.
pub fn put_together(map: &Map, inputs: &[Map], outputs: &[Map]) -> Result<Transaction, DecodeError> {
    let version = number(map, global::TX_VERSION)
        .ok_or_else(|| Place::Global.invalid("has no PSBT_GLOBAL_TX_VERSION, which version 2 needs"))?;
    Ok(Transaction {
        version: TransactionVersion(version.cast_signed()),
        lock_time: lock_time(number(map, global::FALLBACK_LOCKTIME), inputs)?,
        input: inputs.iter().enumerate().map(|(index, map)| tx_in(Place::Input(index), map)).collect::<Result<_, _>>()?,
        output: outputs.iter().enumerate().map(|(index, map)| tx_out(Place::Output(index), map)).collect::<Result<_, _>>()?,
    })
}

fn tx_in(place: Place, map: &Map) -> Result<TxIn, DecodeError> {
    let missing = |name: &str| place.invalid(format!("has no {name}, which version 2 needs"));
    let txid: [u8; 32] =
        get(map, input::PREVIOUS_TXID).and_then(|txid| txid.try_into().ok()).ok_or_else(|| missing("PSBT_IN_PREVIOUS_TXID"))?;
    let vout = number(map, input::OUTPUT_INDEX).ok_or_else(|| missing("PSBT_IN_OUTPUT_INDEX"))?;
    Ok(TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array(txid), vout },
        script_sig: ScriptBuf::new(),
        sequence: number(map, input::SEQUENCE).map_or(Sequence::MAX, Sequence),
        witness: Witness::new(),
    })
}

fn tx_out(place: Place, map: &Map) -> Result<TxOut, DecodeError> {
    let missing = |name: &str| place.invalid(format!("has no {name}, which version 2 needs"));
    let amount: [u8; 8] =
        get(map, output::AMOUNT).and_then(|amount| amount.try_into().ok()).ok_or_else(|| missing("PSBT_OUT_AMOUNT"))?;
    let amount = u64::try_from(i64::from_le_bytes(amount)).map_err(|_| place.invalid("has a negative amount"))?;
    let script = get(map, output::SCRIPT).ok_or_else(|| missing("PSBT_OUT_SCRIPT"))?;
    Ok(TxOut { value: Amount::from_sat(amount), script_pubkey: ScriptBuf::from_bytes(script.to_vec()) })
}

/// BIP-370, "Determining Lock Time": of the kind that every input with a required lock time can take the latest; a height rather
/// than a time where both would do.
fn lock_time(fallback: Option<u32>, inputs: &[Map]) -> Result<LockTime, DecodeError> {
    let required: Vec<_> = inputs
        .iter()
        .map(|map| (number(map, input::REQUIRED_HEIGHT_LOCKTIME), number(map, input::REQUIRED_TIME_LOCKTIME)))
        .filter(|(height, time)| height.is_some() || time.is_some())
        .collect();
    if required.is_empty() {
        return Ok(LockTime::from_consensus(fallback.unwrap_or(0)));
    }
    let heights: Option<Vec<u32>> = required.iter().map(|(height, _)| *height).collect();
    let times: Option<Vec<u32>> = required.iter().map(|(_, time)| *time).collect();
    heights
        .or(times)
        .and_then(|of_one_kind| of_one_kind.into_iter().max())
        .map(LockTime::from_consensus)
        .ok_or_else(|| Place::Global.invalid("has inputs that need a block height as lock time and inputs that need a time"))
}
