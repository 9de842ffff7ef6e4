//! A permit is used up by signing.
use kmsignd::kms::Kms;
use kmsignd::store::commits::{Permit, UsableKey};

async fn sign(kms: &Kms, permit: Permit, key: &UsableKey) {
    let _ = kms.sign(permit, key).await;
    let _ = kms.sign(permit, key).await;
}

fn main() {}
