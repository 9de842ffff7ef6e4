//! From a frame to a typed call, and from a recorded end to a reply. Pure.
//!
//! After this module no text means a chain, a network, a state or a method. It decides nothing: what a call may do is the
//! policy's to say.

pub mod error_codes;
pub mod methods;
pub mod openrpc;

mod params;
mod reply;

use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use self::methods::{METHODS, Method};
use self::params::Fields;
use crate::chains::cardano::transaction::{CardanoTransactionRequest, ResolvedInput};
use crate::chains::evm::authorization::AuthorizationRequest;
use crate::chains::evm::transaction::TransactionRequest;
use crate::chains::evm::typed_data::TypedDataRequest;
use crate::chains::networks::{Network, Networks};
use crate::chains::solana::transaction::SolanaTransactionRequest;
use crate::chains::utxo::message::MessageFormat;
use crate::chains::utxo::psbt::PsbtRequest;
use crate::chains::xrp::transaction::XrpTransactionRequest;
use crate::chains::{Address, AddressType};
use crate::ids::{FreezeId, KeyArn, Label, OnBehalfOf, Reason, RequestId, UserId, WalletId};
use crate::keys::Digest32;
use crate::outcome::Failure;
use crate::store::commits::BoundRequest;
use crate::store::wallets::WalletFilter;
use crate::transport::Frame;

pub use self::reply::{Reply, error_of, reply};

/// Longest message that is signed, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// A call whose method is known and whose parameters are of their types.
#[must_use]
pub struct Call {
    method: &'static Method,
    request: Request,
    bound: Option<BoundRequest>,
    on_behalf_of: Option<OnBehalfOf>,
}

impl Call {
    pub const fn method(&self) -> &'static Method {
        self.method
    }

    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The requestId or idempotencyKey with the content that it stands for: two spellings of one request are one content.
    pub const fn bound_request(&self) -> Option<&BoundRequest> {
        self.bound.as_ref()
    }

    pub const fn on_behalf_of(&self) -> Option<&OnBehalfOf> {
        self.on_behalf_of.as_ref()
    }
}

/// What is asked, with typed parameters. One variant a method.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    WalletCreate(NewWallet),
    WalletGet(Selector),
    WalletList(WalletList),
    WalletAddresses(AddressesQuery),
    WalletVerify(Selector),
    AddressValidate(AddressQuery),
    CreateKey(NewWallet),
    GetPublicKey(Selector),
    SignHash(SigningRequest),
    WalletDisable(Switch),
    WalletEnable(Switch),
    DeleteKey(Deletion),
    CancelKeyDeletion(Selector),
    SignTransaction(Box<TransactionRequest>),
    SignPersonal(PersonalMessage),
    SignTypedData(Box<TypedDataSigning>),
    SignAuthorization(AuthorizationRequest),
    SignPsbt(Box<PsbtSigning>),
    SignUtxoMessage(UtxoMessage),
    SignXrp(Box<XrpSigning>),
    SignSolana(Box<SolanaSigning>),
    SignSolanaMessage(SolanaMessage),
    SignCardano(Box<CardanoSigning>),
    EthAccounts,
    EthChainId,
    ClientVersion,
    PolicyExplain(Explained),
    AuditTail(AuditQuery),
    AuditVerify,
    AdminStatus,
    AdminReload,
    AdminUnfreeze(Unfreeze),
    Discover,
}

impl Request {
    /// The wallet that the call is about, if it is about one.
    pub fn selector(&self) -> Option<Selector> {
        match self {
            Self::WalletGet(selector)
            | Self::WalletVerify(selector)
            | Self::GetPublicKey(selector)
            | Self::CancelKeyDeletion(selector) => Some(selector.clone()),
            Self::WalletAddresses(query) => Some(Selector::Id(query.wallet)),
            Self::WalletDisable(switch) | Self::WalletEnable(switch) => Some(Selector::Id(switch.wallet_id)),
            Self::SignHash(SigningRequest { key, .. }) | Self::DeleteKey(Deletion { key, .. }) => {
                Some(Selector::Key { arn: key.clone(), as_key_id: true })
            }
            Self::WalletCreate(_)
            | Self::WalletList(_)
            | Self::AddressValidate(_)
            | Self::CreateKey(_)
            // What these are about, decoding says.
            | Self::SignTransaction(_)
            | Self::SignPersonal(_)
            | Self::SignTypedData(_)
            | Self::SignAuthorization(_)
            | Self::SignPsbt(_)
            | Self::SignUtxoMessage(_)
            | Self::SignXrp(_)
            | Self::SignSolana(_)
            | Self::SignSolanaMessage(_)
            | Self::SignCardano(_)
            | Self::EthAccounts
            | Self::EthChainId
            | Self::ClientVersion
            | Self::PolicyExplain(_)
            | Self::AuditTail(_)
            | Self::AuditVerify
            | Self::AdminStatus
            | Self::AdminReload
            | Self::AdminUnfreeze(_)
            | Self::Discover => None,
        }
    }
}

