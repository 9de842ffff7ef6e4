//! A KMS on loopback, for `kmsignd dev`, tests and benches: the AWS JSON 1.1 protocol over HTTP, with real keys.
//!
//! It is reached only as AWS is, through the AWS SDK over TCP, so what works against it runs the same code as in
//! production. It signs with other libraries than the daemon verifies with. Its keys lie in the clear in its directory,
//! and any process of the machine can use them: it must never hold anything of value, and packages are built without it.
//!
//! What it does as AWS does: key states, per Region; DER answers with S high half the time; multi-Region replicas; tags and
//! the tagging API's GetResources; paging; exceptions by their names. The Region is the one in the credential scope of the
//! Authorization header. What it does not do: check SigV4 signatures, enforce policies, know any KeySpec but
//! `ECC_SECG_P256K1` and `ECC_NIST_EDWARDS25519`, sign Ed25519ph, import key material, move a primary, or end a primary's
//! `PendingReplicaDeletion` by itself.
//!
//! [`Faults`] makes it misbehave, and [`OperationLog`] tells what it did. Tests in other processes use
//! `GET|POST /_emulator/faults` (a [`Switches`] in JSON), `GET /_emulator/log?since=SEQUENCE`, and `POST /_emulator/reset`, which
//! ends all misbehaviour and empties the log, but keeps the keys.

mod errors;
mod faults;
mod http;
mod keys;
mod log;
mod operations;
mod persistence;
mod service;
mod signatures;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::faults::{Defect, Fault, Faults, Lags, Script, Switches};
pub use self::log::{LogEntry, OperationLog};
pub use self::operations::Operation;
use self::service::Service;
use crate::clock::{Clock, SystemClock};
use crate::ids::Region;

/// The one account there is.
pub const ACCOUNT: &str = "111122223333";

/// How an emulator starts.
#[derive(Clone)]
pub struct EmulatorConfig {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where keys are kept, one process at a time; made if it is not there. `None`: in memory.
    pub directory: Option<PathBuf>,
    /// Where the operation log is appended, a JSON object a line.
    pub log_file: Option<PathBuf>,
    pub clock: Arc<dyn Clock>,
}

impl Default for EmulatorConfig {
    /// In memory, on a free port, by the machine's clock.
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), directory: None, log_file: None, clock: Arc::new(SystemClock) }
    }
}

/// A running emulator. It stops when it is dropped; [`Emulator::shutdown`] also waits for it.
pub struct Emulator {
    address: SocketAddr,
    service: Arc<Service>,
    /// Dropped to stop.
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Reads the directory and listens. Ready to answer on return.
    ///
    /// # Errors
    /// `InvalidInput` for an address that is not loopback; `ResourceBusy` for a directory that another emulator holds;
    /// `InvalidData` for a key's file that can't be read; else what the system says.
    pub async fn start(config: EmulatorConfig) -> io::Result<Self> {
        if !config.listen.ip().is_loopback() {
            let message = format!("the KMS emulator listens on loopback only, not on {}", config.listen);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let service = tokio::task::spawn_blocking(move || Service::open(&config)).await.map_err(io::Error::other)??;
        let service = Arc::new(service);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(http::serve(listener, Arc::clone(&service), stopped));
        Ok(Self { address, service, stop, server })
    }

    /// What `AWS_ENDPOINT_URL_KMS` and the tagging API's endpoint are set to.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    pub fn log(&self) -> &OperationLog {
        &self.service.log
    }

    /// Makes many secp256k1 signing keys at once, each with these tags and no other: for tests of what many keys take. Not in the
    /// log.
    pub fn add_signing_keys(&self, region: &Region, tags: impl Iterator<Item = BTreeMap<String, String>>) {
        self.service.add_signing_keys(region, tags);
    }

    /// Closes all connections. On return nothing is written any more and another emulator can take the directory.
    pub async fn shutdown(self) {
        drop(self.stop);
        // The task fails only if it panicked, and then it has stopped too.
        let _ = self.server.await;
        let service = self.service;
        let _ = tokio::task::spawn_blocking(move || service.keys.close()).await;
    }
}
