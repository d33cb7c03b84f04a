//! The publishing task: takes what waits, sends it in batches, and lets go of it once the server has confirmed it.
//! It must not make a publisher wait: everything that cannot be sent stays in a bounded queue, the newest of it.

use crate::Delivery;
use crate::amqp::{Rest, Shared};
use crate::amqp_latest::{BATCH, Latest, batches};
use crate::amqp_link::{Carries, Link, Said, Trouble, waits, within};
use crate::amqp_message::{Message, end};
use crate::queue::Taken;
use futures_util::StreamExt;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Confirmation, Connection, Event, PublisherConfirm};
use market::{Tick, Timestamp, VenueId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Most messages on the way at once.
const WINDOW: usize = 256;
/// With fewer on the way, nothing is gained by waiting for a fuller batch.
const FEW: usize = 16;
/// How long a tick waits for others to travel with, while the server is busy.
const GATHER: Duration = Duration::from_millis(5);
/// Most ticks that are taken from the queue before they are sent.
const GATHER_MAX: usize = 8 * BATCH;
/// A server that has not confirmed by then is taken for gone.
const CONFIRM_WAIT: Duration = Duration::from_secs(10);
/// The newest of everything is said again so often: for queues that were deleted, and for readers that came late.
const AGAIN: Duration = Duration::from_secs(15);
/// A message that the server refused, because a queue of somebody's is full, is offered again after that time.
const REFUSED_AGAIN: Duration = Duration::from_secs(1);
/// How long the last words may take.
pub(crate) const FLUSH_WAIT: Duration = Duration::from_secs(2);
/// How many messages that cannot be read are kept on the server.
const DEAD_KEPT: i32 = 1_000;

/// Publishes until the broker is closed, over as many connections as it takes.
pub(crate) async fn run(shared: Arc<Shared>) {
    shared.publisher_is_up.send_replace(false);
    let for_ever = async {
        let (mut latest, mut said) =
            (Latest::default(), Said::new("publisher", &shared.link, Default::default()));
        metrics::counter!("rates_broker_conflations_total").increment(0);
        let mut waits = waits();
        loop {
            let connected = Instant::now();
            match session(&shared, &mut latest, &mut said).await {
                Ok(()) => return true,
                Err(trouble) => said.trouble(&trouble),
            }
            shared.publisher_is_up.send_replace(false);
            if connected.elapsed() > FLUSH_WAIT {
                waits.reset();
            }
            // A server that is away at the end is not waited for.
            if shared.closing.run_until_cancelled(tokio::time::sleep(waits.after_failure())).await.is_none() {
                return false;
            }
        }
    };
    let too_late = async {
        shared.closing.cancelled().await;
        tokio::time::sleep(FLUSH_WAIT).await;
    };
    let has_said_all = tokio::select! {
        has_said_all = for_ever => has_said_all,
        () = too_late => false,
        () = shared.stop.cancelled() => true,
    };
    if !has_said_all {
        tracing::warn!("the broker did not take everything before the end");
        // Nobody tells the readers of this process that they have everything.
        shared.stop.cancel();
    }
    shared.publisher_is_up.send_replace(false);
}

/// One connection's life. Ends well only when the broker is closed and everything was confirmed.
async fn session(shared: &Shared, latest: &mut Latest, said: &mut Said) -> Result<(), Trouble> {
    let (connection, channel) = shared.link.connect("publisher").await?;
    within("asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    declare_dead(&shared.link, &channel).await?;
    let (line, is_blocked) = watch::channel(false);
    let mut sending = Sending {
        shared,
        channel,
        latest,
        window: VecDeque::new(),
        out: VecDeque::new(),
        again: Vec::new(),
        gathered: Gathered::default(),
        sending: None,
        refused: Rest::default(),
        is_blocked,
    };
    sending.say_everything();
    said.connected();
    shared.publisher_is_up.send_replace(true);
    let ended = tokio::select! {
        trouble = watch_over(&connection, shared, line) => Err(trouble),
        done = sending.run() => done,
    };
    if ended.is_err() {
        sending.put_back();
    }
    ended?;
    let _ = tokio::time::timeout(FLUSH_WAIT, sending.say_the_end()).await;
    let _ = tokio::time::timeout(FLUSH_WAIT, connection.close(200, "bye".into())).await;
    Ok(())
}

/// Hears what the server says of the connection, also while a message waits to be sent; returns at its end.
async fn watch_over(connection: &Connection, shared: &Shared, is_blocked: watch::Sender<bool>) -> Trouble {
    let mut events = std::pin::pin!(connection.events_listener());
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(reason, "the broker takes nothing now; the newest is kept");
                shared.publisher_is_up.send_replace(false);
                is_blocked.send_replace(true);
            }
            Event::ConnectionUnblocked => {
                tracing::info!("the broker takes messages again");
                is_blocked.send_replace(false);
                shared.publisher_is_up.send_replace(true);
            }
            Event::Error(error) => return error.into(),
            _ => {}
        }
    }
    Trouble::ConnectionEnded
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Lets go of the oldest message on the way once it is confirmed. A blocked server may take its time.
async fn confirmed(
    window: &mut VecDeque<Waiting>,
    refused: &mut Rest,
    is_blocked: bool,
) -> Result<(), Trouble> {
    let Some(oldest) = window.front_mut() else { return Ok(()) };
    let answer = if is_blocked {
        (&mut oldest.confirm).await
    } else {
        let until = oldest.sent + CONFIRM_WAIT;
        let answer = tokio::time::timeout_at(until, &mut oldest.confirm).await;
        answer.map_err(|_| Trouble::Timeout { what: "a message" })?
    };
    let is_refused = matches!(answer?, Confirmation::Nack(_));
    let message = window.pop_front().and_then(|oldest| oldest.message);
    if is_refused {
        // Ticks and status are said again with everything else in some seconds.
        metrics::counter!("rates_broker_refused_total").increment(1);
        message.into_iter().for_each(|message| refused.put_back(message));
    }
    Ok(())
}

