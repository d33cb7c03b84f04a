//! The wiring: opens the seams, starts the roles on them, and ends them in order.
//! It must not know what a role does, nor what the command line said.

use crate::{
    bot_role::{self, BotRole, Telegram},
    config::Config,
    division,
    exit::{Exit, Failure, Outcome},
    fatal::Tasks,
    health::{Health, known_venues},
    late_store::LateStore,
    notify, opening, policies, reach, stop,
    values::Role,
    venue_files::VenueFiles,
};
use api::{Parts, RateLimit};
use axum::Router;
use board::{Board, Options};
use broker::{Broker, BrokerHealth};
use cache::Cache;
use clock::Clock;
use collector::{Catalogue, Environment};
use market::VenueId;
use metrics_exporter_prometheus::PrometheusHandle;
use std::{sync::Arc, time::Duration};
use store::{Seed, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use venue::Venue;

/// How often metrics are tidied up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How long the collector waits for a store that is being opened, before it goes on and says that it waits.
const STORE_GRACE: Duration = Duration::from_secs(1);

/// The waits between tries to open the store: the first, and the longest.
const STORE_WAIT_MIN: Duration = Duration::from_millis(250);
const STORE_WAIT_MAX: Duration = Duration::from_secs(5);

/// Everything a service is made of.
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// Venues, built in and of the directory.
    pub venues: Vec<Arc<Venue>>,
    /// Their files.
    pub files: VenueFiles,
    /// Where venue files find their keys.
    pub environment: Environment,
    /// The first rows of a new store.
    pub seed: Seed,
    /// Whether every answer says that it is a demo.
    pub demo: bool,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// Gives the newest lines of the log.
    pub log_lines: bot::LogLines,
    /// The time.
    pub clock: Clock,
}

impl Service {
    /// Runs until `stop`, or until something vital fails.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Outcome {
        let tasks = Tasks::new(stop.clone());
        let config = &self.config;
        let has_bot = config.roles.contains(&Role::Bot);
        let telegram = if has_bot { Telegram::of(config)? } else { None };
        let more = telegram.as_ref().map(Telegram::routes).unwrap_or_default();
        let open = |error: anyhow::Error| Failure::new(Exit::Config, error);
        let trusted_roots = config.trusted_roots.as_ref().map(|roots| roots.pem.clone());
        let named = broker::Options { prefix: config.prefix.clone(), trusted_roots: trusted_roots.clone() };
        let broker =
            broker::open_with(config.broker.reveal(), &named).await.map_err(|error| open(error.into()))?;
        let named =
            cache::Options { prefix: config.prefix.clone(), trusted_roots, ..cache::Options::default() };
        let cache =
            cache::open_with(config.cache.reveal(), &named).await.map_err(|error| open(error.into()))?;
        let late = Arc::new(LateStore::default());
        let store: Arc<dyn Store> = late.clone();
        tasks.run_vital(
            "opening the store",
            open_store(config.clone(), self.seed.clone(), late.clone(), stop.clone()),
        );
        let options = Options {
            stale_after_ms: config.stale_after_ms,
            expire_after_ms: config.expire_after_ms,
            demo: self.demo,
            same_as: config.same_as.clone(),
        };
        let board = board::follow(broker.clone(), cache.clone(), self.clock, options, stop.clone()).await;
        tasks.run(policies::follow(store.clone(), board.clone()));
        // Without the role, a process answers for itself only where it was told to listen, or where Telegram brings
        // updates; else nothing may wait there.
        let is_brought_to = has_bot && config.bot.webhook_url.is_some();
        if config.roles.contains(&Role::Api) || config.is_set("listen") || is_brought_to {
            let health = Health::watch(&tasks, store.clone(), broker.clone(), cache.clone());
            self.start_api(&tasks, listener, board.clone(), store.clone(), health, more);
        } else {
            drop(listener);
        }
        if config.roles.contains(&Role::Recorder) {
            self.start_recorder(&tasks, &board, &store, &broker, &cache);
        }
        if config.roles.contains(&Role::Collector) {
            // A store that answers at once, as an embedded one does, spares the collector a first try in vain.
            tasks.until(late.is_filled(), STORE_GRACE).await;
            self.start_collector(&tasks, &board, store.clone(), broker.clone());
            tasks.run(reach::watch(board.clone(), self.venues.clone(), self.environment.clone()));
        }
        if has_bot {
            let role = BotRole {
                board: board.clone(),
                store: store.clone(),
                clock: self.clock,
                venues: bot_role::titles(&self.venues),
                telegram,
                webhooks: alerts::WebhookSettings {
                    allow_private: config.allow_private.clone(),
                    ..alerts::WebhookSettings::default()
                },
                has_api: config.roles.contains(&Role::Api),
                log_lines: self.log_lines.clone(),
            };
            let (lease, stop) = (format!("{}:bot", config.prefix), tasks.stop());
            tasks.run_vital("the bot", async move {
                role.run(lease, stop).await;
                Ok(())
            });
        }
        tasks.run(upkeep(self.metrics.clone(), broker.clone()));

        notify::ready(&tasks);

