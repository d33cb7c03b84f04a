//! Which venues this collector runs, where several divide them: what follows from that for a plan.
//! It must not know how they agree: that is `sharing.rs`.

use crate::{
    divide,
    permit::Permit,
    plan::{Plan, Transport},
};
use market::VenueId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How far a venue is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// We run it.
    Held,
    /// We connect, and hold back what comes, until the one that runs it has let go.
    Preparing,
}

/// One venue of ours.
#[derive(Debug, Clone)]
pub struct Part {
    /// Lets its ticks pass; another one than before means that all begins anew.
    pub permit: Arc<Permit>,
    /// How far it is ours.
    pub stage: Stage,
}

/// What this collector runs.
#[derive(Debug, Clone, Default)]
pub enum Share {
    /// Everything: it is alone.
    #[default]
    All,
    /// These.
    Of(BTreeMap<VenueId, Part>),
}

impl Share {
    /// The permit under which a venue is run; `None` if it is not.
    pub fn permit(&self, venue: &VenueId) -> Option<Arc<Permit>> {
        match self {
            Share::All => Some(Arc::new(Permit::always())),
            Share::Of(parts) => parts.get(venue).map(|part| part.permit.clone()),
        }
    }

    /// Whether what runs under that permit may go on.
    pub fn keeps(&self, venue: &VenueId, permit: &Arc<Permit>) -> bool {
        match self {
            Share::All => true,
            Share::Of(parts) => parts.get(venue).is_some_and(|part| Arc::ptr_eq(&part.permit, permit)),
        }
    }

    /// Our part of a plan. While we prepare, nobody is asked twice: requests wait until the venue is ours.
    pub fn part_of(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        if let Share::Of(parts) = self {
            plan.rows.retain(|row| parts.contains_key(&row.venue));
            plan.feeds.retain(|key, _| {
                parts.get(&key.venue).is_some_and(|part| {
                    part.stage == Stage::Held || matches!(key.transport, Transport::Stream)
                })
            });
        }
        plan
    }
}

/// A venue with what matters for dividing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// What it costs to run.
    pub cost: u64,
    /// Whether any of it is streamed: only that can be prepared without asking the venue for more than it allows.
    pub is_streamed: bool,
}

/// The venues of a plan, those of which nothing runs too: somebody has to say why.
pub fn units(plan: &Plan) -> BTreeMap<VenueId, Unit> {
    let named: BTreeSet<&VenueId> = plan.rows.iter().map(|row| &row.venue).collect();
    let unit = |venue: &VenueId| {
        let feeds = || plan.feeds.iter().filter(|(key, _)| key.venue == *venue);
        Unit {
            cost: divide::cost(feeds().map(|(_, feed)| feed.wants.len()).sum()),
            is_streamed: feeds().any(|(key, _)| matches!(key.transport, Transport::Stream)),
        }
    };
    named.into_iter().map(|venue| (venue.clone(), unit(venue))).collect()
}
