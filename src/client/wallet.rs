//! `kmsign wallet`.

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::ClientError;
use super::exit::Exit;
use super::input::{self, Repeatable};
use super::output::{self, Look, Tone, cell, cell_or_dash, toned, yes_or_no};
use super::session::Session;
use crate::chains::{AddressType, MAX_ADDRESS_BYTES};
use crate::ids::{KeyArn, Label, OnBehalfOf, Reason, RequestId, UserId, WalletId};
use crate::wallets::lifecycle::Status;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a KMS key and the wallet that it is for
    #[command(after_help = "Examples:
  kmsign wallet create --user user123 --asset ETH
  kmsign wallet create --user user123 --asset BTC --network mainnet --address-type p2wpkh --label 'cold 1'")]
    Create(Create),
    /// Show one wallet, by its id, its key's ARN or its address
    Get(Get),
    /// List wallets in the order of their creation
    #[command(
        after_help = "Examples:\n  kmsign wallet list --user user123\n  kmsign --json wallet list --all | jq -r '.wallets[].address'"
    )]
    List(List),
    /// Show every form of a wallet's address
    Addresses(One),
    /// Have KMS prove that a wallet still is what the store says
    Verify(One),
    /// Stop a wallet from signing, at once
    #[command(
        after_help = "Examples:\n  kmsign wallet disable 0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60 --reason 'device lost, ticket 4711'"
    )]
    Disable(Switch),
    /// Let a disabled wallet sign again
    Enable(Switch),
}

#[derive(Debug, clap::Args)]
pub struct Switch {
    /// The wallet's id
    #[arg(value_name = "WALLET-ID")]
    wallet_id: WalletId,
    /// Why, recorded in the audit
    #[arg(long, value_name = "TEXT")]
    reason: Reason,
    #[command(flatten)]
    repeat: Repeatable,
}

#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Create {
    /// The exchange's user
    #[arg(long = "user", value_name = "USER")]
    user_id: UserId,
    /// The ticker, such as BTC, ETH or POL
    #[arg(long, value_parser = input::name)]
    asset: String,
    /// One of the asset's networks [default: as the daemon is configured]
    #[arg(long, value_parser = input::name)]
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// The address's form [default: the asset's]
    #[arg(long, value_name = "TYPE", value_parser = address_types())]
    #[serde(skip_serializing_if = "Option::is_none")]
    address_type: Option<AddressType>,
    /// ADA alone: the wallet whose key becomes the stake key of a base address
    #[arg(long = "stake-wallet", value_name = "WALLET-ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    stake_wallet_id: Option<WalletId>,
    /// A text for people
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Label>,
    /// Makes a repetition return the same wallet [default: a new one, told on standard error]
    #[arg(long, value_name = "KEY")]
    #[serde(skip)]
    idempotency_key: Option<RequestId>,
    /// The end user for whom this is done, recorded in the audit
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<OnBehalfOf>,
}

#[derive(Debug, clap::Args)]
pub struct Get {
    /// A wallet id, a key's ARN or an address
    #[arg(value_name = "WALLET")]
    name: WalletName,
    /// Tells apart wallets that share an address
    #[arg(long, value_parser = input::name)]
    asset: Option<String>,
    /// Tells apart wallets that share an address
    #[arg(long, value_parser = input::name, requires = "asset")]
    network: Option<String>,
}

#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    /// Only this user's
    #[arg(long = "user", value_name = "USER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    /// Only of this asset
    #[arg(long, value_parser = input::name)]
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<String>,
    /// Only of this network of the asset
    #[arg(long, value_parser = input::name, requires = "asset")]
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// Only in this state
    #[arg(long, value_parser = statuses())]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// How many to look at, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// List them all; with --json a line for each thousand
    #[arg(long, conflicts_with = "limit")]
    #[serde(skip)]
    all: bool,
}

#[derive(Debug, clap::Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct One {
    /// The wallet's id
    #[arg(value_name = "WALLET-ID")]
    wallet_id: WalletId,
}

/// How a person names a wallet.
#[derive(Debug, Clone)]
enum WalletName {
    Id(WalletId),
    Key(KeyArn),
    Address(String),
}

/// Why a text names no wallet.
#[derive(Debug, thiserror::Error)]
enum WalletNameError {
    #[error(transparent)]
    Id(#[from] crate::ids::IdError),
    #[error("must be a wallet id, a key's ARN or an address of at most {MAX_ADDRESS_BYTES} printable ASCII characters")]
    Address,
}

impl FromStr for WalletName {
    type Err = WalletNameError;

