//! A payment of XRP, and whether the blob is that payment signed by that account's key.

use bitcoin::hashes::{Hash, hash160, sha512};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1};
use serde_json::{Value, json};

use super::{Asked, Checked, member, require_low_s};

/// The account that belongs to nobody (ACCOUNT_ZERO), as an AccountID and as an address.
const RECIPIENT: ([u8; 20], &str) = ([0; 20], "rrrrrrrrrrrrrrrrrrrrrhoLvTp");
const SEQUENCE: u32 = 7;
const LAST_LEDGER: u32 = 90_000_000;
const DROPS: u64 = 25_000_000;
const FEE: u64 = 12;

/// Pays 25 XRP to nobody.
pub fn ask(wallet: &Value) -> Result<Asked, String> {
    let key = hex::decode(member(wallet, "publicKey")?).map_err(|error| error.to_string())?;
    let key = PublicKey::from_slice(&key).map_err(|error| error.to_string())?;
    let transaction = json!({
        "TransactionType": "Payment", "Account": member(wallet, "address")?, "Destination": RECIPIENT.1,
        "Amount": DROPS.to_string(), "Fee": FEE.to_string(), "Sequence": SEQUENCE, "LastLedgerSequence": LAST_LEDGER,
    });
    Ok(Asked {
        method: "xrp_signTransaction",
        params: json!({ "walletId": member(wallet, "walletId")?, "transaction": transaction }),
        what: "Payment",
        checked_by: "libsecp256k1",
        check: Box::new(move |answer| check(answer, &key)),
    })
}

/// The fields in their canonical order, with `signature` in its place; without one it is what is signed.
/// <https://xrpl.org/docs/references/protocol/binary-format>
fn serialized(key: &PublicKey, signature: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let account = hash160::Hash::hash(&key.serialize()).to_byte_array();
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).map_err(|_| "a field is too long".to_owned());
    // The second highest bit says that it is positive.
    let xrp = |drops: u64| (drops | 1 << 62).to_be_bytes();
    let mut bytes = [
        &[0x12, 0, 0, 0x24][..],
        &SEQUENCE.to_be_bytes(),
        &[0x20, 0x1b],
        &LAST_LEDGER.to_be_bytes(),
        &[0x61],
        &xrp(DROPS),
        &[0x68],
        &xrp(FEE),
        &[0x73, 33],
        &key.serialize(),
    ]
    .concat();
    if let Some(signature) = signature {
        bytes.extend([0x74, length(signature)?]);
        bytes.extend(signature);
    }
    bytes.extend([0x81, 20]);
    bytes.extend(account);
    bytes.extend([0x83, 20]);
    bytes.extend(RECIPIENT.0);
    Ok(bytes)
}

/// The first half of SHA-512 over a prefix and bytes.
fn half(prefix: [u8; 4], bytes: &[u8]) -> [u8; 32] {
    let hash = sha512::Hash::hash(&[&prefix[..], bytes].concat()).to_byte_array();
    hash.first_chunk().copied().unwrap_or_default()
}

fn check(answer: &Value, key: &PublicKey) -> Result<Checked, String> {
    let blob = hex::decode(member(answer, "txBlob")?).map_err(|error| error.to_string())?;
    let signed = answer.get("transaction").ok_or("no transaction")?;
    let der = hex::decode(member(signed, "TxnSignature")?).map_err(|error| error.to_string())?;
    if blob != serialized(key, Some(&der))? {
        return Err("it is not the one that was asked for".to_owned());
    }
    let signature = Signature::from_der(&der).map_err(|error| error.to_string())?;
    require_low_s(&signature)?;
    let message = Message::from_digest(half(*b"STX\0", &serialized(key, None)?));
    Secp256k1::verification_only().verify_ecdsa(&message, &signature, key).map_err(|error| error.to_string())?;
    let id = hex::encode_upper(half(*b"TXN\0", &blob));
    if member(answer, "hash")? != id {
        return Err("its hash is another".to_owned());
    }
    Ok(Checked { id, bytes: blob.len() })
}
