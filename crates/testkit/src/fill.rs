//! Templates filled in: prices that tell their round, times in every unit a venue writes, and frames as bytes.
//! It must not know what is a template's purpose.
//!
//! The last price of round `n` is `last_cents(symbol, n)`; bid and ask lie three cents below and four above.

use crate::form::next_gap;
use crate::script::Frames;
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::{fmt::Write as _, io::Write as _};

/// What can be filled in.
#[derive(Debug, Clone, Default)]
pub struct Fill {
    /// Names and their texts.
    pub words: Vec<(&'static str, String)>,
    /// The last price in hundredths.
    pub cents: i64,
    /// The round's number and its time in microseconds.
    pub round: (u64, i64),
}

/// The last price of a symbol in a round, in hundredths: it tells both.
pub fn last_cents(symbol: usize, round: u64) -> i64 {
    let symbol = i64::try_from(symbol).expect("few symbols");
    (symbol + 1) * 1_000_000 + i64::try_from(round).expect("few rounds") * 10
}

/// Fills in a template; braces around anything else stay.
pub fn fill(template: &str, with: &Fill) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some((literal, gap, after)) = next_gap(rest) {
        out.push_str(literal);
        match with.find(gap) {
            Some(text) => out.push_str(&text),
            None => drop(write!(out, "{{{gap}}}")),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

impl Fill {
    fn find(&self, gap: &str) -> Option<String> {
        if let Some((_, text)) = self.words.iter().find(|(name, _)| *name == gap) {
            return Some(text.clone());
        }
        let (round, micros) = self.round;
        let (price, form) = gap.split_once('_').unwrap_or((gap, ""));
        let cents = match price {
            "last" => Some(self.cents),
            "bid" => Some(self.cents - 3),
            "ask" => Some(self.cents + 4),
            _ => None,
        };
        if let Some(cents) = cents {
            return Some(price_text(cents, form));
        }
        let time = || jiff::Timestamp::from_microsecond(micros).expect("a time");
        Some(match gap {
            "n" => round.to_string(),
            "ms" => (micros / 1_000).to_string(),
            "s" => (micros / 1_000_000).to_string(),
            "s_next" => (micros / 1_000_000 + 1).to_string(),
            "us" => micros.to_string(),
            "ns" => (micros * 1_000).to_string(),
            "iso" => time().strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string(),
            "date" => time().strftime("%Y-%m-%d").to_string(),
            "date_dots" => time().strftime("%d.%m.%Y").to_string(),
            _ => return None,
        })
    }
}

fn price_text(cents: i64, form: &str) -> String {
    let plain = |point: char| format!("{}{point}{:02}", cents / 100, cents % 100);
    match form {
        "" => plain('.'),
        "comma" => plain(','),
        // For a hundred units, as whole numbers with a comma.
        "hundred" => format!("{cents},0000"),
        // Scaled integers.
        "scaled8" => format!("{cents}000000"),
        "scaled4" => format!("{cents}00"),
        "exponent" => {
            format!("{}.{}E+{}", digit(cents, 0), &cents.to_string()[1..], cents.to_string().len() - 3)
        }
        other => panic!("a price is not written as '{other}'"),
    }
}

fn digit(cents: i64, at: usize) -> char {
    cents.to_string().chars().nth(at).expect("a digit")
}

/// A frame's bytes, and whether it is binary. `is_data`: only those are protobuf.
pub fn frame(text: &str, frames: Frames, is_data: bool) -> (Vec<u8>, bool) {
    match frames {
        Frames::Text => (text.as_bytes().to_vec(), false),
        Frames::Binary => (text.as_bytes().to_vec(), true),
        Frames::Gzip => {
            let mut out = GzEncoder::new(Vec::new(), Compression::fast());
            out.write_all(text.as_bytes()).expect("memory");
            (out.finish().expect("memory"), true)
        }
        Frames::Protobuf if is_data => {
            let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("'{text}': {error}"));
            (protobuf(&value), true)
        }
        Frames::Protobuf => (text.as_bytes().to_vec(), false),
    }
}

/// Texts with Cyrillic letters as windows-1251 writes them.
pub fn windows_1251(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| match u32::from(c) {
            code @ 0..=0x7f => u8::try_from(code).unwrap_or(b'?'),
            code @ 0x410..=0x44f => u8::try_from(code - 0x410 + 0xc0).unwrap_or(b'?'),
            _ => b'?',
        })
        .collect()
}

fn protobuf(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let Value::Object(fields) = value else { panic!("a message is an object, not {value}") };
    for (number, value) in fields {
        let number: u64 = number.parse().expect("a field's number");
        let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in all {
            match &value {
                Value::Number(count) => {
                    varint(number << 3, &mut out);
                    varint(count.as_u64().expect("a count"), &mut out);
                }
                Value::String(text) => bytes(number, text.as_bytes(), &mut out),
                inner => bytes(number, &protobuf(inner), &mut out),
            }
        }
    }
    out
}

fn bytes(number: u64, content: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_keep_braces_that_are_no_gaps() {
        let with = Fill {
            words: vec![("symbol", "AB".to_owned())],
            cents: 1_000_010,
            round: (1, 1_790_000_000_123_456),
        };
        for (template, want) in [
            (r#"{"s":"{symbol}","p":{last}}"#, r#"{"s":"AB","p":10000.10}"#),
            ("{last_comma} {last_exponent} {last_scaled4}", "10000,10 1.000010E+4 100001000"),
            ("{{symbol}}", "{AB}"),
            ("{bid}<{ask} {nothing} {}", "10000.07<10000.14 {nothing} {}"),
            ("{iso}Z {s} {date_dots}", "2026-09-21T14:13:20.123456Z 1790000000 21.09.2026"),
        ] {
            assert_eq!(fill(template, &with), want);
        }
    }

    #[test]
    fn protobuf_is_written_as_its_documentation_says() {
        let value = serde_json::json!({"1": 150, "2": "testing", "3": {"1": 150}});
        let want = b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01";
        assert_eq!(protobuf(&value), want);
    }
}
