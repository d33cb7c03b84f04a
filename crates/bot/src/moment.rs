//! Ages, spans and times of day as people read them, by their own clock.
//! It must not read the clock, nor know what happened.

use crate::Language;
use alerts::{TimeOfDay, ZoneName};
use jiff::{
    ToSpan, civil,
    tz::{Offset, TimeZone},
};
use market::Timestamp;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How old something is: `3 s ago`, `2 мин назад`; within a second it is just now.
pub fn ago(ms: i64, language: Language) -> String {
    if ms < SECOND_MS {
        return match language {
            Language::En => "just now".to_owned(),
            Language::Ru => "только что".to_owned(),
        };
    }
    let rough = rough_span(ms, language);
    match language {
        Language::En => format!("{rough} ago"),
        Language::Ru => format!("{rough} назад"),
    }
}

/// A span in its largest unit alone: `3 s`, `2 min`, `5 h`, `4 d`.
pub fn rough_span(ms: i64, language: Language) -> String {
    let [second, minute, hour, day] = units(language);
    match ms.max(0) {
        ms if ms < MINUTE_MS => format!("{} {second}", ms / SECOND_MS),
        ms if ms < HOUR_MS => format!("{} {minute}", ms / MINUTE_MS),
        ms if ms < 2 * DAY_MS => format!("{} {hour}", ms / HOUR_MS),
        ms => format!("{} {day}", ms / DAY_MS),
    }
}

/// A span to the minute: `1 h 04 min`, `2 d 3 h`, `45 s`.
pub fn span(ms: i64, language: Language) -> String {
    let [_, minute, hour, day] = units(language);
    let ms = ms.max(0);
    let (days, hours, minutes) = (ms / DAY_MS, ms % DAY_MS / HOUR_MS, ms % HOUR_MS / MINUTE_MS);
    match (days, hours, minutes) {
        (0, 0, _) => rough_span(ms, language),
        (0, hours, 0) => format!("{hours} {hour}"),
        (0, hours, minutes) => format!("{hours} {hour} {minutes:02} {minute}"),
        (1, 0, _) => format!("24 {hour}"),
        (days, 0, _) => format!("{days} {day}"),
        (days, hours, _) => format!("{days} {day} {hours} {hour}"),
    }
}

/// Seconds with one digit where they are few: `0.2 s`, `24 s`; longer spans as they are.
pub fn fine_span(ms: i64, language: Language) -> String {
    let ms = ms.max(0);
    if ms >= 10 * SECOND_MS {
        return rough_span(ms, language);
    }
    let point = if language == Language::Ru { ',' } else { '.' };
    format!("{}{point}{} {}", ms / SECOND_MS, ms % SECOND_MS / 100, units(language)[0])
}

fn units(language: Language) -> [&'static str; 4] {
    match language {
        Language::En => ["s", "min", "h", "d"],
        Language::Ru => ["с", "мин", "ч", "д"],
    }
}

/// `14:05:12 UTC`, `17:05:12 МСК`.
pub fn time_with_seconds(at: Timestamp, zone: Option<&ZoneName>, language: Language) -> String {
    match zoned(at, zone) {
        Some(z) => {
            format!("{:02}:{:02}:{:02} {}", z.hour(), z.minute(), z.second(), short_name(&z, language))
        }
        None => String::new(),
    }
}

/// `14:05 UTC`.
pub fn time(at: Timestamp, zone: Option<&ZoneName>, language: Language) -> String {
    match zoned(at, zone) {
        Some(z) => format!("{:02}:{:02} {}", z.hour(), z.minute(), short_name(&z, language)),
        None => String::new(),
    }
}

/// `14:05`, where the zone stands beside it.
pub fn bare_time(at: Timestamp, zone: Option<&ZoneName>) -> String {
    zoned(at, zone).map_or_else(String::new, |z| format!("{:02}:{:02}", z.hour(), z.minute()))
}

/// `24 Nov, 14:05 UTC`, for what was not today; of today only the time.
pub fn date_and_time(at: Timestamp, now: Timestamp, zone: Option<&ZoneName>, language: Language) -> String {
    match zoned(at, zone).zip(zoned(now, zone)) {
        Some((z, today)) if z.date() == today.date() => time(at, zone, language),
        Some((z, _)) => format!("{}, {}", date(z.date(), language), time(at, zone, language)),
        None => String::new(),
    }
}

