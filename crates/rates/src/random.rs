//! Secrets made of random bytes of the operating system.
//! It must not know what they open.

use crate::{
    exit::{Exit, Failure},
    secret::Secret,
};

/// How many random bytes a secret has.
pub const BYTES: usize = 32;

/// A new secret: 32 random bytes in hex, after a prefix by which a leaked one is recognised.
pub fn secret(prefix: &str) -> Result<Secret, Failure> {
    let mut bytes = [0u8; BYTES];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Failure::say(Exit::Failure, "the operating system gives no random bytes"))?;
    Ok(Secret::new(format!("{prefix}{}", hex(&bytes))))
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_have_the_form() {
        let (a, b) = (secret("rk_").unwrap(), secret("rk_").unwrap());
        assert_ne!(a.reveal(), b.reveal());
        assert_eq!(a.reveal().len(), 3 + 2 * BYTES);
        assert!(a.reveal().strip_prefix("rk_").unwrap().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
