//! What a step proves is made by that step alone.
use kmsignd::ids::{KeyArn, WalletId};
use kmsignd::keys::{PinnedKey, SigningPayload};
use kmsignd::kms::RawSignature;
use kmsignd::policy::Decision;
use kmsignd::store::commits::{CreationPermit, KeyNeed, Permit, UsableKey, WalletClaim};
use kmsignd::store::wallets::Wallet;
use kmsignd::verify::{CheckedSignature, VerifiedSignature};

fn permit(wallet_id: WalletId, payload: SigningPayload) -> Permit {
    Permit { wallet_id, payload }
}

fn key(wallet_id: WalletId, arn: KeyArn, public_key: PinnedKey) -> UsableKey {
    UsableKey { wallet_id, arn, public_key }
}

fn creation(wallet: Wallet, need: KeyNeed, claim: WalletClaim) -> CreationPermit {
    CreationPermit { wallet, need, _claim: claim }
}

fn raw(wallet_id: WalletId, payload: SigningPayload) -> RawSignature {
    RawSignature { wallet_id, payload, bytes: Vec::new() }
}

fn verified(wallet_id: WalletId, payload: SigningPayload, signature: CheckedSignature) -> VerifiedSignature {
    VerifiedSignature { wallet_id, payload, signature }
}

fn decision(other: Decision) -> Decision {
    Decision { uid: 0, ..other }
}

fn main() {}
