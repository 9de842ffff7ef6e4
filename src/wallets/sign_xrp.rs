//! What xrp_signTransaction has signed, and what it answers.

use super::content::{Content, Lookup};
use crate::chains::xrp::transaction::XrpTransactionRequest;
use crate::outcome::Failure;
use crate::rpc::Selector;

/// Decodes a transaction.
///
/// # Errors
/// As [`Lookup::wallet_of`].
pub fn transaction(
    lookup: &Lookup<'_>,
    selector: &Selector,
    _transaction: &XrpTransactionRequest,
    _multi_sign: bool,
) -> Result<Content, Failure> {
    let _ = lookup.wallet_of(selector, "XRP")?;
    Err(Failure::Internal("not read yet".to_owned()))
}
