//! What the product is about, as values: assets, pairs, exact prices, ticks, rates and the state of feeds.
//! Pure: it does no I/O, reads no clock and knows no venue's name.

mod asset;
mod cross;
mod guard;
mod make;
mod newest;
mod pair;
mod price;
mod rate;
mod source;
mod status;
mod tick;
mod time;
mod venue_id;
mod wide;

pub use asset::{Asset, AssetError};
pub use cross::{LEGS_MAX, Quoted, Step, convert, convert_by, cross, merge_degraded, route};
pub use guard::Guard;
pub use make::{Feed, Limits, Made, Part, Quoting, Value, make, view};
pub use newest::Newest;
pub use pair::{Pair, PairError, PairSpec};
pub use price::{Price, PriceError, Sign};
pub use rate::{Basis, Leg, Rate, RateState, TickView};
pub use source::{Changed, Seen, Source};
pub use status::{
    ConnectionState, ConnectionStatus, PairState, PairStatus, RowStatus, UnreadFrame, VenueStatus,
};
pub use tick::{Flag, Flags, Sequence, Tick, TickBatch, TickKey};
pub use time::Timestamp;
pub use venue_id::{VenueId, VenueIdError};
