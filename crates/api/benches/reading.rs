//! Reading one rate, side by side with a bare hyper server that returns the same bytes, while ticks flow in.
//! It must not flatter: the rounds are interleaved, both servers have one thread, and both send the same head.
#![expect(clippy::print_stdout, reason = "a benchmark's table is its output")]
#![expect(clippy::float_arithmetic, reason = "ratios for people to read; no price is among them")]

use api::{Parts, Settings};
use board::{Board, Options};
use bytes::Bytes;
use clock::Clock;
use http_body_util::Full;
use hyper::{Response, body::Incoming, header::HeaderValue, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use market::{Flags, Pair, Price, Sequence, Tick, VenueId};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, thread, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const TICKS_PER_SECOND: u64 = 1_000;
const TARGETS: [&str; 2] = ["/api/v1/rates/BTC-USDT", "/api/v1/currency_pair/?currency_pair=bitcoin-usd"];

/// One thread of its own for a server; its address.
fn server<F: Future<Output = ()> + 'static>(
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener for tokio");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { serve(TcpListener::from_std(listener).expect("a listener")).await });
    });
    address
}

/// hyper with nothing around it.
fn bare(head: Vec<(String, String)>, body: Bytes) -> SocketAddr {
    server(move |listener| async move {
        let head: Vec<(hyper::header::HeaderName, HeaderValue)> = head
            .into_iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        let head = Arc::new(head);
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (head, body) = (head.clone(), body.clone());
            let service = service_fn(move |_: hyper::Request<Incoming>| {
                let mut response = Response::new(Full::new(body.clone()));
                response.headers_mut().extend(head.iter().cloned());
                std::future::ready(Ok::<_, Infallible>(response))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

fn ours(board: Arc<Board>) -> SocketAddr {
    let parts = Parts {
        board,
        store: None,
        metrics: Arc::new(String::new),
        checks: Arc::new(Vec::new),
        venue_known: Arc::new(|_| Ok(())),
        venue_check: Arc::new(|_, _| Ok(0)),
        webhook_check: Arc::new(|_| Ok(())),
        venue_text: Arc::new(|_| None),
    };
    server(move |listener| async move {
        let _ = api::serve(listener, parts, Settings::default(), CancellationToken::new()).await;
    })
}

fn apply(board: &Board, pair: &str, n: u64) {
    let at = board.clock().now();
    let tick = Tick {
        pair: Pair::parse(pair).expect("a pair"),
        symbol: pair.into(),
        last: Price::parse(&format!("64348.{n:08}")).ok(),
        bid: None,
        ask: None,
        venue_time: Some(at),
        received_at: at,
        sequence: Sequence::from_receipt(at),
        flags: Flags::NONE,
    };
    board.apply(&VenueId::parse("venue-a").expect("a name"), &[tick]);
}

/// One answer: how many bytes its head and body have. Both servers always say `content-length`.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> usize {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.expect("an answer") > 0, "closed");
        let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).expect("a head");
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if buffer.len() >= head + 4 + length.and_then(|n| n.parse::<usize>().ok()).expect("a length") {
            return head;
        }
    }
}

/// Asks as fast as answers come; requests per second and sorted times in microseconds.
async fn round(address: SocketAddr, target: &str) -> (f64, Vec<u64>) {
    let request: Arc<[u8]> = format!("GET {target} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes().into();
    let until = Instant::now() + ROUND;
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                let _ = stream.set_nodelay(true);
                let (mut buffer, mut times) = (Vec::with_capacity(2_048), Vec::new());
                while Instant::now() < until {
                    let asked = Instant::now();
                    stream.write_all(&request).await.expect("a request");
                    answer(&mut stream, &mut buffer).await;
                    assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer));
                    times.push(asked.elapsed().as_micros() as u64);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.expect("a client"));
    }
    times.sort_unstable();
    (times.len() as f64 / ROUND.as_secs_f64(), times)
}

/// What our server says to one request, to be repeated by the bare one.
async fn sample(address: SocketAddr, target: &str) -> (Vec<(String, String)>, Bytes) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream
        .write_all(format!("GET {target} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes())
        .await
        .expect("a request");
    let mut buffer = Vec::new();
    let head = answer(&mut stream, &mut buffer).await;
    let lines = std::str::from_utf8(&buffer[..head]).expect("a head").lines().skip(1);
    let made_by_hyper = |name: &str| matches!(name, "content-length" | "date");
    let pairs = lines.filter_map(|line| line.split_once(": ")).filter(|(name, _)| !made_by_hyper(name));
    (pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(), Bytes::copy_from_slice(&buffer[head + 4..]))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let board = Board::new(
        Clock::system(),
        Options { stale_after_ms: 30_000, expire_after_ms: 300_000, demo: false, same_as: Vec::new() },
    );
    for pair in ["BTC-USDT", "BTC-USD"] {
        apply(&board, pair, 1);
    }
    let feeding = board.clone();
    thread::spawn(move || {
        for n in 2u64.. {
            apply(&feeding, if n.is_multiple_of(2) { "BTC-USDT" } else { "BTC-USD" }, n % 100_000_000);
            thread::sleep(Duration::from_micros(1_000_000 / TICKS_PER_SECOND));
        }
    });
    let ours = ours(board);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for target in TARGETS {
            let (head, body) = sample(ours, target).await;
            let bare = bare(head, body);
            let (mut ratios, mut rates, mut tails) = (Vec::new(), [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            for n in 0..=ROUNDS {
                let mut per_second = [0.0; 2];
                for at in if n % 2 == 0 { [0, 1] } else { [1, 0] } {
                    let (rate, times) = round([bare, ours][at], target).await;
                    per_second[at] = rate;
                    if n > 0 {
                        rates[at].push(rate);
                        tails[at].push(times[times.len() * 99 / 100] as f64);
                    }
                }
                // The first round warms both up.
                if n > 0 {
                    ratios.push(per_second[1] / per_second[0]);
                }
            }
            let [bare_rate, our_rate] = rates.map(median);
            let [bare_tail, our_tail] = tails.map(median);
            println!(
                "{target}: {our_rate:.0}/s, bare hyper {bare_rate:.0}/s, ratio {:.2}; p99 {our_tail:.0} us against {bare_tail:.0} us",
                median(ratios)
            );
        }
    });
}
