//! Times as venues write them: recognised in an example, and written again for now.
//! It must not read the clock.

use market::Timestamp;

/// How far a time in an example may be from the one it is told by, to be taken for a time of the same event.
const NEAR_MS: u64 = 3_600_000;

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// A count since the epoch, `ten_to` of them in a second (0 = seconds, 3 = milliseconds, …), with so many
    /// digits of a fraction.
    Count { ten_to: u32, fraction: usize },
    /// ISO 8601 in UTC: what stands between date and time, digits of the fraction, and what follows.
    Iso { between: char, fraction: usize, suffix: String },
}

impl TimeForm {
    /// How `text` writes a time near `near`, if it does.
    pub(crate) fn of(text: &str, near: Timestamp) -> Option<TimeForm> {
        TimeForm::counted(text, near).or_else(|| TimeForm::iso(text, near))
    }

    fn counted(text: &str, near: Timestamp) -> Option<TimeForm> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return None;
        }
        let count: i128 = whole.parse().ok()?;
        [0u32, 3, 6, 9].into_iter().find_map(|ten_to| {
            let ms = count * 1_000 / 10i128.pow(ten_to);
            let time = i64::try_from(ms).ok()?;
            (time.abs_diff(near.millis()) <= NEAR_MS)
                .then_some(TimeForm::Count { ten_to, fraction: fraction.len() })
        })
    }

    fn iso(text: &str, near: Timestamp) -> Option<TimeForm> {
        let (date, between) =
            (text.get(..10)?, text[10..].chars().next().filter(|c| matches!(c, 'T' | ' '))?);
        let (time, rest) = (text.get(11..19)?, text.get(19..)?);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
            None => ("", rest),
        };
        if !matches!(suffix, "" | "Z" | "+00:00" | "+0000" | " UTC") {
            return None;
        }
        let parsed: jiff::Timestamp = format!("{date}T{time}Z").parse().ok()?;
        if parsed.as_millisecond().abs_diff(near.millis()) > NEAR_MS {
            return None;
        }
        Some(TimeForm::Iso { between, fraction: fraction.len(), suffix: suffix.to_owned() })
    }

    /// The time in this form, cut to what it can hold.
    pub(crate) fn write(&self, time: Timestamp) -> String {
        match self {
            TimeForm::Count { ten_to, fraction } => {
                let nanos = i128::from(time.micros()) * 1_000;
                let unit = 10i128.pow(9u32.saturating_sub(*ten_to));
                let (whole, left) = (nanos.div_euclid(unit), nanos.rem_euclid(unit));
                let width = 9usize.saturating_sub(*ten_to as usize);
                with_fraction(&whole.to_string(), &format!("{left:0width$}"), *fraction)
            }
            TimeForm::Iso { between, fraction, suffix } => {
                let seconds =
                    jiff::Timestamp::from_second(time.micros().div_euclid(1_000_000)).unwrap_or_default();
                let text = seconds
                    .strftime("%Y-%m-%dT%H:%M:%S")
                    .to_string()
                    .replace('T', between.encode_utf8(&mut [0; 4]));
                let micros = time.micros().rem_euclid(1_000_000);
                format!("{}{suffix}", with_fraction(&text, &format!("{micros:06}"), *fraction))
            }
        }
    }
}

/// `whole`, and so many of `digits` after a point (zeros where there are no more).
fn with_fraction(whole: &str, digits: &str, count: usize) -> String {
    if count == 0 {
        return whole.to_owned();
    }
    let digits: String = digits.chars().chain(std::iter::repeat('0')).take(count).collect();
    format!("{whole}.{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_venue_writes_it() {
        let near = Timestamp::from_millis(1_781_416_576_889);
        let later = Timestamp::from_micros(1_790_000_000_012_345);
        for (text, written) in [
            ("1781416576889", "1790000000012"),
            ("1781416576", "1790000000"),
            ("1781416576.889", "1790000000.012"),
            ("1781416576889.5", "1790000000012.3"),
            ("1781416576889123", "1790000000012345"),
            ("1781416576889123456", "1790000000012345000"),
            ("2026-06-14T05:56:16.889123Z", "2026-09-21T14:13:20.012345Z"),
            ("2026-06-14T05:56:16Z", "2026-09-21T14:13:20Z"),
            ("2026-06-14 05:56:16.8891234", "2026-09-21 14:13:20.0123450"),
        ] {
            let form = TimeForm::of(text, near).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(form.write(later), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_near_is_left() {
        let near = Timestamp::from_millis(1_781_416_576_889);
        for text in [
            "",
            "64348.95",
            "1881416576889",
            "2025-06-14T05:56:16Z",
            "2026-06-14",
            "12:00",
            ".5",
            "17814165768890",
        ] {
            assert_eq!(TimeForm::of(text, near), None, "{text}");
        }
    }
}
