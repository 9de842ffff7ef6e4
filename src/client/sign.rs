//! `kmsign sign`: a document is explained, shown, confirmed and signed. What is signed is what was shown: the same parameters go into
//! every call, and the daemon decodes and judges them again. While somebody thinks, something else may be signed that this then replaces,
//! or the policy may change: after the answer it is explained once more, and asked again if that is not what was shown.

mod documents;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::error::ClientError;
use super::exit::Exit;
use super::explanation::{self, Coin, Context, Explanation, Unit};
use super::input::{Document, Repeatable};
use super::layout::{MIN_COLUMNS, Page};
use super::output::json_line;
use super::session::{self, Session};
use super::terminal;
use super::wallet::Wallet;
use documents::{Cardano, Evm, Message, Psbt, Solana, TypedData, Xrp};

/// How many of the wallets that sign are looked up, so that they are shown by more than their ids.
const NAMED_WALLETS: usize = 5;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Sign a transaction of Ethereum or a chain like it
    ///
    /// The file has the JSON object that eth_signTransaction takes, with `from`, `nonce`, `gas` and fees.
    #[command(after_help = "Examples:
  kmsign sign evm transaction.json
  jq -c .tx draft.json | kmsign --json sign evm - --yes")]
    Evm(Evm),
    /// Sign every input of a PSBT
    #[command(after_help = "Examples:
  kmsign sign psbt payment.psbt --asset BTC
  kmsign sign psbt payment.psbt --asset LTC --network mainnet --output payment.hex")]
    Psbt(Psbt),
    /// Sign a message
    ///
    /// With the prefix that the chain's messages have: personal_sign for wallets of Ethereum and the chains like it, utxo_signMessage
    /// for those like Bitcoin's. One line break at the end of the file is no part of the message, unless --exact is given. The SHA-256 that is
    /// shown is that of the message's bytes, without any prefix.
    #[command(after_help = "Examples:
  kmsign sign message letter.txt --wallet 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60
  kmsign sign message letter.txt --address 1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH --format legacy")]
    Message(Message),
    /// Sign typed data of EIP-712
    #[command(after_help = "Example:
  kmsign sign typed-data order.json --address 0x52908400098527886E0F7030069857D2E4169EE7")]
    TypedData(TypedData),
    /// Sign a transaction of the XRP Ledger
    ///
    /// The file has the transaction's JSON, with `Fee`, `Sequence` or `TicketSequence`, and preferably `LastLedgerSequence`. SigningPubKey
    /// and TxnSignature are set by the daemon.
    #[command(after_help = "Examples:
  kmsign sign xrp payment.json --address rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh
  kmsign sign xrp payment.json --wallet 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60 --multi-sign")]
    Xrp(Xrp),
    /// Sign a transaction of Solana
    ///
    /// Legacy or version 0. The same payment with another blockhash is another payment: give --request-id to be able to try again.
    #[command(after_help = "Example:
  kmsign sign solana transfer.tx --wallet 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60 --request-id payout-17")]
    Solana(Solana),
    /// Sign a transaction of Cardano
    ///
    /// A whole transaction, as CBOR in hex or binary, or as the JSON that cardano-cli writes (with `cborHex`).
    #[command(after_help = "Example:
  kmsign sign cardano tx.draft --wallet 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60 --resolved-inputs inputs.json")]
    Cardano(Cardano),
}

/// What goes with every document.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Sign without asking, for scripts
    #[arg(long)]
    yes: bool,
    /// Write the signed transaction, the PSBT or the signature into this new file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    repeat: Repeatable,
}

/// The call that signs, without what makes it repeatable.
struct Call {
    method: &'static str,
    /// As they stand in the document: a number that is too long for us is the daemon's to refuse, not ours to round.
    params: BTreeMap<&'static str, Box<RawValue>>,
    /// The coin, where the command line names it.
    ticker: Option<String>,
    /// The wallet that has to sign, where the command line names it.
    wallet_id: Option<String>,
    /// Of the message's bytes, in hexadecimal.
    message_sha256: Option<String>,
}

