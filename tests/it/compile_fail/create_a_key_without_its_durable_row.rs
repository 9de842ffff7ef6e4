//! CreateKey has no client token: without a durable PENDING row a lost answer would lose the key.
use kmsignd::kms::Kms;
use kmsignd::store::wallets::Wallet;

async fn create(kms: &Kms, pending: &Wallet) {
    let _ = kms.create_key(pending).await;
}

fn main() {}
