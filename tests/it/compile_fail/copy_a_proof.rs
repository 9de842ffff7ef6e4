//! A copy could be used where the original was used up.
use kmsignd::kms::RawSignature;
use kmsignd::store::commits::{CreationPermit, Permit, Recorded, UsableKey};
use kmsignd::verify::VerifiedSignature;

fn copy(
    permit: Permit,
    key: UsableKey,
    creation: CreationPermit,
    raw: RawSignature,
    verified: VerifiedSignature,
    recorded: Recorded,
) {
    let _ = permit.clone();
    let _ = key.clone();
    let _ = creation.clone();
    let _ = raw.clone();
    let _ = verified.clone();
    let _ = recorded.clone();
}

fn main() {}
