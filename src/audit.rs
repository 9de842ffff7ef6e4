//! Who asked for what, what the policy said, and what came of it: the records and the chain that makes tampering visible.
//!
//! This module makes records and checks chains; it writes nothing. Records are appended by `store::commits` alone, in the
//! same transaction as what they tell of. A record must never hold a secret; it holds digests, never payloads.

pub mod hash_chain;
pub mod record;
