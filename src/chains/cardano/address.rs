//! Addresses of Cardano as bytes and as text: what an output pays to, and the accounts that rewards go to.
//!
//! Sources: CIP-19 <https://cips.cardano.org/cip/CIP-0019>, CIP-129 for DRep ids, CIP-5 for prefixes. An address is taken only if its
//! bytes, and its text, are the ones that writing it again gives: a reader that is more lenient than the ledger would name a
//! recipient that the ledger does not see.

use std::fmt;

use bitcoin::base58;
use bitcoin::bech32::primitives::decode::{CheckedHrpstring, CheckedHrpstringError};
use bitcoin::bech32::{self, Bech32, Hrp};
use pallas_addresses as pallas;
use pallas_addresses::byron::{AddrAttrProperty, AddrType};

use super::CardanoNetwork;
use super::cbor::Reader;
use crate::chains::{AddressKind, InvalidAddress};

/// BLAKE2b-224: what keys, scripts and pools are named by.
pub type Hash28 = [u8; 28];

const FORM: InvalidAddress = InvalidAddress::Malformed("an address of Cardano in bech32, or a Byron one in base58");
const REWARD: InvalidAddress =
    InvalidAddress::Malformed("an address to pay to: it is a reward account, to which nobody but the ledger pays");

/// Who has to agree: the holder of a key, or a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Credential {
    Key(Hash28),
    Script(Hash28),
}

impl Credential {
    /// Whether it is this key.
    pub fn is_key(&self, hash: &Hash28) -> bool {
        matches!(self, Self::Key(own) if own == hash)
    }

    pub const fn is_script(&self) -> bool {
        matches!(self, Self::Script(_))
    }

    pub const fn hash(&self) -> &Hash28 {
        match self {
            Self::Key(hash) | Self::Script(hash) => hash,
        }
    }
}

/// The stake part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StakePart {
    None,
    Credential(Credential),
    /// A registration by its place in the chain. Conway gives it no meaning any more.
    Pointer,
}

/// An address that can be paid to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payable {
    /// Bech32 in lower case, or base58.
    pub text: String,
    pub network: CardanoNetwork,
    pub kind: AddressKind,
    /// `None`: Byron's, which no wallet here has.
    pub payment: Option<Credential>,
    pub stake: StakePart,
}

impl Payable {
    /// Reads what stands in an output.
    ///
    /// # Errors
    /// [`InvalidAddress`], also for a reward account.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidAddress> {
        match bytes.first().map(|header| header >> 4) {
            Some(0..=7) => shelley(bytes),
            Some(8) => byron(bytes),
            Some(14 | 15) => Err(REWARD),
            _ => Err(FORM),
        }
    }

    /// Reads a text; bech32 may be all in upper case.
    ///
    /// # Errors
    /// [`InvalidAddress`], also for a reward account.
    pub fn from_text(text: &str) -> Result<Self, InvalidAddress> {
        let lower = text.to_ascii_lowercase();
        if !lower.starts_with("addr") && !lower.starts_with("stake") {
            return Self::from_bytes(&base58::decode(text).map_err(|_| FORM)?);
        }
        let read = CheckedHrpstring::new::<Bech32>(text).map_err(|error| match error {
            CheckedHrpstringError::Checksum(_) => InvalidAddress::Checksum,
            _ => FORM,
        })?;
        let bytes: Vec<u8> = read.byte_iter().collect();
        let payable = Self::from_bytes(&bytes)?;
        // Its prefix, and the bits that fill the last letter, are as they must be.
        if payable.text == lower { Ok(payable) } else { Err(FORM) }
    }
}

fn shelley(bytes: &[u8]) -> Result<Payable, InvalidAddress> {
    let Ok(pallas::Address::Shelley(address)) = pallas::Address::from_bytes(bytes) else { return Err(FORM) };
    // It takes trailing bytes, and pointers that can be written shorter.
    if address.to_vec() != bytes {
        return Err(FORM);
    }
    let payment = match address.payment() {
        pallas::ShelleyPaymentPart::Key(hash) => Credential::Key(**hash),
        pallas::ShelleyPaymentPart::Script(hash) => Credential::Script(**hash),
    };
    let (kind, stake) = match address.delegation() {
        pallas::ShelleyDelegationPart::Null => (AddressKind::Enterprise, StakePart::None),
        pallas::ShelleyDelegationPart::Pointer(_) => (AddressKind::Pointer, StakePart::Pointer),
        pallas::ShelleyDelegationPart::Key(hash) => (AddressKind::Base, StakePart::Credential(Credential::Key(**hash))),
        pallas::ShelleyDelegationPart::Script(hash) => (AddressKind::Base, StakePart::Credential(Credential::Script(**hash))),
    };
    let network = network_of(address.network()).ok_or(FORM)?;
    Ok(Payable { text: address.to_bech32().map_err(|_| FORM)?, network, kind, payment: Some(payment), stake })
}

