//! What the product is about, as values: assets, pairs, exact prices, ticks, rates and the state of feeds.
//! Pure: it does no I/O, reads no clock and knows no venue's name.

mod asset;
mod newest;
mod pair;
mod price;
mod rate;
mod status;
mod tick;
mod time;
mod venue_id;

pub use asset::{Asset, AssetError};
pub use newest::Newest;
pub use pair::{Pair, PairError, PairSpec};
pub use price::{Price, PriceError, Sign};
pub use rate::{Basis, Leg, Rate, RateState, TickView};
pub use status::{ConnectionState, ConnectionStatus, PairState, PairStatus, RowStatus, VenueStatus};
pub use tick::{Flag, Flags, Sequence, Tick, TickBatch, TickKey};
pub use time::Timestamp;
pub use venue_id::{VenueId, VenueIdError};
