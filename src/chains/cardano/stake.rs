//! The stake part of a base address (CIP-19): the hash of a key that earns and delegates, and moves no coins.

use std::fmt;
use std::str::FromStr;

use crate::keys::PublicKey;

/// BLAKE2b-224 of a stake key, by which a base address names it. With it, the address is derived again without the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StakeKeyHash([u8; 28]);

/// A text or bytes that are no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 28 bytes, as 56 lower-case hex digits where it is a text")]
pub struct StakeKeyHashError;

impl StakeKeyHash {
    /// The hash of an Ed25519 key; `None` of another.
    pub fn of(key: &PublicKey) -> Option<Self> {
        key.ed25519().map(|key| Self(*super::key_hash(key)))
    }

    pub const fn as_bytes(&self) -> &[u8; 28] {
        &self.0
    }
}

impl TryFrom<&[u8]> for StakeKeyHash {
    type Error = StakeKeyHashError;

    fn try_from(bytes: &[u8]) -> Result<Self, StakeKeyHashError> {
        bytes.try_into().map(Self).map_err(|_| StakeKeyHashError)
    }
}

impl FromStr for StakeKeyHash {
    type Err = StakeKeyHashError;

    fn from_str(text: &str) -> Result<Self, StakeKeyHashError> {
        let mut bytes = [0; 28];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| StakeKeyHashError)?;
        // One hash has one text.
        if hex::encode(bytes) == text { Ok(Self(bytes)) } else { Err(StakeKeyHashError) }
    }
}

impl fmt::Display for StakeKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for StakeKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StakeKeyHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chains::networks::{NetworkDefaults, Networks};
    use crate::chains::{AddressForm, AddressKind, AddressType, ChainError, address_forms, derive_address, parse_address};
    use crate::keys::KeySpec;

    /// CIP-19's own, see the file.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Vectors {
        payment_key: String,
        stake_key: String,
        addresses: Vec<(String, AddressType, String)>,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../../tests/vectors/cardano/base_addresses.json")).unwrap()
    }

    fn key(hex: &str) -> PublicKey {
        PublicKey::from_bytes(KeySpec::EccNistEdwards25519, &hex::decode(hex).unwrap()).unwrap()
    }

    #[test]
    fn derive_address_with_a_stake_key_agrees_with_cip_19() {
        let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
        let Vectors { payment_key, stake_key, addresses } = vectors();
        let (payment, stake) = (key(&payment_key), StakeKeyHash::of(&key(&stake_key)).unwrap());
        for (network, address_type, expected) in addresses {
            let network = networks.resolve("ADA", Some(&network)).unwrap();
            let form = AddressForm { address_type, stake: Some(stake).filter(|_| address_type == AddressType::Base) };
            let address = derive_address(&network, form, &payment).unwrap();
            assert_eq!(address.as_str(), expected);
            assert_eq!(parse_address(&network, &expected), Ok((address.clone(), AddressKind::from(address_type))));
            assert!(address_forms(&network, Some(stake), &payment).unwrap().contains(&(address_type, address)));
        }
        let preprod = networks.resolve("ADA", Some("preprod")).unwrap();
        let types = |stake| -> Vec<AddressType> {
            address_forms(&preprod, stake, &payment).unwrap().into_iter().map(|(address_type, _)| address_type).collect()
        };
        assert_eq!(types(Some(stake)), [AddressType::Enterprise, AddressType::Base]);
        assert_eq!(types(None), [AddressType::Enterprise]);
    }

    #[test]
    fn derive_address_wants_a_stake_key_for_a_base_address_and_for_no_other() {
        let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
        let network = networks.resolve("ADA", Some("mainnet")).unwrap();
        let key = key(&vectors().payment_key);
        let stake = StakeKeyHash::of(&key);
        let refused = |address_type, stake| derive_address(&network, AddressForm { address_type, stake }, &key).unwrap_err();
        assert_eq!(refused(AddressType::Base, None), ChainError::StakeKey);
        assert_eq!(refused(AddressType::Enterprise, stake), ChainError::StakeKey);
        let bitcoin = networks.resolve("BTC", Some("mainnet")).unwrap();
        assert!(matches!(
            derive_address(&bitcoin, AddressForm { address_type: AddressType::Base, stake }, &key),
            Err(ChainError::AddressType(_))
        ));
    }

    #[test]
    fn stake_key_hash_has_one_text() {
        let hash = StakeKeyHash::of(&key(&vectors().stake_key)).unwrap();
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(StakeKeyHash::try_from(&hash.as_bytes()[..]), Ok(hash));
        for wrong in
            ["", text.get(2..).unwrap(), &text.to_uppercase(), &format!("0x{text}"), &format!("{text}00"), &"g".repeat(56)]
        {
            assert_eq!(wrong.parse::<StakeKeyHash>(), Err(StakeKeyHashError), "{wrong}");
        }
        assert_eq!(StakeKeyHash::try_from(&[7; 27][..]), Err(StakeKeyHashError));
        let generator = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let secp256k1 = PublicKey::from_bytes(KeySpec::EccSecgP256k1, &hex::decode(generator).unwrap()).unwrap();
        assert_eq!(StakeKeyHash::of(&secp256k1), None);
    }
}
