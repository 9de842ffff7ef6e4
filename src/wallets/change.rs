//! What a caller changes about a wallet's state: disabling, enabling, deletion and its cancellation. Here stands what is checked
//! before the transaction and what is answered; whether the change applies is the transaction's to say.

use serde::Serialize;

use super::WalletView;
use super::lifecycle::{Event, Status};
use crate::clock::Timestamp;
use crate::ids::KeyArn;
use crate::outcome::{Answer, Failure};
use crate::rpc::{Deletion, Request};
use crate::store::commits::StateChange;
use crate::store::wallets::Wallet;

/// What `[keys]` says about deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionRules {
    pub allowed: bool,
    /// 7..30.
    pub default_window_days: u8,
}

/// The change that a request asks for.
///
/// # Errors
/// [`Failure::Denied`] for a deletion while deletion is off; [`Failure::InvalidParams`] if the address typed back is not the wallet's.
pub fn asked(wallet: &Wallet, request: &Request, rules: DeletionRules) -> Result<StateChange, Failure> {
    let change = |event| StateChange { wallet_id: wallet.wallet_id, event, window_days: None, answer: changed };
    match request {
        Request::WalletDisable(_) => Ok(change(Event::Disable)),
        Request::WalletEnable(_) => Ok(change(Event::Enable)),
        Request::CancelKeyDeletion(_) => Ok(change(Event::CancelDeletion)),
        Request::DeleteKey(deletion) => {
            check(wallet, deletion, rules)?;
            let window_days = Some(deletion.window_days.unwrap_or(rules.default_window_days));
            Ok(StateChange { window_days, answer: scheduled, ..change(Event::ScheduleDeletion) })
        }
        other => Err(Failure::Internal(format!("{other:?} changes no wallet's state"))),
    }
}

fn check(wallet: &Wallet, deletion: &Deletion, rules: DeletionRules) -> Result<(), Failure> {
    if !rules.allowed {
        let reason = "deleting keys is off; [keys] allow_deletion = true permits it, beside the policy's delete".to_owned();
        return Err(Failure::Denied { reason, policy_id: None });
    }
    // A wallet without an address has a state that the transaction refuses.
    if wallet.address.as_ref().is_some_and(|address| *address != deletion.confirm) {
        return Err(Failure::invalid("confirm", "must be the address of this key's wallet, exactly as wallet_get shows it"));
    }
    Ok(())
}

fn changed(wallet: &Wallet) -> Result<Answer, Failure> {
    Answer::of(&WalletView::from(wallet))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scheduled<'a> {
    key_id: Option<&'a KeyArn>,
    status: Status,
    /// The earliest: KMS counts from when it hears of it.
    deletion_date: Option<Timestamp>,
}

fn scheduled(wallet: &Wallet) -> Result<Answer, Failure> {
    Answer::of(&Scheduled { key_id: wallet.kms_key_id.as_ref(), status: wallet.status, deletion_date: wallet.deletion_date })
}
