//! Writing a PSBT back with its signatures, and the transaction that comes out of it.

use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::secp256k1;
use bitcoin::{Transaction, Txid, ecdsa};

use super::container::{Map, get};
use super::fields::{self, PROPRIETARY, global, input};
use super::plan::Plan;
use super::{PsbtRequest, Version};

/// A signed PSBT.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    /// Base64, in the version of the request.
    pub psbt: String,
    /// In hex, and its id, if it was to be finalized.
    pub transaction: Option<(String, Txid)>,
}

/// Puts the signatures in: r then s, in the order of the inputs. Finalized, each input has what spends its coin, and nothing else but
/// the coin and what is unknown (BIP-174, "Input Finalizer").
///
/// # Errors
/// A sentence for the journal: the signatures are not those that were planned, which is a defect.
pub fn finish(mut request: PsbtRequest, plan: &Plan, signatures: &[[u8; 64]], finalize: bool) -> Result<Signed, String> {
    if signatures.len() != plan.inputs().len() {
        return Err(format!("{} signatures for {} inputs", signatures.len(), plan.inputs().len()));
    }
    let signatures: Vec<Vec<u8>> = signatures
        .iter()
        .zip(plan.inputs())
        .map(|(r_s, input)| {
            let signature = secp256k1::ecdsa::Signature::from_compact(r_s).map_err(|error| error.to_string())?;
            Ok(ecdsa::Signature { signature, sighash_type: input.coin.sighash }.to_vec())
        })
        .collect::<Result<_, String>>()?;
    // From the bytes that leave: what is checked is what is sent.
    let bytes = serialize(&plan.signed(signatures.iter().cloned()));
    let transaction: Transaction = deserialize(&bytes).map_err(|error| error.to_string())?;
    if !plan.is_signed(&transaction) {
        return Err("a signature of the finished transaction does not verify".to_owned());
    }
    if request.version == Version::V2 {
        update_modifiable(&mut request.global, plan);
    }
    for (((map, tx_in), planned), signature) in
        request.inputs.iter_mut().zip(&transaction.input).zip(plan.inputs()).zip(signatures)
    {
        if finalize {
            map.retain(|key, _| stays_when_final(key));
            if !tx_in.script_sig.is_empty() {
                map.insert(vec![input::FINAL_SCRIPTSIG], tx_in.script_sig.to_bytes());
            }
            if !tx_in.witness.is_empty() {
                map.insert(vec![input::FINAL_SCRIPTWITNESS], serialize(&tx_in.witness));
            }
        } else {
            map.insert([&[input::PARTIAL_SIG][..], &planned.key().serialize()].concat(), signature);
            if let Some(redeem_script) = planned.redeem_script() {
                map.insert(vec![input::REDEEM_SCRIPT], redeem_script.into_bytes());
            }
        }
    }
    let transaction = finalize.then(|| (hex::encode(&bytes), transaction.compute_txid()));
    Ok(Signed { psbt: request.to_base64(), transaction })
}

/// BIP-174: all but the UTXOs, what is unknown and what is proprietary is cleared. In version 2 what the transaction is made of stays.
fn stays_when_final(key: &[u8]) -> bool {
    const STAYS: [u8; 8] = [
        input::NON_WITNESS_UTXO,
        input::WITNESS_UTXO,
        input::PREVIOUS_TXID,
        input::OUTPUT_INDEX,
        input::SEQUENCE,
        input::REQUIRED_TIME_LOCKTIME,
        input::REQUIRED_HEIGHT_LOCKTIME,
        PROPRIETARY,
    ];
    match fields::type_of(key).and_then(|key_type| fields::find(fields::INPUT, key_type)) {
        Some(field) => STAYS.contains(&field.key_type),
        None => true,
    }
}

/// BIP-370, "Signer": what the signatures fix can't be changed any more. Flags without a meaning stay.
fn update_modifiable(global: &mut Map, plan: &Plan) {
    const INPUTS: u8 = 1;
    const OUTPUTS: u8 = 1 << 1;
    const HAS_SINGLE: u8 = 1 << 2;
    let before = get(global, global::TX_MODIFIABLE).and_then(|value| value.first().copied());
    let mut flags = before.unwrap_or(0);
    for input in plan.inputs() {
        if !input.coin.anyone_can_pay() {
            flags &= !INPUTS;
        }
        if !input.coin.sighash_is_none() {
            flags &= !OUTPUTS;
        }
        if input.coin.sighash_is_single() {
            flags |= HAS_SINGLE;
        }
    }
    // Absent it says that nothing is modifiable.
    if before.is_some() || flags != 0 {
        global.insert(vec![global::TX_MODIFIABLE], vec![flags]);
    }
}
