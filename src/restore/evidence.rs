//! What a document, or a key's tags, say of a wallet: claims, to be proven. Every text becomes its type here or is refused.

use std::collections::BTreeMap;

use crate::background::wallets_in_mongo::WalletDocument;
use crate::chains::networks::{Network, Networks};
use crate::chains::{AddressKind, AddressType, parse_address};
use crate::clock::Timestamp;
use crate::ids::{KeyArn, WalletId};
use crate::keys::{PinnedKey, PublicKey};
use crate::kms::{STAKE_KEY_HASH_TAG, STAKE_WALLET_ID_TAG, TaggedKey, WALLET_ID_TAG};
use crate::store::wallets::{Stake, Wallet};
use crate::wallets::lifecycle::Status;

/// A wallet as something claims it to be.
#[derive(Debug)]
pub struct Claim {
    /// Public key and address are what was claimed, if anything was.
    pub wallet: Wallet,
    pub arn: KeyArn,
    /// The key's tags as the tagging API has them, if it lists the key.
    pub tags: Option<BTreeMap<String, String>>,
    /// Status, label and version are a document's.
    pub is_documented: bool,
    /// Other keys that carry the tag of this wallet.
    pub rivals: Vec<KeyArn>,
    /// What the key's tags and the wallet's document do not agree on: then nothing proves whose it is.
    pub contradiction: Option<String>,
}

impl Claim {
    /// Reads a document.
    ///
    /// # Errors
    /// Why it is no wallet's, for people.
    pub fn of_document(networks: &Networks, document: &WalletDocument) -> Result<Self, String> {
        let status: Status = read("status", &document.status)?;
        if matches!(status, Status::Pending | Status::Failed) {
            return Err(format!("its status is {status}, and no wallet without a key is in MongoDB"));
        }
        let network = network(networks, &document.asset, &document.network)?;
        if let Some(spec) = &document.key_spec
            && spec.as_str() != network.key_spec().as_str()
        {
            return Err(format!("its keySpec is {spec:?}, and {network} has {}", network.key_spec()));
        }
        let version = document.version.unwrap_or(0);
        let address_type = address_type(&network, document.address_type.as_deref(), Some(&document.address))?;
        let arn: KeyArn = read("kmsKeyId", &document.kms_key_id)?;
        let claim = Self {
            wallet: Wallet {
                user_id: read("userId", &document.user_id)?,
                ticker: document.asset.clone(),
                address_type,
                stake: stake(address_type, document.stake_wallet_id.as_deref(), document.stake_key_hash.as_deref())?,
                status,
                public_key: document.public_key.as_deref().map(|hex| public_key(&network, hex)).transpose()?,
                address: Some(document.address.clone()),
                label: document.label.as_deref().map(|label| read("label", label)).transpose()?,
                version: u64::try_from(version).map_err(|_| format!("its version is {version}"))?,
                ..blank(
                    read("providerId", &document.provider_id)?,
                    &network,
                    &arn,
                    Timestamp::from_unix_millis(document.created_at),
                    "unknown",
                )?
            },
            arn,
            tags: None,
            is_documented: true,
            rivals: Vec::new(),
            contradiction: None,
        };
        Ok(claim)
    }

    /// Reads a key's tags.
    ///
    /// # Errors
    /// Why they name no wallet, for people.
    pub fn of_key(networks: &Networks, key: TaggedKey) -> Result<Self, String> {
        let tag = |name: &str| key.tags.get(name).map(String::as_str).ok_or_else(|| format!("the key has no tag {name}"));
        let wallet_id: WalletId = read(WALLET_ID_TAG, tag(WALLET_ID_TAG)?)?;
        let ticker = tag("asset")?;
        let network = network(networks, ticker, tag("network")?)?;
        // The id holds the time too: both were made of it.
        let created_at = tag("kmsignd:created-at")
            .ok()
            .and_then(|at| at.parse().ok())
            .unwrap_or_else(|| Timestamp::from_unix_millis(wallet_id.unix_millis()));
        let address_type = address_type(&network, tag("kmsignd:address-type").ok(), None)?;
        let wallet = Wallet {
            ticker: ticker.to_owned(),
            address_type,
            stake: stake(address_type, tag(STAKE_WALLET_ID_TAG).ok(), tag(STAKE_KEY_HASH_TAG).ok())?,
            ..blank(wallet_id, &network, &key.arn, created_at, tag("kmsignd:user-id")?)?
        };
        let (rivals, contradiction) = (Vec::new(), None);
        Ok(Self { wallet, arn: key.arn, tags: Some(key.tags), is_documented: false, rivals, contradiction })
    }

    /// Adds the tags that the tagging API shows of the claimed key, and the other keys that it shows with the wallet's tag.
    pub fn with_tags(self, tags: Option<&BTreeMap<String, String>>, of_the_wallet: &[KeyArn]) -> Self {
        let rivals = of_the_wallet.iter().filter(|arn| **arn != self.arn).cloned().collect();
        Self { tags: tags.cloned(), rivals, ..self }
    }

