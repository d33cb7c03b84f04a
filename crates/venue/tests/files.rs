//! Every shipped venue file is read, and gives what its own examples say.
//! It must not need anything beside the repository.

use market::VenueId;
use std::path::Path;
use std::sync::Arc;
use venue::Venue;

#[test]
fn every_shipped_file_passes_its_own_examples() {
    assert!(check("../../venues") >= 18);
}

/// The oddest venues we know of, so that the format need not be broken for them.
#[test]
fn the_format_can_say_the_oddest_venues() {
    assert!(check("tests/prototypes") >= 1);
}

fn check(folder: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|e| e != "toml") || stem == "seed" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.display().to_string();
        let venue =
            Venue::parse(&VenueId::parse(&stem).unwrap(), &file, &text).unwrap_or_else(|e| panic!("{e}"));
        let count = Arc::new(venue).check_examples().unwrap_or_else(|e| panic!("{e}"));
        assert!(count >= 1, "{file}: {count} examples");
        checked += 1;
    }
    checked
}
