//! What typed data does, where a standard says it: EIP-2612 and DAI's permits, Permit2, EIP-3009, Safe transactions. A type is one
//! of these if its whole `encodeType` is, and nothing less: one character more is another hash, and another meaning. Everything else
//! is a message whose meaning is unknown.

use alloy_primitives::{Address as Account, U256, address};

use super::TypedDataRequest;
use super::values::{StructValue, Value};
use crate::chains::Address;
use crate::chains::decoded::{DecodeError, Decoded, Rule};
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::evm::calldata::{self, Amount, Does};
use crate::chains::networks::Network;
use crate::chains::tokens::{Tokens, gwei};

/// EIP-2612.
const PERMIT: &str = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";
/// DAI's, older than EIP-2612: all or nothing.
const DAI_PERMIT: &str = "Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)";
/// EIP-3009.
const TRANSFER_WITH_AUTHORIZATION: &str = "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,\
                                           uint256 validBefore,bytes32 nonce)";
/// EIP-3009: only its recipient may bring it to the chain.
const RECEIVE_WITH_AUTHORIZATION: &str = "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,\
                                          uint256 validBefore,bytes32 nonce)";
/// EIP-3009: a nonce becomes unusable.
const CANCEL_AUTHORIZATION: &str = "CancelAuthorization(address authorizer,bytes32 nonce)";

/// Uniswap's Permit2, at the same address on every chain that counts.
const PERMIT2: Account = address!("000000000022D473030F116dDEE9F6B43aC78BA3");
const PERMIT2_DOMAIN: &str = "EIP712Domain(string name,uint256 chainId,address verifyingContract)";
const PERMIT_SINGLE: &str = "PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)\
                             PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)";
const PERMIT_BATCH: &str = "PermitBatch(PermitDetails[] details,address spender,uint256 sigDeadline)\
                            PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)";
const PERMIT_TRANSFER: &str = "PermitTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline)\
                               TokenPermissions(address token,uint256 amount)";
const PERMIT_BATCH_TRANSFER: &str = "PermitBatchTransferFrom(TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline)\
     TokenPermissions(address token,uint256 amount)";
/// Their spender says what follows, and what it means.
const WITNESS_TRANSFERS: [&str; 2] = [
    "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,",
    "PermitBatchWitnessTransferFrom(TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline,",
];
const TOKEN_PERMISSIONS: &str = "TokenPermissions(address token,uint256 amount)";

/// Safe from version 1.0 on.
const SAFE_TX: &str = "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,\
                       uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)";
/// Before version 1.3 a Safe's domain names no chain.
const SAFE_DOMAINS: [&str; 2] =
    ["EIP712Domain(uint256 chainId,address verifyingContract)", "EIP712Domain(address verifyingContract)"];

/// Says what a signature over this typed data allows. `signer` is the address of the wallet that signs, on `network`. Which recipients
/// are wallets here is left to the caller.
///
/// # Errors
/// [`DecodeError::Refused`] if the domain names another chain.
pub fn decode(request: &TypedDataRequest, network: &Network, tokens: &Tokens, signer: &Address) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder { network, tokens, signer, decoded: Decoded::new(Vec::new(), request.details()) };
    if decoder.decoded.details.get("message").is_none() {
        decoder.warn("The typed data is too long to be shown.");
    }
    match (request.chain_id(), network.chain_id()) {
        (None, _) => {
            decoder.decoded.unknown_parts = true;
            decoder.warn("The domain names no chain: the signature may hold on every one.");
        }
        (Some(named), Some(own)) if named == U256::from(own) => {}
        (Some(named), _) => {
            let reason = format!("it is for chain id {named}, and the wallet's network {network} has another");
            return Err(DecodeError::refused(Rule::ChainId, reason));
        }
    }
    let contract = request.verifying_contract();
    if contract.and_then(|contract| decoder.known(request, contract)).is_none() {
        decoder.unknown_message(contract);
    }
    Ok(decoder.decoded)
}

struct Decoder<'a> {
    network: &'a Network,
    tokens: &'a Tokens,
    signer: &'a Address,
    decoded: Decoded,
}

