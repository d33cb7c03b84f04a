//! G18: quiet hours across the days on which clocks are changed, and what the JSON shapes look like.
//! It must not know who is told.

use alerts::{Quiet, Spec};
use market::Timestamp;

fn quiet(from: &str, to: &str, zone: &str) -> Quiet {
    Quiet {
        from: from.parse().expect("a time"),
        to: to.parse().expect("a time"),
        time_zone: zone.parse().expect("a zone"),
    }
}

fn utc(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
}

#[test]
fn g18_quiet_hours_end_by_the_zones_own_clock() {
    let berlin = quiet("22:00", "08:00", "Europe/Berlin");
    let tokyo = quiet("22:00", "08:00", "Asia/Tokyo");
    let gap = quiet("01:00", "02:30", "Europe/Berlin");
    let day = quiet("12:00", "13:30", "UTC");
    let never = quiet("08:00", "08:00", "UTC");
    for (quiet, now, until) in [
        // Winter, summer.
        (&berlin, "2026-01-10T20:59:59Z", None),
        (&berlin, "2026-01-10T21:00:00Z", Some("2026-01-11T07:00:00Z")),
        (&berlin, "2026-01-11T06:59:59Z", Some("2026-01-11T07:00:00Z")),
        (&berlin, "2026-01-11T07:00:00Z", None),
        (&berlin, "2026-07-10T20:00:00Z", Some("2026-07-11T06:00:00Z")),
        // The night of 29 March 2026 is an hour shorter, that of 25 October an hour longer.
        (&berlin, "2026-03-28T21:30:00Z", Some("2026-03-29T06:00:00Z")),
        (&berlin, "2026-03-29T01:30:00Z", Some("2026-03-29T06:00:00Z")),
        (&berlin, "2026-10-24T20:30:00Z", Some("2026-10-25T07:00:00Z")),
        (&berlin, "2026-10-25T00:30:00Z", Some("2026-10-25T07:00:00Z")),
        (&berlin, "2026-10-25T06:59:00Z", Some("2026-10-25T07:00:00Z")),
        // Elsewhere at the same moment.
        (&tokyo, "2026-10-24T20:30:00Z", Some("2026-10-24T23:00:00Z")),
        // The end itself is jumped over (02:30 does not exist that night): it ends where the clock lands.
        (&gap, "2026-03-29T00:30:00Z", Some("2026-03-29T01:00:00Z")),
        // 02:30 comes twice: the first ends it, and in the second 02:00 to 02:30 it is quiet once more.
        (&gap, "2026-10-24T23:30:00Z", Some("2026-10-25T00:30:00Z")),
        (&gap, "2026-10-25T01:10:00Z", Some("2026-10-25T01:30:00Z")),
        (&day, "2026-05-01T12:00:00Z", Some("2026-05-01T13:30:00Z")),
        (&day, "2026-05-01T13:30:00Z", None),
        (&never, "2026-05-01T08:00:00Z", None),
    ] {
        let found = quiet.held_until(utc(now));
        assert_eq!(found, until.map(utc), "{quiet:?} at {now}");
    }
}

