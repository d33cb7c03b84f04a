//! A TCP proxy that breaks the line on purpose. It must not know what goes through.

use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Carries bytes.
    Open,
    /// Swallows bytes both ways; connections stay open.
    Blackhole,
    /// Carries one byte towards the client, then waits this long.
    Drip(Duration),
    /// Resets every connection, old and new.
    Reset,
}

/// A proxy in front of one server.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    _stop: DropGuard,
}

impl FaultProxy {
    /// Listens on a free port and carries bytes to `upstream`.
    pub async fn start(upstream: SocketAddr) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (line, receiver) = watch::channel(Line::Open);
        let stop = CancellationToken::new();
        let serve = async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream, receiver.clone()));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
        FaultProxy { address, line, _stop: stop.drop_guard() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the line does from now on.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn carry(client: TcpStream, upstream: SocketAddr, mut line: watch::Receiver<Line>) {
    let reset = |client: &TcpStream| drop(client.set_zero_linger());
    if *line.borrow() == Line::Reset {
        return reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else { return reset(&client) };
    let mut client = client;
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let now = *line.borrow();
        if now == Line::Reset {
            return reset(&client);
        }
        let most = if matches!(now, Line::Drip(_)) { 1 } else { down.len() };
        tokio::select! {
            changed = line.changed() => if changed.is_err() { return },
            read = client.read(&mut up) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if *line.borrow() == Line::Blackhole => {}
                Ok(count) => if server.write_all(&up[..count]).await.is_err() { return },
            },
            read = server.read(&mut down[..most]) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if *line.borrow() == Line::Blackhole => {}
                Ok(count) => {
                    if client.write_all(&down[..count]).await.is_err() {
                        return;
                    }
                    if let Line::Drip(wait) = now {
                        tokio::time::sleep(wait).await;
                    }
                }
            },
        }
    }
}