/// `24 Nov`, `24 ноября`.
pub fn date(date: civil::Date, language: Language) -> String {
    const EN: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const RU: [&str; 12] = [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ];
    let names = if language == Language::Ru { RU } else { EN };
    let month = usize::from(date.month().unsigned_abs()).saturating_sub(1);
    format!("{} {}", date.day(), names.get(month).copied().unwrap_or_default())
}

/// `24 Nov`, `24 ноя`: for where there is no room.
pub(crate) fn short_date(day: civil::Date, language: Language) -> String {
    const RU: [&str; 12] =
        ["янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"];
    match (language, RU.get(usize::from(day.month().unsigned_abs()).saturating_sub(1))) {
        (Language::Ru, Some(month)) => format!("{} {month}", day.day()),
        _ => date(day, language),
    }
}

/// How far the zone's clock is ahead of UTC.
pub(crate) fn offset_ms(at: Timestamp, zone: Option<&ZoneName>) -> i64 {
    zoned(at, zone).map_or(0, |z| i64::from(z.offset().seconds()) * SECOND_MS)
}

/// `7d`, `7д`; a year is `1г`.
pub(crate) fn rough_code(code: &str, language: Language) -> String {
    match language {
        Language::En => code.to_owned(),
        Language::Ru => code.replace('h', "ч").replace('d', "д").replace('y', "г"),
    }
}

/// `21:15 – 22:15 UTC`, `25 Nov, 21:15 – 26 Nov, 14:06 UTC`.
pub(crate) fn range(from: Timestamp, to: Timestamp, zone: Option<&ZoneName>, language: Language) -> String {
    let (first, last) = (date_of(from, zone), date_of(to, zone));
    let dated = |day: Option<civil::Date>| match day {
        Some(day) if first != last => format!("{}, ", date(day, language)),
        _ => String::new(),
    };
    format!("{}{} – {}{}", dated(first), bare_time(from, zone), dated(last), time(to, zone, language))
}

/// The date by the zone's clock.
pub fn date_of(at: Timestamp, zone: Option<&ZoneName>) -> Option<civil::Date> {
    zoned(at, zone).map(|z| z.date())
}

/// The zone as its people call it now: `UTC`, `MSK`, `МСК`, `UTC+4`.
pub fn zone_short(at: Timestamp, zone: Option<&ZoneName>, language: Language) -> String {
    zoned(at, zone).map_or_else(String::new, |z| short_name(&z, language))
}

/// `MSK (UTC+3)`; a zone without a name of its own is only `UTC+4`.
pub fn zone_long(at: Timestamp, zone: Option<&ZoneName>, language: Language) -> String {
    let Some(z) = zoned(at, zone) else { return String::new() };
    let (short, offset) = (short_name(&z, language), offset_name(z.offset()));
    if short == offset { short } else { format!("{short} ({offset})") }
}

fn short_name(z: &jiff::Zoned, language: Language) -> String {
    let offset = z.time_zone().to_offset_info(z.timestamp());
    match (offset.abbreviation(), language) {
        ("UTC", _) => "UTC".to_owned(),
        ("MSK", Language::Ru) => "МСК".to_owned(),
        // Zones without letters are called by their offset in the database: `+04`.
        (name, _) if name.starts_with(['+', '-']) => offset_name(z.offset()),
        (name, _) => name.to_owned(),
    }
}

