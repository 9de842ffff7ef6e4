//! The highest fees that the configuration allows, whatever a policy says.

use std::collections::BTreeMap;

use super::networks::Networks;

/// Why the configured limits can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeeLimitsError {
    #[error("limits.max_fee: {0} is no asset of this configuration")]
    Asset(String),
    #[error("limits.max_fee: {0} is there twice")]
    Duplicate(String),
}

/// Highest fee of one transaction by canonical ticker, in the units of [`super::decoded::Decoded::fee`].
#[derive(Debug, Clone, Default)]
pub struct FeeLimits(BTreeMap<String, u64>);

impl FeeLimits {
    /// # Errors
    /// [`FeeLimitsError`] names the asset.
    pub fn new<'a>(networks: &Networks, rows: impl IntoIterator<Item = (&'a str, u64)>) -> Result<Self, FeeLimitsError> {
        let mut limits = BTreeMap::new();
        for (ticker, amount) in rows {
            let asset = networks.canonical_asset(ticker).ok_or_else(|| FeeLimitsError::Asset(ticker.to_owned()))?;
            if limits.insert(asset.to_owned(), amount).is_some() {
                return Err(FeeLimitsError::Duplicate(asset.to_owned()));
            }
        }
        Ok(Self(limits))
    }

    /// `None` if the asset has no limit.
    pub fn of(&self, asset: &str) -> Option<u64> {
        self.0.get(asset).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chains::networks::NetworkDefaults;

    #[test]
    fn limits_are_found_under_the_canonical_ticker() {
        let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
        let limits = FeeLimits::new(&networks, [("bsc", 5), ("BTC", 7)]).unwrap();
        assert_eq!((limits.of("BNB"), limits.of("BTC"), limits.of("ETH")), (Some(5), Some(7), None));
        assert_eq!(FeeLimits::new(&networks, [("EURO", 5)]).unwrap_err(), FeeLimitsError::Asset("EURO".to_owned()));
        let twice = FeeLimits::new(&networks, [("BNB", 5), ("BSC", 6)]).unwrap_err();
        assert_eq!(twice, FeeLimitsError::Duplicate("BNB".to_owned()));
    }
}
