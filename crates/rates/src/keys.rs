//! `rates keys …`: makes, lists and revokes keys to the HTTP interface.
//! Only the hash of a key is kept; it must not know what a key opens.

use crate::{
    args::KeysCommand,
    exit::{Exit, Failure, Outcome},
    opening,
    output::{self, Form},
    secret::Secret,
};
use clock::Clock;
use sha2::{Digest, Sha256};

/// How many random bytes a key has.
const KEY_BYTES: usize = 32;

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
            let key = new_key()?;
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
            let was_there = store.revoke_api_key(*id, Clock::system().now()).await.map_err(Failure::store)?;
            store.close().await;
            if !was_there {
                return Err(Failure::say(
                    Exit::NotFound,
                    format!("there is no key {id}, or it is revoked already"),
                ));
            }
            output::say(&format!("key {id} is revoked"));
            Ok(Exit::Ok)
        }
    }
}

/// 32 bytes from the operating system's generator, in hex.
fn new_key() -> Result<Secret, Failure> {
    let mut bytes = [0u8; KEY_BYTES];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Failure::say(Exit::Failure, "the operating system gives no random bytes"))?;
    Ok(Secret::new(format!("{KEY_PREFIX}{}", hex(&bytes))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_have_the_form() {
        let (a, b) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(a.reveal(), b.reveal());
        assert_eq!(a.reveal().len(), KEY_PREFIX.len() + 2 * KEY_BYTES);
        assert!(a.reveal().strip_prefix(KEY_PREFIX).unwrap().bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(hex(&Sha256::digest(b"abc"))[..8], *"ba7816bf");
    }
}
