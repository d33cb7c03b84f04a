//! A price: an exact decimal read from a venue's own characters, never through floating point.
//! It must not round, and it must not default: what cannot be kept exactly is refused with a reason.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A price, exact to the last digit that was published; trailing zeros are kept.
/// Never zero; negative only where the row says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(Decimal);

/// Whether a price below zero is believed (`allow_negative` of a row; WTI traded at -37.63 in 2020).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sign {
    /// Only prices above zero.
    #[default]
    Positive,
    /// Below zero too.
    Any,
}

/// Why a text is no price. The names are the `reason` labels of the counter of rejected values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// No digits at all, or something that is no decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// Zero is a missing price, not a price.
    #[error("a price of zero")]
    Zero,
    /// Below zero where that is not allowed.
    #[error("a price below zero")]
    Negative,
    /// More significant digits than are kept exactly.
    #[error("more than {} significant digits", Price::DIGITS_MAX)]
    TooManyDigits,
    /// Too large or too small for an exact decimal.
    #[error("an exponent beyond the range of exact decimals")]
    OutOfRange,
}

impl PriceError {
    /// The label of the metric that counts it.
    pub fn label(self) -> &'static str {
        match self {
            PriceError::NotANumber => "parse",
            PriceError::Zero => "zero",
            PriceError::Negative => "negative",
            PriceError::TooManyDigits => "digits",
            PriceError::OutOfRange => "range",
        }
    }
}

impl Price {
    /// The most significant digits that are kept.
    pub const DIGITS_MAX: u32 = 28;
    /// The most digits after the point.
    const SCALE_MAX: i64 = 28;
    /// More characters than any exact price needs.
    const LENGTH_MAX: usize = 128;

    /// Reads a price above zero from its text: `64348.95000000`, `0.13110`, `9.2E-7`.
    pub fn parse(text: &str) -> Result<Price, PriceError> {
        Self::parse_signed(text, Sign::Positive)
    }

    /// Reads a price whose sign is judged as told.
    pub fn parse_signed(text: &str, sign: Sign) -> Result<Price, PriceError> {
        let number = exact(text)?;
        match (number.is_zero(), number.is_sign_negative(), sign) {
            (true, ..) => Err(PriceError::Zero),
            (_, true, Sign::Positive) => Err(PriceError::Negative),
            _ => Ok(Price(number)),
        }
    }

    /// A computed value as a price: the result of a median, a cross or a division.
    pub fn from_decimal(number: Decimal, sign: Sign) -> Result<Price, PriceError> {
        match (number.is_zero(), number.is_sign_negative(), sign) {
            (true, ..) => Err(PriceError::Zero),
            (_, true, Sign::Positive) => Err(PriceError::Negative),
            _ => Ok(Price(number)),
        }
    }

    /// The number, for arithmetic.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// One divided by it, to 28 significant digits at most.
    pub fn inverse(self) -> Option<Price> {
        Decimal::ONE.checked_div(self.0).filter(|d| !d.is_zero()).map(|d| Price(d.normalize()))
    }
}

