//! The venue files of the repository, for the tests of this crate.
//! It must not know which there are.

use market::VenueId;
use std::{path::Path, sync::Arc};
use venue::Venue;

/// Every venue file that can be simulated.
pub(crate) fn all() -> Vec<Arc<Venue>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml") && path.file_stem().unwrap() != "seed");
    let venue = |path: &std::path::PathBuf| {
        let id = VenueId::parse(path.file_stem().unwrap().to_str().unwrap()).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        Arc::new(Venue::parse(&id, &path.display().to_string(), &text).unwrap())
    };
    let venues: Vec<_> = paths.iter().map(venue).filter(|v| crate::can_simulate(v).is_ok()).collect();
    assert!(venues.len() >= 6);
    venues
}
