//! Making a wallet: the PENDING row before KMS is asked, and the proof after.

use serde::Serialize;

use super::WalletView;
use super::lifecycle::Status;
use crate::chains::cardano::stake::StakeKeyHash;
use crate::chains::networks::{Network, Networks};
use crate::chains::{address_forms, derive_address};
use crate::clock::Timestamp;
use crate::ids::{KeyArn, WalletId};
use crate::keys::PublicKey;
use crate::outcome::{Answer, Failure};
use crate::rpc::NewWallet;
use crate::store::commits::ProvenWallet;
use crate::store::wallets::{Stake, Wallet};

/// Which of the two methods answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerShape {
    /// wallet_create's.
    Wallet,
    /// kms_createKey's.
    Key,
}

impl AnswerShape {
    /// The shape in which a method answers; `None` if it makes no wallet.
    pub fn of_method(method: &str) -> Option<Self> {
        match method {
            "wallet_create" => Some(Self::Wallet),
            "kms_createKey" => Some(Self::Key),
            _ => None,
        }
    }
}

/// The answers of both methods, so that whoever asked hears it in its own shape, even if it asks again after a crash.
#[derive(Debug, Clone)]
pub struct CreationAnswers {
    wallet: Answer,
    key: Answer,
}

impl CreationAnswers {
    pub const fn of(&self, shape: AnswerShape) -> &Answer {
        match shape {
            AnswerShape::Wallet => &self.wallet,
            AnswerShape::Key => &self.key,
        }
    }
}

/// The stake key of a new wallet on `network`: the key of `wallet`. Whether that is CREATED is looked at when the new one is reserved,
/// so that a repetition gets its answer whatever has become of it since.
///
/// # Errors
/// [`Failure::InvalidParams`] if it is of another network, or has no key yet.
pub fn stake(wallet: &Wallet, network: &Network) -> Result<Stake, Failure> {
    let refused = |reason: String| Err(Failure::invalid("stakeWalletId", reason));
    if (wallet.asset.as_str(), wallet.network.as_str()) != (network.asset(), network.network()) {
        return refused(format!("names a wallet of {} {}; must be one of {network}", wallet.asset, wallet.network));
    }
    if wallet.public_key.is_none() {
        return refused(not_created(wallet.status));
    }
    let key_hash = StakeKeyHash::of(&super::public_key(wallet)?);
    let key_hash = key_hash.ok_or_else(|| Failure::Internal(format!("wallet {} has no Ed25519 key", wallet.wallet_id)))?;
    Ok(Stake { wallet_id: wallet.wallet_id, key_hash })
}

/// Why a stake wallet in this state is refused. Completes "`stakeWalletId` ...".
pub fn not_created(status: Status) -> String {
    format!("names a wallet that is {status}; its stake key must be a CREATED wallet's")
}

/// The wallet as it stands before KMS is asked for its key.
pub fn pending(new: &NewWallet, stake: Option<Stake>, now: Timestamp) -> Wallet {
    Wallet {
        wallet_id: WalletId::new(now.unix_millis()),
        user_id: new.user_id.clone(),
        asset: new.network.asset().to_owned(),
        ticker: new.ticker.clone(),
        network: new.network.network().to_owned(),
        address_type: new.address_type,
        stake,
        key_spec: new.network.key_spec(),
        status: Status::Pending,
        kms_key_id: None,
        public_key: None,
        address: None,
        label: new.label.clone(),
        created_at: now,
        updated_at: now,
        version: 1,
        deletion_date: None,
    }
}

/// Why `kmsignd dev` makes no wallet of a main network.
pub fn no_mainnet() -> Failure {
    Failure::invalid(
        "network",
        "is a main network, and this development daemon keeps its keys in the clear; name a test network, or start it with --allow-mainnet",
    )
}

/// Derives the addresses of the key that KMS made, each read back by its chain's own parser.
///
/// # Errors
/// [`Failure::Internal`] if the key gives no address; the wallet then stays PENDING with its key named.
pub fn prove(
    networks: &Networks,
    pending: &Wallet,
    key: KeyArn,
    public_key: PublicKey,
    now: Timestamp,
) -> Result<ProvenWallet, Failure> {
    let defect = |what: &dyn std::fmt::Display| Failure::Internal(format!("wallet {}: {what}", pending.wallet_id));
    let network = networks.resolve(&pending.asset, Some(&pending.network)).map_err(|error| defect(&error))?;
    let address = derive_address(&network, pending.form(), &public_key).map_err(|error| defect(&error))?;
    let forms = address_forms(&network, pending.stake_key(), &public_key).map_err(|error| defect(&error))?;
    let wallet = Wallet {
        status: Status::Created,
        kms_key_id: Some(key),
        public_key: Some(public_key.into()),
        address: Some(address.as_str().to_owned()),
        updated_at: now,
        version: pending.version.saturating_add(1),
        ..pending.clone()
    };
    let created =
        CreatedKey { kms_key_id: wallet.kms_key_id.as_ref(), wallet_id: wallet.wallet_id, address: wallet.address.as_deref() };
    let answers = CreationAnswers { wallet: Answer::of(&WalletView::from(&wallet))?, key: Answer::of(&created)? };
    Ok(ProvenWallet { wallet, forms, answers })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedKey<'a> {
    kms_key_id: Option<&'a KeyArn>,
    wallet_id: WalletId,
    address: Option<&'a str>,
}
