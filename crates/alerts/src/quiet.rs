//! Quiet hours: a time of day by somebody's own clock, and when it ends. Daylight saving time is the zone's business.
//! It must not read the clock.

use jiff::{
    civil,
    tz::{AmbiguousOffset, TimeZone},
};
use market::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};
use store::ChatRow;

/// From `from` until before `to`, every day by the zone's clock; `to` before `from` is over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// `22:00`
    pub from: TimeOfDay,
    /// `08:00`
    pub to: TimeOfDay,
    /// An IANA name, such as `Europe/Berlin`.
    pub time_zone: ZoneName,
}

/// A minute of the day, `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    minute: u16,
}

/// The name of a time zone that the bundled database knows.
#[derive(Clone, PartialEq, Eq)]
pub struct ZoneName(TimeZone);

/// Why a text is no time of day, or no zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuietError {
    /// Not `HH:MM`.
    #[error("a time of day is written HH:MM")]
    Time,
    /// Not in the database.
    #[error("there is no such time zone; write an IANA name such as Europe/Berlin")]
    Zone,
}

impl Quiet {
    /// If the moment is in quiet hours, when they end: the first moment after it at which the zone's clock shows
    /// `to`, or has jumped over it. Equal times are no quiet hours at all.
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = &self.time_zone.0;
        let local = zoned(now, zone)?.datetime();
        let minute = minute_of(local.time());
        let (from, to) = (self.from.minute, self.to.minute);
        let is_quiet = if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to };
        if !is_quiet {
            return None;
        }
        let day = if minute < to { local.date() } else { local.date().tomorrow().ok()? };
        let end = zone.to_ambiguous_zoned(day.to_datetime(self.to.civil()?));
        let is_jumped_over = matches!(end.offset(), AmbiguousOffset::Gap { .. });
        let (earlier, later) = (end.clone().earlier().ok()?.timestamp(), end.later().ok()?.timestamp());
        let ends = if is_jumped_over {
            // The clock never shows it: it ends where the clock jumps.
            let jump = zone.following(earlier).next().map_or(later, |jump| jump.timestamp());
            [jump, later]
        } else {
            // A time that comes twice: the first ends it, and if that is over, the second.
            [earlier, later]
        };
        let ends = ends.map(|end| Timestamp::from_millis(end.as_millisecond()));
        ends.into_iter().filter(|end| *end > now).min()
    }
}

impl Quiet {
    /// A chat's, if it has any that are understood.
    pub fn of_chat(chat: &ChatRow) -> Option<Quiet> {
        let (from, to) = chat.quiet?;
        Quiet::of_minutes(from, to, &chat.time_zone)
    }

    /// Of minutes of the day, and the name of a zone. `None` if they are none.
    pub fn of_minutes(from: i64, to: i64, time_zone: &str) -> Option<Quiet> {
        let time = |minute: i64| TimeOfDay::from_minute(u16::try_from(minute).ok()?);
        Some(Quiet { from: time(from)?, to: time(to)?, time_zone: time_zone.parse().ok()? })
    }
}

impl TimeOfDay {
    /// `None` from 1440 on.
    pub fn from_minute(minute: u16) -> Option<TimeOfDay> {
        (minute < 1_440).then_some(TimeOfDay { minute })
    }

    /// Minutes since midnight.
    pub fn minute(self) -> u16 {
        self.minute
    }

    fn civil(self) -> Option<civil::Time> {
        civil::Time::new((self.minute / 60) as i8, (self.minute % 60) as i8, 0, 0).ok()
    }
}

impl ZoneName {
    /// Its name.
    pub fn as_str(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The zone, for showing times.
    pub fn zone(&self) -> &TimeZone {
        &self.0
    }
}

fn zoned(at: Timestamp, zone: &TimeZone) -> Option<jiff::Zoned> {
    Some(jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(zone.clone()))
}

fn minute_of(time: civil::Time) -> u16 {
    time.hour().unsigned_abs() as u16 * 60 + time.minute().unsigned_abs() as u16
}

impl FromStr for TimeOfDay {
    type Err = QuietError;
    fn from_str(text: &str) -> Result<TimeOfDay, QuietError> {
        let (hour, minute) = text.trim().split_once(':').ok_or(QuietError::Time)?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && (1..=2).contains(&text.len());
        if !digits(hour) || !digits(minute) || minute.len() != 2 {
            return Err(QuietError::Time);
        }
        let number = |text: &str| text.parse::<u16>().map_err(|_| QuietError::Time);
        let (hour, minute) = (number(hour)?, number(minute)?);
        if hour > 23 || minute > 59 {
            return Err(QuietError::Time);
        }
        Ok(TimeOfDay { minute: hour * 60 + minute })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl FromStr for ZoneName {
    type Err = QuietError;
    fn from_str(text: &str) -> Result<ZoneName, QuietError> {
        // Only names of the database: neither `POSIX` rules nor fixed offsets, and never the machine's own zone.
        jiff::tz::db().get(text.trim()).map(ZoneName).map_err(|_| QuietError::Zone)
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Serialize for ZoneName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<TimeOfDay, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ZoneName, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
