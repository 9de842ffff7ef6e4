//! Start-up time and resident memory with few and with many wallets in the store.

use std::path::Path;

use bitcoin::secp256k1::{Secp256k1, SecretKey};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::processes::Daemon;
use crate::report::ms;

/// Starts of each kind, of which the median is given.
const STARTS: usize = 5;

pub fn measure(kms: &str, directory: &Path, wallets: usize) -> anyhow::Result<()> {
    println!("\nstart to first answer (median of {STARTS}), and resident memory after it");
    for (number, count) in [(1, 0), (2, wallets)] {
        let first = Daemon::start(directory, kms, number)?;
        drop(first);
        if count > 0 {
            fill(&directory.join(number.to_string()).join("kmsignd.db"), count)?;
        }
        let mut times = Vec::new();
        let mut resident = 0;
        for _ in 0..STARTS {
            let daemon = Daemon::start(directory, kms, number)?;
            times.push(daemon.started_in.as_secs_f64());
            resident = daemon.resident_bytes()?;
        }
        times.sort_unstable_by(f64::total_cmp);
        let median = times.get(STARTS / 2).copied().unwrap_or(f64::NAN);
        println!("{count:>7} wallets: {} ms, {:.1} MiB", ms(median), resident as f64 / f64::from(1 << 20));
    }
    Ok(())
}

/// Puts complete wallets into a store that no daemon holds.
fn fill(database: &Path, count: usize) -> anyhow::Result<()> {
    let mut connection = Connection::open(database)?;
    let transaction = connection.transaction()?;
    let secp = Secp256k1::new();
    {
        let mut insert = transaction.prepare(
            "INSERT INTO wallets VALUES (?1, 'bench', 'ETH', 'ETH', 'sepolia', 'eip55', 'ECC_SECG_P256K1', 'CREATED', ?2, ?3, ?4, NULL, 1, 1, 2, NULL)",
        )?;
        let mut address_row = transaction.prepare("INSERT INTO addresses VALUES (?1, 'ETH', 'sepolia', ?2, 'eip55')")?;
        for number in 0..count {
            let secret = SecretKey::from_slice(&Sha256::digest(format!("wallet {number}")))?;
            let key = secret.public_key(&secp).serialize();
            let wallet = kmsignd::ids::WalletId::new(number as u64).to_string();
            let address = format!("0x{}", hex::encode(key.get(..20).unwrap_or_default()));
            insert.execute((&wallet, format!("arn:aws:kms:eu-central-1:111122223333:key/{wallet}"), key.to_vec(), &address))?;
            address_row.execute((&address, &wallet))?;
        }
    }
    transaction.commit()?;
    Ok(())
}
