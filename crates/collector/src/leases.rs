//! The leases of one installation's collectors: who is there, and who runs which venue. Every question has a limit.
//! It must not know what follows from the answers.

use market::VenueId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use store::{Rows, StoreError};

/// One question to the store. Well within a lease, so that a store that hangs is noticed before it ends.
const ASK_MAX: Duration = Duration::from_secs(2);

/// The leases, as one collector sees them.
pub struct VenueLeases {
    store: Arc<dyn Rows>,
    /// Begins every name: installations that share a database have leases of their own.
    scope: String,
    /// This collector.
    holder: String,
    keep: Duration,
}

/// What is ours.
#[derive(Debug, Default)]
pub struct Ours {
    /// Whether others see that we are there.
    pub is_announced: bool,
    /// The venues that we run.
    pub venues: BTreeSet<VenueId>,
}

/// What everybody has.
#[derive(Debug, Default)]
pub struct Known {
    /// Who is there.
    pub members: BTreeSet<String>,
    /// Who runs what. The holder may be no member: one that leaves is none, and goes on a while.
    pub holders: BTreeMap<VenueId, String>,
}

impl VenueLeases {
    /// The leases of that scope, for that holder, each kept so long.
    pub fn new(store: Arc<dyn Rows>, scope: &str, holder: &str, keep: Duration) -> VenueLeases {
        VenueLeases { store, scope: scope.to_owned(), holder: holder.to_owned(), keep }
    }

    /// Prolongs all that is ours; what is missing is lost.
    pub async fn renew(&self) -> Result<Ours, StoreError> {
        let names = within(self.store.renew_leases(&self.holder, self.keep)).await?;
        let member = self.member(&self.holder);
        Ok(Ours {
            is_announced: names.contains(&member),
            venues: names.iter().filter_map(|name| self.venue_of(name)).collect(),
        })
    }

    /// Says that we are there.
    pub async fn announce(&self) -> Result<bool, StoreError> {
        within(self.store.acquire_lease(&self.member(&self.holder), &self.holder, self.keep)).await
    }

    /// Says that we leave.
    pub async fn part(&self) -> Result<bool, StoreError> {
        within(self.store.release_lease(&self.member(&self.holder), &self.holder)).await
    }

    /// Takes a venue, if nobody has it; whether it is ours now.
    pub async fn take(&self, venue: &VenueId) -> Result<bool, StoreError> {
        within(self.store.acquire_lease(&self.venue(venue), &self.holder, self.keep)).await
    }

    /// Gives a venue back.
    pub async fn give(&self, venue: &VenueId) -> Result<bool, StoreError> {
        within(self.store.release_lease(&self.venue(venue), &self.holder)).await
    }

    /// Who is there and who runs what. Leases that ran out, of collectors and of venues that nobody wants, are removed.
    pub async fn known(&self, is_wanted: impl Fn(&VenueId) -> bool) -> Result<Known, StoreError> {
        let (mut known, mut forgotten) = (Known::default(), Vec::new());
        let members = self.member("");
        for lease in within(self.store.leases()).await? {
            let (is_over, venue) = (lease.left.is_zero(), self.venue_of(&lease.name));
            match (lease.name.strip_prefix(&members), venue) {
                (Some(member), _) if !is_over => drop(known.members.insert(member.to_owned())),
                (None, Some(venue)) if !is_over => drop(known.holders.insert(venue, lease.holder)),
                (Some(_), _) => forgotten.push(lease.name),
                (None, Some(venue)) if !is_wanted(&venue) => forgotten.push(lease.name),
                _ => {}
            }
        }
        for name in &forgotten {
            // Unless its holder has taken it again meanwhile.
            within(self.store.forget_lease(name)).await?;
        }
        Ok(known)
    }

    fn member(&self, name: &str) -> String {
        format!("{}:collector:{name}", self.scope)
    }

    fn venue(&self, venue: &VenueId) -> String {
        format!("{}:venue:{venue}", self.scope)
    }

    fn venue_of(&self, lease: &str) -> Option<VenueId> {
        let name = lease.strip_prefix(self.scope.as_str())?.strip_prefix(":venue:")?;
        VenueId::parse(name).ok()
    }
}

/// Asks the store, not for ever.
pub async fn within<T>(question: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Unavailable("no answer in time".into()));
    tokio::time::timeout(ASK_MAX, question).await.unwrap_or_else(late)
}
