//! EIP-712 typed data: the request, its digest, and what it does.

use serde::Serialize;
use serde_json::Value;

use crate::chains::decoded::DecodeError;

/// Typed data as eth_signTypedData_v4 is asked for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypedDataRequest {}

/// Reads typed data, given as an object or as a string that holds one.
///
/// # Errors
/// [`DecodeError::Invalid`] with the member's name.
pub fn parse(_value: &Value) -> Result<TypedDataRequest, DecodeError> {
    Err(DecodeError::invalid("typedData", "can't be read yet"))
}
