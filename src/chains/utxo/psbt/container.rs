//! The bytes of a PSBT: maps of fields, each under its own key (BIP-174, "Specification"). What a field means, `fields.rs` says.
//! Every field is kept as it came, so that what is passed through is passed through whole.

use std::collections::BTreeMap;

use bitcoin::VarInt;
use bitcoin::consensus::encode::serialize;

const MAGIC: &[u8] = b"psbt\xff";

/// Most fields of all maps together. A PSBT of the most inputs and outputs, with all that tools put in, needs fewer.
const MAX_FIELDS: usize = 1 << 15;

/// Fields by key, which is the field's type and then its key data. In the order of the keys, so that one content has one form.
pub type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads maps, one after the other.
pub struct Reader<'a> {
    rest: &'a [u8],
    fields: usize,
}

impl<'a> Reader<'a> {
    /// `None` without the magic bytes.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(MAGIC).map(|rest| Self { rest, fields: 0 })
    }

    /// The next map. The reason completes "input 3 ...".
    pub fn map(&mut self) -> Result<Map, &'static str> {
        let mut map = Map::new();
        loop {
            let key = self.chunk()?;
            if key.is_empty() {
                return Ok(map);
            }
            let value = self.chunk()?;
            self.fields = self.fields.saturating_add(1);
            if self.fields > MAX_FIELDS {
                return Err("has more fields than the 32768 that all together may have");
            }
            if map.insert(key.to_vec(), value.to_vec()).is_some() {
                return Err("has one key twice");
            }
        }
    }

    /// Whether all is read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// A length, and so many bytes.
    fn chunk(&mut self) -> Result<&'a [u8], &'static str> {
        let (length, rest) =
            compact_size(self.rest).ok_or("is missing, is cut off or has a length that is not written minimally")?;
        let length = usize::try_from(length).map_err(|_| "is cut off")?;
        let (chunk, rest) = rest.split_at_checked(length).ok_or("is cut off")?;
        self.rest = rest;
        Ok(chunk)
    }
}

/// A compact size at the head of `bytes` and what follows it; `None` if it is cut off or longer than it need be.
pub fn compact_size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (number, least, rest) = match first {
        0xfd => rest.split_first_chunk().map(|(number, rest)| (u64::from(u16::from_le_bytes(*number)), 0xfd, rest))?,
        0xfe => rest.split_first_chunk().map(|(number, rest)| (u64::from(u32::from_le_bytes(*number)), 0x1_0000, rest))?,
        0xff => rest.split_first_chunk().map(|(number, rest)| (u64::from_le_bytes(*number), 0x1_0000_0000, rest))?,
        small => (u64::from(small), 0, rest),
    };
    (number >= least).then_some((number, rest))
}

/// The bytes of a PSBT with these maps.
pub fn write<'a>(maps: impl Iterator<Item = &'a Map>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for map in maps {
        for chunk in map.iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend(serialize(&VarInt::from(chunk.len())));
            bytes.extend(chunk);
        }
        bytes.push(0);
    }
    bytes
}

/// The value of the field of this type, if it has no key data.
pub fn get(map: &Map, key_type: u8) -> Option<&[u8]> {
    map.get(&[key_type][..]).map(Vec::as_slice)
}

/// The same as a number of 32 bits, little-endian.
pub fn number(map: &Map, key_type: u8) -> Option<u32> {
    get(map, key_type)?.try_into().ok().map(u32::from_le_bytes)
}