        stop.cancelled().await;
        notify::stopping();
        let ended = tokio::time::timeout(stop::STOP_WITHIN, async {
            tasks.ended().await;
            // Each waits for its own server; added up, the waits would be too long.
            tokio::join!(broker.close(), store.close());
        });
        let in_time = ended.await.is_ok();
        match tasks.failure() {
            Some(failure) => Err(failure),
            None if in_time => {
                tracing::info!("stopped");
                Ok(Exit::Ok)
            }
            None => {
                Err(Failure::say(Exit::Failure, "not everything stopped in time; what was left is cut off"))
            }
        }
    }

    fn start_api(
        &self,
        tasks: &Tasks,
        listener: TcpListener,
        board: Arc<Board>,
        store: Arc<dyn Store>,
        health: Health,
        more: Router,
    ) {
        let builtin = self.venues.iter().map(|venue| venue.id().to_string()).collect();
        let known = known_venues(tasks, builtin, store.clone());
        let (metrics, files) = (self.metrics.clone(), self.files.clone());
        let guard = opening::guard(&self.config);
        let parts = Parts {
            board,
            store: Some(store),
            metrics: Arc::new(move || metrics.render()),
            checks: Arc::new(move || health.checks()),
            venue_known: Arc::new(move |id| {
                if known.borrow().contains(id.as_str()) {
                    Ok(())
                } else {
                    Err(format!("there is no venue {id}"))
                }
            }),
            venue_check: Arc::new(checked),
            venue_text: Arc::new(move |id| files.text(id).map(str::to_owned)),
            webhook_check: Arc::new(move |url| alerts::check_url(&guard, url)),
        };
        let settings = api::Settings {
            demo: self.demo,
            ready_pairs: self.config.ready_pairs.clone(),
            rate_limit: self
                .config
                .rate_limit
                .map(|per_second| RateLimit { per_second, burst: per_second.saturating_mul(2) }),
            trusted_proxies: self.config.trusted_proxies.clone(),
            build: env!("CARGO_PKG_VERSION"),
            more,
            ..api::Settings::default()
        };
        let stop = tasks.stop();
        tasks.run_vital("HTTP", async move {
            api::serve(listener, parts, settings, stop)
                .await
                .map_err(|error| anyhow::Error::new(error).into())
        });
    }

    fn start_recorder(
        &self,
        tasks: &Tasks,
        board: &Arc<Board>,
        store: &Arc<dyn Store>,
        broker: &Arc<dyn Broker>,
        cache: &Arc<dyn Cache>,
    ) {
        let parts = recorder::Parts {
            broker: broker.clone(),
            cache: cache.clone(),
            store: store.clone(),
            board: board.clone(),
            clock: self.clock,
        };
        let mut settings = recorder::Settings::new(format!("recorder-{:08x}", fastrand::u32(..)));
        settings.retention = self.config.retention;
        settings.lease = format!("{}:recorder", self.config.prefix);
        let stop = tasks.stop();
        tasks.run_vital("the recorder", async move {
            recorder::run(parts, settings, stop).await;
            Ok(())
        });
    }

    fn start_collector(
        &self,
        tasks: &Tasks,
        board: &Arc<Board>,
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
    ) {
        let name = format!("collector-{:08x}", fastrand::u32(..));
        let mut settings = collector::Settings::new(&name);
        settings.division = division::of(&self.config, &name, board);
        settings.allow_private.clone_from(&self.config.allow_private);
        settings.environment = self.environment.clone();
        settings.stale_after_ms = self.config.is_set("stale_after").then_some(self.config.stale_after_ms);
        settings.expire_after_ms = self.config.is_set("expire_after").then_some(self.config.expire_after_ms);
        let catalogue = Catalogue::new(self.venues.clone(), Vec::new());
        let (clock, stop) = (self.clock, tasks.stop());
        tasks.run_vital("the collector", async move {
            collector::run(store, catalogue, broker, clock, settings, stop).await;
            Ok(())
        });
    }
}

/// Compiles a venue file that came over HTTP, and runs its examples.
fn checked(id: &VenueId, text: &str) -> Result<usize, api::VenueMistake> {
    let venue = Venue::parse(id, &format!("store:{id}"), text).map(Arc::new);
    venue.and_then(|venue| venue.check_examples()).map_err(|error| api::VenueMistake {
        line: error.line,
        key: error.key,
        reason: error.reason,
    })
}

/// Opens the store and fills it in; waits while it does not answer, ends the service if it never will.
async fn open_store(
    config: Config,
    seed: Seed,
    late: Arc<LateStore>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let told = opening::store_options(&config);
    let mut waits = again::Waits::new(STORE_WAIT_MIN, STORE_WAIT_MAX);
    let (mut tries, mut said) = (0u32, None);
    loop {
        tries += 1;
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            opened = store::open_with(config.store.reveal(), seed.clone(), &told) => opened,
        };
        match opened {
            Ok(store) => {
                if tries > 1 {
                    tracing::info!(tries, "the store answers");
                }
                late.fill(store);
                stop.cancelled().await;
                return Ok(());
            }
            Err(error) if error.is_transient() => {
                // Once per change of its words: it may go on for days.
                let failure = Failure::store(error).to_string();
                if said.as_ref() != Some(&failure) {
                    tracing::warn!(store = %config.store, tries, "{failure}; trying again for ever");
                    said = Some(failure);
                }
            }
            Err(error) => return Err(Failure::store(error)),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(waits.after_failure()) => {}
        }
    }
}

async fn upkeep(metrics: PrometheusHandle, broker: Arc<dyn Broker>) {
    metrics::describe_gauge!("rates_broker_connected", "1 while the broker can be used");
    let connected = metrics::gauge!("rates_broker_connected");
    loop {
        connected.set(if broker.health() == BrokerHealth::Up { 1 } else { 0 });
        metrics.run_upkeep();
        tokio::time::sleep(UPKEEP_EVERY).await;
    }
}