impl Decoder<'_> {
    /// `None` if no standard says what it does.
    fn known(&mut self, request: &TypedDataRequest, contract: Account) -> Option<()> {
        let (message, domain) = (&request.message, &request.domain.of().encoded);
        match (message.of().encoded.as_str(), message.members()) {
            (PERMIT, [Value::Address(owner), Value::Address(spender), Value::Uint(value), ..]) => {
                self.expect_signer("owner", *owner);
                self.approval(contract, *spender, *value, None);
                Some(())
            }
            (DAI_PERMIT, [Value::Address(holder), Value::Address(spender), _, _, Value::Bool(allowed)]) => {
                self.expect_signer("holder", *holder);
                self.approval(contract, *spender, if *allowed { U256::MAX } else { U256::ZERO }, None);
                Some(())
            }
            (
                TRANSFER_WITH_AUTHORIZATION | RECEIVE_WITH_AUTHORIZATION,
                [Value::Address(from), Value::Address(to), Value::Uint(value), ..],
            ) => {
                self.expect_signer("from", *from);
                let effect = Effect { recipient: Some(text(*to)), ..Effect::new(EffectKind::Token) };
                self.token(effect, contract, *value);
                Some(())
            }
            (CANCEL_AUTHORIZATION, [Value::Address(authorizer), ..]) => {
                self.expect_signer("authorizer", *authorizer);
                self.add(Effect { token: Some(text(contract)), ..Effect::new(EffectKind::Authority) });
                Some(())
            }
            (SAFE_TX, members) if SAFE_DOMAINS.contains(&domain.as_str()) => {
                self.safe_transaction(&SafeTransaction::read(members)?, contract);
                Some(())
            }
            _ if contract == PERMIT2 && domain == PERMIT2_DOMAIN => self.permit2(request),
            _ => None,
        }
    }

    fn permit2(&mut self, request: &TypedDataRequest) -> Option<()> {
        let message = &request.message;
        let is_named = request.domain.get("name") == Some(&Value::String("Permit2".to_owned()));
        let encoded = message.of().encoded.as_str();
        let has_witness = WITNESS_TRANSFERS.iter().any(|start| encoded.starts_with(start))
            && request.types.get("TokenPermissions").is_some_and(|of| of.encoded == TOKEN_PERMISSIONS);
        let is_known = [PERMIT_SINGLE, PERMIT_BATCH, PERMIT_TRANSFER, PERMIT_BATCH_TRANSFER].contains(&encoded);
        if !is_named || !(is_known || has_witness) {
            return None;
        }
        let [permitted, Value::Address(spender), ..] = message.members() else { return None };
        let permitted = match permitted {
            Value::Array(several) if !several.is_empty() => several.as_slice(),
            one @ Value::Struct(_) => std::slice::from_ref(one),
            _ => return None,
        };
        let permitted: Option<Vec<_>> = permitted.iter().map(token_and_amount).collect();
        for (token, amount) in permitted? {
            self.approval(token, *spender, amount, Some(PERMIT2));
        }
        self.decoded.unknown_parts |= has_witness;
        Some(())
    }

    fn safe_transaction(&mut self, transaction: &SafeTransaction<'_>, safe: Account) {
        let SafeTransaction { to, value, data, operation, .. } = *transaction;
        self.warn(format!("The Safe {} pays, once as many of its owners as it asks for have signed.", text(safe)));
        // A transaction of nothing to somebody is a transfer of nothing.
        if !value.is_zero() || data.is_empty() {
            let amount = gwei(value);
            self.decoded.total_out = self.decoded.total_out.saturating_add(amount);
            let effect = Effect { recipient: Some(text(to)), amount: Some(amount), ..Effect::new(EffectKind::Transfer) };
            self.add(Effect { program: Some(text(safe)), ..effect });
        }
        match operation {
            0 if data.is_empty() => {}
            // What a Safe calls on itself changes who controls it.
            0 if to == safe => {
                self.warn("The Safe changes itself: its owners, its modules or how many of its owners must sign.");
                self.unread(EffectKind::Authority, to, data);
            }
            0 => self.safe_call(to, data, safe),
            1 => {
                self.warn(format!("The Safe hands all that it has to the code of {} (delegatecall).", text(to)));
                self.unread(EffectKind::Authority, to, data);
            }
            _ => self.unread(EffectKind::Authority, to, data),
        }
        self.safe_refund(transaction, safe);
    }

    fn safe_call(&mut self, to: Account, data: &[u8], safe: Account) {
        let Some(call) = calldata::decode(data) else {
            self.warn(format!("The Safe calls {}, and what that does is not known.", text(to)));
            return self.unread(EffectKind::Call, to, data);
        };
        let (kind, recipient, whose) = match call.does {
            Does::Transfer { from, to } => (EffectKind::Token, to, from),
            Does::Approve { owner, spender } => (EffectKind::Approval, spender, owner),
        };
        if let Some(whose) = whose.filter(|whose| *whose != safe) {
            self.warn(format!("The tokens are those of {}, not the Safe's own.", text(whose)));
        }
        if kind == EffectKind::Approval && call.amount.is_unlimited() {
            self.warn_of_no_limit(recipient, to);
        }
        let effect =
            Effect { recipient: Some(text(recipient)), program: Some(text(safe)), selector: selector(data), ..Effect::new(kind) };
        match call.amount {
            Amount::Erc20(amount) => self.token(effect, to, amount),
            Amount::NoUnit => self.add(Effect { token: Some(text(to)), unknown_amount: true, ..effect }),
        }
    }

    /// What whoever brings the transaction to the chain gets for its gas.
    fn safe_refund(&mut self, transaction: &SafeTransaction<'_>, safe: Account) {
        let SafeTransaction { gas_price, gas_token, refund_receiver, .. } = *transaction;
        if gas_price.is_zero() {
            return;
        }
        let native = gas_token.is_zero();
        self.add(Effect {
            recipient: (!refund_receiver.is_zero()).then(|| text(refund_receiver)),
            token: (!native).then(|| text(gas_token)),
            program: Some(text(safe)),
            unknown_amount: true,
            ..Effect::new(if native { EffectKind::Transfer } else { EffectKind::Token })
        });
        self.warn("The Safe refunds the gas; how much that is can't be told from what is signed.");
    }

    /// A call of which nothing is known but its first four bytes.
    fn unread(&mut self, kind: EffectKind, program: Account, data: &[u8]) {
        self.decoded.unknown_parts = true;
        let (program, selector) = (Some(text(program)), selector(data));
        self.add(Effect { program, selector, unknown_amount: true, ..Effect::new(kind) });
    }

    fn unknown_message(&mut self, contract: Option<Account>) {
        self.decoded.unknown_parts = true;
        self.add(Effect { program: contract.map(text), unknown_amount: true, ..Effect::new(EffectKind::Message) });
    }

    fn approval(&mut self, token: Account, spender: Account, amount: U256, program: Option<Account>) {
        if Amount::Erc20(amount).is_unlimited() {
            self.warn_of_no_limit(spender, token);
        }
        // Permit2 takes the most that its 160 bits hold for no limit.
        let all_of_permit2 = program == Some(PERMIT2) && amount == U256::MAX >> 96_usize;
        let effect = Effect { recipient: Some(text(spender)), program: program.map(text), ..Effect::new(EffectKind::Approval) };
        self.token(effect, token, if all_of_permit2 { U256::MAX } else { amount });
    }

    fn warn_of_no_limit(&mut self, spender: Account, token: Account) {
        self.warn(format!("It lets {} move any amount of {}.", text(spender), text(token)));
    }

    /// Adds an effect on a token, whose amount is known if the token is configured.
    fn token(&mut self, effect: Effect, token: Account, amount: U256) {
        let amount = self.tokens.whole(self.network, token, amount);
        self.add(Effect { token: Some(text(token)), amount, unknown_amount: amount.is_none(), ..effect });
    }

    fn add(&mut self, effect: Effect) {
        self.decoded.effects.push(effect);
    }

    fn warn(&mut self, warning: impl Into<String>) {
        self.decoded.warnings.push(warning.into());
    }

    fn expect_signer(&mut self, member: &str, named: Account) {
        if text(named) != self.signer.as_str() {
            self.warn(format!("Its {member} is {}, not the wallet that signs.", text(named)));
        }
    }
}

