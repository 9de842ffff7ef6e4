//! Transactions of Ethereum and the chains like it: the request as geth takes it, what it does, and its signed form.
//!
//! What is hashed is made of the typed fields, never of a caller's bytes; a transaction without a chain id (before EIP-155) is
//! never made.

mod request;
mod signed;
mod summary;

use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::{EthereumTypedTransaction, SignableTransaction, TxEip4844};
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::Address as EvmAddress;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

pub use self::request::parse;
pub use self::signed::{SignedTransaction, SigningError};
pub(super) use self::signed::{evm_signature, prove_signer, quantity};

use super::signer::signer;
use crate::chains::Address;
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::networks::Network;
use crate::keys::Digest32;

/// Longest transaction in its signed form, and longest calldata: what geth's pool takes, in bytes.
pub const MAX_TRANSACTION_BYTES: usize = 128 << 10;
/// Most addresses of an access list.
pub const MAX_ACCESS_LIST_ADDRESSES: usize = 1_000;
/// Most storage keys of an access list, over all its addresses.
pub const MAX_STORAGE_KEYS: usize = 4_000;
/// Most entries of an authorization list: each costs a signature's recovery here, and 25,000 gas there.
pub const MAX_AUTHORIZATIONS: usize = 256;
/// Most blobs of one transaction. No network takes more than a few.
pub const MAX_BLOBS: usize = 16;

type Typed = EthereumTypedTransaction<TxEip4844>;

/// A transaction as eth_signTransaction is asked for it: complete, typed, and within every limit.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionRequest {
    pub from: Address,
    /// `None`: the chain of the wallet's network.
    pub chain_id: Option<u64>,
    /// Its chain id means nothing yet.
    typed: Typed,
}

/// Its JSON has the transaction as it would be hashed, so that two spellings of one transaction are one content.
impl Serialize for TransactionRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("TransactionRequest", 3)?;
        fields.serialize_field("from", &self.from)?;
        fields.serialize_field("chainId", &self.chain_id)?;
        fields.serialize_field("unsigned", &hex::encode(self.typed.encoded_for_signing()))?;
        fields.end()
    }
}

impl TransactionRequest {
    /// The transaction on its wallet's network.
    ///
    /// # Errors
    /// [`Rule::ChainId`] if it, or an authorization in it, is for another chain; [`DecodeError::Invalid`] with `from` for a network
    /// of another family, and with the authorization's place if no account can have signed it.
    pub fn on_network(&self, network: &Network) -> Result<Transaction, DecodeError> {
        let of_network = network.chain_id().ok_or_else(|| DecodeError::invalid("from", "is no wallet of an EVM network"))?;
        let chain_id = self.chain_id.unwrap_or(of_network);
        if chain_id != of_network {
            return Err(other_chain("the transaction", chain_id, network, of_network));
        }
        if let Some(other) = authorized_chains(&self.typed).find(|&id| id != 0 && id != chain_id) {
            return Err(other_chain("an authorization in the transaction", other, network, of_network));
        }
        let from = self.from.as_str().parse().map_err(|_| DecodeError::invalid("from", "is no EVM address"))?;
        let mut typed = self.typed.clone();
        set_chain_id(&mut typed, chain_id);
        Ok(Transaction { from, chain_id, network: network.clone(), authorities: authorities(&typed)?, typed })
    }
}

/// A transaction that is to be signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    from: EvmAddress,
    chain_id: u64,
    network: Network,
    /// Who signed each authorization.
    authorities: Vec<EvmAddress>,
    typed: Typed,
}

impl Transaction {
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    pub fn nonce(&self) -> u64 {
        self.typed.nonce()
    }

    /// Whether it carries EIP-7702 authorizations.
    pub fn delegates(&self) -> bool {
        matches!(self.typed, Typed::Eip7702(_))
    }

    /// The bytes whose Keccak-256 is signed: the type, then the RLP of the fields without a signature.
    pub fn signing_preimage(&self) -> Vec<u8> {
        self.typed.encoded_for_signing()
    }

    /// What is signed. It is hashed here.
    pub fn signing_hash(&self) -> Digest32 {
        Digest32::new(self.typed.signature_hash().0)
    }
}

pub(super) fn other_chain(what: &str, chain_id: impl std::fmt::Display, network: &Network, of_network: u64) -> DecodeError {
    DecodeError::refused(
        Rule::ChainId,
        format!("{what} is for chain id {chain_id}, but the wallet is one of {network}, whose chain id is {of_network}"),
    )
}

/// The chain ids of the authorizations; one that no network can have is `u64::MAX`.
fn authorized_chains(typed: &Typed) -> impl Iterator<Item = u64> {
    let list = typed.authorization_list().unwrap_or_default();
    list.iter().map(|authorization| u64::try_from(authorization.chain_id).unwrap_or(u64::MAX))
}

/// Who signed each authorization.
fn authorities(typed: &Typed) -> Result<Vec<EvmAddress>, DecodeError> {
    let list = typed.authorization_list().unwrap_or_default();
    let authority = |(place, authorization): (usize, &SignedAuthorization)| {
        let signature = authorization.signature().ok();
        signature.and_then(|signature| signer(&authorization.inner().signature_hash(), &signature)).ok_or_else(|| {
            let field = format!("authorizationList[{place}]");
            DecodeError::invalid(field, "has a signature that no account can have made; a node would skip it")
        })
    };
    list.iter().enumerate().map(authority).collect()
}

fn set_chain_id(typed: &mut Typed, chain_id: u64) {
    match typed {
        Typed::Legacy(tx) => tx.chain_id = Some(chain_id),
        Typed::Eip2930(tx) => tx.chain_id = chain_id,
        Typed::Eip1559(tx) => tx.chain_id = chain_id,
        Typed::Eip4844(tx) => tx.chain_id = chain_id,
        Typed::Eip7702(tx) => tx.chain_id = chain_id,
    }
}

#[cfg(test)]
mod tests;
