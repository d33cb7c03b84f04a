//! Lengths of time as people write them: `30s`, `500ms`, `5m`, `12h`, `30d`, or a number of milliseconds.
//! It must not know what they are for.

/// Units, the longest suffix first.
const UNITS: &[(&str, i64)] = &[("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// What a length of time looks like, for messages.
pub const FORM: &str = "write a length of time such as 500ms, 30s, 5m, 12h or 30d";

/// Milliseconds from a text; a bare number counts as milliseconds.
pub fn parse_ms(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(suffix, ms)| text.strip_suffix(suffix).map(|number| (number.trim_end(), *ms)))
        .unwrap_or((text, 1));
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let count: i64 = digits.then(|| number.parse().ok()).flatten().ok_or_else(|| FORM.to_owned())?;
    count.checked_mul(unit).ok_or_else(|| "longer than can be counted".to_owned())
}

/// Milliseconds as the shortest exact text: `90000` is `90s`, `120000` is `2m`.
pub fn show_ms(ms: i64) -> String {
    let mut units = UNITS.to_vec();
    units.sort_by_key(|(_, unit)| std::cmp::Reverse(*unit));
    match units.iter().find(|(_, unit)| ms != 0 && ms % unit == 0) {
        Some((suffix, unit)) => format!("{}{suffix}", ms / unit),
        None => format!("{ms}ms"),
    }
}

/// An age for a person, rounded: `812ms`, `4.2s`, `3m`, `2h`.
pub fn show_age(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{}ms", ms.max(0)),
        1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m", ms / 60_000),
        3_600_000..86_400_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("5 m", 300_000),
            ("12h", 43_200_000),
            ("1d", 86_400_000),
            ("250", 250),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "1y", "ten", "99999999999999999d", "٣s"] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for (ms, text) in [
            (0, "0ms"),
            (500, "500ms"),
            (30_000, "30s"),
            (90_000, "90s"),
            (120_000, "2m"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(show_ms(ms), text);
            assert_eq!(parse_ms(text), Ok(ms));
        }
    }

    #[test]
    fn ages_for_people() {
        for (ms, text) in [
            (-5, "0ms"),
            (812, "812ms"),
            (4_260, "4.2s"),
            (61_000, "1m"),
            (7_200_000, "2h"),
            (200_000_000, "2d"),
        ] {
            assert_eq!(show_age(ms), text);
        }
    }
}
