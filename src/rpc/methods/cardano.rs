//! Rows of the methods that sign for Cardano.

use super::{Method, ON_BEHALF_OF, ParamType, REQUEST_ID, ResultType, Runs, optional, required, selector};
use crate::chains::cardano::transaction;
use crate::policy::Action;
use crate::rpc::{CardanoSigning, Request};

pub const SIGN_TRANSACTION: Method = Method {
    name: "ada_signTransaction",
    aliases: &[],
    action: Action::Sign,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[
        optional("walletId", ParamType::WalletId),
        optional("address", ParamType::Address),
        required("transaction", ParamType::CardanoTransaction),
        optional("resolvedInputs", ParamType::ResolvedInputs),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::CardanoTransaction,
    summary: "Adds the wallet's witness to a transaction of Cardano, whose body is signed as it came. With resolvedInputs amounts, and whether the key is needed, are checked.",
    read: |fields| {
        Ok(Request::SignCardano(Box::new(CardanoSigning {
            selector: selector(fields)?,
            transaction: transaction::parse(&fields.required::<String>("transaction")?)?,
            resolved_inputs: fields.value("resolvedInputs").map(transaction::parse_resolved_inputs).transpose()?,
        })))
    },
};
