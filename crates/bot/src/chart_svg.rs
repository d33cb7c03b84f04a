//! A picture of candles, as SVG: what stands where, in which colour.
//! It must not read candles, nor make pixels of it. Every coordinate is a whole tenth of a pixel.

use crate::{
    Language,
    chart_axis::{price_marks, time_marks},
    chart_data::Bar,
    html::escape,
    number,
};
use alerts::ZoneName;
use market::{Price, Timestamp};
use rust_decimal::Decimal;
use std::fmt::Write;

/// What is drawn.
pub(crate) struct Drawing<'a> {
    pub(crate) title: &'a str,
    /// Beside the last price: the span, and how long a candle is.
    pub(crate) subtitle: &'a str,
    /// In a corner, where the prices are invented.
    pub(crate) mark: Option<&'a str>,
    pub(crate) bars: &'a [Bar],
    /// How many candles have room.
    pub(crate) count: i64,
    pub(crate) candle_ms: i64,
    pub(crate) from: Timestamp,
    pub(crate) change: Option<Decimal>,
    pub(crate) language: Language,
    pub(crate) zone: Option<&'a ZoneName>,
}

pub(crate) const WIDTH: i64 = 1200;
pub(crate) const HEIGHT: i64 = 675;
const LEFT: i64 = 40;
const TOP: i64 = 150;
const BOTTOM: i64 = HEIGHT - 62;

const BACKGROUND: &str = "#11161d";
const GRID: &str = "#1f2732";
const TEXT: &str = "#f2f5f8";
const DIM: &str = "#8b98a8";
const UP: &str = "#2fc08b";
const DOWN: &str = "#f0525f";

/// Where the plot is, and what prices it spans.
struct Plot {
    right: i64,
    low: Decimal,
    high: Decimal,
}

impl Plot {
    /// The place of a price, in tenths of a pixel from the top.
    fn y(&self, price: Decimal) -> i64 {
        let height = Decimal::from((BOTTOM - TOP) * 10);
        let place = self
            .high
            .checked_sub(price)
            .and_then(|off| off.checked_mul(height))
            .and_then(|off| off.checked_div(self.high.checked_sub(self.low)?));
        let place = place.and_then(|place| i64::try_from(place.round()).ok()).unwrap_or(0);
        TOP * 10 + place.clamp(0, (BOTTOM - TOP) * 10)
    }
}

/// Tenths of a pixel as SVG writes them.
fn px(tenths: i64) -> Decimal {
    Decimal::new(tenths, 1).normalize()
}

/// How wide a number in the small size is, in pixels: digits are of one width, marks narrower.
fn width_of(text: &str) -> i64 {
    text.chars().map(|c| if c.is_ascii_digit() { 13 } else { 7 }).sum()
}

/// Likewise in the size of the change.
fn large_width_of(text: &str) -> i64 {
    let width = |c: char| match c {
        '0'..='9' | '+' | '−' => 16,
        '%' => 22,
        _ => 8,
    };
    text.chars().map(width).sum()
}

/// Draws; `None` where there is nothing to draw.
pub(crate) fn draw(drawing: &Drawing<'_>) -> Option<String> {
    let lowest = drawing.bars.iter().map(|b| b.low).min()?.decimal();
    let highest = drawing.bars.iter().map(|b| b.high).max()?.decimal();
    let last = drawing.bars.last()?;
    // Air above and below; a price that never moved stands in the middle.
    let range = highest.checked_sub(lowest)?;
    let air = if range.is_zero() { highest.abs() / Decimal::ONE_HUNDRED } else { range * Decimal::new(6, 2) };
    let (low, high) = (lowest.checked_sub(air)?, highest.checked_add(air)?);
    let marks = price_marks(low, high, 8);
    let labels: Vec<String> = label(&marks, drawing.language);
    let last_label = number::price(last.close.decimal(), drawing.language);
    let axis = labels.iter().chain([&last_label]).map(|l| width_of(l)).max().unwrap_or(80) + 34;
    let plot = Plot { right: WIDTH - axis, low, high };
    let mut svg = String::with_capacity(32 * 1024);
    write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="Inter">
<rect width="{WIDTH}" height="{HEIGHT}" fill="{BACKGROUND}"/>"#
    )
    .ok()?;
    grid(&mut svg, drawing, &plot, &marks, &labels)?;
    candles(&mut svg, drawing, &plot)?;
    extremes(&mut svg, drawing, &plot)?;
    last_price(&mut svg, &plot, last, &last_label)?;
    head(&mut svg, drawing, &last_label)?;
    svg.push_str("</svg>");
    Some(svg)
}

