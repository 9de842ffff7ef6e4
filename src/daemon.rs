//! The composition root: builds everything, in which order it starts and stops, and what signals do.
//!
//! Start: configuration, policy, store, socket, KMS client, server, READY. Stop: STOPPING, no new connection, what runs gets its
//! time, then the store is closed. A reload changes all or nothing.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::RpcModule;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use crate::background::{self, outbox_to_mongo};
use crate::caller::Caller;
use crate::chains::fee_limits::{FeeLimits, FeeLimitsError};
use crate::chains::networks::{EvmChain, NetworkConfigError, NetworkDefaults, Networks};
use crate::chains::tokens::{TokenRow, Tokens, TokensError};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, PolicyDirError, ReadError, check_directory, load_policies};
use crate::crash_points::{self, CrashPoint};
use crate::kms::aws::{AwsKms, AwsSettings, Credentials};
use crate::kms::{Kms, KmsLimits};
use crate::metrics;
use crate::outcome::Failure;
use crate::pipeline::{self, ContentRules, Mainnet, Parts, Rules, Services};
use crate::rpc::methods::{METHODS, Runs, unknown_method};
use crate::rpc::{self, find_method};
use crate::store::commits::Recorded;
use crate::store::{OpenError, Store, StoreError};
use crate::transport::{self, BindError, Drained, Event, Frame, Hooks, Limits, Listener, Mode, Readiness, Server};
use crate::wallets::change::DeletionRules;

/// AWS's quota for CreateKey, per second and for the whole account and Region.
const CREATIONS_PER_SECOND: u32 = 5;
/// The same for EnableKey, DisableKey and CancelKeyDeletion, each.
const SWITCHES_PER_SECOND: u32 = 5;
/// The same for ScheduleKeyDeletion.
const DELETIONS_PER_SECOND: u32 = 15;

