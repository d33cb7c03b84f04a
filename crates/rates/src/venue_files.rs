//! Which venue files there are: built in, then those of a directory, then those of the store; the last one of a name wins.
//! It must not know what a file says; that is the `venue` crate.

use crate::exit::{Exit, Failure};
use anyhow::Context;
use market::VenueId;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use store::NewTradeRow;
use venue::Venue;

// `FILES`: (name, text) of every file in `venues/`, and `SEED`; written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/venues.rs"));

/// A venue file and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueText {
    /// For messages: a path, or `built-in:NAME`.
    pub file: String,
    /// The text.
    pub text: String,
}

/// The venue files of this process, by name.
#[derive(Debug, Clone, Default)]
pub struct VenueFiles {
    files: BTreeMap<VenueId, VenueText>,
}

impl VenueFiles {
    /// The built-in files, and those of a directory over them.
    pub fn load(dir: Option<&Path>) -> Result<VenueFiles, Failure> {
        let mut all = VenueFiles::default();
        for (name, text) in FILES {
            let id = VenueId::parse(name).with_context(|| format!("built-in:{name}"))?;
            all.files.insert(id, VenueText { file: format!("built-in:{name}"), text: (*text).to_owned() });
        }
        if let Some(dir) = dir {
            all.add_dir(dir)?;
        }
        Ok(all)
    }

    fn add_dir(&mut self, dir: &Path) -> Result<(), Failure> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Failure::new(
                Exit::Config,
                anyhow::Error::new(error).context(format!("{}: cannot be read", path.display())),
            )
        };
        let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(dir, error))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with(SEED_FILE) {
                let (id, file) = read(&path)?;
                self.files.insert(id, file);
            }
        }
        Ok(())
    }

    /// Every file, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&VenueId, &VenueText)> {
        self.files.iter()
    }

    /// The text of one file.
    pub fn text(&self, id: &VenueId) -> Option<&str> {
        self.files.get(id).map(|file| file.text.as_str())
    }

    /// Compiles every file; a broken one ends with 78 and `file:line: key: reason`.
    pub fn check(&self) -> Result<Vec<Arc<Venue>>, Failure> {
        self.iter().map(|(id, file)| parse(id, file)).collect()
    }
}

/// Reads a venue file; its stem is the venue's name.
pub fn read(path: &Path) -> Result<(VenueId, VenueText), Failure> {
    let file = path.display().to_string();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let id = VenueId::parse(&stem).map_err(|error| {
        Failure::new(Exit::Config, anyhow::Error::new(error).context(format!("{file}: the name of the file")))
    })?;
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Config, anyhow::Error::new(error).context(format!("{file}: cannot be read")))
    })?;
    Ok((id, VenueText { file, text }))
}

/// Compiles a file.
pub fn parse(id: &VenueId, file: &VenueText) -> Result<Arc<Venue>, Failure> {
    Venue::parse(id, &file.file, &file.text).map(Arc::new).map_err(|error| Failure::new(Exit::Config, error))
}

/// A row of `venues/seed.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRow {
    venue: String,
    currency_pair: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedFile {
    /// The venues of `rates demo`.
    demo: Vec<String>,
    row: Vec<SeedRow>,
}

/// The venues that `rates demo` simulates.
pub fn demo_venues() -> Result<Vec<VenueId>, Failure> {
    let seed: SeedFile = toml::from_str(SEED).context(SEED_FILE)?;
    let id = |name: &String| VenueId::parse(name).with_context(|| format!("{SEED_FILE}: demo: {name}"));
    Ok(seed.demo.iter().map(id).collect::<Result<_, _>>()?)
}

/// The first rows of a new store.
pub fn seed_rows() -> Result<Vec<NewTradeRow>, Failure> {
    let seed: SeedFile = toml::from_str(SEED).context(SEED_FILE)?;
    let row = |row: SeedRow| NewTradeRow {
        venue: row.venue,
        currency_pair: row.currency_pair,
        ..NewTradeRow::default()
    };
    Ok(seed.row.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_lies_over_the_built_in_files_and_its_seed_is_no_venue() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("my-venue.toml"), "title = \"mine\"").unwrap();
        std::fs::write(dir.path().join(SEED_FILE), "").unwrap();
        std::fs::write(dir.path().join("notes.md"), "").unwrap();
        let files = VenueFiles::load(Some(dir.path())).unwrap();
        assert_eq!(files.iter().count(), FILES.len() + 1);
        let (_, mine) = files.iter().find(|(id, _)| id.as_str() == "my-venue").unwrap();
        assert!(mine.file.ends_with("my-venue.toml"));
    }

    #[test]
    fn a_file_whose_name_is_no_venue_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("My Venue.toml"), "").unwrap();
        let failure = VenueFiles::load(Some(dir.path())).unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        assert!(failure.to_string().contains("My Venue.toml"), "{failure}");
        assert_eq!(VenueFiles::load(Some(&dir.path().join("nowhere"))).unwrap_err().exit, Exit::Config);
    }

    #[test]
    fn the_demo_has_venues_and_all_are_built_in() {
        let demo = demo_venues().unwrap();
        assert!(!demo.is_empty());
        for id in demo {
            assert!(FILES.iter().any(|(name, _)| *name == id.as_str()), "{id}");
        }
    }

    #[test]
    fn every_seed_row_is_a_venue_and_a_pair() {
        let rows = seed_rows().unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            assert!(VenueId::parse(&row.venue).is_ok(), "{row:?}");
            assert!(market::PairSpec::parse(&row.currency_pair).is_ok(), "{row:?}");
        }
    }
}