fn offset_name(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '−' } else { '+' };
    match (minutes.abs() / 60, minutes.abs() % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// Zones by the words people use for them, beside the names of the database.
const ZONES: &[(&str, &str)] = &[
    ("utc", "UTC"),
    ("gmt", "UTC"),
    ("msk", "Europe/Moscow"),
    ("мск", "Europe/Moscow"),
    ("москва", "Europe/Moscow"),
    ("moscow", "Europe/Moscow"),
    ("питер", "Europe/Moscow"),
    ("санкт-петербург", "Europe/Moscow"),
    ("калининград", "Europe/Kaliningrad"),
    ("самара", "Europe/Samara"),
    ("екатеринбург", "Asia/Yekaterinburg"),
    ("омск", "Asia/Omsk"),
    ("новосибирск", "Asia/Novosibirsk"),
    ("красноярск", "Asia/Krasnoyarsk"),
    ("иркутск", "Asia/Irkutsk"),
    ("якутск", "Asia/Yakutsk"),
    ("владивосток", "Asia/Vladivostok"),
    ("минск", "Europe/Minsk"),
    ("киев", "Europe/Kyiv"),
    ("алматы", "Asia/Almaty"),
    ("ташкент", "Asia/Tashkent"),
    ("тбилиси", "Asia/Tbilisi"),
    ("ереван", "Asia/Yerevan"),
    ("баку", "Asia/Baku"),
    ("дубай", "Asia/Dubai"),
    ("берлин", "Europe/Berlin"),
    ("лондон", "Europe/London"),
    ("нью-йорк", "America/New_York"),
    ("new york", "America/New_York"),
    ("los angeles", "America/Los_Angeles"),
    ("hong kong", "Asia/Hong_Kong"),
    ("cet", "Europe/Berlin"),
    ("est", "America/New_York"),
    ("pst", "America/Los_Angeles"),
    ("beijing", "Asia/Shanghai"),
    ("india", "Asia/Kolkata"),
];

/// The continents that zones are sorted under, for a city named alone.
const CONTINENTS: [&str; 6] = ["Europe", "Asia", "America", "Africa", "Australia", "Pacific"];

/// A zone by whatever people call it: `Europe/Berlin`, `Berlin`, `мск`, `UTC+3`, `+5`.
pub fn find_zone(text: &str) -> Option<ZoneName> {
    let text = text.trim();
    let lower = text.to_lowercase();
    let known = ZONES.iter().find(|(word, _)| *word == lower).map(|(_, name)| *name);
    if let Some(zone) = known.or(text.contains('/').then_some(text)).and_then(|name| name.parse().ok()) {
        return Some(zone);
    }
    if let Some(hours) = offset_hours(&lower) {
        // The signs of these names are turned around: Etc/GMT-3 is three hours ahead.
        return if hours == 0 { "UTC".parse().ok() } else { format!("Etc/GMT{:+}", -hours).parse().ok() };
    }
    let city = text.replace(' ', "_");
    let is_word = city.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'));
    if !is_word || city.is_empty() {
        return None;
    }
    CONTINENTS.iter().find_map(|continent| format!("{continent}/{city}").parse().ok())
}

fn offset_hours(text: &str) -> Option<i64> {
    let rest = ["utc", "gmt", "мск"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text).trim();
    let base = if text.starts_with("мск") { 3 } else { 0 };
    let (sign, digits) = match rest.chars().next()? {
        '+' => (1, &rest[1..]),
        '-' => (-1, &rest[1..]),
        '−' => (-1, &rest['−'.len_utf8()..]),
        _ => return None,
    };
    let hours: i64 = digits.trim().trim_end_matches(":00").parse().ok()?;
    let sum = base + sign * hours;
    (-12..=14).contains(&sum).then_some(sum)
}

/// The first moment after `now` at which the zone's clock shows that time, on one of the days (bit 0 is Monday).
/// A time that the clock jumps over is taken as much later.
pub fn next_time(now: Timestamp, zone: Option<&ZoneName>, at: TimeOfDay, days: i64) -> Option<Timestamp> {
    let today = zoned(now, zone)?.date();
    let time = civil::Time::new((at.minute() / 60) as i8, (at.minute() % 60) as i8, 0, 0).ok()?;
    (0..=8).find_map(|ahead| {
        let date = today.checked_add(ahead.days()).ok()?;
        let bit = date.weekday().to_monday_zero_offset();
        let moment = date.to_datetime(time).to_zoned(time_zone(zone)).ok()?.timestamp();
        let moment = Timestamp::from_millis(moment.as_millisecond());
        (days >> bit & 1 == 1 && moment > now).then_some(moment)
    })
}

fn zoned(at: Timestamp, zone: Option<&ZoneName>) -> Option<jiff::Zoned> {
    Some(jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(time_zone(zone)))
}

/// `None` is UTC: whoever has not said otherwise.
fn time_zone(zone: Option<&ZoneName>) -> TimeZone {
    zone.map_or(TimeZone::UTC, |zone| zone.zone().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> ZoneName {
        find_zone(name).unwrap()
    }

    /// 2026-11-26 14:05:12 UTC, a Thursday.
    const NOW: Timestamp = Timestamp::from_millis(1_795_701_912_000);

    #[test]
    fn spans_and_ages() {
        for (ms, en, ru) in [
            (0, "just now", "только что"),
            (3_000, "3 s ago", "3 с назад"),
            (150_000, "2 min ago", "2 мин назад"),
            (7_200_000, "2 h ago", "2 ч назад"),
            (3 * DAY_MS, "3 d ago", "3 д назад"),
        ] {
            assert_eq!((ago(ms, Language::En).as_str(), ago(ms, Language::Ru).as_str()), (en, ru));
        }
        assert_eq!(span(64 * MINUTE_MS, Language::En), "1 h 04 min");
        assert_eq!(span(64 * MINUTE_MS, Language::Ru), "1 ч 04 мин");
        assert_eq!(span(7 * DAY_MS, Language::En), "7 d");
        assert_eq!(fine_span(240, Language::Ru), "0,2 с");
        assert_eq!(fine_span(24_100, Language::En), "24 s");
    }

    #[test]
    fn times_by_the_readers_clock() {
        let (moscow, dubai) = (zone("мск"), zone("Дубай"));
        assert_eq!(time_with_seconds(NOW, None, Language::En), "14:05:12 UTC");
        assert_eq!(time_with_seconds(NOW, Some(&moscow), Language::Ru), "17:05:12 МСК");
        assert_eq!(time(NOW, Some(&dubai), Language::Ru), "18:05 UTC+4");
        assert_eq!(zone_long(NOW, Some(&moscow), Language::En), "MSK (UTC+3)");
        assert_eq!(zone_long(NOW, Some(&zone("Etc/GMT+5")), Language::En), "UTC−5");
        assert_eq!(
            date_and_time(NOW.plus_millis(-DAY_MS), NOW, Some(&moscow), Language::Ru),
            "25 ноября, 17:05 МСК"
        );
    }

    #[test]
    fn zones_by_any_name() {
        for (text, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("москва", "Europe/Moscow"),
            ("UTC+3", "Etc/GMT-3"),
            ("+5", "Etc/GMT-5"),
            ("мск+2", "Etc/GMT-5"),
            ("new york", "America/New_York"),
            ("Tokyo", "Asia/Tokyo"),
        ] {
            assert_eq!(find_zone(text).map(|z| z.as_str().to_owned()).as_deref(), Some(name), "{text}");
        }
        for text in ["", "Atlantis", "UTC+99", "../etc/passwd", "Europe/", "+"] {
            assert_eq!(find_zone(text), None, "{text}");
        }
    }

    #[test]
    fn the_next_time_is_by_the_zones_clock() {
        let (nine, moscow) = ("09:00".parse().unwrap(), zone("мск"));
        let next = |days| {
            next_time(NOW, Some(&moscow), nine, days)
                .map(|at| date_and_time(at, NOW, Some(&moscow), Language::En))
        };
        // It is 17:05 on a Thursday in Moscow.
        assert_eq!(next(127).as_deref(), Some("27 Nov, 09:00 MSK"));
        assert_eq!(next(0b000_1000).as_deref(), Some("3 Dec, 09:00 MSK"));
        assert_eq!(next(0b110_0000).as_deref(), Some("28 Nov, 09:00 MSK"));
        assert_eq!(next(0), None);
        // 02:30 does not exist in Berlin on 2027-03-28.
        let before = Timestamp::from_millis(1_806_188_400_000);
        let at = next_time(before, Some(&zone("Berlin")), "02:30".parse().unwrap(), 127).unwrap();
        assert_eq!(time(at, Some(&zone("Berlin")), Language::En), "03:30 CEST");
    }
}
