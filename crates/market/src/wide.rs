//! Products and quotients of prices that stay exact over many orders of magnitude.
//! It must not know what is multiplied.
//!
//! A [`Decimal`] has at most 28 digits after its point, so that 1 / 7e20 keeps only eight of its own. Here the
//! digits are kept beside a power of ten, and only the finished result is put into that form.

use rust_decimal::Decimal;

/// `digits` x 10^`power`, where `digits` is at least 1 and below 10, or the same below zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wide {
    digits: Decimal,
    power: i32,
}

impl Wide {
    pub(crate) fn new(number: Decimal) -> Option<Wide> {
        Wide { digits: number, power: 0 }.leading()
    }

    pub(crate) fn times(self, other: Decimal) -> Option<Wide> {
        let other = Wide::new(other)?;
        let digits = self.digits.checked_mul(other.digits)?;
        Wide { digits, power: self.power + other.power }.leading()
    }

    pub(crate) fn over(self, other: Decimal) -> Option<Wide> {
        let other = Wide::new(other)?;
        let digits = self.digits.checked_div(other.digits)?;
        Wide { digits, power: self.power - other.power }.leading()
    }

    /// Puts the point after the first digit.
    fn leading(self) -> Option<Wide> {
        let number = self.digits.normalize();
        let mantissa = number.mantissa();
        let after_first = mantissa.unsigned_abs().checked_ilog10()?;
        Some(Wide {
            digits: Decimal::try_from_i128_with_scale(mantissa, after_first).ok()?,
            power: self.power + after_first as i32 - number.scale() as i32,
        })
    }

    /// The number with up to 28 digits after its point, rounded half to even; `None` where it is too large, or
    /// so small that nothing is left.
    pub(crate) fn decimal(self) -> Option<Decimal> {
        let mantissa = self.digits.mantissa();
        let (magnitude, scale) = (mantissa.unsigned_abs(), self.digits.scale() as i32 - self.power);
        let (magnitude, scale) = match scale {
            ..=-1 => (magnitude.checked_mul(10u128.checked_pow(scale.unsigned_abs())?)?, 0),
            0..=28 => (magnitude, scale as u32),
            29.. => {
                let unit = 10u128.checked_pow(scale as u32 - 28)?;
                let (whole, rest) = (magnitude / unit, magnitude % unit);
                let up = rest * 2 > unit || (rest * 2 == unit && whole % 2 == 1);
                (whole + u128::from(up), 28)
            }
        };
        let signed = i128::try_from(magnitude).ok()? * mantissa.signum();
        let number = Decimal::try_from_i128_with_scale(signed, scale).ok()?;
        (!number.is_zero()).then(|| number.normalize())
    }
}
