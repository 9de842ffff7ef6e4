//! What may be spent once: a nonce, a sequence, a ticket or an outpoint, each a [`Guard`]; and the content that takes it. Pure.
//!
//! Whoever decodes a transaction makes these; the reserving transaction checks and takes them (`store/commits/guarded.rs`). A
//! guard is made of numbers and bytes, never of a caller's text: two spellings of one outpoint must be one guard.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::chains::networks::Network;
use crate::ids::WalletId;

/// Most guards of one content: no standard Bitcoin transaction has room for more inputs.
pub const MAX_GUARDS: usize = 2_000;
/// Longest summary, in bytes of JSON.
pub const MAX_SUMMARY_BYTES: usize = 512 << 10;

/// What kind of thing may be spent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GuardKind {
    EvmNonce,
    XrpSequence,
    XrpTicket,
    /// A UTXO or Cardano input.
    Outpoint,
}

impl GuardKind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EvmNonce => "evm_nonce",
            Self::XrpSequence => "xrp_sequence",
            Self::XrpTicket => "xrp_ticket",
            Self::Outpoint => "outpoint",
        }
    }

    /// What a caller knows it as: `field` of a CONFLICT.
    pub const fn field(self) -> &'static str {
        match self {
            Self::EvmNonce => "nonce",
            Self::XrpSequence => "sequence",
            Self::XrpTicket => "ticket",
            Self::Outpoint => "outpoint",
        }
    }
}

/// One thing that may be spent once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guard {
    kind: GuardKind,
    /// Within what the item is one of its kind.
    scope: String,
    item: String,
}

impl Guard {
    /// An account's nonce, of a transaction or of an EIP-7702 authorization: the chain counts both on one counter.
    pub fn evm_nonce(wallet: WalletId, chain_id: u64, nonce: u64) -> Self {
        Self { kind: GuardKind::EvmNonce, scope: format!("{wallet}/{chain_id}"), item: nonce.to_string() }
    }

    /// A sequence of an account, by its AccountID, that this wallet signs for. The wallet is part of it, since anybody may have a
    /// wallet sign for any account as one of several signers: whoever may use one wallet must not take the sequences of another.
    pub fn xrp_sequence(wallet: WalletId, account: &[u8; 20], sequence: u32) -> Self {
        Self::xrp(GuardKind::XrpSequence, wallet, account, sequence)
    }

    /// A ticket of an account, as [`Guard::xrp_sequence`].
    pub fn xrp_ticket(wallet: WalletId, account: &[u8; 20], ticket: u32) -> Self {
        Self::xrp(GuardKind::XrpTicket, wallet, account, ticket)
    }

    fn xrp(kind: GuardKind, wallet: WalletId, account: &[u8; 20], number: u32) -> Self {
        Self { kind, scope: format!("{wallet}/{}", hex::encode(account)), item: number.to_string() }
    }

    /// A coin that this wallet signs for, where a transaction spends coins of others too and does not say whose they are, as on
    /// Cardano. The wallet is part of it, as in [`Guard::xrp_sequence`].
    pub fn outpoint_of_wallet(wallet: WalletId, tx_id: &[u8; 32], index: u32) -> Self {
        Self { kind: GuardKind::Outpoint, scope: wallet.to_string(), item: format!("{}:{index}", hex::encode(tx_id)) }
    }

    /// A coin of which it is proven whose it is. `txid` is in the order in which people write it.
    pub fn outpoint(network: &Network, txid: &[u8; 32], index: u32) -> Self {
        Self { kind: GuardKind::Outpoint, scope: in_words(network), item: format!("{}:{index}", hex::encode(txid)) }
    }

    pub const fn kind(&self) -> GuardKind {
        self.kind
    }

    pub fn scope(&self) -> &str {
        &self.scope
    }

    pub fn item(&self) -> &str {
        &self.item
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.field(), self.item)
    }
}

fn in_words(network: &Network) -> String {
    format!("{}/{}", network.asset(), network.network())
}

/// Which content: SHA-256 over what is signed, without any signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Of unsigned bytes that do not say who signs them, as an EVM transaction does not: two wallets may be asked for the same.
    pub fn of_wallet(wallet: WalletId, unsigned: &[u8]) -> Self {
        Self::over(b"wallet", wallet.to_string().as_bytes(), unsigned)
    }

    /// Of unsigned bytes that say who spends, such as the coins of a PSBT with their sighash types: several wallets may sign it.
    pub fn of_all_signers(network: &Network, unsigned: &[u8]) -> Self {
        Self::over(b"signers", in_words(network).as_bytes(), unsigned)
    }

    fn over(kind: &[u8], whose: &[u8], unsigned: &[u8]) -> Self {
        // Neither of the first two can hold a zero.
        Self(
            Sha256::new()
                .chain_update(kind)
                .chain_update([0])
                .chain_update(whose)
                .chain_update([0])
                .chain_update(unsigned)
                .finalize()
                .into(),
        )
    }

    /// Takes a hash back from the store.
    pub const fn from_store(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// Why a content can't be guarded. The sentence completes "the transaction ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardsError {
    #[error("spends nothing that may be spent once")]
    Nothing,
    #[error("spends {got} things; at most {MAX_GUARDS} are accepted")]
    TooMany { got: usize },
    #[error("spends {0} twice")]
    Twice(Guard),
    #[error("has a summary of {bytes} bytes; at most {MAX_SUMMARY_BYTES} are kept")]
    Summary { bytes: usize },
    #[error("has a summary that is no JSON: {0}")]
    NoJson(String),
}

/// A content with the guards that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    content: ContentHash,
    guards: Vec<Guard>,
    summary: String,
    replaces: Vec<ContentHash>,
}

