//! What we are measured against, each as a process of its own (this binary, started again with a hidden word): a
//! bare hyper server that returns given bytes, and a relay from one socket to another. It must not know the product.

use crate::{machine::Machine, process::Process};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, net::SocketAddr, path::Path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// The hidden word of the bare server.
pub const SERVER: &str = "bare-hyper-server";
/// The hidden word of the relay.
pub const RELAY: &str = "bare-relay";

/// Headers that hyper writes by itself.
const HYPERS_OWN: [&str; 4] = ["date", "content-length", "connection", "transfer-encoding"];

/// Starts a bare server that answers as this answer did.
pub fn start_server(machine: &Machine, dir: &Path, answer: &crate::http::Answer) -> anyhow::Result<Process> {
    let mut text = String::new();
    for (name, value) in answer.headers.iter().filter(|(name, _)| !HYPERS_OWN.contains(&name.as_str())) {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(&answer.body));
    let file = dir.join("answer");
    std::fs::write(&file, text)?;
    start(machine, dir, &[SERVER, &file.to_string_lossy()])
}

/// Starts a relay.
pub fn start_relay(machine: &Machine, dir: &Path) -> anyhow::Result<Process> {
    start(machine, dir, &[RELAY])
}

fn start(machine: &Machine, dir: &Path, words: &[&str]) -> anyhow::Result<Process> {
    let ourselves = std::env::current_exe()?;
    let mut all = machine.server(&ourselves.to_string_lossy());
    all.extend(words.iter().map(|word| (*word).to_owned()));
    Process::start(&all, dir)
}

/// The bare server: the least that hyper can do. It runs until its input closes.
pub async fn server(file: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file)?;
    let (head, body) = text.split_once("\n\n").context("a head and a body")?;
    let mut headers = HeaderMap::new();
    for line in head.lines() {
        let (name, value) = line.split_once(": ").context("a header")?;
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    let body = Bytes::from(body.to_owned());
    let listener = listen().await?;
    let serve = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let (headers, body) = (headers.clone(), body.clone());
            tokio::spawn(async move {
                let service = service_fn(move |_: Request<Incoming>| {
                    let mut response = Response::new(Full::new(body.clone()));
                    for (name, value) in &headers {
                        response.headers_mut().insert(name.clone(), value.clone());
                    }
                    async move { Ok::<_, Infallible>(response) }
                });
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            });
        }
    };
    until_orphaned(serve).await
}

/// The relay: what comes in at the first connection goes out at the second. It runs until its input closes.
pub async fn relay() -> anyhow::Result<()> {
    let listener = listen().await?;
    let pass_on = async {
        let (Ok((mut from, _)), Ok((mut to, _))) = (listener.accept().await, listener.accept().await) else {
            return;
        };
        let _ = to.set_nodelay(true);
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    until_orphaned(pass_on).await
}

async fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    tokio::io::stderr().write_all(format!("http://{}\n", listener.local_addr()?).as_bytes()).await?;
    Ok(listener)
}

async fn until_orphaned(work: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut nothing = Vec::new();
    tokio::select! {
        () = work => {}
        _ = async { tokio::io::stdin().read_to_end(&mut nothing).await } => {}
    }
    Ok(())
}
