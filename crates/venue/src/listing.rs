//! What a venue's own list of symbols says: which pairs it quotes, and how it spells them.
//! It must not know a client, nor which pairs are followed.

use crate::condition::Condition;
use crate::doc::{Doc, Tree, Wanted};
use crate::extract::{Channels, Extract};
use crate::fields::Fields;
use crate::format::{self, Frames};
use crate::path::Rows;
use crate::poll::Request;
use crate::{FileError, Unreadable, Venue};
use market::Pair;
use std::borrow::Cow;

/// The biggest list that is read, unless the file knows better: some tell of every order type of every pair.
const BYTES_MAX: usize = 32 << 20;

/// Where a venue's list of symbols is found, and how it is read.
#[derive(Debug)]
pub(crate) struct Listing {
    urls: Vec<String>,
    bytes_max: usize,
    rows: Rows,
    /// Which rows count: only what is spot, only what is traded.
    filter: Condition,
    symbol: Extract,
    /// Base and quote, where the row has them; else the symbol is taken apart where that is certain.
    sides: Option<(Extract, Extract)>,
    wanted: Wanted,
}

/// One line of a venue's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The venue's symbol.
    pub symbol: String,
    /// The venue's name of the base.
    pub base: String,
    /// The venue's name of the quote.
    pub quote: String,
    /// The pair that it means.
    pub pair: Pair,
}

impl Listing {
    /// `wanted`: the keys that its texts name.
    pub fn parse(
        mut fields: Fields<'_>,
        urls: Vec<String>,
        wanted: Wanted,
        frames: &Frames,
    ) -> Result<Listing, FileError> {
        let rows = fields.need("rows")?;
        let rows = Rows::parse(rows.text()?, frames.text.is_tree()).map_err(|reason| rows.error(reason))?;
        let filter = fields.take("where").map(|v| Condition::parse(&v)).transpose()?.unwrap_or_default();
        let symbol = Extract::parse(&fields.need("symbol")?)?;
        let sides = match (fields.take("base"), fields.take("quote")) {
            (Some(base), Some(quote)) => Some((Extract::parse(&base)?, Extract::parse(&quote)?)),
            (None, None) => None,
            _ => {
                return Err(fields.error("base", "goes with `quote`; with neither the symbol is taken apart"));
            }
        };
        let bytes_max = fields.count("bytes_max")?.unwrap_or(BYTES_MAX);
        fields.take("url");
        fields.finish()?;
        Ok(Listing { urls, bytes_max, rows, filter, symbol, sides, wanted })
    }
}

impl Venue {
    /// The requests for the venue's list of symbols, any of which will do; none, if its file knows no list.
    pub fn listing_requests(&self) -> Vec<Request> {
        let urls = self.listing.iter().flat_map(|listing| &listing.urls);
        urls.map(|url| Request { url: url.clone(), ..Request::default() }).collect()
    }

    /// The biggest list of symbols that is read.
    pub fn listing_bytes_max(&self) -> usize {
        self.listing.as_ref().map_or(0, |listing| listing.bytes_max)
    }

    /// Reads the answer to one of [`Venue::listing_requests`]. Rows that the file leaves out, or whose pair cannot be told
    /// for certain, are not in it; an answer without any row at all is none.
    pub fn read_listing(&self, body: &[u8]) -> Result<Vec<Listed>, Unreadable> {
        let Some(listing) = &self.listing else { return Ok(Vec::new()) };
        if body.len() > listing.bytes_max {
            let detail = format!("{} bytes; at most {} are read", body.len(), listing.bytes_max);
            return Err(Unreadable { reason: "too_big", detail });
        }
        let (mut doc, mut made, mut decoded) = (Doc::default(), String::new(), String::new());
        let text = self.frames.decoded(body, &mut decoded)?;
        let was_made = format::read(&self.frames.text, &listing.wanted, text, &mut doc, &mut made)?;
        let tree = Tree { nodes: &doc.nodes, text: if was_made { &made } else { text } };
        let channels = Channels::new();
        let (mut rows, mut listed) = (0usize, Vec::new());
        listing.rows.walk(tree, &mut |row| {
            rows += 1;
            if !listing.filter.holds(tree, row) {
                return;
            }
            let take = |extract: &Extract| extract.text(tree, row, &channels).map(Cow::into_owned);
            let Some(symbol) = take(&listing.symbol) else { return };
            let pair = match &listing.sides {
                None => self.symbols.split(&symbol),
                Some((base, quote)) => {
                    take(base).zip(take(quote)).and_then(|(b, q)| self.symbols.pair(&symbol, &b, &q))
                }
            };
            let Some(pair) = pair else { return };
            let own = |extract: Option<&Extract>, asset: &market::Asset| {
                extract.and_then(take).unwrap_or_else(|| self.symbols.name(asset).to_owned())
            };
            let base = own(listing.sides.as_ref().map(|(base, _)| base), pair.base());
            let quote = own(listing.sides.as_ref().map(|(_, quote)| quote), pair.quote());
            listed.push(Listed { symbol, base, quote, pair });
        });
        if rows == 0 {
            let start: String = text.chars().take(80).collect();
            return Err(Unreadable { reason: "no_rows", detail: format!("no list of symbols: {start}") });
        }
        Ok(listed)
    }
}
