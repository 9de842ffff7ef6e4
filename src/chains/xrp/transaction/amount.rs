//! Amounts: drops of XRP, or an issued currency's decimal of at most 16 digits.
//! <https://xrpl.org/docs/references/protocol/binary-format#amount-fields>
//!
//! Nothing is rounded: a value that the ledger could not hold as it is written is refused.

use std::fmt;

use serde_json::{Value, json};

use crate::chains::xrp::AccountId;

/// All drops that were ever made: 100 billion XRP of a million drops.
pub const MAX_DROPS: u64 = 100_000_000_000_000_000;
/// Most significant digits of an issued amount.
const DIGITS: usize = 16;
/// Bounds of the exponent of an issued amount whose first digit is brought to the sixteenth place.
const EXPONENTS: std::ops::RangeInclusive<i32> = -96..=80;
/// Longest value of an issued amount that is read, in bytes. The longest that the ledger can hold has 98 written out.
const MAX_VALUE_BYTES: usize = 128;
/// Set in an amount that is not XRP.
const ISSUED: u64 = 1 << 63;
/// Set in an amount that is not negative.
const POSITIVE: u64 = 1 << 62;

/// An amount. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// 0 to [`MAX_DROPS`].
    Drops(u64),
    Issued(Issued),
}

/// An amount of an issued currency: `mantissa` times ten to the power of `exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// 0, or 16 digits.
    mantissa: u64,
    /// -96 to 80; 0 where the mantissa is.
    exponent: i32,
    pub currency: Currency,
    pub issuer: AccountId,
}

/// What an amount is of: two amounts can be compared if this is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asset {
    Xrp,
    Issued(Currency, AccountId),
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xrp => f.write_str("XRP"),
            Self::Issued(currency, issuer) => write!(f, "{currency}.{issuer}"),
        }
    }
}

impl Amount {
    pub const fn asset(&self) -> Asset {
        match self {
            Self::Drops(_) => Asset::Xrp,
            Self::Issued(issued) => Asset::Issued(issued.currency, issued.issuer),
        }
    }

    pub const fn is_zero(&self) -> bool {
        match self {
            Self::Drops(drops) => *drops == 0,
            Self::Issued(issued) => issued.mantissa == 0,
        }
    }

    /// The drops if it is XRP.
    pub const fn drops(&self) -> Option<u64> {
        match self {
            Self::Drops(drops) => Some(*drops),
            Self::Issued(_) => None,
        }
    }

    /// Whether it is more than `other`, of the same asset.
    pub fn exceeds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Drops(this), Self::Drops(other)) => this > other,
            (Self::Issued(this), Self::Issued(other)) => this.order() > other.order(),
            _ => false,
        }
    }

    /// 8 bytes of XRP, 48 of an issued currency.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Drops(drops) => (drops | POSITIVE).to_be_bytes().to_vec(),
            Self::Issued(issued) => {
                [&issued.to_u64().to_be_bytes()[..], issued.currency.as_bytes(), issued.issuer.as_bytes()].concat()
            }
        }
    }

    /// As the ledger's servers write it; values without an exponent.
    pub fn to_json(self) -> Value {
        match self {
            Self::Drops(drops) => json!(drops.to_string()),
            Self::Issued(issued) => json!({
                "currency": issued.currency.to_string(), "issuer": issued.issuer.to_string(), "value": issued.value(),
            }),
        }
    }
}

/// For people: `1500000 drops` or `4.2 USD.r...`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drops(drops) => write!(f, "{drops} drops"),
            Self::Issued(issued) => write!(f, "{} {}", issued.value(), self.asset()),
        }
    }
}

impl Issued {
    /// Reads a value such as `4.2` or `1e-5`.
    ///
    /// # Errors
    /// Why not, as the end of a sentence that begins with the value's name.
    pub fn new(value: &str, currency: Currency, issuer: AccountId) -> Result<Self, String> {
        let (mantissa, exponent) = decimal(value)?;
        Ok(Self { mantissa, exponent, currency, issuer })
    }

    fn to_u64(self) -> u64 {
        if self.mantissa == 0 {
            return ISSUED;
        }
        // Never below 1: the exponent is within its bounds.
        let exponent = u64::try_from(self.exponent.saturating_add(97)).unwrap_or(0);
        ISSUED | POSITIVE | exponent << 54 | self.mantissa
    }

    /// By it amounts of one currency stand in order.
    const fn order(&self) -> (bool, i32, u64) {
        (self.mantissa != 0, self.exponent, self.mantissa)
    }

    /// In whole tokens, rounded up and saturating.
    pub fn whole(&self) -> u64 {
        let tens = |power: i32| u32::try_from(power).ok().and_then(|power| 10u64.checked_pow(power));
        if self.exponent >= 0 {
            return tens(self.exponent).and_then(|tens| self.mantissa.checked_mul(tens)).unwrap_or(match self.mantissa {
                0 => 0,
                _ => u64::MAX,
            });
        }
        match tens(self.exponent.saturating_neg()) {
            Some(tens) => self.mantissa.div_ceil(tens),
            None => 1,
        }
    }

