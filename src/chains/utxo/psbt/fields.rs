//! The fields of a PSBT: which there are, what they look like, and what a signer makes of each. The registry is
//! <https://github.com/bitcoin/bips/blob/master/bip-0174/type-registry.mediawiki>. A field that is not here is unknown, and is
//! passed through (BIP-174).

use bitcoin::consensus::encode::deserialize;
use bitcoin::hashes::{Hash, hash160, ripemd160, sha256, sha256d};
use bitcoin::{PublicKey, TxOut, Witness, ecdsa};

use super::container::{Map, compact_size};
use super::{Place, Version};
use crate::chains::decoded::DecodeError;

pub mod global {
    pub const UNSIGNED_TX: u8 = 0x00;
    pub const TX_VERSION: u8 = 0x02;
    pub const FALLBACK_LOCKTIME: u8 = 0x03;
    pub const INPUT_COUNT: u8 = 0x04;
    pub const OUTPUT_COUNT: u8 = 0x05;
    pub const TX_MODIFIABLE: u8 = 0x06;
    pub const VERSION: u8 = 0xfb;
}

pub mod input {
    pub const NON_WITNESS_UTXO: u8 = 0x00;
    pub const WITNESS_UTXO: u8 = 0x01;
    pub const PARTIAL_SIG: u8 = 0x02;
    pub const SIGHASH_TYPE: u8 = 0x03;
    pub const REDEEM_SCRIPT: u8 = 0x04;
    pub const FINAL_SCRIPTSIG: u8 = 0x07;
    pub const FINAL_SCRIPTWITNESS: u8 = 0x08;
    pub const PREVIOUS_TXID: u8 = 0x0e;
    pub const OUTPUT_INDEX: u8 = 0x0f;
    pub const SEQUENCE: u8 = 0x10;
    pub const REQUIRED_TIME_LOCKTIME: u8 = 0x11;
    pub const REQUIRED_HEIGHT_LOCKTIME: u8 = 0x12;
}

pub mod output {
    pub const AMOUNT: u8 = 0x03;
    pub const SCRIPT: u8 = 0x04;
}

/// For private use by whoever put it there.
pub const PROPRIETARY: u8 = 0xfc;

/// Lock times from here on are times, below they are heights of a block.
pub const LOCKTIME_THRESHOLD: u32 = 500_000_000;

/// One kind of field.
pub struct Field {
    pub key_type: u8,
    /// As the BIP that defines it calls it.
    pub name: &'static str,
    versions: Versions,
    key: KeyForm,
    value: ValueForm,
    pub signer: Signer,
}

