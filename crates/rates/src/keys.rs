//! `rates keys …`: makes, lists and revokes keys to the HTTP interface.
//! Only the hash of a key is kept; it must not know what a key opens.

use crate::{
    args::KeysCommand,
    exit::{Exit, Failure, Outcome},
    opening,
    output::{self, Form},
    random::{self, hex},
};
use clock::Clock;
use sha2::{Digest, Sha256};

/// What every key begins with, so that a leaked one is recognised.
const KEY_PREFIX: &str = "rk_";

/// `rates keys …`
pub async fn keys(command: &KeysCommand) -> Outcome {
    match command {
        KeysCommand::Add { name, store } => {
            let name = name.trim();
            if name.is_empty() || name.chars().any(char::is_control) || name.chars().count() > 64 {
                return Err(Failure::say(Exit::Usage, "the name of a key is 1 to 64 characters"));
            }
            let store = opening::store(&store.flags()).await?;
            let key = random::secret(KEY_PREFIX)?;
            let hash = hex(&Sha256::digest(key.reveal().as_bytes()));
            let id = store.add_api_key(name, &hash, Clock::system().now()).await.map_err(Failure::store)?;
            store.close().await;
            output::say(&format!("key {id} for {name}; it is shown this once, only its hash is kept"));
            output::write(&format!("{}\n", key.reveal()))?;
            Ok(Exit::Ok)
        }
        KeysCommand::List { json, store } => {
            let store = opening::store(&store.flags()).await?;
            let keys = store.api_keys().await.map_err(Failure::store)?;
            store.close().await;
            let form = Form::choose(*json);
            let text = if form == Form::Json {
                let all: Vec<_> = keys
                    .iter()
                    .map(|key| {
                        serde_json::json!({
                            "id": key.id, "name": key.name, "created_at": key.created_at, "revoked_at": key.revoked_at,
                        })
                    })
                    .collect();
                output::json(&serde_json::json!({ "keys": all }))?
            } else {
                let rows: Vec<_> = keys
                    .iter()
                    .map(|key| {
                        let state = if key.revoked_at.is_some() { "revoked" } else { "good" };
                        vec![
                            key.id.to_string(),
                            key.name.clone(),
                            state.to_owned(),
                            key.created_at.millis().to_string(),
                        ]
                    })
                    .collect();
                output::rows(form, &["ID", "NAME", "STATE", "CREATED_MS"], &rows)
            };
            output::write(&text)?;
            Ok(Exit::Ok)
        }
        KeysCommand::Revoke { id, store } => {
            let store = opening::store(&store.flags()).await?;
            let closed = store.revoke_api_key(*id, Clock::system().now()).await.map_err(Failure::store)?;
            store.close().await;
            let Some(closed) = closed else {
                return Err(Failure::say(
                    Exit::NotFound,
                    format!("there is no key {id}, or it is revoked already"),
                ));
            };
            output::say(&match closed {
                0 => format!("key {id} is revoked"),
                1 => format!("key {id} is revoked, and its alert is closed"),
                closed => format!("key {id} is revoked, and its {closed} alerts are closed"),
            });
            Ok(Exit::Ok)
        }
    }
}
