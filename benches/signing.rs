//! What the daemon adds to KMS: `benches/run` builds and runs this.
//!
//! Three processes on one machine: the embedded KMS alone, the daemon as installed (`kmsignd serve`, policy, durable audit and
//! verification on), and this load. Everything is compared within one run, in alternating rounds, and given as a ratio; the
//! absolute figures are this machine's.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement in a process of its own, which ends at what it does not expect"
)]

#[path = "signing/echo.rs"]
mod echo;
#[path = "signing/load.rs"]
mod load;
#[path = "signing/processes.rs"]
mod processes;
#[path = "signing/psbt.rs"]
mod psbt;
#[path = "signing/report.rs"]
mod report;
#[path = "signing/start.rs"]
mod start;

use std::path::Path;
use std::time::Duration;

use load::{Socket, Stats};
use processes::{Daemon, Emulator};
use report::{ms, ratio, row};

/// Rounds of each measurement, alternating between what is compared.
const ROUNDS: usize = 5;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, socket] = arguments.as_slice()
        && first == "echo"
    {
        return echo::serve(socket);
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let seconds = Duration::from_millis(if quick { 300 } else { 2000 });
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        // Beside this binary, among build outputs: a kill leaves it behind.
        let here = std::env::current_exe()?;
        let directory = tempfile::Builder::new().prefix("bench-").tempdir_in(here.parent().unwrap_or(Path::new(".")))?;
        let emulator = Emulator::start()?;
        let daemon = Daemon::start(directory.path(), &emulator.url, 0)?;
        println!("{}", report::machine());
        signing(&emulator, &daemon, directory.path(), seconds).await?;
        psbt::measure(&emulator, &daemon, if quick { 1 } else { ROUNDS }).await?;
        reads(&daemon, directory.path(), seconds).await?;
        drop(daemon);
        start::measure(&emulator.url, directory.path(), if quick { 10_000 } else { 100_000 })?;
        Ok(())
    })
}

/// kms_signTransactionHash against the bare SDK call to the same KMS, and against that call plus one durable write.
async fn signing(emulator: &Emulator, daemon: &Daemon, directory: &Path, round: Duration) -> anyhow::Result<()> {
    let key = daemon.create_wallet().await?;
    let client = emulator.client().await;
    println!("\nkms_signTransactionHash, ms; `limit` is the bare call plus one durable write of 4 KiB");
    println!("KMS  in flight  bare p50   p99  kmsignd p50   p99  write p50   p99  p50/limit  p99/limit  rate/bare");
    for latency in [0, 10] {
        emulator.set_latency(latency)?;
        for in_flight in [1, 16, 64] {
            let (mut bare, mut signed, mut written) = (Stats::default(), Stats::default(), Stats::default());
            for _ in 0..ROUNDS {
                bare.add(load::bare_sign(&client, &key, in_flight, round).await?);
                signed.add(load::daemon_sign(&daemon.socket, &key, in_flight, round).await?);
                written.add(load::durable_writes(directory, round / 4)?);
            }
            let limit = |quantile: f64| bare.quantile(quantile) + written.quantile(quantile);
            println!(
                "{latency:>3}  {in_flight:>9}  {:>8} {:>5}  {:>11} {:>5}  {:>9} {:>5}  {:>9}  {:>9}  {:>9}",
                ms(bare.quantile(0.5)),
                ms(bare.quantile(0.99)),
                ms(signed.quantile(0.5)),
                ms(signed.quantile(0.99)),
                ms(written.quantile(0.5)),
                ms(written.quantile(0.99)),
                ratio(signed.quantile(0.5), limit(0.5)),
                ratio(signed.quantile(0.99), limit(0.99)),
                ratio(signed.rate(), bare.rate()),
            );
        }
    }
    emulator.set_latency(0)
}

/// wallet_get against a raw newline echo of as many bytes on a Unix socket.
async fn reads(daemon: &Daemon, directory: &Path, round: Duration) -> anyhow::Result<()> {
    let wallet = daemon.first_wallet().await?;
    let echo = echo::Echo::start(directory)?;
    let ipc = load::ipc_request(&wallet);
    let http = load::http_request(&wallet);
    println!("\nwallet_get against a raw echo of the same socket kind, requests a second");
    println!("connections    echo     IPC  IPC/echo    HTTP  HTTP/echo");
    for connections in [1, 32] {
        let (mut echoed, mut by_ipc, mut by_http) = (Stats::default(), Stats::default(), Stats::default());
        for _ in 0..ROUNDS {
            echoed.add(load::ping_pong(&echo.socket, Socket::Lines, &ipc, connections, round).await?);
            by_ipc.add(load::ping_pong(&daemon.socket, Socket::Lines, &ipc, connections, round).await?);
            by_http.add(load::ping_pong(&daemon.socket, Socket::Http, &http, connections, round).await?);
        }
        println!(
            "{}",
            row(&[
                (11, connections.to_string()),
                (8, format!("{:.0}", echoed.rate())),
                (8, format!("{:.0}", by_ipc.rate())),
                (10, ratio(by_ipc.rate(), echoed.rate())),
                (8, format!("{:.0}", by_http.rate())),
                (11, ratio(by_http.rate(), echoed.rate())),
            ])
        );
    }
    Ok(())
}
