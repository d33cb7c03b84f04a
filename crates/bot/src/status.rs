//! `/status` and `/sources`: how the sources are doing, and what each says of a pair.
//! It must not call a source well of which nothing was heard.

use crate::{
    Act,
    chats::pair_name,
    here::Here,
    html::fill,
    moment, number,
    phrase::{self, Expect, Phrase},
};
use board::VenueView;
use market::{ConnectionState, ConnectionStatus, PairState, TickView, VenueStatus};
use std::time::Duration;
use store::MessageState;

/// So many green venues share a line.
const GREEN_IN_LINE: usize = 2;
/// The most lines of a list of sources.
const LINES_MAX: usize = 60;

/// How well a venue is: the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Green,
    Yellow,
    Red,
    Grey,
}

impl Here<'_> {
    /// Answers `/status`.
    pub(crate) async fn status(&self) -> Vec<Act> {
        let t = self.t();
        let venues = self.world.parts.board.venues();
        let mut all: Vec<(Health, String)> = venues.iter().map(|view| self.venue_line(view)).collect();
        all.sort();
        let live = all.iter().filter(|(health, _)| *health == Health::Green).count();
        let mut parts =
            vec![fill(t.status_head, &[("live", &live.to_string()), ("all", &all.len().to_string())])];
        parts.extend(
            self.world
                .parts
                .house
                .is_api_up()
                .await
                .map(|is_up| if is_up { t.status_api_ok.to_owned() } else { t.status_api_down.to_owned() }),
        );
        let depth = tokio::time::timeout(Duration::from_secs(1), self.world.parts.store.outbox_depth()).await;
        match depth {
            Ok(Ok(depth)) => {
                let waits =
                    depth.iter().filter(|d| d.state != MessageState::Dead).map(|d| d.count).sum::<i64>();
                let count = number::plain(waits.into(), self.language());
                parts.push(t.status_db_ok.to_owned());
                parts.push(fill(t.status_queue, &[("count", &count)]));
            }
            _ => parts.push(t.status_db_down.to_owned()),
        }
        let mut lines = vec![parts.join(" · ")];
        if all.is_empty() {
            lines.push(t.status_none.to_owned());
        }
        let (green, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(health, _)| *health == Health::Green);
        let green: Vec<String> = green.into_iter().map(|(_, line)| line).collect();
        lines.extend(green.chunks(GREEN_IN_LINE).map(|chunk| chunk.join("   ")));
        lines.extend(rest.into_iter().map(|(_, line)| line));
        self.say(lines.join("\n"))
    }

    fn venue_line(&self, view: &VenueView) -> (Health, String) {
        let t = self.t();
        let status = &view.status;
        let venue = self.world.venue(&status.venue);
        let span = |ms: i64| moment::rough_span(ms, self.language());
        if view.unknown {
            let ms = self.now.millis_since(status.sent_at);
            let line = fill(t.status_unknown, &[("venue", &venue), ("span", &span(ms))]);
            return (Health::Grey, line);
        }
        let pairs = status.pairs.iter().filter(|pair| pair.state == PairState::Live).count() as u64;
        let heard = status.pairs.iter().filter_map(|pair| pair.last_data_at).max();
        let age = heard.map_or_else(
            || "—".to_owned(),
            |at| moment::fine_span(self.now.millis_since(at), self.language()),
        );
        let Some(connection) = worst(status) else {
            let count = self.language().count(pairs, |n| &n.pair);
            let line = fill(t.status_ok, &[("venue", &venue), ("pairs", &count), ("age", &age)]);
            return (Health::Green, line);
        };
        let since = span(self.now.millis_since(connection.since));
        let until = connection.until.map(|at| at.millis_since(self.now)).filter(|ms| *ms > 0);
        let plain = |health, text| (health, fill(text, &[("venue", &venue)]));
        match connection.state {
            ConnectionState::RateLimited => {
                let wait = span(until.unwrap_or(0));
                let count = number::plain(pairs.into(), self.language());
                let values = [("venue", venue.as_str()), ("pairs", &count), ("age", &age), ("wait", &wait)];
                (Health::Yellow, fill(t.status_limited, &values))
            }
            ConnectionState::Silent | ConnectionState::BackingOff => {
                let is_silent = connection.state == ConnectionState::Silent;
                let text = if is_silent { t.status_silent } else { t.status_backing_off };
                let mut line = fill(text, &[("venue", &venue), ("span", &since)]);
                line += &until.map(|ms| fill(t.status_retry, &[("wait", &span(ms))])).unwrap_or_default();
                if connection.reconnects > 0 {
                    line += &fill(t.status_attempt, &[("count", &connection.reconnects.to_string())]);
                }
                (Health::Red, line)
            }
            ConnectionState::GeoBlocked => plain(Health::Red, t.status_blocked),
            ConnectionState::BlockedAddress => plain(Health::Red, t.status_refused),
            ConnectionState::CannotRead => plain(Health::Red, t.status_unreadable),
            ConnectionState::Stopped => plain(Health::Grey, t.status_stopped),
            ConnectionState::Connecting | ConnectionState::Live => plain(Health::Yellow, t.status_connecting),
        }
    }

    /// Answers `/sources BTC`: every venue's part in the rate. Without a pair it is `/status`.
    pub(crate) async fn sources(&self, args: &str) -> Vec<Act> {
        if args.is_empty() {
            return self.status().await;
        }
        let pair = match phrase::read(args, &self.world.names(), Expect::Rate) {
            Phrase::Rates(wanted) => match wanted.as_slice() {
                [wanted] => match self.resolve(wanted) {
                    Some(pair) => pair,
                    None => return self.unresolved(wanted),
                },
                _ => return self.say(self.t().contradiction),
            },
            _ => return self.answer(args, Expect::Rate).await,
        };
        let ticks = self.world.parts.board.explain(&pair);
        if ticks.is_empty() {
            // A cross has no venues of its own: the rate says what it was made through.
            let (html, keyboard) = self.card(&pair).await;
            return self.send(html, keyboard);
        }
        let venues = self.language().count(ticks.len() as u64, |n| &n.venue);
        let mut lines =
            vec![fill(self.t().sources_head, &[("pair", &pair_name(&pair)), ("venues", &venues)])];
        let (used, unused): (Vec<_>, Vec<_>) = ticks.iter().partition(|tick| tick.used);
        lines.extend(used.into_iter().chain(unused).take(LINES_MAX).map(|tick| self.source_line(tick)));
        self.say(lines.join("\n"))
    }

    fn source_line(&self, tick: &TickView) -> String {
        let t = self.t();
        let price = tick.last.or(tick.bid).or(tick.ask);
        let price = price.map_or_else(|| "—".to_owned(), |p| number::price(p.decimal(), self.language()));
        let reason = match tick.reason {
            None => "",
            Some("stale") => t.reason_stale,
            Some("expired") => t.reason_expired,
            Some("outlier") => t.reason_outlier,
            Some("suspect") => t.reason_suspect,
            Some("excluded") => t.reason_excluded,
            Some(other) => other,
        };
        let text = if reason.is_empty() { t.sources_line } else { t.sources_line_unused };
        let values = [
            ("venue", self.world.venue(&tick.venue)),
            ("price", price),
            ("age", moment::fine_span(tick.age_ms, self.language())),
            ("reason", reason.to_owned()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fill(text, &values)
    }
}

/// The connection to speak of, where not all is well: none is live, or one is held back.
fn worst(status: &VenueStatus) -> Option<&ConnectionStatus> {
    let rank = |connection: &&ConnectionStatus| match connection.state {
        ConnectionState::RateLimited => 0,
        ConnectionState::Silent => 1,
        ConnectionState::BackingOff => 2,
        ConnectionState::Connecting => 4,
        ConnectionState::Stopped => 5,
        _ => 3,
    };
    let is_live = status.connections.iter().any(|c| c.state == ConnectionState::Live);
    let limited = status.connections.iter().find(|c| c.state == ConnectionState::RateLimited);
    if is_live { limited } else { status.connections.iter().min_by_key(rank) }
}
