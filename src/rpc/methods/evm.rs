//! Rows of the methods that sign for Ethereum and the chains like it.

use serde_json::Value;

use super::{Method, ON_BEHALF_OF, Param, ParamType, REQUEST_ID, ResultType, Runs, required};
use crate::chains::evm::authorization::AuthorizationRequest;
use crate::chains::evm::{quantity, transaction, typed_data};
use crate::outcome::Failure;
use crate::policy::Action;
use crate::rpc::params::Fields;
use crate::rpc::{MessageBytes, PersonalMessage, Request, TypedDataSigning};

pub const SIGN_TRANSACTION: Method = Method {
    name: "eth_signTransaction",
    aliases: &[],
    action: Action::Sign,
    runs: Runs::ToItsEnd,
    by_position: true,
    params: &[required("transaction", ParamType::EvmTransaction), REQUEST_ID, ON_BEHALF_OF],
    result: ResultType::EvmTransaction,
    summary: "Signs a whole transaction: legacy (EIP-155), EIP-2930, EIP-1559, EIP-4844 or EIP-7702 (which needs the action `delegate` too). Nothing is guessed: a missing nonce, gas or fee is an error. requestId and onBehalfOf may be members of the transaction.",
    read: |fields| match fields.value("transaction") {
        Some(Value::Object(members)) => Ok(Request::SignTransaction(Box::new(transaction::parse(members)?))),
        _ => Err(Failure::invalid("transaction", "must be an object")),
    },
};

pub const ETH_SIGN: Method = Method {
    name: "eth_sign",
    aliases: &[],
    action: Action::SignMessage,
    runs: Runs::ToItsEnd,
    by_position: true,
    params: &[required("address", ParamType::Address), required("data", ParamType::MessageBytes), REQUEST_ID, ON_BEHALF_OF],
    result: ResultType::EvmSignature,
    summary: "Signs a message with the prefix of EIP-191, which is always added here: no transaction can be signed this way.",
    read: personal,
};

pub const PERSONAL_SIGN: Method = Method {
    name: "personal_sign",
    aliases: &[],
    action: Action::SignMessage,
    runs: Runs::ToItsEnd,
    by_position: true,
    params: &[
        required("data", ParamType::MessageBytes),
        required("address", ParamType::Address),
        Param { name: "password", kind: ParamType::NoPassword, required: false, by_name_only: false },
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::EvmSignature,
    summary: "As eth_sign, with the parameters in the other order.",
    read: |fields| match fields.text("password")? {
        None | Some("") => personal(fields),
        Some(_) => Err(Failure::invalid("password", "must be empty: keys are in KMS, and have no password")),
    },
};

pub const SIGN_TYPED_DATA: Method = Method {
    name: "eth_signTypedData_v4",
    aliases: &["eth_signTypedData"],
    action: Action::SignMessage,
    runs: Runs::ToItsEnd,
    by_position: true,
    params: &[required("address", ParamType::Address), required("typedData", ParamType::TypedData), REQUEST_ID, ON_BEHALF_OF],
    result: ResultType::EvmSignature,
    summary: "Signs typed data of EIP-712. What is known to move money counts as spending; every other type is unknown, which the packaged policy refuses.",
    read: |fields| {
        let typed_data = fields.value("typedData").unwrap_or(&Value::Null);
        Ok(Request::SignTypedData(Box::new(TypedDataSigning {
            address: fields.evm_address("address")?,
            typed_data: typed_data::parse(typed_data)?,
        })))
    },
};

pub const SIGN_AUTHORIZATION: Method = Method {
    name: "evm_signAuthorization",
    aliases: &[],
    action: Action::Delegate,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[
        required("address", ParamType::Address),
        required("chainId", ParamType::Quantity),
        required("contract", ParamType::Address),
        required("nonce", ParamType::Quantity),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::Authorization,
    summary: "Signs an EIP-7702 authorization, which hands the account to a contract's code. Chain id 0, which holds on every chain, and another network's are refused.",
    read: |fields| {
        let number = |name: &'static str| {
            quantity::u64(fields.value(name).unwrap_or(&Value::Null)).map_err(|reason| Failure::invalid(name, reason))
        };
        Ok(Request::SignAuthorization(AuthorizationRequest {
            address: fields.evm_address("address")?,
            chain_id: number("chainId")?,
            contract: fields.evm_address("contract")?,
            nonce: number("nonce")?,
        }))
    },
};

fn personal(fields: &Fields<'_>) -> Result<Request, Failure> {
    let data =
        quantity::bytes(fields.value("data").unwrap_or(&Value::Null)).map_err(|reason| Failure::invalid("data", reason))?;
    Ok(Request::SignPersonal(PersonalMessage {
        address: fields.evm_address("address")?,
        message: MessageBytes::new(data).map_err(|reason| Failure::invalid("data", reason))?,
    }))
}