/// Of a SafeTx, what decides what it does.
#[derive(Clone, Copy)]
struct SafeTransaction<'a> {
    to: Account,
    value: U256,
    data: &'a [u8],
    operation: u8,
    gas_price: U256,
    gas_token: Account,
    refund_receiver: Account,
}

impl<'a> SafeTransaction<'a> {
    fn read(members: &'a [Value]) -> Option<Self> {
        let [
            Value::Address(to),
            Value::Uint(value),
            Value::Bytes(data),
            Value::Uint(operation),
            _safe_tx_gas,
            _base_gas,
            Value::Uint(gas_price),
            Value::Address(gas_token),
            Value::Address(refund_receiver),
            _nonce,
        ] = members
        else {
            return None;
        };
        Some(Self {
            to: *to,
            value: *value,
            data,
            operation: u8::try_from(*operation).ok()?,
            gas_price: *gas_price,
            gas_token: *gas_token,
            refund_receiver: *refund_receiver,
        })
    }
}

/// The head of `PermitDetails` and of `TokenPermissions`.
fn token_and_amount(value: &Value) -> Option<(Account, U256)> {
    match value {
        Value::Struct(details) => match StructValue::members(details) {
            [Value::Address(token), Value::Uint(amount), ..] => Some((*token, *amount)),
            _ => None,
        },
        _ => None,
    }
}

fn selector(data: &[u8]) -> Option<String> {
    calldata::selector(data).map(|selector| format!("0x{}", hex::encode(selector)))
}

fn text(account: Account) -> String {
    account.to_checksum(None)
}

#[cfg(test)]
mod tests;
