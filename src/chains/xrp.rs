//! Addresses of the XRP Ledger: an AccountID in base58 with the ledger's own alphabet, alone (a classic address) or with a network and
//! a destination tag (an X-address). One key has one AccountID on every network of the ledger.
//! <https://xrpl.org/docs/references/protocol/data-types/base58-encodings>,
//! <https://github.com/XRPLF/XRPL-Standards/tree/master/XLS-0005-x-address>

pub mod transaction;

use std::fmt;

use bitcoin::hashes::{Hash, hash160};
use bitcoin::secp256k1::PublicKey;

use super::networks::Network;
use super::{AddressKind, InvalidAddress, MAX_ADDRESS_BYTES};

/// What stands in front of an AccountID.
const ACCOUNT_ID: u8 = 0x00;
/// What stands in front of an X-address of the main network.
const X_MAINNET: [u8; 2] = [0x05, 0x44];
/// The same of the test networks, which share it.
const X_TEST: [u8; 2] = [0x04, 0x93];
/// The flag of an X-address without a tag, and of one with a tag of 32 bits. There are no others yet.
const NO_TAG: u8 = 0;
const TAG: u8 = 1;

const CLASSIC: InvalidAddress = InvalidAddress::Malformed("a classic address or an X-address");

/// An account: RIPEMD-160 of SHA-256 of its master key, compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId([u8; 20]);

impl AccountId {
    /// The account whose master key this is.
    pub fn of(key: &PublicKey) -> Self {
        Self(hash160::Hash::hash(&key.serialize()).to_byte_array())
    }

    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Whether it is one of the two accounts that are numbers, of which nobody has a key: ACCOUNT_ZERO and ACCOUNT_ONE.
    /// <https://xrpl.org/docs/concepts/accounts/addresses#special-addresses>
    fn is_nobodys(&self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 | 1])
    }
}

/// The classic address.
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0).with_alphabet(bs58::Alphabet::RIPPLE).with_check_version(ACCOUNT_ID).into_string())
    }
}

/// An address as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parsed {
    Classic(AccountId),
    X(XAddress),
}

/// What an X-address says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct XAddress {
    account: AccountId,
    tag: Option<u32>,
    mainnet: bool,
}

impl XAddress {
    fn is_of(&self, network: &Network) -> bool {
        self.mainnet == network.is_mainnet()
    }
}

impl fmt::Display for XAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.mainnet { X_MAINNET } else { X_TEST };
        let flag = if self.tag.is_some() { TAG } else { NO_TAG };
        let tag = u64::from(self.tag.unwrap_or(0)).to_le_bytes();
        let bytes = [&prefix[..], &self.account.0[..], &[flag], &tag[..]].concat();
        f.write_str(&bs58::encode(bytes).with_alphabet(bs58::Alphabet::RIPPLE).with_check().into_string())
    }
}

/// The classic address of `key`.
pub(super) fn derive(key: &PublicKey) -> String {
    AccountId::of(key).to_string()
}

/// The X-address of `key`, with a destination tag or the word that there is none.
pub(super) fn x_address(network: &Network, key: &PublicKey, tag: Option<u32>) -> String {
    XAddress { account: AccountId::of(key), tag, mainnet: network.is_mainnet() }.to_string()
}

/// Reads a classic address, or an X-address of this network.
pub(super) fn parse(network: &Network, text: &str) -> Result<(String, AddressKind), InvalidAddress> {
    match read(text)? {
        Parsed::Classic(account) => Ok((account.to_string(), AddressKind::Classic)),
        Parsed::X(address) if address.is_of(network) => Ok((address.to_string(), AddressKind::XAddress)),
        Parsed::X(address) => {
            let of = if address.mainnet { "the main network" } else { "the test networks" };
            Err(InvalidAddress::OtherNetwork { of: of.to_owned(), network: network.to_string() })
        }
    }
}

/// Reads an address of either form and of any network.
fn read(text: &str) -> Result<Parsed, InvalidAddress> {
    if !(1..=MAX_ADDRESS_BYTES).contains(&text.len()) {
        return Err(InvalidAddress::Length);
    }
    let bytes = bs58::decode(text).with_alphabet(bs58::Alphabet::RIPPLE).with_check(None).into_vec();
    let bytes = bytes.map_err(|error| match error {
        bs58::decode::Error::InvalidChecksum { .. } => InvalidAddress::Checksum,
        _ => CLASSIC,
    })?;
    match bytes.split_first_chunk() {
        Some((prefix, rest)) if [X_MAINNET, X_TEST].contains(prefix) => read_x(*prefix == X_MAINNET, rest),
        _ => match bytes.split_first() {
            Some((&ACCOUNT_ID, account)) => {
                account.try_into().map(|account| Parsed::Classic(AccountId(account))).map_err(|_| CLASSIC)
            }
            _ => Err(CLASSIC),
        },
    }
}

fn read_x(mainnet: bool, rest: &[u8]) -> Result<Parsed, InvalidAddress> {
    const FORM: InvalidAddress = InvalidAddress::Malformed("an X-address with no tag or one of 32 bits");
    let (account, rest) = rest.split_first_chunk().ok_or(FORM)?;
    let (&[flag], tag) = rest.split_first_chunk().ok_or(FORM)?;
    let tag = u64::from_le_bytes(tag.try_into().map_err(|_| FORM)?);
    let tag = match (flag, u32::try_from(tag)) {
        (NO_TAG, Ok(0)) => None,
        (TAG, Ok(tag)) => Some(tag),
        _ => return Err(FORM),
    };
    Ok(Parsed::X(XAddress { account: AccountId(*account), tag, mainnet }))
}

#[cfg(test)]
mod tests;
