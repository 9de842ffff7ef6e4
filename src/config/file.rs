//! The configuration file as it is written. Its doc comments, ranges and defaults are the one source of the checks
//! (`keys.rs`), of `docs/configuration.md` and of `packaging/kmsignd.toml`.
//!
//! A key is here only if the daemon acts on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    /// The Unix socket, and what callers may ask of it. Whatever goes over a limit gets an error that names it.
    pub socket: Socket,
    /// The life of the process.
    pub service: Service,
    /// The local database: wallets, audit, stored answers.
    pub store: Store,
    /// AWS KMS. Credentials are no part of this file: they come from AWS's own chain (instance role, environment, profile).
    pub kms: Kms,
    /// The blockchain networks.
    pub networks: Networks,
    /// Who may do what.
    pub policy: Policy,
    /// What no policy can permit.
    pub limits: Limits,
    /// The copy of every wallet in MongoDB. Without a connection string wallets wait in the local store, where nothing is lost.
    pub sync: WalletSync,
    /// The keys that this installation makes.
    pub keys: Keys,
    /// What goes to the journal, or to the terminal where there is no journal.
    pub log: Log,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Socket {
    /// Absolute path of the socket, at most 107 bytes. With systemd socket activation, systemd's path is used instead.
    pub path: String,
    /// Octal permissions of the socket. Who can write to it can call; others may not be let in.
    pub mode: String,
    /// Group of the socket; empty for the daemon's own.
    pub group: String,
    /// Longest message or HTTP body, in bytes.
    #[schemars(range(min = 4096, max = 67_108_864))]
    pub max_message_bytes: u64,
    /// Most requests in one batch.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_batch_length: u64,
    /// Most open connections, the reserved ones included.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_connections: u64,
    /// Most open connections of one uid.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_connections_per_uid: u64,
    /// Connections of `max_connections` kept for callers who may freeze.
    #[schemars(range(max = 1024))]
    pub reserved_connections: u64,
    /// Most requests running at once on one connection.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_in_flight_per_connection: u64,
    /// Most requests running at once in all, the reserved ones included.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_in_flight: u64,
    /// Requests of `max_in_flight` kept for callers who may freeze.
    #[schemars(range(max = 1024))]
    pub reserved_in_flight: u64,
    /// Deepest nesting of JSON, the request's own object counted.
    #[schemars(range(min = 8, max = 127))]
    pub max_json_depth: u64,
    /// Seconds to finish a started message, and to take some part of an answer.
    #[schemars(range(min = 1, max = 600))]
    pub message_seconds: u64,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            path: "/run/kmsignd/kmsignd.sock".to_owned(),
            mode: "0660".to_owned(),
            group: "kmsign".to_owned(),
            max_message_bytes: 4 << 20,
            max_batch_length: 256,
            max_connections: 1024,
            max_connections_per_uid: 128,
            reserved_connections: 16,
            max_in_flight_per_connection: 128,
            max_in_flight: 1024,
            reserved_in_flight: 16,
            max_json_depth: 64,
            message_seconds: 30,
        }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Service {
    /// Seconds that running requests get to finish when the daemon stops. systemd's `TimeoutStopSec` must be longer.
    #[schemars(range(min = 1, max = 600))]
    pub drain_seconds: u64,
}

