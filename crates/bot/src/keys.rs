//! Buttons: what each says to us when it is pressed, in at most 64 bytes.
//! It must not know what is done about it.

use crate::{Key, Keyboard};

/// Telegram's limit for what a button holds.
const DATA_MAX: usize = 64;

/// A button, unless what it holds is too long for one: then it is left out.
pub(crate) fn key(label: impl Into<String>, data: impl Into<String>) -> Option<Key> {
    let (label, data) = (label.into(), data.into());
    let fits = !data.is_empty() && data.len() <= DATA_MAX;
    fits.then_some(Key { label, says: data })
}

/// A button that says a text as if it had been typed.
pub(crate) fn typed(label: impl Into<String>, text: &str) -> Option<Key> {
    key(label, format!("t:{text}"))
}

/// One row.
pub(crate) fn row(keys: impl IntoIterator<Item = Option<Key>>) -> Vec<Key> {
    keys.into_iter().flatten().collect()
}

/// Rows, without those that came out empty.
pub(crate) fn rows(rows: impl IntoIterator<Item = Vec<Key>>) -> Keyboard {
    rows.into_iter().filter(|row| !row.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_for_a_button_has_none() {
        assert!(key("A", "x".repeat(64)).is_some());
        assert!(key("A", "x".repeat(65)).is_none());
        assert!(typed("A", &"я".repeat(32)).is_none());
        assert!(rows([row([key("A", "")])]).is_empty());
    }
}
