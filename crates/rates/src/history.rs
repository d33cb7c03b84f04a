//! `rates history`: the candles that a server has recorded.
//! It must not know how candles are made.

use crate::{
    args::HistoryArgs,
    ask,
    client::Client,
    exit::{Exit, Outcome},
    output::{self, Form},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct History {
    candles: Vec<Candle>,
}

#[derive(Debug, Deserialize)]
struct Candle {
    t: i64,
    o: String,
    h: String,
    l: String,
    c: String,
    n: i64,
}

/// `rates history`; 4 if nothing was recorded.
pub async fn history(args: &HistoryArgs) -> Outcome {
    let client = Client::new(&args.server.url)?;
    let mut query = vec![("interval", args.interval.clone())];
    query.extend(args.from.map(|ms| ("from", ms.to_string())));
    query.extend(args.to.map(|ms| ("to", ms.to_string())));
    query.extend(args.venue.iter().map(|venue| ("venue", venue.clone())));
    let body = client.text(&["api", "v1", "history", &args.pair.join("-")], &query).await?;
    let history: History = ask::read(&client, &body)?;
    let rows: Vec<_> = history
        .candles
        .iter()
        .map(|c| vec![c.t.to_string(), c.o.clone(), c.h.clone(), c.l.clone(), c.c.clone(), c.n.to_string()])
        .collect();
    output::write(&match Form::choose(args.json) {
        Form::Json => body.trim_end().to_owned() + "\n",
        form => output::rows(form, &["begins", "open", "high", "low", "close", "ticks"], &rows),
    })?;
    if rows.is_empty() {
        output::say("nothing was recorded of this pair in that time");
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Ok)
}
