//! What a simulated venue understands and answers: subscriptions, pings, requests, all by the words of its venue
//! file. Pure; it must not know sockets, prices or any venue's name.

use crate::{
    Error,
    json::{Node, id_text, reduced, shape, with_id},
    template::{Fields, Template},
};
use market::Pair;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use venue::{Example, Frame, PingFrame, Said, Symbol, Variables, Venue};

/// A venue's language: everything needed to talk like it.
#[derive(Debug)]
pub(crate) struct Spoken {
    venue: Arc<Venue>,
    symbols: Vec<Symbol>,
    /// Every spelling of a symbol that a client may use -> its number.
    spellings: HashMap<String, usize>,
    /// Characters other than letters and digits that stand inside this venue's names.
    inner: HashSet<char>,
    templates: Vec<Template>,
    ack: Option<Ack>,
    welcome: Option<String>,
    pong: Option<String>,
    ping_shape: Option<String>,
    /// Words that only a cancellation has.
    cancelling: HashSet<String>,
}

#[derive(Debug)]
struct Ack {
    text: String,
    /// The symbol that it names: then every symbol is acknowledged by itself.
    names: Option<Arc<str>>,
    /// Whether one message acknowledges several.
    together: bool,
}

/// What a client's message means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is alive.
    Ping,
    /// It wants these symbols.
    Subscribe(Vec<usize>),
    /// It no longer wants these.
    Unsubscribe(Vec<usize>),
    /// It wants these and nothing else.
    Replace(Vec<usize>),
}

