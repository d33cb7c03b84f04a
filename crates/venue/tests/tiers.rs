//! What keys change at a polled venue: address, headers, interval and budget.
//! It must not need anything beside the repository.

use market::VenueId;
use std::path::Path;
use venue::{Limit, Venue};

/// Without a key, with a demo key (10,000 calls a month), with a pro key; of several the best.
#[test]
fn the_aggregator_s_budget_follows_its_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues/coingecko.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let venue = Venue::parse(&VenueId::parse("coingecko").unwrap(), "coingecko.toml", &text).unwrap();
    let (demo, pro) = ("COINGECKO_API_KEY", "COINGECKO_PRO_API_KEY");
    let symbols: Vec<_> = ["bitcoin", "ethereum", "tether", "tron"]
        .into_iter()
        .flat_map(|base| ["rub", "usd"].map(|quote| venue.symbol(base, quote).unwrap()))
        .collect();
    for (keys, host, header, interval_s, budget) in [
        (&[][..], "https://api.", None, 60, 5),
        (&[(demo, "d")], "https://api.", Some("x-cg-demo-api-key"), 300, 30),
        (&[(pro, "p")], "https://pro-api.", Some("x-cg-pro-api-key"), 10, 250),
        (&[(demo, "d"), (pro, "p")], "https://pro-api.", Some("x-cg-pro-api-key"), 10, 250),
        (&[(demo, ""), (pro, "")], "https://api.", None, 60, 5),
    ] {
        let key = |name: &str| keys.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let http = venue.http().unwrap().with_environment(&key);
        assert_eq!(http.interval_ms, interval_s * 1_000, "{keys:?}");
        assert_eq!(http.budget, Some(Limit { count: budget, per_ms: 60_000 }), "{keys:?}");
        let requests = http.requests(&symbols, None);
        assert_eq!(requests.len(), 1, "the seeded row is one call");
        assert!(requests[0].url.starts_with(host), "{}", requests[0].url);
        assert!(!requests[0].url.contains("key"), "a key belongs in a header");
        // Names only: values of headers are never printed.
        let shown = format!("{:?}", requests[0]);
        assert_eq!(shown.matches("x-cg-").count(), usize::from(header.is_some()), "{shown}");
        assert!(header.is_none_or(|name| shown.contains(name)), "{shown}");
        if keys == [(demo, "d")] {
            let calls_a_month = 31 * 24 * 3_600 / interval_s;
            assert!(calls_a_month <= 10_000, "{calls_a_month}");
        }
    }
}
