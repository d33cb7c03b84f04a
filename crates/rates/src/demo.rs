//! `rates demo`: the whole product on simulated venues, without a network and without traces.
//! It must not know how a venue is simulated, nor any venue's name.

use crate::{
    args::DemoArgs,
    config::Config,
    exit::{Exit, Failure, Outcome},
    output, run,
    service::Service,
    stop, telemetry,
    values::LogFormat,
    venue_files::{self, VenueFiles},
};
use clock::Clock;
use ipnet::IpNet;
use replay::SimulatedVenue;
use std::{net::Ipv4Addr, sync::Arc};
use store::{NewTradeRow, Seed};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use venue::Venue;

/// What streaming venues are asked for.
const STREAMED: &str = "BTC,ETH,SOL,XRP,DOGE-USDT,EUR";

/// What polled venues are asked for.
const POLLED: &str = "BTC,ETH,USDT,TRX-RUB,USD";

/// How often polled venues are asked: often enough to see them move.
const POLL_EVERY_MS: i64 = 10_000;

/// `rates demo`
pub fn demo(args: &DemoArgs) -> Outcome {
    let seen = telemetry::start(&args.log, LogFormat::Human)?;
    let outcome = run::many_threads(async {
        let stop = CancellationToken::new();
        stop::listen(stop.clone())?;
        // The venues stop after the service: its last log lines must not be about venues that went away.
        let venues_stop = CancellationToken::new();
        let _stop_venues = venues_stop.clone().drop_guard();
        let listener = run::bind(args.listen).await?;
        let files = VenueFiles::load(None)?;
        let mut venues = files.check()?;
        let demo = venue_files::demo_venues()?;
        venues.retain(|venue| demo.contains(venue.id()));
        let (venues, simulated) = simulate(venues, args.seed, &venues_stop).await?;
        let switches = run::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
        begin(&listener, &switches, &simulated);
        let controls = simulated.clone();
        let service = Service {
            config: config(),
            venues,
            files,
            // No keys: they would change what is asked, and belong to the real venues.
            environment: Arc::new(|_| None),
            seed: Seed { rows: rows(&simulated), venues: Vec::new() },
            demo: true,
            metrics: seen.metrics.clone(),
            log_lines: seen.log_lines(),
            clock: Clock::system(),
        };
        let ended = venues_stop.clone();
        tokio::spawn(async move { replay::serve_controls(switches, &controls, ended).await });
        service.run(listener, stop).await
    });
    seen.flush();
    outcome
}

/// Starts the venues that can be simulated; those without usable examples are left out, aloud.
async fn simulate(
    mut venues: Vec<Arc<Venue>>,
    seed: u64,
    stop: &CancellationToken,
) -> Result<(Vec<Arc<Venue>>, Vec<SimulatedVenue>), Failure> {
    loop {
        let running = stop.child_token();
        match replay::simulate(&venues, seed, running.clone()).await {
            Ok(simulated) => return Ok((venues, simulated)),
            Err(replay::Error::CannotSimulate { venue, reason }) => {
                output::say(&format!("rates: venue {venue} is not simulated: {reason}"));
                running.cancel();
                venues.retain(|one| *one.id() != venue);
            }
            Err(error) => return Err(Failure::new(Exit::Failure, error)),
        }
    }
}

/// One row per venue, pointing at its simulation.
fn rows(simulated: &[SimulatedVenue]) -> Vec<NewTradeRow> {
    let row = |venue: &SimulatedVenue| {
        let is_streamed = venue.url_ws.is_some();
        NewTradeRow {
            venue: venue.venue.to_string(),
            currency_pair: if is_streamed { STREAMED } else { POLLED }.to_owned(),
            url: venue.url_ws.clone().or_else(|| venue.url_http.clone()),
            interval_ms: (!is_streamed).then_some(POLL_EVERY_MS),
            ..NewTradeRow::default()
        }
    };
    simulated.iter().map(row).collect()
}

/// The defaults, whatever files and variables there are: the demo is a world of its own. Its store is in memory,
/// and only its own machine may be connected to.
fn config() -> Config {
    let mut config = Config::defaults();
    config.store = crate::secret::Address::new("sqlite::memory:");
    config.allow_private = vec![IpNet::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST))];
    config
}

fn begin(listener: &TcpListener, switches: &TcpListener, simulated: &[SimulatedVenue]) {
    let (url, switch) = (run::url(listener), run::url(switches));
    let names: Vec<&str> = simulated.iter().map(|venue| venue.venue.as_str()).collect();
    output::say(&format!(
        "rates demo: listening on {url}  (invented prices; every answer says \"demo\":true)"
    ));
    output::say(&format!("  page     {url}"));
    output::say(&format!("  one rate curl {url}/api/v1/rates/BTC-USDT"));
    output::say(&format!("  live     rates watch --url {url}"));
    output::say(&format!("  venues   {}", names.join(", ")));
    if let Some(first) = names.first() {
        output::say(&format!("  break it curl -X POST {switch}/demo/{first}/kill    (or freeze, or revive)"));
    }
}
