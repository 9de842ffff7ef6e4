//! Numbers as Ethereum's JSON has them.

use alloy_primitives::U256;
use serde_json::Value;

/// A whole number: a JSON number, or a string of `0x` and hex digits. Decimal strings are refused, since other tools read them
/// as hex. The error completes "`field` ...".
pub fn u256(value: &Value) -> Result<U256, String> {
    const EXPECTED: &str = "must be a whole number, as 0x and hex digits or as a JSON number";
    match value {
        Value::Number(number) => number.as_u64().map(U256::from).ok_or_else(|| EXPECTED.to_owned()),
        Value::String(text) => {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or(EXPECTED)?;
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(EXPECTED.to_owned());
            }
            U256::from_str_radix(digits, 16).map_err(|_| "must fit into 256 bits".to_owned())
        }
        _ => Err(EXPECTED.to_owned()),
    }
}

/// As [`u256`], of at most 64 bits.
pub fn u64(value: &Value) -> Result<u64, String> {
    u64::try_from(u256(value)?).map_err(|_| "must fit into 64 bits".to_owned())
}

/// As [`u256`], of at most 128 bits.
pub fn u128(value: &Value) -> Result<u128, String> {
    u128::try_from(u256(value)?).map_err(|_| "must fit into 128 bits".to_owned())
}

/// Bytes: hex digits in pairs, with or without `0x`.
pub fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    const EXPECTED: &str = "must be bytes, as 0x and hex digits in pairs";
    let Value::String(text) = value else { return Err(EXPECTED.to_owned()) };
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    hex::decode(digits).map_err(|_| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_read_in_their_accepted_forms_alone() {
        assert_eq!(u64(&json!(7)), Ok(7));
        assert_eq!(u64(&json!("0x0")), Ok(0));
        assert_eq!(u64(&json!("0X0fF")), Ok(255));
        assert_eq!(u64(&json!(u64::MAX)), Ok(u64::MAX));
        assert_eq!(u256(&json!(format!("0x{}", "f".repeat(64)))), Ok(U256::MAX));
        for wrong in
            [json!("7"), json!("0x"), json!(""), json!("0x+1"), json!("0x_1"), json!(-1), json!(1.5), json!([]), json!(null)]
        {
            assert!(u256(&wrong).is_err(), "{wrong}");
        }
        assert!(u256(&json!(format!("0x1{}", "0".repeat(64)))).is_err());
        assert!(u64(&json!("0x10000000000000000")).is_err());
        assert!(u128(&json!(format!("0x1{}", "0".repeat(32)))).is_err());
    }

    #[test]
    fn bytes_are_read_with_and_without_prefix() {
        assert_eq!(bytes(&json!("0x")), Ok(vec![]));
        assert_eq!(bytes(&json!("0x00fF")), Ok(vec![0, 255]));
        assert_eq!(bytes(&json!("00ff")), Ok(vec![0, 255]));
        for wrong in [json!("0x0"), json!("hello"), json!(1), json!(null)] {
            assert!(bytes(&wrong).is_err(), "{wrong}");
        }
    }
}
