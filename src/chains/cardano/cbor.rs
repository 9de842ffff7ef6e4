//! Reads CBOR (RFC 8949) as the node's decoders do: numbers in any width, arrays and maps with and without a length, byte strings
//! with one. Every place in the input is known. What is not well-formed is refused, and nothing is read past the end.

use std::fmt::Display;
use std::ops::Range;

use crate::chains::decoded::DecodeError;

/// How deep what is skipped may be nested.
const MAX_DEPTH: usize = 256;

const BREAK: u8 = 0xff;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

pub type Read<T> = Result<T, DecodeError>;

/// `reason` completes "`transaction` ...".
fn invalid<T>(at: usize, reason: impl Display) -> Read<T> {
    Err(DecodeError::invalid("transaction", format_args!("{reason} (at byte {at})")))
}

/// Somewhere in an input.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What is left of an array or a map.
#[derive(Debug, Clone)]
pub struct Items {
    /// `None`: until a break.
    left: Option<u64>,
    /// Where its head stands.
    pub head: Range<usize>,
}

impl Items {
    /// How many there are, where the head says it. Of a map: pairs.
    pub const fn count(&self) -> Option<u64> {
        self.left
    }
}

/// An array or a map that is being skipped.
struct Open {
    /// Items to come; `None`: until a break.
    left: Option<u64>,
    in_pairs: bool,
    /// Whether an odd number of items came.
    odd: bool,
}

/// A head as it stands.
struct Head {
    major: u8,
    /// `None`: of indefinite length, or a break.
    argument: Option<u64>,
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub const fn position(&self) -> usize {
        self.at
    }

    pub const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What was read since `start`.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// An error here. `reason` completes "`transaction` ...".
    pub fn fault<T>(&self, reason: impl Display) -> Read<T> {
        invalid(self.at, reason)
    }

