//! What differs between blockchains: networks, addresses. Pure: nothing here reaches a network, a file, a store or a clock,
//! and no other module can tell which family a chain is of except by asking here.

pub mod cardano;
pub mod decoded;
pub mod effects;
pub mod evm;
pub mod fee_limits;
pub mod networks;
pub mod solana;
pub mod text;
pub mod tokens;
pub mod utxo;
pub mod xrp;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::keys::{KeySpec, PublicKey};
use cardano::stake::StakeKeyHash;
use networks::{Family, Network};

/// The longest text that is looked at as an address, in bytes: Cardano's base addresses of test networks have 108.
pub const MAX_ADDRESS_BYTES: usize = 128;

/// How a wallet's address is made from its public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressType {
    /// Native segregated witness, BIP-84.
    P2wpkh,
    /// Segregated witness within P2SH, BIP-49.
    P2shP2wpkh,
    /// The oldest form, BIP-44.
    P2pkh,
    /// Ethereum's, with the checksum of EIP-55.
    Eip55,
    /// The XRP Ledger's, of an AccountID.
    Classic,
    /// Solana's: the public key itself.
    Base58,
    /// Cardano's without a stake part, CIP-19 type 6.
    Enterprise,
    /// Cardano's with the hash of a stake key, CIP-19 type 0.
    Base,
}

impl AddressType {
    pub const ALL: [Self; 8] =
        [Self::P2wpkh, Self::P2shP2wpkh, Self::P2pkh, Self::Eip55, Self::Classic, Self::Base58, Self::Enterprise, Self::Base];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P2wpkh => "p2wpkh",
            Self::P2shP2wpkh => "p2sh-p2wpkh",
            Self::P2pkh => "p2pkh",
            Self::Eip55 => "eip55",
            Self::Classic => "classic",
            Self::Base58 => "base58",
            Self::Enterprise => "enterprise",
            Self::Base => "base",
        }
    }
}

/// Why an address type is refused. The sentence completes "`addressType` ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressTypeError {
    #[error("must be one of p2wpkh, p2sh-p2wpkh, p2pkh, eip55, classic, base58, enterprise, base")]
    Unknown,
    #[error("p2tr is not served: taproot needs Schnorr signatures, which KMS does not make")]
    Taproot,
    #[error("must be one of {accepted} for {asset}")]
    NotOfNetwork { asset: String, accepted: String },
}

impl FromStr for AddressType {
    type Err = AddressTypeError;

    fn from_str(text: &str) -> Result<Self, AddressTypeError> {
        match Self::ALL.into_iter().find(|known| known.as_str() == text) {
            Some(known) => Ok(known),
            None if text == "p2tr" => Err(AddressTypeError::Taproot),
            None => Err(AddressTypeError::Unknown),
        }
    }
}

impl fmt::Display for AddressType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for AddressType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AddressType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Network {
    /// The address type a new wallet gets: the asked one if this network has it, else the network's default.
    pub fn choose_address_type(&self, asked: Option<AddressType>) -> Result<AddressType, AddressTypeError> {
        match asked {
            None => Ok(self.default_address_type()),
            Some(asked) if self.address_types().contains(&asked) => Ok(asked),
            Some(_) => {
                let accepted: Vec<_> = self.address_types().iter().map(|known| known.as_str()).collect();
                Err(AddressTypeError::NotOfNetwork { asset: self.asset().to_owned(), accepted: accepted.join(", ") })
            }
        }
    }
}

/// An address in its canonical form: bech32 in lower case, Litecoin's P2SH as M or Q, EIP-55's checksum. Only made by deriving or
/// parsing one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an address pays to, as far as the address tells: which script a `p2sh` hides it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    P2pkh,
    P2sh,
    P2wpkh,
    P2wsh,
    P2tr,
    Eip55,
    Classic,
    /// A classic address with a destination tag or the word that there is none, in one text (XLS-5).
    XAddress,
    Base58,
    Enterprise,
    /// Payment and stake part, CIP-19 types 0 to 3.
    Base,
    /// CIP-19 types 4 and 5.
    Pointer,
    /// Cardano's first form, in base58.
    Byron,
}

impl AddressKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P2pkh => "p2pkh",
            Self::P2sh => "p2sh",
            Self::P2wpkh => "p2wpkh",
            Self::P2wsh => "p2wsh",
            Self::P2tr => "p2tr",
            Self::Eip55 => "eip55",
            Self::Classic => "classic",
            Self::XAddress => "x-address",
            Self::Base58 => "base58",
            Self::Enterprise => "enterprise",
            Self::Base => "base",
            Self::Pointer => "pointer",
            Self::Byron => "byron",
        }
    }
}

impl From<AddressType> for AddressKind {
    fn from(address_type: AddressType) -> Self {
        match address_type {
            AddressType::P2wpkh => Self::P2wpkh,
            AddressType::P2shP2wpkh => Self::P2sh,
            AddressType::P2pkh => Self::P2pkh,
            AddressType::Eip55 => Self::Eip55,
            AddressType::Classic => Self::Classic,
            AddressType::Base58 => Self::Base58,
            AddressType::Enterprise => Self::Enterprise,
            AddressType::Base => Self::Base,
        }
    }
}

