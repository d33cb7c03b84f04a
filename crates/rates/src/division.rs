//! Whether several collectors divide the venues, and what each hears of the others.
//! It must not know how they divide them.

use crate::config::Config;
use board::Board;
use collector::{Division, Elsewhere};
use market::{ConnectionState, VenueId, VenueStatus};
use std::sync::Arc;

/// Collectors divide where they share rows and readers: a store and a broker on servers. A broker in the process has
/// no readers but its own, which need every venue; the embedded store has one collector.
pub fn of(config: &Config, name: &str, board: &Arc<Board>) -> Option<Division> {
    let is_shared = ["postgres", "postgresql"].iter().any(|scheme| config.store.has_scheme(scheme));
    if !is_shared || config.broker.has_scheme("memory") {
        return None;
    }
    let (board, name) = (board.clone(), name.to_owned());
    Some(Division {
        scope: config.prefix.clone(),
        elsewhere: Arc::new(move |venue: &VenueId| {
            let views = board.venues();
            let parts =
                views.iter().filter(|v| v.status.venue == *venue && !v.unknown).flat_map(|v| &v.parts);
            judge(parts.filter(|part| part.collector != name).map(|part| &**part))
        }),
    })
}

fn judge<'a>(others: impl Iterator<Item = &'a VenueStatus>) -> Elsewhere {
    let mut best = Elsewhere::Nothing;
    for part in others {
        let live = part.connections.iter().filter(|c| c.state == ConnectionState::Live).count();
        if live > 0 && live == part.connections.len() {
            return Elsewhere::Live;
        }
        if live > 0 {
            best = Elsewhere::Partly;
        }
    }
    best
}
