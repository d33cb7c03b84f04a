//! One WebSocket is dialled: the guarded addresses, TCP, TLS, the handshake; all within one time limit.
//! It must not know what is said on it.

use crate::words;
use async_trait::async_trait;
use guard::{Blocked, Guard, GuardError};
use market::Timestamp;
use rustls::pki_types::ServerName;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue, Response},
        protocol::WebSocketConfig,
    },
};
use url::Url;

/// A stream of bytes, encrypted or not.
pub trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// Opens a stream of bytes to an address that has been judged. Tests have another way than TCP, on which time can be
/// made to stand still.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Opens it.
    async fn connect(&self, to: SocketAddr) -> std::io::Result<Box<dyn Bytes>>;
}

/// TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

#[async_trait]
impl Wire for Tcp {
    async fn connect(&self, to: SocketAddr) -> std::io::Result<Box<dyn Bytes>> {
        let tcp = TcpStream::connect(to).await?;
        // Subscriptions and pongs are small and must not wait for each other.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY can't be set");
        }
        Ok(Box::new(tcp))
    }
}

/// An open WebSocket.
pub type Socket = WebSocketStream<Box<dyn Bytes>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address must not be dialled.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The venue asks us to wait.
    #[error("HTTP {status}: too many connections")]
    RateLimited {
        /// 429 or 418.
        status: u16,
        /// What the venue says, if it does.
        until: Option<Timestamp>,
    },
    /// The venue refuses this place.
    #[error("HTTP 451: the venue does not serve this place")]
    GeoBlocked,
    /// Any other answer that is no WebSocket.
    #[error("HTTP {status} instead of a WebSocket")]
    Refused {
        /// The status.
        status: u16,
        /// Where a redirect points; we do not go.
        location: Option<Url>,
    },
    /// Not within the time.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// The address or a header cannot be sent.
    #[error("{0}")]
    Request(String),
    /// The name cannot be resolved.
    #[error("{}", words::causes(.0))]
    Name(#[source] GuardError),
    /// Nobody listens, or the line broke.
    #[error("{host}: {}", words::causes(.source))]
    Connect {
        /// The host and port.
        host: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The handshake failed.
    #[error("{}", words::causes(.0))]
    Handshake(#[source] Box<tungstenite::Error>),
}

/// What to dial.
#[derive(Clone)]
pub struct Dial<'a> {
    /// The whole address.
    pub url: &'a Url,
    /// Headers of the handshake.
    pub headers: &'a [(String, String)],
    /// The biggest frame and message that is read.
    pub frame_bytes_max: usize,
    /// For all of it.
    pub timeout: Duration,
    /// The way to it.
    pub wire: &'a dyn Wire,
}

/// Dials.
pub async fn dial(
    guard: &Guard,
    tls: &Arc<rustls::ClientConfig>,
    what: &Dial<'_>,
    now: Timestamp,
) -> Result<Socket, DialError> {
    let all = async {
        let addresses = guard.resolve(what.url).await.map_err(|error| match error {
            GuardError::Blocked(blocked) => DialError::Blocked(blocked),
            other => DialError::Name(other),
        })?;
        let plain = connect(&addresses, what).await?;
        let bytes = if what.url.scheme() == "wss" { encrypt(plain, tls, what.url).await? } else { plain };
        handshake(bytes, what, now).await
    };
    tokio::time::timeout(what.timeout, all).await.map_err(|_| DialError::Timeout(what.timeout))?
}

/// Tries the addresses in turn; of several, none may use up all of the time.
async fn connect(addresses: &[SocketAddr], what: &Dial<'_>) -> Result<Box<dyn Bytes>, DialError> {
    let each = what.timeout / u32::try_from(addresses.len().clamp(1, 4)).unwrap_or(1);
    let mut failure = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match tokio::time::timeout(each, what.wire.connect(*address)).await {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody answers"),
        }
    }
    Err(DialError::Connect { host: words::address(what.url), source: failure })
}

