//! The signed form: the bytes to send, and the transaction as geth writes it (geth, core/types/transaction_marshalling.go).

use alloy_consensus::transaction::{EthereumTxEnvelope, Transaction as _, TxEip4844, to_eip155_value};
use alloy_consensus::{SignableTransaction, Typed2718};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address as EvmAddress, B256, Signature, U256, keccak256};
use serde::Serialize;

use super::{Transaction, Typed, signer};
use crate::chains::evm::authorization::SignedAuthorizationView;
use crate::keys::SignatureBytes;

/// geth's answer to eth_signTransaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignedTransaction {
    /// What eth_sendRawTransaction takes; for blobs, after the sidecar was attached.
    pub raw: String,
    tx: TransactionView,
}

/// Why a signature does not make a signed transaction or authorization. Each is a defect, or a signature that no honest signer
/// makes: what is signed was settled before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    #[error("the signature is not one that an EVM chain takes")]
    Signature,
    #[error("the signed transaction does not read back: {0}")]
    ReadBack(String),
    #[error("the signed transaction reads back as another one")]
    Differs,
    #[error("the signature is another account's")]
    Signer,
}

/// Members that a type does not have are null or absent, as geth writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct TransactionView {
    r#type: String,
    chain_id: String,
    nonce: String,
    to: Option<String>,
    gas: String,
    gas_price: Option<String>,
    max_priority_fee_per_gas: Option<String>,
    max_fee_per_gas: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_fee_per_blob_gas: Option<String>,
    value: String,
    input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_list: Option<Vec<AccessView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_versioned_hashes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_list: Option<Vec<SignedAuthorizationView>>,
    v: String,
    r: String,
    s: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y_parity: Option<String>,
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessView {
    address: String,
    storage_keys: Vec<String>,
}

impl Transaction {
    /// Puts the transaction and its signature together, reads the result back, and proves that it is this transaction, signed by
    /// this account.
    ///
    /// # Errors
    /// [`SigningError`]; nothing of what was made may leave.
    pub fn signed(&self, signature: &SignatureBytes) -> Result<SignedTransaction, SigningError> {
        let signature = evm_signature(signature)?;
        let raw = self.typed.clone().into_envelope(signature).encoded_2718();
        let hash = keccak256(&raw);
        let read = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(&raw)
            .map_err(|error| SigningError::ReadBack(error.to_string()))?;
        let read_signature = *read.signature();
        if *read.tx_hash() != hash || read_signature != signature {
            return Err(SigningError::Differs);
        }
        let read = Typed::from(read);
        if read != self.typed {
            return Err(SigningError::Differs);
        }
        prove_signer(&read.signature_hash(), &read_signature, &self.from)?;
        Ok(SignedTransaction { raw: hex(&raw), tx: view(&read, &read_signature, &hash) })
    }
}

/// r, s and parity of a signature whose S is low and whose parity a chain can write.
pub fn evm_signature(signature: &SignatureBytes) -> Result<Signature, SigningError> {
    match signature {
        // 2 and 3 need an r that no honest signer meets, and have no place in a transaction.
        SignatureBytes::Ecdsa { r_s, recovery_id: recovery_id @ 0..=1 } => {
            Ok(Signature::from_bytes_and_parity(r_s, *recovery_id == 1))
        }
        SignatureBytes::Ecdsa { .. } | SignatureBytes::Ed25519(_) => Err(SigningError::Signature),
    }
}

/// # Errors
/// [`SigningError::Signer`] if the signature over `hash` is not this account's.
pub fn prove_signer(hash: &B256, signature: &Signature, account: &EvmAddress) -> Result<(), SigningError> {
    if signer(hash, signature).as_ref() == Some(account) { Ok(()) } else { Err(SigningError::Signer) }
}

fn view(typed: &Typed, signature: &Signature, hash: &B256) -> TransactionView {
    let is_legacy = typed.is_legacy();
    let y_parity = quantity(u8::from(signature.v()));
    let dynamic = |fee: u128| typed.is_dynamic_fee().then(|| quantity(fee));
    TransactionView {
        r#type: quantity(typed.ty()),
        chain_id: quantity(typed.chain_id().unwrap_or_default()),
        nonce: quantity(typed.nonce()),
        to: typed.to().map(|to| hex(to.as_slice())),
        gas: quantity(typed.gas_limit()),
        gas_price: typed.gas_price().map(quantity),
        max_priority_fee_per_gas: typed.max_priority_fee_per_gas().map(quantity),
        max_fee_per_gas: dynamic(typed.max_fee_per_gas()),
        max_fee_per_blob_gas: typed.max_fee_per_blob_gas().map(quantity),
        value: quantity(typed.value()),
        input: hex(typed.input()),
        access_list: typed.access_list().map(|list| {
            let entry = |item: &alloy_eips::eip2930::AccessListItem| AccessView {
                address: hex(item.address.as_slice()),
                storage_keys: item.storage_keys.iter().map(|key| hex(key.as_slice())).collect(),
            };
            list.iter().map(entry).collect()
        }),
        blob_versioned_hashes: typed
            .blob_versioned_hashes()
            .map(|hashes| hashes.iter().map(|hash| hex(hash.as_slice())).collect()),
        authorization_list: typed.authorization_list().map(|list| list.iter().map(SignedAuthorizationView::from).collect()),
        v: if is_legacy { quantity(to_eip155_value(signature.v(), typed.chain_id())) } else { y_parity.clone() },
        r: quantity(signature.r()),
        s: quantity(signature.s()),
        y_parity: (!is_legacy).then_some(y_parity),
        hash: hex(hash.as_slice()),
    }
}

/// A number as Ethereum's JSON has it: `0x`, and no zero in front.
pub fn quantity<N>(number: N) -> String
where
    U256: alloy_primitives::ruint::UintTryFrom<N>,
{
    format!("{:#x}", U256::from(number))
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
