//! THE method table: which methods exist, with what action, parameters and result. The dispatcher, the API reference
//! (docs/api.md) and the OpenRPC document are made from it.

mod cardano;
mod evm;
mod lifecycle;
mod solana;
mod unknown;
mod utxo;
mod xrp;

use super::params::Fields;
use super::{
    AddressQuery, AddressesQuery, AuditQuery, Explained, NewWallet, Request, Selector, SigningRequest, Unfreeze, WalletList,
    find_method, read_request,
};
use crate::ids::{KeyArn, RequestId};
use crate::keys::{Digest32, KeySpec};
use crate::outcome::Failure;
use crate::policy::Action;
use crate::store::wallets::WalletFilter;
use crate::wallets::lifecycle::Status;

pub use self::unknown::unknown_method;

/// One row.
pub struct Method {
    pub name: &'static str,
    /// Other names for the same method, as the exchange's service and Ethereum's tools write it.
    pub aliases: &'static [&'static str],
    pub action: Action,
    pub runs: Runs,
    /// Whether `params` may be an array, in the order of the row.
    pub by_position: bool,
    pub params: &'static [Param],
    pub result: ResultType,
    /// What it does, as a sentence.
    pub summary: &'static str,
    /// Reads the parameters into a request.
    pub read: fn(&Fields<'_>) -> Result<Request, Failure>,
}

/// Where a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// In the connection's own task: microseconds, no waiting.
    Inline,
    /// In a task of its own, to its end, whatever the client does.
    ToItsEnd,
}

/// A parameter.
pub struct Param {
    pub name: &'static str,
    pub kind: ParamType,
    pub required: bool,
    /// Not part of the positional form.
    pub by_name_only: bool,
}

macro_rules! param_types {
    ($($variant:ident $schema:literal $describe:literal;)*) => {
        /// What a parameter is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ParamType { $($variant,)* }

        impl ParamType {
            /// For people.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $describe,)* }
            }

            /// As JSON Schema.
            pub const fn schema(self) -> &'static str {
                match self { $(Self::$variant => $schema,)* }
            }
        }
    };
}