    fn from_str(text: &str) -> Result<Self, WalletNameError> {
        if text.starts_with("arn:") {
            return Ok(Self::Key(text.parse()?));
        }
        // No address has a hyphen.
        if text.contains('-') {
            return Ok(Self::Id(text.parse()?));
        }
        let is_address = (1..=MAX_ADDRESS_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_address { Ok(Self::Address(text.to_owned())) } else { Err(WalletNameError::Address) }
    }
}

fn address_types() -> impl TypedValueParser<Value = AddressType> {
    PossibleValuesParser::new(AddressType::ALL.map(AddressType::as_str)).try_map(|text| text.parse())
}

fn statuses() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).try_map(|text| text.parse())
}

impl Command {
    pub fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        match self {
            Self::Create(create) => create.run(session),
            Self::Get(get) => get.run(session),
            Self::List(list) => list.run(session),
            Self::Addresses(one) => {
                session.show("wallet_addresses", one, address_forms)?;
                Ok(Exit::Done)
            }
            Self::Disable(switch) => switch.run(session, "wallet_disable"),
            Self::Enable(switch) => switch.run(session, "wallet_enable"),
            Self::Verify(one) => {
                let found = session.show("wallet_verify", one, verification)?;
                let proven = found.public_key_matches == Some(true) && found.address_matches && found.signature_verified;
                Ok(if proven { Exit::Done } else { Exit::No })
            }
        }
    }
}

impl Create {
    fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a> {
            #[serde(flatten)]
            create: &'a Create,
            idempotency_key: String,
        }

        let idempotency_key = session.repeatable("--idempotency-key", "idempotencyKey", self.idempotency_key.as_ref())?;
        session.show("wallet_create", &Params { create: self, idempotency_key }, wallet)?;
        Ok(Exit::Done)
    }
}

impl Switch {
    fn run(&self, session: &mut Session, method: &str) -> Result<Exit, ClientError> {
        let params = self.repeat.complete(session, json!({ "walletId": self.wallet_id, "reason": self.reason }))?;
        session.show(method, &params, wallet)?;
        Ok(Exit::Done)
    }
}

impl Get {
    fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        let params = match &self.name {
            WalletName::Address(address) => json!({ "address": address, "asset": self.asset, "network": self.network }),
            _ if self.asset.is_some() => return Err(ClientError::Usage("--asset and --network go with an address alone")),
            WalletName::Id(id) => json!({ "walletId": id }),
            WalletName::Key(arn) => json!({ "kmsKeyId": arn }),
        };
        session.show("wallet_get", &params, wallet)?;
        Ok(Exit::Done)
    }
}

impl List {
    fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        #[derive(Serialize)]
        struct Params<'a> {
            #[serde(flatten)]
            list: &'a List,
            #[serde(skip_serializing_if = "Option::is_none")]
            cursor: Option<String>,
        }

        const LARGEST_PAGE: u32 = 1000;
        let list = Self {
            user_id: self.user_id.clone(),
            asset: self.asset.clone(),
            network: self.network.clone(),
            limit: if self.all { LARGEST_PAGE } else { self.limit },
            ..*self
        };
        let mut cursor = None;
        let mut headed = false;
        loop {
            let params = Params { list: &list, cursor: cursor.clone() };
            let page: Page = session.show("wallet_list", &params, |page, look| wallets(page, look, !headed))?;
            headed |= !page.wallets.is_empty();
            match page.next_cursor {
                next @ Some(_) if next == cursor => return Err(ClientError::protocol(&"the pages go round in a circle")),
                Some(_) if !self.all => {
                    session.note("there are more: --all lists them")?;
                    return Ok(Exit::Done);
                }
                None => {
                    if !headed {
                        session.note("no wallet is like that, or none that you may see")?;
                    }
                    return Ok(Exit::Done);
                }
                next => cursor = next,
            }
        }
    }
}

/// A wallet, as far as people look at it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wallet {
    pub wallet_id: String,
    user_id: String,
    pub asset: String,
    network: String,
    address_type: String,
    stake_wallet_id: Option<String>,
    pub address: Option<String>,
    public_key: Option<String>,
    pub kms_key_id: Option<String>,
    key_spec: String,
    pub status: String,
    label: Option<String>,
    created_at: String,
    version: u64,
    deletion_date: Option<String>,
}

impl Wallet {
    /// Whether it is one of Ethereum or a chain like it.
    pub fn is_evm(&self) -> bool {
        self.address_type == AddressType::Eip55.as_str()
    }