impl Default for Service {
    fn default() -> Self {
        Self { drain_seconds: 30 }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Store {
    /// Absolute path of the SQLite database. Its directory must be the daemon's own, on a local disk.
    pub path: String,
    /// Days for which the answer to a requestId is kept. The id itself is kept for good.
    #[schemars(range(min = 30, max = 3650))]
    pub answer_retention_days: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self { path: "/var/lib/kmsignd/kmsignd.db".to_owned(), answer_retention_days: 30 }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Kms {
    /// The AWS Region of the keys, such as `eu-central-1`. Needed, here or as `AWS_REGION`.
    pub region: Option<String>,
    /// Another address of KMS, such as a VPC endpoint. `https`, or `http` to a loopback address. Unset: AWS's own.
    pub endpoint_url: Option<String>,
    /// Another address of the Resource Groups Tagging API, which finds a key again whose creation was cut off. As `endpoint_url`.
    pub tagging_endpoint_url: Option<String>,
    /// Most signatures asked of KMS in a second. AWS's own quota is 1000, and 300 in older accounts, for all users of the account
    /// and Region together. (Keys are made at 5 a second at most, AWS's quota for that.)
    #[schemars(range(min = 1, max = 100_000))]
    pub requests_per_second: u64,
    /// Milliseconds to connect.
    #[schemars(range(min = 50, max = 60_000))]
    pub connect_timeout_ms: u64,
    /// Milliseconds for one attempt, connecting included. At least `connect_timeout_ms`.
    #[schemars(range(min = 100, max = 60_000))]
    pub attempt_timeout_ms: u64,
    /// Milliseconds for an operation with all its attempts. At least `attempt_timeout_ms`.
    #[schemars(range(min = 100, max = 300_000))]
    pub operation_timeout_ms: u64,
    /// Absolute path of the key policy (JSON, at most 32 KiB) that each new key gets. Unset: the account's default, which lets
    /// every principal with `kms:Sign` sign around this daemon.
    pub key_policy_file: Option<String>,
}

impl Default for Kms {
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            tagging_endpoint_url: None,
            requests_per_second: 1000,
            connect_timeout_ms: 1000,
            attempt_timeout_ms: 3000,
            operation_timeout_ms: 10_000,
            key_policy_file: None,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Networks {
    /// The network of BTC, LTC and DOGE where a call names none. Unset: `testnet`. Here or as `UTXO_NETWORK`.
    pub utxo: Option<String>,
    /// The network of ETH, BNB, POL and further EVM assets where a call names none. Unset: `sepolia`. Here or as `EVM_NETWORK`.
    pub evm: Option<String>,
    /// The network of XRP where a call names none. Unset: `testnet`.
    pub xrp: Option<String>,
    /// The network of SOL where a call names none. Unset: `testnet`.
    pub solana: Option<String>,
    /// The network of ADA where a call names none. Unset: `preprod`.
    pub cardano: Option<String>,
    /// Whether a PSBT's segwit inputs may come without the transactions that made them. Their amounts are then what the caller
    /// says; a signature commits to them, but to the amount of one input only, and two half-true PSBTs can burn coins as fees.
    pub allow_witness_utxo_only: bool,
    /// Further EVM chains, one table each.
    pub evm_chains: Vec<EvmChain>,
    /// Tokens whose amounts policies can judge, one table each. An amount of any other token is unknown.
    pub tokens: Vec<Token>,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Ticker of the coin of its chain, such as `ETH`.
    pub asset: String,
    /// Its network, such as `mainnet`.
    pub network: String,
    /// The contract's address; of Cardano `policyId.assetName`, both in hex, or the policy id alone where the name is empty. Tokens of XRP and
    /// Solana say their decimals themselves, or are counted whole.
    pub contract: String,
    /// Decimals of the token: policies see whole tokens, rounded up.
    #[schemars(range(max = 36))]
    pub decimals: u64,
}

/// A further EVM chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvmChain {
    /// Ticker of the coin that pays its fees, 1 to 16 of `A-Z 0-9`.
    pub asset: String,
    /// Name of the network, 1 to 32 of `a-z 0-9 -`.
    pub network: String,
    /// Its chain id (EIP-155).
    #[schemars(range(min = 1, max = 9_223_372_036_854_775_771_u64))]
    pub chain_id: u64,
    /// Whether its coins are worth nothing. Unset: false.
    #[serde(default)]
    pub testnet: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policy {
    /// Absolute path of the directory whose `*.cedar` files are the policy.
    #[schemars(extend("x-reload" = true))]
    pub directory: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self { directory: "/etc/kmsignd/policy.d".to_owned() }
    }
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    /// The highest fee of one transaction, one table an asset. An asset without one has no such limit.
    pub max_fee: Vec<MaxFee>,
}

/// A highest fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxFee {
    /// The ticker; an alias stands for its asset.
    pub asset: String,
    /// In satoshi, litoshi or koinu; for EVM assets in gwei.
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub amount: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WalletSync {
    /// MongoDB's connection string, `mongodb://` or `mongodb+srv://`. With a password in it, the file must not be readable for
    /// everybody. Writes wait for a majority and its journal, whatever the string says.
    #[schemars(with = "Option<String>")]
    pub mongodb_uri: Option<Secret>,
    /// A file that holds the connection string and nothing else: an absolute path, or the name of a systemd credential
    /// (`LoadCredential=`). Not readable for everybody. Instead of `mongodb_uri`.
    pub mongodb_uri_file: Option<String>,
    /// The database. Unset: the one that the connection string names, else `kmsignd`.
    pub database: Option<String>,
    /// The collection, one document a wallet.
    pub collection: String,
    /// Most wallets that may wait for MongoDB. At that many no wallet is made until it takes some; signing goes on. Acts only with
    /// a connection string.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_pending: u64,
}

impl Default for WalletSync {
    fn default() -> Self {
        Self {
            mongodb_uri: None,
            mongodb_uri_file: None,
            database: None,
            collection: "wallets".to_owned(),
            max_pending: 1_000_000,
        }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keys {
    /// Name of this installation, tagged on each key it makes: 1 to 64 of `A-Z a-z 0-9 . _ -`. Give each installation in one
    /// AWS account its own.
    pub deployment: String,
    /// Seconds for which the key of a wallet whose creation was cut off is looked for before one more is made. KMS's tags take
    /// minutes to show: less than 900 risks a second key, which is then listed as an orphan.
    #[schemars(range(min = 1, max = 86_400))]
    pub reconcile_grace_seconds: u64,
    /// Whether kms_deleteKey may schedule the deletion of keys, which loses for good whatever their addresses hold. The policy's
    /// `delete` and the IAM permission kms:ScheduleKeyDeletion are needed besides; nobody has either as packaged.
    pub allow_deletion: bool,
    /// Days from kms_deleteKey to the deletion, where the call names none.
    #[schemars(range(min = 7, max = 30))]
    pub deletion_window_days: u64,
    /// Most DescribeKey requests in a second that compare the keys' states in KMS with the wallets', one after the other and round
    /// again. 0: no key is looked at unless it refuses to sign. KMS counts these requests like any others.
    #[schemars(range(max = 100))]
    pub drift_checks_per_second: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            deployment: "kmsignd".to_owned(),
            reconcile_grace_seconds: 900,
            allow_deletion: false,
            deletion_window_days: 7,
            drift_checks_per_second: 5,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    /// The least important messages that are written.
    pub level: LogLevel,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// As `tracing` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
