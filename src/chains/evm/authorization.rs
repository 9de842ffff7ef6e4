//! EIP-7702 authorizations: who signs one hands the account's code to a contract.

use serde::Serialize;

use crate::chains::Address;

/// What evm_signAuthorization is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthorizationRequest {
    pub address: Address,
    pub chain_id: u64,
    /// The contract whose code the account gets; the zero address takes it away again.
    pub contract: Address,
    pub nonce: u64,
}
