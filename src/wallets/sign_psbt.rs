//! What utxo_signPsbt has signed, and what it answers.

use super::content::{Content, Lookup};
use crate::chains::networks::Network;
use crate::chains::utxo::psbt::PsbtRequest;
use crate::outcome::Failure;

/// Decodes a PSBT.
pub fn psbt(_lookup: &Lookup<'_>, _network: &Network, _request: &PsbtRequest, _finalize: bool) -> Result<Content, Failure> {
    Err(Failure::Internal("not built yet".to_owned()))
}