impl Call {
    const fn new(method: &'static str) -> Self {
        Self { method, params: BTreeMap::new(), ticker: None, wallet_id: None, message_sha256: None }
    }

    fn with(mut self, name: &'static str, value: &impl Serialize) -> Result<Self, ClientError> {
        self.params.insert(name, to_raw_value(value).map_err(|error| ClientError::protocol(&error))?);
        Ok(self)
    }

    fn with_some(self, name: &'static str, value: Option<&impl Serialize>) -> Result<Self, ClientError> {
        match value {
            Some(value) => self.with(name, value),
            None => Ok(self),
        }
    }
}

impl Call {
    fn coin<'a>(&'a self, explanation: &'a Explanation) -> Coin<'a> {
        let ticker = self.ticker.as_deref().or(explanation.summary.asset.as_deref());
        Coin { ticker, unit: Unit::of(self.method) }
    }
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        let (document, how) = match self {
            Self::Evm(Evm { document, how })
            | Self::Psbt(Psbt { document, how, .. })
            | Self::Message(Message { document, how, .. })
            | Self::TypedData(TypedData { document, how, .. })
            | Self::Xrp(Xrp { document, how, .. })
            | Self::Solana(Solana { document, how, .. })
            | Self::Cardano(Cardano { document, how, .. }) => (document, how),
        };
        how.check(document)?;
        let call = match self {
            Self::Evm(evm) => evm.call()?,
            Self::Psbt(psbt) => psbt.call()?,
            Self::Message(message) => message.call(session)?,
            Self::TypedData(typed_data) => typed_data.call(session)?,
            Self::Xrp(xrp) => xrp.call(session)?,
            Self::Solana(solana) => solana.call(session)?,
            Self::Cardano(cardano) => cardano.call(session)?,
        };
        how.sign(session, call)?;
        Ok(Exit::Done)
    }
}

impl How {
    /// Finds out what would stand in the way at the end, before anything is sent.
    fn check(&self, document: &Document) -> Result<(), ClientError> {
        if !self.yes && (document.is_stdin() || !terminal::can_ask()) {
            return Err(ClientError::Usage("--yes is needed where nobody can be asked"));
        }
        if !self.yes && terminal::columns() < MIN_COLUMNS {
            return Err(ClientError::Usage("the terminal is too narrow to show what is signed: it must have 40 columns"));
        }
        let Some(path) = &self.output else { return Ok(()) };
        if path.symlink_metadata().is_ok() {
            return Err(ClientError::input("--output", "names a file that is there already; nothing was signed"));
        }
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if directory.is_some_and(|directory| !directory.is_dir()) {
            return Err(ClientError::input("--output", "names a directory that is not there; nothing was signed"));
        }
        Ok(())
    }

    fn sign(&self, session: &mut Session, mut call: Call) -> Result<(), ClientError> {
        let mut explained = Explained::ask(session, &call)?;
        self.show(session, &call, &explained)?;
        if !self.yes {
            loop {
                session.hang_up();
                confirm(&explained.explanation, &call)?;
                let now = Explained::ask(session, &call)?;
                if now.is_as(&explained) {
                    break;
                }
                terminal::tell("\nNothing was signed yet: what it does has CHANGED since it was shown. Now it is this:\n\n")?;
                self.show(session, &call, &now)?;
                explained = now;
            }
        }
        for (name, value) in self.repeat.members(session)? {
            call = call.with(name, &value)?;
        }
        let json = session.call(call.method, &call.params)?;
        // First the file: a reader of standard output that went away must not cost it.
        let saved = self.save(&json);
        if session.json() {
            Session::print_json(&json)?;
        } else {
            Session::print(&explanation::members(&session::read(&json)?, session.look()))?;
        }
        saved
    }

