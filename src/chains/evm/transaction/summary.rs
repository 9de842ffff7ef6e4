//! What a transaction does, for policy and people.

use alloy_consensus::Typed2718;
use alloy_consensus::transaction::Transaction as _;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{Address as EvmAddress, TxKind, U256};
use serde_json::{Map, Value, json};

use super::Transaction;
use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::evm::authorization::{delegation, describe};
use crate::chains::evm::calldata::{self, Does, TokenCall};
use crate::chains::tokens::{Tokens, gwei};

/// What the cheapest transaction costs on Ethereum.
const MIN_GAS: u64 = 21_000;

impl Transaction {
    /// What it does, effect by effect. Nobody's wallet is known here: `to_own_wallet` is false everywhere.
    pub fn decode(&self, tokens: &Tokens) -> Decoded {
        let mut summary = Summary::new(self, tokens);
        summary.value_and_call();
        summary.authorizations();
        summary.fee();
        summary.odd_members();
        summary.decoded.details = Value::Object(summary.details);
        summary.decoded
    }

    /// The highest price of a unit of gas.
    fn gas_price(&self) -> u128 {
        self.typed.max_fee_per_gas()
    }

    /// The most that the network may be paid, in wei.
    fn max_fee(&self) -> U256 {
        let execution = U256::from(self.typed.gas_limit()).saturating_mul(U256::from(self.gas_price()));
        let blobs = self.typed.blob_versioned_hashes().map_or(0, <[_]>::len);
        let blob_gas = U256::from(blobs).saturating_mul(U256::from(DATA_GAS_PER_BLOB));
        let blob_price = U256::from(self.typed.max_fee_per_blob_gas().unwrap_or(0));
        execution.saturating_add(blob_gas.saturating_mul(blob_price))
    }
}

struct Summary<'a> {
    transaction: &'a Transaction,
    tokens: &'a Tokens,
    decoded: Decoded,
    details: Map<String, Value>,
}

impl<'a> Summary<'a> {
    fn new(transaction: &'a Transaction, tokens: &'a Tokens) -> Self {
        let typed = &transaction.typed;
        let mut details = Map::new();
        let mut tell = |name: &str, value: Value| details.insert(name.to_owned(), value);
        tell("type", json!(typed.ty()));
        tell("chainId", json!(transaction.chain_id));
        tell("nonce", json!(typed.nonce()));
        tell("from", json!(text(&transaction.from)));
        tell("to", json!(typed.to().map(|to| text(&to))));
        tell("value", json!(typed.value().to_string()));
        tell("gas", json!(typed.gas_limit()));
        if let Some(price) = typed.gas_price() {
            tell("gasPrice", json!(price.to_string()));
        } else {
            tell("maxFeePerGas", json!(typed.max_fee_per_gas().to_string()));
            tell("maxPriorityFeePerGas", json!(typed.max_priority_fee_per_gas().unwrap_or(0).to_string()));
        }
        if let Some(price) = typed.max_fee_per_blob_gas() {
            tell("maxFeePerBlobGas", json!(price.to_string()));
            tell("blobs", json!(typed.blob_versioned_hashes().map_or(0, <[_]>::len)));
        }
        tell("dataBytes", json!(typed.input().len()));
        if let Some(list) = typed.access_list().filter(|list| !list.is_empty()) {
            let keys: usize = list.iter().map(|item| item.storage_keys.len()).sum();
            tell("accessList", json!({ "addresses": list.len(), "storageKeys": keys }));
        }
        Self { transaction, tokens, decoded: Decoded::new(Vec::new(), Value::Null), details }
    }

    fn warn(&mut self, sentence: impl Into<String>) {
        self.decoded.warnings.push(sentence.into());
    }

    fn value_and_call(&mut self) {
        let typed = &self.transaction.typed;
        let value = typed.value();
        self.decoded.total_out = gwei(value);
        match typed.kind() {
            TxKind::Create => {
                let created = self.transaction.from.create(typed.nonce());
                self.details.insert("creates".to_owned(), json!(text(&created)));
                if !value.is_zero() {
                    self.decoded.effects.push(native(created, value));
                }
                self.decoded.effects.push(Effect { unknown_amount: true, ..Effect::new(EffectKind::Create) });
                self.decoded.unknown_parts = true;
                self.warn("It creates a contract. What its code does is not read.");
            }
            TxKind::Call(to) => {
                let calldata = typed.input();
                // A transaction of nothing to somebody is a transfer of nothing.
                if !value.is_zero() || calldata.is_empty() {
                    self.decoded.effects.push(native(to, value));
                }
                if to.is_zero() && !value.is_zero() {
                    self.warn("It sends coins to the zero address, where nobody can spend them.");
                }
                if !calldata.is_empty() {
                    self.call(to, calldata);
                }
            }
        }
    }