impl Request {
    /// Whether it asks for signatures of a content that is decoded first.
    pub const fn has_content(&self) -> bool {
        matches!(
            self,
            Self::SignTransaction(_)
                | Self::SignPersonal(_)
                | Self::SignTypedData(_)
                | Self::SignAuthorization(_)
                | Self::SignPsbt(_)
                | Self::SignUtxoMessage(_)
                | Self::SignXrp(_)
                | Self::SignSolana(_)
                | Self::SignSolanaMessage(_)
                | Self::SignCardano(_)
        )
    }

    /// Why the caller does it, if it says.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::WalletDisable(switch) | Self::WalletEnable(switch) => Some(&switch.reason),
            Self::DeleteKey(deletion) => deletion.reason.as_ref(),
            _ => None,
        }
    }

    /// The parameter that names the wallet.
    pub const fn selector_name(&self) -> &'static str {
        match self {
            Self::SignHash(_) | Self::DeleteKey(_) => "keyId",
            Self::SignTransaction(_) => "from",
            Self::SignPersonal(_) | Self::SignTypedData(_) | Self::SignAuthorization(_) => "address",
            Self::SignPsbt(_) => "psbt",
            Self::SignUtxoMessage(message) => message.selector.param(),
            Self::SignXrp(signing) => signing.selector.param(),
            Self::SignSolana(signing) => signing.selector.param(),
            Self::SignSolanaMessage(message) => message.selector.param(),
            Self::SignCardano(signing) => signing.selector.param(),
            Self::WalletGet(selector)
            | Self::WalletVerify(selector)
            | Self::GetPublicKey(selector)
            | Self::CancelKeyDeletion(selector) => selector.param(),
            _ => "walletId",
        }
    }
}

/// A wallet to make.
#[derive(Debug, Clone, Serialize)]
pub struct NewWallet {
    pub user_id: UserId,
    /// The asset as the caller wrote it, in capitals.
    pub ticker: String,
    #[serde(serialize_with = "network_name")]
    pub network: Network,
    pub address_type: AddressType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// The wallet whose key becomes the stake key; there for a base address alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stake_wallet_id: Option<WalletId>,
}

/// How a wallet is named.
#[derive(Debug, Clone, Serialize)]
pub enum Selector {
    Id(WalletId),
    /// `keyId` in the kms methods, `kmsKeyId` in wallet_get.
    Key {
        arn: KeyArn,
        as_key_id: bool,
    },
    Address {
        address: String,
        asset: Option<String>,
        #[serde(serialize_with = "optional_network_name")]
        network: Option<Network>,
    },
}

impl Selector {
    /// The parameter that holds it.
    pub const fn param(&self) -> &'static str {
        match self {
            Self::Id(_) => "walletId",
            Self::Key { as_key_id: true, .. } => "keyId",
            Self::Key { as_key_id: false, .. } => "kmsKeyId",
            Self::Address { .. } => "address",
        }
    }
}

/// A page of wallets.
#[derive(Debug, Serialize)]
pub struct WalletList {
    #[serde(skip)]
    pub filter: WalletFilter,
    /// 1..1000.
    pub limit: u32,
}

