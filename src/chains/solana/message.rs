//! Messages in the off-chain message format of Solana.

use crate::chains::decoded::DecodeError;

/// Reads a message in base64.
///
/// # Errors
/// [`DecodeError`].
pub fn parse(_base64: &str) -> Result<Vec<u8>, DecodeError> {
    Err(DecodeError::invalid("message", "is not read yet"))
}
