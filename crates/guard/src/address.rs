//! Which addresses may be dialled. Every address of a row or a venue file is untrusted: the name is resolved
//! here, every answer is judged, and exactly what was judged is dialled. It must not know who asks, or for what.
//!
//! Plain `ws://` and `http://` are allowed: what is public may be read in the clear, and `replay` and `demo`
//! speak nothing else.

use crate::words;
use async_trait::async_trait;
use ipnet::IpNet;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use url::{Host, Url};

/// Why an address is not dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Blocked(pub String);

/// Why an address could not be found.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// It must not be dialled.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// Its name has no address, or the name service does not answer.
    #[error("{host} can't be resolved")]
    Unresolved {
        /// The name.
        host: String,
        /// What the name service said.
        #[source]
        source: std::io::Error,
    },
}

/// Turns names into addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// Every address of a name.
    async fn addresses(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// The host's own name service.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn addresses(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Judges addresses.
#[derive(Clone)]
pub struct Guard {
    allow_private: Arc<[IpNet]>,
    resolver: Arc<dyn Resolver>,
    timeout: Duration,
}

impl Guard {
    /// A guard that lets nothing through to networks that are not public, but for `allow_private`.
    pub fn new(allow_private: &[IpNet], resolver: Arc<dyn Resolver>, timeout: Duration) -> Guard {
        Guard { allow_private: allow_private.into(), resolver, timeout }
    }

    /// What can be said of an address without asking the name service: its scheme, its user part, and its
    /// host where that is written as numbers (in any of the spellings that a browser would read) or is a name
    /// that always means this machine.
    pub fn check(&self, url: &Url) -> Result<(), Blocked> {
        if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
            return Err(Blocked(format!(
                "the scheme {} is not dialled; write wss, ws, https or http",
                words::plain(url.scheme())
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked("an address with a user part is not dialled".to_owned()));
        }
        match url.host() {
            None => Err(Blocked("the address names no host".to_owned())),
            Some(Host::Ipv4(ip)) => self.judge(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => self.judge(IpAddr::V6(ip)),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                if name == "localhost" || name.ends_with(".localhost") {
                    self.judge(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
                }
                Ok(())
            }
        }
    }

    /// Whether the host is written as an address of a network that is not public and that the operator has opened:
    /// a machine of the operator's own, then, which may be told a key.
    pub fn is_opened(&self, url: &Url) -> bool {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) | None => return false,
        };
        not_public(ip).is_some() && self.judge(ip).is_ok()
    }

    /// The addresses to dial: every one of them judged. One that is refused refuses them all, since a name
    /// that mixes public and internal addresses means harm.
    pub async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, GuardError> {
        self.check(url)?;
        let port = url.port_or_known_default().unwrap_or(443);
        match url.host() {
            Some(Host::Ipv4(ip)) => Ok(vec![SocketAddr::new(ip.into(), port)]),
            Some(Host::Ipv6(ip)) => Ok(vec![SocketAddr::new(ip.into(), port)]),
            Some(Host::Domain(name)) => self.resolve_name(name, port).await,
            None => Err(Blocked("the address names no host".to_owned()).into()),
        }
    }

    /// Likewise, for a name that comes without an address around it.
    pub async fn resolve_name(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, GuardError> {
        let unresolved = |source| GuardError::Unresolved { host: words::plain(host), source };
        let found = tokio::time::timeout(self.timeout, self.resolver.addresses(host, port))
            .await
            .map_err(|_| {
                unresolved(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    "the name service does not answer",
                ))
            })?
            .map_err(unresolved)?;
        if found.is_empty() {
            return Err(unresolved(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "the name has no address",
            )));
        }
        for address in &found {
            self.judge(address.ip())?;
        }
        Ok(found)
    }

    fn judge(&self, ip: IpAddr) -> Result<(), Blocked> {
        let ip = match ip {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
            IpAddr::V4(_) => ip,
        };
        let Some(net) = not_public(ip) else { return Ok(()) };
        if self.allow_private.iter().any(|allowed| allowed.contains(&ip)) {
            return Ok(());
        }
        Err(Blocked(format!("{ip} is {net}; allow_private opens such networks")))
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

/// What kind of network an address belongs to, unless it is public. After the special-purpose registries of
/// IANA (RFC 6890 and its updates).
fn not_public(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => not_public_v4(ip),
        IpAddr::V6(ip) => not_public_v6(ip),
    }
}

fn not_public_v4(ip: Ipv4Addr) -> Option<&'static str> {
    Some(match ip.octets() {
        [0, ..] => "unspecified",
        [127, ..] => "loopback",
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => "private",
        [169, 254, ..] => "link-local",
        [100, 64..=127, ..] => "carrier-grade NAT",
        [192, 0, 0, _] => "reserved for protocols",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "for documentation",
        [192, 88, 99, _] => "a 6to4 relay",
        [198, 18..=19, ..] => "for benchmarks",
        [224..=239, ..] => "multicast",
        [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn not_public_v6(ip: Ipv6Addr) -> Option<&'static str> {
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0, 0, 0, 0, 0, 0, ..] => "IPv4 written as IPv6",
        [0, 0, 0, 0, 0xffff, 0, ..] => "IPv4 translated",
        [0x64, 0xff9b, ..] => "NAT64",
        [0x2001, 0, ..] => "Teredo",
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => "for documentation",
        [0x2001, 0x0001..=0x01ff, ..] => "reserved for protocols",
        [0x2002, ..] => "6to4",
        [0xfc00..=0xfdff, ..] => "private",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xfec0..=0xfeff, ..] => "site-local",
        [0xff00..=0xffff, ..] => "multicast",
        [0x2000..=0x3fff, ..] => return None,
        _ => "not allocated to the public internet",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    fn guard(allow: &[&str]) -> Guard {
        let nets: Vec<IpNet> = allow.iter().map(|net| net.parse().unwrap()).collect();
        Guard::new(&nets, Arc::new(SystemResolver), Duration::from_secs(1))
    }

    #[test]
    fn internal_addresses_in_every_spelling_are_refused() {
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "ws://127.0.0.1:80",
            "ws://127.1",
            "ws://0x7f.1",
            "ws://2130706433",
            "ws://017700000001",
            "ws://0177.0.0.1",
            "ws://①②⑦.0.0.1",
            "ws://0.0.0.0",
            "ws://0",
            "ws://10.1.2.3",
            "ws://172.16.0.1",
            "ws://172.31.255.255",
            "ws://192.168.0.1",
            "ws://100.64.0.1",
            "ws://198.18.0.1",
            "ws://192.0.2.1",
            "ws://192.0.0.8",
            "ws://224.0.0.1",
            "ws://255.255.255.255",
            "ws://[::]",
            "ws://[::1]",
            "ws://[::ffff:127.0.0.1]",
            "ws://[::ffff:7f00:1]",
            "ws://[::127.0.0.1]",
            "ws://[::ffff:0:127.0.0.1]",
            "ws://[64:ff9b::7f00:1]",
            "ws://[64:ff9b:1::1]",
            "ws://[2002:7f00:1::]",
            "ws://[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
            "ws://[2001:db8::1]",
            "ws://[2001:2::1]",
            "ws://[3fff::1]",
            "ws://[fc00::1]",
            "ws://[fd00:ec2::254]",
            "ws://[fe80::1]",
            "ws://[fec0::1]",
            "ws://[ff02::1]",
            "ws://[4000::1]",
            "ws://localhost",
            "ws://localhost.:9",
            "ws://a.LOCALHOST",
            "file:///etc/passwd",
            "gopher://example.com/",
            "ws://user@example.com",
            "ws://user:pass@example.com",
            "wss://:pass@example.com",
        ] {
            let parsed = Url::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
            assert!(guard(&[]).check(&parsed).is_err(), "{url} was let through");
        }
    }

    #[test]
    fn public_addresses_and_allowed_networks_are_let_through() {
        for (url, allow) in [
            ("wss://8.8.8.8", &[][..]),
            ("https://example.com/a?b", &[]),
            ("wss://[2606:4700::1111]", &[]),
            ("ws://[::ffff:8.8.8.8]", &[]),
            ("ws://127.0.0.1:9", &["127.0.0.0/8"]),
            ("ws://[::ffff:127.0.0.1]:9", &["127.0.0.0/8"]),
            ("ws://localhost:9", &["127.0.0.0/8"]),
            ("ws://[::1]:9", &["::1/128"]),
            ("ws://10.0.0.5:9", &["10.0.0.0/8"]),
        ] {
            assert_eq!(guard(allow).check(&Url::parse(url).unwrap()), Ok(()), "{url}");
        }
        assert!(guard(&["10.0.0.0/8"]).check(&Url::parse("ws://127.0.0.1").unwrap()).is_err());
    }

    #[test]
    fn only_addresses_of_opened_networks_are_the_operator_s_own() {
        for (url, is_opened) in [
            ("http://10.0.0.5/x", true),
            ("http://[::ffff:10.0.0.5]/x", true),
            ("http://127.0.0.1/", false),
            ("http://8.8.8.8/", false),
            ("http://inner.example/", false),
        ] {
            let guard = guard(&["10.0.0.0/8", "8.0.0.0/8"]);
            assert_eq!(guard.is_opened(&Url::parse(url).unwrap()), is_opened, "{url}");
        }
    }

    struct Answers(Mutex<Vec<Vec<&'static str>>>);

    #[async_trait]
    impl Resolver for Answers {
        async fn addresses(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
            let answer = self.0.lock().pop().unwrap_or_default();
            Ok(answer.into_iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
        }
    }

    #[tokio::test]
    async fn every_answer_of_the_name_service_is_judged() {
        for (answer, good) in [
            (vec!["8.8.8.8"], true),
            (vec!["8.8.8.8", "127.0.0.1"], false),
            (vec!["::ffff:10.0.0.1"], false),
            (vec!["169.254.169.254"], false),
            (vec![], false),
        ] {
            let resolver = Arc::new(Answers(Mutex::new(vec![answer.clone()])));
            let guard = Guard::new(&[], resolver, Duration::from_secs(1));
            let found = guard.resolve(&Url::parse("wss://feed.example").unwrap()).await;
            assert_eq!(found.is_ok(), good, "{answer:?}: {found:?}");
        }
    }

    #[tokio::test]
    async fn a_name_is_asked_once_per_dial_and_what_was_judged_is_what_is_dialled() {
        let resolver = Arc::new(Answers(Mutex::new(vec![vec!["127.0.0.1"], vec!["8.8.8.8"]])));
        let guard = Guard::new(&[], resolver, Duration::from_secs(1));
        let url = Url::parse("wss://rebind.example").unwrap();
        assert_eq!(guard.resolve(&url).await.unwrap(), vec!["8.8.8.8:443".parse().unwrap()]);
        assert!(
            matches!(guard.resolve(&url).await, Err(GuardError::Blocked(_))),
            "the second answer is judged anew"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_service_that_hangs_is_given_up() {
        struct Hangs;
        #[async_trait]
        impl Resolver for Hangs {
            async fn addresses(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
                std::future::pending().await
            }
        }
        let guard = Guard::new(&[], Arc::new(Hangs), Duration::from_secs(1));
        let found = guard.resolve(&Url::parse("wss://feed.example").unwrap()).await;
        assert!(matches!(found, Err(GuardError::Unresolved { .. })));
    }
}