/// Whose addresses are asked for.
#[derive(Debug, Serialize)]
pub struct AddressesQuery {
    pub wallet: WalletId,
    /// A destination tag, with which the X-address is given too.
    pub tag: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct AddressQuery {
    #[serde(serialize_with = "network_name")]
    pub network: Network,
    pub address: String,
}

#[derive(Debug, Serialize)]
pub struct SigningRequest {
    pub key: KeyArn,
    #[serde(serialize_with = "as_text")]
    pub digest: Digest32,
}

/// A message to sign with the prefix of EIP-191.
#[derive(Debug, Serialize)]
pub struct PersonalMessage {
    pub address: Address,
    pub message: MessageBytes,
}

/// A message: at most [`MAX_MESSAGE_BYTES`].
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct MessageBytes(#[serde(serialize_with = "in_hex")] Vec<u8>);

impl MessageBytes {
    pub fn new(bytes: Vec<u8>) -> Result<Self, String> {
        within_bounds(bytes.len())?;
        Ok(Self(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A message in words: at most [`MAX_MESSAGE_BYTES`] of UTF-8.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct MessageText(String);

impl MessageText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        within_bounds(text.len())?;
        Ok(Self(text.to_owned()))
    }
}

fn within_bounds(bytes: usize) -> Result<(), String> {
    if bytes <= MAX_MESSAGE_BYTES { Ok(()) } else { Err(format!("has {bytes} bytes; at most {MAX_MESSAGE_BYTES} are signed")) }
}

/// Typed data to sign.
#[derive(Debug, Serialize)]
pub struct TypedDataSigning {
    pub address: Address,
    pub typed_data: TypedDataRequest,
}

/// A PSBT to sign.
#[derive(Debug, Serialize)]
pub struct PsbtSigning {
    #[serde(serialize_with = "network_name")]
    pub network: Network,
    pub psbt: PsbtRequest,
    pub finalize: bool,
}

/// A message to sign with a Bitcoin-like wallet.
#[derive(Debug, Serialize)]
pub struct UtxoMessage {
    pub selector: Selector,
    pub message: MessageText,
    pub format: Option<MessageFormat>,
}

/// A transaction of the XRP Ledger to sign.
#[derive(Debug, Serialize)]
pub struct XrpSigning {
    pub selector: Selector,
    pub transaction: XrpTransactionRequest,
    /// Whether the wallet signs as one of several signers of another account.
    pub multi_sign: bool,
}

/// A transaction of Solana to sign.
#[derive(Debug, Serialize)]
pub struct SolanaSigning {
    pub selector: Selector,
    pub transaction: SolanaTransactionRequest,
}

/// A message to sign with a Solana wallet.
#[derive(Debug, Serialize)]
pub struct SolanaMessage {
    pub selector: Selector,
    pub message: MessageText,
}

/// A transaction of Cardano to sign.
#[derive(Debug, Serialize)]
pub struct CardanoSigning {
    pub selector: Selector,
    pub transaction: CardanoTransactionRequest,
    /// What the inputs are, as the caller says; `None` if it does not.
    pub resolved_inputs: Option<Vec<ResolvedInput>>,
}

/// A wallet to disable or to enable.
#[derive(Debug, Serialize)]
pub struct Switch {
    pub wallet_id: WalletId,
    pub reason: Reason,
}

/// A key to delete.
#[derive(Debug, Serialize)]
pub struct Deletion {
    pub key: KeyArn,
    /// What the caller typed back, to be compared with the wallet's address.
    pub confirm: String,
    /// 7..30; `None` takes the configured default.
    pub window_days: Option<u8>,
    pub reason: Option<Reason>,
}

/// A freeze to lift.
#[derive(Debug, Clone, Serialize)]
pub struct Unfreeze {
    pub freeze_id: FreezeId,
    pub reason: Reason,
}

/// A call to explain.
#[derive(Debug, Serialize)]
pub struct Explained {
    #[serde(skip)]
    pub method: &'static Method,
    pub request: Box<Request>,
}

#[derive(Debug, Serialize)]
pub struct AuditQuery {
    pub after: Option<u64>,
    /// 1..1000.
    pub limit: u32,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The row of a method, by its name or an alias.
pub fn find_method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name || method.aliases.contains(&name))
}

/// Reads a frame.
///
/// # Errors
/// [`Failure::InvalidParams`] with the parameter's name.
pub fn read(frame: &Frame, networks: &Networks) -> Result<Call, Failure> {
    let method = find_method(frame.method()).ok_or_else(|| Failure::Internal(format!("{} has no row", frame.method())))?;
    let (request, id, on_behalf_of) = read_request(method, frame.params(), networks)?;
    let bound = match (id, method.request_id_param()) {
        (Some(id), Some(field)) => {
            Some(BoundRequest { id, field, content_hash: content_hash(method, &request, on_behalf_of.as_ref())? })
        }
        _ => None,
    };
    Ok(Call { method, request, bound, on_behalf_of })
}

/// The requestId or idempotencyKey of a frame whose other parameters may be wrong, if it can be read.
pub fn request_id(frame: &Frame) -> Option<RequestId> {
    let method = find_method(frame.method())?;
    params::glance(method, frame.params(), method.request_id_param()?)?.as_str()?.parse().ok()
}

type ReadRequest = (Request, Option<RequestId>, Option<OnBehalfOf>);

fn read_request(method: &'static Method, params: Option<&str>, networks: &Networks) -> Result<ReadRequest, Failure> {
    let fields = Fields::read(method, params, networks)?;
    Ok(((method.read)(&fields)?, method.request_id(&fields)?, fields.optional("onBehalfOf")?))
}

fn content_hash(method: &Method, request: &Request, on_behalf_of: Option<&OnBehalfOf>) -> Result<[u8; 32], Failure> {
    let content =
        serde_json::to_vec(&(method.name, request, on_behalf_of)).map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(Sha256::digest(content).into())
}

fn in_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn network_name<S: Serializer>(network: &Network, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(network)
}

#[expect(clippy::ref_option, reason = "serde gives it so")]
fn optional_network_name<S: Serializer>(network: &Option<Network>, serializer: S) -> Result<S::Ok, S::Error> {
    match network {
        Some(network) => serializer.collect_str(network),
        None => serializer.serialize_none(),
    }
}
