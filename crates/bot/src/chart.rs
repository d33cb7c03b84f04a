//! `/chart`: a picture of candles with a caption that says in words what it shows.
//! It must not show a picture of nothing.

use crate::{
    Act, Keyboard,
    alert_keys::Press,
    chart_data::{Bar, Span, bars},
    chart_png, chart_svg,
    chats::pair_name,
    day::change,
    here::Here,
    html::fill,
    keys::{key, row, rows},
    moment, number,
};
use market::Pair;

/// Spans that are offered under a picture.
const SPANS: [(&str, i64); 5] = [
    ("1h", 3_600_000),
    ("24h", 86_400_000),
    ("7d", 7 * 86_400_000),
    ("30d", 30 * 86_400_000),
    ("1y", 365 * 86_400_000),
];

/// A picture and what is written under it.
struct Picture {
    png: Vec<u8>,
    caption: String,
    keyboard: Keyboard,
}

impl Here<'_> {
    /// Answers `/chart BTC 7d`, or changes the picture in a message of ours.
    pub(crate) async fn chart(&self, pair: &Pair, span_ms: Option<i64>, message_id: Option<i64>) -> Vec<Act> {
        let span = Span::of(span_ms);
        let candles = self.world.surely(self.world.parts.store.candles(&span.range(pair, self.now))).await;
        let Ok(candles) = candles else { return self.not_shown() };
        let bars = bars(&candles, span, self.now);
        match self.picture(pair, span, bars).await {
            None => self.say_filled(self.t().chart_empty, &[("pair", &pair_name(pair))]),
            Some(Picture { png, caption, keyboard }) => vec![match message_id {
                Some(message_id) => Act::EditPhoto { message_id, png, caption_html: caption, keyboard },
                None => Act::Photo { png, caption_html: caption, keyboard },
            }],
        }
    }

    /// A button of a chart: `c:PAIR` makes one, `C:PAIR:7d` changes it.
    pub(crate) async fn chart_pressed(&self, verb: &str, rest: &str, press: &Press<'_>) -> Vec<Act> {
        let (pair, code) = rest.split_once(':').unwrap_or((rest, "24h"));
        let Ok(pair) = pair.parse() else { return vec![press.toast(self.t().toast_old_button)] };
        let span_ms = SPANS.iter().find(|(known, _)| *known == code).map(|(_, ms)| *ms);
        let message_id = press.message_id.filter(|_| verb == "C");
        let mut acts = vec![press.done()];
        acts.extend(self.chart(&pair, span_ms, message_id).await);
        acts
    }

    async fn picture(&self, pair: &Pair, span: Span, bars: Vec<Bar>) -> Option<Picture> {
        let (first, last) = (*bars.first()?, *bars.last()?);
        let low = bars.iter().map(|bar| bar.low).min()?;
        let high = bars.iter().map(|bar| bar.high).max()?;
        let (t, language) = (self.t(), self.language());
        let change = change(first.open.decimal(), last.close.decimal());
        let price = |price: market::Price| number::price(price.decimal(), language);
        let (shown, candle) = (moment::span(span.span_ms, language), moment::span(span.candle_ms, language));
        let mut caption = fill(
            t.chart_caption,
            &[
                ("pair", &pair_name(pair)),
                ("span", &shown),
                ("candle", &candle),
                ("range", &moment::range(first.start, self.now, self.zone(), language)),
                ("first", &price(first.open)),
                ("last", &price(last.close)),
                ("change", &change.map(|c| number::change(c, language)).unwrap_or_default()),
                ("low", &price(low)),
                ("high", &price(high)),
            ],
        );
        let is_demo = self.world.parts.board.options().demo;
        if is_demo {
            caption += &format!("\n{}", t.demo);
        }
        let zone = moment::zone_short(self.now, self.zone(), language);
        let subtitle = fill(t.chart_subtitle, &[("span", &shown), ("candle", &candle), ("zone", &zone)]);
        let drawing = chart_svg::Drawing {
            title: &pair_name(pair),
            subtitle: &subtitle,
            mark: is_demo.then_some(t.chart_demo),
            bars: &bars,
            count: span.count(self.now),
            candle_ms: span.candle_ms,
            from: span.from(self.now),
            change,
            language,
            zone: self.zone(),
        };
        let svg = chart_svg::draw(&drawing)?;
        // Pixels take tens of milliseconds of a core: not on a thread that others wait for.
        let png = tokio::task::spawn_blocking(move || chart_png::png(&svg)).await.ok()?;
        let png = png.map_err(|error| tracing::warn!(%error, "no picture of a chart")).ok()?;
        let offered = SPANS.map(|(code, ms)| {
            let mark = if ms == span.span_ms { "· " } else { "" };
            key(format!("{mark}{}", moment::rough_code(code, language)), format!("C:{pair}:{code}"))
        });
        Some(Picture { png, caption, keyboard: rows([row(offered)]) })
    }
}
