//! Scratch.
use crate::lab::*;
use futures_util::StreamExt;
use lapin::options::*;
use lapin::types::FieldTable;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bare() {
    let server = shared();
    let (_c1, p) = channel(&server).await;
    let (_c2, r) = channel(&server).await;
    p.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    r.queue_declare("bare".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    let mut c = r.basic_consume("bare".into(), "t".into(), BasicConsumeOptions::default(), FieldTable::default()).await.unwrap();
    let mut all = vec![];
    for _ in 0..1000 {
        let t = tokio::time::Instant::now();
        let conf = p.basic_publish("".into(), "bare".into(), BasicPublishOptions::default(), b"hello", Default::default()).await.unwrap();
        let d = c.next().await.unwrap().unwrap();
        all.push(t.elapsed().as_micros());
        d.ack(BasicAckOptions::default()).await.unwrap();
        conf.await.unwrap();
    }
    all.sort();
    eprintln!("bare p50 {} p99 {}", all[500], all[990]);
    let b = broker(&server).await;
    let mut r = b.subscribe().await.unwrap();
    all.clear();
    for at in 0..1000 {
        let t = tokio::time::Instant::now();
        b.publish_ticks(batch("one", vec![tick("BTC-USD", at+1, "l")]));
        r.next().await.unwrap();
        all.push(t.elapsed().as_micros());
    }
    all.sort();
    eprintln!("ours p50 {} p99 {}", all[500], all[990]);
}
