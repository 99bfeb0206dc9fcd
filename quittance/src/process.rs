//! Putting the parts together and taking them down again.

mod stopping;

use std::{fs::File, net::SocketAddr, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use anyhow::Context;
use chrono::TimeDelta;
use clap::Args;
use console::Console;
use gateways::Phoenixd;
use metrics_exporter_prometheus::PrometheusHandle;
use migration::{Migrator, MigratorTrait};
use payments::{Acceptor, CheckoutLinks};
use queue::{Archivist, Broker, CommittedMessages, Database, PoolerUnfit, Relay, Runner, redrive::Conductor};
use sea_orm::{ConnectionTrait, DatabaseBackend};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use webhooks::Lanes;

use crate::{
    chain_queries::chain_queries,
    gateway_registry,
    output::print_line,
    recorder,
    safety::{self, Mode, Severity},
    settings::Settings,
};

/// How long a process that starts waits for its database.
const DATABASE_WAIT: Duration = Duration::from_secs(30);

/// Serialises migrations of several processes that start at once; any number that nobody else uses.
const MIGRATION_LOCK: i64 = 0x0071_7569_7474;

#[derive(Debug, Default, Args)]
pub(crate) struct WorkerOptions {
    /// Work only these queues, by name or kind, separated by commas; chains and webhooks are then left to other workers
    #[arg(long, value_delimiter = ',', value_name = "QUEUES")]
    queues: Option<Vec<String>>,
    /// Serve /health/live, /health/ready and /metrics there
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen_health: Option<SocketAddr>,
}

/// What every role of a process needs.
pub(crate) struct Base {
    pub(crate) settings: Settings,
    pub(crate) db: Database,
    committed: CommittedMessages,
    broker: Arc<dyn Broker>,
}

/// Which parts a process runs.
pub(crate) struct Roles<'a> {
    pub(crate) api: Option<TcpListener>,
    pub(crate) worker: Option<&'a WorkerOptions>,
}

/// Connects to the database, waiting for one that is just starting, and brings its schema up to date.
pub(crate) async fn open(settings: Settings) -> anyhow::Result<Base> {
    let assessment = safety::assess(&settings);
    assessment.require_startable()?;
    let settings = settings.complete()?;
    for danger in assessment.dangers.iter().chain(&safety::of_files(&settings)) {
        tracing::warn!(%danger, "unsafe");
    }
    let (db, committed) = connect(&settings).await?;
    if settings.migrate_on_start {
        migrate_database(&settings, &db).await?;
        require_safe_networks(assessment.mode, &db).await?;
    }
    let broker = queue::broker::open(&settings.broker, &db)?;
    Ok(Base { settings, db, committed, broker })
}

/// Refuses the playground beside a network whose coins are worth something.
async fn require_safe_networks(mode: Mode, db: &Database) -> anyhow::Result<()> {
    let dangers = safety::of_networks(mode, db).await?;
    safety::refuse(dangers.iter().filter(|danger| danger.severity == Severity::Refused))
}

/// Where the database is, as far as that is no secret: its file, or a server.
pub(crate) fn database_place(settings: &Settings) -> String {
    let file = settings.database.url.expose_secret().strip_prefix("sqlite://");
    let file = file.and_then(|file| file.split('?').next());
    file.map_or_else(|| "the database".to_owned(), |file| format!("the database file {file}"))
}

/// Connects once, and again for a while when nobody answers.
pub(crate) async fn connect(settings: &Settings) -> anyhow::Result<(Database, CommittedMessages)> {
    let until = tokio::time::Instant::now() + DATABASE_WAIT;
    loop {
        match Database::connect(&settings.database).await {
            Ok((db, committed)) => {
                db.check_pooler().await?;
                return Ok((db, committed));
            }
            Err(error) => {
                if let Some(unfit) = PoolerUnfit::said_by(&error) {
                    return Err(unfit.into());
                }
                if tokio::time::Instant::now() >= until {
                    return Err(error).with_context(|| format!("{} cannot be reached", database_place(settings)));
                }
                tracing::warn!(%error, "{} does not answer yet", database_place(settings));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Applies missing migrations, one process at a time.
pub(crate) async fn migrate_database(settings: &Settings, db: &Database) -> anyhow::Result<()> {
    if db.get_database_backend() != DatabaseBackend::Postgres {
        let _lock = lock(settings.data_dir.join("migration.lock")).await?;
        return Migrator::up(&**db, None).await.context("migration");
    }
    // A long migration must end neither at the limit of a statement nor, in the session that holds the lock meanwhile,
    // at that of an idle transaction; and whoever waits for it waits for as long as it takes.
    let (db, _) = Database::connect(&settings.database.without_limits()).await?;
    // The lock lives as long as this transaction, whose connection does nothing else.
    let lock = db.begin().await?;
    lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    Migrator::up(&*db, None).await.context("migration")?;
    lock.commit().await?;
    (*db).clone().close().await?;
    Ok(())
}

/// Waits for whoever else holds the lock, which ends with its process at the latest.
async fn lock(path: PathBuf) -> anyhow::Result<File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.and_then(|file| file.lock().map(|()| file));
        file.with_context(|| format!("{} cannot be locked", path.display()))
    });
    locked.await?
}

/// `quittance migrate`.
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let settings = settings.clone().complete()?;
    let (db, _) = connect(&settings).await?;
    let missing = Migrator::get_pending_migrations(&*db).await?.len();
    migrate_database(&settings, &db).await?;
    print_line(&format!("The schema is up to date; {missing} migrations were applied."));
    Ok(())
}

