//! `kmsign key`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ClientError;
use super::exit::Exit;
use super::input::{GivenDigest, KeyName};
use super::output::{self, Look, cell, cell_or_dash, plain};
use super::session::Session;
use super::wallet::Wallet;
use crate::ids::{OnBehalfOf, RequestId};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the public key that the daemon pinned
    Public {
        /// The key's ARN, or its wallet's id
        #[arg(value_name = "KEY")]
        key: KeyName,
    },
    /// Sign 32 bytes as they are
    ///
    /// The digest is signed as it is: nothing is hashed again, and nobody can see what it means. The policy has an action of its
    /// own for that, signRaw.
    #[command(after_help = "Examples:
  kmsign key sign 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60 DIGEST
  sha256sum FILE | cut -c1-64 | kmsign key sign 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60 -")]
    Sign(Sign),
    /// List keys in KMS that belong to no wallet, with what is known of them
    ///
    /// The daemon never deletes a key. Exits with 1 if there are any.
    Orphans,
}

#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The key's ARN, or its wallet's id
    #[arg(value_name = "KEY")]
    key: KeyName,
    /// 64 hex digits, with or without 0x; - reads them from standard input
    digest: GivenDigest,
    /// Makes a repetition return the same signature [default: a new one, told on standard error]
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
    /// The end user for whom this is done, recorded in the audit
    #[arg(long, value_name = "NAME")]
    on_behalf_of: Option<OnBehalfOf>,
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        match self {
            Self::Public { key } => {
                let params = json!({ "keyId": arn(session, key)? });
                session.show("kms_getPublicKey", &params, public_key)?;
            }
            Self::Sign(sign) => {
                let digest = sign.digest.take("the digest")?;
                let key = arn(session, &sign.key)?;
                let request_id = session.repeatable("--request-id", "requestId", sign.request_id.as_ref())?;
                let mut params = json!({ "keyId": key, "transactionHash": digest.to_string(), "requestId": request_id });
                if let (Some(name), Some(members)) = (&sign.on_behalf_of, params.as_object_mut()) {
                    members.insert("onBehalfOf".to_owned(), name.as_str().into());
                }
                session.show("kms_signTransactionHash", &params, signature)?;
            }
            Self::Orphans => {
                let status: Status = session.ask("admin_status", &json!({}))?;
                session.present(&status.orphans, orphans)?;
                return Ok(if status.orphans.count == 0 { Exit::Done } else { Exit::No });
            }
        }
        Ok(Exit::Done)
    }
}

/// The ARN of a key; a wallet is asked for its own.
fn arn(session: &mut Session, name: &KeyName) -> Result<String, ClientError> {
    match name {
        KeyName::Arn(arn) => Ok(arn.to_string()),
        KeyName::Wallet(id) => {
            let wallet: Wallet = session.ask("wallet_get", &json!({ "walletId": id }))?;
            let keyless = || ClientError::input("the wallet", format!("has no key: it is {}", wallet.status));
            wallet.kms_key_id.clone().ok_or_else(keyless)
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    key_id: String,
    key_spec: String,
    public_key: String,
    public_key_uncompressed: Option<String>,
    spki: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    key_id: String,
    signature: String,
    recovery_id: u8,
    der: String,
    public_key: String,
}

fn public_key(key: &PublicKey, look: Look) -> String {
    let mut rows = vec![("key", cell(&key.key_id)), ("key spec", cell(&key.key_spec)), ("public key", cell(&key.public_key))];
    rows.extend(key.public_key_uncompressed.as_ref().map(|point| ("uncompressed", cell(point))));
    rows.push(("spki", cell(&key.spki)));
    output::details(look, rows)
}

fn signature(signed: &Signature, look: Look) -> String {
    output::details(
        look,
        vec![
            ("signature", cell(&signed.signature)),
            ("recovery id", cell(&signed.recovery_id.to_string())),
            ("der", cell(&signed.der)),
            ("public key", cell(&signed.public_key)),
            ("key", cell(&signed.key_id)),
        ],
    )
}

#[derive(Deserialize)]
struct Status {
    orphans: Orphans,
}

#[derive(Deserialize, serde::Serialize)]
struct Orphans {
    count: u64,
    /// The longest known, a thousand at most.
    keys: Vec<Orphan>,
}

#[derive(Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Orphan {
    kms_key_id: String,
    wallet_id: Option<String>,
    reason: String,
    evidence: Value,
    first_seen: String,
    last_seen: String,
}

fn orphans(found: &Orphans, look: Look) -> String {
    if found.count == 0 {
        return "every key of this deployment that shows in KMS belongs to a wallet\n".to_owned();
    }
    let mut text = String::new();
    for key in &found.keys {
        text.push_str(&output::details(
            look,
            vec![
                ("key", cell(&key.kms_key_id)),
                ("reason", cell(&key.reason)),
                ("wallet of its tag", cell_or_dash(key.wallet_id.as_deref())),
                ("evidence", cell(&plain(&key.evidence))),
                ("first seen", cell(&key.first_seen)),
                ("last seen", cell(&key.last_seen)),
            ],
        ));
        text.push('\n');
    }
    let hidden = found.count.saturating_sub(u64::try_from(found.keys.len()).unwrap_or(u64::MAX));
    if hidden > 0 {
        text.push_str(&format!("and {hidden} more\n"));
    }
    text
}
