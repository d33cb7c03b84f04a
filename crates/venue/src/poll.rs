//! What to ask a venue by HTTP: addresses, headers, how many symbols at once, and the limits.
//! It must not know a client.

use crate::Symbol;
use crate::ask::{Limit, symbol_gap};
use crate::template::{Template, query_text};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How a venue is asked by HTTP. One tier of it is in force, chosen by the keys in the environment.
#[derive(Debug, Clone)]
pub struct Http {
    /// How often, unless the row says otherwise.
    pub interval_ms: u64,
    /// Requests to the host.
    pub budget: Option<Limit>,
    /// The whole request, from the first byte of the dial to the last of the body.
    pub timeout_ms: u64,
    /// The biggest body that is read.
    pub body_bytes_max: usize,
    /// The most symbols in one request.
    pub symbols_max: usize,
    pub(crate) url: Template,
    /// Where else it can be asked.
    pub(crate) others: Arc<[Template]>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) key_headers: Vec<(String, String)>,
    /// The operator's keys.
    pub(crate) keys: Vec<String>,
    pub(crate) tiers: Arc<[Tier]>,
}

/// Other terms for whoever has a key.
#[derive(Debug)]
pub(crate) struct Tier {
    /// The environment variable that holds the key.
    pub key: String,
    pub url: Option<Template>,
    pub headers: Vec<(String, Template)>,
    pub interval_ms: Option<u64>,
    pub budget: Option<Limit>,
}

/// One request to send.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The whole address.
    pub url: String,
    /// Headers; their values may be secrets and are never printed.
    pub headers: Vec<(String, String)>,
    /// Headers that hold the operator's key. They are for the venue alone: a row may name any address.
    pub key_headers: Vec<(String, String)>,
    /// The symbols that the answer must hold.
    pub symbols: Vec<Arc<str>>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().chain(&self.key_headers).map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("url", &self.url)
            .field("headers", &names)
            .field("symbols", &self.symbols)
            .finish()
    }
}

/// The names of gaps in the address of a request.
pub(crate) const REQUEST_GAPS: &[&str] =
    &["symbol", "base", "quote", "BASE", "QUOTE", "Base", "Quote", "symbols", "bases", "quotes"];

impl Http {
    /// This venue's terms with the keys that `environment` holds (a demo or a paid key changes address,
    /// headers, interval and budget).
    #[must_use]
    pub fn with_environment(&self, environment: &dyn Fn(&str) -> Option<String>) -> Http {
        let mut out = self.clone();
        let tier = self
            .tiers
            .iter()
            .find_map(|tier| Some((tier, environment(&tier.key).filter(|k| !k.is_empty())?)));
        if let Some((tier, key)) = tier {
            if let Some(url) = &tier.url {
                // Whoever has a key of another address has it there alone.
                (out.url, out.others) = (url.clone(), Arc::default());
            }
            out.interval_ms = tier.interval_ms.unwrap_or(out.interval_ms);
            out.budget = tier.budget.or(out.budget);
            for (name, template) in &tier.headers {
                out.key_headers.push((name.clone(), template.render(|_| Some(key.as_str().into()))));
            }
            out.keys.push(key);
        }
        out
    }

    /// The requests that ask for these symbols, as few as the venue allows. `url` replaces scheme and host of
    /// the venue's own address, and its path and query too where it has them.
    pub fn requests(&self, symbols: &[Symbol], url: Option<&str>) -> Vec<Request> {
        let template = match url {
            Some(url) => Template::parse_free(&replace_origin(url, &self.url_text())),
            None => self.url.clone(),
        };
        let names_quote = template.has("quote") || template.has("QUOTE") || template.has("Quote");
        let groups: Vec<Vec<&Symbol>> = if template.has("symbol") || names_quote {
            symbols.iter().map(|s| vec![s]).collect()
        } else if template.has("base") || template.has("BASE") || template.has("Base") {
            grouped(symbols, |s| s.base.clone())
        } else if template.has("bases") || template.has("symbols") {
            symbols.chunks(self.symbols_max).map(|chunk| chunk.iter().collect()).collect()
        } else {
            vec![symbols.iter().collect()]
        };
        groups.into_iter().filter(|g| !g.is_empty()).map(|group| self.request(&template, &group)).collect()
    }

    /// How many addresses there are, tried in turn.
    pub fn addresses(&self) -> usize {
        1 + self.others.len()
    }

    /// The same at another of its addresses, by its place in the file.
    #[must_use]
    pub fn at_address(&self, place: usize) -> Http {
        let other = (place % self.addresses()).checked_sub(1).and_then(|at| self.others.get(at));
        Http { url: other.unwrap_or(&self.url).clone(), ..self.clone() }
    }

    /// What no text about this venue may repeat: the operator's keys, and what the file puts into headers.
    pub fn secrets(&self) -> Vec<String> {
        self.keys.iter().chain(self.headers.iter().map(|(_, value)| value)).cloned().collect()
    }

