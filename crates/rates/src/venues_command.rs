//! `rates venues …`: lists, shows, checks, keeps and removes venue files, and reads recordings through them.
//! It must not know the format of a venue file.

use crate::{
    args::{ListArgs, StoreArgs, VenueArgs, VenueShowArgs, VenuesCommand},
    exit::{Exit, Failure, Outcome},
    known::Known,
    opening,
    output::{self, Form},
    states::{States, UNKNOWN},
    venue_files::{self, VenueText},
    venue_trial,
};
use clock::Clock;
use serde_json::Value;
use std::path::Path;
use store::VenueFile;

/// `rates venues …`
pub async fn venues(command: &VenuesCommand) -> Outcome {
    match command {
        VenuesCommand::List(args) => list(args).await,
        VenuesCommand::Show(args) => show(args).await,
        VenuesCommand::Check { files } => check(files.iter().map(std::path::PathBuf::as_path)),
        VenuesCommand::Test(args) => venue_trial::test(args).await,
        VenuesCommand::Decode { file, recording } => decode(file, recording),
        VenuesCommand::Add { file, store } => add(file, store).await,
        VenuesCommand::Remove(args) => remove(args).await,
    }
}

async fn known(args: &StoreArgs) -> Result<Known, Failure> {
    let config = opening::config(&args.flags())?;
    let store = opening::open_store(&config).await?;
    let known = Known::load(&config, &*store).await;
    store.close().await;
    known
}

async fn list(args: &ListArgs) -> Outcome {
    let known = known(&args.store).await?;
    let states = States::ask(&args.server.url).await?;
    let rows: Vec<Vec<Value>> = known
        .files
        .iter()
        .map(|(name, file)| {
            // A file of the store may be broken; the list says so and goes on.
            let (title, state, error) = match (known.venue(name), states.venue(name)) {
                (Err(failure), _) => (None, "broken".to_owned(), Some(failure.to_string())),
                (Ok(venue), None) => (Some(venue.title().to_owned()), UNKNOWN.to_owned(), None),
                (Ok(venue), Some(said)) => {
                    let error = said.connections.iter().find_map(|one| one.last_error.clone());
                    (Some(venue.title().to_owned()), said.state.clone(), error)
                }
            };
            let count = |number: fn(&crate::states::VenueState) -> usize| {
                states.venue(name).map_or(Value::Null, |said| number(said).into())
            };
            let origin = file.file.split(':').next().filter(|from| ["built-in", "store"].contains(from));
            vec![
                name.as_str().into(),
                title.into(),
                origin.unwrap_or(&file.file).into(),
                state.into(),
                count(|said| said.connections.len()),
                count(|said| said.pairs.len()),
                states.venue(name).map(|said| said.collector.as_str()).into(),
                error.into(),
            ]
        })
        .collect();
    let form = Form::choose(args.json);
    let headings = ["NAME", "TITLE", "FROM", "STATE", "CONNECTIONS", "PAIRS", "COLLECTOR", "LAST_ERROR"];
    let text = if form == Form::Json {
        let named = |row: Vec<Value>| -> serde_json::Map<String, Value> {
            headings.iter().map(|h| h.to_ascii_lowercase()).zip(row).collect()
        };
        output::json(&serde_json::json!({ "venues": rows.into_iter().map(named).collect::<Vec<_>>() }))?
    } else {
        let cells = |row: &Vec<Value>| row.iter().map(cell).collect();
        output::rows(form, &headings, &rows.iter().map(cells).collect::<Vec<_>>())
    };
    output::write(&text)?;
    Ok(Exit::Ok)
}

