//! Addresses of Cardano (CIP-19).

pub mod stake;
pub mod transaction;

use pallas_addresses as pallas;
use pallas_crypto::hash::{Hash, Hasher};

use super::networks::Network;
use super::{AddressKind, ChainError, InvalidAddress};
use stake::StakeKeyHash;

/// What an address says of its network: preprod and preview have the same tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CardanoNetwork {
    Mainnet,
    Testnet,
}

impl CardanoNetwork {
    const fn tag(self) -> pallas::Network {
        match self {
            Self::Mainnet => pallas::Network::Mainnet,
            Self::Testnet => pallas::Network::Testnet,
        }
    }
}

/// BLAKE2b-224 of a public key, by which addresses and certificates name it.
fn key_hash(key: &[u8; 32]) -> Hash<28> {
    Hasher::<224>::hash(key)
}

/// The base address of `key` with this stake key (CIP-19 type 0), or without one its enterprise address (type 6).
pub(super) fn derive(network: CardanoNetwork, key: &[u8; 32], stake: Option<&StakeKeyHash>) -> Result<String, ChainError> {
    let payment = pallas::ShelleyPaymentPart::key_hash(key_hash(key));
    let delegation = match stake {
        Some(stake) => pallas::ShelleyDelegationPart::key_hash(Hash::from(*stake.as_bytes())),
        None => pallas::ShelleyDelegationPart::Null,
    };
    let address = pallas::ShelleyAddress::new(network.tag(), payment, delegation);
    address.to_bech32().map_err(|_| ChainError::Encoding)
}

/// Reads an address of `network`.
pub(super) fn parse(network: &Network, params: CardanoNetwork, text: &str) -> Result<(String, AddressKind), InvalidAddress> {
    const FORM: InvalidAddress = InvalidAddress::Malformed("an address of Cardano in bech32");
    let pallas::Address::Shelley(address) = pallas::Address::from_bech32(text).map_err(|_| FORM)? else { return Err(FORM) };
    if address.network() != params.tag() {
        return Err(InvalidAddress::OtherChain { network: network.to_string() });
    }
    let kind = match address.delegation() {
        pallas::ShelleyDelegationPart::Null => AddressKind::Enterprise,
        pallas::ShelleyDelegationPart::Pointer(_) => AddressKind::Pointer,
        _ => AddressKind::Base,
    };
    Ok((address.to_bech32().map_err(|_| FORM)?, kind))
}
