//! Cardano: addresses (CIP-19) and transactions.

mod address;
mod cbor;
pub mod stake;
pub mod transaction;

use pallas_addresses as pallas;
use pallas_crypto::hash::{Hash, Hasher};

use self::address::Payable;
use self::stake::StakeKeyHash;
use super::networks::Network;
use super::{AddressKind, ChainError, InvalidAddress};

/// What an address says of its network: preprod and preview have the same tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CardanoNetwork {
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

/// Reads an address of `network` that can be paid to, and gives it in its one written form. Preprod and preview have the same.
pub(super) fn parse(network: &Network, params: CardanoNetwork, text: &str) -> Result<(String, AddressKind), InvalidAddress> {
    let payable = Payable::from_text(text)?;
    if payable.network != params {
        let of = match payable.network {
            CardanoNetwork::Mainnet => "ADA mainnet",
            CardanoNetwork::Testnet => "ADA preprod and preview",
        };
        return Err(InvalidAddress::OtherNetwork { of: of.to_owned(), network: network.to_string() });
    }
    Ok((payable.text, payable.kind))
}

#[cfg(test)]
mod tests;
