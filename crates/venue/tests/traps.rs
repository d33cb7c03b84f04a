//! The traps that real venues have set, one test each, on the shipped files and with frames in the venues' form. The 13th,
//! a subscription that is acknowledged and silent, needs a socket: `acknowledged_without_data_is_no_data` in the
//! collector's `feeds/streams.rs`.
//! It must not need anything beside the repository.

use market::VenueId;
use std::{path::Path, sync::Arc};
use venue::{Frame, Meaning, Observation, Reader, Said, Symbol, Venue};

fn file(name: &str) -> Arc<Venue> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../venues/{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap();
    Arc::new(
        Venue::parse(&VenueId::parse(name).unwrap(), name, &text).unwrap_or_else(|error| panic!("{error}")),
    )
}

/// A reader that follows these pairs.
fn following(venue: &Arc<Venue>, pairs: &[(&str, &str)]) -> Reader {
    let symbols: Vec<Symbol> = pairs.iter().map(|(base, quote)| venue.symbol(base, quote).unwrap()).collect();
    let mut reader = venue.reader();
    reader.follow(&symbols);
    reader
}

fn said(reader: &mut Reader, frame: &str) -> Vec<Said> {
    let mut out = Vec::new();
    reader.read(Frame::Text(frame.as_bytes()), &mut out).unwrap_or_else(|error| panic!("{frame}: {error}"));
    out
}

fn ticks(said: &[Said]) -> Vec<&Observation> {
    said.iter().filter_map(|said| if let Said::Tick(tick) = said { Some(tick) } else { None }).collect()
}

/// Last prices as they are written.
fn lasts(reader: &mut Reader, frame: &str) -> Vec<String> {
    ticks(&said(reader, frame)).iter().map(|tick| tick.last.unwrap().to_string()).collect()
}

#[test]
fn trap_01_integers_beyond_64_bits_stand_beside_prices() {
    let mut htx = following(&file("htx"), &[("BTC", "USDT")]);
    let frame = r#"{"ch":"market.btcusdt.detail","ts":1790000000123,"tick":{"id":1931506477151671992419320033,"low":1,"high":2,"open":1,"close":64400.12,"vol":1,"amount":1,"version":1931506477151671992419320033,"count":1}}"#;
    assert_eq!(lasts(&mut htx, frame), ["64400.12"]);
    let mut kraken = following(&file("kraken"), &[("BTC", "USD")]);
    let status = r#"{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":18072546403441331453}]}"#;
    assert!(!matches!(said(&mut kraken, status)[..], [Said::Unknown]), "an id above i64 is read over");
}

#[test]
fn trap_02_the_text_of_a_number_is_kept_and_numbers_are_compared_as_decimals() {
    let mut kraken = following(&file("kraken"), &[("ALGO", "USD")]);
    let frame = |last: &str| {
        format!(
            r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"ALGO/USD","bid":0.13099,"ask":0.13200,"last":{last},"timestamp":"2026-10-03T20:58:33.794283Z"}}]}}"#
        )
    };
    assert_eq!(lasts(&mut kraken, &frame("0.13110")), ["0.13110"]);
    let mut htx = following(&file("htx"), &[("PEPE", "USDT")]);
    let exponent = r#"{"ch":"market.pepeusdt.detail","ts":1790000000123,"tick":{"close":9.2E-7}}"#;
    assert_eq!(lasts(&mut htx, exponent), ["0.00000092"]);
    let mut upbit = following(&file("upbit"), &[("BTC", "KRW")]);
    let frame = r#"{"type":"ticker","code":"KRW-BTC","trade_price":122902000.00000000,"trade_timestamp":1790000000123,"timestamp":1790000000200,"stream_type":"REALTIME"}"#;
    assert_eq!(lasts(&mut upbit, frame), ["122902000.00000000"]);
    let price = |text: &str| market::Price::parse(text).unwrap();
    assert_eq!(price("0.13110"), price("0.1311"));
    assert!(price("9.2E-7") < price("0.000001"));
}

