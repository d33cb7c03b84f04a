//! A phrase taken apart: numbers, assets, pairs and the words that matter.
//! It must not know grammar, and drops nothing: what it does not know is kept as such.

use crate::{
    Number,
    lexicon::{self, Class},
    names::Names,
    number_read,
};
use market::{Asset, Pair};

/// A piece of a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A number.
    Number(Number),
    /// A number that can be a span too: `15m`, `15м`.
    NumberOrSpan(Number, i64),
    /// A number of per cent.
    Percent(Number),
    /// A span of so many milliseconds.
    Span(i64),
    /// `+`, `-`, `±` before a number.
    Plus,
    /// Likewise.
    Minus,
    /// Likewise.
    PlusMinus,
    /// An asset.
    Asset(Asset),
    /// One of several assets.
    AnyOf(&'static [&'static str]),
    /// A pair.
    Pair(Pair),
    /// An alert's number, `#12`.
    Id(i64),
    /// A word that matters.
    Word(Class),
    /// Anything else.
    Unknown(String),
}

/// The longest phrase that is looked at, in characters.
pub(crate) const LENGTH_MAX: usize = 256;

/// Takes a phrase apart.
pub(crate) fn scan(text: &str, names: &Names) -> Vec<Token> {
    let chars: Vec<char> = text.trim().chars().take(LENGTH_MAX).collect();
    let is_shouted = !chars.iter().any(|c| c.is_lowercase());
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        if c.is_ascii_digit() {
            at = number_end(&chars, at);
            pieces.push(Piece::Number(chars[start..at].iter().collect()));
        } else if c.is_alphanumeric() {
            at = word_end(&chars, at);
            pieces.push(Piece::Word(chars[start..at].iter().collect()));
        } else {
            at += 1;
            pieces.push(Piece::Mark(c));
        }
    }
    let tokens = join(&pieces, names, is_shouted);
    measure(tokens)
}

enum Piece {
    Number(String),
    Word(String),
    Mark(char),
}

/// A number with groups, letters that follow at once, and nothing more: `67 000`, `70k`, `1inch`, `0.0₅12`.
fn number_end(chars: &[char], from: usize) -> usize {
    let digit = |at: usize| chars.get(at).is_some_and(|c| c.is_ascii_digit() || ('₀'..='₉').contains(c));
    let mut at = from;
    loop {
        while digit(at) {
            at += 1;
        }
        let next = chars.get(at).copied().unwrap_or(' ');
        let is_inside = matches!(next, '.' | ',' | '\'') && digit(at + 1);
        // A group of three digits after a space belongs to the number, if what stands before it is one to three.
        let group = (at + 1..at + 4).all(digit) && !digit(at + 4);
        let is_short = at - from <= 3 || chars[from..at].iter().any(|c| number_read::is_space(*c));
        if is_inside || (number_read::is_space(next) && group && is_short && chars[from] != '0') {
            at += 1;
        } else {
            break;
        }
    }
    while chars.get(at).is_some_and(|c| c.is_alphabetic()) {
        at += 1;
    }
    at
}

/// A word, with the marks that pairs and some assets are written with.
fn word_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        // `btc-5%` is no pair.
        let is_joint = (c == '-' && next.is_alphabetic())
            || (matches!(c, '/' | '_' | ':' | '.' | '\'' | '’' | '\\' | '|') && next.is_alphanumeric());
        if !c.is_alphanumeric() && !is_joint {
            break;
        }
        at += 1;
    }
    at
}

