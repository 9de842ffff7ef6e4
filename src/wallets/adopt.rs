//! May a key that was found by its tags be a PENDING wallet's? Pure.
//!
//! Anyone who may tag keys in the account can plant one that carries a wallet's id. Such a key would be in somebody else's hand,
//! and coins sent to its address with it. So a key is adopted only if everything about it is as CreateKey was asked for.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::ids::KeyArn;
use crate::kms::{KeyDescription, STAKE_KEY_HASH_TAG};
use crate::store::wallets::Wallet;

/// How far AWS's clock may be behind ours.
const CLOCK_SKEW_MILLIS: u64 = 60_000;

/// What must hold of a wallet's key, besides what the wallet itself says.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The tags that CreateKey was given. Others beside them do no harm.
    pub tags: &'a [(String, String)],
    pub region: &'a str,
    /// The account of the keys that this store holds already, if there is any.
    pub account: Option<&'a str>,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub arn: &'a KeyArn,
    pub tags: &'a BTreeMap<String, String>,
    pub description: &'a KeyDescription,
}

/// Why the key can't be the PENDING wallet's, or `None` if everything fits.
pub fn unfit(wallet: &Wallet, expected: Expected<'_>, key: Evidence<'_>) -> Option<String> {
    let Evidence { arn, description, .. } = key;
    let earliest = Timestamp::from_unix_millis(wallet.created_at.unix_millis().saturating_sub(CLOCK_SKEW_MILLIS));
    misfit(wallet, expected, key).or_else(|| other("its state", "Enabled", &description.key_state)).or_else(|| match description
        .created_at
    {
        Some(created_at) if created_at >= earliest => None,
        Some(created_at) => Some(format!("KMS made {} at {created_at}, before the wallet was asked for", arn.key_id())),
        None => Some("KMS does not say when it made the key".to_owned()),
    })
}

/// Whether nothing but its state keeps the key from being the PENDING wallet's, and it is not on its way out: somebody stopped it,
/// and it may be enabled again.
pub fn is_stopped(wallet: &Wallet, expected: Expected<'_>, key: Evidence<'_>) -> bool {
    let stopped = !matches!(key.description.key_state.as_str(), "Enabled" | "PendingDeletion" | "PendingReplicaDeletion");
    let enabled = KeyDescription { key_state: "Enabled".to_owned(), ..key.description.clone() };
    stopped && unfit(wallet, expected, Evidence { description: &enabled, ..key }).is_none()
}

/// What must hold of a wallet's key at any time, whatever its state.
pub fn misfit(wallet: &Wallet, expected: Expected<'_>, key: Evidence<'_>) -> Option<String> {
    let Evidence { arn, tags, description } = key;
    other("its Region", expected.region, arn.region())
        .or_else(|| expected.account.and_then(|account| other("its account", account, arn.account())))
        .or_else(|| other("its manager", "CUSTOMER", &description.key_manager))
        .or_else(|| other("its origin", "AWS_KMS", &description.origin))
        .or_else(|| other("its spec", wallet.key_spec.as_str(), &description.key_spec))
        .or_else(|| other("its usage", "SIGN_VERIFY", &description.key_usage))
        .or_else(|| description.multi_region.then(|| "it is a multi-Region key, which was not asked for".to_owned()))
        .or_else(|| {
            expected.tags.iter().find_map(|(name, value)| match tags.get(name) {
                Some(found) => other(&format!("its tag {name}"), value, found),
                None => Some(format!("it lacks the tag {name}")),
            })
        })
        // Or it would come back under another address than the one that was given out.
        .or_else(|| {
            let is_base = wallet.stake.is_none() && tags.contains_key(STAKE_KEY_HASH_TAG);
            is_base.then(|| format!("it has the tag {STAKE_KEY_HASH_TAG}, and the wallet has no stake key"))
        })
}