/// A form of a key's address: its type, and what else than the key it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressForm {
    pub address_type: AddressType,
    /// There for [`AddressType::Base`], and for no other.
    pub stake: Option<StakeKeyHash>,
}

impl From<AddressType> for AddressForm {
    fn from(address_type: AddressType) -> Self {
        Self { address_type, stake: None }
    }
}

/// Why no address can be derived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error(transparent)]
    AddressType(#[from] AddressTypeError),
    #[error("{network} needs an {expected} key")]
    KeySpec { network: String, expected: KeySpec },
    #[error("a base address has a stake key, and no other address has one")]
    StakeKey,
    #[error("the address cannot be written")]
    Encoding,
    #[error("the derived address does not read back as the same address of {network}")]
    ReadBack { network: String },
}

/// Why a text is not an address of a network. The sentence completes "`address` ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    #[error("must be 1 to {MAX_ADDRESS_BYTES} bytes long")]
    Length,
    #[error("is not {0}")]
    Malformed(&'static str),
    #[error("has a checksum that does not match: a character is wrong or missing")]
    Checksum,
    #[error("is an address of {of}, not of {network}")]
    OtherNetwork { of: String, network: String },
    #[error("is of another chain, not of {network}")]
    OtherChain { network: String },
    #[error("pays to witness version {version} with {bytes} bytes, which is no standard output")]
    NotStandard { version: u8, bytes: usize },
}

/// The address of `key` in this form, read back with the network's own parser before it is given out.
pub fn derive_address(network: &Network, form: impl Into<AddressForm>, key: &PublicKey) -> Result<Address, ChainError> {
    let AddressForm { address_type, stake } = form.into();
    let address_type = network.choose_address_type(Some(address_type))?;
    if stake.is_some() != (address_type == AddressType::Base) {
        return Err(ChainError::StakeKey);
    }
    let wrong_key = || ChainError::KeySpec { network: network.to_string(), expected: network.key_spec() };
    let text = match network.params() {
        Family::Utxo(params) => utxo::derive(params, address_type, key.secp256k1().ok_or_else(wrong_key)?)?,
        Family::Evm { .. } => evm::derive(key.secp256k1().ok_or_else(wrong_key)?)?,
        Family::Xrp => xrp::derive(key.secp256k1().ok_or_else(wrong_key)?),
        Family::Solana => solana::derive(key.ed25519().ok_or_else(wrong_key)?),
        Family::Cardano(network) => cardano::derive(network, key.ed25519().ok_or_else(wrong_key)?, stake.as_ref())?,
    };
    match parse_address(network, &text) {
        Ok((address, kind)) if address.as_str() == text && kind == address_type.into() => Ok(address),
        _ => Err(ChainError::ReadBack { network: network.to_string() }),
    }
}

/// Every address form that `key` has on `network`, the default one first. A base address is among them if there is a stake key for it.
///
/// # Errors
/// As [`derive_address`].
pub fn address_forms(
    network: &Network,
    stake: Option<StakeKeyHash>,
    key: &PublicKey,
) -> Result<Vec<(AddressType, Address)>, ChainError> {
    let types = network.address_types().iter().copied();
    types
        .filter(|&address_type| address_type != AddressType::Base || stake.is_some())
        .map(|address_type| {
            let stake = stake.filter(|_| address_type == AddressType::Base);
            Ok((address_type, derive_address(network, AddressForm { address_type, stake }, key)?))
        })
        .collect()
}

/// The address of `key` with a destination tag in one text (XLS-5), read back too; `None` on networks that have no such form.
pub fn tagged_address(network: &Network, key: &PublicKey, tag: u32) -> Result<Option<Address>, ChainError> {
    let Family::Xrp = network.params() else { return Ok(None) };
    let wrong_key = || ChainError::KeySpec { network: network.to_string(), expected: network.key_spec() };
    let text = xrp::x_address(network, key.secp256k1().ok_or_else(wrong_key)?, Some(tag));
    match parse_address(network, &text) {
        Ok((address, AddressKind::XAddress)) if address.as_str() == text => Ok(Some(address)),
        _ => Err(ChainError::ReadBack { network: network.to_string() }),
    }
}

/// Reads an address to which coins on `network` can be sent: any standard output type, a wallet's or not.
pub fn parse_address(network: &Network, text: &str) -> Result<(Address, AddressKind), InvalidAddress> {
    if !(1..=MAX_ADDRESS_BYTES).contains(&text.len()) {
        return Err(InvalidAddress::Length);
    }
    let (canonical, kind) = match network.params() {
        Family::Utxo(params) => utxo::parse(network, params, text)?,
        Family::Evm { .. } => (evm::parse(text)?, AddressKind::Eip55),
        Family::Xrp => xrp::parse(network, text)?,
        Family::Solana => (solana::parse(text)?, AddressKind::Base58),
        Family::Cardano(params) => cardano::parse(network, params, text)?,
    };
    Ok((Address(canonical), kind))
}

#[cfg(test)]
mod tests;
