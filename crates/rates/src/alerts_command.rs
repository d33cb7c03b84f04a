//! `rates alerts …`: what the operator, programs and chats wait for, in the store itself.
//! It must not know how an alert is watched, nor how anybody is told.

use crate::{
    args_alerts::{AddArgs, AlertsCommand},
    client::Client,
    exit::{Exit, Failure, Outcome},
    opening,
    output::{self, Form},
};
use alerts::{KeepError, Kept, Progress, Spec, Target, Wish, signature};
use clock::Clock;
use market::{Price, Sign};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, time::Duration};
use store::{AlertRow, ApiKey, NewAlert, Owner, Store, WebhookRow};

/// The most open alerts, and webhooks, of the operator's.
const ALERTS_MAX: usize = 100_000;
const WEBHOOKS_MAX: usize = 1_000;
/// How far back it is looked how often an alert would have fired.
const PREVIEW_DAYS: i64 = 7;
/// A server that does not say what the pair is worth is not waited for.
const VALUE_WITHIN: Duration = Duration::from_secs(3);
const PAGE: usize = 5_000;
/// Why an alert is closed that did not close itself.
const KEY_REVOKED: &str = "key revoked";

/// `rates alerts …`
pub async fn alerts(command: &AlertsCommand) -> Outcome {
    match command {
        AlertsCommand::Add(args) => add(args).await,
        AlertsCommand::List { owner, closed, json, store } => {
            let store = opening::store(&store.flags()).await?;
            let done = list(&*store, owner.as_deref(), *closed, *json).await;
            store.close().await;
            done
        }
        AlertsCommand::Remove { id, store } => {
            let store = opening::store(&store.flags()).await?;
            let done = remove(&*store, *id).await;
            store.close().await;
            done
        }
    }
}

async fn add(args: &AddArgs) -> Outcome {
    let usage = |text: String| Failure::say(Exit::Usage, text);
    let spec = alerts::parse(&args.line.join(" ")).map_err(|error| usage(error.to_string()))?;
    let config = opening::config(&args.store.flags())?;
    if let Some(url) = &args.webhook {
        let checked = alerts::check_url(&opening::guard(&config), url);
        checked.map_err(|why| usage(format!("--webhook: {why}")))?;
    }
    let secret = secret(args)?;
    let chat = args.chat.as_deref().map(|chat| format!("chat:{chat}").parse::<Target>()).transpose();
    let chat = chat.map_err(|_| usage("--chat: write the chat's NUMBER, or NUMBER/TOPIC".to_owned()))?;
    let store = opening::open_store(&config).await?;
    let done = add_to(&store, args, spec, secret, chat).await;
    store.close().await;
    done
}

async fn add_to(
    store: &Arc<dyn Store>,
    args: &AddArgs,
    spec: Spec,
    secret: Option<String>,
    chat: Option<Target>,
) -> Outcome {
    let now = Clock::system().now();
    if let Some(venue) = alerts::unasked_venue(&**store, &spec).await.map_err(Failure::store)? {
        let text = format!("no row of trade_info names the venue {venue}; see rates venues list");
        return Err(Failure::say(Exit::Usage, text));
    }
    let preview = alerts::preview_days(&**store, &spec, PREVIEW_DAYS, now).await.map_err(Failure::store)?;
    let preview = json!({"days": PREVIEW_DAYS, "count": preview.map(|preview| preview.count)});
    let value = value_now(&args.server.url, &spec).await;
    let full = |what: &str, max: usize| {
        Failure::say(Exit::Failure, format!("the operator has {max} {what}, the limit; rates alerts list"))
    };
    let mut said = match (&args.webhook, chat) {
        (None, None) => say_spec(&spec),
        _ if args.dry_run => say_spec(&spec),
        (Some(url), _) => {
            let wish = Wish {
                owner: Owner::Operator,
                spec,
                value,
                url: url.clone(),
                secret,
                alerts_max: ALERTS_MAX,
                webhooks_max: WEBHOOKS_MAX,
            };
            match alerts::keep(&**store, wish, now).await {
                Ok(Kept::Added { id, webhook, is_new_secret }) => {
                    let mut said = alerts::shown(&row(&**store, id).await?, Some(&webhook));
                    if is_new_secret {
                        said["webhook"]["secret"] = webhook.secret.into();
                    }
                    said
                }
                Ok(Kept::TooManyAlerts) => return Err(full("open alerts", ALERTS_MAX)),
                Ok(Kept::TooManyWebhooks) => return Err(full("webhooks", WEBHOOKS_MAX)),
                Err(KeepError::Store(error)) => return Err(Failure::store(error)),
                Err(error @ KeepError::Random) => return Err(Failure::from(anyhow::Error::new(error))),
            }
        }
        (None, Some(chat)) => {
            let alert = NewAlert {
                owner: Owner::Operator.to_string(),
                target: chat.to_string(),
                pair: spec.pair.as_ref().map(ToString::to_string).unwrap_or_default(),
                progress: Progress::new(&spec, value).to_json(),
                spec: spec.to_json(),
            };
            match store.add_alert(&alert, ALERTS_MAX, now).await.map_err(Failure::store)? {
                Some(id) => alerts::shown(&row(&**store, id).await?, None),
                None => return Err(full("open alerts", ALERTS_MAX)),
            }
        }
    };
    said["preview"] = preview;
    tell(&said, Form::choose(args.json))
}

