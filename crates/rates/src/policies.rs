//! Follows `pair_policy` in the store and hands it to the board: which venues may make a pair's rate.
//! It must not know how a rate is made.

use crate::reread::reread;
use board::{Board, Policy};
use market::{Pair, VenueId};
use std::{collections::HashSet, sync::Arc};
use store::{PairPolicyRow, Store};

/// Runs until it is stopped. While the store is away the last policies go on.
pub async fn follow(store: Arc<dyn Store>, board: Arc<Board>) {
    let mut warned: HashSet<PairPolicyRow> = HashSet::new();
    let apply = |rows: Vec<PairPolicyRow>| board.set_policies(read(&rows, &mut warned));
    reread(store.changes(), || store.pair_policies(), apply).await;
}

/// The rows that can be understood; each other one is said aloud once, until it changes.
fn read(rows: &[PairPolicyRow], warned: &mut HashSet<PairPolicyRow>) -> Vec<(Pair, Policy)> {
    warned.retain(|row| rows.contains(row));
    let mut policies = Vec::new();
    for row in rows {
        match policy(row) {
            Ok(policy) => policies.push(policy),
            Err(reason) => {
                if warned.insert(row.clone()) {
                    tracing::warn!(pair = ?row.pair, %reason, "a row of pair_policy is not understood and has no effect");
                }
            }
        }
    }
    policies
}

fn policy(row: &PairPolicyRow) -> Result<(Pair, Policy), String> {
    let pair = Pair::parse(row.pair.as_deref().unwrap_or_default()).map_err(|e| format!("pair: {e}"))?;
    let sources_min = match row.sources_min.as_deref().map(str::trim) {
        None | Some("") => 1,
        Some(text) => {
            let number = text.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("sources_min: {text:?} is no whole number above zero"))?
        }
    };
    Ok((
        pair,
        Policy {
            venues_allowed: venues("venues_allowed", row.venues_allowed.as_deref())?,
            venues_excluded: venues("venues_excluded", row.venues_excluded.as_deref())?,
            sources_min,
        },
    ))
}

fn venues(column: &str, list: Option<&str>) -> Result<Vec<VenueId>, String> {
    let names = list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| VenueId::parse(name).map_err(|error| format!("{column}: {name:?}: {error}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pair: &str, allowed: &str, excluded: &str, sources_min: &str) -> PairPolicyRow {
        let text = |text: &str| Some(text.to_owned());
        PairPolicyRow {
            pair: text(pair),
            venues_allowed: text(allowed),
            venues_excluded: text(excluded),
            sources_min: text(sources_min),
        }
    }

    #[test]
    fn rows_are_read_leniently_and_a_bad_one_is_said_once() {
        let good = [
            row("btc/usdt", "", " a, b ,", ""),
            row("ETH-USD", "c", "", " 2 "),
            PairPolicyRow { pair: Some("XRP-USD".into()), ..PairPolicyRow::default() },
        ];
        let bad = [
            row("BTC", "", "", "1"),
            row("BTC-EUR", "No Venue", "", "1"),
            row("BTC-EUR", "", "", "0"),
            row("BTC-EUR", "", "", "two"),
            PairPolicyRow::default(),
        ];
        let mut warned = HashSet::new();
        let read_all = |warned: &mut HashSet<PairPolicyRow>| read(&[&good[..], &bad[..]].concat(), warned);
        let policies = read_all(&mut warned);
        assert_eq!(policies.len(), good.len());
        assert_eq!(policies[0].0.to_string(), "BTC-USDT");
        let excluded: Vec<_> = policies[0].1.venues_excluded.iter().map(VenueId::as_str).collect();
        assert_eq!(excluded, ["a", "b"]);
        assert_eq!(policies[1].1.sources_min, 2);
        assert_eq!(policies[2].1, Policy::default());
        assert_eq!(warned.len(), bad.len());
        assert_eq!(read_all(&mut warned).len(), good.len());
        assert_eq!(warned.len(), bad.len(), "the same rows are not new");
        read(&good, &mut warned);
        assert!(warned.is_empty(), "a mended row is forgotten");
    }
}
