//! `kmsignd dev --demo`: the main job, from outside: through the real socket, with a wallet for each asset and a signature from
//! each, checked here by libsecp256k1, while the embedded KMS signs with another library (k256).

use std::path::Path;
use std::time::{Duration, Instant};

use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1};
use comfy_table::{Table, presets};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::connection::Connection;
use crate::client::error::ClientError;

/// The assets shown, each on its test network.
const ASSETS: [&str; 6] = ["BTC", "LTC", "DOGE", "ETH", "BNB", "POL"];

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the daemon's answer is not what it should be: {0}")]
    Answer(String),
    #[error("{asset}: the signature is wrong: {reason}")]
    Signature { asset: &'static str, reason: String },
}

/// Makes, signs, checks and prints.
pub fn show(socket: &Path) -> Result<(), DemoError> {
    let mut caller = Caller::connect(socket)?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["asset", "network", "address", "signature (r, s)", "v", "checked by", "ms"]);
    for asset in ASSETS {
        let wallet = caller.call("wallet_create", &json!({ "userId": "demo", "asset": asset }))?;
        let digest = Sha256::digest(format!("kmsignd demo {asset} {}", text(&wallet, "walletId")?));
        let started = Instant::now();
        let signed = caller.call(
            "kms_signTransactionHash",
            &json!({ "keyId": text(&wallet, "kmsKeyId")?, "transactionHash": hex::encode(digest) }),
        )?;
        let took = started.elapsed();
        let recovery_id = check(digest.into(), &wallet, &signed).map_err(|reason| DemoError::Signature { asset, reason })?;
        let signature = text(&signed, "signature")?;
        table.add_row([
            asset.to_owned(),
            text(&wallet, "network")?.to_owned(),
            text(&wallet, "address")?.to_owned(),
            format!("{}...", signature.get(..24).unwrap_or(signature)),
            recovery_id.to_string(),
            "libsecp256k1".to_owned(),
            format!("{:.1}", took.as_secs_f64() * 1000.0),
        ]);
    }
    let verdict = caller.call("audit_verify", &json!({}))?;
    println!("{table}");
    let (Some(true), Some(records)) = (verdict.get("ok").and_then(Value::as_bool), verdict.get("records")) else {
        return Err(DemoError::Answer(verdict.to_string()));
    };
    println!("{} wallets made, {} signatures checked, {records} audit records chained", ASSETS.len(), ASSETS.len());
    Ok(())
}

/// Checks a signature against the wallet's public key as a node would: it verifies, S is low, and recovery gives the key.
fn check(digest: [u8; 32], wallet: &Value, signed: &Value) -> Result<i32, String> {
    let bytes =
        |from: &Value, name: &str| hex::decode(from[name].as_str().unwrap_or_default()).map_err(|error| error.to_string());
    let key = PublicKey::from_slice(&bytes(wallet, "publicKey")?).map_err(|error| error.to_string())?;
    let compact = bytes(signed, "signature")?;
    let signature = Signature::from_compact(&compact).map_err(|error| error.to_string())?;
    let mut low = signature;
    low.normalize_s();
    if low != signature {
        return Err("S is high".to_owned());
    }
    let (secp, message) = (Secp256k1::verification_only(), Message::from_digest(digest));
    secp.verify_ecdsa(&message, &signature, &key).map_err(|error| error.to_string())?;
    let recovery_id = signed["recoveryId"].as_i64().and_then(|id| i32::try_from(id).ok()).ok_or("no recoveryId")?;
    let recoverable = RecoveryId::from_i32(recovery_id)
        .and_then(|id| RecoverableSignature::from_compact(&compact, id))
        .map_err(|error| error.to_string())?;
    match secp.recover_ecdsa(&message, &recoverable) {
        Ok(recovered) if recovered == key => Ok(recovery_id),
        _ => Err("recovery gives another key".to_owned()),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, DemoError> {
    value[name].as_str().ok_or_else(|| DemoError::Answer(format!("no {name} in {value}")))
}

/// The daemon as its client sees it.
struct Caller(Connection);

impl Caller {
    fn connect(socket: &Path) -> Result<Self, ClientError> {
        Ok(Self(Connection::open(socket, Duration::from_mins(1))?))
    }

    fn call(&mut self, method: &str, params: &Value) -> Result<Value, DemoError> {
        let defect = |error: serde_json::Error| DemoError::Answer(error.to_string());
        let answer = self.0.call(method, &to_raw_value(params).map_err(defect)?)?;
        serde_json::from_str(answer.get()).map_err(defect)
    }
}
