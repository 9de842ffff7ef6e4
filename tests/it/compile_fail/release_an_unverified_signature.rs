//! An answer is made of a signature that verified.
use kmsignd::ids::KeyArn;
use kmsignd::keys::PinnedKey;
use kmsignd::kms::RawSignature;
use kmsignd::wallets::sign;

fn release(key: &KeyArn, public_key: &PinnedKey, raw: RawSignature) {
    let _ = sign::answer(key, public_key, raw);
}

fn main() {}
