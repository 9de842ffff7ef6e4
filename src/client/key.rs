//! `kmsign key`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ClientError;
use super::exit::Exit;
use super::input::{GivenDigest, KeyName, Repeatable};
use super::output::{self, Look, Tone, cell, cell_or_dash, plain, toned};
use super::session::Session;
use super::terminal;
use super::wallet::{self, Wallet};
use crate::ids::{OnBehalfOf, Reason, RequestId};

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
    /// Schedule the deletion of a key, with which all that its addresses hold is lost
    ///
    /// The wallet signs nothing from then on, and can be saved until its window has ended. The daemon refuses unless its
    /// configuration allows deletion and its policy has `delete` for you.
    Delete(Delete),
    /// Save a key from its deletion; its wallet is disabled then
    CancelDeletion(CancelDeletion),
}

#[derive(Debug, clap::Args)]
pub struct Delete {
    /// The key's ARN, or its wallet's id
    #[arg(value_name = "KEY")]
    key: KeyName,
    /// The wallet's address, typed back; on a terminal it is asked for
    #[arg(long, value_name = "ADDRESS")]
    confirm: Option<String>,
    /// Days until KMS deletes it, 7 to 30 [default: as the daemon is configured]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u8).range(7..=30))]
    window: Option<u8>,
    /// Why, recorded in the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
    #[command(flatten)]
    repeat: Repeatable,
}

#[derive(Debug, clap::Args)]
pub struct CancelDeletion {
    /// The key's ARN, or its wallet's id
    #[arg(value_name = "KEY")]
    key: KeyName,
    #[command(flatten)]
    repeat: Repeatable,
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
            Self::Delete(delete) => delete.run(session)?,
            Self::CancelDeletion(cancel) => {
                let params = json!({ "keyId": arn(session, &cancel.key)? });
                let params = cancel.repeat.complete(session, params)?;
                session.show("kms_cancelKeyDeletion", &params, wallet::wallet)?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Delete {
    fn run(&self, session: &mut Session) -> Result<(), ClientError> {
        let (key, confirm) = match &self.confirm {
            Some(address) => (arn(session, &self.key)?, address.clone()),
            None => self.ask(session)?,
        };
        let mut params = json!({ "keyId": key, "confirm": confirm });
        if let Some(members) = params.as_object_mut() {
            members.extend(self.window.map(|days| ("pendingWindowInDays".to_owned(), days.into())));
            members.extend(self.reason.as_ref().map(|reason| ("reason".to_owned(), reason.as_str().into())));
        }
        let params = self.repeat.complete(session, params)?;
        session.show("kms_deleteKey", &params, scheduled)?;
        Ok(())
    }

    /// Shows the wallet and has its address typed back: whoever copies a key's name by mistake notices here.
    fn ask(&self, session: &mut Session) -> Result<(String, String), ClientError> {
        if !terminal::can_ask() {
            return Err(ClientError::Usage("--confirm ADDRESS is needed where nobody can be asked"));
        }
        let params = match &self.key {
            KeyName::Arn(arn) => json!({ "kmsKeyId": arn }),
            KeyName::Wallet(id) => json!({ "walletId": id }),
        };
        let found: Wallet = session.ask("wallet_get", &params)?;
        let text = wallet::wallet(&found, session.look());
        let asked =
            format!("{text}\nWhat its addresses hold is lost once the key is deleted. Type the wallet's address to go on: ");
        let typed = terminal::ask(&asked)?;
        let (Some(key), Some(address)) = (found.kms_key_id.clone(), &found.address) else { return Err(keyless(&found)) };
        if typed != *address {
            return Err(ClientError::input("what was typed", "is not the wallet's address; nothing was done"));
        }
        Ok((key, address.clone()))
    }
}

fn keyless(wallet: &Wallet) -> ClientError {
    ClientError::input("the wallet", format!("has no key: it is {}", wallet.status))
}

/// The ARN of a key; a wallet is asked for its own.
fn arn(session: &mut Session, name: &KeyName) -> Result<String, ClientError> {
    match name {
        KeyName::Arn(arn) => Ok(arn.to_string()),
        KeyName::Wallet(id) => {
            let wallet: Wallet = session.ask("wallet_get", &json!({ "walletId": id }))?;
            wallet.kms_key_id.clone().ok_or_else(|| keyless(&wallet))
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scheduled {
    key_id: String,
    status: String,
    deletion_date: Option<String>,
}

fn scheduled(scheduled: &Scheduled, look: Look) -> String {
    output::details(
        look,
        vec![
            ("key", cell(&scheduled.key_id)),
            ("status", toned(&scheduled.status, Tone::Bad)),
            ("deleted at", cell_or_dash(scheduled.deletion_date.as_deref())),
        ],
    )
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
