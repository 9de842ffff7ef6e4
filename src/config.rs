//! The configuration: `kmsignd.toml`, then `KMSIGND__SECTION__KEY`, then the plain names that the exchange and AWS already use.
//!
//! A [`Config`] is valid as a whole: every key is known, of the right type and range, and fits the others. A file that others
//! could have written is refused, and nothing that can't be read ever becomes a default. AWS's credentials stay with AWS's own
//! chain; the one secret here is MongoDB's connection string, a [`Secret`], which nothing shows.

mod environment;
mod file;
mod keys;
mod merge;
mod policy_dir;
mod reference;
mod secret;
mod trusted_file;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::ids::{Deployment, Region};
pub use environment::{Environment, PLAIN_NAMES};
pub use file::{EvmChain, LogLevel, MaxFee, Token};
pub use merge::Problem;
use merge::{Merged, Origins, merge};
pub use policy_dir::{PolicyDirError, load_policies, read_sources};
pub use reference::{packaged_file, reference};
pub use secret::Secret;
use trusted_file::check_unreadable;
pub use trusted_file::{ReadError, check_directory, check_place, check_writable_by_us_alone, read_secret, read_trusted};

/// Largest configuration file, in bytes.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;
/// Largest key policy, in bytes: KMS's own limit.
pub const MAX_KEY_POLICY_BYTES: usize = 32 << 10;
/// Largest file with a connection string, in bytes.
pub const MAX_URI_BYTES: usize = 16 << 10;
/// Either holds MongoDB's connection string.
const URI_KEYS: [&str; 2] = ["sync.mongodb_uri", "sync.mongodb_uri_file"];

/// A valid configuration. What each key means is in `docs/configuration.md`.
#[derive(Debug, Clone)]
pub struct Config {
    pub socket: SocketConfig,
    /// How long running requests may finish when the daemon stops.
    pub drain_time: Duration,
    pub store: StoreConfig,
    pub kms: KmsConfig,
    pub networks: NetworksConfig,
    /// As they were written, as the networks' names are.
    pub max_fee: Vec<MaxFee>,
    pub policy_directory: PathBuf,
    /// `None`: wallets wait in the outbox.
    pub sync: Option<SyncConfig>,
    pub deployment: Deployment,
    /// How long a key is looked for before one more is made.
    pub reconcile_grace: Duration,
    pub keys: KeysConfig,
    pub log_level: LogLevel,
    values: BTreeMap<String, Value>,
    /// The file itself has a password in it.
    file_is_secret: bool,
}

#[derive(Debug, Clone)]
pub struct SocketConfig {
    pub path: PathBuf,
    /// Permission bits, 0600 to 0770.
    pub mode: u32,
    /// `None` is the daemon's own group.
    pub group: Option<String>,
    pub max_message_bytes: usize,
    pub max_batch_length: usize,
    pub max_connections: usize,
    pub max_connections_per_uid: usize,
    pub reserved_connections: usize,
    pub max_in_flight_per_connection: usize,
    pub max_in_flight: usize,
    pub reserved_in_flight: usize,
    pub max_json_depth: usize,
    pub message_time: Duration,
}

#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub path: PathBuf,
    pub answer_retention: Duration,
}

#[derive(Debug, Clone)]
pub struct KmsConfig {
    pub region: Region,
    pub endpoint_url: Option<String>,
    pub tagging_endpoint_url: Option<String>,
    pub requests_per_second: u32,
    pub connect_timeout: Duration,
    pub attempt_timeout: Duration,
    pub operation_timeout: Duration,
    /// The text of `key_policy_file`: a JSON object.
    pub key_policy: Option<String>,
}

/// What is done with keys once they are made.
#[derive(Debug, Clone)]
pub struct KeysConfig {
    pub allow_deletion: bool,
    /// 7..30.
    pub deletion_window_days: u8,
    /// 0..100; 0 looks at no key that does not refuse to sign.
    pub drift_checks_per_second: u32,
}

/// Where wallets are copied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncConfig {
    /// As it was written: MongoDB's driver says whether it is a connection string.
    pub mongodb_uri: Secret,
    /// `None`: the one that the connection string names, else `kmsignd`.
    pub database: Option<String>,
    pub collection: String,
    /// At so many wallets in the outbox no wallet is made.
    pub max_pending: u64,
}

