//! Reads the calls of token contracts that move tokens or let somebody else move them: ERC-20, EIP-2612, ERC-721, ERC-1155.
//!
//! A call is read only if its bytes are the one encoding of its arguments: with dirty padding, trailing bytes or moved offsets a
//! contract may read something else than we did, so such a call is not read at all.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use serde_json::{Value, json};

/// Most token ids of a batch that are shown.
const MAX_SHOWN_IDS: usize = 32;

/// Signatures as the standards have them: <https://eips.ethereum.org/EIPS/eip-20>, eip-721, eip-1155, eip-2612;
/// `increaseAllowance` is OpenZeppelin's.
mod abi {
    alloy_sol_types::sol! {
        interface Erc20 {
            function transfer(address to, uint256 amount);
            function transferFrom(address from, address to, uint256 amount);
            function approve(address spender, uint256 amount);
            function increaseAllowance(address spender, uint256 amount);
            function permit(address owner, address spender, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s);
        }

        interface Erc721 {
            function safeTransferFrom(address from, address to, uint256 id);
            function setApprovalForAll(address operator, bool approved);
        }

        interface Erc721WithData {
            function safeTransferFrom(address from, address to, uint256 id, bytes data);
        }

        interface Erc1155 {
            function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes data);
            function safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] amounts, bytes data);
        }
    }
}

use abi::{Erc20, Erc721, Erc721WithData, Erc1155};

/// A call that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenCall {
    /// As the selector is made of: `transfer(address,uint256)`.
    pub function: &'static str,
    pub does: Does,
    pub amount: Amount,
    /// Its arguments by name, for people.
    pub arguments: Value,
}

/// What a token call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Tokens move.
    Transfer {
        /// Whose; `None`: the caller's.
        from: Option<Address>,
        to: Address,
    },
    /// `spender` may move tokens later.
    Approve {
        /// Whose; `None`: the caller's.
        owner: Option<Address>,
        spender: Address,
    },
}

/// How much a token call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// In the smallest unit, if the contract is an ERC-20 token. `approve` and `transferFrom` have the same selectors in ERC-721,
    /// where this is a token's id: which one it is, the contract alone tells.
    Erc20(U256),
    /// Tokens that have no common unit.
    NoUnit,
}

impl Amount {
    /// Whether it is as good as everything: no token has 2^96 - 1 units, and that is what tools write who limit nothing.
    pub fn is_unlimited(self) -> bool {
        match self {
            Self::Erc20(amount) => amount >= (U256::from(1) << 96) - U256::from(1),
            Self::NoUnit => false,
        }
    }
}

/// The selector: the first four bytes.
pub fn selector(calldata: &[u8]) -> Option<[u8; 4]> {
    calldata.first_chunk().copied()
}

/// Reads a call; `None` for one that is not known, or not encoded as the ABI says.
pub fn decode(calldata: &[u8]) -> Option<TokenCall> {
    erc20(calldata).or_else(|| erc721(calldata)).or_else(|| erc1155(calldata))
}

fn erc20(calldata: &[u8]) -> Option<TokenCall> {
    if let Some(call) = exactly::<Erc20::transferCall>(calldata) {
        let arguments = json!({ "to": text(call.to), "amount": call.amount.to_string() });
        return Some(transfer::<Erc20::transferCall>(None, call.to, Amount::Erc20(call.amount), arguments));
    }
    if let Some(call) = exactly::<Erc20::transferFromCall>(calldata) {
        let arguments = json!({ "from": text(call.from), "to": text(call.to), "amount": call.amount.to_string() });
        let amount = Amount::Erc20(call.amount);
        return Some(transfer::<Erc20::transferFromCall>(Some(call.from), call.to, amount, arguments));
    }
    if let Some(call) = exactly::<Erc20::approveCall>(calldata) {
        let arguments = json!({ "spender": text(call.spender), "amount": call.amount.to_string() });
        return Some(approve::<Erc20::approveCall>(None, call.spender, Amount::Erc20(call.amount), arguments));
    }
    if let Some(call) = exactly::<Erc20::increaseAllowanceCall>(calldata) {
        let arguments = json!({ "spender": text(call.spender), "amount": call.amount.to_string() });
        return Some(approve::<Erc20::increaseAllowanceCall>(None, call.spender, Amount::Erc20(call.amount), arguments));
    }
    let call = exactly::<Erc20::permitCall>(calldata)?;
    let arguments = json!({
        "owner": text(call.owner),
        "spender": text(call.spender),
        "amount": call.amount.to_string(),
        "deadline": call.deadline.to_string(),
    });
    Some(approve::<Erc20::permitCall>(Some(call.owner), call.spender, Amount::Erc20(call.amount), arguments))
}

