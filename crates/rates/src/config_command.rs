//! `rates config …`: the configuration in force, with the source of every value.
//! It must not know what a value means.

use crate::{
    args::ConfigCommand,
    exit::{Exit, Outcome},
    opening,
    output::{self, Form},
    roles,
};

/// `rates config …`
pub fn config(command: &ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Print { json, run } => {
            let config = opening::config(&run.flags())?;
            warn(&config.warnings);
            let form = Form::choose(*json);
            let text = if form == Form::Json {
                output::json(&serde_json::json!({ "config": config.shown }))?
            } else {
                let row =
                    |s: &crate::config::Shown| vec![s.key.to_owned(), s.value.clone(), s.source.clone()];
                let rows: Vec<_> = config.shown.iter().map(row).collect();
                output::rows(form, &["KEY", "VALUE", "SOURCE"], &rows)
            };
            output::write(&text)?;
            Ok(Exit::Ok)
        }
        ConfigCommand::Check(run) => {
            let config = opening::config(&run.flags())?;
            warn(&config.warnings);
            roles::check(&config)?;
            opening::venue_files(&config)?;
            output::say("the configuration is good");
            Ok(Exit::Ok)
        }
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        output::say(&format!("rates: {warning}"));
    }
}
