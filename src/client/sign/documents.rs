//! What `kmsign sign` can be given, a kind of document each, and the call that signs it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::error::ClientError;
use super::super::input::{self, Document};
use super::super::session::Session;
use super::super::wallet::Wallet;
use super::{Call, How};
use crate::chains::utxo::message::MessageFormat;
use crate::ids::WalletId;

#[derive(Debug, clap::Args)]
pub struct Evm {
    /// A JSON file; - reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) document: Document,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
pub struct Psbt {
    /// A PSBT, binary or in base64; - reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) document: Document,
    /// The ticker, such as BTC or LTC
    #[arg(long, value_parser = input::name)]
    asset: String,
    /// One of the asset's networks [default: as the daemon is configured]
    #[arg(long, value_parser = input::name)]
    network: Option<String>,
    /// Leave the signatures in the PSBT, and make no transaction of it
    #[arg(long)]
    no_finalize: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
pub struct Message {
    /// A file; - reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) document: Document,
    #[command(flatten)]
    signer: Signer,
    /// How the signature of a Bitcoin-like wallet is written [default: as its address type has it]
    #[arg(long, value_parser = formats())]
    format: Option<MessageFormat>,
    /// Sign the file's last line break too
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
pub struct TypedData {
    /// A JSON file; - reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) document: Document,
    #[command(flatten)]
    signer: Signer,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
pub struct Xrp {
    /// A JSON file; - reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) document: Document,
    #[command(flatten)]
    name: SignerName,
    /// Sign as one of several signers of another account
    #[arg(long)]
    multi_sign: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
pub struct Solana {
    /// A transaction, binary or in base64; - reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) document: Document,
    #[command(flatten)]
    name: SignerName,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
pub struct Cardano {
    /// A transaction: CBOR, binary or in hex, or cardano-cli's JSON; - reads standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) document: Document,
    #[command(flatten)]
    name: SignerName,
    /// What the inputs are, a JSON list of `{txId, index, address, value}`, so that amounts are checked
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    resolved_inputs: Option<Document>,
    #[command(flatten)]
    pub(super) how: How,
}

/// Whose key signs.
#[derive(Debug, clap::Args)]
pub struct Signer {
    #[command(flatten)]
    name: SignerName,
    /// Tells apart wallets that share an address
    #[arg(long, value_parser = input::name, requires = "address")]
    asset: Option<String>,
    /// Tells apart wallets that share an address
    #[arg(long, value_parser = input::name, requires = "asset")]
    network: Option<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct SignerName {
    /// The wallet's id
    #[arg(long, value_name = "WALLET-ID")]
    wallet: Option<WalletId>,
    /// One of the wallet's addresses
    #[arg(long, value_parser = input::address)]
    address: Option<String>,
}

fn formats() -> impl TypedValueParser<Value = MessageFormat> {
    PossibleValuesParser::new(MessageFormat::ALL.map(MessageFormat::as_str)).try_map(|text| text.parse())
}

impl Evm {
    pub(super) fn call(&self) -> Result<Call, ClientError> {
        const WHAT: &str = "the transaction";
        let (json, value) = read_json(&self.document, WHAT)?;
        let Value::Object(members) = &value else { return Err(ClientError::input(WHAT, "must be a JSON object")) };
        for (name, flag) in [("requestId", "--request-id"), ("onBehalfOf", "--on-behalf-of")] {
            if members.get(name).is_some_and(|value| !value.is_null()) {
                return Err(ClientError::input(WHAT, format!("has a member {name}; give it as {flag} instead")));
            }
        }
        Call::new("eth_signTransaction").with("transaction", &json)
    }
}

impl Psbt {
    pub(super) fn call(&self) -> Result<Call, ClientError> {
        const WHAT: &str = "the PSBT";
        let bytes = self.document.read(WHAT)?;
        let base64 = if bytes.starts_with(b"psbt\xff") {
            BASE64_STANDARD.encode(bytes)
        } else {
            let text = String::from_utf8(bytes).map_err(|_| ClientError::input(WHAT, "must be binary or base64"))?;
            // Some tools wrap it.
            text.split_ascii_whitespace().collect()
        };
        let call = Call { ticker: Some(self.asset.to_uppercase()), ..Call::new("utxo_signPsbt") };
        call.with("asset", &self.asset)?
            .with_some("network", self.network.as_ref())?
            .with("psbt", &base64)?
            .with("finalize", &!self.no_finalize)
    }
}

impl Message {
    pub(super) fn call(&self, session: &mut Session) -> Result<Call, ClientError> {
        const WHAT: &str = "the message";
        let mut bytes = self.document.read(WHAT)?;
        if !self.exact && bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        let wallet = self.signer.find(session)?;
        let message_sha256 = Some(hex::encode(Sha256::digest(&bytes)));
        let call = |method| Call { wallet_id: Some(wallet.wallet_id.clone()), message_sha256, ..Call::new(method) };
        if wallet.is_evm() {
            if self.format.is_some() {
                return Err(ClientError::Usage("--format is for wallets like Bitcoin's"));
            }
            let data = format!("0x{}", hex::encode(bytes));
            return call("personal_sign").with("data", &data)?.with("address", &wallet.address);
        }
        if wallet.is_solana() {
            if self.format.is_some() {
                return Err(ClientError::Usage("--format is for wallets like Bitcoin's"));
            }
            let message = BASE64_STANDARD.encode(bytes);
            let wallet_id = wallet.wallet_id.clone();
            return call("sol_signMessage").with("walletId", &wallet_id)?.with("message", &message);
        }
        let text = String::from_utf8(bytes).map_err(|_| ClientError::input(WHAT, "is not UTF-8 text"))?;
        let Signer { name: SignerName { wallet, address }, asset, network } = &self.signer;
        call("utxo_signMessage")
            .with_some("walletId", wallet.as_ref())?
            .with_some("address", address.as_ref())?
            .with_some("asset", asset.as_ref())?
            .with_some("network", network.as_ref())?
            .with("message", &text)?
            .with_some("format", self.format.as_ref())
    }
}

impl TypedData {
    pub(super) fn call(&self, session: &mut Session) -> Result<Call, ClientError> {
        const WHAT: &str = "the typed data";
        let (json, value) = read_json(&self.document, WHAT)?;
        if !value.is_object() {
            return Err(ClientError::input(WHAT, "must be a JSON object"));
        }
        let Wallet { wallet_id, address, .. } = self.signer.find(session)?;
        let call = Call { wallet_id: Some(wallet_id), ..Call::new("eth_signTypedData_v4") };
        call.with("address", &address)?.with("typedData", &json)
    }
}

impl Xrp {
    pub(super) fn call(&self, session: &mut Session) -> Result<Call, ClientError> {
        const WHAT: &str = "the transaction";
        let (json, value) = read_json(&self.document, WHAT)?;
        if !value.is_object() {
            return Err(ClientError::input(WHAT, "must be a JSON object"));
        }
        self.name.call(session, "xrp_signTransaction")?.with("transaction", &json)?.with("multiSign", &self.multi_sign)
    }
}

impl Solana {
    pub(super) fn call(&self, session: &mut Session) -> Result<Call, ClientError> {
        let bytes = self.document.read("the transaction")?;
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte) || byte.is_ascii_whitespace();
        // A binary one holds a count of signatures and keys: no byte of its first few is printable.
        let base64 = if bytes.iter().all(is_base64) {
            bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).map(char::from).collect()
        } else {
            BASE64_STANDARD.encode(bytes)
        };
        self.name.call(session, "sol_signTransaction")?.with("transaction", &base64)
    }
}

impl Cardano {
    pub(super) fn call(&self, session: &mut Session) -> Result<Call, ClientError> {
        const WHAT: &str = "the transaction";
        let bytes = self.document.read(WHAT)?;
        let hex = match String::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with('{') => cbor_hex(&text)?,
            Ok(text) => text.split_ascii_whitespace().collect(),
            Err(binary) => hex::encode(binary.into_bytes()),
        };
        let call = self.name.call(session, "ada_signTransaction")?.with("transaction", &hex)?;
        match &self.resolved_inputs {
            Some(inputs) => call.with("resolvedInputs", &read_json(inputs, "--resolved-inputs")?.0),
            None => Ok(call),
        }
    }
}

/// The CBOR of the JSON that cardano-cli writes around it.
fn cbor_hex(text: &str) -> Result<String, ClientError> {
    const WHAT: &str = "the transaction";
    let wrong = |error| ClientError::input(WHAT, format!("must be CBOR, binary or in hex, or JSON: {error}"));
    let value: Value = serde_json::from_str(text).map_err(wrong)?;
    let hex = value.get("cborHex").and_then(Value::as_str);
    hex.map(str::to_owned).ok_or_else(|| ClientError::input(WHAT, "is JSON without a text cborHex, which cardano-cli's has"))
}

impl SignerName {
    /// A call that names the wallet by its id, whichever way it was given.
    fn call(&self, session: &mut Session, method: &'static str) -> Result<Call, ClientError> {
        let params = match &self.wallet {
            Some(id) => json!({ "walletId": id }),
            None => json!({ "address": self.address }),
        };
        let Wallet { wallet_id, .. } = session.ask("wallet_get", &params)?;
        Call { wallet_id: Some(wallet_id.clone()), ..Call::new(method) }.with("walletId", &wallet_id)
    }
}

impl Signer {
    fn find(&self, session: &mut Session) -> Result<Wallet, ClientError> {
        let params = match &self.name.wallet {
            Some(id) => json!({ "walletId": id }),
            None => json!({ "address": self.name.address, "asset": self.asset, "network": self.network }),
        };
        session.ask("wallet_get", &params)
    }
}

/// The JSON text, as it stands, and what it says.
fn read_json(document: &Document, what: &'static str) -> Result<(Box<RawValue>, Value), ClientError> {
    let text = document.read_text(what)?;
    let wrong = |error| ClientError::input(what, format!("must be JSON: {error}"));
    let value = serde_json::from_str(&text).map_err(wrong)?;
    let json = RawValue::from_string(text.trim().to_owned()).map_err(wrong)?;
    Ok((json, value))
}
