//! A transfer of SOL, and whether the transaction is that transfer signed by that wallet.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Asked, Checked, member, verify_ed25519};

/// Nobody knows a key of it.
const RECIPIENT: [u8; 32] = [0x0d; 32];
/// A made-up blockhash.
const BLOCKHASH: [u8; 32] = [0xb1; 32];
const LAMPORTS: u64 = 250_000_000;

/// Pays a quarter of a SOL to nobody.
pub fn ask(wallet: &Value) -> Result<Asked, String> {
    let key: [u8; 32] = hex::decode(member(wallet, "publicKey")?)
        .ok()
        .and_then(|key| key.try_into().ok())
        .ok_or("its public key has not 32 bytes")?;
    let message = transfer(&key);
    let unsigned = [&[1], &[0; 64][..], &message].concat();
    Ok(Asked {
        method: "sol_signTransaction",
        params: json!({ "walletId": member(wallet, "walletId")?, "transaction": BASE64_STANDARD.encode(unsigned) }),
        what: "transfer, legacy message",
        checked_by: "cryptoxide",
        check: Box::new(move |answer| check(answer, &message, &key)),
    })
}

/// A legacy message: one signer, the System program read-only, one instruction.
/// <https://solana.com/docs/core/transactions>
fn transfer(from: &[u8; 32]) -> Vec<u8> {
    let transfer = [&2_u32.to_le_bytes()[..], &LAMPORTS.to_le_bytes()].concat();
    [&[1, 0, 1, 3][..], from, &RECIPIENT, &[0; 32], &BLOCKHASH, &[1, 2, 2, 0, 1, 12], &transfer].concat()
}

fn check(answer: &Value, message: &[u8], key: &[u8; 32]) -> Result<Checked, String> {
    let bytes = BASE64_STANDARD.decode(member(answer, "transaction")?).map_err(|error| error.to_string())?;
    let signature = bytes.get(1..65).and_then(|signature| <[u8; 64]>::try_from(signature).ok()).ok_or("it is too short")?;
    if bytes.first() != Some(&1) || bytes.get(65..) != Some(message) {
        return Err("it is not the one that was asked for".to_owned());
    }
    verify_ed25519(key, message, &signature)?;
    // A transaction is known by its first signature.
    let id = bs58::encode(signature).into_string();
    if member(answer, "signature")? != id || answer.get("complete") != Some(&Value::Bool(true)) {
        return Err("its signature is another, or it is not complete".to_owned());
    }
    Ok(Checked { id, bytes: bytes.len() })
}