    /// The decimal, without an exponent and without needless zeros.
    pub fn value(&self) -> String {
        if self.mantissa == 0 {
            return "0".to_owned();
        }
        let all = self.mantissa.to_string();
        let digits = all.trim_end_matches('0');
        let dropped = i32::try_from(all.len().saturating_sub(digits.len())).unwrap_or(0);
        let exponent = self.exponent.saturating_add(dropped);
        let places = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
        if exponent >= 0 {
            return format!("{digits}{}", "0".repeat(places));
        }
        match digits.len().checked_sub(places).filter(|whole| *whole > 0).and_then(|whole| digits.split_at_checked(whole)) {
            Some((whole, fraction)) => format!("{whole}.{fraction}"),
            None => format!("0.{}{digits}", "0".repeat(places.saturating_sub(digits.len()))),
        }
    }
}

/// Reads a decimal as rippled does (`partsFromString`), but refuses what it would round: its 16 digits and its exponent.
fn decimal(text: &str) -> Result<(u64, i32), String> {
    const EXPECTED: &str = "must be a decimal in a string, such as \"4.2\" or \"1e-5\"";
    if text.len() > MAX_VALUE_BYTES {
        return Err(format!("has {} bytes; at most {MAX_VALUE_BYTES} are read", text.len()));
    }
    if text.starts_with('-') {
        return Err("must not be negative".to_owned());
    }
    let (number, power) = match text.split_once(['e', 'E']) {
        Some((number, power)) => (number, exponent(power).ok_or(EXPECTED)?),
        None => (text, 0),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(EXPECTED.to_owned()),
        None => (number, ""),
    };
    let plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
        return Err(EXPECTED.to_owned());
    }
    let written = format!("{whole}{fraction}");
    let led = written.trim_start_matches('0');
    let digits = led.trim_end_matches('0');
    if digits.is_empty() {
        return Ok((0, 0));
    }
    let missing = DIGITS
        .checked_sub(digits.len())
        .ok_or_else(|| format!("has {} significant digits; the ledger keeps {DIGITS}", digits.len()))?;
    let mantissa: u64 = format!("{digits}{}", "0".repeat(missing)).parse().map_err(|_| EXPECTED)?;
    let signed = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
    let exponent = power
        .saturating_sub(signed(fraction.len()))
        .saturating_add(signed(led.len().saturating_sub(digits.len())))
        .saturating_sub(signed(missing));
    if !EXPONENTS.contains(&exponent) {
        return Err("is too large or too small for the ledger, which has powers of ten from -96 to 80".to_owned());
    }
    Ok((mantissa, exponent))
}

/// A power of ten of at most six digits: none longer is within the bounds.
fn exponent(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse::<i32>().ok().filter(|_| plain).and_then(|power| power.checked_mul(sign))
}

/// A currency's code: three characters in their place, or any 20 bytes. XRP's is all zeros, and no amount's.
/// <https://xrpl.org/docs/references/protocol/data-types/currency-formats>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency([u8; 20]);

impl Currency {
    pub const XRP: Self = Self([0; 20]);

    /// # Errors
    /// Why not, as the end of a sentence that begins with the currency's name. `XRP` is refused, in letters and in bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "must be three characters of the ledger's alphabet, or 40 hex digits";
        let bytes = match text.as_bytes() {
            [first, second, third] if text.bytes().all(is_currency_letter) => standard([*first, *second, *third]),
            digits if digits.len() == 40 => hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(EXPECTED)?,
            _ => return Err(EXPECTED.to_owned()),
        };
        if bytes == Self::XRP.0 || bytes == standard(*b"XRP") {
            return Err("must not be XRP, which is no issued currency".to_owned());
        }
        Ok(Self(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// Three characters where they can be, else 40 digits in capitals.
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::XRP {
            return f.write_str("XRP");
        }
        let [.., first, second, third, _, _, _, _, _] = self.0;
        let letters = [first, second, third];
        match std::str::from_utf8(&letters) {
            Ok(text) if letters.into_iter().all(is_currency_letter) && standard(letters) == self.0 => f.write_str(text),
            _ => f.write_str(&hex::encode_upper(self.0)),
        }
    }
}

const fn standard([first, second, third]: [u8; 3]) -> [u8; 20] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, first, second, third, 0, 0, 0, 0, 0]
}

/// rippled's `isoCharSet`.
const fn is_currency_letter(letter: u8) -> bool {
    letter.is_ascii_alphanumeric()
        || matches!(letter, b'<' | b'>' | b'(' | b')' | b'{' | b'}' | b'[' | b']')
        || matches!(letter, b'|' | b'?' | b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'&' | b'*')
}
