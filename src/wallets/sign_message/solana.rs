//! What sol_signMessage has signed, and what it answers.

use super::super::content::{Content, Lookup};
use crate::outcome::Failure;
use crate::rpc::Selector;

/// Decodes a transaction.
///
/// # Errors
/// As [`Lookup::wallet_of`].
pub fn solana(lookup: &Lookup<'_>, selector: &Selector, _message: &[u8]) -> Result<Content, Failure> {
    let _ = lookup.wallet_of(selector, "SOL")?;
    Err(Failure::Internal("not read yet".to_owned()))
}
