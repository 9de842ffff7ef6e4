//! `kmsignd backup` and `kmsignd restore`.

use std::io::{Write, stdout};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{ConfigArg, EX_CANTCREAT, EX_CONFIG, EX_DATAERR, EX_INCOMPLETE, EX_IOERR, EX_NOINPUT, EX_UNAVAILABLE, fail, runtime};
use crate::clock::SystemClock;
use crate::config::{Config, Environment, LogLevel, check_place, check_writable_by_us_alone};
use crate::kms::aws::Credentials;
use crate::restore::{self, From, Parts, Progress, RestoreError};
use crate::store::OpenError;
use crate::store::backup::{self, BackupError};
use crate::store::restore::{BeginError, FileRestoreError};
use crate::{daemon, log};

/// Wallets that a restore asks KMS about in a second: half of AWS's quota for DescribeKey and GetPublicKey, which is the account's.
const WALLETS_PER_SECOND: u32 = 1000;

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The new file. One that is there is never replaced.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// `mongodb`, `kms`, or a file that `kmsignd backup` made.
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    from: From,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants it so")]
fn source(text: &str) -> Result<From, std::convert::Infallible> {
    Ok(match text {
        "mongodb" => From::Mongodb,
        "kms" => From::Kms,
        file => From::File(PathBuf::from(file)),
    })
}

pub fn backup(BackupArgs { file, config }: BackupArgs) -> ExitCode {
    let config = match Config::load(&config.config, &Environment::of_process()) {
        Ok(config) => config,
        Err(error) => return fail(EX_CONFIG, &error),
    };
    if let Err(error) = check_place(&file) {
        return fail(EX_CANTCREAT, &error);
    }
    let progress = Progress::on_stderr();
    progress.phase("pages", None);
    let made = backup::back_up(&config.store.path, &file, |done, of| progress.at_of(done, of));
    progress.end();
    match made {
        Ok(made) => {
            println!(
                "{}: {} wallets and {} audit records in {} bytes, checked",
                file.display(),
                made.wallets,
                made.audit_sequence,
                made.bytes
            );
            ExitCode::SUCCESS
        }
        Err(error) => fail(code_of_backup(&error), &error),
    }
}

fn code_of_backup(error: &BackupError) -> u8 {
    match error {
        BackupError::Exists(_) | BackupError::Running(_) | BackupError::NotOurs(_) => EX_CANTCREAT,
        BackupError::Missing(_) | BackupError::Unreadable { .. } => EX_NOINPUT,
        BackupError::Store(_) | BackupError::Unsound { .. } => EX_DATAERR,
        BackupError::Copy { .. } | BackupError::Io { .. } => EX_IOERR,
    }
}

pub fn restore(RestoreArgs { from, json, config }: RestoreArgs) -> ExitCode {
    let config = match Config::load(&config.config, &Environment::of_process()) {
        Ok(config) => config,
        Err(error) => return fail(EX_CONFIG, &error),
    };
    let networks = match daemon::networks(&config) {
        Ok(networks) => networks,
        Err(error) => return fail(EX_CONFIG, &error),
    };
    // Who can write a backup decides which address is whose, and what was signed.
    if let From::File(file) = &from
        && file.exists()
        && let Err(error) = check_writable_by_us_alone(file)
    {
        return fail(EX_DATAERR, &error);
    }
    // Keys that are gone are findings of the report, not errors for a log.
    log::start(LogLevel::Error);
    let progress = Progress::on_stderr();
    let restored = runtime().map(|runtime| {
        runtime.block_on(async {
            let parts = Parts {
                store: config.store.path.clone(),
                networks,
                kms: daemon::kms(&config, Credentials::Chain, false).await,
                sync: config.sync.clone(),
                clock: Arc::new(SystemClock),
                wallets_per_second: NonZeroU32::new(WALLETS_PER_SECOND),
                by: format!("uid {}", nix::unistd::getuid()),
            };
            restore::restore(parts, from, &progress).await
        })
    });
    progress.end();
    let report = match restored {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return fail(code_of_restore(&error), &error),
        Err(error) => return fail(EX_UNAVAILABLE, &error),
    };
    let text = if json { serde_json::to_string(&report).map(|json| json + "\n") } else { Ok(restore::text(&report)) };
    let told = text.map_err(std::io::Error::from).and_then(|text| stdout().write_all(text.as_bytes()));
    match told {
        Ok(()) if report.is_complete() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(EX_INCOMPLETE),
        Err(error) => fail(EX_IOERR, &error),
    }
}

fn code_of_restore(error: &RestoreError) -> u8 {
    match error {
        RestoreError::NoMongodb | RestoreError::Directory(_) => EX_CONFIG,
        RestoreError::Begin(BeginError::Open(OpenError::LogAlone { .. })) => EX_CANTCREAT,
        RestoreError::Begin(BeginError::Open(error)) | RestoreError::File(FileRestoreError::Open(error))
            if error.is_about_the_data() =>
        {
            EX_DATAERR
        }
        RestoreError::File(FileRestoreError::Unsound { .. }) => EX_DATAERR,
        RestoreError::File(FileRestoreError::Missing(_) | FileRestoreError::Unreadable { .. }) => EX_NOINPUT,
        RestoreError::Begin(BeginError::InUse | BeginError::OtherSource(_))
        | RestoreError::File(
            FileRestoreError::Occupied(_) | FileRestoreError::LogBeside(_) | FileRestoreError::AnotherBackup(_),
        ) => EX_CANTCREAT,
        RestoreError::File(FileRestoreError::Copy(error)) => code_of_backup(error),
        RestoreError::File(FileRestoreError::Io { .. }) => EX_IOERR,
        RestoreError::Begin(BeginError::Open(_) | BeginError::Store(_))
        | RestoreError::File(FileRestoreError::Open(_) | FileRestoreError::Store(_))
        | RestoreError::Store(_)
        | RestoreError::Mongodb(_)
        | RestoreError::Kms(_)
        | RestoreError::Denied(..)
        | RestoreError::NoKeys { .. }
        | RestoreError::Defect(_) => EX_UNAVAILABLE,
    }
}
