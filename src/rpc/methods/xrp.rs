//! Rows of the methods that sign for the XRP Ledger.

use super::{Method, ON_BEHALF_OF, ParamType, REQUEST_ID, ResultType, Runs, optional, required, selector};
use crate::chains::xrp::transaction;
use crate::outcome::Failure;
use crate::policy::Action;
use crate::rpc::{Request, XrpSigning};

pub const SIGN_TRANSACTION: Method = Method {
    name: "xrp_signTransaction",
    aliases: &[],
    action: Action::Sign,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[
        optional("walletId", ParamType::WalletId),
        optional("address", ParamType::Address),
        required("transaction", ParamType::XrpTransaction),
        optional("multiSign", ParamType::MultiSign),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::XrpTransaction,
    summary: "Signs a transaction of the XRP Ledger. Sequence or TicketSequence, Fee and every other field must be there: nothing is filled in but the signature and its key.",
    read: |fields| {
        let json = fields.value("transaction").ok_or_else(|| Failure::invalid("transaction", "is missing"))?;
        Ok(Request::SignXrp(Box::new(XrpSigning {
            selector: selector(fields)?,
            transaction: transaction::parse(json)?,
            multi_sign: fields.flag("multiSign")?.unwrap_or(false),
        })))
    },
};
