//! Every venue that a row may name: built in, of the directory, of the store; the last one of a name wins.
//! It must not know what the rows are.

use crate::{
    config::Config,
    exit::{Exit, Failure},
    near::did_you_mean,
    opening,
    venue_files::{self, VenueFiles, VenueText},
};
use market::VenueId;
use std::{collections::BTreeMap, sync::Arc};
use store::Store;
use venue::Venue;

/// The venue files of this configuration and this store.
#[derive(Debug)]
pub struct Known {
    /// By name.
    pub files: BTreeMap<String, VenueText>,
}

impl Known {
    /// Built-in files, the directory's over them, the store's over those.
    pub async fn load(config: &Config, store: &dyn Store) -> Result<Known, Failure> {
        let files: VenueFiles = opening::venue_files(config)?;
        let mut all: BTreeMap<String, VenueText> =
            files.iter().map(|(id, file)| (id.to_string(), file.clone())).collect();
        for kept in store.venue_files().await.map_err(Failure::store)? {
            let file = format!("store:{}", kept.name);
            all.insert(kept.name, VenueText { file, text: kept.text });
        }
        Ok(Known { files: all })
    }

    /// The file of a name; an unknown name ends with 4 and near matches.
    pub fn file(&self, name: &str) -> Result<&VenueText, Failure> {
        self.files.get(name).ok_or_else(|| {
            let hint = did_you_mean(name, self.files.keys().map(String::as_str));
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            Failure::say(Exit::NotFound, format!("there is no venue {name:?}{hint}"))
                .hint("see `rates venues list`")
        })
    }

    /// The venue of a name, compiled.
    pub fn venue(&self, name: &str) -> Result<Arc<Venue>, Failure> {
        let file = self.file(name)?;
        let id = VenueId::parse(name).map_err(|error| Failure::new(Exit::Config, error))?;
        venue_files::parse(&id, file)
    }
}
