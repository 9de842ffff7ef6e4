//! What ada_signTransaction has signed, and what it answers.

use super::content::{Content, Lookup};
use crate::chains::cardano::transaction::{CardanoTransactionRequest, ResolvedInput};
use crate::outcome::Failure;
use crate::rpc::Selector;

/// Decodes a transaction.
///
/// # Errors
/// As [`Lookup::wallet_of`].
pub fn transaction(
    lookup: &Lookup<'_>,
    selector: &Selector,
    _transaction: &CardanoTransactionRequest,
    _resolved_inputs: Option<&[ResolvedInput]>,
) -> Result<Content, Failure> {
    let _ = lookup.wallet_of(selector, "ADA")?;
    Err(Failure::Internal("not read yet".to_owned()))
}
