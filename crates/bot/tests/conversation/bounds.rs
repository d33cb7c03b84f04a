//! Bounds: lengths, sizes, times, and what no text may do to an answer.
//! It must not repeat what the dialogues show.

use crate::{
    harness::{ANN, IVAN, stage, stage_on},
    market,
    parts::{first_html, memory, parts, said},
};
use bot::{Act, Conversation, Talk, html};
use proptest::prelude::*;
use std::time::Duration;
use testkit::parse_html;
use tokio::time::Instant;

/// B14: a picture of at most 200 KB with a caption that says what it shows.
#[tokio::test]
async fn a_chart_is_small_and_said_in_words() {
    let store = memory().await;
    market::walk(&*store).await;
    let talk = Conversation::new(parts(store));
    for (user, name) in [(ANN, "en"), (IVAN, "ru")] {
        for span in ["1h", "24h", "7d"] {
            let acts = talk.hear(said(user, &format!("/chart ETH {span}"))).await;
            let Some(Act::Photo { png, caption_html, .. }) = acts.first() else { panic!("{acts:?}") };
            assert!(png.len() <= 200_000 && png.starts_with(b"\x89PNG"), "{} bytes", png.len());
            assert!(html::length(caption_html) <= 1_024);
            let words: &[&str] = if user == ANN {
                &["First", "last", "Min", "max"]
            } else {
                &["Первая", "последняя", "Мин.", "макс."]
            };
            assert!(words.iter().all(|word| caption_html.contains(word)), "{caption_html}");
            // To be looked at.
            if let Some(folder) = std::env::var_os("CHARTS_INTO") {
                std::fs::write(std::path::Path::new(&folder).join(format!("{name}-{span}.png")), png)
                    .unwrap();
            }
        }
    }
}

/// B13: a price of 28 digits fits; B10: an inline answer of many pairs does, too.
#[tokio::test]
async fn enormous_prices_fit_into_a_message() {
    let parts = parts(memory().await);
    let huge = "1234567890123456789012345678";
    market::say(&parts.board, "binance", "HUGE-USDT", huge, 1_000);
    market::say(&parts.board, "binance", "TINY-USDT", "0.0000000000000000000000000123", 1_000);
    let talk = Conversation::new(parts);
    for user in [ANN, IVAN] {
        for text in [
            "huge",
            "tiny",
            "huge tiny btc",
            "5 huge",
            "1 tiny huge",
            "/alert huge above 5k",
            "/sources huge",
        ] {
            let html = first_html(&talk.hear(said(user, text)).await);
            assert!(parse_html(&html).is_ok() && html::length(&html) <= 4_096, "{text}: {html}");
            assert!(!html.contains(['e', 'E']) || !html.contains("e-"), "{text}: {html}");
        }
    }
}

/// B1 and B10, loosely, for the machine is shared: nothing takes seconds, and an inline answer is kept for five at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_quickly() {
    let store = memory().await;
    market::fill(&*store).await;
    let stage = stage_on(store, false).await;
    for text in ["btc", "/alerts", "100 usd rub", "/status", "/chart btc"] {
        let before = stage.fake.messages(ANN).len();
        let begun = Instant::now();
        stage.fake.say(ANN, ANN, text);
        stage.fake.messages_at_least(ANN, before + 1).await;
        // Milliseconds on an idle machine; tests share two busy cores.
        assert!(begun.elapsed() < Duration::from_secs(20), "{text}: {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let id = stage.fake.ask_inline(ANN, "btc");
    let answer = stage.fake.answer_to(&id).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "inline: {:?}", begun.elapsed());
    assert!(
        answer.get("cache_time").and_then(serde_json::Value::as_i64).is_some_and(|t| t <= 5),
        "{answer:?}"
    );
    assert_eq!(stage.fake.violations(), Vec::<String>::new());
}

/// A demo says so wherever a price is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_says_that_it_is_one() {
    let stage = stage(true).await;
    for text in ["btc", "btc eth sol", "100 usd rub", "/chart btc", "/rates"] {
        let before = stage.fake.messages(ANN).len();
        stage.fake.say(ANN, ANN, text);
        let all = stage.fake.messages_at_least(ANN, before + 1).await;
        assert!(all.last().unwrap().html.contains("🧪 A demo: these prices are invented."), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// B8 and G09: whatever is said, and by whom, the answer is HTML that Telegram takes.
    #[test]
    fn no_text_makes_html_that_telegram_refuses(text in "(/(alert|rate|convert|sub|chart|settings|start|foo)[@a-z]{0,3} )?\\PC{0,80}") {
        thread_local! {
            static TALK: (tokio::runtime::Runtime, Conversation) = {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let talk = runtime.block_on(async { Conversation::new(parts(memory().await)) });
                (runtime, talk)
            };
        }
        TALK.with(|(runtime, talk)| {
            for user in [ANN, IVAN] {
                for act in runtime.block_on(talk.hear(said(user, &text))) {
                    let (html, keyboard) = match act {
                        Act::Send { html, keyboard } => (html, keyboard),
                        Act::Photo { caption_html, keyboard, .. } => (caption_html, keyboard),
                        other => return Err(TestCaseError::fail(format!("{other:?}"))),
                    };
                    let parsed = parse_html(&html).map_err(|e| TestCaseError::fail(format!("{text:?}: {e}: {html}")))?;
                    prop_assert!(!parsed.text.trim().is_empty() && parsed.text.encode_utf16().count() <= 4_096);
                    prop_assert!(keyboard.iter().flatten().all(|key| !key.label.trim().is_empty()));
                }
            }
            Ok(())
        })?;
    }
}