fn erc721(calldata: &[u8]) -> Option<TokenCall> {
    if let Some(call) = exactly::<Erc721::safeTransferFromCall>(calldata) {
        let arguments = json!({ "from": text(call.from), "to": text(call.to), "id": call.id.to_string() });
        return Some(transfer::<Erc721::safeTransferFromCall>(Some(call.from), call.to, Amount::NoUnit, arguments));
    }
    if let Some(call) = exactly::<Erc721WithData::safeTransferFromCall>(calldata) {
        let arguments = json!({
            "from": text(call.from),
            "to": text(call.to),
            "id": call.id.to_string(),
            "dataBytes": call.data.len(),
        });
        return Some(transfer::<Erc721WithData::safeTransferFromCall>(Some(call.from), call.to, Amount::NoUnit, arguments));
    }
    let call = exactly::<Erc721::setApprovalForAllCall>(calldata)?;
    let arguments = json!({ "operator": text(call.operator), "approved": call.approved });
    Some(approve::<Erc721::setApprovalForAllCall>(None, call.operator, Amount::NoUnit, arguments))
}

fn erc1155(calldata: &[u8]) -> Option<TokenCall> {
    if let Some(call) = exactly::<Erc1155::safeTransferFromCall>(calldata) {
        let arguments = json!({
            "from": text(call.from),
            "to": text(call.to),
            "id": call.id.to_string(),
            "amount": call.amount.to_string(),
            "dataBytes": call.data.len(),
        });
        return Some(transfer::<Erc1155::safeTransferFromCall>(Some(call.from), call.to, Amount::NoUnit, arguments));
    }
    let call = exactly::<Erc1155::safeBatchTransferFromCall>(calldata).filter(|call| call.ids.len() == call.amounts.len())?;
    let tokens = call.ids.iter().zip(&call.amounts).take(MAX_SHOWN_IDS);
    let tokens: Vec<_> = tokens.map(|(id, amount)| json!({ "id": id.to_string(), "amount": amount.to_string() })).collect();
    let arguments = json!({
        "from": text(call.from),
        "to": text(call.to),
        "tokens": tokens,
        "tokensInAll": call.ids.len(),
        "dataBytes": call.data.len(),
    });
    Some(transfer::<Erc1155::safeBatchTransferFromCall>(Some(call.from), call.to, Amount::NoUnit, arguments))
}

/// The call, if these bytes are the one way to write it.
fn exactly<C: SolCall>(calldata: &[u8]) -> Option<C> {
    if selector(calldata) != Some(C::SELECTOR) {
        return None;
    }
    C::abi_decode(calldata).ok().filter(|call| call.abi_encode() == calldata)
}

fn transfer<C: SolCall>(from: Option<Address>, to: Address, amount: Amount, arguments: Value) -> TokenCall {
    TokenCall { function: C::SIGNATURE, does: Does::Transfer { from, to }, amount, arguments }
}

fn approve<C: SolCall>(owner: Option<Address>, spender: Address, amount: Amount, arguments: Value) -> TokenCall {
    TokenCall { function: C::SIGNATURE, does: Does::Approve { owner, spender }, amount, arguments }
}

fn text(address: Address) -> String {
    address.to_checksum(None)
}

#[cfg(test)]
mod tests;
