//! Partially signed transactions of BIP-174 and BIP-370.

use serde::Serialize;

use crate::chains::decoded::DecodeError;

/// A PSBT as utxo_signPsbt is asked for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PsbtRequest {}

/// Reads the base64 text of a PSBT, version 0 or 2.
///
/// # Errors
/// [`DecodeError::Invalid`] for `psbt`, with what is wrong and where.
pub fn parse(_base64: &str) -> Result<PsbtRequest, DecodeError> {
    Err(DecodeError::invalid("psbt", "can't be read yet"))
}