fn join(pieces: &[Piece], names: &Names, is_shouted: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let is_alone = pieces.len() == 1;
    while let Some(piece) = pieces.get(at) {
        at += 1;
        match piece {
            Piece::Number(text) => tokens.extend(number(text, names)),
            // `$100` is a hundred dollars: the amount goes first, as everywhere else.
            Piece::Mark(c) if symbol(*c).is_some() && matches!(pieces.get(at), Some(Piece::Number(_))) => {
                if let Some(Piece::Number(text)) = pieces.get(at) {
                    at += 1;
                    tokens.extend(number(text, names));
                }
                tokens.extend(symbol(*c));
            }
            Piece::Mark(c) => {
                let next = match pieces.get(at) {
                    Some(Piece::Mark(next)) => Some(*next),
                    _ => None,
                };
                at += mark(*c, next, &mut tokens);
                if matches!(c, '#' | '№')
                    && let Some(Piece::Number(id)) = pieces.get(at)
                    && let Ok(id) = id.parse()
                {
                    at += 1;
                    tokens.push(Token::Id(id));
                }
            }
            Piece::Word(text) => {
                // Two and three words may be one name: "per cent", "белорусский рубль".
                let phrase = |count: usize| -> Option<String> {
                    let mut words = Vec::new();
                    for piece in pieces.get(at - 1..at + 2 * count - 2)? {
                        match piece {
                            Piece::Word(word) => words.push(word.to_lowercase()),
                            Piece::Mark(' ') => {}
                            _ => return None,
                        }
                    }
                    (words.len() == count).then(|| words.join(" "))
                };
                let several = [3, 2].into_iter().find_map(|count| {
                    let phrase = phrase(count)?;
                    let token = lexicon::asset_of(&phrase).map(Token::Asset);
                    Some((token.or_else(|| lexicon::class_of(&phrase).map(Token::Word))?, 2 * count - 2))
                });
                match several {
                    Some((token, more)) => {
                        at += more;
                        tokens.push(token);
                    }
                    None => tokens.push(word(text, names, is_alone, is_shouted)),
                }
            }
        }
    }
    tokens
}

/// What a mark means; how many more pieces it takes.
fn mark(c: char, next: Option<char>, tokens: &mut Vec<Token>) -> usize {
    let mut push = |token, more| {
        tokens.push(token);
        more
    };
    match (c, next) {
        ('+', Some('/')) => push(Token::PlusMinus, 2),
        ('+', Some('-' | '−')) => push(Token::PlusMinus, 1),
        ('-' | '−' | '–', Some('>')) | ('=', Some('>')) => push(Token::Word(Class::To), 1),
        ('>' | '≥', Some('=')) => push(Token::Word(Class::Above), 1),
        ('<' | '≤', Some('=')) => push(Token::Word(Class::Below), 1),
        ('>' | '≥', _) => push(Token::Word(Class::Above), 0),
        ('<' | '≤', _) => push(Token::Word(Class::Below), 0),
        ('→' | '=', _) => push(Token::Word(Class::To), 0),
        ('±', _) => push(Token::PlusMinus, 0),
        ('+', _) => push(Token::Plus, 0),
        ('-' | '−' | '–', _) => push(Token::Minus, 0),
        ('%', _) => push(Token::Word(Class::Percent), 0),
        ('#' | '№', _) => 0,
        (c, _)
            if c.is_whitespace()
                || matches!(c, '?' | '!' | ',' | '.' | ';' | '"' | '«' | '»' | '(' | ')' | '/' | '~') =>
        {
            0
        }
        (c, _) => push(symbol(c).unwrap_or_else(|| Token::Unknown(c.to_string())), 0),
    }
}

/// The asset of a sign such as `$`.
fn symbol(c: char) -> Option<Token> {
    let text = c.to_string();
    let asset = lexicon::asset_of(&text).map(Token::Asset);
    asset.or_else(|| lexicon::assets_of(&text).map(Token::AnyOf))
}

