//! Rows of the methods that sign for Bitcoin and the coins made from it.

use super::{Method, ON_BEHALF_OF, ParamType, REQUEST_ID, ResultType, Runs, optional, required, selector};
use crate::chains::utxo::psbt;
use crate::policy::Action;
use crate::rpc::{PsbtSigning, Request, UtxoMessage};

pub const SIGN_PSBT: Method = Method {
    name: "utxo_signPsbt",
    aliases: &[],
    action: Action::Sign,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[
        required("asset", ParamType::Asset),
        optional("network", ParamType::Network),
        required("psbt", ParamType::Psbt),
        optional("finalize", ParamType::Finalize),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::SignedPsbt,
    summary: "Signs every input of a PSBT, version 0 or 2, all or none. Inputs are found by their scripts, and their amounts must be proven by the transactions that made them. A sighash other than ALL needs the action `signPartial` too.",
    read: |fields| {
        let network = fields.network()?;
        let text = fields.required::<String>("psbt")?;
        let psbt = psbt::parse(&text)?;
        Ok(Request::SignPsbt(Box::new(PsbtSigning { network, psbt, finalize: fields.flag("finalize")?.unwrap_or(true) })))
    },
};

pub const SIGN_MESSAGE: Method = Method {
    name: "utxo_signMessage",
    aliases: &[],
    action: Action::SignMessage,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[
        optional("walletId", ParamType::WalletId),
        optional("address", ParamType::Address),
        optional("asset", ParamType::Asset),
        optional("network", ParamType::Network),
        required("message", ParamType::MessageText),
        optional("format", ParamType::MessageFormat),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::UtxoSignature,
    summary: "Signs a message, with the chain's own prefix, of the wallet or of an address (with asset and network if several wallets have it). Without `format`: legacy for p2pkh, bip137 for p2sh-p2wpkh, bip322 for p2wpkh.",
    read: |fields| {
        Ok(Request::SignUtxoMessage(UtxoMessage {
            selector: selector(fields)?,
            message: fields.required("message")?,
            format: fields.optional("format")?,
        }))
    },
};
