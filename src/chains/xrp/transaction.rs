//! Transactions of the XRP Ledger.

use serde::Serialize;
use serde_json::Value;

use crate::chains::decoded::DecodeError;

/// A transaction as the caller wrote it, of known fields of the right types.
#[derive(Debug, Serialize)]
pub struct XrpTransactionRequest {}

/// Reads a transaction's JSON.
///
/// # Errors
/// [`DecodeError`] names the field.
pub fn parse(_json: &Value) -> Result<XrpTransactionRequest, DecodeError> {
    Err(DecodeError::invalid("transaction", "is not read yet"))
}