#[test]
fn trap_03_heartbeats_twins_and_channel_numbers_that_are_used_again() {
    let venue = file("bitfinex");
    let ack = |chan: u32, symbol: &str| {
        format!(
            r#"{{"event":"subscribed","channel":"ticker","chanId":{chan},"symbol":"{symbol}","pair":"{}"}}"#,
            &symbol[1..]
        )
    };
    let pairs = [("BTC", "USD"), ("ETH", "USD")];
    let mut reader = following(&venue, &pairs);
    said(&mut reader, &ack(77, "tBTCUSD"));
    let ticker = "[77,[64400,1,64401,2,10,0.01,64400.5,100,65000,63000]]";
    assert_eq!(ticks(&said(&mut reader, ticker))[0].symbol.as_ref(), "tBTCUSD");
    for beat in ["[77,\"hb\"]", "[77,\"hb\",12345]"] {
        assert!(matches!(said(&mut reader, beat)[..], [Said::Heartbeat]), "{beat}");
    }
    // A new connection gives the number to another symbol.
    let mut reader = following(&venue, &pairs);
    assert!(ticks(&said(&mut reader, ticker)).is_empty(), "nobody has said what 77 is");
    said(&mut reader, &ack(77, "tETHUSD"));
    assert_eq!(ticks(&said(&mut reader, ticker))[0].symbol.as_ref(), "tETHUSD");
    // A trade is told twice: executed, and updated.
    let mut trades = venue.reader_of_everything();
    said(
        &mut trades,
        r#"{"event":"subscribed","channel":"trades","chanId":5,"symbol":"tBTCUSD","pair":"BTCUSD"}"#,
    );
    let once: Vec<bool> = ["te", "tu"]
        .map(|kind| {
            ticks(&said(&mut trades, &format!("[5,\"{kind}\",[1,1790000000123,0.5,64400]]")))[0].duplicate
        })
        .to_vec();
    assert_eq!(once, [false, true]);
}

#[test]
fn trap_04_a_tick_before_its_acknowledgement_with_the_time_on_the_envelope() {
    let mut reader = following(&file("coinbase-advanced"), &[("BTC", "USD")]);
    let frame = r#"{"channel":"ticker","timestamp":"2026-09-21T14:13:20.123456789Z","sequence_num":0,"events":[{"type":"snapshot","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"64400.1","best_bid":"64400","best_ask":"64400.2"}]}]}"#;
    let said = said(&mut reader, frame);
    let [tick] = ticks(&said)[..] else { panic!("{said:?}") };
    assert_eq!(tick.venue_time.unwrap().millis(), 1_790_000_000_123);
}

#[test]
fn trap_05_a_snapshot_of_trades_is_history() {
    for (venue, first, later) in [
        (
            "cryptocom",
            r#"{"id":1,"method":"subscribe","code":0,"result":{"instrument_name":"BTC_USDT","subscription":"trade.BTC_USDT","channel":"trade","data":[{"d":"1","t":1790000000123,"p":"64400.1","q":"1","s":"BUY","i":"BTC_USDT"}]}}"#,
            r#"{"id":-1,"method":"subscribe","code":0,"result":{"instrument_name":"BTC_USDT","subscription":"trade.BTC_USDT","channel":"trade","data":[{"d":"2","t":1790000000124,"p":"64400.2","q":"1","s":"BUY","i":"BTC_USDT"}]}}"#,
        ),
        (
            "bitget",
            r#"{"action":"snapshot","arg":{"instType":"SPOT","channel":"trade","instId":"BTCUSDT"},"data":[{"ts":"1790000000123","price":"64400.1","size":"1","side":"buy","tradeId":"1"}],"ts":1790000000124}"#,
            r#"{"action":"update","arg":{"instType":"SPOT","channel":"trade","instId":"BTCUSDT"},"data":[{"ts":"1790000000125","price":"64400.2","size":"1","side":"buy","tradeId":"2"}],"ts":1790000000126}"#,
        ),
        (
            "upbit",
            r#"{"type":"trade","code":"KRW-BTC","trade_price":1.0,"trade_timestamp":1790000000123,"stream_type":"SNAPSHOT","sequential_id":1}"#,
            r#"{"type":"trade","code":"KRW-BTC","trade_price":2.0,"trade_timestamp":1790000000124,"stream_type":"REALTIME","sequential_id":2}"#,
        ),
        (
            "kraken",
            r#"{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"buy","price":1.5,"qty":1,"ord_type":"limit","trade_id":1,"timestamp":"2026-09-21T14:13:20Z"}]}"#,
            r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":2.5,"qty":1,"ord_type":"limit","trade_id":2,"timestamp":"2026-09-21T14:13:21Z"}]}"#,
        ),
    ] {
        let mut reader = file(venue).reader_of_everything();
        let history = |said: &[Said]| ticks(said).iter().map(|tick| tick.history).collect::<Vec<_>>();
        assert_eq!(history(&said(&mut reader, first)), [true], "{venue}");
        assert_eq!(history(&said(&mut reader, later)), [false], "{venue}");
    }
}