/// Marks of one axis have the same number of digits after the point.
fn label(marks: &[Decimal], language: Language) -> Vec<String> {
    let places = marks.iter().map(Decimal::scale).max().unwrap_or(0);
    let is_tiny = places > 8;
    marks
        .iter()
        .map(|mark| {
            let mut mark = *mark;
            mark.rescale(places);
            if is_tiny { number::brief(mark, language) } else { number::plain(mark, language) }
        })
        .collect()
}

fn grid(
    svg: &mut String,
    drawing: &Drawing<'_>,
    plot: &Plot,
    marks: &[Decimal],
    labels: &[String],
) -> Option<()> {
    for (mark, text) in marks.iter().zip(labels) {
        let y = plot.y(*mark);
        write!(
            svg,
            r#"<path d="M{LEFT} {0}H{1}" stroke="{GRID}"/><text x="{2}" y="{3}" font-size="20" fill="{DIM}">{4}</text>"#,
            px(y),
            plot.right,
            plot.right + 16,
            px(y + 70),
            escape(text)
        )
        .ok()?;
    }
    let to = drawing.from.plus_millis(drawing.count * drawing.candle_ms);
    for (at, text) in time_marks(drawing.from, to, drawing.zone, drawing.language, 8) {
        let tenths =
            at.millis_since(drawing.from) * (plot.right - LEFT) * 10 / to.millis_since(drawing.from).max(1);
        let x = LEFT * 10 + tenths;
        // What would be cut off at an edge is left out.
        if tenths < 300 || x > plot.right * 10 - 300 {
            continue;
        }
        write!(
            svg,
            r#"<path d="M{0} {TOP}V{BOTTOM}" stroke="{GRID}"/><text x="{0}" y="{1}" font-size="20" fill="{DIM}" text-anchor="middle">{2}</text>"#,
            px(x),
            BOTTOM + 36,
            escape(&text)
        )
        .ok()?;
    }
    Some(())
}

fn candles(svg: &mut String, drawing: &Drawing<'_>, plot: &Plot) -> Option<()> {
    let step = (plot.right - LEFT) * 10 / drawing.count.max(1);
    let width = (step * 7 / 10).clamp(20, 240);
    for (is_up, colour) in [(true, UP), (false, DOWN)] {
        let (mut wicks, mut bodies) = (String::new(), String::new());
        for bar in drawing.bars.iter().filter(|bar| (bar.close >= bar.open) == is_up) {
            let x = x_of(drawing, plot, bar);
            let (open, close) = (plot.y(bar.open.decimal()), plot.y(bar.close.decimal()));
            let (top, bottom) = (open.min(close), open.max(close));
            write!(wicks, "M{} {}V{}", px(x), px(plot.y(bar.high.decimal())), px(plot.y(bar.low.decimal())))
                .ok()?;
            // A candle that did not move is still seen.
            let height = (bottom - top).max(15);
            write!(bodies, "M{} {}h{}v{}h-{}z", px(x - width / 2), px(top), px(width), px(height), px(width))
                .ok()?;
        }
        write!(
            svg,
            r#"<path d="{wicks}" stroke="{colour}" stroke-width="{}" fill="none"/><path d="{bodies}" fill="{colour}"/>"#,
            px((width / 6).clamp(12, 24))
        )
        .ok()?;
    }
    Some(())
}

