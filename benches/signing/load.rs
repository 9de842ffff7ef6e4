//! The loads, and what they measure.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// Latencies in seconds, and the rate over all rounds.
#[derive(Default)]
pub struct Stats {
    latencies: Vec<f64>,
    seconds: f64,
}

impl Stats {
    /// Of one measurement.
    pub fn one(seconds: f64) -> Self {
        Self { latencies: vec![seconds], seconds }
    }

    pub fn add(&mut self, round: Self) {
        self.latencies.extend(round.latencies);
        self.seconds += round.seconds;
    }

    /// Completed a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    pub fn quantile(&self, quantile: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let index = ((sorted.len().saturating_sub(1)) as f64 * quantile).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Runs `lanes` copies of a lane for as long as `round`, each one thing at a time.
async fn lanes<F>(lanes: usize, round: Duration, lane: impl Fn(usize, Instant) -> F) -> anyhow::Result<Stats>
where
    F: Future<Output = anyhow::Result<Vec<f64>>> + Send + 'static,
{
    let started = Instant::now();
    let mut running = JoinSet::new();
    for number in 0..lanes {
        running.spawn(lane(number, started + round));
    }
    let mut latencies = Vec::new();
    while let Some(lane) = running.join_next().await {
        latencies.extend(lane??);
    }
    Ok(Stats { latencies, seconds: started.elapsed().as_secs_f64() })
}

fn digest(lane: usize, number: usize) -> [u8; 32] {
    Sha256::digest(format!("{lane} {number} {:?}", Instant::now())).into()
}

/// Sign through the SDK alone.
pub async fn bare_sign(client: &aws_sdk_kms::Client, key: &str, in_flight: usize, round: Duration) -> anyhow::Result<Stats> {
    lanes(in_flight, round, |lane, until| {
        let (client, key) = (client.clone(), key.to_owned());
        async move {
            let mut latencies = Vec::new();
            while Instant::now() < until {
                let began = Instant::now();
                client
                    .sign()
                    .key_id(&key)
                    .message(Blob::new(digest(lane, latencies.len())))
                    .message_type(MessageType::Digest)
                    .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
                    .send()
                    .await?;
                latencies.push(began.elapsed().as_secs_f64());
            }
            Ok(latencies)
        }
    })
    .await
}

/// kms_signTransactionHash through the socket, a connection a lane.
pub async fn daemon_sign(socket: &Path, key: &str, in_flight: usize, round: Duration) -> anyhow::Result<Stats> {
    lanes(in_flight, round, |lane, until| {
        let (socket, key) = (socket.to_owned(), key.to_owned());
        async move {
            let mut stream = UnixStream::connect(socket).await?;
            let (mut latencies, mut answer) = (Vec::new(), Vec::new());
            while Instant::now() < until {
                let params = json!({ "keyId": key, "transactionHash": hex::encode(digest(lane, latencies.len())) });
                let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "kms_signTransactionHash", "params": params });
                let began = Instant::now();
                stream.write_all(format!("{request}\n").as_bytes()).await?;
                read_line(&mut stream, &mut answer).await?;
                latencies.push(began.elapsed().as_secs_f64());
                if !answer.windows(11).any(|window| window == b"\"signature\"") {
                    bail!("no signature: {}", String::from_utf8_lossy(&answer));
                }
            }
            Ok(latencies)
        }
    })
    .await
}

/// What one durable write of 4 KiB costs on the disk that holds the store.
pub fn durable_writes(directory: &Path, round: Duration) -> anyhow::Result<Stats> {
    let path = directory.join("durable-writes");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let (started, block) = (Instant::now(), [7; 4096]);
    let mut latencies = Vec::new();
    while started.elapsed() < round {
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        latencies.push(began.elapsed().as_secs_f64());
    }
    let seconds = started.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(Stats { latencies, seconds })
}

/// How an answer ends.
#[derive(Clone, Copy)]
pub enum Socket {
    Lines,
    Http,
}

pub fn ipc_request(wallet: &str) -> Vec<u8> {
    format!("{}\n", wallet_get(wallet)).into_bytes()
}

pub fn http_request(wallet: &str) -> Vec<u8> {
    let body = wallet_get(wallet);
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn wallet_get(wallet: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "wallet_get", "params": { "walletId": wallet } }).to_string()
}

/// Sends the same request again as soon as its answer is there, on each of some connections.
pub async fn ping_pong(
    socket: &Path,
    kind: Socket,
    request: &[u8],
    connections: usize,
    round: Duration,
) -> anyhow::Result<Stats> {
    lanes(connections, round, |_, until| {
        let (socket, request) = (socket.to_owned(), request.to_owned());
        async move {
            let mut stream = UnixStream::connect(socket).await?;
            let (mut latencies, mut answer) = (Vec::new(), Vec::new());
            while Instant::now() < until {
                let began = Instant::now();
                stream.write_all(&request).await?;
                match kind {
                    Socket::Lines => read_line(&mut stream, &mut answer).await?,
                    Socket::Http => read_http(&mut stream, &mut answer).await?,
                }
                latencies.push(began.elapsed().as_secs_f64());
            }
            Ok(latencies)
        }
    })
    .await
}

async fn read_line(stream: &mut UnixStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    answer.clear();
    while answer.last() != Some(&b'\n') {
        if stream.read_buf(answer).await? == 0 {
            bail!("the connection was closed");
        }
    }
    Ok(())
}

async fn read_http(stream: &mut UnixStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    const LENGTH: &[u8] = b"content-length: ";
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            bail!("the connection was closed");
        }
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = answer.get(..end).unwrap_or_default().to_ascii_lowercase();
        let Some(at) = head.windows(LENGTH.len()).position(|window| window == LENGTH) else { bail!("no content-length") };
        let digits: String =
            head.iter().skip(at + LENGTH.len()).take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
        if answer.len() >= end + 4 + digits.parse::<usize>()? {
            return Ok(());
        }
    }
}
