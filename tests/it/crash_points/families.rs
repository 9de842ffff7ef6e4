//! A daemon that is killed while it signs for XRP, ADA or SOL.

use kmsignd::crash_points::CrashPoint::{self, *};
use serde_json::{Value, json};

use super::{Scenario, wallet_of};
use crate::harness::journal::Call;
use crate::method_examples::{cardano_payment, solana_transfer, xrp_payment};

/// Where a signature is made, or not, of something that may be signed once.
const SIGNED_ONCE: &[(CrashPoint, u32)] = &[
    (IntentDurable, 1),
    (BeforeSign, 1),
    (AfterSign, 1),
    (SignatureVerified, 1),
    (OutcomeQueued, 1),
    (OutcomeDurable, 1),
    (BeforeReply, 1),
];

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sign one of two transactions of XRP with one sequence",
        prepare: |scene| {
            let wallet = wallet_of(scene, "XRP");
            [25, 26].into_iter().map(|drops| xrp_signing(&wallet, drops)).collect()
        },
        mongodb: false,
        points: SIGNED_ONCE,
    },
    Scenario {
        name: "sign one of two transactions of ADA with one coin",
        prepare: |scene| {
            let wallet = wallet_of(scene, "ADA");
            [3_000_000, 4_000_000].into_iter().map(|lovelace| cardano_signing(&wallet, lovelace)).collect()
        },
        mongodb: false,
        points: SIGNED_ONCE,
    },
    Scenario {
        name: "sign a transaction of SOL",
        prepare: |scene| {
            let wallet = wallet_of(scene, "SOL");
            vec![solana_signing(&wallet, 250_000_000)]
        },
        mongodb: false,
        points: SIGNED_ONCE,
    },
];

fn xrp_signing(wallet: &Value, drops: u64) -> Call {
    let transaction = xrp_payment(wallet, drops);
    let params = json!({ "walletId": wallet["walletId"], "transaction": transaction, "requestId": format!("pay {drops}") });
    Call::new("xrp_signTransaction", params)
}

fn cardano_signing(wallet: &Value, lovelace: u64) -> Call {
    let transaction = cardano_payment(wallet, lovelace);
    let params = json!({ "walletId": wallet["walletId"], "transaction": transaction, "requestId": format!("pay {lovelace}") });
    Call::new("ada_signTransaction", params)
}

fn solana_signing(wallet: &Value, lamports: u64) -> Call {
    let transaction = solana_transfer(wallet, lamports);
    Call::new("sol_signTransaction", json!({ "walletId": wallet["walletId"], "transaction": transaction, "requestId": "pay" }))
}
