//! What utxo_signPsbt has signed, and what it answers.

use super::content::{Content, Lookup};
use crate::chains::decoded::Rule;
use crate::chains::networks::Network;
use crate::chains::utxo::psbt::PsbtRequest;
use crate::outcome::Failure;

/// What a caller hears of an input that belongs to no wallet here, or to one that it may not know of: the same words for both.
pub fn foreign_input(input: u32) -> Failure {
    Failure::TransactionRefused { rule: Rule::ForeignInput, reason: format!("input {input} belongs to no wallet here") }
}

/// Decodes a PSBT.
pub fn psbt(_lookup: &Lookup<'_>, _network: &Network, _request: &PsbtRequest, _finalize: bool) -> Result<Content, Failure> {
    Err(Failure::Internal("not built yet".to_owned()))
}
