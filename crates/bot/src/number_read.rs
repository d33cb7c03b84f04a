//! Numbers as people type them: `67 000`, `67,000`, `67k`, `1,5м`, `0.0₅12`. What has two meanings gives both.
//! It must not know what the number is for, and never picks one of two meanings.

use rust_decimal::Decimal;

/// A number that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// It can mean only this.
    Sure(Decimal),
    /// `1,500`: grouped, or with a decimal comma. The grouped meaning comes first.
    Either(Decimal, Decimal),
}

impl Number {
    /// The number, where there is only one.
    pub fn sure(self) -> Option<Decimal> {
        match self {
            Number::Sure(number) => Some(number),
            Number::Either(..) => None,
        }
    }

    /// Every meaning.
    pub fn meanings(self) -> Vec<Decimal> {
        match self {
            Number::Sure(number) => vec![number],
            Number::Either(one, other) => vec![one, other],
        }
    }

    fn map(self, f: impl Fn(Decimal) -> Option<Decimal>) -> Option<Number> {
        Some(match self {
            Number::Sure(number) => Number::Sure(f(number)?),
            Number::Either(one, other) => Number::Either(f(one)?, f(other)?),
        })
    }
}

/// What multiplies the number before it. Written apart or joined: `70k`, `70 тыс.`, `1.5 million`.
const SUFFIXES: &[(&str, u32)] = &[
    ("k", 3),
    ("к", 3),
    ("т", 3),
    ("тыс", 3),
    ("тыс.", 3),
    ("тысяч", 3),
    ("тысяча", 3),
    ("тысячи", 3),
    ("тысячу", 3),
    ("thousand", 3),
    ("grand", 3),
    ("m", 6),
    ("м", 6),
    ("mln", 6),
    ("млн", 6),
    ("млн.", 6),
    ("million", 6),
    ("миллион", 6),
    ("миллиона", 6),
    ("миллионов", 6),
    ("лям", 6),
    ("ляма", 6),
    ("лямов", 6),
    ("bn", 9),
    ("b", 9),
    ("млрд", 9),
    ("млрд.", 9),
    ("billion", 9),
    ("миллиард", 9),
    ("миллиарда", 9),
    ("миллиардов", 9),
];

/// The power of ten that a word after a number stands for.
pub fn power_of(word: &str) -> Option<u32> {
    SUFFIXES.iter().find(|(suffix, _)| *suffix == word).map(|(_, power)| *power)
}

/// Multiplies by a power of ten.
pub fn times_ten_to(number: Number, power: u32) -> Option<Number> {
    // Ten thousand times "1,500" still has two meanings.
    number.map(|n| n.checked_mul(Decimal::from(10u64.checked_pow(power)?)))
}

/// Reads one number without a sign, lower case, perhaps with a suffix joined to it. Spaces between groups of digits
/// are allowed.
pub fn read(text: &str) -> Option<Number> {
    let text: String = text.chars().map(|c| if is_space(c) { ' ' } else { c }).collect();
    let text = text.trim();
    let digits_end = text
        .rfind(|c: char| c.is_ascii_digit() || is_subscript(c))
        .map(|at| at + text[at..].chars().next().map_or(1, char::len_utf8))?;
    let (number, suffix) = text.split_at(digits_end);
    let read = without_suffix(number)?;
    match suffix.trim() {
        "" => Some(read),
        suffix => times_ten_to(read, power_of(suffix)?),
    }
}

/// The spaces that people and phones put between digits.
pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2007}' | '\t')
}

fn is_subscript(c: char) -> bool {
    ('₀'..='₉').contains(&c)
}

