//! Keys of accounts, and the addresses that programs derive.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

/// The key of an account: 32 bytes, a point of the curve or, of what a program owns, none. Shown in base58.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pubkey([u8; 32]);

impl Pubkey {
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address that `program` derives of `seeds`: that of the highest bump seed which gives no point of the curve.
    /// `None` if no bump seed does, which nobody has seen.
    ///
    /// <https://solana.com/docs/core/pda>
    #[must_use]
    pub fn derived(seeds: &[&[u8]], program: &Self) -> Option<Self> {
        (0..=u8::MAX).rev().find_map(|bump| {
            let mut hasher = Sha256::new();
            for seed in seeds {
                hasher.update(seed);
            }
            hasher.update([bump]);
            hasher.update(program.0);
            hasher.update(b"ProgramDerivedAddress");
            let derived: [u8; 32] = hasher.finalize().into();
            VerifyingKey::from_bytes(&derived).is_err().then_some(Self(derived))
        })
    }
}

impl fmt::Display for Pubkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::derive(&self.0))
    }
}

impl fmt::Debug for Pubkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
