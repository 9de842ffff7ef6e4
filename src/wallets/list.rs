//! Reads: wallets, addresses and public keys, all from the store. KMS is never asked.

use serde::Serialize;

use super::{WalletView, unreadable};
use crate::chains::networks::{Network, Networks};
use crate::chains::{self, AddressKind};
use crate::ids::{KeyArn, WalletId};
use crate::keys::KeySpec;
use crate::outcome::{Answer, Failure, Outcome};
use crate::rpc::{AddressQuery, WalletList};
use crate::store::wallets::Wallet;
use crate::store::{CachedWallet, Store};

/// The answer of wallet_get.
pub fn wallet(wallet: &CachedWallet) -> Outcome {
    wallet.view(|wallet| Answer::of(&WalletView::from(wallet)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    wallets: Vec<WalletView<'a>>,
    next_cursor: Option<WalletId>,
}

/// Wallets read in one step of a listing, since a caller may be shown few of many.
const STEP: u32 = 1000;

/// The answer of wallet_list: one page of the wallets that are `visible`. The cursor is always one of them, so that it tells of no
/// other.
pub fn page(store: &Store, list: &WalletList, visible: impl Fn(&Wallet) -> bool) -> Outcome {
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let mut filter = list.filter.clone();
    let mut shown: Vec<Wallet> = Vec::new();
    let mut more = true;
    while more && shown.len() < limit {
        let page = store.list_wallets(&filter, list.limit.max(STEP)).map_err(unreadable)?;
        more = page.next.is_some();
        filter.after = page.next;
        shown.extend(page.wallets.into_iter().filter(&visible));
    }
    more |= shown.len() > limit;
    shown.truncate(limit);
    let next_cursor = shown.last().filter(|_| more).map(|last| last.wallet_id);
    Answer::of(&Page { wallets: shown.iter().map(WalletView::from).collect(), next_cursor })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Addresses {
    wallet_id: WalletId,
    addresses: Vec<AddressForm>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AddressForm {
    address_type: &'static str,
    address: chains::Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<u32>,
}

/// The answer of wallet_addresses: with a `tag`, which wallets of XRP alone take, the X-address that has it too.
pub fn addresses(networks: &Networks, wallet: &Wallet, tag: Option<u32>) -> Outcome {
    let public_key = super::public_key(wallet)?;
    let defect = |what: &dyn std::fmt::Display| Failure::Internal(format!("wallet {}: {what}", wallet.wallet_id));
    let network = networks.resolve(&wallet.asset, Some(&wallet.network)).map_err(|error| defect(&error))?;
    let forms = chains::address_forms(&network, wallet.stake_key(), &public_key).map_err(|error| defect(&error))?;
    let mut addresses: Vec<_> = forms
        .into_iter()
        .map(|(address_type, address)| AddressForm { address_type: address_type.as_str(), address, tag: None })
        .collect();
    if let Some(tag) = tag {
        let address = chains::tagged_address(&network, &public_key, tag).map_err(|error| defect(&error))?;
        let address =
            address.ok_or_else(|| Failure::invalid("tag", format!("is for wallets of XRP; this one is of {network}")))?;
        addresses.push(AddressForm { address_type: AddressKind::XAddress.as_str(), address, tag: Some(tag) });
    }
    Answer::of(&Addresses { wallet_id: wallet.wallet_id, addresses })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Validity<'a> {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_type: Option<&'a str>,
    /// In canonical form.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<chains::Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The answer of address_validate.
pub fn validity(query: &AddressQuery) -> Outcome {
    Answer::of(&match chains::parse_address(&query.network, &query.address) {
        Ok((address, kind)) => Validity { valid: true, address_type: Some(kind.as_str()), address: Some(address), reason: None },
        Err(invalid) => {
            Validity { valid: false, address_type: None, address: None, reason: Some(format!("the address {invalid}")) }
        }
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyView<'a> {
    key_id: &'a KeyArn,
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key_uncompressed: Option<String>,
    /// SubjectPublicKeyInfo, base64 of its DER, as KMS gives it.
    spki: String,
    key_spec: KeySpec,
}

/// The answer of kms_getPublicKey, from the pinned key.
pub fn public_key(wallet: &Wallet) -> Outcome {
    let key_id = wallet.kms_key_id.as_ref().ok_or(Failure::KeyNotUsable { status: wallet.status })?;
    let key = super::public_key(wallet)?;
    Answer::of(&PublicKeyView {
        key_id,
        public_key: hex::encode(key.to_bytes()),
        public_key_uncompressed: key.secp256k1().map(|point| hex::encode(point.serialize_uncompressed())),
        spki: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.to_spki_der()),
        key_spec: key.spec(),
    })
}

/// Most addresses that eth_accounts gives.
const MAX_ACCOUNTS: usize = 1000;
/// Most wallets that it looks at: a caller who may sign with none must not make it read all.
const MAX_SCANNED: u32 = 10_000;

/// The answer of eth_accounts: addresses of EVM wallets for which `may_sign` holds.
pub fn accounts(store: &Store, networks: &Networks, may_sign: impl Fn(&Wallet) -> bool) -> Outcome {
    let evm_assets: std::collections::BTreeSet<&str> =
        networks.iter().filter(|network| network.chain_id().is_some()).map(Network::asset).collect();
    let mut addresses = Vec::new();
    for asset in evm_assets {
        let filter = crate::store::wallets::WalletFilter {
            asset: Some(asset.to_owned()),
            status: Some(super::lifecycle::Status::Created),
            ..Default::default()
        };
        let wallets = store.list_wallets(&filter, MAX_SCANNED).map_err(unreadable)?;
        let room = MAX_ACCOUNTS.saturating_sub(addresses.len());
        addresses.extend(wallets.wallets.into_iter().filter(&may_sign).filter_map(|wallet| wallet.address).take(room));
        if addresses.len() >= MAX_ACCOUNTS {
            break;
        }
    }
    Answer::of(&addresses)
}
