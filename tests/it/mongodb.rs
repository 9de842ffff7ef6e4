//! Wallets get to MongoDB, whatever happens to either on the way. `tests/run mongodb` runs these against a server.

mod connection;
mod documents;
mod faults;
mod figures;
mod refusals;

use serde_json::{Value, json};

use crate::harness::mongo::Mongo;
use crate::harness::proxy::Proxy;
use crate::harness::{Daemon, wait_until};

/// A daemon whose way to MongoDB leads through a proxy.
struct Way {
    // Before the others, so that it stops first.
    daemon: Daemon,
    proxy: Proxy,
    mongo: Mongo,
}

impl Way {
    /// `None`, said aloud, where there is no server. The daemon is not started.
    fn stopped(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let mongo = Mongo::start(test)?;
        let proxy = Proxy::start(mongo.address());
        let uri = mongo.uri_at(proxy.address());
        let settings = [mongo.settings(&uri).as_slice(), settings].concat();
        let daemon = Daemon::stopped(&kmsignd::policy::dev_policy(nix::unistd::geteuid().as_raw()), &settings);
        Some(Self { daemon, proxy, mongo })
    }

    fn start(test: &str) -> Option<Self> {
        let mut way = Self::stopped(test, &[])?;
        way.daemon.start_again();
        Some(way)
    }

    fn sync(&self) -> Value {
        self.daemon.ok("admin_status", json!({}))["sync"].take()
    }

    #[track_caller]
    fn wait_until_sync(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, || holds(&self.sync()));
        self.sync()
    }

    #[track_caller]
    fn wait_until_drained(&self) {
        self.wait_until_sync("nothing waits for MongoDB", |sync| sync["pending"] == 0);
    }

    /// A wallet whose document is not there yet, or is.
    fn wallet(&self) -> (String, String) {
        let wallet = self.daemon.wallet("ETH");
        (text(&wallet["walletId"]), text(&wallet["kmsKeyId"]))
    }

    fn signs(&self, key: &str) {
        let digest = crate::method_examples::DIGEST;
        self.daemon.ok("kms_signTransactionHash", json!({ "keyId": key, "transactionHash": digest }));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