fn without_suffix(text: &str) -> Option<Number> {
    if text.chars().any(is_subscript) {
        return tiny(text).map(Number::Sure);
    }
    let is_allowed = |c: char| c.is_ascii_digit() || matches!(c, ' ' | ',' | '.' | '\'');
    let ends_in_digits =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    if !text.chars().all(is_allowed) || !ends_in_digits {
        return None;
    }
    let marks: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let Some(&last) = marks.last() else { return plain(text).map(Number::Sure) };
    let is_one_kind = marks.iter().all(|m| *m == last);
    match (last, is_one_kind, marks.len()) {
        (' ' | '\'', true, _) => grouped(text, last).map(Number::Sure),
        // `1,234,567` and `1.234.567`: no number has two points.
        (_, true, 2..) => grouped(text, last).map(Number::Sure),
        (',', true, 1) => one_mark(text, ',', |_, _| true),
        // With a point three digits are rarely a group, unless they end in zeros: `67.000` is written for 67 000.
        ('.', true, 1) => one_mark(text, '.', |_, part| part.ends_with('0')),
        // Two kinds: the last one is the decimal mark, and stands once.
        (',' | '.', false, _) => {
            let (whole, part) = text.rsplit_once(last)?;
            let group = *marks.first()?;
            if group == last || whole.chars().any(|c| !c.is_ascii_digit() && c != group) {
                return None;
            }
            let whole = grouped(whole, group)?;
            plain(&format!("{whole}.{part}")).map(Number::Sure)
        }
        _ => None,
    }
}

/// One comma or point: decimal, a group, or either.
fn one_mark(text: &str, mark: char, may_group: impl Fn(&str, &str) -> bool) -> Option<Number> {
    let (whole, part) = text.split_once(mark)?;
    let decimal = plain(&format!("{whole}.{part}"))?;
    let can_group = part.len() == 3 && whole.len() <= 3 && !whole.starts_with('0') && may_group(whole, part);
    if !can_group {
        return Some(Number::Sure(decimal));
    }
    let group = plain(&format!("{whole}{part}"))?;
    // Nobody writes sixty-seven as `67,000`; `1,000` and `1,500` are another matter.
    let is_plainly_grouped = mark == ',' && whole.len() >= 2 && part == "000";
    Some(if is_plainly_grouped { Number::Sure(group) } else { Number::Either(group, decimal) })
}

fn grouped(text: &str, mark: char) -> Option<Decimal> {
    let mut groups = text.split(mark);
    let first = groups.next()?;
    if first.is_empty() || first.len() > 3 || groups.any(|g| g.len() != 3) {
        return None;
    }
    plain(&text.replace(mark, ""))
}

/// `0.0₅1234`, as we show it ourselves.
fn tiny(text: &str) -> Option<Decimal> {
    let rest = text.strip_prefix("0.0").or_else(|| text.strip_prefix("0,0"))?;
    let end = rest.find(|c| !is_subscript(c))?;
    let zeros = rest[..end]
        .chars()
        .try_fold(0usize, |sum, c| Some(sum * 10 + usize::try_from(u32::from(c) - u32::from('₀')).ok()?))?;
    let digits = &rest[end..];
    (zeros <= 28 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| plain(&format!("0.{}{digits}", "0".repeat(zeros))))?
}

fn plain(text: &str) -> Option<Decimal> {
    (text.len() <= 40).then(|| Decimal::from_str_exact(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn numbers_with_one_meaning() {
        for (text, number) in [
            ("67000", "67000"),
            ("67 000", "67000"),
            ("67\u{a0}000", "67000"),
            ("67\u{202f}000,5", "67000.5"),
            ("67,000", "67000"),
            ("67'000", "67000"),
            ("67k", "67000"),
            ("67к", "67000"),
            ("67 тыс.", "67000"),
            ("1.5m", "1500000"),
            ("1,5м", "1500000"),
            ("1,5", "1.5"),
            ("0,500", "0.500"),
            ("1,234,567", "1234567"),
            ("1.234.567,89", "1234567.89"),
            ("1,234,567.89", "1234567.89"),
            ("1.234", "1.234"),
            ("92.1540", "92.1540"),
            ("0.0₅1234", "0.000001234"),
            ("0,0₁₂5", "0.0000000000005"),
            ("2.5 млрд", "2500000000"),
        ] {
            assert_eq!(read(text), Some(Number::Sure(decimal(number))), "{text}");
        }
    }

    #[test]
    fn numbers_with_two_meanings_give_both() {
        for (text, grouped, other) in [
            ("1,500", "1500", "1.500"),
            ("1,000", "1000", "1.000"),
            ("70,500", "70500", "70.500"),
            ("67.000", "67000", "67.000"),
            ("1,500k", "1500000", "1500"),
        ] {
            assert_eq!(read(text), Some(Number::Either(decimal(grouped), decimal(other))), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "", "k", "1 00", "12 34", "1,23,456", "1..5", ".5", "5.", "1e5", "0x1", "1.2.3", "-5",
            "1 000 00", "9x", "٣",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