    fn peek(&self) -> Read<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None => self.fault("ends too early"),
        }
    }

    fn take(&mut self, count: u64) -> Read<&'a [u8]> {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count));
        match end.and_then(|end| Some((self.bytes.get(self.at..end)?, end))) {
            Some((taken, end)) => {
                self.at = end;
                Ok(taken)
            }
            None => self.fault("ends too early"),
        }
    }

    fn number<const N: usize>(&mut self) -> Read<u64> {
        Ok(self.take(N as u64)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn head(&mut self) -> Read<Head> {
        let at = self.at;
        let first = self.peek()?;
        self.at = self.at.saturating_add(1);
        let argument = match first & 0x1f {
            small @ 0..=23 => Some(u64::from(small)),
            24 => Some(self.number::<1>()?),
            25 => Some(self.number::<2>()?),
            26 => Some(self.number::<4>()?),
            27 => Some(self.number::<8>()?),
            31 => None,
            _ => return invalid(at, "is no CBOR"),
        };
        Ok(Head { major: first >> 5, argument })
    }

    /// A head of one kind, with its argument.
    fn expect(&mut self, major: u8, what: &str) -> Read<Option<u64>> {
        let at = self.at;
        let head = self.head()?;
        if head.major == major { Ok(head.argument) } else { invalid(at, format_args!("must have {what}")) }
    }

    /// 0 to 2^64 - 1.
    pub fn unsigned(&mut self) -> Read<u64> {
        let at = self.at;
        match self.expect(0, "a whole number that is not negative")? {
            Some(number) => Ok(number),
            None => invalid(at, "is no CBOR"),
        }
    }

    /// -2^63 to 2^63 - 1.
    pub fn signed(&mut self) -> Read<i64> {
        let at = self.at;
        let Head { major, argument } = self.head()?;
        let number = argument.and_then(|number| i64::try_from(number).ok());
        match (major, number) {
            (0, Some(number)) => Ok(number),
            (1, Some(number)) => Ok(!number),
            _ => invalid(at, "must have a whole number of 64 bits"),
        }
    }

    /// A byte string of known length.
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let at = self.at;
        match self.expect(BYTES, "a byte string")? {
            Some(length) => self.take(length),
            None => invalid(at, "must have byte strings in one piece"),
        }
    }

    /// A byte string of `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        let at = self.at;
        match self.bytes()?.try_into() {
            Ok(bytes) => Ok(bytes),
            Err(_) => invalid(at, format_args!("must have a byte string of {N} bytes")),
        }
    }

    /// A text of known length, at most `max` bytes.
    pub fn text(&mut self, max: usize) -> Read<&'a str> {
        let at = self.at;
        let text = match self.expect(TEXT, "a text")? {
            Some(length) => std::str::from_utf8(self.take(length)?).ok().filter(|text| text.len() <= max),
            None => None,
        };
        text.map_or_else(|| invalid(at, format_args!("must have a text of at most {max} bytes, in one piece")), Ok)
    }

    pub fn boolean(&mut self) -> Read<bool> {
        match self.peek()? {
            0xf4 => self.take(1).map(|_| false),
            0xf5 => self.take(1).map(|_| true),
            _ => self.fault("must have true or false"),
        }
    }

    /// Whether a null stands here, which is read then.
    pub fn null(&mut self) -> Read<bool> {
        let is_null = self.peek()? == 0xf6;
        if is_null {
            self.take(1)?;
        }
        Ok(is_null)
    }

    pub fn is_array(&self) -> bool {
        self.bytes.get(self.at).is_some_and(|byte| byte >> 5 == ARRAY)
    }

    /// Whether this tag stands here, which is read then.
    pub fn tag(&mut self, number: u64) -> Read<bool> {
        let before = self.at;
        if self.peek()? >> 5 == TAG && self.head()?.argument == Some(number) {
            return Ok(true);
        }
        self.at = before;
        Ok(false)
    }

    fn items(&mut self, major: u8, what: &str) -> Read<Items> {
        let at = self.at;
        let left = self.expect(major, what)?;
        // Each takes a byte at least: nobody counts to more than there is.
        if left.is_some_and(|left| left > self.bytes.len().saturating_sub(self.at) as u64) {
            return self.fault("ends too early");
        }
        Ok(Items { left, head: at..self.at })
    }

    pub fn array(&mut self) -> Read<Items> {
        self.items(ARRAY, "an array")
    }

    pub fn map(&mut self) -> Read<Items> {
        self.items(MAP, "a map")
    }

    /// An array that may stand under the tag of sets (258); says whether it does.
    pub fn set(&mut self) -> Read<(bool, Items)> {
        Ok((self.tag(258)?, self.array()?))
    }

    /// Whether another item comes; reads the break if none does.
    pub fn more(&mut self, items: &mut Items) -> Read<bool> {
        match &mut items.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(true)
            }
            None if self.peek()? == BREAK => {
                self.take(1)?;
                items.left = Some(0);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// Another item of an array of known size.
    pub fn next(&mut self, items: &mut Items) -> Read<()> {
        if self.more(items)? { Ok(()) } else { self.fault("has an array that is too short") }
    }

    /// No further item of such an array.
    pub fn end(&mut self, items: &mut Items) -> Read<()> {
        if self.more(items)? { self.fault("has an array that is too long") } else { Ok(()) }
    }

    /// One whole item, whatever it is.
    pub fn skip(&mut self) -> Read<()> {
        let mut around: Vec<Open> = Vec::new();
        loop {
            let at = self.at;
            let Head { major, argument } = self.head()?;
            match (major, argument) {
                (0 | 1 | 7, Some(_)) => {}
                (BYTES | TEXT, Some(length)) => self.piece(major, length)?,
                (BYTES | TEXT, None) => self.pieces(major)?,
                (ARRAY, count) => around.push(Open { left: count, in_pairs: false, odd: false }),
                (MAP, count) => {
                    let left = count.map(|pairs| pairs.saturating_mul(2));
                    around.push(Open { left, in_pairs: true, odd: false });
                }
                // Its content is the item.
                (TAG, Some(_)) => continue,
                _ => return invalid(at, "is no CBOR"),
            }
            if around.len() > MAX_DEPTH {
                return invalid(at, format_args!("is nested deeper than {MAX_DEPTH} levels"));
            }
            loop {
                let Some(open) = around.last_mut() else { return Ok(()) };
                if self.another(open)? {
                    break;
                }
                around.pop();
            }
        }
    }

    /// Whether another item comes in what is open; reads the break if none does.
    fn another(&mut self, open: &mut Open) -> Read<bool> {
        match &mut open.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(true)
            }
            None if self.peek()? != BREAK => {
                open.odd = !open.odd;
                Ok(true)
            }
            None if open.in_pairs && open.odd => self.fault("has a map with a key that has no value"),
            None => self.take(1).map(|_| false),
        }
    }

    /// The pieces of a string without a length, up to the break.
    fn pieces(&mut self, major: u8) -> Read<()> {
        while self.peek()? != BREAK {
            let at = self.at;
            match self.head()? {
                Head { major: piece, argument: Some(length) } if piece == major => self.piece(major, length)?,
                _ => return invalid(at, "is no CBOR"),
            }
        }
        self.take(1).map(|_| ())
    }

    fn piece(&mut self, major: u8, length: u64) -> Read<()> {
        let taken = self.take(length)?;
        if major == TEXT && std::str::from_utf8(taken).is_err() { self.fault("has a text that is not UTF-8") } else { Ok(()) }
    }
}

/// The shortest head.
fn write_head(major: u8, argument: u64) -> Vec<u8> {
    let kind = major << 5;
    let [.., b3, b2, b1, b0] = argument.to_be_bytes();
    match argument {
        0..=23 => vec![kind | b0],
        24..=0xff => vec![kind | 0x18, b0],
        0x100..=0xffff => vec![kind | 0x19, b1, b0],
        0x1_0000..=0xffff_ffff => vec![kind | 0x1a, b3, b2, b1, b0],
        _ => [&[kind | 0x1b], &argument.to_be_bytes()[..]].concat(),
    }
}

/// The head of an array of so many items.
pub fn array_head(items: u64) -> Vec<u8> {
    write_head(ARRAY, items)
}

/// The head of a map of so many pairs.
pub fn map_head(pairs: u64) -> Vec<u8> {
    write_head(MAP, pairs)
}

