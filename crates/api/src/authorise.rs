//! Who may write: the holder of an API key, sent as `Authorization: Bearer KEY`.
//! It must not know what is written.

use crate::{error::Problem, state::Server};
use hyper::{HeaderMap, header};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use store::ApiKey;
use subtle::ConstantTimeEq;

/// Lets only the holder of a key pass. The key is known by its hash alone; the comparison takes the same time
/// wherever the hashes differ, and a longer key is not even hashed.
pub(crate) async fn authorise(server: &Server, headers: &HeaderMap) -> Result<ApiKey, Problem> {
    const KEY_BYTES_MAX: usize = 512;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, key) = given.and_then(|given| given.split_once(' ')).unwrap_or_default();
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return Err(Problem::Unauthorized(
            "send `Authorization: Bearer KEY`; `rates keys add NAME` makes a key",
        ));
    }
    const WRONG: Problem = Problem::Unauthorized("this key is not one of ours, or was revoked");
    if key.len() > KEY_BYTES_MAX {
        return Err(WRONG);
    }
    let hash = Sha256::digest(key).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    match server.within(server.store()?.api_key_by_hash(&hash)).await? {
        Some(kept)
            if bool::from(kept.hash.as_bytes().ct_eq(hash.as_bytes())) && kept.revoked_at.is_none() =>
        {
            Ok(kept)
        }
        _ => Err(WRONG),
    }
}
