//! Transactions of Cardano.

use serde::Serialize;
use serde_json::Value;

use crate::chains::decoded::DecodeError;

/// A whole transaction, of which every byte was read.
#[derive(Debug, Serialize)]
pub struct CardanoTransactionRequest {}

/// What an input is, as the caller says.
#[derive(Debug, Serialize)]
pub struct ResolvedInput {}

/// Reads a transaction in hex.
///
/// # Errors
/// [`DecodeError`].
pub fn parse(_hex: &str) -> Result<CardanoTransactionRequest, DecodeError> {
    Err(DecodeError::invalid("transaction", "is not read yet"))
}

/// Reads `resolvedInputs`.
///
/// # Errors
/// [`DecodeError`] names the field.
pub fn parse_resolved_inputs(_json: &Value) -> Result<Vec<ResolvedInput>, DecodeError> {
    Err(DecodeError::invalid("resolvedInputs", "are not read yet"))
}
