//! How a venue spells pairs, both ways. A spelling is taken apart only where that is certain, never by guess.
//! It must not know which pairs are followed.

use crate::fields::Fields;
use crate::{FileError, Symbol};
use market::{Asset, Pair, PairError};
use regex_lite::Regex;
use std::collections::{HashMap, HashSet};

/// How one venue spells pairs.
#[derive(Debug)]
pub(crate) struct Symbols {
    form: Form,
    /// The one base or the one quote of every pair, where the spelling names only the other side.
    fixed: Option<(Side, Asset)>,
    /// Used instead of `form` where a name is longer than so many characters.
    long: Option<(Form, usize)>,
    /// The venue's spellings of its quotes; by these alone letters run together are taken apart.
    quotes: Vec<String>,
    /// Bases of the venue, in upper case: where letters run together in two ways, the one with such a base is meant.
    bases: HashSet<String>,
    /// Asset -> the venue's spelling, where that is not the asset's code.
    names: HashMap<Asset, String>,
    /// The venue's spelling, in lower case -> asset.
    assets: HashMap<String, Asset>,
    not_spot: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
    Kept,
}

/// One side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Base,
    Quote,
}

/// `prefix FIRST between SECOND suffix`.
#[derive(Debug)]
struct Form {
    prefix: String,
    between: String,
    suffix: String,
    base_first: bool,
    case: Case,
    /// Only one side is spelled.
    is_half: bool,
}

impl Form {
    fn parse(text: &str) -> Result<Form, String> {
        let cases = [
            ("{base}", "{quote}", Case::Lower),
            ("{BASE}", "{QUOTE}", Case::Upper),
            ("{Base}", "{Quote}", Case::Kept),
        ];
        for (base, quote, case) in cases {
            let (Some(b), Some(q)) = (text.find(base), text.find(quote)) else { continue };
            let (first, first_end, second, second_end) = if b < q {
                (b, b + base.len(), q, q + quote.len())
            } else {
                (q, q + quote.len(), b, b + base.len())
            };
            let part = |from: usize, to: usize| text[from..to].to_owned();
            return Ok(Form {
                prefix: part(0, first),
                between: part(first_end, second),
                suffix: part(second_end, text.len()),
                base_first: b < q,
                case,
                is_half: false,
            });
        }
        for (name, case) in [("{base}", Case::Lower), ("{BASE}", Case::Upper), ("{Base}", Case::Kept)] {
            for (name, base_first) in [
                (name.to_owned(), true),
                (name.replace("base", "quote").replace("BASE", "QUOTE").replace("Base", "Quote"), false),
            ] {
                if let Some((prefix, suffix)) = text.split_once(name.as_str()) {
                    let (prefix, suffix) = (prefix.to_owned(), suffix.to_owned());
                    return Ok(Form {
                        prefix,
                        between: String::new(),
                        suffix,
                        base_first,
                        case,
                        is_half: true,
                    });
                }
            }
        }
        Err("must hold {BASE} and {QUOTE} (or {base} and {quote}, or {Base} and {Quote})".into())
    }

    fn render(&self, base: &str, quote: &str) -> String {
        let (first, second) = if self.base_first { (base, quote) } else { (quote, base) };
        let cased = |text: &str| match self.case {
            Case::Lower => text.to_ascii_lowercase(),
            Case::Upper => text.to_ascii_uppercase(),
            Case::Kept => text.to_owned(),
        };
        let second = if self.is_half { String::new() } else { cased(second) };
        format!("{}{}{}{second}{}", self.prefix, cased(first), self.between, self.suffix)
    }

    /// The venue's spellings of base and quote in a symbol, if there is one way only to take it apart.
    fn split<'s>(
        &self,
        symbol: &'s str,
        quotes: &[String],
        bases: &HashSet<String>,
    ) -> Option<(&'s str, &'s str)> {
        let inner = symbol.strip_prefix(self.prefix.as_str())?.strip_suffix(self.suffix.as_str())?;
        if self.is_half {
            return Some(if self.base_first { (inner, "") } else { ("", inner) });
        }
        if !self.between.is_empty() {
            let (first, second) = inner.split_once(self.between.as_str())?;
            if second.contains(self.between.as_str()) || first.is_empty() || second.is_empty() {
                return None;
            }
            return Some(if self.base_first { (first, second) } else { (second, first) });
        }
        let (mut found, mut certain) = (Vec::new(), Vec::new());
        for quote in quotes {
            let at = if self.base_first { inner.len().checked_sub(quote.len()) } else { Some(quote.len()) };
            let Some((left, right)) = at.and_then(|at| inner.split_at_checked(at)) else { continue };
            let (base, here) = if self.base_first { (left, right) } else { (right, left) };
            if !base.is_empty() && here.eq_ignore_ascii_case(quote) {
                let known = bases.contains(&base.to_ascii_uppercase());
                if known { &mut certain } else { &mut found }.push((base, here));
            }
        }
        match (certain.as_slice(), found.as_slice()) {
            ([one], _) | ([], [one]) => Some(*one),
            _ => None,
        }
    }
}