/// A value as a person reads it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The file goes to the output; what is known of the feeds goes beside it, as comments.
async fn show(args: &VenueShowArgs) -> Outcome {
    let known = known(&args.venue.store).await?;
    let file = known.file(&args.venue.name)?;
    output::say(&format!("# {}", file.file));
    output::write(&file.text)?;
    let states = States::ask_quietly(&args.server.url).await?;
    if let Some(venue) = states.venue(&args.venue.name) {
        for line in venue.complaints(Clock::system().now()) {
            output::say(&format!("# {}", output::flat(&line)));
        }
    }
    Ok(Exit::Ok)
}

/// Validates and runs the examples; every file is tried, the worst decides.
fn check<'a>(files: impl Iterator<Item = &'a Path>) -> Outcome {
    let mut exit = Exit::Ok;
    for path in files {
        // `rates venues check venues/*.toml` is what people type.
        if path.ends_with(venue_files::SEED_FILE) {
            output::say(&format!("{}: not a venue but the first rows of a new store", path.display()));
            continue;
        }
        match venue_files::read(path).and_then(|(id, file)| examples(&id, &file)) {
            Ok(count) => {
                output::write(&format!("{}: good, {count} examples give what they must\n", path.display()))?;
            }
            Err(failure) => {
                exit = failure.exit;
                output::say(&failure.to_string());
            }
        }
    }
    Ok(exit)
}

fn examples(id: &market::VenueId, file: &VenueText) -> Result<usize, Failure> {
    let venue = venue_files::parse(id, file)?;
    venue.check_examples().map_err(|error| Failure::new(Exit::Config, error))
}

async fn add(path: &Path, args: &StoreArgs) -> Outcome {
    let (id, file) = venue_files::read(path)?;
    examples(&id, &file)?;
    let store = opening::store(&args.flags()).await?;
    let kept = VenueFile { name: id.to_string(), text: file.text };
    store.put_venue_file(&kept, Clock::system().now()).await.map_err(Failure::store)?;
    store.close().await;
    output::say(&format!("venue {id} is kept in the store; a running service takes it within two seconds"));
    Ok(Exit::Ok)
}

async fn remove(args: &VenueArgs) -> Outcome {
    let config = opening::config(&args.store.flags())?;
    let store = opening::open_store(&config).await?;
    let was_there = store.remove_venue_file(&args.name).await.map_err(Failure::store)?;
    let known = Known::load(&config, &*store).await?;
    store.close().await;
    match (was_there, known.files.get(&args.name)) {
        (true, None) => output::say(&format!("venue {} is removed from the store", args.name)),
        (true, Some(file)) => {
            output::say(&format!(
                "venue {} is removed from the store; {} is in force now",
                args.name, file.file
            ));
        }
        (false, Some(file)) => {
            let text = format!("venue {} is not in the store but in {}", args.name, file.file);
            return Err(Failure::say(Exit::NotFound, text));
        }
        (false, None) => {
            known.file(&args.name)?;
        }
    }
    Ok(Exit::Ok)
}

/// One JSON line per price that the recording holds.
fn decode(file: &Path, recording: &Path) -> Outcome {
    let (id, file) = venue_files::read(file)?;
    let venue = venue_files::parse(&id, &file)?;
    let opened = std::fs::File::open(recording).map_err(|error| {
        Failure::new(Exit::Failure, anyhow::Error::new(error).context(recording.display().to_string()))
    })?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let name = recording.display().to_string();
    let decoded = replay::decode(&venue, &name, std::io::BufReader::new(opened), &mut out);
    let summary = decoded.map_err(|error| match error {
        replay::Error::Write(error) => Failure::output(error),
        other => Failure::new(Exit::Failure, other),
    })?;
    std::io::Write::flush(&mut out).map_err(Failure::output)?;
    drop(out);
    for (line, complaint) in &summary.complaints {
        output::say(&format!("{name}:{line}: {}", output::flat(complaint)));
    }
    output::say(&format!(
        "{} frames, {} prices, {} unreadable frames, {} rejected values, {} problems the venue reported",
        summary.frames, summary.observations, summary.unreadable, summary.rejected, summary.problems
    ));
    Ok(Exit::Ok)
}