    /// Shows what the call would do. Fails if that may not be.
    fn show(&self, session: &mut Session, call: &Call, explained: &Explained) -> Result<(), ClientError> {
        let Explained { json, explanation, .. } = explained;
        let summary = &explanation.summary;
        if session.json() && self.yes {
            terminal::tell(&format!("{{\"explanation\":{}}}\n", json_line(json.get())))?;
        } else {
            let wallets = named(session, &summary.wallets)?;
            let message_sha256 = call.message_sha256.as_deref();
            let context = Context { coin: call.coin(explanation), wallets: &wallets, message_sha256 };
            terminal::tell(&explanation.text(context, page()))?;
        }
        if explanation.decision == "deny" {
            return Err(ClientError::Denied(format!("the policy does not permit it: {}", summary.reason)));
        }
        // Wallets that the caller may not know of are not told.
        if !summary.wallets.is_empty() && call.wallet_id.as_ref().is_some_and(|named| !summary.wallets.contains(named)) {
            return Err(ClientError::input("the wallet", "is not the one that would sign this; nothing was signed"));
        }
        Ok(())
    }

    fn save(&self, result: &RawValue) -> Result<(), ClientError> {
        let Some(path) = &self.output else { return Ok(()) };
        let text = raw(&session::read(result)?).ok_or_else(|| ClientError::protocol(&"the result has nothing to write"))?;
        let unwritten = |reason| ClientError::Unwritten { path: path.clone(), reason };
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(unwritten)?;
        writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(unwritten)
    }
}

/// What policy_explain said.
struct Explained {
    json: Box<RawValue>,
    value: Value,
    explanation: Explanation,
}

impl Explained {
    /// Asks what the call would do and whether it may.
    fn ask(session: &mut Session, call: &Call) -> Result<Self, ClientError> {
        #[derive(Serialize)]
        struct Question<'a> {
            method: &'a str,
            params: &'a BTreeMap<&'static str, Box<RawValue>>,
        }

        let json = session.call("policy_explain", &Question { method: call.method, params: &call.params })?;
        let value: Value = session::read(&json)?;
        let explanation = Explanation::deserialize(&value).map_err(|error| ClientError::protocol(&error))?;
        Ok(Self { json, value, explanation })
    }

    /// Whether the decision is the same, and all that is said of the content, shown or not.
    fn is_as(&self, other: &Self) -> bool {
        ["decision", "summary"].into_iter().all(|name| self.value.get(name) == other.value.get(name))
    }
}

/// Has the person say yes; spelled out where it may do more than is shown.
fn confirm(explanation: &Explanation, call: &Call) -> Result<(), ClientError> {
    let summary = &explanation.summary;
    let (question, yes): (_, &[_]) = if summary.is_unknown() {
        ("Sign this, which may do more than is shown? Type the word yes: ", &["yes"])
    } else {
        ("Sign this? [y/N] ", &["y", "yes"])
    };
    terminal::tell(&format!("\n{}", summary.before_the_question(call.coin(explanation), page())))?;
    let answer = terminal::ask(question)?;
    if yes.contains(&answer.to_lowercase().as_str()) { Ok(()) } else { Err(ClientError::Declined) }
}

/// Standard error, where all of this is shown.
fn page() -> Page {
    Page { look: terminal::look(), columns: terminal::columns() }
}

/// What other programs want of a result: the signed transaction, else the PSBT, else the signature.
fn raw(result: &Value) -> Option<String> {
    let members = ["raw", "txBlob", "transaction", "psbt", "signature"];
    let text = result.as_str().or_else(|| members.iter().find_map(|name| result.get(name)?.as_str()))?;
    Some(text.to_owned())
}

/// A line for each wallet. One that can't be read is shown by its id.
fn named(session: &mut Session, wallets: &[String]) -> Result<Vec<String>, ClientError> {
    let mut lines = Vec::new();
    for id in wallets.iter().take(NAMED_WALLETS) {
        match session.ask::<Wallet>("wallet_get", &json!({ "walletId": id })) {
            Ok(wallet) => lines.push(wallet.in_a_line()),
            Err(ClientError::Refused(_)) => lines.push(id.clone()),
            Err(error) => return Err(error),
        }
    }
    let more = wallets.len().saturating_sub(NAMED_WALLETS);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    Ok(lines)
}
