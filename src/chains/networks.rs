//! Which assets and networks exist, and which one a caller means. A new EVM network is a row of the configuration, or here one
//! more row of [`BUILT_IN`]; a coin like Bitcoin is a row here.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::AddressType;
use super::cardano::CardanoNetwork;
use super::utxo::{UtxoParams, params};
use crate::keys::KeySpec;

/// How a network makes addresses and signatures. Private to chains, so that no other module can branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Utxo(UtxoParams),
    Evm { chain_id: u64 },
    Xrp,
    Solana,
    Cardano(CardanoNetwork),
}

use Family::{Cardano, Evm, Solana, Utxo, Xrp};

/// Asset, network, how it works. The first row of an asset is its main network, the second its own test network, which a
/// default that the asset lacks becomes.
///
/// Address versions and prefixes are those of each coin's node: `chainparams.cpp` of Bitcoin Core, Litecoin Core and Dogecoin
/// Core, and BIP-173 and BIP-325. Chain ids: <https://eips.ethereum.org/EIPS/eip-155> and <https://chainid.network>.
pub(super) const BUILT_IN: &[(&str, &str, Family)] = &[
    ("BTC", "mainnet", Utxo(params(0x00, 0x05).segwit("bc"))),
    ("BTC", "testnet", Utxo(params(0x6f, 0xc4).segwit("tb"))),
    ("BTC", "signet", Utxo(params(0x6f, 0xc4).segwit("tb"))),
    ("BTC", "regtest", Utxo(params(0x6f, 0xc4).segwit("bcrt"))),
    ("LTC", "mainnet", Utxo(params(0x30, 0x32).legacy_p2sh(0x05).segwit("ltc"))),
    ("LTC", "testnet", Utxo(params(0x6f, 0x3a).legacy_p2sh(0xc4).segwit("tltc"))),
    ("LTC", "regtest", Utxo(params(0x6f, 0x3a).legacy_p2sh(0xc4).segwit("rltc"))),
    ("DOGE", "mainnet", Utxo(params(0x1e, 0x16))),
    ("DOGE", "testnet", Utxo(params(0x71, 0xc4))),
    ("DOGE", "regtest", Utxo(params(0x6f, 0xc4))),
    ("ETH", "mainnet", Evm { chain_id: 1 }),
    ("ETH", "sepolia", Evm { chain_id: 11_155_111 }),
    ("ETH", "hoodi", Evm { chain_id: 560_048 }),
    ("ETH", "holesky", Evm { chain_id: 17_000 }),
    ("ETH", "goerli", Evm { chain_id: 5 }),
    ("BNB", "mainnet", Evm { chain_id: 56 }),
    ("BNB", "testnet", Evm { chain_id: 97 }),
    ("POL", "mainnet", Evm { chain_id: 137 }),
    ("POL", "amoy", Evm { chain_id: 80_002 }),
    ("XRP", "mainnet", Xrp),
    ("XRP", "testnet", Xrp),
    ("XRP", "devnet", Xrp),
    ("SOL", "mainnet", Solana),
    ("SOL", "testnet", Solana),
    ("SOL", "devnet", Solana),
    ("ADA", "mainnet", Cardano(CardanoNetwork::Mainnet)),
    ("ADA", "preprod", Cardano(CardanoNetwork::Testnet)),
    ("ADA", "preview", Cardano(CardanoNetwork::Testnet)),
];

/// Other tickers under which an asset is known.
const ALIASES: &[(&str, &[&str])] = &[("BNB", &["BSC"]), ("POL", &["POLYGON", "MATIC"])];

/// The families by their names, which are those of their defaults in the configuration, with the network that a call means where
/// neither it nor the configuration names one.
const FAMILIES: [(&str, &str); 5] = [("utxo", "testnet"), EVM, ("xrp", "testnet"), ("solana", "testnet"), ("cardano", "preprod")];
const EVM: (&str, &str) = ("evm", "sepolia");