impl Spoken {
    /// Learns the language from the venue's file; `pairs` are those it can be asked for.
    pub(crate) fn of(venue: &Arc<Venue>, pairs: &[Pair]) -> Result<Spoken, Error> {
        let symbol = |pair: &Pair| venue.symbol(pair.base().as_str(), pair.quote().as_str()).ok();
        let mut symbols: Vec<Symbol> = pairs.iter().filter_map(symbol).collect();
        let cannot =
            |reason: &str| Error::CannotSimulate { venue: venue.id().clone(), reason: reason.to_owned() };
        let trials: Vec<Symbol> =
            [0, symbols.len() / 2].into_iter().filter_map(|at| symbols.get(at).cloned()).collect();
        if trials.is_empty() {
            return Err(cannot("it spells none of the demo's pairs"));
        }
        if has_symbol_in_path(venue, &symbols) {
            return Err(cannot("its address holds the symbol in the path"));
        }
        let wished = wished_words(venue, &trials);
        let templates = templates(venue, &trials, &wished);
        if templates.is_empty() {
            return Err(cannot("none of its examples could be filled in with other prices and read back"));
        }
        // What its file would not read back (a quote that the venue does not have), it does not quote.
        symbols.retain(|symbol| templates.iter().all(|template| template.is_read_back(venue, symbol)));
        let mut spellings = HashMap::new();
        for (number, symbol) in symbols.iter().enumerate() {
            let name = &*symbol.name;
            for spelling in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                spellings.entry(spelling).or_insert(number);
            }
            // A channel may run into the name: `channel_BASE_QUOTE`.
            for item in venue.ws().map(|ws| ws.items(symbol)).unwrap_or_default() {
                spellings.entry(item).or_insert(number);
            }
        }
        let names = symbols.iter().flat_map(|s| [&s.name, &s.base, &s.quote]);
        let inner = names.flat_map(|name| name.chars()).filter(|c| !c.is_alphanumeric()).collect();
        let (mut next_id, now) = (1, 0);
        let ws = venue.ws();
        let by_text =
            |ws: &&venue::Ws| ws.ping_for(&Variables::new()).is_some_and(|p| p.frame == PingFrame::Text);
        let ping_shape = ws.filter(by_text).map(|ws| shape(&ws.ping_text(&mut next_id, now)));
        Ok(Spoken {
            ack: best(venue, &wished, |text, binary| ack_of(venue, text, binary)),
            welcome: best(venue, &wished, |text, binary| {
                let said = said(venue, text, binary)?;
                said.iter().any(|said| matches!(said, Said::Welcome)).then(|| text.to_owned())
            }),
            pong: pong(venue, &wished, |text| text.to_ascii_lowercase().contains("pong"))
                // One that says something else, where there is no other sign of life.
                .or_else(|| pong(venue, &wished, |_| true)),
            ping_shape: ping_shape.filter(|shape| !shape.is_empty()),
            cancelling: cancelling_words(venue, &trials),
            venue: Arc::clone(venue),
            symbols,
            spellings,
            inner,
            templates,
        })
    }

    pub(crate) fn venue(&self) -> &Arc<Venue> {
        &self.venue
    }

    pub(crate) fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The frames that together give every price that the venue's examples have.
    pub(crate) fn templates(&self) -> &[Template] {
        &self.templates
    }

    pub(crate) fn welcome(&self) -> Option<&str> {
        self.welcome.as_deref()
    }

    /// The answer to a ping, where the examples have one.
    pub(crate) fn pong(&self, ping: &str) -> Option<String> {
        let pong = self.pong.as_deref()?;
        Some(id_text(ping).map_or_else(|| pong.to_owned(), |id| with_id(pong, id)))
    }

    /// What a client's message means.
    pub(crate) fn hear(&self, message: &str) -> Heard {
        if self.ping_shape.as_deref() == Some(shape(message).as_str()) {
            return Heard::Ping;
        }
        let wanted = self.symbols_in(message);
        if self.venue.ws().is_some_and(|ws| ws.replaces) {
            return Heard::Replace(wanted);
        }
        let cancels = words(message).iter().any(|word| self.cancelling.contains(word));
        if cancels { Heard::Unsubscribe(wanted) } else { Heard::Subscribe(wanted) }
    }

    /// The symbols that a message or address names, in its order.
    pub(crate) fn symbols_in(&self, message: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let mut known = HashSet::new();
        for word in message.split(|c: char| !c.is_alphanumeric() && !self.inner.contains(&c)) {
            if let Some(number) = self.spellings.get(word)
                && known.insert(*number)
            {
                found.push(*number);
            }
        }
        found
    }

    /// The symbols that a request asks for: those named, and those whose base and quote are.
    pub(crate) fn symbols_asked(&self, target: &str) -> Vec<usize> {
        let target = percent_decoded(target).to_ascii_lowercase();
        let words: HashSet<&str> =
            target.split(|c: char| !c.is_alphanumeric() && !self.inner.contains(&c)).collect();
        let asked = |(number, symbol): (usize, &Symbol)| {
            let has = |word: &str| words.contains(word.to_ascii_lowercase().as_str());
            (has(&symbol.name) || has(&symbol.base) && has(&symbol.quote)).then_some(number)
        };
        let found: Vec<usize> = self.symbols.iter().enumerate().filter_map(asked).collect();
        if !found.is_empty() {
            return found;
        }
        // Where an address names bases only, every quote is asked for.
        let of_base = |(number, symbol): (usize, &Symbol)| {
            words.contains(symbol.base.to_ascii_lowercase().as_str()).then_some(number)
        };
        self.symbols.iter().enumerate().filter_map(of_base).collect()
    }

    /// The acknowledgements of a message about these symbols, with the id that the client gave.
    pub(crate) fn acks(&self, message: &str, heard: &Heard) -> Vec<String> {
        let with_client_id =
            |text: &str| id_text(message).map_or_else(|| text.to_owned(), |id| with_id(text, id));
        let (Some(ack), false) = (&self.ack, *heard == Heard::Ping) else { return Vec::new() };
        let (name, numbers) = match (&ack.names, heard) {
            (None, _) => return vec![with_client_id(&ack.text)],
            (Some(name), Heard::Subscribe(numbers) | Heard::Replace(numbers)) => (name, numbers),
            // The only acknowledgement on record says "subscribed".
            (Some(_), _) => return Vec::new(),
        };
        let symbols = numbers.iter().filter_map(|number| self.symbols.get(*number));
        let each = symbols.map(|symbol| with_client_id(&ack.text.replace(&**name, &symbol.name)));
        if ack.together && !numbers.is_empty() { vec![merged(each)] } else { each.collect() }
    }
}

/// Words of three letters and more, in lower case.
fn words(text: &str) -> HashSet<String> {
    let long = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() >= 3);
    long.map(str::to_ascii_lowercase).collect()
}

/// Whether requests for different symbols go to different paths: one address in a row cannot stand for them.
fn has_symbol_in_path(venue: &Venue, symbols: &[Symbol]) -> bool {
    let Some(http) = venue.http().filter(|_| venue.ws().is_none()) else { return false };
    let paths: HashSet<String> = symbols
        .iter()
        .flat_map(|symbol| http.requests(std::slice::from_ref(symbol), None))
        .map(|request| request.url.split('?').next().unwrap_or_default().to_owned())
        .collect();
    paths.len() > 1
}