/// Names as they were written: the registry of networks knows which exist, and names the key if one does not.
#[derive(Debug, Clone)]
pub struct NetworksConfig {
    pub utxo: Option<String>,
    pub evm: Option<String>,
    pub xrp: Option<String>,
    pub solana: Option<String>,
    pub cardano: Option<String>,
    pub evm_chains: Vec<EvmChain>,
    pub tokens: Vec<Token>,
    pub allow_witness_utxo_only: bool,
}

/// A key whose value differs between two configurations.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub key: String,
    /// The new value is in force after a restart only.
    pub needs_restart: bool,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{file} is not the TOML it should be: {message}")]
    Syntax { file: String, message: String },
    /// Everything that is wrong, not only the first.
    #[error("{}", join(.0))]
    Invalid(Vec<Problem>),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.origin, self.key, self.problem)
    }
}

fn join(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Config {
    /// Reads and checks the file at `path` and the variables that override it.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = read_trusted(path, MAX_CONFIG_BYTES)?;
        let config = Self::from_toml(&path.display().to_string(), &text, environment)?;
        if config.file_is_secret {
            check_unreadable(path)?;
        }
        Ok(config)
    }

    /// As [`Config::load`], from a text; `name` stands for the file in errors. Only the files that keys name are still read.
    pub fn from_toml(name: &str, text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        let Merged { file, values, origins } = merge(name, text, environment)?;
        let mut check = Check { origins: &origins, problems: Vec::new() };
        let config = Self::build(file, values, environment, &mut check);
        match config {
            Some(config) if check.problems.is_empty() => Ok(config),
            _ => Err(ConfigError::Invalid(check.problems)),
        }
    }

    /// Keys whose values differ in `newer`, by name.
    pub fn changes(&self, newer: &Self) -> Vec<Change> {
        let reloads: Vec<String> = keys::sections()
            .iter()
            .flat_map(|section| section.keys.iter().filter(|key| key.reloads).map(|key| format!("{}.{}", section.name, key.name)))
            .collect();
        let policy_edited = self.kms.key_policy != newer.kms.key_policy;
        let uri = |config: &Self| config.sync.as_ref().map(|sync| sync.mongodb_uri.clone());
        let uri_edited = uri(self) != uri(newer);
        self.values
            .iter()
            .filter(|(key, value)| {
                newer.values.get(*key) != Some(*value)
                    || (policy_edited && key.as_str() == "kms.key_policy_file")
                    || (uri_edited && !value.is_null() && URI_KEYS.contains(&key.as_str()))
            })
            .map(|(key, _)| Change { key: key.clone(), needs_restart: !reloads.contains(key) })
            .collect()
    }

    /// `None` only if a problem was noted.
    fn build(
        file: file::File,
        values: BTreeMap<String, Value>,
        environment: &Environment,
        check: &mut Check<'_>,
    ) -> Option<Self> {
        let file::File { socket, service, store, kms, networks, policy, limits, sync, keys, log } = file;
        let socket = check.socket(socket);
        let store_path = check.absolute("store.path", &store.path);
        let kms = check.kms(kms);
        let policy_directory = check.absolute("policy.directory", &policy.directory);
        let file_is_secret = check.origins.is_the_file("sync.mongodb_uri")
            && sync.mongodb_uri.as_ref().is_some_and(|uri| uri.expose().contains('@'));
        let sync = check.sync(sync, environment);
        let deployment = check.parse("keys.deployment", &keys.deployment);
        Some(Self {
            socket: socket?,
            drain_time: Duration::from_secs(service.drain_seconds),
            store: StoreConfig {
                path: store_path?,
                answer_retention: Duration::from_secs(store.answer_retention_days.saturating_mul(24 * 60 * 60)),
            },
            kms: kms?,
            networks: NetworksConfig {
                utxo: networks.utxo,
                evm: networks.evm,
                xrp: networks.xrp,
                solana: networks.solana,
                cardano: networks.cardano,
                evm_chains: networks.evm_chains,
                tokens: networks.tokens,
                allow_witness_utxo_only: networks.allow_witness_utxo_only,
            },
            max_fee: limits.max_fee,
            policy_directory: policy_directory?,
            sync: sync.ok()?,
            deployment: deployment?,
            reconcile_grace: Duration::from_secs(keys.reconcile_grace_seconds),
            keys: KeysConfig {
                allow_deletion: keys.allow_deletion,
                deletion_window_days: u8::try_from(keys.deletion_window_days).unwrap_or(u8::MAX),
                drift_checks_per_second: u32::try_from(keys.drift_checks_per_second).unwrap_or(u32::MAX),
            },
            log_level: log.level,
            values,
            file_is_secret,
        })
    }
}

