//! Solana: addresses, which are Ed25519 public keys in base58, transactions and off-chain messages.

pub mod message;
pub mod transaction;

mod instructions;
mod pubkey;
mod summary;
mod wire;

use super::InvalidAddress;

pub use self::pubkey::Pubkey;

/// The address of a key: the key.
pub(super) fn derive(key: &[u8; 32]) -> String {
    bs58::encode(key).into_string()
}

/// Reads an address. It may be of a program, which is on no curve.
pub(super) fn parse(text: &str) -> Result<String, InvalidAddress> {
    let mut bytes = [0; 32];
    match bs58::decode(text).onto(&mut bytes) {
        Ok(32) => Ok(derive(&bytes)),
        _ => Err(InvalidAddress::Malformed("32 bytes in base58")),
    }
}
