//! Transactions of the XRP Ledger: read from their JSON, described, and written in the one form that the ledger signs and hashes.
//! <https://xrpl.org/docs/references/protocol/transactions>
//!
//! What is hashed is made of the typed fields, never of a caller's text. Nothing in a transaction says for which of the networks with a
//! number of 1024 or less it is: the same bytes are valid on the main network, on testnet and on devnet, for the account of that key.

mod amount;
mod fields;
mod formats;
mod request;
mod rules;
mod summary;

use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha512};

pub use self::request::{XrpTransactionRequest, parse};

use self::fields::{Field, FieldValue, Fields, Signer};
use self::formats::Format;
use crate::chains::decoded::{DecodeError, Rule};
use crate::chains::networks::Network;
use crate::chains::xrp::AccountId;
use crate::keys::{Digest32, SignatureBytes};

/// Longest memos of a transaction, all together, in bytes as the ledger counts them (rippled, `isMemoOkay`).
pub const MAX_MEMOS_BYTES: usize = 1024;
/// Longest field of bytes that is read: one memo may have all of them.
const MAX_BLOB_BYTES: usize = MAX_MEMOS_BYTES;
/// Most paths of a payment (rippled, `MaxPathSize`).
pub const MAX_PATHS: usize = 6;
/// Most steps of a path (rippled, `MaxPathLength`).
pub const MAX_STEPS: usize = 8;
/// Most signers of one transaction (rippled, `kMaxMultiSigners`).
pub const MAX_SIGNERS: usize = 32;

/// Prefixes of what is hashed: of a transaction with one signature, with several, and of a signed one.
/// <https://xrpl.org/docs/references/protocol/data-types/basic-data-types#hash-prefixes>
const TO_SIGN: [u8; 4] = *b"STX\0";
const TO_MULTI_SIGN: [u8; 4] = *b"SMT\0";
const ID: [u8; 4] = *b"TXN\0";

/// The first half of SHA-512 of a prefix and bytes.
fn sha512_half(prefix: [u8; 4], bytes: &[u8]) -> [u8; 32] {
    let hash: [u8; 64] = Sha512::new().chain_update(prefix).chain_update(bytes).finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// What a transaction takes that may be taken once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Sequence(u32),
    Ticket(u32),
}

impl XrpTransactionRequest {
    /// The transaction as a wallet of this key signs it: alone for its own account, or as one of several for another one. Regular keys,
    /// which sign alone for another account, are not served.
    ///
    /// # Errors
    /// [`Rule::NotNeeded`] for another account than the wallet's, or its own where several sign; [`Rule::AlreadySigned`] if it is signed
    /// in a way that does not go with that; [`Rule::Network`] for an X-address of another network; [`DecodeError::Invalid`] for
    /// another `SigningPubKey`.
    pub fn for_signer(&self, network: &Network, key: &PublicKey, multi_sign: bool) -> Result<Transaction, DecodeError> {
        if let Some((field, address)) = self.x_addresses.iter().find(|(_, address)| !address.is_of(network)) {
            let reason = format!("{field} is {address}, an X-address of another network than the wallet's, which is {network}");
            return Err(DecodeError::refused(Rule::Network, reason));
        }
        let missing = || DecodeError::invalid("transaction", "has no Account");
        let account = self.fields.account(Field::Account).ok_or_else(missing)?;
        let signer = AccountId::of(key);
        let others = self.others(account, signer, multi_sign)?;
        let signing_pub_key = if multi_sign { Vec::new() } else { key.serialize().to_vec() };
        // An empty one says nothing yet: xrpl-py gives it to every transaction that is not signed.
        if self.signing_pub_key.as_ref().is_some_and(|given| !given.is_empty() && *given != signing_pub_key) {
            let expected = if multi_sign { ", since several sign" } else { " or the wallet's public key" };
            return Err(request::invalid("SigningPubKey", format!("must be left out or empty{expected}")));
        }
        let mut fields = self.fields.clone();
        fields.set(Field::SigningPubKey, FieldValue::Blob(signing_pub_key));
        Ok(Transaction { format: self.format, account, signer, key: *key, others, fields })
    }

