//! A reader's task: its own bounded queue on the server, emptied into the reader's bounded queue in this process.
//! It must not know what the ticks are for; what it cannot read it puts aside, once, and goes on.

use crate::Delivery;
use crate::amqp::Shared;
use crate::amqp_link::{Carries, Said, Trouble, waits, within};
use crate::amqp_message::{END, Message, Poison, read};
use crate::amqp_publish::FLUSH_WAIT;
use crate::queue::Queue;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer, Event};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most messages on the way to a reader that did not acknowledge any.
const PREFETCH: u16 = 100;
/// Most messages, and bytes, that wait on the server for a reader; the oldest go first.
const WAITING_MAX: i32 = 500;
const BYTES_MAX: i32 = 64 << 20;
/// The server forgets the queue of a reader that is gone for so long.
const EXPIRES_MS: i32 = 300_000;
/// How often it is said that messages cannot be read.
const POISON_SAID_EVERY: Duration = Duration::from_secs(60);
/// Most messages that are acknowledged in one go.
const CHUNK: usize = 64;

/// One reader, as its task knows it.
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    /// The name of its queue on the server.
    pub(crate) name: String,
    pub(crate) queue: Arc<Queue>,
    /// Cancelled when the reader leaves.
    pub(crate) left: CancellationToken,
    /// Whether it is being served.
    pub(crate) is_up: watch::Sender<bool>,
    /// What could not be read, and when that was last said.
    pub(crate) poison: Mutex<(u64, Option<Instant>)>,
}

impl Reader {
    /// Reads until the reader leaves or the broker is closed, over as many connections as it takes.
    pub(crate) async fn run(&self) {
        self.set_up(false);
        let for_ever = async {
            let (mut said, mut waits) =
                (Said::new("reader", &self.shared.link, self.shared.readers_said.clone()), waits());
            loop {
                let connected = Instant::now();
                match self.session(&mut said).await {
                    Ok(()) => return,
                    Err(trouble) => said.trouble(&trouble),
                }
                self.set_up(false);
                if connected.elapsed() > FLUSH_WAIT {
                    waits.reset();
                }
                tokio::select! {
                    () = tokio::time::sleep(waits.after_failure()) => {}
                    () = self.left.cancelled() => return,
                    () = self.shared.closing.cancelled() => return,
                }
            }
        };
        // What was published last takes its time to be confirmed, and its time to come here.
        let too_late = async {
            self.shared.closing.cancelled().await;
            tokio::time::sleep(2 * FLUSH_WAIT).await;
        };
        tokio::select! {
            () = for_ever => {}
            () = too_late => {}
            () = self.shared.stop.cancelled() => {}
        }
        self.set_up(false);
        self.shared.readers.lock().remove(&self.name);
        self.queue.close();
    }

    fn set_up(&self, is_up: bool) {
        if self.is_up.send_replace(is_up) != is_up {
            self.shared.count_reader(is_up);
        }
    }

    /// One connection's life. Ends well only when the reader has left, or has everything.
    async fn session(&self, said: &mut Said) -> Result<(), Trouble> {
        let (connection, channel) = self.shared.link.connect("reader").await?;
        let mut events = connection.events_listener();
        let mut consumer = self.consume(&channel).await?;
        said.connected();
        self.set_up(true);
        loop {
            tokio::select! {
                biased;
                () = self.left.cancelled() => break,
                event = events.next() => match event {
                    Some(Event::Error(error)) => return Err(error.into()),
                    Some(_) => {}
                    None => return Err(Trouble::ConnectionEnded),
                },
                delivery = consumer.next() => {
                    if self.hand_over(delivery, &mut consumer).await? {
                        break;
                    }
                }
            }
        }
        let _ = tokio::time::timeout(FLUSH_WAIT, self.leave(&connection, &channel)).await;
        Ok(())
    }

