//! Transactions of Solana.

use serde::Serialize;

use crate::chains::decoded::DecodeError;

/// A transaction, of which every byte was read.
#[derive(Debug, Serialize)]
pub struct SolanaTransactionRequest {}

/// Reads a transaction in base64.
///
/// # Errors
/// [`DecodeError`].
pub fn parse(_base64: &str) -> Result<SolanaTransactionRequest, DecodeError> {
    Err(DecodeError::invalid("transaction", "is not read yet"))
}
