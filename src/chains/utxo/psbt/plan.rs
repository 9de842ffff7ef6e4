//! The digest to sign for each input, once its wallet's key is known.

use std::sync::LazyLock;

use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::{Hash, hash160};
use bitcoin::script::PushBytesBuf;
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, VerifyOnly};
use bitcoin::sighash::SighashCache;
use bitcoin::{
    Amount, CompressedPublicKey, PubkeyHash, ScriptBuf, Sequence, Transaction, Txid, WPubkeyHash, Weight, Witness, ecdsa,
};

use super::coins::{Coin, InputKind};
use super::container::{Map, compact_size};
use super::fields::input;
use super::{Place, PsbtRequest};
use crate::chains::decoded::{DecodeError, Rule};

/// Heaviest transaction: nodes relay no heavier one (Bitcoin Core, `MAX_STANDARD_TX_WEIGHT`; Dogecoin's 100,000 bytes are the same).
pub const MAX_WEIGHT: Weight = Weight::from_wu(400_000);

/// Longest signature with its sighash type: DER with an r of 33 bytes and a low s of 32. Most have a byte less.
const LONGEST_SIGNATURE: usize = 72;

static CONTEXT: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// What is to be signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    unsigned: Transaction,
    /// In the order of the inputs.
    inputs: Vec<PlannedInput>,
    /// Of the signed transaction, with signatures of the longest form.
    weight: Weight,
    /// Of the signed transaction, if no signature is part of it.
    txid: Option<Txid>,
}

/// One input and who signs it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedInput {
    pub coin: Coin,
    /// What ECDSA signs: BIP-143's for segwit inputs, the older one for p2pkh.
    pub digest: [u8; 32],
    key: PublicKey,
}

/// Plans the signatures. `keys` has each input's wallet's key.
///
/// # Errors
/// [`DecodeError::Refused`] if a redeem script or a signature that is there already is not of the wallet's key.
/// [`DecodeError::Invalid`] for a transaction that no node would relay.
pub fn plan(request: &PsbtRequest, coins: Vec<Coin>, keys: &[PublicKey]) -> Result<Plan, DecodeError> {
    if coins.len() != keys.len() || coins.len() != request.inputs.len() {
        return Err(Place::Global.invalid("needs a key for each input"));
    }
    for (index, (coin, key)) in coins.iter().zip(keys).enumerate() {
        if coin.script_pubkey != script_of(coin.kind, key) {
            return Err(Place::Input(index).refused(Rule::ForeignInput, "has a script that is not of its wallet's key"));
        }
    }
    let unsigned = request.unsigned.clone();
    // Before any digest: hashing takes the square of what many p2pkh inputs weigh.
    let unlocked = coins.iter().zip(keys).map(|(coin, key)| unlocking(coin.kind, key, vec![0; LONGEST_SIGNATURE]));
    let longest = signed(&unsigned, unlocked);
    let weight = longest.weight();
    if weight > MAX_WEIGHT {
        let reason = format!("has a transaction of weight {weight} when signed; nodes relay at most {MAX_WEIGHT}");
        return Err(DecodeError::invalid("psbt", reason));
    }
    let mut cache = SighashCache::new(&unsigned);
    let mut inputs = Vec::with_capacity(coins.len());
    for (index, ((coin, key), map)) in coins.into_iter().zip(keys).zip(&request.inputs).enumerate() {
        let place = Place::Input(index);
        let digest = digest(&mut cache, index, &coin, key)
            .ok_or_else(|| place.refused(Rule::Sighash, "has no digest for its sighash type"))?;
        let planned = PlannedInput { coin, digest, key: *key };
        planned.check_signatures(place, map)?;
        inputs.push(planned);
    }
    let is_fixed = inputs.iter().all(|input| input.coin.kind != InputKind::P2pkh);
    let txid = is_fixed.then(|| longest.compute_txid());
    Ok(Plan { unsigned, inputs, weight, txid })
}

impl Plan {
    pub fn inputs(&self) -> &[PlannedInput] {
        &self.inputs
    }

    pub const fn unsigned(&self) -> &Transaction {
        &self.unsigned
    }

    /// Virtual bytes of the signed transaction: the most that they can be.
    pub fn virtual_size(&self) -> u64 {
        self.weight.to_vbytes_ceil()
    }

    /// The id that the signed transaction will have, where it is known before: without p2pkh inputs.
    pub const fn txid(&self) -> Option<Txid> {
        self.txid
    }

    /// What tells this content from every other: the unsigned transaction, and how each input is to be signed. Claimed amounts are no part
    /// of it: they may not make another content of the same coins.
    pub fn content(&self) -> Vec<u8> {
        let mut content = serialize(&self.unsigned);
        content.extend(self.inputs.iter().flat_map(|input| input.coin.sighash.to_u32().to_le_bytes()));
        content
    }

    /// Whether BIP-125 lets it be replaced: an input says so with its sequence.
    pub fn is_replaceable(&self) -> bool {
        self.unsigned.input.iter().any(|input| input.sequence.is_rbf())
    }

    /// Whether its lock time counts: an input says so with its sequence.
    pub fn has_lock_time(&self) -> bool {
        self.unsigned.lock_time.to_consensus_u32() != 0 && self.unsigned.input.iter().any(|input| input.sequence != Sequence::MAX)
    }

    /// The transaction with these signatures, sighash type included, in the order of the inputs.
    pub(super) fn signed(&self, signatures: impl IntoIterator<Item = Vec<u8>>) -> Transaction {
        signed(&self.unsigned, self.inputs.iter().zip(signatures).map(|(input, signature)| input.unlocking(signature)))
    }