/// The words of a subscription of this venue, symbols left out: its channels are among them.
fn wished_words(venue: &Venue, trials: &[Symbol]) -> HashSet<String> {
    let mut text = String::new();
    if let Some(ws) = venue.ws() {
        for outgoing in ws.subscribe(trials, trials, &mut 1) {
            text.push_str(&outgoing.text);
            text.push(' ');
        }
        let dialled =
            ws.urls.first().map(|url| ws.dial_url(url, trials, &Variables::new())).unwrap_or_default();
        // The host's words say nothing about channels.
        text.push_str(
            dialled.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, p)| p),
        );
    }
    let mut wished = words(&text);
    for symbol in trials {
        for word in words(&format!("{} {} {}", symbol.name, symbol.base, symbol.quote)) {
            wished.remove(&word);
        }
    }
    wished
}

/// The words that an unsubscription has and a subscription has not.
fn cancelling_words(venue: &Venue, trials: &[Symbol]) -> HashSet<String> {
    let Some(ws) = venue.ws() else { return HashSet::new() };
    let text =
        |outgoing: Vec<venue::Outgoing>| outgoing.into_iter().map(|o| o.text + " ").collect::<String>();
    let subscribing = words(&text(ws.subscribe(trials, trials, &mut 1)));
    let cancelling = words(&text(ws.unsubscribe(trials, &[], &mut 1)));
    cancelling
        .difference(&subscribing)
        .filter(|word| word.chars().all(char::is_alphabetic))
        .cloned()
        .collect()
}

/// The fewest examples that together give last, bid and ask: those whose words fit the subscription best.
fn templates(venue: &Arc<Venue>, trials: &[Symbol], wished: &HashSet<String>) -> Vec<Template> {
    let mut all: Vec<Template> =
        venue.examples().iter().filter_map(|e| Template::of(venue, e, trials)).collect();
    let fields = |has: Fields| usize::from(has.last) + usize::from(has.bid) + usize::from(has.ask);
    // Stable: among equals the file's order counts.
    all.sort_by_key(|t| std::cmp::Reverse((fitting_words(t.text(), wished), fields(t.has()))));
    let fit = all.first().map_or(0, |t| fitting_words(t.text(), wished));
    let (mut chosen, mut have): (Vec<Template>, Fields) = (Vec::new(), Fields::default());
    for template in all {
        let has = template.has();
        let adds = has.last && !have.last || has.bid && !have.bid || has.ask && !have.ask;
        // A second kind of frame only where it was asked for just as much.
        if adds && fitting_words(template.text(), wished) >= fit {
            have = Fields { last: have.last || has.last, bid: have.bid || has.bid, ask: have.ask || has.ask };
            chosen.push(template);
        }
    }
    chosen
}

fn fitting_words(text: &str, wished: &HashSet<String>) -> usize {
    let text = text.to_ascii_lowercase();
    // A channel's name may be part of a longer word: `ticker` in `24hrTicker`.
    wished.iter().filter(|word| text.contains(word.as_str())).count()
}

/// The example of a kind whose words fit the subscription best.
fn best<T>(
    venue: &Arc<Venue>,
    wished: &HashSet<String>,
    kind: impl Fn(&str, bool) -> Option<T>,
) -> Option<T> {
    let of_kind = |example: &Example| {
        let text = std::str::from_utf8(&example.frame).ok()?;
        Some((fitting_words(text, wished), kind(text, example.binary)?))
    };
    // The first of the best, hence not `max_by_key`.
    let found = venue.examples().iter().filter_map(of_kind);
    found.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, found)| found)
}

/// The sign of life among the examples that answers a ping.
fn pong(venue: &Arc<Venue>, wished: &HashSet<String>, is_pong: impl Fn(&str) -> bool) -> Option<String> {
    best(venue, wished, |text, binary| {
        let said = said(venue, text, binary)?;
        (matches!(said[..], [Said::Heartbeat]) && is_pong(text)).then(|| text.to_owned())
    })
}

fn said(venue: &Arc<Venue>, text: &str, binary: bool) -> Option<Vec<Said>> {
    let frame = if binary { Frame::Binary(text.as_bytes()) } else { Frame::Text(text.as_bytes()) };
    let mut said = Vec::new();
    venue.reader_of_everything().read(frame, &mut said).ok()?;
    Some(said)
}