    /// Those who signed before, where several do; `None` where one signs.
    fn others(&self, account: AccountId, signer: AccountId, multi_sign: bool) -> Result<Option<Vec<Signer>>, DecodeError> {
        let not_needed = |reason: String| Err(DecodeError::refused(Rule::NotNeeded, reason));
        let already = |reason: &str| Err(DecodeError::refused(Rule::AlreadySigned, reason));
        if !multi_sign {
            if !self.signers.is_empty() {
                return already("the transaction has Signers; with multiSign the wallet's signature is added to theirs");
            }
            if account != signer {
                return not_needed(format!(
                    "the transaction is of {account} and the wallet is {signer}; it signs for another account with multiSign \
                     alone, and not as a regular key"
                ));
            }
            return Ok(None);
        }
        if account == signer {
            return not_needed(format!("{account} is the wallet's own account, which can't be one of its several signers"));
        }
        if let Some(other) = self.signers.iter().find(|other| other.account == account) {
            return not_needed(format!("{} is in Signers, and can't be one of its own several signers", other.account));
        }
        if self.signers.iter().any(|other| other.account == signer) {
            return already("the wallet is in Signers already");
        }
        if self.signers.len() >= MAX_SIGNERS {
            return already("the transaction has as many Signers as the ledger takes");
        }
        Ok(Some(self.signers.clone()))
    }
}

/// A transaction that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    format: &'static Format,
    /// Whose transaction it is.
    account: AccountId,
    /// The wallet's account.
    signer: AccountId,
    key: PublicKey,
    /// Those who signed before, where several do.
    others: Option<Vec<Signer>>,
    /// With `SigningPubKey`, and without any signature.
    fields: Fields,
}

impl Transaction {
    /// The AccountID of whose transaction it is, which pays its fee.
    pub const fn account(&self) -> &[u8; 20] {
        self.account.as_bytes()
    }

    /// What it takes of its account.
    pub fn turn(&self) -> Turn {
        match self.fields.uint32(Field::TicketSequence) {
            Some(ticket) => Turn::Ticket(ticket),
            None => Turn::Sequence(self.fields.uint32(Field::Sequence).unwrap_or(0)),
        }
    }

    /// The bytes that are signed but for the signer's AccountID, which follows where several sign: the same for all of them.
    pub fn signing_preimage(&self) -> Vec<u8> {
        let prefix = if self.others.is_some() { TO_MULTI_SIGN } else { TO_SIGN };
        [&prefix[..], &self.fields.encode()].concat()
    }

    /// What is signed. It is hashed here.
    pub fn signing_hash(&self) -> Digest32 {
        let fields = self.fields.encode();
        Digest32::new(match self.others {
            None => sha512_half(TO_SIGN, &fields),
            Some(_) => sha512_half(TO_MULTI_SIGN, &[&fields[..], self.signer.as_bytes()].concat()),
        })
    }

    /// Puts the signature in its place.
    ///
    /// # Errors
    /// [`SigningError`] if it is none of ECDSA's.
    pub fn signed(&self, signature: &SignatureBytes) -> Result<SignedTransaction, SigningError> {
        let SignatureBytes::Ecdsa { r_s, .. } = signature else { return Err(SigningError) };
        let signature = Signature::from_compact(r_s).map_err(|_| SigningError)?.serialize_der().to_vec();
        let mut fields = self.fields.clone();
        match &self.others {
            None => fields.set(Field::TxnSignature, FieldValue::Blob(signature)),
            Some(others) => {
                let ours = Signer { account: self.signer, public_key: self.key.serialize().to_vec(), signature };
                let mut signers: Vec<_> = others.iter().cloned().chain([ours]).collect();
                signers.sort_by_key(|signer| signer.account);
                fields.set(Field::Signers, FieldValue::Signers(signers));
            }
        }
        let blob = fields.encode();
        let hash = hex::encode_upper(sha512_half(ID, &blob));
        Ok(SignedTransaction { tx_blob: hex::encode_upper(blob), hash, transaction: fields.to_json() })
    }
}

/// The signature is none of ECDSA over secp256k1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is none of ECDSA over secp256k1")]
pub struct SigningError;

/// What xrp_signTransaction answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedTransaction {
    /// As `submit` takes it, in hex.
    pub tx_blob: String,
    /// The transaction's id. Where several sign, it changes with each signature.
    pub hash: String,
    /// The same as JSON.
    pub transaction: Map<String, Value>,
}

#[cfg(test)]
mod tests;
