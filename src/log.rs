//! Where log events go: to the journal with their fields when the service manager started us, else as lines on stderr.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogLevel;

/// Starts logging. A second call in the same process changes nothing.
pub fn start(level: LogLevel) {
    let filter = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries are heard when something is wrong: at other levels they say more than a journal should hold.
    let targets = Targets::new().with_default(filter.min(LevelFilter::WARN)).with_target("kmsignd", filter);
    let registry = tracing_subscriber::registry().with(targets);
    if stderr_is_the_journal()
        && let Ok(journal) = tracing_journald::layer()
    {
        // An error means that logging was started before; what stands serves.
        let _ = registry.with(journal.with_syslog_identifier("kmsignd".to_owned())).try_init();
        return;
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    let _ = registry.with(lines).try_init();
}

/// Whether stderr is the stream that `JOURNAL_STREAM` names (systemd.exec(5)): device and inode must match, since a child may
/// inherit the variable with another stderr.
fn stderr_is_the_journal() -> bool {
    #[expect(clippy::disallowed_methods, reason = "systemd's, not a setting of ours")]
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    nix::sys::stat::fstat(std::io::stderr().as_fd()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}
