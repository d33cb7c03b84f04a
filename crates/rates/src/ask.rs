//! `rates get`, `rates convert` and `rates healthcheck`: one question to a server, one answer on the terminal.
//! It must not know how rates are made.

use crate::{
    args::{ConvertArgs, GetArgs, ServerArgs},
    client::Client,
    exit::{Exit, Failure, Outcome},
    output::{self, Form},
    span,
};
use serde::Deserialize;

/// What is read of a rate; the rest passes through with `--json`.
#[derive(Debug, Deserialize)]
pub struct RateAnswer {
    /// The pair.
    pub pair: String,
    /// Its value.
    pub value: Option<String>,
    /// Disputed: the lowest and the highest.
    pub low: Option<String>,
    /// See `low`.
    pub high: Option<String>,
    /// Whether it is still good.
    pub state: String,
    /// What is not as it should be.
    #[serde(default)]
    pub degraded: Vec<String>,
    /// Who said it.
    #[serde(default)]
    pub sources: Vec<String>,
    /// How many venues quote the pair.
    #[serde(default)]
    pub sources_total: u64,
    /// The steps of a cross rate.
    #[serde(default)]
    pub legs: Vec<LegAnswer>,
    /// Whether it is invented.
    #[serde(default)]
    pub demo: bool,
    /// How old it is.
    pub age_ms: Option<i64>,
    /// Every tick behind it, if asked for.
    #[serde(default)]
    pub ticks: Vec<TickAnswer>,
}

/// A step of a cross rate.
#[derive(Debug, Deserialize)]
pub struct LegAnswer {
    /// Its pair.
    pub pair: String,
    /// Its value.
    pub value: String,
    /// Whether one divided by it was used.
    #[serde(default)]
    pub inverse: bool,
}

/// One venue's part.
#[derive(Debug, Deserialize)]
pub struct TickAnswer {
    venue: String,
    last: Option<String>,
    bid: Option<String>,
    ask: Option<String>,
    age_ms: Option<i64>,
    deviation_pct: Option<serde_json::Value>,
    #[serde(default)]
    used: bool,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Conversion {
    from: String,
    to: String,
    amount: String,
    result: Option<String>,
    #[serde(default)]
    legs: Vec<LegAnswer>,
    state: String,
    age_ms: Option<i64>,
}

/// Reads an answer; what cannot be read comes from no server of ours.
pub fn read<'a, T: Deserialize<'a>>(client: &Client, body: &'a str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(|error| {
        let place = client.place();
        Failure::new(
            Exit::Failure,
            anyhow::Error::new(error).context(format!("{place} answers something that is no rate")),
        )
    })
}

/// Whether a state counts as good: anything but `fresh` ends with 3.
pub fn exit_of_state(state: &str) -> Exit {
    if state == "fresh" { Exit::Ok } else { Exit::Stale }
}

/// `BTC USDT` or any single spelling; the server reads it.
fn pair_text(words: &[String]) -> String {
    words.join("-")
}

/// `rates get`
pub async fn get(args: &GetArgs) -> Outcome {
    let client = Client::new(&args.server.url)?;
    let mut query = Vec::new();
    query.extend(args.venue.iter().map(|venue| ("venue", venue.clone())));
    query.extend(args.max_age.iter().map(|age| ("max_age", age.clone())));
    query.extend(args.explain.then(|| ("explain", "1".to_owned())));
    let body = client.text(&["api", "v1", "rates", &pair_text(&args.pair)], &query).await?;
    let rate: RateAnswer = read(&client, &body)?;
    output::write(&match Form::choose(args.json) {
        Form::Json => body.trim_end().to_owned() + "\n",
        Form::Table => for_people(&rate),
        Form::Tabs => rate_line(&rate) + &ticks(Form::Tabs, &rate.ticks),
    })?;
    Ok(exit_of_state(&rate.state))
}

/// pair, value, state, age in ms, who said it.
pub fn rate_line(rate: &RateAnswer) -> String {
    let age = rate.age_ms.map(|ms| ms.to_string()).unwrap_or_default();
    let cells =
        [&rate.pair, value_of(rate).as_str(), &rate.state, &age, &rate.sources.join(",")].map(output::flat);
    cells.join("\t") + "\n"
}

/// The value; of a disputed rate the range.
pub fn value_of(rate: &RateAnswer) -> String {
    match (&rate.value, &rate.low, &rate.high) {
        (Some(value), ..) => value.clone(),
        (None, Some(low), Some(high)) => format!("{low}..{high}"),
        _ => "-".to_owned(),
    }
}

/// What is to be known about a rate, in words.
fn notes_of(rate: &RateAnswer) -> String {
    let mut notes = Vec::new();
    notes.extend(rate.demo.then(|| "a demo: the price is invented".to_owned()));
    notes.extend(rate.degraded.iter().cloned());
    notes.join("; ")
}