/// `quittance api`.
pub(crate) async fn api(mut settings: Settings) -> anyhow::Result<()> {
    // It signs nothing: what opens the keys is the workers'.
    settings.keystore = Default::default();
    settings.chain.remote_signers.clear();
    let base = open(settings).await?;
    let listener = listen(&base.settings).await?;
    let (address, mode) = (listener.local_addr()?, safety::assess(&base.settings).mode);
    print_line(&format!("API at http://{address}, documents at http://{address}/docs ({mode})"));
    run(base, Roles { api: Some(listener), worker: None }).await
}

/// `quittance worker`.
pub(crate) async fn worker(settings: Settings, options: WorkerOptions) -> anyhow::Result<()> {
    let base = open(settings).await?;
    print_line("Working; stop with Ctrl-C or SIGTERM.");
    run(base, Roles { api: None, worker: Some(&options) }).await
}

/// Binds the configured address.
pub(crate) async fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = settings.listen;
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --listen"))
}

/// Runs the roles until a signal comes or one of them ends, then stops what takes in work, and last what carries it on.
pub(crate) async fn run(mut base: Base, roles: Roles<'_>) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let relay_stop = CancellationToken::new();
    // Before anything is counted: what has a counter by then counts nothing.
    let metrics = recorder::install()?;
    let upkeep = AbortOnDropHandle::new(tokio::spawn(recorder::upkeep(metrics.clone())));
    let public_url = public_url(&base.settings, roles.api.as_ref())?;
    let node = lightning_node(&mut base, &public_url).await?;
    let relay = Relay::new(base.db.clone(), base.committed, Arc::clone(&base.broker));
    let relay = tokio::spawn(relay.run(relay_stop.clone()));
    let mut tasks = JoinSet::new();
    let (gateways, sandbox) = gateway_registry::open(&base.settings, &public_url)?;
    let links = CheckoutLinks::new(&public_url, &base.settings.auth.access_token_secret);
    let context = worker::Context::new(base.db.clone(), gateways, links).with_lightning(node);
    if let Some(options) = roles.worker {
        start_worker(&base.settings, &base.broker, context.clone(), options, &stop, &mut tasks)?;
    }
    if let Some(listener) = roles.api {
        let state = api_state(&base.settings, &base.broker, context, metrics, sandbox, false)?;
        if let Some(address) = base.settings.http.operations_listen {
            let listener =
                TcpListener::bind(address).await.with_context(|| format!("http.operations_listen {address}"))?;
            tasks.spawn(serve(state.clone(), api::health_routes(state.clone()), listener, stop.clone()));
        }
        let routes = Console::over(api::routes(state.clone()));
        tasks.spawn(serve(state, routes, listener, stop.clone()));
    } else if let Some(address) = roles.worker.and_then(|options| options.listen_health) {
        let state = api_state(&base.settings, &base.broker, context, metrics, None, true)?;
        let listener = TcpListener::bind(address).await.with_context(|| format!("--listen-health {address}"))?;
        tasks.spawn(serve(state.clone(), api::health_routes(state), listener, stop.clone()));
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut result = Ok(());
    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
        _ = tokio::signal::ctrl_c() => tracing::info!("stopping: interrupted"),
        ended = tasks.join_next() => {
            result = Err(anyhow::anyhow!("a part of the process ended: {ended:?}"));
        }
    }
    stop.cancel();
    let finished = stopping::finish(&base.db, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
    relay_stop.cancel();
    stopping::carry_on(finished, AbortOnDropHandle::new(relay), &*base.broker).await;
    drop(upkeep);
    tracing::info!("stopped");
    result
}

/// The Lightning node, where there is one. The sandbox's gets sample rates to make its invoices by.
async fn lightning_node(base: &mut Base, public_url: &str) -> anyhow::Result<Option<Phoenixd>> {
    base.settings.gateways.lightning.phoenixd = gateway_registry::lightning(&base.settings, public_url);
    let Some(config) = &base.settings.gateways.lightning.phoenixd else { return Ok(None) };
    if config.is_sandbox {
        let tx = base.db.begin().await?;
        payments::rates::set_samples(&*tx).await?;
        tx.commit().await?;
    }
    Ok(Some(Phoenixd::new(config).context("the Lightning node")?))
}

/// How browsers and the built-in sandbox's callers reach the API: as it was told, else where it listens.
fn public_url(settings: &Settings, listener: Option<&TcpListener>) -> anyhow::Result<String> {
    if let Some(url) = &settings.base_url {
        return Ok(url.clone());
    }
    let address = listener.map_or(Ok(settings.listen), TcpListener::local_addr)?;
    Ok(format!("http://{address}"))
}

fn start_worker(
    settings: &Settings,
    broker: &Arc<dyn Broker>,
    context: worker::Context,
    options: &WorkerOptions,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let db = context.db.clone();
    let registry = worker::jobs::registry();
    let runner = Runner::new(db.clone(), Arc::clone(broker), registry, Arc::new(context.clone()))
        .queues(options.queues.as_deref())?;
    let archivist = Archivist::new(db.clone(), Arc::clone(broker));
    let conductor = Conductor::new(db.clone());
    let stragglers = context.clone();
    let agents = worker::ChainAgents { context, keystore: settings.keystore()?, config: settings.chain.clone() };
    let retention = worker::Retention {
        db: db.clone(),
        webhooks_kept_for: settings.webhooks.kept_for(),
        unpaid_kept_for: TimeDelta::days(settings.receipts.unpaid_days.into()),
    };
    if options.queues.is_none() {
        let lanes = Lanes::new(db.clone(), settings.webhooks.clone(), stragglers.webhooks.clone());
        let (notices, gauges, stop) = (stragglers.clone(), db.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::join!(
                worker::chain_agents(agents, stop.clone()),
                worker::run_notices(notices.clone(), stop.clone()),
                worker::run_letters(notices, stop.clone()),
                worker::run_gauges(gauges, stop.clone()),
                lanes.run(stop),
            );
            Ok(())
        });
    }
    let stop = || stop.clone();
    let (runner, archivist, conductor) = (runner.run(stop()), archivist.run(stop()), conductor.run(stop()));
    let (retention, stragglers) =
        (worker::run_retention(retention, stop()), worker::run_stragglers(stragglers, stop()));
    tasks.spawn(async move {
        tokio::join!(runner, archivist, conductor, retention, stragglers);
        Ok(())
    });
    Ok(())
}

