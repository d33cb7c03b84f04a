//! One target's messages on their way through their sender, one step after the other, each written down before the next.
//! It must not know how anything is sent, nor where the messages came from.

use crate::sender::{Sender, Sending, Start};
use clock::Clock;
use futures_util::FutureExt;
use market::Timestamp;
use std::{panic::AssertUnwindSafe, sync::Arc};
use store::{Message, MessageState, Outbox, Outcome, Settlement};
use tokio_util::sync::CancellationToken;

/// What carries a target's messages.
#[derive(Clone)]
pub(crate) struct Carrier {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) sender: Arc<dyn Sender>,
    pub(crate) clock: Clock,
    pub(crate) sending: Sending,
    /// Nothing is begun any more.
    pub(crate) stop: CancellationToken,
}

impl Carrier {
    /// Carries messages until all are done, their time together is over, or one has to wait: those after it keep their
    /// order. What came of the last step, and of all that was not tried, is left to the caller to write.
    pub(crate) async fn carry(self, group: Vec<Message>) -> Vec<Settlement> {
        let mut rest = &group[..];
        let over_at = self.clock.now().plus(self.sending.together_for);
        loop {
            let outcomes = self.step(rest).await;
            let (done, left) = rest.split_at(outcomes.len());
            let waits_until = done.iter().zip(&outcomes).find_map(|(message, outcome)| match outcome {
                // What is held for the end of quiet hours holds up nobody.
                _ if message.is_held => None,
                Outcome::Retry { at, .. } | Outcome::Ambiguous { at, .. } | Outcome::NotNow { at } => {
                    Some(*at)
                }
                Outcome::Sent | Outcome::Dead { .. } => None,
            });
            let mut settlements: Vec<_> = done
                .iter()
                .zip(outcomes)
                .map(|(message, outcome)| self.settlement(message, outcome))
                .collect();
            rest = left;
            if rest.is_empty() {
                return settlements;
            }
            let put_off = match waits_until {
                Some(at) => Some(at),
                None if self.stop.is_cancelled() || self.clock.now() >= over_at => Some(self.clock.now()),
                None => match self.outbox.settle_messages(&settlements, self.clock.now()).await {
                    Ok(()) => None,
                    // Nothing more is sent of which nobody could write what came of it.
                    Err(_) => Some(self.clock.now()),
                },
            };
            if let Some(at) = put_off {
                settlements
                    .extend(rest.iter().map(|message| self.settlement(message, Outcome::NotNow { at })));
                return settlements;
            }
        }
    }

    /// What came of the first messages, of one at least, whatever the sender does.
    async fn step(&self, group: &[Message]) -> Vec<Outcome> {
        let start = Start::new(self.outbox.clone(), self.clock, group);
        let sent = tokio::time::timeout(self.sending.give_up_after, self.sender.send(group, &start));
        let sent = AssertUnwindSafe(sent).catch_unwind().await;
        let (mut outcomes, why) = match sent {
            Ok(Ok(outcomes)) => (outcomes, "its sender said nothing of it"),
            Ok(Err(_)) => (Vec::new(), "its sender did not end"),
            Err(_) => (Vec::new(), "its sender failed"),
        };
        outcomes.truncate(group.len());
        if outcomes.is_empty() && start.is_refused() {
            return vec![Outcome::NotNow { at: self.clock.now() }];
        }
        let count = start.started().max(1);
        if outcomes.len() < count {
            let channel = self.sending.channel;
            tracing::error!(channel, messages = count, answered = outcomes.len(), "{why}");
            let (at, error) = (self.repeat_at(), why.to_owned());
            let unknown = match start.started() {
                0 => Outcome::Retry { at, error },
                _ => Outcome::Ambiguous { at, error },
            };
            outcomes.resize(count, unknown);
        }
        outcomes
    }

    fn repeat_at(&self) -> Timestamp {
        self.clock.now().plus(self.sending.repeat_after)
    }

    fn settlement(&self, message: &Message, outcome: Outcome) -> Settlement {
        let channel = self.sending.channel;
        let word = match &outcome {
            Outcome::Sent => MessageState::Sent.as_str(),
            Outcome::Retry { .. } => "retry",
            Outcome::Ambiguous { .. } => MessageState::Ambiguous.as_str(),
            Outcome::NotNow { .. } => "not_now",
            Outcome::Dead { error } => {
                tracing::warn!(
                    channel,
                    message = message.id,
                    kind = message.kind,
                    "a message is given up: {error}"
                );
                MessageState::Dead.as_str()
            }
        };
        metrics::counter!("rates_outbox_outcomes_total", "channel" => channel, "outcome" => word)
            .increment(1);
        Settlement { id: message.id, attempts: message.attempts, outcome }
    }
}
