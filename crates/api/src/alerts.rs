//! Alerts of programs over HTTP: each key's own, told to webhooks.
//! It must not know how an alert is watched, nor how a webhook is called.

use crate::{
    authorise::authorise,
    error::{Answer, Problem},
    query::Query,
    say,
    state::Server,
    trade_info::expect_json,
};
use alerts::{KeepError, Kept, Spec, Wish};
use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::IntoResponse,
};
use hyper::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::HashMap, sync::Arc};
use store::{AlertRow, Delivery, Owner, Store, WebhookRow};

/// The most open alerts of one key.
const ALERTS_MAX: usize = 10_000;
/// The most webhooks of one key.
const WEBHOOKS_MAX: usize = 100;
/// How far back it is looked how often an alert would have fired.
const PREVIEW_DAYS: i64 = 7;
/// So many of an alert's newest messages are shown with it.
const MESSAGES_MAX: usize = 20;

/// Where an alert is told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    url: String,
    #[serde(default)]
    secret: Option<String>,
}

/// `POST /api/v1/alerts`: kept, or with `dry_run` only looked at.
pub(crate) async fn add(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let query = Query::parse(query.as_deref(), &["dry_run"])?;
    let key = authorise(&server, &headers).await?;
    expect_json(&headers)?;
    let (spec, webhook) = read(&server, &body)?;
    let is_dry_run = query.switch("dry_run")?;
    if let Some(webhook) = &webhook {
        check(&server, webhook)?;
    } else if !is_dry_run {
        return Err(Problem::BadRequest("webhook: missing; write {\"url\": \"https://…\"}".into()));
    }
    let store = server.store()?;
    if let Some(venue) = server.within(alerts::unasked_venue(store, &spec)).await? {
        return Err(Problem::BadRequest(format!(
            "venue: no row of trade_info names {venue}; GET /api/v1/venues lists those there are"
        )));
    }
    let preview = json!({"days": PREVIEW_DAYS, "count": preview(&server, store, &spec).await});
    let (Some(webhook), false) = (webhook, is_dry_run) else {
        let mut said = serde_json::to_value(&spec).map_err(|_| Problem::Internal)?;
        said["text"] = spec.to_string().into();
        said["preview"] = preview;
        return say::value(&said);
    };
    let wish = Wish {
        owner: Owner::Key(key.id),
        value: spec.pair.as_ref().and_then(|pair| alerts::value_now(server.board(), pair)),
        spec,
        url: webhook.url,
        secret: webhook.secret,
        alerts_max: ALERTS_MAX,
        webhooks_max: WEBHOOKS_MAX,
    };
    let now = server.board().clock().now();
    let kept = tokio::time::timeout(server.settings.store_timeout, alerts::keep(store, wish, now)).await;
    let (id, webhook, is_new_secret) = match kept.map_err(|_| Problem::StoreUnavailable)? {
        Ok(Kept::Added { id, webhook, is_new_secret }) => (id, webhook, is_new_secret),
        Ok(Kept::TooManyAlerts) => {
            // Nor does a key have any that was revoked meanwhile.
            authorise(&server, &headers).await?;
            return Err(Problem::LimitReached(format!("this key has {ALERTS_MAX} open alerts, the limit")));
        }
        Ok(Kept::TooManyWebhooks) => {
            return Err(Problem::LimitReached(format!("this key has {WEBHOOKS_MAX} webhooks, the limit")));
        }
        Err(KeepError::Store(error)) => return Err(error.into()),
        Err(error @ KeepError::Random) => {
            tracing::error!(%error, "a webhook's secret cannot be made");
            return Err(Problem::Internal);
        }
    };
    tracing::info!(id, key = key.id, "an alert was added over http");
    let row = server.within(store.alert(id)).await?.ok_or(Problem::Internal)?;
    let mut said = alerts::shown(&row, Some(&webhook));
    if is_new_secret {
        said["webhook"]["secret"] = webhook.secret.into();
    }
    said["preview"] = preview;
    let mut response = say::value(&said)?;
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    if let Ok(place) = format!("/api/v1/alerts/{id}").parse() {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/alerts`: the key's own, closed ones too.
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    let owner = Owner::Key(authorise(&server, &headers).await?.id).to_string();
    let store = server.store()?;
    let rows = server.within(store.alerts_of(&owner)).await?;
    let webhooks = webhooks(&server, &owner).await?;
    let shown: Vec<Value> = rows.iter().map(|row| alerts::shown(row, webhooks.get(&row.target))).collect();
    say::value(&json!({"alerts": shown}))
}

/// `GET /api/v1/alerts/{id}`: with its newest messages, and why any did not arrive.
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    path: Result<Path<i64>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    let owner = Owner::Key(authorise(&server, &headers).await?.id).to_string();
    let id = alert_id(path)?;
    let store = server.store()?;
    let own = async || -> Result<AlertRow, Problem> {
        server.within(store.alert(id)).await?.filter(|row| row.owner == owner).ok_or(NO_ALERT)
    };
    own().await?;
    let deliveries = server.within(store.deliveries(id, MESSAGES_MAX)).await?;
    // Read again, since of a message that is shown as sent the alert must know, too.
    let row = own().await?;
    let webhooks = webhooks(&server, &owner).await?;
    let mut said = alerts::shown(&row, webhooks.get(&row.target));
    said["messages"] = deliveries.iter().map(message).collect();
    say::value(&said)
}

/// `DELETE /api/v1/alerts/{id}`.
pub(crate) async fn remove(
    State(server): State<Arc<Server>>,
    path: Result<Path<i64>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    let key = authorise(&server, &headers).await?;
    let id = alert_id(path)?;
    if !server.within(server.store()?.remove_alert(&Owner::Key(key.id).to_string(), id)).await? {
        return Err(NO_ALERT);
    }
    tracing::info!(id, key = key.id, "an alert was removed over http");
    Ok(StatusCode::NO_CONTENT.into_response())
}

const NO_ALERT: Problem = Problem::NotFound("this key has no alert of this id");

fn alert_id(path: Result<Path<i64>, PathRejection>) -> Result<i64, Problem> {
    path.map(|Path(id)| id).map_err(|_| Problem::BadRequest("the id of an alert is a whole number".into()))
}

/// The body: a spec's members, or a `text` instead of them; and the webhook.
fn read(server: &Server, body: &[u8]) -> Result<(Spec, Option<Webhook>), Problem> {
    let bad = |detail: String| Problem::BadRequest(detail);
    let mut object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| bad("the body is no JSON object".into()))?;
    let webhook = object.remove("webhook").map(serde_json::from_value::<Webhook>).transpose();
    let webhook = webhook
        .map_err(|_| bad("webhook: write {\"url\": …, \"secret\": …}; the secret may be left out".into()))?;
    let spec = match object.remove("text") {
        Some(Value::String(line)) if object.is_empty() => {
            alerts::parse(&line).map_err(|error| bad(format!("text: {error}")))?
        }
        Some(_) => return Err(bad("text is a string, and replaces every other member but webhook".into())),
        None => {
            if object.keys().any(|name| !alerts::MEMBERS.contains(&name.as_str())) {
                let known = alerts::MEMBERS.join(", ");
                return Err(bad(format!("an unknown member; known: {known}, text, webhook")));
            }
            // A pair is read in any usual spelling, as everywhere.
            if let Some(Value::String(text)) = object.get("pair") {
                let pair = server.pair(text)?;
                object.insert("pair".into(), json!(pair));
            }
            let spec: Spec =
                serde_json::from_value(Value::Object(object)).map_err(|error| bad(error.to_string()))?;
            spec.check().map_err(|error| bad(error.to_string()))?;
            spec
        }
    };
    // Nobody waits for a pair that nobody quotes.
    let pair = spec.pair.as_ref().map(|pair| server.pair(&pair.to_string())).transpose()?;
    Ok((Spec { pair, ..spec }, webhook))
}

fn check(server: &Server, webhook: &Webhook) -> Result<(), Problem> {
    let bad = |what: &str, why: String| Problem::BadRequest(format!("webhook.{what}: {why}"));
    (server.parts.webhook_check)(&webhook.url).map_err(|why| bad("url", why))?;
    if webhook.secret.as_deref().is_some_and(|secret| !alerts::signature::is_secret(secret)) {
        return Err(bad("secret", "16 to 128 printable characters without spaces".to_owned()));
    }
    Ok(())
}

/// How often it would have fired; `None` where candles do not tell, or do not come in time: then an alert is kept all
/// the same.
async fn preview(server: &Server, store: &dyn Store, spec: &Spec) -> Option<u32> {
    let now = server.board().clock().now();
    let preview = server.within(alerts::preview_days(store, spec, PREVIEW_DAYS, now)).await.ok().flatten();
    preview.map(|preview| preview.count)
}

/// An owner's webhooks, by target.
async fn webhooks(server: &Server, owner: &str) -> Result<HashMap<String, WebhookRow>, Problem> {
    let webhooks = server.within(server.store()?.webhooks_of(owner)).await?;
    Ok(webhooks.into_iter().map(|hook| (alerts::Target::Webhook(hook.id).to_string(), hook)).collect())
}

fn message(message: &Delivery) -> Value {
    json!({
        "id": format!("msg_{}", message.message_id),
        "fire_seq": message.fire_seq,
        "state": message.state.as_str(),
        "attempts": message.attempts,
        "created_at": message.created_at,
        "sent_at": message.sent_at,
        "last_error": message.last_error,
    })
}