/// Where messages that cannot be read are kept for whoever wants to look at them.
async fn declare_dead(link: &Link, channel: &Channel) -> Result<(), Trouble> {
    let name = link.exchange(Carries::Dead);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(DEAD_KEPT));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    within("declaring the dead-letter queue", channel.queue_declare(name.clone(), durable, arguments))
        .await?;
    let bind = channel.queue_bind(
        name.clone(),
        name,
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    within("binding the dead-letter queue", bind).await
}

/// A message on the way.
struct Waiting {
    confirm: PublisherConfirm,
    sent: Instant,
    /// The message, if nothing else says it again.
    message: Option<Message>,
}

struct Sending<'a> {
    shared: &'a Shared,
    channel: Channel,
    latest: &'a mut Latest,
    window: VecDeque<Waiting>,
    out: VecDeque<Message>,
    /// Venues whose newest is said again when there is nothing else to do.
    again: Vec<VenueId>,
    gathered: Gathered,
    /// What is being handed to the library, if nothing else says it again.
    sending: Option<Message>,
    /// What the server refused and nothing else says again: it has a moment to come to another mind.
    refused: Rest,
    is_blocked: watch::Receiver<bool>,
}

impl Sending<'_> {
    /// Sends until the broker is closed and everything was confirmed.
    async fn run(&mut self) -> Result<(), Trouble> {
        let mut again = tokio::time::interval_at(Instant::now() + AGAIN, AGAIN);
        let mut refused = tokio::time::interval(REFUSED_AGAIN);
        for pace in [&mut again, &mut refused] {
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let mut line = self.is_blocked.clone();
        loop {
            let is_blocked = *line.borrow_and_update();
            if !is_blocked {
                self.send().await?;
            }
            let is_closing = self.shared.closing.is_cancelled();
            if is_closing && self.is_done() {
                return Ok(());
            }
            let has_room = !is_blocked && self.has_room();
            let due = self.gathered.since.map(|since| since + GATHER);
            tokio::select! {
                biased;
                _ = line.changed() => {
                    // What is on the way begins to wait anew.
                    self.window.iter_mut().for_each(|waiting| waiting.sent = Instant::now());
                }
                confirmed = confirmed(&mut self.window, &mut self.refused, is_blocked), if !self.window.is_empty() => confirmed?,
                () = self.shared.unsent.changed(), if has_room => {}
                () = self.shared.wake.notified(), if has_room => {}
                () = until(due), if has_room && due.is_some() => {}
                _ = again.tick(), if !is_blocked => self.again = self.latest.venues(),
                _ = refused.tick(), if !self.refused.is_empty() => {
                    self.shared.rest.lock().put_back_all(std::mem::take(&mut self.refused));
                }
                () = self.shared.closing.cancelled(), if !is_closing => {}
            }
        }
    }

    fn has_room(&self) -> bool {
        self.window.len() < WINDOW
    }

    fn is_done(&self) -> bool {
        self.window.is_empty()
            && self.out.is_empty()
            && self.gathered.is_empty()
            && self.shared.unsent.is_empty()
    }

    /// On a new connection: the newest of all ticks and status, sent before or not. What waited is part of it.
    fn say_everything(&mut self) {
        while self.take_one() {}
        self.gathered = Gathered::default();
        self.out = self.latest.all().into();
    }

    /// Sends while there is room for more.
    async fn send(&mut self) -> Result<(), Trouble> {
        while self.has_room() {
            if let Some(message) = self.out.pop_front() {
                // A process that was frozen, or had no server for long, finds them past their time.
                if message.until.is_none_or(|until| Instant::now() < until) {
                    self.publish(message).await?;
                }
                continue;
            }
            while self.gathered.ticks < GATHER_MAX && self.take_one() {}
            self.take_the_rest();
            if !self.gathered.is_empty() {
                if !self.gathered.is_due(self.window.len()) {
                    break;
                }
                self.gathered.drain(&mut self.out);
            } else if self.out.is_empty() {
                let Some(venue) = self.again.pop().filter(|_| self.window.len() < FEW) else { break };
                self.out.extend(self.latest.of(&venue));
            }
        }
        Ok(())
    }

    /// Takes one delivery, or what is left of many; `false` if none waits.
    fn take_one(&mut self) -> bool {
        let mut keep = |delivery: Delivery| {
            self.latest.add(&delivery);
            self.gathered.add(delivery);
        };
        match self.shared.unsent.take() {
            Taken::Next(delivery) => keep(delivery),
            Taken::Newest(deliveries) => {
                metrics::counter!("rates_broker_conflations_total").increment(1);
                deliveries.into_iter().for_each(keep);
            }
            Taken::Nothing | Taken::Closed => return false,
        }
        true
    }

    fn take_the_rest(&mut self) {
        let mut rest = self.shared.rest.lock();
        self.out.extend(rest.rates.drain().map(|(_, message)| message));
        self.out.extend(rest.dead.drain(..));
    }

    /// The library waits with a message while the server is blocked.
    async fn publish(&mut self, message: Message) -> Result<(), Trouble> {
        self.sending = message.is_said_once().then(|| message.clone());
        let (exchange, options) =
            (self.shared.link.exchange(message.carries), BasicPublishOptions::default());
        let Message { key, body, properties, .. } = message;
        let mut publishing =
            std::pin::pin!(self.channel.basic_publish(exchange, key.into(), options, &body, properties));
        let confirm = loop {
            let is_blocked = *self.is_blocked.borrow_and_update();
            tokio::select! {
                confirm = &mut publishing => break confirm?,
                _ = self.is_blocked.changed() => {}
                () = tokio::time::sleep(CONFIRM_WAIT), if !is_blocked => {
                    return Err(Trouble::Timeout { what: "a message" });
                }
            }
        };
        self.window.push_back(Waiting { confirm, sent: Instant::now(), message: self.sending.take() });
        Ok(())
    }

    /// At the end of a connection: what nothing else says again waits for the next one.
    fn put_back(&mut self) {
        let mut rest = self.shared.rest.lock();
        self.out.drain(..).rev().chain(self.sending.take()).for_each(|message| rest.put_back(message));
        let on_the_way = self.window.drain(..).rev().filter_map(|waiting| waiting.message);
        on_the_way.for_each(|message| rest.put_back(message));
        rest.put_back_all(std::mem::take(&mut self.refused));
    }

    /// Tells the readers of this process that they have everything: after the last message, into their queues.
    async fn say_the_end(&mut self) -> Result<(), lapin::Error> {
        let queues: Vec<String> = self.shared.readers.lock().iter().cloned().collect();
        for queue in queues {
            let options = BasicPublishOptions::default();
            self.channel.basic_publish("".into(), queue.into(), options, b"", end()).await?.await?;
        }
        Ok(())
    }
}

