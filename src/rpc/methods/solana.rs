//! Rows of the methods that sign for Solana.

use super::{Method, ON_BEHALF_OF, ParamType, REQUEST_ID, ResultType, Runs, optional, required, selector};
use crate::chains::solana::{message, transaction};
use crate::outcome::Failure;
use crate::policy::Action;
use crate::rpc::{MessageText, Request, SolanaMessage, SolanaSigning};

pub const SIGN_TRANSACTION: Method = Method {
    name: "sol_signTransaction",
    aliases: &[],
    action: Action::Sign,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[
        optional("walletId", ParamType::WalletId),
        optional("address", ParamType::Address),
        required("transaction", ParamType::SolanaTransaction),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::SolanaTransaction,
    summary: "Puts the wallet's signature into a transaction of Solana, legacy or version 0. The same payment with another blockhash is another payment: retry with the same requestId.",
    read: |fields| {
        Ok(Request::SignSolana(Box::new(SolanaSigning {
            selector: selector(fields)?,
            transaction: transaction::parse(&fields.required::<String>("transaction")?)?,
        })))
    },
};

pub const SIGN_MESSAGE: Method = Method {
    name: "sol_signMessage",
    aliases: &[],
    action: Action::SignMessage,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[
        optional("walletId", ParamType::WalletId),
        optional("address", ParamType::Address),
        required("message", ParamType::MessageBase64),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::SolanaSignature,
    summary: "Signs a message in the off-chain message format. Bytes that could be a transaction are refused.",
    read: |fields| {
        Ok(Request::SignSolanaMessage(SolanaMessage {
            selector: selector(fields)?,
            message: message::parse(&fields.required::<String>("message")?)?
                .parse::<MessageText>()
                .map_err(|reason| Failure::invalid("message", reason))?,
        }))
    },
};
