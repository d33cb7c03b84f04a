//! A price as a venue writes it, exactly: with a comma, scaled, or per so many units.
//! It must not round what was published.

use crate::FileError;
use crate::doc::{Kind, Tree};
use crate::extract::{Channels, Extract, path};
use crate::fields::{Fields, Value};
use crate::path::{Path, Row};
use market::{Price, PriceError, Sign};
use rust_decimal::Decimal;

/// What stood where a price may stand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    Price(Price),
    /// Nothing, null or an empty text.
    Absent,
    Bad(PriceError, String),
}

/// How a message writes numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    /// A comma is the decimal point.
    comma: bool,
    /// The price is for so many units.
    divide_by: Option<Path>,
    /// So many digits of the whole number stand after the point.
    scale: u32,
}

/// The start of a wrong value, for display.
const SHOWN_MAX: usize = 40;

impl Numbers {
    pub fn parse(fields: &mut Fields<'_>) -> Result<Numbers, FileError> {
        let comma = fields.flag("comma", false)?;
        let divide_by = fields.take("divide_by").as_ref().map(path).transpose()?;
        let scale = fields.take("scale").map_or(Ok(0), |v| scale(&v))?;
        Ok(Numbers { comma, divide_by, scale })
    }

    fn is_plain(&self) -> bool {
        !self.comma && self.divide_by.is_none() && self.scale == 0
    }

    #[inline]
    pub fn read(&self, from: &Extract, tree: Tree<'_>, row: &Row, channels: &Channels, sign: Sign) -> Found {
        let Some(text) = from.text(tree, row, channels) else {
            // Something stands there that is no number at all.
            let kind = from.node(tree, row).map(|at| tree.node(at).kind);
            return match kind {
                Some(Kind::Array | Kind::Object) => Found::Bad(PriceError::NotANumber, "[…]".into()),
                _ => Found::Absent,
            };
        };
        if text.is_empty() {
            return Found::Absent;
        }
        let price = if self.is_plain() {
            Price::parse_signed(&text, sign)
        } else {
            self.adjusted(&text, tree, row, sign)
        };
        match price {
            Ok(price) => Found::Price(price),
            Err(reason) => Found::Bad(reason, text.chars().take(SHOWN_MAX).collect()),
        }
    }

    fn adjusted(&self, text: &str, tree: Tree<'_>, row: &Row, sign: Sign) -> Result<Price, PriceError> {
        let with_point = text.replace(',', ".");
        let mut number = Price::parse_signed(if self.comma { &with_point } else { text }, sign)?.decimal();
        if self.scale > 0 {
            number.set_scale(number.scale() + self.scale).map_err(|_| PriceError::OutOfRange)?;
        }
        if let Some(path) = &self.divide_by {
            let units = path.find(tree, row).and_then(|at| tree.scalar(at)).ok_or(PriceError::NotANumber)?;
            let units: Decimal = units.parse().map_err(|_| PriceError::NotANumber)?;
            if units != Decimal::ONE {
                // The library's quotient may carry zeros that nobody published.
                number = number.checked_div(units).ok_or(PriceError::OutOfRange)?.normalize();
            }
        }
        Price::from_decimal(number, sign)
    }
}

fn scale(value: &Value<'_>) -> Result<u32, FileError> {
    let scale = value.integer()?;
    u32::try_from(scale).ok().filter(|s| *s <= 28).ok_or_else(|| value.error("must be from 0 to 28"))
}