/// Notes every problem and goes on, so that one run shows them all.
struct Check<'o> {
    origins: &'o Origins,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn refuse(&mut self, key: &str, problem: impl Into<String>) {
        self.problems.push(self.origins.problem(key, problem));
    }

    fn at_most(&mut self, (key, value): (&str, u64), (other_key, other): (&str, u64)) {
        if value > other {
            self.refuse(key, format!("is {value}, more than {other_key}, which is {other}"));
        }
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&mut self, key: &str, text: &str) -> Option<T> {
        text.parse().map_err(|problem: T::Err| self.refuse(key, problem.to_string())).ok()
    }

    fn absolute(&mut self, key: &str, text: &str) -> Option<PathBuf> {
        if text.starts_with('/') && !text.contains('\0') {
            return Some(PathBuf::from(text));
        }
        self.refuse(key, "must be an absolute path");
        None
    }

    fn socket(&mut self, socket: file::Socket) -> Option<SocketConfig> {
        /// `sun_path` of a Unix socket holds 108 bytes, the last one zero.
        const MAX_PATH_BYTES: usize = 107;
        let path = self.absolute("socket.path", &socket.path);
        if socket.path.len() > MAX_PATH_BYTES {
            self.refuse("socket.path", format!("must be at most {MAX_PATH_BYTES} bytes long, but has {}", socket.path.len()));
        }
        let mode = u32::from_str_radix(&socket.mode, 8).ok().filter(|mode| mode & 0o600 == 0o600 && mode & !0o770 == 0);
        if mode.is_none() {
            self.refuse(
                "socket.mode",
                "must be an octal mode from 0600 to 0770 that the owner can read and write, such as \"0660\"",
            );
        }
        let all_connections = ("socket.max_connections", socket.max_connections);
        self.at_most(("socket.max_connections_per_uid", socket.max_connections_per_uid), all_connections);
        self.at_most(("socket.reserved_connections", socket.reserved_connections.saturating_add(1)), all_connections);
        let all_in_flight = ("socket.max_in_flight", socket.max_in_flight);
        self.at_most(("socket.max_in_flight_per_connection", socket.max_in_flight_per_connection), all_in_flight);
        self.at_most(("socket.reserved_in_flight", socket.reserved_in_flight.saturating_add(1)), all_in_flight);
        Some(SocketConfig {
            path: path?,
            mode: mode?,
            group: Some(socket.group).filter(|group| !group.is_empty()),
            max_message_bytes: size(socket.max_message_bytes),
            max_batch_length: size(socket.max_batch_length),
            max_connections: size(socket.max_connections),
            max_connections_per_uid: size(socket.max_connections_per_uid),
            reserved_connections: size(socket.reserved_connections),
            max_in_flight_per_connection: size(socket.max_in_flight_per_connection),
            max_in_flight: size(socket.max_in_flight),
            reserved_in_flight: size(socket.reserved_in_flight),
            max_json_depth: size(socket.max_json_depth),
            message_time: Duration::from_secs(socket.message_seconds),
        })
    }

    fn kms(&mut self, kms: file::Kms) -> Option<KmsConfig> {
        let region = match &kms.region {
            Some(region) => self.parse("kms.region", region),
            None => {
                self.refuse("kms.region", "is needed: write it into the file or set AWS_REGION");
                None
            }
        };
        for (key, url) in [("kms.endpoint_url", &kms.endpoint_url), ("kms.tagging_endpoint_url", &kms.tagging_endpoint_url)] {
            if url.as_deref().is_some_and(|url| !is_endpoint(url)) {
                self.refuse(key, "must be https://HOST[:PORT], or http:// with a loopback address");
            }
        }
        let (connect, attempt) = (kms.connect_timeout_ms, kms.attempt_timeout_ms);
        self.at_most(("kms.connect_timeout_ms", connect), ("kms.attempt_timeout_ms", attempt));
        self.at_most(("kms.attempt_timeout_ms", attempt), ("kms.operation_timeout_ms", kms.operation_timeout_ms));
        Some(KmsConfig {
            key_policy: kms.key_policy_file.as_deref().and_then(|path| self.key_policy(path)),
            region: region?,
            endpoint_url: kms.endpoint_url,
            tagging_endpoint_url: kms.tagging_endpoint_url,
            requests_per_second: u32::try_from(kms.requests_per_second).unwrap_or(u32::MAX),
            connect_timeout: Duration::from_millis(connect),
            attempt_timeout: Duration::from_millis(attempt),
            operation_timeout: Duration::from_millis(kms.operation_timeout_ms),
        })
    }

    fn sync(&mut self, sync: file::WalletSync, environment: &Environment) -> Result<Option<SyncConfig>, Refused> {
        /// MongoDB's own limits for names.
        const MAX_NAME_BYTES: usize = 63;
        const NOT_IN_DATABASE: &[char] = &['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'];
        let file::WalletSync { mongodb_uri, mongodb_uri_file, database, collection, max_pending } = sync;
        let is_database = |name: &String| (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(NOT_IN_DATABASE);
        if database.as_ref().is_some_and(|name| !is_database(name)) {
            self.refuse("sync.database", "must be 1 to 63 bytes without any of / \\ . \" $ * < > : | ? and blanks");
        }
        let is_collection = (1..=MAX_NAME_BYTES).contains(&collection.len())
            && !collection.contains(['$', '\0'])
            && !collection.starts_with("system.");
        if !is_collection {
            self.refuse("sync.collection", "must be 1 to 63 bytes without $, and must not start with system.");
        }
        let mongodb_uri = match (mongodb_uri, mongodb_uri_file) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                self.refuse("sync.mongodb_uri", "is set, and sync.mongodb_uri_file too; keep one of them");
                return Err(Refused);
            }
            (Some(uri), None) => uri,
            (None, Some(name)) => self.uri_file(&name, environment).ok_or(Refused)?,
        };
        Ok(Some(SyncConfig { mongodb_uri, database, collection, max_pending }))
    }

    /// Reads the file with the connection string: by its path, or by its name among the unit's credentials.
    fn uri_file(&mut self, name: &str, environment: &Environment) -> Option<Secret> {
        const KEY: &str = "sync.mongodb_uri_file";
        let path = match environment.credentials_directory() {
            _ if name.starts_with('/') => self.absolute(KEY, name)?,
            _ if name.is_empty() || name.contains('/') || name == ".." => {
                self.refuse(KEY, "must be an absolute path, or the bare name of a systemd credential");
                return None;
            }
            Some(directory) => directory.join(name),
            None => {
                self.refuse(KEY, "is a bare name, but systemd gave no credentials (CREDENTIALS_DIRECTORY is not set)");
                return None;
            }
        };
        match read_secret(&path, MAX_URI_BYTES) {
            Ok(text) => Some(Secret::from(text.trim_end_matches(['\n', '\r']).to_owned())),
            Err(error) => {
                self.refuse(KEY, format!("names a file that was refused: {error}"));
                None
            }
        }
    }

    fn key_policy(&mut self, path: &str) -> Option<String> {
        const KEY: &str = "kms.key_policy_file";
        let path = self.absolute(KEY, path)?;
        let text = match read_trusted(&path, MAX_KEY_POLICY_BYTES) {
            Ok(text) => text,
            Err(error) => {
                self.refuse(KEY, format!("names a file that was refused: {error}"));
                return None;
            }
        };
        if !serde_json::from_str::<Value>(&text).is_ok_and(|policy| policy.is_object()) {
            self.refuse(KEY, "must name a file with one JSON object");
        }
        Some(text)
    }
}

/// What is wrong with a section is among the problems.
struct Refused;

/// Plain HTTP lets anybody on the way read and answer requests, so it stays on this machine.
fn is_endpoint(url: &str) -> bool {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let bare = uri.path().len() <= 1 && uri.query().is_none() && uri.authority().is_some_and(|it| !it.as_str().contains('@'));
    bare && !host.is_empty() && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && loopback))
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