/// The largest chain id whose EIP-155 `v` fits 64 bits (EIP-2294).
const MAX_CHAIN_ID: u64 = u64::MAX / 2 - 36;

/// The network of each family that a call without `network` means; `None` is the family's test network.
#[derive(Debug, Clone, Default)]
pub struct NetworkDefaults {
    pub utxo: Option<String>,
    pub evm: Option<String>,
    pub xrp: Option<String>,
    pub solana: Option<String>,
    pub cardano: Option<String>,
}

impl NetworkDefaults {
    fn of(&self, family: &str) -> Option<&str> {
        match family {
            "utxo" => self.utxo.as_deref(),
            "evm" => self.evm.as_deref(),
            "xrp" => self.xrp.as_deref(),
            "solana" => self.solana.as_deref(),
            _ => self.cardano.as_deref(),
        }
    }
}

/// A further EVM chain, as the configuration names it.
#[derive(Debug, Clone)]
pub struct EvmChain {
    /// Ticker of the coin that pays its fees, 1..16 of `A-Z0-9`; an alias stands for its asset.
    pub asset: String,
    /// 1..32 of `a-z0-9-`.
    pub network: String,
    pub chain_id: u64,
    /// Its coins are worth nothing. Unless said so, a chain counts as a main network.
    pub testnet: bool,
}

/// Why the configured networks can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkConfigError {
    #[error("networks.{family} is \"{value}\", which is no {family} network; expected one of {accepted}")]
    UnknownDefault { family: &'static str, value: String, accepted: String },
    #[error("networks.evm_chains: asset \"{0}\" must be 1 to 16 of A-Z 0-9")]
    Asset(String),
    #[error("networks.evm_chains: {0} is not an EVM asset")]
    ForeignAsset(String),
    #[error("networks.evm_chains: network \"{0}\" must be 1 to 32 of a-z 0-9 -")]
    Network(String),
    #[error("networks.evm_chains: chain_id {0} must be between 1 and {MAX_CHAIN_ID}")]
    ChainId(u64),
    #[error("networks.evm_chains: {0} is there already")]
    Duplicate(Network),
    #[error("networks.evm_chains: chain_id {chain_id} of {network} is taken by {by}")]
    DuplicateChainId { chain_id: u64, network: Network, by: Network },
}

/// Why an asset and a network are no network. The sentence completes "`field` ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("must be one of {accepted}")]
    UnknownAsset { accepted: String },
    #[error("must be one of {accepted} for {asset}")]
    UnknownNetwork { asset: String, accepted: String },
    #[error("is needed: {asset} has no default network; expected one of {accepted}")]
    NoDefault { asset: String, accepted: String },
}

impl ResolveError {
    /// The parameter that is wrong: `asset` or `network`.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::UnknownAsset { .. } => "asset",
            Self::UnknownNetwork { .. } | Self::NoDefault { .. } => "network",
        }
    }
}

/// One network of one asset, such as BTC signet. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Network(Arc<Row>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    asset: Cow<'static, str>,
    network: Cow<'static, str>,
    mainnet: bool,
    family: Family,
}

impl Network {
    /// The canonical ticker: upper case, never an alias.
    pub fn asset(&self) -> &str {
        &self.0.asset
    }

    /// The network's name in lower case.
    pub fn network(&self) -> &str {
        &self.0.network
    }

