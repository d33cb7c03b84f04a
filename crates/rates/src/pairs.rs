//! `rates pairs …`: the rows of `trade_info`, read and written in the store.
//! It must not know how a row is made into a connection.

use crate::{
    args::{ListArgs, PairsAddArgs, PairsCommand, RowArgs},
    exit::{Exit, Failure, Outcome},
    known::Known,
    opening,
    output::{self, Form},
    pairs_everywhere, pairs_search,
    secret::without_password,
    span,
    states::States,
};
use clock::Clock;
use market::PairSpec;
use serde_json::Value;
use store::{NewTradeRow, TradeRow, TradeRowChange};
use url::Url;

/// `rates pairs …`
pub async fn pairs(command: &PairsCommand) -> Outcome {
    match command {
        PairsCommand::List(args) => list(args).await,
        PairsCommand::Add(args) if args.venue == pairs_everywhere::ALL => pairs_everywhere::add(args).await,
        PairsCommand::Add(args) => add(args).await,
        PairsCommand::Search(args) => pairs_search::search(args).await,
        PairsCommand::Remove(args) => remove(args).await,
        PairsCommand::Enable(args) => switch(args, true).await,
        PairsCommand::Disable(args) => switch(args, false).await,
    }
}

async fn list(args: &ListArgs) -> Outcome {
    let store = opening::store(&args.store.flags()).await?;
    let rows = store.trade_rows().await.map_err(Failure::store)?;
    store.close().await;
    let states = States::ask(&args.server.url).await?;
    let form = Form::choose(args.json);
    let text = if form == Form::Json {
        let all: Vec<_> = rows.iter().map(|row| as_json(row, &states)).collect();
        output::json(&serde_json::json!({ "pairs": all }))?
    } else {
        let cells: Vec<_> = rows.iter().map(|row| as_cells(row, &states)).collect();
        output::rows(
            form,
            &[
                "ID",
                "VENUE",
                "PAIR",
                "STATE",
                "ENABLED",
                "INTERVAL_MS",
                "STALE_AFTER_MS",
                "URL",
                "COLLECTOR",
                "REASON",
            ],
            &cells,
        )
    };
    output::write(&text)?;
    Ok(Exit::Ok)
}

fn as_cells(row: &TradeRow, states: &States) -> Vec<String> {
    let (state, reason) = states.row(row.id);
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        row.id.to_string(),
        or_empty(&row.venue),
        or_empty(&row.currency_pair),
        state,
        if row.enabled { "yes" } else { "no" }.to_owned(),
        or_empty(&row.interval_ms),
        or_empty(&row.stale_after_ms),
        row.url.as_deref().map(without_password).unwrap_or_default(),
        states.collector(row.id).unwrap_or_default().to_owned(),
        reason.unwrap_or_default(),
    ]
}

fn as_json(row: &TradeRow, states: &States) -> Value {
    let (state, reason) = states.row(row.id);
    // A foreign client may have written anything: a number is shown as one, all else as its text.
    let number = |text: &Option<String>| {
        text.as_ref().map(|text| text.parse::<i64>().map_or_else(|_| Value::from(text.as_str()), Value::from))
    };
    serde_json::json!({
        "id": row.id, "venue": row.venue, "currency_pair": row.currency_pair, "state": state, "reason": reason,
        "enabled": row.enabled, "allow_negative": row.allow_negative,
        "interval_ms": number(&row.interval_ms), "stale_after_ms": number(&row.stale_after_ms),
        "expire_after_ms": number(&row.expire_after_ms),
        "url": row.url.as_deref().map(without_password),
        "collector": states.collector(row.id),
    })
}

async fn add(args: &PairsAddArgs) -> Outcome {
    let row = new_row(args)?;
    let config = opening::config(&args.store.flags())?;
    let store = opening::open_store(&config).await?;
    let known = Known::load(&config, &*store).await?;
    let venue = known.venue(&args.venue)?;
    let spec = PairSpec::parse(&row.currency_pair).map_err(|error| usage(&row.currency_pair, error))?;
    for (base, quote) in spec.product() {
        venue.symbol(base, quote).map_err(|error| usage(format_args!("{base}-{quote}"), error))?;
    }
    let id = store.add_trade_row(&row, Clock::system().now()).await.map_err(Failure::store)?;
    store.close().await;
    output::say(&format!(
        "row {id}: {} at {}; a running service takes it within two seconds",
        row.currency_pair, row.venue
    ));
    output::write(&format!("{id}\n"))?;
    Ok(Exit::Ok)
}

/// A command line that makes no sense.
pub fn usage(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Failure {
    Failure::say(Exit::Usage, format!("{what}: {why}"))
}

/// The row that the arguments ask for.
pub fn new_row(args: &PairsAddArgs) -> Result<NewTradeRow, Failure> {
    let time = |flag: &str, text: &Option<String>| match text.as_deref().map(span::parse_ms) {
        None => Ok(None),
        Some(Ok(ms)) if ms > 0 => Ok(Some(ms)),
        Some(Ok(_)) => Err(usage(flag, span::FORM)),
        Some(Err(reason)) => Err(usage(flag, reason)),
    };
    if let Some(url) = &args.url {
        let good = Url::parse(url)
            .is_ok_and(|url| matches!(url.scheme(), "ws" | "wss" | "http" | "https") && url.has_host());
        if !good {
            return Err(usage("--url", "write an address such as wss://stream.example.org/ws"));
        }
    }
    Ok(NewTradeRow {
        venue: args.venue.clone(),
        currency_pair: args.pair.trim().to_owned(),
        url: args.url.clone(),
        interval_ms: time("--interval", &args.interval)?,
        stale_after_ms: time("--stale-after", &args.stale_after)?,
        expire_after_ms: time("--expire-after", &args.expire_after)?,
        allow_negative: args.allow_negative,
        enabled: true,
    })
}

async fn remove(args: &RowArgs) -> Outcome {
    let store = opening::store(&args.store.flags()).await?;
    let was_there = store.remove_trade_row(args.id).await.map_err(Failure::store)?;
    store.close().await;
    done(was_there, args.id, "removed")
}

async fn switch(args: &RowArgs, enabled: bool) -> Outcome {
    let store = opening::store(&args.store.flags()).await?;
    let change = TradeRowChange { enabled: Some(enabled), ..TradeRowChange::default() };
    let was_there =
        store.change_trade_row(args.id, &change, Clock::system().now()).await.map_err(Failure::store)?;
    store.close().await;
    done(was_there, args.id, if enabled { "enabled" } else { "disabled" })
}

fn done(was_there: bool, id: i64, what: &str) -> Outcome {
    if !was_there {
        return Err(
            Failure::say(Exit::NotFound, format!("there is no row {id}")).hint("see `rates pairs list`")
        );
    }
    output::say(&format!("row {id} is {what}"));
    Ok(Exit::Ok)
}