proptest::proptest! {
    /// Whatever the zone and the hours: who is held is held for less than a day and two hours, and at the end of it is
    /// not held on.
    #[test]
    fn g18_nobody_is_held_for_ever(
        from in 0u16..1_440, to in 0u16..1_440, minute in 0i64..2_000_000,
        zone in proptest::sample::select(vec!["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "America/New_York"]),
    ) {
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let quiet = quiet(&time(from), &time(to), zone);
        let now = Timestamp::from_millis(1_740_000_000_000 + minute * 60_000);
        if let Some(until) = quiet.held_until(now) {
            proptest::prop_assert!(until > now && until.millis_since(now) <= 26 * 3_600_000);
            // A clock put back over the end makes it quiet once more; never twice.
            let again = quiet.held_until(until).and_then(|until| quiet.held_until(until));
            proptest::prop_assert_eq!(again, None);
        }
    }
}

#[test]
fn zones_and_times_are_checked() {
    for time in ["24:00", "8", "8:0", "08:60", "-1:00", "+1:00", ""] {
        assert!(time.parse::<alerts::TimeOfDay>().is_err(), "{time}");
    }
    for zone in ["Europe/Nowhere", "CET-1CEST,M3.5.0,M10.5.0/3", "+03:00", ""] {
        assert!(zone.parse::<alerts::ZoneName>().is_err(), "{zone}");
    }
    assert_eq!(
        "europe/berlin".parse::<alerts::ZoneName>().map(|z| z.to_string()),
        Ok("Europe/Berlin".to_owned())
    );
    assert_eq!("8:05".parse::<alerts::TimeOfDay>().map(|t| t.to_string()), Ok("08:05".to_owned()));
}

#[test]
fn the_shapes_of_the_interface() {
    for (given, kept) in [
        (
            r#"{"pair":"btc/usdt","condition":{"kind":"cross","side":"above","threshold":"70000"}}"#,
            r#"{"pair":"BTC-USDT","condition":{"kind":"cross","side":"above","threshold":"70000"},"repeat":false,"hysteresis_pct":"0.1","cooldown_ms":900000,"is_urgent":false}"#,
        ),
        (
            r#"{"pair":"BTC-USDT","condition":{"kind":"move","pct":"5","within_ms":3600000},"repeat":true,"hysteresis_pct":"1","cooldown_ms":0,"expires_at":1,"snoozed_until":2,"is_urgent":true,"quiet":{"from":"22:00","to":"8:00","time_zone":"Europe/Berlin"}}"#,
            r#"{"pair":"BTC-USDT","condition":{"kind":"move","direction":"either","pct":"5","within_ms":3600000},"repeat":true,"hysteresis_pct":"1","cooldown_ms":0,"expires_at":1,"snoozed_until":2,"is_urgent":true,"quiet":{"from":"22:00","to":"08:00","time_zone":"Europe/Berlin"}}"#,
        ),
        (
            r#"{"condition":{"kind":"source_down","venue":"somewhere","for_ms":180000}}"#,
            r#"{"condition":{"kind":"source_down","venue":"somewhere","for_ms":180000},"repeat":false,"hysteresis_pct":"0.1","cooldown_ms":900000,"is_urgent":false}"#,
        ),
    ] {
        let spec = Spec::from_json(given).expect("a spec");
        assert_eq!(spec.to_json(), kept);
        assert_eq!(Spec::from_json(kept), Ok(spec));
    }
    for (given, said) in [
        ("{}", "not an alert: missing field `condition`"),
        (r#"{"condition":{"kind":"spread","pct":"1"}}"#, "pair: missing"),
        (r#"{"pair":"BTC-USDT","condition":{"kind":"spread","pct":"10"}}"#, "pct: above 0, below 10"),
        (
            r#"{"pair":"BTC-USDT","condition":{"kind":"move","pct":"100","within_ms":60000}}"#,
            "pct: nothing falls",
        ),
        (r#"{"pair":"BTC-USDT","condition":{"kind":"move","pct":"0","within_ms":60000}}"#, "pct: above 0"),
        (
            r#"{"pair":"BTC-USDT","condition":{"kind":"move","pct":"1","within_ms":59999}}"#,
            "within_ms: from one",
        ),
        (
            r#"{"pair":"BTC-USDT","condition":{"kind":"source_down","venue":"a","for_ms":60000}}"#,
            "pair: a venue",
        ),
        (
            r#"{"pair":"BTC-USDT","condition":{"kind":"cross","side":"above","threshold":"0"}}"#,
            "not an alert",
        ),
    ] {
        let error = Spec::from_json(given).expect_err("no spec").to_string();
        assert!(error.starts_with(said), "{error}");
    }
}
