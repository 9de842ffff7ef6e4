//! A MongoDB for a test: a database of its own on the server that `tests/mongodb/server.sh` runs, dropped at the end.

use std::net::{SocketAddr, ToSocketAddrs};

use ::mongodb::bson::{Bson, Document, doc};
use ::mongodb::{Client, Database};
use rusqlite::params;
use tokio::runtime::Runtime;

use super::{Daemon, wait_until};

/// The variable with the server's URI. Without it the tests that need one are skipped.
pub const URI: &str = "KMSIGND_TEST_MONGODB_URI";
/// The variable with the URI of a server with TLS and a password.
pub const SECURED_URI: &str = "KMSIGND_TEST_MONGODB_SECURED_URI";

/// One database. The test's own connection goes past whatever the daemon's goes through.
pub struct Mongo {
    pub database_name: String,
    uri: String,
    database: Database,
    runtime: Runtime,
}

impl Mongo {
    /// `None`, said aloud, where there is no server.
    pub fn start(test: &str) -> Option<Self> {
        Self::at(test, URI)
    }

    pub fn at(test: &str, variable: &str) -> Option<Self> {
        let Ok(uri) = std::env::var(variable) else {
            crate::skipped(test, &format!("{variable} is not set; tests/run mongodb sets it"));
            return None;
        };
        let runtime = super::runtime();
        let database_name = format!("kmsignd_test_{}", uuid::Uuid::new_v4().simple());
        let client = runtime.block_on(Client::with_uri_str(&uri)).unwrap();
        Some(Self { database: client.database(&database_name), database_name, uri, runtime })
    }

    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Where the server listens: the first host of its URI.
    pub fn address(&self) -> SocketAddr {
        let authority = authority(&self.uri);
        let host = authority.rsplit('@').next().unwrap().split(',').next().unwrap();
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:27017") };
        host.to_socket_addrs().unwrap().find(SocketAddr::is_ipv4).unwrap()
    }

    /// The URI with another address for the server, such as a proxy's.
    pub fn uri_at(&self, address: SocketAddr) -> String {
        let authority = authority(&self.uri);
        let user = authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
        let rest = &self.uri["mongodb://".len() + authority.len()..];
        let options = rest.split_once('?').map(|(_, options)| format!("{options}&")).unwrap_or_default();
        format!("mongodb://{user}localhost:{}/?{options}directConnection=true", address.port())
    }

    /// What a daemon needs to copy its wallets here.
    pub fn settings<'a>(&'a self, uri: &'a str) -> [(&'a str, &'a str); 2] {
        [("KMSIGND__SYNC__MONGODB_URI", uri), ("KMSIGND__SYNC__DATABASE", &self.database_name)]
    }

    pub fn run(&self, command: Document) -> ::mongodb::error::Result<Document> {
        self.runtime.block_on(async { self.database.run_command(command).await })
    }

    /// FerretDB, which is none of MongoDB's own servers and can do less.
    pub fn is_ferretdb(&self) -> bool {
        self.run(doc! { "buildInfo": 1 }).unwrap().keys().any(|key| key.to_lowercase().contains("ferretdb"))
    }

    pub fn insert(&self, document: Document) {
        self.runtime.block_on(async { self.database.collection("wallets").insert_one(document).await }).unwrap();
    }

    pub fn delete(&self, filter: Document) {
        self.runtime.block_on(async { self.database.collection::<Document>("wallets").delete_many(filter).await }).unwrap();
    }

    /// Every document that the filter finds, in the order of providerId.
    pub fn find(&self, filter: Document) -> Vec<Document> {
        self.runtime.block_on(async {
            let mut cursor = self.database.collection::<Document>("wallets").find(filter).await.unwrap();
            let mut found = Vec::new();
            while cursor.advance().await.unwrap() {
                found.push(cursor.deserialize_current().unwrap());
            }
            found.sort_by_key(provider_id);
            found
        })
    }

    pub fn all(&self) -> Vec<Document> {
        self.find(doc! {})
    }

    pub fn count(&self) -> usize {
        let counted = self.run(doc! { "count": "wallets" }).unwrap();
        match counted.get("n") {
            Some(Bson::Int32(n)) => usize::try_from(*n).unwrap(),
            Some(Bson::Int64(n)) => usize::try_from(*n).unwrap(),
            Some(Bson::Double(n)) => *n as usize,
            other => panic!("{other:?}"),
        }
    }

    /// The documents of one wallet.
    pub fn of(&self, wallet_id: &str) -> Vec<Document> {
        self.find(doc! { "providerId": wallet_id })
    }

    /// Waits until the wallet's document has this version.
    #[track_caller]
    pub fn wait_for(&self, wallet_id: &str, version: i64) -> Document {
        wait_until("MongoDB has the wallet", || {
            self.of(wallet_id).iter().any(|found| found.get_i64("version").ok() == Some(version))
        });
        let mut found = self.of(wallet_id);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        let dropped = self.run(doc! { "dropDatabase": 1 });
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}

fn authority(uri: &str) -> &str {
    uri.strip_prefix("mongodb://").unwrap().split(['/', '?']).next().unwrap()
}

pub fn provider_id(document: &Document) -> String {
    document.get_str("providerId").unwrap_or_default().to_owned()
}

/// Puts wallets and their outbox rows into a stopped daemon's store, as a long life without MongoDB would have left them. The
/// store must have a wallet to take after. Gives the walletIds.
pub fn insert_waiting(daemon: &Daemon, count: usize) -> Vec<String> {
    let mut database = daemon.database();
    let transaction = database.transaction().unwrap();
    let mut ids = Vec::new();
    {
        let mut wallet = transaction
            .prepare(
                "INSERT INTO wallets SELECT ?1, 'user' || (?3 % 100), 'ETH', 'ETH', 'sepolia', 'eip55', key_spec, 'CREATED', ?2,
                 public_key, ?4, NULL, created_at, updated_at, 2, NULL, NULL, NULL FROM wallets LIMIT 1",
            )
            .unwrap();
        let mut outbox = transaction.prepare("INSERT INTO outbox (wallet_id, version, since) VALUES (?1, 2, 1)").unwrap();
        for n in 0..count {
            let id = format!("0197b2a0-7c1e-7d3a-9f00-{n:012x}");
            let key = format!("arn:aws:kms:eu-central-1:111122223333:key/{n:032x}");
            wallet.execute(params![id, key, n, format!("0x{n:040x}")]).unwrap();
            outbox.execute([&id]).unwrap();
            ids.push(id);
        }
    }
    transaction.commit().unwrap();
    ids
}
