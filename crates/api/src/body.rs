//! The body of an answer: bytes that are ready, or whatever the router made; it notes on its watch when the answer
//! has been handed over. It must not know what is in it.

use crate::watch::{Phase, Watch};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// What hyper writes after the head.
pub(crate) enum AnswerBody {
    /// The fast path: one piece, no box.
    Ready(Option<Bytes>),
    /// The router's, and what is to happen once it is gone.
    Routed(axum::body::Body, #[expect(dead_code, reason = "kept for its drop")] Ended),
}

/// Puts the connection back between requests once an answer has been handed over (or given up).
pub(crate) struct Ended(pub(crate) Arc<Watch>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            AnswerBody::Ready(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            AnswerBody::Routed(body, _) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Ready(bytes) => bytes.is_none(),
            AnswerBody::Routed(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Ready(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            AnswerBody::Routed(body, _) => body.size_hint(),
        }
    }
}
