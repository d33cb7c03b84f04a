//! When something is to be told: a time and days, taken out of what was said.
//! It must not know what is told, nor which assets there are.

use alerts::TimeOfDay;
use market::Asset;

/// Every day of the week.
pub(crate) const EVERY_DAY: i64 = 0b111_1111;
pub(crate) const WEEKDAYS: i64 = 0b001_1111;
pub(crate) const WEEKENDS: i64 = 0b110_0000;

/// A minute of the day, and days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) at: TimeOfDay,
    pub(crate) days: i64,
}

/// What was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) at: Option<TimeOfDay>,
    pub(crate) days: i64,
    /// The words that remain.
    pub(crate) rest: String,
    /// The same, had one of the days been an asset.
    pub(crate) with_coin: Option<Coin>,
}

/// A day that may be an asset: `SUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coin {
    pub(crate) asset: Asset,
    pub(crate) days: i64,
    pub(crate) rest: String,
}

/// Takes the time and the days out of a text.
pub(crate) fn read(text: &str) -> Heard {
    let (mut at, mut days, mut others) = (None, 0, 0);
    let (mut rest, mut rest_with_coin, mut coin) = (Vec::new(), Vec::new(), None);
    let text = text.to_lowercase();
    let mut is_led = false;
    for word in text.split_whitespace() {
        let word = word.trim_matches([',', '.', ';']);
        let hour_alone = is_led.then(|| format!("{word}:00"));
        is_led = matches!(word, "at" | "в");
        if let Some(time) = time(word).or_else(|| hour_alone.and_then(|t| t.parse().ok())) {
            at = Some(time);
        } else if let Some(more) = day_bits(word) {
            days |= more;
            match Asset::parse(&word.to_uppercase()).ok().filter(|_| coin.is_none() && word.len() == 3) {
                Some(asset) => {
                    coin = Some(asset);
                    rest_with_coin.push(word);
                }
                None => others |= more,
            }
        } else if !matches!(
            word,
            "at" | "в" | "on" | "по" | "and" | "и" | "every" | "каждый" | "каждую" | "утра"
        ) {
            rest.push(word);
            rest_with_coin.push(word);
        }
    }
    let or_every = |days| if days == 0 { EVERY_DAY } else { days };
    let with_coin = coin.map(|asset| Coin { asset, days: or_every(others), rest: rest_with_coin.join(" ") });
    Heard { at, days: or_every(days), rest: rest.join(" "), with_coin }
}

/// Days in words that are read as nothing else.
pub(crate) fn words(days: i64) -> String {
    match days & EVERY_DAY {
        EVERY_DAY => "daily".to_owned(),
        WEEKDAYS => "weekdays".to_owned(),
        WEEKENDS => "weekends".to_owned(),
        days => {
            let named = DAYS.iter().enumerate().filter(|(bit, _)| days >> bit & 1 == 1);
            named
                .filter_map(|(_, names)| names.iter().find(|name| name.ends_with("day")).copied())
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

const DAYS: [&[&str]; 7] = [
    &["mon", "monday", "mondays", "пн", "понедельник", "понедельникам"],
    &["tue", "tues", "tuesday", "tuesdays", "вт", "вторник", "вторникам"],
    &["wed", "wednesday", "wednesdays", "ср", "среда", "среду", "средам"],
    &["thu", "thursday", "thursdays", "чт", "четверг", "четвергам"],
    &["fri", "friday", "fridays", "пт", "пятница", "пятницу", "пятницам"],
    &["sat", "saturday", "saturdays", "сб", "суббота", "субботу", "субботам"],
    &["sun", "sunday", "sundays", "вс", "воскресенье", "воскресеньям"],
];

fn time(word: &str) -> Option<TimeOfDay> {
    let (digits, add) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(digits), _) => (digits, Some(0)),
        (_, Some(digits)) => (digits, Some(720)),
        _ => (word, None),
    };
    let full = match add {
        Some(_) if !digits.contains(':') => format!("{digits}:00"),
        _ => digits.replace('.', ":"),
    };
    let at: TimeOfDay = full.parse().ok()?;
    match add {
        None => Some(at),
        // Twelve o'clock is where each half of the day begins.
        Some(add) if at.minute() < 780 => TimeOfDay::from_minute(at.minute() % 720 + add),
        Some(_) => None,
    }
}

fn day_bits(word: &str) -> Option<i64> {
    if let Some((bit, _)) = DAYS.iter().enumerate().find(|(_, names)| names.contains(&word)) {
        return Some(1 << bit);
    }
    // "mon,wed,fri" is one word.
    if word.contains(',') {
        return word.split(',').try_fold(0, |bits, part| Some(bits | day_bits(part.trim())?));
    }
    match word {
        "daily" | "everyday" | "day" | "ежедневно" | "день" => Some(EVERY_DAY),
        "weekdays" | "weekday" | "будни" | "будням" | "буднями" => Some(WEEKDAYS),
        "weekends" | "weekend" | "выходные" | "выходным" => Some(WEEKENDS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days_are_taken_out_of_what_was_said() {
        for (text, at, days, rest) in [
            ("BTC 9:00", "09:00", EVERY_DAY, "btc"),
            ("BTC 9:00 daily", "09:00", EVERY_DAY, "btc"),
            ("9:30 btc usdt weekdays", "09:30", WEEKDAYS, "btc usdt"),
            ("BTC в 9:00 каждый день", "09:00", EVERY_DAY, "btc"),
            ("биток в 9 утра по будням", "09:00", WEEKDAYS, "биток"),
            ("eth 6pm weekends", "18:00", WEEKENDS, "eth"),
            ("eth at 12am", "00:00", EVERY_DAY, "eth"),
            ("eth 12:30pm", "12:30", EVERY_DAY, "eth"),
            ("eur usd 18.30 mon,wed, fri", "18:30", 0b001_0101, "eur usd"),
            ("eur rub 8:00 пн ср", "08:00", 0b000_0101, "eur rub"),
        ] {
            let heard = read(text);
            assert_eq!((heard.at, heard.days, heard.rest.as_str()), (at.parse().ok(), days, rest), "{text}");
        }
        for text in ["BTC", "BTC 25:00", "BTC 9", "BTC 9:5", "BTC 13pm", ""] {
            assert_eq!(read(text).at, None, "{text}");
        }
    }
    #[test]
    fn a_day_may_be_a_coin() {
        for (text, days, rest) in [
            ("SUN USDT 9:00", EVERY_DAY, "sun usdt"),
            ("BTC sun 9:00 mon", 1, "btc sun"),
            ("BTC sun, sunday 9:00", 0b100_0000, "btc sun"),
        ] {
            let coin = read(text).with_coin.unwrap();
            assert_eq!((coin.asset.as_str(), coin.days, coin.rest.as_str()), ("SUN", days, rest), "{text}");
        }
        for text in ["BTC sunday 9:00", "BTC 9:00", "BTC 9:00 mon,wed", "BTC 9:00 вс"] {
            assert_eq!(read(text).with_coin, None, "{text}");
        }
        for days in 1..=EVERY_DAY {
            let heard = read(&format!("BTC 9:00 {}", words(days)));
            assert_eq!((heard.days, heard.rest.as_str(), heard.with_coin), (days, "btc", None));
        }
    }
}