fn say_spec(spec: &Spec) -> Value {
    let mut said = serde_json::to_value(spec).unwrap_or_default();
    said["text"] = spec.to_string().into();
    said
}

fn tell(said: &Value, form: Form) -> Outcome {
    let text = said["text"].as_str().unwrap_or_default();
    match said["id"].as_i64() {
        Some(id) => output::say(&format!("alert {id}: {text}")),
        None => output::say(&format!("understood, not kept: {text}")),
    }
    match said["preview"]["count"].as_i64() {
        Some(count) => {
            let times = if count == 1 { "time" } else { "times" };
            output::say(&format!(
                "it would have fired {count} {times} in the last {PREVIEW_DAYS} days, repeating"
            ));
        }
        None => output::say("candles do not tell how often it would have fired"),
    }
    if form == Form::Json {
        output::write(&output::json(said)?)?;
    } else if let Some(secret) = said["webhook"]["secret"].as_str() {
        output::say("what the webhook is told is signed with this secret; it is shown this once");
        output::write(&format!("{secret}\n"))?;
    }
    Ok(Exit::Ok)
}

async fn row(store: &dyn Store, id: i64) -> Result<AlertRow, Failure> {
    let row = store.alert(id).await.map_err(Failure::store)?;
    row.ok_or_else(|| Failure::say(Exit::Failure, "the alert was removed by somebody in the same moment"))
}

/// The secret that a file holds. Not an argument: others on the machine can read those.
fn secret(args: &AddArgs) -> Result<Option<String>, Failure> {
    let Some(path) = &args.secret_file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::say(Exit::Usage, format!("--secret-file: {}: {error}", path.display())))?;
    let secret = text.trim();
    if !signature::is_secret(secret) {
        let form = "16 to 128 printable characters without spaces";
        return Err(Failure::say(Exit::Usage, format!("--secret-file: a secret is {form}")));
    }
    Ok(Some(secret.to_owned()))
}

/// What the pair is worth now, as far as a server says so. Without it the alert learns from the first rate it sees.
async fn value_now(url: &str, spec: &Spec) -> Option<Price> {
    #[derive(Deserialize)]
    struct Rate {
        value: Option<String>,
        state: String,
        #[serde(default)]
        degraded: Vec<String>,
    }
    let client = Client::new(url).ok()?;
    let (pair, no_query) = (spec.pair.as_ref()?.to_string(), [("max_age", "30s".to_owned())]);
    let path = ["api", "v1", "rates", &pair];
    let body = tokio::time::timeout(VALUE_WITHIN, client.text(&path, &no_query)).await.ok()?.ok()?;
    let rate: Rate = serde_json::from_str(&body).ok()?;
    // What only the cache vouches for is not good enough to an alert, either.
    let is_good = rate.state == "fresh" && !rate.degraded.iter().any(|word| word == "cache_only");
    let value = rate.value.filter(|_| is_good)?;
    Price::parse_signed(&value, Sign::Any).ok()
}

