//! Several collectors divide the venues: each venue has a lease in the store, and whoever holds it runs the venue.
//! It must not know connections: it says which venues are ours, and gives each a permit.
//!
//! Every look prolongs all leases of ours in one statement, reads who is there and who holds what, and moves one step
//! towards [`divide()`]'s answer. A venue moves without a gap: its new collector connects and holds its ticks back, its old
//! one sees that it is live and lets go, and only then the ticks pass. Nothing is ever handed on by two at once, except
//! where the store cannot be asked.

use crate::{
    context::Context,
    divide::divide,
    holds,
    leases::{Ours, VenueLeases, within},
    permit::{May, Permit},
    settings::{Division, Elsewhere},
    share::{Part, Share, Stage, Unit},
};
use broker::BrokerHealth;
use compact_str::CompactString;
use market::{Timestamp, VenueId};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use store::{Rows, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// While a venue moves, looks follow each other at this pace.
const MOVING_LOOK: Duration = Duration::from_millis(200);
/// A venue that did not become live here is left where it is for this long.
const DECLINED_MS: i64 = 300_000;

/// The venues of the plan, once there is one.
pub type Units = Option<BTreeMap<VenueId, Unit>>;

/// A venue of ours.
struct Claim {
    part: Part,
    since: Timestamp,
    leased_until: Timestamp,
}

/// The task.
pub struct Sharing {
    store: Arc<dyn Rows>,
    leases: VenueLeases,
    context: Arc<Context>,
    division: Division,
    name: CompactString,
    units: watch::Receiver<Units>,
    share: watch::Sender<Share>,
    claims: BTreeMap<VenueId, Claim>,
    /// What was ours until we lost sight of the leases.
    lost: BTreeSet<VenueId>,
    declined: HashMap<VenueId, Timestamp>,
    /// Since when nobody runs a venue that another should.
    missed: HashMap<VenueId, Timestamp>,
    is_announced: bool,
    settled_at: Option<Timestamp>,
    is_moving: bool,
    is_away: bool,
}

impl Sharing {
    /// Shares nothing yet; tells by `share` what is ours from now on.
    pub fn new(
        store: Arc<dyn Rows>,
        context: Arc<Context>,
        division: Division,
        units: watch::Receiver<Units>,
        share: watch::Sender<Share>,
    ) -> Sharing {
        let name = context.settings.collector_id.clone();
        let keep = context.settings.timing.lease_keep;
        Sharing {
            leases: VenueLeases::new(store.clone(), &division.scope, &name, keep),
            store,
            context,
            division,
            name,
            units,
            share,
            claims: BTreeMap::new(),
            lost: BTreeSet::new(),
            declined: HashMap::new(),
            missed: HashMap::new(),
            is_announced: false,
            settled_at: None,
            is_moving: false,
            is_away: false,
        }
    }

    /// Takes part until stopped; then hands over what it has, if there is anybody to take it.
    pub async fn run(mut self, stop: CancellationToken) {
        metrics::describe_gauge!("rates_collector_venues", "Venues that this collector runs");
        loop {
            self.look().await;
            let pace = if self.is_moving { MOVING_LOOK } else { self.context.settings.timing.lease_look };
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.units.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(pace + crate::jitter(pace) / 4) => {}
            }
        }
        let most = self.context.settings.timing.hand_over_max + 2 * MOVING_LOOK;
        if tokio::time::timeout(most, self.hand_over()).await.is_err() {
            tracing::warn!(
                "not everything was handed over in time; the rest is taken over when its leases end"
            );
        }
    }

    fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    fn keep(&self) -> Duration {
        self.context.settings.timing.lease_keep
    }

    /// When a lease that was asked for at that time ends.
    fn end_of(&self, asked_at: Timestamp) -> Timestamp {
        asked_at.plus_millis(millis(self.keep()))
    }

    /// Whether a look that began then has taken so long that leases must be prolonged before it goes on.
    fn is_late(&self, began_at: Timestamp) -> bool {
        self.now().millis_since(began_at) > millis(self.keep()) / 3
    }

    async fn look(&mut self) {
        self.notice_sleep();
        let asked_at = self.now();
        let looked = match self.leases.renew().await {
            Ok(ours) => {
                if self.is_away {
                    // Others come back to the store at their own pace, and have what they had until then.
                    self.settled_at = None;
                }
                match self.renewed(ours, asked_at).await {
                    Ok(()) => self.arrange().await,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        match looked {
            Ok(()) if std::mem::take(&mut self.is_away) => {
                tracing::info!("the store says again who runs what");
            }
            Ok(()) => {}
            Err(error) => self.go_on_without(&error),
        }
        self.tell();
    }

    /// A process that was frozen finds its permits run out: another may have taken over long ago, and what waits in
    /// our sockets is as old as the sleep was long. All of it begins anew.
    fn notice_sleep(&mut self) {
        let now = self.now();
        let slept: Vec<VenueId> = self
            .claims
            .iter()
            .filter(|(_, claim)| claim.part.stage == Stage::Held && claim.part.permit.at(now) != May::Publish)
            .map(|(venue, _)| venue.clone())
            .collect();
        if slept.is_empty() {
            return;
        }
        tracing::warn!(
            venues = slept.len(),
            "this process did not run for longer than its leases; its feeds begin anew"
        );
        for venue in slept {
            self.drop_claim(&venue);
            self.lost.insert(venue);
        }
        self.tell();
    }

    /// What the store said is ours, when asked at that time.
    async fn renewed(&mut self, ours: Ours, asked_at: Timestamp) -> Result<(), StoreError> {
        let until = self.end_of(asked_at);
        self.is_announced = ours.is_announced;
        let mut ours = ours.venues;
        let held = self.claims.iter().filter(|(_, claim)| claim.part.stage == Stage::Held);
        let held: Vec<VenueId> = held.map(|(venue, _)| venue.clone()).collect();
        for venue in &held {
            // It ran out while the store was away; perhaps nobody took it.
            if !ours.contains(venue) && !self.is_late(asked_at) {
                if self.leases.take(venue).await? {
                    ours.insert(venue.clone());
                } else {
                    tracing::warn!(%venue, "another collector has taken it over");
                    self.drop_claim(venue);
                }
            }
        }
        let now = self.now();
        for (venue, claim) in &mut self.claims {
            if ours.contains(venue)
                && claim.part.stage == Stage::Held
                && claim.part.permit.prolong(now, until)
            {
                claim.leased_until = until;
            }
        }
        self.lost.clear();
        // Ours in the store and not here: we slept, and nobody took it.
        for venue in ours {
            if now < until && !self.claims.contains_key(&venue) {
                self.claim(venue, Stage::Held, until);
            }
        }
        Ok(())
    }

    /// One step towards what should run where.
    async fn arrange(&mut self) -> Result<(), StoreError> {
        if !self.is_announced {
            self.is_announced = self.leases.announce().await?;
        }
        let units = self.units.borrow_and_update().clone().unwrap_or_default();
        let is_wanted = |venue: &VenueId| units.is_empty() || units.contains_key(venue);
        let known = self.leases.known(is_wanted).await?;
        // At first we only say that we are there: those that begin together see each other.
        let look = millis(self.context.settings.timing.lease_look);
        let now = self.now();
        if now < *self.settled_at.get_or_insert(now.plus_millis(look)) {
            self.is_moving = true;
            return Ok(());
        }
        within(holds::restore(&*self.store, &self.context.hosts, self.now())).await?;
        let costs: BTreeMap<VenueId, u64> = units.iter().map(|(v, unit)| (v.clone(), unit.cost)).collect();
        let target = divide(&costs, &known.holders, &known.members);
        self.is_moving = false;
        for (venue, unit) in &units {
            if self.is_late(now) {
                self.is_moving = true;
                break;
            }
            let holder = known.holders.get(venue).map(String::as_str).filter(|holder| *holder != self.name);
            let is_ours = target.get(venue).is_some_and(|who| *who == self.name);
            if is_ours || self.is_missed(venue, known.holders.contains_key(venue)) {
                self.come(venue, *unit, holder).await?;
            } else {
                self.leave(venue, *unit).await?;
            }
        }
        self.missed.retain(|venue, _| units.contains_key(venue));
        let unwanted: Vec<VenueId> =
            self.claims.keys().filter(|v| !units.contains_key(*v)).cloned().collect();
        for venue in unwanted {
            self.give(&venue).await?;
        }
        Ok(())
    }

    /// A venue that should be ours: taken where nobody has it, prepared where somebody does.
    async fn come(&mut self, venue: &VenueId, unit: Unit, holder: Option<&str>) -> Result<(), StoreError> {
        let now = self.now();
        match (self.claims.get(venue).map(|claim| (claim.part.stage, claim.since)), holder) {
            (Some((Stage::Held, _)), _) => {}
            (Some((Stage::Preparing, since)), Some(holder)) => {
                self.is_moving = true;
                if now.millis_since(since) > millis(self.context.settings.timing.prepare_max) {
                    tracing::warn!(%venue, holder, "it did not become live here, and stays where it is");
                    self.declined.insert(venue.clone(), now.plus_millis(DECLINED_MS));
                    self.drop_claim(venue);
                }
            }
            (None, Some(_)) => {
                let is_declined = self.declined.get(venue).is_some_and(|until| now < *until);
                if unit.is_streamed && !is_declined {
                    self.claim(venue.clone(), Stage::Preparing, now);
                }
                self.is_moving |= !is_declined;
            }
            (_, None) => {
                let asked_at = self.now();
                if self.leases.take(venue).await? {
                    let until = self.end_of(asked_at);
                    tracing::info!(%venue, "this collector runs it");
                    match self.claims.get_mut(venue) {
                        Some(claim) if claim.part.permit.prolong(asked_at, until) => {
                            claim.part.stage = Stage::Held;
                            claim.leased_until = until;
                        }
                        _ => self.claim(venue.clone(), Stage::Held, until),
                    }
                    self.declined.remove(venue);
                }
            }
        }
        Ok(())
    }

    /// Whether nobody runs it for so long that whoever should must be unable to: its venue files may be older.
    fn is_missed(&mut self, venue: &VenueId, is_held: bool) -> bool {
        if is_held {
            self.missed.remove(venue);
            return false;
        }
        let now = self.now();
        let since = *self.missed.entry(venue.clone()).or_insert(now);
        now.millis_since(since) > 2 * millis(self.keep())
    }

    /// A venue that should be another's: given up once that one is live, or at once where nothing is streamed.
    async fn leave(&mut self, venue: &VenueId, unit: Unit) -> Result<(), StoreError> {
        match self.claims.get(venue).map(|claim| claim.part.stage) {
            None => {}
            Some(Stage::Preparing) => self.drop_claim(venue),
            Some(Stage::Held) if unit.is_streamed && self.elsewhere(venue) != Elsewhere::Live => {}
            Some(Stage::Held) => {
                tracing::info!(%venue, "handed over to another collector");
                self.give(venue).await?;
            }
        }
        Ok(())
    }

    async fn give(&mut self, venue: &VenueId) -> Result<(), StoreError> {
        let is_held = self.claims.get(venue).is_some_and(|claim| claim.part.stage == Stage::Held);
        if is_held {
            self.leases.give(venue).await?;
        }
        self.drop_claim(venue);
        Ok(())
    }

    /// The store does not answer, so nobody can take anything over, and what is ours goes on. A collector that alone
    /// is cut off from it gives way once its lease has ended and another is heard to run the venue.
    fn go_on_without(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the store does not say who runs what; what runs here goes on"
            );
        }
        self.is_moving = false;
        self.notice_sleep();
        let now = self.now();
        let until = self.end_of(now);
        let held = self.claims.iter().filter(|(_, claim)| claim.part.stage == Stage::Held);
        let gives_way: Vec<VenueId> = held
            .filter(|(venue, claim)| claim.leased_until < now && self.elsewhere(venue) != Elsewhere::Nothing)
            .map(|(venue, _)| venue.clone())
            .collect();
        for venue in gives_way {
            tracing::warn!(%venue, "another collector runs it; it is left to that one");
            self.drop_claim(&venue);
            self.lost.insert(venue);
        }
        for claim in self.claims.values().filter(|claim| claim.part.stage == Stage::Held) {
            claim.part.permit.prolong(now, until);
        }
        // What nobody is heard to run: ours before, or let go by another for us just before the store went away.
        let prepared = self.claims.iter().filter(|(_, claim)| claim.part.stage == Stage::Preparing);
        let candidates: Vec<VenueId> =
            self.lost.iter().chain(prepared.map(|(venue, _)| venue)).cloned().collect();
        for venue in candidates {
            if self.elsewhere(&venue) != Elsewhere::Nothing {
                continue;
            }
            tracing::info!(%venue, "nobody else is heard to run it; this collector does");
            self.lost.remove(&venue);
            match self.claims.get_mut(&venue) {
                Some(claim) if claim.part.permit.prolong(now, until) => claim.part.stage = Stage::Held,
                _ => self.claim(venue.clone(), Stage::Held, until),
            }
            if let Some(claim) = self.claims.get_mut(&venue) {
                claim.leased_until = now;
            }
        }
    }

    /// Says that we leave, waits a while until what we have is live elsewhere, and lets go of the rest.
    async fn hand_over(&mut self) {
        let deadline = self.now().plus_millis(millis(self.context.settings.timing.hand_over_max));
        // Without the store nothing can be handed over: what is ours is taken over when it runs out.
        if self.is_away {
            return;
        }
        let mut is_told = false;
        // Without the broker nobody is heard to be live: what is ours is let go at once.
        let context = self.context.clone();
        let is_heard = || context.broker.health() == BrokerHealth::Up;
        while self.now() < deadline && !self.claims.is_empty() && is_heard() {
            // Others prepare for what a collector holds that is no member.
            if !is_told && self.leases.part().await.is_err() {
                return;
            }
            is_told = true;
            let asked_at = self.now();
            let Ok(ours) = self.leases.renew().await else { return };
            if self.renewed(ours, asked_at).await.is_err() {
                break;
            }
            let units = self.units.borrow().clone().unwrap_or_default();
            match self.leases.known(|_| true).await {
                Ok(known) if !known.members.is_empty() => {}
                _ => break,
            }
            for (venue, unit) in units {
                if self.leave(&venue, unit).await.is_err() {
                    break;
                }
            }
            self.tell();
            tokio::time::sleep(MOVING_LOOK).await;
        }
        let rest: Vec<VenueId> = self.claims.keys().cloned().collect();
        for venue in rest {
            if self.give(&venue).await.is_err() {
                break;
            }
        }
        if !is_told {
            let _ = self.leases.part().await;
        }
    }

    fn elsewhere(&self, venue: &VenueId) -> Elsewhere {
        (self.division.elsewhere)(venue)
    }

    fn claim(&mut self, venue: VenueId, stage: Stage, until: Timestamp) {
        let permit = match stage {
            Stage::Held => Permit::until(until),
            Stage::Preparing => Permit::waiting(),
        };
        let part = Part { permit: Arc::new(permit), stage };
        self.claims.insert(venue, Claim { part, since: self.now(), leased_until: until });
    }

    /// From this moment nothing of it is handed on.
    fn drop_claim(&mut self, venue: &VenueId) {
        if let Some(claim) = self.claims.remove(venue) {
            claim.part.permit.end();
        }
    }

    fn tell(&self) {
        let parts = self.claims.iter().map(|(venue, claim)| (venue.clone(), claim.part.clone())).collect();
        let held = self.claims.values().filter(|claim| claim.part.stage == Stage::Held).count();
        metrics::gauge!("rates_collector_venues").set(u32::try_from(held).unwrap_or(u32::MAX));
        self.share.send_if_modified(|told| {
            let is_same = match told {
                Share::Of(before) => same(before, &parts),
                Share::All => false,
            };
            if !is_same {
                *told = Share::Of(parts);
            }
            !is_same
        });
    }
}

fn same(before: &BTreeMap<VenueId, Part>, after: &BTreeMap<VenueId, Part>) -> bool {
    let pairs = before.iter().zip(after);
    before.len() == after.len()
        && pairs.into_iter().all(|((a, one), (b, other))| {
            a == b && one.stage == other.stage && Arc::ptr_eq(&one.permit, &other.permit)
        })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