/// What a signer makes of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// It is read, or says nothing that a signature depends on.
    Knows,
    /// It asks for something that is not done here; the text says what.
    Refuses(&'static str),
    /// The input needs no signature any more.
    Signed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Versions {
    Both,
    V0,
    V2,
}

/// What stands in a key after the type.
#[derive(Clone, Copy)]
enum KeyForm {
    Nothing,
    Bytes(usize),
    PublicKey,
    ControlBlock,
    Proprietary,
    Any,
}

#[derive(Clone, Copy)]
enum ValueForm {
    /// Any bytes, or bytes that are checked where they are read.
    Any,
    Bytes(usize),
    CompactSize,
    /// A fingerprint and the steps of a path, 4 bytes each.
    Derivation,
    EcdsaSignature,
    SchnorrSignature,
    Output,
    Witness,
    TimeLockTime,
    HeightLockTime,
    Preimage(fn(&[u8]) -> Vec<u8>),
}

use KeyForm::{Bytes as KeyBytes, ControlBlock, Nothing, Proprietary, PublicKey as Key};
use Signer::{Knows, Refuses, Signed};
use ValueForm::{
    Any, Bytes, CompactSize, Derivation, EcdsaSignature, HeightLockTime, Output, Preimage, SchnorrSignature, TimeLockTime,
    Witness as Stack,
};
use Versions::{Both, V0, V2};

const NO_SILENT_PAYMENT: Signer = Refuses("silent payments (BIP-375) are not made here");
const NO_SCHNORR: Signer = Refuses("taproot needs Schnorr signatures, which KMS does not make");
const NO_SCRIPT: Signer = Refuses("only inputs of one key (p2pkh, p2sh-p2wpkh, p2wpkh) are signed, no scripts");

pub const GLOBAL: &[Field] = &[
    field(global::UNSIGNED_TX, "PSBT_GLOBAL_UNSIGNED_TX", V0, Nothing, Any, Knows),
    field(0x01, "PSBT_GLOBAL_XPUB", Both, KeyBytes(78), Derivation, Knows),
    field(global::TX_VERSION, "PSBT_GLOBAL_TX_VERSION", V2, Nothing, Bytes(4), Knows),
    field(global::FALLBACK_LOCKTIME, "PSBT_GLOBAL_FALLBACK_LOCKTIME", V2, Nothing, Bytes(4), Knows),
    field(global::INPUT_COUNT, "PSBT_GLOBAL_INPUT_COUNT", V2, Nothing, CompactSize, Knows),
    field(global::OUTPUT_COUNT, "PSBT_GLOBAL_OUTPUT_COUNT", V2, Nothing, CompactSize, Knows),
    field(global::TX_MODIFIABLE, "PSBT_GLOBAL_TX_MODIFIABLE", V2, Nothing, Bytes(1), Knows),
    field(0x07, "PSBT_GLOBAL_SP_ECDH_SHARE", V2, Key, Any, NO_SILENT_PAYMENT),
    field(0x08, "PSBT_GLOBAL_SP_DLEQ", V2, Key, Any, NO_SILENT_PAYMENT),
    field(
        0x09,
        "PSBT_GLOBAL_GENERIC_SIGNED_MESSAGE",
        Both,
        Nothing,
        Any,
        Refuses("a message (BIP-322) is signed with utxo_signMessage"),
    ),
    field(global::VERSION, "PSBT_GLOBAL_VERSION", Both, Nothing, Bytes(4), Knows),
    field(PROPRIETARY, "PSBT_GLOBAL_PROPRIETARY", Both, Proprietary, Any, Knows),
];

pub const INPUT: &[Field] = &[
    field(input::NON_WITNESS_UTXO, "PSBT_IN_NON_WITNESS_UTXO", Both, Nothing, Any, Knows),
    field(input::WITNESS_UTXO, "PSBT_IN_WITNESS_UTXO", Both, Nothing, Output, Knows),
    field(input::PARTIAL_SIG, "PSBT_IN_PARTIAL_SIG", Both, Key, EcdsaSignature, Knows),
    field(input::SIGHASH_TYPE, "PSBT_IN_SIGHASH_TYPE", Both, Nothing, Bytes(4), Knows),
    field(input::REDEEM_SCRIPT, "PSBT_IN_REDEEM_SCRIPT", Both, Nothing, Any, Knows),
    field(0x05, "PSBT_IN_WITNESS_SCRIPT", Both, Nothing, Any, NO_SCRIPT),
    field(0x06, "PSBT_IN_BIP32_DERIVATION", Both, Key, Derivation, Knows),
    field(input::FINAL_SCRIPTSIG, "PSBT_IN_FINAL_SCRIPTSIG", Both, Nothing, Any, Signed),
    field(input::FINAL_SCRIPTWITNESS, "PSBT_IN_FINAL_SCRIPTWITNESS", Both, Nothing, Stack, Signed),
    field(0x09, "PSBT_IN_POR_COMMITMENT", Both, Nothing, Any, Refuses("proofs of reserves (BIP-127) are not made here")),
    field(0x0a, "PSBT_IN_RIPEMD160", Both, KeyBytes(20), Preimage(of_ripemd160), NO_SCRIPT),
    field(0x0b, "PSBT_IN_SHA256", Both, KeyBytes(32), Preimage(of_sha256), NO_SCRIPT),
    field(0x0c, "PSBT_IN_HASH160", Both, KeyBytes(20), Preimage(of_hash160), NO_SCRIPT),
    field(0x0d, "PSBT_IN_HASH256", Both, KeyBytes(32), Preimage(of_hash256), NO_SCRIPT),
    field(input::PREVIOUS_TXID, "PSBT_IN_PREVIOUS_TXID", V2, Nothing, Bytes(32), Knows),
    field(input::OUTPUT_INDEX, "PSBT_IN_OUTPUT_INDEX", V2, Nothing, Bytes(4), Knows),
    field(input::SEQUENCE, "PSBT_IN_SEQUENCE", V2, Nothing, Bytes(4), Knows),
    field(input::REQUIRED_TIME_LOCKTIME, "PSBT_IN_REQUIRED_TIME_LOCKTIME", V2, Nothing, TimeLockTime, Knows),
    field(input::REQUIRED_HEIGHT_LOCKTIME, "PSBT_IN_REQUIRED_HEIGHT_LOCKTIME", V2, Nothing, HeightLockTime, Knows),
    field(0x13, "PSBT_IN_TAP_KEY_SIG", Both, Nothing, SchnorrSignature, NO_SCHNORR),
    field(0x14, "PSBT_IN_TAP_SCRIPT_SIG", Both, KeyBytes(64), SchnorrSignature, NO_SCHNORR),
    field(0x15, "PSBT_IN_TAP_LEAF_SCRIPT", Both, ControlBlock, Any, NO_SCHNORR),
    field(0x16, "PSBT_IN_TAP_BIP32_DERIVATION", Both, KeyBytes(32), Any, NO_SCHNORR),
    field(0x17, "PSBT_IN_TAP_INTERNAL_KEY", Both, Nothing, Bytes(32), NO_SCHNORR),
    field(0x18, "PSBT_IN_TAP_MERKLE_ROOT", Both, Nothing, Bytes(32), NO_SCHNORR),
    field(0x1a, "PSBT_IN_MUSIG2_PARTICIPANT_PUBKEYS", Both, KeyForm::Any, Any, NO_SCHNORR),
    field(0x1b, "PSBT_IN_MUSIG2_PUB_NONCE", Both, KeyForm::Any, Any, NO_SCHNORR),
    field(0x1c, "PSBT_IN_MUSIG2_PARTIAL_SIG", Both, KeyForm::Any, Any, NO_SCHNORR),
    field(0x1d, "PSBT_IN_SP_ECDH_SHARE", V2, KeyForm::Any, Any, NO_SILENT_PAYMENT),
    field(0x1e, "PSBT_IN_SP_DLEQ", V2, KeyForm::Any, Any, NO_SILENT_PAYMENT),
    field(0x1f, "PSBT_IN_SP_SPEND_BIP32_DERIVATION", Both, KeyForm::Any, Any, NO_SCHNORR),
    field(0x20, "PSBT_IN_SP_TWEAK", Both, KeyForm::Any, Any, NO_SCHNORR),
    field(PROPRIETARY, "PSBT_IN_PROPRIETARY", Both, Proprietary, Any, Knows),
];

pub const OUTPUT: &[Field] = &[
    field(0x00, "PSBT_OUT_REDEEM_SCRIPT", Both, Nothing, Any, Knows),
    field(0x01, "PSBT_OUT_WITNESS_SCRIPT", Both, Nothing, Any, Knows),
    field(0x02, "PSBT_OUT_BIP32_DERIVATION", Both, Key, Derivation, Knows),
    field(output::AMOUNT, "PSBT_OUT_AMOUNT", V2, Nothing, Bytes(8), Knows),
    field(output::SCRIPT, "PSBT_OUT_SCRIPT", V2, Nothing, Any, Knows),
    field(0x05, "PSBT_OUT_TAP_INTERNAL_KEY", Both, Nothing, Bytes(32), Knows),
    field(0x06, "PSBT_OUT_TAP_TREE", Both, Nothing, Any, Knows),
    field(0x07, "PSBT_OUT_TAP_BIP32_DERIVATION", Both, KeyBytes(32), Any, Knows),
    field(0x08, "PSBT_OUT_MUSIG2_PARTICIPANT_PUBKEYS", Both, KeyForm::Any, Any, Knows),
    // The script may still be made of it, so that what is signed is not what is paid to.
    field(0x09, "PSBT_OUT_SP_V0_INFO", V2, Nothing, Any, NO_SILENT_PAYMENT),
    field(0x0a, "PSBT_OUT_SP_V0_LABEL", V2, Nothing, Any, NO_SILENT_PAYMENT),
    field(0x35, "PSBT_OUT_DNSSEC_PROOF", Both, Nothing, Any, Knows),
    field(PROPRIETARY, "PSBT_OUT_PROPRIETARY", Both, Proprietary, Any, Knows),
];

const fn field(key_type: u8, name: &'static str, versions: Versions, key: KeyForm, value: ValueForm, signer: Signer) -> Field {
    Field { key_type, name, versions, key, value, signer }
}

/// The types that Litecoin gives to MWEB, its confidential transactions, in every map (ltcsuite, `ltcutil/psbt/types.go`).
pub const MWEB: std::ops::RangeInclusive<u64> = 0x90..=0x9f;

/// The type of a field, if its key has one.
pub fn type_of(key: &[u8]) -> Option<u64> {
    compact_size(key).map(|(key_type, _)| key_type)
}

/// The field of this type.
pub fn find(fields: &'static [Field], key_type: u64) -> Option<&'static Field> {
    fields.iter().find(|field| u64::from(field.key_type) == key_type)
}

/// Checks that every known field of a map belongs in this version and looks as it should.
pub fn check(map: &Map, fields: &'static [Field], version: Version, place: Place) -> Result<(), DecodeError> {
    for (key, value) in map {
        let (key_type, data) = compact_size(key).ok_or_else(|| place.invalid("has a key without a type"))?;
        let Some(field) = find(fields, key_type) else { continue };
        let wrong = if !field.versions.have(version) {
            format!("has {}, which does not belong in version {version}", field.name)
        } else if !field.key.fits(data) {
            format!("has {} with a wrong key", field.name)
        } else if !field.value.fits(data, value) {
            format!("has {} with a wrong value", field.name)
        } else {
            continue;
        };
        return Err(place.invalid(wrong));
    }
    Ok(())
}

impl Versions {
    fn have(self, version: Version) -> bool {
        match self {
            Both => true,
            V0 => version == Version::V0,
            V2 => version == Version::V2,
        }
    }
}

impl KeyForm {
    fn fits(self, data: &[u8]) -> bool {
        match self {
            Self::Nothing => data.is_empty(),
            Self::Bytes(length) => data.len() == length,
            Self::PublicKey => PublicKey::from_slice(data).is_ok(),
            // BIP-341: 33 bytes and up to 128 hashes.
            Self::ControlBlock => data.len() % 32 == 1 && (33..=4129).contains(&data.len()),
            Self::Proprietary => is_proprietary(data).is_some(),
            Self::Any => true,
        }
    }
}

/// A prefix with its length, and a subtype.
fn is_proprietary(data: &[u8]) -> Option<()> {
    let (length, rest) = compact_size(data)?;
    let (_, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    compact_size(rest).map(|_| ())
}

impl ValueForm {
    fn fits(self, key: &[u8], value: &[u8]) -> bool {
        let locktime = || value.try_into().ok().map(u32::from_le_bytes);
        match self {
            Self::Any => true,
            Self::Bytes(length) => value.len() == length,
            Self::CompactSize => compact_size(value).is_some_and(|(_, rest)| rest.is_empty()),
            Self::Derivation => value.len() >= 4 && value.len().is_multiple_of(4),
            Self::EcdsaSignature => ecdsa::Signature::from_slice(value).is_ok(),
            Self::SchnorrSignature => value.len() == 64 || value.len() == 65,
            Self::Output => deserialize::<TxOut>(value).is_ok(),
            Self::Witness => deserialize::<Witness>(value).is_ok(),
            Self::TimeLockTime => locktime().is_some_and(|time| time >= LOCKTIME_THRESHOLD),
            Self::HeightLockTime => locktime().is_some_and(|height| (1..LOCKTIME_THRESHOLD).contains(&height)),
            Self::Preimage(hash) => hash(value) == key,
        }
    }
}

fn of_ripemd160(preimage: &[u8]) -> Vec<u8> {
    ripemd160::Hash::hash(preimage).to_byte_array().to_vec()
}

fn of_sha256(preimage: &[u8]) -> Vec<u8> {
    sha256::Hash::hash(preimage).to_byte_array().to_vec()
}

fn of_hash160(preimage: &[u8]) -> Vec<u8> {
    hash160::Hash::hash(preimage).to_byte_array().to_vec()
}

fn of_hash256(preimage: &[u8]) -> Vec<u8> {
    sha256d::Hash::hash(preimage).to_byte_array().to_vec()
}
