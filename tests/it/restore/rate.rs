//! How fast a restore from KMS is. Not a test of anything: `cargo test --test it restore::rate -- --ignored --nocapture` prints
//! the figures.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "prints figures, and takes minutes"]
fn restore_from_kms_at_1000_10000_and_100000_wallets() {
    for wallets in [1_000, 10_000, 100_000] {
        let mut daemon = Daemon::start();
        let example = daemon.wallet("ETH");
        daemon.stop();
        daemon.lose_store();
        let region = "eu-central-1".parse().unwrap();
        let tags = |n: usize| {
            let id = kmsignd::ids::WalletId::new(1_768_473_000_000 + u64::try_from(n).unwrap());
            [
                ("kmsignd:wallet-id", id.to_string()),
                ("kmsignd:deployment", "tests".to_owned()),
                ("kmsignd:user-id", format!("user{n}")),
                ("kmsignd:address-type", "eip55".to_owned()),
                ("kmsignd:created-at", example["createdAt"].as_str().unwrap().to_owned()),
                ("asset", "ETH".to_owned()),
                ("network", "sepolia".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
        };
        daemon.emulator().add_signing_keys(&region, (1..wallets).map(tags));
        let started = Instant::now();
        let report = daemon.block_on(restore_unlimited(&daemon));
        let took = started.elapsed().as_secs_f64();
        assert_eq!(report["restored"], wallets);
        let database = daemon.database();
        let bytes = std::fs::metadata(daemon.database_path()).unwrap().len();
        let checked = Instant::now();
        database.query_row("PRAGMA quick_check", [], |row| row.get::<_, String>(0)).unwrap();
        println!("quick_check of {bytes} bytes: {:.2} s", checked.elapsed().as_secs_f64());
        println!("{wallets} wallets from KMS in {took:.1} s: {:.0} a second", wallets as f64 / took);
    }
}

/// As the command does it, but for the limit of wallets a second that spares AWS's quota.
async fn restore_unlimited(daemon: &Daemon) -> Value {
    use kmsignd::{clock, config, daemon as composition, kms, restore};
    let config = config::Config::from_toml("x", &daemon.config_text(), &std::iter::empty::<(&str, &str)>().collect()).unwrap();
    let parts = restore::Parts {
        store: config.store.path.clone(),
        networks: composition::networks(&config).unwrap(),
        kms: composition::kms(&config, kms::aws::Credentials::Emulator, true).await,
        sync: None,
        clock: std::sync::Arc::new(clock::SystemClock),
        wallets_per_second: None,
        by: "a measurement".to_owned(),
    };
    let report = restore::restore(parts, restore::From::Kms, &restore::Progress::on_stderr()).await.unwrap();
    serde_json::to_value(report).unwrap()
}
