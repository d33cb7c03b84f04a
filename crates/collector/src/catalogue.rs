//! The venues known now: those the binary brought, and those that stand in the store, which win.
//! It must not know what a venue file says; a broken one is kept with its reason.

use crate::words;
use market::VenueId;
use std::{collections::BTreeMap, sync::Arc};
use store::VenueFile;
use venue::Venue;

/// The venues known now.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    venues: BTreeMap<VenueId, Arc<Venue>>,
    broken: BTreeMap<String, String>,
}

/// What is found under a name.
#[derive(Debug, Clone)]
pub enum Found<'a> {
    /// A venue.
    Venue(&'a Arc<Venue>),
    /// A venue file that cannot be used, and why.
    Broken(&'a str),
    /// Nothing.
    Unknown,
}

impl Catalogue {
    /// A venue file of the store that is longer is not read.
    const FILE_BYTES_MAX: usize = 256 * 1024;

    /// These venues, and the files that could not be read by name and reason.
    pub fn new(venues: Vec<Arc<Venue>>, broken: Vec<(String, String)>) -> Catalogue {
        Catalogue {
            venues: venues.into_iter().map(|venue| (venue.id().clone(), venue)).collect(),
            broken: broken.into_iter().collect(),
        }
    }

    /// What stands under that name.
    pub fn find(&self, name: &str) -> Found<'_> {
        if let Some(reason) = self.broken.get(name) {
            return Found::Broken(reason);
        }
        self.venues.get(name).map_or(Found::Unknown, Found::Venue)
    }

    /// Every venue that can be used.
    pub fn venues(&self) -> impl Iterator<Item = &Arc<Venue>> {
        self.venues.values()
    }

    fn put(&mut self, name: &str, compiled: &Compiled) {
        match compiled {
            Ok(venue) => {
                self.broken.remove(name);
                self.venues.insert(venue.id().clone(), venue.clone());
            }
            Err(reason) => {
                self.venues.remove(name);
                self.broken.insert(name.to_owned(), reason.clone());
            }
        }
    }
}

type Compiled = Result<Arc<Venue>, String>;

/// The built-in venues under the store's. A file that did not change keeps its value, so that what runs on
/// it goes on undisturbed.
#[derive(Debug)]
pub struct Catalogues {
    builtin: Catalogue,
    compiled: BTreeMap<String, (String, Compiled)>,
}

impl Catalogues {
    /// Nothing from the store yet.
    pub fn new(builtin: Catalogue) -> Catalogues {
        Catalogues { builtin, compiled: BTreeMap::new() }
    }

    /// The venues now that the store holds these files.
    pub async fn with_files(&mut self, files: Vec<VenueFile>) -> Catalogue {
        let mut compiled = BTreeMap::new();
        for VenueFile { name, text } in files {
            let known = self.compiled.remove(&name).filter(|(known, _)| *known == text);
            let entry = match known {
                Some(entry) => entry,
                None => {
                    let result = compile(name.clone(), text.clone()).await;
                    if let Err(reason) = &result {
                        tracing::warn!(name = %words::plain(&name), %reason, "a venue file in the store can't be used");
                    }
                    (text, result)
                }
            };
            compiled.insert(name, entry);
        }
        self.compiled = compiled;
        let mut catalogue = self.builtin.clone();
        for (name, (_, result)) in &self.compiled {
            catalogue.put(name, result);
        }
        catalogue
    }
}

/// Reads a file of the store on a thread of its own: the text is untrusted, and whatever happens there is
/// the file's fault alone.
async fn compile(name: String, text: String) -> Compiled {
    if text.len() > Catalogue::FILE_BYTES_MAX {
        return Err(format!("the file is longer than {} KiB", Catalogue::FILE_BYTES_MAX / 1024));
    }
    let id = VenueId::parse(&name).map_err(|error| error.to_string())?;
    let work = tokio::task::spawn_blocking(move || {
        let venue = Arc::new(Venue::parse(&id, &format!("store:{id}"), &text)?);
        venue.check_examples()?;
        Ok::<_, venue::FileError>(venue)
    });
    match work.await {
        Ok(Ok(venue)) => Ok(venue),
        Ok(Err(error)) => Err(words::plain(&error.to_string())),
        Err(_) => Err("reading the file failed inside the program".to_owned()),
    }
}
