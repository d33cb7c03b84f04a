//! Which connection carries which symbol: what is carried stays where it is, free places are filled, and a
//! new connection is opened only when all are full. Pure; it must not know what a connection is.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// One connection's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The connection's number; it keeps it for life.
    pub number: u32,
    /// What it carries, by the venue's spelling.
    pub symbols: Vec<Arc<str>>,
}

/// Moves `shards` to carry exactly `wanted`, at most `symbols_max` each. Shards left empty are removed.
/// `next_number` counts up over the venue's life, so that a number never means two connections.
pub fn assign(shards: &mut Vec<Shard>, wanted: &[Arc<str>], symbols_max: usize, next_number: &mut u32) {
    let symbols_max = symbols_max.max(1);
    let wanted_set: HashSet<&Arc<str>> = wanted.iter().collect();
    let mut carried: HashSet<Arc<str>> = HashSet::new();
    for shard in shards.iter_mut() {
        shard.symbols.retain(|symbol| wanted_set.contains(symbol));
        shard.symbols.truncate(symbols_max);
        carried.extend(shard.symbols.iter().cloned());
    }
    let mut free = 0;
    for symbol in wanted {
        if !carried.insert(symbol.clone()) {
            continue;
        }
        while shards.get(free).is_some_and(|shard| shard.symbols.len() >= symbols_max) {
            free += 1;
        }
        if free == shards.len() {
            shards.push(Shard { number: *next_number, symbols: Vec::new() });
            *next_number = next_number.saturating_add(1);
        }
        shards[free].symbols.push(symbol.clone());
    }
    shards.retain(|shard| !shard.symbols.is_empty());
}

/// By symbol, the number of the shard that carries it.
pub fn by_symbol(shards: &[Shard]) -> HashMap<Arc<str>, u32> {
    shards
        .iter()
        .flat_map(|shard| shard.symbols.iter().map(|symbol| (symbol.clone(), shard.number)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn shown(shards: &[Shard]) -> String {
        shards.iter().map(|s| format!("{}:{} ", s.number, s.symbols.join(","))).collect()
    }

    #[test]
    fn what_is_carried_stays_and_free_places_are_filled() {
        let (mut shards, mut next) = (Vec::new(), 1);
        let mut step = |wanted: &[&str], shows: &str| {
            assign(&mut shards, &names(wanted), 2, &mut next);
            assert_eq!(shown(&shards).trim_end(), shows);
        };
        step(&["a", "b", "c"], "1:a,b 2:c");
        step(&["a", "b", "c", "d", "e"], "1:a,b 2:c,d 3:e");
        step(&["b", "c", "d", "e", "x"], "1:b,x 2:c,d 3:e");
        step(&["e"], "3:e");
        step(&["e", "f", "g"], "3:e,f 4:g");
        step(&[], "");
    }

    proptest! {
        #[test]
        fn every_symbol_is_carried_once_and_never_moves(steps in prop::collection::vec(prop::collection::btree_set(0u8..60, 0..60), 1..12), most in 1usize..20) {
            let (mut shards, mut next) = (Vec::new(), 1);
            for step in steps {
                let wanted: Vec<Arc<str>> = step.iter().map(|n| Arc::from(n.to_string())).collect();
                let before = by_symbol(&shards);
                assign(&mut shards, &wanted, most, &mut next);
                let after = by_symbol(&shards);
                prop_assert_eq!(after.len(), wanted.len());
                prop_assert_eq!(shards.iter().map(|s| s.symbols.len()).sum::<usize>(), wanted.len());
                prop_assert!(shards.iter().all(|s| s.symbols.len() <= most && !s.symbols.is_empty()));
                for (symbol, number) in &after {
                    prop_assert!(before.get(symbol).is_none_or(|was| was == number), "{} moved", symbol);
                }
            }
        }
    }
}
