//! What the answers to requests say: ticks are published, problems find their symbols. It must not know how an
//! answer came, nor when the next request is due.

use crate::{
    cell::PairCell, context::Context, meters::Meters, permit::Permit, publish::Publisher,
    subscriptions::Wants, unread::Unread, words,
};
use market::{PairState, Timestamp};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use venue::{Frame, Meaning, Problem, Reader, Request, Said, Symbol, Venue};

/// Reads the answers of one loop of requests.
pub struct Answers {
    context: Arc<Context>,
    venue: Arc<Venue>,
    meters: Arc<Meters>,
    reader: Reader,
    publisher: Publisher,
    said: Vec<Said>,
    followed: Vec<(Symbol, bool)>,
    cells: HashMap<Arc<str>, Arc<PairCell>>,
    /// Symbols that the venue does not know, and when they are asked for again.
    unknown: HashMap<Arc<str>, Timestamp>,
    /// Symbols asked for one by one, since a request with several was refused.
    suspects: HashSet<Arc<str>>,
    not_before: Option<Timestamp>,
    unread: Unread,
    /// Why the answer at hand gave nothing.
    puzzle: Option<String>,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it means.
    pub means: Meaning,
    /// In words, without secrets.
    pub words: String,
    /// Whether it is our file that fails the venue, not the venue that reports something.
    pub is_unreadable: bool,
}

impl Answers {
    /// Follows nothing yet. `unread` keeps what nothing could be made of.
    pub fn new(
        context: Arc<Context>,
        venue: Arc<Venue>,
        meters: Arc<Meters>,
        permit: Arc<Permit>,
        unread: Unread,
    ) -> Answers {
        Answers {
            reader: venue.reader(),
            publisher: Publisher::new(venue.id().clone(), context.broker.clone(), permit),
            said: Vec::new(),
            followed: Vec::new(),
            cells: HashMap::new(),
            unknown: HashMap::new(),
            suspects: HashSet::new(),
            not_before: None,
            unread,
            puzzle: None,
            context,
            venue,
            meters,
        }
    }

    /// Moves to `wants`; whether the symbols are others than before.
    pub fn follow(&mut self, wants: &Wants) -> bool {
        let each =
            |wanted: &crate::subscriptions::Wanted| (wanted.want.symbol.clone(), wanted.want.allow_negative);
        let followed: Vec<_> = wants.iter().map(each).collect();
        self.cells =
            wants.iter().map(|wanted| (wanted.want.symbol.name.clone(), wanted.cell.clone())).collect();
        if followed == self.followed {
            return false;
        }
        let before: Vec<_> = self.followed.drain(..).map(|(symbol, _)| symbol).collect();
        self.reader.unfollow(&before);
        let symbols: Vec<_> = followed.iter().map(|(symbol, _)| symbol.clone()).collect();
        self.reader.follow(&symbols);
        for (symbol, _) in followed.iter().filter(|(_, allow_negative)| *allow_negative) {
            self.reader.allow_negative(symbol);
        }
        self.followed = followed;
        true
    }

    /// The symbols to ask for now: those to be asked for one by one, and those together.
    pub fn wanted(&mut self, now: Timestamp) -> (Vec<Symbol>, Vec<Symbol>) {
        self.unknown.retain(|_, at| now < *at);
        let symbols = self.followed.iter().map(|(symbol, _)| symbol);
        let known = symbols.filter(|symbol| !self.unknown.contains_key(&symbol.name));
        known.cloned().partition(|symbol| self.suspects.contains(&symbol.name))
    }

    /// The time before which the venue gives nothing new, if it said so since the last call.
    pub fn take_not_before(&mut self) -> Option<Timestamp> {
        self.not_before.take()
    }

    /// Every pair is now in that state, and why.
    pub fn set_all(&self, state: PairState, reason: &str) {
        self.cells.values().for_each(|cell| cell.set_because(state, reason));
    }

    /// The pairs of a request are now in that state, but for those whose data is still good.
    pub fn set_without_data(&self, symbols: &[Arc<str>], state: PairState, now: Timestamp) {
        let cells = symbols.iter().filter_map(|symbol| self.cells.get(symbol));
        cells.filter(|cell| cell.state(now) == PairState::Waiting).for_each(|cell| cell.set(state));
    }