    /// `utxo`, `evm`, `xrp`, `solana` or `cardano`.
    pub fn family(&self) -> &'static str {
        match self.0.family {
            Utxo(_) => "utxo",
            Evm { .. } => "evm",
            Xrp => "xrp",
            Solana => "solana",
            Cardano(_) => "cardano",
        }
    }

    /// The kind of key its wallets have.
    pub fn key_spec(&self) -> KeySpec {
        match self.0.family {
            Utxo(_) | Evm { .. } | Xrp => KeySpec::EccSecgP256k1,
            Solana | Cardano(_) => KeySpec::EccNistEdwards25519,
        }
    }

    /// The address types a wallet can have here; the first is the default.
    pub fn address_types(&self) -> &'static [AddressType] {
        match self.0.family {
            Utxo(params) if params.has_segwit() => &[AddressType::P2wpkh, AddressType::P2shP2wpkh, AddressType::P2pkh],
            Utxo(_) => &[AddressType::P2pkh],
            Evm { .. } => &[AddressType::Eip55],
            Xrp => &[AddressType::Classic],
            Solana => &[AddressType::Base58],
            Cardano(_) => &[AddressType::Enterprise, AddressType::Base],
        }
    }

    pub fn default_address_type(&self) -> AddressType {
        match self.0.family {
            Utxo(params) if params.has_segwit() => AddressType::P2wpkh,
            Utxo(_) => AddressType::P2pkh,
            Evm { .. } => AddressType::Eip55,
            Xrp => AddressType::Classic,
            Solana => AddressType::Base58,
            Cardano(_) => AddressType::Enterprise,
        }
    }

    /// Whether its coins are worth money.
    pub fn is_mainnet(&self) -> bool {
        self.0.mainnet
    }

    /// The EIP-155 chain id of an EVM network.
    pub fn chain_id(&self) -> Option<u64> {
        match self.0.family {
            Utxo(_) | Xrp | Solana | Cardano(_) => None,
            Evm { chain_id } => Some(chain_id),
        }
    }

    /// Other tickers for its asset.
    pub fn aliases(&self) -> &'static [&'static str] {
        ALIASES.iter().find(|(asset, _)| *asset == self.asset()).map_or(&[], |(_, aliases)| aliases)
    }

    pub(super) fn params(&self) -> Family {
        self.0.family
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.asset(), self.network())
    }
}

/// Every network of this installation. Built once, from the configuration.
#[derive(Debug)]
pub struct Networks {
    networks: Vec<Network>,
    /// One of each family.
    defaults: Vec<Network>,
    evm_default: Network,
}

impl Networks {
    /// Puts the configured chains beside the built-in ones.
    ///
    /// # Errors
    ///
    /// If a default names no network of its family, or a chain is malformed or there already: two names for one chain id would
    /// let a rule about the one be passed by through the other.
    pub fn new(defaults: &NetworkDefaults, evm_chains: &[EvmChain]) -> Result<Self, NetworkConfigError> {
        let built_in = BUILT_IN.iter().map(|&(asset, network, family)| {
            Network(Arc::new(Row { asset: asset.into(), network: network.into(), mainnet: network == "mainnet", family }))
        });
        let mut networks: Vec<Network> = built_in.collect();
        for chain in evm_chains {
            let network = configured(&networks, chain)?;
            networks.push(network);
        }
        let default = |(family, unset)| family_default(&networks, family, defaults.of(family).unwrap_or(unset));
        let family_defaults = FAMILIES.into_iter().map(default).collect::<Result<Vec<_>, _>>()?;
        let evm_default = default(EVM)?;
        Ok(Self { networks, defaults: family_defaults, evm_default })
    }

    /// The network that `asset` and `network` mean, in any case. Without `network` it is the family's default, or the asset's
    /// own test network where it has none of that name: only a default that says so gives a main network.
    pub fn resolve(&self, asset: &str, network: Option<&str>) -> Result<Network, ResolveError> {
        let Some(canonical) = self.canonical_asset(asset) else {
            let accepted = self.accepted_assets();
            return Err(ResolveError::UnknownAsset { accepted });
        };
        let found = match network {
            Some(name) => find(&self.networks, canonical, name),
            None => self.default_of(canonical),
        };
        found.cloned().ok_or_else(|| {
            let accepted = list(of(&self.networks, canonical).map(Network::network));
            let asset = canonical.to_owned();
            if network.is_some() {
                ResolveError::UnknownNetwork { asset, accepted }
            } else {
                ResolveError::NoDefault { asset, accepted }
            }
        })
    }