    fn call(&mut self, contract: EvmAddress, calldata: &[u8]) {
        let selector = calldata::selector(calldata).map(|selector| format!("0x{}", hex::encode(selector)));
        self.details.insert("selector".to_owned(), json!(selector));
        let Some(call) = calldata::decode(calldata) else {
            let named = selector.as_deref().map_or_else(|| "no selector".to_owned(), |selector| format!("selector {selector}"));
            self.warn(format!("It calls {} with {named}; what that does is not known.", text(&contract)));
            self.decoded.unknown_parts = true;
            self.decoded.effects.push(Effect {
                program: Some(text(&contract)),
                selector,
                unknown_amount: true,
                ..Effect::new(EffectKind::Call)
            });
            return;
        };
        let (kind, recipient) = match call.does {
            Does::Transfer { to, .. } => (EffectKind::Token, to),
            Does::Approve { spender, .. } => (EffectKind::Approval, spender),
        };
        let amount = match call.amount {
            calldata::Amount::Erc20(amount) => self.tokens.whole(&self.transaction.network, contract, amount),
            calldata::Amount::NoUnit => None,
        };
        self.decoded.effects.push(Effect {
            recipient: Some(text(&recipient)),
            amount,
            token: Some(text(&contract)),
            selector,
            unknown_amount: amount.is_none(),
            ..Effect::new(kind)
        });
        self.warn_of_token_call(&contract, &call, amount.is_some());
        self.details.insert("call".to_owned(), json!({ "function": call.function, "arguments": call.arguments }));
    }

    fn warn_of_token_call(&mut self, contract: &EvmAddress, call: &TokenCall, known: bool) {
        let token = text(contract);
        if !known {
            self.warn(format!(
                "How much it is about is not known: {token} is no token of [[networks.tokens]], or the call has no common unit."
            ));
        }
        let whose = match call.does {
            Does::Transfer { from: whose, .. } | Does::Approve { owner: whose, .. } => whose,
        };
        if let Some(whose) = whose.filter(|whose| *whose != self.transaction.from) {
            self.warn(format!("The tokens are those of {}, not the wallet's own.", text(&whose)));
        }
        match call.does {
            Does::Transfer { to, .. } if to.is_zero() => {
                self.warn("It sends tokens to the zero address, where nobody can spend them.");
            }
            Does::Transfer { to, .. } if to == *contract => {
                self.warn("It sends tokens to the token's own contract, where they are usually lost.");
            }
            Does::Approve { spender, .. } if call.amount.is_unlimited() => {
                self.warn(format!("It lets {} move any amount of {token}.", text(&spender)));
            }
            Does::Approve { spender, .. } if call.arguments.get("approved") == Some(&Value::Bool(true)) => {
                self.warn(format!("It lets {} move every token of {token}.", text(&spender)));
            }
            Does::Transfer { .. } | Does::Approve { .. } => {}
        }
    }

    fn authorizations(&mut self) {
        let Some(list) = self.transaction.typed.authorization_list() else { return };
        let mut shown = Vec::new();
        for (authorization, account) in list.iter().zip(&self.transaction.authorities) {
            let name = text(account);
            let inner = authorization.inner();
            self.decoded.effects.push(delegation(&inner.address));
            self.warn(describe(&name, &inner.address));
            if inner.chain_id.is_zero() {
                self.warn(format!("The authorization of {name} is for chain id 0: it holds on every chain."));
            }
            // The sender's nonce is counted up before its own authorization is looked at.
            let expected = self.transaction.nonce().checked_add(1);
            if *account == self.transaction.from && Some(inner.nonce) != expected {
                self.warn("The wallet's own authorization must have the nonce after the transaction's; a node would skip it.");
            }
            shown.push(json!({
                "chainId": inner.chain_id.to_string(),
                "account": name,
                "contract": text(&inner.address),
                "nonce": inner.nonce,
            }));
        }
        self.details.insert("authorizations".to_owned(), Value::Array(shown));
    }

    fn fee(&mut self) {
        let fee = gwei(self.transaction.max_fee());
        self.decoded.fee = fee;
        self.decoded.fee_rate = Some(gwei(U256::from(self.transaction.gas_price())));
        if fee > 0 {
            self.decoded.effects.push(Effect { amount: Some(fee), ..Effect::new(EffectKind::Fee) });
        }
    }

    fn odd_members(&mut self) {
        let gas = self.transaction.typed.gas_limit();
        if gas < MIN_GAS {
            self.warn(format!("Its gas is under {MIN_GAS}, which no transaction of Ethereum gets by with."));
        }
        if gas > MAX_TX_GAS_LIMIT_OSAKA {
            self.warn(format!("Its gas is over {MAX_TX_GAS_LIMIT_OSAKA}, which nodes of Ethereum refuse (EIP-7825)."));
        }
        if self.transaction.gas_price() == 0 {
            self.warn("It pays nothing for its gas, which few networks take.");
        }
    }
}

fn native(to: EvmAddress, value: U256) -> Effect {
    Effect { recipient: Some(text(&to)), amount: Some(gwei(value)), ..Effect::new(EffectKind::Transfer) }
}

fn text(address: &EvmAddress) -> String {
    address.to_checksum(None)
}