/// An acknowledgement, cut down to one symbol where it names several.
fn ack_of(venue: &Arc<Venue>, text: &str, binary: bool) -> Option<Ack> {
    let all = said(venue, text, binary)?;
    let kept = all.first().filter(|_| all.iter().all(|said| matches!(said, Said::Acknowledged { .. })))?;
    let Said::Acknowledged { symbol: names, .. } = kept else { return None };
    let acks = |text: &str| {
        let said = said(venue, text, binary)?;
        said.contains(kept).then_some(said.len())
    };
    Some(Ack { text: reduced(text, acks)?, names: names.clone(), together: all.len() > 1 })
}

/// One body for several symbols: the bodies for each of them, merged. No body at all is an empty object.
pub(crate) fn merged(bodies: impl IntoIterator<Item = String>) -> String {
    let nodes = bodies.into_iter().filter_map(|body| Node::parse(&body));
    let all = nodes.reduce(|mut all, next| {
        all.merge(next);
        all
    });
    all.map_or_else(|| "{}".to_owned(), |all| all.to_string())
}

/// The target with `%2C` and the like decoded; what is not text after that is dropped.
fn percent_decoded(target: &str) -> String {
    url::form_urlencoded::parse(target.replace(['?', '&'], "&").as_bytes())
        .flat_map(|(key, value)| [key, value])
        .fold(String::new(), |all, part| all + &part + " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{test_venues, walk};

    #[test]
    fn every_venue_file_is_spoken() {
        for venue in test_venues::all() {
            let spoken = Spoken::of(&venue, &walk::pairs()).unwrap();
            // The test below would not notice if most were left out.
            assert!(spoken.symbols().len() > 150, "{} {}", venue.id(), spoken.symbols().len());
            let gives = |field: fn(Fields) -> bool| spoken.templates().iter().any(|t| field(t.has()));
            assert!(gives(|has| has.last), "{}", venue.id());
            let ticks = || venue.examples().iter().flat_map(|example| &example.ticks);
            assert_eq!(gives(|has| has.bid), ticks().any(|tick| tick.bid.is_some()), "{}", venue.id());
            assert_eq!(gives(|has| has.ask), ticks().any(|tick| tick.ask.is_some()), "{}", venue.id());
        }
    }

    #[test]
    fn a_message_means_what_the_file_says() {
        for venue in test_venues::all() {
            let Some(ws) = venue.ws() else { continue };
            let spoken = Spoken::of(&venue, &walk::pairs()).unwrap();
            let symbols: Vec<Symbol> = spoken.symbols()[..3].to_vec();
            let (mut id, mut heard) = (40, Vec::new());
            for outgoing in ws.subscribe(&symbols, &symbols, &mut id) {
                let (Heard::Subscribe(numbers) | Heard::Replace(numbers)) = spoken.hear(&outgoing.text)
                else {
                    panic!("{}", outgoing.text)
                };
                for ack in spoken.acks(&outgoing.text, &Heard::Subscribe(numbers.clone())) {
                    let said = said(&venue, &ack, false).unwrap();
                    assert!(
                        said.iter().all(|said| matches!(said, Said::Acknowledged { .. })),
                        "{ack}: {said:?}"
                    );
                }
                heard.extend(numbers);
            }
            heard.sort_unstable();
            // A symbol may need several messages.
            heard.dedup();
            assert_eq!(heard, [0, 1, 2], "{}", venue.id());
            for outgoing in ws.unsubscribe(&symbols[..1], &symbols[1..], &mut id) {
                let meant =
                    if ws.replaces { Heard::Replace(vec![1, 2]) } else { Heard::Unsubscribe(vec![0]) };
                assert_eq!(spoken.hear(&outgoing.text), meant, "{}", outgoing.text);
            }
            let ping = ws.ping_for(&Variables::new()).filter(|ping| ping.frame == PingFrame::Text);
            let Some(ping) = ping else { continue };
            let text = ws.ping_text(&mut id, 1_790_000_000_000);
            assert_eq!(spoken.hear(&text), Heard::Ping, "{text}");
            let pong = spoken.pong(&text);
            assert!(pong.is_some() || ping.answer_within_ms.is_none(), "{}: no pong to {text}", venue.id());
        }
    }
}
