//! Rows of the methods that change a wallet's state.

use super::{Method, ON_BEHALF_OF, ParamType, REQUEST_ID, ResultType, Runs, optional, required};
use crate::outcome::Failure;
use crate::policy::Action;
use crate::rpc::params::Fields;
use crate::rpc::{Deletion, Request, Selector, Switch};

pub const WALLET_DISABLE: Method = Method {
    name: "wallet_disable",
    aliases: &[],
    action: Action::Administer,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[required("walletId", ParamType::WalletId), required("reason", ParamType::Reason), REQUEST_ID, ON_BEHALF_OF],
    result: ResultType::Wallet,
    summary: "Stops a CREATED wallet from signing, from this answer on: what KMS is signing for it now is withheld. KMS is told afterwards, for as long as that takes.",
    read: |fields| Ok(Request::WalletDisable(switch(fields)?)),
};

pub const WALLET_ENABLE: Method = Method {
    name: "wallet_enable",
    aliases: &[],
    action: Action::Administer,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[required("walletId", ParamType::WalletId), required("reason", ParamType::Reason), REQUEST_ID, ON_BEHALF_OF],
    result: ResultType::Wallet,
    summary: "Lets a DISABLED wallet sign again. KMS is told afterwards; until it has followed, signing is answered KMS_UNAVAILABLE.",
    read: |fields| Ok(Request::WalletEnable(switch(fields)?)),
};

pub const DELETE_KEY: Method = Method {
    name: "kms_deleteKey",
    aliases: &["deleteKmsKey"],
    action: Action::Delete,
    runs: Runs::ToItsEnd,
    by_position: true,
    params: &[
        required("keyId", ParamType::KeyArn),
        required("confirm", ParamType::Confirmation),
        optional("pendingWindowInDays", ParamType::WindowDays),
        optional("reason", ParamType::Reason),
        REQUEST_ID,
        ON_BEHALF_OF,
    ],
    result: ResultType::ScheduledDeletion,
    summary: "Schedules the deletion of a key, which no longer signs from this answer on. When the window has ended KMS deletes it, and whatever its addresses hold is lost for good. Refused unless `[keys] allow_deletion` is true.",
    read: |fields| {
        Ok(Request::DeleteKey(Deletion {
            key: fields.required("keyId")?,
            confirm: fields.required("confirm")?,
            window_days: fields.number("pendingWindowInDays", 7..=30)?.and_then(|days| u8::try_from(days).ok()),
            reason: fields.optional("reason")?,
        }))
    },
};

pub const CANCEL_KEY_DELETION: Method = Method {
    name: "kms_cancelKeyDeletion",
    aliases: &[],
    action: Action::Delete,
    runs: Runs::ToItsEnd,
    by_position: false,
    params: &[required("keyId", ParamType::KeyArn), REQUEST_ID, ON_BEHALF_OF],
    result: ResultType::Wallet,
    summary: "Saves a key from its deletion. The wallet is DISABLED then, as KMS leaves the key; wallet_enable lets it sign again.",
    read: |fields| Ok(Request::CancelKeyDeletion(Selector::Key { arn: fields.required("keyId")?, as_key_id: true })),
};

fn switch(fields: &Fields<'_>) -> Result<Switch, Failure> {
    Ok(Switch { wallet_id: fields.required("walletId")?, reason: fields.required("reason")? })
}
