//! Numbers as people read them in either language. What is shown is never 0 where the number is not, never an
//! exponent and never a digit nobody published. It must not know what a number counts.

use crate::Language;
use rust_decimal::{Decimal, RoundingStrategy};

/// The space between groups of Russian digits, and before a Russian per cent sign: it does not break a line.
const SPACE: char = '\u{a0}';
/// The most digits after the point that a price shows, tiny ones aside.
const PLACES_MAX: u32 = 8;
/// From this many zeros after the point on, the zeros are counted instead: `0.0₅1234`.
const ZEROS_COUNTED: u32 = 4;

/// A price: at least two digits after the point where there is room, six significant ones at most beyond that.
/// Tiny prices count their zeros: `0.0₅1234` is 0.000001234.
pub fn price(number: Decimal, language: Language) -> String {
    let shown = shown(number);
    let zeros = zeros_after_point(shown);
    if zeros >= ZEROS_COUNTED { tiny(shown, zeros, language) } else { plain(shown, language) }
}

/// A price as short as it goes: `70,000`, `0.5`, `0.0₅12`.
pub fn brief(number: Decimal, language: Language) -> String {
    let shown = shown(number).normalize();
    let zeros = zeros_after_point(shown);
    if zeros >= ZEROS_COUNTED { tiny(shown, zeros, language) } else { plain(shown, language) }
}

/// A price with every digit that was published, for those who want to copy it.
pub fn exact(number: Decimal, language: Language) -> String {
    plain(number, language)
}

/// An amount of money: like a price, but small ones are written out, for people copy them.
pub fn amount(number: Decimal, language: Language) -> String {
    let shown = shown(number);
    if zeros_after_point(shown) > 2 * ZEROS_COUNTED {
        price(number, language)
    } else {
        plain(shown, language)
    }
}

/// An amount as short as it goes: `100`, `0.5`.
pub fn brief_amount(number: Decimal, language: Language) -> String {
    plain(number.normalize(), language)
}

/// A change in per cent with its sign and its arrow: `▲ +2.31%`, `▼ −0.40%`; nothing moved is `0.00%`.
pub fn change(percent: Decimal, language: Language) -> String {
    let arrow = if percent.is_sign_negative() { "▼" } else { "▲" };
    match signed_percent(percent, language) {
        same if two_places(percent).is_zero() => same,
        moved => format!("{arrow} {moved}"),
    }
}

/// Per cent with a sign: `+4.10%`, `+4,10 %`.
pub fn signed_percent(percent: Decimal, language: Language) -> String {
    let sign = match two_places(percent) {
        p if p.is_zero() => "",
        p if p.is_sign_negative() => "−",
        _ => "+",
    };
    format!("{sign}{}", with_percent(plain(two_places(percent).abs(), language), language))
}

/// Per cent without a sign, two digits after the point; what is smaller than that is said to be so.
pub fn percent(percent: Decimal, language: Language) -> String {
    let shown = two_places(percent);
    if shown.is_zero() && !percent.is_zero() {
        return format!("<{}", with_percent(plain(Decimal::new(1, 2), language), language));
    }
    with_percent(plain(shown, language), language)
}

/// Per cent as short as it goes: `11%`, `0,5 %`.
pub fn brief_percent(percent: Decimal, language: Language) -> String {
    let places = if percent.abs() >= Decimal::TEN { 0 } else { 2 };
    with_percent(plain(rounded(percent, places).normalize(), language), language)
}

/// The number with every digit it has, its zeros included.
pub fn plain(number: Decimal, language: Language) -> String {
    let (group, point) = match language {
        Language::En => (',', '.'),
        Language::Ru => (SPACE, ','),
    };
    let text = number.abs().to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::with_capacity(text.len() + whole.len() / 3 + 2);
    if number.is_sign_negative() && !number.is_zero() {
        out.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(group);
        }
        out.push(digit);
    }
    if !part.is_empty() {
        out.push(point);
        out.push_str(part);
    }
    out
}

/// What of the number is shown: rounded half away from zero to the places that its size asks for.
pub fn shown(number: Decimal) -> Decimal {
    if number.is_zero() {
        return Decimal::ZERO;
    }
    let first = rounded(number, places(number));
    // Rounding may have carried into a digit that asks for fewer places: 0.99999999 is 1.00.
    let again = places(first);
    if again < first.scale() { rounded(first, again) } else { first }
}

fn places(number: Decimal) -> u32 {
    let size = number.abs();
    let (published, needed) = (number.scale(), number.normalize().scale());
    let of_six = |whole_digits: u32| if needed <= 2 { 2 } else { published.min(6 - whole_digits).max(2) };
    match size {
        // Never three places: in one language 995,000 is a thousand times what it is in the other.
        size if size >= Decimal::ONE_HUNDRED => 2,
        size if size >= Decimal::TEN => of_six(2),
        size if size >= Decimal::ONE => of_six(1),
        _ => {
            let zeros = zeros_after_point(number);
            if zeros >= ZEROS_COUNTED {
                return published.min(zeros + 4);
            }
            let significant = needed.saturating_sub(zeros).clamp(4, 6);
            published.min(zeros + significant).clamp(2, PLACES_MAX)
        }
    }
}

/// `0.0₅1234`: how many zeros follow the point, then the digits after them.
fn tiny(shown: Decimal, zeros: u32, language: Language) -> String {
    let sign = if shown.is_sign_negative() { "−" } else { "" };
    let point = if language == Language::Ru { ',' } else { '.' };
    let count: String = zeros.to_string().chars().map(|c| subscript(c).unwrap_or(c)).collect();
    let digits = shown.mantissa().unsigned_abs();
    format!("{sign}0{point}0{count}{digits}")
}

fn subscript(digit: char) -> Option<char> {
    char::from_u32(u32::from('₀') + digit.to_digit(10)?)
}

/// How many zeros stand between the point and the first digit; none in what is not below one.
fn zeros_after_point(number: Decimal) -> u32 {
    if number.is_zero() || number.abs() >= Decimal::ONE {
        return 0;
    }
    let digits = number.mantissa().unsigned_abs().ilog10() + 1;
    number.scale().saturating_sub(digits)
}

fn rounded(number: Decimal, places: u32) -> Decimal {
    let rounded = number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    // Zeros are added where all of them fit in; 28 digits before the point leave no room.
    let mut padded = rounded;
    padded.rescale(places);
    if padded.scale() == places { padded } else { rounded }
}

fn two_places(percent: Decimal) -> Decimal {
    rounded(percent, 2)
}

fn with_percent(number: String, language: Language) -> String {
    match language {
        Language::En => number + "%",
        Language::Ru => format!("{number}{SPACE}%"),
    }
}