impl Symbols {
    pub fn parse(mut fields: Fields<'_>) -> Result<Symbols, FileError> {
        let value = fields.need("form")?;
        let form = Form::parse(value.text()?).map_err(|reason| value.error(reason))?;
        let fixed = match (fields.take("base"), fields.take("quote")) {
            (None, None) => None,
            (Some(v), None) => {
                Some((Side::Base, Asset::parse(v.text()?).map_err(|e| v.error(e.to_string()))?))
            }
            (None, Some(v)) => {
                Some((Side::Quote, Asset::parse(v.text()?).map_err(|e| v.error(e.to_string()))?))
            }
            (_, Some(v)) => return Err(v.error("and `base` cannot both be fixed")),
        };
        let spelled =
            fixed.as_ref().map(|(side, _)| if *side == Side::Quote { Side::Base } else { Side::Quote });
        let form_spells = form.is_half.then_some(if form.base_first { Side::Base } else { Side::Quote });
        if spelled != form_spells {
            return Err(value.error("spells one side only where the other is fixed by `base` or `quote`"));
        }
        let long = match (fields.take("form_long"), fields.count("long")?) {
            (Some(value), Some(length)) => {
                Some((Form::parse(value.text()?).map_err(|reason| value.error(reason))?, length))
            }
            (None, None) => None,
            _ => {
                return Err(
                    fields.error("form_long", "goes with `long`: the most characters of a short name")
                );
            }
        };
        let mut quotes = Vec::new();
        if let Some(list) = fields.take("quotes") {
            for quote in list.items()? {
                quotes.push(quote.text()?.to_owned());
            }
        }
        let mut bases = HashSet::new();
        if let Some(list) = fields.take("bases") {
            for base in list.items()? {
                bases.insert(base.text()?.to_ascii_uppercase());
            }
        }
        let (mut names, mut assets) = (HashMap::new(), HashMap::new());
        if let Some(table) = fields.table("names")? {
            for (code, value) in table.free() {
                let asset = Asset::parse(&code).map_err(|e| value.error(e.to_string()))?;
                for (number, name) in value.one_or_more()?.iter().enumerate() {
                    let name = name.text()?;
                    assets.insert(name.to_ascii_lowercase(), asset.clone());
                    if number == 0 {
                        names.insert(asset.clone(), name.to_owned());
                    }
                }
            }
        }
        let not_spot = match fields.take("not_spot") {
            None => None,
            Some(v) => {
                Some(Regex::new(v.text()?).map_err(|e| v.error(format!("is no regular expression: {e}")))?)
            }
        };
        fields.finish()?;
        Ok(Symbols { form, fixed, long, quotes, bases, names, assets, not_spot })
    }

    fn asset(&self, name: &str) -> Result<Asset, PairError> {
        match self.assets.get(&name.trim().to_ascii_lowercase()) {
            Some(asset) => Ok(asset.clone()),
            None => Ok(Asset::parse(name)?),
        }
    }

    /// The venue's name of an asset.
    pub fn name<'s>(&'s self, asset: &'s Asset) -> &'s str {
        self.names.get(asset).map_or(asset.as_str(), String::as_str)
    }

    /// The pair of a symbol whose two sides the venue itself names; `None` for what is not spot.
    pub fn pair(&self, symbol: &str, base: &str, quote: &str) -> Option<Pair> {
        if self.not_spot.as_ref().is_some_and(|regex| regex.is_match(symbol)) {
            return None;
        }
        Pair::new(self.asset(base).ok()?, self.asset(quote).ok()?).ok()
    }

