//! One client of a simulated venue: what it subscribed, and what it is sent.
//! It must not know how frames are made.

use crate::{
    control::{Control, Mode},
    quoting::{Filled, Quoting},
    spoken::{Heard, Spoken},
};
use axum::extract::ws::{Message, WebSocket};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// A client that reads nothing for this long is let go.
const SEND_WITHIN: Duration = Duration::from_secs(30);

/// The connection is over.
struct Over;

/// What the clients of one venue share.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) spoken: Arc<Spoken>,
    pub(crate) quoting: Arc<Quoting>,
    pub(crate) control: Control,
}

/// One client.
pub(crate) struct Session {
    place: Place,
    socket: WebSocket,
    subscribed: BTreeSet<usize>,
}

impl Session {
    /// The biggest message that a client may send.
    pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;

    pub(crate) fn new(place: Place, socket: WebSocket) -> Session {
        Session { place, socket, subscribed: BTreeSet::new() }
    }

    /// Talks until the client is gone. `target` = path and query, which may hold the subscription.
    pub(crate) async fn run(mut self, target: &str) {
        // Over is over; there is nobody left to tell.
        let _ = self.talk(target).await;
    }

    async fn talk(&mut self, target: &str) -> Result<(), Over> {
        if let Some(welcome) = self.place.spoken.welcome().map(str::to_owned) {
            self.send(Filled { text: welcome, binary: false }).await?;
        }
        let named = self.place.spoken.symbols_in(target);
        self.subscribe(named).await?;
        let step = self.place.quoting.step();
        let mut steps = interval_at(Instant::now() + step, step);
        steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let control = self.place.control.clone();
        loop {
            // Frozen, it neither reads nor writes: not even a ping is answered.
            control.until(|mode| mode != Mode::Frozen).await;
            if control.mode() == Mode::Killed {
                return Err(Over);
            }
            let message = tokio::select! {
                biased;
                () = control.until(|mode| mode != Mode::Live) => continue,
                message = self.socket.recv() => message,
                _ = steps.tick() => {
                    self.say_prices().await?;
                    continue;
                }
            };
            match message {
                Some(Ok(Message::Text(text))) => self.hear(text.as_str()).await?,
                Some(Ok(Message::Binary(bytes))) => {
                    self.hear(std::str::from_utf8(&bytes).unwrap_or_default()).await?;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Over),
            }
        }
    }

    async fn hear(&mut self, message: &str) -> Result<(), Over> {
        let heard = self.place.spoken.hear(message);
        for ack in self.place.spoken.acks(message, &heard) {
            self.send(Filled { text: ack, binary: false }).await?;
        }
        match heard {
            Heard::Ping => match self.place.spoken.pong(message) {
                Some(text) => self.send(Filled { text, binary: false }).await,
                None => Ok(()),
            },
            Heard::Subscribe(symbols) => self.subscribe(symbols).await,
            Heard::Replace(symbols) => {
                self.subscribed.retain(|number| symbols.contains(number));
                self.subscribe(symbols).await
            }
            Heard::Unsubscribe(symbols) => {
                self.subscribed.retain(|number| !symbols.contains(number));
                Ok(())
            }
        }
    }

    /// Takes up symbols, and says at once where they stand.
    async fn subscribe(&mut self, symbols: Vec<usize>) -> Result<(), Over> {
        for number in symbols {
            if self.subscribed.insert(number) {
                self.say_price(number).await?;
            }
        }
        Ok(())
    }

    async fn say_prices(&mut self) -> Result<(), Over> {
        let step = self.place.quoting.step_now();
        let due: Vec<usize> = self.subscribed.iter().copied().collect();
        for number in due {
            if self.place.control.mode() != Mode::Live {
                break;
            }
            if self.place.quoting.is_due(&self.place.spoken, number, step) {
                self.say_price(number).await?;
            }
        }
        Ok(())
    }

    async fn say_price(&mut self, number: usize) -> Result<(), Over> {
        for frame in self.place.quoting.frames(&self.place.spoken, number) {
            self.send(frame).await?;
        }
        Ok(())
    }

    async fn send(&mut self, frame: Filled) -> Result<(), Over> {
        let message = match frame.binary {
            true => Message::Binary(frame.text.into()),
            false => Message::Text(frame.text.into()),
        };
        match timeout(SEND_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over),
        }
    }
}
