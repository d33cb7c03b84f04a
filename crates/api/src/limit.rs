//! How much one client may ask: a token bucket per address, in a table that cannot grow without end.
//! It must not know what is asked.

use hyper::HeaderMap;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

/// How many requests one address may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run, each second.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// What an address may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether this request may pass.
    pub(crate) pass: bool,
    /// The burst.
    pub(crate) limit: u32,
    /// Requests left at once.
    pub(crate) remaining: u32,
    /// Seconds until the next request may pass (refused) or the burst is whole again (passed).
    pub(crate) reset_s: u64,
}

/// Thousandths of a request left, and when that was so.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left_milli: u64,
    at_ms: u64,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: RateLimit,
    trusted: Vec<IpNet>,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Limiter {
    /// More addresses than this at a time share one bucket.
    const ADDRESSES_MAX: usize = 65_536;

    pub(crate) fn new(limit: RateLimit, trusted: Vec<IpNet>) -> Limiter {
        let limit = RateLimit { per_second: limit.per_second.max(1), burst: limit.burst.max(1) };
        Limiter { limit, trusted, buckets: Mutex::default() }
    }

    /// Whose bucket pays: the peer; or, if the peer is a trusted proxy, the last address of `X-Forwarded-For`
    /// that is not one. What stands before that may have been invented by the client.
    pub(crate) fn payer(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |ip: IpAddr| self.trusted.iter().any(|net| net.contains(&ip));
        let mut payer = peer.to_canonical();
        if is_trusted(payer) {
            let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
            let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
            for name in named.into_iter().rev() {
                let Ok(ip) = name.parse::<IpAddr>() else { break };
                payer = ip.to_canonical();
                if !is_trusted(payer) {
                    break;
                }
            }
        }
        match payer {
            // One customer usually has a whole /64 to walk through.
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
            ip => ip,
        }
    }

    /// Takes one request from the payer's bucket.
    pub(crate) fn take(&self, payer: IpAddr, now_ms: u64) -> Verdict {
        let (rate, full) = (u64::from(self.limit.per_second), u64::from(self.limit.burst) * 1_000);
        let refilled = |b: &Bucket| {
            full.min(b.left_milli.saturating_add(now_ms.saturating_sub(b.at_ms).saturating_mul(rate)))
        };
        let mut buckets = self.buckets.lock();
        let mut payer = payer;
        if buckets.len() >= Self::ADDRESSES_MAX && !buckets.contains_key(&payer) {
            buckets.retain(|_, bucket| refilled(bucket) < full);
            if buckets.len() >= Self::ADDRESSES_MAX {
                payer = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        let bucket = buckets.entry(payer).or_insert(Bucket { left_milli: full, at_ms: now_ms });
        let left = refilled(bucket);
        let pass = left >= 1_000;
        let left = if pass { left - 1_000 } else { left };
        *bucket = Bucket { left_milli: left, at_ms: now_ms.max(bucket.at_ms) };
        let missing = if pass { full - left } else { 1_000 - left };
        Verdict {
            pass,
            limit: self.limit.burst,
            remaining: u32::try_from(left / 1_000).unwrap_or(u32::MAX),
            reset_s: missing.div_ceil(rate * 1_000).max(1),
        }
    }
}

impl Verdict {
    /// Says it in the answer's head.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert("ratelimit-limit", self.limit.into());
        headers.insert("ratelimit-remaining", self.remaining.into());
        headers.insert("ratelimit-reset", self.reset_s.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(trusted: &[&str]) -> Limiter {
        let trusted = trusted.iter().map(|net| net.parse().unwrap()).collect();
        Limiter::new(RateLimit { per_second: 2, burst: 3 }, trusted)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let limiter = limiter(&[]);
        let ip = "192.0.2.1".parse().unwrap();
        let passes: Vec<bool> =
            [0, 0, 0, 0, 499, 500, 500, 100_000].map(|at| limiter.take(ip, at).pass).to_vec();
        assert_eq!(passes, [true, true, true, false, false, true, false, true]);
        assert_eq!(limiter.take(ip, 100_000).remaining, 1);
        assert!(limiter.take("192.0.2.2".parse().unwrap(), 500).pass, "another address has its own bucket");
    }

    #[test]
    fn only_a_trusted_proxy_may_speak_for_others() {
        for (trusted, peer, header, payer) in [
            (&[][..], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
            (&["10.0.0.0/8"], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
            (&["10.0.0.0/8"], "10.0.0.1", "203.0.113.9", "203.0.113.9"),
            (&["10.0.0.0/8"], "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
            (&["10.0.0.0/8"], "10.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            (&["10.0.0.0/8"], "10.0.0.1", "203.0.113.9, junk", "10.0.0.1"),
            (&[], "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().unwrap());
            let found = limiter(trusted).payer(peer.parse().unwrap(), &headers);
            assert_eq!(found, payer.parse::<IpAddr>().unwrap(), "{peer} {header}");
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let limiter = limiter(&[]);
        for n in 0..u32::try_from(Limiter::ADDRESSES_MAX).unwrap() + 1_000 {
            limiter.take(IpAddr::V4(n.into()), 0);
        }
        assert!(limiter.buckets.lock().len() <= Limiter::ADDRESSES_MAX + 1);
    }
}