param_types! {
    UserId r#"{"type":"string","minLength":1,"maxLength":128,"pattern":"^[A-Za-z0-9+=._:/@-]+$"}"# "the exchange's user, 1 to 128 of A-Z a-z 0-9 + = . _ : / @ -";
    Asset r#"{"type":"string"}"# "a ticker: BTC, LTC, DOGE, ETH, BNB (BSC), POL (POLYGON, MATIC), XRP, SOL, ADA, or one from the configuration";
    Network r#"{"type":"string"}"# "a network of the asset; without it the configured default";
    AddressType r#"{"enum":["p2wpkh","p2sh-p2wpkh","p2pkh","eip55","classic","base58","enterprise","base"]}"# "p2wpkh, p2sh-p2wpkh, p2pkh, eip55, classic, base58, enterprise or base, as the asset has it; base goes with stakeWalletId";
    Label r#"{"type":"string","minLength":1,"maxLength":128}"# "a text for people, 1 to 128 characters";
    RequestId r#"{"type":"string","minLength":1,"maxLength":128}"# "makes the call safe to retry, 1 to 128 characters";
    OnBehalfOf r#"{"type":"string","minLength":1,"maxLength":128}"# "the exchange's own end user, recorded in the audit, 1 to 128 characters";
    WalletId r#"{"type":"string","format":"uuid"}"# "a wallet's id (UUID version 7)";
    StakeWalletId r#"{"type":"string","format":"uuid"}"# "ADA alone: the id of a CREATED wallet of the same network, whose key becomes the stake key of a base address; what becomes of that wallet later changes nothing of the address";
    KeyArn r#"{"type":"string","maxLength":256}"# "the ARN of a wallet's KMS key";
    Address r#"{"type":"string","maxLength":128}"# "an address, at most 128 bytes";
    KeySpec r#"{"enum":["ECC_SECG_P256K1","ECC_SECG_P256_K1","ECC_NIST_EDWARDS25519"]}"# "the kind of key; one that does not fit the asset is refused";
    Digest r#"{"type":"string","pattern":"^(0x)?[0-9a-fA-F]{64}$"}"# "32 bytes as hex, with or without 0x; signed as they are";
    Status r#"{"enum":["PENDING","CREATED","DISABLED","PENDING_DELETION","DELETED","FAILED"]}"# "a wallet's state";
    Limit r#"{"type":"integer","minimum":1,"maximum":1000}"# "how many at most: 1 to 1000, 100 without it";
    Cursor r#"{"type":"string"}"# "nextCursor of the page before";
    Sequence r#"{"type":"integer","minimum":0}"# "an audit record's number";
    FreezeId r#"{"type":"string","format":"uuid"}"# "a freeze's id (UUID version 7)";
    MethodName r#"{"type":"string"}"# "a method's name";
    Params r#"{"type":["object","array"]}"# "the parameters that method would get";
    Reason r#"{"type":"string","minLength":1,"maxLength":256}"# "why, recorded in the audit, 1 to 256 characters";
    Confirmation r#"{"type":"string"}"# "the address of the key's wallet, typed back exactly as wallet_get shows it";
    EvmTransaction r#"{"type":"object"}"# "a transaction as geth takes it, with `from`";
    MessageBytes r#"{"type":"string","pattern":"^(0x)?([0-9a-fA-F]{2})*$","maxLength":131074}"# "the message as hex, at most 65536 bytes";
    MessageText r#"{"type":"string","maxLength":65536}"# "the message as text, at most 65536 bytes of UTF-8";
    NoPassword r#"{"type":"string","maxLength":0}"# "empty, for tools that send one";
    TypedData r#"{"type":["object","string"]}"# "typed data of EIP-712, as an object or as a string that holds one";
    Quantity r#"{"type":["string","integer"]}"# "a whole number, as 0x and hex digits or as a JSON number";
    Psbt r#"{"type":"string","contentEncoding":"base64"}"# "a PSBT, version 0 or 2, in base64";
    Finalize r#"{"type":"boolean"}"# "whether to finalize the PSBT and give the transaction; true without it";
    MessageFormat r#"{"enum":["legacy","bip137","bip322"]}"# "how the signature is written: legacy, bip137 or bip322";
    XrpTransaction r#"{"type":"object"}"# "a transaction of the XRP Ledger as JSON, without SigningPubKey and TxnSignature, which are set here; with multiSign it may have Signers, to which the wallet is added";
    DestinationTag r#"{"type":"integer","minimum":0,"maximum":4294967295}"# "a destination tag of the XRP Ledger: 0 to 4294967295";
    MultiSign r#"{"type":"boolean"}"# "whether the wallet signs as one of several signers of another account; false without it";
    SolanaTransaction r#"{"type":"string","contentEncoding":"base64"}"# "a transaction of Solana, legacy or version 0, in base64; places of signatures not yet made are zeros";
    MessageBase64 r#"{"type":"string","contentEncoding":"base64"}"# "the message in base64";
    CardanoTransaction r#"{"type":"string","pattern":"^(0x)?([0-9a-fA-F]{2})+$"}"# "a whole transaction of Cardano as hex of its CBOR";
    ResolvedInputs r#"{"type":"array","items":{"type":"object","required":["txId","index","address","value"]}}"# "what the inputs are: `[{txId, index, address, value: {lovelace, assets?}}]`";
    WindowDays r#"{"type":"integer","minimum":7,"maximum":30}"# "days until KMS deletes the key: 7 to 30; without it `[keys] deletion_window_days`";
}

macro_rules! result_types {
    ($($variant:ident $schema:literal $describe:literal;)*) => {
        /// What a method answers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ResultType { $($variant,)* }

        impl ResultType {
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $describe,)* }
            }

            pub const fn schema(self) -> &'static str {
                match self { $(Self::$variant => $schema,)* }
            }
        }
    };
}

