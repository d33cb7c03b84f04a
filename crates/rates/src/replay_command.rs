//! `rates replay`: recordings played back as a real local venue.
//! It must not know what a frame means.

use crate::{
    args::ReplayArgs,
    exit::{Exit, Failure, Outcome},
    output, run, stop, telemetry,
    values::LogFormat,
};
use replay::{Playback, Recording};
use std::num::NonZeroU32;
use tokio_util::sync::CancellationToken;

/// `rates replay`
pub fn replay(args: &ReplayArgs) -> Outcome {
    let seen = telemetry::start("info", LogFormat::Human)?;
    let outcome = run::many_threads(async {
        let stop = CancellationToken::new();
        stop::listen(stop.clone())?;
        let open = |path| Recording::open(path).map_err(|error| Failure::new(Exit::Failure, error));
        let recordings = args.recordings.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
        let listener = run::bind(args.listen).await?;
        let address = listener.local_addr().map_err(anyhow::Error::new)?;
        output::say(&format!("rates replay: listening on {address}, as ws://{address} and http://{address}"));
        output::say(&format!(
            "  use it: rates pairs add … --url ws://{address}/… and rates run --allow-private {}",
            address.ip()
        ));
        let speed_percent = NonZeroU32::new(args.speed.saturating_mul(100));
        let playback = Playback { speed_percent, repeat: args.repeat };
        replay::play(&recordings, listener, playback, stop)
            .await
            .map_err(|error| Failure::new(Exit::Failure, error))?;
        Ok(Exit::Ok)
    });
    seen.flush();
    outcome
}
