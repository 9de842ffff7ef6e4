//! What personal_sign, eth_sign, eth_signTypedData_v4 and utxo_signMessage have signed, and what they answer.

mod utxo;

use super::content::{Content, Lookup};
use crate::chains::Address;
use crate::chains::evm::typed_data::TypedDataRequest;
use crate::outcome::Failure;

pub use self::utxo::utxo;

/// A message with the prefix of EIP-191.
pub fn personal(_lookup: &Lookup<'_>, _address: &Address, _message: &[u8]) -> Result<Content, Failure> {
    Err(Failure::Internal("not built yet".to_owned()))
}

/// Typed data of EIP-712.
pub fn typed_data(_lookup: &Lookup<'_>, _address: &Address, _typed_data: &TypedDataRequest) -> Result<Content, Failure> {
    Err(Failure::Internal("not built yet".to_owned()))
}