    /// Reads a body and publishes what it says; the worst problem that it reports, if any. `complete`: the answer is
    /// good, and should mention every symbol of the request; else only problems are looked for in it, whatever else
    /// it may hold: a price in the page of an error is nobody's word.
    pub fn read(
        &mut self,
        request: &Request,
        body: &[u8],
        complete: bool,
        now: Timestamp,
    ) -> Option<Trouble> {
        self.said.clear();
        self.puzzle = None;
        if let Err(error) = self.reader.read(Frame::Text(body), &mut self.said) {
            if !complete {
                return None; // An error page need not be in the venue's form.
            }
            self.meters.unreadable(error.reason);
            let words = words::plain(&self.unread.hide(&error.to_string()));
            self.unread.keep(Frame::Text(body), &words, now);
            return Some(Trouble { means: Meaning::Error, words, is_unreadable: true });
        }
        let mut missing: HashSet<Arc<str>> = request.symbols.iter().cloned().collect();
        let asked = missing.len();
        let mut worst: Option<Trouble> = None;
        let mut said = std::mem::take(&mut self.said);
        for said in said.drain(..) {
            if let Some(trouble) = self.said(said, request, complete, &mut missing, now)
                && worst.as_ref().is_none_or(|known| severity(trouble.means) > severity(known.means))
            {
                worst = Some(trouble);
            }
        }
        self.said = said;
        if let Some(reason) = self.puzzle.take()
            && missing.len() == asked
        {
            self.unread.keep(Frame::Text(body), &reason, now);
        }
        self.publisher.flush(now);
        if complete && worst.is_none() {
            missing
                .iter()
                .filter_map(|symbol| self.cells.get(symbol))
                .for_each(|cell| cell.set(PairState::NoData));
        }
        worst
    }

    fn said(
        &mut self,
        said: Said,
        request: &Request,
        complete: bool,
        missing: &mut HashSet<Arc<str>>,
        now: Timestamp,
    ) -> Option<Trouble> {
        match said {
            Said::Tick(_) | Said::Rejected(_) | Said::NotBefore(_) if !complete => {}
            Said::Tick(seen) => {
                let symbol = seen.symbol.clone();
                if self.publisher.add(seen, now)
                    && let Some(cell) = self.cells.get(&symbol)
                {
                    cell.data(now);
                    missing.remove(&symbol);
                    self.suspects.remove(&symbol);
                }
            }
            Said::Rejected(rejected) => {
                self.meters.rejected(rejected.reason.label());
                let (symbol, field, reason) = (rejected.symbol, rejected.field, rejected.reason);
                tracing::debug!(venue = %self.venue.id(), %symbol, field, %reason, "no price");
                self.puzzle.get_or_insert_with(|| format!("{symbol}: {field} is no price: {reason}"));
            }
            Said::Problem(problem) => return Some(self.problem(&problem, request, missing, now)),
            Said::Unknown => {
                self.meters.unreadable("unknown");
                let words = "an answer that the venue's file does not describe".to_owned();
                self.puzzle = complete.then(|| words.clone());
                return complete.then_some(Trouble { means: Meaning::Error, words, is_unreadable: true });
            }
            Said::Empty if complete => {
                let words = "an answer without a symbol where the venue's file looks";
                self.puzzle = Some(words.to_owned());
            }
            Said::Elsewhere if complete => {
                self.puzzle.get_or_insert_with(|| "prices of symbols that nobody asked for".to_owned());
            }
            Said::NotBefore(at) => self.not_before = self.not_before.max(Some(at)),
            _ => {}
        }
        None
    }

    fn problem(
        &mut self,
        problem: &Problem,
        request: &Request,
        missing: &mut HashSet<Arc<str>>,
        now: Timestamp,
    ) -> Trouble {
        let code =
            problem.code.as_deref().map(|code| format!(" ({})", words::plain(code))).unwrap_or_default();
        let words = format!("{}{code}", words::plain(&self.unread.hide(&problem.text)));
        if problem.means == Meaning::UnknownSymbol {
            self.refused(request, problem.symbol.as_ref(), &words, missing, now);
        }
        Trouble { means: problem.means, words, is_unreadable: false }
    }

    /// The venue does not know a symbol: this one, or one of the request's.
    fn refused(
        &mut self,
        request: &Request,
        symbol: Option<&Arc<str>>,
        reason: &str,
        missing: &mut HashSet<Arc<str>>,
        now: Timestamp,
    ) {
        let Some(symbol) = symbol.or_else(|| request.symbols.first().filter(|_| request.symbols.len() == 1))
        else {
            self.suspects.extend(request.symbols.iter().cloned());
            return;
        };
        missing.remove(symbol);
        self.suspects.remove(symbol);
        self.unknown.insert(symbol.clone(), now.plus(self.context.settings.timing.delisted_retry));
        if let Some(cell) = self.cells.get(symbol) {
            cell.set_because(PairState::Delisted, reason);
        }
    }
}

fn severity(means: Meaning) -> u8 {
    match means {
        Meaning::UnknownSymbol => 0,
        Meaning::Error => 1,
        Meaning::RateLimited => 2,
    }
}