/// Reads a plain or scientific decimal exactly. One pass over the bytes, no allocation.
fn exact(text: &str) -> Result<Decimal, PriceError> {
    let bytes = text.as_bytes();
    if bytes.len() > Price::LENGTH_MAX {
        return Err(PriceError::TooManyDigits);
    }
    let (negative, mut at) = match bytes.first() {
        Some(b'-') => (true, 1),
        _ => (false, 0),
    };
    let (mut small, mut large, mut significant, mut scale, mut digits) = (0u64, 0u128, 0u32, 0i64, 0u32);
    let mut after_point = false;
    while let Some(&byte) = bytes.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            digits += 1;
            scale += i64::from(after_point);
            significant += u32::from(significant > 0 || digit > 0);
            // Nearly every price fits 64 bits, whose multiplication is several times cheaper.
            if significant < 19 {
                small = small * 10 + u64::from(digit);
            } else {
                let before = if significant == 19 { u128::from(small) } else { large };
                large = before * 10 + u128::from(digit);
                if significant > Price::DIGITS_MAX {
                    return Err(PriceError::TooManyDigits);
                }
            }
        } else {
            match byte {
                b'.' if !after_point && digits > 0 => after_point = true,
                b'e' | b'E' if digits > 0 => break,
                _ => return Err(PriceError::NotANumber),
            }
        }
        at += 1;
    }
    let mut mantissa = if significant < 19 { u128::from(small) } else { large };
    if digits == 0 || bytes.get(at - 1) == Some(&b'.') {
        return Err(PriceError::NotANumber);
    }
    if at < bytes.len() {
        scale -= exponent(&bytes[at + 1..])?;
    }
    if mantissa == 0 {
        return Ok(Decimal::ZERO);
    }
    // An exponent above the written digits adds zeros on the left of the point; they count as digits kept.
    while scale < 0 {
        mantissa = mantissa.checked_mul(10).filter(|m| *m < 1 << 96).ok_or(PriceError::OutOfRange)?;
        scale += 1;
    }
    if scale > Price::SCALE_MAX {
        return Err(PriceError::OutOfRange);
    }
    let signed = if negative { -(mantissa as i128) } else { mantissa as i128 };
    Decimal::try_from_i128_with_scale(signed, scale as u32).map_err(|_| PriceError::OutOfRange)
}

fn exponent(bytes: &[u8]) -> Result<i64, PriceError> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(PriceError::NotANumber);
    }
    if digits.len() > 4 {
        return Err(PriceError::OutOfRange);
    }
    let value = digits.iter().fold(0i64, |sum, d| sum * 10 + i64::from(d - b'0'));
    Ok(if negative { -value } else { value })
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Price {
    type Err = PriceError;
    fn from_str(text: &str) -> Result<Price, PriceError> {
        Price::parse(text)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Price {
    /// A price in our own messages is a string; a negative one was allowed where the tick was made.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Price, D::Error> {
        let text = compact_str::CompactString::deserialize(from)?;
        Price::parse_signed(&text, Sign::Any).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_digit_is_kept() {
        for (text, plain) in [
            ("64348.95000000", "64348.95000000"),
            ("0.13110", "0.13110"),
            ("9.2E-7", "0.00000092"),
            ("1.15086E8", "115086000"),
            ("7.548E+4", "75480"),
            ("122902000.00000000", "122902000.00000000"),
            ("5.1e-05", "0.000051"),
            ("1E-28", "0.0000000000000000000000000001"),
            ("1234567890123456789012345678", "1234567890123456789012345678"),
            ("000.5", "0.5"),
        ] {
            assert_eq!(Price::parse(text).map(|p| p.to_string()), Ok(plain.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused_with_its_reason() {
        for (text, reason) in [
            ("0", PriceError::Zero),
            ("0.000", PriceError::Zero),
            ("0E-5", PriceError::Zero),
            ("-1", PriceError::Negative),
            ("NaN", PriceError::NotANumber),
            ("Inf", PriceError::NotANumber),
            ("", PriceError::NotANumber),
            ("1,234.5", PriceError::NotANumber),
            (".5", PriceError::NotANumber),
            ("5.", PriceError::NotANumber),
            ("1e", PriceError::NotANumber),
            ("1e400", PriceError::OutOfRange),
            ("1e-400", PriceError::OutOfRange),
            ("1e99999999999", PriceError::OutOfRange),
            ("1234567890123456789012345678901234567890", PriceError::TooManyDigits),
            ("0.12345678901234567890123456789", PriceError::TooManyDigits),
            ("0x10", PriceError::NotANumber),
            ("1 ", PriceError::NotANumber),
        ] {
            assert_eq!(Price::parse(text), Err(reason), "{text}");
        }
        assert_eq!(Price::parse_signed("-37.63", Sign::Any).map(|p| p.to_string()), Ok("-37.63".to_owned()));
    }
}