    /// Takes from a document what KMS does not show of a key that is switched off, and a status that is stricter. A document that
    /// says another key or owner than the tags is a contradiction: either may have been changed by somebody.
    pub fn add_document(&mut self, document: &WalletDocument) {
        let wallet = &self.wallet;
        let stake_wallet = wallet.stake.map(|stake| stake.wallet_id.to_string()).unwrap_or_default();
        let pairs = [
            ("kmsKeyId", document.kms_key_id.as_str(), self.arn.as_str()),
            ("userId", &document.user_id, wallet.user_id.as_str()),
            ("asset", &document.asset, &wallet.ticker),
            ("network", &document.network, &wallet.network),
            ("stakeWalletId", document.stake_wallet_id.as_deref().unwrap_or_default(), &stake_wallet),
        ];
        if let Some((name, document, tags)) = pairs.into_iter().find(|(_, document, tags)| document != tags) {
            self.contradiction = Some(format!(
                "its document in MongoDB says {name} {}, and the key's tags say {tags}; find out which one was changed, and restore from \
                 MongoDB if that is the tags",
                short(document)
            ));
            return;
        }
        if let Ok(status @ (Status::Disabled | Status::PendingDeletion | Status::Deleted)) = document.status.parse() {
            self.wallet.status = status;
        }
        self.wallet.address = Some(document.address.clone());
        let bytes = document.public_key.as_deref().and_then(|text| hex::decode(text).ok());
        let key = bytes.and_then(|bytes| PublicKey::from_bytes(self.wallet.key_spec, &bytes).ok());
        self.wallet.public_key = key.map(PinnedKey::from);
    }
}

/// A text of somebody else's, for a sentence.
fn short(text: &str) -> String {
    let start: String = text.chars().take(80).collect();
    format!("{start:?}")
}

/// What a document and the wallet that is in the store already do not agree on.
pub fn contradiction(wallet: &Wallet, claim: &Claim) -> Option<String> {
    let claimed = &claim.wallet;
    let differ = |name: &str, there: bool| (!there).then(|| format!("its document says another {name} than the store"));
    let same = |ours: Option<&str>, theirs: Option<&str>| ours.is_none() || theirs.is_none() || ours == theirs;
    differ("userId", wallet.user_id == claimed.user_id)
        .or_else(|| differ("asset", wallet.asset == claimed.asset))
        .or_else(|| differ("network", wallet.network == claimed.network))
        .or_else(|| differ("kmsKeyId", wallet.kms_key_id.as_ref().is_none_or(|key| *key == claim.arn)))
        .or_else(|| differ("stake key", wallet.stake == claimed.stake))
        .or_else(|| differ("address", same(wallet.address.as_deref(), claimed.address.as_deref())))
}

/// A wallet of which nothing more is known.
fn blank(wallet_id: WalletId, network: &Network, arn: &KeyArn, created_at: Timestamp, user: &str) -> Result<Wallet, String> {
    Ok(Wallet {
        wallet_id,
        user_id: read("the user", user)?,
        asset: network.asset().to_owned(),
        ticker: network.asset().to_owned(),
        network: network.network().to_owned(),
        address_type: network.default_address_type(),
        stake: None,
        key_spec: network.key_spec(),
        status: Status::Created,
        kms_key_id: Some(arn.clone()),
        public_key: None,
        address: None,
        label: None,
        created_at,
        updated_at: created_at,
        version: 1,
        deletion_date: None,
    })
}

fn network(networks: &Networks, ticker: &str, name: &str) -> Result<Network, String> {
    let network = networks.resolve(ticker, Some(name)).map_err(|error| {
        format!("its {} {error}; if it was configured before, configure it again and repeat the restore", error.field())
    })?;
    if network.network() == name { Ok(network) } else { Err(format!("its network is {name:?}, which is no network's name")) }
}

/// The type as it is written; else the one that the address is of; else the network's default.
fn address_type(network: &Network, written: Option<&str>, address: Option<&str>) -> Result<AddressType, String> {
    let asked = match (written, address) {
        (Some(text), _) => Some(read("addressType", text)?),
        (None, Some(address)) => {
            let (_, kind) = parse_address(network, address).map_err(|error| format!("its address {error}"))?;
            network.address_types().iter().copied().find(|known| AddressKind::from(*known) == kind)
        }
        (None, None) => None,
    };
    network.choose_address_type(asked).map_err(|error| format!("its addressType {error}"))
}

/// The stake key that is written: a base address has one, and no other has.
fn stake(address_type: AddressType, wallet_id: Option<&str>, key_hash: Option<&str>) -> Result<Option<Stake>, String> {
    match (address_type, wallet_id, key_hash) {
        (AddressType::Base, Some(id), Some(hash)) => {
            Ok(Some(Stake { wallet_id: read("stake wallet's id", id)?, key_hash: read("stake key's hash", hash)? }))
        }
        (AddressType::Base, ..) => Err("its address is a base address, and its stake key is missing".to_owned()),
        (_, None, None) => Ok(None),
        (other, ..) => Err(format!("its address is of type {other}, and it has a stake key")),
    }
}

fn public_key(network: &Network, text: &str) -> Result<PinnedKey, String> {
    let bytes = hex::decode(text).map_err(|_| "its publicKey is not hex".to_owned())?;
    PublicKey::from_bytes(network.key_spec(), &bytes).map(PinnedKey::from).map_err(|error| format!("its publicKey: {error}"))
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| format!("its {what} {error}"))
}
