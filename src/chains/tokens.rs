//! The tokens that the configuration knows: without its decimals an amount of a token says nothing.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};

use super::cardano::transaction::Asset;
use super::networks::{Network, Networks};

/// A token, as the configuration names it.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// The chain's asset, such as `ETH`; an alias stands for it.
    pub asset: String,
    pub network: String,
    /// The contract's address, in one case or with its EIP-55 checksum; of Cardano `policyId.assetName`, both in hex, or the policy id
    /// alone for an empty name.
    pub contract: String,
    /// 0..36.
    pub decimals: u8,
}

/// Why the configured tokens can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    #[error("networks.tokens: {asset} {network} is no network of EVM or of Cardano of this configuration")]
    Network { asset: String, network: String },
    #[error(
        "networks.tokens: contract \"{0}\" is not 0x and 40 hex digits, or its checksum does not match; of Cardano it must be \
             policyId.assetName in hex"
    )]
    Contract(String),
    #[error("networks.tokens: decimals {0} must be 0 to {MAX_DECIMALS}")]
    Decimals(u8),
    #[error("networks.tokens: {contract} of {network} is there twice")]
    Duplicate { contract: String, network: Network },
}

const MAX_DECIMALS: u8 = 36;

/// How a chain names a token, in its one form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Token {
    Evm(Address),
    /// As [`Asset`] is written.
    Cardano(String),
}

impl Token {
    fn parse(network: &Network, contract: &str) -> Option<Self> {
        if network.family() == "cardano" {
            return Asset::parse(contract).map(|asset| Self::Cardano(asset.to_string()));
        }
        let (address, _) = super::parse_address(network, contract).ok()?;
        address.as_str().parse().ok().map(Self::Evm)
    }
}

/// Decimals by network and token.
#[derive(Debug, Default)]
pub struct Tokens(HashMap<(Network, Token), u8>);

impl Tokens {
    /// # Errors
    /// [`TokensError`] names the row.
    pub fn new(networks: &Networks, rows: &[TokenRow]) -> Result<Self, TokensError> {
        let mut tokens = HashMap::new();
        for row in rows {
            let network = networks
                .resolve(&row.asset, Some(&row.network))
                .ok()
                .filter(|network| matches!(network.family(), "evm" | "cardano"))
                .ok_or_else(|| TokensError::Network { asset: row.asset.clone(), network: row.network.clone() })?;
            let token = Token::parse(&network, &row.contract).ok_or_else(|| TokensError::Contract(row.contract.clone()))?;
            if row.decimals > MAX_DECIMALS {
                return Err(TokensError::Decimals(row.decimals));
            }
            if tokens.insert((network.clone(), token), row.decimals).is_some() {
                return Err(TokensError::Duplicate { contract: row.contract.clone(), network });
            }
        }
        Ok(Self(tokens))
    }

    /// The amount in whole tokens, rounded up and saturating; `None` for a token that is not configured.
    pub fn whole(&self, network: &Network, contract: Address, amount: U256) -> Option<u64> {
        self.of(network, Token::Evm(contract), amount)
    }

    /// As [`Tokens::whole`], of a native token of Cardano, by the form in which it is written.
    pub fn whole_asset(&self, network: &Network, asset: &str, quantity: u64) -> Option<u64> {
        self.of(network, Token::Cardano(asset.to_owned()), U256::from(quantity))
    }

    fn of(&self, network: &Network, token: Token, amount: U256) -> Option<u64> {
        let decimals = *self.0.get(&(network.clone(), token))?;
        Some(round_up(amount, U256::from(10).pow(U256::from(decimals))))
    }
}

/// Wei in gwei, rounded up and saturating.
pub fn gwei(wei: U256) -> u64 {
    round_up(wei, U256::from(1_000_000_000))
}

fn round_up(amount: U256, unit: U256) -> u64 {
    u64::try_from(amount.div_ceil(unit)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chains::networks::NetworkDefaults;

    fn row(asset: &str, network: &str, contract: &str, decimals: u8) -> TokenRow {
        TokenRow { asset: asset.to_owned(), network: network.to_owned(), contract: contract.to_owned(), decimals }
    }

    #[test]
    fn amounts_are_rounded_up_and_saturate() {
        let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
        let contract = "0xdac17f958d2ee523a2206206994597c13d831ec7";
        let tokens = Tokens::new(&networks, &[row("ETH", "mainnet", contract, 6)]).unwrap();
        let mainnet = networks.resolve("ETH", Some("mainnet")).unwrap();
        let whole = |amount| tokens.whole(&mainnet, contract.parse().unwrap(), amount);
        assert_eq!(whole(U256::ZERO), Some(0));
        assert_eq!(whole(U256::from(1)), Some(1));
        assert_eq!(whole(U256::from(1_000_000)), Some(1));
        assert_eq!(whole(U256::from(1_000_001)), Some(2));
        assert_eq!(whole(U256::MAX), Some(u64::MAX));
        assert_eq!(
            tokens.whole(&networks.resolve("ETH", Some("sepolia")).unwrap(), contract.parse().unwrap(), U256::from(1)),
            None
        );
        assert_eq!(gwei(U256::from(1_000_000_001)), 2);
    }

    #[test]
    fn tokens_that_can_not_be_meant_are_refused() {
        let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
        let contract = "0xdac17f958d2ee523a2206206994597c13d831ec7";
        let refused = |rows: &[TokenRow]| Tokens::new(&networks, rows).unwrap_err();
        assert!(matches!(refused(&[row("BTC", "mainnet", contract, 6)]), TokensError::Network { .. }));
        assert!(matches!(refused(&[row("ETH", "nowhere", contract, 6)]), TokensError::Network { .. }));
        assert!(matches!(refused(&[row("ETH", "mainnet", "0x12", 6)]), TokensError::Contract(_)));
        assert!(matches!(refused(&[row("ETH", "mainnet", contract, 37)]), TokensError::Decimals(37)));
        let twice = [row("ETH", "mainnet", contract, 6), row("eth", "mainnet", &contract.to_uppercase().replace("0X", "0x"), 18)];
        assert!(matches!(refused(&twice), TokensError::Duplicate { .. }));
    }
}