    /// Whether every signature of a signed transaction, as it will be sent, verifies. Nothing of it is taken from what made it but the
    /// coins and the keys.
    pub(super) fn is_signed(&self, transaction: &Transaction) -> bool {
        let mut cache = SighashCache::new(transaction);
        transaction.input.len() == self.inputs.len()
            && self.inputs.iter().zip(&transaction.input).enumerate().all(|(index, (planned, tx_in))| {
                let PlannedInput { coin, key, .. } = planned;
                let signature = match coin.kind {
                    InputKind::P2pkh => tx_in.script_sig.instructions().next().and_then(|first| match first {
                        Ok(bitcoin::script::Instruction::PushBytes(bytes)) => Some(bytes.as_bytes()),
                        _ => None,
                    }),
                    InputKind::P2wpkh | InputKind::P2shP2wpkh => tx_in.witness.nth(0),
                };
                let (Some(signature), Some(digest)) = (signature, digest(&mut cache, index, coin, key)) else { return false };
                let (script_sig, witness) = planned.unlocking(signature.to_vec());
                tx_in.script_sig == script_sig && tx_in.witness == witness && planned.is_signature(signature, digest)
            })
    }
}

impl PlannedInput {
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The script whose hash a p2sh output has.
    pub(super) fn redeem_script(&self) -> Option<ScriptBuf> {
        (self.coin.kind == InputKind::P2shP2wpkh).then(|| p2wpkh(&self.key))
    }

    fn unlocking(&self, signature: Vec<u8>) -> (ScriptBuf, Witness) {
        unlocking(self.coin.kind, &self.key, signature)
    }

    /// Signatures that are there already may only be this key's own, which are made again.
    fn check_signatures(&self, place: Place, map: &Map) -> Result<(), DecodeError> {
        let signatures = map.iter().filter_map(|(key, signature)| match compact_size(key)? {
            (key_type, key) if key_type == u64::from(input::PARTIAL_SIG) => Some((key, signature)),
            _ => None,
        });
        for (key, signature) in signatures {
            if key != self.key.serialize() || !self.is_signature(signature, self.digest) {
                let reason = "has a signature already that is not its wallet's of what is to be signed";
                return Err(place.refused(Rule::AlreadySigned, reason));
            }
        }
        Ok(())
    }

    /// Whether this is a signature, with its sighash type, of this key over this digest.
    fn is_signature(&self, signature: &[u8], digest: [u8; 32]) -> bool {
        ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
            signature.sighash_type == self.coin.sighash
                && CONTEXT.verify_ecdsa(&Message::from_digest(digest), &signature.signature, &self.key).is_ok()
        })
    }
}

/// The scriptSig and the witness by which a coin is spent.
fn unlocking(kind: InputKind, key: &PublicKey, signature: Vec<u8>) -> (ScriptBuf, Witness) {
    let serialized = key.serialize();
    match kind {
        InputKind::P2pkh => {
            let mut script_sig = ScriptBuf::new();
            // A signature is far from the 4 GiB that can't be pushed.
            script_sig.push_slice(PushBytesBuf::try_from(signature).unwrap_or_default());
            script_sig.push_slice(serialized);
            (script_sig, Witness::new())
        }
        InputKind::P2wpkh => (ScriptBuf::new(), Witness::from_slice(&[&signature[..], &serialized[..]])),
        InputKind::P2shP2wpkh => {
            let mut script_sig = ScriptBuf::new();
            script_sig.push_slice(PushBytesBuf::try_from(p2wpkh(key).into_bytes()).unwrap_or_default());
            (script_sig, Witness::from_slice(&[&signature[..], &serialized[..]]))
        }
    }
}

fn signed(unsigned: &Transaction, unlocked: impl Iterator<Item = (ScriptBuf, Witness)>) -> Transaction {
    let mut transaction = unsigned.clone();
    for (tx_in, (script_sig, witness)) in transaction.input.iter_mut().zip(unlocked) {
        (tx_in.script_sig, tx_in.witness) = (script_sig, witness);
    }
    transaction
}

pub(super) fn digest<T: std::borrow::Borrow<Transaction>>(
    cache: &mut SighashCache<T>,
    index: usize,
    coin: &Coin,
    key: &PublicKey,
) -> Option<[u8; 32]> {
    match coin.kind {
        InputKind::P2pkh => {
            cache.legacy_signature_hash(index, &coin.script_pubkey, coin.sighash.to_u32()).ok().map(Hash::to_byte_array)
        }
        InputKind::P2wpkh | InputKind::P2shP2wpkh => cache
            .p2wpkh_signature_hash(index, &p2wpkh(key), Amount::from_sat(coin.amount), coin.sighash)
            .ok()
            .map(Hash::to_byte_array),
    }
}

fn script_of(kind: InputKind, key: &PublicKey) -> ScriptBuf {
    match kind {
        InputKind::P2pkh => {
            let hash = hash160::Hash::hash(&key.serialize());
            ScriptBuf::new_p2pkh(&PubkeyHash::from_raw_hash(hash))
        }
        InputKind::P2wpkh => p2wpkh(key),
        InputKind::P2shP2wpkh => ScriptBuf::new_p2sh(&p2wpkh(key).script_hash()),
    }
}

fn p2wpkh(key: &PublicKey) -> ScriptBuf {
    let hash: WPubkeyHash = CompressedPublicKey(*key).wpubkey_hash();
    ScriptBuf::new_p2wpkh(&hash)
}
