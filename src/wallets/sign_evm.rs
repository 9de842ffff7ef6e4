//! What eth_signTransaction and evm_signAuthorization have signed, and what they answer.

use super::content::{Content, Lookup};
use crate::chains::evm::authorization::AuthorizationRequest;
use crate::chains::evm::transaction::TransactionRequest;
use crate::outcome::Failure;

/// Decodes a transaction.
pub fn transaction(_lookup: &Lookup<'_>, _request: &TransactionRequest) -> Result<Content, Failure> {
    Err(Failure::Internal("not built yet".to_owned()))
}

/// Decodes an EIP-7702 authorization.
pub fn authorization(_lookup: &Lookup<'_>, _request: &AuthorizationRequest) -> Result<Content, Failure> {
    Err(Failure::Internal("not built yet".to_owned()))
}