const fn network_of(tag: pallas::Network) -> Option<CardanoNetwork> {
    match tag {
        pallas::Network::Mainnet => Some(CardanoNetwork::Mainnet),
        pallas::Network::Testnet => Some(CardanoNetwork::Testnet),
        pallas::Network::Other(_) => None,
    }
}

/// `[#6.24(payload), CRC-32 of it]`, the payload `[root, attributes, type]`; attribute 2 is the magic number of a test network.
fn byron(bytes: &[u8]) -> Result<Payable, InvalidAddress> {
    /// It stands in no address: to have none means it.
    const MAINNET_MAGIC: u64 = 764_824_073;
    let outer = pallas::ByronAddress::from_bytes(bytes).map_err(|_| FORM)?;
    let payload = outer.decode().map_err(|_| FORM)?;
    let (mut magic, mut seen) = (None, [false; 3]);
    for attribute in payload.attributes.iter() {
        let number = match attribute {
            AddrAttrProperty::AddrDistr(_) => 0,
            AddrAttrProperty::DerivationPath(_) => 1,
            AddrAttrProperty::NetworkTag(tag) => {
                let mut reader = Reader::new(tag);
                magic = Some(reader.unsigned().ok().filter(|_| reader.is_at_end()).ok_or(FORM)?);
                2
            }
        };
        let seen = seen.get_mut(number).ok_or(FORM)?;
        if std::mem::replace(seen, true) {
            return Err(FORM);
        }
    }
    if magic == Some(MAINNET_MAGIC) || !matches!(payload.addrtype, AddrType::PubKey | AddrType::Redeem) {
        return Err(FORM);
    }
    let again = pallas::ByronAddress::from_decoded(payload);
    if again.payload == outer.payload && again.crc != outer.crc {
        return Err(InvalidAddress::Checksum);
    }
    if again.to_vec() != bytes {
        return Err(FORM);
    }
    Ok(Payable {
        text: base58::encode(bytes),
        network: if magic.is_some() { CardanoNetwork::Testnet } else { CardanoNetwork::Mainnet },
        kind: AddressKind::Byron,
        payment: None,
        stake: StakePart::None,
    })
}

/// An account that rewards go to, and deposits back: CIP-19 types 14 and 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RewardAccount {
    pub credential: Credential,
    pub mainnet: bool,
}

impl RewardAccount {
    /// Reads its 29 bytes; `None` if they are no reward account.
    pub fn from_bytes(bytes: &[u8; 29]) -> Option<Self> {
        let (header, hash) = bytes.split_first()?;
        let hash: Hash28 = hash.try_into().ok()?;
        let credential = match header >> 4 {
            14 => Credential::Key(hash),
            15 => Credential::Script(hash),
            _ => return None,
        };
        let mainnet = match header & 0x0f {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self { credential, mainnet })
    }

    pub(super) fn of(network: CardanoNetwork, credential: Credential) -> Self {
        Self { credential, mainnet: network == CardanoNetwork::Mainnet }
    }

    pub(super) fn network(&self) -> CardanoNetwork {
        if self.mainnet { CardanoNetwork::Mainnet } else { CardanoNetwork::Testnet }
    }
}

impl fmt::Display for RewardAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.credential.is_script() { 0xf0 } else { 0xe0 };
        let bytes = [&[kind | u8::from(self.mainnet)], &self.credential.hash()[..]].concat();
        write_bech32(f, if self.mainnet { "stake" } else { "stake_test" }, &bytes)
    }
}

/// A stake pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolId(pub Hash28);

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_bech32(f, "pool", &self.0)
    }
}

/// To whom votes are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DRep {
    Credential(Credential),
    AlwaysAbstain,
    AlwaysNoConfidence,
}

impl fmt::Display for DRep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (header, hash) = match self {
            Self::Credential(Credential::Key(hash)) => (0x22, hash),
            Self::Credential(Credential::Script(hash)) => (0x23, hash),
            Self::AlwaysAbstain => return f.write_str("drep_always_abstain"),
            Self::AlwaysNoConfidence => return f.write_str("drep_always_no_confidence"),
        };
        write_bech32(f, "drep", &[&[header], &hash[..]].concat())
    }
}

fn write_bech32(f: &mut fmt::Formatter<'_>, prefix: &'static str, bytes: &[u8]) -> fmt::Result {
    let prefix = Hrp::parse(prefix).map_err(|_| fmt::Error)?;
    bech32::encode_to_fmt::<Bech32, _>(f, prefix, bytes).map_err(|_| fmt::Error)
}