/// A byte string.
pub fn byte_string(bytes: &[u8]) -> Vec<u8> {
    [&write_head(BYTES, bytes.len() as u64), bytes].concat()
}

/// The tag of sets.
pub const SET_TAG: [u8; 3] = [0xd9, 0x01, 0x02];

#[cfg(test)]
mod tests {
    use pallas_codec::minicbor::Decoder;
    use proptest::prelude::*;

    use super::*;

    fn skipped(bytes: &[u8]) -> Option<usize> {
        let mut reader = Reader::new(bytes);
        reader.skip().ok().map(|()| reader.position())
    }

    #[test]
    fn skip_reads_the_examples_of_rfc_8949_and_no_more_than_one_item() {
        // Appendix A.
        for item in [
            "00",
            "1818",
            "1b000000e8d4a51000",
            "1bffffffffffffffff",
            "c249010000000000000000",
            "3bffffffffffffffff",
            "f90001",
            "fb7e37e43c8800759c",
            "f97c00",
            "f4",
            "f7",
            "f0",
            "f8ff",
            "c074323031332d30332d32315432303a30343a30305a",
            "d74401020304",
            "40",
            "4401020304",
            "60",
            "62c3bc",
            "64f0908591",
            "80",
            "83010203",
            "8301820203820405",
            "a0",
            "a201020304",
            "a26161016162820203",
            "826161a161626163",
            "5f42010243030405ff",
            "7f657374726561646d696e67ff",
            "9fff",
            "9f018202039f0405ffff",
            "83018202039f0405ff",
            "83019f0203ff820405",
            "bf61610161629f0203ffff",
            "826161bf61626163ff",
            "bf6346756ef563416d7421ff",
        ] {
            let bytes = hex::decode(item).unwrap();
            assert_eq!(skipped(&bytes), Some(bytes.len()), "{item}");
            assert_eq!(skipped(&[&bytes[..], &[0x00]].concat()), Some(bytes.len()), "{item}");
            for short in 0..bytes.len() {
                assert_eq!(skipped(&bytes[..short]), None, "{item} up to {short}");
            }
        }
        // Appendix F, and texts that are not UTF-8.
        for item in [
            "ff",
            "1c",
            "1d",
            "1e",
            "3c",
            "5c",
            "7c",
            "9c",
            "bc",
            "dc",
            "fc",
            "1f",
            "3f",
            "df",
            "81ff",
            "8200ff",
            "a1ff",
            "a100ff",
            "bf00ff",
            "9f81ff",
            "9fbf00ffff",
            "5f00ff",
            "5f6100ff",
            "5f5f4100ffff",
            "7f4100ff",
            "61ff",
            "7f61c361bcff",
            "9bffffffffffffffff00",
            "bbffffffffffffffff0000",
            "5bffffffffffffffff00",
        ] {
            assert_eq!(skipped(&hex::decode(item).unwrap()), None, "{item}");
        }
        let nested = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
        assert_eq!(skipped(&nested(MAX_DEPTH)), Some(MAX_DEPTH + 1));
        assert_eq!(skipped(&nested(MAX_DEPTH + 1)), None);
    }

    #[test]
    fn numbers_are_read_in_any_width_and_within_their_bounds() {
        let unsigned = |hex: &str| Reader::new(&hex::decode(hex).unwrap()).unsigned().ok();
        let signed = |hex: &str| Reader::new(&hex::decode(hex).unwrap()).signed().ok();
        for zero in ["00", "1800", "190000", "1a00000000", "1b0000000000000000"] {
            assert_eq!((unsigned(zero), signed(zero)), (Some(0), Some(0)));
        }
        assert_eq!((unsigned("1bffffffffffffffff"), signed("1bffffffffffffffff")), (Some(u64::MAX), None));
        assert_eq!((unsigned("20"), signed("20")), (None, Some(-1)));
        assert_eq!(signed("3b7fffffffffffffff"), Some(i64::MIN));
        assert_eq!(signed("3b8000000000000000"), None);
        assert_eq!((unsigned("c240"), unsigned("f90000"), unsigned("1f")), (None, None, None));
    }

    #[test]
    fn heads_are_written_as_they_are_read() {
        for count in [0, 1, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX] {
            let array = array_head(count);
            assert_eq!(Decoder::new(&array).array().unwrap(), Some(count));
            assert_eq!(Decoder::new(&map_head(count)).map().unwrap(), Some(count));
            let shortest = match count {
                0..24 => 1,
                24..256 => 2,
                256..65_536 => 3,
                65_536..0x1_0000_0000 => 5,
                _ => 9,
            };
            assert_eq!(array.len(), shortest);
        }
        assert_eq!(Decoder::new(&byte_string(&[7; 64])).bytes().unwrap(), [7; 64]);
    }

    proptest! {
        /// What is taken here, another reader takes too, and up to the same byte.
        #[test]
        fn skip_agrees_with_minicbor(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            if let Some(end) = skipped(&bytes) {
                let mut decoder = Decoder::new(&bytes);
                decoder.skip().unwrap();
                prop_assert_eq!(decoder.position(), end);
            }
        }
    }
}