    /// The ticker an asset is kept under: `bsc` gives `BNB`. `None` if no such asset is served.
    pub fn canonical_asset(&self, ticker: &str) -> Option<&str> {
        let ticker = unalias(ticker);
        self.networks.iter().map(Network::asset).find(|asset| asset.eq_ignore_ascii_case(ticker))
    }

    /// The EVM network that the configured default names: the first of that name, ETH's before others'.
    pub const fn default_evm(&self) -> &Network {
        &self.evm_default
    }

    /// All networks: the built-in ones, asset by asset, then the configured ones.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.networks.iter()
    }

    fn default_of(&self, asset: &str) -> Option<&Network> {
        let mut networks = of(&self.networks, asset);
        let family = networks.next()?.family();
        let default = self.defaults.iter().find(|network| network.family() == family)?;
        find(&self.networks, asset, default.network()).or_else(|| of(&self.networks, asset).find(|n| !n.is_mainnet()))
    }

    fn accepted_assets(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for network in &self.networks {
            if !names.contains(&network.asset()) {
                names.push(network.asset());
                names.extend(network.aliases());
            }
        }
        list(names)
    }
}

fn of<'a>(networks: &'a [Network], asset: &str) -> impl Iterator<Item = &'a Network> {
    networks.iter().filter(move |n| n.asset() == asset)
}

fn find<'a>(networks: &'a [Network], asset: &str, network: &str) -> Option<&'a Network> {
    of(networks, asset).find(|n| n.network().eq_ignore_ascii_case(network))
}

/// The first network of `family` that is called `name`.
fn family_default(networks: &[Network], family: &'static str, name: &str) -> Result<Network, NetworkConfigError> {
    let mut accepted: Vec<&str> = Vec::new();
    for network in networks.iter().filter(|n| n.family() == family) {
        if network.network().eq_ignore_ascii_case(name) {
            return Ok(network.clone());
        }
        if !accepted.contains(&network.network()) {
            accepted.push(network.network());
        }
    }
    Err(NetworkConfigError::UnknownDefault { family, value: name.to_owned(), accepted: list(accepted) })
}

/// The network of a configured chain, if it can stand beside those there already.
fn configured(networks: &[Network], chain: &EvmChain) -> Result<Network, NetworkConfigError> {
    let &EvmChain { chain_id, testnet, .. } = chain;
    let asset = unalias(&chain.asset).to_ascii_uppercase();
    let name = chain.network.to_ascii_lowercase();
    if !(1..=16).contains(&asset.len()) || !asset.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(NetworkConfigError::Asset(asset));
    }
    if !(1..=32).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(NetworkConfigError::Network(name));
    }
    if !(1..=MAX_CHAIN_ID).contains(&chain_id) {
        return Err(NetworkConfigError::ChainId(chain_id));
    }
    if of(networks, &asset).any(|n| n.family() != "evm") {
        return Err(NetworkConfigError::ForeignAsset(asset));
    }
    let row = Row { asset: asset.into(), network: name.into(), mainnet: !testnet, family: Evm { chain_id } };
    let network = Network(Arc::new(row));
    if find(networks, network.asset(), network.network()).is_some() {
        return Err(NetworkConfigError::Duplicate(network));
    }
    match networks.iter().find(|n| n.chain_id() == Some(chain_id)) {
        Some(by) => Err(NetworkConfigError::DuplicateChainId { chain_id, network, by: by.clone() }),
        None => Ok(network),
    }
}

/// The asset behind an alias; any other text as it is.
fn unalias(ticker: &str) -> &str {
    let known = |aliases: &[&str]| aliases.iter().any(|alias| alias.eq_ignore_ascii_case(ticker));
    ALIASES.iter().find(|(_, aliases)| known(aliases)).map_or(ticker, |(asset, _)| asset)
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