impl Guarded {
    /// `guards`: 1 to [`MAX_GUARDS`], each once. `summary` is what policy is shown when another content would replace this one:
    /// at most [`MAX_SUMMARY_BYTES`] of JSON.
    ///
    /// # Errors
    /// [`GuardsError`], by which the caller learns what is wrong with its transaction.
    pub fn new(content: ContentHash, mut guards: Vec<Guard>, summary: &impl Serialize) -> Result<Self, GuardsError> {
        if guards.is_empty() {
            return Err(GuardsError::Nothing);
        }
        if guards.len() > MAX_GUARDS {
            return Err(GuardsError::TooMany { got: guards.len() });
        }
        guards.sort_unstable();
        if let Some([twice, _]) = guards.array_windows().find(|[one, next]| one == next) {
            return Err(GuardsError::Twice(twice.clone()));
        }
        let summary = serde_json::to_string(summary).map_err(|error| GuardsError::NoJson(error.to_string()))?;
        if summary.len() > MAX_SUMMARY_BYTES {
            return Err(GuardsError::Summary { bytes: summary.len() });
        }
        Ok(Self { content, guards, summary, replaces: Vec::new() })
    }

    /// Says which contents the policy let this one replace. One that it does not name stays where it is.
    #[must_use]
    pub fn replacing(mut self, contents: Vec<ContentHash>) -> Self {
        self.replaces = contents;
        self
    }

    pub const fn content(&self) -> &ContentHash {
        &self.content
    }

    /// In order, each once.
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// JSON.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    pub fn may_replace(&self, content: &ContentHash) -> bool {
        self.replaces.contains(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chains::networks::{NetworkDefaults, Networks};

    fn network(asset: &str, network: &str) -> Network {
        Networks::new(&NetworkDefaults::default(), &[]).unwrap().resolve(asset, Some(network)).unwrap()
    }

    fn wallet(number: u64) -> WalletId {
        format!("0197b2a0-7c1e-7d3a-9f00-{number:012}").parse().unwrap()
    }

    #[test]
    fn guard_of_another_thing_is_another_guard() {
        let (bitcoin, testnet, dogecoin) = (network("BTC", "mainnet"), network("BTC", "testnet"), network("DOGE", "mainnet"));
        let (one, other) = (wallet(1), wallet(2));
        let guards = [
            Guard::evm_nonce(one, 1, 7),
            Guard::evm_nonce(other, 1, 7),
            Guard::evm_nonce(one, 17, 7),
            Guard::evm_nonce(one, 1, 77),
            Guard::xrp_sequence(one, &[1; 20], 7),
            Guard::xrp_sequence(other, &[1; 20], 7),
            Guard::xrp_sequence(one, &[2; 20], 7),
            Guard::xrp_sequence(one, &[1; 20], 8),
            Guard::xrp_ticket(one, &[1; 20], 7),
            Guard::outpoint_of_wallet(one, &[1; 32], 0),
            Guard::outpoint_of_wallet(other, &[1; 32], 0),
            Guard::outpoint(&bitcoin, &[1; 32], 0),
            Guard::outpoint(&bitcoin, &[1; 32], 1),
            Guard::outpoint(&bitcoin, &[2; 32], 0),
            Guard::outpoint(&testnet, &[1; 32], 0),
            Guard::outpoint(&dogecoin, &[1; 32], 0),
        ];
        let different: std::collections::HashSet<_> = guards.iter().collect();
        assert_eq!(different.len(), guards.len());
        assert_eq!(Guard::outpoint(&network("btc", "mainnet"), &[1; 32], 0), guards[11], "however the caller writes the ticker");
        assert_eq!(guards[0].to_string(), "nonce 7");
        assert_eq!(guards[11].to_string(), format!("outpoint {}:0", "01".repeat(32)));
    }

    #[test]
    fn content_hash_tells_wallets_and_networks_apart() {
        let (mainnet, testnet) = (network("BTC", "mainnet"), network("BTC", "testnet"));
        let hashes = [
            ContentHash::of_wallet(wallet(1), b"x"),
            ContentHash::of_wallet(wallet(2), b"x"),
            ContentHash::of_wallet(wallet(1), b"y"),
            ContentHash::of_all_signers(&mainnet, b"x"),
            ContentHash::of_all_signers(&testnet, b"x"),
        ];
        let different: std::collections::HashSet<_> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len());
        assert_eq!(ContentHash::of_wallet(wallet(1), b"x"), hashes[0]);
    }

    #[test]
    fn guarded_has_bounds() {
        let (content, network) = (ContentHash::of_wallet(wallet(1), b"x"), network("BTC", "mainnet"));
        let outpoints = |count: u32| (0..count).map(|index| Guard::outpoint(&network, &[1; 32], index)).collect::<Vec<_>>();
        let guarded = |guards| Guarded::new(content, guards, &"").map(|_| ());
        assert_eq!(guarded(vec![]), Err(GuardsError::Nothing));
        assert_eq!(guarded(outpoints(2_000)), Ok(()));
        assert_eq!(guarded(outpoints(2_001)), Err(GuardsError::TooMany { got: 2_001 }));
        let twice = [outpoints(3), outpoints(1)].concat();
        assert_eq!(guarded(twice), Err(GuardsError::Twice(Guard::outpoint(&network, &[1; 32], 0))));
        let summary = |length: usize| Guarded::new(content, outpoints(1), &"x".repeat(length)).map(|_| ());
        assert_eq!(summary(MAX_SUMMARY_BYTES - 2), Ok(()));
        assert_eq!(summary(MAX_SUMMARY_BYTES - 1), Err(GuardsError::Summary { bytes: MAX_SUMMARY_BYTES + 1 }));
    }
}
