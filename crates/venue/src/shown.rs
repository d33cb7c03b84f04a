//! The start of a frame as a person can read it, for frames of which nothing else could be made.
//! It must not know what a frame means, nor what of it is secret.

use crate::{Frame, Venue};
use std::fmt::Write as _;

/// Of bytes that are no text, so many are shown.
const HEX_BYTES_MAX: usize = 64;

impl Venue {
    /// At most so many characters of a frame: unpacked, and decoded by the file's charset; what is no text, in
    /// hexadecimal digits.
    pub fn shown(&self, frame: Frame<'_>, chars_max: usize) -> String {
        let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame;
        let start = self.frames.start(bytes, chars_max.saturating_mul(4));
        let is_protobuf = matches!((&frame, &self.frames.binary), (Frame::Binary(_), f) if f.is_protobuf());
        let text = if is_protobuf { None } else { self.frames.decoded_start(&start) };
        match text {
            Some(text) => text.chars().take(chars_max).collect(),
            None => start.iter().take(HEX_BYTES_MAX).fold(String::from("0x"), |mut hex, byte| {
                // Writing to a string does not fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
        }
    }
}