    /// Whether an address has scheme, host and port of the venue's own.
    pub fn is_own(&self, url: &str) -> bool {
        origin(url).eq_ignore_ascii_case(origin(&self.url_text()))
    }

    fn url_text(&self) -> String {
        // Rendering every gap with its own name gives the template's text back.
        self.url.render(|name| Some(format!("{{{name}}}").into()))
    }

    fn request(&self, template: &Template, symbols: &[&Symbol]) -> Request {
        let list = |text: &dyn Fn(&Symbol) -> String| {
            let all: BTreeSet<_> = symbols.iter().map(|s| query_text(&text(s))).collect();
            all.into_iter().collect::<Vec<_>>().join(",")
        };
        let url = template.render(|name| {
            Some(match name {
                "symbols" => list(&|s| s.name.to_string()).into(),
                "bases" => list(&|s| s.base.to_ascii_lowercase()).into(),
                "quotes" => list(&|s| s.quote.to_ascii_lowercase()).into(),
                _ => query_text(&symbol_gap(symbols.first()?, name)?).into(),
            })
        });
        Request {
            url,
            headers: self.headers.clone(),
            key_headers: self.key_headers.clone(),
            symbols: symbols.iter().map(|s| s.name.clone()).collect(),
        }
    }
}

/// Scheme, host and port, as written.
fn origin(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let end = url[host_at..].find(['/', '?']).map_or(url.len(), |at| host_at + at);
    &url[..end]
}

fn grouped<K: Ord>(symbols: &[Symbol], key: impl Fn(&Symbol) -> K) -> Vec<Vec<&Symbol>> {
    let mut groups = std::collections::BTreeMap::<K, Vec<&Symbol>>::new();
    for symbol in symbols {
        groups.entry(key(symbol)).or_default().push(symbol);
    }
    groups.into_values().collect()
}

/// The venue's own address on another scheme and host: `http://127.0.0.1:9000` keeps the venue's path and query;
/// an address with a path of its own keeps the venue's query unless it has its own too.
pub fn replace_origin(url: &str, own: &str) -> String {
    let (own_head, own_query) = own.split_once('?').map_or((own, None), |(head, query)| (head, Some(query)));
    if url.contains('?') {
        return url.to_owned();
    }
    let authority = url.find("://").map_or(0, |at| at + 3);
    let has_path = url[authority..].find('/').is_some_and(|at| authority + at + 1 < url.len());
    let head = if has_path {
        url.to_owned()
    } else {
        let own_authority = own_head.find("://").map_or(0, |at| at + 3);
        let path = own_head[own_authority..].find('/').map_or("", |at| &own_head[own_authority + at..]);
        if path.is_empty() { url.to_owned() } else { format!("{}{path}", url.trim_end_matches('/')) }
    };
    own_query.map_or(head.clone(), |query| format!("{head}?{query}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_same_scheme_host_and_port_are_the_venue_s_own() {
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../venues/coingecko.toml"));
        let id = market::VenueId::parse("coingecko").unwrap();
        let venue = crate::Venue::parse(&id, "f", &text.unwrap()).unwrap();
        let http =
            venue.http().unwrap().with_environment(&|name| (name == "COINGECKO_API_KEY").then(|| "k".into()));
        for (url, is_own) in [
            ("https://api.coingecko.com/api/v3/coins?x=1", true),
            ("https://API.coingecko.com", true),
            ("https://api.coingecko.com?x", true),
            ("http://api.coingecko.com/", false),
            ("https://api.coingecko.com:444/", false),
            ("https://api.coingecko.com.example.org/", false),
            ("https://api.coingecko.com@example.org/", false),
            ("https://example.org/https://api.coingecko.com/", false),
            ("https://api.coingecko.com\\@example.org/", false),
        ] {
            assert_eq!(http.is_own(url), is_own, "{url}");
        }
        let symbols = [venue.symbol("bitcoin", "usd").unwrap()];
        let request = &http.requests(&symbols, None)[0];
        assert_eq!(request.key_headers, [("x-cg-demo-api-key".to_owned(), "k".to_owned())]);
        assert!(request.headers.is_empty() && !format!("{request:?}").contains("\"k\""));
    }

    use super::*;

    #[test]
    fn an_address_in_a_row_replaces_what_it_names() {
        let own = "https://api.example.org/v3/price?ids={bases}";
        for (url, want) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/v3/price?ids={bases}"),
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000/v3/price?ids={bases}"),
            ("https://pro.example.org/x", "https://pro.example.org/x?ids={bases}"),
            ("https://pro.example.org/x?a=1", "https://pro.example.org/x?a=1"),
        ] {
            assert_eq!(replace_origin(url, own), want);
        }
        // A venue whose address comes from its token call: the slash before the query stays.
        assert_eq!(
            replace_origin("ws://127.0.0.1:9000/", "{endpoint}?token={token}"),
            "ws://127.0.0.1:9000/?token={token}"
        );
    }
}
