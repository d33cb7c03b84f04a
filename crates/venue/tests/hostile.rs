//! Whatever bytes come, reading them ends in ticks, in a reason, or in nothing; never in a panic or in a wrong price.
//! It must not need anything beside the repository.

use flate2::{Compression, write::GzEncoder};
use market::{PriceError, VenueId};
use proptest::prelude::*;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use venue::{Frame, Reader, Said, Unreadable, Venue};

fn load(path: &Path) -> Arc<Venue> {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    Arc::new(Venue::parse(&VenueId::parse(stem).unwrap(), &path.display().to_string(), &text).unwrap())
}

fn files() -> Vec<Arc<Venue>> {
    let mut all = Vec::new();
    for folder in ["../../venues", "tests/prototypes"] {
        let Ok(entries) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) else {
            continue;
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        let is_venue =
            |p: &std::path::PathBuf| p.extension().is_some_and(|e| e == "toml") && !p.ends_with("seed.toml");
        all.extend(paths.filter(is_venue).map(|p| load(&p)));
    }
    all
}

/// A venue that writes one price per frame, and what its reader says to a frame.
fn plain() -> Reader {
    let text = r#"
format = 1
name = "Plain"
homepage = "https://example.org"
[symbols]
form = "{BASE}-{QUOTE}"
[ws]
url = "wss://example.org"
[ws.subscribe]
send = '{"sub":{items}}'
[[message]]
is = "tick"
when = { s = { exists = true } }
symbol = "s"
last = "p"
bid = "b"
[[example]]
frame = '{"s":"BTC-USD","p":"1"}'
ticks = [{ symbol = "BTC-USD", pair = "BTC-USD", last = "1" }]
"#;
    let venue = Arc::new(Venue::parse(&VenueId::parse("plain").unwrap(), "plain", text).unwrap());
    venue.check_examples().unwrap();
    let mut reader = venue.reader();
    reader.follow(&[venue.symbol("BTC", "USD").unwrap()]);
    reader
}

fn said(reader: &mut Reader, frame: Frame<'_>) -> Result<Vec<Said>, Unreadable> {
    let mut out = Vec::new();
    reader.read(frame, &mut out).map(|()| out)
}

#[test]
fn what_is_no_price_is_rejected_with_its_reason() {
    let mut reader = plain();
    let forty = "1234567890123456789012345678901234567890";
    for (value, reason) in [
        ("0", PriceError::Zero),
        ("\"0.00\"", PriceError::Zero),
        ("-1", PriceError::Negative),
        ("\"NaN\"", PriceError::NotANumber),
        ("\"Inf\"", PriceError::NotANumber),
        ("\"Infinity\"", PriceError::NotANumber),
        ("1e400", PriceError::OutOfRange),
        ("1e-400", PriceError::OutOfRange),
        ("\"\"", PriceError::NotANumber),
        ("null", PriceError::NotANumber),
        ("\"1,234.5\"", PriceError::NotANumber),
        (forty, PriceError::TooManyDigits),
        ("true", PriceError::NotANumber),
        ("[]", PriceError::NotANumber),
        ("{}", PriceError::NotANumber),
        ("\" 1\"", PriceError::NotANumber),
        ("\"0x1\"", PriceError::NotANumber),
        ("\"١\"", PriceError::NotANumber),
    ] {
        let frame = format!(r#"{{"s":"BTC-USD","p":{value}}}"#);
        let said = said(&mut reader, Frame::Text(frame.as_bytes())).unwrap();
        let [Said::Rejected(rejected)] = said.as_slice() else { panic!("{value}: {said:?}") };
        assert_eq!((rejected.field, rejected.reason), ("last", reason), "{value}");
    }
    // A bad price does not take the good one beside it along.
    let said = said(&mut reader, Frame::Text(br#"{"s":"BTC-USD","p":"x","b":"9.50"}"#)).unwrap();
    let [Said::Rejected(_), Said::Tick(tick)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((tick.last, tick.bid.unwrap().to_string().as_str()), (None, "9.50"));
}

#[test]
fn a_price_below_zero_is_believed_only_where_that_is_said() {
    let mut reader = plain();
    let symbol = files()[0].symbol("BTC", "USD").unwrap();
    reader.allow_negative(&venue::Symbol { name: "BTC-USD".into(), ..symbol });
    let said = said(&mut reader, Frame::Text(br#"{"s":"BTC-USD","p":"-37.63"}"#)).unwrap();
    assert!(
        matches!(said.as_slice(), [Said::Tick(t)] if t.last.unwrap().to_string() == "-37.63"),
        "{said:?}"
    );
}

#[test]
fn frames_that_cannot_be_read_say_why() {
    let mut reader = plain();
    let bomb = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
        encoder.finish().unwrap()
    };
    assert!(bomb.len() < 100_000, "the bomb itself is small");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let wide = format!("[{}0]", "0,".repeat(1_500_000));
    for (frame, reason) in [
        (Frame::Text(b"{"), "not_json"),
        (Frame::Text(b""), "not_json"),
        (Frame::Text(b"hello"), "not_json"),
        (Frame::Text(b"\xff\xfe"), "bad_text"),
        (Frame::Binary(b"\x1f\x8bnot gzip"), "bad_compression"),
        (Frame::Binary(&bomb), "too_big"),
        (Frame::Text(deep.as_bytes()), "too_deep"),
        (Frame::Text(wide.as_bytes()), "too_big"),
        (Frame::Text(&vec![b' '; 5 << 20]), "too_big"),
    ] {
        assert_eq!(said(&mut reader, frame).map_err(|e| e.reason), Err(reason));
    }
    // And the next good frame is read as if nothing had been.
    let said = said(&mut reader, Frame::Text(br#"{"s":"BTC-USD","p":"1.5"}"#)).unwrap();
    assert!(matches!(said.as_slice(), [Said::Tick(_)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes at all, and every example with some bytes of it changed, at every shipped venue.
    #[test]
    fn no_bytes_make_a_reader_panic(
        noise in prop::collection::vec(any::<u8>(), 0..64),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        for venue in files() {
            let mut reader = venue.reader_of_everything();
            let mut out = Vec::new();
            let _ = reader.read(Frame::Text(&noise), &mut out);
            let _ = reader.read(Frame::Binary(&noise), &mut out);
            for example in venue.examples() {
                let mut frame = example.frame.clone();
                let at = at.index(frame.len());
                frame[at] = byte;
                let _ = reader.read(Frame::Text(&frame), &mut out);
                let _ = reader.read(Frame::Binary(&frame), &mut out);
                frame.truncate(cut.index(frame.len()));
                let _ = reader.read(Frame::Text(&frame), &mut out);
                let _ = reader.read(Frame::Binary(&frame), &mut out);
            }
            for said in out {
                if let Said::Tick(tick) = said {
                    for price in [tick.last, tick.bid, tick.ask].into_iter().flatten() {
                        prop_assert!(price.decimal().is_sign_positive() && !price.decimal().is_zero());
                    }
                }
            }
        }
    }
}
