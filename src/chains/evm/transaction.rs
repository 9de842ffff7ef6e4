//! Transactions of Ethereum and the chains like it: the request as geth takes it, the typed transaction, and its signed form.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::chains::Address;
use crate::chains::decoded::DecodeError;

/// A transaction as eth_signTransaction is asked for it, complete and typed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransactionRequest {
    pub from: Address,
    /// `None`: the chain of the wallet's network.
    pub chain_id: Option<u64>,
}

/// Reads the members of a transaction object.
///
/// # Errors
/// [`DecodeError::Invalid`] with the member's name.
pub fn parse(_members: &Map<String, Value>) -> Result<TransactionRequest, DecodeError> {
    Err(DecodeError::invalid("transaction", "can't be read yet"))
}
