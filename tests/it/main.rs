//! The one integration binary.

mod caller;
mod transport;
