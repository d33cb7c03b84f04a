//! Values that must never be printed: a secret prints as `***`, an address prints without its password.
//! It must not know what the values are for.

use std::fmt;

/// A value that prints as `***`; only [`Secret::reveal`] shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a value from being printed.
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    /// The value, for whoever needs it on the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The address of a store, broker or cache; prints without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Secret);

impl Address {
    /// Keeps an address.
    pub fn new(url: &str) -> Address {
        Address(Secret::new(url.trim().to_owned()))
    }

    /// The whole address.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Whether it begins with this scheme.
    pub fn has_scheme(&self, scheme: &str) -> bool {
        self.reveal().split_once(':').is_some_and(|(s, _)| s.eq_ignore_ascii_case(scheme))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(self.reveal()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Words in the name of a query parameter whose value is hidden.
const TELLING: &[&str] = &["password", "passwd", "secret", "token", "key", "auth"];

/// The address with `***` for its password and for telling query values.
/// Works on the text, since a password may hold what no parser of addresses accepts.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // No address, but there may be a password in it all the same.
        return if url.contains('@') { "…".to_owned() } else { url.to_owned() };
    };
    let (place, query) = match rest.rsplit_once('@') {
        // A password may hold `?` and `/`: what stands before the last `@` is never shown.
        Some((who, place)) => {
            let name = who.split_once(':').map_or(who, |(name, _)| name);
            let (place, query) = split_query(place);
            (format!("{name}:***@{place}"), query)
        }
        None => {
            let (place, query) = split_query(rest);
            (place.to_owned(), query)
        }
    };
    match query {
        None => format!("{scheme}://{place}"),
        Some(query) => format!("{scheme}://{place}?{}", hidden(query)),
    }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(place, query)| (place, Some(query)))
}

fn hidden(query: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) if TELLING.iter().any(|word| name.to_ascii_lowercase().contains(word)) => {
            format!("{name}=***")
        }
        _ => part.to_owned(),
    };
    query.split('&').map(part).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_printed() {
        for (url, shown) in [
            ("sqlite://rates.db", "sqlite://rates.db"),
            ("memory://", "memory://"),
            ("memory", "memory"),
            ("amqp:u:hunter2@host", "…"),
            ("hunter2@host", "…"),
            ("postgres://app:hunter2@db:5432/rates", "postgres://app:***@db:5432/rates"),
            ("redis://:hunter2@cache/0", "redis://:***@cache/0"),
            ("amqp://u:p@ss/w?rd@host/%2f", "amqp://u:***@host/%2f"),
            (
                "postgres://db/rates?user=a&password=hunter2&sslmode=require",
                "postgres://db/rates?user=a&password=***&sslmode=require",
            ),
            ("postgres://a:b@db/x?sslpassword=hunter2", "postgres://a:***@db/x?sslpassword=***"),
        ] {
            assert_eq!(Address::new(url).to_string(), shown);
            assert_eq!(format!("{:?}", Address::new(url)), shown);
        }
        assert_eq!(format!("{0} {0:?}", Secret::new("hunter2".to_owned())), "*** ***");
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        assert!(Address::new("MEMORY://").has_scheme("memory"));
        assert!(!Address::new("memory").has_scheme("memory"));
    }
}