fn x_of(drawing: &Drawing<'_>, plot: &Plot, bar: &Bar) -> i64 {
    let step = (plot.right - LEFT) * 10;
    LEFT * 10 + (bar.at * 2 + 1) * step / (drawing.count.max(1) * 2)
}

/// The highest and the lowest price, named where they are.
fn extremes(svg: &mut String, drawing: &Drawing<'_>, plot: &Plot) -> Option<()> {
    let high = drawing.bars.iter().max_by_key(|bar| bar.high)?;
    let low = drawing.bars.iter().min_by_key(|bar| bar.low)?;
    let mut name = |bar: &Bar, price: Price, off: i64| {
        let x = x_of(drawing, plot, bar);
        let text = number::price(price.decimal(), drawing.language);
        // Towards the middle, so that nothing is cut off.
        let is_right = x > (LEFT + plot.right) * 5;
        let (anchor, line, place) =
            if is_right { ("end", x - 320, x - 390) } else { ("start", x + 320, x + 390) };
        let y = plot.y(price.decimal()) + off;
        write!(
            svg,
            r#"<path d="M{} {}H{}" stroke="{DIM}" stroke-width="1.2"/><text x="{}" y="{}" font-size="19" fill="{TEXT}" text-anchor="{anchor}">{}</text>"#,
            px(x),
            px(y),
            px(line),
            px(place),
            px(y + 65),
            escape(&text)
        )
        .ok()
    };
    name(high, high.high, 0)?;
    if low.low != high.high {
        name(low, low.low, 0)?;
    }
    Some(())
}

fn last_price(svg: &mut String, plot: &Plot, last: &Bar, label: &str) -> Option<()> {
    let y = plot.y(last.close.decimal());
    let colour = if last.close >= last.open { UP } else { DOWN };
    let width = width_of(label) + 22;
    write!(
        svg,
        r#"<path d="M{LEFT} {0}H{1}" stroke="{colour}" stroke-dasharray="3 5" stroke-width="1.4"/><rect x="{2}" y="{3}" width="{width}" height="34" rx="6" fill="{colour}"/><text x="{4}" y="{5}" font-size="20" font-weight="600" fill="{BACKGROUND}">{6}</text>"#,
        px(y),
        plot.right,
        plot.right + 5,
        px(y - 170),
        plot.right + 16,
        px(y + 70),
        escape(label)
    )
    .ok()
}

fn head(svg: &mut String, drawing: &Drawing<'_>, last: &str) -> Option<()> {
    write!(
        svg,
        r#"<text x="{LEFT}" y="66" font-size="40" font-weight="600" fill="{TEXT}">{}</text><text x="{LEFT}" y="108" font-size="22" fill="{DIM}">{}</text><text x="{}" y="66" font-size="40" font-weight="600" fill="{TEXT}" text-anchor="end">{}</text>"#,
        escape(drawing.title),
        escape(drawing.subtitle),
        WIDTH - LEFT,
        escape(last)
    )
    .ok()?;
    if let Some(change) = drawing.change {
        let text = number::signed_percent(change, drawing.language);
        let (colour, arrow) = match change {
            c if c.is_zero() => (DIM, ""),
            c if c.is_sign_negative() => (DOWN, "M0 -13h18l-9 13z"),
            _ => (UP, "M0 0h18l-9 -13z"),
        };
        let x = WIDTH - LEFT - large_width_of(&text) - 30;
        write!(
            svg,
            r#"<path d="{arrow}" transform="translate({x} 106)" fill="{colour}"/><text x="{}" y="108" font-size="24" font-weight="600" fill="{colour}" text-anchor="end">{}</text>"#,
            WIDTH - LEFT,
            escape(&text)
        )
        .ok()?;
    }
    if let Some(mark) = drawing.mark {
        write!(
            svg,
            r#"<text x="{}" y="{}" font-size="96" font-weight="600" fill="{TEXT}" fill-opacity="0.05" text-anchor="middle">{}</text>"#,
            WIDTH / 2,
            (TOP + BOTTOM) / 2 + 32,
            escape(mark)
        )
        .ok()?;
    }
    Some(())
}
