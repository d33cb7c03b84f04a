//! Which collector should run which venue: everybody computes the same answer from the same facts, and what runs
//! moves only where that evens things out. Pure; it must not know leases, nor what a venue is.

use std::collections::{BTreeMap, BTreeSet};

/// What every venue costs beside its pairs: a connection, or a loop of requests.
const VENUE_COST: u64 = 10;

/// A venue's cost.
pub fn cost(pairs: usize) -> u64 {
    VENUE_COST + pairs as u64
}

/// Says for every venue which member should run it. A venue stays with the member that holds it, unless moving it
/// makes the members' loads clearly more even. Without members nobody runs anything.
pub fn divide<V: Ord + Clone, M: Ord + Clone>(
    costs: &BTreeMap<V, u64>,
    held: &BTreeMap<V, M>,
    members: &BTreeSet<M>,
) -> BTreeMap<V, M> {
    let mut loads: BTreeMap<&M, u64> = members.iter().map(|member| (member, 0)).collect();
    let mut who: BTreeMap<&V, &M> = BTreeMap::new();
    if members.is_empty() {
        return BTreeMap::new();
    }
    let mut free: Vec<(u64, &V)> = Vec::new();
    for (venue, cost) in costs {
        match held.get(venue).and_then(|holder| members.get(holder)) {
            Some(holder) => {
                who.insert(venue, holder);
                *loads.entry(holder).or_default() += cost;
            }
            None => free.push((*cost, venue)),
        }
    }
    // The dearest first, each to whoever has least to do.
    free.sort_by(|a, b| b.cmp(a));
    for (cost, venue) in free {
        let Some(least) = loads.iter().min_by_key(|(_, load)| **load).map(|(member, _)| *member) else {
            continue;
        };
        who.insert(venue, least);
        *loads.entry(least).or_default() += cost;
    }
    even_out(costs, &mut who, &mut loads);
    who.into_iter().map(|(venue, member)| (venue.clone(), member.clone())).collect()
}

/// Moves one venue after another from a member with more to do to one with less.
fn even_out<'a, V: Ord, M: Ord>(
    costs: &'a BTreeMap<V, u64>,
    who: &mut BTreeMap<&'a V, &'a M>,
    loads: &mut BTreeMap<&'a M, u64>,
) {
    let mean = loads.values().sum::<u64>() / (loads.len() as u64).max(1);
    // Every move makes the sum of the squares of the loads smaller, so there is an end; the bound is for a defect.
    for _ in 0..who.len() * 4 {
        let mut best: Option<(u64, &V, &M)> = None;
        for (venue, from) in who.iter() {
            let cost = costs.get(*venue).copied().unwrap_or_default();
            let load = loads.get(from).copied().unwrap_or_default();
            for (to, less) in loads.iter() {
                let gap = load.saturating_sub(*less);
                // Not for a little: a fifth of what each has to do, and no venue that only swaps the two.
                let gain = gap.saturating_sub(cost);
                if gap * 5 <= mean || gain * 5 <= gap {
                    continue;
                }
                let gain = cost * gain;
                if best.is_none_or(|(most, _, _)| gain > most) {
                    best = Some((gain, *venue, *to));
                }
            }
        }
        let Some((_, venue, to)) = best else { return };
        let cost = costs.get(venue).copied().unwrap_or_default();
        if let Some(from) = who.insert(venue, to)
            && let Some(load) = loads.get_mut(from)
        {
            *load -= cost;
        }
        *loads.entry(to).or_default() += cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn costs(all: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
        all.iter().copied().collect()
    }

    #[test]
    fn what_runs_moves_only_where_it_evens_things_out() {
        let all = costs(&[("a", 12), ("b", 12), ("c", 12), ("d", 12)]);
        let one = divide(&all, &BTreeMap::new(), &BTreeSet::from([1]));
        assert!(one.values().all(|member| *member == 1) && one.len() == 4);
        let two = divide(&all, &one, &BTreeSet::from([1, 2]));
        assert_eq!(two.values().filter(|member| **member == 2).count(), 2);
        let moved = |before: &BTreeMap<&str, i32>, after: &BTreeMap<&str, i32>| {
            before.iter().filter(|(venue, member)| after.get(*venue) != Some(member)).count()
        };
        // Five venues for two: nothing is gained by moving one.
        let five = costs(&[("a", 12), ("b", 12), ("c", 12), ("d", 12), ("e", 12)]);
        let after = divide(&five, &two, &BTreeSet::from([1, 2]));
        assert_eq!(moved(&two, &after), 0);
        // One dies: what the other has stays.
        let alone = divide(&five, &after, &BTreeSet::from([2]));
        assert!(alone.values().all(|member| *member == 2));
        // One huge venue alone, the small ones beside it.
        let huge = costs(&[("a", 1_000), ("b", 12), ("c", 12), ("d", 12)]);
        let before = BTreeMap::from([("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        let after = divide(&huge, &before, &BTreeSet::from([1, 2]));
        assert!(
            after["a"] != after["b"] && after["b"] == after["c"] && after["c"] == after["d"],
            "{after:?}"
        );
        // A single venue stays where it is, whoever joins.
        let single = costs(&[("a", 500)]);
        assert_eq!(divide(&single, &BTreeMap::from([("a", 2)]), &BTreeSet::from([1, 2, 3]))["a"], 2);
        assert!(divide(&single, &BTreeMap::new(), &BTreeSet::<i32>::new()).is_empty());
    }

    proptest! {
        #[test]
        fn all_is_run_by_somebody_evenly_and_then_nothing_moves(
            all in prop::collection::btree_map(0u8..60, 10u64..400, 0..40),
            held in prop::collection::btree_map(0u8..60, 0u8..8, 0..40),
            members in prop::collection::btree_set(0u8..8, 1..6),
        ) {
            let divided = divide(&all, &held, &members);
            prop_assert!(divided.keys().eq(all.keys()) && divided.values().all(|m| members.contains(m)));
            prop_assert_eq!(&divide(&all, &divided, &members), &divided, "once divided, nothing moves");
            let load = |member: &u8| divided.iter().filter(|(_, m)| *m == member).map(|(v, _)| all[v]).sum::<u64>();
            let (most, least) = (members.iter().map(load).max().unwrap(), members.iter().map(load).min().unwrap());
            let dearest = all.values().copied().max().unwrap_or(0);
            let mean = all.values().sum::<u64>() / members.len() as u64;
            // What is left is less than the dearest venue makes, or not worth a move.
            prop_assert!(most - least <= (dearest * 5 / 4 + 1).max(mean / 5 + 1), "{most} {least} {dearest} {mean}");
        }
    }
}
