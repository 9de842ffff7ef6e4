//! Addresses of the XRP Ledger: an AccountID in base58 with the ledger's own alphabet.
//! <https://xrpl.org/docs/references/protocol/data-types/base58-encodings>

pub mod transaction;

use bitcoin::hashes::{Hash, hash160};
use bitcoin::secp256k1::PublicKey;

use super::networks::Network;
use super::{AddressKind, InvalidAddress};

/// What stands in front of an AccountID.
const ACCOUNT_ID: u8 = 0x00;

/// The classic address of `key`.
pub(super) fn derive(key: &PublicKey) -> String {
    encode(&account_id(key))
}

/// RIPEMD-160 of SHA-256 of the compressed key.
fn account_id(key: &PublicKey) -> [u8; 20] {
    hash160::Hash::hash(&key.serialize()).to_byte_array()
}

fn encode(account_id: &[u8; 20]) -> String {
    bs58::encode(account_id).with_alphabet(bs58::Alphabet::RIPPLE).with_check_version(ACCOUNT_ID).into_string()
}

/// Reads a classic address.
pub(super) fn parse(_network: &Network, text: &str) -> Result<(String, AddressKind), InvalidAddress> {
    let bytes = bs58::decode(text).with_alphabet(bs58::Alphabet::RIPPLE).with_check(Some(ACCOUNT_ID)).into_vec();
    let bytes = bytes.map_err(|error| match error {
        bs58::decode::Error::InvalidChecksum { .. } => InvalidAddress::Checksum,
        _ => InvalidAddress::Malformed("a classic address"),
    })?;
    match bytes.get(1..).map(<[u8; 20]>::try_from) {
        Some(Ok(account_id)) => Ok((encode(&account_id), AddressKind::Classic)),
        _ => Err(InvalidAddress::Malformed("a classic address")),
    }
}
