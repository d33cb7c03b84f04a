//! Messages on RabbitMQ: JSON bodies out, JSON bodies in, and what is wrong with those that are none of ours.
//! It must not know connections.

use crate::Delivery;
use crate::amqp_link::Carries;
use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use market::{TickBatch, VenueStatus};
use serde::Deserialize;
use std::sync::Arc;
use tokio::time::Instant;

/// The largest body that is read: a thousand times what we send.
const BODY_MAX: usize = 4 << 20;
/// How much of a message that cannot be read is kept for whoever looks at it.
const DEAD_MAX: usize = 64 << 10;

/// One message to send.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) carries: Carries,
    pub(crate) key: String,
    pub(crate) body: Bytes,
    pub(crate) properties: BasicProperties,
    /// Not sent after this.
    pub(crate) until: Option<Instant>,
}

/// Why a message cannot be read; also the value of the header `reason` and of the label of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    TooBig,
    BadJson,
    BadVersion,
    BadShape,
}

impl Poison {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Poison::TooBig => "too_big",
            Poison::BadJson => "bad_json",
            Poison::BadVersion => "bad_version",
            Poison::BadShape => "bad_shape",
        }
    }
}

fn json() -> BasicProperties {
    BasicProperties::default().with_content_type("application/json".into()).with_delivery_mode(1)
}

impl Message {
    /// Ticks, under the venue's name.
    pub(crate) fn ticks(batch: &TickBatch) -> Option<Message> {
        Message::of(Carries::Ticks, batch.venue.to_string(), batch)
    }

    /// Status, under the venue's name.
    pub(crate) fn status(status: &VenueStatus) -> Option<Message> {
        Message::of(Carries::Status, status.venue.to_string(), status)
    }

    /// A rate, under the pair's name.
    pub(crate) fn rate(pair: String, body: Bytes, until: Instant) -> Message {
        Message { carries: Carries::Rates, key: pair, body, properties: json(), until: Some(until) }
    }

    /// What cannot be read, kept on disk by the server, with the reason beside it.
    pub(crate) fn dead(exchange: &str, key: &str, body: &[u8], why: Poison) -> Message {
        let mut headers = FieldTable::default();
        headers.insert("reason".into(), AMQPValue::LongString(why.name().into()));
        headers.insert("exchange".into(), AMQPValue::LongString(exchange.into()));
        headers.insert("bytes".into(), AMQPValue::LongLongInt(body.len() as i64));
        let body = Bytes::copy_from_slice(&body[..body.len().min(DEAD_MAX)]);
        let properties = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
        Message { carries: Carries::Dead, key: key.to_owned(), body, properties, until: None }
    }

    /// Whether nothing else says it again, should the server not take it.
    pub(crate) fn is_said_once(&self) -> bool {
        matches!(self.carries, Carries::Rates | Carries::Dead)
    }

    fn of(carries: Carries, key: String, body: &impl serde::Serialize) -> Option<Message> {
        // Our own types always become JSON; were one not to, the others must go on.
        let body = serde_json::to_vec(body)
            .inspect_err(|error| tracing::error!(%error, "not written as JSON"))
            .ok()?;
        Some(Message { carries, key, body: body.into(), properties: json(), until: None })
    }
}

/// The type that the message has which says that nothing more will come.
pub(crate) const END: &str = "rates.end";

/// The properties of that message.
pub(crate) fn end() -> BasicProperties {
    BasicProperties::default().with_type(ShortString::from(END)).with_delivery_mode(1)
}

/// The version is looked at before the rest: another one may have another shape.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// Reads a body. Fields that are not known are passed over; optional ones may be missing.
pub(crate) fn read(carries: Carries, body: &[u8]) -> Result<Delivery, Poison> {
    if body.len() > BODY_MAX {
        return Err(Poison::TooBig);
    }
    let whole = match carries {
        Carries::Ticks => {
            serde_json::from_slice(body).map(|batch: TickBatch| (batch.v, Delivery::Ticks(Arc::new(batch))))
        }
        _ => serde_json::from_slice(body)
            .map(|status: VenueStatus| (status.v, Delivery::Status(Arc::new(status)))),
    };
    match whole {
        Ok((TickBatch::VERSION, delivery)) => Ok(delivery),
        Ok(_) => Err(Poison::BadVersion),
        Err(error) if error.is_data() => match serde_json::from_slice::<Version>(body) {
            Ok(Version { v }) if v != TickBatch::VERSION => Err(Poison::BadVersion),
            _ => Err(Poison::BadShape),
        },
        Err(_) => Err(Poison::BadJson),
    }
}
