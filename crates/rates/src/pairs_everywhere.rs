//! `rates pairs add PAIR --venue all`: a row at every venue whose file can spell the pair, and why not at the others.
//! It must not know whether a venue trades the pair: a running service says that of each row.

use crate::{
    args::PairsAddArgs,
    exit::{Exit, Failure, Outcome},
    known::Known,
    opening,
    output::{self, Form},
    pairs::{new_row, usage},
};
use clock::Clock;
use market::PairSpec;
use store::{NewTradeRow, StoreError};
use venue::Venue;

/// The name that stands for every venue.
pub const ALL: &str = "all";

/// Adds a row at every venue that can spell it.
pub async fn add(args: &PairsAddArgs) -> Outcome {
    if args.url.is_some() {
        return Err(usage("--url", "one address is not that of every venue; name the venue"));
    }
    let row = new_row(args)?;
    let spec = PairSpec::parse(&row.currency_pair).map_err(|error| usage(&row.currency_pair, error))?;
    let config = opening::config(&args.store.flags())?;
    let store = opening::open_store(&config).await?;
    let known = Known::load(&config, &*store).await?;
    let mut done: Vec<Vec<String>> = Vec::new();
    for name in known.files.keys() {
        let can = known.venue(name).map_err(|failure| failure.to_string()).and_then(|v| spells(&v, &spec));
        let (id, what, why) = match can {
            Err(reason) => (String::new(), "left out", reason),
            Ok(()) => {
                let row = NewTradeRow { venue: name.clone(), ..row.clone() };
                match store.add_trade_row(&row, Clock::system().now()).await {
                    Ok(id) => (id.to_string(), "added", String::new()),
                    Err(StoreError::Conflict(reason)) => (String::new(), "left out", reason),
                    Err(error) => return Err(Failure::store(error)),
                }
            }
        };
        done.push(vec![id, name.clone(), row.currency_pair.clone(), what.to_owned(), why]);
    }
    store.close().await;
    let added = done.iter().filter(|row| row[3] == "added").count();
    output::write(&output::rows(Form::choose(false), &["ID", "VENUE", "PAIR", "RESULT", "REASON"], &done))?;
    output::say(&format!(
        "{added} of {} venues; a running service takes them within two seconds",
        done.len()
    ));
    Ok(Exit::Ok)
}

fn spells(venue: &Venue, spec: &PairSpec) -> Result<(), String> {
    if !venue.is_spot() {
        return Err("its prices are not spot prices and reach no rate".to_owned());
    }
    for (base, quote) in spec.product() {
        venue.symbol(base, quote).map_err(|error| format!("{base}-{quote}: {error}"))?;
    }
    Ok(())
}
