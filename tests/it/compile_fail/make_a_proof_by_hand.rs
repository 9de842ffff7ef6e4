//! What a step proves is made by that step alone.
use kmsignd::ids::WalletId;
use kmsignd::keys::SigningPayload;
use kmsignd::kms::RawSignature;
use kmsignd::outcome::Outcome;
use kmsignd::policy::Decision;
use kmsignd::store::commits::{CreationPermit, Permit, Recorded, UsableKey};
use kmsignd::store::wallets::Wallet;
use kmsignd::verify::VerifiedSignature;

fn permit(wallet_id: WalletId, payload: SigningPayload) -> Permit {
    Permit { wallet_id, payload }
}

fn key(wallet: Wallet) -> UsableKey {
    UsableKey { wallet_id: wallet.wallet_id, arn: wallet.kms_key_id.unwrap(), public_key: wallet.public_key.unwrap() }
}

fn creation(wallet: Wallet) -> CreationPermit {
    CreationPermit { wallet }
}

fn raw(wallet_id: WalletId, payload: SigningPayload) -> RawSignature {
    RawSignature { wallet_id, payload, bytes: Vec::new() }
}

fn verified(raw: RawSignature) -> VerifiedSignature {
    VerifiedSignature { wallet_id: raw.wallet_id(), payload: raw.into_parts().0, signature: todo!() }
}

fn decision(other: Decision) -> Decision {
    Decision { uid: 0, ..other }
}

fn recorded(outcome: Outcome) -> Recorded {
    Recorded::committed(outcome)
}

fn main() {}
