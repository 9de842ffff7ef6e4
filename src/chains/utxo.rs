//! Addresses of Bitcoin and the coins made from it: base58 with a version byte, and bech32 (BIP-173, BIP-350).

pub mod message;
pub mod psbt;

use bitcoin::Script;
use bitcoin::base58;
use bitcoin::bech32::{self, Fe32, Hrp, segwit};
use bitcoin::hashes::{Hash, hash160};
use bitcoin::secp256k1::PublicKey;

use super::networks::{BUILT_IN, Family, Network};
use super::{Address, AddressKind, AddressType, ChainError, InvalidAddress};

/// What a network writes in front of the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct UtxoParams {
    p2pkh: u8,
    p2sh: u8,
    /// A version that is read as `p2sh` too, but no longer written.
    legacy_p2sh: Option<u8>,
    /// The human-readable part of bech32, where the coin has segregated witness.
    hrp: Option<&'static str>,
}

pub(super) const fn params(p2pkh: u8, p2sh: u8) -> UtxoParams {
    UtxoParams { p2pkh, p2sh, legacy_p2sh: None, hrp: None }
}

impl UtxoParams {
    pub(super) const fn segwit(self, hrp: &'static str) -> Self {
        Self { hrp: Some(hrp), ..self }
    }

    pub(super) const fn legacy_p2sh(self, version: u8) -> Self {
        Self { legacy_p2sh: Some(version), ..self }
    }

    pub(super) const fn has_segwit(self) -> bool {
        self.hrp.is_some()
    }

    fn base58_kind(self, version: u8) -> Option<AddressKind> {
        if version == self.p2pkh {
            Some(AddressKind::P2pkh)
        } else if version == self.p2sh || self.legacy_p2sh == Some(version) {
            Some(AddressKind::P2sh)
        } else {
            None
        }
    }
}

/// The address of `key`, in its one written form.
pub(super) fn derive(params: UtxoParams, address_type: AddressType, key: &PublicKey) -> Result<String, ChainError> {
    // Always of the compressed key: segregated witness accepts no other.
    let hash = hash160::Hash::hash(&key.serialize()).to_byte_array();
    let output = match address_type {
        AddressType::P2pkh => Output { kind: AddressKind::P2pkh, program: hash.to_vec() },
        AddressType::P2wpkh => Output { kind: AddressKind::P2wpkh, program: hash.to_vec() },
        AddressType::P2shP2wpkh => {
            // BIP-141: the redeem script is OP_0 and a push of the 20 bytes.
            let script = [&[0x00, 0x14], &hash[..]].concat();
            Output { kind: AddressKind::P2sh, program: hash160::Hash::hash(&script).to_byte_array().to_vec() }
        }
        _ => return Err(ChainError::Encoding),
    };
    output.encode(params).ok_or(ChainError::Encoding)
}

/// Reads an address of `network` and writes it in its canonical form.
pub(super) fn parse(network: &Network, params: UtxoParams, text: &str) -> Result<(String, AddressKind), InvalidAddress> {
    let output = if is_bech32(text) { parse_bech32(network, params, text)? } else { parse_base58(network, params, text)? };
    let canonical = output.encode(params).ok_or(InvalidAddress::Malformed("a base58 or bech32 address"))?;
    Ok((canonical, output.kind))
}

/// The address that an output's script pays to, in its canonical form. `None` where no address of the network says it: another
/// kind of script, or one of segregated witness where there is none.
pub fn address_of_script(network: &Network, script: &[u8]) -> Option<Address> {
    let Family::Utxo(params) = network.params() else { return None };
    let bytes = Script::from_bytes(script);
    let (kind, program) = if bytes.is_p2pkh() {
        (AddressKind::P2pkh, script.get(3..23)?)
    } else if bytes.is_p2sh() {
        (AddressKind::P2sh, script.get(2..22)?)
    } else if bytes.is_p2wpkh() {
        (AddressKind::P2wpkh, script.get(2..)?)
    } else if bytes.is_p2wsh() {
        (AddressKind::P2wsh, script.get(2..)?)
    } else if bytes.is_p2tr() {
        (AddressKind::P2tr, script.get(2..)?)
    } else {
        return None;
    };
    Output { kind, program: program.to_vec() }.encode(params).map(Address)
}