fn for_people(rate: &RateAnswer) -> String {
    let age = rate.age_ms.map(span::show_age).unwrap_or_default();
    let mut text = format!("{}  {}  {}, {age} old", rate.pair, value_of(rate), rate.state);
    if !rate.sources.is_empty() {
        text += &format!(
            "  ({} of {}: {})",
            rate.sources.len(),
            rate.sources_total.max(rate.sources.len() as u64),
            rate.sources.join(", ")
        );
    }
    text += "\n";
    text += &legs_of(&rate.legs);
    let notes = notes_of(rate);
    if !notes.is_empty() {
        text += &format!("  {notes}\n");
    }
    if !rate.ticks.is_empty() {
        text += "\n";
        text += &ticks(Form::Table, &rate.ticks);
    }
    // Line by line, so that nothing a server says can steer the terminal.
    text.lines().map(|line| output::flat(line) + "\n").collect()
}

fn legs_of(legs: &[LegAnswer]) -> String {
    let how = |leg: &LegAnswer| if leg.inverse { "divided by" } else { "times" };
    legs.iter().map(|leg| format!("  {} {} {}\n", how(leg), leg.pair, leg.value)).collect()
}

fn ticks(form: Form, ticks: &[TickAnswer]) -> String {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let age = |ms: Option<i64>| match (ms, form) {
        (Some(ms), Form::Table) => span::show_age(ms),
        (Some(ms), _) => ms.to_string(),
        _ => String::new(),
    };
    let deviation = |value: &Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let rows: Vec<Vec<String>> = ticks
        .iter()
        .map(|tick| {
            let used = if tick.used {
                "used".to_owned()
            } else {
                tick.reason.clone().unwrap_or_else(|| "not used".to_owned())
            };
            vec![
                tick.venue.clone(),
                or_dash(&tick.last),
                or_dash(&tick.bid),
                or_dash(&tick.ask),
                age(tick.age_ms),
                deviation(&tick.deviation_pct),
                used,
            ]
        })
        .collect();
    output::rows(form, &["VENUE", "LAST", "BID", "ASK", "AGE", "OFF %", ""], &rows)
}

/// `rates convert`
pub async fn convert(args: &ConvertArgs) -> Outcome {
    let client = Client::new(&args.server.url)?;
    let query = [("from", args.from.clone()), ("to", args.to.clone()), ("amount", args.amount.clone())];
    let body = client.text(&["api", "v1", "convert"], &query).await?;
    let answer: Conversion = read(&client, &body)?;
    let result = answer.result.clone().unwrap_or_else(|| "-".to_owned());
    output::write(&match Form::choose(args.json) {
        Form::Json => body.trim_end().to_owned() + "\n",
        Form::Tabs => {
            format!("{}\n", [result.as_str(), &answer.to, &answer.state].map(output::flat).join("\t"))
        }
        Form::Table => {
            let age = answer.age_ms.map(span::show_age).unwrap_or_default();
            let head = format!(
                "{} {} = {result} {}  {}, {age} old\n",
                answer.amount, answer.from, answer.to, answer.state
            );
            (head + &legs_of(&answer.legs)).lines().map(|line| output::flat(line) + "\n").collect()
        }
    })?;
    Ok(exit_of_state(&answer.state))
}

/// `rates healthcheck`: for images without curl.
pub async fn healthcheck(args: &ServerArgs) -> Outcome {
    let client = Client::new(&args.url)?;
    let answer = client.ask(&["readyz"], &[]).await?;
    let is_ready = answer.status().is_success();
    let body = client.body(answer).await?;
    output::write(&(body.trim_end().to_owned() + "\n"))?;
    Ok(if is_ready { Exit::Ok } else { Exit::Failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_on_one_line() {
        let body = r#"{"pair":"BTC-USDT","value":"64348.95","state":"fresh","sources":["a","b"],"sources_total":3,"demo":true,"degraded":["few_sources"],"age_ms":812,"new":1}"#;
        let rate: RateAnswer = serde_json::from_str(body).unwrap();
        assert_eq!(rate_line(&rate), "BTC-USDT\t64348.95\tfresh\t812\ta,b\n");
        assert_eq!(
            for_people(&rate),
            "BTC-USDT  64348.95  fresh, 812ms old  (2 of 3: a, b)\n  a demo: the price is invented; few_sources\n"
        );
    }

    #[test]
    fn a_disputed_rate_shows_its_range_and_a_server_cannot_steer_the_terminal() {
        let body =
            r#"{"pair":"A-B\u001b[2J","value":null,"low":"1.0","high":"2.0","state":"disputed","age_ms":1}"#;
        let rate: RateAnswer = serde_json::from_str(body).unwrap();
        assert_eq!(rate_line(&rate), "A-B [2J\t1.0..2.0\tdisputed\t1\t\n");
        assert!(!for_people(&rate).contains('\u{1b}'));
        assert_eq!(exit_of_state(&rate.state), Exit::Stale);
    }
}