/// What differs between `serve` and `dev`.
pub struct Setup {
    pub config: Config,
    /// Reads the configuration again, for a reload.
    pub read_again: Box<dyn Fn() -> Result<Config, String> + Send + Sync>,
    pub credentials: Credentials,
    /// Our own rates towards KMS are off.
    pub unlimited: bool,
    pub mainnet: Mainnet,
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Networks(#[from] NetworkConfigError),
    #[error(transparent)]
    Policy(#[from] PolicyDirError),
    #[error(transparent)]
    Sync(#[from] outbox_to_mongo::MongoError),
    #[error(transparent)]
    ContentRules(#[from] ContentRulesError),
    #[error("[store] path: {0}")]
    StoreDirectory(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Socket(#[from] BindError),
    #[error("the audit can't be written, so nobody can be served: {0}")]
    Audit(StoreError),
    #[error("the methods could not be registered: {0}")]
    Methods(#[from] jsonrpsee::core::RegisterMethodError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The socket that systemd passed, or one of our own. Called before any thread exists: binding sets the process's umask.
pub fn listen(config: &Config) -> Result<Listener, StartError> {
    if let Some(listener) = Listener::from_service_manager()? {
        return Ok(listener);
    }
    let socket = &config.socket;
    Ok(Listener::bind(&transport::SocketConfig { path: socket.path.clone(), mode: socket.mode, group: socket.group.clone() })?)
}

/// Builds what the pipeline stands on, and proves that the audit can be written.
pub async fn build(setup: Setup) -> Result<Arc<Services>, StartError> {
    let Setup { config, read_again, credentials, unlimited, mainnet } = setup;
    let networks = networks(&config)?;
    let content_rules = content_rules(&config, &networks)?;
    check_sync(&config)?;
    let policy = load_policies(&config.policy_directory, &networks)?;
    for warning in policy.warnings() {
        tracing::warn!(warning, "a policy validates with a warning");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    check_directory(config.store.path.parent().unwrap_or(Path::new("/")))?;
    let store = Store::open(&config.store.path, Arc::clone(&clock))?;
    // Proves that the audit can be written before anyone is served.
    let start = format!("kmsignd {} started with policy {}", env!("CARGO_PKG_VERSION"), policy.digest());
    store.record_daemon(start).await.map_err(StartError::Audit)?;
    crash_points::reach(CrashPoint::StartRecorded);
    let kms = kms(&config, credentials, unlimited).await;
    let rules = Rules {
        mainnet,
        answer_retention: config.store.answer_retention,
        reconcile_grace: config.reconcile_grace,
        deletion: DeletionRules { allowed: config.keys.allow_deletion, default_window_days: config.keys.deletion_window_days },
        drift_checks_per_second: config.keys.drift_checks_per_second,
    };
    let sync = config.sync.clone();
    let reloader = Box::new(move || {
        let newer = read_again()?;
        // The networks in force stay until a restart, and policies are about those.
        let newer_networks = networks_of(&newer)?;
        self::content_rules(&newer, &newer_networks).map_err(|error| error.to_string())?;
        check_sync(&newer).map_err(|error| error.to_string())?;
        let in_force = networks_of(&config)?;
        let policy = load_policies(&newer.policy_directory, &in_force).map_err(|error| error.to_string())?;
        Ok((policy, config.changes(&newer)))
    });
    let parts = Parts { networks, rules, content_rules, store, kms, clock, sync };
    Ok(Arc::new(Services::new(parts, policy, reloader)))
}

/// Serves until SIGTERM or SIGINT, or until `stop` resolves.
pub async fn serve(
    services: Arc<Services>,
    listener: Listener,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    metrics::install(METHODS.iter().map(|method| method.name));
    let background = background::start(&services);
    let server = Server::new(module(&services)?, mode, limits, hooks(&services));
    let stopping = until_stopped(Arc::clone(&services), stop)?;
    notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
    let drained = server.serve(listener, stopping).await?;
    for task in background {
        task.abort();
    }
    match drained {
        Drained::Finished => tracing::info!("stopped; every request was answered"),
        Drained::Abandoned(running) => {
            tracing::warn!(running, "stopped with requests still running; retry them with the same requestId");
        }
    }
    Ok(())
}

/// The limits of the socket as configured.
pub fn limits(config: &Config) -> Limits {
    let socket = &config.socket;
    Limits {
        max_message_bytes: socket.max_message_bytes,
        max_batch_length: socket.max_batch_length,
        max_connections: socket.max_connections,
        max_connections_per_uid: socket.max_connections_per_uid,
        reserved_connections: socket.reserved_connections,
        max_in_flight_per_connection: socket.max_in_flight_per_connection,
        max_in_flight: socket.max_in_flight,
        reserved_in_flight: socket.reserved_in_flight,
        max_json_depth: socket.max_json_depth,
        message_time: socket.message_time,
        drain_time: config.drain_time,
    }
}

/// The networks as configured; `check-config` and a reload check them by making them.
pub fn networks(config: &Config) -> Result<Networks, NetworkConfigError> {
    let written = &config.networks;
    let defaults = NetworkDefaults {
        utxo: written.utxo.clone(),
        evm: written.evm.clone(),
        xrp: written.xrp.clone(),
        solana: written.solana.clone(),
        cardano: written.cardano.clone(),
    };
    let chains: Vec<EvmChain> = config
        .networks
        .evm_chains
        .iter()
        .map(|chain| EvmChain {
            asset: chain.asset.clone(),
            network: chain.network.clone(),
            chain_id: chain.chain_id,
            testnet: chain.testnet,
        })
        .collect();
    Networks::new(&defaults, &chains)
}

/// What is known of tokens and fees, as configured; checked as [`networks`] are.
pub fn content_rules(config: &Config, networks: &Networks) -> Result<ContentRules, ContentRulesError> {
    let tokens: Vec<TokenRow> = config
        .networks
        .tokens
        .iter()
        .map(|token| TokenRow {
            asset: token.asset.clone(),
            network: token.network.clone(),
            contract: token.contract.clone(),
            decimals: u8::try_from(token.decimals).unwrap_or(u8::MAX),
        })
        .collect();
    Ok(ContentRules {
        tokens: Tokens::new(networks, &tokens)?,
        max_fee: FeeLimits::new(networks, config.max_fee.iter().map(|limit| (limit.asset.as_str(), limit.amount)))?,
        allow_witness_utxo_only: config.networks.allow_witness_utxo_only,
    })
}

/// Why the configured tokens or fees can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ContentRulesError {
    #[error(transparent)]
    Tokens(#[from] TokensError),
    #[error(transparent)]
    FeeLimits(#[from] FeeLimitsError),
}

/// Checks MongoDB's connection string, without asking anybody.
pub fn check_sync(config: &Config) -> Result<(), outbox_to_mongo::MongoError> {
    config.sync.as_ref().map_or(Ok(()), outbox_to_mongo::check)
}

fn networks_of(config: &Config) -> Result<Networks, String> {
    networks(config).map_err(|error| error.to_string())
}

/// KMS as configured; a restore asks it too.
pub async fn kms(config: &Config, credentials: Credentials, unlimited: bool) -> Kms {
    let settings = AwsSettings {
        region: config.kms.region.clone(),
        endpoint_url: config.kms.endpoint_url.clone(),
        tagging_endpoint_url: config.kms.tagging_endpoint_url.clone(),
        connect_timeout: config.kms.connect_timeout,
        attempt_timeout: config.kms.attempt_timeout,
        credentials,
    };
    let limited = |rate: Option<NonZeroU32>| rate.filter(|_| !unlimited);
    let limits = KmsLimits {
        operation_timeout: config.kms.operation_timeout,
        requests_per_second: limited(NonZeroU32::new(config.kms.requests_per_second)),
        creations_per_second: limited(NonZeroU32::new(CREATIONS_PER_SECOND)),
        switches_per_second: limited(NonZeroU32::new(SWITCHES_PER_SECOND)),
        deletions_per_second: limited(NonZeroU32::new(DELETIONS_PER_SECOND)),
    };
    let service = AwsKms::connect(&settings).await;
    Kms::new(settings.region, Box::new(service), config.deployment.clone(), config.kms.key_policy.clone(), limits)
}

/// Every row of the method table behind jsonrpsee's dispatcher, each leading into the pipeline and nowhere else.
fn module(services: &Arc<Services>) -> Result<RpcModule<Services>, StartError> {
    let mut module = RpcModule::from_arc(Arc::clone(services));
    for method in METHODS {
        module.register_async_method(method.name, |_, services, extensions| async move {
            match (extensions.get::<Caller>().cloned(), Frame::take(&extensions)) {
                (Some(caller), Some(frame)) => pipeline::run(services, caller, frame).await,
                _ => rpc::reply(Recorded::unreadable(Failure::Internal("a call without its caller or frame".to_owned()))),
            }
        })?;
        for alias in method.aliases {
            module.register_alias(alias, method.name)?;
        }
    }
    Ok(module)
}

fn mode(method: &str) -> Mode {
    match find_method(method).map(|method| method.runs) {
        Some(Runs::Inline) => Mode::Inline,
        Some(Runs::ToItsEnd) | None => Mode::Task,
    }
}

fn hooks(services: &Arc<Services>) -> Hooks {
    let (for_ready, for_reserved) = (Arc::clone(services), Arc::clone(services));
    Hooks {
        ready: Arc::new(move || for_ready.readiness()),
        metrics: Arc::new(metrics::render),
        reserved: Arc::new(move |caller| for_reserved.may_freeze(caller)),
        unknown_method: Arc::new(unknown_method),
        observe: Arc::new(|caller, event| match event {
            Event::Connected => metrics::connected(1.0),
            Event::Disconnected => metrics::connected(-1.0),
            Event::Refused(error) => {
                metrics::refused(error.kind().as_str());
                tracing::debug!(uid = caller.uid(), kind = error.kind().as_str(), "a request was refused");
            }
        }),
    }
}

/// Resolves when it is time to stop. Until then SIGHUP reloads and the watchdog is fed.
fn until_stopped(
    services: Arc<Services>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let watchdog = sd_notify::watchdog_enabled();
    Ok(async move {
        /// How old `systemctl status` may be.
        const STATUS_PERIOD: Duration = Duration::from_secs(5);
        let period = watchdog.map_or(STATUS_PERIOD, |timeout| STATUS_PERIOD.min(timeout / 3));
        let mut feed = tokio::time::interval(period);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = &mut stop => break,
                // Beside this loop, which feeds the watchdog.
                _ = hangup.recv() => drop(tokio::spawn(reload(Arc::clone(&services)))),
                _ = feed.tick() => {
                    notify(&[NotifyState::Status(&status(&services))]);
                    if watchdog.is_some() {
                        notify(&[NotifyState::Watchdog]);
                    }
                }
            }
        }
        tracing::info!("stopping: what runs may finish, what comes is told to come back");
        notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    })
}

async fn reload(services: Arc<Services>) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    let reloading = Arc::clone(&services);
    let reloaded = tokio::task::spawn_blocking(move || reloading.reload_now()).await;
    let detail = match reloaded {
        Ok(Ok(reloaded)) => format!("SIGHUP: read again; the policy is {}", reloaded.policy_digest),
        Ok(Err(refused)) => format!("SIGHUP: refused, nothing changed: {refused}"),
        Err(defect) => format!("SIGHUP: failed, nothing changed: {defect}"),
    };
    if let Err(error) = services.store.record_daemon(detail).await {
        tracing::error!(%error, "the reload could not be recorded");
    }
    notify(&[NotifyState::Ready, NotifyState::Status(&status(&services))]);
}

fn status(services: &Services) -> String {
    let Readiness { ready, reasons } = services.readiness();
    let state = if ready { "serving" } else { "serving, not ready" };
    if reasons.is_empty() { state.to_owned() } else { format!("{state}: {}", reasons.join("; ")) }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be notified");
    }
}
