//! The witness set: who signed already, and where one more signature goes. It is not signed itself.
//!
//! It must never change a byte but those that count: scripts, datums and redeemers are hashed as they stand.

use std::collections::BTreeSet;
use std::ops::Range;

use ed25519_dalek::{Signature, VerifyingKey};

use super::body::list;
use crate::chains::cardano::cbor::{Read, Reader, SET_TAG, array_head, byte_string, map_head};
use crate::chains::decoded::{DecodeError, Rule};

/// A signature with the key that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    pub key: [u8; 32],
    pub signature: [u8; 64],
}

impl Witness {
    /// `[key, signature]` in CBOR.
    pub fn to_cbor(&self) -> Vec<u8> {
        [array_head(2), byte_string(&self.key), byte_string(&self.signature)].concat()
    }
}

/// An array or a map that may get one item more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Growing {
    /// Where its head stands.
    head: Range<usize>,
    /// What the head says; `None`: it goes on until a break, and the head stays.
    len: Option<u64>,
}

/// A witness set, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessSet {
    map: Growing,
    /// The array under key 0, and where its next item goes.
    keys: Option<(Growing, usize)>,
    pub witnesses: Vec<Witness>,
    /// The native scripts, as they stand.
    pub native_scripts: Vec<u8>,
    /// Whether there are Plutus scripts, datums or redeemers.
    pub has_plutus: bool,
}

/// Reads a witness set.
pub fn read(reader: &mut Reader<'_>) -> Read<WitnessSet> {
    let mut pairs = reader.map()?;
    let mut set = WitnessSet {
        map: Growing { head: pairs.head.clone(), len: pairs.count() },
        keys: None,
        witnesses: Vec::new(),
        native_scripts: Vec::new(),
        has_plutus: false,
    };
    let mut seen = BTreeSet::new();
    while reader.more(&mut pairs)? {
        let key = reader.unsigned()?;
        if !seen.insert(key) {
            return reader.fault(format_args!("has the key {key} twice in its witness set"));
        }
        let start = reader.position();
        match key {
            0 => set.keys = Some(witnesses(reader, &mut set.witnesses)?),
            1 => {
                reader.tag(258)?;
                list(reader, Reader::skip)?;
                set.native_scripts = reader.since(start).to_vec();
            }
            // Of Byron addresses, which no wallet here has.
            2 => reader.skip()?,
            3..=7 => {
                reader.skip()?;
                set.has_plutus = true;
            }
            _ => {
                let reason = format!("The transaction's witness set has the key {key}; it is not read here.");
                return Err(DecodeError::refused(Rule::UnknownField, reason));
            }
        }
    }
    Ok(set)
}

fn witnesses(reader: &mut Reader<'_>, witnesses: &mut Vec<Witness>) -> Read<(Growing, usize)> {
    let (_, mut items) = reader.set()?;
    let growing = Growing { head: items.head.clone(), len: items.count() };
    loop {
        // Before the break, if there is one.
        let end = reader.position();
        if !reader.more(&mut items)? {
            return Ok((growing, end));
        }
        let mut members = reader.array()?;
        reader.next(&mut members)?;
        let key = reader.fixed()?;
        reader.next(&mut members)?;
        let signature = reader.fixed()?;
        reader.end(&mut members)?;
        if witnesses.iter().any(|known| known.key == key) {
            return reader.fault("has two witnesses of one key");
        }
        witnesses.push(Witness { key, signature });
    }
}

impl WitnessSet {
    /// The witness of this key, if it is there.
    pub fn of(&self, key: &[u8; 32]) -> Option<&Witness> {
        self.witnesses.iter().find(|witness| witness.key == *key)
    }

    /// Proves that every key signed this transaction.
    ///
    /// # Errors
    /// [`Rule::AlreadySigned`] names the key.
    pub fn prove(&self, tx_id: &[u8; 32]) -> Result<(), DecodeError> {
        let holds = |witness: &Witness| {
            let key = VerifyingKey::from_bytes(&witness.key).ok()?;
            key.verify_strict(tx_id, &Signature::from_bytes(&witness.signature)).ok()
        };
        match self.witnesses.iter().find(|witness| holds(witness).is_none()) {
            None => Ok(()),
            Some(Witness { key, .. }) => Err(DecodeError::refused(
                Rule::AlreadySigned,
                format_args!("The transaction has a witness of the key {} that does not hold for it.", hex::encode(key)),
            )),
        }
    }

    /// The whole transaction `bytes` with one witness more, of a key that has none yet. `tags_sets`: whether a new set gets the tag of
    /// sets, where there is none yet to tell. `None` if this was read of other bytes.
    pub fn with(&self, bytes: &[u8], witness: &Witness, tags_sets: bool) -> Option<Vec<u8>> {
        let witness = witness.to_cbor();
        let grow = |growing: &Growing, write: fn(u64) -> Vec<u8>| match growing.len {
            Some(len) => Some(write(len.checked_add(1)?)),
            None => Some(bytes.get(growing.head.clone())?.to_vec()),
        };
        let (head, new_head, at, new) = match &self.keys {
            Some((array, end)) => (&array.head, grow(array, array_head)?, *end, witness),
            None => {
                let tag: &[u8] = if tags_sets { &SET_TAG } else { &[] };
                let entry = [&[0x00], tag, &array_head(1), &witness].concat();
                (&self.map.head, grow(&self.map, map_head)?, self.map.head.end, entry)
            }
        };
        Some([bytes.get(..head.start)?, &new_head, bytes.get(head.end..at)?, &new, bytes.get(at..)?].concat())
    }
}