#[test]
fn trap_06_a_failure_with_the_code_of_success() {
    let mut reader = following(&file("mexc"), &[("BTC", "USDT")]);
    let frame = r#"{"id":0,"code":0,"msg":"Not Subscribed successfully! [spot@public.deals.v3.api@BTCUSDT].  Reason： Blocked! "}"#;
    let said = said(&mut reader, frame);
    assert!(matches!(said[..], [Said::Problem(_)]), "{said:?}");
}

#[test]
fn trap_07_a_token_is_asked_for_by_post_and_the_slash_before_it_is_kept() {
    let venue = file("kucoin");
    let ws = venue.ws().unwrap();
    assert_eq!(ws.bootstrap.as_ref().unwrap().method, "POST");
    let body = r#"{"code":"200000","data":{"token":"a+b/c==","instanceServers":[{"endpoint":"wss://ws-api-spot.kucoin.com/","encrypt":true,"protocol":"websocket","pingInterval":18000,"pingTimeout":10000}]}}"#;
    let variables = ws.read_bootstrap(body.as_bytes()).unwrap();
    let url = ws.dial_url(&ws.urls[0], &[], &variables);
    assert!(url.starts_with("wss://ws-api-spot.kucoin.com/?token=a%2Bb%2Fc%3D%3D"), "{url}");
}

#[test]
fn trap_08_milliseconds_with_a_fraction() {
    let mut reader = file("gateio").reader_of_everything();
    let frame = r#"{"time":1790000000,"time_ms":1790000000456,"channel":"spot.trades","event":"update","result":{"id":1,"create_time":1790000000,"create_time_ms":"1790000000123.987000","side":"buy","currency_pair":"BTC_USDT","amount":"1","price":"64400.1"}}"#;
    let said = said(&mut reader, frame);
    let time = ticks(&said)[0].venue_time.unwrap();
    assert_eq!((time.millis(), time.micros() % 1_000), (1_790_000_000_123, 987));
}

#[test]
fn trap_09_cyrillic_letters_a_decimal_comma_and_a_price_for_many_units() {
    let mut reader = following(&file("cbr"), &[("KZT", "RUB")]);
    let mut body = b"<?xml version=\"1.0\" encoding=\"windows-1251\"?><ValCurs Date=\"25.04.2026\" name=\"Foreign Currency Market\"><Valute ID=\"R01335\"><NumCode>398</NumCode><CharCode>KZT</CharCode><Nominal>100</Nominal><Name>".to_vec();
    body.extend([0xd2, 0xe5, 0xed, 0xe3, 0xe5]);
    body.extend(b"</Name><Value>16,1234</Value><VunitRate>0,161234</VunitRate></Valute></ValCurs>");
    let mut out = Vec::new();
    reader.read(Frame::Text(&body), &mut out).unwrap();
    assert_eq!(ticks(&out)[0].last.unwrap(), market::Price::parse("0.161234").unwrap());
}

