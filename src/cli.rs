//! kmsignd's own commands. The man page and the completions are generated from these definitions.

mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::store::{BackupArgs, RestoreArgs};
#[cfg(feature = "emulator")]
use crate::config::Secret;
use crate::config::{Config, Environment, load_policies};
use crate::kms::aws::Credentials;
use crate::pipeline::Mainnet;
use crate::{daemon, log};

/// Signs cryptocurrency transactions with keys that stay in AWS KMS.
#[derive(Debug, Parser)]
#[command(name = "kmsignd", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve on the Unix socket until SIGTERM. SIGHUP reads configuration and policy again.
    Serve {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Check configuration and policy, and serve nothing. Exits with 78 if something is wrong.
    CheckConfig {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Copy the store into a new file, whole and checked, while the daemon serves.
    Backup(BackupArgs),
    /// Rebuild the store from MongoDB, from KMS or from a backup. It starts frozen: nothing signs before `kmsign freeze lift`.
    Restore(RestoreArgs),
    /// Serve with an embedded KMS, nothing to install. Its keys lie in the clear: for development only.
    #[cfg(feature = "emulator")]
    Dev(DevArgs),
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/kmsignd/kmsignd.toml")]
    config: PathBuf,
}

/// What `kmsignd dev` takes.
#[cfg(feature = "emulator")]
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Where socket, database, keys and policy are kept; made if it is not there. With --demo alone, a temporary one.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Make a wallet for each asset, sign with each, check each signature with another library, print a table, and exit.
    #[arg(long)]
    pub demo: bool,
    /// Also make wallets of main networks, whose keys then lie in the clear on this machine.
    #[arg(long)]
    pub allow_mainnet: bool,
    /// Copy the wallets to this MongoDB, as the configuration's `[sync]` would. Everybody on this machine can read a command line: put a
    /// password into the variable instead.
    #[arg(long, value_name = "URI", conflicts_with = "kms_only", env = "KMSIGND_DEV_MONGODB_URI", hide_env_values = true)]
    pub mongodb_uri: Option<Secret>,
    /// Serve the embedded KMS alone, on this loopback address.
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "demo")]
    pub kms_only: Option<std::net::SocketAddr>,
}

/// A restore is through, and not every wallet came back.
pub const EX_INCOMPLETE: u8 = 1;

/// Exit codes of sysexits.h.
pub const EX_DATAERR: u8 = 65;
pub const EX_NOINPUT: u8 = 66;
pub const EX_UNAVAILABLE: u8 = 69;
pub const EX_SOFTWARE: u8 = 70;
pub const EX_CANTCREAT: u8 = 73;
pub const EX_IOERR: u8 = 74;
pub const EX_CONFIG: u8 = 78;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve { config } => serve(config),
        Command::CheckConfig { config } => check_config(&config),
        Command::Backup(args) => store::backup(args),
        Command::Restore(args) => store::restore(args),
        #[cfg(feature = "emulator")]
        Command::Dev(args) => crate::dev::main(args),
    }
}

fn serve(ConfigArg { config: path }: ConfigArg) -> ExitCode {
    let environment = Environment::of_process();
    let config = match Config::load(&path, &environment) {
        Ok(config) => config,
        Err(error) => return fail(EX_CONFIG, &error),
    };
    log::start(config.log_level);
    let read_again = Box::new(move || Config::load(&path, &environment).map_err(|error| error.to_string()));
    let setup =
        daemon::Setup { config, read_again, credentials: Credentials::Chain, unlimited: false, mainnet: Mainnet::Allowed };
    let run = || -> Result<(), daemon::StartError> {
        // Before the runtime: binding sets the process's umask.
        let listener = daemon::listen(&setup.config)?;
        let limits = daemon::limits(&setup.config);
        runtime()?.block_on(async {
            let services = daemon::build(setup).await?;
            daemon::serve(services, listener, limits, std::future::pending()).await
        })
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(
            error @ (daemon::StartError::Networks(_)
            | daemon::StartError::ContentRules(_)
            | daemon::StartError::Policy(_)
            | daemon::StartError::Sync(_)),
        ) => fail(EX_CONFIG, &error),
        Err(daemon::StartError::Store(error)) if error.is_about_the_data() => fail(EX_DATAERR, &error),
        Err(error) => fail(EX_UNAVAILABLE, &error),
    }
}

fn check_config(ConfigArg { config: path }: &ConfigArg) -> ExitCode {
    let config = match Config::load(path, &Environment::of_process()) {
        Ok(config) => config,
        Err(error) => return fail(EX_CONFIG, &error),
    };
    let networks = match daemon::networks(&config) {
        Ok(networks) => networks,
        Err(error) => return fail(EX_CONFIG, &error),
    };
    if let Err(error) = daemon::content_rules(&config, &networks) {
        return fail(EX_CONFIG, &error);
    }
    if let Err(error) = daemon::check_sync(&config) {
        return fail(EX_CONFIG, &error);
    }
    match load_policies(&config.policy_directory, &networks) {
        Ok(policy) => {
            for warning in policy.warnings() {
                eprintln!("warning: {warning}");
            }
            println!("{}: good, with {} policies from {}", path.display(), policy.len(), config.policy_directory.display());
            ExitCode::SUCCESS
        }
        Err(error) => fail(EX_CONFIG, &error),
    }
}

/// The runtime that everything asynchronous runs on.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("kmsignd").build()
}

/// Says on stderr why the command failed, with every cause.
pub fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("kmsignd: {error}");
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let mut said = error.to_string();
    for cause in causes {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            eprintln!("  because: {cause}");
            said = cause;
        }
    }
    ExitCode::from(code)
}