async fn serve(
    state: api::State,
    routes: impl poem::Endpoint<Output = poem::Response> + 'static,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    Ok(api::serve(state, routes, listener, stop).await?)
}

/// `broker_needed`: without it there is no work. Whoever accepts payments goes on without it, and must not be taken out of
/// service for that.
fn api_state(
    settings: &Settings,
    broker: &Arc<dyn Broker>,
    context: worker::Context,
    metrics: PrometheusHandle,
    sandbox: Option<SecretString>,
    broker_needed: bool,
) -> anyhow::Result<api::State> {
    let (db, gateways, checkout_links) = (context.db.clone(), context.gateways.clone(), context.checkout_links.clone());
    let foreseer = worker::jobs::registry().foreseer(Arc::new(context.clone()));
    let health = broker.health().clone();
    let counted = health.clone();
    let queue_health = api::HealthPart {
        name: "queue",
        needed: broker_needed,
        check: Arc::new(move || {
            let down: Vec<String> = health
                .parts()
                .into_iter()
                .filter(|part| !part.up)
                .map(|part| format!("{}: {}", part.name, part.last_error.unwrap_or_default()))
                .collect();
            report(down)
        }),
    };
    let chain_health =
        api::HealthPart { name: "chain", needed: false, check: Arc::new(move || report(context.chain_troubles())) };
    Ok(api::State::new(api::Parts {
        database: db.clone(),
        acceptor: Acceptor::start(db.clone()),
        config: settings.api(),
        webhooks: settings.webhooks.clone(),
        gateways,
        checkout_links,
        sandbox,
        health: vec![queue_health, chain_health],
        foreseer,
        chain: Some(chain_queries()),
        depth: (settings.broker.url.expose_secret() != "embedded").then(|| depth(broker)),
        metrics: Arc::new(move || recorder::render(&metrics, &counted)),
    }))
}

/// How the API asks for what waits at the broker.
fn depth(broker: &Arc<dyn Broker>) -> api::Depth {
    let broker = Arc::clone(broker);
    Arc::new(move |queue| {
        let (broker, queue) = (Arc::clone(&broker), queue.to_owned());
        Box::pin(async move { broker.depth(&queue).await.map_err(|error| error.to_string()) })
    })
}

/// The answer of a part with these problems.
fn report(problems: Vec<String>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
    Box::pin(async move { if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) } })
}
