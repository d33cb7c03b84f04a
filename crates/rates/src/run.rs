//! `rates run`: the service on its configuration.
//! It must not know how the parts are wired; that is `service.rs`.

use crate::{
    args::RunArgs,
    config::Config,
    exit::{Exit, Failure, Outcome},
    opening, roles,
    service::Service,
    stop, telemetry,
};
use clock::Clock;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// `rates run`
pub fn run(args: &RunArgs) -> Outcome {
    let config = opening::config(&args.flags())?;
    roles::check(&config)?;
    let seen = telemetry::start(&config.log_filter, config.log_format)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let outcome = many_threads(async {
        let stop = CancellationToken::new();
        stop::listen(stop.clone())?;
        // First of all the address: whoever asks early waits a moment instead of being refused.
        let listener = bind(config.listen).await?;
        let venues = opening::venue_files(&config)?;
        let service = Service {
            venues: venues.check()?,
            files: venues,
            environment: opening::environment(),
            seed: opening::seed()?,
            demo: false,
            metrics: seen.metrics.clone(),
            log_lines: seen.log_lines(),
            clock: Clock::system(),
            config,
        };
        begin(&service.config, &listener);
        service.run(listener, stop).await
    });
    seen.flush();
    outcome
}

/// Binds the address.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).await.map_err(|error| {
        let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
        let failure = Failure::from(anyhow::Error::new(error).context(format!("cannot listen on {listen}")));
        if in_use {
            failure.hint("choose another address with --listen, or port 0 for any free one")
        } else {
            failure
        }
    })
}

/// The address people and programs use.
pub fn url(listener: &TcpListener) -> String {
    match listener.local_addr() {
        Ok(addr) if addr.ip().is_unspecified() => format!("http://127.0.0.1:{}", addr.port()),
        Ok(addr) => format!("http://{addr}"),
        Err(_) => String::new(),
    }
}

fn begin(config: &Config, listener: &TcpListener) {
    let url = url(listener);
    tracing::info!(store = %config.store, broker = %config.broker, "listening on {url}");
    tracing::info!("try: curl {url}/api/v1/rates/BTC-USDT");
}

/// Runs a service on all cores.
pub fn many_threads(task: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, error))?;
    let outcome = runtime.block_on(task);
    // Tasks that did not stop in time are left behind.
    runtime.shutdown_background();
    outcome
}
