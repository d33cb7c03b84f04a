//! A broadcast to every chat at the pace that Telegram takes: its first minute, and what everybody else waits meanwhile.
//! It must not know how messages are queued.

use crate::{
    bot_alerts::Ladder,
    bot_world::{OPERATOR, World, steady},
    figures::Times,
};
use std::{collections::VecDeque, fmt, time::Duration};

/// Somebody asks so often; from this many on, the broadcast is under way, until the last.
const EVERY: Duration = Duration::from_millis(200);
const BEFORE: usize = 10;
const DURING: usize = 300;
/// Every so many, an alert is crossed.
const CROSSED_EVERY: usize = 15;
const TEXTS: [&str; 4] = ["/rate BTC USDT", "eth", "/convert 2 BTC USDT", "биток"];
const WORDS: &str = "Tonight at three there is maintenance";
/// Its beginning, when pages are written as fast as there is room.
const BEGINNING: Duration = Duration::from_secs(5);

/// What was seen.
pub struct During {
    /// How long people waited who asked for a rate.
    pub replies: Times,
    /// From a price beyond the threshold to its message.
    pub crossings: Times,
    beginning: Times,
    confirmed: Duration,
    first: Duration,
    per_second: f64,
    most: usize,
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  replies in its first {BEGINNING:?}: {}", self.beginning)?;
        write!(
            f,
            "  confirmed to the operator after {:.1} ms, first message after {:.1} ms, then {:.1} messages of it a \
             second; at most {} messages of any kind in a second",
            self.confirmed.as_secs_f64() * 1e3,
            self.first.as_secs_f64() * 1e3,
            self.per_second,
            self.most
        )
    }
}

/// Measures.
pub async fn run(world: &mut World, ladder: &mut Ladder) -> anyhow::Result<During> {
    let (mut asked, mut crossed) = (Vec::new(), Vec::new());
    let mut begun = None;
    let mut beat = steady(EVERY);
    for at in 0..BEFORE + DURING {
        beat.tick().await;
        if at == BEFORE {
            begun = Some(world.say_in(OPERATOR, &format!("/broadcast {WORDS}")));
        }
        let one = world.say(TEXTS[at % TEXTS.len()]);
        if begun.is_some() {
            asked.push(one);
            if at % CROSSED_EVERY == 0 {
                crossed.push(ladder.cross(world).await?);
            }
        }
    }
    let begun = begun.ok_or_else(|| anyhow::anyhow!("nothing was begun"))?;
    let ended = world.telegram.elapsed();
    let replies = world.answered(&asked, "sendMessage").await?;
    let crossings = world.answered(&crossed, "sendMessage").await?;
    let in_beginning: Vec<_> =
        asked.iter().copied().take_while(|one| one.at < begun.at + BEGINNING).collect();
    let beginning = world.answered(&in_beginning, "sendMessage").await?;
    let confirmed = world.answered(&[begun], "sendMessage").await?;

    let calls = world.telegram.calls_of("sendMessage");
    let sent = || calls.iter().filter(|call| call.code == 200 && call.at >= begun.at && call.at < ended);
    let is_broadcast = |call: &&testkit::Call| call.params["text"].as_str() == Some(WORDS);
    let of_it: Vec<Duration> = sent().filter(is_broadcast).map(|call| call.at).collect();
    let (Some(first), Some(last)) = (of_it.first(), of_it.last()) else {
        anyhow::bail!("no message of the broadcast came; the product said: {}", world.product.process.said());
    };
    Ok(During {
        replies,
        crossings,
        beginning,
        confirmed: Duration::from_secs_f64(confirmed.ms(100.0) / 1e3),
        first: *first - begun.at,
        per_second: (of_it.len() - 1) as f64 / (*last - *first).as_secs_f64().max(1e-3),
        most: most_in_a_second(sent().map(|call| call.at)),
    })
}

/// The most of these, which are in order, within any second.
fn most_in_a_second(times: impl Iterator<Item = Duration>) -> usize {
    let (mut within, mut most) = (VecDeque::new(), 0);
    for at in times {
        while within.front().is_some_and(|first: &Duration| at - *first >= Duration::from_secs(1)) {
            within.pop_front();
        }
        within.push_back(at);
        most = most.max(within.len());
    }
    most
}
