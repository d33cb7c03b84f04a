//! Conversations in both languages, whole: from an update of the fake Bot API to what stands in the chat.
//! It must not test how messages travel; `transport` does.

mod bounds;
mod harness;
mod kept;
mod market;
mod parts;
mod told;

use harness::{play, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn english() {
    play(&stage(false).await, "english.txt", include_str!("english.txt")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn russian() {
    play(&stage(false).await, "russian.txt", include_str!("russian.txt")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_and_operators() {
    play(&stage(false).await, "groups.txt", include_str!("groups.txt")).await;
}
