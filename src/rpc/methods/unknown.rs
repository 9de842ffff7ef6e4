//! What is said of a method that has no row: that a node is needed for it, or which method may be meant.

use super::{MAX_SUGGESTED_BYTES, METHODS};
use crate::rpc::error_codes::{Kind, RpcError};

/// Prefixes of methods that Ethereum nodes serve: from the chain's state, from their own, or from a key store that none of them
/// should have. `admin_` and `wallet_` are ours.
const NODE_PREFIXES: &[&str] = &[
    "eth_",
    "net_",
    "web3_",
    "txpool_",
    "debug_",
    "trace_",
    "engine_",
    "personal_",
    "miner_",
    "clique_",
    "les_",
    "parity_",
    "erigon_",
    "ots_",
    "bor_",
    "anvil_",
    "hardhat_",
];

/// The answer to a method that has no row.
pub fn unknown_method(name: &str) -> RpcError {
    let is_like_ours = (name.starts_with("eth_sign") || name.starts_with("personal_sign")) && name != "personal_signTransaction";
    if !is_like_ours && NODE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return RpcError::new(Kind::MethodNotSupported, why_not(name));
    }
    let names = METHODS.iter().flat_map(|method| std::iter::once(method.name).chain(method.aliases.iter().copied()));
    let nearest = names
        .filter(|_| name.len() <= MAX_SUGGESTED_BYTES)
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.85);
    RpcError::new(
        Kind::MethodNotFound,
        match nearest {
            Some((_, known)) => format!("no such method; did you mean {known}? rpc.discover lists them all"),
            None => "no such method; rpc.discover lists them all".to_owned(),
        },
    )
}

/// Why there is no such method here, and what to do instead.
fn why_not(name: &str) -> &'static str {
    match name {
        "eth_sendTransaction" | "personal_sendTransaction" => {
            "this method needs an Ethereum node, and kmsignd has none: sign with eth_signTransaction here, and send its `raw` with \
             eth_sendRawTransaction to your node"
        }
        _ if name.starts_with("personal_") => {
            "this method is about the keys of an Ethereum node; the keys of kmsignd are in KMS, and need no password. \
             eth_accounts lists them, eth_signTransaction and personal_sign sign"
        }
        _ => "this method needs an Ethereum node; kmsignd signs and has none. Send it to your node",
    }
}
