//! What the methods do with wallets, one use case a file. The order of the steps is the pipeline's; these are the steps.

pub mod adopt;
pub mod change;
pub mod content;
pub mod create;
pub mod lifecycle;
pub mod list;
pub mod sign;
pub mod sign_cardano;
pub mod sign_evm;
pub mod sign_message;
pub mod sign_psbt;
pub mod sign_solana;
pub mod sign_xrp;
pub mod verify;

use std::sync::Arc;

use serde::Serialize;

use crate::chains;
use crate::chains::AddressType;
use crate::chains::networks::Networks;
use crate::clock::Timestamp;
use crate::ids::{KeyArn, Label, UserId, WalletId};
use crate::keys::{KeySpec, PublicKey};
use crate::outcome::Failure;
use crate::policy::WalletFacts;
use crate::rpc::Selector;
use crate::store::wallets::Wallet;
use crate::store::{CachedWallet, Store, StoreError};
use lifecycle::Status;

/// A wallet as callers see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletView<'a> {
    pub wallet_id: WalletId,
    pub user_id: &'a UserId,
    /// The ticker as the caller wrote it.
    pub asset: &'a str,
    pub network: &'a str,
    pub address_type: AddressType,
    /// Of a base address: the wallet whose key is its stake key. What has become of it since, this does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stake_wallet_id: Option<WalletId>,
    pub address: Option<&'a str>,
    pub public_key: Option<String>,
    pub kms_key_id: Option<&'a KeyArn>,
    pub key_spec: KeySpec,
    pub status: Status,
    pub label: Option<&'a Label>,
    pub created_at: Timestamp,
    pub version: u64,
    /// When KMS deletes the key: while PENDING_DELETION, and once DELETED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_date: Option<Timestamp>,
}

impl<'a> From<&'a Wallet> for WalletView<'a> {
    fn from(wallet: &'a Wallet) -> Self {
        Self {
            wallet_id: wallet.wallet_id,
            user_id: &wallet.user_id,
            asset: &wallet.ticker,
            network: &wallet.network,
            address_type: wallet.address_type,
            stake_wallet_id: wallet.stake.map(|stake| stake.wallet_id),
            address: wallet.address.as_deref(),
            public_key: wallet.public_key.as_ref().map(|key| hex::encode(key.as_bytes())),
            kms_key_id: wallet.kms_key_id.as_ref(),
            key_spec: wallet.key_spec,
            status: wallet.status,
            label: wallet.label.as_ref(),
            created_at: wallet.created_at,
            version: wallet.version,
            deletion_date: wallet.deletion_date,
        }
    }
}

/// The wallet that a selector names.
///
/// # Errors
/// [`Failure::NotFound`] with the parameter that named it; [`Failure::InvalidParams`] if an address is more than one wallet's;
/// [`Failure::StoreUnavailable`].
pub fn select(store: &Store, networks: &Networks, selector: &Selector) -> Result<Arc<CachedWallet>, Failure> {
    match selector {
        Selector::Id(id) => store.wallet(*id).map_err(unreadable)?.ok_or_else(|| unknown(selector.param())),
        Selector::Key { arn, .. } => store.wallet_by_key(arn).map_err(unreadable)?.ok_or_else(|| unknown(selector.param())),
        Selector::Address { address, asset, network } => {
            let mut found = Vec::new();
            for canonical in canonical_forms(networks, address) {
                found.extend(store.wallets_by_address(&canonical).map_err(unreadable)?);
            }
            found.retain(|wallet| asset.as_ref().is_none_or(|asset| wallet.asset == *asset));
            found.retain(|wallet| network.as_ref().is_none_or(|network| wallet.network == network.network()));
            match (found.pop(), found.is_empty()) {
                (Some(wallet), true) => Ok(Arc::new(CachedWallet::new(wallet))),
                (Some(_), false) => {
                    Err(Failure::invalid("address", "belongs to several wallets; give asset and network, or the walletId"))
                }
                (None, _) => Err(unknown(selector.param())),
            }
        }
    }
}

/// The wallet's pinned public key, proven to be a point again.
///
/// # Errors
/// [`Failure::KeyNotUsable`] if the wallet has none yet.
pub fn public_key(wallet: &Wallet) -> Result<PublicKey, Failure> {
    let pinned = wallet.public_key.as_ref().ok_or(Failure::KeyNotUsable { status: wallet.status })?;
    pinned.open().map_err(|error| Failure::Internal(format!("wallet {}: its pinned public key: {error}", wallet.wallet_id)))
}

/// What a policy can see of a wallet.
pub(crate) struct FactsOf<'a> {
    wallet: &'a Wallet,
    wallet_id: String,
    family: &'static str,
}

pub(crate) fn facts_of<'a>(wallet: &'a Wallet, networks: &Networks) -> FactsOf<'a> {
    let family = networks.resolve(&wallet.asset, Some(&wallet.network)).map_or("unknown", |network| network.family());
    FactsOf { wallet, wallet_id: wallet.wallet_id.to_string(), family }
}

impl FactsOf<'_> {
    pub fn borrowed(&self) -> WalletFacts<'_> {
        let Self { wallet, wallet_id, family } = self;
        WalletFacts {
            wallet_id,
            asset: &wallet.asset,
            network: &wallet.network,
            family,
            address_type: wallet.address_type.as_str(),
            user_id: wallet.user_id.as_str(),
            label: wallet.label.as_ref().map(Label::as_str),
            status: wallet.status.as_str(),
        }
    }
}

/// What a policy can see of the wallet.
pub(crate) fn with_facts<T>(wallet: &Wallet, networks: &Networks, ask: impl FnOnce(WalletFacts<'_>) -> T) -> T {
    ask(facts_of(wallet, networks).borrowed())
}

/// What the caller hears of a wallet that is not there, or that it may not know of: the same words for both.
pub fn unknown(field: &'static str) -> Failure {
    Failure::NotFound { field, what: format!("no wallet here has this {field}") }
}

pub(crate) fn unreadable(error: StoreError) -> Failure {
    tracing::error!(%error, "the store could not be read");
    Failure::StoreUnavailable
}

/// Every canonical form that the text has on some network: the same letters are one address on Bitcoin's test networks, and
/// Ethereum's come in any case.
fn canonical_forms(networks: &Networks, text: &str) -> Vec<String> {
    let mut forms: Vec<String> = networks
        .iter()
        .filter_map(|network| chains::parse_address(network, text).ok())
        .map(|(address, _)| address.as_str().to_owned())
        .collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}
