//! `kmsign`: the command line of a running daemon, for people and for scripts.
//!
//! | file | has |
//! |---|---|
//! | wallet, key, sign, address, policy, audit, freeze, admin | what one noun's commands ask, and how their answers read |
//! | explanation | what is about to be signed, for people |
//! | connection | one request out, its answer back, within a time and a size |
//! | session | what the commands of one run share: the connection, where output goes, what to do after an error |
//! | error, exit, next_step | what went wrong, the exit code, and what to do about it |
//! | input, output, terminal | bounded texts in; tables and safe text out; questions to whoever sits there |
//! | layout | texts of others broken into lines, where what they say must not pass for what kmsign says |
//!
//! It holds no key, no state and no configuration, and decides nothing: who may do what is the daemon's to say, by the uid that
//! the kernel tells it. Text from the daemon reaches a terminal only after [`output`] made its control characters visible.

mod address;
mod admin;
mod audit;
pub(crate) mod connection;
pub(crate) mod error;
mod exit;
mod explanation;
mod freeze;
mod input;
mod key;
mod layout;
mod next_step;
mod output;
mod policy;
mod session;
mod sign;
mod terminal;
mod wallet;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use error::ClientError;
use session::Session;

pub use exit::Exit;

/// Where the packaged daemon listens.
pub const DEFAULT_SOCKET: &str = "/run/kmsignd/kmsignd.sock";

/// Make wallets and signatures with a running kmsignd
///
/// kmsign talks to kmsignd over its Unix socket. Who you are is what the kernel tells the daemon of this process; what you may do
/// is what its policy says of that user and groups. `kmsign policy explain` asks without doing.
#[derive(Debug, Parser)]
#[command(name = "kmsign", version, arg_required_else_help = true, disable_help_subcommand = true, subcommand_value_name = "COMMAND", after_help = EXAMPLES)]
struct Arguments {
    /// The daemon's socket
    #[arg(long, global = true, help_heading = GLOBAL, env = "KMSIGN_SOCKET", hide_env_values = true, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    socket: PathBuf,
    /// Print each result as one line of JSON; errors too, on standard error
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// How long to wait for an answer
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    #[command(subcommand)]
    noun: Noun,
}

const GLOBAL: &str = "Options of every command";

const EXAMPLES: &str = "Examples:
  kmsign wallet create --user user123 --asset ETH
  kmsign sign psbt payment.psbt --asset BTC
  kmsign --json wallet list --asset BTC --all
  kmsign status";

#[derive(Debug, Subcommand)]
enum Noun {
    /// Make wallets and look at them
    #[command(subcommand)]
    Wallet(wallet::Command),
    /// Public keys, and signatures over digests
    #[command(subcommand)]
    Key(key::Command),
    /// Sign transactions, PSBTs, messages and typed data, shown before they are signed
    #[command(subcommand)]
    Sign(sign::Command),
    /// Check addresses
    #[command(subcommand)]
    Address(address::Command),
    /// Ask what the policy says
    #[command(subcommand)]
    Policy(policy::Command),
    /// Read and check the audit
    #[command(subcommand)]
    Audit(audit::Command),
    /// See what stops signing, and let it go on
    #[command(subcommand)]
    Freeze(freeze::Command),
    /// How the daemon is: ready or why not, KMS, store, policy, wallets
    Status,
    /// Operate the daemon
    #[command(subcommand)]
    Admin(admin::Command),
    /// Call any method of the API, and print its result as JSON
    #[command(after_help = "Examples:\n  kmsign call rpc.discover\n  kmsign call wallet_list '{\"limit\": 10}'")]
    Call(admin::Call),
}

/// The definitions that help texts, man pages and completions are made from.
pub fn command() -> clap::Command {
    Arguments::command().after_long_help(format!("{EXAMPLES}\n\n{}", exit::help()))
}

