//! The processes that are measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};

/// The daemon's binary, built beside this one.
fn binary() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let release = here.parent().and_then(Path::parent).context("this binary has no directory")?;
    let binary = release.join("kmsignd");
    if !binary.exists() {
        bail!("{} is not there; run benches/run", binary.display());
    }
    Ok(binary)
}

/// The embedded KMS in a process of its own.
pub struct Emulator {
    child: Child,
    pub url: String,
}

impl Emulator {
    pub fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(binary()?).args(["dev", "--kms-only", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// Milliseconds that each Sign takes longer.
    pub fn set_latency(&self, millis: u64) -> anyhow::Result<()> {
        let body = json!({ "latencyMs": { "Sign": millis } }).to_string();
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "POST /_emulator/faults HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 2") {
            bail!("the emulator refused the latency: {answer}");
        }
        Ok(())
    }

    /// A bare SDK client.
    pub async fn client(&self) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .endpoint_url(&self.url)
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .build();
        aws_sdk_kms::Client::from_conf(config)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Nothing is kept, so it need not end well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `kmsignd serve` as installed.
pub struct Daemon {
    child: Child,
    pub socket: PathBuf,
    /// From the start of the process to the first answer.
    pub started_in: Duration,
}

impl Daemon {
    pub fn start(directory: &Path, kms: &str, number: usize) -> anyhow::Result<Self> {
        let directory = directory.canonicalize()?.join(number.to_string());
        prepare(&directory, kms)?;
        let started = Instant::now();
        let child = Command::new(binary()?)
            .arg("serve")
            .arg("--config")
            .arg(directory.join("kmsignd.toml"))
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env_remove("AWS_REGION")
            .spawn()?;
        let socket = directory.join("kmsignd.sock");
        let deadline = started + Duration::from_secs(30);
        while call(&socket, "eth_chainId", &json!([])).is_err() {
            if Instant::now() > deadline {
                bail!("the daemon did not answer within 30 s");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { child, socket, started_in: started.elapsed() })
    }

    /// Bytes of memory in use, as the kernel counts them.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Makes a wallet and returns its key's ARN.
    pub async fn create_wallet(&self) -> anyhow::Result<String> {
        let wallet = call(&self.socket, "wallet_create", &json!({ "userId": "bench", "asset": "ETH" }))?;
        Ok(wallet["kmsKeyId"].as_str().context("no kmsKeyId")?.to_owned())
    }

    pub async fn first_wallet(&self) -> anyhow::Result<String> {
        let page = call(&self.socket, "wallet_list", &json!({ "limit": 1 }))?;
        Ok(page["wallets"][0]["walletId"].as_str().context("no wallet")?.to_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn prepare(directory: &Path, kms: &str) -> anyhow::Result<()> {
    let policies = directory.join("policy.d");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&policies)?;
    std::fs::write(policies.join("bench.cedar"), kmsignd::policy::dev_policy(nix::unistd::geteuid().as_raw()))?;
    let at = |name: &str| directory.join(name).display().to_string();
    let text = format!(
        "[socket]\npath = {:?}\ngroup = \"\"\nmax_in_flight_per_connection = 128\n[store]\npath = {:?}\n[policy]\ndirectory = {:?}\n\
         [keys]\ndeployment = \"bench\"\n[log]\nlevel = \"warn\"\n\
         [kms]\nregion = \"eu-central-1\"\nendpoint_url = {kms:?}\ntagging_endpoint_url = {kms:?}\nrequests_per_second = 100000\n",
        at("kmsignd.sock"),
        at("kmsignd.db"),
        at("policy.d"),
    );
    Ok(std::fs::write(directory.join("kmsignd.toml"), text)?)
}

/// One call over a connection of its own.
pub fn call(socket: &Path, method: &str, params: &Value) -> anyhow::Result<Value> {
    let mut stream = BufReader::new(UnixStream::connect(socket)?);
    writeln!(stream.get_mut(), "{}", json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut answer: Value = serde_json::from_str(&line)?;
    match answer.get_mut("result").map(Value::take) {
        Some(result) => Ok(result),
        None => bail!("{method}: {}", answer["error"]),
    }
}
