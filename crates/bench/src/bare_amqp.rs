//! What the product's broker is measured against: the same client library on the same server, used plainly.
//! It must not know what a message means.

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind, PublisherConfirm,
    options::{
        BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};

const EXCHANGE: &str = "bare";
const PREFETCH: u16 = 1_000;

/// Publishes messages on a connection of its own.
pub struct Publisher {
    _connection: Connection,
    channel: Channel,
}

impl Publisher {
    /// Connects; with confirms, every publish can be waited for until the server has it.
    pub async fn connect(url: &str, with_confirms: bool) -> anyhow::Result<Publisher> {
        let (connection, channel) = connect(url).await?;
        if with_confirms {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
        }
        Ok(Publisher { _connection: connection, channel })
    }

    /// Hands one message to the connection.
    pub async fn publish(&self, body: &[u8]) -> anyhow::Result<PublisherConfirm> {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        Ok(self.channel.basic_publish(EXCHANGE.into(), "key".into(), options, body, properties).await?)
    }
}

/// A consumer on a connection and a queue of its own, which is gone with it.
pub async fn consume(url: &str) -> anyhow::Result<(Connection, Consumer)> {
    let (connection, channel) = connect(url).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = format!("bare-{:08x}", std::process::id());
    channel.queue_declare(queue.as_str().into(), own, FieldTable::default()).await?;
    let nothing = FieldTable::default;
    channel
        .queue_bind(
            queue.as_str().into(),
            EXCHANGE.into(),
            "#".into(),
            QueueBindOptions::default(),
            nothing(),
        )
        .await?;
    let consumer = channel
        .basic_consume(queue.as_str().into(), "bare".into(), BasicConsumeOptions::default(), nothing())
        .await?;
    Ok((connection, consumer))
}

async fn connect(url: &str) -> anyhow::Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, options, FieldTable::default()).await?;
    Ok((connection, channel))
}
