//! A wallet's row says nothing of now: only the reserving transaction finds its key usable.
use kmsignd::kms::Kms;
use kmsignd::store::commits::Permit;
use kmsignd::store::wallets::Wallet;

async fn sign(kms: &Kms, permit: Permit, wallet: &Wallet) {
    let _ = kms.sign(permit, wallet).await;
}

fn main() {}
