//! A payment with change, as a PSBT whose coin a made-up transaction paid, and what a node would check of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::{
    Amount, CompressedPublicKey, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, WPubkeyHash, Witness,
    absolute, transaction,
};
use serde_json::{Value, json};

use super::{Asked, Checked, member, require_low_s};

/// What the made-up coin is worth, what is paid of it, and the fee.
const COIN: Amount = Amount::from_sat(5_000_000);
const PAID: Amount = Amount::from_sat(1_500_000);
const FEE: Amount = Amount::from_sat(100_000);

/// Pays a part of the coin to nobody, and the rest back to the wallet.
pub fn ask(wallet: &Value) -> Result<Asked, String> {
    let key = hex::decode(member(wallet, "publicKey")?).map_err(|error| error.to_string())?;
    let key = CompressedPublicKey::from_slice(&key).map_err(|error| error.to_string())?;
    let is_segwit = match member(wallet, "addressType")? {
        "p2wpkh" => true,
        "p2pkh" => false,
        other => return Err(format!("nobody asked for an address of type {other}")),
    };
    let script_of = |hash: WPubkeyHash| {
        if is_segwit { ScriptBuf::new_p2wpkh(&hash) } else { ScriptBuf::new_p2pkh(&hash.to_raw_hash().into()) }
    };
    let own = script_of(key.wpubkey_hash());
    let change = COIN.checked_sub(PAID).and_then(|rest| rest.checked_sub(FEE)).ok_or("the amounts do not add up")?;
    let outputs = [(COIN, own.clone()), (PAID, script_of(WPubkeyHash::all_zeros())), (change, own.clone())];
    let [coin, paid, change] = outputs.map(|(value, script_pubkey)| TxOut { value, script_pubkey });

    // It spends what nobody ever had.
    let funding = spending(OutPoint { txid: Txid::all_zeros(), vout: 0 }, vec![coin.clone()]);
    let unsigned = spending(OutPoint { txid: funding.compute_txid(), vout: 0 }, vec![paid, change]);
    let mut psbt = Psbt::from_unsigned_tx(unsigned.clone()).map_err(|error| error.to_string())?;
    for input in &mut psbt.inputs {
        input.non_witness_utxo = Some(funding.clone());
        input.witness_utxo = is_segwit.then(|| coin.clone());
    }
    Ok(Asked {
        method: "utxo_signPsbt",
        params: json!({ "asset": member(wallet, "asset")?, "network": member(wallet, "network")?,
                        "psbt": BASE64_STANDARD.encode(psbt.serialize()) }),
        what: if is_segwit { "PSBT of a p2wpkh coin" } else { "PSBT of a p2pkh coin" },
        checked_by: "libsecp256k1",
        check: Box::new(move |answer| check(answer, &unsigned, &coin, key)),
    })
}

fn spending(previous_output: OutPoint, output: Vec<TxOut>) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn { previous_output, sequence: Sequence::MAX, ..TxIn::default() }],
        output,
    }
}

/// Reads the finalized transaction, and checks that it is the one that was asked for and that its one signature spends the coin.
fn check(answer: &Value, unsigned: &Transaction, coin: &TxOut, key: CompressedPublicKey) -> Result<Checked, String> {
    let bytes = hex::decode(member(answer, "transaction")?).map_err(|error| error.to_string())?;
    let signed: Transaction = deserialize(&bytes).map_err(|error| error.to_string())?;
    let txid = signed.compute_txid().to_string();
    if member(answer, "txid")? != txid {
        return Err("its txid is another".to_owned());
    }
    let mut bare = signed.clone();
    for input in &mut bare.input {
        (input.script_sig, input.witness) = (ScriptBuf::new(), Witness::new());
    }
    let [input] = &signed.input[..] else { return Err("it has not one input".to_owned()) };
    if bare != *unsigned {
        return Err("it is not the one that was asked for".to_owned());
    }

    let cache = SighashCache::new(unsigned);
    let (parts, sighash) = if coin.script_pubkey.is_p2wpkh() {
        let mut cache = cache;
        let sighash = cache.p2wpkh_signature_hash(0, &coin.script_pubkey, coin.value, EcdsaSighashType::All);
        let sighash = sighash.map_err(|error| error.to_string())?.to_byte_array();
        (input.witness.iter().map(<[u8]>::to_vec).collect(), sighash)
    } else {
        let sighash = cache.legacy_signature_hash(0, &coin.script_pubkey, EcdsaSighashType::All.to_u32());
        (pushes(&input.script_sig)?, sighash.map_err(|error| error.to_string())?.to_byte_array())
    };
    let [signature, public_key] = &parts[..] else { return Err("its input has not a signature and a key".to_owned()) };
    let signature = bitcoin::ecdsa::Signature::from_slice(signature).map_err(|error| error.to_string())?;
    if signature.sighash_type != EcdsaSighashType::All || public_key[..] != key.to_bytes() {
        return Err("its signature is of another kind or key".to_owned());
    }
    require_low_s(&signature.signature)?;
    let verified = Secp256k1::verification_only().verify_ecdsa(&Message::from_digest(sighash), &signature.signature, &key.0);
    verified.map_err(|error| error.to_string())?;
    Ok(Checked { id: txid, bytes: bytes.len() })
}

fn pushes(script: &ScriptBuf) -> Result<Vec<Vec<u8>>, String> {
    let push = |instruction: Result<bitcoin::script::Instruction<'_>, bitcoin::script::Error>| {
        let instruction = instruction.map_err(|error| error.to_string())?;
        instruction.push_bytes().map(|bytes| bytes.as_bytes().to_vec()).ok_or_else(|| "it pushes no bytes".to_owned())
    };
    script.instructions_minimal().map(push).collect()
}