result_types! {
    Wallet r#"{"type":"object","required":["walletId","userId","asset","network","addressType","address","publicKey","kmsKeyId","keySpec","status","label","createdAt","version"]}"#
        "Wallet: `{walletId, userId, asset, network, addressType, stakeWalletId? (of a base address), address, publicKey, kmsKeyId, keySpec, status, label, createdAt, version, deletionDate? (while PENDING_DELETION, and once DELETED)}`";
    WalletPage r#"{"type":"object","required":["wallets","nextCursor"]}"# "`{wallets: [Wallet], nextCursor}`";
    Addresses r#"{"type":"object","required":["walletId","addresses"]}"# "`{walletId, addresses: [{addressType, address, tag? (of an x-address)}]}`";
    Validity r#"{"type":"object","required":["valid"]}"# "`{valid, addressType?, address? (canonical), reason?}`";
    Verification r#"{"type":"object","required":["walletId","keyState","publicKeyMatches","addressMatches","signatureVerified","checkedAt"]}"#
        "`{walletId, keyState, publicKeyMatches (null if KMS shows no public key, as of a disabled key), addressMatches, signatureVerified, checkedAt}`";
    CreatedKey r#"{"type":"object","required":["kmsKeyId","walletId","address"]}"# "`{kmsKeyId, walletId, address}`";
    PublicKey r#"{"type":"object","required":["keyId","publicKey","spki","keySpec"]}"# "`{keyId, publicKey, publicKeyUncompressed?, spki (base64 DER), keySpec}`";
    Signature r#"{"type":"object","required":["keyId","signature","recoveryId","der","publicKey"]}"#
        "`{keyId, signature (r then s, 64 bytes of hex), recoveryId, der, publicKey}`";
    EvmTransaction r#"{"type":"object","required":["raw","tx"]}"# "`{raw (0x-hex, ready to send), tx}`, as geth answers";
    EvmSignature r#"{"type":"string","pattern":"^0x[0-9a-f]{130}$"}"# "65 bytes as 0x-hex: r, s, and 27 or 28";
    Authorization r#"{"type":"object","required":["chainId","address","nonce","yParity","r","s"]}"# "`{chainId, address (the contract), nonce, yParity, r, s}`, as a transaction's authorizationList takes it";
    SignedPsbt r#"{"type":"object","required":["psbt","complete","signed"]}"# "`{psbt, complete, signed: [{input, walletId, sighashType}], transaction?, txid?}`";
    UtxoSignature r#"{"type":"object","required":["signature","address","format"]}"# "`{signature (base64), address, format, prefixedSignature? (of bip322: with the `smp` in front that BIP-322 has since its version 1.0.0)}`";
    XrpTransaction r#"{"type":"object","required":["txBlob","hash","transaction"]}"# "`{txBlob (upper-case hex, ready to submit), hash, transaction}`";
    SolanaTransaction r#"{"type":"object","required":["transaction","signature","complete"]}"# "`{transaction (base64), signature (base58), complete (every signature is there)}`";
    SolanaSignature r#"{"type":"object","required":["signature"]}"# "`{signature (base58)}`";
    CardanoTransaction r#"{"type":"object","required":["transaction","witness","txId"]}"# "`{transaction (hex of its CBOR), witness (hex of CBOR: verification key and signature), txId}`";
    ScheduledDeletion r#"{"type":"object","required":["keyId","status","deletionDate"]}"# "`{keyId, status, deletionDate (the earliest)}`";
    Accounts r#"{"type":"array","items":{"type":"string"}}"# "addresses, at most 1000";
    Text r#"{"type":"string"}"# "a string";
    Explanation r#"{"type":"object","required":["decision","policies","summary"]}"# "`{decision, policies, summary}`";
    AuditPage r#"{"type":"object","required":["records","head"]}"#
        "`{records: [{sequence, at, kind, method, caller, walletId?, digest?, decision, requestId?, hash, ...}], head: {sequence, hash}}`";
    AuditVerdict r#"{"type":"object","required":["records","head","ok"]}"# "`{records, head, ok, firstBad?}`";
    Status r#"{"type":"object","required":["version","ready"]}"# "`{version, uptimeSeconds, ready, reasons, kms, store, policy, wallets, keyDrives: {count, oldest, lastError}, drift: [{walletId, status, keyState, since}], freezes: [{freezeId, scope, reason, since}], pending, orphans, sync}`";
    Nothing r#"{"type":"object"}"# "`{}`";
    Changes r#"{"type":"object","required":["changes"]}"# "`{changes: [{key, needsRestart}], policyDigest}`";
    OpenRpc r#"{"type":"object"}"# "an OpenRPC document";
}