fn other(what: &str, wanted: &str, found: &str) -> Option<String> {
    (wanted != found).then(|| format!("{what} is {found:?} and not {wanted:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chains::AddressType;
    use crate::keys::KeySpec;
    use crate::wallets::lifecycle::Status;

    const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234";

    fn wallet() -> Wallet {
        Wallet {
            wallet_id: "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60".parse().unwrap(),
            user_id: "user123".parse().unwrap(),
            asset: "BTC".to_owned(),
            ticker: "BTC".to_owned(),
            network: "testnet".to_owned(),
            address_type: AddressType::P2wpkh,
            stake: None,
            key_spec: KeySpec::EccSecgP256k1,
            status: Status::Pending,
            kms_key_id: None,
            public_key: None,
            address: None,
            label: None,
            created_at: Timestamp::from_unix_millis(1_000_000),
            updated_at: Timestamp::from_unix_millis(1_000_000),
            version: 1,
            deletion_date: None,
        }
    }

    fn described() -> KeyDescription {
        KeyDescription {
            key_state: "Enabled".to_owned(),
            key_spec: "ECC_SECG_P256K1".to_owned(),
            key_usage: "SIGN_VERIFY".to_owned(),
            origin: "AWS_KMS".to_owned(),
            key_manager: "CUSTOMER".to_owned(),
            multi_region: false,
            created_at: Some(Timestamp::from_unix_millis(1_000_500)),
            deletion_date: None,
        }
    }

    fn verdict(arn: &str, change: impl FnOnce(&mut KeyDescription, &mut BTreeMap<String, String>)) -> Option<String> {
        let tags = [("kmsignd:wallet-id".to_owned(), "w".to_owned()), ("asset".to_owned(), "BTC".to_owned())];
        let (mut description, mut found) = (described(), BTreeMap::from(tags.clone()));
        change(&mut description, &mut found);
        let expected = Expected { tags: &tags, region: "eu-central-1", account: Some("111122223333") };
        let arn = arn.parse().unwrap();
        unfit(&wallet(), expected, Evidence { arn: &arn, tags: &found, description: &description })
    }

    #[test]
    fn unfit_is_none_for_the_key_as_it_was_asked_for() {
        assert_eq!(verdict(ARN, |_, _| {}), None);
        assert_eq!(verdict(ARN, |_, tags| drop(tags.insert("cost-centre".to_owned(), "7".to_owned()))), None);
        assert_eq!(verdict(ARN, |key, _| key.created_at = Some(Timestamp::from_unix_millis(940_000))), None);
    }

    #[test]
    fn unfit_names_whatever_else_a_planted_key_could_be() {
        type Change = fn(&mut KeyDescription, &mut BTreeMap<String, String>);
        let changes: [(&str, Change); 11] = [
            ("state", |key, _| key.key_state = "Disabled".to_owned()),
            ("state", |key, _| key.key_state = "PendingImport".to_owned()),
            ("spec", |key, _| key.key_spec = "ECC_NIST_P256".to_owned()),
            ("usage", |key, _| key.key_usage = "KEY_AGREEMENT".to_owned()),
            ("origin", |key, _| key.origin = "EXTERNAL".to_owned()),
            ("manager", |key, _| key.key_manager = "AWS".to_owned()),
            ("multi-Region", |key, _| key.multi_region = true),
            ("before", |key, _| key.created_at = Some(Timestamp::from_unix_millis(939_999))),
            ("when", |key, _| key.created_at = None),
            ("tag asset", |_, tags| drop(tags.insert("asset".to_owned(), "ETH".to_owned()))),
            ("tag kmsignd:wallet-id", |_, tags| drop(tags.remove("kmsignd:wallet-id"))),
        ];
        for (word, change) in changes {
            let reason = verdict(ARN, change).unwrap_or_default();
            assert!(reason.contains(word), "{word}: {reason}");
        }
        assert!(verdict("arn:aws:kms:eu-west-1:111122223333:key/1", |_, _| {}).unwrap().contains("Region"));
        assert!(verdict("arn:aws:kms:eu-central-1:999999999999:key/1", |_, _| {}).unwrap().contains("account"));
    }
}
