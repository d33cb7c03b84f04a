//! `rates pairs search`: what which venue calls how, in the venues' own lists of symbols.
//! It must not know how a list is fetched or read.

use crate::{
    args::PairsSearchArgs,
    exit::{Exit, Failure, Outcome},
    known::Known,
    near::did_you_mean,
    opening,
    output::{self, Form},
};
use clock::Clock;
use collector::{Lister, ListingError, Settings};
use futures_util::{StreamExt, stream};
use market::{Asset, Pair};
use std::{collections::BTreeSet, time::Duration};
use url::Url;
use venue::Listed;

/// All venues together have so long.
const WITHIN: Duration = Duration::from_secs(10);

/// So many are asked at once: as many as there may be, within reason, since they share one deadline.
const AT_ONCE: usize = 64;

/// What the venues said.
#[derive(Debug, Default)]
struct Answers {
    /// Name of the venue and a line of its list.
    listed: Vec<(String, Listed)>,
    /// Name of the venue and why it has no say.
    silent: Vec<(String, String)>,
    answered: usize,
}

/// `rates pairs search`
pub async fn search(args: &PairsSearchArgs) -> Outcome {
    if let Some(url) = &args.url_base
        && !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    {
        return Err(Failure::say(Exit::Usage, "--url-base: write an address such as http://127.0.0.1:9000"));
    }
    let answers = ask(args).await?;
    for (venue, reason) in &answers.silent {
        output::say(&output::flat(&format!("rates: {venue} was not asked or did not answer: {reason}")));
    }
    if answers.answered == 0 {
        return Err(Failure::say(Exit::Unavailable, "no venue told its symbols"));
    }
    let mut found = matching(&args.text, &answers.listed);
    found.sort_unstable_by_key(|(venue, listed)| (&listed.pair, venue, &listed.symbol));
    let form = Form::choose(args.json);
    if form == Form::Json {
        let line = |(venue, l): &&(String, Listed)| {
            serde_json::json!({
                "venue": venue, "symbol": l.symbol, "pair": l.pair, "base": l.base, "quote": l.quote,
            })
        };
        let silent =
            |(venue, reason): &(String, String)| serde_json::json!({ "venue": venue, "reason": reason });
        let symbols: Vec<_> = found.iter().map(line).collect();
        let unanswered: Vec<_> = answers.silent.iter().map(silent).collect();
        output::write(&output::json(&serde_json::json!({ "symbols": symbols, "unanswered": unanswered }))?)?;
    } else if !found.is_empty() {
        let cells: Vec<Vec<String>> = found
            .iter()
            .map(|(venue, listed)| vec![venue.clone(), listed.symbol.clone(), listed.pair.to_string()])
            .collect();
        output::write(&output::rows(form, &["VENUE", "SYMBOL", "PAIR"], &cells))?;
    }
    if found.is_empty() {
        let text: String = args.text.chars().filter(|c| !c.is_control()).take(64).collect();
        let hint = near(&text, &answers.listed);
        return Err(Failure::say(Exit::NotFound, format!("nobody lists {text:?}{hint}")));
    }
    Ok(Exit::Ok)
}

async fn ask(args: &PairsSearchArgs) -> Result<Answers, Failure> {
    let config = opening::config(&args.flags())?;
    let store = opening::open_store(&config).await?;
    let known = Known::load(&config, &*store).await;
    store.close().await;
    let known = known?;
    let names: Vec<&String> = match &args.venue {
        Some(name) => {
            known.file(name)?;
            known.files.keys().filter(|known| *known == name).collect()
        }
        None => known.files.keys().collect(),
    };
    let mut settings = Settings::new("search");
    settings.allow_private = config.allow_private;
    let lister = Lister::new(&settings, Clock::system()).map_err(anyhow::Error::new)?;
    let mut answers = Answers::default();
    let mut asking = Vec::new();
    for name in names {
        match known.venue(name) {
            Ok(venue) => {
                let lister = lister.clone();
                asking.push(async move {
                    let answer = lister.list(&venue, args.url_base.as_deref(), WITHIN).await;
                    (name.clone(), answer)
                });
            }
            Err(failure) => answers.silent.push((name.clone(), failure.to_string())),
        }
    }
    let mut asked = stream::iter(asking).buffer_unordered(AT_ONCE);
    while let Some((name, answer)) = asked.next().await {
        match answer {
            Ok(listed) => {
                answers.answered += 1;
                answers.listed.extend(listed.into_iter().map(|listed| (name.clone(), listed)));
            }
            // Most venues without a list are no news, unless they were asked for by name.
            Err(ListingError::Unknown) if args.venue.is_none() => {}
            Err(error) => answers.silent.push((name, error.to_string())),
        }
    }
    answers.silent.sort_unstable();
    Ok(answers)
}