    pub fn is_solana(&self) -> bool {
        self.address_type == AddressType::Base58.as_str()
    }

    /// What tells it from others.
    pub fn in_a_line(&self) -> String {
        let label = self.label.as_ref().map_or_else(String::new, |label| format!(", {label}"));
        let Self { wallet_id, user_id, asset, network, .. } = self;
        format!("{wallet_id}: {asset} {network} {}, of {user_id}{label}", self.address.as_deref().unwrap_or("-"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    wallets: Vec<Wallet>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddressForms {
    addresses: Vec<AddressForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddressForm {
    address_type: String,
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    wallet_id: String,
    key_state: String,
    /// Absent where KMS shows no public key, as of a disabled key.
    public_key_matches: Option<bool>,
    address_matches: bool,
    signature_verified: bool,
    checked_at: String,
}

fn status(text: &str) -> comfy_table::Cell {
    let tone = match text.parse() {
        Ok(Status::Created) => Tone::Good,
        Ok(Status::Pending | Status::Disabled | Status::PendingDeletion) | Err(_) => Tone::Waiting,
        Ok(Status::Deleted | Status::Failed) => Tone::Bad,
    };
    toned(text, tone)
}

/// Every member, for people.
pub fn wallet(wallet: &Wallet, look: Look) -> String {
    let mut rows = vec![
        ("wallet", cell(&wallet.wallet_id)),
        ("user", cell(&wallet.user_id)),
        ("asset", cell(&format!("{} {}", wallet.asset, wallet.network))),
        ("address", cell_or_dash(wallet.address.as_deref())),
        ("address type", cell(&wallet.address_type)),
        ("status", status(&wallet.status)),
        ("label", cell_or_dash(wallet.label.as_deref())),
        ("key", cell_or_dash(wallet.kms_key_id.as_deref())),
        ("key spec", cell(&wallet.key_spec)),
        ("public key", cell_or_dash(wallet.public_key.as_deref())),
        ("created", cell(&wallet.created_at)),
        ("version", cell(&wallet.version.to_string())),
    ];
    rows.extend(wallet.stake_wallet_id.as_ref().map(|id| ("stake wallet", cell(id))));
    rows.extend(wallet.deletion_date.as_ref().map(|date| ("deleted at", toned(date, Tone::Bad))));
    output::details(look, rows)
}

fn wallets(page: &Page, look: Look, with_header: bool) -> String {
    if page.wallets.is_empty() {
        return String::new();
    }
    let header: &[&str] = if with_header { &["WALLET", "ASSET", "NETWORK", "STATUS", "ADDRESS", "USER", "LABEL"] } else { &[] };
    let row = |wallet: &Wallet| {
        vec![
            cell(&wallet.wallet_id),
            cell(&wallet.asset),
            cell(&wallet.network),
            status(&wallet.status),
            cell_or_dash(wallet.address.as_deref()),
            cell(&wallet.user_id),
            cell_or_dash(wallet.label.as_deref()),
        ]
    };
    output::table(look, header, page.wallets.iter().map(row).collect())
}

fn address_forms(forms: &AddressForms, look: Look) -> String {
    let row = |form: &AddressForm| vec![cell(&form.address_type), cell(&form.address)];
    output::table(look, &["TYPE", "ADDRESS"], forms.addresses.iter().map(row).collect())
}

fn verification(found: &Verification, look: Look) -> String {
    output::details(
        look,
        vec![
            ("wallet", cell(&found.wallet_id)),
            ("key state", cell(&found.key_state)),
            ("public key matches", found.public_key_matches.map_or_else(|| toned("not shown by KMS", Tone::Waiting), yes_or_no)),
            ("address matches", yes_or_no(found.address_matches)),
            ("signature verified", yes_or_no(found.signature_verified)),
            ("checked", cell(&found.checked_at)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallet_name_parse_tells_forms_apart() {
        assert!(matches!("0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60".parse(), Ok(WalletName::Id(_))));
        assert!(matches!("arn:aws:kms:eu-central-1:111122223333:key/12ab".parse(), Ok(WalletName::Key(_))));
        assert!(matches!("0x52908400098527886E0F7030069857D2E4169EE7".parse(), Ok(WalletName::Address(_))));
        for wrong in ["", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "arn:aws:s3:::bucket", "a b", &"q".repeat(129)] {
            assert!(wrong.parse::<WalletName>().is_err(), "{wrong}");
        }
    }
}