/// What was taken and not sent yet, by venue.
#[derive(Default)]
struct Gathered {
    venues: HashMap<VenueId, (Timestamp, Vec<Tick>)>,
    status: Vec<Message>,
    ticks: usize,
    is_full: bool,
    since: Option<Instant>,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Whether waiting for more is not worth it.
    fn is_due(&self, on_the_way: usize) -> bool {
        on_the_way < FEW || self.is_full || self.since.is_some_and(|since| since.elapsed() >= GATHER)
    }

    fn add(&mut self, delivery: Delivery) {
        self.since.get_or_insert_with(Instant::now);
        match delivery {
            Delivery::Status(status) => self.status.extend(Message::status(&status)),
            Delivery::Ticks(batch) => {
                self.ticks += batch.ticks.len();
                let batch = Arc::unwrap_or_clone(batch);
                let (sent_at, ticks) = self.venues.entry(batch.venue).or_default();
                *sent_at = batch.sent_at.max(*sent_at);
                ticks.extend(batch.ticks);
                self.is_full |= ticks.len() >= BATCH;
            }
        }
    }

    fn drain(&mut self, out: &mut VecDeque<Message>) {
        let gathered = std::mem::take(self);
        for (venue, (sent_at, ticks)) in gathered.venues {
            out.extend(batches(&venue, sent_at, ticks));
        }
        out.extend(gathered.status);
    }
}
