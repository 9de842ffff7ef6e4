//! A transfer of EIP-1559, and who a node would say it is from.

use alloy_consensus::{Transaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, TxKind, U256, address};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1};
use serde_json::{Value, json};

use super::{Asked, Checked, member, require_low_s};

/// Nobody's.
const RECIPIENT: Address = address!("000000000000000000000000000000000000dEaD");
const GWEI: u128 = 1_000_000_000;
const GAS: u64 = 21_000;

/// A thousandth of a coin to nobody.
pub fn ask(wallet: &Value) -> Result<Asked, String> {
    let from = member(wallet, "address")?.to_owned();
    // The chain is that of the wallet's network, which only the daemon knows.
    let expected = TxEip1559 {
        chain_id: 0,
        nonce: 0,
        gas_limit: GAS,
        max_fee_per_gas: 30 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(RECIPIENT),
        value: U256::from(1_000_000 * GWEI),
        ..TxEip1559::default()
    };
    let transaction = json!({
        "from": from,
        "to": RECIPIENT,
        "value": expected.value,
        "nonce": "0x0",
        "gas": format!("{GAS:#x}"),
        "maxFeePerGas": format!("{:#x}", expected.max_fee_per_gas),
        "maxPriorityFeePerGas": format!("{:#x}", expected.max_priority_fee_per_gas),
    });
    Ok(Asked {
        method: "eth_signTransaction",
        params: json!([transaction]),
        what: "EIP-1559 transfer",
        checked_by: "libsecp256k1",
        check: Box::new(move |answer| check(answer, expected, &from)),
    })
}

/// Reads the raw transaction as a node does, and recovers its sender.
fn check(answer: &Value, expected: TxEip1559, from: &str) -> Result<Checked, String> {
    let raw = hex::decode(member(answer, "raw")?.trim_start_matches("0x")).map_err(|error| error.to_string())?;
    let mut rest = &raw[..];
    let envelope = TxEnvelope::decode_2718(&mut rest).map_err(|error| error.to_string())?;
    let TxEnvelope::Eip1559(signed) = &envelope else { return Err("it is no transaction of EIP-1559".to_owned()) };
    let chain_id = signed.tx().chain_id().filter(|id| *id > 0).ok_or("it names no chain")?;
    if !rest.is_empty() || *signed.tx() != (TxEip1559 { chain_id, ..expected }) {
        return Err("it is not the one that was asked for".to_owned());
    }
    let signature = signed.signature();
    let recoverable = RecoveryId::from_i32(i32::from(signature.v()))
        .and_then(|id| {
            RecoverableSignature::from_compact(&[signature.r().to_be_bytes::<32>(), signature.s().to_be_bytes()].concat(), id)
        })
        .map_err(|error| error.to_string())?;
    require_low_s(&recoverable.to_standard())?;
    let message = Message::from_digest(envelope.signature_hash().0);
    let key = Secp256k1::verification_only().recover_ecdsa(&message, &recoverable).map_err(|error| error.to_string())?;
    let point = key.serialize_uncompressed();
    // Without the 0x04 in front.
    let sender = Address::from_raw_public_key(point.get(1..).unwrap_or_default()).to_checksum(None);
    if sender != from {
        return Err(format!("its sender is {sender}, not {from}"));
    }
    Ok(Checked { id: envelope.tx_hash().to_string(), bytes: raw.len() })
}