/// What was meant: the pair or symbol itself, else everything of the asset, else whatever holds the text.
fn matching<'a>(text: &str, listed: &'a [(String, Listed)]) -> Vec<&'a (String, Listed)> {
    let text = text.trim();
    let (pair, asset) = (Pair::parse(text).ok(), Asset::parse(text).ok());
    let is_it = |l: &Listed| pair.as_ref() == Some(&l.pair) || l.symbol.eq_ignore_ascii_case(text);
    let is_of_it = |l: &Listed| {
        asset.as_ref().is_some_and(|asset| l.pair.has(asset))
            || l.base.eq_ignore_ascii_case(text)
            || l.quote.eq_ignore_ascii_case(text)
    };
    let upper = text.to_ascii_uppercase();
    let holds_it = |l: &Listed| {
        [&l.symbol, &l.base, &l.quote, &l.pair.to_string()]
            .iter()
            .any(|t| t.to_ascii_uppercase().contains(&upper))
    };
    let tiers: [&dyn Fn(&Listed) -> bool; 3] = [&is_it, &is_of_it, &holds_it];
    let mut found = tiers.iter().map(|tier| listed.iter().filter(|(_, l)| tier(l)).collect::<Vec<_>>());
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

fn near(text: &str, listed: &[(String, Listed)]) -> String {
    let is_pair = text.contains(['-', '/', ':', '_', ' ']);
    let names: BTreeSet<String> = listed
        .iter()
        .flat_map(|(_, l)| match is_pair {
            true => vec![l.pair.to_string()],
            false => vec![l.pair.base().to_string(), l.pair.quote().to_string(), l.symbol.clone()],
        })
        .collect();
    did_you_mean(text, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(symbol: &str, base: &str, quote: &str) -> (String, Listed) {
        let pair = Pair::new(Asset::parse(base).unwrap(), Asset::parse(quote).unwrap()).unwrap();
        let (symbol, base, quote) = (symbol.to_owned(), base.to_owned(), quote.to_owned());
        ("v".to_owned(), Listed { symbol, base, quote, pair })
    }

    #[test]
    fn the_nearest_meaning_wins_and_mistakes_are_guessed() {
        let all = [
            listed("XBT/USD", "XBT", "USD"),
            listed("SOLUSDT", "SOL", "USDT"),
            listed("SOLVEBTC", "SOLVE", "BTC"),
            listed("tDOGE:UST", "DOGE", "USDT"),
        ];
        for (text, want) in [
            ("sol", vec!["SOLUSDT"]),
            ("solana", vec!["SOLUSDT"]),
            ("solve-btc", vec!["SOLVEBTC"]),
            ("solvebtc", vec!["SOLVEBTC"]),
            ("btc", vec!["XBT/USD", "SOLVEBTC"]),
            ("xbt", vec!["XBT/USD", "SOLVEBTC"]),
            ("olv", vec!["SOLVEBTC"]),
            ("tdoge", vec!["tDOGE:UST"]),
            ("ton", vec![]),
        ] {
            let found: Vec<_> = matching(text, &all).iter().map(|(_, l)| l.symbol.as_str()).collect();
            assert_eq!(found, want, "{text}");
        }
        assert_eq!(near("DOGF", &all), "; did you mean DOGE?");
        assert_eq!(near("BTC-USE", &all), "; did you mean BTC-USD?");
    }
}