    async fn leave(&self, connection: &Connection, channel: &Channel) -> Result<(), lapin::Error> {
        channel.queue_delete(self.name.as_str().into(), QueueDeleteOptions::default()).await?;
        connection.close(200, "bye".into()).await
    }

    /// Makes the queue, or finds it again: it outlives a restart of the server, so that what a publisher says at
    /// once after it waits here for a reader that is slower to come back.
    async fn consume(&self, channel: &Channel) -> Result<Consumer, Trouble> {
        let mut arguments = FieldTable::default();
        for (name, value) in
            [("x-max-length", WAITING_MAX), ("x-max-length-bytes", BYTES_MAX), ("x-expires", EXPIRES_MS)]
        {
            arguments.insert(name.into(), AMQPValue::LongInt(value));
        }
        arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
        let name = || ShortString::from(self.name.as_str());
        let declare = async {
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(name(), durable, arguments).await?;
            for carries in [Carries::Ticks, Carries::Status] {
                let exchange = self.shared.link.exchange(carries);
                let all = (QueueBindOptions::default(), FieldTable::default());
                channel.queue_bind(name(), exchange, "#".into(), all.0, all.1).await?;
            }
            channel.basic_consume(name(), name(), BasicConsumeOptions::default(), FieldTable::default()).await
        };
        within("consuming", declare).await
    }

    /// Hands over what is here and acknowledges it in one go; `true` if it was the last.
    async fn hand_over(
        &self,
        first: Option<Result<lapin::message::Delivery, lapin::Error>>,
        consumer: &mut Consumer,
    ) -> Result<bool, Trouble> {
        let (mut next, mut is_end) = (Some(first), false);
        let mut handed = None;
        for more in (0..CHUNK).rev() {
            let Some(delivery) = next else { break };
            let delivery = delivery.ok_or(Trouble::ConsumerEnded)??;
            is_end |= self.take(&delivery);
            handed = Some(delivery.acker);
            // None is taken beyond the chunk: it would be lost.
            next = if more > 0 { consumer.next().now_or_never() } else { None };
        }
        if let Some(acker) = handed {
            acker.ack(BasicAckOptions { multiple: true }).await?;
        }
        // Where there is always more, the rest of the process must have its turn all the same.
        tokio::task::coop::consume_budget().await;
        Ok(is_end)
    }

    /// Takes one message; `true` if it says that nothing more will come.
    fn take(&self, message: &lapin::message::Delivery) -> bool {
        let kind = message.properties.kind().as_ref().map(ShortString::as_str);
        if message.exchange.as_str().is_empty() && kind == Some(END) {
            return self.shared.closing.is_cancelled();
        }
        let carries = if message.exchange == self.shared.link.exchange(Carries::Status) {
            Carries::Status
        } else {
            Carries::Ticks
        };
        match read(carries, &message.data) {
            Ok(delivery) => {
                if let Delivery::Status(status) = &delivery {
                    self.shared.keep_status(status);
                }
                self.queue.push(delivery);
            }
            Err(why) => self.put_aside(message, why),
        }
        false
    }

    fn put_aside(&self, message: &lapin::message::Delivery, why: Poison) {
        metrics::counter!("rates_broker_poison_total", "reason" => why.name()).increment(1);
        let (exchange, key) = (message.exchange.as_str(), message.routing_key.as_str());
        let (reason, bytes) = (why.name(), message.data.len());
        tracing::debug!(exchange, key, reason, bytes, "a message cannot be read");
        let mut poison = self.poison.lock();
        poison.0 += 1;
        if poison.1.is_none_or(|said| said.elapsed() >= POISON_SAID_EVERY) {
            let count = std::mem::take(&mut poison.0);
            poison.1 = Some(Instant::now());
            tracing::warn!(
                exchange,
                key,
                reason,
                bytes,
                count,
                "messages on the broker cannot be read; they are put aside, and the rest goes on"
            );
        }
        drop(poison);
        self.shared.put_aside(Message::dead(exchange, key, &message.data, why));
    }
}