/// A number, perhaps with letters: a multiplier, a unit of time, an asset; or an asset that begins with a digit.
fn number(text: &str, names: &Names) -> Vec<Token> {
    let letters_at = text.find(char::is_alphabetic).unwrap_or(text.len());
    let (digits, letters) = text.split_at(letters_at);
    let letters = letters.to_lowercase();
    let Some(read) = number_read::read(digits) else { return vec![Token::Unknown(text.to_owned())] };
    if letters.is_empty() {
        return vec![Token::Number(read)];
    }
    if let Some(asset) = known(text, names) {
        return vec![Token::Asset(asset)];
    }
    let multiplied = number_read::power_of(&letters).and_then(|power| number_read::times_ten_to(read, power));
    if let Some(multiplied) = multiplied {
        return match (letters.as_str(), span_of(read, 60_000)) {
            ("m" | "м", Some(ms)) => vec![Token::NumberOrSpan(multiplied, ms)],
            _ => vec![Token::Number(multiplied)],
        };
    }
    match lexicon::class_of(&letters) {
        // A word alone, `с` is "with".
        _ if matches!(letters.as_str(), "s" | "с") => {
            span_of(read, 1_000).map(Token::Span).into_iter().collect()
        }
        Some(Class::Span(unit)) => span_of(read, unit).map(Token::Span).into_iter().collect(),
        Some(Class::Percent) => vec![Token::Percent(read)],
        _ => match lexicon::asset_of(&letters).or_else(|| known(&letters, names)) {
            Some(asset) => vec![Token::Number(read), Token::Asset(asset)],
            None => vec![Token::Unknown(text.to_owned())],
        },
    }
}

fn word(text: &str, names: &Names, is_alone: bool, is_shouted: bool) -> Token {
    let lower = text.to_lowercase().replace('’', "'");
    let is_code = !is_shouted && text.chars().count() > 1 && text.chars().all(|c| c.is_ascii_uppercase());
    let class = lexicon::class_of(&lower);
    if let Some(class) = class.filter(|_| !is_alone && !is_code) {
        return Token::Word(class);
    }
    if let Some(asset) = lexicon::asset_of(&lower).or_else(|| known(text, names)) {
        return Token::Asset(asset);
    }
    if let Some(codes) = lexicon::assets_of(&lower) {
        return Token::AnyOf(codes);
    }
    if let Some(pair) = pair(&lower, names) {
        return Token::Pair(pair);
    }
    class.map_or_else(|| Token::Unknown(text.to_owned()), Token::Word)
}

/// An asset by its code or customary name, if there is such.
fn known(text: &str, names: &Names) -> Option<Asset> {
    Asset::parse(text).ok().filter(|asset| names.has_asset(asset))
}

fn pair(lower: &str, names: &Names) -> Option<Pair> {
    let at = lower.rfind(['/', ':', '-', '_', '\\', '|']);
    let Some(at) = at else { return names.run_together(lower).cloned() };
    let asset = |text: &str| lexicon::asset_of(text).or_else(|| known(text, names));
    Pair::new(asset(&lower[..at])?, asset(&lower[at + 1..])?).ok()
}

/// Puts numbers and their units together: `5 %`, `15 минут`, `70 тыс.`
fn measure(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let joined = match (out.last(), &token) {
            (Some(Token::Number(number)), Token::Word(Class::Percent)) => Some(Token::Percent(*number)),
            (Some(Token::Number(number)), Token::Word(Class::Span(unit))) => {
                span_of(*number, *unit).map(Token::Span)
            }
            (Some(Token::Number(number)), Token::Unknown(word)) => multiplied(*number, word),
            _ => None,
        };
        match joined {
            Some(token) => {
                out.pop();
                out.push(token);
            }
            None => out.push(match token {
                Token::Word(Class::Span(ms)) => Token::Span(ms),
                token => token,
            }),
        }
    }
    out
}

fn multiplied(number: Number, word: &str) -> Option<Token> {
    let word = word.to_lowercase();
    let power = number_read::power_of(&word)?;
    let multiplied = number_read::times_ten_to(number, power)?;
    match (word.as_str(), span_of(number, 60_000)) {
        ("m" | "м", Some(ms)) => Some(Token::NumberOrSpan(multiplied, ms)),
        _ => Some(Token::Number(multiplied)),
    }
}

fn span_of(number: Number, unit_ms: i64) -> Option<i64> {
    let ms = number.sure()?.checked_mul(unit_ms.into())?;
    i64::try_from(ms.trunc()).ok().filter(|ms| *ms > 0)
}
