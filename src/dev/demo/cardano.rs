//! A payment of ADA with change, and whether the transaction is that payment with a witness of that wallet.

use pallas_addresses::Address;
use pallas_codec::minicbor::Encoder;
use pallas_crypto::hash::Hasher;
use serde_json::{Value, json};

use super::{Asked, Checked, member, verify_ed25519};

/// What the made-up coin is worth, what is paid of it, and the fee, in lovelace.
const COIN: u64 = 10_000_000;
const PAID: u64 = 3_000_000;
const FEE: u64 = 200_000;
/// The coin that it spends, which nobody ever had.
const TX_ID: [u8; 32] = [0xda; 32];
/// The slot after which it is worth nothing.
const LAST_SLOT: u64 = 90_000_000;
/// An enterprise address of a test network whose key hash is zeros: nobody's.
const NOBODY_HEADER: u8 = 0x60;

/// Pays 3 ADA to nobody, and the rest back to the wallet.
pub fn ask(wallet: &Value) -> Result<Asked, String> {
    let key: [u8; 32] = hex::decode(member(wallet, "publicKey")?)
        .ok()
        .and_then(|key| key.try_into().ok())
        .ok_or("its public key has not 32 bytes")?;
    let address = member(wallet, "address")?;
    let own = Address::from_bech32(address).map_err(|error| error.to_string())?.to_vec();
    let body = body(&own).ok_or("it can't be written")?;
    // Four members: the body, no witness yet, the word that its scripts hold, no metadata.
    let unsigned = [&[0x84][..], &body, &[0xa0, 0xf5, 0xf6]].concat();
    let coin = json!({ "txId": hex::encode(TX_ID), "index": 0, "address": address, "value": { "lovelace": COIN } });
    Ok(Asked {
        method: "ada_signTransaction",
        params: json!({ "walletId": member(wallet, "walletId")?, "transaction": hex::encode(unsigned),
                        "resolvedInputs": [coin] }),
        what: "payment with change",
        checked_by: "cryptoxide",
        check: Box::new(move |answer| check(answer, &body, &key)),
    })
}

/// Inputs, outputs, fee and the last slot, by their numbers in the ledger's CDDL.
fn body(own: &[u8]) -> Option<Vec<u8>> {
    let change = COIN.checked_sub(PAID)?.checked_sub(FEE)?;
    let nobody = [&[NOBODY_HEADER][..], &[0; 28]].concat();
    let mut encoder = Encoder::new(Vec::new());
    encoder.map(4).ok()?;
    encoder.u8(0).ok()?.array(1).ok()?.array(2).ok()?.bytes(&TX_ID).ok()?.u8(0).ok()?;
    encoder.u8(1).ok()?.array(2).ok()?;
    for (address, lovelace) in [(&nobody[..], PAID), (own, change)] {
        encoder.array(2).ok()?.bytes(address).ok()?.u64(lovelace).ok()?;
    }
    encoder.u8(2).ok()?.u64(FEE).ok()?;
    encoder.u8(3).ok()?.u64(LAST_SLOT).ok()?;
    Some(encoder.into_writer())
}

fn check(answer: &Value, body: &[u8], key: &[u8; 32]) -> Result<Checked, String> {
    let bytes = hex::decode(member(answer, "transaction")?).map_err(|error| error.to_string())?;
    let tx_id = Hasher::<256>::hash(body);
    // A witness is a list of key and signature; the set has one list of them, under 0.
    let witness = |signature: &[u8]| [&[0x82, 0x58, 32][..], key, &[0x58, 64], signature].concat();
    let at = bytes.len().checked_sub(66).ok_or("it is too short")?;
    let signature: [u8; 64] = bytes.get(at..).and_then(|rest| rest.first_chunk().copied()).ok_or("it is too short")?;
    let expected = [&[0x84][..], body, &[0xa1, 0x00, 0x81], &witness(&signature), &[0xf5, 0xf6]].concat();
    if bytes != expected {
        return Err("it is not the one that was asked for with a witness".to_owned());
    }
    verify_ed25519(key, tx_id.as_ref(), &signature)?;
    let id = hex::encode(tx_id);
    if member(answer, "txId")? != id {
        return Err("its id is another".to_owned());
    }
    Ok(Checked { id, bytes: bytes.len() })
}
