//! Alerts on a ladder of prices, one a rung, each of a chat of its own; a venue whose price climbs it rung by rung.
//! It must not know how an alert is judged, nor how its message travels.

use crate::{
    bot_world::{Asked, STEPPED, World, steady},
    figures::Times,
    local_venue::frame_at,
};
use anyhow::Context;
use std::{collections::VecDeque, time::Duration};

/// Rungs that are climbed while the outbox is empty, and those left for a broadcast.
const QUIET: usize = 60;
const LATER: usize = 20;
/// The price below the first rung, and from one rung to the next.
const BASE: u64 = 50_000;
const STEP: u64 = 50;
/// Telegram takes a message a second to a chat: nobody's alert fires sooner after it was confirmed.
const REST: Duration = Duration::from_millis(1_200);
const EVERY: Duration = Duration::from_millis(50);
/// Between two rungs; half of it is left to chance, so that no timer of the product is in step.
const PAUSE_MS: u64 = 400;

/// The ladder.
pub struct Ladder {
    chats: VecDeque<i64>,
    /// How often the venue has said a price.
    number: u64,
    clock: clock::Clock,
}

impl Ladder {
    /// Sets every alert as people do, by words in a chat.
    pub async fn set(world: &mut World) -> anyhow::Result<Ladder> {
        let mut ladder = Ladder { chats: VecDeque::new(), number: 0, clock: clock::Clock::system() };
        ladder.say(world).await;
        world.product.until_answers(&format!("/api/v1/rates/{STEPPED}")).await?;
        let mut asked = Vec::new();
        let mut beat = steady(EVERY);
        for rung in 1..=(QUIET + LATER) as u64 {
            beat.tick().await;
            let threshold = BASE + rung * STEP - STEP / 2;
            let one = world.say(&format!("/alert SOL above {threshold}"));
            ladder.chats.push_back(one.chat);
            asked.push(one);
        }
        world.answered(&asked, "sendMessage").await?;
        tokio::time::sleep(REST).await;
        Ok(ladder)
    }

    /// Crosses the next rung: whose alert that is, and since when.
    pub async fn cross(&mut self, world: &World) -> anyhow::Result<Asked> {
        let chat = self.chats.pop_front().context("a rung that is left")?;
        let at = world.telegram.elapsed();
        self.say(world).await;
        Ok(Asked { chat, at })
    }

    /// Crosses those of the quiet time, each once the one before has been told.
    pub async fn climb(&mut self, world: &World) -> anyhow::Result<Times> {
        let mut asked = Vec::new();
        for _ in 0..QUIET {
            let one = self.cross(world).await?;
            world.answered(&[one], "sendMessage").await?;
            let told = world.telegram.messages(one.chat).pop().context("the message")?;
            anyhow::ensure!(
                told.text.contains("SOL/USDT") && !told.text.contains(['#', '№']),
                "no firing: {}",
                told.text
            );
            asked.push(one);
            tokio::time::sleep(Duration::from_millis(PAUSE_MS / 2 + fastrand::u64(..=PAUSE_MS / 2))).await;
        }
        world.answered(&asked, "sendMessage").await
    }

    /// The venue says the price of the rung it stands on, and steps up.
    async fn say(&mut self, world: &World) {
        let price = format!("{}.00", BASE + self.number * STEP);
        let frame = frame_at(&price, STEPPED, self.number, self.clock.now().millis());
        self.number += 1;
        world.venue.send(STEPPED, frame).await;
    }
}