const fn required(name: &'static str, kind: ParamType) -> Param {
    Param { name, kind, required: true, by_name_only: false }
}

const fn optional(name: &'static str, kind: ParamType) -> Param {
    Param { name, kind, required: false, by_name_only: false }
}

const ON_BEHALF_OF: Param = Param { name: "onBehalfOf", kind: ParamType::OnBehalfOf, required: false, by_name_only: true };
const REQUEST_ID: Param = optional("requestId", ParamType::RequestId);

pub static METHODS: &[Method] = &[
    Method {
        name: "wallet_create",
        aliases: &[],
        action: Action::Create,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[
            required("userId", ParamType::UserId),
            required("asset", ParamType::Asset),
            optional("network", ParamType::Network),
            optional("addressType", ParamType::AddressType),
            optional("label", ParamType::Label),
            optional("idempotencyKey", ParamType::RequestId),
            optional("stakeWalletId", ParamType::StakeWalletId),
            ON_BEHALF_OF,
        ],
        result: ResultType::Wallet,
        summary: "Makes a KMS key and the wallet that it is for. Retry with the same idempotencyKey; without one, a lost answer may leave a key behind.",
        read: |fields| {
            let network = fields.network()?;
            let stake_wallet_id = fields.optional("stakeWalletId")?;
            let address_type = fields.address_type(&network, stake_wallet_id.is_some())?;
            Ok(Request::WalletCreate(NewWallet {
                user_id: fields.required("userId")?,
                ticker: fields.required::<String>("asset")?.to_ascii_uppercase(),
                network,
                address_type,
                label: fields.optional("label")?,
                stake_wallet_id,
            }))
        },
    },
    Method {
        name: "wallet_get",
        aliases: &[],
        action: Action::Read,
        runs: Runs::Inline,
        by_position: false,
        params: &[
            optional("walletId", ParamType::WalletId),
            optional("kmsKeyId", ParamType::KeyArn),
            optional("address", ParamType::Address),
            optional("asset", ParamType::Asset),
            optional("network", ParamType::Network),
        ],
        result: ResultType::Wallet,
        summary: "One wallet, by exactly one of walletId, kmsKeyId and address (with asset and network if several have it).",
        read: |fields| Ok(Request::WalletGet(selector(fields)?)),
    },
    Method {
        name: "wallet_list",
        aliases: &[],
        action: Action::Read,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[
            optional("userId", ParamType::UserId),
            optional("asset", ParamType::Asset),
            optional("network", ParamType::Network),
            optional("status", ParamType::Status),
            optional("limit", ParamType::Limit),
            optional("cursor", ParamType::Cursor),
        ],
        result: ResultType::WalletPage,
        summary: "Wallets that this caller may read, in the order of their creation, a page at a time; nextCursor is null after the last.",
        read: |fields| {
            let asset = fields.text("asset")?;
            let network = match asset {
                Some(_) if fields.text("network")?.is_some() => Some(fields.network()?),
                Some(_) => None,
                None if fields.text("network")?.is_some() => {
                    return Err(Failure::invalid("asset", "is missing; a network is one of an asset"));
                }
                None => None,
            };
            let asset = match (asset, &network) {
                (_, Some(network)) => Some(network.asset().to_owned()),
                (Some(ticker), None) => Some(
                    fields.networks.resolve(ticker, None).map_err(|error| Failure::invalid("asset", &error))?.asset().to_owned(),
                ),
                (None, None) => None,
            };
            Ok(Request::WalletList(WalletList {
                filter: WalletFilter {
                    user_id: fields.optional("userId")?,
                    asset,
                    network: network.map(|network| network.network().to_owned()),
                    status: fields.optional::<Status>("status")?,
                    after: fields
                        .text("cursor")?
                        .map(|text| {
                            text.parse().map_err(|_| Failure::invalid("cursor", "must be a nextCursor that wallet_list gave"))
                        })
                        .transpose()?,
                },
                limit: limit(fields)?,
            }))
        },
    },
    Method {
        name: "wallet_addresses",
        aliases: &[],
        action: Action::Read,
        runs: Runs::Inline,
        by_position: false,
        params: &[required("walletId", ParamType::WalletId), optional("tag", ParamType::DestinationTag)],
        result: ResultType::Addresses,
        summary: "Every address form of the wallet's key on its network; with a tag also the X-address that has it, of XRP.",
        read: |fields| {
            Ok(Request::WalletAddresses(AddressesQuery { wallet: fields.required("walletId")?, tag: fields.uint32("tag")? }))
        },
    },
    Method {
        name: "wallet_verify",
        aliases: &[],
        action: Action::Administer,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[required("walletId", ParamType::WalletId), REQUEST_ID, ON_BEHALF_OF],
        result: ResultType::Verification,
        summary: "Asks KMS now: the key's state, its public key, and a signature over a challenge made here that no chain can parse. A wallet that is not CREATED is checked without a signature.",
        read: |fields| Ok(Request::WalletVerify(Selector::Id(fields.required("walletId")?))),
    },
    lifecycle::WALLET_DISABLE,
    lifecycle::WALLET_ENABLE,
    Method {
        name: "address_validate",
        aliases: &[],
        action: Action::Read,
        runs: Runs::Inline,
        by_position: false,
        params: &[
            required("asset", ParamType::Asset),
            optional("network", ParamType::Network),
            required("address", ParamType::Address),
        ],
        result: ResultType::Validity,
        summary: "Whether coins of the asset can be sent to the address on this network, and if not, why not.",
        read: |fields| {
            Ok(Request::AddressValidate(AddressQuery { network: fields.network()?, address: fields.required("address")? }))
        },
    },
    Method {
        name: "kms_createKey",
        aliases: &["createKmsKey"],
        action: Action::Create,
        runs: Runs::ToItsEnd,
        by_position: true,
        params: &[
            required("userId", ParamType::UserId),
            required("asset", ParamType::Asset),
            optional("address", ParamType::Label),
            optional("keySpec", ParamType::KeySpec),
            REQUEST_ID,
            ON_BEHALF_OF,
        ],
        result: ResultType::CreatedKey,
        summary: "wallet_create as the exchange's service calls it; a given address is kept as the label.",
        read: |fields| {
            let network = fields.network()?;
            if let Some(spec) = fields.optional::<KeySpec>("keySpec")?
                && spec != network.key_spec()
            {
                return Err(Failure::invalid(
                    "keySpec",
                    format!("{} keys are {}, not {spec}", network.asset(), network.key_spec()),
                ));
            }
            let address_type = network.default_address_type();
            Ok(Request::CreateKey(NewWallet {
                user_id: fields.required("userId")?,
                ticker: fields.required::<String>("asset")?.to_ascii_uppercase(),
                network,
                address_type,
                label: fields.optional("address")?,
                stake_wallet_id: None,
            }))
        },
    },
    Method {
        name: "kms_getPublicKey",
        aliases: &["getPublicKey"],
        action: Action::Read,
        runs: Runs::Inline,
        by_position: true,
        params: &[required("keyId", ParamType::KeyArn)],
        result: ResultType::PublicKey,
        summary: "The pinned public key, from the store: KMS is not asked.",
        read: |fields| Ok(Request::GetPublicKey(Selector::Key { arn: fields.required("keyId")?, as_key_id: true })),
    },
    Method {
        name: "kms_signTransactionHash",
        aliases: &["signTransactionHash"],
        action: Action::SignRaw,
        runs: Runs::ToItsEnd,
        by_position: true,
        params: &[required("keyId", ParamType::KeyArn), required("transactionHash", ParamType::Digest), REQUEST_ID, ON_BEHALF_OF],
        result: ResultType::Signature,
        summary: "Signs 32 bytes as they are, low-S, verified against the pinned public key. The daemon cannot see what they mean, hence an action of its own.",
        read: |fields| {
            Ok(Request::SignHash(SigningRequest {
                key: fields.required::<KeyArn>("keyId")?,
                digest: fields.required::<Digest32>("transactionHash")?,
            }))
        },
    },
    lifecycle::DELETE_KEY,
    lifecycle::CANCEL_KEY_DELETION,
    Method {
        name: "eth_accounts",
        aliases: &[],
        action: Action::Read,
        runs: Runs::ToItsEnd,
        by_position: true,
        params: &[],
        result: ResultType::Accounts,
        summary: "Addresses of the EVM wallets that this caller may sign with.",
        read: |_| Ok(Request::EthAccounts),
    },
    Method {
        name: "eth_chainId",
        aliases: &[],
        action: Action::Read,
        runs: Runs::Inline,
        by_position: true,
        params: &[],
        result: ResultType::Text,
        summary: "The chain id of the default EVM network, 0x-hex.",
        read: |_| Ok(Request::EthChainId),
    },
    Method {
        name: "web3_clientVersion",
        aliases: &[],
        action: Action::Read,
        runs: Runs::Inline,
        by_position: true,
        params: &[],
        result: ResultType::Text,
        summary: "Name and version.",
        read: |_| Ok(Request::ClientVersion),
    },
    evm::SIGN_TRANSACTION,
    evm::ETH_SIGN,
    evm::PERSONAL_SIGN,
    evm::SIGN_TYPED_DATA,
    evm::SIGN_AUTHORIZATION,
    utxo::SIGN_PSBT,
    utxo::SIGN_MESSAGE,
    xrp::SIGN_TRANSACTION,
    solana::SIGN_TRANSACTION,
    solana::SIGN_MESSAGE,
    cardano::SIGN_TRANSACTION,
    Method {
        name: "policy_explain",
        aliases: &[],
        action: Action::Read,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[required("method", ParamType::MethodName), optional("params", ParamType::Params)],
        result: ResultType::Explanation,
        summary: "What the policy says of a call by this caller, without making it.",
        read: |fields| {
            let name = fields.required::<String>("method")?;
            let method =
                find_method(&name).ok_or_else(|| Failure::invalid("method", "no such method; rpc.discover lists them"))?;
            if method.name == "policy_explain" {
                return Err(Failure::invalid("method", "policy_explain does not explain itself"));
            }
            let params = fields.value("params").map(ToString::to_string);
            let (request, ..) = read_request(method, params.as_deref(), fields.networks).map_err(within_params)?;
            Ok(Request::PolicyExplain(Explained { method, request: Box::new(request) }))
        },
    },
    Method {
        name: "audit_tail",
        aliases: &[],
        action: Action::Audit,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[optional("afterSequence", ParamType::Sequence), optional("limit", ParamType::Limit)],
        result: ResultType::AuditPage,
        summary: "Audit records after a sequence, or the last ones, oldest first.",
        read: |fields| {
            Ok(Request::AuditTail(AuditQuery {
                after: fields.number("afterSequence", 0..=i64::MAX.unsigned_abs())?,
                limit: limit(fields)?,
            }))
        },
    },
    Method {
        name: "audit_verify",
        aliases: &[],
        action: Action::Audit,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[],
        result: ResultType::AuditVerdict,
        summary: "Checks the hash chain over the whole audit.",
        read: |_| Ok(Request::AuditVerify),
    },
    Method {
        name: "admin_status",
        aliases: &[],
        action: Action::Read,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[],
        result: ResultType::Status,
        summary: "How the daemon is: ready or why not, KMS, store, policy, wallets by state, what waits for MongoDB.",
        read: |_| Ok(Request::AdminStatus),
    },
    Method {
        name: "admin_reload",
        aliases: &[],
        action: Action::Administer,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[REQUEST_ID, ON_BEHALF_OF],
        result: ResultType::Changes,
        summary: "Reads configuration and policy again. A bad file changes nothing and is named.",
        read: |_| Ok(Request::AdminReload),
    },
    Method {
        name: "admin_unfreeze",
        aliases: &[],
        action: Action::Unfreeze,
        runs: Runs::ToItsEnd,
        by_position: false,
        params: &[required("freezeId", ParamType::FreezeId), required("reason", ParamType::Reason), REQUEST_ID, ON_BEHALF_OF],
        result: ResultType::Nothing,
        summary: "Lifts a freeze, such as the one with which a restored store starts. Signing goes on once no freeze is in force.",
        read: |fields| {
            Ok(Request::AdminUnfreeze(Unfreeze { freeze_id: fields.required("freezeId")?, reason: fields.required("reason")? }))
        },
    },
    Method {
        name: "rpc.discover",
        aliases: &["rpc_discover"],
        action: Action::Read,
        runs: Runs::Inline,
        by_position: true,
        params: &[],
        result: ResultType::OpenRpc,
        summary: "This API as an OpenRPC document.",
        read: |_| Ok(Request::Discover),
    },
];