    /// A pair by names that are ours or the venue's own.
    pub fn symbol(&self, base: &str, quote: &str) -> Result<Symbol, PairError> {
        let pair = Pair::new(self.asset(base)?, self.asset(quote)?)?;
        match &self.fixed {
            Some((Side::Base, asset)) if asset != pair.base() => {
                return Err(PairError::OneSided(asset.clone()));
            }
            Some((Side::Quote, asset)) if asset != pair.quote() => {
                return Err(PairError::OneSided(asset.clone()));
            }
            _ => {}
        }
        let (base, quote) = (self.name(pair.base()), self.name(pair.quote()));
        let form = match &self.long {
            Some((long, most)) if base.len() > *most || quote.len() > *most => long,
            _ => &self.form,
        };
        let name = form.render(base, quote).into();
        Ok(Symbol { name, base: base.into(), quote: quote.into(), pair })
    }

    /// Whether a symbol is not among those that the file calls not spot.
    pub fn is_spot(&self, symbol: &str) -> bool {
        self.not_spot.as_ref().is_none_or(|regex| !regex.is_match(symbol))
    }

    /// The pair that a symbol certainly means; `None` for what is not spot or cannot be told.
    pub fn split(&self, symbol: &str) -> Option<Pair> {
        if !self.is_spot(symbol) {
            return None;
        }
        let split = |form: &Form| form.split(symbol, &self.quotes, &self.bases);
        let long = self.long.as_ref().and_then(|(form, _)| split(form));
        let (base, quote) = long.or_else(|| split(&self.form))?;
        let (base, quote) = match &self.fixed {
            Some((Side::Base, asset)) => (asset.clone(), self.asset(quote).ok()?),
            Some((Side::Quote, asset)) => (self.asset(base).ok()?, asset.clone()),
            None => (self.asset(base).ok()?, self.asset(quote).ok()?),
        };
        Pair::new(base, quote).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Source;
    use toml::de::DeTable;

    fn symbols(text: &str) -> Symbols {
        let table = DeTable::parse(text).unwrap();
        Symbols::parse(Fields::root(Source { file: "test", text }, &table)).unwrap()
    }

    #[test]
    fn both_ways() {
        let run_together = "form = \"{BASE}{QUOTE}\"\nquotes = [\"USDT\", \"USD\", \"TUSD\", \"BTC\"]";
        let ids = "form = \"{base}/{quote}\"\n[names]\nBTC = \"bitcoin\"";
        let turned = "form = \"{QUOTE}-{BASE}\"";
        let long = "form = \"t{BASE}{QUOTE}\"\nform_long = \"t{BASE}:{QUOTE}\"\nlong = 3\nquotes = [\"USD\", \"UST\"]\n[names]\nUSDT = \"UST\"";
        let one_sided = "form = \"{BASE}\"\nquote = \"RUB\"";
        let swaps = "form = \"{BASE}-{QUOTE}\"\nnot_spot = \"^X\"";
        for (file, pair, symbol) in [
            (run_together, Some("BTC-USDT"), "BTCUSDT"),
            (ids, Some("BTC-USD"), "bitcoin/usd"),
            (turned, Some("BTC-KRW"), "KRW-BTC"),
            (long, Some("BTC-USDT"), "tBTCUST"),
            (long, Some("MATIC-USD"), "tMATIC:USD"),
            (one_sided, Some("AUD-RUB"), "AUD"),
        ] {
            let symbols = symbols(file);
            let want = Pair::parse(pair.unwrap()).unwrap();
            assert_eq!(symbols.split(symbol), Some(want.clone()), "{symbol}");
            let made = symbols.symbol(want.base().as_str(), want.quote().as_str()).unwrap();
            assert_eq!(&*made.name, symbol);
        }
        let known = "form = \"{base}{quote}\"\nquotes = [\"usd\", \"busd\"]\nbases = [\"SHIB\", \"omg\", \"X\", \"XB\"]";
        for (symbol, pair) in
            [("shibusd", Some("SHIB-USD")), ("omgbusd", Some("OMG-BUSD")), ("xbusd", None), ("abusd", None)]
        {
            assert_eq!(symbols(known).split(symbol), pair.map(|p| Pair::parse(p).unwrap()), "{symbol}");
        }
        for (file, symbol) in [
            (run_together, "ETHTUSD"),
            (run_together, "USDT"),
            (run_together, "ETHHUF"),
            (swaps, "BTC-USDT-SWAP"),
            (swaps, "XBT-USD"),
        ] {
            assert_eq!(symbols(file).split(symbol), None, "{symbol}");
        }
    }
}
