//! Keeps the last frame of a connection of which nothing could be made, as far as it may be shown: short, on one line,
//! and without anything secret. It must not know what reading is.

use crate::{cell::ConnectionCell, words};
use market::{Timestamp, UnreadFrame};
use std::sync::Arc;
use venue::{Frame, Venue};

/// The most characters of a frame that are kept.
const SHOWN_MAX: usize = 400;
/// A frame is looked at for the sake of its text at most so often, however many there are.
const EVERY_MS: i64 = 1_000;

/// Keeps them.
#[derive(Debug)]
pub struct Unread {
    venue: Arc<Venue>,
    secrets: Vec<String>,
    cell: Arc<ConnectionCell>,
    kept_at: Option<Timestamp>,
}

impl Unread {
    /// Nothing yet. `secrets`: what no text of the venue may repeat.
    pub fn new(venue: Arc<Venue>, secrets: Vec<String>, cell: Arc<ConnectionCell>) -> Unread {
        Unread { venue, secrets, cell, kept_at: None }
    }

    /// A text of the venue without what is secret.
    pub fn hide(&self, text: &str) -> String {
        words::without(text, &self.secrets)
    }

    /// Nothing could be made of this frame, for that reason.
    pub fn keep(&mut self, frame: Frame<'_>, reason: &str, now: Timestamp) {
        let is_soon = self.kept_at.is_some_and(|at| now.millis_since(at) < EVERY_MS);
        if is_soon {
            return self.cell.unread_again();
        }
        self.kept_at = Some(now);
        let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame;
        // Secrets go before anything is cut, so that none is left over in part.
        let shown = self.hide(&self.venue.shown(frame, 4 * SHOWN_MAX));
        self.cell.unread(UnreadFrame {
            frame: words::short(&shown, SHOWN_MAX),
            bytes: bytes.len() as u64,
            at: now,
            reason: words::plain(&self.hide(reason)),
            count: 1,
        });
    }
}
