//! `kmsignd dev`: the daemon with an embedded KMS, for development. The daemon reaches it as it reaches AWS, through the SDK
//! over TCP, so nothing here is a second way of doing things.
//!
//! Its keys lie in the clear, so it must never be mistaken for the real thing: it makes no wallet of a main network unless
//! told to, and takes neither endpoint nor credentials of AWS from its environment.

mod demo;

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::sync::oneshot;

use crate::cli::{DevArgs, EX_SOFTWARE, EX_UNAVAILABLE, fail, runtime};
use crate::config::{Config, ConfigError, Environment, LogLevel, Secret};
use crate::daemon::{self, Setup, StartError};
use crate::emulator::{Emulator, EmulatorConfig};
use crate::kms::aws::Credentials;
use crate::log;
use crate::pipeline::Mainnet;
use crate::policy::dev_policy;

/// The directory of `kmsignd dev` where none is given.
const DEFAULT_DIRECTORY: &str = "kmsignd-dev";

#[derive(Debug, thiserror::Error)]
enum DevError {
    #[error("the embedded KMS did not start")]
    Emulator(#[source] io::Error),
    #[error("{path}: {source}")]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the demonstration failed: {0}")]
    Demo(#[from] demo::DemoError),
}

/// Runs `kmsignd dev`.
pub fn main(args: DevArgs) -> ExitCode {
    log::start(if args.demo { LogLevel::Warn } else { LogLevel::Info });
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ DevError::Demo(_)) => fail(EX_SOFTWARE, &error),
        Err(error) => fail(EX_UNAVAILABLE, &error),
    }
}

fn run(args: DevArgs) -> Result<(), DevError> {
    if let Some(listen) = args.kms_only {
        return kms_only(listen, args.dir);
    }
    let temporary = args.demo && args.dir.is_none();
    let directory = if temporary {
        std::env::temp_dir().join(format!("kmsignd-demo-{}", uuid::Uuid::new_v4()))
    } else {
        args.dir.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DIRECTORY))
    };
    let result = prepare(&directory).and_then(|directory| serve(&args, &directory));
    if temporary {
        fs::remove_dir_all(&directory).map_err(|source| DevError::Directory { path: directory, source })?;
    }
    result
}

/// The embedded KMS alone, until a signal.
fn kms_only(listen: SocketAddr, directory: Option<PathBuf>) -> Result<(), DevError> {
    runtime()?.block_on(async {
        let config = EmulatorConfig { listen, directory, ..EmulatorConfig::default() };
        let emulator = Emulator::start(config).await.map_err(DevError::Emulator)?;
        println!("{}", emulator.endpoint_url());
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted?,
        }
        emulator.shutdown().await;
        Ok(())
    })
}

fn serve(args: &DevArgs, directory: &Path) -> Result<(), DevError> {
    // The endpoint is not known before the emulator listens, and the socket is bound before any thread runs.
    let uri = args.mongodb_uri.clone();
    let listener = daemon::listen(&read_config(directory, "http://127.0.0.1:1", uri.as_ref())?)?;
    runtime()?.block_on(async {
        let emulated = EmulatorConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            directory: Some(directory.join("kms")),
            ..EmulatorConfig::default()
        };
        let emulator = Emulator::start(emulated).await.map_err(DevError::Emulator)?;
        let endpoint = emulator.endpoint_url();
        let config = read_config(directory, &endpoint, uri.as_ref())?;
        let (limits, socket) = (daemon::limits(&config), config.socket.path.clone());
        let read_directory = directory.to_owned();
        let setup = Setup {
            config,
            read_again: Box::new(move || {
                read_config(&read_directory, &endpoint, uri.as_ref()).map_err(|error| error.to_string())
            }),
            credentials: Credentials::Emulator,
            unlimited: true,
            mainnet: if args.allow_mainnet { Mainnet::Allowed } else { Mainnet::Refused },
        };
        let services = daemon::build(setup).await?;
        let (finish, finished) = oneshot::channel::<()>();
        let serving = daemon::serve(services, listener, limits, async {
            // A dropped sender is the end of the demonstration too.
            let _ = finished.await;
        });
        if args.demo {
            let demonstration = async {
                let shown = tokio::task::spawn_blocking(move || demo::show(&socket)).await;
                drop(finish);
                shown
            };
            let (served, shown) = tokio::join!(serving, demonstration);
            served?;
            shown.map_err(io::Error::other)??;
        } else {
            announce(&socket);
            serving.await?;
            drop(finish);
        }
        emulator.shutdown().await;
        Ok(())
    })
}

fn announce(socket: &Path) {
    let socket = socket.display();
    eprintln!(
        "kmsignd dev serves on {socket}\n\n  \
         kmsign --socket {socket} wallet create --user user123 --asset BTC\n  \
         curl --unix-socket {socket} http://localhost/ -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_accounts\"}}'\n\n\
         Its keys lie in the clear: for development only.\n"
    );
}

/// Makes the directory, 0700, with its policy, and returns its absolute path.
fn prepare(directory: &Path) -> Result<PathBuf, DevError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DevError::Directory { path, source }
    };
    let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path));
    private(directory)?;
    let directory = directory.canonicalize().map_err(failed(directory))?;
    let policies = directory.join("policy.d");
    private(&policies)?;
    let policy = policies.join("dev.cedar");
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&policy);
    match made {
        Ok(mut file) => file.write_all(dev_policy(nix::unistd::geteuid().as_raw()).as_bytes()).map_err(failed(&policy))?,
        // Yours to change, and kept.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(DevError::Directory { path: policy, source }),
    }
    Ok(directory)
}

/// The configuration of a development daemon. The environment may change much of it, but neither where KMS and MongoDB are nor that
/// all lies in the directory: variables meant for production must not lead there.
fn read_config(directory: &Path, endpoint: &str, mongodb_uri: Option<&Secret>) -> Result<Config, ConfigError> {
    let path = |name: &str| toml_text(&directory.join(name).display().to_string());
    let sync = mongodb_uri.map_or_else(String::new, |uri| format!("[sync]\nmongodb_uri = {}\n", toml_text(uri.expose())));
    let text = format!(
        "[socket]\npath = {}\nmode = \"0600\"\ngroup = \"\"\n[store]\npath = {}\n[policy]\ndirectory = {}\n[keys]\ndeployment = \"dev\"\nreconcile_grace_seconds = 5\n\
         [kms]\nregion = \"eu-central-1\"\nendpoint_url = {endpoint}\ntagging_endpoint_url = {endpoint}\n{sync}",
        path("kmsignd.sock"),
        path("kmsignd.db"),
        path("policy.d"),
        endpoint = toml_text(endpoint),
    );
    let ours = ["socket.path", "store.path", "policy.directory"];
    let environment =
        Environment::of_process().without(|key| key.starts_with("kms.") || key.starts_with("sync.") || ours.contains(&key));
    Config::from_toml("kmsignd dev", &text, &environment)
}

/// A TOML basic string.
fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
