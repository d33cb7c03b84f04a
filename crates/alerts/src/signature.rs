//! How a webhook's message is signed, after the Standard Webhooks: <https://www.standardwebhooks.com>, for which there are
//! verifying libraries in most languages. It must not know what is signed, nor where it goes.
//!
//! The signature is `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`, in the header `webhook-signature`; ID and
//! TIMESTAMP (seconds) are the headers `webhook-id` and `webhook-timestamp`. The key is what the base64 after `whsec_`
//! gives; a secret that is written otherwise is the key itself.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What our own secrets begin with.
pub const SECRET_PREFIX: &str = "whsec_";
/// The shortest secret that is taken.
pub const SECRET_BYTES_MIN: usize = 16;
/// The longest.
pub const SECRET_BYTES_MAX: usize = 128;

/// The secret of a new webhook, of 32 bytes that nobody can guess.
pub fn secret_of(random: &[u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(random))
}

/// Whether somebody's own secret can be one: long enough, and of plain characters.
pub fn is_secret(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain
        && (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len())
        && key(text).len() >= SECRET_BYTES_MIN
}

/// The value of the header.
pub(crate) fn sign(secret: &str, id: &str, timestamp_s: i64, body: &str) -> Option<String> {
    // A key of any length will do, so this never fails; nothing is sent unsigned all the same.
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)).ok()?;
    for part in [id, ".", &timestamp_s.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn key(secret: &str) -> Vec<u8> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).and_then(|text| STANDARD.decode(text).ok());
    encoded.unwrap_or_else(|| secret.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn it_is_signed_as_the_standard_says() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_is_long_and_plain() {
        for (text, good) in [
            (secret_of(&[7; 32]).as_str(), true),
            ("correct horse", false),
            ("correct-horse-battery", true),
            ("short", false),
            ("with spaces in it, alas", false),
            ("whsec_QUJD", false),
            (&"x".repeat(129), false),
        ] {
            assert_eq!(is_secret(text), good, "{text}");
        }
    }
}
