//! How feeds are doing, in words that travel from the collector to every reader (`rates.status`).
//! It must not know how a feed is run.

use crate::{Pair, Timestamp, VenueId};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The state of one connection or poll loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Data flows.
    Live,
    /// Open, but no data within the silence limit; being replaced.
    Silent,
    /// Waiting before the next try.
    BackingOff,
    /// The venue asked us to wait.
    RateLimited,
    /// The venue refuses this place (HTTP 451).
    GeoBlocked,
    /// The address is not one we may connect to.
    BlockedAddress,
    /// What comes cannot be read.
    CannotRead,
    /// Stopped on purpose.
    Stopped,
    /// Dialling, or waiting for the first data; also what a state of a newer version is read as: not live.
    #[serde(other)]
    Connecting,
}

/// The state of one row or one pair at one venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairState {
    /// Data flows.
    Live,
    /// Asked for (perhaps acknowledged), and nothing came within the deadline.
    NoData,
    /// There was data, and it is past `stale_after`.
    Stale,
    /// The venue says that it does not know the symbol (any more).
    Delisted,
    /// The row cannot be understood.
    Invalid,
    /// The row's address is not one we may connect to.
    BlockedAddress,
    /// Switched off by the operator.
    Disabled,
    /// Asked for, not yet answered, still within its deadline; also what a state of a newer version is read as.
    #[serde(other)]
    Waiting,
}

impl PairState {
    /// From doing well to doing badly. What is still within its deadline is in no trouble; what is stale is.
    pub const fn rank(self) -> u8 {
        match self {
            PairState::Live => 0,
            PairState::Waiting => 1,
            PairState::Stale => 2,
            PairState::NoData => 3,
            PairState::Delisted => 4,
            PairState::BlockedAddress => 5,
            PairState::Invalid => 6,
            PairState::Disabled => 7,
        }
    }
}

/// One connection of a venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStatus {
    /// Stable while the connection's task lives; a reconnect keeps it.
    pub id: CompactString,
    /// Its state.
    pub state: ConnectionState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// How often it was replaced.
    pub reconnects: u64,
    /// What last went wrong, in words; never a secret.
    pub last_error: Option<String>,
    /// How many pairs it carries.
    #[serde(default)]
    pub pairs: u32,
    /// When the state ends by itself (`rate_limited`, `backing_off`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The last frame or body of which nothing could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<UnreadFrame>,
    /// A polled venue is asked so often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// Why it says nothing new every few seconds, by its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seldom: Option<String>,
}

/// A frame or body of which nothing could be made, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadFrame {
    /// Its start on one line, without secrets; `0x…` where it is no text.
    pub frame: String,
    /// Its whole length.
    pub bytes: u64,
    /// When it came.
    pub at: Timestamp,
    /// Why nothing could be made of it.
    pub reason: String,
    /// How many of them came on this connection since it began to run.
    pub count: u64,
}

/// One row of `trade_info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowStatus {
    /// The row's id.
    pub id: i64,
    /// Its state.
    pub state: PairState,
    /// Why, where that is not plain: the column and the reason.
    pub reason: Option<String>,
}

/// One pair at the venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairStatus {
    /// The pair.
    pub pair: Pair,
    /// Its state.
    pub state: PairState,
    /// When data last came.
    pub last_data_at: Option<Timestamp>,
    /// Past this age a tick of the pair is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after_ms: Option<i64>,
    /// Past this age it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after_ms: Option<i64>,
}

/// How one venue's feeds are doing: the body of a message on `rates.status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueStatus {
    /// The version of the shape, 1.
    pub v: u32,
    /// Whose feeds.
    pub venue: VenueId,
    /// Which collector runs them.
    pub collector: CompactString,
    /// When it was said.
    pub sent_at: Timestamp,
    /// Every connection.
    pub connections: Vec<ConnectionStatus>,
    /// Every row of the venue.
    pub rows: Vec<RowStatus>,
    /// Every pair of the venue.
    pub pairs: Vec<PairStatus>,
}

#[cfg(test)]
mod tests {
    use super::PairState::*;

    /// Of two, the better one is shown of a pair, and the worse one of a row: a pair that has just been asked for must
    /// not hide that another of its row is stale.
    #[test]
    fn states_are_ranked_from_doing_well_to_doing_badly() {
        let mut all = [Disabled, Invalid, BlockedAddress, Delisted, NoData, Stale, Waiting, Live];
        all.sort_by_key(|state| state.rank());
        assert_eq!(all, [Live, Waiting, Stale, NoData, Delisted, BlockedAddress, Invalid, Disabled]);
        assert!(all.is_sorted_by(|one, other| one.rank() < other.rank()), "no two are equal");
    }
}
