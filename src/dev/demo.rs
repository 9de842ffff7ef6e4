//! `kmsignd dev --demo`: the main job, from outside: through the real socket, with a wallet for each asset and a transaction signed
//! by each, read back from its bytes and checked here by libsecp256k1 or cryptoxide, while the embedded KMS signs with other libraries
//! (k256, ed25519-dalek).
//!
//! No transaction of it can move anything: the coins that it spends never existed.

mod cardano;
mod evm;
mod solana;
mod utxo;
mod xrp;

use std::path::Path;
use std::time::{Duration, Instant};

use bitcoin::secp256k1::ecdsa::Signature;
use comfy_table::{Table, presets};
use pallas_crypto::key::ed25519::{PublicKey, Signature as Signature25519};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::client::connection::Connection;
use crate::client::error::ClientError;

/// The assets shown, each on its test network.
const ASSETS: [&str; 9] = ["BTC", "LTC", "DOGE", "ETH", "BNB", "POL", "XRP", "SOL", "ADA"];

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the daemon's answer is not what it should be: {0}")]
    Answer(String),
    #[error("{asset}: the signed transaction is wrong: {reason}")]
    Signed { asset: &'static str, reason: String },
}

type Check = Box<dyn FnOnce(&Value) -> Result<Checked, String>>;

/// A transaction that was asked for, and how its answer is checked.
struct Asked {
    method: &'static str,
    params: Value,
    /// What it is, in a few words.
    what: &'static str,
    /// The library that checks its signature.
    checked_by: &'static str,
    check: Check,
}

/// What the checked transaction is known by.
struct Checked {
    /// Txid or hash.
    id: String,
    bytes: usize,
}

/// Makes, signs, checks and prints.
pub fn show(socket: &Path) -> Result<(), DemoError> {
    let mut caller = Caller::connect(socket)?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["asset", "network", "address", "transaction", "its id", "bytes", "checked by", "ms"]);
    for asset in ASSETS {
        let wallet = caller.call("wallet_create", &json!({ "userId": "demo", "asset": asset }))?;
        let wrong = |reason| DemoError::Signed { asset, reason };
        let asked = ask(&wallet).map_err(wrong)?;
        let started = Instant::now();
        let answer = caller.call(asked.method, &asked.params)?;
        let took = started.elapsed();
        let checked = (asked.check)(&answer).map_err(wrong)?;
        table.add_row([
            asset.to_owned(),
            text(&wallet, "network")?.to_owned(),
            text(&wallet, "address")?.to_owned(),
            asked.what.to_owned(),
            format!("{}...", checked.id.get(..16).unwrap_or(&checked.id)),
            checked.bytes.to_string(),
            asked.checked_by.to_owned(),
            format!("{:.1}", took.as_secs_f64() * 1000.0),
        ]);
    }
    let verdict = caller.call("audit_verify", &json!({}))?;
    println!("{table}");
    let (Some(true), Some(records)) = (verdict.get("ok").and_then(Value::as_bool), verdict.get("records")) else {
        return Err(DemoError::Answer(verdict.to_string()));
    };
    println!("{} wallets made, {} transactions signed and checked, {records} audit records chained", ASSETS.len(), ASSETS.len());
    Ok(())
}

/// A transaction of the wallet's family.
fn ask(wallet: &Value) -> Result<Asked, String> {
    match member(wallet, "addressType")? {
        "eip55" => evm::ask(wallet),
        "classic" => xrp::ask(wallet),
        "base58" => solana::ask(wallet),
        "enterprise" => cardano::ask(wallet),
        _ => utxo::ask(wallet),
    }
}

/// Nodes relay no signature whose S is high (BIP-146, EIP-2).
fn require_low_s(signature: &Signature) -> Result<(), String> {
    let mut low = *signature;
    low.normalize_s();
    if low == *signature { Ok(()) } else { Err("S is high".to_owned()) }
}

fn verify_ed25519(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), String> {
    let verified = PublicKey::from(*key).verify(message, &Signature25519::from(*signature));
    if verified { Ok(()) } else { Err("its signature does not verify".to_owned()) }
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| format!("no {name} in {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, DemoError> {
    member(value, name).map_err(DemoError::Answer)
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
