//! EIP-7702 authorizations: who signs one hands the account's code to a contract, which can then do with the account what the
//! account's key can. None is made for every chain (chain id 0).

use alloy_eips::eip7702::constants::MAGIC;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address as EvmAddress, U256, keccak256};
use alloy_rlp::Encodable;
use serde::Serialize;
use serde_json::json;

use super::transaction::{SigningError, evm_signature, other_chain, prove_signer, quantity};
use crate::chains::Address;
use crate::chains::decoded::{DecodeError, Decoded, Rule};
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::networks::Network;
use crate::keys::{Digest32, SignatureBytes};

/// What evm_signAuthorization is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthorizationRequest {
    pub address: Address,
    pub chain_id: u64,
    /// The contract whose code the account gets; the zero address takes it away again.
    pub contract: Address,
    pub nonce: u64,
}

impl AuthorizationRequest {
    /// The authorization on its wallet's network.
    ///
    /// # Errors
    /// [`Rule::ChainId`] for another chain, and for chain id 0, which would hold on every one; [`DecodeError::Invalid`] with
    /// `address` for a network of another family, and with `nonce` for one that no account reaches.
    pub fn on_network(&self, network: &Network) -> Result<UnsignedAuthorization, DecodeError> {
        let of_network = network.chain_id().ok_or_else(|| DecodeError::invalid("address", "is no wallet of an EVM network"))?;
        if self.chain_id == 0 {
            return Err(DecodeError::refused(
                Rule::ChainId,
                "an authorization of chain id 0 holds on every chain; give the chain id of the wallet's network",
            ));
        }
        if self.chain_id != of_network {
            return Err(other_chain("the authorization", self.chain_id, network, of_network));
        }
        if self.nonce == u64::MAX {
            return Err(DecodeError::invalid("nonce", "must be below 2^64 - 1 (EIP-2681)"));
        }
        let read = |field: &'static str, address: &Address| {
            address.as_str().parse::<EvmAddress>().map_err(|_| DecodeError::invalid(field, "is no EVM address"))
        };
        Ok(UnsignedAuthorization {
            account: read("address", &self.address)?,
            authorization: Authorization {
                chain_id: U256::from(of_network),
                address: read("contract", &self.contract)?,
                nonce: self.nonce,
            },
        })
    }
}

/// An authorization that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedAuthorization {
    account: EvmAddress,
    authorization: Authorization,
}

impl UnsignedAuthorization {
    pub const fn nonce(&self) -> u64 {
        self.authorization.nonce
    }

    /// The bytes whose Keccak-256 is signed: 0x05, then the RLP of chain id, contract and nonce.
    pub fn signing_preimage(&self) -> Vec<u8> {
        let mut bytes = vec![MAGIC];
        self.authorization.encode(&mut bytes);
        bytes
    }

    /// What is signed. It is hashed here.
    pub fn signing_hash(&self) -> Digest32 {
        Digest32::new(keccak256(self.signing_preimage()).0)
    }

    /// What the signature does. It pays nothing: whoever sends it in a transaction does.
    pub fn decode(&self) -> Decoded {
        let Authorization { chain_id, address, nonce } = &self.authorization;
        let account = self.account.to_checksum(None);
        let contract = address.to_checksum(None);
        let details = json!({
            "chainId": u64::try_from(*chain_id).unwrap_or(u64::MAX),
            "account": account,
            "contract": contract,
            "nonce": nonce,
        });
        let mut decoded = Decoded::new(vec![delegation(address)], details);
        decoded.warnings.push(describe(&account, address));
        decoded
    }

    /// Puts the authorization and its signature together, and proves that it is this account's.
    ///
    /// # Errors
    /// [`SigningError`]; nothing of what was made may leave.
    pub fn signed(&self, signature: &SignatureBytes) -> Result<SignedAuthorizationView, SigningError> {
        let signature = evm_signature(signature)?;
        prove_signer(&self.authorization.signature_hash(), &signature, &self.account)?;
        Ok(SignedAuthorizationView::from(&self.authorization.clone().into_signed(signature)))
    }
}

/// An authorization as a transaction's `authorizationList` takes it. Every number is `0x` and hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedAuthorizationView {
    pub chain_id: String,
    /// The contract.
    pub address: String,
    pub nonce: String,
    pub y_parity: String,
    pub r: String,
    pub s: String,
}

impl From<&SignedAuthorization> for SignedAuthorizationView {
    fn from(signed: &SignedAuthorization) -> Self {
        Self {
            chain_id: quantity(signed.inner().chain_id),
            address: format!("0x{}", hex::encode(signed.inner().address)),
            nonce: quantity(signed.inner().nonce),
            y_parity: quantity(signed.y_parity()),
            r: quantity(signed.r()),
            s: quantity(signed.s()),
        }
    }
}

/// What an authorization does. What the contract's code does with the account can't be read, so the amount is unknown; the zero
/// address has no code.
pub(super) fn delegation(contract: &EvmAddress) -> Effect {
    Effect { program: Some(contract.to_checksum(None)), unknown_amount: !contract.is_zero(), ..Effect::new(EffectKind::Delegate) }
}

/// The same in a sentence.
pub(super) fn describe(account: &str, contract: &EvmAddress) -> String {
    if contract.is_zero() {
        format!("It takes the code of {account} away, if it was given one.")
    } else {
        let contract = contract.to_checksum(None);
        format!("It gives {account} the code of {contract}, which can then do with the account whatever its key can.")
    }
}

#[cfg(test)]
mod tests;
