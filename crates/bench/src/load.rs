//! A cheap load generator: keep-alive connections on one thread, a prepared request, and of the answer no more
//! than its status and length. It must not know who answers.

use crate::{figures::percentile_us, process::our_cpu};
use anyhow::Context;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 64;
/// No answer here is longer.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const LENGTH: &[u8] = b"content-length: ";

/// What came of it, over one or more slices of time.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How long each answer took.
    took_ns: Vec<u32>,
    passed: Duration,
    ours: Duration,
}

impl Outcome {
    /// Adds another slice.
    pub fn add(&mut self, other: Outcome) {
        self.took_ns.extend(other.took_ns);
        self.passed += other.passed;
        self.ours += other.ours;
    }

    /// How many answers.
    pub fn count(&self) -> usize {
        self.took_ns.len()
    }

    /// Answers in a second.
    pub fn per_second(&self) -> f64 {
        self.count() as f64 / self.passed.as_secs_f64()
    }

    /// The times that half and a hundredth of the answers took longer than, in microseconds.
    pub fn p50_and_p99_us(&mut self) -> (f64, f64) {
        self.took_ns.sort_unstable();
        (percentile_us(&self.took_ns, 50.0), percentile_us(&self.took_ns, 99.0))
    }

    /// Our own processor time by the time that passed: 1 = the generator itself is the limit.
    pub fn our_share(&self) -> f64 {
        self.ours.as_secs_f64() / self.passed.as_secs_f64()
    }
}

/// Asks for that long, as fast as answers come. Any answer but 200 ends it.
pub async fn run(address: SocketAddr, target: &str, how_long: Duration) -> anyhow::Result<Outcome> {
    let request: Vec<u8> = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\n\r\n").into();
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let (started, cpu) = (Instant::now(), our_cpu());
    let mut asking = JoinSet::new();
    for stream in streams {
        asking.spawn(ask(stream, request.clone(), started + how_long));
    }
    let mut took_ns: Vec<u32> = Vec::new();
    while let Some(asked) = asking.join_next().await {
        took_ns.extend(asked??);
    }
    Ok(Outcome { took_ns, passed: started.elapsed(), ours: our_cpu().saturating_sub(cpu) })
}

/// One connection: one request after the other; how long each took, in nanoseconds.
async fn ask(mut stream: TcpStream, request: Vec<u8>, until: Instant) -> anyhow::Result<Vec<u32>> {
    let mut took_ns = Vec::with_capacity(1 << 14);
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let mut asked_at = Instant::now();
    while asked_at < until {
        stream.write_all(&request).await?;
        let (mut have, mut need) = (0, None);
        while need.is_none_or(|need| have < need) {
            let room =
                buffer.get_mut(have..).filter(|room| !room.is_empty()).context("the answer is too long")?;
            let count = stream.read(room).await?;
            anyhow::ensure!(count > 0, "the server closed the connection");
            have += count;
            if need.is_none() {
                need = whole(&buffer[..have])?;
            }
        }
        anyhow::ensure!(need == Some(have), "more came than the answer's length");
        let now = Instant::now();
        took_ns.push(u32::try_from((now - asked_at).as_nanos()).unwrap_or(u32::MAX));
        asked_at = now;
    }
    Ok(took_ns)
}

/// How long the whole answer is, once its head is there.
fn whole(so_far: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = so_far.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    anyhow::ensure!(so_far.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(so_far));
    let at =
        so_far[..head].windows(LENGTH.len()).position(|part| part == LENGTH).context("no content-length")?;
    let digits = so_far[at + LENGTH.len()..head].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    Ok(Some(head + 4 + length))
}
