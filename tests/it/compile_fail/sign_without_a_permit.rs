//! KMS signs what a permit holds, and nothing that anyone else made.
use kmsignd::keys::SigningPayload;
use kmsignd::kms::Kms;
use kmsignd::store::commits::UsableKey;

async fn sign(kms: &Kms, payload: SigningPayload, key: &UsableKey) {
    let _ = kms.sign(payload, key).await;
}

fn main() {}
