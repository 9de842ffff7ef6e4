//! Addresses of Ethereum and the chains like it: the same twenty bytes on every one of them.

pub mod authorization;
pub mod calldata;
pub mod message;
pub mod quantity;
pub mod signer;
pub mod transaction;
pub mod typed_data;

use alloy_primitives::Address;
use bitcoin::secp256k1::PublicKey;

use super::{ChainError, InvalidAddress};

const EXPECTED: &str = "0x and 40 hex digits";

/// The last 20 bytes of Keccak-256 of the uncompressed point, written with the checksum of EIP-55.
pub(super) fn derive(key: &PublicKey) -> Result<String, ChainError> {
    let point = key.serialize_uncompressed();
    // Without the 0x04 in front: `from_raw_public_key` takes the 64 bytes of x and y.
    let xy = point.get(1..).ok_or(ChainError::Encoding)?;
    Ok(Address::from_raw_public_key(xy).to_checksum(None))
}

/// Reads an address in lower case, in upper case or with a right EIP-55 checksum, and gives the last of these.
pub(super) fn parse(text: &str) -> Result<String, InvalidAddress> {
    let digits = text.strip_prefix("0x").ok_or(InvalidAddress::Malformed(EXPECTED))?;
    let mut bytes = [0; 20];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidAddress::Malformed(EXPECTED))?;
    let canonical = Address::from(bytes).to_checksum(None);
    let one_case = !digits.bytes().any(|b| b.is_ascii_uppercase()) || !digits.bytes().any(|b| b.is_ascii_lowercase());
    if one_case || text == canonical { Ok(canonical) } else { Err(InvalidAddress::Checksum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_takes_one_case_or_the_checksum() {
        const ADDRESS: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let lower = ADDRESS.to_lowercase();
        let upper = ADDRESS.to_uppercase().replace("0X", "0x");
        for text in [ADDRESS, &lower, &upper] {
            assert_eq!(parse(text).as_deref(), Ok(ADDRESS));
        }
        assert_eq!(parse(&ADDRESS.replace('F', "f")), Err(InvalidAddress::Checksum));
    }

    #[test]
    fn parse_refuses_other_forms() {
        let digits = "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
        let malformed = [
            digits.to_owned(),
            format!("0X{digits}"),
            format!("0x0x{}", digits.trim_start_matches("5a")),
            format!("0x{}", digits.trim_start_matches('5')),
            format!("0x{digits}0"),
            format!("0x{digits} "),
            format!("0xg{}", digits.trim_start_matches('5')),
            "0x".to_owned(),
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4".to_owned(),
        ];
        for text in malformed {
            assert_eq!(parse(&text), Err(InvalidAddress::Malformed(EXPECTED)), "{text}");
        }
    }
}