impl Method {
    /// The parameter that makes a call safe to retry, under its name in this method.
    pub fn request_id_param(&self) -> Option<&'static str> {
        self.params.iter().find(|param| param.kind == ParamType::RequestId).map(|param| param.name)
    }

    /// The id that makes this call safe to retry.
    pub fn request_id(&self, fields: &Fields<'_>) -> Result<Option<RequestId>, Failure> {
        self.request_id_param().map_or(Ok(None), |name| fields.optional(name))
    }
}

fn limit(fields: &Fields<'_>) -> Result<u32, Failure> {
    const DEFAULT: u64 = 100;
    let limit = fields.number("limit", 1..=1000)?.unwrap_or(DEFAULT);
    Ok(u32::try_from(limit).unwrap_or(u32::MAX))
}

fn selector(fields: &Fields<'_>) -> Result<Selector, Failure> {
    let by_address = |address: &str| -> Result<Selector, Failure> {
        let asset = fields.text("asset")?;
        let network = match (asset, fields.text("network")?) {
            (Some(_), Some(_)) => Some(fields.network()?),
            (None, Some(_)) => return Err(Failure::invalid("asset", "is missing; a network is one of an asset")),
            (_, None) => None,
        };
        let asset = asset
            .map(|ticker| fields.networks.resolve(ticker, None).map_err(|error| Failure::invalid("asset", &error)))
            .transpose()?;
        Ok(Selector::Address { address: address.to_owned(), asset: asset.map(|network| network.asset().to_owned()), network })
    };
    if fields.text("address")?.is_none()
        && let Some(name) = ["asset", "network"].into_iter().find(|name| fields.value(name).is_some())
    {
        return Err(Failure::invalid(name, "goes with an address alone; a walletId or kmsKeyId says it all"));
    }
    match (fields.optional("walletId")?, fields.optional("kmsKeyId")?, fields.text("address")?) {
        (Some(id), None, None) => Ok(Selector::Id(id)),
        (None, Some(arn), None) => Ok(Selector::Key { arn, as_key_id: false }),
        (None, None, Some(address)) => by_address(address),
        _ => Err(Failure::invalid("walletId", "give exactly one of walletId, kmsKeyId and address")),
    }
}

/// An error in the parameters of an explained call is one within `params`.
fn within_params(failure: Failure) -> Failure {
    match failure {
        Failure::InvalidParams { field, reason } if field != "params" => Failure::invalid(format!("params.{field}"), reason),
        other => other,
    }
}

/// Longer names are no typing errors, and likening them would take long.
pub(super) const MAX_SUGGESTED_BYTES: usize = 64;