/// Runs one command line, its first word the program's name.
pub fn run(line: Vec<OsString>) -> Exit {
    let arguments = match command().try_get_matches_from(&line).and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let colour = io::stdout().is_terminal() && !no_colour();
    let timeout = Duration::from_secs(arguments.timeout);
    let mut session = Session::new(arguments.socket, timeout, arguments.json, colour, line);
    let done = arguments.noun.run(&mut session).and_then(|exit| {
        io::stdout().flush()?;
        Ok(exit)
    });
    done.unwrap_or_else(|error| session.report(&error))
}

impl Noun {
    fn run(&self, session: &mut Session) -> Result<Exit, ClientError> {
        match self {
            Self::Wallet(command) => command.run(session),
            Self::Key(command) => command.run(session),
            Self::Sign(command) => command.run(session),
            Self::Address(command) => command.run(session),
            Self::Policy(command) => command.run(session),
            Self::Audit(command) => command.run(session),
            Self::Freeze(command) => command.run(session),
            Self::Status => admin::status(session),
            Self::Admin(command) => command.run(session),
            Self::Call(call) => call.run(session),
        }
    }
}

/// Whether the user wants no colours: <https://no-color.org>.
fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Prints what clap has to say: help, the version, or what is wrong with the command line.
fn refuse(error: &clap::Error) -> Exit {
    // A reader that went away is no news.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => Exit::BadData,
        _ => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_definitions_hold_together() {
        command().debug_assert();
    }

    #[test]
    fn parse_of_wrong_values_is_refused_before_anything_is_sent() {
        let wallet = "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60";
        let long = "x".repeat(129);
        let wrong: [(&[&str], ErrorKind); 21] = [
            (&["wallet", "create", "--asset", "BTC"], ErrorKind::MissingRequiredArgument),
            (&["wallet", "create", "--user", "a b", "--asset", "BTC"], ErrorKind::ValueValidation),
            (&["wallet", "create", "--user", "a", "--asset", ""], ErrorKind::ValueValidation),
            (&["wallet", "create", "--user", "a", "--asset", "BTC", "--address-type", "p2tr"], ErrorKind::InvalidValue),
            (&["wallet", "create", "--user", "a", "--asset", "BTC", "--idempotency-key", &long], ErrorKind::ValueValidation),
            (&["wallet", "list", "--network", "mainnet"], ErrorKind::MissingRequiredArgument),
            (&["wallet", "list", "--limit", "1001"], ErrorKind::ValueValidation),
            (&["wallet", "list", "--limit", "5", "--all"], ErrorKind::ArgumentConflict),
            (&["wallet", "list", "--status", "created"], ErrorKind::InvalidValue),
            (&["wallet", "addresses", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"], ErrorKind::ValueValidation),
            (&["key", "public", "alias/mine"], ErrorKind::ValueValidation),
            (&["key", "sign", wallet, "abcd"], ErrorKind::ValueValidation),
            (&["sign", "evm"], ErrorKind::MissingRequiredArgument),
            (&["sign", "psbt", "x"], ErrorKind::MissingRequiredArgument),
            (&["sign", "message", "x"], ErrorKind::MissingRequiredArgument),
            (&["sign", "typed-data", "x", "--wallet", wallet, "--address", "a"], ErrorKind::ArgumentConflict),
            (&["sign", "message", "x", "--wallet", wallet, "--format", "bip340"], ErrorKind::InvalidValue),
            (&["policy", "explain", "wallet_get", "{"], ErrorKind::ValueValidation),
            (&["freeze", "lift", "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60"], ErrorKind::MissingRequiredArgument),
            (&["freeze", "lift", "all", "--reason", "x"], ErrorKind::ValueValidation),
            (&["--timeout", "0", "status"], ErrorKind::ValueValidation),
        ];
        for (line, kind) in wrong {
            let parsed = Arguments::try_parse_from(std::iter::once(&"kmsign").chain(line));
            assert_eq!(parsed.unwrap_err().kind(), kind, "{line:?}");
        }
    }
}