#[test]
fn trap_10_changes_are_no_quotes_nothing_is_an_answer_and_errors_have_three_shapes() {
    let venue = file("coingecko");
    let mut reader = following(&venue, &[("bitcoin", "usd"), ("bitcoin", "rub")]);
    let frame = r#"{"bitcoin":{"usd":76975,"usd_market_cap":1542226908349.8406,"usd_24h_vol":29096603418.89408,"usd_24h_change":-1.4093,"last_updated_at":1790000000}}"#;
    assert_eq!(lasts(&mut reader, frame), ["76975"]);
    assert!(ticks(&said(&mut reader, "{}")).is_empty());
    for (frame, means) in [
        (
            r#"{"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit."}}"#,
            Meaning::RateLimited,
        ),
        (r#"{"error":{"status":{"error_code":10005,"error_message":"paid plan"}}}"#, Meaning::Error),
        (r#"{"error":"coin not found"}"#, Meaning::Error),
    ] {
        let said = said(&mut reader, frame);
        let [Said::Problem(problem)] = &said[..] else { panic!("{frame}: {said:?}") };
        assert_eq!(problem.means, means, "{frame}: {problem:?}");
    }
}

#[test]
fn trap_11_half_a_ticker_changes_only_its_half_and_zeros_of_1970_are_nothing() {
    let mut bitvavo = following(&file("bitvavo"), &[("BTC", "EUR")]);
    let first = r#"{"event":"ticker","market":"BTC-EUR","bestBid":"64400","bestBidSize":"1","bestAsk":"64410","bestAskSize":"1","lastPrice":"64405"}"#;
    let half = r#"{"event":"ticker","market":"BTC-EUR","bestAsk":"64411","bestAskSize":"1"}"#;
    said(&mut bitvavo, first);
    let half = said(&mut bitvavo, half);
    assert_eq!(ticks(&half)[0].ask.unwrap().to_string(), "64411", "{half:?}");
    assert_ne!(ticks(&half)[0].bid.map(|bid| bid.to_string()).as_deref(), Some("0"));
    let mut kraken = following(&file("kraken"), &[("RARE", "EUR")]);
    let frame = r#"{"channel":"ticker","type":"snapshot","data":[{"symbol":"RARE/EUR","bid":0.0,"ask":0.0,"last":1.5,"timestamp":"1970-01-01T00:00:00.000000Z"}]}"#;
    assert!(ticks(&said(&mut kraken, frame)).is_empty());
}

#[test]
fn trap_12_text_in_binary_frames_quotes_first_and_a_subscription_that_replaces() {
    let venue = file("upbit");
    let symbols = [venue.symbol("BTC", "KRW").unwrap(), venue.symbol("ETH", "KRW").unwrap()];
    assert_eq!(&*symbols[0].name, "KRW-BTC");
    let frames = venue.ws().unwrap().subscribe(&symbols[1..], &symbols, &mut 1);
    assert!(
        frames.iter().all(|frame| frame.text.contains("KRW-BTC") && frame.text.contains("KRW-ETH")),
        "{frames:?}"
    );
    let mut reader = following(&venue, &[("BTC", "KRW")]);
    let frame = r#"{"type":"ticker","code":"KRW-BTC","trade_price":122902000.0,"trade_timestamp":1790000000123,"timestamp":1790000000200,"stream_type":"REALTIME"}"#;
    let mut out = Vec::new();
    reader.read(Frame::Binary(frame.as_bytes()), &mut out).unwrap();
    assert_eq!(ticks(&out).len(), 1);
}

#[test]
fn trap_14_a_pong_that_is_no_json_is_no_mistake() {
    for name in ["okx", "bitget"] {
        let mut reader = following(&file(name), &[("BTC", "USDT")]);
        assert!(matches!(said(&mut reader, "pong")[..], [Said::Heartbeat]), "{name}");
    }
}

#[test]
fn trap_15_a_rate_of_a_currency_in_itself_is_none() {
    let mut reader = following(&file("frankfurter"), &[("EUR", "USD")]);
    let frame = r#"[{"date":"2026-09-21","base":"EUR","quote":"EUR","rate":1},{"date":"2026-09-21","base":"EUR","quote":"USD","rate":1.0855}]"#;
    assert_eq!(lasts(&mut reader, frame), ["1.0855"]);
}