async fn list(store: &dyn Store, owner: Option<&str>, closed: bool, json: bool) -> Outcome {
    let mut rows = Vec::new();
    if let Some(owner) = owner {
        rows = store.alerts_of(owner).await.map_err(Failure::store)?;
        rows.retain(|row| closed || row.is_open);
    } else {
        loop {
            let after = rows.last().map_or(0, |row: &AlertRow| row.id);
            let page = store.alerts_page(after, !closed, PAGE).await.map_err(Failure::store)?;
            if page.is_empty() {
                break;
            }
            rows.extend(page);
        }
    }
    let hooks = webhooks(store, &rows).await?;
    let keys = store.api_keys().await.map_err(Failure::store)?;
    let form = Form::choose(json);
    let text = if form == Form::Json {
        let shown = |row: &AlertRow| {
            let mut shown = alerts::shown(row, hooks.get(&row.target));
            shown["owner"] = row.owner.as_str().into();
            shown["target"] = row.target.as_str().into();
            if was_closed_by_revoking(row, &keys) {
                shown["closed_because"] = KEY_REVOKED.into();
            }
            shown
        };
        output::json(&json!({"alerts": rows.iter().map(shown).collect::<Vec<_>>()}))?
    } else {
        let cells = |row: &AlertRow| {
            let shown = alerts::shown(row, None);
            let text = shown["text"].as_str().or(shown["invalid"].as_str()).unwrap_or_default().to_owned();
            // The host alone: the rest of an address may be a secret, and a screen is looked at by others.
            let target = hooks.get(&row.target).map_or_else(|| row.target.clone(), host);
            let state = match row.is_open {
                true => "open".to_owned(),
                false if was_closed_by_revoking(row, &keys) => format!("closed ({KEY_REVOKED})"),
                false => "closed".to_owned(),
            };
            vec![row.id.to_string(), row.owner.clone(), state, row.fire_seq.to_string(), target, text]
        };
        let headings = ["ID", "OWNER", "STATE", "FIRED", "TOLD", "ALERT"];
        output::rows(form, &headings, &rows.iter().map(cells).collect::<Vec<_>>())
    };
    output::write(&text)?;
    Ok(Exit::Ok)
}

/// Whether its key was revoked while it was open: both were written in one transaction, at the same time.
fn was_closed_by_revoking(row: &AlertRow, keys: &[ApiKey]) -> bool {
    let is_it = |key: &&ApiKey| Owner::Key(key.id).to_string() == row.owner;
    !row.is_open && keys.iter().find(is_it).is_some_and(|key| key.revoked_at == Some(row.changed_at))
}

/// The webhooks that these alerts tell, by target.
async fn webhooks(store: &dyn Store, rows: &[AlertRow]) -> Result<HashMap<String, WebhookRow>, Failure> {
    let mut hooks = HashMap::new();
    for row in rows {
        let Ok(Target::Webhook(id)) = row.target.parse() else { continue };
        if !hooks.contains_key(&row.target)
            && let Some(hook) = store.webhook(id).await.map_err(Failure::store)?
        {
            hooks.insert(row.target.clone(), hook);
        }
    }
    Ok(hooks)
}

fn host(hook: &WebhookRow) -> String {
    let url = url::Url::parse(&hook.url).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or("?").to_owned();
    format!("webhook:{} {host}", hook.id)
}

async fn remove(store: &dyn Store, id: i64) -> Outcome {
    let row = store.alert(id).await.map_err(Failure::store)?;
    let is_removed = match &row {
        Some(row) => store.remove_alert(&row.owner, id).await.map_err(Failure::store)?,
        None => false,
    };
    if !is_removed {
        return Err(Failure::say(Exit::NotFound, format!("there is no alert {id}")));
    }
    output::say(&format!("alert {id} is removed"));
    Ok(Exit::Ok)
}