/// The most coins that can be, in minor units; each coin's `MAX_MONEY`. Dogecoin has no end: what fits its signed 64 bits.
fn max_money(network: &Network) -> u64 {
    const COIN: u64 = 100_000_000;
    match network.asset() {
        "BTC" => 21_000_000 * COIN,
        "LTC" => 84_000_000 * COIN,
        _ => i64::MAX.cast_unsigned(),
    }
}

/// What an address pays to: a hash or a witness program.
struct Output {
    kind: AddressKind,
    program: Vec<u8>,
}

impl Output {
    /// `None` if these parameters have no form for it.
    fn encode(&self, params: UtxoParams) -> Option<String> {
        let base58 = |version: u8| base58::encode_check(&[&[version], &self.program[..]].concat());
        let bech32 = |version: Fe32| segwit::encode(Hrp::parse(params.hrp?).ok()?, version, &self.program).ok();
        match self.kind {
            AddressKind::P2pkh => Some(base58(params.p2pkh)),
            AddressKind::P2sh => Some(base58(params.p2sh)),
            AddressKind::P2wpkh | AddressKind::P2wsh => bech32(segwit::VERSION_0),
            AddressKind::P2tr => bech32(segwit::VERSION_1),
            _ => None,
        }
    }
}

/// Whether the text begins with a prefix that some built-in network has. No base58 address of theirs does.
fn is_bech32(text: &str) -> bool {
    let Some((prefix, _)) = text.rsplit_once('1') else { return false };
    built_in().any(|(_, _, params)| params.hrp.is_some_and(|hrp| hrp.eq_ignore_ascii_case(prefix)))
}

fn parse_bech32(network: &Network, params: UtxoParams, text: &str) -> Result<Output, InvalidAddress> {
    let (hrp, version, program) = segwit::decode(text).map_err(|error| match error.0 {
        bech32::primitives::decode::SegwitHrpstringError::Checksum(_) => InvalidAddress::Checksum,
        _ => InvalidAddress::Malformed("a bech32 address"),
    })?;
    let hrp = hrp.to_lowercase();
    if params.hrp != Some(hrp.as_str()) {
        return Err(other_network(network, |params| params.hrp == Some(hrp.as_str())));
    }
    let kind = match (version.to_u8(), program.len()) {
        (0, 20) => AddressKind::P2wpkh,
        (0, 32) => AddressKind::P2wsh,
        (1, 32) => AddressKind::P2tr,
        (version, bytes) => return Err(InvalidAddress::NotStandard { version, bytes }),
    };
    Ok(Output { kind, program })
}

fn parse_base58(network: &Network, params: UtxoParams, text: &str) -> Result<Output, InvalidAddress> {
    let expected = if params.has_segwit() { "a base58 or bech32 address" } else { "a base58 address" };
    let payload = base58::decode_check(text).map_err(|error| match error {
        base58::Error::IncorrectChecksum(_) => InvalidAddress::Checksum,
        _ => InvalidAddress::Malformed(expected),
    })?;
    match payload.split_first() {
        Some((&version, program)) if program.len() == 20 => match params.base58_kind(version) {
            Some(kind) => Ok(Output { kind, program: program.to_vec() }),
            None => Err(other_network(network, |params| params.base58_kind(version).is_some())),
        },
        _ => Err(InvalidAddress::Malformed(expected)),
    }
}

/// Says whose address it is: the same asset's other networks, or else other assets'.
fn other_network(network: &Network, is_theirs: impl Fn(UtxoParams) -> bool) -> InvalidAddress {
    let (own, others): (Vec<_>, Vec<_>) =
        built_in().filter(|(.., params)| is_theirs(*params)).partition(|(asset, ..)| *asset == network.asset());
    let owners = if own.is_empty() { others } else { own };
    let owners: Vec<_> = owners.into_iter().map(|(asset, name, _)| format!("{asset} {name}")).collect();
    let network = network.to_string();
    if owners.is_empty() {
        InvalidAddress::OtherChain { network }
    } else {
        InvalidAddress::OtherNetwork { of: owners.join(", "), network }
    }
}

fn built_in() -> impl Iterator<Item = (&'static str, &'static str, UtxoParams)> {
    BUILT_IN.iter().filter_map(|(asset, network, family)| match family {
        Family::Utxo(params) => Some((*asset, *network, *params)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