async fn encrypt(
    plain: Box<dyn Bytes>,
    tls: &Arc<rustls::ClientConfig>,
    url: &Url,
) -> Result<Box<dyn Bytes>, DialError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.').to_owned();
    let name = ServerName::try_from(host).map_err(|error| DialError::Request(error.to_string()))?;
    let stream = tokio_rustls::TlsConnector::from(tls.clone())
        .connect(name, plain)
        .await
        .map_err(|source| DialError::Connect { host: words::address(url), source })?;
    Ok(Box::new(stream))
}

async fn handshake(bytes: Box<dyn Bytes>, what: &Dial<'_>, now: Timestamp) -> Result<Socket, DialError> {
    let mut request =
        what.url.as_str().into_client_request().map_err(|error| DialError::Handshake(Box::new(error)))?;
    for (name, value) in what.headers {
        let bad =
            || DialError::Request(format!("the header {} holds what no header may", words::plain(name)));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        request.headers_mut().insert(key, value);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(32 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(what.frame_bytes_max))
        .max_frame_size(Some(what.frame_bytes_max));
    match client_async_with_config(request, bytes, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(refused(&response, what.url, now)),
        Err(error) => Err(DialError::Handshake(Box::new(error))),
    }
}

fn refused<T>(response: &Response<T>, url: &Url, now: Timestamp) -> DialError {
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    match response.status().as_u16() {
        status @ (429 | 418) => DialError::RateLimited {
            status,
            until: text("retry-after").and_then(|text| guard::retry_at(text, now)),
        },
        451 => DialError::GeoBlocked,
        status => DialError::Refused { status, location: text("location").and_then(|to| url.join(to).ok()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{SinkExt, StreamExt};
    use guard::{Ask, Client, SystemResolver, tls};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};
    use tokio_tungstenite::tungstenite::Message;

    /// A server with a certificate of its own for `localhost`, and a client that trusts it.
    fn tls_pair() -> (tokio_rustls::TlsAcceptor, rustls::ClientConfig) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Arc::new(server).into(), client)
    }

    fn guard() -> Guard {
        let nets = ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        Guard::new(&nets, Arc::new(SystemResolver), Duration::from_secs(5))
    }

    async fn dialled(url: &str, tls: rustls::ClientConfig) -> Result<Socket, DialError> {
        let url = Url::parse(url).unwrap();
        let timeout = Duration::from_secs(5);
        let what = Dial { url: &url, headers: &[], frame_bytes_max: 1_024, timeout, wire: &Tcp };
        dial(&guard(), &Arc::new(tls), &what, Timestamp::default()).await
    }

    #[tokio::test]
    async fn tls_is_spoken_and_certificates_are_judged() {
        let (acceptor, trusting) = tls_pair();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(tls) = acceptor.accept(tcp).await else { continue };
                let Ok(mut socket) = tokio_tungstenite::accept_async(tls).await else { continue };
                while let Some(Ok(message)) = socket.next().await {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
            }
        });
        let mut socket = dialled(&format!("wss://localhost:{port}/"), trusting.clone()).await.unwrap();
        socket.send(Message::text("x")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("x"));
        drop(socket);
        for (url, config) in [
            (format!("wss://localhost:{port}/"), tls().unwrap()),
            (format!("wss://127.0.0.1:{port}/"), trusting),
        ] {
            let refused =
                dialled(&url, config).await.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains("certificate"), "{url}: {refused}");
        }
    }

    #[tokio::test]
    async fn requests_speak_tls_too() {
        let (acceptor, trusting) = tls_pair();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                let mut head = [0; 1_024];
                let read = tls.read(&mut head).await;
                let wrote = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                assert!(read.is_ok() && wrote.is_ok());
            }
        });
        let clock = clock::Clock::at(Timestamp::default());
        let ask = Ask {
            method: "GET",
            url: &url,
            headers: &[],
            etag: None,
            body: None,
            timeout: Duration::from_secs(5),
            body_bytes_max: 100,
        };
        let answer = Client::new(guard(), clock, trusting).unwrap().fetch(&ask).await.unwrap();
        assert_eq!(answer.body, b"ok");
        let refused = Client::new(guard(), clock, tls().unwrap()).unwrap().fetch(&ask).await.unwrap_err();
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
}
